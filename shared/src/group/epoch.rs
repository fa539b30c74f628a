//! Epoch rules: whose messages count, judged by the membership they were sealed for.
//!
//! A message names the head of the control log its sender saw. The receiver looks that entry up in
//! its own log and asks: was the sender a member there, and was nobody removed since its chain was
//! born?
//!
//! The rules have numbers in PROTOCOL.md, Sender keys: R1 an unknown epoch waits for the log; R2
//! the sender is a member at the epoch; R3 no removal or call for new keys between the chain's
//! birth and the epoch; R4 a removed sender's late messages; R5 epochs never go back in a chain; R6
//! the sender could post at the epoch.
//!
//! A pure function: it holds nothing and changes nothing.

use crate::id::{Head, NodeId};
use crate::time::{Millis, Timestamp};

use super::control::ControlLog;
use super::sender_key::GroupHeader;

/// How long after learning of a removal an earlier message of the removed one may still arrive
/// (R4).
pub const LATE: Millis = Millis::hours(24);

/// What the receiver knows about the removal of a sender who is no member any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When the message came here; it may have been held since.
    pub now: Timestamp,
    /// When this node learned that the sender is out.
    pub removal_learned: Option<Timestamp>,
    /// Whether the hub had the message before the removal. A hub could lie; then a removed member's
    /// message counts for at most [`LATE`] longer, and is marked.
    pub before_removal: bool,
}

impl Arrival {
    /// A message from a sender who is still a member, or of whom nothing is known.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now, removal_learned: None, before_removal: false }
    }
}

/// How an accepted message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its sender is a member.
    Current,
    /// Its sender was removed since; it is shown as late.
    Late,
}

/// A chain's part of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainEpochs {
    /// Where the chain was born.
    pub birth: (Head, u64),
    /// Lowest epoch the message may name: that of the message before it.
    pub at_least: u64,
    /// Highest epoch the message may name: that of the message after it, when that came first.
    pub at_most: u64,
}

/// Why a message does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// R1: hold the message and read the log up to that entry.
    #[error("the message belongs to membership entry {need}, which has not arrived yet")]
    UnknownEpoch {
        /// The entry that is missing.
        need: u64,
    },
    /// The sender's log is not ours: the hub shows two histories.
    #[error("the sender sees another membership history: {theirs} at entry {seq}, {ours} here")]
    OtherHistory {
        /// The entry at which they differ, at the latest.
        seq: u64,
        /// Our head there.
        ours: Head,
        /// The sender's head there.
        theirs: Head,
    },
    /// R2: not a member at that epoch, or not where the chain was born.
    #[error("the sender was not a member at that time")]
    NotAMember,
    /// R6: only admins post there, and the sender was none.
    #[error("only admins could write in the group at that time")]
    MayNotPost,
    /// R3: a removal or a call for new keys lies in between.
    #[error("the sender used a key from before a change that ended it")]
    ChainTooOld,
    /// R4: the sender is out, and this is too late or not known to be from before.
    #[error("the sender was removed")]
    Removed,
    /// R5: an earlier message of the chain names a later epoch.
    #[error("the message names an older membership than the one before it")]
    EpochWentBack,
}

impl EpochError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownEpoch { .. } => "unknown-epoch",
            Self::OtherHistory { .. } => "other-history",
            Self::NotAMember => "not-a-member",
            Self::MayNotPost => "may-not-post",
            Self::ChainTooOld => "chain-too-old",
            Self::Removed => "removed",
            Self::EpochWentBack => "epoch-went-back",
        }
    }

    /// Whether the message should be held: more of the control log may make it count.
    #[must_use]
    pub fn wants_log(&self) -> bool {
        matches!(self, Self::UnknownEpoch { .. })
    }
}

/// Judges one message of `sender`.
///
/// # Errors
/// [`EpochError`] names the rule.
pub fn check(
    log: &ControlLog,
    sender: &NodeId,
    chain: ChainEpochs,
    header: &GroupHeader,
    arrival: Arrival,
) -> Result<Standing, EpochError> {
    let (birth, birth_seq) = chain.birth;
    let epoch_seq = header.epoch_seq;
    let floor = birth_seq.max(chain.at_least);
    if epoch_seq < floor || epoch_seq > chain.at_most {
        return Err(EpochError::EpochWentBack);
    }
    same_history(log, header.epoch, epoch_seq)?;
    same_history(log, birth, birth_seq)?;
    let roster = log.roster();
    if !roster.was_member(sender, epoch_seq) || !roster.was_member(sender, birth_seq) {
        return Err(EpochError::NotAMember);
    }
    if !log.may_post_at(sender, epoch_seq) {
        return Err(EpochError::MayNotPost);
    }
    if roster.cut_between(birth_seq, epoch_seq) {
        return Err(EpochError::ChainTooOld);
    }
    if roster.is_member(sender) {
        return Ok(Standing::Current);
    }
    let in_time = arrival.removal_learned.is_some_and(|at| arrival.now.since(at) <= LATE);
    if arrival.before_removal && in_time { Ok(Standing::Late) } else { Err(EpochError::Removed) }
}

fn same_history(log: &ControlLog, theirs: Head, seq: u64) -> Result<(), EpochError> {
    match log.head_at(seq) {
        None => Err(EpochError::UnknownEpoch { need: seq }),
        Some(ours) if ours == theirs => Ok(()),
        Some(ours) => Err(EpochError::OtherHistory { seq, ours, theirs }),
    }
}
