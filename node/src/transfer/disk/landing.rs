//! A file that arrives: pieces verified, opened and written, and what of them survives a crash.
//!
//! Order of writing: content to the part file, then the parents that show it, then (synced, now and
//! then) the have-map. Invariant: what the have-map names was synced before. Beyond it, after a
//! restart, a piece counts only if sealing it again gives the value that the tree has; so little is
//! fetched twice after a kill, and nothing false is believed after power loss.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use hubbub_shared::blob::open::{OpenFault, Opener};
use hubbub_shared::blob::serve::Source;
use hubbub_shared::blob::{Blob, Fault, HaveMap, Refused};
use hubbub_shared::crypto::stream::{FileKey, PieceCipher};
use hubbub_shared::limits::PIECE;

use super::again::{Again, Left, Search};
use super::content::Stamp;
use super::failure::{About, DiskError, Place, Trouble};
use super::have::HaveFile;
use super::land::{self, Landed, Making};
use super::part::PartFile;
use super::room::{self, Claim};
use super::seal::Course;
use super::shelf::Shelf;
use super::target::{Form, Target};
use super::tree::TreeFile;
use super::unpack::{self, NotUnpacked};
use crate::paths;

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
    /// Held while a piece is written.
    open: RwLock<bool>,
    /// Something of it was not made durable.
    doubtful: AtomicBool,
}

/// What a part file has to begin with.
struct Begin {
    part: PartFile,
    /// What is in it for certain.
    have: HaveMap,
    /// What was noted to be in it.
    noted: HaveMap,
    is_new: bool,
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
        let noted = HaveFile::read(&shelf.have(&blob.address, file), blob.shape.pieces())?;
        let path = shelf.tree(&blob.address);
        let own_tree = noted.as_ref().map_or_else(|| !path.exists(), |noted| noted.tree);
        let left = noted.as_ref().map_or(Ok(Left::Nothing), |noted| {
            let (source, tree) = (&source, &TreeFile::open(&path)?);
            Search { source, tree, target, size, course }.find(noted)
        })?;
        let claim = shelf.needs().claim(&target.folder, shelf.path());
        let Begin { part, have, noted, is_new } = match left {
            Left::Whole(path, stamp) => return Ok(Some(Found::Whole(path, stamp))),
            Left::Part(part, same) => Begin::again(part, same, noted, blob.shape.pieces()),
            Left::Nothing => Begin::anew(target, &claim, size, blob.shape.pieces())?,
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
            open: RwLock::new(true),
            doubtful: AtomicBool::new(false),
        };
        landing.begin((is_new, &noted), course)?;
        Ok(Some(Found::Part(Box::new(landing))))
    }

    fn begin(&self, (is_new, noted): (bool, &HaveMap), course: &Course) -> Result<(), DiskError> {
        if is_new {
            self.note(0).inspect_err(|_| {
                // The first error counts; an empty file is all that is left.
                self.part.remove().ok();
            })?;
        } else {
            self.look_again(noted, course)?;
        }
        self.check_room()
    }

    /// Looks whether what is still to come fits on its disk, beside what else is on its way there.
    fn check_room(&self) -> Result<(), DiskError> {
        self.claim.check(self.left(), self.part.taken().saturating_sub(self.here()))
    }

    /// Counts each piece that came to the disk whole, whether or not that was noted. One that was
    /// not is written once more: what the system has in memory need not have come to the disk, and
    /// it says so only once.
    fn look_again(&self, noted: &HaveMap, course: &Course) -> Result<(), DiskError> {
        let mut again = Again::new(&self.source, &self.tree);
        let before = self.have().count();
        // One after the other: the map is locked as long as its statement.
        let mut next = self.have().missing(0);
        while let Some(index) = next {
            // Asked to stop, it knows less, which is no harm.
            if course.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if let Some((at, content)) = again.look(index, &|at, out| self.part.read(at, out))? {
                if !noted.has(index) {
                    self.part.write(at, content)?;
                }
                self.have().insert(index);
            }
            next = index.checked_add(1).and_then(|from| self.have().missing(from));
        }
        // So that who comes after the next crash has less to look at.
        if self.have().count() > before { self.note(0) } else { Ok(()) }
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

    /// How many bytes of the blob are here.
    pub(in crate::transfer) fn here(&self) -> u64 {
        self.have().count().saturating_mul(PIECE as u64).min(self.blob.shape.sealed())
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
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if !*open || self.have().has(index) {
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
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if *open { self.tree.write_out() } else { Ok(()) }
    }

    /// Makes durable what there is, and notes it. It waits for the disk.
    ///
    /// # Errors
    /// [`DiskError`]; also when the rest would fill the disk, whoever else writes to it.
    pub fn sync(&self) -> Result<(), DiskError> {
        self.note(0)?;
        self.check_room()
    }

    /// A system says once that it lost what was written, and then that all is well. So what was not
    /// made durable is not noted later either, until all of it was opened and looked at again.
    fn note(&self, landed: u32) -> Result<(), DiskError> {
        if self.doubtful.load(Ordering::Relaxed) {
            return Err(DiskError { place: Place::Profile, trouble: Trouble::Changed });
        }
        self.make_durable(landed).inspect_err(|_| self.doubtful.store(true, Ordering::Relaxed))
    }

    fn make_durable(&self, landed: u32) -> Result<(), DiskError> {
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

    fn land(&self) -> Result<Landed, NotUnpacked> {
        if !self.have().is_complete() {
            let trouble = Trouble::Changed;
            return Err(DiskError { place: Place::Target, trouble }.into());
        }
        let note: land::Note<'_> = &mut |number| self.note(number);
        let Form::Folder { manifest } = self.target.form else {
            self.note(0)?;
            return Ok(land::file(&self.part, &self.target, note)?);
        };
        let (entries, begin) = unpack::list(self.part.file(), self.size, manifest)?;
        // What is left of the last time takes room.
        self.making().clear()?;
        room::check(&self.target.folder, self.size - begin, Place::Target)?;
        self.note(0)?;
        let (list, making) = ((&*entries, begin), self.making());
        Ok(land::folder(&self.part, &self.target, &making, list, note)?)
    }

    fn making(&self) -> Making {
        Making::of(&self.target, self.part.number(), &self.blob.address)
    }

    /// From now on nothing is written to it any more, so that it may be opened once more; and no
    /// room is kept for it. It waits for the disk.
    ///
    /// # Errors
    /// [`DiskError`] when what came was to be noted.
    pub fn close(&self, note: bool) -> Result<(), DiskError> {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = false;
        self.claim.end();
        if note { self.note(0) } else { self.tree.write_out() }
    }

    /// Takes away what there is of it, also when it just got its name. The tree stays when another
    /// file is served or fetched by it (`keep`), or was before.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn discard(&self, keep: bool) -> Result<(), DiskError> {
        // Whether or not the rest of it can still be written down.
        self.close(false).ok();
        self.part.remove()?;
        self.making().clear()?;
        if let Some(path) = self.landed.get() {
            self.remove_landed(path)?;
        }
        self.shelf.forget(&self.blob.address, self.file, keep || !self.own_tree)
    }

    /// Takes away what it became, though nobody was told.
    fn remove_landed(&self, path: &Path) -> Result<(), DiskError> {
        match self.target.form {
            Form::Folder { .. } => fs::remove_dir_all(path).about(Place::Target),
            Form::File if self.part.is_at(path) => paths::remove(path).about(Place::Target),
            Form::File => Ok(()),
        }
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

impl Begin {
    /// With what was found.
    fn again(part: PartFile, same: bool, noted: Option<HaveFile>, pieces: u64) -> Self {
        let noted = noted.map_or_else(|| HaveMap::none(pieces), |noted| noted.have);
        // Of another file than the one that was noted, nothing is certain.
        let have = if same { noted.clone() } else { HaveMap::none(pieces) };
        Self { part, have, noted, is_new: false }
    }

    /// With nothing.
    fn anew(target: &Target, claim: &Claim, size: u64, pieces: u64) -> Result<Self, DiskError> {
        claim.check(size, 0)?;
        let (part, none) = (PartFile::create(target, size)?, HaveMap::none(pieces));
        Ok(Self { part, have: none.clone(), noted: none, is_new: true })
    }
}

/// How many bytes of a file were noted to be here; nothing is looked at but the note.
#[must_use]
pub fn noted((shelf, file): (&Shelf, u64), blob: &Blob) -> u64 {
    let noted = HaveFile::read(&shelf.have(&blob.address, file), blob.shape.pieces());
    let count = noted.ok().flatten().map_or(0, |noted| noted.have.count());
    count.saturating_mul(PIECE as u64).min(blob.shape.sealed())
}

/// Takes away what there is of a file that nobody has open, as [`Landing::discard`] does. What
/// belongs to another file of its address is not touched.
///
/// # Errors
/// [`DiskError`].
pub fn discard(
    (shelf, file): (&Shelf, u64),
    reference: &Reference,
    target: &Target,
    keep: bool,
) -> Result<(), DiskError> {
    let (blob, size) = (reference.blob, reference.size);
    let noted = HaveFile::read(&shelf.have(&blob.address, file), blob.shape.pieces())?;
    let others = noted.as_ref().is_some_and(|noted| !noted.tree);
    if let Some(noted) = noted {
        let part = PartFile::find(target, noted.part, size);
        if let Some(part) = part
            && (part.id() == noted.id || holds_some(shelf, reference, target, &part)?)
        {
            part.remove()?;
        }
        Making::of(target, noted.part, &blob.address).clear()?;
    }
    shelf.forget(&blob.address, file, keep || others)
}

/// Whether a file that was not noted is what was fetched all the same.
fn holds_some(
    shelf: &Shelf,
    reference: &Reference,
    target: &Target,
    part: &PartFile,
) -> Result<bool, DiskError> {
    let (blob, size) = (reference.blob, reference.size);
    let Some(source) = Source::new(blob, &reference.key, size) else { return Ok(false) };
    let (source, tree) = (&source, &TreeFile::open(&shelf.tree(&blob.address))?);
    Search { source, tree, target, size, course: &Course::default() }.holds_some(part)
}
