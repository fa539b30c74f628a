//! The parents of a blob in a file: 64 bytes each, by name (PROTOCOL.md, The tree).
//!
//! Read and written by pages of 64 parents, of which some are in memory: the six lowest parents
//! above a piece stand in one page, and those above them are the same for many pieces. Invariant:
//! what is in memory is bounded whatever the size of the file; what was kept is found again by
//! everybody who shares this, written or not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hubbub_shared::blob::nodes::{Nodes, PARENT, Parent, offset};

use super::at;
use super::failure::{About, DiskError, Place};
use crate::paths;

/// Bytes of a page: what a file system reads and writes at once.
const PAGE: usize = 4096;
/// Pages in memory: the 26 above any piece's lowest, for several spans at once. 256 KiB.
const PAGES: usize = 64;

/// The parents of one blob, on disk.
pub struct TreeFile {
    file: File,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    held: BTreeMap<u64, Page>,
    clock: u64,
}

struct Page {
    bytes: Box<[u8; PAGE]>,
    used: u64,
    dirty: bool,
}

impl TreeFile {
    /// Opens a tree; an empty one where there is none.
    ///
    /// # Errors
    /// [`DiskError`] about the profile.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let file = paths::private_file(path).about(Place::Profile)?;
        Ok(Self { file, pages: Mutex::default() })
    }

    /// Opens a tree that has to be there.
    ///
    /// # Errors
    /// [`DiskError`] about the profile.
    pub fn existing(path: &Path) -> Result<Self, DiskError> {
        let file = File::options().read(true).write(true).open(path).about(Place::Profile)?;
        Ok(Self { file, pages: Mutex::default() })
    }

    /// Gives the system what is in memory alone: from then on it survives the end of the process,
    /// though not that of the machine.
    ///
    /// # Errors
    /// [`DiskError`] about the profile.
    pub fn write_out(&self) -> Result<(), DiskError> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, page) in &mut pages.held {
            page.write(&self.file, *number).about(Place::Profile)?;
        }
        Ok(())
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    /// [`DiskError`] about the profile.
    pub fn sync(&self) -> Result<(), DiskError> {
        self.write_out()?;
        self.file.sync_all().about(Place::Profile)
    }

    fn with<T>(&self, split: u32, work: impl FnOnce(&mut Page, usize) -> T) -> io::Result<T> {
        let (number, within) = (offset(split) / PAGE as u64, offset(split) % PAGE as u64);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.clock += 1;
        let now = pages.clock;
        if !pages.held.contains_key(&number) {
            pages.make_room(&self.file)?;
            let page = Page::read(&self.file, number)?;
            pages.held.insert(number, page);
        }
        let page = pages.held.get_mut(&number).ok_or(io::ErrorKind::Other)?;
        page.used = now;
        Ok(work(page, usize::try_from(within).unwrap_or(0)))
    }
}

impl Pages {
    /// The page that was not looked at for longest goes.
    fn make_room(&mut self, file: &File) -> io::Result<()> {
        while self.held.len() >= PAGES {
            let oldest = self.held.iter().min_by_key(|(_, page)| page.used);
            let Some(number) = oldest.map(|(number, _)| *number) else { return Ok(()) };
            if let Some(page) = self.held.get_mut(&number) {
                page.write(file, number)?;
            }
            self.held.remove(&number);
        }
        Ok(())
    }
}

impl Page {
    /// Behind the end of the file nothing is known.
    fn read(file: &File, number: u64) -> io::Result<Self> {
        let mut bytes = Box::new([0; PAGE]);
        let count = at::read(file, bytes.as_mut_slice(), number * PAGE as u64)?;
        // A parent that was cut off by a crash is none.
        if let Some(cut) = bytes.get_mut(count - count % PARENT..) {
            cut.fill(0);
        }
        Ok(Self { bytes, used: 0, dirty: false })
    }

    fn write(&mut self, file: &File, number: u64) -> io::Result<()> {
        if self.dirty {
            at::write(file, self.bytes.as_slice(), number * PAGE as u64)?;
            self.dirty = false;
        }
        Ok(())
    }
}

/// Shared by whoever fetches and whoever serves.
impl Nodes for &TreeFile {
    type Error = DiskError;

    fn parent(&self, split: u32) -> Result<Option<Parent>, DiskError> {
        let read = |page: &mut Page, at: usize| {
            let record = page.bytes.get(at..).and_then(<[u8]>::first_chunk::<PARENT>);
            record.and_then(Parent::from_bytes)
        };
        self.with(split, read).about(Place::Profile)
    }

    fn keep(&mut self, split: u32, parent: &Parent) -> Result<(), DiskError> {
        let write = |page: &mut Page, at: usize| {
            let bytes = parent.to_bytes();
            if let Some(record) = page.bytes.get_mut(at..at + PARENT)
                && *record != bytes
            {
                record.copy_from_slice(&bytes);
                page.dirty = true;
            }
        };
        self.with(split, write).about(Place::Profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(n: u32) -> Parent {
        let [a, b, c, d] = n.to_be_bytes();
        Parent { left: [a | 1; 32], right: [b, c, d, 1].repeat(8).try_into().unwrap() }
    }

    #[test]
    fn what_was_kept_is_found_again_also_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        let tree = TreeFile::open(&path).unwrap();
        let names = [1, 2, 64, 65, 127, 128, 1 << 20, u32::MAX];
        names.iter().for_each(|n| (&tree).keep(*n, &parent(*n)).unwrap());
        assert_eq!((&tree).parent(3), Ok(None));
        tree.write_out().unwrap();
        let again = TreeFile::existing(&path).unwrap();
        for tree in [&tree, &again] {
            names.iter().for_each(|n| assert_eq!(tree.parent(*n), Ok(Some(parent(*n)))));
        }
        assert_eq!((&again).parent(66), Ok(None));
        assert!(TreeFile::existing(&dir.path().join("absent")).is_err());
    }

    /// Twenty gibibytes have 327,680 pieces.
    #[test]
    fn the_tree_of_a_huge_file_takes_no_more_memory_than_that_of_a_small_one() {
        let dir = tempfile::tempdir().unwrap();
        let tree = TreeFile::open(&dir.path().join("t")).unwrap();
        for n in 1..327_680 {
            (&tree).keep(n, &parent(n)).unwrap();
        }
        let held = tree.pages.lock().unwrap().held.len();
        assert!(held <= PAGES);
        for n in (1..327_680).step_by(997) {
            assert_eq!((&tree).parent(n), Ok(Some(parent(n))));
        }
    }

    #[test]
    fn a_parent_that_a_crash_cut_off_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        std::fs::write(&path, [7; PARENT + 40]).unwrap();
        let tree = TreeFile::existing(&path).unwrap();
        assert!((&tree).parent(1).unwrap().is_some());
        assert_eq!((&tree).parent(2), Ok(None));
    }
}
