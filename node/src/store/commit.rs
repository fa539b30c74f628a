//! Making changes durable: one transaction, whatever they are.

use std::collections::BTreeSet;

use hubbub_shared::wire::codec;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::row::{conversation_key, delivery_number, kind_number, table_number, to_column};
use super::{Store, StoreError};
use crate::api::ConversationId;
use crate::api::view::Body;
use crate::engine::output::{Changes, HistoryChange, MessageKey, RecordChange, StoredMessage};

const PUT: &str = "INSERT INTO records(tbl, key, value) VALUES(?1, ?2, ?3)
    ON CONFLICT(tbl, key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM records WHERE tbl = ?1 AND key = ?2";
const INSERT: &str = "INSERT INTO messages
    (conversation, id, sender, number, sent_at, received_at, kind, own, body)
    VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(conversation, sender, id) DO NOTHING
    RETURNING ord";
const INSERT_TEXT: &str = "INSERT INTO texts(rowid, text) VALUES(?1, ?2)";
const INSERT_RECIPIENT: &str =
    "INSERT OR IGNORE INTO recipients(message, node, delivery, at) VALUES(?1, ?2, 0, ?3)";
const PROGRESS: &str = "UPDATE recipients SET delivery = ?4, at = ?5, stuck = ?6
    WHERE message = (SELECT ord FROM messages WHERE conversation = ?1 AND id = ?2 AND own = 1)
    AND node = ?3
    AND (delivery < ?4 OR (delivery = ?4 AND stuck IS NOT ?6))";
const READ: &str = "INSERT INTO read_marks(conversation, ord)
    SELECT ?1, max(ord) FROM messages WHERE conversation = ?1 HAVING max(ord) IS NOT NULL
    ON CONFLICT(conversation) DO UPDATE SET ord = max(ord, excluded.ord)";

impl Store {
    /// Makes everything in `changes` durable, or nothing of it. Gives the messages that the history
    /// did not have before.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed.
    pub fn commit(&mut self, changes: Changes) -> Result<BTreeSet<MessageKey>, StoreError> {
        let me = self.me;
        let mut fresh = BTreeSet::new();
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for record in &changes.records {
            write_record(&change, record)?;
        }
        for entry in &changes.history {
            match entry {
                HistoryChange::Insert(message) => {
                    if insert(&change, message, message.sender == me)? {
                        fresh.insert(message.key());
                    }
                }
                HistoryChange::Progress { .. } => progress(&change, entry)?,
                HistoryChange::Read(conversation) => read(&change, conversation)?,
            }
        }
        change.commit()?;
        Ok(fresh)
    }
}

fn write_record(change: &Transaction<'_>, record: &RecordChange) -> Result<(), StoreError> {
    match record {
        RecordChange::Put(table, key, value) => {
            let row = params![table_number(*table), key, value.expose()];
            change.prepare_cached(PUT)?.execute(row)?;
        }
        RecordChange::Delete(table, key) => {
            change.prepare_cached(DELETE)?.execute(params![table_number(*table), key])?;
        }
    }
    Ok(())
}

/// `false` when the message was there already.
fn insert(
    change: &Transaction<'_>,
    message: &StoredMessage,
    own: bool,
) -> Result<bool, StoreError> {
    let row = params![
        conversation_key(&message.conversation),
        message.id.as_bytes(),
        message.sender.as_bytes(),
        to_column(message.number),
        to_column(message.sent_at.0),
        to_column(message.received_at.0),
        kind_number(&message.body),
        own,
        codec::encode(&message.body),
    ];
    let ord: Option<i64> =
        change.prepare_cached(INSERT)?.query_row(row, |row| row.get(0)).optional()?;
    let Some(ord) = ord else { return Ok(false) };
    if let Body::Text(text) = &message.body {
        change.prepare_cached(INSERT_TEXT)?.execute(params![ord, text])?;
    }
    let mut recipient = change.prepare_cached(INSERT_RECIPIENT)?;
    for node in &message.recipients {
        recipient.execute(params![ord, node.as_bytes(), to_column(message.received_at.0)])?;
    }
    Ok(true)
}

fn progress(change: &Transaction<'_>, entry: &HistoryChange) -> Result<(), StoreError> {
    let HistoryChange::Progress { conversation, message, recipient, delivery, at, stuck } = entry
    else {
        return Ok(());
    };
    change.prepare_cached(PROGRESS)?.execute(params![
        conversation_key(conversation),
        message.as_bytes(),
        recipient.as_bytes(),
        delivery_number(*delivery),
        to_column(at.0),
        stuck,
    ])?;
    Ok(())
}

fn read(change: &Transaction<'_>, conversation: &ConversationId) -> Result<(), StoreError> {
    change.prepare_cached(READ)?.execute(params![conversation_key(conversation)])?;
    Ok(())
}
