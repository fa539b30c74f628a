//! What leaves the engine: first [`Changes`] to make durable, then [`Output`]s to carry out.

use core::net::SocketAddr;

use hubbub_shared::content::count::Ranges;
use hubbub_shared::content::{ChatEvent, Past, Signal};
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::{ToHub, ToPeer};

use super::file::order::Order;
use crate::api::view::{Body, Delivery};
use crate::api::{ApiError, ConversationId, Event, Reply};

/// The caller's number for a command; its answer carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something to do once the changes are durable.
#[derive(Debug)]
pub enum Output {
    /// Send a frame to the hub; dropped while the link is down (the engine asks again on link-up).
    Send(ToHub),
    /// Send a frame to a peer on the connection with it; dropped when there is none.
    Peer(NodeId, ToPeer),
    /// Seal this for a peer with [`seal_signal`](super::Engine::seal_signal), and send it if there
    /// is a way.
    Signal(NodeId, Signal),
    /// A peer that is not connected with this node was heard from.
    Near(NodeId),
    /// A command is carried out or refused.
    Answer(Ticket, Result<Reply, ApiError>),
    /// Tell the faces.
    Event(Event),
    /// A message was handed to the history (the runtime makes the event from the stored row, if
    /// the history did not have the message already).
    Stored(MessageKey),
    /// An own message's delivery changed (likewise).
    Moved(MessageKey),
    /// Somebody lacks own messages that may only be in the history: answer with
    /// [`handle_recalled`](super::Engine::handle_recalled).
    Recall(Recall),
    /// Somebody came and is to be told what was said before: answer with
    /// [`handle_gathered`](super::Engine::handle_gathered).
    Gather(Gather),
    /// The hub sees this node's packets come from here. Its word alone, and true for this link
    /// only.
    Observed(SocketAddr),
    /// Have something done with a file, and tell
    /// [`handle_told`](super::Engine::handle_told) what came of it.
    File(Order),
}

/// Texts of a group's history that a newcomer is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Which group.
    pub conversation: ConversationId,
    /// Whom.
    pub newcomer: NodeId,
    /// The entry that let them in.
    pub joined: u64,
    /// Only what came into the history since.
    pub since: Timestamp,
    /// Of the own ones only those up to this count.
    pub upto: u64,
    /// How many own ones at most, the newest.
    pub own: usize,
    /// Of others' only what came until then.
    pub until: Timestamp,
    /// How many of others' at most, the newest.
    pub others: usize,
}

/// A text out of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// Who wrote it.
    pub author: NodeId,
    /// What.
    pub past: Past,
}

/// Own messages asked of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// Where they were written.
    pub conversation: ConversationId,
    /// Who lacks them.
    pub peer: NodeId,
    /// Their counts, rising.
    pub ranges: Ranges,
}

/// An own message out of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// Its count.
    pub n: u64,
    /// Its id.
    pub id: MessageId,
    /// The id of the own message before it in its era; [`NO_MESSAGE`] for the first.
    ///
    /// [`NO_MESSAGE`]: hubbub_shared::content::group_plain::NO_MESSAGE
    pub prev: MessageId,
    /// When it was written.
    pub sent_at: Timestamp,
    /// What it says.
    pub body: Body,
    /// For a file: all that it says, its key included.
    pub attached: Option<ChatEvent>,
    /// Whom it was for.
    pub recipients: Vec<NodeId>,
}

/// What names a message: others choose their ids, so an id alone could be squatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey {
    /// Where.
    pub conversation: ConversationId,
    /// Who wrote it.
    pub sender: NodeId,
    /// Which of theirs.
    pub id: MessageId,
}

/// A table of the engine's own records. What a record holds is the engine's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One record: own nickname, counters, store id of the hub.
    Own,
    /// Prekey secrets: one record.
    Prekeys,
    /// Contacts by node id.
    Contact,
    /// Sessions by peer and session id.
    Session,
    /// Groups by group id.
    Group,
    /// Control entries by group id and number.
    Control,
    /// Own sender chains by group id and chain id.
    Outbound,
    /// Others' sender chains by group id, sender and chain id.
    Inbound,
    /// Sealed envelopes not yet acknowledged by everyone, by running number.
    Outbox,
    /// Arrived envelopes waiting for a key, by running number.
    Held,
    /// Told of groups this node does not know itself to be in, by running number.
    Early,
    /// Cursors: last number taken from each log.
    Cursor,
    /// What strangers have said, by node id.
    Request,
    /// Pictures of contacts and our own, by node id.
    Picture,
    /// What happened to contacts' names and keys, by node id.
    Past,
    /// Files offered to us and by us, by running number.
    File,
}

/// A change to the engine's records.
pub enum RecordChange {
    /// Insert or replace.
    Put(Table, Vec<u8>, SecretBytes),
    /// Remove.
    Delete(Table, Vec<u8>),
}

impl RecordChange {
    /// Whether it may change who is known, and as what.
    #[must_use]
    pub fn is_of_people(&self) -> bool {
        let (Self::Put(table, ..) | Self::Delete(table, _)) = self;
        matches!(table, Table::Contact | Table::Group | Table::Control)
    }
}

/// A change to the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryChange {
    /// A message; ignored when one of the same [`MessageKey`] is there.
    Insert(StoredMessage),
    /// What a message of a file says besides its body, its key included. Nothing without such a
    /// message, or where it is kept already.
    Attach(MessageKey, ChatEvent),
    /// How far an own message got for one recipient; never goes back.
    Progress {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// For whom.
        recipient: NodeId,
        /// How far.
        delivery: Delivery,
        /// When.
        at: Timestamp,
        /// Why it is stuck, when it is.
        stuck: Option<String>,
    },
    /// Everything there so far has been seen.
    Read(ConversationId),
    /// Messages are proven to be missing: a line each, which an [`Self::Insert`] with its count
    /// fills in. Nothing where there is a line of this count.
    Missing {
        /// Where.
        conversation: ConversationId,
        /// Whose.
        author: NodeId,
        /// The first count missing.
        from: u64,
        /// The last one.
        to: u64,
        /// When that was noticed.
        at: Timestamp,
    },
    /// What was thought to be missing was never meant for this device: the lines go.
    Void {
        /// Where.
        conversation: ConversationId,
        /// Whose.
        author: NodeId,
        /// The counts.
        ranges: Ranges,
    },
    /// An own message has another count now.
    Renumber {
        /// Where.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
        /// Its count.
        number: u64,
    },
    /// Somebody told what was said before this node belonged: a line beside the history, unless the
    /// message is part of it. There are at most [`PAST_MAX`](super::PAST_MAX) of a conversation and
    /// [`PAST_BY_ONE`](super::PAST_BY_ONE) by one teller; [`merged`](super::merged) says what
    /// becomes of one that is there.
    Past(PastLine),
}

/// A line of the past as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastLine {
    /// Where.
    pub conversation: ConversationId,
    /// Who is said to have written it.
    pub author: NodeId,
    /// Which of theirs.
    pub id: MessageId,
    /// The author's count.
    pub number: u64,
    /// When.
    pub sent_at: Timestamp,
    /// What.
    pub text: String,
    /// Who says so; none when the author's own node does.
    pub told_by: Option<NodeId>,
    /// Who told otherwise than the author.
    pub otherwise: Option<NodeId>,
}

/// A message as the history keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: NodeId,
    /// The author's counter in this conversation; 0 for notices.
    pub number: u64,
    /// When the author says.
    pub sent_at: Timestamp,
    /// When it came.
    pub received_at: Timestamp,
    /// What it says. Notices keep people by node id with the name they had.
    pub body: Body,
    /// Own messages: the recipients it is for.
    pub recipients: Vec<NodeId>,
}

/// What the line is called that stands for a missing message, by the message's count.
#[must_use]
pub fn missing_id(number: u64) -> MessageId {
    let mut id = [0xff; 16];
    if let Some(count) = id.last_chunk_mut() {
        *count = number.to_be_bytes();
    }
    MessageId(id)
}

impl StoredMessage {
    /// Its name.
    #[must_use]
    pub fn key(&self) -> MessageKey {
        MessageKey { conversation: self.conversation, sender: self.sender, id: self.id }
    }
}

/// Everything one or several inputs changed: one transaction.
#[derive(Default)]
pub struct Changes {
    /// The engine's records.
    pub records: Vec<RecordChange>,
    /// The history.
    pub history: Vec<HistoryChange>,
}

impl Changes {
    /// Nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.history.is_empty()
    }
}

/// All records as the store gives them back at start.
pub type Loaded = Vec<(Table, Vec<u8>, SecretBytes)>;
