//! The node's one database: the engine's records, the history, the delivery ledger, the search
//! index.
//!
//! Everything is in one SQLCipher file under the profile's master key, indexes included. Invariant:
//! [`Store::commit`] is one transaction, durable when it returns; whatever happens before that
//! leaves nothing of it. What is absent: what a record means (the engine's business), and names of
//! people (they change; the engine has them).

mod commit;
mod error;
mod export;
mod migrations;
mod past;
mod query;
mod row;

use std::path::Path;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hubbub_shared::crypto::{Secret32, SecretBytes};
use hubbub_shared::id::NodeId;
use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

pub use self::error::StoreError;
pub use self::export::{Cell, Import, Row};
pub use self::past::Told;
pub use self::query::{Ledger, Message, Summary};
use crate::engine::output::Loaded;

/// How long a statement waits for another process, which only a person with a tool can be.
const BUSY: Duration = Duration::from_secs(2);
/// Prepared statements kept: all there are.
const STATEMENTS: usize = 48;

/// An open database. One per profile: its owner holds the profile's lock.
pub struct Store {
    db: Connection,
    me: NodeId,
}

impl Store {
    /// Opens or makes the database at `path` under `key`. `me` is whose messages are own.
    ///
    /// # Errors
    /// [`StoreError`], each with what to try.
    pub fn open(path: &Path, key: &Secret32, me: NodeId) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags)?;
        // SQLCipher would write to the terminal by itself; its errors come back here anyway.
        db.execute_batch("PRAGMA cipher_log_level = NONE")?;
        unlock(&db, key)?;
        db.busy_timeout(BUSY)?;
        let readable = db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        match readable.map_err(StoreError::from) {
            Err(StoreError::Corrupt(_)) => return Err(StoreError::WrongKey(path.to_path_buf())),
            other => other?,
        }
        settings(&db)?;
        migrations::run(&mut db)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { db, me })
    }

    /// Opens the database at `path` for looking at it only, also while a node runs on it.
    ///
    /// # Errors
    /// As [`Self::open`]; also when there is none, or it is of another version.
    pub fn look_at(path: &Path, key: &Secret32, me: NodeId) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags)?;
        db.execute_batch("PRAGMA cipher_log_level = NONE")?;
        unlock(&db, key)?;
        db.busy_timeout(BUSY)?;
        migrations::run(&mut db)?;
        db.pragma_update(None, "query_only", "ON")?;
        Ok(Self { db, me })
    }

    /// All records of the engine.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let mut select = self.db.prepare_cached("SELECT tbl, key, value FROM records")?;
        let mut rows = select.query([])?;
        let mut loaded = Loaded::new();
        while let Some(row) = rows.next()? {
            let value = SecretBytes::from_vec(row.get(2)?);
            loaded.push((row::table(row.get(0)?)?, row.get(1)?, value));
        }
        Ok(loaded)
    }
}

/// Gives SQLCipher the raw key: no derivation, the master key is random already.
fn unlock(db: &Connection, key: &Secret32) -> Result<(), StoreError> {
    let hex = Zeroizing::new(HEXLOWER.encode(key.expose()));
    let pragma = Zeroizing::new(format!("PRAGMA key = \"x'{}'\"", hex.as_str()));
    Ok(db.execute_batch(&pragma)?)
}

/// `FULL` makes a commit durable, not only consistent; `secure_delete` overwrites used keys; the
/// cache is 8 MiB.
fn settings(db: &Connection) -> Result<(), StoreError> {
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "secure_delete", "ON")?;
    db.pragma_update(None, "foreign_keys", "ON")?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "cache_size", -8_192)?;
    Ok(())
}

#[cfg(test)]
mod tests;
