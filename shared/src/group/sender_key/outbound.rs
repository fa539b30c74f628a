//! One's own chain in a group.
//!
//! Invariant: a message number seals once. The state must be stored before the sealed message
//! leaves, and what left is sent again as the same bytes, never sealed again.

use rand_core::CryptoRng;

use crate::crypto::aead::{OVERHEAD, Purpose, seal_padded};
use crate::crypto::padding::padded_len;
use crate::crypto::{
    Identity, Label, RecordError, RecordReader, RecordWriter, Secret32, SecretBytes,
};
use crate::group::roster::Roster;
use crate::id::{ChainId, Digest, GroupId, Head, NodeId};
use crate::limits::{CHAIN_AGE, CHAIN_BYTES, CHAIN_MESSAGES, ENVELOPE_MAX, GROUP_HEADER_MAX};
use crate::time::Timestamp;
use crate::wire::envelope::GroupMessage;
use crate::wire::version::VERSION;

use super::header::GroupHeader;
use super::skdm::{Skdm, read_follows, write_follows};
use super::{Commitment, Link, associated, link, mid, root_of, step};

const RECORD: u8 = 1;

/// Bytes of an envelope around the sealed body: kind, header with its length, signature.
const AROUND: usize = 1 + 2 + GROUP_HEADER_MAX + 64;

/// Why a chain must be replaced before the next message (PROTOCOL.md, Sender keys).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotateReason {
    /// Somebody who has it was removed or left.
    Removal,
    /// An admin asked everybody for new keys.
    Rekey,
    /// It sealed as many messages as a chain may.
    Messages,
    /// It is as old as a chain may be, or the clock says nonsense.
    Age,
    /// It sealed as many bytes as a chain may.
    Bytes,
}

/// Why a message was not sealed. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The chain has to be replaced first.
    #[error("this sender chain is used up and has to be replaced")]
    UsedUp,
    /// The epoch lies before one that was used already.
    #[error("the membership this message is for is older than the last message's")]
    EpochWentBack,
    /// Too long for an envelope.
    #[error("the message has {got} bytes, more than fit into one envelope; send it as a file")]
    TooLarge {
        /// Its size in bytes.
        got: usize,
    },
}

impl SealError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UsedUp => "used-up",
            Self::EpochWentBack => "epoch-went-back",
            Self::TooLarge { .. } => "too-large",
        }
    }
}

/// One's own chain (PROTOCOL.md, Sender keys).
pub struct OutboundChain {
    gid: GroupId,
    birth: Head,
    birth_seq: u64,
    me: NodeId,
    id: ChainId,
    root: [u8; 32],
    key: Identity,
    created: Timestamp,
    ck: Secret32,
    idx: u32,
    bytes: u64,
    epoch_seq: u64,
    prev: Link,
    follows: Option<(ChainId, u32)>,
}

impl OutboundChain {
    /// A new chain, born at the present end of the control log.
    #[must_use]
    pub fn new(
        gid: GroupId,
        birth: (Head, u64),
        me: &NodeId,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let ck = Secret32::random(rng);
        let key = Identity::generate(rng);
        let root = root_of(&ck);
        let (birth, birth_seq) = birth;
        let vk = key.id();
        let commitment = Commitment { gid: &gid, birth: &birth, sender: me, root: &root, vk: &vk };
        Self {
            id: commitment.id(),
            gid,
            birth,
            birth_seq,
            me: *me,
            root,
            key,
            created: now,
            ck,
            idx: 0,
            bytes: 0,
            epoch_seq: birth_seq,
            prev: [0; 16],
            follows: None,
        }
    }

    /// Notes that this chain replaces `old`, so that receivers know when they have all of the old
    /// one.
    #[must_use]
    pub fn replacing(mut self, old: &Self) -> Self {
        self.follows = Some((old.id, old.idx));
        self
    }

    /// The chain's id.
    #[must_use]
    pub fn id(&self) -> ChainId {
        self.id
    }

    /// The number the next message gets.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.idx
    }

    /// The control entry at which the chain was born.
    #[must_use]
    pub fn birth_seq(&self) -> u64 {
        self.birth_seq
    }

    /// Why the chain must be replaced before the next message; `None` while it may go on. An own
    /// reset or restore, a peer's session reset and a user's wish are further reasons, known
    /// elsewhere.
    #[must_use]
    pub fn must_rotate(&self, now: Timestamp, roster: &Roster) -> Option<RotateReason> {
        let age = now.since(self.created).max(self.created.since(now));
        if roster.removed_between(self.birth_seq, u64::MAX) {
            Some(RotateReason::Removal)
        } else if roster.cut_between(self.birth_seq, u64::MAX) {
            Some(RotateReason::Rekey)
        } else if self.idx >= CHAIN_MESSAGES {
            Some(RotateReason::Messages)
        } else if age >= CHAIN_AGE {
            Some(RotateReason::Age)
        } else if self.bytes >= CHAIN_BYTES {
            Some(RotateReason::Bytes)
        } else {
            None
        }
    }

    /// The chain from its next message on, for a member who shall read that. Nothing from before
    /// can be opened with it. The caller adds the meta key where one is due.
    #[must_use]
    pub fn distribution(&self) -> Skdm {
        Skdm {
            gid: self.gid,
            birth: self.birth,
            birth_seq: self.birth_seq,
            chain: self.id,
            root: self.root,
            idx: self.idx,
            ck: self.ck.duplicate(),
            vk: self.key.id(),
            follows: self.follows,
            meta: None,
        }
    }

    /// Seals the next message for the membership at `epoch`. Store the chain before the message
    /// leaves.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(
        &mut self,
        plain: &[u8],
        epoch: (Head, u64),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(GroupMessage, Digest), SealError> {
        let (epoch, epoch_seq) = epoch;
        if self.idx >= CHAIN_MESSAGES {
            return Err(SealError::UsedUp);
        }
        if epoch_seq < self.epoch_seq {
            return Err(SealError::EpochWentBack);
        }
        let size = padded_len(plain.len()) + OVERHEAD;
        if size + AROUND > ENVELOPE_MAX {
            return Err(SealError::TooLarge { got: plain.len() });
        }
        let header = self.header(epoch, epoch_seq).to_bytes();
        let (mk, next) = step(&self.ck);
        let ad = associated(&self.gid, &self.me, &header);
        let body = seal_padded(mk, Purpose::Group, &ad, plain, rng);
        let mid = mid(&self.gid, &self.me, &header, &body);
        let sig = self.key.sign(Label::SkSig, &[&mid.0]);
        self.ck = next;
        self.idx += 1;
        self.bytes = self.bytes.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
        self.epoch_seq = epoch_seq;
        self.prev = link(&mid);
        Ok((GroupMessage { header, sig, body }, mid))
    }

    fn header(&self, epoch: Head, epoch_seq: u64) -> GroupHeader {
        let (chain, idx, prev) = (self.id, self.idx, self.prev);
        GroupHeader { v: VERSION, chain, idx, epoch, epoch_seq, prev }
    }

    /// The chain as a record for the encrypted store.
    #[must_use]
    pub fn save(&self) -> SecretBytes {
        let mut w = RecordWriter::new(RECORD);
        w.fixed(&self.gid.0).fixed(&self.birth.0).u64(self.birth_seq).fixed(&self.me.0);
        w.fixed(&self.root).fixed(self.key.seed().expose()).u64(self.created.0);
        w.fixed(self.ck.expose()).u32(self.idx).u64(self.bytes).u64(self.epoch_seq);
        w.fixed(&self.prev);
        write_follows(&mut w, self.follows);
        w.finish()
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`RecordError`] when the record was damaged or is of another version.
    pub fn load(record: &[u8]) -> Result<Self, RecordError> {
        let mut r = RecordReader::new(record, RECORD)?;
        let (gid, birth) = (GroupId(r.array()?), Head(r.array()?));
        let (birth_seq, me) = (r.u64()?, NodeId(r.array()?));
        let root = r.array()?;
        let key = Identity::from_seed(r.secret()?);
        let vk = key.id();
        let commitment = Commitment { gid: &gid, birth: &birth, sender: &me, root: &root, vk: &vk };
        let chain = Self {
            id: commitment.id(),
            gid,
            birth,
            birth_seq,
            me,
            root,
            key,
            created: Timestamp(r.u64()?),
            ck: r.secret()?,
            idx: r.u32()?,
            bytes: r.u64()?,
            epoch_seq: r.u64()?,
            prev: r.array()?,
            follows: read_follows(&mut r)?,
        };
        r.finish()?;
        Ok(chain)
    }
}
