//! Keys of messages that were skipped over and may still arrive.
//!
//! Invariant: at most one key per place in a chain, so at most [`CHAIN_INDEX_MAX`]. With each key
//! goes what its neighbours said about the message: its digest, the one before it, its epoch. A
//! late message must fit between them.

use std::collections::BTreeMap;

use crate::crypto::{RecordError, RecordReader, RecordWriter, Secret32};
use crate::limits::CHAIN_INDEX_MAX;

use super::Link;

/// One key, and what is known of the message it is for.
pub(super) struct SkippedKey {
    pub(super) mk: Secret32,
    /// The link of the message before, when that one arrived.
    pub(super) before: Option<Link>,
    /// The link of this message, as the one after it says.
    pub(super) this: Option<Link>,
    /// The lowest epoch it can have.
    pub(super) at_least: u64,
    /// The highest epoch it can have.
    pub(super) at_most: u64,
}

/// All skipped keys of one chain, by message number.
#[derive(Default)]
pub(super) struct Skipped(BTreeMap<u32, SkippedKey>);

impl Skipped {
    pub(super) fn get(&self, idx: u32) -> Option<&SkippedKey> {
        self.0.get(&idx)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn indexes(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.keys().copied()
    }

    pub(super) fn insert(&mut self, idx: u32, key: SkippedKey) {
        self.0.insert(idx, key);
    }

    /// The message at `idx` arrived: its key goes, and its neighbours learn from it.
    pub(super) fn used(&mut self, idx: u32, this: Link, prev: Link, epoch_seq: u64) {
        self.0.remove(&idx);
        for (other, key) in &mut self.0 {
            if *other < idx {
                key.at_most = key.at_most.min(epoch_seq);
            } else {
                key.at_least = key.at_least.max(epoch_seq);
            }
        }
        if let Some(next) = idx.checked_add(1).and_then(|n| self.0.get_mut(&n)) {
            next.before = Some(this);
        }
        if let Some(last) = idx.checked_sub(1).and_then(|n| self.0.get_mut(&n)) {
            last.this = Some(prev);
        }
    }

    pub(super) fn save(&self, w: &mut RecordWriter) {
        w.count(self.0.len());
        for (idx, key) in &self.0 {
            w.u32(*idx).fixed(key.mk.expose()).u64(key.at_least).u64(key.at_most);
            save_link(w, key.before);
            save_link(w, key.this);
        }
    }

    pub(super) fn load(r: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let max = usize::try_from(CHAIN_INDEX_MAX).unwrap_or(usize::MAX);
        let mut keys = BTreeMap::new();
        for _ in 0..r.count(max)? {
            let (idx, mk, at_least, at_most) = (r.u32()?, r.secret()?, r.u64()?, r.u64()?);
            let (before, this) = (load_link(r)?, load_link(r)?);
            keys.insert(idx, SkippedKey { mk, before, this, at_least, at_most });
        }
        Ok(Self(keys))
    }
}

fn save_link(w: &mut RecordWriter, link: Option<Link>) {
    w.bool(link.is_some());
    if let Some(link) = link {
        w.fixed(&link);
    }
}

fn load_link(r: &mut RecordReader<'_>) -> Result<Option<Link>, RecordError> {
    if r.bool()? { r.array().map(Some) } else { Ok(None) }
}
