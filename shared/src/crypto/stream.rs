//! STREAM: one file sealed in pieces, any of which opens alone.
//!
//! AES-256-GCM under one key for each file, the nonce being the piece's number and whether it is
//! the last. Files are the one thing of which there is so much that the cipher is felt: where
//! processors have instructions for AES, and all but the smallest do, a transfer takes a fifth less
//! of them than with the cipher of messages (docs/BENCHMARKS.md, Files). Invariant: a key seals one
//! content only, so no nonce meets two plaintexts; who seals a second time must compare before the
//! result leaves (see `blob::serve`). The cipher alone does not commit to its key, so the key comes
//! with a commitment that the blob begins with. The cipher is AWS-LC's, which TLS links anyway: its
//! time does not depend on key or content, with those instructions or without, and it wipes its
//! keys when they are dropped.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::aead::OpenError;
use super::derive::{hkdf, lp};
use super::label::Label;
use super::secret::Secret32;

/// What sealing adds to a piece.
pub const TAG: usize = 16;
/// Size of the commitment to a file's key.
pub const COMMIT: usize = 32;
/// Size of the salt beside a file's key.
pub const SALT: usize = 16;

/// What opens a file: random, new for each, told to readers inside a message.
pub struct FileKey {
    secret: Secret32,
    salt: [u8; SALT],
}

impl FileKey {
    /// A fresh one.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let secret = Secret32::random(rng);
        let mut salt = [0; SALT];
        rng.fill_bytes(&mut salt);
        Self { secret, salt }
    }

    /// One that was told.
    #[must_use]
    pub fn from_parts(secret: Secret32, salt: [u8; SALT]) -> Self {
        Self { secret, salt }
    }

    /// The secret half.
    #[must_use]
    pub fn secret(&self) -> &Secret32 {
        &self.secret
    }

    /// The public half.
    #[must_use]
    pub fn salt(&self) -> &[u8; SALT] {
        &self.salt
    }

    /// A second copy, for a reader that becomes a source.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { secret: self.secret.duplicate(), salt: self.salt }
    }
}

/// Where in a file a piece stands; its nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number, from 0.
    pub index: u32,
    /// Whether none follows.
    pub last: bool,
}

impl Place {
    /// Three zeros, the number in eight bytes, the last byte 1 or 0.
    fn nonce(self) -> Nonce {
        let [a, b, c, d] = self.index.to_be_bytes();
        Nonce::from(&[0, 0, 0, 0, 0, 0, 0, a, b, c, d, u8::from(self.last)])
    }
}

/// Seals and opens the pieces of one file.
pub struct PieceCipher {
    /// There is one for every key of 32 bytes.
    cipher: Option<LessSafeKey>,
    commitment: [u8; COMMIT],
}

impl PieceCipher {
    /// The key of a file of this padded length in pieces of this size (PROTOCOL.md, Files).
    #[must_use]
    pub fn derive(file: &FileKey, padded: u64, piece: u64) -> Self {
        let info = lp(Label::File, &[&padded.to_be_bytes(), &piece.to_be_bytes()]);
        let mut okm = Zeroizing::new([[0; 32]; 2]);
        hkdf(&file.salt, file.secret.expose(), &info, okm.as_flattened_mut());
        let [key, commitment] = &*okm;
        let cipher = UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).ok();
        Self { cipher, commitment: *commitment }
    }

    /// What a blob under this key begins with.
    #[must_use]
    pub fn commitment(&self) -> &[u8; COMMIT] {
        &self.commitment
    }

    /// Whether a blob that begins so is sealed under this key.
    #[must_use]
    pub fn is_committed(&self, claimed: &[u8; COMMIT]) -> bool {
        self.commitment.ct_eq(claimed).into()
    }

    /// Seals one piece where it stands, and gives its tag.
    ///
    /// # Errors
    /// [`OpenError`] for one that is too long for any cipher; it is all zeros then.
    pub fn seal(&self, at: Place, text: &mut [u8]) -> Result<[u8; TAG], OpenError> {
        let sealed = self.cipher.as_ref().and_then(|cipher| {
            let tag = cipher.seal_in_place_separate_tag(at.nonce(), Aad::empty(), text).ok()?;
            tag.as_ref().try_into().ok()
        });
        sealed.ok_or_else(|| {
            text.zeroize();
            OpenError
        })
    }

    /// Opens one piece from `sealed` into `out`, which is as long.
    ///
    /// # Errors
    /// [`OpenError`] when it was not sealed so, or the lengths differ; what is in `out` is void
    /// then.
    pub fn open(
        &self,
        at: Place,
        sealed: &[u8],
        tag: &[u8; TAG],
        out: &mut [u8],
    ) -> Result<(), OpenError> {
        if sealed.len() != out.len() {
            return Err(OpenError);
        }
        let cipher = self.cipher.as_ref().ok_or(OpenError)?;
        let opened = cipher.open_separate_gather(at.nonce(), Aad::empty(), sealed, tag, out);
        opened.map_err(|_| OpenError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Place = Place { index: 7, last: false };

    fn cipher(secret: u8, salt: u8, padded: u64) -> PieceCipher {
        let key = FileKey::from_parts(Secret32::from_bytes([secret; 32]), [salt; SALT]);
        PieceCipher::derive(&key, padded, 65_536)
    }

    fn opened(cipher: &PieceCipher, at: Place, sealed: &[u8], tag: &[u8; TAG]) -> Option<Vec<u8>> {
        let mut out = vec![0; sealed.len()];
        cipher.open(at, sealed, tag, &mut out).ok().map(|()| out)
    }

    #[test]
    fn the_nonce_is_the_number_and_whether_it_is_the_last() {
        let nonce = |index, last| -> [u8; 12] { *Place { index, last }.nonce().as_ref() };
        assert_eq!(nonce(0, true), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(nonce(0x0102_0304, false), [0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0]);
    }

    #[test]
    fn a_piece_opens_at_its_place_under_its_key_alone() {
        let ours = cipher(1, 2, 4_096);
        let mut sealed = *b"hello";
        let tag = ours.seal(AT, &mut sealed).unwrap();
        assert_eq!(opened(&ours, AT, &sealed, &tag), Some(b"hello".to_vec()));
        for at in [Place { index: 8, ..AT }, Place { last: true, ..AT }] {
            assert_eq!(opened(&ours, at, &sealed, &tag), None);
        }
        for other in [cipher(9, 2, 4_096), cipher(1, 9, 4_096), cipher(1, 2, 4_352)] {
            assert_eq!(opened(&other, AT, &sealed, &tag), None);
            assert!(!other.is_committed(ours.commitment()));
        }
        for bit in 0..5 * 8 {
            let mut bent = sealed;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened(&ours, AT, &bent, &tag), None);
        }
        assert_eq!(opened(&ours, AT, &sealed, &[0; TAG]), None);
    }

    #[test]
    fn a_buffer_of_another_length_is_refused() {
        let ours = cipher(1, 2, 4_096);
        assert!(ours.open(AT, b"hello", &[0; TAG], &mut [0; 6]).is_err());
    }
}
