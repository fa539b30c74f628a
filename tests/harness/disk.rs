//! A device's disk: the records of its engine, its history and its delivery ledger.
//!
//! Only a commit writes it, so a crash is forgetting the engine.

use std::collections::BTreeMap;

use hubbub_node::api::view::Delivery;
use hubbub_node::engine::output::{
    Changes, HistoryChange, Loaded, MessageKey, RecordChange, StoredMessage, Table,
};
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::id::{MessageId, NodeId};

/// What a device keeps.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// The engine's records.
    pub(crate) records: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// The history in order.
    pub history: Vec<StoredMessage>,
    /// Own messages: how far, for each recipient.
    pub ledger: BTreeMap<(MessageId, NodeId), Delivery>,
}

impl Disk {
    /// What an engine starts from.
    pub(crate) fn load(&self) -> Loaded {
        let records = self.records.iter();
        records
            .map(|((table, key), value)| {
                (*table, key.clone(), SecretBytes::from_vec(value.clone()))
            })
            .collect()
    }

    /// Applies one transaction. What it gives is new in the history.
    pub(crate) fn commit(&mut self, changes: Changes) -> Vec<MessageKey> {
        for change in changes.records {
            match change {
                RecordChange::Put(table, key, value) => {
                    self.records.insert((table, key), value.expose().to_vec());
                }
                RecordChange::Delete(table, key) => {
                    self.records.remove(&(table, key));
                }
            }
        }
        changes.history.into_iter().filter_map(|change| self.tell(change)).collect()
    }

    fn tell(&mut self, change: HistoryChange) -> Option<MessageKey> {
        match change {
            HistoryChange::Insert(line) => {
                let key = line.key();
                let known = self.history.iter().any(|old| old.key() == key);
                if !known {
                    self.history.push(line);
                }
                (!known).then_some(key)
            }
            HistoryChange::Progress { message, recipient, delivery, .. } => {
                let known = self.ledger.entry((message, recipient)).or_default();
                *known = (*known).max(delivery);
                None
            }
            HistoryChange::Read(_) => None,
        }
    }
}
