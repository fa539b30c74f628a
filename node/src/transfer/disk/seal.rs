//! A file sealed for the first time: read once from front to end, on all processors, in the memory
//! of a few pieces.
//!
//! Invariant: what comes out is durable in the profile and belongs to the content as it was when it
//! was opened. A file that somebody wrote to meanwhile has no address; that is said instead.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fs, thread};

use hubbub_shared::blob::Blob;
use hubbub_shared::blob::seal::{Leaf, Scratch, SealError, Sealing};
use hubbub_shared::crypto::stream::FileKey;
use hubbub_shared::limits::PIECE;
use rand_core::CryptoRng;

use super::content::{Content, Stamp};
use super::failure::{About, DiskError, Place};
use super::shelf::Shelf;
use super::tree::TreeFile;
use crate::paths;

/// Pieces one worker seals before all of them are put into the tree: 4 MiB, so that starting
/// workers costs a hundredth of what they do, and stopping is heard soon.
const STRETCH: u32 = 64;
/// Processors one sealing takes; with more, the disk is what is slow.
const WORKERS: usize = 4;

/// A file that has an address.
pub struct Sealed {
    /// Its sealed form.
    pub blob: Blob,
    /// What opens it.
    pub key: FileKey,
    /// How it looked.
    pub stamp: Stamp,
    /// For a folder: how long the list is that it begins with.
    pub manifest: Option<u32>,
}

/// Why a file has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFailure {
    /// A disk, or a file that changed.
    #[error("{0}")]
    Disk(#[from] DiskError),
    /// More than a file may have.
    #[error("the file is too large to be sent; split it")]
    TooLarge,
    /// There is no key for it.
    #[error("the operating system gave no randomness; nothing safe can be done without it")]
    NoRandomness,
    /// Somebody stopped it.
    #[error("stopped")]
    Stopped,
}

impl From<SealError<DiskError>> for SealFailure {
    fn from(error: SealError<DiskError>) -> Self {
        match error {
            SealError::TooLarge => Self::TooLarge,
            SealError::Store(disk) => Self::Disk(disk),
            // Pieces are sealed in turn here, so that a piece is missing means that bytes are.
            SealError::Changed | SealError::OutOfTurn => Self::Disk(DiskError::changed()),
        }
    }
}

/// What whoever waits may look at and say meanwhile.
#[derive(Default)]
pub struct Course {
    /// Bytes of content done.
    pub done: AtomicU64,
    /// Of so many, as far as that is known.
    pub of: AtomicU64,
    /// Set to stop.
    pub stop: AtomicBool,
}

impl Course {
    pub(super) fn add(&self, bytes: u64) -> Result<(), SealFailure> {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        if self.stop.load(Ordering::Relaxed) { Err(SealFailure::Stopped) } else { Ok(()) }
    }
}

/// Seals a content. It takes as long as reading it does; not for the threads of the runtime. `file`
/// names what it leaves on the shelf meanwhile.
///
/// # Errors
/// [`SealFailure`]; nothing is left behind then.
pub fn seal(
    content: &Content,
    (shelf, file): (&Shelf, u64),
    rng: &mut (impl CryptoRng + ?Sized),
    course: &Course,
) -> Result<Sealed, SealFailure> {
    let path = shelf.sealing(file);
    let sealed = into_tree(content, &path, rng, course).and_then(|(blob, key)| {
        fs::rename(&path, shelf.tree(&blob.address)).about(Place::Profile)?;
        paths::sync_parent(&path).about(Place::Profile)?;
        Ok(Sealed { blob, key, stamp: content.stamp(), manifest: content.manifest() })
    });
    if sealed.is_err() {
        paths::remove(&path).about(Place::Profile)?;
    }
    sealed
}

fn into_tree(
    content: &Content,
    path: &Path,
    rng: &mut (impl CryptoRng + ?Sized),
    course: &Course,
) -> Result<(Blob, FileKey), SealFailure> {
    content.check()?;
    let mut sealing = Sealing::begin::<DiskError>(content.size(), rng)?;
    // One with the same number may have been given up in this run.
    paths::remove(path).about(Place::Profile)?;
    let tree = TreeFile::open(path)?;
    let pieces = sealing.shape().pieces();
    let workers = thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
    let mut from = 0;
    while u64::from(from) < pieces {
        for leaves in round(&sealing, content, (from, workers), course)? {
            for leaf in &leaves? {
                sealing.push(leaf, &mut &tree)?;
                from = from.saturating_add(1);
            }
        }
    }
    content.check()?;
    tree.sync()?;
    Ok(sealing.finish::<DiskError>()?)
}

type Leaves = Result<Vec<Leaf>, SealFailure>;

/// One stretch for each worker, in order.
fn round(
    sealing: &Sealing,
    content: &Content,
    (from, workers): (u32, usize),
    course: &Course,
) -> Result<Vec<Leaves>, SealFailure> {
    let starts: Vec<u32> = (0..workers)
        .filter_map(|n| from.checked_add(u32::try_from(n).ok()?.checked_mul(STRETCH)?))
        .filter(|start| u64::from(*start) < sealing.shape().pieces())
        .collect();
    if let [only] = starts[..] {
        return Ok(vec![stretch(sealing, content, only, course)]);
    }
    thread::scope(|scope| {
        let work = |start| move || stretch(sealing, content, start, course);
        let running: Vec<_> = starts.into_iter().map(|start| scope.spawn(work(start))).collect();
        running.into_iter().map(|one| one.join().map_err(|_| SealFailure::Stopped)).collect()
    })
}

fn stretch(sealing: &Sealing, content: &Content, start: u32, course: &Course) -> Leaves {
    let (mut scratch, mut part) = (Scratch::default(), vec![0; PIECE]);
    let mut leaves = Vec::with_capacity(STRETCH as usize);
    for index in (start..=u32::MAX).take(STRETCH as usize) {
        let Some((at, len)) = sealing.content(index) else { break };
        let part = part.get_mut(..len).ok_or(SealFailure::TooLarge)?;
        content.read(at, part)?;
        leaves.push(sealing.leaf::<DiskError>(index, part, &mut scratch)?);
        course.add(len as u64)?;
    }
    Ok(leaves)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    struct Desk {
        dir: tempfile::TempDir,
        shelf: Shelf,
    }

    impl Desk {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let shelf = Shelf::open(dir.path().join("files")).unwrap();
            Self { dir, shelf }
        }

        fn content(&self, bytes: &[u8]) -> Content {
            let path = self.dir.path().join("a");
            fs::write(&path, bytes).unwrap();
            Content::open(&path).unwrap()
        }

        fn seal(&self, content: &Content, course: &Course) -> Result<Sealed, SealFailure> {
            let mut rng = ChaCha20Rng::seed_from_u64(1);
            seal(content, (&self.shelf, 7), &mut rng, course)
        }

        fn left(&self) -> usize {
            fs::read_dir(self.shelf.path()).unwrap().count()
        }
    }

    #[test]
    fn many_workers_find_the_address_that_one_finds() {
        let desk = Desk::new();
        for size in [0, 1, 65_488, 65_489, 9 << 20] {
            let bytes: Vec<u8> = (0..251).cycle().take(size).collect();
            let sealed = desk.seal(&desk.content(&bytes), &Course::default()).ok().unwrap();
            let mut rng = ChaCha20Rng::seed_from_u64(1);
            let mut plain = Sealing::begin::<DiskError>(size as u64, &mut rng).ok().unwrap();
            let (mut nodes, mut scratch) =
                (hubbub_shared::blob::MemoryNodes::default(), Scratch::default());
            for index in 0..u32::try_from(plain.shape().pieces()).unwrap() {
                let (at, len) = plain.content(index).unwrap();
                let at = usize::try_from(at).unwrap();
                let leaf = plain.leaf::<DiskError>(index, &bytes[at..at + len], &mut scratch);
                plain.push(&leaf.ok().unwrap(), &mut nodes).unwrap();
            }
            assert_eq!(sealed.blob, plain.finish::<DiskError>().ok().unwrap().0);
            assert!(desk.shelf.tree(&sealed.blob.address).exists());
        }
    }

    #[test]
    fn a_file_that_changes_meanwhile_has_no_address_and_leaves_nothing() {
        let desk = Desk::new();
        let content = desk.content(&[7; 100_000]);
        fs::write(desk.dir.path().join("a"), [7; 99_999]).unwrap();
        let failure = desk.seal(&content, &Course::default()).err();
        assert_eq!(failure, Some(SealFailure::Disk(DiskError::changed())));
        assert_eq!(desk.left(), 0);
    }

    #[test]
    fn a_sealing_that_was_stopped_leaves_nothing() {
        let desk = Desk::new();
        let course = Course::default();
        course.stop.store(true, Ordering::Relaxed);
        let failure = desk.seal(&desk.content(&[7; 1 << 20]), &course).err();
        assert_eq!((failure, desk.left()), (Some(SealFailure::Stopped), 0));
    }

    #[test]
    fn what_a_crash_left_of_a_sealing_is_cleared_away() {
        let desk = Desk::new();
        fs::write(desk.shelf.sealing(3), b"half").unwrap();
        Shelf::open(desk.shelf.path().to_owned()).unwrap();
        assert_eq!(desk.left(), 0);
    }
}
