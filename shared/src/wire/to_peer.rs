//! Frames two nodes send each other on a direct connection (PROTOCOL.md, Direct connections).
//!
//! They carry what the hub would carry, in the same sealed form; nothing here is worth more for
//! coming directly.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::codec::{self, DecodeError};
use super::log::LogId;
use crate::limits::ENVELOPE_MAX;

/// Longest body of a frame between two nodes: one envelope and the name of its log.
pub const PEER_FRAME_MAX: usize = ENVELOPE_MAX + 128;

/// Everything a node can say to another on their own connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToPeer {
    /// An envelope.
    Carry(Carry),
    /// Whether the sender reaches the hub.
    Hub(Hub),
    /// Where the sender sees the receiver.
    Seen(Seen),
}

/// Body of [`ToPeer::Carry`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carry {
    /// Where it belongs: the receiver's mailbox, or a group's channel.
    pub log: LogId,
    /// The sealed envelope, the same bytes the hub is given.
    pub envelope: ByteBuf,
}

/// Body of [`ToPeer::Hub`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// Whether its link to the hub is up.
    pub up: bool,
}

/// Body of [`ToPeer::Seen`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The receiver's address, in the form of [`super::address`].
    pub address: ByteBuf,
}

impl ToPeer {
    /// The whole frame: header and body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Carry(body) => codec::frame(36, body),
            Self::Hub(body) => codec::frame(37, body),
            Self::Seen(body) => codec::frame(38, body),
        }
    }

    /// Reads a frame from its type byte and body.
    ///
    /// # Errors
    /// [`DecodeError`] when the type is unknown or the body is not exactly one such array.
    pub fn decode(kind: u8, body: &[u8]) -> Result<Self, DecodeError> {
        Ok(match kind {
            36 => Self::Carry(codec::decode(body)?),
            37 => Self::Hub(codec::decode(body)?),
            38 => Self::Seen(codec::decode(body)?),
            other => return Err(DecodeError::UnknownType(other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::GroupId;

    #[test]
    fn a_frame_survives_a_round_trip_and_fits_even_when_full() {
        let envelope = ByteBuf::from(vec![7; ENVELOPE_MAX]);
        let carry = Carry { log: LogId::Channel(GroupId([9; 32])), envelope };
        let seen = Seen { address: ByteBuf::from(vec![192, 0, 2, 1, 0x10, 0xe1]) };
        for frame in [ToPeer::Carry(carry), ToPeer::Hub(Hub { up: false }), ToPeer::Seen(seen)] {
            let bytes = frame.encode();
            let (head, body) = bytes.split_first_chunk::<{ codec::HEADER }>().unwrap();
            let (kind, length) = codec::header(*head, PEER_FRAME_MAX).unwrap();
            assert_eq!(length, body.len());
            assert_eq!(ToPeer::decode(kind, body), Ok(frame));
        }
        assert_eq!(ToPeer::decode(39, &[0x91, 0xc3]), Err(DecodeError::UnknownType(39)));
    }
}
