//! Frames a node sends to its hub (PROTOCOL.md, Frames from node to hub).
//!
//! A frame's body is one MessagePack array, its fields in the order written here. `req` is the
//! node's own number for a question; the answer carries it back.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::codec::{self, DecodeError};
use super::log::LogId;
use crate::id::{GroupId, NodeId, Signature};
use crate::limits::ONE_TIME_PREKEYS;

/// The first frame on a connection: who this is, proven for this very connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Highest protocol version spoken.
    pub version: u8,
    /// Lowest protocol version spoken.
    pub min_version: u8,
    /// The identity being claimed.
    pub node: NodeId,
    /// Signature over hub id, the TLS exporter and `node` (PROTOCOL.md, Link handshake).
    pub proof: Signature,
    /// The invite's token (16 bytes), when this identity is not admitted yet.
    pub admission: Option<ByteBuf>,
}

/// Everything a node can say to a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToHub {
    /// Prove identity; only ever the first frame.
    Hello(Hello),
    /// Claim or renew a nickname with a signed claim.
    Claim(Claim),
    /// Ask whom a nickname names.
    Lookup(Lookup),
    /// Ask what a node calls itself.
    WhoIs(WhoIs),
    /// Publish identity statement, signed prekey and fresh one-time prekeys.
    PutPrekeys(PutPrekeys),
    /// Take a peer's prekey bundle, using up one of its one-time prekeys.
    TakeBundle(TakeBundle),
    /// Append a sealed envelope to a log.
    Append(Append),
    /// Append a signed entry to a group's control log; entry 0 creates the group.
    AppendControl(AppendControl),
    /// Read a group's control log.
    ReadControl(ReadControl),
    /// Everything up to `upto` in this log is durable here: the cursor may move. Has no answer.
    Ack(Ack),
    /// Leave a beacon for this node's next connection.
    PutBeacon(PutBeacon),
    /// Ask whom to ask about being let into a group.
    FindRoom(FindRoom),
}

/// Body of [`ToHub::Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Question number.
    pub req: u32,
    /// A signed nickname claim.
    pub claim: ByteBuf,
}

/// Body of [`ToHub::Lookup`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// Question number.
    pub req: u32,
    /// The nickname as typed; the hub prepares it the same way claims are.
    pub nickname: String,
}

/// Body of [`ToHub::WhoIs`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoIs {
    /// Question number.
    pub req: u32,
    /// The node asked about.
    pub node: NodeId,
}

/// Body of [`ToHub::PutPrekeys`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutPrekeys {
    /// Question number.
    pub req: u32,
    /// Signed identity statement.
    pub identity: ByteBuf,
    /// Signed prekey in force.
    pub signed_prekey: ByteBuf,
    /// New one-time prekeys (number, signed statement), added to those the hub still has.
    #[serde(deserialize_with = "codec::at_most::<{ 2 * ONE_TIME_PREKEYS }, _, _>")]
    pub one_time: Vec<(u32, ByteBuf)>,
    /// Forget all one-time prekeys from before: this node no longer has their secrets.
    pub replace: bool,
}

/// Body of [`ToHub::TakeBundle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeBundle {
    /// Question number.
    pub req: u32,
    /// Whose bundle.
    pub node: NodeId,
}

/// Body of [`ToHub::Append`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Append {
    /// Question number.
    pub req: u32,
    /// Where to.
    pub log: LogId,
    /// The sealed envelope. Appending the same bytes again is answered with the first number.
    pub envelope: ByteBuf,
}

/// Body of [`ToHub::AppendControl`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppendControl {
    /// Question number.
    pub req: u32,
    /// The group; for entry 0 the hash of that entry.
    pub group: GroupId,
    /// The signed entry.
    pub entry: ByteBuf,
}

/// Body of [`ToHub::ReadControl`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadControl {
    /// Question number.
    pub req: u32,
    /// The group.
    pub group: GroupId,
    /// Number of the first entry wanted.
    pub from: u64,
    /// What entitles somebody who is no member: an invite link of the group.
    pub pass: Option<Pass>,
}

/// Proof that a node holds an invite link: what its `UseInvite` entry will say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pass {
    /// The link's public key.
    pub key: NodeId,
    /// By the link's secret half, over group, link and node.
    pub proof: Signature,
}

/// Body of [`ToHub::FindRoom`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindRoom {
    /// Question number.
    pub req: u32,
    /// The group's public name as typed; this or `group`, not both.
    pub alias: Option<String>,
    /// The group's id, from a link.
    pub group: Option<GroupId>,
}

/// Body of [`ToHub::Ack`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// Which log.
    pub log: LogId,
    /// Last number that is durable at this reader.
    pub upto: u64,
}

/// Body of [`ToHub::PutBeacon`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutBeacon {
    /// Question number.
    pub req: u32,
    /// A signed [`crate::beacon::Beacon`]; the hub gives it back as it is.
    pub beacon: ByteBuf,
}

impl ToHub {
    /// The frame's type byte (PROTOCOL.md, Frames from node to hub).
    #[must_use]
    pub fn type_byte(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Claim(_) => 2,
            Self::Lookup(_) => 3,
            Self::WhoIs(_) => 4,
            Self::PutPrekeys(_) => 5,
            Self::TakeBundle(_) => 6,
            Self::Append(_) => 7,
            Self::AppendControl(_) => 8,
            Self::ReadControl(_) => 9,
            Self::Ack(_) => 10,
            Self::PutBeacon(_) => 11,
            Self::FindRoom(_) => 12,
        }
    }

    /// The whole frame: header and body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kind = self.type_byte();
        match self {
            Self::Hello(body) => codec::frame(kind, body),
            Self::Claim(body) => codec::frame(kind, body),
            Self::Lookup(body) => codec::frame(kind, body),
            Self::WhoIs(body) => codec::frame(kind, body),
            Self::PutPrekeys(body) => codec::frame(kind, body),
            Self::TakeBundle(body) => codec::frame(kind, body),
            Self::Append(body) => codec::frame(kind, body),
            Self::AppendControl(body) => codec::frame(kind, body),
            Self::ReadControl(body) => codec::frame(kind, body),
            Self::Ack(body) => codec::frame(kind, body),
            Self::PutBeacon(body) => codec::frame(kind, body),
            Self::FindRoom(body) => codec::frame(kind, body),
        }
    }

    /// Reads a frame from its type byte and body.
    ///
    /// # Errors
    /// [`DecodeError`] when the type is unknown or the body is not exactly one such array.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Self, DecodeError> {
        Ok(match kind {
            1 => Self::Hello(codec::decode(body)?),
            2 => Self::Claim(codec::decode(body)?),
            3 => Self::Lookup(codec::decode(body)?),
            4 => Self::WhoIs(codec::decode(body)?),
            5 => Self::PutPrekeys(codec::decode(body)?),
            6 => Self::TakeBundle(codec::decode(body)?),
            7 => Self::Append(codec::decode(body)?),
            8 => Self::AppendControl(codec::decode(body)?),
            9 => Self::ReadControl(codec::decode(body)?),
            10 => Self::Ack(codec::decode(body)?),
            11 => Self::PutBeacon(codec::decode(body)?),
            12 => Self::FindRoom(codec::decode(body)?),
            _ => return Err(DecodeError::UnknownType(kind)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_countless_empty_prekeys_is_refused_before_they_are_held() {
        let put = |count: usize| {
            let one_time = vec![(0, ByteBuf::new()); count];
            let (identity, signed_prekey) = (ByteBuf::new(), ByteBuf::new());
            let body = PutPrekeys { req: 1, identity, signed_prekey, one_time, replace: false };
            ToHub::decode(5, &codec::encode(&body)).map(drop)
        };
        assert_eq!(put(ONE_TIME_PREKEYS + 1), Ok(()), "the hub says that these are too many");
        assert!(matches!(put(200_000), Err(DecodeError::Malformed(_))));
    }
}
