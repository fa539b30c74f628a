//! Everything two nodes tell each other inside their session, keys included.
//!
//! On the wire: `u8 version | u8 kind | fields`, in the form of stored records (integers
//! big-endian, byte strings with a `u32` length), because some of it is keys and those must never
//! pass through a general decoder. Invariant: keys are read straight into types that wipe
//! themselves.
//!
//! Kinds 6 and 10 are kept for proofs of forks and directory heads.

use unicode_normalization::is_nfc;

use super::count::Ranges;
use super::group_plain::ChatPlain;
use super::knocks::{
    read_answer, read_knock, read_proof, read_refused, write_answer, write_knock, write_proof,
    write_refused,
};
use super::profile::is_display_name;
use super::spans::{
    Head as CountHead, read_conversation, read_heads, read_ranges, write_conversation, write_heads,
    write_ranges,
};
use super::told::{Past, read_past, write_past};
use super::{ContentError, picture};
use crate::crypto::{RecordError, RecordReader, RecordWriter, Secret32, SecretBytes};
use crate::group::knock::{Knock, KnockAnswer, KnockProof, KnockRefused};
use crate::group::sender_key::Skdm;
use crate::id::{ChainId, GroupId, Head, NodeId};
use crate::limits::{ACK_RANGES_MAX, ENVELOPE_MAX, TITLE_MAX};
use crate::wire::version::VERSION;

/// What one node tells another (PROTOCOL.md, Content). It may hold keys: no `Debug`, no `Clone`.
pub enum PairPlain {
    /// Kind 0: nothing; it confirms a session or moves its ratchet.
    Nothing,
    /// Kind 1: a message of the direct conversation.
    Chat(Box<ChatPlain>),
    /// Kind 2: the sender's own chain in a group.
    Skdm(Box<Skdm>),
    /// Kind 3: asks the owner of a chain for it.
    SkRequest {
        /// In which group.
        gid: GroupId,
        /// Which chain.
        chain: ChainId,
        /// From which message on.
        idx: u32,
    },
    /// Kind 4: a message the sender sealed for the group earlier, for one who could not open it.
    Resend {
        /// In which group.
        gid: GroupId,
        /// The encoded [`super::GroupPlain`].
        plain: SecretBytes,
        /// The chain it was sealed in.
        chain: ChainId,
        /// Its number there.
        idx: u32,
    },
    /// Kind 5: how far the sender's control log goes, so that a hub cannot hide a removal.
    LogHint {
        /// Of which group.
        gid: GroupId,
        /// The last entry's number.
        seq: u64,
        /// The head after it.
        head: Head,
    },
    /// Kind 7: how far the sender's own messages go that the recipient has not acknowledged, so
    /// that a lost last message is noticed too.
    Heads(Vec<CountHead>),
    /// Kind 8: the sender lost its state and began anew.
    ResetNotice,
    /// Kind 9: which of the recipient's messages reached the sender.
    Ack {
        /// In which group; none for the direct conversation.
        conversation: Option<GroupId>,
        /// How far.
        kind: AckKind,
        /// Counts of the recipient's messages, from and to inclusive, rising, apart.
        ranges: Ranges,
    },
    /// Kind 11: what a new member needs to begin.
    Welcome {
        /// To which group.
        gid: GroupId,
        /// The last entry of its control log.
        seq: u64,
        /// The head after it.
        head: Head,
        /// Opens the group's name and topic.
        meta_key: Secret32,
    },
    /// Kind 12: what the sender says of itself.
    Profile {
        /// What it likes to be called, beside its nickname (see [`super::profile`]); may be empty.
        name: String,
        /// At most [`TITLE_MAX`] bytes, composed (NFC); may be empty.
        status: String,
        /// Whether it may be shown when the sender was last heard from.
        presence: bool,
    },
    /// Kind 13: asks for messages that are missing.
    Want {
        /// In which group; none for the direct conversation.
        conversation: Option<GroupId>,
        /// Whose.
        author: NodeId,
        /// Their counts.
        ranges: Ranges,
    },
    /// Kind 14: somebody's message of a group, as it was sealed.
    Copy {
        /// In which group.
        gid: GroupId,
        /// The whole envelope.
        envelope: Vec<u8>,
    },
    /// Kind 15: these counts of the sender's were not for the recipient, or are there no more.
    Void {
        /// In which group; none for the direct conversation.
        conversation: Option<GroupId>,
        /// Which.
        ranges: Ranges,
    },
    /// Kind 16: asks a keeper to be let into a group.
    Knock(Knock),
    /// Kind 17: the keeper's answer.
    KnockAnswer(KnockAnswer),
    /// Kind 18: the joiner's proof that it knows the passphrase.
    KnockProof(KnockProof),
    /// Kind 19: the keeper does not let the joiner in.
    KnockRefused(KnockRefused),
    /// Kind 21: the sender's picture.
    Picture {
        /// A picture as [`super::picture::look`] takes it; empty for none.
        bytes: Vec<u8>,
    },
    /// Kind 20: what somebody wrote in a group before the recipient came.
    Told {
        /// In which group.
        gid: GroupId,
        /// Whose words; the sender's own, or as the sender says.
        author: NodeId,
        /// Their texts by rising count.
        items: Vec<Past>,
    },
    /// Kind 22: asks a member for the key of the group's name.
    NameWanted {
        /// Of which group.
        gid: GroupId,
    },
}

/// How far a message got. On the wire: 1 delivered, 2 read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AckKind {
    /// Stored on the device.
    Delivered,
    /// Shown to a person.
    Read,
}

impl PairPlain {
    /// The bytes to seal.
    #[must_use]
    pub fn encode(&self) -> SecretBytes {
        let mut w = RecordWriter::new(VERSION);
        w.u8(self.kind());
        match self {
            Self::Nothing | Self::ResetNotice => &mut w,
            Self::Chat(plain) => w.bytes(plain.encode().expose()),
            Self::Skdm(skdm) => w.bytes(skdm.encode().expose()),
            Self::SkRequest { gid, chain, idx } => w.fixed(&gid.0).fixed(&chain.0).u32(*idx),
            Self::Resend { gid, plain, chain, idx } => {
                w.fixed(&gid.0).bytes(plain.expose()).fixed(&chain.0).u32(*idx)
            }
            Self::LogHint { gid, seq, head } => w.fixed(&gid.0).u64(*seq).fixed(&head.0),
            Self::Heads(heads) => write_heads(&mut w, heads),
            Self::Ack { conversation, kind, ranges } => {
                write_conversation(&mut w, *conversation).u8(match kind {
                    AckKind::Delivered => 1,
                    AckKind::Read => 2,
                });
                write_ranges(&mut w, ranges)
            }
            Self::Welcome { gid, seq, head, meta_key } => {
                w.fixed(&gid.0).u64(*seq).fixed(&head.0).fixed(meta_key.expose())
            }
            Self::Profile { name, status, presence } => {
                w.bytes(name.as_bytes()).bytes(status.as_bytes()).bool(*presence)
            }
            Self::Picture { bytes } => w.bytes(bytes),
            Self::Want { conversation, author, ranges } => {
                write_conversation(&mut w, *conversation).fixed(&author.0);
                write_ranges(&mut w, ranges)
            }
            Self::Copy { gid, envelope } => w.fixed(&gid.0).bytes(envelope),
            Self::Void { conversation, ranges } => {
                write_conversation(&mut w, *conversation);
                write_ranges(&mut w, ranges)
            }
            Self::Knock(knock) => write_knock(&mut w, knock),
            Self::KnockAnswer(answer) => write_answer(&mut w, answer),
            Self::KnockProof(proof) => write_proof(&mut w, proof),
            Self::KnockRefused(refused) => write_refused(&mut w, refused),
            Self::Told { gid, author, items } => {
                w.fixed(&gid.0).fixed(&author.0);
                write_past(&mut w, items)
            }
            Self::NameWanted { gid } => w.fixed(&gid.0),
        };
        w.finish()
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Chat(_) => 1,
            Self::Skdm(_) => 2,
            Self::SkRequest { .. } => 3,
            Self::Resend { .. } => 4,
            Self::LogHint { .. } => 5,
            Self::Heads(_) => 7,
            Self::ResetNotice => 8,
            Self::Ack { .. } => 9,
            Self::Welcome { .. } => 11,
            Self::Profile { .. } => 12,
            Self::Want { .. } => 13,
            Self::Copy { .. } => 14,
            Self::Void { .. } => 15,
            Self::Knock(_) => 16,
            Self::KnockAnswer(_) => 17,
            Self::KnockProof(_) => 18,
            Self::KnockRefused(_) => 19,
            Self::Told { .. } => 20,
            Self::Picture { .. } => 21,
            Self::NameWanted { .. } => 22,
        }
    }

    /// Reads opened bytes. A [`Skdm`] inside is read, not accepted: that takes its sender.
    ///
    /// # Errors
    /// [`ContentError`] when they are no pairwise content, or of a newer version or kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        let mut r = RecordReader::new(bytes, VERSION)?;
        let plain = match r.u8()? {
            0 => Self::Nothing,
            1 => Self::Chat(Box::new(ChatPlain::decode(r.bytes(ENVELOPE_MAX)?)?)),
            2 => Self::Skdm(Box::new(Skdm::decode(r.bytes(ENVELOPE_MAX)?)?)),
            3 => Self::SkRequest { gid: gid(&mut r)?, chain: chain(&mut r)?, idx: r.u32()? },
            4 => Self::Resend {
                gid: gid(&mut r)?,
                plain: SecretBytes::from_vec(r.bytes(ENVELOPE_MAX)?.to_vec()),
                chain: chain(&mut r)?,
                idx: r.u32()?,
            },
            5 => Self::LogHint { gid: gid(&mut r)?, seq: r.u64()?, head: Head(r.array()?) },
            7 => Self::Heads(read_heads(&mut r)?),
            8 => Self::ResetNotice,
            9 => Self::Ack {
                conversation: read_conversation(&mut r)?,
                kind: ack_kind(r.u8()?)?,
                ranges: read_ranges(&mut r, ACK_RANGES_MAX)?,
            },
            11 => Self::Welcome {
                gid: gid(&mut r)?,
                seq: r.u64()?,
                head: Head(r.array()?),
                meta_key: r.secret()?,
            },
            12 => Self::Profile {
                name: read_name(&mut r)?,
                status: read_title(&mut r)?,
                presence: r.bool()?,
            },
            13 => Self::Want {
                conversation: read_conversation(&mut r)?,
                author: NodeId(r.array()?),
                ranges: read_ranges(&mut r, ACK_RANGES_MAX)?,
            },
            14 => Self::Copy { gid: gid(&mut r)?, envelope: r.bytes(ENVELOPE_MAX)?.to_vec() },
            15 => Self::Void {
                conversation: read_conversation(&mut r)?,
                ranges: read_ranges(&mut r, ACK_RANGES_MAX)?,
            },
            16 => Self::Knock(read_knock(&mut r)?),
            17 => Self::KnockAnswer(read_answer(&mut r)?),
            18 => Self::KnockProof(read_proof(&mut r)?),
            19 => Self::KnockRefused(read_refused(&mut r)?),
            21 => Self::Picture { bytes: read_picture(&mut r)? },
            20 => Self::Told {
                gid: gid(&mut r)?,
                author: NodeId(r.array()?),
                items: read_past(&mut r)?,
            },
            22 => Self::NameWanted { gid: gid(&mut r)? },
            kind => return Err(ContentError::UnknownKind(kind)),
        };
        r.finish()?;
        Ok(plain)
    }
}

fn gid(r: &mut RecordReader<'_>) -> Result<GroupId, ContentError> {
    Ok(GroupId(r.array()?))
}

fn chain(r: &mut RecordReader<'_>) -> Result<ChainId, ContentError> {
    Ok(ChainId(r.array()?))
}

fn ack_kind(byte: u8) -> Result<AckKind, ContentError> {
    match byte {
        1 => Ok(AckKind::Delivered),
        2 => Ok(AckKind::Read),
        other => Err(ContentError::UnknownKind(other)),
    }
}

pub(super) fn read_title(r: &mut RecordReader<'_>) -> Result<String, ContentError> {
    let bytes = r.bytes(ENVELOPE_MAX)?;
    if bytes.len() > TITLE_MAX {
        return Err(ContentError::TitleTooLong(bytes.len()));
    }
    let text = core::str::from_utf8(bytes).map_err(|_| RecordError::Range)?;
    if is_nfc(text) { Ok(text.to_owned()) } else { Err(RecordError::Range.into()) }
}

fn read_name(r: &mut RecordReader<'_>) -> Result<String, ContentError> {
    let bytes = r.bytes(ENVELOPE_MAX)?;
    let text = core::str::from_utf8(bytes).map_err(|_| RecordError::Range)?;
    if is_display_name(text) { Ok(text.to_owned()) } else { Err(ContentError::BadName) }
}

fn read_picture(r: &mut RecordReader<'_>) -> Result<Vec<u8>, ContentError> {
    let bytes = r.bytes(ENVELOPE_MAX)?;
    if !bytes.is_empty() {
        picture::look(bytes)?;
    }
    Ok(bytes.to_vec())
}

#[cfg(test)]
pub(super) fn samples() -> Vec<PairPlain> {
    use crate::crypto::cpace::Share;
    use crate::group::knock::{How, Reason};
    use crate::id::KnockId;
    let sid = KnockId([16; 32]);
    let (gid, chain, head) = (GroupId([1; 32]), ChainId([2; 16]), Head([3; 32]));
    let plain = super::group_plain::sample("hi");
    let skdm = Skdm {
        gid,
        birth: head,
        birth_seq: 4,
        chain,
        root: [5; 32],
        idx: 6,
        ck: Secret32::from_bytes([7; 32]),
        vk: crate::id::NodeId([8; 32]),
        follows: Some((chain, 9)),
        meta: Some(Secret32::from_bytes([10; 32])),
    };
    let ack = |conversation, kind| {
        let ranges = vec![(1, 3), (5, 5), (u64::MAX, u64::MAX)];
        PairPlain::Ack { conversation, kind, ranges }
    };
    vec![
        PairPlain::Nothing,
        PairPlain::Chat(Box::new(plain.clone())),
        PairPlain::Skdm(Box::new(skdm)),
        PairPlain::SkRequest { gid, chain, idx: 11 },
        PairPlain::Resend { gid, plain: plain.encode(), chain, idx: 12 },
        PairPlain::LogHint { gid, seq: 13, head },
        PairPlain::Heads(vec![
            CountHead { conversation: None, from: 1, to: 2 },
            CountHead { conversation: Some(gid), from: 7, to: 7 },
        ]),
        PairPlain::ResetNotice,
        ack(None, AckKind::Delivered),
        ack(Some(gid), AckKind::Read),
        PairPlain::Welcome { gid, seq: 14, head, meta_key: Secret32::from_bytes([15; 32]) },
        PairPlain::Profile { name: "Alice".into(), status: "away".into(), presence: false },
        PairPlain::Want { conversation: None, author: NodeId([8; 32]), ranges: vec![(4, 9)] },
        PairPlain::Copy { gid, envelope: vec![3, 1, 2] },
        PairPlain::Void { conversation: Some(gid), ranges: vec![(1, 1), (3, 3)] },
        PairPlain::Knock(Knock { gid, sid, how: How::Passphrase { ya: Share([17; 32]) } }),
        PairPlain::Knock(Knock { gid, sid, how: How::Request { note: "it is me".into() } }),
        PairPlain::KnockAnswer(KnockAnswer { gid, sid, yb: Share([18; 32]), tag: [19; 32] }),
        PairPlain::KnockProof(KnockProof { gid, sid, tag: [20; 32] }),
        PairPlain::KnockRefused(KnockRefused { gid, sid, reason: Reason::Locked }),
        PairPlain::KnockRefused(KnockRefused { gid, sid, reason: Reason::Other(200) }),
        PairPlain::Picture { bytes: super::picture::sample(2, 3) },
        PairPlain::Picture { bytes: Vec::new() },
        PairPlain::Told { gid, author: NodeId([8; 32]), items: super::told::sample() },
        PairPlain::NameWanted { gid },
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Signature;
    use crate::wire::envelope::{Envelope, GroupMessage};

    fn refused(bytes: &[u8]) -> ContentError {
        PairPlain::decode(bytes).err().expect("refused")
    }

    #[test]
    fn every_kind_has_one_encoding_and_survives_a_round_trip() {
        for plain in samples() {
            let bytes = plain.encode();
            let again = PairPlain::decode(bytes.expose()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(again.encode().expose(), bytes.expose());
            assert_eq!(again.kind(), plain.kind());
            for end in 0..bytes.len() {
                assert!(PairPlain::decode(&bytes.expose()[..end]).is_err());
            }
            assert_eq!(refused(&[bytes.expose(), &[0]].concat()).reason(), "malformed");
        }
    }

    #[test]
    fn kinds_kept_for_later_need_a_newer_version() {
        for kind in [6, 10, 23, 255] {
            assert_eq!(refused(&[1, kind]), ContentError::UnknownKind(kind));
        }
        assert_eq!(refused(&[2, 0]).reason(), "newer");
    }

    #[test]
    fn a_group_envelope_is_no_pairwise_content() {
        let message = GroupMessage { header: vec![1], sig: Signature([2; 64]), body: vec![3] };
        refused(&Envelope::Group(message).to_bytes());
    }

    #[test]
    fn ranges_that_do_not_rise_are_refused() {
        let ack = |ranges: &[(u64, u64)]| {
            let (kind, ranges) = (AckKind::Read, ranges.to_vec());
            refused(PairPlain::Ack { conversation: None, kind, ranges }.encode().expose())
        };
        let many: Vec<_> = (1..=33).map(|n| (2 * n, 2 * n)).collect();
        for ranges in [&[(0, 1)][..], &[(3, 2)], &[(1, 4), (4, 5)], &[(5, 6), (1, 2)], &many] {
            assert_eq!(ack(ranges), ContentError::BadRanges);
        }
    }

    #[test]
    fn a_status_that_is_too_long_or_decomposed_is_refused() {
        let profile = |status: String| {
            let plain = PairPlain::Profile { name: String::new(), status, presence: true };
            refused(plain.encode().expose())
        };
        assert_eq!(profile("x".repeat(513)), ContentError::TitleTooLong(513));
        assert_eq!(profile("e\u{301}".into()).reason(), "malformed");
    }

    #[test]
    fn a_ground_to_be_let_in_that_is_not_known_needs_a_newer_version() {
        let knock = samples().into_iter().find(|plain| matches!(plain, PairPlain::Knock(_)));
        let mut bytes = knock.unwrap().encode().expose().to_vec();
        for how in [0, 3, 255] {
            bytes[66] = how;
            assert_eq!(refused(&bytes), ContentError::UnknownKind(how));
        }
    }

    #[test]
    fn a_display_name_is_short_composed_and_one_line() {
        for name in ["", "Alice Liddell", "日本", &"ä".repeat(64)] {
            assert!(is_display_name(name), "{name}");
        }
        let long = "x".repeat(65);
        for name in ["two\nlines", " alice", "e\u{301}", "\u{1b}[2J", long.as_str()] {
            let plain =
                PairPlain::Profile { name: name.to_owned(), status: String::new(), presence: true };
            assert_eq!(refused(plain.encode().expose()), ContentError::BadName, "{name}");
        }
    }

    #[test]
    fn a_note_that_is_too_long_or_decomposed_is_refused() {
        use crate::group::knock::How;
        let knock = |note: String| {
            let (gid, sid) = (GroupId([1; 32]), crate::id::KnockId([2; 32]));
            let knock = Knock { gid, sid, how: How::Request { note } };
            refused(PairPlain::Knock(knock).encode().expose())
        };
        assert_eq!(knock("x".repeat(513)), ContentError::TitleTooLong(513));
        assert_eq!(knock("e\u{301}".into()).reason(), "malformed");
    }

    #[test]
    fn every_reason_to_refuse_has_one_number() {
        use crate::group::knock::Reason;
        for code in 0..=255 {
            let reason = Reason::from(code);
            assert_eq!(u8::from(reason), code);
            assert_eq!(matches!(reason, Reason::Other(_)), !(1..=5).contains(&code));
        }
    }

    #[test]
    fn what_is_no_picture_is_refused_as_one() {
        let picture = |bytes: &[u8]| {
            refused(PairPlain::Picture { bytes: bytes.to_vec() }.encode().expose()).reason()
        };
        assert_eq!(picture(b"MZ this is a program"), "no-picture");
        assert_eq!(picture(&super::super::picture::sample(5_000, 2)), "picture-too-large");
    }

    proptest! {
        #[test]
        fn garbage_never_panics_and_what_decodes_encodes_the_same(
            mut bytes in prop::collection::vec(any::<u8>(), 2..200), kind in 0u8..24
        ) {
            bytes[0] = 1;
            bytes[1] = kind;
            if let Ok(plain) = PairPlain::decode(&bytes) {
                // A chat inside is MessagePack, which has several encodings; the rest has one.
                prop_assert!(kind == 1 || plain.encode().expose() == bytes);
            }
        }
    }
}
