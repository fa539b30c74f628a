//! A beacon: a node's signature under "my state is at this generation".
//!
//! A node leaves one at the hub each time it connects and finds it there the next time. Another
//! than the one it left means that a copy of it, restored from a backup or started twice, has been
//! here since: the two share keys that neither may use again (PROTOCOL.md, Beacons). The hub keeps
//! the bytes and gives them back to their owner alone.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::crypto::{Identity, Label, Signed};
use crate::id::{HubId, NodeId};
use crate::limits::SIGNED_MAX;
use crate::wire::ByteBuf;
use crate::wire::codec::{decode, encode};
use crate::wire::version::VERSION;

/// What a node says of its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beacon {
    v: u8,
    /// At which hub.
    pub hub: HubId,
    /// Whose.
    pub node: NodeId,
    /// How often this identity's state was taken up, all its copies together.
    pub generation: u64,
    /// 16 random bytes: two copies never leave the same beacon.
    pub nonce: ByteBuf,
}

impl Beacon {
    /// A new one, signed.
    #[must_use]
    pub fn sign(
        me: &Identity,
        hub: HubId,
        generation: u64,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let nonce = ByteBuf::from(nonce.to_vec());
        let beacon = Self { v: VERSION, hub, node: me.id(), generation, nonce };
        encode(&Signed::new(me, Label::Beacon, &beacon))
    }

    /// Reads one of `node`'s own; none when it is not, or not for this hub, or of another version.
    #[must_use]
    pub fn check(bytes: &[u8], hub: &HubId, node: &NodeId) -> Option<Self> {
        if bytes.len() > SIGNED_MAX {
            return None;
        }
        let signed: Signed = decode(bytes).ok()?;
        let beacon: Self = signed.verify(node, Label::Beacon).ok()?;
        let fits = beacon.v == VERSION && beacon.hub == *hub && beacon.node == *node;
        (fits && beacon.nonce.len() == 16).then_some(beacon)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::crypto::Secret32;

    const HUB: HubId = HubId([5; 32]);

    #[test]
    fn a_beacon_holds_for_its_node_and_its_hub_and_is_never_the_same_twice() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let person = |n| Identity::from_seed(Secret32::from_bytes([n; 32]));
        let alice = person(1);
        let bytes = Beacon::sign(&alice, HUB, 7, &mut rng);
        assert_eq!(Beacon::check(&bytes, &HUB, &alice.id()).unwrap().generation, 7);
        assert_eq!(Beacon::check(&bytes, &HubId([6; 32]), &alice.id()), None);
        assert_eq!(Beacon::check(&bytes, &HUB, &person(2).id()), None);
        assert_ne!(bytes, Beacon::sign(&alice, HUB, 7, &mut rng));
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Beacon::check(&altered, &HUB, &alice.id()), None, "bit {bit}");
        }
    }
}
