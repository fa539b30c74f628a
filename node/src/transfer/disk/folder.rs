//! A folder as one sequence of bytes: the list of what is in it, and its files one behind the
//! other.
//!
//! Links and what is neither file nor folder are left out, so that nothing outside of the folder is
//! sent. Names are made harmless; two that become one get numbers. Invariant: the same folder gives
//! the same bytes each time, and one in which something was written, added or removed is another.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, DirEntry, File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hubbub_shared::content::file_name::FileName;
use hubbub_shared::crypto::blake3;

use super::at;
use super::content::{Stamp, unchanged};
use super::failure::{About, DiskError, Place, Trouble};
use super::manifest::{self, DEPTH, ENTRIES, Entry, Kind};
use super::target::numbered;

/// Files of it that stay open: as many as are read side by side.
const OPEN: usize = 8;

/// See the top of the file.
pub struct Folder {
    root: PathBuf,
    /// The list, with its length.
    list: Vec<u8>,
    files: Vec<Member>,
    stamp: Stamp,
    open: Mutex<VecDeque<(usize, Arc<File>)>>,
}

/// One file in it.
struct Member {
    /// Where its bytes begin.
    at: u64,
    /// Its path in the folder, as it is on the disk.
    path: PathBuf,
    stamp: Stamp,
}

/// What was found in it.
struct Found {
    entry: Entry,
    path: PathBuf,
    meta: Metadata,
}

impl AsRef<Entry> for Found {
    fn as_ref(&self) -> &Entry {
        &self.entry
    }
}

impl Folder {
    pub(super) fn open(root: &Path) -> Result<Self, DiskError> {
        let mut found = Vec::new();
        walk(root, &mut (PathBuf::new(), Vec::new()), &mut found)?;
        manifest::sort(&mut found);
        let list = manifest::encode(found.iter().map(AsRef::as_ref)).map_err(|_| crowded())?;
        let (mut at, mut modified, mut files) = (list.len() as u64, 0, Vec::new());
        let mut marks = list.clone();
        for found in found.into_iter().filter(|found| found.entry.kind != Kind::Folder) {
            let stamp = Stamp::of(&found.meta);
            modified = modified.max(stamp.modified);
            for number in [stamp.size, stamp.modified, stamp.inode] {
                marks.extend_from_slice(&number.to_be_bytes());
            }
            files.push(Member { at, path: found.path, stamp });
            at = at.checked_add(stamp.size).ok_or(crowded())?;
        }
        let hash = blake3(&marks);
        let inode = hash.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        let stamp = Stamp { size: at, modified, inode };
        Ok(Self { root: root.to_owned(), list, files, stamp, open: Mutex::default() })
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Bytes of the list, its length included.
    pub(super) fn list(&self) -> usize {
        self.list.len()
    }

    /// Looks through all of it.
    pub(super) fn check(&self) -> Result<(), DiskError> {
        unchanged(Self::open(&self.root)?.stamp == self.stamp)
    }

    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> Result<(), DiskError> {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let count = self.some(at + done as u64, rest)?;
            unchanged(count > 0)?;
            done += count;
        }
        Ok(())
    }

    /// Reads what one place has of it.
    fn some(&self, at: u64, out: &mut [u8]) -> Result<usize, DiskError> {
        let list = usize::try_from(at).ok().and_then(|at| self.list.get(at..));
        if let Some(list) = list.filter(|list| !list.is_empty()) {
            let count = list.len().min(out.len());
            let from = list.iter().take(count);
            out.iter_mut().zip(from).for_each(|(out, byte)| *out = *byte);
            return Ok(count);
        }
        // Of files that begin at the same place, all but the last are empty.
        let index = self.files.partition_point(|file| file.at <= at).checked_sub(1);
        let member = index.and_then(|index| Some((index, self.files.get(index)?)));
        let (index, member) = member.ok_or(DiskError::changed())?;
        let within = at - member.at;
        let left = usize::try_from(member.stamp.size.saturating_sub(within)).unwrap_or(usize::MAX);
        let count = left.min(out.len());
        let file = self.file(index, member)?;
        let meta = file.metadata().about(Place::Source)?;
        unchanged(Stamp::of(&meta) == member.stamp)?;
        at::read_whole(&file, out.get_mut(..count).unwrap_or_default(), within)
            .about(Place::Source)?;
        Ok(count)
    }

    fn file(&self, index: usize, member: &Member) -> Result<Arc<File>, DiskError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(other, _)| *other == index) {
            return Ok(Arc::clone(file));
        }
        let path = self.root.join(&member.path);
        // A link or a pipe that took its place is another file, and would be waited for.
        let meta = path.symlink_metadata().about(Place::Source).map_err(|error| {
            let is_there = error.trouble == Trouble::Missing && self.root.is_dir();
            // The folder is where it was, and not what it was.
            if is_there { DiskError::changed() } else { error }
        })?;
        unchanged(meta.is_file())?;
        let file = Arc::new(File::open(path).about(Place::Source)?);
        open.truncate(OPEN - 1);
        open.push_front((index, Arc::clone(&file)));
        Ok(file)
    }
}

fn crowded() -> DiskError {
    DiskError { place: Place::Source, trouble: Trouble::Crowded }
}

/// What is in a folder, and in those in it.
fn walk(
    root: &Path,
    at: &mut (PathBuf, Vec<FileName>),
    found: &mut Vec<Found>,
) -> Result<(), DiskError> {
    if at.1.len() >= DEPTH {
        return Err(crowded());
    }
    for (name, real) in named(&root.join(&at.0))? {
        at.0.push(real);
        at.1.push(name);
        let meta = root.join(&at.0).symlink_metadata().about(Place::Source)?;
        if let Some(kind) = kind(&meta) {
            let size = if kind == Kind::Folder { 0 } else { meta.len() };
            let entry = Entry { path: at.1.clone(), kind, size };
            found.push(Found { entry, path: at.0.clone(), meta });
            if found.len() > ENTRIES {
                return Err(crowded());
            }
            if kind == Kind::Folder {
                walk(root, at, found)?;
            }
        }
        at.0.pop();
        at.1.pop();
    }
    Ok(())
}

/// The names in a folder and what they are sent as.
fn named(dir: &Path) -> Result<Vec<(FileName, OsString)>, DiskError> {
    let name = |entry: Result<DirEntry, _>| entry.map(|entry: DirEntry| entry.file_name());
    let real: Result<Vec<_>, _> = fs::read_dir(dir).about(Place::Source)?.map(name).collect();
    let mut real = real.about(Place::Source)?;
    if real.len() > ENTRIES {
        return Err(crowded());
    }
    // Those that are harmless keep their names, whatever others become.
    let is_odd = |name: &OsString| name.to_str().and_then(FileName::harmless).is_none();
    real.sort_by_cached_key(|name| (is_odd(name), name.clone()));
    let mut taken = std::collections::BTreeSet::new();
    let mut names = Vec::with_capacity(real.len());
    for real in real {
        let clean = FileName::clean(&real.to_string_lossy());
        let mut tries = (2..).map(|number| FileName::clean(&numbered(&clean, number)));
        let mut name = Some(clean.clone());
        while let Some(next) = name.take_if(|name| taken.contains(name.as_str())) {
            drop(next);
            name = tries.next();
        }
        let name = name.ok_or(crowded())?;
        taken.insert(name.as_str().to_owned());
        names.push((name, real));
    }
    Ok(names)
}

fn kind(meta: &Metadata) -> Option<Kind> {
    if meta.is_dir() {
        return Some(Kind::Folder);
    }
    let file = if is_program(meta) { Kind::Program } else { Kind::File };
    meta.is_file().then_some(file)
}

#[cfg(unix)]
fn is_program(meta: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_program(_: &Metadata) -> bool {
    false
}
