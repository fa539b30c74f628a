//! What comes in through a pipe, written down first: a sealed file has a length from the start, and
//! is read again for everybody who asks.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::failure::{About, DiskError, Place, Trouble};
use super::room;
use super::seal::{Course, SealFailure};
use crate::paths;

/// Read at once.
const CHUNK: usize = 1024 * 1024;

/// Writes down all that comes, for the owner of the profile alone, as long as the disk has room.
/// Whoever takes the file back removes it.
///
/// # Errors
/// [`SealFailure`]; nothing is left behind then.
pub fn spool(mut from: impl Read, to: &Path, course: &Course) -> Result<u64, SealFailure> {
    let written = write(&mut from, to, course);
    if written.is_err() {
        paths::remove(to).about(Place::Profile)?;
    }
    written
}

fn write(from: &mut impl Read, to: &Path, course: &Course) -> Result<u64, SealFailure> {
    paths::remove(to).about(Place::Profile)?;
    let mut file = paths::private_file(to).about(Place::Profile)?;
    let dir = to.parent().unwrap_or(to);
    let (mut chunk, mut size) = (vec![0; CHUNK], 0);
    loop {
        let count = fill(from, &mut chunk)?;
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        room::check(dir, count as u64, Place::Profile)?;
        file.write_all(bytes).about(Place::Profile)?;
        size += count as u64;
        course.add(count as u64)?;
    }
    done(&file, to)?;
    Ok(size)
}

fn done(file: &File, to: &Path) -> Result<(), DiskError> {
    file.sync_all().and_then(|()| paths::sync_parent(to)).about(Place::Profile)
}

fn fill(from: &mut impl Read, chunk: &mut [u8]) -> Result<usize, DiskError> {
    let mut done = 0;
    while let Some(rest) = chunk.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let trouble = Trouble::Failing(error.kind());
                return Err(DiskError { place: Place::Source, trouble });
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_through_a_pipe_is_written_down_whole() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("1.spool");
        std::fs::write(&to, vec![1; 4 << 20]).unwrap();
        let course = Course::default();
        let bytes: Vec<u8> = (0..251).cycle().take(3 << 20).collect();
        assert_eq!(spool(&bytes[..], &to, &course), Ok(3 << 20));
        assert_eq!(std::fs::read(&to).unwrap(), bytes, "and nothing of what was there before");
    }

    #[test]
    fn a_pipe_that_was_given_up_or_breaks_leaves_nothing() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("1.spool");
        let course = Course::default();
        assert!(matches!(spool(Broken, &to, &course), Err(SealFailure::Disk(_))));
        course.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(spool(io::repeat(1), &to, &course), Err(SealFailure::Stopped));
        assert!(!to.exists());
    }
}
