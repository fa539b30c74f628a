//! A store that forgets: for tests, simulation and hubs that keep nothing on purpose.
//!
//! What was committed is what a restart finds: [`MemoryStore::survivor`] is the disk after a crash.
//! A commit can be made to fail.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::from_hub::Item;

use super::{LogSummary, Snapshot, Store, StoreError, StoredBundle};
use crate::relay::Write;
use hubbub_shared::time::Timestamp;

/// Everything in maps.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    id: [u8; 16],
    state: State,
    fail_next: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    items: BTreeMap<LogId, BTreeMap<u64, Arc<Item>>>,
    next: BTreeMap<LogId, u64>,
    cursors: BTreeMap<(LogId, NodeId), u64>,
    leaving: BTreeMap<(LogId, NodeId), u64>,
    control: BTreeMap<GroupId, BTreeMap<u64, Vec<u8>>>,
    admitted: BTreeMap<NodeId, Timestamp>,
    nicknames: BTreeMap<String, (String, NodeId, Vec<u8>)>,
    prekeys: BTreeMap<NodeId, (Vec<u8>, Vec<u8>)>,
    one_time: BTreeMap<(NodeId, u32), Vec<u8>>,
    beacons: BTreeMap<NodeId, Vec<u8>>,
    appends: BTreeMap<NodeId, u64>,
    invites: BTreeMap<[u8; 32], (u32, Timestamp)>,
    rooms: BTreeMap<String, GroupId>,
}

impl MemoryStore {
    /// An empty store with this random number.
    #[must_use]
    pub fn new(id: [u8; 16]) -> Self {
        Self { id, ..Self::default() }
    }

    /// What a restart after a crash at this moment finds.
    #[must_use]
    pub fn survivor(&self) -> Self {
        Self { fail_next: false, ..self.clone() }
    }

    /// Makes the next commit fail, and keep nothing.
    pub fn fail_next_commit(&mut self) {
        self.fail_next = true;
    }
}

impl Store for MemoryStore {
    fn id(&self) -> [u8; 16] {
        self.id
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        Ok(self.state.snapshot())
    }

    fn commit(&mut self, batch: &[Write]) -> Result<(), StoreError> {
        if core::mem::take(&mut self.fail_next) {
            return Err(StoreError("told to fail".to_owned()));
        }
        for write in batch {
            self.state.apply(write);
        }
        Ok(())
    }

    fn read(&self, log: &LogId, from: u64, max_bytes: usize) -> Result<Vec<Item>, StoreError> {
        let mut page = Vec::new();
        let mut bytes = 0;
        let items = self.state.items.get(log);
        for (_, item) in items.into_iter().flat_map(|items| items.range(from..)) {
            if bytes >= max_bytes && !page.is_empty() {
                break;
            }
            bytes += item.bytes.len();
            page.push((**item).clone());
        }
        Ok(page)
    }

    fn control(&self, group: &GroupId, from: u64, max: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let entries = self.state.control.get(group).into_iter();
        Ok(entries.flat_map(|log| log.range(from..)).take(max).map(|(_, e)| e.clone()).collect())
    }

    fn bundle(
        &self,
        node: &NodeId,
        one_time: Option<u32>,
    ) -> Result<Option<StoredBundle>, StoreError> {
        let Some((identity, signed)) = self.state.prekeys.get(node).cloned() else {
            return Ok(None);
        };
        let one_time = one_time.and_then(|id| self.state.one_time.get(&(*node, id)).cloned());
        Ok(Some((identity, signed, one_time)))
    }
}

/// Inserts, or removes for `None`.
fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

impl State {
    fn apply(&mut self, write: &Write) {
        match write.clone() {
            Write::Append { log, item } => {
                self.next.insert(log, item.seq + 1);
                self.items.entry(log).or_default().insert(item.seq, item);
            }
            Write::Cursor { log, reader, upto } => {
                set(&mut self.cursors, (log, reader), upto);
                if upto.is_none() {
                    self.leaving.remove(&(log, reader));
                }
            }
            Write::Leaving { log, reader, until } => {
                set(&mut self.leaving, (log, reader), until);
            }
            Write::Forget { log, upto } => {
                let items = self.items.entry(log).or_default();
                *items = items.split_off(&(upto + 1));
            }
            Write::Control { group, seq, entry } => {
                self.control.entry(group).or_default().insert(seq, entry);
            }
            Write::Admit { node, at } => drop(self.admitted.insert(node, at)),
            Write::Nickname { nickname, skeleton, node, claim } => {
                self.nicknames.insert(skeleton, (nickname, node, claim));
            }
            Write::NicknameGone { skeleton } => drop(self.nicknames.remove(&skeleton)),
            Write::Prekeys { node, identity, signed_prekey } => {
                self.prekeys.insert(node, (identity, signed_prekey));
            }
            Write::Beacon { node, beacon } => drop(self.beacons.insert(node, beacon)),
            Write::Appends { node, appends } => drop(self.appends.insert(node, appends)),
            Write::OneTime { node, id, prekey } => set(&mut self.one_time, (node, id), prekey),
            Write::Room { skeleton, group } => set(&mut self.rooms, skeleton, group),
            Write::Invite { token_hash, left } => set(&mut self.invites, token_hash, left),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let numbers = |node: &NodeId| {
            let range = (*node, 0)..=(*node, u32::MAX);
            self.one_time.range(range).map(|((_, id), _)| *id).collect()
        };
        Snapshot {
            admitted: self.admitted.keys().copied().collect(),
            nicknames: self
                .nicknames
                .iter()
                .map(|(skeleton, (name, node, claim))| {
                    (name.clone(), skeleton.clone(), *node, claim.clone())
                })
                .collect(),
            invites: self.invites.iter().map(|(hash, (left, end))| (*hash, *left, *end)).collect(),
            rooms: self.rooms.iter().map(|(name, group)| (name.clone(), *group)).collect(),
            prekeys: self.prekeys.keys().map(|node| (*node, numbers(node))).collect(),
            beacons: self.beacons.iter().map(|(node, beacon)| self.left(node, beacon)).collect(),
            logs: self.next.iter().map(|(log, next)| self.summary(*log, *next)).collect(),
            cursors: self.cursors.iter().map(|((log, node), upto)| (*log, *node, *upto)).collect(),
            leaving: self.leaving.iter().map(|((log, node), upto)| (*log, *node, *upto)).collect(),
            control: self
                .control
                .iter()
                .map(|(group, log)| (*group, log.values().cloned().collect()))
                .collect(),
        }
    }

    fn left(&self, node: &NodeId, beacon: &[u8]) -> (NodeId, Vec<u8>, u64) {
        (*node, beacon.to_vec(), self.appends.get(node).copied().unwrap_or(0))
    }

    fn summary(&self, log: LogId, next_seq: u64) -> LogSummary {
        let size = |item: &Item| u32::try_from(item.bytes.len()).unwrap_or(u32::MAX);
        let items = self.items.get(&log).into_iter().flat_map(BTreeMap::values);
        LogSummary { log, next_seq, held: items.map(|i| (i.seq, size(i), i.at)).collect() }
    }
}
