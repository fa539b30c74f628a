//! A claim: an identity's signature under "at this hub, this name is mine".
//!
//! It holds for one hub and one key. That the claimant is the one connected, that its number is
//! higher than the last one's and that nobody else holds the name is for the hub; that the key is
//! the one expected is for everybody who looks a name up.

use serde::{Deserialize, Serialize};

use super::{Nickname, NicknameError};
use crate::crypto::{BadSignature, Identity, Label, Signed, blake3, verify};
use crate::id::{Digest, HubId, NodeId};
use crate::limits::SIGNED_MAX;
use crate::time::Timestamp;
use crate::wire::codec::{DecodeError, decode, encode};
use crate::wire::version::VERSION;
use crate::wire::versioned::version_of;

/// A nickname claimed by a node (PROTOCOL.md, Nicknames).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NickClaim {
    /// At which hub.
    pub hub: HubId,
    /// Which name.
    pub nickname: Nickname,
    /// By whom.
    pub node: NodeId,
    /// The claimant's count of claims at this hub, from 1; a higher one replaces a lower one.
    pub seq: u64,
    /// The [`claim_hash`] of the claim before; zeros in the first.
    pub prev: Digest,
    /// When, by the claimant's clock; no rule depends on it.
    pub ts: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u8,
    hub: HubId,
    nickname: String,
    node: NodeId,
    seq: u64,
    prev: Digest,
    ts: Timestamp,
    /// Reserved: the account the claimant belongs to. Nil; other values are ignored.
    acct: Option<NodeId>,
}

/// Why a claim does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Longer than a claim can be.
    #[error("a nickname claim of {0} bytes, the limit is {SIGNED_MAX}")]
    TooLarge(usize),
    /// Not a claim.
    #[error("not a nickname claim: {0}")]
    Malformed(#[from] DecodeError),
    /// Of a newer version.
    #[error("the nickname claim has version {0} and needs a newer version of this program")]
    Newer(u8),
    /// Not signed by the key it names.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// Made for another hub.
    #[error("the nickname was claimed at another hub, {0}")]
    OtherHub(HubId),
    /// Made by another key than the one expected.
    #[error("the nickname was claimed by {0}, who is somebody else")]
    OtherNode(NodeId),
    /// Not a nickname in its prepared form.
    #[error("the claimed nickname is not allowed: {0}")]
    Nickname(#[from] NicknameError),
    /// The name is allowed, but not as written.
    #[error("the claimed nickname is not in its prepared form")]
    NotPrepared,
    /// The first claim follows none, and every other one does.
    #[error("the claim's number and the claim it follows do not fit together")]
    BadNumber,
}

impl ClaimError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too-large",
            Self::Malformed(_) => "malformed",
            Self::Newer(_) => "newer",
            Self::BadSignature(_) => "bad-signature",
            Self::OtherHub(_) => "other-hub",
            Self::OtherNode(_) => "other-node",
            Self::Nickname(_) | Self::NotPrepared => "nickname",
            Self::BadNumber => "bad-number",
        }
    }
}

impl NickClaim {
    /// Signs the claim; `by` must be its `node`, or nobody will accept it.
    #[must_use]
    pub fn sign(&self, by: &Identity) -> Vec<u8> {
        let wire = Wire {
            v: VERSION,
            hub: self.hub,
            nickname: self.nickname.as_str().to_owned(),
            node: self.node,
            seq: self.seq,
            prev: self.prev,
            ts: self.ts,
            acct: None,
        };
        encode(&Signed::new(by, Label::NickClaim, &wire))
    }

    /// Reads a claim made for `hub`, by `node` if one is expected.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn check(bytes: &[u8], hub: &HubId, node: Option<&NodeId>) -> Result<Self, ClaimError> {
        if bytes.len() > SIGNED_MAX {
            return Err(ClaimError::TooLarge(bytes.len()));
        }
        let signed: Signed = decode(bytes)?;
        let v = version_of(&signed.body)?;
        if v != VERSION {
            return Err(ClaimError::Newer(v));
        }
        let wire: Wire = decode(&signed.body)?;
        verify(&wire.node, Label::NickClaim, &[&signed.body], &signed.sig)?;
        if wire.hub != *hub {
            return Err(ClaimError::OtherHub(wire.hub));
        }
        if node.is_some_and(|expected| *expected != wire.node) {
            return Err(ClaimError::OtherNode(wire.node));
        }
        if wire.seq == 0 || (wire.seq == 1) != (wire.prev == Digest([0; 32])) {
            return Err(ClaimError::BadNumber);
        }
        let nickname = Nickname::prepare(&wire.nickname)?;
        if nickname.as_str() != wire.nickname {
            return Err(ClaimError::NotPrepared);
        }
        let Wire { hub, node, seq, prev, ts, .. } = wire;
        Ok(Self { hub, nickname, node, seq, prev, ts })
    }
}

/// The name of a claim, over its bytes as received: what the next one follows.
#[must_use]
pub fn claim_hash(bytes: &[u8]) -> Digest {
    blake3(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret32;

    const HUB: HubId = HubId([5; 32]);

    fn person(n: u8) -> Identity {
        Identity::from_seed(Secret32::from_bytes([n; 32]))
    }

    fn claim() -> NickClaim {
        NickClaim {
            hub: HUB,
            nickname: Nickname::prepare("alice").unwrap(),
            node: person(1).id(),
            seq: 1,
            prev: Digest([0; 32]),
            ts: Timestamp(7),
        }
    }

    fn why(bytes: &[u8]) -> &'static str {
        NickClaim::check(bytes, &HUB, None).map_or_else(|e| e.reason(), |_| "accepted")
    }

    #[test]
    fn a_claim_holds_for_its_hub_and_its_key() {
        let alice = person(1);
        let bytes = claim().sign(&alice);
        assert_eq!(NickClaim::check(&bytes, &HUB, Some(&alice.id())), Ok(claim()));
        let elsewhere = NickClaim::check(&bytes, &HubId([6; 32]), None);
        assert_eq!(elsewhere, Err(ClaimError::OtherHub(HUB)));
        let other = NickClaim::check(&bytes, &HUB, Some(&person(2).id()));
        assert_eq!(other, Err(ClaimError::OtherNode(alice.id())));
    }

    #[test]
    fn a_claim_that_names_an_account_is_read_all_the_same() {
        let alice = person(1);
        let signed: Signed = decode(&claim().sign(&alice)).unwrap();
        let mut wire: Wire = decode(&signed.body).unwrap();
        wire.acct = Some(person(2).id());
        let later = encode(&Signed::new(&alice, Label::NickClaim, &wire));
        assert_eq!(NickClaim::check(&later, &HUB, Some(&alice.id())), Ok(claim()));
    }

    #[test]
    fn nobody_claims_for_somebody_else() {
        assert_eq!(why(&claim().sign(&person(9))), "bad-signature");
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let bytes = claim().sign(&person(1));
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(why(&altered), "accepted", "bit {bit}");
        }
    }

    #[test]
    fn names_that_are_not_prepared_and_numbers_that_do_not_fit_are_refused() {
        let mut raw = claim();
        for (name, reason) in [("ａlice", "nickname"), (" alice", "nickname"), ("a b", "nickname")]
        {
            raw.nickname = Nickname(name.to_owned());
            assert_eq!(why(&raw.sign(&person(1))), reason);
        }
        for (seq, prev) in [(0, [0; 32]), (1, [1; 32]), (2, [0; 32])] {
            let claim = NickClaim { seq, prev: Digest(prev), ..claim() };
            assert_eq!(why(&claim.sign(&person(1))), "bad-number");
        }
    }
}
