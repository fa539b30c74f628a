//! Frames a hub sends to a node (PROTOCOL.md, Frames from hub to node).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::codec::{self, DecodeError};
use super::log::LogId;
use super::refusal::{Refusal, RefusalCode};
use crate::id::{GroupId, HubId, NodeId};
use crate::limits::{CONTROL_PAGE_ENTRIES, DELIVER_PAGE_ITEMS, KEEPERS_MAX};
use crate::time::Timestamp;

/// Everything a hub can say to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromHub {
    /// The hello was accepted; deliveries start.
    Welcome(Welcome),
    /// The connection ends, and why.
    Bye(Bye),
    /// A question was carried out and has no other answer.
    Done(Done),
    /// A question was refused.
    Refused(Refused),
    /// Answer to a lookup or a who-is: a signed claim.
    Found(Found),
    /// Answer to a bundle request.
    Bundle(Bundle),
    /// An append is durable at the hub.
    Appended(Appended),
    /// A page of a group's control log.
    ControlPage(ControlPage),
    /// Entries of a log, in order, each once per connection.
    Deliver(Deliver),
    /// One-time prekeys are running out.
    PrekeysLow(PrekeysLow),
    /// Answer to a find-room: whom to ask.
    Room(Room),
    /// Where the hub sees this node's packets come from.
    Observed(Observed),
}

/// Body of [`FromHub::Welcome`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// The version spoken on this connection.
    pub version: u8,
    /// The hub's identity: must be the pinned one.
    pub hub: HubId,
    /// Random number of the hub's store; a new one means that it lost what it held.
    pub store: ByteBuf,
    /// The hub's clock, for telling the user that theirs is off.
    pub now: Timestamp,
    /// This node's nickname here, prepared.
    pub nickname: Option<String>,
    /// The open lobby.
    pub lobby: GroupId,
    /// One-time prekeys the hub has for this node.
    pub prekeys_left: u32,
    /// The beacon this node left last; none when it has left none in this store.
    pub beacon: Option<ByteBuf>,
    /// Envelopes this node has sent since it left the beacon, refused ones too.
    pub appends: u64,
    /// Up to which number this node has acknowledged its mailbox.
    pub mailbox: u64,
}

/// Body of [`FromHub::Bye`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bye {
    /// Why the connection ends.
    pub code: RefusalCode,
}

/// Body of [`FromHub::Done`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The question answered.
    pub req: u32,
}

/// Body of [`FromHub::Refused`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The question answered.
    pub req: u32,
    /// Why not.
    pub refusal: Refusal,
}

/// Body of [`FromHub::Found`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The question answered.
    pub req: u32,
    /// A signed nickname claim; the node checks it, the hub's word counts for nothing.
    pub claim: ByteBuf,
}

/// Body of [`FromHub::Bundle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The question answered.
    pub req: u32,
    /// Whose it is said to be; the node checks every signature under the key it asked for.
    pub node: NodeId,
    /// Signed identity statement.
    pub identity: ByteBuf,
    /// Signed prekey.
    pub signed_prekey: ByteBuf,
    /// One signed one-time prekey, while the hub has any.
    pub one_time: Option<ByteBuf>,
}

/// Body of [`FromHub::Appended`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appended {
    /// The question answered.
    pub req: u32,
    /// The entry's number in its log, from 1.
    pub seq: u64,
}

/// Body of [`FromHub::ControlPage`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPage {
    /// The question answered.
    pub req: u32,
    /// The group.
    pub group: GroupId,
    /// Number of the first entry here.
    pub from: u64,
    /// Signed entries in order.
    #[serde(deserialize_with = "codec::at_most::<CONTROL_PAGE_ENTRIES, _, _>")]
    pub entries: Vec<ByteBuf>,
    /// How many entries the hub has in all.
    pub total: u64,
}

/// What a log entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum ItemKind {
    /// A sealed envelope.
    Envelope,
    /// A control entry of the channel's group.
    Control,
}

impl From<ItemKind> for u8 {
    fn from(kind: ItemKind) -> Self {
        match kind {
            ItemKind::Envelope => 0,
            ItemKind::Control => 1,
        }
    }
}

impl TryFrom<u8> for ItemKind {
    type Error = &'static str;
    fn try_from(byte: u8) -> Result<Self, Self::Error> {
        match byte {
            0 => Ok(Self::Envelope),
            1 => Ok(Self::Control),
            _ => Err("a log entry is an envelope (0) or a control entry (1)"),
        }
    }
}

/// One entry of a log as delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its number in the log, from 1, rising, with holes where entries were forgotten.
    pub seq: u64,
    /// What it is.
    pub kind: ItemKind,
    /// When the hub received it, by the hub's clock.
    pub at: Timestamp,
    /// Which connection it came in on: a hint for repairing sessions, never who wrote it.
    pub from: NodeId,
    /// The bytes as appended.
    pub bytes: ByteBuf,
}

/// Body of [`FromHub::Deliver`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deliver {
    /// Which log.
    pub log: LogId,
    /// Entries in rising order.
    #[serde(deserialize_with = "codec::at_most::<DELIVER_PAGE_ITEMS, _, _>")]
    pub items: Vec<Item>,
}

/// Body of [`FromHub::PrekeysLow`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrekeysLow {
    /// How many are left.
    pub left: u32,
}

/// Body of [`FromHub::Room`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// The question answered.
    pub req: u32,
    /// The group.
    pub group: GroupId,
    /// Whether its passphrase lets people in.
    pub passphrase: bool,
    /// Whether it may be asked without.
    pub requests: bool,
    /// Members who may let people in, those connected first. The hub's word alone: what they can
    /// do is proven by them.
    #[serde(deserialize_with = "codec::at_most::<KEEPERS_MAX, _, _>")]
    pub keepers: Vec<NodeId>,
}

/// Body of [`FromHub::Observed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// The node's UDP address as [`address`](super::address) encodes it, 6 or 18 bytes: a hint for
    /// being reached there, which whoever is on the way can have changed.
    pub address: ByteBuf,
}

impl FromHub {
    /// The frame's type byte (PROTOCOL.md, Frames from hub to node).
    #[must_use]
    pub fn type_byte(&self) -> u8 {
        match self {
            Self::Welcome(_) => 1,
            Self::Bye(_) => 2,
            Self::Done(_) => 3,
            Self::Refused(_) => 4,
            Self::Found(_) => 5,
            Self::Bundle(_) => 6,
            Self::Appended(_) => 7,
            Self::ControlPage(_) => 8,
            Self::Deliver(_) => 9,
            Self::PrekeysLow(_) => 10,
            Self::Room(_) => 11,
            Self::Observed(_) => 12,
        }
    }

    /// The whole frame: header and body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kind = self.type_byte();
        match self {
            Self::Welcome(body) => codec::frame(kind, body),
            Self::Bye(body) => codec::frame(kind, body),
            Self::Done(body) => codec::frame(kind, body),
            Self::Refused(body) => codec::frame(kind, body),
            Self::Found(body) => codec::frame(kind, body),
            Self::Bundle(body) => codec::frame(kind, body),
            Self::Appended(body) => codec::frame(kind, body),
            Self::ControlPage(body) => codec::frame(kind, body),
            Self::Deliver(body) => codec::frame(kind, body),
            Self::PrekeysLow(body) => codec::frame(kind, body),
            Self::Room(body) => codec::frame(kind, body),
            Self::Observed(body) => codec::frame(kind, body),
        }
    }

    /// Reads a frame from its type byte and body.
    ///
    /// # Errors
    /// [`DecodeError`] when the type is unknown or the body is not exactly one such array.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Self, DecodeError> {
        Ok(match kind {
            1 => Self::Welcome(codec::decode(body)?),
            2 => Self::Bye(codec::decode(body)?),
            3 => Self::Done(codec::decode(body)?),
            4 => Self::Refused(codec::decode(body)?),
            5 => Self::Found(codec::decode(body)?),
            6 => Self::Bundle(codec::decode(body)?),
            7 => Self::Appended(codec::decode(body)?),
            8 => Self::ControlPage(codec::decode(body)?),
            9 => Self::Deliver(codec::decode(body)?),
            10 => Self::PrekeysLow(codec::decode(body)?),
            11 => Self::Room(codec::decode(body)?),
            12 => Self::Observed(codec::decode(body)?),
            _ => return Err(DecodeError::UnknownType(kind)),
        })
    }
}
