//! A file that is all here gets its name, or becomes the folder that it holds.
//!
//! Invariant: nothing that stood there is replaced, and the last name is the last thing that a file
//! or folder gets: what has it is whole. The number in it is noted before, so that who comes after
//! a crash knows where to look; whether it is what was fetched, only its content says.

use std::fs;
use std::io;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use hubbub_shared::id::BlobId;

use super::beside::Beside;
use super::content::{Content, Stamp};
use super::failure::{About, DiskError, Place, Trouble};
use super::manifest::Entry;
use super::part::PartFile;
use super::target::{NUMBERS, Target};
use super::unpack;
use crate::paths;

/// Bytes of the address in the name of what is made: nobody else calls anything so.
const MARK: usize = 8;

/// What became of a file, and how it looks.
pub(super) type Landed = (PathBuf, Stamp);

/// Notes a number that is tried next.
pub(super) type Note<'a> = &'a mut dyn FnMut(u32) -> Result<(), DiskError>;

/// Gives the file, which was synced, a name that nothing has or looks like, and says which.
pub(super) fn file(part: &PartFile, target: &Target, note: Note<'_>) -> Result<Landed, DiskError> {
    let beside = Beside::of(&target.folder);
    for number in part.number()..=NUMBERS {
        let whole = target.whole(number);
        if !target.is_free(number, &beside) {
            continue;
        }
        note(number)?;
        match part.rename_anew(&whole) {
            Ok(()) => {
                paths::sync_parent(&whole).about(Place::Target)?;
                let meta = part.file().metadata().about(Place::Target)?;
                return Ok((whole, Stamp::of(&meta)));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(DiskError::of(Place::Target, &error)),
        }
    }
    Err(DiskError { place: Place::Target, trouble: Trouble::Name })
}

/// Makes a folder of what the file, which was synced, holds, by the list that was read of it. Where
/// that does not work, what was made of it goes, and the file stays.
pub(super) fn folder(
    part: &PartFile,
    target: &Target,
    making: &Making,
    list: (&[Entry], u64),
    note: Note<'_>,
) -> Result<Landed, DiskError> {
    making.begin()?;
    let made = unpack::unpack(part.file(), list, &making.within);
    let named = made.and_then(|()| name(making, (target, part.number()), note));
    let whole = named.inspect_err(|_| {
        // The first error counts; it is tried once more before the folder is made again.
        making.clear().ok();
    })?;
    paths::sync_parent(&whole).about(Place::Target)?;
    making.clear()?;
    part.remove()?;
    let stamp = Content::open(&whole)?.stamp();
    Ok((whole, stamp))
}

/// Gives what was made a name that nothing has or looks like.
fn name(
    making: &Making,
    (target, first): (&Target, u32),
    note: Note<'_>,
) -> Result<PathBuf, DiskError> {
    let beside = Beside::of(&target.folder);
    for number in first..=NUMBERS {
        let whole = target.whole(number);
        if !target.is_free(number, &beside) {
            continue;
        }
        note(number)?;
        match fs::rename(&making.within, &whole) {
            Ok(()) => return Ok(whole),
            // It was taken this moment.
            Err(_) if whole.symlink_metadata().is_ok() => {}
            Err(error) => return Err(DiskError::of(Place::Target, &error)),
        }
    }
    Err(DiskError { place: Place::Target, trouble: Trouble::Name })
}

/// Where a folder is made: in a folder of that name, under one that says of what. So what a crash
/// left is known for what it is, whatever numbers it has on its disk by then, and nothing else that
/// somebody put there is touched.
pub(super) struct Making {
    around: PathBuf,
    within: PathBuf,
}

impl Making {
    pub(super) fn of(target: &Target, number: u32, blob: &BlobId) -> Self {
        let around = target.making(number);
        let mark = blob.0.get(..MARK).unwrap_or_default();
        Self { within: around.join(HEXLOWER.encode(mark)), around }
    }

    /// What was left of the last time has been cleared away.
    fn begin(&self) -> Result<(), DiskError> {
        match fs::create_dir(&self.around) {
            Err(_) if self.is_there() => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(DiskError { place: Place::Target, trouble: Trouble::InTheWay });
            }
            made => made.about(Place::Target)?,
        }
        fs::create_dir(&self.within).about(Place::Target)
    }

    /// A link that leads to a folder is none.
    fn is_there(&self) -> bool {
        self.around.symlink_metadata().is_ok_and(|meta| meta.is_dir())
    }

    /// Takes away what was made and has no name.
    pub(super) fn clear(&self) -> Result<(), DiskError> {
        if !self.is_there() {
            return Ok(());
        }
        match fs::remove_dir_all(&self.within) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(DiskError::of(Place::Target, &error));
            }
            _ => {}
        }
        // One in which something else stands is somebody's, and stays.
        fs::remove_dir(&self.around).ok();
        Ok(())
    }
}
