//! Whether a disk has room, asked before it is filled and while it is.
//!
//! A part file takes no room before it is written, so that a disk seems to have room for one file
//! after the other; on a disk that knows no holes it takes all of it at once, and needs no more.
//! Invariant: a file begins, and goes on, only while there is room for what is still to come of it
//! and of those that began before it on the same disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::at;
use super::failure::{DiskError, Place, Trouble};

/// Left free whatever is fetched: a full disk stops everything else on a machine, the node's own
/// store first.
const RESERVE: u64 = 64 * 1024 * 1024;
/// What is known of a file takes one byte for so many of it: 64 for each piece.
const KNOWN: u64 = 1_024;

/// What is still to come to the disks of this machine, of every file that is open.
#[derive(Clone, Debug)]
pub(super) struct Needs {
    claims: Arc<Mutex<Claims>>,
    free: Free,
}

/// How many bytes are free where a folder is; none where the system does not say.
pub(in crate::transfer) type Free = fn(&Path) -> Option<u64>;

#[derive(Debug, Default)]
struct Claims {
    next: u64,
    /// By when they began: on which disk, and bytes.
    left: BTreeMap<u64, (u64, u64)>,
}

/// What one file still needs. It ends when this is dropped.
pub(super) struct Claim {
    needs: Needs,
    number: u64,
    dir: PathBuf,
    disk: u64,
    /// What is known of it stands on the same disk.
    with_known: bool,
}

impl Default for Needs {
    fn default() -> Self {
        Self::with(free)
    }
}

impl Needs {
    pub(super) fn with(free: Free) -> Self {
        Self { claims: Arc::default(), free }
    }

    /// A file is to come into a folder; what is known of it is kept in the other.
    pub(super) fn claim(&self, dir: &Path, profile: &Path) -> Claim {
        let (disk, other) = (device(dir), device(profile));
        let mut claims = self.lock();
        claims.next += 1;
        let (number, needs, dir) = (claims.next, self.clone(), dir.to_owned());
        Claim { needs, number, dir, disk, with_known: disk == other }
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// So many bytes are to come, for some of which room was taken already. An error when there is
    /// no room for the others, and for what is to come of those that began before.
    pub(super) fn check(&self, left: u64, taken: u64) -> Result<(), DiskError> {
        let known = if self.with_known { left / KNOWN } else { 0 };
        let needs = left.saturating_sub(taken).saturating_add(known);
        let mut claims = self.needs.lock();
        claims.left.insert(self.number, (self.disk, needs));
        let before = claims.left.range(..=self.number).map(|(_, claim)| claim);
        let same = before.filter(|(disk, _)| *disk == self.disk).map(|(_, left)| left);
        let all = same.fold(0u64, |all, left| all.saturating_add(*left));
        drop(claims);
        let free = (self.needs.free)(&self.dir);
        if left == 0 { Ok(()) } else { fits(free, all, Place::Target) }
    }

    /// Nothing more is to come for now.
    pub(super) fn end(&self) {
        self.needs.lock().left.remove(&self.number);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.end();
    }
}

/// An error when there is no room for so many bytes more. Where the system does not say, there is.
pub(super) fn check(dir: &Path, bytes: u64, place: Place) -> Result<(), DiskError> {
    fits(free(dir), bytes, place)
}

fn fits(free: Option<u64>, bytes: u64, place: Place) -> Result<(), DiskError> {
    let full = DiskError { place, trouble: Trouble::Full };
    match free {
        Some(free) if bytes > 0 && free < bytes.saturating_add(RESERVE) => Err(full),
        _ => Ok(()),
    }
}

/// On which disk it is; the same for all where the system does not say.
fn device(dir: &Path) -> u64 {
    dir.metadata().map_or(0, |meta| at::id(&meta).device)
}

#[cfg(unix)]
fn free(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Others fill and empty the disk of this machine meanwhile.
    const FREE: u64 = 1 << 40;

    #[test]
    fn two_files_that_fit_alone_but_not_together_do_not_both_begin() {
        let dir = tempfile::tempdir().unwrap();
        let needs = Needs::with(|_| Some(FREE));
        let claim = || needs.claim(dir.path(), dir.path());
        let most = FREE / 8 * 5;
        let (first, second) = (claim(), claim());
        assert_eq!(first.check(most, 0), Ok(()));
        assert_eq!(second.check(most, 0).map_err(|error| error.reason()), Err("target-full"));
        assert_eq!(first.check(most, 0), Ok(()), "who began before goes on");
        drop(first);
        assert_eq!(second.check(most, 0), Ok(()));
    }

    #[test]
    fn a_file_for_which_the_room_went_is_told_so_while_it_comes() {
        let dir = tempfile::tempdir().unwrap();
        let needs = Needs::with(|_| Some(FREE));
        let claim = needs.claim(dir.path(), dir.path());
        assert_eq!(claim.check(FREE / 2, 0), Ok(()));
        // As if somebody else had filled the disk meanwhile.
        assert!(claim.check(FREE, 0).is_err());
        assert_eq!(claim.check(0, 0), Ok(()), "and one that is all here needs none");
    }
}
