//! The hub a profile runs itself, and what is remembered of it: where it is, where it listens,
//! which addresses its invites name.
//!
//! Invariant: it is at one place in the profile's directory, itself or a link to it, from its first
//! good start on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::api::{ApiError, Code};
use crate::paths::{self, ProfileDir};

/// Where a profile keeps the hub that belongs to it.
const HUB: &str = "hub";
/// The file in the hub's directory that remembers where it listens: invites name that address.
const LISTEN: &str = "listen";
/// The one that remembers which addresses invites name instead, one a line.
const ADDRESSES: &str = "addresses";

/// Where the profile's hub is; none when the profile only joined somebody else's.
pub(super) fn of(profile: &ProfileDir) -> Option<PathBuf> {
    Some(usual(profile)).filter(|dir| dir.exists())
}

/// Where a hub begins when nobody says where.
pub(super) fn usual(profile: &ProfileDir) -> PathBuf {
    profile.path().join(HUB)
}

/// Makes a hub that was put elsewhere be found again.
pub(super) fn keep(profile: &ProfileDir, dir: &Path) -> Result<(), ApiError> {
    let usual = usual(profile);
    let link = || {
        let dir = std::fs::canonicalize(dir)?;
        match std::fs::symlink_metadata(&usual) {
            // A hub that was begun here stays here.
            Ok(there) if !there.is_symlink() => return Ok(()),
            Ok(_) => std::fs::remove_file(&usual)?,
            Err(_) => {}
        }
        std::os::unix::fs::symlink(dir, &usual)
    };
    link().map_err(|error| not_noted(&usual, &error))
}

/// Where it listened when that was last said.
pub(super) fn listen(dir: &Path) -> Option<SocketAddr> {
    std::fs::read_to_string(dir.join(LISTEN)).ok()?.trim().parse().ok()
}

/// Remembers where it listens.
pub(super) fn keep_listen(dir: &Path, listen: SocketAddr) -> Result<(), ApiError> {
    note(&dir.join(LISTEN), &listen.to_string())
}

/// The addresses its invites name, when that was ever said.
pub(super) fn addresses(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join(ADDRESSES)).unwrap_or_default();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Remembers which addresses its invites name.
pub(super) fn keep_addresses(dir: &Path, addresses: &[String]) -> Result<(), ApiError> {
    note(&dir.join(ADDRESSES), &addresses.join("\n"))
}

fn note(path: &Path, text: &str) -> Result<(), ApiError> {
    paths::replace_private(path, text.as_bytes()).map_err(|error| not_noted(path, &error))
}

fn not_noted(path: &Path, error: &std::io::Error) -> ApiError {
    let what = format!("cannot note in {} how the hub is run: {error}", path.display());
    ApiError::new(Code::Full, what, "check the directory's owner and free space")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_put_elsewhere_is_found_again_and_what_was_said_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let profile = ProfileDir::at(temp.path().join("alice"));
        paths::private_dir(profile.path()).unwrap();
        assert_eq!(of(&profile), None);
        for place in ["first", "second"] {
            let dir = temp.path().join(place);
            paths::private_dir(&dir).unwrap();
            keep_listen(&dir, ([127, 0, 0, 1], 7).into()).unwrap();
            keep_addresses(&dir, &[place.to_owned(), "b:1".to_owned()]).unwrap();
            keep(&profile, &dir).unwrap();
            let found = of(&profile).unwrap();
            assert_eq!(listen(&found), Some(([127, 0, 0, 1], 7).into()));
            assert_eq!(addresses(&found), [place, "b:1"]);
        }
    }

    #[test]
    fn a_hub_in_the_profile_is_never_replaced_by_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let profile = ProfileDir::at(temp.path().join("alice"));
        paths::private_dir(&usual(&profile)).unwrap();
        keep(&profile, temp.path()).unwrap();
        assert!(!usual(&profile).is_symlink());
    }
}
