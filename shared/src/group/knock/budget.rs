//! How many guesses a keeper lets others test.
//!
//! An answer tests one guess whatever comes after it, so it counts as a failure from the moment it
//! is given until its proof comes. Invariant: never more than [`KNOCK_FAILURES`] of them, and never
//! more than [`KNOCK_ANSWERS`] unproven ones in any [`KNOCK_WINDOW`], until an admin opens the door
//! anew; no clock that jumps gives more than the former.

use std::collections::VecDeque;

use crate::crypto::{RecordError, RecordReader, RecordWriter};
use crate::id::KnockId;
use crate::limits::{KNOCK_ANSWERS, KNOCK_FAILURES, KNOCK_MEMORY, KNOCK_WINDOW, KNOCKS_KEPT};
use crate::time::{Millis, Timestamp};

/// Why no knock is answered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// It was answered before.
    #[error("this knock was answered before")]
    Seen,
    /// Too many were not followed by a proof: until an admin opens the door anew.
    #[error("{KNOCK_FAILURES} knocks failed; the door is locked until an admin opens it anew")]
    Locked,
    /// Too many lately.
    #[error("{KNOCK_ANSWERS} knocks were answered in the last minutes; knock again later")]
    Busy {
        /// From when on the next is answered.
        until: Timestamp,
    },
}

/// What a keeper has given away, and what is left.
#[derive(Default)]
pub(super) struct Budget {
    failures: usize,
    /// Answered knocks, oldest first.
    answered: VecDeque<Answered>,
}

/// An answered knock.
struct Answered {
    sid: KnockId,
    at: Timestamp,
    /// Its proof came: it gave nothing away, so it holds nobody else up.
    proven: bool,
}

impl Budget {
    /// Whether one more may be answered; forgets what is too old to matter.
    pub(super) fn check(&mut self, sid: &KnockId, now: Timestamp) -> Result<(), Spent> {
        self.answered.retain(|one| apart(one.at, now) < KNOCK_MEMORY);
        if self.knows(sid) {
            return Err(Spent::Seen);
        }
        if self.is_spent() {
            return Err(Spent::Locked);
        }
        let unproven = || self.answered.iter().filter(|one| !one.proven);
        let lately = || unproven().filter(|one| apart(one.at, now) < KNOCK_WINDOW);
        if lately().count() < KNOCK_ANSWERS && self.answered.len() < KNOCKS_KEPT {
            return Ok(());
        }
        let oldest = lately().map(|one| one.at).min().unwrap_or(now);
        Err(Spent::Busy { until: oldest + KNOCK_WINDOW })
    }

    /// One more is answered. Call it only after [`Self::check`].
    pub(super) fn spend(&mut self, sid: KnockId, now: Timestamp) {
        self.failures += 1;
        self.answered.push_back(Answered { sid, at: now, proven: false });
    }

    /// The proof of an answered knock came.
    pub(super) fn proven(&mut self, sid: &KnockId) {
        if let Some(one) = self.answered.iter_mut().find(|one| one.sid == *sid) {
            one.proven = true;
        }
        self.failures = self.failures.saturating_sub(1);
    }

    /// An admin opened the door anew.
    pub(super) fn renew(&mut self) {
        self.failures = 0;
    }

    pub(super) fn is_spent(&self) -> bool {
        self.failures >= KNOCK_FAILURES
    }

    pub(super) fn failures(&self) -> usize {
        self.failures
    }

    /// Whether this knock was answered and is remembered.
    pub(super) fn knows(&self, sid: &KnockId) -> bool {
        self.answered.iter().any(|one| one.sid == *sid)
    }

    pub(super) fn save(&self, to: &mut RecordWriter) {
        to.count(self.failures).count(self.answered.len());
        for one in &self.answered {
            to.fixed(one.sid.as_bytes()).u64(one.at.0).bool(one.proven);
        }
    }

    pub(super) fn load(from: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let failures = from.count(KNOCK_FAILURES)?;
        let count = from.count(KNOCKS_KEPT)?;
        let mut read = || {
            let (sid, at) = (KnockId(from.array()?), Timestamp(from.u64()?));
            Ok(Answered { sid, at, proven: from.bool()? })
        };
        let answered = (0..count).map(|_| read()).collect::<Result<_, RecordError>>()?;
        Ok(Self { failures, answered })
    }
}

/// How far two moments lie apart, whichever was first: a clock may have been set back.
pub(super) fn apart(one: Timestamp, other: Timestamp) -> Millis {
    Millis(one.0.abs_diff(other.0))
}
