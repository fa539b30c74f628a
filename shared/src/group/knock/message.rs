//! What joiner and keeper tell each other inside their session.
//!
//! All of it is public to whoever reads it: no guess can be tested with it. Its bytes are written
//! in [`crate::content`].

use unicode_normalization::is_nfc;

use crate::crypto::cpace::Share;
use crate::id::{GroupId, KnockId};
use crate::limits::TITLE_MAX;

/// Asks a keeper to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Where.
    pub gid: GroupId,
    /// Which knock.
    pub sid: KnockId,
    /// On what ground.
    pub how: How,
}

/// On what ground somebody asks to be let in. On the wire: 1 passphrase, 2 request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Knows the passphrase.
    Passphrase {
        /// The joiner's share.
        ya: Share,
    },
    /// Asks a person to decide.
    Request {
        /// Words for that person: at most [`TITLE_MAX`] bytes, composed (NFC); may
        /// be empty.
        note: String,
    },
}

impl How {
    /// Whether these words may go with a request.
    #[must_use]
    pub fn is_note(note: &str) -> bool {
        note.len() <= TITLE_MAX && is_nfc(note)
    }
}

/// A keeper's answer to a knock with a passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnockAnswer {
    /// Where.
    pub gid: GroupId,
    /// Which knock.
    pub sid: KnockId,
    /// The keeper's share.
    pub yb: Share,
    /// Shows that the keeper knows the passphrase, if the joiner does.
    pub tag: [u8; 32],
}

/// Shows the keeper that the joiner knows the passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnockProof {
    /// Where.
    pub gid: GroupId,
    /// Which knock.
    pub sid: KnockId,
    /// The proof.
    pub tag: [u8; 32],
}

/// A keeper does not let somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnockRefused {
    /// Where.
    pub gid: GroupId,
    /// Which knock.
    pub sid: KnockId,
    /// Why.
    pub reason: Reason,
}

/// Why a keeper refuses; numbers never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// 1: too many knocks that no proof followed, lately or in all.
    Locked,
    /// 2: this group lets nobody in that way, or not by this keeper.
    NotOpen,
    /// 3: a person said no, or the proof was wrong.
    Declined,
    /// 4: the joiner belongs to the group.
    AlreadyMember,
    /// 5: the group keeps the joiner out.
    Banned,
    /// A reason of a newer keeper: a refusal all the same.
    Other(u8),
}

impl From<u8> for Reason {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::Locked,
            2 => Self::NotOpen,
            3 => Self::Declined,
            4 => Self::AlreadyMember,
            5 => Self::Banned,
            other => Self::Other(other),
        }
    }
}

impl From<Reason> for u8 {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Locked => 1,
            Reason::NotOpen => 2,
            Reason::Declined => 3,
            Reason::AlreadyMember => 4,
            Reason::Banned => 5,
            Reason::Other(code) => code,
        }
    }
}

impl Reason {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::NotOpen => "not-open",
            Self::Declined => "declined",
            Self::AlreadyMember => "already-member",
            Self::Banned => "banned",
            Self::Other(_) => "refused",
        }
    }
}
