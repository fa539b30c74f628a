//! What a node tells its faces as it happens.

use serde::{Deserialize, Serialize};

use super::command::MessageText;
use super::conversation::ConversationId;
use super::file::FileView;
use super::view::{Delivery, LinkState, MessageView, PersonView};

/// Something happened. Sent only after it is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A message (own, received, or a notice) is now part of the history.
    Message(Box<MessageView>),
    /// Lines that stood for missing messages are no longer part of the history: these messages were
    /// never meant for this device.
    Gone {
        /// Where.
        conversation: ConversationId,
        /// The lines.
        messages: Vec<MessageText>,
    },
    /// More was told of what was said in a group before this node came: look again.
    Past {
        /// Where.
        conversation: ConversationId,
    },
    /// An own message got further.
    Delivery {
        /// Which.
        message: MessageText,
        /// Where.
        conversation: ConversationId,
        /// How far, for the slowest recipient.
        delivery: Delivery,
        /// How many recipients have it, of how many.
        reached: (u32, u32),
    },
    /// It is otherwise with a file than before, or it got further.
    File(Box<FileView>),
    /// Name, topic, members, unread count or activity of a conversation changed: look again.
    ConversationChanged {
        /// Which.
        conversation: ConversationId,
    },
    /// Somebody asks to be let into a group where this node's person may let people in.
    JoinRequested {
        /// Where.
        conversation: ConversationId,
        /// Who.
        person: PersonView,
    },
    /// Somebody is writing there, or was within the last few seconds.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Who.
        person: PersonView,
    },
    /// A contact's name, status or verification changed: look again.
    ContactsChanged,
    /// A stranger asks to be let in or into whose group we come, or such a request is gone: look
    /// again.
    RequestsChanged,
    /// The hub link changed.
    Link(LinkState),
    /// Something people should know that belongs to no conversation.
    Warning {
        /// Stable code.
        reason: String,
        /// For people.
        explanation: String,
    },
    /// This subscriber was too slow and missed this many events: look again.
    Missed(u64),
}
