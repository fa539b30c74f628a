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

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::Secret32;
    use hubbub_shared::id::GroupId;

    use super::*;
    use crate::engine::output::{Changes, HistoryChange, StoredMessage};

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);
    const CAROL: NodeId = NodeId([3; 32]);
    const TEAM: ConversationId = ConversationId::Group(GroupId([9; 32]));

    fn open(dir: &tempfile::TempDir, name: &str) -> Store {
        let key = Secret32::from_bytes([7; 32]);
        Store::open(&dir.path().join(name), &key, ALICE).ok().unwrap()
    }

    fn line(author: NodeId, number: u16, told_by: Option<NodeId>) -> PastLine {
        let mut id = [author.0[0]; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        PastLine {
            conversation: TEAM,
            author,
            id: MessageId(id),
            number: u64::from(number),
            sent_at: Timestamp(1_000 + u64::from(number)),
            text: format!("number {number}"),
            told_by,
            otherwise: None,
        }
    }

    fn heard(line: &PastLine, received_at: u64) -> HistoryChange {
        HistoryChange::Insert(StoredMessage {
            conversation: TEAM,
            id: line.id,
            sender: line.author,
            number: line.number,
            sent_at: line.sent_at,
            received_at: Timestamp(received_at),
            body: Body::Text(line.text.clone()),
            recipients: Vec::new(),
        })
    }

    fn commit(store: &mut Store, history: Vec<HistoryChange>) {
        store.commit(Changes { records: Vec::new(), history }).unwrap();
    }

    fn keep(store: &mut Store, lines: impl IntoIterator<Item = PastLine>) {
        commit(store, lines.into_iter().map(HistoryChange::Past).collect());
    }

    type Shown = (String, Option<NodeId>, Option<NodeId>);

    fn shown(store: &Store) -> Vec<Shown> {
        let lines = store.past(&TEAM, None, 1_000).unwrap();
        lines.into_iter().map(|told| (told.text, told.told_by, told.contradicted)).collect()
    }

    fn says(text: &str, told_by: Option<NodeId>, contradicted: Option<NodeId>) -> Shown {
        (text.to_owned(), told_by, contradicted)
    }

    #[test]
    fn the_past_is_shown_in_order_page_by_page_and_stays_out_of_the_history() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&dir, "node.db");
        keep(&mut store, [3, 1, 2].map(|n| line(BOB, n, None)));
        keep(&mut store, [line(CAROL, 4, Some(BOB))]);
        let page = |before, limit| {
            let lines = store.past(&TEAM, before, limit).unwrap();
            lines.into_iter().map(|told| (told.order, told.text)).collect::<Vec<_>>()
        };
        let number = |order, n: u16| (order, format!("number {n}"));
        assert_eq!(page(None, 2), [number(1, 3), number(4, 4)]);
        assert_eq!(page(Some(1), 2), [number(2, 1), number(3, 2)]);
        assert_eq!(page(Some(2), 2), []);
        let summary = store.summary(&TEAM).unwrap();
        assert_eq!((summary.unread, summary.last), (0, None));
        assert_eq!(store.history(&TEAM, None, None, 9).unwrap(), []);
    }

    #[test]
    fn what_was_heard_is_not_shown_as_past_whichever_came_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&dir, "node.db");
        let (one, two) = (line(BOB, 1, None), line(BOB, 2, None));
        commit(&mut store, vec![heard(&one, 5)]);
        keep(&mut store, [one, two.clone()]);
        assert_eq!(shown(&store), [says("number 2", None, None)]);
        commit(&mut store, vec![heard(&two, 6)]);
        assert_eq!(shown(&store), []);
    }

    #[test]
    fn a_place_the_author_has_filled_contradicts_who_says_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&dir, "node.db");
        let invented = |n, number| PastLine { number, ..line(BOB, n, Some(CAROL)) };
        keep(&mut store, [invented(101, 1), invented(102, 2), invented(103, 3)]);
        keep(&mut store, [line(BOB, 1, None)]);
        commit(&mut store, vec![heard(&line(BOB, 2, None), 5)]);
        let denied = |text| says(text, Some(CAROL), Some(CAROL));
        let expected = [
            says("number 1", None, None),
            denied("number 101"),
            denied("number 102"),
            says("number 103", Some(CAROL), None),
        ];
        assert_eq!(shown(&store), expected);
        let other = PastLine { text: "I never".to_owned(), ..line(BOB, 103, None) };
        keep(&mut store, [other]);
        assert_eq!(shown(&store)[3], says("I never", None, Some(CAROL)));
    }

    #[test]
    fn an_authors_word_finds_room_where_another_only_tells() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&dir, "node.db");
        let most = u16::try_from(PAST_BY_ONE).unwrap();
        for teller in 10..15 {
            let told = |n| line(NodeId([20; 32]), 1_000 * teller + n, Some(NodeId([9; 32])));
            let by = NodeId([u8::try_from(teller).unwrap(); 32]);
            keep(&mut store, (0..most + 9).map(told).map(|l| PastLine { told_by: Some(by), ..l }));
        }
        assert_eq!(shown(&store).len(), 1_000, "one look gives no more");
        let all = |store: &Store| {
            let mut all = store.past(&TEAM, None, 1_000).unwrap();
            let older = store.past(&TEAM, Some(all[0].order), 1_000).unwrap();
            all.extend(older);
            all
        };
        assert_eq!(all(&store).len(), PAST_MAX);
        keep(&mut store, (0..most + 9).map(|n| line(BOB, n, None)));
        let own = all(&store).iter().filter(|told| told.told_by.is_none()).count();
        assert_eq!((own, all(&store).len()), (PAST_BY_ONE, PAST_MAX));
    }

    #[test]
    fn a_newcomer_is_given_own_texts_by_count_and_others_by_when_they_came() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&dir, "node.db");
        let own = (1..=5).map(|n| heard(&line(ALICE, n, None), u64::from(n) * 10));
        let others = (1..=5).map(|n| heard(&line(BOB, n, None), u64::from(n) * 10));
        commit(&mut store, own.chain(others).collect());
        let gather = Gather {
            conversation: TEAM,
            newcomer: CAROL,
            joined: 7,
            since: Timestamp(20),
            upto: 4,
            own: 2,
            until: Timestamp(49),
            others: 9,
        };
        let found = |gather: &Gather| -> Vec<(NodeId, u64)> {
            let found = store.gather(gather).unwrap();
            found.into_iter().map(|found| (found.author, found.past.n)).collect()
        };
        let all = [(ALICE, 4), (ALICE, 3), (BOB, 4), (BOB, 3), (BOB, 2)];
        assert_eq!(found(&gather), all);
        assert_eq!(
            found(&Gather { others: 0, own: 9, ..gather }),
            [(ALICE, 4), (ALICE, 3), (ALICE, 2)]
        );
    }

    #[test]
    fn a_backup_holds_what_was_told() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, mut copy) = (open(&dir, "node.db"), open(&dir, "copy.db"));
        let lie = PastLine { text: "otherwise".to_owned(), ..line(BOB, 1, Some(CAROL)) };
        keep(&mut store, [lie, line(BOB, 1, None), line(BOB, 2, Some(CAROL))]);
        let mut rows = Vec::new();
        let give = |row| {
            rows.push(row);
            Ok::<_, StoreError>(())
        };
        store.export(give).unwrap();
        let import = copy.import().unwrap();
        rows.into_iter().for_each(|row| import.put(row).unwrap());
        import.commit().unwrap();
        assert_eq!(shown(&copy).len(), 2);
        assert_eq!(shown(&copy), shown(&store));
    }
}
