//! Two nodes proving themselves to each other on one TLS session.
//!
//! Certificates there are throw-away, so whoever carries the bytes could put a session of its own
//! on either side; but each proof covers the session's exporter value, which then differs, and
//! names both ends, so that it is no proof for a third.

use super::identity::{BadSignature, Identity, verify};
use super::label::Label;
use crate::id::{NodeId, Signature};

/// Proves `me` to `peer` on a session whose exporter gave `exporter` (PROTOCOL.md, Peer streams).
#[must_use]
pub fn prove(me: &Identity, peer: &NodeId, exporter: &[u8; 32]) -> Signature {
    me.sign(Label::PeerAuth, &[exporter, me.id().as_bytes(), peer.as_bytes()])
}

/// Checks [`prove`]'s result at the other end: `peer` proves itself to `me`.
///
/// # Errors
/// [`BadSignature`] when `peer` did not sign this very session with `me`, or is `me`: a proof sent
/// back is none.
pub fn check(
    peer: &NodeId,
    me: &NodeId,
    exporter: &[u8; 32],
    proof: &Signature,
) -> Result<(), BadSignature> {
    if peer == me {
        return Err(BadSignature);
    }
    verify(peer, Label::PeerAuth, &[exporter, peer.as_bytes(), me.as_bytes()], proof)
}

#[cfg(test)]
mod tests {
    use super::super::secret::Secret32;
    use super::*;

    #[test]
    fn a_proof_is_worth_nothing_on_another_session_or_to_somebody_else() {
        let identity = |seed| Identity::from_seed(Secret32::from_bytes([seed; 32]));
        let (alice, bob, mallory) = (identity(1), identity(2), identity(3));
        let proof = prove(&alice, &bob.id(), &[4; 32]);
        assert_eq!(check(&alice.id(), &bob.id(), &[4; 32], &proof), Ok(()));
        assert_eq!(check(&alice.id(), &bob.id(), &[5; 32], &proof), Err(BadSignature));
        assert_eq!(check(&alice.id(), &mallory.id(), &[4; 32], &proof), Err(BadSignature));
        assert_eq!(check(&mallory.id(), &bob.id(), &[4; 32], &proof), Err(BadSignature));
        assert_eq!(check(&bob.id(), &alice.id(), &[4; 32], &proof), Err(BadSignature));
        let own = prove(&alice, &alice.id(), &[4; 32]);
        assert_eq!(check(&alice.id(), &alice.id(), &[4; 32], &own), Err(BadSignature));
    }
}
