//! Looking up the history. Nothing here changes anything.

use std::sync::Arc;

use hubbub_shared::content::count::is_first;
use hubbub_shared::content::group_plain::NO_MESSAGE;
use hubbub_shared::content::{ChatEvent, FileOffer};
use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::time::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::row::{self, conversation_key, damaged, number, time, to_column};
use super::{Store, StoreError};
use crate::api::ConversationId;
use crate::api::view::{Body, Delivery};
use crate::engine::output::{MessageKey, Recalled};

/// Most rows one look at the history gives.
const PAGE_MAX: u32 = 1_000;

const COLUMNS: &str = "SELECT ord, conversation, id, sender, sent_at, received_at, own, body,
    (SELECT min(delivery) FROM recipients WHERE message = ord),
    (SELECT count(*) FROM recipients WHERE message = ord AND delivery >= 2),
    (SELECT count(*) FROM recipients WHERE message = ord)
    FROM messages";

/// One message as stored, with how far it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Running number on this device, in the order shown.
    pub order: u64,
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: NodeId,
    /// When the author says.
    pub sent_at: Timestamp,
    /// When it came.
    pub received_at: Timestamp,
    /// What it says.
    pub body: Body,
    /// Whether this node wrote it.
    pub own: bool,
    /// The slowest recipient; one without recipients has nobody to reach and is delivered.
    pub delivery: Delivery,
    /// Recipients that have it.
    pub reached: u32,
    /// Recipients there are.
    pub recipients: u32,
}

impl Message {
    /// Its name.
    #[must_use]
    pub fn key(&self) -> MessageKey {
        MessageKey { conversation: self.conversation, sender: self.sender, id: self.id }
    }
}

/// One recipient's line in a message's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Who.
    pub node: NodeId,
    /// How far.
    pub delivery: Delivery,
    /// Since when.
    pub at: Timestamp,
    /// Why it is stuck, when it is.
    pub stuck: Option<String>,
}

/// What the conversation list shows of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages of others behind the read mark.
    pub unread: u64,
    /// The last text, or what the last file is called.
    pub last: Option<String>,
    /// When the last message or notice came; zero when there is none.
    pub last_at: Timestamp,
}

impl Store {
    /// What the conversation list shows of this one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn summary(&self, conversation: &ConversationId) -> Result<Summary, StoreError> {
        let key = conversation_key(conversation);
        let unread = self.count(
            "SELECT (SELECT count(*) FROM messages WHERE conversation = ?1 AND own = 0
             AND kind IN (0, 2, 4)
             AND ord > coalesce((SELECT ord FROM read_marks WHERE conversation = ?1), 0))
             + (SELECT count(*) FROM messages WHERE conversation = ?1 AND late = 1)",
            &key,
        )?;
        let last_at = self.count(
            "SELECT coalesce((SELECT received_at FROM messages WHERE conversation = ?1
             ORDER BY ord DESC LIMIT 1), 0)",
            &key,
        )?;
        let last: Option<Vec<u8>> = self
            .db
            .prepare_cached(
                "SELECT body FROM messages WHERE conversation = ?1 AND kind IN (0, 4)
                 ORDER BY ord DESC LIMIT 1",
            )?
            .query_row([key], |row| row.get(0))
            .optional()?;
        let last = match last.as_deref().map(row::body).transpose()? {
            Some(Body::Text(text)) => Some(text),
            Some(Body::File(file)) => Some(format!("(a file) {}", file.name)),
            _ => None,
        };
        Ok(Summary { unread, last, last_at: Timestamp(last_at) })
    }

    fn count(&self, sql: &str, key: &[u8]) -> Result<u64, StoreError> {
        let count: i64 = self.db.prepare_cached(sql)?.query_row([key], |row| row.get(0))?;
        u64::try_from(count).map_err(|_| damaged("a number"))
    }

    /// Messages of a conversation in order: those after `after`, or else the newest ones before
    /// `before`; at most `limit` and never more than 1,000.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn history(
        &self,
        conversation: &ConversationId,
        after: Option<u64>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let forward = after.is_some();
        let order = if forward { "ASC" } else { "DESC" };
        let sql = format!(
            "{COLUMNS} WHERE conversation = ?1 AND ord > ?2 AND ord < ?3
             ORDER BY ord {order} LIMIT ?4"
        );
        let (after, before) = (after.unwrap_or(0), before.unwrap_or(u64::MAX));
        let key = conversation_key(conversation);
        let limit = limit.min(PAGE_MAX);
        let mut select = self.db.prepare_cached(&sql)?;
        let mut rows = select.query(params![key, to_column(after), to_column(before), limit])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            page.push(message(row)?);
        }
        if !forward {
            page.reverse();
        }
        Ok(page)
    }

    /// A message by its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn message(&self, key: &MessageKey) -> Result<Option<Message>, StoreError> {
        let sql = format!("{COLUMNS} WHERE conversation = ?1 AND sender = ?2 AND id = ?3");
        let mut select = self.db.prepare_cached(&sql)?;
        let MessageKey { conversation, sender, id } = key;
        let conversation = conversation_key(conversation);
        let mut rows = select.query(params![conversation, sender.as_bytes(), id.as_bytes()])?;
        rows.next()?.map(message).transpose()
    }

    /// A message by id alone, own ones first: an id is random, but others choose theirs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, id: &MessageId) -> Result<Option<Message>, StoreError> {
        let sql = format!("{COLUMNS} WHERE id = ?1 ORDER BY own DESC, ord LIMIT 1");
        let mut select = self.db.prepare_cached(&sql)?;
        let mut rows = select.query([id.as_bytes()])?;
        rows.next()?.map(message).transpose()
    }

    /// What a message of a file says besides its body.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn attachment(&self, key: &MessageKey) -> Result<Option<ChatEvent>, StoreError> {
        let sql = "SELECT fields FROM attachments JOIN messages ON ord = message
            WHERE conversation = ?1 AND sender = ?2 AND id = ?3";
        let mut select = self.db.prepare_cached(sql)?;
        let MessageKey { conversation, sender, id } = key;
        let conversation = conversation_key(conversation);
        let mut rows = select.query(params![conversation, sender.as_bytes(), id.as_bytes()])?;
        Ok(rows.next()?.map(|row| event(row, 0)).transpose()?.flatten())
    }

    /// Own texts and files of a conversation with counts in these ranges, in the order of their
    /// counts; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn recall(
        &self,
        conversation: &ConversationId,
        ranges: &[(u64, u64)],
        limit: usize,
    ) -> Result<Vec<Recalled>, StoreError> {
        let mut select = self.db.prepare_cached(
            "SELECT number, id, sent_at, body, ord,
             (SELECT id FROM messages AS before WHERE before.conversation = ?1
              AND before.sender = ?2 AND before.number = messages.number - 1),
             (SELECT fields FROM attachments WHERE message = ord)
             FROM messages WHERE conversation = ?1 AND sender = ?2 AND kind IN (0, 4)
             AND number BETWEEN ?3 AND ?4 ORDER BY number LIMIT ?5",
        )?;
        let mut found = Vec::new();
        for (from, to) in ranges {
            let key = conversation_key(conversation);
            let left = to_column(u64::try_from(limit - found.len()).unwrap_or(0));
            let (me, from, to) = (self.me.as_bytes(), to_column(*from), to_column(*to));
            let mut rows = select.query(params![key, me, from, to, left])?;
            while let Some(row) = rows.next()? {
                found.push(self.recalled(row)?);
            }
        }
        Ok(found)
    }

    fn recalled(&self, row: &Row<'_>) -> Result<Recalled, StoreError> {
        let id = |at| row.get_ref(at)?.as_blob_or_null().map_err(|_| damaged("a message id"));
        let id = |at| Ok::<_, StoreError>(id(at)?.and_then(MessageId::from_slice));
        let body = row.get_ref(3)?.as_blob().map_err(|_| damaged("a message"))?;
        let mut select =
            self.db.prepare_cached("SELECT node FROM recipients WHERE message = ?1")?;
        let mut rows = select.query([row.get::<_, i64>(4)?])?;
        let mut recipients = Vec::new();
        while let Some(row) = rows.next()? {
            recipients.push(row::node(row, 0)?);
        }
        let n = number(row, 0)?;
        let prev = if is_first(n) { None } else { id(5)? };
        Ok(Recalled {
            n,
            id: id(1)?.ok_or_else(|| damaged("a message id"))?,
            prev: prev.unwrap_or(NO_MESSAGE),
            sent_at: time(row, 2)?,
            body: row::body(body)?,
            attached: event(row, 6)?,
            recipients,
        })
    }

    /// A message's recipients and how far it got for each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ledger(&self, message: &Message) -> Result<Vec<Ledger>, StoreError> {
        let mut select = self.db.prepare_cached(
            "SELECT node, delivery, at, stuck FROM recipients WHERE message = ?1 ORDER BY node",
        )?;
        let mut rows = select.query([to_column(message.order)])?;
        let mut ledger = Vec::new();
        while let Some(row) = rows.next()? {
            let delivery = row::delivery(row.get(1)?)?;
            let (node, at) = (row::node(row, 0)?, time(row, 2)?);
            ledger.push(Ledger { node, delivery, at, stuck: row.get(3)? });
        }
        Ok(ledger)
    }
}

/// What a message of a file says; none where the column is empty.
fn event(row: &Row<'_>, at: usize) -> Result<Option<ChatEvent>, StoreError> {
    let fields = row.get_ref(at)?.as_blob_or_null().map_err(|_| damaged("a file's message"))?;
    let offer = fields.map(FileOffer::decode).transpose();
    let offer = offer.map_err(|_| damaged("a file's message"))?;
    Ok(offer.map(|offer| ChatEvent::File(Arc::new(offer))))
}

fn message(row: &Row<'_>) -> Result<Message, StoreError> {
    let slowest: Option<i64> = row.get(8)?;
    let id = row.get_ref(2)?.as_blob().ok().and_then(MessageId::from_slice);
    let blob = |at| row.get_ref(at)?.as_blob().map_err(|_| damaged("a message"));
    Ok(Message {
        order: number(row, 0)?,
        conversation: row::conversation(blob(1)?)?,
        id: id.ok_or_else(|| damaged("a message id"))?,
        sender: row::node(row, 3)?,
        sent_at: time(row, 4)?,
        received_at: time(row, 5)?,
        own: row.get(6)?,
        body: row::body(blob(7)?)?,
        delivery: slowest.map_or(Ok(Delivery::Delivered), row::delivery)?,
        reached: row.get(9)?,
        recipients: row.get(10)?,
    })
}
