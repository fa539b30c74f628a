//! One log: the entries held, who reads them and how far each is.
//!
//! Invariant: numbers only rise. `next_seq` never goes back, a cursor never goes back, and entries
//! leave at the front only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::from_hub::Item;

use super::bounds::SEEN_PER_LOG;
use super::shares::{Sender, Shares};
use super::trace::Trace;

/// An entry that some reader may still want.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) seq: u64,
    pub(super) size: u32,
    pub(super) at: Timestamp,
    pub(super) by: Sender,
    /// The entry itself while it is recent; otherwise it is read from the store.
    pub(super) item: Option<Arc<Item>>,
}

/// A reader's progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    /// Everything up to here is durable at the reader.
    pub(super) cursor: u64,
    /// The last entry meant for a reader that was removed or has left.
    pub(super) until: Option<u64>,
}

/// The readers of one log. Knows the slowest position without looking at each of them.
#[derive(Debug, Default)]
pub(super) struct Readers {
    by_node: BTreeMap<NodeId, Reader>,
    positions: BTreeMap<u64, u32>,
}

impl Readers {
    pub(super) fn get(&self, node: &NodeId) -> Option<Reader> {
        self.by_node.get(node).copied()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.by_node.keys()
    }

    /// Adds a reader at `cursor`. One that is here already keeps its place and is not leaving any
    /// more; `false` then.
    pub(super) fn join(&mut self, node: NodeId, cursor: u64) -> bool {
        if let Some(reader) = self.by_node.get_mut(&node) {
            reader.until = None;
            return false;
        }
        self.by_node.insert(node, Reader { cursor, until: None });
        *self.positions.entry(cursor).or_default() += 1;
        true
    }

    /// The reader gets nothing after `until`.
    pub(super) fn leave(&mut self, node: &NodeId, until: u64) {
        if let Some(reader) = self.by_node.get_mut(node) {
            reader.until = Some(until);
        }
    }

    pub(super) fn remove(&mut self, node: &NodeId) {
        if let Some(reader) = self.by_node.remove(node) {
            self.vacate(reader.cursor);
        }
    }

    /// Moves a cursor forward; `None` when it does not move.
    pub(super) fn advance(&mut self, node: &NodeId, upto: u64) -> Option<Reader> {
        let reader = self.by_node.get_mut(node).filter(|r| r.cursor < upto)?;
        let before = core::mem::replace(&mut reader.cursor, upto);
        let after = *reader;
        self.vacate(before);
        *self.positions.entry(upto).or_default() += 1;
        Some(after)
    }

    /// Who was to leave after an entry up to `upto`.
    pub(super) fn out_by(&self, upto: u64) -> Vec<NodeId> {
        let out = |reader: &Reader| reader.until.is_some_and(|until| until <= upto);
        self.by_node.iter().filter(|(_, r)| out(r)).map(|(node, _)| *node).collect()
    }

    /// The cursor of whoever is furthest behind; `None` without readers.
    pub(super) fn slowest(&self) -> Option<u64> {
        self.positions.keys().next().copied()
    }

    /// Who is furthest behind.
    pub(super) fn holder(&self) -> Option<NodeId> {
        let behind = self.slowest()?;
        self.by_node.iter().find(|(_, r)| r.cursor == behind).map(|(node, _)| *node)
    }

    fn vacate(&mut self, position: u64) {
        if let Some(count) = self.positions.get_mut(&position) {
            *count -= 1;
            if *count == 0 {
                self.positions.remove(&position);
            }
        }
    }
}

/// One log.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) next_seq: u64,
    pub(super) held: VecDeque<Held>,
    pub(super) bytes: u64,
    pub(super) readers: Readers,
    pub(super) shares: Shares,
    pub(super) last_append: Timestamp,
    seen: VecDeque<(Trace, u64)>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            next_seq: 1,
            held: VecDeque::new(),
            bytes: 0,
            readers: Readers::default(),
            shares: Shares::default(),
            last_append: Timestamp(0),
            seen: VecDeque::new(),
        }
    }
}

impl Log {
    /// The last number given out; 0 before the first.
    pub(super) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Holds an entry that has its number already.
    pub(super) fn hold(&mut self, entry: Held) {
        self.next_seq = self.next_seq.max(entry.seq.saturating_add(1));
        self.bytes += u64::from(entry.size);
        self.held.push_back(entry);
    }

    /// Entries after number `after`.
    pub(super) fn after(&self, after: u64) -> impl Iterator<Item = &Held> {
        let start = self.held.partition_point(|held| held.seq <= after);
        self.held.range(start..)
    }

    pub(super) fn entry_mut(&mut self, seq: u64) -> Option<&mut Held> {
        let index = self.held.binary_search_by_key(&seq, |held| held.seq).ok()?;
        self.held.get_mut(index)
    }

    /// Lets go of everything up to `upto`: how many entries and bytes that was.
    pub(super) fn forget(&mut self, upto: u64) -> (usize, u64) {
        let count = self.held.partition_point(|held| held.seq <= upto);
        let mut bytes = 0;
        for held in self.held.drain(..count) {
            bytes += u64::from(held.size);
            self.shares.remove(held.by, u64::from(held.size));
        }
        self.bytes -= bytes;
        (count, bytes)
    }

    /// The number this entry got when it was appended before, if that was not long ago.
    pub(super) fn seen(&self, trace: &Trace) -> Option<u64> {
        self.seen.iter().rev().find(|(known, _)| known == trace).map(|(_, seq)| *seq)
    }

    pub(super) fn note_seen(&mut self, trace: Trace, seq: u64) {
        if self.seen.len() >= SEEN_PER_LOG {
            self.seen.pop_front();
        }
        self.seen.push_back((trace, seq));
    }

    pub(super) fn forget_seen(&mut self) {
        self.seen = VecDeque::new();
    }

    pub(super) fn remembers(&self) -> bool {
        !self.seen.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::wire::from_hub::ItemKind;

    use super::*;

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);

    #[test]
    fn the_slowest_position_follows_every_move() {
        let mut readers = Readers::default();
        assert_eq!(readers.slowest(), None);
        readers.join(ALICE, 3);
        readers.join(BOB, 5);
        assert_eq!((readers.slowest(), readers.holder()), (Some(3), Some(ALICE)));
        assert!(readers.advance(&ALICE, 9).is_some());
        assert_eq!((readers.slowest(), readers.holder()), (Some(5), Some(BOB)));
        assert!(readers.advance(&BOB, 4).is_none());
        readers.remove(&BOB);
        assert_eq!(readers.slowest(), Some(9));
    }

    #[test]
    fn forgetting_everything_keeps_the_next_number() {
        let mut log = Log::default();
        log.hold(Held { seq: 7, size: 10, at: Timestamp(0), by: Sender::UNKNOWN, item: None });
        assert_eq!(log.forget(7), (1, 10));
        assert_eq!((log.next_seq, log.bytes, log.held.len()), (8, 0, 0));
    }

    #[test]
    fn the_ring_of_traces_forgets_the_oldest() {
        let mut log = Log::default();
        let trace = |n: usize| Trace::of(ALICE, ItemKind::Envelope, &n.to_be_bytes());
        for n in 0..=SEEN_PER_LOG {
            log.note_seen(trace(n), n as u64);
        }
        assert_eq!(log.seen(&trace(0)), None);
        assert_eq!(log.seen(&trace(1)), Some(1));
    }
}
