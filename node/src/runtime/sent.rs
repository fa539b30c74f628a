//! What is written down only to be sent: one folder of the profile.
//!
//! What comes out of a pipe is kept there as long as it is offered, since it is read again whenever
//! somebody fetches it; so are copies of pictures without what stands beside their pixels.
//!
//! Invariant: what no offer names when the node starts is removed: a program that was killed while
//! it wrote something down, or a crash before it was taken away again, leaves nothing for good. But
//! while a single offer cannot be read, nothing is: what stands here is the only copy.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::api::{ApiError, Code};
use crate::paths;
use crate::transfer::disk::spool::spool;
use crate::transfer::disk::{Course, SealFailure};

/// Ending of a copy that is being made by another program.
pub(super) const MAKING: &str = "part";

/// Writes down all that comes, as long as the disk has room for it and for the node itself.
///
/// # Errors
/// [`ApiError`], worded for whoever pipes it in; nothing is left behind then.
pub fn write_down(folder: &Path, from: impl Read) -> Result<PathBuf, ApiError> {
    let refused = |why: &dyn std::fmt::Display| {
        let what = format!("cannot write down what is to be sent: {why}");
        ApiError::new(Code::Full, what, "look at the free space, or send a file")
    };
    paths::private_dir(folder).map_err(|error| refused(&error))?;
    let path = folder.join(format!("{}-{}", super::now().0, std::process::id()));
    match spool(from, &path, &Course::default()) {
        Ok(_) => Ok(path),
        Err(SealFailure::Disk(error)) => Err(refused(&error)),
        Err(other) => Err(refused(&other)),
    }
}

/// The copy of a file without what stands beside its pixels: one name for each, so that looking
/// again after a crash leaves nothing behind.
pub(super) fn bare(folder: &Path, file: u64) -> PathBuf {
    folder.join(format!("bare-{file}"))
}

/// The same with the names it has while it is made. A look that was killed left it, and the next
/// one, which begins at once, makes it anew.
pub(super) fn bare_names(folder: &Path, file: u64) -> [PathBuf; 3] {
    let bare = bare(folder, file);
    [bare.with_extension(paths::FRESH), bare.with_extension(MAKING), bare]
}

/// All that stands there.
pub(super) fn all(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.map(|entry| entry.path()).collect()
}

/// Removes of these what nothing names.
pub(super) fn sweep(there: Vec<PathBuf>, named: &BTreeSet<PathBuf>) {
    for path in there.into_iter().filter(|path| !named.contains(path)) {
        if let Err(error) = paths::remove(&path) {
            tracing::warn!("cannot remove what was written down to be sent: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_piped_in_is_written_down_whole_and_nothing_else_stays_when_it_breaks() {
        struct Broken(usize);
        impl Read for Broken {
            fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
                let count = self.0.min(out.len());
                self.0 -= count;
                if count == 0 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(count) }
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sent");
        let path = write_down(&folder, &[7; 3 << 20][..]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 << 20);
        assert_eq!(all(&folder), [path]);
        sweep(all(&folder), &BTreeSet::new());
        let error = write_down(&folder, Broken(2 << 20)).unwrap_err();
        assert_eq!(error.code, Code::Full);
        assert!(all(&folder).is_empty());
    }
}
