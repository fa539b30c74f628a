//! Why a hub said no (PROTOCOL.md, Refusals).
//!
//! A code for programs; the words for people are made where the people are.

use serde::{Deserialize, Serialize};

use super::codes::codes;
use crate::id::NodeId;
use crate::time::Millis;

/// A refusal: the code, whom it concerns, when asking again makes sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// Whose mailbox is full, whose cursor holds the channel back, and the like.
    pub about: Option<NodeId>,
    /// Ask again no sooner than this.
    pub retry_after: Option<Millis>,
}

impl RefusalCode {
    /// A refusal that concerns nobody in particular.
    #[must_use]
    pub fn plain(self) -> Refusal {
        Refusal { code: self, about: None, retry_after: None }
    }
}

codes! {
    /// Why a hub refuses; numbers never change meaning.
    RefusalCode {
        /// The frame could not be read, or came at the wrong time.
        1 => BadFrame,
        /// No common protocol version.
        2 => WrongVersion,
        /// The proof of identity does not hold for this connection.
        3 => BadProof,
        /// This hub is closed and the hello carried no invite.
        4 => NotAdmitted,
        /// No such invite, or one that was revoked.
        5 => InviteUnknown,
        /// The invite's time is over.
        6 => InviteExpired,
        /// The invite's uses are used up.
        7 => InviteUsedUp,
        /// Another connection of the same identity took over.
        8 => Replaced,
        /// The hub is stopping; reconnect soon.
        9 => Stopping,
        /// Another identity holds this nickname.
        20 => NicknameTaken,
        /// Too like a nickname somebody holds.
        21 => NicknameLooksAlike,
        /// Not a nickname: empty, too long, or with characters that are not allowed.
        22 => NicknameInvalid,
        /// The claim's signature or number is wrong.
        23 => BadClaim,
        /// Nobody here has that name or key.
        24 => Unknown,
        /// The peer has published no prekeys yet.
        25 => NoPrekeys,
        /// The log is full; `about` names the reader who holds it back.
        40 => Full,
        /// Not a reader or member there.
        41 => NotAMember,
        /// No such group.
        42 => NoSuchGroup,
        /// Another control entry came first: read on and sign again.
        43 => Stale,
        /// The control entry breaks the group's rules.
        44 => BadControl,
        /// Larger than the limit.
        45 => TooLarge,
        /// Too many, too fast; see `retry_after`.
        46 => TooFast,
        /// The hub cannot store just now (disk full or failing).
        47 => StoreFailing,
        /// The one asked for is not connected (streams and datagrams).
        48 => NotConnected,
    }
}
