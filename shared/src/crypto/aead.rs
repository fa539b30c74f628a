//! CAE1: the one way anything is sealed, but for what may be lost ([`super::signal`]).
//!
//! ChaCha20-Poly1305 under a key derived for this one message, with a 32-byte commitment to that
//! key and to the associated data, and a nonce hedged by the plaintext. Invariant: a message key
//! seals once ([`seal`] consumes it), and one sealed blob opens under one key only. A rolled-back
//! generator cannot cause nonce reuse for two different plaintexts.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::derive::{blake3, expand};
use super::label::Label;
use super::padding::{pad_onto, padded_len};
use super::secret::{Secret32, SecretBytes};

/// What sealing adds: nonce (12), commitment (32), tag (16).
pub const OVERHEAD: usize = NONCE + COMMIT + TAG;

const NONCE: usize = 12;
const COMMIT: usize = 32;
const TAG: usize = 16;
/// Random part of what the nonce is made of.
const SALT: usize = 16;

/// What a sealed blob is; part of its key (PROTOCOL.md, Keys and names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A pairwise message.
    Pairwise,
    /// A group message.
    Group,
    /// A group's name and picture.
    Meta,
    /// The key file.
    Keyfile,
    /// What an invite carries.
    Invite,
    /// A stored record.
    Store,
    /// A piece of a backup.
    Backup,
}

impl Purpose {
    fn label(self) -> Label {
        match self {
            Self::Pairwise => Label::Cae1Dr,
            Self::Group => Label::Cae1Group,
            Self::Meta => Label::Cae1Meta,
            Self::Keyfile => Label::Cae1Keyfile,
            Self::Invite => Label::Cae1Invite,
            Self::Store => Label::Cae1Store,
            Self::Backup => Label::Cae1Backup,
        }
    }
}

/// A blob that does not open. One error for every reason, so that nobody can probe with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed bytes do not open; they were altered or sealed for someone else")]
pub struct OpenError;

/// Seals `plain` under a key used for nothing else; `ad` is bound but not contained. The result is
/// [`OVERHEAD`] bytes longer than `plain`.
#[must_use]
#[allow(clippy::needless_pass_by_value)] // taking the key is what makes it single-use
pub fn seal(
    mk: Secret32,
    purpose: Purpose,
    ad: &[u8],
    plain: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<u8> {
    let mut out = room(plain.len(), rng);
    out.extend_from_slice(plain);
    encrypt(&Keys::derive(&mk, purpose, ad), ad, out)
}

/// Pads `plain` and seals it: [`seal`] of [`pad`](super::padding::pad), without the copy in between
/// that would have to be wiped.
#[must_use]
#[allow(clippy::needless_pass_by_value)] // as in `seal`
pub fn seal_padded(
    mk: Secret32,
    purpose: Purpose,
    ad: &[u8],
    plain: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<u8> {
    let mut out = room(padded_len(plain.len()), rng);
    pad_onto(&mut out, plain);
    encrypt(&Keys::derive(&mk, purpose, ad), ad, out)
}

/// Room for what becomes a sealed blob of `len` bytes of content, never to grow: so far the salt,
/// where the content follows it.
fn room(len: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<u8> {
    let mut salt = [0; SALT];
    rng.fill_bytes(&mut salt);
    let mut out = Vec::with_capacity(len + OVERHEAD);
    out.resize(NONCE + COMMIT - SALT, 0);
    out.extend_from_slice(&salt);
    out
}

/// Makes the sealed blob of what [`room`] made and content was appended to. The salt gives way to
/// the commitment.
fn encrypt(keys: &Keys, ad: &[u8], mut out: Vec<u8>) -> Vec<u8> {
    let nonce = keys.nonce(out.get(NONCE + COMMIT - SALT..).unwrap_or_default());
    let (head, body) = out.split_at_mut(NONCE + COMMIT);
    let (nonce_place, commitment_place) = head.split_at_mut(NONCE);
    nonce_place.copy_from_slice(&nonce);
    commitment_place.copy_from_slice(keys.commitment());
    #[allow(clippy::expect_used)] // the cipher's limit is 256 GiB
    let tag = keys
        .cipher()
        .encrypt_inout_detached(&Nonce::from(nonce), ad, body.into())
        .expect("a message is far below 256 GiB");
    out.extend_from_slice(&tag);
    out
}

/// Opens what [`seal`] made with the same key, purpose and associated data.
///
/// # Errors
/// [`OpenError`] for anything else: another key, purpose or `ad`, or altered bytes.
pub fn open(
    mk: &Secret32,
    purpose: Purpose,
    ad: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, OpenError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(OpenError)?;
    let (commitment, rest) = rest.split_first_chunk::<COMMIT>().ok_or(OpenError)?;
    let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(OpenError)?;
    let keys = Keys::derive(mk, purpose, ad);
    if !bool::from(keys.commitment().ct_eq(commitment)) {
        return Err(OpenError);
    }
    let mut plain = Zeroizing::new(body.to_vec());
    keys.cipher()
        .decrypt_inout_detached(
            &Nonce::from(*nonce),
            ad,
            plain.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .map_err(|_| OpenError)?;
    Ok(SecretBytes::from_vec(core::mem::take(&mut *plain)))
}

/// Key, commitment and nonce key of one message.
struct Keys(Zeroizing<[u8; 96]>);

impl Keys {
    fn derive(mk: &Secret32, purpose: Purpose, ad: &[u8]) -> Self {
        let mut info = purpose.label().info(&[0]);
        info.extend_from_slice(blake3(ad).as_bytes());
        let mut okm = Zeroizing::new([0; 96]);
        expand(mk.expose(), &info, okm.as_mut_slice());
        Self(okm)
    }

    fn part(&self, index: usize) -> &[u8; 32] {
        #[allow(clippy::expect_used)] // 96 bytes are three parts of 32; callers ask for 0, 1, 2
        self.0.as_chunks::<32>().0.get(index).expect("three parts")
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(self.part(0).into())
    }

    fn commitment(&self) -> &[u8; 32] {
        self.part(1)
    }

    /// The plaintext goes into the nonce: a repeated generator state repeats a nonce only for the
    /// same plaintext. Both come in one piece, which BLAKE3 hashes several blocks at a time.
    fn nonce(&self, salt_and_plain: &[u8]) -> [u8; NONCE] {
        let mut hasher = ::blake3::Hasher::new_keyed(self.part(2));
        hasher.update(salt_and_plain);
        let mut nonce = [0; NONCE];
        hasher.finalize_xof().fill(&mut nonce);
        hasher.zeroize();
        nonce
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::crypto::padding::pad;

    fn key(byte: u8) -> Secret32 {
        Secret32::from_bytes([byte; 32])
    }

    fn sealed(plain: &[u8], seed: u64) -> Vec<u8> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        seal(key(1), Purpose::Group, b"ad", plain, &mut rng)
    }

    #[test]
    fn what_was_sealed_opens_and_is_sixty_bytes_longer() {
        for len in [0, 1, 160, 70_000] {
            let plain = vec![7; len];
            let sealed = sealed(&plain, 1);
            assert_eq!(sealed.len(), len + 60);
            assert_eq!(open(&key(1), Purpose::Group, b"ad", &sealed).unwrap().expose(), plain);
        }
    }

    #[test]
    fn sealing_padded_is_sealing_what_was_padded() {
        for len in [0, 159, 160, 1_024, 5_000] {
            let (plain, rng) = (vec![7; len], || ChaCha20Rng::seed_from_u64(1));
            let once = seal_padded(key(1), Purpose::Group, b"ad", &plain, &mut rng());
            let twice = seal(key(1), Purpose::Group, b"ad", &pad(&plain), &mut rng());
            assert_eq!(once, twice);
            assert_eq!(once.len(), once.capacity(), "it never grew, so it left no copy behind");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let sealed = sealed(b"meet at noon", 1);
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key(1), Purpose::Group, b"ad", &altered).is_err(), "bit {bit}");
        }
        for end in 0..sealed.len() {
            assert!(open(&key(1), Purpose::Group, b"ad", &sealed[..end]).is_err());
        }
    }

    #[test]
    fn another_key_purpose_or_ad_is_refused() {
        let sealed = sealed(b"meet at noon", 1);
        assert!(open(&key(2), Purpose::Group, b"ad", &sealed).is_err());
        assert!(open(&key(1), Purpose::Pairwise, b"ad", &sealed).is_err());
        assert!(open(&key(1), Purpose::Group, b"da", &sealed).is_err());
    }

    #[test]
    fn the_commitment_covers_the_key_and_the_ad() {
        let commitment = |k: u8, ad: &[u8]| {
            let mut rng = ChaCha20Rng::seed_from_u64(1);
            seal(key(k), Purpose::Group, ad, b"x", &mut rng)[12..44].to_vec()
        };
        assert_ne!(commitment(1, b"ad"), commitment(2, b"ad"));
        assert_ne!(commitment(1, b"ad"), commitment(1, b"da"));
    }

    #[test]
    fn a_rolled_back_generator_still_gives_another_plaintext_another_nonce() {
        assert_ne!(sealed(b"yes", 9)[..12], sealed(b"no!", 9)[..12]);
    }
}
