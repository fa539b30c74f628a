//! What there is to give: files that are here whole, and those on their way.
//!
//! Files are opened when somebody asks and closed when others were asked for since. Invariants: a
//! file that changed is not opened again. Several files may have one address, since anybody may
//! copy it: each has a state of its own, and what becomes of one changes nothing about another.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hubbub_shared::id::BlobId;
use hubbub_shared::wire::pieces::PieceRefusal;
use tokio::sync::mpsc;
use tokio::task;

use crate::transfer::disk::{DiskError, Held, Landing, Place, Reference, Shelf, Stamp, Trouble};
use crate::transfer::plan::FileId;

/// Files open at once: of what is served, and their trees.
const OPEN: usize = 32;

/// A file that is here whole, and where. It holds a key: no `Debug`, no `Clone`.
pub struct Whole {
    /// What is served.
    pub reference: Reference,
    /// Where it is.
    pub path: PathBuf,
    /// How it looked, if that is known.
    pub stamp: Option<Stamp>,
}

/// What became of what is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// The file is not what it was; it is served no more.
    Changed(FileId),
    /// The file is not where it was; it is served no more.
    Gone(FileId),
}

/// See the top of the file.
pub struct Offered {
    shelf: Shelf,
    files: Mutex<Files>,
    told: mpsc::Sender<Became>,
}

#[derive(Default)]
struct Files {
    blobs: BTreeMap<BlobId, BTreeMap<FileId, Entry>>,
    clock: u64,
}

struct Entry {
    state: State,
    used: u64,
}

enum State {
    Part(Arc<Held>),
    Closed(Arc<Whole>),
    Open(Arc<Whole>, Arc<Held>),
    Changed,
}

/// What one file has to give.
enum Ready {
    Held(Arc<Held>),
    Closed(Arc<Whole>),
}

impl Offered {
    /// Nothing yet. What becomes of things is told there.
    #[must_use]
    pub fn new(shelf: Shelf, told: mpsc::Sender<Became>) -> Self {
        Self { shelf, files: Mutex::default(), told }
    }

    /// From now on this is served.
    pub fn put(&self, file: FileId, whole: Whole) {
        let blob = whole.reference.blob.address;
        self.set(file, blob, State::Closed(Arc::new(whole)));
    }

    /// From now on what arrives of this is served.
    pub fn put_part(&self, file: FileId, landing: Arc<Landing>) {
        let blob = landing.blob().address;
        self.set(file, blob, State::Part(Arc::new(Held::part(landing))));
    }

    fn set(&self, file: FileId, blob: BlobId, state: State) {
        let mut files = self.lock();
        let new = || Entry { state: State::Changed, used: 0 };
        files.blobs.entry(blob).or_default().entry(file).or_insert_with(new).state = state;
    }

    /// This is served no more, under this number.
    pub fn take_back(&self, file: FileId) {
        self.lock().blobs.retain(|_, entries| {
            entries.remove(&file);
            !entries.is_empty()
        });
    }

    /// Whether there is something of this address by another number, changed or not.
    pub(in crate::transfer) fn has_another(&self, blob: &BlobId, file: FileId) -> bool {
        let files = self.lock();
        files.blobs.get(blob).is_some_and(|entries| entries.keys().any(|other| *other != file))
    }

    /// What is here whole of this address by another number, as far as that is known.
    pub(in crate::transfer) fn whole_of_another(
        &self,
        blob: &BlobId,
        file: FileId,
    ) -> Option<Arc<Whole>> {
        let files = self.lock();
        let mut others = files.blobs.get(blob)?.iter().filter(|(other, _)| **other != file);
        others.find_map(|(_, entry)| match &entry.state {
            State::Closed(whole) | State::Open(whole, _) => Some(Arc::clone(whole)),
            State::Part(_) | State::Changed => None,
        })
    }

    /// What can be served of a blob, and of which file it is; opens it if need be.
    pub(super) async fn find(&self, blob: &BlobId) -> Result<(FileId, Arc<Held>), PieceRefusal> {
        let (mut tried, mut refusal) = (Vec::new(), None);
        loop {
            let Some((file, ready)) = self.lock().best(blob, &tried) else {
                return Err(refusal.unwrap_or_else(|| self.lock().none_of(blob)));
            };
            let opened = match ready {
                Ready::Held(held) => Ok(held),
                Ready::Closed(whole) => self.open((blob, file), whole).await,
            };
            match opened {
                Ok(held) => return Ok((file, held)),
                // Another file of this address may be as it was.
                Err(code) => {
                    tried.push(file);
                    refusal = refusal.or(Some(code));
                }
            }
        }
    }

    async fn open(
        &self,
        which: (&BlobId, FileId),
        whole: Arc<Whole>,
    ) -> Result<Arc<Held>, PieceRefusal> {
        let (shelf, opening) = (self.shelf.clone(), Arc::clone(&whole));
        let open = move || Held::whole(&shelf, &opening.reference, (&opening.path, opening.stamp));
        match task::spawn_blocking(open).await {
            Ok(Ok(Some(held))) => Ok(self.opened(which, whole, Arc::new(held))),
            Ok(Err(error)) => Err(self.failed(which, error).await),
            Ok(Ok(None)) | Err(_) => Err(PieceRefusal::StoreFailing),
        }
    }

    fn opened(
        &self,
        (blob, file): (&BlobId, FileId),
        whole: Arc<Whole>,
        held: Arc<Held>,
    ) -> Arc<Held> {
        let mut files = self.lock();
        // Only if it is still what was to be opened.
        if let Some(entry) = files.entry(blob, file)
            && matches!(&entry.state, State::Closed(closed) if Arc::ptr_eq(closed, &whole))
        {
            entry.state = State::Open(whole, Arc::clone(&held));
        }
        files.close_others();
        held
    }

    /// What to say of a file that cannot be read: whether it changed, is gone, or the disk fails.
    pub(super) async fn failed(
        &self,
        (blob, file): (&BlobId, FileId),
        error: DiskError,
    ) -> PieceRefusal {
        if error == DiskError::changed() {
            self.changed(blob, file).await;
            return PieceRefusal::Changed;
        }
        tracing::debug!("a file cannot be served: {}", error.reason());
        match (error.place, error.trouble) {
            (Place::Source, Trouble::Missing | Trouble::NotPlain) => {
                self.gone(blob, file).await;
                PieceRefusal::Unknown
            }
            _ => PieceRefusal::StoreFailing,
        }
    }

    /// Nothing more of this leaves.
    pub(super) async fn changed(&self, blob: &BlobId, file: FileId) {
        let is_new = {
            let mut files = self.lock();
            let entry = files.entry(blob, file);
            let entry = entry.filter(|entry| !matches!(entry.state, State::Changed));
            entry.map(|entry| entry.state = State::Changed).is_some()
        };
        if is_new {
            // Nobody listens any more when all of it ends.
            self.told.send(Became::Changed(file)).await.ok();
        }
    }

    /// There is nothing more that could leave.
    async fn gone(&self, blob: &BlobId, file: FileId) {
        let was_there = self.lock().entry(blob, file).is_some();
        if was_there {
            self.take_back(file);
            self.told.send(Became::Gone(file)).await.ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn entry(&mut self, blob: &BlobId, file: FileId) -> Option<&mut Entry> {
        self.blobs.get_mut(blob)?.get_mut(&file)
    }

    /// The file that gives most of a blob, but for those that were tried: one that is here whole
    /// before one on its way.
    fn best(&mut self, blob: &BlobId, tried: &[FileId]) -> Option<(FileId, Ready)> {
        self.clock += 1;
        let now = self.clock;
        let entries = self.blobs.get_mut(blob)?.iter_mut();
        let gives = |(file, entry): &(&FileId, &mut Entry)| {
            !matches!(entry.state, State::Changed) && !tried.contains(file)
        };
        let is_part = |entry: &Entry| matches!(entry.state, State::Part(_));
        let best = entries.filter(gives).min_by_key(|(file, entry)| (is_part(entry), **file));
        let (file, entry) = best?;
        entry.used = now;
        let ready = match &entry.state {
            State::Part(held) | State::Open(_, held) => Ready::Held(Arc::clone(held)),
            State::Closed(whole) => Ready::Closed(Arc::clone(whole)),
            State::Changed => return None,
        };
        Some((*file, ready))
    }

    /// What to say of a blob of which there is nothing to give.
    fn none_of(&self, blob: &BlobId) -> PieceRefusal {
        if self.blobs.contains_key(blob) { PieceRefusal::Changed } else { PieceRefusal::Unknown }
    }

    /// Closes what was asked for longest ago.
    fn close_others(&mut self) {
        let is_open = |entry: &&mut Entry| matches!(entry.state, State::Open(..));
        let entries = self.blobs.values_mut().flat_map(BTreeMap::values_mut);
        let mut open: Vec<_> = entries.filter(is_open).collect();
        open.sort_by_key(|entry| entry.used);
        let over = open.len().saturating_sub(OPEN);
        for entry in open.into_iter().take(over) {
            if let State::Open(whole, _) = &entry.state {
                entry.state = State::Closed(Arc::clone(whole));
            }
        }
    }
}
