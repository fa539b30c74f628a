//! Sender keys: one ciphertext for a whole group.
//!
//! Each member has a chain of its own: a ratchet that gives every message its key, and a signing
//! key made for this chain alone. The others get both over their pairwise sessions ([`skdm`]).
//!
//! * [`outbound`]: one's own chain
//! * [`inbound`]: another member's chain, with keys kept for what arrives late
//! * [`header`]: what is readable of a group message
//! * [`skdm`]: a chain handed to a member
//!
//! Invariant: a chain's id commits to group, birth epoch, sender, first key and signing key, so
//! nobody can hand out a chain as another's, or two chains under one id. Keys of used messages are
//! gone.

pub mod header;
pub mod inbound;
pub mod outbound;
pub mod skdm;
mod skipped;

#[cfg(test)]
mod tests;

pub use header::GroupHeader;
pub use inbound::{InboundChain, OpenError, Opened};
pub use outbound::{OutboundChain, RotateReason, SealError};
pub use skdm::{Skdm, SkdmError};

use crate::crypto::{Label, Secret32, chain_step, hash, hash_public, lp};
use crate::id::{ChainId, Digest, GroupId, Head, NodeId};

/// The first 16 bytes of a message's digest: how the next message of the chain names it.
pub type Link = [u8; 16];

/// The link of a message.
#[must_use]
pub fn link(mid: &Digest) -> Link {
    let [link @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = mid.0;
    link
}

/// What a chain's id commits to.
struct Commitment<'a> {
    gid: &'a GroupId,
    birth: &'a Head,
    sender: &'a NodeId,
    root: &'a [u8; 32],
    vk: &'a NodeId,
}

impl Commitment<'_> {
    fn id(&self) -> ChainId {
        let full = hash(
            Label::SkChainId,
            &[&self.gid.0, &self.birth.0, &self.sender.0, self.root, &self.vk.0],
        );
        ChainId(link(&Digest(full)))
    }
}

/// What a chain starts from, without saying what that is.
fn root_of(ck0: &Secret32) -> [u8; 32] {
    hash(Label::SkRoot, &[ck0.expose()])
}

/// This message's key and the next state of the chain.
fn step(ck: &Secret32) -> (Secret32, Secret32) {
    chain_step(ck, 0x11, 0x12)
}

/// The name of a message: what is signed, and what the next one links to.
fn mid(gid: &GroupId, sender: &NodeId, header: &[u8], body: &[u8]) -> Digest {
    Digest(hash_public(Label::SkMsg, &[&gid.0, &sender.0, header, body]))
}

/// What a message's sealing is bound to.
fn associated(gid: &GroupId, sender: &NodeId, header: &[u8]) -> Vec<u8> {
    lp(Label::SkAd, &[&gid.0, &sender.0, header])
}
