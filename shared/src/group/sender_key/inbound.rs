//! Another member's chain, as its receiver holds it.
//!
//! Invariant: a message is opened in one order and changes nothing unless it passes all of it:
//! header, signature, place, epoch rules, seal, links. The signature comes before any ratchet work,
//! so only the sender can make us compute; the epoch rules cannot be left out.
//!
//! The ratchet only goes forward. What was opened cannot be opened again with what is left.

use crate::crypto::aead::{self, Purpose};
use crate::crypto::checked_key::CheckedKey;
use crate::crypto::padding::{BadPadding, strip};
use crate::crypto::{
    BadSignature, Label, RecordError, RecordReader, RecordWriter, Secret32, SecretBytes,
};
use crate::group::control::ControlLog;
use crate::group::epoch::{self, Arrival, ChainEpochs, EpochError, Standing};
use crate::id::{ChainId, Digest, GroupId, Head, NodeId};
use crate::limits::CHAIN_INDEX_MAX;
use crate::wire::envelope::GroupMessage;

use super::header::{GroupHeader, HeaderError};
use super::skdm::{Skdm, SkdmError, read_follows, write_follows};
use super::skipped::{Skipped, SkippedKey};
use super::{Commitment, Link, associated, link, mid, step};

const RECORD: u8 = 1;

/// Why a message did not open. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Its header cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It belongs to another chain.
    #[error("the message belongs to another sender chain")]
    OtherChain,
    /// The chain's owner did not write it.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// Its number is beyond what a chain may have.
    #[error("message {0} is further than a chain goes")]
    Range(u32),
    /// It was opened before, or its key was never given to us.
    #[error("message {0} was opened before, or was sent before this key was given to us")]
    Seen(u32),
    /// The membership rules are against it.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// It was not sealed with the chain's key.
    #[error(transparent)]
    Sealed(#[from] aead::OpenError),
    /// Its padding is malformed.
    #[error(transparent)]
    Padding(#[from] BadPadding),
    /// The sender showed two different messages in one place: both are kept as evidence.
    #[error("the sender wrote two different messages number {idx}")]
    Equivocation {
        /// The place in the chain.
        idx: u32,
        /// The link of the message known there.
        known: Link,
        /// The link of the other.
        claimed: Link,
    },
}

impl OpenError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Header(error) => error.reason(),
            Self::OtherChain => "other-chain",
            Self::Signature(_) => "bad-signature",
            Self::Range(_) => "range",
            Self::Seen(_) => "seen",
            Self::Epoch(error) => error.reason(),
            Self::Sealed(_) => "sealed",
            Self::Padding(_) => "padding",
            Self::Equivocation { .. } => "equivocation",
        }
    }
}

/// A message that passed. Its sender is the chain's.
pub struct Opened {
    /// What the sender sealed, without the padding.
    pub plain: SecretBytes,
    /// Its header, proven now.
    pub header: GroupHeader,
    /// Its digest.
    pub mid: Digest,
    /// How it stands.
    pub standing: Standing,
}

/// A sender's chain from some message on (PROTOCOL.md, Sender keys).
pub struct InboundChain {
    gid: GroupId,
    birth: Head,
    birth_seq: u64,
    sender: NodeId,
    id: ChainId,
    root: [u8; 32],
    key: CheckedKey,
    ck: Secret32,
    next: u32,
    last: Option<Digest>,
    epoch_seq: u64,
    skipped: Skipped,
    follows: Option<(ChainId, u32)>,
}

/// Where a message stands in its chain.
enum Place {
    /// At the end, or beyond it.
    Ahead,
    /// In a gap.
    Gap,
}

impl InboundChain {
    /// Takes a chain from `sender`, the peer of the session the [`Skdm`] came through. Whether that
    /// is a member of the group is judged with each message.
    ///
    /// # Errors
    /// [`SkdmError`] when the keys are not what the id commits to, or not `sender`'s.
    pub fn accept(skdm: Skdm, sender: &NodeId) -> Result<Self, SkdmError> {
        let key = skdm.check(sender)?;
        Ok(Self {
            gid: skdm.gid,
            birth: skdm.birth,
            birth_seq: skdm.birth_seq,
            sender: *sender,
            id: skdm.chain,
            root: skdm.root,
            key,
            // The first message follows nothing; a later one follows something we never saw.
            last: (skdm.idx == 0).then_some(Digest([0; 32])),
            next: skdm.idx,
            epoch_seq: skdm.birth_seq,
            skipped: Skipped::default(),
            follows: skdm.follows,
            ck: skdm.ck,
        })
    }

    /// Compares the chain with a second distribution of it. Nothing is ever taken from one: what
    /// lies behind is not ours to open, and what lies ahead follows from what we have.
    ///
    /// # Errors
    /// [`SkdmError::Commit`] when it has the same id and other keys; [`SkdmError`] as
    /// [`Self::accept`].
    pub fn merge(&self, other: &Skdm) -> Result<(), SkdmError> {
        other.check(&self.sender)?;
        if other.chain != self.id || other.vk != self.key.id() {
            return Err(SkdmError::Commit);
        }
        if other.idx < self.next {
            return Ok(());
        }
        let mut ck = self.ck.duplicate();
        for _ in self.next..other.idx {
            ck = step(&ck).1;
        }
        if ck.expose() == other.ck.expose() { Ok(()) } else { Err(SkdmError::Commit) }
    }

    /// Opens a message of this chain and moves on, or changes nothing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &mut self,
        log: &ControlLog,
        arrival: Arrival,
        message: &GroupMessage,
    ) -> Result<Opened, OpenError> {
        let header = GroupHeader::of(message)?;
        if header.chain != self.id || log.group() != self.gid {
            return Err(OpenError::OtherChain);
        }
        let mid = mid(&self.gid, &self.sender, &message.header, &message.body);
        self.key.verify(Label::SkSig, &[&mid.0], &message.sig)?;
        let place = self.place(&header, &mid)?;
        let epochs = self.epochs(header.idx);
        let standing = epoch::check(log, &self.sender, epochs, &header, arrival)?;
        let plain = match place {
            Place::Ahead => self.open_ahead(&header, &mid, message)?,
            Place::Gap => self.open_gap(&header, &mid, message)?,
        };
        Ok(Opened { plain, header, mid, standing })
    }

    fn place(&self, header: &GroupHeader, mid: &Digest) -> Result<Place, OpenError> {
        let idx = header.idx;
        if idx >= CHAIN_INDEX_MAX {
            return Err(OpenError::Range(idx));
        }
        if idx >= self.next {
            return Ok(Place::Ahead);
        }
        if self.skipped.get(idx).is_some() {
            return Ok(Place::Gap);
        }
        if idx + 1 == self.next {
            same(idx, self.last.as_ref().map(link), link(mid))?;
        }
        Err(OpenError::Seen(idx))
    }

    fn epochs(&self, idx: u32) -> ChainEpochs {
        let birth = (self.birth, self.birth_seq);
        match self.skipped.get(idx) {
            Some(key) => ChainEpochs { birth, at_least: key.at_least, at_most: key.at_most },
            None => ChainEpochs { birth, at_least: self.epoch_seq, at_most: u64::MAX },
        }
    }

    fn open_ahead(
        &mut self,
        header: &GroupHeader,
        mid: &Digest,
        message: &GroupMessage,
    ) -> Result<SecretBytes, OpenError> {
        let mut skipped = Vec::new();
        let (mut mk, mut ck) = step(&self.ck);
        for idx in self.next..header.idx {
            skipped.push((idx, mk));
            (mk, ck) = step(&ck);
        }
        let plain = self.unseal(&mk, message)?;
        let last = self.last.as_ref().map(link);
        if header.idx == self.next {
            same(header.idx.saturating_sub(1), last, header.prev)?;
        }
        for (idx, mk) in skipped {
            let before = last.filter(|_| idx == self.next);
            let this = Some(header.prev).filter(|_| idx + 1 == header.idx);
            let (at_least, at_most) = (self.epoch_seq, header.epoch_seq);
            self.skipped.insert(idx, SkippedKey { mk, before, this, at_least, at_most });
        }
        self.ck = ck;
        self.next = header.idx + 1;
        self.last = Some(*mid);
        self.epoch_seq = header.epoch_seq;
        Ok(plain)
    }

    fn open_gap(
        &mut self,
        header: &GroupHeader,
        mid: &Digest,
        message: &GroupMessage,
    ) -> Result<SecretBytes, OpenError> {
        let key = self.skipped.get(header.idx).ok_or(OpenError::Seen(header.idx))?;
        let plain = self.unseal(&key.mk, message)?;
        same(header.idx, key.this, link(mid))?;
        same(header.idx.saturating_sub(1), key.before, header.prev)?;
        self.skipped.used(header.idx, link(mid), header.prev, header.epoch_seq);
        Ok(plain)
    }

    fn unseal(&self, mk: &Secret32, message: &GroupMessage) -> Result<SecretBytes, OpenError> {
        let ad = associated(&self.gid, &self.sender, &message.header);
        let padded = aead::open(mk, Purpose::Group, &ad, &message.body)?;
        Ok(strip(padded)?)
    }

    /// The chain's id.
    #[must_use]
    pub fn id(&self) -> ChainId {
        self.id
    }

    /// The group it speaks in.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.gid
    }

    /// Whose chain it is: the sender of every message it opens.
    #[must_use]
    pub fn sender(&self) -> NodeId {
        self.sender
    }

    /// The number of the first message that has not been passed.
    #[must_use]
    pub fn next_index(&self) -> u32 {
        self.next
    }

    /// The numbers of messages that were skipped over and can still be opened.
    pub fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        self.skipped.indexes()
    }

    /// The chain this one replaces, and how many messages that one had in the end.
    #[must_use]
    pub fn follows(&self) -> Option<(ChainId, u32)> {
        self.follows
    }

    /// Whether all of the chain's `count` messages that were ours to open have been: it can go.
    #[must_use]
    pub fn is_finished(&self, count: u32) -> bool {
        self.next >= count && self.skipped.is_empty()
    }

    /// The chain as a record for the encrypted store.
    #[must_use]
    pub fn save(&self) -> SecretBytes {
        let mut w = RecordWriter::new(RECORD);
        w.fixed(&self.gid.0).fixed(&self.birth.0).u64(self.birth_seq).fixed(&self.sender.0);
        w.fixed(&self.root).fixed(&self.key.id().0).fixed(self.ck.expose()).u32(self.next);
        w.bool(self.last.is_some());
        if let Some(last) = &self.last {
            w.fixed(&last.0);
        }
        w.u64(self.epoch_seq);
        write_follows(&mut w, self.follows);
        self.skipped.save(&mut w);
        w.finish()
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`RecordError`] when the record was damaged or is of another version.
    pub fn load(record: &[u8]) -> Result<Self, RecordError> {
        let mut r = RecordReader::new(record, RECORD)?;
        let (gid, birth) = (GroupId(r.array()?), Head(r.array()?));
        let (birth_seq, sender) = (r.u64()?, NodeId(r.array()?));
        let (root, vk) = (r.array()?, NodeId(r.array()?));
        let commitment =
            Commitment { gid: &gid, birth: &birth, sender: &sender, root: &root, vk: &vk };
        let chain = Self {
            id: commitment.id(),
            gid,
            birth,
            birth_seq,
            sender,
            root,
            key: CheckedKey::new(&vk).ok_or(RecordError::Range)?,
            ck: r.secret()?,
            next: r.u32()?,
            last: if r.bool()? { Some(Digest(r.array()?)) } else { None },
            epoch_seq: r.u64()?,
            follows: read_follows(&mut r)?,
            skipped: Skipped::load(&mut r)?,
        };
        r.finish()?;
        Ok(chain)
    }
}

/// Two links that must be of one message, as far as the first is known.
fn same(idx: u32, known: Option<Link>, claimed: Link) -> Result<(), OpenError> {
    match known {
        Some(known) if known != claimed => Err(OpenError::Equivocation { idx, known, claimed }),
        _ => Ok(()),
    }
}
