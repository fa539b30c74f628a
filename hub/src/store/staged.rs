//! A batch of writes as keys and values.
//!
//! Invariant: one key, one value. Writes to the same key within a batch are settled here, the last
//! one winning, because a log-structured store gives all writes of a batch one place in history.

use std::collections::BTreeMap;

use hubbub_shared::id::NodeId;
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::codec::encode;
use hubbub_shared::wire::from_hub::Item;
use serde_bytes::Bytes;

use super::keys::{self, What};
use crate::relay::Write;

/// Values by key; `None` removes.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What one batch changes in each table.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) items: Changes,
    pub(super) index: Changes,
    pub(super) state: Changes,
    /// Where each log begins once the batch is in.
    pub(super) floors: BTreeMap<LogId, u64>,
}

impl Staged {
    /// Adds a write; `floors` says where each log began before the batch.
    pub(super) fn add(&mut self, write: &Write, floors: &BTreeMap<LogId, u64>) {
        match write {
            Write::Append { log, item } => self.append(log, item),
            Write::Forget { log, upto } => self.forget(*log, *upto, floors),
            Write::Cursor { log, reader, upto } => self.cursor(log, reader, *upto),
            Write::Leaving { log, reader, until } => {
                let key = What::Leaving.key(&[&keys::log(log), reader.as_bytes()]);
                self.set(key, until.map(|until| until.to_be_bytes().to_vec()));
            }
            other => self.record(other),
        }
    }

    fn append(&mut self, log: &LogId, item: &Item) {
        let key = keys::entry(log, item.seq);
        let size = u32::try_from(item.bytes.len()).unwrap_or(u32::MAX);
        let summary = [size.to_be_bytes().as_slice(), &item.at.0.to_be_bytes()].concat();
        self.index.insert(key.clone(), Some(summary));
        self.items.insert(key, Some(item_bytes(item)));
    }

    /// Numbers in a log have no holes, so what is forgotten needs no looking up.
    fn forget(&mut self, log: LogId, upto: u64, floors: &BTreeMap<LogId, u64>) {
        let before = self.floors.get(&log).or_else(|| floors.get(&log)).copied().unwrap_or(1);
        let floor = upto.saturating_add(1).max(before);
        for seq in before..floor {
            let key = keys::entry(&log, seq);
            self.index.insert(key.clone(), None);
            self.items.insert(key, None);
        }
        let key = What::Floor.key(&[&keys::log(&log)]);
        self.set(key, Some(floor.to_be_bytes().to_vec()));
        self.floors.insert(log, floor);
    }

    fn cursor(&mut self, log: &LogId, reader: &NodeId, upto: Option<u64>) {
        let log = keys::log(log);
        let parts: [&[u8]; 2] = [&log, reader.as_bytes()];
        self.set(What::Cursor.key(&parts), upto.map(|upto| upto.to_be_bytes().to_vec()));
        if upto.is_none() {
            self.set(What::Leaving.key(&parts), None);
        }
    }

    fn record(&mut self, write: &Write) {
        let (key, value) = match write {
            Write::Control { group, seq, entry } => {
                let key = What::Control.key(&[group.as_bytes(), &seq.to_be_bytes()]);
                (key, Some(entry.clone()))
            }
            Write::Admit { node, at } => {
                (What::Admitted.key(&[node.as_bytes()]), Some(at.0.to_be_bytes().to_vec()))
            }
            Write::Nickname { nickname, skeleton, node, claim } => {
                let value = encode(&(nickname, node, Bytes::new(claim)));
                (What::Nickname.key(&[skeleton.as_bytes()]), Some(value))
            }
            Write::NicknameGone { skeleton } => (What::Nickname.key(&[skeleton.as_bytes()]), None),
            Write::Prekeys { node, identity, signed_prekey } => {
                let value = encode(&(Bytes::new(identity), Bytes::new(signed_prekey)));
                (What::Prekeys.key(&[node.as_bytes()]), Some(value))
            }
            Write::OneTime { node, id, prekey } => {
                (What::OneTime.key(&[node.as_bytes(), &id.to_be_bytes()]), prekey.clone())
            }
            Write::Beacon { node, beacon } => {
                (What::Beacon.key(&[node.as_bytes()]), Some(beacon.clone()))
            }
            Write::Appends { node, appends } => {
                (What::Appends.key(&[node.as_bytes()]), Some(appends.to_be_bytes().to_vec()))
            }
            Write::Room { skeleton, group } => {
                let value = group.map(|group| group.as_bytes().to_vec());
                (What::Room.key(&[skeleton.as_bytes()]), value)
            }
            Write::Invite { token_hash, left } => {
                let value = left.map(|(left, end)| encode(&(left, end)));
                (What::Invite.key(&[token_hash]), value)
            }
            // The log's own writes, see `add`.
            Write::Append { .. }
            | Write::Cursor { .. }
            | Write::Leaving { .. }
            | Write::Forget { .. } => return,
        };
        self.set(key, value);
    }

    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.state.insert(key, value);
    }
}

/// `u64 arrival | u8 kind | 32 from | bytes`
fn item_bytes(item: &Item) -> Vec<u8> {
    let mut out = Vec::with_capacity(41 + item.bytes.len());
    out.extend_from_slice(&item.at.0.to_be_bytes());
    out.push(item.kind.into());
    out.extend_from_slice(item.from.as_bytes());
    out.extend_from_slice(&item.bytes);
    out
}
