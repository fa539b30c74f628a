//! How a node is recognised on its local network by those who know its key, and by nobody else
//! (PROTOCOL.md, Local network).
//!
//! It announces a random salt and a tag made of it and its key. Whoever has the key makes the same
//! tag; to everybody else both are noise, and new ones at every start. A signature, which without
//! the key can be checked as little, binds the announcement to where the node can be dialled and to
//! the certificate it shows there: one that somebody else repeats leads nowhere else.

use core::net::SocketAddr;

use crate::crypto::derive::hash_public;
use crate::crypto::label::Label;
use crate::crypto::{Identity, verify};
use crate::id::{HubId, NodeId, RunKey, Signature};
use crate::wire::address;

/// The service under which nodes announce themselves.
pub const SERVICE: &str = "_hubbub._udp.local.";
/// Addresses in one announcement: what a text property of 255 bytes has room for.
pub const ADDRESSES: usize = 6;

/// What a node announces in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Random bytes.
    pub salt: [u8; 16],
    /// What they and the node's key make.
    pub tag: [u8; 16],
    /// What the node shows to those who dial it.
    pub key: RunKey,
    /// Where it can be dialled: each address with its length before it.
    pub addresses: Vec<u8>,
    /// The node's word for it.
    pub sig: Signature,
}

impl Announcement {
    /// A node's announcement to the others of its hub; `salt` must be new each time. Of the
    /// addresses those are told that name one socket, up to [`ADDRESSES`].
    #[must_use]
    pub fn new(
        hub: &HubId,
        me: &Identity,
        (salt, key): ([u8; 16], RunKey),
        addresses: &[SocketAddr],
    ) -> Self {
        let addresses = write_addresses(addresses);
        let said: [&[u8]; 4] = [hub.as_bytes(), &salt, key.as_bytes(), &addresses];
        let sig = me.sign(Label::LanSig, &said);
        Self { salt, tag: tag(hub, &me.id(), &salt), key, addresses, sig }
    }

    /// Whether this node made it.
    #[must_use]
    pub fn is_of(&self, hub: &HubId, node: &NodeId) -> bool {
        let said: [&[u8]; 4] = [hub.as_bytes(), &self.salt, self.key.as_bytes(), &self.addresses];
        tag(hub, node, &self.salt) == self.tag
            && verify(node, Label::LanSig, &said, &self.sig).is_ok()
    }

    /// Where to dial; nowhere when that is not written properly.
    #[must_use]
    pub fn places(&self) -> Vec<SocketAddr> {
        read_addresses(&self.addresses).unwrap_or_default()
    }
}

/// Each with its length before it.
fn write_addresses(addresses: &[SocketAddr]) -> Vec<u8> {
    let mut told = Vec::new();
    for bytes in addresses.iter().filter_map(|at| address::encode(*at)).take(ADDRESSES) {
        told.extend(u8::try_from(bytes.len()));
        told.extend(bytes);
    }
    told
}

fn read_addresses(mut bytes: &[u8]) -> Option<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (one, rest) = rest.split_at_checked(usize::from(*length))?;
        addresses.push(address::decode(one).filter(|_| addresses.len() < ADDRESSES)?);
        bytes = rest;
    }
    Some(addresses)
}

fn tag(hub: &HubId, node: &NodeId, salt: &[u8; 16]) -> [u8; 16] {
    let hash = hash_public(Label::Lan, &[hub.as_bytes(), node.as_bytes(), salt]);
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret32;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_announcement_is_of_one_node_at_one_hub_in_one_place_with_one_certificate() {
        let alice = Identity::from_seed(Secret32::from_bytes([1; 32]));
        let mallory = Identity::from_seed(Secret32::from_bytes([4; 32]));
        let (hub, run, here) = (HubId([2; 32]), ([5; 16], RunKey([3; 32])), [at("10.0.0.5:7000")]);
        let made = Announcement::new(&hub, &alice, run, &here);
        assert!(made.is_of(&hub, &alice.id()));
        assert_eq!(made.places(), here);
        assert!(!made.is_of(&HubId([9; 32]), &alice.id()));
        assert!(!made.is_of(&hub, &mallory.id()));
        // Repeated elsewhere or with another certificate, or made by who knows alice's key.
        let forged = Announcement::new(&hub, &mallory, run, &here);
        let forged = Announcement { tag: made.tag, ..forged };
        let elsewhere = write_addresses(&[at("10.0.0.66:7000")]);
        let moved = Announcement { addresses: elsewhere, ..made };
        let (key, addresses) = (RunKey([9; 32]), write_addresses(&here));
        let repeated = Announcement { key, addresses, ..moved };
        for false_one in [forged, moved, repeated] {
            assert!(!false_one.is_of(&hub, &alice.id()));
        }
    }

    #[test]
    fn addresses_are_bounded_and_have_one_form() {
        let many: Vec<_> =
            (1..=9).map(|port| SocketAddr::new([10, 0, 0, 5].into(), port)).collect();
        let written = write_addresses(&many);
        assert_eq!(read_addresses(&written).unwrap(), &many[..ADDRESSES]);
        assert_eq!(read_addresses(&[]).unwrap(), []);
        let one = write_addresses(&many[..1]);
        assert!(read_addresses(&[&written[..], &one].concat()).is_none());
        assert!(read_addresses(&written[..written.len() - 1]).is_none());
        assert!(read_addresses(&[2, 0, 0]).is_none());
        // As long as it can be, it fits a text property in hexadecimal.
        let long: Vec<_> = (1..=9).map(|port| SocketAddr::new([0x2001; 8].into(), port)).collect();
        assert!("a=".len() + 2 * write_addresses(&long).len() <= 255);
    }
}
