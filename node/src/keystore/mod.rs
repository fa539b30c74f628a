//! The key file: the identity's seed and the store's master key, sealed.
//!
//! ```text
//! identity.key = magic (8) | u8 version | u8 lock | u32 MiB | u32 passes | u32 lanes | salt (16)
//!                | sealed (master key (32) | identity seed (32)) | checksum (8)
//! ```
//!
//! Locked by a passphrase, the sealing key comes from it (PROTOCOL.md, Keys and names). Without one
//! it lies in `unlock.key` beside it: whoever reads this directory then reads everything, and only
//! the file's mode stands in between. Invariant: a sealing key seals once, because every write
//! takes a new salt or a new `unlock.key`; the master key never changes.

mod file;

use std::io;
use std::path::{Path, PathBuf};

use hubbub_shared::crypto::passphrase::{Params, PassphraseError, derive_key};
use hubbub_shared::crypto::{Identity, Secret32, SecretBytes};
use rand_core::CryptoRng;

use crate::paths;
use file::{Header, Lock, NotReadable};

const KEY: &str = "identity.key";
const UNLOCK: &str = "unlock.key";

/// Everything secret a profile starts from.
pub struct Keys {
    /// Who this node is.
    pub identity: Identity,
    /// The database's key.
    pub master: Secret32,
}

/// The keys could not be made, read or locked anew.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// Nothing there.
    #[error("there is no key at {0}; `hubbub join <invite>` makes a profile")]
    Missing(PathBuf),
    /// There already.
    #[error("there is a key at {0} already; it is left alone. Use another profile name")]
    Exists(PathBuf),
    /// Not as it was written.
    #[error("the key file {0} is damaged; put back a copy of it, nothing else opens this profile")]
    Damaged(PathBuf),
    /// Written by a newer version.
    #[error("the key file {0} was written by a newer version; update this program")]
    Newer(PathBuf),
    /// The unlock file is gone or is not the one.
    #[error("{0} is missing or belongs to another profile; put back the one that was beside it")]
    Unlock(PathBuf),
    /// Locked, and no passphrase given.
    #[error("this profile is locked; type its passphrase or set HUBBUB_PASSPHRASE")]
    Locked,
    /// It is not this passphrase.
    #[error("that is not the passphrase of this profile; check the keyboard layout, try again")]
    WrongPassphrase,
    /// The passphrase or the file's derivation parameters are out of range.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The system refused.
    #[error("cannot use {path}: {error}; check its owner and the free space")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Whether a passphrase is needed to open the profile in `dir`.
///
/// # Errors
/// [`KeystoreError`] when the key file is missing or damaged.
pub fn is_locked(dir: &Path) -> Result<bool, KeystoreError> {
    let (header, _) = read(dir)?;
    Ok(matches!(header.lock, Lock::Passphrase(_)))
}

/// Makes a new identity and master key and writes them, locked by `passphrase` when there is one.
///
/// # Errors
/// [`KeystoreError::Exists`] when a key is there, or what the system says.
pub fn create(
    dir: &Path,
    passphrase: Option<&[u8]>,
    rng: &mut impl CryptoRng,
) -> Result<Keys, KeystoreError> {
    let identity = Identity::generate(rng);
    create_for(dir, identity, passphrase, rng)
}

/// The same for an identity there is already, which a backup brought.
///
/// # Errors
/// As [`create`].
pub fn create_for(
    dir: &Path,
    identity: Identity,
    passphrase: Option<&[u8]>,
    rng: &mut impl CryptoRng,
) -> Result<Keys, KeystoreError> {
    let path = dir.join(KEY);
    if path.try_exists().map_err(|error| io_error(&path, error))? {
        return Err(KeystoreError::Exists(path));
    }
    paths::private_dir(dir).map_err(|error| io_error(dir, error))?;
    let keys = Keys { identity, master: Secret32::random(rng) };
    write(dir, &keys, passphrase, rng)?;
    Ok(keys)
}

/// Opens the keys in `dir`. Takes an eighth of a second and 64 MiB when a passphrase is needed.
///
/// # Errors
/// [`KeystoreError`], each with what to try.
pub fn open(dir: &Path, passphrase: Option<&[u8]>) -> Result<Keys, KeystoreError> {
    let (header, bytes) = read(dir)?;
    let (key, wrong) = match header.lock {
        Lock::Passphrase(params) => {
            let passphrase = passphrase.ok_or(KeystoreError::Locked)?;
            let key = derive_key(passphrase, &header.salt, params)?;
            (key, KeystoreError::WrongPassphrase)
        }
        Lock::UnlockFile => {
            let path = dir.join(UNLOCK);
            (read_unlock(&path)?, KeystoreError::Unlock(path))
        }
    };
    let (master, seed) = file::open(&header, &bytes, &key).ok_or(wrong)?;
    Ok(Keys { identity: Identity::from_seed(seed), master })
}

/// Locks the keys anew: with another passphrase, with one for the first time, or with none.
///
/// # Errors
/// As [`open`]; the old lock then still holds.
pub fn change_passphrase(
    dir: &Path,
    old: Option<&[u8]>,
    new: Option<&[u8]>,
    rng: &mut impl CryptoRng,
) -> Result<(), KeystoreError> {
    if old.is_none() && new.is_none() {
        return Ok(());
    }
    let keys = open(dir, old)?;
    write(dir, &keys, new, rng)
}

/// The order of writes leaves a pair of files that open each other wherever it is interrupted: an
/// `unlock.key` is written only while the key file does not use one.
fn write(
    dir: &Path,
    keys: &Keys,
    passphrase: Option<&[u8]>,
    rng: &mut impl CryptoRng,
) -> Result<(), KeystoreError> {
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    let (path, unlock) = (dir.join(KEY), dir.join(UNLOCK));
    let params = Params::default();
    let (lock, key) = match passphrase {
        Some(passphrase) => (Lock::Passphrase(params), derive_key(passphrase, &salt, params)?),
        None => (Lock::UnlockFile, Secret32::random(rng)),
    };
    if matches!(lock, Lock::UnlockFile) {
        paths::replace_private(&unlock, key.expose()).map_err(|e| io_error(&unlock, e))?;
    }
    let bytes = file::seal(&Header { lock, salt }, keys, key, rng);
    paths::replace_private(&path, &bytes).map_err(|error| io_error(&path, error))?;
    match lock {
        Lock::Passphrase(_) => paths::remove(&unlock).map_err(|error| io_error(&unlock, error)),
        Lock::UnlockFile => Ok(()),
    }
}

fn read(dir: &Path) -> Result<(Header, Vec<u8>), KeystoreError> {
    let path = dir.join(KEY);
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(KeystoreError::Missing(path));
        }
        other => other.map_err(|error| io_error(&path, error))?,
    };
    match Header::read(&bytes) {
        Ok(header) => Ok((header, bytes)),
        Err(NotReadable::Newer) => Err(KeystoreError::Newer(path)),
        Err(NotReadable::Damaged) => Err(KeystoreError::Damaged(path)),
    }
}

fn read_unlock(path: &Path) -> Result<Secret32, KeystoreError> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(path, error)),
        other => SecretBytes::from_vec(other.unwrap_or_default()),
    };
    let key = <&[u8; 32]>::try_from(bytes.expose());
    let key = key.map_err(|_| KeystoreError::Unlock(path.to_path_buf()))?;
    Ok(Secret32::filled(|out| out.copy_from_slice(key)))
}

fn io_error(path: &Path, error: io::Error) -> KeystoreError {
    KeystoreError::Io { path: path.to_path_buf(), error }
}

#[cfg(test)]
mod tests;
