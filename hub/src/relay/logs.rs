//! All logs, the newest entries in memory, and who reads what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::limits::LOG_TTL;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::from_hub::Item;

use super::bounds::{LogBounds, RECENT_ITEMS, SEEN_AGE};
use super::log::{Held, Log};

/// Every log of the hub.
#[derive(Debug, Default)]
pub(super) struct Logs {
    by_id: BTreeMap<LogId, Log>,
    channels_of: BTreeMap<NodeId, BTreeSet<GroupId>>,
    items: usize,
    bytes: u64,
    recent: Recent,
}

/// The newest entries of all logs together, oldest first. Slots of forgotten entries stay until
/// their turn; the length is bounded for that reason.
#[derive(Debug, Default)]
struct Recent {
    order: VecDeque<(LogId, u64, u32)>,
    bytes: usize,
}

impl Logs {
    pub(super) fn get(&self, id: &LogId) -> Option<&Log> {
        self.by_id.get(id)
    }

    /// A log for changing its readers; it begins empty, a mailbox with its owner as reader.
    pub(super) fn open(&mut self, id: LogId) -> &mut Log {
        self.by_id.entry(id).or_insert_with(|| {
            let mut log = Log::default();
            if let LogId::Mailbox(owner) = id {
                log.readers.join(owner, 0);
            }
            log
        })
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn held(&self) -> (usize, u64) {
        (self.items, self.bytes)
    }

    /// When the newest entry held came.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.by_id.values().filter_map(|log| log.held.back()).map(|held| held.at).max()
    }

    pub(super) fn recent_bytes(&self) -> usize {
        self.recent.bytes
    }

    /// Gives an entry the next number and keeps it.
    pub(super) fn append(&mut self, id: LogId, mut item: Item) -> Arc<Item> {
        let log = self.open(id);
        item.seq = log.next_seq;
        log.last_append = item.at;
        let item = Arc::new(item);
        let size = u32::try_from(item.bytes.len()).unwrap_or(u32::MAX);
        let by = log.shares.add(item.from, u64::from(size));
        let held = Held { seq: item.seq, size, at: item.at, by, item: Some(item.clone()) };
        self.restore(id, held);
        self.recent.order.push_back((id, item.seq, size));
        self.recent.bytes += item.bytes.len();
        item
    }

    /// Takes in an entry that was stored before.
    pub(super) fn restore(&mut self, id: LogId, held: Held) {
        self.items += 1;
        self.bytes += u64::from(held.size);
        self.open(id).hold(held);
    }

    /// Whether `size` more bytes fit into this log and into the hub.
    pub(super) fn has_room(&self, id: &LogId, size: usize, log: LogBounds) -> bool {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        self.get(id).is_none_or(|held| {
            held.held.len() < log.items && held.bytes.saturating_add(size) <= log.bytes
        })
    }

    /// Whether the hub as a whole can take `size` more bytes.
    pub(super) fn hub_has_room(&self, size: usize, total: LogBounds) -> bool {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        self.items < total.items && self.bytes.saturating_add(size) <= total.bytes
    }

    /// Lets go of what every reader has passed, or of everything when nobody reads; the number up
    /// to which that reached, if it did anything.
    pub(super) fn forget_passed(&mut self, id: &LogId) -> Option<u64> {
        let log = self.by_id.get(id)?;
        let upto = log.readers.slowest().unwrap_or_else(|| log.last_seq());
        self.forget(id, upto)
    }

    fn forget(&mut self, id: &LogId, upto: u64) -> Option<u64> {
        let (items, bytes) = self.by_id.get_mut(id)?.forget(upto);
        self.items -= items;
        self.bytes -= bytes;
        (items > 0).then_some(upto)
    }

    /// Forgets entries whose time is up and traces nobody will ask about.
    pub(super) fn sweep(&mut self, now: Timestamp) -> Vec<(LogId, u64)> {
        let mut ended = Vec::new();
        for (id, log) in &mut self.by_id {
            if log.remembers() && now.since(log.last_append) >= SEEN_AGE {
                log.forget_seen();
            }
            let count = log.held.partition_point(|held| now.since(held.at) >= LOG_TTL);
            let last = count.checked_sub(1).and_then(|n| log.held.get(n));
            ended.extend(last.map(|held| (*id, held.seq)));
        }
        for (id, upto) in &ended {
            self.forget(id, *upto);
        }
        ended
    }

    /// Drops the oldest entries from memory; the store still has them.
    pub(super) fn shrink_recent(&mut self, max_bytes: usize) {
        while self.recent.bytes > max_bytes || self.recent.order.len() > RECENT_ITEMS {
            let Some((id, seq, size)) = self.recent.order.pop_front() else { return };
            self.recent.bytes -= usize::try_from(size).unwrap_or(0);
            if let Some(held) = self.by_id.get_mut(&id).and_then(|log| log.entry_mut(seq)) {
                held.item = None;
            }
        }
    }

    /// Whether anything here will end by itself.
    pub(super) fn needs_sweep(&self) -> bool {
        self.items > 0
    }

    /// Makes a node a reader of a channel from `cursor` on; `false` when it was one already.
    pub(super) fn join(&mut self, group: GroupId, node: NodeId, cursor: u64) -> bool {
        self.channels_of.entry(node).or_default().insert(group);
        self.open(LogId::Channel(group)).readers.join(node, cursor)
    }

    /// Makes sure that a member reads its channel: from the beginning if it has no cursor.
    pub(super) fn adopt(&mut self, group: GroupId, node: NodeId) {
        let log = LogId::Channel(group);
        if self.get(&log).is_none_or(|log| log.readers.get(&node).is_none()) {
            self.join(group, node, 0);
        }
    }

    /// Ends a node's reading of a channel.
    pub(super) fn part(&mut self, group: GroupId, node: &NodeId) {
        self.open(LogId::Channel(group)).readers.remove(node);
        if let Some(groups) = self.channels_of.get_mut(node) {
            groups.remove(&group);
            if groups.is_empty() {
                self.channels_of.remove(node);
            }
        }
    }

    /// Every log a node reads.
    pub(super) fn read_by(&self, node: &NodeId) -> Vec<LogId> {
        let channels = self.channels_of.get(node).into_iter().flatten();
        let mailbox = core::iter::once(LogId::Mailbox(*node));
        mailbox.chain(channels.map(|group| LogId::Channel(*group))).collect()
    }
}
