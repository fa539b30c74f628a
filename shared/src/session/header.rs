//! The header of a pairwise message: readable by the hub, authenticated as received.

use serde::{Deserialize, Serialize};

use super::ratchet::OpenError;
use crate::crypto::exchange::{DhPublic, KemCiphertext, KemPublic};
use crate::id::SessionId;
use crate::limits;
use crate::wire::codec::{decode, encode};

/// The only version there is.
pub(super) const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) v: u8,
    pub(super) sid: SessionId,
    /// The sender's ratchet key: names the chain.
    pub(super) dh: DhPublic,
    /// How many messages the sender's previous chain had.
    pub(super) pn: u32,
    /// This message's number in its chain.
    pub(super) n: u32,
    /// A fresh ML-KEM key for the peer to answer, in every header of a chain that offers one.
    pub(super) ek: Option<KemPublic>,
    /// The answer to the peer's offer, in every header of the chain that answers.
    pub(super) ct: Option<KemCiphertext>,
}

impl Header {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        if bytes.len() > limits::PAIR_HEADER_MAX {
            return Err(OpenError::Malformed);
        }
        let header: Self = decode(bytes).map_err(|_| OpenError::Malformed)?;
        let in_range = header.n.max(header.pn) <= limits::RATCHET_INDEX_MAX;
        match header.v {
            VERSION if in_range => Ok(header),
            VERSION => Err(OpenError::Malformed),
            _ => Err(OpenError::Version),
        }
    }
}

/// Which session a message claims to belong to: a hint for finding it, proven only by opening.
#[must_use]
pub fn session_of(hdr: &[u8]) -> Option<SessionId> {
    Header::parse(hdr).ok().map(|header| header.sid)
}
