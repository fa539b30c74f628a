//! A backup's bytes: a header, then sealed pieces.
//!
//! ```text
//! backup = "HUBBUBBK" | u8 version | u32 MiB | u32 passes | u32 lanes | salt (16) | checksum (8)
//!          | piece ..
//! piece  = u8 last | u32 length of what follows | sealed
//! inside = kind (u8) | u32 length | bytes, again and again
//! ```
//!
//! Numbers are big-endian. Each piece has a key of its own, a step further on a chain that begins
//! with the passphrase's key, and is bound to the header, its place and whether it is the last: one
//! left out, put elsewhere or taken from another backup does not open.

use std::io::{self, Read, Write};

use hubbub_shared::crypto::aead::{self, OVERHEAD, Purpose};
use hubbub_shared::crypto::passphrase::{Params, PassphraseError, derive_key};
use hubbub_shared::crypto::{Secret32, SecretBytes, blake3, chain_step};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"HUBBUBBK";
const VERSION: u8 = 1;
const HEADER: usize = 8 + 1 + 12 + 16;
const CHECKSUM: usize = 8;
/// A piece is sealed once it holds this much.
const PIECE: usize = 64 * 1024;
/// Nothing in a backup is larger; a record is at most a quarter of it.
const PIECE_MAX: usize = 1024 * 1024;
const KEY_BYTE: u8 = 1;
const NEXT_BYTE: u8 = 2;

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BackupError {
    #[error("this is no backup made by hubbub, or its first bytes are damaged; try another copy")]
    NoBackup,
    #[error("this backup was made by a newer version; update this program")]
    Newer,
    #[error("that is not the passphrase of this backup; check the keyboard layout, try again")]
    WrongPassphrase,
    #[error("the backup is damaged in its piece {0}; try another copy")]
    Damaged(u64),
    #[error("the backup is cut short after its piece {0}; try another copy")]
    CutShort(u64),
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    #[error("cannot read or write the backup: {0}; check its place and the free space")]
    Io(#[from] io::Error),
}

/// Writes a backup.
pub(super) struct Sealer<W, R> {
    out: W,
    rng: R,
    header: Vec<u8>,
    chain: Secret32,
    place: u64,
    inside: Zeroizing<Vec<u8>>,
}

impl<W: Write, R: CryptoRng> Sealer<W, R> {
    pub(super) fn begin(
        mut out: W,
        passphrase: &[u8],
        params: Params,
        mut rng: R,
    ) -> Result<Self, BackupError> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let mut header = MAGIC.to_vec();
        header.push(VERSION);
        for number in [params.mib, params.passes, params.lanes] {
            header.extend_from_slice(&number.to_be_bytes());
        }
        header.extend_from_slice(&salt);
        let chain = derive_key(passphrase, &salt, params)?;
        out.write_all(&header)?;
        out.write_all(&checksum(&header))?;
        Ok(Self { out, rng, header, chain, place: 0, inside: Zeroizing::new(Vec::new()) })
    }

    pub(super) fn put(&mut self, kind: u8, bytes: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= PIECE_MAX / 2);
        let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.inside.push(kind);
        self.inside.extend_from_slice(&length.to_be_bytes());
        self.inside.extend_from_slice(bytes);
        if self.inside.len() >= PIECE { self.seal(false) } else { Ok(()) }
    }

    /// Seals what is left and gives the writer back.
    pub(super) fn end(mut self) -> Result<W, BackupError> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, last: bool) -> Result<(), BackupError> {
        let (key, next) = chain_step(&self.chain, KEY_BYTE, NEXT_BYTE);
        self.chain = next;
        let ad = bound_to(&self.header, self.place, last);
        let sealed = aead::seal(key, Purpose::Backup, &ad, &self.inside, &mut self.rng);
        self.inside = Zeroizing::new(Vec::new());
        self.place += 1;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.out.write_all(&[u8::from(last)])?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&sealed)?;
        Ok(())
    }
}

/// Reads a backup, piece by piece.
pub(super) struct Opener<R> {
    from: R,
    header: Vec<u8>,
    chain: Secret32,
    place: u64,
    inside: SecretBytes,
    at: usize,
    last: bool,
}

impl<R: Read> Opener<R> {
    pub(super) fn begin(mut from: R, passphrase: &[u8]) -> Result<Self, BackupError> {
        let (mut header, mut sum) = (vec![0; HEADER], [0; CHECKSUM]);
        let whole = from.read_exact(&mut header).and_then(|()| from.read_exact(&mut sum));
        whole.map_err(|error| cut(error, BackupError::NoBackup))?;
        let rest = header.strip_prefix(MAGIC).ok_or(BackupError::NoBackup)?;
        match rest.first() {
            Some(&VERSION) => {}
            Some(version) if *version > VERSION => return Err(BackupError::Newer),
            _ => return Err(BackupError::NoBackup),
        }
        let (params, salt) =
            read_header(rest).filter(|_| checksum(&header) == sum).ok_or(BackupError::NoBackup)?;
        let chain = derive_key(passphrase, &salt, params)?;
        let inside = SecretBytes::from_vec(Vec::new());
        Ok(Self { from, header, chain, place: 0, inside, at: 0, last: false })
    }

    /// The next thing in it; none after the last, and then the file has ended, too.
    pub(super) fn next(&mut self) -> Result<Option<(u8, SecretBytes)>, BackupError> {
        while self.at >= self.inside.len() {
            if self.last {
                let more = self.from.read(&mut [0])? > 0;
                return if more { Err(BackupError::Damaged(self.place)) } else { Ok(None) };
            }
            self.open()?;
        }
        let found = self.inside.expose().get(self.at..).and_then(item);
        let (kind, bytes, size) = found.ok_or(BackupError::Damaged(self.place))?;
        let bytes = SecretBytes::from_vec(bytes.to_vec());
        self.at += size;
        Ok(Some((kind, bytes)))
    }

    fn open(&mut self) -> Result<(), BackupError> {
        let place = self.place;
        let mut head = [0; 5];
        self.from.read_exact(&mut head).map_err(|e| cut(e, BackupError::CutShort(place)))?;
        let [last, a, b, c, d] = head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if last > 1 || length > PIECE_MAX + OVERHEAD {
            return Err(BackupError::Damaged(place + 1));
        }
        let mut sealed = vec![0; length];
        self.from.read_exact(&mut sealed).map_err(|e| cut(e, BackupError::CutShort(place)))?;
        let (key, next) = chain_step(&self.chain, KEY_BYTE, NEXT_BYTE);
        let ad = bound_to(&self.header, place, last == 1);
        let opened = aead::open(&key, Purpose::Backup, &ad, &sealed);
        self.inside = opened.map_err(|_| match place {
            0 => BackupError::WrongPassphrase,
            _ => BackupError::Damaged(place + 1),
        })?;
        (self.chain, self.at, self.last) = (next, 0, last == 1);
        self.place += 1;
        Ok(())
    }
}

fn bound_to(header: &[u8], place: u64, last: bool) -> Vec<u8> {
    [header, &place.to_be_bytes(), &[u8::from(last)]].concat()
}

fn read_header(rest: &[u8]) -> Option<(Params, [u8; 16])> {
    let number = |at: usize| Some(u32::from_be_bytes(*rest.get(at..)?.first_chunk()?));
    let params = Params { mib: number(1)?, passes: number(5)?, lanes: number(9)? };
    Some((params, *rest.get(13..)?.first_chunk()?))
}

fn item(inside: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (kind, rest) = inside.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    Some((*kind, rest.get(..length)?, 5 + length))
}

fn cut(error: io::Error, short: BackupError) -> BackupError {
    if error.kind() == io::ErrorKind::UnexpectedEof { short } else { error.into() }
}

/// Tells damage from a wrong passphrase; proves nothing.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = [0; CHECKSUM];
    sum.iter_mut().zip(blake3(bytes).0).for_each(|(to, from)| *to = from);
    sum
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};

    use super::*;

    const LIGHT: Params = Params { mib: 19, passes: 2, lanes: 1 };
    const PASS: &[u8] = b"correct horse";

    fn made(items: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let rng = ChaCha20Rng::from_seed([5; 32]);
        let mut sealer = Sealer::begin(Vec::new(), PASS, LIGHT, rng).unwrap();
        items.iter().for_each(|(kind, bytes)| sealer.put(*kind, bytes).unwrap());
        sealer.end().unwrap()
    }

    fn read(backup: &[u8], passphrase: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, BackupError> {
        let mut opener = Opener::begin(backup, passphrase)?;
        let mut items = Vec::new();
        while let Some((kind, bytes)) = opener.next()? {
            items.push((kind, bytes.expose().to_vec()));
        }
        Ok(items)
    }

    fn many() -> Vec<(u8, Vec<u8>)> {
        (0..40u8).map(|n| (n, vec![n; 5_000])).collect()
    }

    /// Where each piece begins, and the end.
    fn pieces(backup: &[u8]) -> Vec<usize> {
        let mut at = vec![HEADER + CHECKSUM];
        while let Some(head) = backup.get(at[at.len() - 1]..).and_then(|b| b.get(1..5)) {
            let length = u32::from_be_bytes(head.try_into().unwrap());
            at.push(at[at.len() - 1] + 5 + usize::try_from(length).unwrap());
        }
        at
    }

    #[test]
    fn what_was_put_in_comes_out_and_nothing_of_it_can_be_read_in_the_file() {
        let backup = made(&many());
        assert_eq!(read(&backup, PASS).unwrap(), many());
        assert!(pieces(&backup).len() > 3);
        assert!(!backup.windows(16).any(|window| window == [7; 16]));
        assert_eq!(read(&made(&[]), PASS).unwrap(), []);
    }

    #[test]
    fn a_wrong_passphrase_a_newer_version_and_no_backup_at_all_are_told_apart() {
        let backup = made(&many());
        let error = |bytes: &[u8], pass: &[u8]| read(bytes, pass).unwrap_err();
        assert!(matches!(error(&backup, b"battery"), BackupError::WrongPassphrase));
        let mut newer = backup.clone();
        newer[8] = 2;
        assert!(matches!(error(&newer, PASS), BackupError::Newer));
        assert!(matches!(
            error(b"PK\x03\x04 something else entirely, and long enough", PASS),
            BackupError::NoBackup
        ));
        assert!(matches!(error(&backup[..20], PASS), BackupError::NoBackup));
    }

    #[test]
    fn wherever_it_is_cut_or_changed_it_is_noticed() {
        let backup = made(&many());
        let starts = pieces(&backup);
        for end in &starts[..starts.len() - 1] {
            assert!(matches!(read(&backup[..*end], PASS), Err(BackupError::CutShort(_))));
        }
        let mut rng = ChaCha20Rng::from_seed([6; 32]);
        for _ in 0..12 {
            let at = usize::try_from(rng.next_u64()).unwrap() % backup.len();
            let mut changed = backup.clone();
            changed[at] ^= 1 << (rng.next_u32() % 8);
            assert!(read(&changed, PASS).is_err(), "a bit of byte {at}");
        }
        let mut swapped = backup[..starts[1]].to_vec();
        swapped.extend_from_slice(&backup[starts[2]..starts[3]]);
        swapped.extend_from_slice(&backup[starts[1]..starts[2]]);
        swapped.extend_from_slice(&backup[starts[3]..]);
        assert!(matches!(read(&swapped, PASS), Err(BackupError::Damaged(2))));
        let longer = [&backup[..], b"x"].concat();
        assert!(matches!(read(&longer, PASS), Err(BackupError::Damaged(_))));
    }

    /// Made by the first version of this, under [`PASS`].
    const FIRST: &[&str] = &[
        "485542425542424b010000001300000002000000018108aedfacf5cf1d73c67b6936397ba5e73e53",
        "666cdc04c00100000046b199d8af834d1f2ecb09cd35b5babe0a6d46679fe66a5b82ea3e5a6bf3c2",
        "d8ed376631933d6148a13ddcce76271677a48d453a6d5a55c383e6a98540c5f5f54ca69c9d665fde",
    ];

    #[test]
    fn a_backup_made_by_the_first_version_opens_for_ever_and_is_made_again() {
        let first = data_encoding::HEXLOWER.decode(FIRST.concat().as_bytes()).unwrap();
        let items = vec![(1, b"hello".to_vec())];
        assert_eq!(read(&first, PASS).unwrap(), items);
        assert_eq!(made(&items), first);
    }

    #[test]
    fn a_header_cannot_make_the_derivation_trivial_or_huge() {
        for (mib, passes) in [(1u32, 1u32), (1 << 20, 3), (64, 1_000)] {
            let mut backup = made(&[]);
            backup[9..13].copy_from_slice(&mib.to_be_bytes());
            backup[13..17].copy_from_slice(&passes.to_be_bytes());
            let sum = checksum(&backup[..HEADER]);
            backup[HEADER..HEADER + CHECKSUM].copy_from_slice(&sum);
            assert!(matches!(read(&backup, PASS), Err(BackupError::Passphrase(_))));
        }
    }
}
