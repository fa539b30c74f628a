//! A folder that arrived as one file, made a folder again.
//!
//! Beside the part file, under a name of its own until it is whole. Invariant: everything is made
//! inside of one folder that was made here, by names that were checked; nothing that stood in the
//! target before is opened or replaced, and no link is followed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::at;
use super::failure::{About, DiskError, Place, Trouble};
use super::manifest::{self, BadList, Entry, Kind, LENGTH};

/// Copied at once.
const CHUNK: usize = 1024 * 1024;

/// Why a folder was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUnpacked {
    /// The disk.
    #[error("{0}")]
    Disk(#[from] DiskError),
    /// What arrived is no folder; the fault of whoever wrote the reference.
    #[error("{0}")]
    List(#[from] BadList),
}

/// What stands in a file of this size that holds a folder, and where the contents begin. `said` is
/// how long the list is to be, its length included.
pub(super) fn list(
    file: &File,
    size: u64,
    said: Option<u32>,
) -> Result<(Vec<Entry>, u64), NotUnpacked> {
    let mut head = [0; LENGTH];
    if size < LENGTH as u64 {
        return Err(BadList::Malformed.into());
    }
    at::read_whole(file, &mut head, 0).about(Place::Target)?;
    let length = manifest::length(head)?;
    let begin = (LENGTH + length) as u64;
    if said.is_some_and(|said| u64::from(said) != begin) {
        return Err(BadList::Length.into());
    }
    let left = size.checked_sub(begin).ok_or(BadList::Size)?;
    let mut list = vec![0; length];
    at::read_whole(file, &mut list, LENGTH as u64).about(Place::Target)?;
    Ok((manifest::decode(&list, left)?, begin))
}

/// Makes all of it in a folder that is there and empty. Durable afterwards.
pub(super) fn unpack(
    from: &File,
    (entries, begin): (&[Entry], u64),
    into: &Path,
) -> Result<(), DiskError> {
    let (mut at, mut room) = (begin, vec![0; CHUNK]);
    for entry in entries {
        let path = place(into, entry)?;
        if entry.kind == Kind::Folder {
            folder(&path)?;
            continue;
        }
        let file = fresh(&path)?;
        copy(from, (at, entry.size), &file, &mut room)?;
        if entry.kind == Kind::Program {
            let meta = file.metadata().about(Place::Target)?;
            make_program(&file, &meta).about(Place::Target)?;
        }
        settle(&file).about(Place::Target)?;
        at += entry.size;
    }
    all_settled(into).about(Place::Target)
}

/// Where an entry goes; the folders above it are made.
fn place(into: &Path, entry: &Entry) -> Result<PathBuf, DiskError> {
    let mut path = into.to_owned();
    for (depth, name) in entry.path.iter().enumerate() {
        path.push(name.as_str());
        if depth + 1 < entry.path.len() {
            folder(&path)?;
        }
    }
    Ok(path)
}

fn folder(path: &Path) -> Result<(), DiskError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Also where this file system takes two names for one: then one folder has both.
            let is_folder = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
            let trouble = Trouble::Name;
            if is_folder { Ok(()) } else { Err(DiskError { place: Place::Target, trouble }) }
        }
        made => made.about(Place::Target),
    }
}

/// A new file. Where the file system takes two names for one, the second is an error.
fn fresh(path: &Path) -> Result<File, DiskError> {
    match File::options().read(true).write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(DiskError { place: Place::Target, trouble: Trouble::Name })
        }
        made => made.about(Place::Target),
    }
}

fn copy(
    from: &File,
    (mut at, size): (u64, u64),
    to: &File,
    room: &mut [u8],
) -> Result<(), DiskError> {
    to.set_len(size).about(Place::Target)?;
    let mut done = 0;
    while done < size {
        let count = usize::try_from(size - done).unwrap_or(CHUNK).min(CHUNK);
        let chunk = room.get_mut(..count).unwrap_or_default();
        at::read_whole(from, chunk, at).about(Place::Target)?;
        if chunk.iter().any(|byte| *byte != 0) {
            at::write(to, chunk, done).about(Place::Target)?;
        }
        done += count as u64;
        at += count as u64;
    }
    Ok(())
}

#[cfg(unix)]
fn make_program(file: &File, meta: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = meta.permissions().mode();
    // Whoever may read it may run it.
    file.set_permissions(fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))
}

#[cfg(not(unix))]
fn make_program(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// Makes one file durable, where all of them are not made so at once.
fn settle(file: &File) -> io::Result<()> {
    if cfg!(target_os = "linux") { Ok(()) } else { file.sync_all() }
}

/// Makes durable all that was written: a hundred thousand files one by one would take minutes.
#[cfg(target_os = "linux")]
fn all_settled(into: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(into)?)?)
}

#[cfg(not(target_os = "linux"))]
fn all_settled(into: &Path) -> io::Result<()> {
    crate::paths::sync_parent(&into.join("x"))
}
