//! What is sealed and served: bytes that are read at an offset, and a way to tell that they
//! changed.
//!
//! Invariant: a [`Content`] has one length from opening to closing. Bytes that are not there any
//! more are an error, never zeros.

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::at;
use super::failure::{About, DiskError, Place, Trouble};
use super::folder::Folder;
use crate::engine::file::order;

/// How a file looked when it was sealed: another size, time or number is another file, and nothing
/// of it is served under the old key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its length in bytes.
    pub size: u64,
    /// When it was last written, in nanoseconds; of a folder, the latest of what is in it.
    pub modified: u64,
    /// Its number on its disk; of a folder, a hash over all of them. Zero where there is none.
    pub inode: u64,
}

impl From<order::Stamp> for Stamp {
    fn from(stamp: order::Stamp) -> Self {
        let order::Stamp { size, modified, inode } = stamp;
        Self { size, modified, inode }
    }
}

impl From<Stamp> for order::Stamp {
    fn from(stamp: Stamp) -> Self {
        let Stamp { size, modified, inode } = stamp;
        Self { size, modified, inode }
    }
}

impl Stamp {
    /// Whether what looked like the other then may still be it. Numbers on a disk are others after
    /// it was connected again, on some; what is read is compared with what was sealed in any case.
    pub(super) fn may_be(self, other: Self) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }

    pub(super) fn of(meta: &Metadata) -> Self {
        let since = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = since.and_then(|since| u64::try_from(since.as_nanos()).ok());
        let (size, inode) = (meta.len(), at::id(meta).inode);
        Self { size, modified: modified.unwrap_or(0), inode }
    }
}

/// A file, or a folder as one sequence of bytes.
pub enum Content {
    /// One plain file.
    File(PlainFile),
    /// What stands in a folder, behind a list of it.
    Folder(Box<Folder>),
}

/// A file that stays open while it is read.
pub struct PlainFile {
    path: PathBuf,
    file: File,
    stamp: Stamp,
}

impl Content {
    /// Opens what stands at a path. Links are followed: the path is the user's own word.
    ///
    /// # Errors
    /// [`DiskError`] about the source.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let meta = fs::metadata(path).about(Place::Source)?;
        if meta.is_dir() {
            return Folder::open(path).map(|folder| Self::Folder(Box::new(folder)));
        }
        // Opening a pipe would wait for somebody who writes to it.
        if !meta.is_file() {
            return Err(DiskError { place: Place::Source, trouble: Trouble::NotPlain });
        }
        let file = File::open(path).about(Place::Source)?;
        let stamp = Stamp::of(&file.metadata().about(Place::Source)?);
        Ok(Self::File(PlainFile { path: path.to_owned(), file, stamp }))
    }

    /// How it looked when it was opened.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        match self {
            Self::File(file) => file.stamp,
            Self::Folder(folder) => folder.stamp(),
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.stamp().size
    }

    /// For a folder: how long the list is that it begins with.
    #[must_use]
    pub fn manifest(&self) -> Option<u32> {
        match self {
            Self::File(_) => None,
            Self::Folder(folder) => u32::try_from(folder.list()).ok(),
        }
    }

    /// Fills `out` from an offset.
    ///
    /// # Errors
    /// [`DiskError`] about the source; that it changed, when it ends early.
    pub fn read(&self, at: u64, out: &mut [u8]) -> Result<(), DiskError> {
        match self {
            Self::File(file) => at::read_whole(&file.file, out, at).about(Place::Source),
            Self::Folder(folder) => folder.read(at, out),
        }
    }

    /// Whether it still looks as it did when it was opened.
    ///
    /// # Errors
    /// [`DiskError`] about the source; that it changed, too.
    pub fn check(&self) -> Result<(), DiskError> {
        match self {
            Self::File(file) => {
                let meta = fs::metadata(&file.path).about(Place::Source)?;
                unchanged(file.stamp == Stamp::of(&meta))
            }
            Self::Folder(folder) => folder.check(),
        }
    }

    /// The same, as far as that can be told at once: of a folder, each file is looked at when it is
    /// read.
    ///
    /// # Errors
    /// [`DiskError`] about the source; that it changed, too.
    pub fn glance(&self) -> Result<(), DiskError> {
        match self {
            Self::File(_) => self.check(),
            Self::Folder(_) => Ok(()),
        }
    }
}

/// An error for what is not as it was.
pub(super) fn unchanged(same: bool) -> Result<(), DiskError> {
    if same { Ok(()) } else { Err(DiskError::changed()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_cut_written_or_replaced_is_not_the_same_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let fresh = || {
            fs::write(&path, b"content").unwrap();
            Content::open(&path).unwrap()
        };
        let changed = |content: Content| content.check().is_err();
        let content = fresh();
        assert!(content.check().is_ok());
        fs::write(&path, b"cut").unwrap();
        assert_eq!(content.read(0, &mut [0; 7]), Err(DiskError::changed()));
        assert!(changed(content));
        let content = fresh();
        fs::write(dir.path().join("b"), b"content").unwrap();
        fs::rename(dir.path().join("b"), &path).unwrap();
        assert!(changed(content), "another file under the same name");
        let content = fresh();
        fs::remove_file(&path).unwrap();
        assert!(changed(content));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let told = |path: &str| Content::open(Path::new(path)).err().map(|e| e.reason());
        assert_eq!(told("/dev/null"), Some("file-not-plain"));
        assert_eq!(told("/nowhere/at/all"), Some("file-missing"));
    }
}
