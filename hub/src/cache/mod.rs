//! Files that the hub keeps for a while, sealed: left by one node, fetched by others when that one
//! is away (PROTOCOL.md, Files at the hub).
//!
//! * [`book`]: who keeps what, pure
//! * `folder`, `part_file`, `whole_file`, `tree_file`: the disk, all of it blocking
//! * `attend`: what a stream begins with; `receive`, `give`: its two kinds; `patience`: how long
//!   it may stand still
//!
//! Invariant: the disk is asked on threads of its own, a mebibyte at most at once, so that nobody's
//! frames wait for it; and nothing is said to be kept before blob, tree and record are durable.
//! What the disk refused to do is not forgotten: it is done before anything else about that blob.

mod attend;
mod book;
mod folder;
mod give;
mod part_file;
mod patience;
mod receive;
#[cfg(test)]
mod tests;
mod tree_file;
mod whole_file;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hubbub_shared::blob::Growing;
use hubbub_shared::id::{BlobId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::files::{FilePut, FileRefusal, FileRefused, FilesTold};
use tokio::sync::watch;

use crate::server::{now, stopped};
pub(crate) use attend::{FileAsk, attend};
pub(crate) use book::bounds::{AHEAD, Bounds};
use book::owed::Owed;
use book::{Book, Change, Claim, Held, Put};
pub use folder::FOLDER;
use folder::{Folder, Found};
use part_file::PartFile;
use patience::Patience;

/// How often what has ended is looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// The files of one hub.
pub(crate) struct Cache {
    folder: Arc<Folder>,
    book: Mutex<Book>,
    /// What came of blobs that nobody writes at the moment, as far as it was known in this run; as
    /// many as the book has.
    resting: Mutex<BTreeMap<(NodeId, BlobId), Growing>>,
    /// Held while something is decided and made durable, so that records are written in the order
    /// of what was decided; and what of it the disk did not take yet.
    turn: tokio::sync::Mutex<Owed>,
    patience: Patience,
}

impl Cache {
    /// Opens the folder of files in a hub's directory, and deletes what has ended meanwhile.
    pub(crate) fn open(dir: &Path, bounds: Bounds) -> io::Result<Self> {
        let folder = Folder::open(dir)?;
        let Found { whole, parts, swept } = folder.load()?;
        if swept > 0 {
            tracing::info!("{swept} files of blobs that were never whole are deleted");
        }
        let mut book = Book::new(bounds);
        whole.into_iter().for_each(|(blob, holders)| book.found(blob, holders));
        parts.into_iter().for_each(|(node, blob, came)| book.found_part(node, blob, came));
        for change in book.expire(now()) {
            folder.carry_out(&change)?;
        }
        let (folder, book, resting) = (Arc::new(folder), Mutex::new(book), Mutex::default());
        let turn = tokio::sync::Mutex::default();
        Ok(Self { folder, book, resting, turn, patience: Patience::default() })
    }

    /// How much is here.
    pub(crate) fn held(&self) -> Held {
        self.book().held()
    }

    /// Ends what has ended, and tries again what the disk refused, until told to stop.
    pub(crate) async fn sweep(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !stopped(&stop) {
            self.sweep_once().await;
            tokio::select! {
                () = tokio::time::sleep(SWEEP) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn sweep_once(&self) {
        let mut owed = self.turn.lock().await;
        let changes = [owed.all(), self.book().expire(now())].concat();
        if let Err(error) = self.carry_out(&mut owed, changes).await {
            tracing::error!("files that have ended cannot be deleted: {error}");
        }
    }

    async fn limits(&self, node: &NodeId) -> FilesTold {
        let free = self.free().await;
        self.book().limits(node, free)
    }

    /// Decides about a blob that somebody puts. One that is here is kept for them, durably, when
    /// this returns.
    async fn put(&self, node: NodeId, ask: FilePut) -> Put {
        let free = self.free().await;
        let mut owed = self.turn.lock().await;
        let before = owed.of(&ask.blob);
        if let Err(error) = self.carry_out(&mut owed, before).await {
            return Put::Refused(failing(&error));
        }
        if owed.is_much() {
            return Put::Refused(FileRefusal::StoreFailing.plain());
        }
        let put = self.book().put(node, (ask.blob, ask.sealed), now(), free);
        let Put::Kept(until, changes) = put else { return put };
        match self.carry_out(&mut owed, changes).await {
            Ok(()) => Put::Kept(until, Vec::new()),
            Err(error) => Put::Refused(failing(&error)),
        }
    }

    /// All of a blob came, is durable, and is what was promised. Until when it is kept.
    async fn arrived(&self, claim: &Claim) -> Result<Timestamp, FileRefused> {
        let mut owed = self.turn.lock().await;
        let Claim { node, blob, .. } = *claim;
        let arrived = self.book().arrived(claim, now());
        let (new, until, change) = arrived.ok_or(FileRefusal::TakenBack.plain())?;
        let placed = if new {
            let folder = Arc::clone(&self.folder);
            blocking(move || folder.install(node, blob)).await
        } else {
            self.carry_out(&mut owed, vec![Change::Drop(node, blob)]).await
        };
        let kept = match placed {
            Ok(()) => self.carry_out(&mut owed, vec![change]).await,
            failed => failed,
        };
        let Err(error) = kept else { return Ok(until) };
        // What is on the disk now was never promised to anybody.
        let mut changes = self.book().take_back(node, blob.address);
        changes.push(Change::Drop(node, blob));
        self.carry_out(&mut owed, changes).await.ok();
        Err(failing(&error))
    }

    /// What came of a blob is worth nothing: it is gone when this returns, or when the disk lets
    /// it.
    async fn discard(&self, claim: &Claim) {
        let mut owed = self.turn.lock().await;
        let change = self.book().failed(claim);
        if let Err(error) = self.carry_out(&mut owed, change.into_iter().collect()).await {
            tracing::error!("a file that is of no use cannot be deleted: {error}");
        }
    }

    /// What came of a blob waits for the rest of it, unless it was taken back meanwhile.
    async fn rest(&self, claim: &Claim, part: PartFile) {
        let _turn = self.turn.lock().await;
        if self.book().rest(claim, part.grew().then(now)) {
            self.resting().insert((claim.node, claim.blob.address), part.rest());
        }
    }

    /// Takes a blob back; whether there was anything to take.
    async fn take_back(&self, node: NodeId, address: BlobId) -> Result<bool, FileRefused> {
        let mut owed = self.turn.lock().await;
        let changes = self.book().take_back(node, address);
        let was = !changes.is_empty();
        let changes = [owed.of(&address), changes].concat();
        self.carry_out(&mut owed, changes).await.map_err(|error| failing(&error))?;
        Ok(was)
    }

    /// Does it on the disk; what fails is owed until it was done, or something else was decided
    /// about the same files.
    async fn carry_out(&self, owed: &mut Owed, changes: Vec<Change>) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let changes = owed.take_in(changes);
        for change in &changes {
            if let Change::Drop(node, blob) = change {
                self.resting().remove(&(*node, blob.address));
            }
        }
        let folder = Arc::clone(&self.folder);
        // One that fails keeps none of the others from being done.
        let done = blocking(move || {
            Ok(changes.into_iter().map(|change| (folder.carry_out(&change), change)).collect())
        });
        let done: Vec<_> = done.await?;
        done.iter().filter(|(done, _)| done.is_ok()).for_each(|(_, change)| owed.done(change));
        done.into_iter().try_for_each(|(done, _)| done)
    }

    /// Free bytes of the disk; none when it does not say.
    async fn free(&self) -> u64 {
        let folder = Arc::clone(&self.folder);
        blocking(move || folder.free()).await.unwrap_or(0)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in the book panics halfway through a change.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resting(&self) -> MutexGuard<'_, BTreeMap<(NodeId, BlobId), Growing>> {
        // A map whose entries are whole or not there.
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The disk fails: said to the operator in words, to the node as a code.
fn failing(error: &io::Error) -> FileRefused {
    tracing::error!("a file cannot be kept: {error}. Check the disk's free space");
    FileRefusal::StoreFailing.plain()
}

/// Does what blocks on a thread for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
