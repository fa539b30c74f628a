//! Relayed datagrams: signals, sealed end to end; losing one is fine (PROTOCOL.md, Datagrams).
//!
//! ```text
//! node to hub:  u8 version | 32 receiver | sealed payload
//! hub to node:  u8 version | 32 sender   | sealed payload
//! ```
//!
//! The hub swaps the middle field and never looks at the rest. A datagram for somebody who is not
//! connected is dropped: datagrams are never stored.

use crate::id::NodeId;
use crate::limits::DATAGRAM_PAYLOAD_MAX;
use crate::wire::version::VERSION;

/// A relayed datagram: the other end and the sealed payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Receiver on the way to the hub, sender on the way from it.
    pub peer: NodeId,
    /// Sealed end to end; at most [`DATAGRAM_PAYLOAD_MAX`] bytes.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a datagram; `None` for another version, a short one or one over the limit.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (peer, payload) = rest.split_first_chunk::<32>()?;
        let fits = payload.len() <= DATAGRAM_PAYLOAD_MAX;
        (*version == VERSION && fits).then_some(Self { peer: NodeId(*peer), payload })
    }

    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(33 + self.payload.len());
        out.push(VERSION);
        out.extend_from_slice(self.peer.as_bytes());
        out.extend_from_slice(self.payload);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_round_trip_and_refuses_what_is_too_short_or_too_long() {
        let datagram = Datagram { peer: NodeId([3; 32]), payload: b"sealed" };
        let bytes = datagram.encode();
        assert_eq!(Datagram::parse(&bytes), Some(datagram));
        assert_eq!(Datagram::parse(&bytes[..32]), None);
        let long = [vec![VERSION], vec![0; 32 + DATAGRAM_PAYLOAD_MAX + 1]].concat();
        assert_eq!(Datagram::parse(&long), None);
    }
}
