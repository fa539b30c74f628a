//! Proving an identity on one TLS connection.
//!
//! The proof covers the connection's exporter value and the hub's key, so it is worth nothing on
//! another connection, at another hub, or later.

use super::identity::{BadSignature, Identity, verify};
use super::label::Label;
use crate::id::{HubId, NodeId, Signature};

/// A node's proof on a connection whose exporter gave `exporter` (PROTOCOL.md, Link handshake).
#[must_use]
pub fn prove(me: &Identity, hub: &HubId, exporter: &[u8; 32]) -> Signature {
    me.sign(Label::HubAuth, &[hub.as_bytes(), exporter, me.id().as_bytes()])
}

/// Checks [`prove`]'s result on the other end of the same connection.
///
/// # Errors
/// [`BadSignature`] when `node` did not sign this very connection.
pub fn check(
    node: &NodeId,
    hub: &HubId,
    exporter: &[u8; 32],
    proof: &Signature,
) -> Result<(), BadSignature> {
    verify(node, Label::HubAuth, &[hub.as_bytes(), exporter, node.as_bytes()], proof)
}

#[cfg(test)]
mod tests {
    use super::super::secret::Secret32;
    use super::*;

    #[test]
    fn a_proof_is_worth_nothing_on_another_connection_or_hub() {
        let alice = Identity::from_seed(Secret32::from_bytes([1; 32]));
        let (hub, other) = (HubId([2; 32]), HubId([3; 32]));
        let proof = prove(&alice, &hub, &[4; 32]);
        assert_eq!(check(&alice.id(), &hub, &[4; 32], &proof), Ok(()));
        assert_eq!(check(&alice.id(), &hub, &[5; 32], &proof), Err(BadSignature));
        assert_eq!(check(&alice.id(), &other, &[4; 32], &proof), Err(BadSignature));
        let mallory = Identity::from_seed(Secret32::from_bytes([6; 32]));
        assert_eq!(check(&mallory.id(), &hub, &[4; 32], &proof), Err(BadSignature));
    }
}
