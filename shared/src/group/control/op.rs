//! What entries of a control log can do, and how that travels: an array of a tag and an array of
//! fields.

use core::fmt;

use serde::de::{self, IgnoredAny, SeqAccess};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteArray, ByteBuf};

use super::settings::Settings;
use crate::group::roster::Role;
use crate::id::{AccountId, NodeId, Signature};
use crate::time::Timestamp;

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
    /// Kept for later versions: 0. What newcomers see of the past is a setting.
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
/// Tags 12 and 13 are kept for changing a key and for merging a fork. An `account` is whose device
/// a node is; it is kept for people with several devices and is nil in this version.
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
        /// The author's account.
        account: Option<AccountId>,
    },
    /// Tag 1: lets somebody in.
    Add {
        /// Whom.
        node: NodeId,
        /// Whose device it is.
        account: Option<AccountId>,
        /// As what; not above the author's own rank.
        role: Role,
        /// How they met, for people: 0 unsaid, 1 contact, 2 passphrase, 3 invite, 4 request.
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
    /// Tag 4: gives a member of strictly lower rank another one, not above the author's own; or
    /// lowers the author's own.
    SetRole {
        /// Whom.
        node: NodeId,
        /// Which.
        role: Role,
    },
    /// Tag 5: the author lets itself into an open group.
    Join {
        /// Whose device it is.
        account: Option<AccountId>,
    },
    /// Tag 6: sets the sealed name and topic.
    Meta {
        /// Sealed under the group's meta key; opaque here.
        ct: ByteBuf,
    },
    /// Tag 7: ends every sender chain born before this entry.
    RekeyAll,
    /// Tag 8: ends the group.
    Close,
    /// Tag 9: makes an invite link good.
    Invite {
        /// The link's public key; its secret half is in the link alone.
        key: NodeId,
        /// How many may come in by it; at least one.
        uses: u16,
        /// Until when, by the clock of whoever uses it.
        expires: Timestamp,
        /// What the link opens: sealed name and meta key; opaque here.
        ct: ByteBuf,
    },
    /// Tag 10: makes an invite link worthless.
    Revoke {
        /// The link's public key.
        key: NodeId,
    },
    /// Tag 11: the author lets itself in by an invite link.
    UseInvite {
        /// The link's public key.
        key: NodeId,
        /// By the link's secret half, over group, link and author.
        proof: Signature,
        /// Whose device it is.
        account: Option<AccountId>,
    },
    /// Tag 14: keeps somebody out, and removes it if it is a member of strictly lower rank.
    Ban {
        /// Whom.
        node: NodeId,
        /// Why, for people: 0 unsaid.
        code: u8,
    },
    /// Tag 15: sets all settings.
    Set(Settings),
    /// Tag 16: ends a ban. It lets nobody in.
    Unban {
        /// Whose.
        node: NodeId,
    },
    /// Any other tag: an operation of a newer version. It is never applied.
    Unknown(u8),
}

impl Op {
    /// Lets a device in that is nobody's account, the only kind in this version.
    #[must_use]
    pub fn add(node: NodeId, role: Role, via: u8) -> Self {
        Self::Add { node, account: None, role, via }
    }

    /// Lets the author in, likewise.
    #[must_use]
    pub fn join() -> Self {
        Self::Join { account: None }
    }

    /// Whether it only ever ends something: it is taken where there is no room for more.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        matches!(self, Self::Leave | Self::Remove { .. } | Self::Revoke { .. } | Self::Close)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateFields(Policy, ByteArray<32>, bool, Option<AccountId>);

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        const NONE: [u8; 0] = [];
        match self {
            Self::Create { policy, nonce, author_is_member, account } => {
                let nonce = ByteArray::new(*nonce);
                (0u8, CreateFields(*policy, nonce, *author_is_member, *account)).serialize(s)
            }
            Self::Add { node, account, role, via } => {
                (1u8, (node, account, role, via)).serialize(s)
            }
            Self::Remove { node, code } => (2u8, (node, code)).serialize(s),
            Self::Leave => (3u8, NONE).serialize(s),
            Self::SetRole { node, role } => (4u8, (node, role)).serialize(s),
            Self::Join { account } => (5u8, (account,)).serialize(s),
            Self::Meta { ct } => (6u8, (ct,)).serialize(s),
            Self::RekeyAll => (7u8, NONE).serialize(s),
            Self::Close => (8u8, NONE).serialize(s),
            Self::Invite { key, uses, expires, ct } => (9u8, (key, uses, expires, ct)).serialize(s),
            Self::Revoke { key } => (10u8, (key,)).serialize(s),
            Self::UseInvite { key, proof, account } => (11u8, (key, proof, account)).serialize(s),
            Self::Ban { node, code } => (14u8, (node, code)).serialize(s),
            Self::Set(settings) => (15u8, settings).serialize(s),
            Self::Unban { node } => (16u8, (node,)).serialize(s),
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
        let tag = next::<u8, A>(&mut seq)?;
        let op = match tag {
            0..=8 => membership(tag, &mut seq)?,
            _ => doors(tag, &mut seq)?,
        };
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(op),
            Some(_) => Err(de::Error::invalid_length(3, &self)),
        }
    }
}

/// The fields of tags 0 to 8.
fn membership<'de, A: SeqAccess<'de>>(tag: u8, seq: &mut A) -> Result<Op, A::Error> {
    Ok(match tag {
        0 => {
            let CreateFields(policy, nonce, author_is_member, account) = next(seq)?;
            Op::Create { policy, nonce: nonce.into_array(), author_is_member, account }
        }
        1 => {
            let (node, account, role, via) = next(seq)?;
            Op::Add { node, account, role, via }
        }
        2 => {
            let (node, code) = next(seq)?;
            Op::Remove { node, code }
        }
        3 => next::<[u8; 0], A>(seq).map(|_| Op::Leave)?,
        4 => {
            let (node, role) = next(seq)?;
            Op::SetRole { node, role }
        }
        5 => {
            let (account,) = next(seq)?;
            Op::Join { account }
        }
        6 => {
            let (ct,) = next(seq)?;
            Op::Meta { ct }
        }
        7 => next::<[u8; 0], A>(seq).map(|_| Op::RekeyAll)?,
        _ => next::<[u8; 0], A>(seq).map(|_| Op::Close)?,
    })
}

/// The fields of tags from 9 on.
fn doors<'de, A: SeqAccess<'de>>(tag: u8, seq: &mut A) -> Result<Op, A::Error> {
    Ok(match tag {
        9 => {
            let (key, uses, expires, ct) = next(seq)?;
            Op::Invite { key, uses, expires, ct }
        }
        10 => {
            let (key,) = next(seq)?;
            Op::Revoke { key }
        }
        11 => {
            let (key, proof, account) = next(seq)?;
            Op::UseInvite { key, proof, account }
        }
        14 => {
            let (node, code) = next(seq)?;
            Op::Ban { node, code }
        }
        15 => next(seq).map(Op::Set)?,
        16 => {
            let (node,) = next(seq)?;
            Op::Unban { node }
        }
        tag => next::<IgnoredAny, A>(seq).map(|_| Op::Unknown(tag))?,
    })
}

fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &OpVisitor))
}
