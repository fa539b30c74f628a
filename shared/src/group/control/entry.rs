//! One entry of a control log, as bytes and as a statement.
//!
//! Invariant: an [`Entry`] exists only with a signature that holds, over the very bytes received.
//! What hashes into the log is those bytes, never a re-encoding.

use core::fmt;

use serde::de::{self, IgnoredAny, SeqAccess};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteArray, ByteBuf};

use super::error::ControlError;
use super::next_head;
use crate::crypto::{Identity, Label, Signed, hash, verify};
use crate::group::roster::Role;
use crate::id::{GroupId, Head, NodeId};
use crate::limits::CONTROL_ENTRY_MAX;
use crate::time::Timestamp;
use crate::wire::codec::{decode, encode};
use crate::wire::version::VERSION;
use crate::wire::versioned::version_of;

/// How members get into a group. On the wire: 0 closed, 1 open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum JoinPolicy {
    /// An admin adds them.
    Closed,
    /// They add themselves.
    Open,
}

impl From<JoinPolicy> for u8 {
    fn from(join: JoinPolicy) -> Self {
        match join {
            JoinPolicy::Closed => 0,
            JoinPolicy::Open => 1,
        }
    }
}

impl TryFrom<u8> for JoinPolicy {
    type Error = &'static str;
    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self::Closed),
            1 => Ok(Self::Open),
            _ => Err("a group is closed (0) or open (1) in this version"),
        }
    }
}

/// What a group's first entry fixes for good (PROTOCOL.md, Membership).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How members get in.
    pub join: JoinPolicy,
    /// What newcomers see of the past: 0, nothing; other numbers are kept for later versions.
    pub history: u8,
}

impl Policy {
    /// Admins add members.
    #[must_use]
    pub fn closed() -> Self {
        Self { join: JoinPolicy::Closed, history: 0 }
    }

    /// Members add themselves.
    #[must_use]
    pub fn open() -> Self {
        Self { join: JoinPolicy::Open, history: 0 }
    }
}

/// What an entry does (PROTOCOL.md, Membership). On the wire: an array of the tag and an array of
/// the fields.
///
/// Tags 9 to 14 are kept for inviting (9), revoking an invite (10), joining by one (11), changing a
/// key (12), merging a fork (13) and banning (14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Tag 0: begins a group; only ever the first entry.
    Create {
        /// What holds for good.
        policy: Policy,
        /// Makes the group's id unique.
        nonce: [u8; 32],
        /// Whether the author is the first owner, or stays outside (an open lobby).
        author_is_member: bool,
    },
    /// Tag 1: lets somebody in.
    Add {
        /// Whom.
        node: NodeId,
        /// As what; not above the author's own rank.
        role: Role,
        /// How they met, for people: 0 unsaid, 1 contact, 2 passphrase, 3 invite.
        via: u8,
    },
    /// Tag 2: removes a member of strictly lower rank.
    Remove {
        /// Whom.
        node: NodeId,
        /// Why, for people: 0 unsaid.
        code: u8,
    },
    /// Tag 3: the author leaves.
    Leave,
    /// Tag 4: gives a member of strictly lower rank another one, not above the author's own.
    SetRole {
        /// Whom.
        node: NodeId,
        /// Which.
        role: Role,
    },
    /// Tag 5: the author lets itself into an open group.
    Join,
    /// Tag 6: sets the sealed name and topic.
    Meta {
        /// Sealed under the group's meta key; opaque here.
        ct: ByteBuf,
    },
    /// Tag 7: ends every sender chain born before this entry.
    RekeyAll,
    /// Tag 8: ends the group.
    Close,
    /// Any other tag: an operation of a newer version. It is never applied.
    Unknown(u8),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateFields(Policy, ByteArray<32>, bool);

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        const NONE: [u8; 0] = [];
        match self {
            Self::Create { policy, nonce, author_is_member } => {
                (0u8, CreateFields(*policy, ByteArray::new(*nonce), *author_is_member)).serialize(s)
            }
            Self::Add { node, role, via } => (1u8, (node, role, via)).serialize(s),
            Self::Remove { node, code } => (2u8, (node, code)).serialize(s),
            Self::Leave => (3u8, NONE).serialize(s),
            Self::SetRole { node, role } => (4u8, (node, role)).serialize(s),
            Self::Join => (5u8, NONE).serialize(s),
            Self::Meta { ct } => (6u8, (ct,)).serialize(s),
            Self::RekeyAll => (7u8, NONE).serialize(s),
            Self::Close => (8u8, NONE).serialize(s),
            Self::Unknown(tag) => (tag, NONE).serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_tuple(2, OpVisitor)
    }
}

struct OpVisitor;

impl<'de> de::Visitor<'de> for OpVisitor {
    type Value = Op;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an operation: a tag and its fields")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Op, A::Error> {
        let op = match next::<u8, A>(&mut seq)? {
            0 => {
                let CreateFields(policy, nonce, author_is_member) = next(&mut seq)?;
                Op::Create { policy, nonce: nonce.into_array(), author_is_member }
            }
            1 => {
                let (node, role, via) = next(&mut seq)?;
                Op::Add { node, role, via }
            }
            2 => {
                let (node, code) = next(&mut seq)?;
                Op::Remove { node, code }
            }
            3 => next::<[u8; 0], A>(&mut seq).map(|_| Op::Leave)?,
            4 => {
                let (node, role) = next(&mut seq)?;
                Op::SetRole { node, role }
            }
            5 => next::<[u8; 0], A>(&mut seq).map(|_| Op::Join)?,
            6 => {
                let (ct,) = next(&mut seq)?;
                Op::Meta { ct }
            }
            7 => next::<[u8; 0], A>(&mut seq).map(|_| Op::RekeyAll)?,
            8 => next::<[u8; 0], A>(&mut seq).map(|_| Op::Close)?,
            tag => next::<IgnoredAny, A>(&mut seq).map(|_| Op::Unknown(tag))?,
        };
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(op),
            Some(_) => Err(de::Error::invalid_length(3, &self)),
        }
    }
}

fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &OpVisitor))
}

/// The statement an entry signs; its fields in the order of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryBody {
    /// Protocol version.
    pub v: u8,
    /// The group; none in the first entry, whose hash it is.
    pub gid: Option<GroupId>,
    /// This entry's number, from 0.
    pub seq: u64,
    /// The head this entry follows; zeros in the first.
    pub prev: Head,
    /// Who writes.
    pub author: NodeId,
    /// When, by the author's clock; no rule depends on it.
    pub ts: Timestamp,
    /// What is done.
    pub op: Op,
}

/// An entry whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    signed: Signed,
    /// What it says.
    pub body: EntryBody,
}

impl Entry {
    /// Signs a statement; its author must be `by`, or nobody will accept it.
    #[must_use]
    pub fn sign(by: &Identity, body: EntryBody) -> Self {
        Self { signed: Signed::new(by, Label::LogEntry, &body), body }
    }

    /// Reads an entry and checks that its author signed it.
    ///
    /// # Errors
    /// [`ControlError::TooLarge`], [`ControlError::Malformed`], [`ControlError::Newer`] or
    /// [`ControlError::BadSignature`].
    pub fn read(bytes: &[u8]) -> Result<Self, ControlError> {
        if bytes.len() > CONTROL_ENTRY_MAX {
            return Err(ControlError::TooLarge { got: bytes.len() });
        }
        let signed: Signed = decode(bytes)?;
        let v = version_of(&signed.body)?;
        if v != VERSION {
            return Err(ControlError::Newer { version: v });
        }
        // The author is read out of the statement to know whose signature to expect; nothing else
        // is used before it was checked.
        let body: EntryBody = decode(&signed.body)?;
        verify(&body.author, Label::LogEntry, &[&signed.body], &signed.sig)?;
        Ok(Self { signed, body })
    }

    /// The bytes that travel and are stored.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        encode(&self.signed)
    }

    /// The group this entry begins, if it is a first entry.
    #[must_use]
    pub fn group_id(&self) -> GroupId {
        GroupId(hash(Label::LogGenesis, &[&self.signed.body]))
    }

    /// The head of the log once this entry follows `prev`.
    #[must_use]
    pub fn head_after(&self, prev: &Head) -> Head {
        next_head(prev, &self.signed.body)
    }
}
