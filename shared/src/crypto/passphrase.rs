//! From a passphrase to a key: Argon2id.
//!
//! Parameters read from a file are bounded on both sides: a file cannot make the derivation
//! trivial, nor make it eat the machine.

use argon2::{Algorithm, Argon2, Version};
use zeroize::Zeroizing;

use super::secret::Secret32;

/// How hard a guess is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Memory in MiB: 19 to 1,024.
    pub mib: u32,
    /// Passes over it: 1 to 16; at least 2 below 64 MiB.
    pub passes: u32,
    /// Lanes: 1 to 8.
    pub lanes: u32,
}

impl Default for Params {
    /// 64 MiB, 3 passes, 1 lane: about an eighth of a second.
    fn default() -> Self {
        Self { mib: 64, passes: 3, lanes: 1 }
    }
}

/// Why no key was derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// The parameters are outside what is accepted.
    #[error("the key derivation parameters are out of range; the key file was damaged or altered")]
    Params,
    /// The passphrase is longer than Argon2 takes.
    #[error("the passphrase is too long; use at most 1,024 bytes")]
    TooLong,
}

/// The longest passphrase, in bytes.
pub const MAX_PASSPHRASE: usize = 1024;

impl Params {
    /// Whether a file may ask for these.
    ///
    /// # Errors
    /// [`PassphraseError::Params`] when it may not.
    pub fn check(self) -> Result<(), PassphraseError> {
        let floor = if self.mib < 64 { 2 } else { 1 };
        let fine = (19..=1024).contains(&self.mib)
            && (floor..=16).contains(&self.passes)
            && (1..=8).contains(&self.lanes);
        if fine { Ok(()) } else { Err(PassphraseError::Params) }
    }
}

/// Derives the key that wraps the store's master key. Takes its time and memory on purpose: never
/// on a thread that serves anything else.
///
/// # Errors
/// [`PassphraseError`] when the parameters or the length are out of range.
pub fn derive_key(
    passphrase: &[u8],
    salt: &[u8; 16],
    params: Params,
) -> Result<Secret32, PassphraseError> {
    params.check()?;
    if passphrase.len() > MAX_PASSPHRASE {
        return Err(PassphraseError::TooLong);
    }
    let costs = argon2::Params::new(params.mib * 1024, params.passes, params.lanes, Some(32))
        .map_err(|_| PassphraseError::Params)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, costs)
        .hash_password_into(passphrase, salt, key.as_mut_slice())
        .map_err(|_| PassphraseError::Params)?;
    Ok(Secret32::filled(|out| out.copy_from_slice(key.as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT: Params = Params { mib: 19, passes: 2, lanes: 1 };

    #[test]
    fn the_key_depends_on_passphrase_and_salt() {
        let key = |pass: &[u8], salt| *derive_key(pass, &[salt; 16], LIGHT).unwrap().expose();
        assert_eq!(key(b"open sesame", 1), key(b"open sesame", 1));
        assert_ne!(key(b"open sesame", 1), key(b"open sesame!", 1));
        assert_ne!(key(b"open sesame", 1), key(b"open sesame", 2));
    }

    #[test]
    fn parameters_out_of_range_are_refused_before_any_work() {
        for (mib, passes, lanes) in
            [(18, 3, 1), (1025, 3, 1), (64, 0, 1), (64, 17, 1), (64, 3, 0), (64, 3, 9), (19, 1, 1)]
        {
            let params = Params { mib, passes, lanes };
            let refused = derive_key(b"x", &[0; 16], params).map(|_| ());
            assert_eq!(refused, Err(PassphraseError::Params), "{params:?}");
        }
    }
}
