//! Where the hub keeps what must survive it.
//!
//! [`Store`] is the whole of it: load everything small at start, commit a batch durably, read back
//! entries. It knows nothing of connections.

pub mod embedded;
mod keys;
pub mod memory;
mod restored;
mod scan;
mod seal;
mod staged;
#[cfg(test)]
mod tests;

pub use embedded::EmbeddedStore;
pub use memory::MemoryStore;

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::from_hub::Item;

use crate::relay::Write;

/// What a relay starts from.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Admitted identities.
    pub admitted: Vec<NodeId>,
    /// Nicknames: as shown, skeleton, owner, claim.
    pub nicknames: Vec<(String, String, NodeId, Vec<u8>)>,
    /// Invites: token hash, uses left, end.
    pub invites: Vec<([u8; 32], u32, Timestamp)>,
    /// Public names of groups, by skeleton.
    pub rooms: Vec<(String, GroupId)>,
    /// Nodes with published prekeys and the numbers of their one-time prekeys.
    pub prekeys: Vec<(NodeId, Vec<u32>)>,
    /// The beacon each node left last, and how many envelopes it has sent since.
    pub beacons: Vec<(NodeId, Vec<u8>, u64)>,
    /// Logs: first and next number, and bytes, items held.
    pub logs: Vec<LogSummary>,
    /// Cursors.
    pub cursors: Vec<(LogId, NodeId, u64)>,
    /// Readers on their way out, and the last entry each still gets.
    pub leaving: Vec<(LogId, NodeId, u64)>,
    /// Control logs, whole, in order.
    pub control: Vec<(GroupId, Vec<Vec<u8>>)>,
}

/// What a relay knows of a log without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSummary {
    /// Which log.
    pub log: LogId,
    /// Number the next entry gets. Never goes back, not even when the log is empty.
    pub next_seq: u64,
    /// Held entries: number, bytes and arrival of each, in order.
    pub held: Vec<(u64, u32, Timestamp)>,
}

/// The store could not do it. The hub refuses and goes on; nothing acknowledged is lost.
#[derive(Debug, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

impl StoreError {
    /// What is on the disk is not what was written there.
    fn damaged(what: &str) -> Self {
        Self(format!(
            "it is damaged: {what}. Put back a copy of the hub's folder, or move the store away to \
             begin with an empty one (docs/HUB.md); nodes send again what was not delivered"
        ))
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A bundle as read back: identity statement, signed prekey, one-time prekey.
pub type StoredBundle = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

/// Durable storage for one hub.
pub trait Store: Send + 'static {
    /// Random number of this store, made when it was created.
    fn id(&self) -> [u8; 16];
    /// Everything a relay starts from: at start, and again after a commit that failed.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn load(&mut self) -> Result<Snapshot, StoreError>;
    /// Applies a batch whole and durably (synced to disk before this returns), or not at all.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch may be counted on, and nothing more is committed until
    /// [`Self::load`] was called: it says what is there. The batch is there whole or not at all.
    fn commit(&mut self, batch: &[Write]) -> Result<(), StoreError>;
    /// Entries of a log with number ≥ `from`, at least one if there is any, about `max_bytes`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn read(&self, log: &LogId, from: u64, max_bytes: usize) -> Result<Vec<Item>, StoreError>;
    /// Up to `max` control entries from number `from` on.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn control(&self, group: &GroupId, from: u64, max: usize) -> Result<Vec<Vec<u8>>, StoreError>;
    /// A node's bundle with the named one-time prekey; `None` when it has published nothing.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn bundle(
        &self,
        node: &NodeId,
        one_time: Option<u32>,
    ) -> Result<Option<StoredBundle>, StoreError>;
}
