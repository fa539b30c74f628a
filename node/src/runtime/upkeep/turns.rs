//! What is to be done at the hub about each file, and whose turn it is. No I/O, and no clock of its
//! own.
//!
//! Invariants: one that fails keeps no other waiting: each is tried once and goes behind the others
//! then, until a time of its own. About one file one thing is done at a time, so that the hub never
//! takes back what was just left there. What is to be taken back is tried until it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hubbub_shared::blob::Blob;
use hubbub_shared::id::BlobId;
use hubbub_shared::time::Timestamp;
use tokio::time::Instant;

use super::lanes::{Errand, Going, Lane, Lanes};
use crate::engine::file::order::Told;
use crate::net::FilesError;

/// First and longest pause of a file after the way to the hub broke, or the file was not to be
/// read.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// When it is tried again after the hub would not take it: shares and room change by days, and what
/// a hub keeps at all when its operator says so.
const REFUSED: Duration = Duration::from_secs(3_600);
/// When the hub is asked again for what it keeps: it keeps it anew for the whole time then, and
/// what it has lost meanwhile comes again. A question is one round trip.
pub(super) const RENEW: Duration = Duration::from_secs(24 * 3_600);
/// The same when it was away meanwhile, since its operator may have deleted everything: not more
/// often than this, however often the link breaks.
pub(super) const AFTER_LOSS: Duration = Duration::from_secs(600);

/// What came of an errand.
pub(super) enum Outcome {
    /// The hub keeps it until then.
    Kept(Timestamp),
    /// Nothing of it is there any more.
    TakenBack,
}

/// See the top of the file.
#[derive(Default)]
pub(super) struct Turns {
    /// Every own or whole file that is served.
    served: BTreeMap<u64, Blob>,
    /// What is to be taken back.
    back: BTreeMap<u64, BlobId>,
    waiting: VecDeque<u64>,
    later: BTreeMap<u64, Instant>,
    /// The last pause of each whose way broke.
    pauses: BTreeMap<u64, Duration>,
    /// When the hub said last that it keeps it.
    kept: BTreeMap<u64, Instant>,
    /// Told that the hub does not keep it.
    refused: BTreeSet<u64>,
    lanes: Lanes,
}

impl Turns {
    pub(super) fn serves(&mut self, file: u64, blob: Blob) {
        self.served.insert(file, blob);
    }

    pub(super) fn put(&mut self, file: u64) {
        if self.back.remove(&file).is_some() {
            self.stand_back(file);
        }
        let known = self.lanes.puts(file) || self.waiting.contains(&file);
        if self.served.contains_key(&file) && !known && !self.later.contains_key(&file) {
            self.waiting.push_back(file);
        }
    }

    /// It is not to be left there, or not any more; where it is being put just now, if it is.
    pub(super) fn unserves(&mut self, file: u64) -> Option<Lane> {
        self.served.remove(&file);
        self.refused.remove(&file);
        if !self.back.contains_key(&file) {
            self.stand_back(file);
        }
        self.lanes.void_put(file)
    }

    /// Nobody is to fetch it there any more; where it is being put just now, if it is.
    pub(super) fn take_back(&mut self, file: u64, blob: BlobId) -> Option<Lane> {
        let lane = self.unserves(file);
        if self.back.insert(file, blob).is_none() {
            self.waiting.push_back(file);
        }
        lane
    }

    /// It does not wait for anything any more.
    fn stand_back(&mut self, file: u64) {
        self.waiting.retain(|waiting| *waiting != file);
        self.later.remove(&file);
        self.pauses.remove(&file);
        self.kept.remove(&file);
    }

    /// What to do about a file, if anything.
    fn errand(&self, file: u64) -> Option<Errand> {
        let back = self.back.get(&file).copied().map(Errand::TakeBack);
        back.or_else(|| self.served.get(&file).copied().map(Errand::Put))
    }

    /// What to do now in this lane, if anything; it is going then.
    pub(super) fn next(&mut self, lane: Lane) -> Option<Errand> {
        if self.lanes.is_taken(lane) {
            return None;
        }
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.retain(|file| self.errand(*file).is_some());
        let errand = |file: &u64| {
            let errand = self.errand(*file).filter(|errand| errand.lane() == lane);
            errand.filter(|_| !self.lanes.has(*file))
        };
        // Whoever takes a file back does not want to wait for what others may fetch some day.
        let is_back = |file: &u64| matches!(errand(file), Some(Errand::TakeBack(_)));
        let any = || waiting.iter().position(|file| errand(file).is_some());
        let at = waiting.iter().position(is_back).or_else(any);
        let next = at.and_then(|at| Some((at, *waiting.get(at)?)));
        let found = next.and_then(|(at, file)| Some((at, file, errand(&file)?)));
        if let Some((at, ..)) = found {
            waiting.remove(at);
        }
        self.waiting = waiting;
        let (_, file, errand) = found?;
        self.lanes.begin(lane, Going { file, errand, counts: true });
        Some(errand)
    }

    /// When the next one waits no longer.
    pub(super) fn due(&self) -> Option<Instant> {
        self.later.values().min().copied()
    }

    /// Those that waited long enough wait for their turn again.
    pub(super) fn wake(&mut self, now: Instant) {
        let due = self.later.iter().filter(|(_, at)| **at <= now);
        let due: Vec<u64> = due.map(|(file, _)| *file).collect();
        due.into_iter().for_each(|file| self.again(file));
    }

    fn again(&mut self, file: u64) {
        if self.later.remove(&file).is_some() && !self.waiting.contains(&file) {
            self.waiting.push_back(file);
        }
    }

    /// The hub is reached again: those whose way broke need not wait, and what it kept may be gone.
    pub(super) fn hub_is_back(&mut self, now: Instant) {
        for file in core::mem::take(&mut self.pauses).into_keys() {
            self.again(file);
        }
        for (file, said) in &self.kept {
            if let Some(at) = self.later.get_mut(file) {
                *at = (*at).min(now.max(*said + AFTER_LOSS));
            }
        }
    }

    /// What came of the one that was going; none where nobody knows. What there is to tell.
    pub(super) fn ended(
        &mut self,
        lane: Lane,
        done: Option<Result<Outcome, FilesError>>,
        now: Instant,
    ) -> Option<Told> {
        let Going { file, errand, .. } = self.lanes.end(lane).filter(|going| going.counts)?;
        match (errand, done) {
            (_, Some(Ok(Outcome::Kept(until)))) => {
                self.pauses.remove(&file);
                self.refused.remove(&file);
                self.kept.insert(file, now);
                self.later.insert(file, now + RENEW);
                Some(Told::Kept { file, until })
            }
            (_, Some(Ok(Outcome::TakenBack))) => {
                if self.back.remove(&file).is_some() {
                    self.stand_back(file);
                }
                Some(Told::TakenBack { file })
            }
            (Errand::Put(_), done) => self.not_put(file, done.and_then(Result::err), now),
            (Errand::TakeBack(_), done) => {
                if self.back.contains_key(&file) {
                    self.rest(file, done.and_then(Result::err), now);
                }
                None
            }
        }
    }

    /// It is tried again, ever later.
    fn rest(&mut self, file: u64, error: Option<FilesError>, now: Instant) {
        let asked = error.as_ref().map_or(Duration::ZERO, asked_for);
        if let Some(error) = error {
            tracing::debug!("what is to be done at the hub about a file waits: {error}");
        }
        let last = self.pauses.get(&file).copied();
        let pause = last.map_or(PAUSE.0, |last| last * 2).max(asked).min(PAUSE.1);
        self.pauses.insert(file, pause);
        self.later.insert(file, now + pause);
    }

    fn not_put(&mut self, file: u64, error: Option<FilesError>, now: Instant) -> Option<Told> {
        let error = match error {
            Some(error) if !passes(&error) => error,
            passing => {
                self.rest(file, passing, now);
                return None;
            }
        };
        self.kept.remove(&file);
        let why = error.to_string();
        if matches!(error, FilesError::Source(_)) {
            self.rest(file, Some(error), now);
        } else {
            self.later.insert(file, now + REFUSED);
        }
        self.refused.insert(file).then_some(Told::NotKept { file, why })
    }
}

/// How long the hub wants to be left alone with it.
fn asked_for(error: &FilesError) -> Duration {
    match error {
        FilesError::Busy { retry_after } | FilesError::TooMany { retry_after } => {
            Duration::from_millis(retry_after.0)
        }
        _ => Duration::ZERO,
    }
}

/// Whether it may work with the same hub and the same file in a while, and nobody need be told.
fn passes(error: &FilesError) -> bool {
    matches!(
        error,
        FilesError::NoHub
            | FilesError::Broken(_)
            | FilesError::Silent
            | FilesError::NotNow(_)
            | FilesError::Busy { .. }
            | FilesError::TooMany { .. }
            | FilesError::HubStore
    )
}
