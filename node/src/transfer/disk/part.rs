//! A file on its way, in the folder where it lands: `<name>.part` until it is whole.
//!
//! Invariant: nothing that stands in the folder already is opened, written or replaced. The part
//! file is made anew or found again as the very file that was made; its last name is one that
//! nobody had. Both names are one harmless component, so nothing outside of the folder is touched.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use hubbub_shared::content::file_name::FileName;
use hubbub_shared::limits::FILE_NAME_BYTES;

use super::at::{self, DiskId};
use super::content::{Content, Stamp};
use super::failure::{About, DiskError, Place, Trouble};
use super::have::HaveFile;
use super::manifest::Entry;
use super::room;
use super::unpack::{self, NotUnpacked};
use crate::paths;

/// What a file is called until it is whole.
const ENDING: &str = ".part";
/// And a folder, while it is made of that.
const MAKING: &str = ".unpacking";
/// Numbers tried for a name that others have: somebody who has so many of one name has a script
/// that makes them.
const NUMBERS: u32 = 9_999;
/// Longest ending that stays behind the number: that of [`FileName`]s.
const KEPT: usize = 16;
/// What number and ending may take of a name.
const ROOM: usize = " (9999)".len() + MAKING.len();

/// What is made of what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A file.
    File,
    /// A folder, of the list in front and what follows it.
    Folder {
        /// How long the list has to be, its length included, by the message that was looked at
        /// before. None where nothing is made of it any more.
        manifest: Option<u32>,
    },
}

/// Where a file is to land.
#[derive(Clone)]
pub struct Target {
    /// The folder.
    pub folder: PathBuf,
    /// What it is called there, if nobody else is.
    pub name: FileName,
    /// As what.
    pub form: Form,
}

impl Target {
    /// The path with this number, when whole.
    fn whole(&self, number: u32) -> PathBuf {
        self.folder.join(numbered(&self.name, number))
    }

    /// Where a folder is made until it is whole.
    fn making(&self, number: u32) -> PathBuf {
        self.folder.join(numbered(&self.name, number) + MAKING)
    }

    fn part(&self, number: u32) -> PathBuf {
        self.folder.join(numbered(&self.name, number) + ENDING)
    }

    /// What landed here with this number, if it still is there.
    pub(super) fn landed(&self, known: &HaveFile) -> Option<(PathBuf, Stamp)> {
        let path = self.whole(known.landed);
        if self.form == Form::File {
            let meta = is_file(&path, known.id)?;
            return Some((path, Stamp::of(&meta)));
        }
        // Its name is the last thing that a folder gets.
        let making = self.making(known.part).symlink_metadata().is_ok();
        let is_folder = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        let content = Content::open(&path).ok().filter(|_| is_folder && !making)?;
        Some((path, content.stamp()))
    }

    /// Takes away what was made of a folder before a crash, by a number that was noted when the
    /// place was made.
    pub(super) fn clear(&self, number: u32) -> Result<(), DiskError> {
        let making = self.making(number);
        match making.symlink_metadata() {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(making).about(Place::Target),
            _ => Ok(()),
        }
    }

    /// Takes the part file away that was left with this number, if it still is the one.
    pub(super) fn remove(&self, number: u32, id: DiskId) -> Result<(), DiskError> {
        let path = self.part(number);
        match is_file(&path, id) {
            Some(_) => paths::remove(&path).about(Place::Target),
            None => Ok(()),
        }
    }
}

/// A part file, open.
pub(super) struct PartFile {
    target: Target,
    number: u32,
    id: DiskId,
    file: File,
    /// Made in this run: what was not written is a hole.
    fresh: bool,
}

impl PartFile {
    /// Makes one of this size, with holes alone.
    pub(super) fn create(target: &Target, size: u64) -> Result<Self, DiskError> {
        room::check(&target.folder, size, Place::Target)?;
        for number in 1..=NUMBERS {
            // Also a link that leads nowhere has the name.
            if target.whole(number).symlink_metadata().is_ok() {
                continue;
            }
            let mut options = File::options();
            // Made anew or not at all: whatever stands there is not followed.
            match options.read(true).write(true).create_new(true).open(target.part(number)) {
                Ok(file) => return Self::begin(target, number, file, size),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(DiskError::of(Place::Target, &error)),
            }
        }
        Err(DiskError { place: Place::Target, trouble: Trouble::Name })
    }

    fn begin(target: &Target, number: u32, file: File, size: u64) -> Result<Self, DiskError> {
        let begun = file.set_len(size).and_then(|()| file.metadata()).about(Place::Target);
        if begun.is_err() {
            paths::remove(&target.part(number)).about(Place::Target)?;
        }
        let id = at::id(&begun?);
        Ok(Self { target: target.clone(), number, id, file, fresh: true })
    }

    /// Opens the one that was made with this number; none when there is another file, or none.
    pub(super) fn find(target: &Target, number: u32, id: DiskId, size: u64) -> Option<Self> {
        let path = target.part(number);
        is_file(&path, id)?;
        let file = File::options().read(true).write(true).open(&path).ok()?;
        let meta = file.metadata().ok()?;
        let same = meta.is_file() && at::id(&meta) == id && meta.len() == size;
        same.then(|| Self { target: target.clone(), number, id, file, fresh: false })
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn id(&self) -> DiskId {
        self.id
    }

    /// Writes some of the content; where that is zeros and there are zeros, leaves a hole.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> Result<(), DiskError> {
        if bytes.iter().all(|byte| *byte == 0) && (self.fresh || self.is_zero(at, bytes.len())) {
            return Ok(());
        }
        at::write(&self.file, bytes, at).about(Place::Target)
    }

    fn is_zero(&self, at: u64, len: usize) -> bool {
        let mut found = vec![0; len];
        at::read_whole(&self.file, &mut found, at).is_ok() && found.iter().all(|byte| *byte == 0)
    }

    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> Result<(), DiskError> {
        at::read_whole(&self.file, out, at).about(Place::Target)
    }

    /// Makes durable what was written. An error if the file has no name any more: then nothing can
    /// come of it.
    pub(super) fn sync(&self) -> Result<(), DiskError> {
        let missing = DiskError { place: Place::Target, trouble: Trouble::Missing };
        is_file(&self.target.part(self.number), self.id).ok_or(missing)?;
        self.file.sync_all().about(Place::Target)
    }

    /// Gives the file, which was synced, a name that nobody has, and says which. Each number that
    /// is tried is noted before, so that who comes after a crash finds it.
    pub(super) fn land(
        &self,
        mut note: impl FnMut(u32) -> Result<(), DiskError>,
    ) -> Result<(PathBuf, Stamp), DiskError> {
        let part = self.target.part(self.number);
        for number in self.number..=NUMBERS {
            let whole = self.target.whole(number);
            if whole.symlink_metadata().is_ok() {
                continue;
            }
            note(number)?;
            match rename_anew(&part, &whole) {
                Ok(()) => {
                    paths::sync_parent(&whole).about(Place::Target)?;
                    let meta = self.file.metadata().about(Place::Target)?;
                    return Ok((whole, Stamp::of(&meta)));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(DiskError::of(Place::Target, &error)),
            }
        }
        Err(DiskError { place: Place::Target, trouble: Trouble::Name })
    }

    /// Makes a folder of what the file, which was synced, holds, by the list that was read of it.
    /// The number of its last name is noted when it is begun, and before it gets another.
    pub(super) fn land_folder(
        &self,
        list: (&[Entry], u64),
        mut note: impl FnMut(u32) -> Result<(), DiskError>,
    ) -> Result<(PathBuf, Stamp), DiskError> {
        let target = &self.target;
        let making = target.making(self.number);
        fs::create_dir(&making).about(Place::Target)?;
        let is_free = |number: &u32| target.whole(*number).symlink_metadata().is_err();
        let mut free = (self.number..=NUMBERS).filter(is_free);
        let taken = DiskError { place: Place::Target, trouble: Trouble::Name };
        let mut number = free.next().ok_or(taken)?;
        note(number)?;
        unpack::unpack(&self.file, list, &making)?;
        // A number may have been taken meanwhile.
        while !is_free(&number) {
            number = free.next().ok_or(taken)?;
            note(number)?;
        }
        let whole = target.whole(number);
        fs::rename(&making, &whole).about(Place::Target)?;
        paths::sync_parent(&whole).about(Place::Target)?;
        self.remove()?;
        let stamp = Content::open(&whole)?.stamp();
        Ok((whole, stamp))
    }

    /// What it holds, if that is the folder that was said.
    pub(super) fn list(
        &self,
        size: u64,
        said: Option<u32>,
    ) -> Result<(Vec<Entry>, u64), NotUnpacked> {
        unpack::list(&self.file, size, said)
    }

    /// Takes away what it became, though nobody was told.
    pub(super) fn remove_landed(&self, path: &Path) -> Result<(), DiskError> {
        match self.target.form {
            Form::Folder { .. } => fs::remove_dir_all(path).about(Place::Target),
            Form::File if is_file(path, self.id).is_some() => {
                paths::remove(path).about(Place::Target)
            }
            Form::File => Ok(()),
        }
    }

    /// Takes the file away.
    pub(super) fn remove(&self) -> Result<(), DiskError> {
        self.target.remove(self.number, self.id)
    }
}

/// What stands at a path, if that is this very file and no link to it.
fn is_file(path: &Path, id: DiskId) -> Option<fs::Metadata> {
    let meta = path.symlink_metadata().ok()?;
    (meta.is_file() && at::id(&meta) == id).then_some(meta)
}

/// Renames a file to what nothing is called; an error if something is, also if it came this moment.
fn rename_anew(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => return fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
        // Some file systems know no second names: there an empty file keeps the place.
        Err(_) => {}
    }
    File::options().write(true).create_new(true).open(to)?;
    fs::rename(from, to).inspect_err(|_| {
        // It is empty and our own; where it cannot be removed, that is all that is left of this.
        fs::remove_file(to).ok();
    })
}

/// The name with a number behind it, before its ending; of the first, the name alone. What it is
/// called on its way fits as well.
pub(super) fn numbered(name: &FileName, number: u32) -> String {
    let name = name.as_str();
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= KEPT);
    let (stem, ending) = name.split_at(dot.unwrap_or(name.len()));
    let most = FILE_NAME_BYTES - ROOM - ending.len();
    let cut = (0..=most.min(stem.len())).rev().find(|at| stem.is_char_boundary(*at)).unwrap_or(0);
    let stem = stem.get(..cut).unwrap_or_default().trim_end_matches(['.', ' ']);
    match number {
        1 => format!("{stem}{ending}"),
        number => format!("{stem} ({number}){ending}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(dir: &Path, name: &str) -> Target {
        Target { folder: dir.to_owned(), name: FileName::clean(name), form: Form::File }
    }

    fn names(dir: &Path) -> Vec<String> {
        let all = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            all.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn land(part: &PartFile) -> PathBuf {
        part.land(|_| Ok(())).unwrap().0
    }

    #[test]
    fn two_of_one_name_both_land_and_what_was_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.txt"), "hers").unwrap();
        let to = target(dir.path(), "a.txt");
        let (one, two) = (PartFile::create(&to, 3).unwrap(), PartFile::create(&to, 3).unwrap());
        assert_eq!(names(dir.path()), ["a (2).txt.part", "a (3).txt.part", "a.txt"]);
        one.write(0, b"one").unwrap();
        two.write(0, b"two").unwrap();
        fs::write(dir.path().join("a (3).txt"), "his").unwrap();
        assert_eq!(land(&two), dir.path().join("a (4).txt"));
        assert_eq!(land(&one), dir.path().join("a (2).txt"));
        assert_eq!(names(dir.path()), ["a (2).txt", "a (3).txt", "a (4).txt", "a.txt"]);
        let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            ["a.txt", "a (2).txt", "a (3).txt", "a (4).txt"].map(read),
            ["hers", "one", "his", "two"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_that_stand_in_the_way_are_not_followed() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        for name in ["a", "a (2).part", "a (3)"] {
            symlink(outside.path().join("victim"), dir.path().join(name)).unwrap();
        }
        let part = PartFile::create(&target(dir.path(), "a"), 1).unwrap();
        assert_eq!(part.number(), 4);
        symlink(outside.path().join("victim"), dir.path().join("a (4)")).unwrap();
        assert_eq!(land(&part), dir.path().join("a (5)"));
        assert_eq!(names(outside.path()), Vec::<String>::new());
    }

    #[test]
    fn a_part_file_that_was_replaced_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let to = target(dir.path(), "a");
        let part = PartFile::create(&to, 3).unwrap();
        let (number, id) = (part.number(), part.id());
        assert!(PartFile::find(&to, number, id, 3).is_some());
        assert!(PartFile::find(&to, number, id, 4).is_none(), "another size");
        fs::write(dir.path().join("b"), "xyz").unwrap();
        fs::rename(dir.path().join("b"), dir.path().join("a.part")).unwrap();
        assert!(PartFile::find(&to, number, id, 3).is_none());
        assert!(part.sync().is_err(), "and nothing can come of the one that lost its name");
        part.remove().unwrap();
        assert_eq!(names(dir.path()), ["a.part"], "what is not ours stays");
    }

    #[cfg(unix)]
    #[test]
    fn zeros_take_no_room_but_replace_what_was_there() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let to = target(dir.path(), "a");
        let part = PartFile::create(&to, 1 << 20).unwrap();
        part.write(0, &[0; 1 << 16]).unwrap();
        assert_eq!(fs::metadata(dir.path().join("a.part")).unwrap().blocks(), 0);
        part.write(0, &[7; 1 << 16]).unwrap();
        let again = PartFile::find(&to, 1, part.id(), 1 << 20).unwrap();
        again.write(0, &[0; 1 << 16]).unwrap();
        let mut found = vec![1; 1 << 16];
        again.read(0, &mut found).unwrap();
        assert_eq!(found, vec![0; 1 << 16]);
    }

    #[test]
    fn a_folder_that_is_not_there_or_too_full_is_said_before_anything_is_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let told = |folder: &Path, size| {
            PartFile::create(&target(folder, "a"), size).err().map(|e| e.reason())
        };
        assert_eq!(told(&dir.path().join("gone"), 1), Some("target-missing"));
        fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(told(&dir.path().join("file"), 1), Some("target-missing"));
        assert_eq!(told(dir.path(), 1 << 60), Some("target-full"));
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn every_number_of_every_name_is_harmless_and_fits() {
        let long = "x".repeat(400);
        let texts = [
            "",
            "a",
            "a.txt",
            "../../etc/passwd",
            "...",
            "con",
            "a .b",
            "ä".repeat(300).as_str(),
            &long,
            &format!("{long}.tar.gz"),
            &format!("{}. . .png", "y".repeat(236)),
            &format!("{long}.{long}"),
            "x.part",
            "\u{202e}fdp.exe",
            "a (2).txt",
            "写真.png",
        ]
        .map(str::to_owned);
        for (text, number) in texts.iter().flat_map(|text| [1, 2, 10, NUMBERS].map(|n| (text, n))) {
            let numbered = numbered(&FileName::clean(text), number);
            assert!(FileName::harmless(&numbered).is_some(), "{numbered:?}");
            assert!(numbered.len() + MAKING.len() <= FILE_NAME_BYTES, "{numbered:?}");
        }
    }
}
