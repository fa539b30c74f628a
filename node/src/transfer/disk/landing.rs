//! A file that arrives: pieces verified, opened and written, and what of them survives a crash.
//!
//! Order of writing: content to the part file, then the parents that show it, then (synced, now and
//! then) the have-map. Invariant: what the have-map names was synced before. Beyond it, after a
//! restart, a piece counts only if sealing it again gives the value that the tree has; so little is
//! fetched twice after a kill, and nothing false is believed after power loss.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use hubbub_shared::blob::open::{OpenFault, Opener};
use hubbub_shared::blob::serve::{ServeError, Source};
use hubbub_shared::blob::{Blob, Fault, HaveMap, Refused};
use hubbub_shared::crypto::stream::{FileKey, PieceCipher};
use hubbub_shared::limits::PIECE;

use super::content::Stamp;
use super::failure::{DiskError, Place, Trouble};
use super::have::HaveFile;
use super::part::{Form, PartFile, Target};
use super::room::{self, Claim};
use super::seal::Course;
use super::shelf::Shelf;
use super::tree::TreeFile;
use super::unpack::NotUnpacked;

/// What a reference says of a file and its transfer needs. It holds a key: no `Debug`, no `Clone`.
pub struct Reference {
    /// Its sealed form.
    pub blob: Blob,
    /// What opens it.
    pub key: FileKey,
    /// Bytes of its content.
    pub size: u64,
}

impl Reference {
    /// Whether another one says the very same. One address alone says nothing: anybody may copy it.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        // What a blob under this key begins with is no secret, and the same for no other key.
        let commitment = |reference: &Self| {
            let padded = self.blob.shape.sealed();
            *PieceCipher::derive(&reference.key, padded, PIECE as u64).commitment()
        };
        let (mine, theirs) = ((self.blob, self.size), (other.blob, other.size));
        mine == theirs && commitment(self) == commitment(other)
    }

    /// A second copy.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { blob: self.blob, key: self.key.duplicate(), size: self.size }
    }
}

/// Why a piece was not taken, by whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Of who sent it.
    #[error("{0}")]
    Fault(Fault),
    /// Of who wrote the reference.
    #[error("{0}")]
    Reference(OpenFault),
    /// Of this machine.
    #[error("{0}")]
    Disk(#[from] DiskError),
}

impl From<Refused<DiskError>> for NotTaken {
    fn from(refused: Refused<DiskError>) -> Self {
        match refused {
            Refused::Fault(fault) => Self::Fault(fault),
            Refused::Store(disk) => Self::Disk(disk),
        }
    }
}

/// What was found where a file should land.
pub enum Found {
    /// It is there, whole: from before a crash.
    Whole(PathBuf, Stamp),
    /// It is on its way.
    Part(Box<Landing>),
}

/// A file on its way.
pub struct Landing {
    shelf: Shelf,
    /// The number of the file, by which it is known on the shelf.
    file: u64,
    target: Target,
    blob: Blob,
    size: u64,
    source: Source,
    opener: Opener,
    tree: TreeFile,
    /// The tree was made for it.
    own_tree: bool,
    part: PartFile,
    /// What it became, before anybody was told.
    landed: OnceLock<PathBuf>,
    claim: Claim,
    have: Mutex<HaveMap>,
}

impl Landing {
    /// Finds what is there of a file, or begins with nothing. It may read all of what is there; not
    /// for the threads of the runtime. None for a reference whose parts do not fit each other.
    ///
    /// # Errors
    /// [`DiskError`] about the target or the profile.
    pub fn open(
        (shelf, file): (&Shelf, u64),
        reference: &Reference,
        target: &Target,
        course: &Course,
    ) -> Result<Option<Found>, DiskError> {
        let (blob, size) = (reference.blob, reference.size);
        let source = Source::new(blob, &reference.key, size);
        let Some((source, opener)) = source.zip(Opener::new(&blob, &reference.key, size)) else {
            return Ok(None);
        };
        let (pieces, path) = (blob.shape.pieces(), shelf.have(&blob.address, file));
        let known = HaveFile::read(&path, pieces)?;
        if let Some((path, stamp)) = known.as_ref().and_then(|known| whole(known, target)) {
            return Ok(Some(Found::Whole(path, stamp)));
        }
        let path = shelf.tree(&blob.address);
        let own_tree = known.as_ref().map_or_else(|| !path.exists(), |known| known.tree);
        let claim = shelf.needs().claim(&target.folder, shelf.path());
        let found = known.and_then(|known| {
            let part = PartFile::find(target, known.part, known.id, size)?;
            Some((part, known.have))
        });
        let (part, have, is_new) = match found {
            Some((part, have)) => (part, have, false),
            None => {
                claim.check(size)?;
                (PartFile::create(target, size)?, HaveMap::none(pieces), true)
            }
        };
        let tree = TreeFile::open(&path).inspect_err(|_| {
            // The first error counts, as below.
            is_new.then(|| part.remove().ok());
        })?;
        let (have, landed) = (Mutex::new(have), OnceLock::new());
        let (shelf, target) = (shelf.clone(), target.clone());
        let landing = Self {
            shelf,
            file,
            target,
            blob,
            size,
            source,
            opener,
            tree,
            own_tree,
            part,
            landed,
            claim,
            have,
        };
        landing.begin(is_new, course)?;
        Ok(Some(Found::Part(Box::new(landing))))
    }

    fn begin(&self, is_new: bool, course: &Course) -> Result<(), DiskError> {
        if is_new {
            return self.note(0).inspect_err(|_| {
                // The first error counts; an empty file is all that is left.
                self.part.remove().ok();
            });
        }
        self.look_again(course)?;
        self.claim.check(self.left())
    }

    /// Counts each piece that came to the disk whole, whether or not that was noted.
    fn look_again(&self, course: &Course) -> Result<(), DiskError> {
        let (mut content, mut sealed) = (vec![0; PIECE], Vec::with_capacity(PIECE));
        // One after the other: the map is locked as long as its statement.
        let noted = self.have().count();
        let mut next = self.have().missing(0);
        while let Some(index) = next {
            if self.is_here(index, &mut content, &mut sealed)? {
                self.have().insert(index);
            }
            // Asked to stop, it knows less, which is no harm.
            let stopped = course.stop.load(std::sync::atomic::Ordering::Relaxed);
            let after = index.checked_add(1).filter(|_| !stopped);
            next = after.and_then(|from| self.have().missing(from));
        }
        // So that who comes after the next crash has less to look at.
        if self.have().count() > noted { self.note(0) } else { Ok(()) }
    }

    fn is_here(
        &self,
        index: u32,
        content: &mut [u8],
        sealed: &mut Vec<u8>,
    ) -> Result<bool, DiskError> {
        let Some((at, len)) = self.source.content(index) else { return Ok(false) };
        let mut same = |content: &[u8]| {
            sealed.clear();
            match self.source.piece(&&self.tree, index, content, sealed) {
                Ok(()) => Ok(Some(true)),
                Err(ServeError::Lacking) => Ok(None),
                Err(ServeError::Changed) => Ok(Some(false)),
                Err(ServeError::Store(disk)) => Err(disk),
            }
        };
        // With nothing in hand first: of most pieces that are missing, no value is known either.
        match (same(&[])?, content.get_mut(..len)) {
            (Some(false), Some(content)) => {
                self.part.read(at, content)?;
                Ok(same(content)? == Some(true))
            }
            (found, _) => Ok(found == Some(true)),
        }
    }

    /// What it is.
    #[must_use]
    pub fn blob(&self) -> Blob {
        self.blob
    }

    /// Which pieces are written.
    pub(in crate::transfer) fn have(&self) -> MutexGuard<'_, HaveMap> {
        self.have.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes are still to be written.
    fn left(&self) -> u64 {
        (self.blob.shape.pieces() - self.have().count()).saturating_mul(PIECE as u64)
    }

    /// How many of the parents above a piece are known, counted from the root.
    ///
    /// # Errors
    /// [`DiskError`] about the profile.
    pub fn known(&self, index: u32) -> Result<u8, DiskError> {
        self.blob.known(&&self.tree, index)
    }

    /// Takes a piece from anybody: verifies, opens and writes it. Whether it was new. `room` is
    /// room for its content.
    ///
    /// # Errors
    /// [`NotTaken`]; nothing of it is in the file then.
    pub fn take(
        &self,
        index: u32,
        parents: &[u8],
        piece: &[u8],
        room: &mut Vec<u8>,
    ) -> Result<bool, NotTaken> {
        if self.have().has(index) {
            return Ok(false);
        }
        let piece = self.blob.accept(&mut &self.tree, index, parents, piece)?;
        let at = self.opener.open(&piece, room).map_err(NotTaken::Reference)?;
        self.part.write(at, room)?;
        self.have().insert(index);
        Ok(true)
    }

    /// Gives the system what is in memory alone, so that a kill loses nothing of it.
    ///
    /// # Errors
    /// [`DiskError`] about the profile.
    pub fn write_out(&self) -> Result<(), DiskError> {
        self.tree.write_out()
    }

    /// Makes durable what there is, and notes it. It waits for the disk.
    ///
    /// # Errors
    /// [`DiskError`]; also when the rest would fill the disk, whoever else writes to it.
    pub fn sync(&self) -> Result<(), DiskError> {
        self.note(0)?;
        self.claim.check(self.left())
    }

    fn note(&self, landed: u32) -> Result<(), DiskError> {
        // What comes after this moment is not in the map, whether or not it is synced.
        let have = self.have().clone();
        self.part.sync()?;
        self.tree.sync()?;
        let (id, part) = (self.part.id(), self.part.number());
        let path = self.shelf.have(&self.blob.address, self.file);
        HaveFile { id, part, landed, tree: self.own_tree, have }.write(&path)
    }

    /// Gives a file that is complete its name, or makes it the folder that it holds. It waits for
    /// the disk.
    ///
    /// # Errors
    /// [`NotUnpacked`].
    pub fn finish(&self) -> Result<(PathBuf, Stamp), NotUnpacked> {
        let landed = self.land()?;
        // Set once: whoever finishes a second time finds no part file.
        self.landed.set(landed.0.clone()).ok();
        Ok(landed)
    }

    fn land(&self) -> Result<(PathBuf, Stamp), NotUnpacked> {
        if !self.have().is_complete() {
            let trouble = Trouble::Changed;
            return Err(DiskError { place: Place::Target, trouble }.into());
        }
        let Form::Folder { manifest } = self.target.form else {
            self.note(0)?;
            return Ok(self.part.land(|number| self.note(number))?);
        };
        let (entries, begin) = self.part.list(self.size, manifest)?;
        room::check(&self.target.folder, self.size - begin, Place::Target)?;
        self.clear()?;
        self.note(0)?;
        Ok(self.part.land_folder((&entries, begin), |number| self.note(number))?)
    }

    /// Takes away what a crash left of a folder that was being made.
    fn clear(&self) -> Result<(), DiskError> {
        let path = self.shelf.have(&self.blob.address, self.file);
        let noted = HaveFile::read(&path, self.blob.shape.pieces())?;
        let begun = noted.filter(|noted| noted.landed > 0 && noted.part == self.part.number());
        begun.map_or(Ok(()), |noted| self.target.clear(noted.part))
    }

    /// Takes away what there is of it, also when it just got its name. The tree stays when another
    /// file is served or fetched by it (`keep`), or was before.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn discard(&self, keep: bool) -> Result<(), DiskError> {
        self.part.remove()?;
        if let Some(path) = self.landed.get() {
            self.part.remove_landed(path)?;
        }
        self.shelf.forget(&self.blob.address, self.file, keep || !self.own_tree)
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn tree(&self) -> &TreeFile {
        &self.tree
    }

    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> Result<(), DiskError> {
        self.part.read(at, out)
    }
}

/// Where a file landed before the engine heard of it.
fn whole(known: &HaveFile, target: &Target) -> Option<(PathBuf, Stamp)> {
    if known.landed == 0 || !known.have.is_complete() {
        return None;
    }
    let landed = target.landed(known)?;
    // It may have both names still.
    target.remove(known.part, known.id).ok()?;
    Some(landed)
}

/// Takes away what there is of a file that nobody has open, as [`Landing::discard`] does. What
/// belongs to another file of its address is not touched.
///
/// # Errors
/// [`DiskError`].
pub fn discard(
    (shelf, file): (&Shelf, u64),
    blob: &Blob,
    target: &Target,
    keep: bool,
) -> Result<(), DiskError> {
    let known = HaveFile::read(&shelf.have(&blob.address, file), blob.shape.pieces())?;
    let others = known.as_ref().is_some_and(|known| !known.tree);
    if let Some(known) = known {
        target.remove(known.part, known.id)?;
        if known.landed > 0 && target.form != Form::File {
            target.clear(known.part)?;
        }
    }
    shelf.forget(&blob.address, file, keep || others)
}
