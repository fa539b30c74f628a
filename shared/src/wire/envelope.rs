//! The outer form of every sealed message (PROTOCOL.md, Session handshake, Double ratchet, Sender
//! keys).
//!
//! ```text
//! envelope = u8 kind | body        kind 1: first message, 2: pairwise message, 3: group message
//! group    = u16 header length, big-endian | header | signature (64) | body
//! ```
//!
//! Invariant: an envelope has one encoding. What parses is byte for byte what
//! [`Envelope::to_bytes`] writes, so a hub cannot make two copies of one message that look
//! different. Nothing here needs a key, and nothing here tells who a message is from: that is known
//! once it is opened.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::codec::{DecodeError, decode, encode};
use crate::crypto::Signed;
use crate::crypto::exchange::{DhPublic, KemCiphertext};
use crate::id::{NodeId, Signature};
use crate::limits;

/// Why bytes are no envelope.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Nothing there, or cut short.
    #[error("the envelope ends early")]
    Short,
    /// Above [`limits::ENVELOPE_MAX`], or a part above its own limit.
    #[error("the envelope is too large")]
    TooLarge,
    /// A kind this version does not know.
    #[error("the envelope is of kind {0}, which this version does not know")]
    Kind(u8),
    /// The body is not of its kind.
    #[error("the envelope cannot be read: {0}")]
    Body(#[from] DecodeError),
    /// Readable, but not in its one encoding.
    #[error("the envelope was encoded a second time by someone else")]
    Encoding,
}

/// What an envelope is, from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Starts a pairwise session and carries its first message.
    PairInit,
    /// A message of a pairwise session.
    Pair,
    /// A message to a group.
    Group,
}

/// One sealed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Starts a pairwise session and carries its first message.
    PairInit(PairInit),
    /// A message of a pairwise session.
    Pair(PairMessage),
    /// A message to a group.
    Group(GroupMessage),
}

/// A first message: what the other side needs to agree on a session, and a message in it. Repeated
/// with every message until the other side has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairInit {
    /// Protocol version: 1.
    pub v: u8,
    /// Who claims to start the session. Proven by `identity`.
    pub ik: NodeId,
    /// The claimant's signed key-agreement key.
    pub identity: Signed,
    /// The ephemeral key of this handshake.
    pub e: DhPublic,
    /// Which of the recipient's signed prekeys was used.
    pub spk_id: u32,
    /// Which of the recipient's one-time prekeys was used, if the hub had one.
    pub otk_id: Option<u32>,
    /// The post-quantum half.
    pub ct: KemCiphertext,
    /// As in [`PairMessage::hdr`].
    #[serde(with = "serde_bytes")]
    pub hdr: Vec<u8>,
    /// As in [`PairMessage::body`].
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

impl PairInit {
    /// The message inside: what an already running session opens.
    #[must_use]
    pub fn message(&self) -> PairMessage {
        PairMessage { hdr: self.hdr.clone(), body: self.body.clone() }
    }
}

/// A message of a running session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairMessage {
    /// The ratchet header; authenticated as these very bytes.
    #[serde(with = "serde_bytes")]
    pub hdr: Vec<u8>,
    /// The sealed content.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// A message to a group. What the header says is read where groups are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMessage {
    /// The header, at most [`limits::GROUP_HEADER_MAX`] bytes; authenticated as these very bytes.
    pub header: Vec<u8>,
    /// By the sender chain's key, over header and body.
    pub sig: Signature,
    /// The sealed content.
    pub body: Vec<u8>,
}

impl Envelope {
    /// What an envelope is, without reading more than a byte.
    #[must_use]
    pub fn kind_of(bytes: &[u8]) -> Option<Kind> {
        match bytes.first()? {
            1 => Some(Kind::PairInit),
            2 => Some(Kind::Pair),
            3 => Some(Kind::Group),
            _ => None,
        }
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`] for anything [`Self::to_bytes`] would not write.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > limits::ENVELOPE_MAX {
            return Err(EnvelopeError::TooLarge);
        }
        let (kind, body) = bytes.split_first().ok_or(EnvelopeError::Short)?;
        match kind {
            1 => canonical::<PairInit>(body).map(Self::PairInit),
            2 => canonical::<PairMessage>(body).map(Self::Pair),
            3 => GroupMessage::parse(body).map(Self::Group),
            other => Err(EnvelopeError::Kind(*other)),
        }
    }

    /// The envelope as it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::PairInit(init) => [&[1][..], &encode(init)].concat(),
            Self::Pair(message) => [&[2][..], &encode(message)].concat(),
            Self::Group(message) => message.to_envelope(),
        }
    }
}

fn canonical<T: Serialize + DeserializeOwned>(body: &[u8]) -> Result<T, EnvelopeError> {
    let value: T = decode(body)?;
    if encode(&value) == body { Ok(value) } else { Err(EnvelopeError::Encoding) }
}

impl GroupMessage {
    fn parse(body: &[u8]) -> Result<Self, EnvelopeError> {
        let (len, rest) = body.split_first_chunk::<2>().ok_or(EnvelopeError::Short)?;
        let len = usize::from(u16::from_be_bytes(*len));
        if len > limits::GROUP_HEADER_MAX {
            return Err(EnvelopeError::TooLarge);
        }
        let (header, rest) = rest.split_at_checked(len).ok_or(EnvelopeError::Short)?;
        let (sig, body) = rest.split_first_chunk::<64>().ok_or(EnvelopeError::Short)?;
        Ok(Self { header: header.to_vec(), sig: Signature(*sig), body: body.to_vec() })
    }

    fn to_envelope(&self) -> Vec<u8> {
        // A header is made where groups are and is far below the limit; a larger one would not
        // parse.
        let len = u16::try_from(self.header.len()).unwrap_or(u16::MAX);
        [&[3][..], &len.to_be_bytes(), &self.header, self.sig.as_bytes(), &self.body].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Envelope {
        Envelope::Pair(PairMessage { hdr: vec![1, 2], body: vec![3; 300] })
    }

    fn group() -> Envelope {
        let sig = Signature([4; 64]);
        Envelope::Group(GroupMessage { header: vec![5; 60], sig, body: vec![6; 99] })
    }

    #[test]
    fn what_is_written_parses_and_names_its_kind() {
        for (envelope, kind) in [(pair(), Kind::Pair), (group(), Kind::Group)] {
            let bytes = envelope.to_bytes();
            assert_eq!(Envelope::kind_of(&bytes), Some(kind));
            assert_eq!(Envelope::parse(&bytes), Ok(envelope));
        }
    }

    #[test]
    fn every_cut_is_refused() {
        let (pair, group) = (pair().to_bytes(), group().to_bytes());
        for end in 0..pair.len() {
            assert!(Envelope::parse(&pair[..end]).is_err());
        }
        for end in 0..1 + 2 + 60 + 64 {
            assert!(Envelope::parse(&group[..end]).is_err());
        }
    }

    #[test]
    fn another_encoding_of_the_same_message_is_refused() {
        let bytes = [&[2, 0x82, 0xa3][..], b"hdr", &[0xc4, 1, 9, 0xa4], b"body", &[0xc4, 1, 9]];
        assert_eq!(Envelope::parse(&bytes.concat()), Err(EnvelopeError::Encoding));
        let longer_length = [2, 0x92, 0xc5, 0, 1, 9, 0xc4, 1, 9];
        assert_eq!(Envelope::parse(&longer_length), Err(EnvelopeError::Encoding));
        assert!(Envelope::parse(&[2, 0x92, 0xc4, 1, 9, 0xc4, 1, 9]).is_ok());
    }

    #[test]
    fn what_is_too_large_or_unknown_is_refused() {
        let large = vec![3; limits::ENVELOPE_MAX + 1];
        assert_eq!(Envelope::parse(&large), Err(EnvelopeError::TooLarge));
        assert_eq!(Envelope::parse(&[9, 0]), Err(EnvelopeError::Kind(9)));
        assert_eq!(Envelope::parse(&[3, 0x01, 0x01, 0]), Err(EnvelopeError::TooLarge));
        assert_eq!(Envelope::kind_of(&[]), None);
    }
}
