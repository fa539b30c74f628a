//! What lies on a disk, compared with what is known of a blob: pieces are sealed again, and count
//! if that gives the value that its tree has.
//!
//! Invariant: nothing else is evidence. Names, lengths and the numbers that systems give to files
//! say where to look, and never that something is what was fetched.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use hubbub_shared::blob::serve::{ServeError, Source};
use hubbub_shared::limits::PIECE;

use super::at;
use super::content::{Content, Stamp};
use super::failure::{DiskError, Place, Trouble};
use super::have::HaveFile;
use super::part::{PartFile, is_file};
use super::seal::Course;
use super::target::{Form, Target};
use super::tree::TreeFile;

/// A reader of content: fills what it is given, from an offset.
type Read<'a> = &'a dyn Fn(u64, &mut [u8]) -> Result<(), DiskError>;

/// Looks at pieces, one after the other.
pub(super) struct Again<'a> {
    source: &'a Source,
    tree: &'a TreeFile,
    content: Vec<u8>,
    sealed: Vec<u8>,
}

impl<'a> Again<'a> {
    pub(super) fn new(source: &'a Source, tree: &'a TreeFile) -> Self {
        Self { source, tree, content: vec![0; PIECE], sealed: Vec::with_capacity(PIECE) }
    }

    /// Where a piece stands and what it says, if that is what was fetched.
    pub(super) fn look(
        &mut self,
        index: u32,
        read: Read<'_>,
    ) -> Result<Option<(u64, &[u8])>, DiskError> {
        let Some((at, len)) = self.source.content(index) else { return Ok(None) };
        let Some(content) = self.content.get_mut(..len) else { return Ok(None) };
        let mut same = |content: &[u8]| {
            self.sealed.clear();
            match self.source.piece(&self.tree, index, content, &mut self.sealed) {
                Ok(()) => Ok(Some(true)),
                Err(ServeError::Lacking) => Ok(None),
                Err(ServeError::Changed | ServeError::Damaged) => Ok(Some(false)),
                Err(ServeError::Store(disk)) => Err(disk),
            }
        };
        // With nothing in hand first: of most pieces that are missing, no value is known either.
        let found = match same(&[])? {
            Some(false) if len > 0 => {
                read(at, content)?;
                same(content)?
            }
            found => found,
        };
        Ok((found == Some(true)).then_some((at, content)))
    }
}

/// What is left of a file that was on its way.
pub(super) enum Left {
    /// It has its name.
    Whole(PathBuf, Stamp),
    /// It is on its way; whether it is the very file that was noted.
    Part(PartFile, bool),
    /// Nothing that can be known for what it is.
    Nothing,
}

/// Where it is looked for.
pub(super) struct Search<'a> {
    pub(super) source: &'a Source,
    pub(super) tree: &'a TreeFile,
    pub(super) target: &'a Target,
    pub(super) size: u64,
    pub(super) course: &'a Course,
}

impl Search<'_> {
    /// What is left of a file of which this was noted.
    pub(super) fn find(&self, noted: &HaveFile) -> Result<Left, DiskError> {
        let part = PartFile::find(self.target, noted.part, self.size);
        let part = match part {
            Some(part) if part.id() == noted.id => Some((part, true)),
            Some(part) if self.holds_some(&part)? => Some((part, false)),
            _ => None,
        };
        if noted.landed > 0
            && noted.have.is_complete()
            && let Some((path, stamp)) = self.whole(noted)?
        {
            // It may have both names still; and the content of a folder is there twice.
            part.map_or(Ok(()), |(part, _)| part.remove())?;
            return Ok(Left::Whole(path, stamp));
        }
        Ok(part.map_or(Left::Nothing, |(part, same)| Left::Part(part, same)))
    }

    /// What has the last name that was tried, if it is what was fetched: the very file, or anything
    /// with this content.
    fn whole(&self, noted: &HaveFile) -> Result<Option<(PathBuf, Stamp)>, DiskError> {
        let path = self.target.whole(noted.landed);
        let found = match self.target.form {
            Form::File => is_file(&path).filter(|meta| meta.len() == self.size),
            Form::Folder { .. } => path.symlink_metadata().ok().filter(std::fs::Metadata::is_dir),
        };
        let Some(meta) = found else { return Ok(None) };
        if self.target.form == Form::File && at::id(&meta) == noted.id {
            return Ok(Some((path, Stamp::of(&meta))));
        }
        let Ok(content) = Content::open(&path) else { return Ok(None) };
        let is_whole = content.size() == self.size && self.is_whole(&content)?;
        Ok(is_whole.then(|| (path, content.stamp())))
    }

    fn is_whole(&self, content: &Content) -> Result<bool, DiskError> {
        let (mut again, read) = (Again::new(self.source, self.tree), reader(content));
        for index in self.pieces() {
            self.go_on()?;
            match again.look(index, &read) {
                Ok(Some(_)) => {}
                // It may change, or go, while it is read: then it is none of ours.
                Err(DiskError { place: Place::Source, .. }) | Ok(None) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether any piece of it is what was fetched. Another's file holds none, whatever it is
    /// called and however long it is.
    pub(super) fn holds_some(&self, part: &PartFile) -> Result<bool, DiskError> {
        let mut again = Again::new(self.source, self.tree);
        for index in self.pieces() {
            self.go_on()?;
            if again.look(index, &|at, out| part.read(at, out))?.is_some_and(|it| !it.1.is_empty())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn pieces(&self) -> impl Iterator<Item = u32> + use<> {
        (0..self.source.blob().shape.pieces()).map_while(|index| u32::try_from(index).ok())
    }

    /// Who was stopped has found out nothing.
    fn go_on(&self) -> Result<(), DiskError> {
        let trouble = Trouble::Failing(std::io::ErrorKind::Interrupted);
        let stopped = DiskError { place: Place::Profile, trouble };
        if self.course.stop.load(Ordering::Relaxed) { Err(stopped) } else { Ok(()) }
    }
}

fn reader(content: &Content) -> impl Fn(u64, &mut [u8]) -> Result<(), DiskError> + '_ {
    |at, out| content.read(at, out)
}
