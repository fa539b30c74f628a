//! Another node's prekeys, as a hub hands them out, and what they must prove before use.
//!
//! Invariant: every statement is verified under the identity that was *expected*, the one-time ones
//! too, and only a bundle that passed becomes a [`CheckedBundle`].

use serde::{Deserialize, Serialize};

use super::header::VERSION;
use crate::crypto::exchange::{DhPublic, KemPublic};
use crate::crypto::{Label, Signed, SignedError};
use crate::id::NodeId;
use crate::limits;
use crate::time::Timestamp;
use crate::wire::codec::{DecodeError, decode};

/// Label `identity/dh`: a node's key-agreement key and the versions it speaks.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityBody {
    pub(super) v: u8,
    pub(super) min_v: u8,
    pub(super) max_v: u8,
    pub(super) ik: NodeId,
    pub(super) idk: DhPublic,
    pub(super) idk_epoch: u32,
    pub(super) created: Timestamp,
    /// Reserved: the account this node belongs to.
    pub(super) acct: Option<NodeId>,
    /// Reserved: capabilities, none yet.
    pub(super) caps: u32,
}

/// Label `prekey/signed`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpkBody {
    pub(super) v: u8,
    pub(super) ik: NodeId,
    pub(super) idk_epoch: u32,
    pub(super) id: u32,
    pub(super) x: DhPublic,
    pub(super) kem: KemPublic,
    pub(super) not_after: Timestamp,
}

/// Label `prekey/onetime`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OtkBody {
    pub(super) v: u8,
    pub(super) ik: NodeId,
    pub(super) id: u32,
    pub(super) x: DhPublic,
    pub(super) kem: KemPublic,
}

/// Why a bundle cannot be used. Nothing was sent; the hub or the peer has to offer another.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A part cannot be read at all.
    #[error("the peer's prekeys cannot be read; the hub or the peer runs another version")]
    Form(#[from] DecodeError),
    /// A part is not signed by the expected identity, or not for its purpose.
    #[error("the peer's prekeys are not signed by the peer: {0}")]
    Signed(#[from] SignedError),
    /// A part names another identity, or belongs to another key-agreement key.
    #[error("the peer's prekeys do not belong together; ask the hub again")]
    Mismatch,
    /// The peer does not speak version 1.
    #[error("the peer does not speak this version of the protocol; one side must update")]
    Version,
    /// The signed prekey has ended.
    #[error("the peer's prekey has expired; the peer must come online once")]
    Expired,
    /// A post-quantum key is malformed.
    #[error("the peer's post-quantum prekey is malformed; the peer must publish a new one")]
    KemKey,
}

/// What a hub hands out for a node, not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The identity statement.
    pub identity: Signed,
    /// The signed prekey.
    pub spk: Signed,
    /// One one-time prekey, while the hub has any.
    pub otk: Option<Signed>,
}

/// A bundle whose every signature holds under the expected identity. Only [`Bundle::check`] makes
/// one, and [`super::initiate`] consumes it.
pub struct CheckedBundle {
    pub(super) peer: NodeId,
    pub(super) idk: DhPublic,
    pub(super) idk_epoch: u32,
    pub(super) spk: (u32, DhPublic),
    pub(super) spk_kem: KemPublic,
    pub(super) otk: Option<(u32, DhPublic, KemPublic)>,
}

impl CheckedBundle {
    /// Whose bundle it is.
    #[must_use]
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// Which of the peer's key-agreement keys it is for. One lower than the last one seen was
    /// rolled back by the hub.
    #[must_use]
    pub fn idk_epoch(&self) -> u32 {
        self.idk_epoch
    }

    /// Whether the hub had a one-time prekey left.
    #[must_use]
    pub fn has_one_time(&self) -> bool {
        self.otk.is_some()
    }
}

impl Bundle {
    /// Reads the statements as they come from a hub.
    ///
    /// # Errors
    /// [`BundleError::Form`] when one cannot be read.
    pub fn from_wire(identity: &[u8], spk: &[u8], otk: Option<&[u8]>) -> Result<Self, BundleError> {
        Ok(Self {
            identity: decode(identity)?,
            spk: decode(spk)?,
            otk: otk.map(decode).transpose()?,
        })
    }

    /// Checks every part under the identity that is *expected*, never one the bundle names.
    ///
    /// # Errors
    /// [`BundleError`] says which rule it breaks.
    pub fn check(&self, expected: &NodeId, now: Timestamp) -> Result<CheckedBundle, BundleError> {
        let identity = check_identity(&self.identity, expected)?;
        let spk: SpkBody = self.spk.verify(expected, Label::PrekeySigned)?;
        if spk.v != VERSION {
            return Err(BundleError::Version);
        }
        if spk.ik != *expected || spk.idk_epoch != identity.idk_epoch {
            return Err(BundleError::Mismatch);
        }
        if spk.not_after <= now - limits::PREKEY_SKEW {
            return Err(BundleError::Expired);
        }
        spk.kem.check().map_err(|_| BundleError::KemKey)?;
        let otk = self.otk.as_ref().map(|otk| check_otk(otk, expected)).transpose()?;
        Ok(CheckedBundle {
            peer: *expected,
            idk: identity.idk,
            idk_epoch: identity.idk_epoch,
            spk: (spk.id, spk.x),
            spk_kem: spk.kem,
            otk: otk.map(|otk| (otk.id, otk.x, otk.kem)),
        })
    }
}

/// Checks an identity statement under the identity that must have made it.
pub(super) fn check_identity(
    signed: &Signed,
    expected: &NodeId,
) -> Result<IdentityBody, BundleError> {
    let body: IdentityBody = signed.verify(expected, Label::IdentityDh)?;
    if body.v != VERSION || !(body.min_v..=body.max_v).contains(&VERSION) {
        return Err(BundleError::Version);
    }
    if body.ik == *expected { Ok(body) } else { Err(BundleError::Mismatch) }
}

fn check_otk(signed: &Signed, expected: &NodeId) -> Result<OtkBody, BundleError> {
    let body: OtkBody = signed.verify(expected, Label::PrekeyOnetime)?;
    if body.v != VERSION {
        return Err(BundleError::Version);
    }
    if body.ik != *expected {
        return Err(BundleError::Mismatch);
    }
    body.kem.check().map_err(|_| BundleError::KemKey)?;
    Ok(body)
}
