//! What a face looks at: snapshots of plain data.

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::command::MessageText;
use super::conversation::ConversationId;
use super::error::Code;
use super::file::FileBody;
use super::group::SettingsChange;

/// How far a message has got, for the slowest of its recipients.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Durable here.
    #[default]
    Queued,
    /// Durable at the hub.
    Stored,
    /// Durable on the recipient's device.
    Delivered,
    /// The recipient has seen it (if they share that).
    Read,
}

/// A member's role in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Speaks and listens.
    Member,
    /// Adds and removes members, renames.
    Admin,
    /// All of it.
    Owner,
}

/// One line of the conversation list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationView {
    /// Which.
    pub id: ConversationId,
    /// What to call it.
    pub title: String,
    /// What kind it is.
    pub kind: ConversationKind,
    /// The group's topic, empty for none.
    pub topic: String,
    /// Messages not yet read.
    pub unread: u64,
    /// When something last happened.
    pub last_at: Timestamp,
    /// The last message in one line, if any.
    pub last: Option<String>,
    /// Members (2 for a direct conversation).
    pub members: u32,
    /// False after leaving or being removed: history stays, sending does not.
    pub active: bool,
    /// Own messages here that are not yet delivered to everyone.
    pub undelivered: u64,
}

/// What kind of conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Two people.
    Direct,
    /// A closed group: its admins let people in.
    Group,
    /// The hub's open lobby: readable by whoever the hub admits.
    Lobby,
}

/// One message, or one line of what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Its id, the same on every device.
    pub id: MessageText,
    /// Where.
    pub conversation: ConversationId,
    /// This device's running number for it, rising in the order shown; the cursor for `--since`.
    pub order: u64,
    /// Who wrote it.
    pub sender: PersonView,
    /// When the author says it was sent.
    pub sent_at: Timestamp,
    /// When it arrived here.
    pub received_at: Timestamp,
    /// What it says.
    pub body: Body,
    /// Whether this node wrote it.
    pub own: bool,
    /// For own messages: how far it got.
    pub delivery: Option<Delivery>,
    /// For own messages: how many of the recipients have it, and how many there are.
    pub reached: Option<(u32, u32)>,
}

/// A text from before this node came to a group, as a member told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastView {
    /// Its id, the same on every device.
    pub id: MessageText,
    /// Where.
    pub conversation: ConversationId,
    /// This device's running number for it; what is told later may stand before it.
    pub order: u64,
    /// Who wrote it.
    pub author: PersonView,
    /// When, by the author's clock.
    pub sent_at: Timestamp,
    /// What.
    pub text: String,
    /// Who says so; none when the author's own device does.
    pub told_by: Option<PersonView>,
    /// Who told otherwise than the author's device: with `told_by` none, the text is the author's;
    /// else the author's device has something else in this place.
    pub contradicted: Option<PersonView>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// What a person wrote.
    Text(String),
    /// A file that a person offers.
    File(Box<FileBody>),
    /// What happened to the group or the connection between people.
    Notice(Notice),
    /// Sent by a newer version: needs an update to be shown.
    Unsupported,
    /// The author wrote something here that has not come: it was asked for, and takes this line's
    /// place when it comes.
    Missing,
}

/// Something that happened in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The group was founded.
    Created,
    /// Somebody was added by the sender of the notice.
    Added(PersonView),
    /// Somebody came in by themselves.
    Joined(PersonView),
    /// Somebody came in by a link that the second one made.
    JoinedBy(PersonView, PersonView),
    /// The sender of the notice keeps somebody out from now on.
    Banned(PersonView),
    /// The sender of the notice ended a ban.
    Unbanned(PersonView),
    /// The sender of the notice changed what the group allows.
    Set(SettingsChange),
    /// The sender of the notice made an invite link for so many.
    LinkMade(u16),
    /// The sender of the notice made an invite link worthless.
    LinkRevoked,
    /// Somebody was removed by the sender of the notice.
    Removed(PersonView),
    /// Somebody left.
    Left(PersonView),
    /// Somebody's role changed.
    RoleChanged(PersonView, Role),
    /// Name or topic changed.
    Described {
        /// Name now.
        name: String,
        /// Topic now.
        topic: String,
    },
    /// Something arrived that was refused: tampering, or a broken rule. Stable reason code and
    /// words.
    Refused {
        /// Stable code.
        reason: String,
        /// For people.
        explanation: String,
    },
}

/// A person as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonView {
    /// Their key, as text.
    pub node: NodeText,
    /// Nickname, or the key's short form while unknown.
    pub name: String,
    /// Safety number compared.
    pub verified: bool,
}

/// A node id as text: base32 of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeText(pub NodeId);

impl From<NodeText> for String {
    fn from(id: NodeText) -> Self {
        id.0.to_text()
    }
}

impl TryFrom<String> for NodeText {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        NodeId::from_text(&text).map(Self).ok_or("a node id is 52 letters of base32")
    }
}

/// One contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactView {
    /// Who.
    pub person: PersonView,
    /// What they like to be called, empty for nothing. It proves nothing: shown beside the
    /// nickname, never instead of it.
    pub display_name: String,
    /// Their status text, empty for none.
    pub status: String,
    /// Known since.
    pub since: Timestamp,
    /// How bytes reach them now.
    pub path: Path,
    /// When their device was last heard from, if both share that. Within two minutes they count as
    /// active now.
    pub last_heard: Option<Timestamp>,
    /// Whether there is a picture of them.
    pub has_picture: bool,
    /// Whether they are blocked.
    pub blocked: bool,
    /// Other keys known here under their name, or under one that looks like it.
    pub namesakes: Vec<NodeText>,
}

/// How bytes reach a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// A connection of our own.
    Direct,
    /// Through the hub, live.
    Relay,
    /// Waiting in a log, or here.
    Stored,
}

/// How a peer is reached, and what becomes of reaching it directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathView {
    /// Who.
    pub person: PersonView,
    /// How bytes reach them now.
    pub path: Path,
    /// Since when there is a direct connection, while there is one.
    pub direct_since: Option<Timestamp>,
    /// Round trip of the direct connection in milliseconds, while there is one.
    pub rtt_ms: Option<u32>,
    /// Round trip to the hub, which passes on what is relayed; how far they are from it, nobody
    /// here knows.
    pub hub_rtt_ms: Option<u32>,
    /// Where its other end is.
    pub address: Option<String>,
    /// Whether both share when they are there.
    pub presence: bool,
    /// When their device was last heard from since this node started, if both share that.
    pub last_heard: Option<Timestamp>,
    /// Whether a direct connection is being made just now, if both share when they are there.
    pub trying: bool,
    /// Why there is none: what is in the way here, or, if both share when they are there, why the
    /// last attempt came to nothing.
    pub why_not: Option<String>,
    /// When the next one is made, if the two are in touch then and share that.
    pub next_try: Option<Timestamp>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// What.
    pub what: String,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub todo: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Good,
    /// Works, and could be better.
    Fair,
    /// Does not work.
    Bad,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// Who.
    pub person: PersonView,
    /// As what.
    pub role: Role,
}

/// One recipient's line in a message's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientView {
    /// Who.
    pub person: PersonView,
    /// How far.
    pub delivery: Delivery,
    /// Since when.
    pub at: Timestamp,
    /// Why it is stuck, when it is.
    pub stuck: Option<String>,
}

/// This node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoamiView {
    /// Our key.
    pub node: NodeText,
    /// Our nickname, once claimed.
    pub nickname: Option<String>,
    /// What we like to be called, empty for nothing.
    pub display_name: String,
    /// Our status text.
    pub status: String,
    /// Whether there is a picture of us.
    pub has_picture: bool,
    /// The hub's key, as text.
    pub hub: String,
    /// Where the hub is looked for.
    pub addresses: Vec<String>,
    /// The profile's folder.
    pub profile: String,
}

/// State of the hub link and of what waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The link.
    pub link: LinkState,
    /// Own messages not yet at the hub.
    pub unsent: u64,
    /// Own messages at the hub but not yet on every device.
    pub undelivered: u64,
    /// Arrived messages waiting for a key.
    pub waiting_for_keys: u64,
    /// Groups in which not every member can have this node's key yet.
    pub spreading: Vec<SpreadView>,
    /// Refusals since the start, by stable reason code.
    pub refused: Vec<(String, u64)>,
}

/// How far this node's key has spread in a group. Messages do not wait for it: whoever has the
/// message first holds it until the key comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpreadView {
    /// The group.
    pub conversation: ConversationId,
    /// What to call it.
    pub title: String,
    /// Members whose key is not at the hub yet.
    pub left: u64,
    /// Members it is for.
    pub of: u64,
}

/// The hub link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Trying.
    Connecting,
    /// Up: since when, round-trip time in milliseconds.
    Up {
        /// Since.
        since: Timestamp,
        /// Milliseconds.
        rtt_ms: u32,
    },
    /// Down: why, and when the next try is.
    Down {
        /// For programs.
        code: Code,
        /// In words, with what to try.
        why: String,
        /// Next try, if there will be one.
        retry_at: Option<Timestamp>,
    },
}

/// The safety number of two people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyView {
    /// With whom.
    pub person: PersonView,
    /// Twelve groups of five digits, the same on both devices.
    pub number: String,
    /// The same as twelve words.
    pub words: String,
    /// The QR code's bytes, as hex.
    pub qr: String,
}
