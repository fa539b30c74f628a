//! Others' messages as they were sealed, for members who lack one.
//!
//! The same bytes are as good from here as from their author: the signature proves them. Kept in
//! memory only, newest last: this is a second way to a message, its author is the first.

use std::collections::{BTreeMap, VecDeque};

use hubbub_shared::id::{GroupId, NodeId};

/// Envelopes kept at most.
const ENVELOPES: usize = 1_024;
/// Their bytes at most.
const BYTES: usize = 4 * 1024 * 1024;

/// Whose message, and its count.
type Name = (GroupId, NodeId, u64);

/// Envelopes by group, author and count.
#[derive(Default)]
pub(super) struct Kept {
    by_name: BTreeMap<Name, Vec<u8>>,
    order: VecDeque<Name>,
    bytes: usize,
}

impl Kept {
    pub(super) fn keep(&mut self, group: GroupId, author: NodeId, n: u64, envelope: &[u8]) {
        let name = (group, author, n);
        if self.by_name.contains_key(&name) {
            return;
        }
        self.bytes = self.bytes.saturating_add(envelope.len());
        self.by_name.insert(name, envelope.to_vec());
        self.order.push_back(name);
        while self.order.len() > ENVELOPES || self.bytes > BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            let gone = self.by_name.remove(&oldest);
            self.bytes = self.bytes.saturating_sub(gone.map_or(0, |envelope| envelope.len()));
        }
    }

    /// Those of an author with counts in a range.
    pub(super) fn of(
        &self,
        group: GroupId,
        author: NodeId,
        (from, to): (u64, u64),
    ) -> impl Iterator<Item = &Vec<u8>> {
        self.by_name.range((group, author, from)..=(group, author, to)).map(|(_, bytes)| bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: GroupId = GroupId([9; 32]);
    const BOB: NodeId = NodeId([2; 32]);

    #[test]
    fn the_oldest_envelopes_go_when_there_are_too_many_or_too_large_ones() {
        let mut kept = Kept::default();
        for n in 0..=1_024 {
            kept.keep(GROUP, BOB, n, &[7]);
            kept.keep(GROUP, BOB, n, &[8]);
        }
        let range = |kept: &Kept| kept.of(GROUP, BOB, (0, 9_999)).count();
        assert_eq!(range(&kept), 1_024);
        assert_eq!(kept.of(GROUP, BOB, (1, 1)).next(), Some(&vec![7]));
        assert_eq!(kept.of(GROUP, BOB, (0, 0)).next(), None);
        for n in 2_000..2_020 {
            kept.keep(GROUP, BOB, n, &[0; 256 * 1024]);
        }
        assert!(range(&kept) <= 16 && kept.bytes <= BYTES);
    }
}
