//! Making changes durable: one transaction, whatever they are.

use std::collections::BTreeSet;

use hubbub_shared::content::ChatEvent;
use hubbub_shared::wire::codec;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::row::{conversation_key, delivery_number, kind_number, table_number, to_column, words};
use super::{Store, StoreError, past};
use crate::api::ConversationId;
use crate::api::view::Body;
use crate::engine::output::{
    Changes, HistoryChange, MessageKey, RecordChange, StoredMessage, missing_id,
};

const PUT: &str = "INSERT INTO records(tbl, key, value) VALUES(?1, ?2, ?3)
    ON CONFLICT(tbl, key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM records WHERE tbl = ?1 AND key = ?2";
const INSERT: &str = "INSERT INTO messages
    (conversation, id, sender, number, sent_at, received_at, kind, own, body)
    VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(conversation, sender, id) DO NOTHING
    RETURNING ord";
/// The line that stands for a missing message.
const PLACE: &str = "SELECT ord FROM messages
    WHERE conversation = ?1 AND sender = ?2 AND number = ?3 AND kind = 3";
const KNOWN: &str = "SELECT 1 FROM messages WHERE conversation = ?1 AND sender = ?2 AND id = ?3";
/// The message comes late if the person has seen what is around it.
const FILL: &str = "UPDATE messages SET id = ?2, sent_at = ?3, received_at = ?4, kind = ?5,
    body = ?6, late = (ord <= coalesce((SELECT ord FROM read_marks
        WHERE read_marks.conversation = messages.conversation), 0))
    WHERE ord = ?1";
const MISSING: &str = "INSERT OR IGNORE INTO messages
    (conversation, id, sender, number, sent_at, received_at, kind, own, body)
    SELECT ?1, ?2, ?3, ?4, ?5, ?5, 3, 0, ?6 WHERE NOT EXISTS
    (SELECT 1 FROM messages WHERE conversation = ?1 AND sender = ?3 AND number = ?4)";
const VOID: &str = "DELETE FROM messages
    WHERE conversation = ?1 AND sender = ?2 AND number BETWEEN ?3 AND ?4 AND kind = 3";
const RENUMBER: &str =
    "UPDATE messages SET number = ?3 WHERE conversation = ?1 AND id = ?2 AND own = 1";
const ATTACH: &str = "INSERT OR IGNORE INTO attachments(message, fields)
    SELECT ord, ?4 FROM messages WHERE conversation = ?1 AND sender = ?2 AND id = ?3 AND kind = 4";
pub(super) const INSERT_TEXT: &str = "INSERT INTO texts(rowid, text) VALUES(?1, ?2)";
const INSERT_RECIPIENT: &str =
    "INSERT OR IGNORE INTO recipients(message, node, delivery, at) VALUES(?1, ?2, 0, ?3)";
const PROGRESS: &str = "UPDATE recipients SET delivery = ?4, at = ?5, stuck = ?6
    WHERE message = (SELECT ord FROM messages WHERE conversation = ?1 AND id = ?2 AND own = 1)
    AND node = ?3
    AND (delivery < ?4 OR (delivery = ?4 AND stuck IS NOT ?6))";
const READ: &str = "INSERT INTO read_marks(conversation, ord)
    SELECT ?1, max(ord) FROM messages WHERE conversation = ?1 HAVING max(ord) IS NOT NULL
    ON CONFLICT(conversation) DO UPDATE SET ord = max(ord, excluded.ord)";
const NOT_LATE: &str = "UPDATE messages SET late = 0 WHERE conversation = ?1 AND late = 1";

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
                    if fill(&change, message)? || insert(&change, message, message.sender == me)? {
                        fresh.insert(message.key());
                    }
                }
                HistoryChange::Missing { .. } => missing(&change, entry, &mut fresh)?,
                HistoryChange::Void { conversation, author, ranges } => {
                    let key = (conversation_key(conversation), author.as_bytes());
                    for (from, to) in ranges {
                        let row = params![key.0, key.1, to_column(*from), to_column(*to)];
                        change.prepare_cached(VOID)?.execute(row)?;
                    }
                }
                HistoryChange::Renumber { conversation, message, number } => {
                    let key = conversation_key(conversation);
                    let row = params![key, message.as_bytes(), to_column(*number)];
                    change.prepare_cached(RENUMBER)?.execute(row)?;
                }
                HistoryChange::Attach(message, event) => attach(&change, message, event)?,
                HistoryChange::Progress { .. } => progress(&change, entry)?,
                HistoryChange::Read(conversation) => read(&change, conversation)?,
                HistoryChange::Past(line) => past::keep(&change, line)?,
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

/// Puts a message where a line says that it is missing; `false` when none does, or the message is
/// there under another count: then the line goes.
fn fill(change: &Transaction<'_>, message: &StoredMessage) -> Result<bool, StoreError> {
    let key = conversation_key(&message.conversation);
    let sender = message.sender.as_bytes();
    let row = params![key, sender, to_column(message.number)];
    let place: Option<i64> =
        change.prepare_cached(PLACE)?.query_row(row, |row| row.get(0)).optional()?;
    let Some(ord) = place else { return Ok(false) };
    let row = params![key, sender, message.id.as_bytes()];
    if change.prepare_cached(KNOWN)?.exists(row)? {
        let number = to_column(message.number);
        change.prepare_cached(VOID)?.execute(params![key, sender, number, number])?;
        return Ok(false);
    }
    change.prepare_cached(FILL)?.execute(params![
        ord,
        message.id.as_bytes(),
        to_column(message.sent_at.0),
        to_column(message.received_at.0),
        kind_number(&message.body),
        codec::encode(&message.body),
    ])?;
    if let Some(words) = words(&message.body) {
        change.prepare_cached(INSERT_TEXT)?.execute(params![ord, words])?;
    }
    Ok(true)
}

fn attach(
    change: &Transaction<'_>,
    message: &MessageKey,
    event: &ChatEvent,
) -> Result<(), StoreError> {
    let ChatEvent::File(offer) = event else { return Ok(()) };
    let (fields, conversation) = (offer.encode(), conversation_key(&message.conversation));
    let (sender, id) = (message.sender.as_bytes(), message.id.as_bytes());
    let row = params![conversation, sender, id, fields.expose()];
    change.prepare_cached(ATTACH)?.execute(row)?;
    Ok(())
}

fn missing(
    change: &Transaction<'_>,
    entry: &HistoryChange,
    fresh: &mut BTreeSet<MessageKey>,
) -> Result<(), StoreError> {
    let HistoryChange::Missing { conversation, author: sender, from, to, at } = entry else {
        return Ok(());
    };
    let (key, at) = (conversation_key(conversation), to_column(at.0));
    let body = codec::encode(&Body::Missing);
    for n in *from..=*to {
        let id = missing_id(n);
        let row = params![key, id.as_bytes(), sender.as_bytes(), to_column(n), at, body];
        if change.prepare_cached(MISSING)?.execute(row)? > 0 {
            fresh.insert(MessageKey { conversation: *conversation, sender: *sender, id });
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
    if let Some(words) = words(&message.body) {
        change.prepare_cached(INSERT_TEXT)?.execute(params![ord, words])?;
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
    let key = conversation_key(conversation);
    change.prepare_cached(READ)?.execute([key])?;
    change.prepare_cached(NOT_LATE)?.execute([key])?;
    Ok(())
}
