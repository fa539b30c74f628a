//! Own files at the hub: left there for those who are away, kept there as long as they are offered,
//! and taken back.
//!
//! One large file at a time, since they share one line, and what is short beside it: [`turns`] says
//! which, `lanes` has the two. Invariant: nothing is told to be at the hub before the hub has said
//! that it is durable there, nor to be taken back before it has said so; what the hub refuses is
//! told to the person once, and tried again later.

mod lanes;
#[cfg(test)]
mod tests;
mod turns;

use hubbub_shared::blob::Blob;
use hubbub_shared::id::BlobId;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::lanes::{Errand, Lane};
use self::turns::{Outcome, Turns};
use crate::engine::file::order::Told;
use crate::net::{FilesError, HubFiles};
use crate::transfer::SealedBytes;

/// What is done in one lane, until that has ended: also if it was given up. One at most.
type Task = JoinSet<Result<Outcome, FilesError>>;

/// See the top of the file.
pub(super) struct Upkeep {
    hub: HubFiles,
    sealed: SealedBytes,
    turns: Turns,
    short: Task,
    long: Task,
}

impl Upkeep {
    pub(super) fn new(hub: HubFiles, sealed: SealedBytes) -> Self {
        let (turns, short, long) = (Turns::default(), JoinSet::new(), JoinSet::new());
        Self { hub, sealed, turns, short, long }
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
        self.turns.hub_is_back(Instant::now());
        self.begin();
    }

    /// It is not to be left there, or not any more.
    pub(super) fn unserves(&mut self, file: u64) {
        let lane = self.turns.unserves(file);
        self.give_up(lane);
    }

    /// Nobody is to fetch it there any more. Where the hub is away, it goes when that is back.
    pub(super) fn take_back(&mut self, file: u64, blob: BlobId) {
        let lane = self.turns.take_back(file, blob);
        self.give_up(lane);
        self.begin();
    }

    fn give_up(&mut self, lane: Option<Lane>) {
        if let Some(lane) = lane {
            self.task(lane).abort_all();
        }
    }

    fn task(&mut self, lane: Lane) -> &mut Task {
        match lane {
            Lane::Short => &mut self.short,
            Lane::Long => &mut self.long,
        }
    }

    fn begin(&mut self) {
        for lane in Lane::ALL {
            let Some(errand) = self.turns.next(lane) else { continue };
            let (hub, sealed) = (self.hub.clone(), self.sealed.clone());
            self.task(lane).spawn(async move {
                match errand {
                    Errand::Put(blob) => {
                        let mut bytes = sealed.of(blob.address);
                        hub.put(&blob, &mut bytes).await.map(Outcome::Kept)
                    }
                    Errand::TakeBack(blob) => {
                        hub.take_back(&blob).await.map(|_| Outcome::TakenBack)
                    }
                }
            });
        }
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
            let (lane, done) = tokio::select! {
                Some(done) = self.short.join_next() => (Lane::Short, done),
                Some(done) = self.long.join_next() => (Lane::Long, done),
                () = again => {
                    self.turns.wake(Instant::now());
                    continue;
                }
            };
            if let Some(told) = self.turns.ended(lane, done.ok(), Instant::now()) {
                return told;
            }
        }
    }

    pub(super) async fn stop(&mut self) {
        self.short.shutdown().await;
        self.long.shutdown().await;
    }
}
