//! A sender chain handed to a member, from its present place on.
//!
//! Invariant: it travels only inside a pairwise session, and its sender is that session's peer. It
//! is never forwarded: in anybody else's hands its id does not match.

use crate::crypto::checked_key::CheckedKey;
use crate::crypto::{RecordError, RecordReader, RecordWriter, Secret32, SecretBytes};
use crate::id::{ChainId, GroupId, Head, NodeId};
use crate::limits::CHAIN_INDEX_MAX;
use crate::wire::version::VERSION;

use super::{Commitment, root_of};

/// The key distribution message (PROTOCOL.md, Sender keys). About 230 bytes encoded.
pub struct Skdm {
    /// The group it speaks in.
    pub gid: GroupId,
    /// The control log's head when the chain was born.
    pub birth: Head,
    /// The number of that control entry.
    pub birth_seq: u64,
    /// The chain's id, which commits to all of it.
    pub chain: ChainId,
    /// The hash of the chain's first key.
    pub root: [u8; 32],
    /// The message number `ck` is for.
    pub idx: u32,
    /// The chain's state from that number on.
    pub ck: Secret32,
    /// The key that signs this chain's messages.
    pub vk: NodeId,
    /// The chain this one replaces, and how many messages that one had in the end.
    pub follows: Option<(ChainId, u32)>,
    /// The key of the group's name and topic.
    pub meta: Option<Secret32>,
}

/// Why a chain is not taken from its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkdmError {
    /// Not a key distribution message.
    #[error("the sender key cannot be read: {0}")]
    Malformed(#[from] RecordError),
    /// Its number is beyond what a chain may have.
    #[error("the sender key is for message {0}, further than a chain goes")]
    Range(u32),
    /// The id is not that of these keys in this group by this sender.
    #[error("the sender key does not match its id: it was altered, or belongs to someone else")]
    Commit,
    /// The signing key is no usable key.
    #[error("the sender key's signing key is weak")]
    WeakKey,
}

impl SkdmError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Range(_) => "range",
            Self::Commit => "commit",
            Self::WeakKey => "weak-key",
        }
    }
}

impl Skdm {
    /// The bytes, in the form of a stored record.
    #[must_use]
    pub fn encode(&self) -> SecretBytes {
        let mut w = RecordWriter::new(VERSION);
        w.fixed(&self.gid.0).fixed(&self.birth.0).u64(self.birth_seq);
        w.fixed(&self.chain.0).fixed(&self.root).u32(self.idx);
        w.fixed(self.ck.expose()).fixed(&self.vk.0);
        write_follows(&mut w, self.follows);
        w.bool(self.meta.is_some());
        if let Some(meta) = &self.meta {
            w.fixed(meta.expose());
        }
        w.finish()
    }

    /// Reads what [`Self::encode`] writes. Nothing is proven yet: `InboundChain::accept` does that.
    ///
    /// # Errors
    /// [`SkdmError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SkdmError> {
        let mut r = RecordReader::new(bytes, VERSION)?;
        let skdm = Self {
            gid: GroupId(r.array()?),
            birth: Head(r.array()?),
            birth_seq: r.u64()?,
            chain: ChainId(r.array()?),
            root: r.array()?,
            idx: r.u32()?,
            ck: r.secret()?,
            vk: NodeId(r.array()?),
            follows: read_follows(&mut r)?,
            meta: if r.bool()? { Some(r.secret()?) } else { None },
        };
        r.finish()?;
        Ok(skdm)
    }

    /// A second copy, for the next member.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            ck: self.ck.duplicate(),
            meta: self.meta.as_ref().map(Secret32::duplicate),
            gid: self.gid,
            birth: self.birth,
            birth_seq: self.birth_seq,
            chain: self.chain,
            root: self.root,
            idx: self.idx,
            vk: self.vk,
            follows: self.follows,
        }
    }

    /// Checks everything that needs no state: the id commits to these keys and this sender.
    pub(super) fn check(&self, sender: &NodeId) -> Result<CheckedKey, SkdmError> {
        if self.idx >= CHAIN_INDEX_MAX {
            return Err(SkdmError::Range(self.idx));
        }
        let Self { gid, birth, root, vk, .. } = self;
        let commitment = Commitment { gid, birth, sender, root, vk };
        let at_start = self.idx != 0 || root_of(&self.ck) == self.root;
        if commitment.id() != self.chain || !at_start {
            return Err(SkdmError::Commit);
        }
        CheckedKey::new(vk).ok_or(SkdmError::WeakKey)
    }
}

pub(super) fn write_follows(w: &mut RecordWriter, follows: Option<(ChainId, u32)>) {
    w.bool(follows.is_some());
    if let Some((chain, last)) = follows {
        w.fixed(&chain.0).u32(last);
    }
}

pub(super) fn read_follows(
    r: &mut RecordReader<'_>,
) -> Result<Option<(ChainId, u32)>, RecordError> {
    if r.bool()? { Ok(Some((ChainId(r.array()?), r.u32()?))) } else { Ok(None) }
}
