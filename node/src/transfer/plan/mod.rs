//! Which piece is asked of whom, and when, pure: files side by side, each from all its sources.
//!
//! * [`deed`]: what comes out; [`progress`]: what people see; [`limits`]: every bound, and why
//! * `queue`: whose turn it is, and how what there is is shared
//! * `fetch`: one file; `hear`: what happens to it; `tend`: its streams; `source`: one source of it
//! * `ask`: how much each source is asked for; `pick`: which pieces; `share`: which receiver has
//!   the hub carry which
//! * `pace`: rates, round trips and the bandwidth limit; `bits`: sets of pieces
//!
//! Invariant: no more is outstanding than the bounds say, whatever sources do. What is absent:
//! sockets, files, clock, randomness, content, and any trust in a source: pieces come in here as
//! verified, or as a lie.

mod ask;
mod bits;
mod clock;
pub mod deed;
mod fetch;
mod hear;
pub mod limits;
mod outbox;
mod pace;
mod pick;
pub mod progress;
mod queue;
mod share;
mod source;
mod tend;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hubbub_shared::blob::{HaveMap, Shape};
use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::pieces::PiecesRefused;

use self::clock::Clock;
pub use self::deed::{Deed, FileId, Kind, Lie, Priority, SourceId, Stuck};
use self::fetch::Fetch;
use self::outbox::Outbox;
use self::pace::Bucket;
pub use self::progress::{Progress, SourceProgress, State};

/// What the whole node may do at once. `default` has the bounds of [`limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files fetched side by side.
    pub side_by_side: usize,
    /// Pieces outstanding of one file.
    pub per_file: usize,
    /// Pieces outstanding of all.
    pub outstanding: usize,
    /// Bytes a second; 0 for no limit.
    pub rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let (side_by_side, per_file) = (limits::SIDE_BY_SIDE, limits::PER_FILE);
        Self { side_by_side, per_file, outstanding: limits::OUTSTANDING, rate: 0 }
    }
}

/// A file to be fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its number.
    pub file: FileId,
    /// The lengths of its blob.
    pub shape: Shape,
    /// What is here already, synced.
    pub have: HaveMap,
    /// How much it goes before others.
    pub priority: Priority,
    /// It begins paused.
    pub paused: bool,
    /// Who lied about it before, and is not asked again.
    pub liars: Vec<SourceId>,
}

/// A piece that did not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Its number.
    pub index: u32,
    /// Nothing that was known here had a part in it: it came with all parents above it, for it was
    /// asked for with `known` 0.
    pub sure: bool,
}

/// There are too many files already; one has to end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} files wait to be fetched; let some arrive, or cancel some", limits::FILES)]
pub struct Full;

/// Which piece is asked of whom.
///
/// Told what happened by the `handle_*` methods; then [`Self::poll_deed`] until it is empty, and
/// [`Self::poll_timeout`] says when [`Self::handle_timeout`] wants to be called. What is told of a
/// file, source or question that is not known any more changes nothing.
pub struct Plan {
    limits: Limits,
    clock: Clock,
    outbox: Outbox,
    bucket: Bucket,
    files: BTreeMap<FileId, Fetch>,
    /// What the file that was served last had been given before.
    served: u64,
    /// When something can be done for a file whose turn it is not.
    wake: Option<Timestamp>,
}

impl Plan {
    /// Fetches nothing yet. `me` decides, among receivers of the same file that reach one another
    /// directly, which of them has the hub carry which pieces. `seed` must be new each time.
    #[must_use]
    pub fn new(me: NodeId, limits: Limits, seed: [u8; 32]) -> Self {
        let mut bucket = Bucket::default();
        bucket.set_rate(limits.rate, Timestamp(0));
        Self {
            limits,
            clock: Clock::default(),
            outbox: Outbox::new(me, seed),
            bucket,
            files: BTreeMap::new(),
            served: 0,
            wake: None,
        }
    }

    /// The next thing to do.
    pub fn poll_deed(&mut self) -> Option<Deed> {
        self.outbox.next()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let now = self.outbox.now;
        let active = self.active().filter_map(|fetch| fetch.due(now));
        let bucket = self.bucket.due().filter(|_| self.active().next().is_some());
        let due = active.chain(self.wake).chain(bucket).min()?;
        Some(self.clock.outside(due))
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.set_time(now);
        self.look_at_all();
    }

    /// Other limits hold from now on.
    pub fn handle_limits(&mut self, limits: Limits, now: Timestamp) {
        self.set_time(now);
        self.limits = limits;
        self.bucket.set_rate(limits.rate, self.outbox.now);
        self.look_at_all();
    }

    /// A file is to be fetched; its sources are told one by one. One whose pieces are all here is
    /// done at once. The same number again begins it anew, without its sources.
    ///
    /// # Errors
    /// [`Full`].
    pub fn handle_wanted(&mut self, wanted: Wanted, now: Timestamp) -> Result<(), Full> {
        self.handle_cancelled(wanted.file, now);
        if self.files.len() >= limits::FILES {
            return Err(Full);
        }
        let fetch = Fetch::new(&wanted, self.outbox.now);
        if fetch.missing.is_empty() {
            self.outbox.say(Deed::Done { file: wanted.file });
            return Ok(());
        }
        self.files.insert(wanted.file, fetch);
        self.look_at_all();
        Ok(())
    }

    /// A file is paused, or goes on.
    pub fn handle_paused(&mut self, file: FileId, paused: bool, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| {
            (fetch.paused, fetch.changed, fetch.told) = (paused, true, None);
            if paused {
                fetch.stop(outbox);
            } else {
                fetch.rest = None;
            }
        });
    }

    /// A file goes before others, or behind them.
    pub fn handle_priority(&mut self, file: FileId, priority: Priority, now: Timestamp) {
        self.tell(file, now, |fetch, _| (fetch.priority, fetch.changed) = (priority, true));
    }

    /// A file is no longer wanted. Its streams are closed, and nothing is said of it any more.
    pub fn handle_cancelled(&mut self, file: FileId, now: Timestamp) {
        self.set_time(now);
        if let Some(mut fetch) = self.files.remove(&file) {
            fetch.stop(&mut self.outbox);
            self.look_at_all();
        }
    }

    /// Somebody may have the file, and is reached this way. Said again when the way is another, or
    /// when there is reason to try at once: what failed before is forgotten, lies are not. A stream
    /// that is open stays so; should it break, the source is tried at once.
    pub fn handle_source(&mut self, file: FileId, source: SourceId, kind: Kind, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.name(source, kind, outbox.now));
    }

    /// Something was heard of whoever is a source. So it is reached, which says nothing of what it
    /// has: one that was not reached before is tried at once, and nothing else is forgotten.
    pub fn handle_heard(&mut self, file: FileId, source: SourceId, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.heard(source, outbox.now));
    }

    /// A source is not there any more (blocked, gone from the conversation, not connected): it is
    /// not tried until [`Self::handle_source`] names it again.
    pub fn handle_lost(&mut self, file: FileId, source: SourceId, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.lose(source, outbox));
    }

    /// The stream asked for is there, on this way. What failed before is not forgotten for that:
    /// only what a source gives makes it good.
    pub fn handle_opened(&mut self, file: FileId, source: SourceId, kind: Kind, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.opened(source, kind, outbox.now));
    }

    /// A stream did not come about, or broke. The source is tried again, ever later.
    pub fn handle_broken(&mut self, file: FileId, source: SourceId, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.broken(source, outbox));
    }

    /// There is no place for a source's stream just now. It is tried again, ever later, whatever
    /// was heard of it meanwhile.
    pub fn handle_crowded(&mut self, file: FileId, source: SourceId, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.crowded(source, outbox));
    }

    /// A source told what it has; asked for or not.
    pub fn handle_have(&mut self, file: FileId, source: SourceId, have: HaveMap, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.have(source, have, outbox.now));
    }

    /// A piece verified and was written.
    pub fn handle_piece(&mut self, file: FileId, source: SourceId, index: u32, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.came(source, index, outbox.now));
    }

    /// A piece did not verify: it is asked for anew before anybody is blamed, unless that is
    /// [`Bad::sure`].
    pub fn handle_bad_piece(&mut self, file: FileId, source: SourceId, bad: Bad, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.bad(source, bad, outbox));
    }

    /// A source lied in another way.
    pub fn handle_lie(&mut self, file: FileId, source: SourceId, lie: Lie, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.lied(source, lie, outbox));
    }

    /// A question was refused.
    pub fn handle_refused(
        &mut self,
        file: FileId,
        source: SourceId,
        refused: PiecesRefused,
        now: Timestamp,
    ) {
        self.tell(file, now, |fetch, outbox| fetch.refused(source, refused, outbox));
    }

    /// A piece could not be written here. The file rests, its streams are closed, and it is tried
    /// again ever later.
    pub fn handle_store_failed(&mut self, file: FileId, now: Timestamp) {
        self.tell(file, now, |fetch, outbox| fetch.disk_failed(outbox));
    }

    /// How far a file is; none if it is not known.
    #[must_use]
    pub fn progress(&self, file: FileId) -> Option<Progress> {
        Some(self.files.get(&file)?.progress(self.outbox.now))
    }

    /// Who lied about a file, as far as that is remembered; none if it is not known.
    #[must_use]
    pub fn liars(&self, file: FileId) -> Option<Vec<SourceId>> {
        Some(self.files.get(&file)?.liars.iter().copied().collect())
    }

    /// All files, in the order of their numbers.
    pub fn files(&self) -> impl Iterator<Item = FileId> + '_ {
        self.files.keys().copied()
    }

    fn set_time(&mut self, now: Timestamp) {
        self.outbox.now = self.clock.tell(now);
    }

    /// Something happened to a file: it is looked at, and all others only if turns may change.
    fn tell(&mut self, file: FileId, now: Timestamp, what: impl FnOnce(&mut Fetch, &mut Outbox)) {
        self.set_time(now);
        let relayed = self.relayed();
        let Some(fetch) = self.files.get_mut(&file) else { return };
        what(fetch, &mut self.outbox);
        if fetch.missing.is_empty() {
            fetch.stop(&mut self.outbox);
            self.files.remove(&file);
            self.outbox.say(Deed::Done { file });
            self.look_at_all();
            return;
        }
        fetch.tend(relayed, &mut self.outbox);
        if core::mem::take(&mut fetch.changed) {
            self.look_at_all();
        } else {
            self.share_out();
        }
    }

    fn look_at_all(&mut self) {
        self.take_turns();
        let relayed = self.relayed();
        for fetch in self.files.values_mut().filter(|fetch| fetch.slot) {
            fetch.tend(relayed, &mut self.outbox);
        }
        self.share_out();
    }

    /// How many streams by way of the hub each file may have.
    fn relayed(&self) -> usize {
        (limits::RELAYED_ALL / self.active().count().max(1)).max(1)
    }
}
