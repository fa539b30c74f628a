//! The hub's own store: a folder of files, one process, nothing to install.
//!
//! Built on fjall, a log-structured store: a batch is one append to its journal and one sync, and a
//! forgotten range is cheap. docs/BENCHMARKS.md has the measurement behind the choice. Three
//! tables: `items` with the sealed entries, `index` with number, size and arrival of each (so that
//! a start reads no entries), `state` with everything else.
//!
//! Memory is bounded: a block cache, and per table at most a few memtables of the sizes below.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::codec::decode;
use hubbub_shared::wire::from_hub::{Item, ItemKind};
use hubbub_shared::wire::{ByteBuf, LogId};

use super::keys::{self, What};
use super::staged::{Changes, Staged};
use super::{Snapshot, Store, StoreError, StoredBundle, restored, scan, seal};
use crate::relay::Write;

const MIB: u64 = 1024 * 1024;
/// Blocks read back are seldom read twice: readers who are nearly up to date never come here.
const CACHE_BYTES: u64 = 16 * MIB;
/// Written to disk at this size: large enough that a short-lived entry is often forgotten before it
/// is ever written to a table, small enough to hold a few.
const ITEMS_MEMTABLE: u64 = 32 * MIB;
/// The other tables are small.
const STATE_MEMTABLE: u64 = 4 * MIB;
/// Journals kept until their memtables are written: two, as fjall lays out 64 MiB for each.
const JOURNAL_BYTES: u64 = 128 * MIB;
/// One thread writes tables while the relay goes on; a second would compete with it.
const WORKERS: usize = 1;
/// The layout described in `keys`. Another one is refused rather than guessed at.
const FORMAT: u8 = 1;

/// A store in a folder.
pub struct EmbeddedStore {
    folder: PathBuf,
    id: [u8; 16],
    /// `None` after a failed commit, until [`Store::load`] opens it again.
    tables: Option<Tables>,
    /// Where each log begins: everything before was forgotten.
    floors: BTreeMap<LogId, u64>,
}

struct Tables {
    database: Database,
    items: Keyspace,
    index: Keyspace,
    state: Keyspace,
}

impl EmbeddedStore {
    /// Opens the store in `folder`, or makes one there whose number is `new_id` (random; ignored
    /// when there is a store).
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be used, is in use by another process, or holds
    /// another layout.
    pub fn open(folder: &Path, new_id: [u8; 16]) -> Result<Self, StoreError> {
        seal::lift(folder)?;
        let tables = Tables::open(folder)?;
        let id = tables.identify(new_id)?;
        let floors = tables.floors()?;
        Ok(Self { folder: folder.to_owned(), id, tables: Some(tables), floors })
    }

    fn tables(&self) -> Result<&Tables, StoreError> {
        self.tables.as_ref().ok_or_else(|| StoreError("closed after a failed commit".to_owned()))
    }
}

impl Store for EmbeddedStore {
    fn id(&self) -> [u8; 16] {
        self.id
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        if self.tables.is_none() {
            self.tables = Some(Tables::open(&self.folder)?);
        }
        self.floors = self.tables()?.floors()?;
        self.tables()?.snapshot(&self.floors)
    }

    fn commit(&mut self, batch: &[Write]) -> Result<(), StoreError> {
        let mut staged = Staged::default();
        batch.iter().for_each(|write| staged.add(write, &self.floors));
        match self.tables()?.commit(staged.items, staged.index, staged.state) {
            Ok(()) => {
                self.floors.append(&mut staged.floors);
                Ok(())
            }
            Err(error) => {
                // Whether the batch is on disk is not known now; opening again will tell.
                self.tables = None;
                Err(error)
            }
        }
    }

    fn read(&self, log: &LogId, from: u64, max_bytes: usize) -> Result<Vec<Item>, StoreError> {
        let range = keys::entry(log, from)..=keys::entry(log, u64::MAX);
        let (mut page, mut bytes) = (Vec::new(), 0);
        for guard in self.tables()?.items.range(range) {
            if bytes >= max_bytes && !page.is_empty() {
                break;
            }
            let (key, value) = guard.into_inner()?;
            let item = read_item(&key, &value).ok_or_else(damaged)?;
            bytes += item.bytes.len();
            page.push(item);
        }
        Ok(page)
    }

    fn control(&self, group: &GroupId, from: u64, max: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let key = |seq: u64| What::Control.key(&[group.as_bytes(), &seq.to_be_bytes()]);
        let entries = self.tables()?.state.range(key(from)..=key(u64::MAX)).take(max);
        entries.map(|guard| Ok(guard.value()?.to_vec())).collect()
    }

    fn bundle(
        &self,
        node: &NodeId,
        one_time: Option<u32>,
    ) -> Result<Option<StoredBundle>, StoreError> {
        let state = &self.tables()?.state;
        let Some(published) = state.get(What::Prekeys.key(&[node.as_bytes()]))? else {
            return Ok(None);
        };
        let (identity, signed): (ByteBuf, ByteBuf) = decode(&published).map_err(|_| damaged())?;
        let one_time = match one_time {
            Some(id) => state.get(What::OneTime.key(&[node.as_bytes(), &id.to_be_bytes()]))?,
            None => None,
        };
        let one_time = one_time.map(|prekey| prekey.to_vec());
        Ok(Some((identity.into_vec(), signed.into_vec(), one_time)))
    }
}

impl Tables {
    fn open(folder: &Path) -> Result<Self, StoreError> {
        if folder.exists() {
            scan::check(folder)?;
        }
        let database = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKERS)
            .open()?;
        let table = |name: &str, memtable| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable);
            database.keyspace(name, options)
        };
        let items = table("items", ITEMS_MEMTABLE)?;
        let index = table("index", STATE_MEMTABLE)?;
        let state = table("state", STATE_MEMTABLE)?;
        Ok(Self { database, items, index, state })
    }

    fn identify(&self, new_id: [u8; 16]) -> Result<[u8; 16], StoreError> {
        if let Some(format) = self.state.get(keys::FORMAT)? {
            if *format != [FORMAT] {
                return Err(StoreError("made by another version of the hub".to_owned()));
            }
            let id = self.state.get(keys::ID)?.ok_or_else(damaged)?;
            return (*id).try_into().map_err(|_| damaged());
        }
        let made = [
            (keys::FORMAT.to_vec(), Some(vec![FORMAT])),
            (keys::ID.to_vec(), Some(new_id.to_vec())),
        ];
        self.commit(Changes::new(), Changes::new(), made.into())?;
        Ok(new_id)
    }

    /// One append to the journal, synced before this returns.
    fn commit(&self, items: Changes, index: Changes, state: Changes) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (table, changes) in [(&self.items, items), (&self.index, index), (&self.state, state)] {
            for (key, value) in changes {
                match value {
                    Some(value) => batch.insert(table, key, value),
                    None => batch.remove(table, key),
                }
            }
        }
        Ok(batch.commit()?)
    }

    fn floors(&self) -> Result<BTreeMap<LogId, u64>, StoreError> {
        self.all(What::Floor, |key, value| {
            let (log, _) = keys::read_log(key)?;
            Some((log, keys::read_number(value)?))
        })
    }

    fn snapshot(&self, floors: &BTreeMap<LogId, u64>) -> Result<Snapshot, StoreError> {
        Ok(Snapshot {
            admitted: self.all(What::Admitted, |key, _| NodeId::from_slice(key))?,
            nicknames: self.all(What::Nickname, restored::nickname)?,
            invites: self.all(What::Invite, restored::invite)?,
            rooms: self.all(What::Room, restored::room)?,
            prekeys: self.prekeys()?,
            beacons: self.beacons()?,
            logs: restored::summaries(floors, self.entries()?),
            cursors: self.all(What::Cursor, restored::position)?,
            leaving: self.all(What::Leaving, restored::position)?,
            control: restored::grouped(self.all(What::Control, restored::control)?),
        })
    }

    fn prekeys(&self) -> Result<Vec<(NodeId, Vec<u32>)>, StoreError> {
        let nodes = self.all::<_, Vec<_>>(What::Prekeys, |key, _| NodeId::from_slice(key))?;
        let one_time = self.all(What::OneTime, restored::one_time)?;
        Ok(restored::prekeys(nodes, one_time))
    }

    fn beacons(&self) -> Result<Vec<(NodeId, Vec<u8>, u64)>, StoreError> {
        let appends: BTreeMap<NodeId, u64> = self.all(What::Appends, |key, value| {
            Some((NodeId::from_slice(key)?, keys::read_number(value)?))
        })?;
        self.all(What::Beacon, |key, value| {
            let node = NodeId::from_slice(key)?;
            Some((node, value.to_vec(), appends.get(&node).copied().unwrap_or(0)))
        })
    }

    /// Number, size and arrival of every entry held.
    fn entries(&self) -> Result<Vec<restored::Entry>, StoreError> {
        let rows = self.index.iter().map(|guard| {
            let (key, value) = guard.into_inner()?;
            restored::summary(&key, &value).ok_or_else(damaged)
        });
        rows.collect()
    }

    /// Every record about one thing, its key without the first byte.
    fn all<T, C: FromIterator<T>>(
        &self,
        what: What,
        read: impl Fn(&[u8], &[u8]) -> Option<T>,
    ) -> Result<C, StoreError> {
        let rows = self.state.prefix(what.prefix()).map(|guard| {
            let (key, value) = guard.into_inner()?;
            key.split_first().and_then(|(_, key)| read(key, &value)).ok_or_else(damaged)
        });
        rows.collect()
    }
}

fn read_item(key: &[u8], value: &[u8]) -> Option<Item> {
    let (_, seq) = keys::read_log(key)?;
    let (at, rest) = value.split_first_chunk::<8>()?;
    let (kind, rest) = rest.split_first()?;
    let (from, bytes) = rest.split_first_chunk::<32>()?;
    Some(Item {
        seq: keys::read_number(seq)?,
        kind: ItemKind::try_from(*kind).ok()?,
        at: Timestamp(u64::from_be_bytes(*at)),
        from: NodeId(*from),
        bytes: ByteBuf::from(bytes.to_vec()),
    })
}

fn damaged() -> StoreError {
    StoreError::damaged("a record is not what was written")
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self("another hub is running on it".to_owned()),
            fjall::Error::Io(error) => error.into(),
            fjall::Error::Poisoned => Self("a write failed before".to_owned()),
            other => Self::damaged(&other.to_string()),
        }
    }
}

impl Drop for EmbeddedStore {
    /// Closes and seals it. After a commit that failed there is nothing to be sure of.
    fn drop(&mut self) {
        let Some(tables) = self.tables.take() else { return };
        drop(tables);
        if let Err(error) = seal::put(&self.folder) {
            tracing::warn!("the store is closed, but could not be sealed: {error}");
        }
    }
}
