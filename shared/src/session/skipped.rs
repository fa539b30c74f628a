//! Keys of messages that were passed over: they may still arrive.
//!
//! Bounded by count and age, oldest forgotten first; each key opens one message and is gone.

use std::collections::VecDeque;

use crate::crypto::exchange::DhPublic;
use crate::crypto::{RecordError, RecordReader, RecordWriter, Secret32};
use crate::limits;
use crate::time::Timestamp;

struct Entry {
    chain: DhPublic,
    index: u32,
    at: Timestamp,
    key: Secret32,
}

impl Entry {
    fn is_live(&self, now: Timestamp) -> bool {
        now.since(self.at) <= limits::SKIPPED_AGE
    }
}

/// The skipped keys of one session, oldest first.
#[derive(Default)]
pub(super) struct Skipped(VecDeque<Entry>);

impl Skipped {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn find(&self, chain: &DhPublic, index: u32, now: Timestamp) -> Option<&Secret32> {
        let wanted = |e: &&Entry| e.index == index && e.chain == *chain && e.is_live(now);
        self.0.iter().find(wanted).map(|e| &e.key)
    }

    pub(super) fn remove(&mut self, chain: &DhPublic, index: u32) {
        self.0.retain(|e| e.index != index || e.chain != *chain);
    }

    pub(super) fn add(&mut self, chain: DhPublic, keys: Vec<(u32, Secret32)>, at: Timestamp) {
        for (index, key) in keys {
            self.0.push_back(Entry { chain, index, at, key });
        }
        let excess = self.0.len().saturating_sub(limits::SKIPPED_PER_SESSION);
        self.0.drain(..excess);
    }

    pub(super) fn forget_old(&mut self, now: Timestamp) {
        self.0.retain(|e| e.is_live(now));
    }

    pub(super) fn save(&self, to: &mut RecordWriter) {
        to.count(self.0.len());
        for entry in &self.0 {
            to.fixed(entry.chain.as_bytes()).u32(entry.index).u64(entry.at.0);
            to.fixed(entry.key.expose());
        }
    }

    pub(super) fn load(from: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let count = from.count(limits::SKIPPED_PER_SESSION)?;
        let mut entries = VecDeque::with_capacity(count);
        for _ in 0..count {
            let (chain, index) = (DhPublic(from.array()?), from.u32()?);
            let (at, key) = (Timestamp(from.u64()?), from.secret()?);
            entries.push_back(Entry { chain, index, at, key });
        }
        Ok(Self(entries))
    }
}
