//! The database's schema, version by version.
//!
//! Invariant: a step that was released is never edited; a new one is added behind it. Steps run in
//! one transaction, and a database from a newer program is refused untouched.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// `PRAGMA user_version` n means that the first n steps have run.
const STEPS: &[&str] = &[FIRST, FILES];

const FIRST: &str = "
CREATE TABLE records(
    tbl INTEGER NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY(tbl, key)
);
CREATE TABLE messages(
    ord INTEGER PRIMARY KEY AUTOINCREMENT, -- the order shown; a number is never given twice
    conversation BLOB NOT NULL,            -- u8 kind (0 direct, 1 group) | id (32)
    id BLOB NOT NULL,
    sender BLOB NOT NULL,
    number INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,                 -- 0 text, 1 notice, 2 unsupported, 3 missing
    own INTEGER NOT NULL,
    late INTEGER NOT NULL DEFAULT 0,       -- filled in where everything around had been read
    body BLOB NOT NULL,                    -- MessagePack
    UNIQUE(conversation, sender, id)
);
CREATE INDEX messages_shown ON messages(conversation, ord);
CREATE INDEX messages_unread ON messages(conversation, ord) WHERE own = 0 AND kind IN (0, 2);
CREATE INDEX messages_late ON messages(conversation) WHERE late = 1;
CREATE INDEX messages_counted ON messages(conversation, sender, number);
CREATE INDEX messages_by_id ON messages(id);
CREATE TABLE recipients(
    message INTEGER NOT NULL REFERENCES messages(ord) ON DELETE CASCADE,
    node BLOB NOT NULL,
    delivery INTEGER NOT NULL,             -- 0 queued, 1 stored, 2 delivered, 3 read
    at INTEGER NOT NULL,
    stuck TEXT,
    PRIMARY KEY(message, node)
) WITHOUT ROWID;
CREATE TABLE read_marks(
    conversation BLOB PRIMARY KEY,
    ord INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE past(
    ord INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is never given twice
    conversation BLOB NOT NULL,
    author BLOB NOT NULL,
    id BLOB NOT NULL,
    number INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    text TEXT NOT NULL,
    told_by BLOB,                          -- NULL: the author's own node
    otherwise BLOB,                        -- who told otherwise than the author
    UNIQUE(conversation, author, id)
);
CREATE INDEX past_shown ON past(conversation, sent_at, ord);
CREATE INDEX past_counted ON past(conversation, author, number);
CREATE INDEX past_told ON past(conversation, told_by, author);
CREATE VIRTUAL TABLE texts USING fts5(text, content='', contentless_delete=1);
";

/// Kind 4 is a file.
const FILES: &str = "
CREATE TABLE attachments(
    message INTEGER PRIMARY KEY REFERENCES messages(ord) ON DELETE CASCADE,
    fields BLOB NOT NULL                   -- as they were said, with what opens the file
);
DROP INDEX messages_unread;
CREATE INDEX messages_unread ON messages(conversation, ord) WHERE own = 0 AND kind IN (0, 2, 4);
";

/// Brings the schema up to date.
pub(super) fn run(db: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = STEPS.len();
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    if done > known {
        return Err(StoreError::NewerSchema { found, known: i64::try_from(known).unwrap_or(0) });
    }
    if done == known {
        return Ok(());
    }
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(done) {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "user_version", i64::try_from(known).unwrap_or(i64::MAX))?;
    change.commit()?;
    Ok(())
}
