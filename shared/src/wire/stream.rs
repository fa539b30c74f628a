//! Relayed streams: how one is opened through a hub (PROTOCOL.md, Streams).
//!
//! A node opens a bidirectional QUIC stream and writes one [`StreamOpen`] frame; the hub opens one
//! to the receiver, writes one [`StreamFrom`] frame, and answers the opener with a
//! [`StreamAnswer`]. From then on the hub copies bytes both ways and looks at none of them.

use serde::{Deserialize, Serialize};

use super::refusal::RefusalCode;
use crate::id::{NodeId, Signature};

/// Type byte of a [`StreamOpen`] frame.
pub const STREAM_OPEN: u8 = 32;
/// Type byte of a [`StreamFrom`] frame.
pub const STREAM_FROM: u8 = 33;
/// Type byte of a [`StreamAnswer`] frame.
pub const STREAM_ANSWER: u8 = 34;
/// Type byte of a [`PeerHello`] frame.
pub const PEER_HELLO: u8 = 35;

/// First frame on a stream a node opens: whom it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamOpen {
    /// The receiver.
    pub to: NodeId,
}

/// First frame on a stream the hub opens: on whose behalf. A hint: the ends prove themselves
/// inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamFrom {
    /// The opener.
    pub from: NodeId,
}

/// What the hub answers on the opener's stream before any relayed byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamAnswer {
    /// `None`: spliced. Otherwise why not.
    pub refused: Option<RefusalCode>,
}

/// First frame of each end inside the TLS session of two nodes (PROTOCOL.md, Peer streams).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerHello {
    /// Who is here.
    pub node: NodeId,
    /// [`prove`](crate::crypto::peer_auth::prove)n on this session.
    pub proof: Signature,
}
