//! Beacons: what each node left to find at its next connection, and how much it has sent since.
//!
//! The relay keeps the last one of each identity and gives it back to that identity alone. What it
//! says is between a node and its copies; nothing here reads it. The count tells a copy made while
//! the connection went on that the original has sent more than it knows.

use std::collections::BTreeMap;

use hubbub_shared::id::NodeId;
use hubbub_shared::limits::SIGNED_MAX;
use hubbub_shared::wire::{ByteBuf, Refusal, RefusalCode};

use super::command::Write;
use super::{Asked, Relay};

/// What a node left.
#[derive(Debug)]
struct Left {
    beacon: Vec<u8>,
    /// Envelopes sent since.
    appends: u64,
}

/// By whom.
#[derive(Debug, Default)]
pub(super) struct Beacons(BTreeMap<NodeId, Left>);

impl Beacons {
    pub(super) fn restore(&mut self, node: NodeId, beacon: Vec<u8>, appends: u64) {
        self.0.insert(node, Left { beacon, appends });
    }

    /// What a node left, and how many envelopes it has sent since.
    pub(super) fn of(&self, node: &NodeId) -> Option<(&[u8], u64)> {
        self.0.get(node).map(|left| (left.beacon.as_slice(), left.appends))
    }
}

impl Relay {
    pub(super) fn put_beacon(&mut self, asked: Asked, beacon: ByteBuf) -> Result<(), Refusal> {
        if beacon.len() > SIGNED_MAX {
            return Err(RefusalCode::TooLarge.plain());
        }
        let (node, beacon) = (asked.node, beacon.into_vec());
        self.beacons.restore(node, beacon.clone(), 0);
        self.batch.senders.insert(node);
        self.write(Write::Beacon { node, beacon });
        self.done(asked);
        Ok(())
    }

    /// A node sends an envelope, whatever becomes of it.
    pub(super) fn count_append(&mut self, node: NodeId) {
        if let Some(left) = self.beacons.0.get_mut(&node) {
            left.appends = left.appends.saturating_add(1);
            self.batch.senders.insert(node);
        }
    }

    /// Writes each sender's count once for the whole batch.
    pub(super) fn write_counts(&mut self) {
        for node in core::mem::take(&mut self.batch.senders) {
            if let Some((_, appends)) = self.beacons.of(&node) {
                self.write(Write::Appends { node, appends });
            }
        }
    }
}
