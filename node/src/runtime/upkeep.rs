//! Own files at the hub: left there for those who are away, and taken back.
//!
//! One at a time, since they share one line; [`turns`] says which. Invariant: nothing is told to be
//! at the hub before the hub has said that it is durable there; what the hub refuses is told to the
//! person once, and tried again later.

mod turns;

use hubbub_shared::blob::Blob;
use hubbub_shared::id::BlobId;
use hubbub_shared::time::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use self::turns::Turns;
use crate::engine::file::order::Told;
use crate::net::{FilesError, HubFiles};
use crate::transfer::SealedBytes;

/// Files that wait to be taken back; of more, the hub forgets them when their time is over.
const TAKEN_BACK: usize = 64;

/// See the top of the file.
pub(super) struct Upkeep {
    hub: HubFiles,
    sealed: SealedBytes,
    turns: Turns,
    /// The one that is put, until that has ended: also if it was given up.
    task: JoinSet<Result<Timestamp, FilesError>>,
    back: JoinSet<BlobId>,
}

impl Upkeep {
    pub(super) fn new(hub: HubFiles, sealed: SealedBytes) -> Self {
        let (turns, task, back) = (Turns::default(), JoinSet::new(), JoinSet::new());
        Self { hub, sealed, turns, task, back }
    }

    pub(super) fn serves(&mut self, file: u64, blob: Blob) {
        self.turns.serves(file, blob);
    }

    pub(super) fn put(&mut self, file: u64) {
        self.turns.put(file);
        self.begin();
    }

    /// The hub is reached again: what waits for that goes on at once.
    pub(super) fn hub_is_back(&mut self) {
        self.turns.hub_is_back();
        self.begin();
    }

    /// Nobody is to fetch it there any more. Where the hub is away, it goes when its time is over.
    pub(super) fn take_back(&mut self, file: u64) {
        let Some((blob, is_going)) = self.turns.take_back(file) else { return };
        if is_going {
            self.task.abort_all();
        }
        while let Some(gone) = self.back.try_join_next() {
            self.gone(gone);
        }
        if self.back.len() < TAKEN_BACK {
            self.turns.leaves(blob);
            let hub = self.hub.clone();
            self.back.spawn(async move {
                if let Err(error) = hub.take_back(&blob).await {
                    tracing::debug!("a file stays at the hub until its time is over: {error}");
                }
                blob
            });
        }
    }

    fn gone(&mut self, gone: Result<BlobId, JoinError>) {
        // One that panicked cannot say which it was.
        if let Ok(blob) = gone {
            self.turns.left(&blob);
        }
    }

    fn begin(&mut self) {
        let Some(blob) = self.turns.next() else { return };
        let (hub, mut sealed) = (self.hub.clone(), self.sealed.of(blob.address));
        self.task.spawn(async move { hub.put(&blob, &mut sealed).await });
    }

    /// What came of one. May be given up.
    pub(super) async fn next(&mut self) -> Told {
        loop {
            self.begin();
            let due = self.turns.due();
            let again = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(done) = self.task.join_next() => {
                    if let Some(told) = self.turns.ended(done.ok(), Instant::now()) {
                        return told;
                    }
                }
                Some(gone) = self.back.join_next() => self.gone(gone),
                () = again => self.turns.wake(Instant::now()),
            }
        }
    }

    pub(super) async fn stop(&mut self) {
        self.task.shutdown().await;
        self.back.shutdown().await;
    }
}
