//! Secrets that wipe themselves.
//!
//! Invariant: a secret has no `Debug`, `Clone`, `Serialize` or `PartialEq`; it can be looked at
//! only through `expose`, and copied only where someone wrote `duplicate`.

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Thirty-two secret bytes: a key, a chain state, a shared secret. Boxed, so that moving it leaves
/// no copy behind.
pub struct Secret32(Box<[u8; 32]>);

impl Secret32 {
    /// A fresh secret.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Box::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// Takes over `bytes` and wipes the argument. A caller's own copy stays the caller's to wipe.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let boxed = Box::new(bytes);
        bytes.zeroize();
        Self(boxed)
    }

    /// Fills a secret in place, without a copy elsewhere.
    #[must_use]
    pub fn filled(fill: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut bytes = Box::new([0; 32]);
        fill(&mut bytes);
        Self(bytes)
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A second copy, for the few states that must survive a failed attempt.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Secret32 {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Secret32 {}

/// Secret bytes of any length: a plaintext, a saved state. Wiped when dropped.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over `bytes`; what is behind its capacity is wiped with it.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the first `len` bytes. The others stay in memory until the whole is wiped.
    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// A second copy, for the few states that must survive a failed attempt.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_random_secret_comes_from_the_generator_alone() {
        let one = Secret32::random(&mut ChaCha20Rng::seed_from_u64(1));
        let same = Secret32::random(&mut ChaCha20Rng::seed_from_u64(1));
        let other = Secret32::random(&mut ChaCha20Rng::seed_from_u64(2));
        assert_eq!(one.expose(), same.expose());
        assert_ne!(one.expose(), other.expose());
    }

    #[test]
    fn a_duplicate_outlives_the_original() {
        let one = Secret32::from_bytes([9; 32]);
        let two = one.duplicate();
        drop(one);
        assert_eq!(two.expose(), &[9; 32]);
    }
}
