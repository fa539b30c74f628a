//! A device's disk: the records of its engine, its history and its delivery ledger.
//!
//! Only a commit writes it, so a crash is forgetting the engine.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_node::api::ConversationId;
use hubbub_node::api::view::{Body, Delivery};
use hubbub_node::engine::RECALLED;
use hubbub_node::engine::output::{
    Changes, HistoryChange, Loaded, MessageKey, PastLine, Recall, Recalled, RecordChange,
    StoredMessage, Table, missing_id,
};
use hubbub_shared::content::ChatEvent;
use hubbub_shared::content::group_plain::NO_MESSAGE;
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::time::Timestamp;

use crate::hurt::{Hurt, UNSYNCED};

/// What a device keeps.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// The engine's records.
    pub(crate) records: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// The history in order.
    pub history: Vec<StoredMessage>,
    /// What was told of the time before, as it came.
    pub(crate) past: Vec<PastLine>,
    /// What messages of files say besides their bodies.
    pub attached: BTreeMap<MessageKey, ChatEvent>,
    /// Own messages: how far, for each recipient.
    pub ledger: BTreeMap<(MessageId, NodeId), Delivery>,
    /// Own messages: for whom they are stuck, with a reason.
    pub stuck: BTreeMap<(MessageId, NodeId), String>,
    /// Own messages in the history: of others no progress is kept, as by the shipped store.
    written: BTreeSet<MessageId>,
    /// The names in the history; how many of its lines say that a message is missing.
    known: BTreeSet<MessageKey>,
    missing: usize,
    commits: u64,
    synced: Option<Box<Disk>>,
}

impl Disk {
    /// What an engine starts from.
    pub(crate) fn load(&self) -> Loaded {
        let records = self.records.iter();
        records
            .map(|((table, key), value)| {
                (*table, key.clone(), SecretBytes::from_vec(value.clone()))
            })
            .collect()
    }

    /// Goes back to what a lying disk had really synced.
    pub(crate) fn lose_unsynced(&mut self) {
        if let Some(synced) = self.synced.take() {
            *self = *synced;
        }
    }

    /// Applies one transaction. What it gives is new in the history.
    pub(crate) fn commit(&mut self, changes: Changes, hurt: Option<Hurt>) -> Vec<MessageKey> {
        self.commits += 1;
        if hurt == Some(Hurt::NodeSkipsSync) && self.commits.is_multiple_of(UNSYNCED) {
            self.synced = None;
            self.synced = Some(Box::new(self.clone()));
        }
        for change in changes.records {
            match change {
                RecordChange::Put(table, key, value) => {
                    self.records.insert((table, key), value.expose().to_vec());
                }
                RecordChange::Delete(table, key) => {
                    self.records.remove(&(table, key));
                }
            }
        }
        changes.history.into_iter().filter_map(|change| self.tell(change, hurt)).collect()
    }

    /// Own texts with these counts.
    pub(crate) fn recall(&self, recall: &Recall, me: NodeId) -> Vec<Recalled> {
        let asked = |n| recall.ranges.iter().any(|(from, to)| (*from..=*to).contains(&n));
        let own = |line: &&StoredMessage| {
            line.conversation == recall.conversation && line.sender == me && line.number > 0
        };
        let before = |n: u64| self.history.iter().filter(own).find(|line| line.number == n - 1);
        let mut found: Vec<&StoredMessage> =
            self.history.iter().filter(own).filter(|line| asked(line.number)).collect();
        found.sort_by_key(|line| line.number);
        let recalled = |line: &StoredMessage| Recalled {
            n: line.number,
            id: line.id,
            prev: before(line.number).map_or(NO_MESSAGE, |line| line.id),
            sent_at: line.sent_at,
            body: line.body.clone(),
            attached: self.attached.get(&line.key()).cloned(),
            recipients: line.recipients.clone(),
        };
        found.into_iter().take(RECALLED).map(recalled).collect()
    }

    /// Looks through the history again when somebody has changed it by hand.
    fn index(&mut self) {
        if self.known.len() != self.history.len() {
            self.known = self.history.iter().map(StoredMessage::key).collect();
            let missing = self.history.iter().filter(|line| line.body == Body::Missing);
            self.missing = missing.count();
        }
    }

    /// A message takes the line that says it is missing; whether it was new.
    fn insert(&mut self, line: StoredMessage) -> Option<MessageKey> {
        self.index();
        let key = line.key();
        let place = (self.missing > 0).then(|| self.line_for(&line)).flatten();
        if let Some(place) = place {
            let gone = self.history.remove(place);
            self.known.remove(&gone.key());
            self.missing -= 1;
        }
        if !self.known.insert(key) {
            return None;
        }
        self.history.insert(place.unwrap_or(self.history.len()), line);
        Some(key)
    }

    fn line_for(&self, line: &StoredMessage) -> Option<usize> {
        self.history.iter().position(|old| {
            old.conversation == line.conversation
                && (old.sender, old.number) == (line.sender, line.number)
                && old.body == Body::Missing
        })
    }

    fn missing(
        &mut self,
        (conversation, sender, number): (ConversationId, NodeId, u64),
        at: Timestamp,
    ) {
        let count = |line: &StoredMessage| (line.conversation, line.sender, line.number);
        if self.history.iter().any(|line| count(line) == (conversation, sender, number)) {
            return;
        }
        let line = StoredMessage {
            conversation,
            id: missing_id(number),
            sender,
            number,
            sent_at: at,
            received_at: at,
            body: Body::Missing,
            recipients: Vec::new(),
        };
        self.index();
        self.known.insert(line.key());
        self.missing += 1;
        self.history.push(line);
    }

    fn tell(&mut self, change: HistoryChange, hurt: Option<Hurt>) -> Option<MessageKey> {
        if let HistoryChange::Insert(line) = &change
            && !line.recipients.is_empty()
        {
            self.written.insert(line.id);
        }
        match change {
            HistoryChange::Insert(line) if hurt == Some(Hurt::NoDedupe) => {
                let key = line.key();
                self.history.push(line);
                Some(key)
            }
            HistoryChange::Insert(line) => self.insert(line),
            HistoryChange::Missing { conversation, author, from, to, at } => {
                (from..=to).for_each(|n| self.missing((conversation, author, n), at));
                None
            }
            HistoryChange::Void { conversation, author, ranges } => {
                let void = |n: &u64| ranges.iter().any(|(from, to)| from <= n && n <= to);
                self.history.retain(|line| {
                    let here = line.conversation == conversation && line.sender == author;
                    !(here && line.body == Body::Missing && void(&line.number))
                });
                None
            }
            HistoryChange::Renumber { conversation, message, number } => {
                let here = |line: &&mut StoredMessage| line.conversation == conversation;
                let mut own = self.history.iter_mut().filter(here);
                own.find(|line| line.id == message).unwrap().number = number;
                None
            }
            HistoryChange::Progress { .. }
                if hurt == Some(Hurt::ForgottenReceipts) && self.commits.is_multiple_of(10) =>
            {
                None
            }
            HistoryChange::Progress { message, .. } if !self.written.contains(&message) => None,
            HistoryChange::Progress { message, recipient, delivery, stuck, .. } => {
                match stuck {
                    Some(why) => self.stuck.insert((message, recipient), why),
                    None => self.stuck.remove(&(message, recipient)),
                };
                let known = self.ledger.entry((message, recipient)).or_default();
                *known = (*known).max(delivery);
                None
            }
            HistoryChange::Read(_) => None,
            HistoryChange::Attach(key, event) => {
                if self.known.contains(&key) {
                    self.attached.entry(key).or_insert(event);
                }
                None
            }
            HistoryChange::Past(line) => {
                self.keep_past(line);
                None
            }
        }
    }
}
