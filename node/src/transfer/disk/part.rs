//! A file on its way, in the folder where it lands: `<name>.part` until it is whole.
//!
//! Invariant: nothing that stands in the folder already is opened, written or replaced. The part
//! file is made anew or found again: as the very file that was made, or as one that holds what was
//! written to it. Numbers of files and disks alone do not say which: many file systems give others
//! each time they are mounted.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::at::{self, DiskId};
use super::failure::{About, DiskError, Place, Trouble};
use super::room;
use super::target::{NUMBERS, Target};
use crate::paths;

/// A part file, open.
pub(super) struct PartFile {
    path: PathBuf,
    number: u32,
    id: DiskId,
    file: File,
    /// Made in this run: what was not written is a hole.
    fresh: bool,
}

impl PartFile {
    /// Makes one of this size, with holes alone where the disk knows them.
    pub(super) fn create(target: &Target, size: u64) -> Result<Self, DiskError> {
        room::check(&target.folder, size, Place::Target)?;
        for number in 1..=NUMBERS {
            // Also a link that leads nowhere has the name.
            if target.whole(number).symlink_metadata().is_ok() {
                continue;
            }
            let (mut options, path) = (File::options(), target.part(number));
            // Made anew or not at all: whatever stands there is not followed.
            match options.read(true).write(true).create_new(true).open(&path) {
                Ok(file) => return Self::begin((path, number), file, size),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(DiskError::of(Place::Target, &error)),
            }
        }
        Err(DiskError { place: Place::Target, trouble: Trouble::Name })
    }

    fn begin((path, number): (PathBuf, u32), file: File, size: u64) -> Result<Self, DiskError> {
        let begun = file.set_len(size).and_then(|()| file.metadata()).about(Place::Target);
        if begun.is_err() {
            paths::remove(&path).about(Place::Target)?;
        }
        let id = at::id(&begun?);
        Ok(Self { path, number, id, file, fresh: true })
    }

    /// Opens what stands where one of this size was made; none when that is nothing like it.
    /// Whether it is the very one, [`Self::is`] says.
    pub(super) fn find(target: &Target, number: u32, size: u64) -> Option<Self> {
        let path = target.part(number);
        let id = at::id(&is_file(&path)?);
        let file = File::options().read(true).write(true).open(&path).ok()?;
        let meta = file.metadata().ok()?;
        let same = meta.is_file() && at::id(&meta) == id && meta.len() == size;
        same.then_some(Self { path, number, id, file, fresh: false })
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn id(&self) -> DiskId {
        self.id
    }

    /// How much of the disk it has taken: what was written, and all of it where there are no holes.
    pub(super) fn taken(&self) -> u64 {
        self.file.metadata().map_or(0, |meta| at::taken(&meta))
    }

    /// The file itself.
    pub(super) fn file(&self) -> &File {
        &self.file
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
        self.is_at(&self.path).then_some(()).ok_or(missing)?;
        self.file.sync_all().about(Place::Target)
    }

    /// Whether it has this name, or one more.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        is_file(path).is_some_and(|meta| at::id(&meta) == self.id)
    }

    /// Gives it a name that nothing has; an error if something has, also if it came this moment.
    pub(super) fn rename_anew(&self, to: &Path) -> io::Result<()> {
        match fs::hard_link(&self.path, to) {
            Ok(()) => return fs::remove_file(&self.path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            // Some file systems know no second names: there an empty file keeps the place.
            Err(_) => {}
        }
        File::options().write(true).create_new(true).open(to)?;
        fs::rename(&self.path, to).inspect_err(|_| {
            // It is empty and our own; where it cannot be removed, that is all that is left.
            fs::remove_file(to).ok();
        })
    }

    /// Takes the file away, if it still has its name.
    pub(super) fn remove(&self) -> Result<(), DiskError> {
        if self.is_at(&self.path) { paths::remove(&self.path).about(Place::Target) } else { Ok(()) }
    }
}

/// What stands at a path, if that is a file and no link.
pub(super) fn is_file(path: &Path) -> Option<fs::Metadata> {
    path.symlink_metadata().ok().filter(fs::Metadata::is_file)
}

#[cfg(test)]
mod tests {
    use hubbub_shared::content::file_name::FileName;

    use super::super::land;
    use super::super::target::Form;
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

    fn land(part: &PartFile, to: &Target) -> PathBuf {
        land::file(part, to, &mut |_| Ok(())).unwrap().0
    }

    #[test]
    fn what_only_looks_like_another_gets_a_number() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["lnvoice.pdf", "Notes.txt", "photo (2).jpg"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        for (name, landed) in [
            ("invoice.pdf", "invoice (2).pdf"),
            ("notes.txt", "notes (2).txt"),
            ("NOTES.txt", "NOTES (3).txt"),
            ("photo.jpg", "photo.jpg"),
            ("Photo.jpg", "Photo (3).jpg"),
            ("other.txt", "other.txt"),
        ] {
            let to = target(dir.path(), name);
            let part = PartFile::create(&to, 1).unwrap();
            assert_eq!(land(&part, &to), dir.path().join(landed));
        }
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
        assert_eq!(land(&two, &to), dir.path().join("a (4).txt"));
        assert_eq!(land(&one, &to), dir.path().join("a (2).txt"));
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
        let to = target(dir.path(), "a");
        let part = PartFile::create(&to, 1).unwrap();
        assert_eq!(part.number(), 4);
        symlink(outside.path().join("victim"), dir.path().join("a (4)")).unwrap();
        assert_eq!(land(&part, &to), dir.path().join("a (5)"));
        assert_eq!(names(outside.path()), Vec::<String>::new());
    }

    #[test]
    fn a_part_file_that_was_replaced_is_not_the_one_that_was_made() {
        let dir = tempfile::tempdir().unwrap();
        let to = target(dir.path(), "a");
        let part = PartFile::create(&to, 3).unwrap();
        let found = |size| PartFile::find(&to, part.number(), size).map(|found| found.id());
        assert_eq!(found(3), Some(part.id()));
        assert_eq!(found(4), None, "another size");
        fs::write(dir.path().join("b"), "xyz").unwrap();
        fs::rename(dir.path().join("b"), dir.path().join("a.part")).unwrap();
        assert_ne!(found(3), Some(part.id()));
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
        let again = PartFile::find(&to, 1, 1 << 20).unwrap();
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
}
