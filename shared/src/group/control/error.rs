//! Why a control entry was refused: one variant per rule, each with a stable word for programs.

use crate::crypto::BadSignature;
use crate::group::roster::Role;
use crate::id::{GroupId, Head, NodeId};
use crate::limits::{CONTROL_ENTRIES_MAX, CONTROL_ENTRY_MAX, MEMBERS_MAX};
use crate::wire::codec::DecodeError;

/// Which rule stands against an author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The author does not belong to the group.
    #[error("is not a member of this group")]
    NotAMember,
    /// The rank does not suffice.
    #[error("needs to be {} or above", .0.as_str())]
    NeedsRole(Role),
    /// The other's rank is not below the author's.
    #[error("may change only members of lower rank")]
    TargetNotBelow,
    /// The rank given is above the author's own.
    #[error("may not give a rank above the own one")]
    RoleAboveOwn,
    /// Nobody adds themselves to a closed group.
    #[error("cannot join by itself: this group is closed, ask an admin")]
    ClosedGroup,
    /// A group begins once.
    #[error("cannot begin a group that has begun")]
    CreateAgain,
    /// The founder of a lobby stands outside.
    #[error("founded this lobby and cannot be a member of it")]
    Steward,
}

/// Why an entry was refused. Nothing was changed (PROTOCOL.md, Membership).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Longer than an entry may be.
    #[error("a control entry of {got} bytes, the limit is {CONTROL_ENTRY_MAX}")]
    TooLarge {
        /// Its size in bytes.
        got: usize,
    },
    /// Not an entry.
    #[error("not a control entry: {0}")]
    Malformed(#[from] DecodeError),
    /// Written by a newer version.
    #[error("the entry has version {version} and needs a newer version of this program")]
    Newer {
        /// Its version.
        version: u8,
    },
    /// An operation this version does not know.
    #[error("operation {0} needs a newer version of this program")]
    UnknownOp(u8),
    /// A policy this version does not know.
    #[error("the group's history policy needs a newer version of this program")]
    UnknownPolicy,
    /// Not signed by the author it names.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// Not a proper first entry.
    #[error("not a valid first entry: {0}")]
    BadGenesis(&'static str),
    /// An entry of another group.
    #[error("the entry belongs to group {got}, not {expected}")]
    OtherGroup {
        /// The group at hand.
        expected: GroupId,
        /// The entry's group.
        got: GroupId,
    },
    /// Replayed, out of order, or after a gap.
    #[error("entry {got} is not the next one, which is {expected}")]
    NotNext {
        /// The next number.
        expected: u64,
        /// The entry's number.
        got: u64,
    },
    /// The next number, but after a history that is not ours. No proof: its author may be lying.
    #[error("the entry follows {theirs}, but this log ends in {ours}; two histories may exist")]
    WrongPrev {
        /// The head of this log.
        ours: Head,
        /// What the entry follows.
        theirs: Head,
    },
    /// Two valid entries after the same one. From a hub's own mouth it shows that the hub keeps two
    /// histories; to others it proves less, since whoever lost a race signed such an entry too.
    #[error("two histories at entry {seq}: {ours} here, {theirs} there; the hub shows both")]
    Fork {
        /// The number both entries have.
        seq: u64,
        /// The head after ours.
        ours: Head,
        /// The head after theirs.
        theirs: Head,
    },
    /// The rules do not allow this author that operation.
    #[error("{author} {why}")]
    NotAllowed {
        /// Who tried.
        author: NodeId,
        /// Which rule stands against it.
        why: Forbidden,
    },
    /// Concerns somebody who is not a member.
    #[error("{0} is not a member")]
    UnknownMember(NodeId),
    /// Lets in somebody who is a member already.
    #[error("{0} is a member already")]
    AlreadyMember(NodeId),
    /// As many members as a group can have.
    #[error("the group is full ({MEMBERS_MAX} members)")]
    Full,
    /// As many entries as a log can have; the last ones are kept for going and closing.
    #[error("the group's log is full ({CONTROL_ENTRIES_MAX} entries); start a new group")]
    LogFull,
    /// The group has ended.
    #[error("the group is closed")]
    Closed,
}

impl ControlError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::Malformed(_) => "malformed",
            Self::Newer { .. } => "newer",
            Self::UnknownOp(_) => "unknown-op",
            Self::UnknownPolicy => "unknown-policy",
            Self::BadSignature(_) => "bad-signature",
            Self::BadGenesis(_) => "bad-genesis",
            Self::OtherGroup { .. } => "other-group",
            Self::NotNext { .. } => "not-next",
            Self::WrongPrev { .. } => "wrong-prev",
            Self::Fork { .. } => "fork",
            Self::NotAllowed { .. } => "not-allowed",
            Self::UnknownMember(_) => "unknown-member",
            Self::AlreadyMember(_) => "already-member",
            Self::Full => "full",
            Self::LogFull => "log-full",
            Self::Closed => "closed",
        }
    }

    /// Whether another entry came first: read on, judge again, sign again.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::NotNext { .. } | Self::WrongPrev { .. } | Self::Fork { .. })
    }
}
