//! The key file's bytes. What is absent: files, and where a sealing key comes from.

use hubbub_shared::crypto::aead::{self, OVERHEAD, Purpose};
use hubbub_shared::crypto::passphrase::Params;
use hubbub_shared::crypto::{Secret32, SecretBytes, blake3};
use rand_core::CryptoRng;

use super::Keys;

const MAGIC: &[u8; 8] = b"HUBBUBKY";
const VERSION: u8 = 1;
const HEADER: usize = 8 + 1 + 1 + 12 + 16;
const SEALED: usize = 64 + OVERHEAD;
const CHECKSUM: usize = 8;
/// Size of a key file in bytes.
pub(super) const LEN: usize = HEADER + SEALED + CHECKSUM;

/// What opens the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// The key in the file beside it.
    UnlockFile,
    /// A passphrase, stretched like this.
    Passphrase(Params),
}

/// What stands before the sealed part, and is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) lock: Lock,
    pub(super) salt: [u8; 16],
}

/// Why a header cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotReadable {
    Damaged,
    Newer,
}

impl Header {
    /// Reads the header of a whole, undamaged file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, NotReadable> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(NotReadable::Damaged)?;
        let (version, rest) = rest.split_first().ok_or(NotReadable::Damaged)?;
        if *version > VERSION {
            return Err(NotReadable::Newer);
        }
        Self::read_v1(bytes, rest).ok_or(NotReadable::Damaged)
    }

    fn read_v1(bytes: &[u8], rest: &[u8]) -> Option<Self> {
        let (checked, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
        if bytes.len() != LEN || checksum(checked) != *sum {
            return None;
        }
        let (lock, rest) = rest.split_first()?;
        let (mib, rest) = number(rest)?;
        let (passes, rest) = number(rest)?;
        let (lanes, rest) = number(rest)?;
        let lock = match lock {
            0 => Lock::UnlockFile,
            1 => Lock::Passphrase(Params { mib, passes, lanes }),
            _ => return None,
        };
        Some(Self { lock, salt: *rest.first_chunk()? })
    }

    fn to_bytes(self) -> Vec<u8> {
        let (lock, params) = match self.lock {
            Lock::UnlockFile => (0, Params { mib: 0, passes: 0, lanes: 0 }),
            Lock::Passphrase(params) => (1, params),
        };
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, lock]);
        for number in [params.mib, params.passes, params.lanes] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.salt);
        out
    }
}

/// The whole file.
pub(super) fn seal(
    header: &Header,
    keys: &Keys,
    key: Secret32,
    rng: &mut impl CryptoRng,
) -> Vec<u8> {
    let mut plain = Vec::with_capacity(64);
    plain.extend_from_slice(keys.master.expose());
    plain.extend_from_slice(keys.identity.seed().expose());
    let plain = SecretBytes::from_vec(plain);
    let mut out = header.to_bytes();
    let sealed = aead::seal(key, Purpose::Keyfile, &out, plain.expose(), rng);
    out.extend_from_slice(&sealed);
    out.extend_from_slice(&checksum(&out));
    out
}

/// Master key and identity seed; `None` when `key` is not the one.
pub(super) fn open(header: &Header, bytes: &[u8], key: &Secret32) -> Option<(Secret32, Secret32)> {
    let (_, rest) = bytes.split_at_checked(HEADER)?;
    let (sealed, _) = rest.split_last_chunk::<CHECKSUM>()?;
    let plain = aead::open(key, Purpose::Keyfile, &header.to_bytes(), sealed).ok()?;
    let (master, seed) = plain.expose().split_first_chunk::<32>()?;
    let seed: &[u8; 32] = seed.try_into().ok()?;
    let secret = |bytes: &[u8; 32]| Secret32::filled(|out| out.copy_from_slice(bytes));
    Some((secret(master), secret(seed)))
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// Tells damage from a wrong passphrase; proves nothing.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, e, f, g, h, ..] = blake3(bytes).0;
    [a, b, c, d, e, f, g, h]
}
