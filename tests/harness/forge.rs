//! What only a lying hub delivers.

use hubbub_hub::store::Store;
use hubbub_node::engine::output::Table;
use hubbub_shared::id::NodeId;
use hubbub_shared::wire::from_hub::{Deliver, Item, ItemKind};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId};

use crate::world::World;

impl World {
    /// Hands a device an entry that no hub would have: a forged delivery.
    pub fn forge(&mut self, who: usize, log: LogId, from: NodeId, bytes: Vec<u8>) {
        let item = Item {
            seq: 1_000_000 + self.network.next(),
            kind: ItemKind::Envelope,
            at: self.now,
            from,
            bytes: ByteBuf::from(bytes),
        };
        self.give(who, FromHub::Deliver(Deliver { log, items: vec![item] }));
    }

    /// Delivers entries of a log to a device all over again, under new numbers.
    pub fn deliver_again(&mut self, who: usize, log: LogId) {
        let mut items = self.stored(&log);
        for item in &mut items {
            item.seq += 1_000_000;
        }
        self.give(who, FromHub::Deliver(Deliver { log, items }));
    }

    /// As [`Self::forge`], but the device forgets the place it had in the log, so that what the hub
    /// holds still comes. What it refused until then.
    pub fn forge_quietly(
        &mut self,
        who: usize,
        log: LogId,
        from: NodeId,
        bytes: Vec<u8>,
    ) -> Vec<(String, u64)> {
        let cursors: Vec<_> = self.devices[who]
            .disk
            .records
            .iter()
            .filter(|((table, _), _)| *table == Table::Cursor)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        self.forge(who, log, from, bytes);
        let refused = self.engine(who).status().refused;
        self.devices[who].disk.records.retain(|(table, _), _| *table != Table::Cursor);
        self.devices[who].disk.records.extend(cursors);
        self.devices[who].engine = None;
        self.cut(who);
        self.revive(who);
        refused
    }

    /// Everything the hub's disk holds of a log.
    pub fn stored(&self, log: &LogId) -> Vec<Item> {
        self.hub.store.read(log, 0, usize::MAX).unwrap()
    }
}
