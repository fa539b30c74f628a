//! What is readable of a group message: which chain, which place in it, which epoch.
//!
//! A hub sees this. It names neither group nor sender: both are bound by the chain's id.

use serde::{Deserialize, Serialize};

use crate::id::{ChainId, Head};
use crate::limits::GROUP_HEADER_MAX;
use crate::wire::codec::{DecodeError, decode, encode};
use crate::wire::envelope::GroupMessage;
use crate::wire::version::VERSION;
use crate::wire::versioned::version_of;

use super::Link;

/// A group message's header; its fields in the order of the wire (PROTOCOL.md, Sender keys).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupHeader {
    /// Protocol version.
    pub v: u8,
    /// The sender's chain.
    pub chain: ChainId,
    /// The message's number in it, from 0.
    pub idx: u32,
    /// The membership this message was sealed for: the head of the control log.
    pub epoch: Head,
    /// The number of that control entry.
    pub epoch_seq: u64,
    /// The message before it in the chain; zeros in the first.
    #[serde(with = "serde_bytes")]
    pub prev: Link,
}

/// Why a header cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Longer than a header may be.
    #[error("a group header of {0} bytes, the limit is {GROUP_HEADER_MAX}")]
    TooLong(usize),
    /// Written by a newer version.
    #[error("the message has version {0} and needs a newer version of this program")]
    Newer(u8),
    /// Not a header.
    #[error("not a group header: {0}")]
    Malformed(#[from] DecodeError),
}

impl HeaderError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "header-too-long",
            Self::Newer(_) => "newer",
            Self::Malformed(_) => "malformed",
        }
    }
}

impl GroupHeader {
    /// Reads the header of a message, to find the chain it belongs to. Nothing in it is proven
    /// before the chain has opened the message.
    ///
    /// # Errors
    /// [`HeaderError`] when it is not one this version knows.
    pub fn of(message: &GroupMessage) -> Result<Self, HeaderError> {
        let bytes = message.header.as_slice();
        if bytes.len() > GROUP_HEADER_MAX {
            return Err(HeaderError::TooLong(bytes.len()));
        }
        match version_of(bytes)? {
            VERSION => Ok(decode(bytes)?),
            newer => Err(HeaderError::Newer(newer)),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }
}
