//! The hub's key file: its identity and the key of its stateless resets, in the data directory.
//!
//! Invariant: made once, readable by its owner alone, never written over. Whoever loses it loses
//! the identity every invite pins; whoever copies it can pose as this hub.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use hubbub_shared::crypto::{Identity, Secret32, SecretBytes};

use rand_core::Rng as _;

use crate::tls::{TlsError, os_rng};

const FILE: &str = "hub.key";
/// Identity seed, then reset key.
const LEN: usize = 64;

/// The hub's secrets.
pub struct HubKeys {
    /// Who the hub is: every invite pins its public half.
    pub identity: Identity,
    pub(crate) reset: Secret32,
}

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Reading or writing failed.
    #[error("cannot use the hub's key {path}: {error}; check the directory's owner and free space")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No key file.
    #[error("there is no hub in {0}; `hubbub-hub init` makes one, --dir names another directory")]
    Missing(PathBuf),
    /// Not 64 bytes.
    #[error("{0} is not a hub's key; restore it from a backup (a new key needs new invites)")]
    Damaged(PathBuf),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] TlsError),
}

/// Whether a hub was set up here before.
#[must_use]
pub fn exists(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// The keys of a hub that was set up before.
///
/// # Errors
/// [`KeyError`]; [`KeyError::Missing`] when there is none.
pub fn load(dir: &Path) -> Result<HubKeys, KeyError> {
    if exists(dir) { load_or_create(dir) } else { Err(KeyError::Missing(dir.to_owned())) }
}

/// The hub's keys, made on first use.
///
/// # Errors
/// [`KeyError`]; an existing file is never replaced.
pub fn load_or_create(dir: &Path) -> Result<HubKeys, KeyError> {
    let path = dir.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => parse(&SecretBytes::from_vec(bytes)).ok_or(KeyError::Damaged(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(dir, path),
        Err(error) => Err(KeyError::Io { path, error }),
    }
}

fn parse(bytes: &SecretBytes) -> Option<HubKeys> {
    let (seed, reset) = bytes.expose().split_first_chunk::<32>()?;
    let identity = Identity::from_seed(Secret32::from_bytes(*seed));
    Some(HubKeys { identity, reset: Secret32::from_bytes(reset.try_into().ok()?) })
}

fn create(dir: &Path, path: PathBuf) -> Result<HubKeys, KeyError> {
    let mut rng = os_rng()?;
    let (seed, reset) = (Secret32::random(&mut rng), Secret32::random(&mut rng));
    let mut bytes = Vec::with_capacity(LEN);
    bytes.extend_from_slice(seed.expose());
    bytes.extend_from_slice(reset.expose());
    let bytes = SecretBytes::from_vec(bytes);
    private_dir(dir)
        .and_then(|()| write_private(&path, bytes.expose()))
        .map_err(|error| KeyError::Io { path, error })?;
    Ok(HubKeys { identity: Identity::from_seed(seed), reset })
}

/// Makes a directory only its owner may enter.
pub(crate) fn private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn fresh_name() -> io::Result<[u8; 8]> {
    let mut name = [0; 8];
    os_rng().map_err(io::Error::other)?.fill_bytes(&mut name);
    Ok(name)
}

/// Writes a new file for its owner alone: whole under its final name, or not there at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Nobody else writes under this name: the file would be the final one as well, once linked.
    let fresh = path.with_extension(format!("{}.new", HEXLOWER.encode(&fresh_name()?)));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::hard_link(&fresh, path)?;
    fs::remove_file(&fresh)?;
    path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_finds_the_same_keys_and_only_the_owner_can_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("hub");
        let first = load_or_create(&home).unwrap();
        let again = load_or_create(&home).unwrap();
        assert_eq!(first.identity.hub_id(), again.identity.hub_id());
        assert_eq!(first.reset.expose(), again.reset.expose());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(home.join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_key_is_reported_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), [7; 63]).unwrap();
        assert!(matches!(load_or_create(dir.path()), Err(KeyError::Damaged(_))));
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), [7; 63]);
    }

    #[test]
    fn whoever_makes_a_key_at_the_same_time_cannot_write_into_the_one_that_was_made() {
        let dir = tempfile::tempdir().unwrap();
        let mut other = fs::File::create(dir.path().join("hub.new")).unwrap();
        let made = load_or_create(dir.path()).unwrap();
        other.write_all(&[7; LEN]).unwrap();
        let again = load_or_create(dir.path()).unwrap();
        assert_eq!(made.identity.hub_id(), again.identity.hub_id());
    }
}
