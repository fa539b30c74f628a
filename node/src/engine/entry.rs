//! An entry of the outbox: what it says, where it goes, in which order, and how far it got.

use std::sync::Arc;

use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::limits::APPENDS_IN_FLIGHT;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::LogId;
use serde::{Deserialize, Serialize};

use crate::api::ConversationId;
use crate::api::view::Delivery;

/// What goes first when several entries wait; within a rank, what was written first.
///
/// A group's keys are of its messages' rank while there are few: they are posted before the first
/// message that needs them, and so leave before it. A thousand of them follow it (see
/// [`Self::of_keys`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Rank {
    /// Word that a session was lost: whatever follows is sealed in the new one.
    Anew,
    /// A message to one person.
    Direct,
    /// A message to a group, and what its members need to read it.
    Group,
    /// The same for the many members of a large group, who hold the message meanwhile.
    Spread,
    /// Receipts, requests and the like.
    Rest,
}

impl Rank {
    /// Of keys that go to so many mailboxes: as many as leave at once may go before the message
    /// that needs them; it does not wait for more.
    pub(super) fn of_keys(mailboxes: usize) -> Self {
        if mailboxes > APPENDS_IN_FLIGHT { Self::Spread } else { Self::Group }
    }
}

/// What an entry is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Docket {
    pub(super) log: LogId,
    pub(super) rank: Rank,
    pub(super) created: Timestamp,
    /// A message of a conversation; none for keys, receipts and the like.
    pub(super) chat: Option<Chat>,
    /// Hands over the own key of this group.
    pub(super) key_of: Option<GroupId>,
}

/// A message of a conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chat {
    pub(super) conversation: ConversationId,
    pub(super) message: MessageId,
    /// The author's count.
    pub(super) n: u64,
    pub(super) recipients: Arc<[NodeId]>,
}

/// How far an entry got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The hub has it.
    pub(super) stored: bool,
    /// Recipients, by their place in the list, that have not acknowledged it.
    pub(super) waiting: Vec<u16>,
    /// Only the tail is left.
    pub(super) done: bool,
}

/// One entry.
pub(super) struct Entry {
    pub(super) docket: Docket,
    /// What was sealed, for sealing it again in another session or sending it to one member.
    pub(super) plain: SecretBytes,
    /// None while there is no session to seal it in.
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) progress: Progress,
    /// How often it was sealed since the start: an answer about earlier bytes counts for nothing.
    pub(super) sealing: u32,
}

impl Entry {
    pub(super) fn new(docket: Docket, plain: SecretBytes, sealed: Option<Vec<u8>>) -> Self {
        let recipients = docket.chat.as_ref().map_or(0, |chat| chat.recipients.len());
        let waiting = (0..u16::try_from(recipients).unwrap_or(u16::MAX)).collect();
        let progress = Progress { waiting, ..Progress::default() };
        Self { docket, plain, sealed, progress, sealing: 0 }
    }

    pub(super) fn waits_for(&self, node: &NodeId) -> bool {
        let Some(chat) = &self.docket.chat else { return false };
        let at = chat.recipients.iter().position(|recipient| recipient == node);
        at.is_some_and(|at| self.progress.waiting.iter().any(|w| usize::from(*w) == at))
    }

    pub(super) fn delivery(&self) -> Delivery {
        match (self.progress.done, self.progress.stored) {
            (true, _) => Delivery::Delivered,
            (false, true) => Delivery::Stored,
            (false, false) => Delivery::Queued,
        }
    }

    pub(super) fn is_to_be_sent(&self) -> bool {
        self.sealed.is_some() && !self.progress.stored
    }

    pub(super) fn size(&self) -> usize {
        self.plain.len() + self.sealed.as_ref().map_or(0, Vec::len)
    }

    /// Whose mailbox it goes to.
    pub(super) fn addressee(&self) -> Option<NodeId> {
        match self.docket.log {
            LogId::Mailbox(node) => Some(node),
            LogId::Channel(_) => None,
        }
    }
}
