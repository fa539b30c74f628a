//! Why a control entry was refused: one variant per rule, each with a stable word for programs.

use crate::crypto::BadSignature;
use crate::group::roster::Role;
use crate::id::{GroupId, Head, NodeId};
use crate::limits::{
    CONTROL_ENTRIES_MAX, CONTROL_ENTRY_MAX, INVITES_MAX, MEMBERS_MAX, NICKNAME_BYTES,
};
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
    /// A group keeps an owner.
    #[error("is the only owner; make somebody else owner first")]
    LastOwner,
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
    /// Lets in, or bans again, somebody who is kept out.
    #[error("{0} is banned from this group")]
    Banned(NodeId),
    /// Ends a ban that does not exist.
    #[error("{0} is not banned from this group")]
    NotBanned(NodeId),
    /// The link was never made, is over, was revoked, or its maker may let nobody in any more.
    #[error("this invite is not good, or not any more; ask for a new one")]
    NoInvite,
    /// The link's key, uses or proof are wrong.
    #[error("the invite's key or proof is wrong")]
    BadInvite,
    /// As many links as may be good at once.
    #[error("the group has {INVITES_MAX} invites that are good; revoke one first")]
    InvitesFull,
    /// Settings that cannot be.
    #[error("these settings cannot be: a public name has 1 to {NICKNAME_BYTES} bytes")]
    BadSettings,
    /// Names an account: people with several devices come in a later version.
    #[error("the entry names an account and needs a newer version of this program")]
    UnknownAccount,
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
            Self::Banned(_) => "banned",
            Self::NotBanned(_) => "not-banned",
            Self::NoInvite => "no-invite",
            Self::BadInvite => "bad-invite",
            Self::InvitesFull => "invites-full",
            Self::BadSettings => "bad-settings",
            Self::UnknownAccount => "unknown-account",
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
