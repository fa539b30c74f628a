//! What was said in groups before this node came, as members told it. It is kept beside the
//! history and never counts as part of it.

use hubbub_shared::content::Past;
use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::time::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::row::{self, conversation_key, damaged, number, time, to_column};
use super::{Store, StoreError};
use crate::api::ConversationId;
use crate::api::view::Body;
use crate::engine::output::{Gather, Gathered, PastLine};
use crate::engine::{PAST_BY_ONE, PAST_MAX, merged};

/// Most rows one look at the past gives.
const PAGE_MAX: u32 = 1_000;

const KNOWN: &str = "SELECT 1 FROM messages WHERE conversation = ?1 AND sender = ?2 AND id = ?3";
const LINE: &str = "SELECT number, sent_at, text, told_by, otherwise FROM past
    WHERE conversation = ?1 AND author = ?2 AND id = ?3";
const INSERT: &str = "INSERT INTO past
    (conversation, author, id, number, sent_at, text, told_by, otherwise)
    VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const UPDATE: &str = "UPDATE past
    SET number = ?4, sent_at = ?5, text = ?6, told_by = ?7, otherwise = ?8
    WHERE conversation = ?1 AND author = ?2 AND id = ?3";
const ALL: &str = "SELECT count(*) FROM past WHERE conversation = ?1";
/// Of one teller: what it told of others, or, without one, what the author told of itself.
const BY_ONE: &str = "SELECT count(*) FROM past
    WHERE conversation = ?1 AND told_by IS ?2 AND (?2 IS NOT NULL OR author = ?3)";
const MAKE_ROOM: &str = "DELETE FROM past WHERE ord = (SELECT ord FROM past
    WHERE conversation = ?1 AND told_by IS NOT NULL ORDER BY sent_at, ord LIMIT 1)";
/// A count names one message: where the author's own word or a message heard from it has this
/// count, another's word about it is contradicted.
const SHOWN: &str = "SELECT ord, id, author, sent_at, text, told_by,
    CASE WHEN told_by IS NULL THEN otherwise WHEN
        EXISTS (SELECT 1 FROM past AS own WHERE own.conversation = past.conversation
            AND own.author = past.author AND own.number = past.number
            AND own.told_by IS NULL AND own.id <> past.id)
        OR EXISTS (SELECT 1 FROM messages WHERE messages.conversation = past.conversation
            AND sender = past.author AND messages.number = past.number
            AND kind IN (0, 2) AND messages.id <> past.id)
        THEN told_by END
    FROM past WHERE conversation = ?1
    AND (?2 IS NULL OR (sent_at, ord) <
        (SELECT sent_at, ord FROM past WHERE conversation = ?1 AND ord = ?2))
    AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.conversation = past.conversation
        AND sender = past.author AND messages.id = past.id)
    ORDER BY sent_at DESC, ord DESC LIMIT ?3";
const OWN: &str = "SELECT sender, id, number, sent_at, body FROM messages
    WHERE conversation = ?1 AND sender = ?2 AND kind = 0 AND number BETWEEN 1 AND ?3
    AND received_at >= ?4 ORDER BY number DESC LIMIT ?5";
const OTHERS: &str = "SELECT sender, id, number, sent_at, body FROM messages
    WHERE conversation = ?1 AND sender <> ?2 AND kind = 0 AND number > 0
    AND received_at BETWEEN ?4 AND ?3 ORDER BY ord DESC LIMIT ?5";

/// One line of the past as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Running number on this device.
    pub order: u64,
    /// Which.
    pub id: MessageId,
    /// Who is said to have written it.
    pub author: NodeId,
    /// When.
    pub sent_at: Timestamp,
    /// What.
    pub text: String,
    /// Who says so; none when the author's own node does.
    pub told_by: Option<NodeId>,
    /// Who told otherwise than the author.
    pub contradicted: Option<NodeId>,
}

/// Keeps a line, if there is room.
pub(super) fn keep(change: &Transaction<'_>, new: &PastLine) -> Result<(), StoreError> {
    let key = conversation_key(&new.conversation);
    let name = params![key, new.author.as_bytes(), new.id.as_bytes()];
    if change.prepare_cached(KNOWN)?.exists(name)? {
        return Ok(());
    }
    let old = change.prepare_cached(LINE)?.query_row(name, |row| Ok(line(row, new))).optional()?;
    let (sql, kept) = match old.transpose()? {
        Some(old) => match merged(&old, new) {
            Some(kept) => (UPDATE, kept),
            None => return Ok(()),
        },
        None if has_room(change, new)? => (INSERT, new.clone()),
        None => return Ok(()),
    };
    change.prepare_cached(sql)?.execute(params![
        key,
        kept.author.as_bytes(),
        kept.id.as_bytes(),
        to_column(kept.number),
        to_column(kept.sent_at.0),
        kept.text,
        kept.told_by.as_ref().map(NodeId::as_bytes),
        kept.otherwise.as_ref().map(NodeId::as_bytes),
    ])?;
    Ok(())
}

/// Whether one more line may be kept; what an author says itself takes the place of what another
/// says of somebody.
fn has_room(change: &Transaction<'_>, new: &PastLine) -> Result<bool, StoreError> {
    let key = conversation_key(&new.conversation);
    let teller = new.told_by.as_ref().map(NodeId::as_bytes);
    let by_one: i64 = change
        .prepare_cached(BY_ONE)?
        .query_row(params![key, teller, new.author.as_bytes()], |row| row.get(0))?;
    let all: i64 = change.prepare_cached(ALL)?.query_row([key], |row| row.get(0))?;
    let is_below = |count: i64, most: usize| usize::try_from(count).is_ok_and(|n| n < most);
    if !is_below(by_one, PAST_BY_ONE) {
        return Ok(false);
    }
    if is_below(all, PAST_MAX) {
        return Ok(true);
    }
    Ok(new.told_by.is_none() && change.prepare_cached(MAKE_ROOM)?.execute([key])? > 0)
}

fn line(row: &Row<'_>, named: &PastLine) -> Result<PastLine, StoreError> {
    Ok(PastLine {
        conversation: named.conversation,
        author: named.author,
        id: named.id,
        number: number(row, 0)?,
        sent_at: time(row, 1)?,
        text: row.get(2)?,
        told_by: somebody(row, 3)?,
        otherwise: somebody(row, 4)?,
    })
}

fn somebody(row: &Row<'_>, at: usize) -> Result<Option<NodeId>, StoreError> {
    let bytes = row.get_ref(at)?.as_blob_or_null().map_err(|_| damaged("a node"))?;
    bytes.map(|bytes| NodeId::from_slice(bytes).ok_or_else(|| damaged("a node"))).transpose()
}

fn message_id(row: &Row<'_>, at: usize) -> Result<MessageId, StoreError> {
    let id = row.get_ref(at)?.as_blob().ok().and_then(MessageId::from_slice);
    id.ok_or_else(|| damaged("a message id"))
}

impl Store {
    /// What was told of the time before this node came, oldest first: the newest lines before
    /// `before`, at most `limit` and never more than 1,000.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn past(
        &self,
        conversation: &ConversationId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Told>, StoreError> {
        let mut select = self.db.prepare_cached(SHOWN)?;
        let (key, limit) = (conversation_key(conversation), limit.min(PAGE_MAX));
        let mut rows = select.query(params![key, before.map(to_column), limit])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            page.push(Told {
                order: number(row, 0)?,
                id: message_id(row, 1)?,
                author: row::node(row, 2)?,
                sent_at: time(row, 3)?,
                text: row.get(4)?,
                told_by: somebody(row, 5)?,
                contradicted: somebody(row, 6)?,
            });
        }
        page.reverse();
        Ok(page)
    }

    /// Texts a newcomer is to be told, newest first: own ones, then others'.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn gather(&self, gather: &Gather) -> Result<Vec<Gathered>, StoreError> {
        let mut found = Vec::new();
        let bounds = [(OWN, gather.upto, gather.own), (OTHERS, gather.until.0, gather.others)];
        for (sql, last, limit) in bounds {
            let key = conversation_key(&gather.conversation);
            let limit = to_column(u64::try_from(limit).unwrap_or(0));
            let since = to_column(gather.since.0);
            let mut select = self.db.prepare_cached(sql)?;
            let me = self.me.as_bytes();
            let mut rows = select.query(params![key, me, to_column(last), since, limit])?;
            while let Some(row) = rows.next()? {
                found.extend(gathered(row)?);
            }
        }
        Ok(found)
    }
}

fn gathered(row: &Row<'_>) -> Result<Option<Gathered>, StoreError> {
    let body = row.get_ref(4)?.as_blob().map_err(|_| damaged("a message"))?;
    let Body::Text(text) = row::body(body)? else { return Ok(None) };
    let (author, id) = (row::node(row, 0)?, message_id(row, 1)?);
    let past = Past { id, n: number(row, 2)?, sent_at: time(row, 3)?, text };
    Ok(Some(Gathered { author, past }))
}
