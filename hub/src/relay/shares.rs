//! How much of one log each sender takes, so that nobody alone fills it for the others.
//!
//! Counted from the hub's start on: what was stored before is nobody's. A sender without entries
//! has no state here.

use std::collections::BTreeMap;

use hubbub_shared::id::NodeId;

use super::bounds::LogBounds;

/// A sender's place, noted with each of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender(u32);

impl Sender {
    /// Whoever sent an entry that was stored before this start.
    pub(super) const UNKNOWN: Self = Self(u32::MAX);
}

/// The senders of one log.
#[derive(Debug, Default)]
pub(super) struct Shares {
    by_node: BTreeMap<NodeId, Sender>,
    held: BTreeMap<u32, (NodeId, LogBounds)>,
}

impl Shares {
    /// Whether `node` may have `size` more bytes here.
    pub(super) fn has_room(&self, node: &NodeId, size: u64, most: LogBounds) -> bool {
        let held = self.by_node.get(node).and_then(|sender| self.held.get(&sender.0));
        held.is_none_or(|(_, held)| {
            held.items < most.items && held.bytes.saturating_add(size) <= most.bytes
        })
    }

    /// Counts an entry of `node`.
    pub(super) fn add(&mut self, node: NodeId, size: u64) -> Sender {
        // Places are given out rising; when they run out the lowest that is free does.
        let next = || {
            let after = self.held.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
            let free = |n: &u32| !self.held.contains_key(n);
            Sender(if after < u32::MAX { after } else { (0..after).find(free).unwrap_or(0) })
        };
        let sender = self.by_node.get(&node).copied().unwrap_or_else(next);
        self.by_node.insert(node, sender);
        let none = (node, LogBounds { bytes: 0, items: 0 });
        let (_, held) = self.held.entry(sender.0).or_insert(none);
        held.items += 1;
        held.bytes = held.bytes.saturating_add(size);
        sender
    }

    /// An entry is gone.
    pub(super) fn remove(&mut self, sender: Sender, size: u64) {
        let Some((node, held)) = self.held.get_mut(&sender.0) else { return };
        held.items -= 1;
        held.bytes = held.bytes.saturating_sub(size);
        if held.items == 0 {
            self.by_node.remove(node);
            self.held.remove(&sender.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);

    #[test]
    fn a_share_grows_and_shrinks_with_the_entries_and_leaves_nothing_behind() {
        let most = LogBounds { bytes: 10, items: 2 };
        let mut shares = Shares::default();
        let one = shares.add(ALICE, 4);
        let other = shares.add(BOB, 1);
        assert!(shares.has_room(&ALICE, 6, most) && !shares.has_room(&ALICE, 7, most));
        assert_eq!(shares.add(ALICE, 4), one);
        assert!(!shares.has_room(&ALICE, 0, most) && shares.has_room(&BOB, 9, most));
        shares.remove(one, 4);
        shares.remove(Sender::UNKNOWN, 4);
        assert!(shares.has_room(&ALICE, 6, most));
        shares.remove(one, 4);
        shares.remove(other, 1);
        assert!(shares.by_node.is_empty() && shares.held.is_empty());
    }
}
