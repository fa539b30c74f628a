//! One entry of a control log, as bytes and as a statement.
//!
//! Invariant: an [`Entry`] exists only with a signature that holds, over the very bytes received.
//! What hashes into the log is those bytes, never a re-encoding.

use serde::{Deserialize, Serialize};

use super::error::ControlError;
use super::next_head;
use super::op::Op;
use crate::crypto::{Identity, Label, Signed, hash, verify};
use crate::id::{GroupId, Head, NodeId};
use crate::limits::CONTROL_ENTRY_MAX;
use crate::time::Timestamp;
use crate::wire::codec::{DecodeError, decode, encode};
use crate::wire::version::VERSION;
use crate::wire::versioned::version_of;

/// Why an entry whose signature holds is refused all the same.
const OTHERWISE: &str = "it is encoded otherwise than entries are";

/// The statement an entry signs; its fields in the order of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryBody {
    /// Protocol version.
    pub v: u8,
    /// The group; none in the first entry, whose hash it is.
    pub gid: Option<GroupId>,
    /// This entry's number, from 0.
    pub seq: u64,
    /// The head this entry follows; zeros in the first.
    pub prev: Head,
    /// Who writes.
    pub author: NodeId,
    /// When, by the author's clock; no rule depends on it.
    pub ts: Timestamp,
    /// What is done.
    pub op: Op,
}

/// An entry whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    signed: Signed,
    /// What it says.
    pub body: EntryBody,
}

impl Entry {
    /// Signs a statement; its author must be `by`, or nobody will accept it.
    #[must_use]
    pub fn sign(by: &Identity, body: EntryBody) -> Self {
        Self { signed: Signed::new(by, Label::LogEntry, &body), body }
    }

    /// Reads an entry and checks that its author signed it.
    ///
    /// # Errors
    /// [`ControlError::TooLarge`], [`ControlError::Malformed`] (also of a value that has another
    /// encoding than this), [`ControlError::Newer`] or [`ControlError::BadSignature`].
    pub fn read(bytes: &[u8]) -> Result<Self, ControlError> {
        if bytes.len() > CONTROL_ENTRY_MAX {
            return Err(ControlError::TooLarge { got: bytes.len() });
        }
        let signed: Signed = decode(bytes)?;
        let v = version_of(&signed.body)?;
        if v != VERSION {
            return Err(ControlError::Newer { version: v });
        }
        // The author is read out of the statement to know whose signature to expect; nothing else
        // is used before it was checked.
        let body: EntryBody = decode(&signed.body)?;
        // All have to judge an entry alike, so there is one way to write it.
        let unknown = matches!(body.op, Op::Unknown(_));
        if encode(&signed) != bytes || !unknown && encode(&body) != signed.body.as_slice() {
            return Err(ControlError::Malformed(DecodeError::Malformed(OTHERWISE.to_owned())));
        }
        verify(&body.author, Label::LogEntry, &[&signed.body], &signed.sig)?;
        Ok(Self { signed, body })
    }

    /// What an entry says that is part of a log already: its signature held when it came, and is
    /// not checked again. Of any other entry nothing here may be believed.
    ///
    /// # Errors
    /// As [`Self::read`], but for the signature.
    pub fn known(bytes: &[u8]) -> Result<EntryBody, ControlError> {
        let signed: Signed = decode(bytes)?;
        Ok(decode(&signed.body)?)
    }

    /// The bytes that travel and are stored.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        encode(&self.signed)
    }

    /// The group this entry begins, if it is a first entry.
    #[must_use]
    pub fn group_id(&self) -> GroupId {
        GroupId(hash(Label::LogGenesis, &[&self.signed.body]))
    }

    /// The head of the log once this entry follows `prev`.
    #[must_use]
    pub fn head_after(&self, prev: &Head) -> Head {
        next_head(prev, &self.signed.body)
    }
}
