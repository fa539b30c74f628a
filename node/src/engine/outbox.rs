//! What was written and is not yet on every device it is for.
//!
//! An entry is sealed once; these bytes go to the hub until it has stored them, and again should it
//! lose them. A message of a conversation stays until every recipient's device has acknowledged it;
//! anything else stays until the hub has it. What is done leaves a short tail behind, so that read
//! marks and repeated commands find it.
//!
//! Invariant: sealed bytes are durable before they leave, and nothing is sealed twice in one place.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
pub(super) use super::entry::{Chat, Docket, Entry, Rank};
use super::link::Asked;
use super::output::{HistoryChange, MessageKey, Output};
use super::record::Key;
use crate::api::ConversationId;
use crate::api::view::Delivery;
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::limits::APPENDS_IN_FLIGHT;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::to_hub::Append;
use hubbub_shared::wire::{ByteBuf, LogId, ToHub};

/// Entries at most.
pub(super) const ENTRIES: usize = 20_000;
/// Bytes at most, plain and sealed.
pub(super) const BYTES: usize = 64 * 1024 * 1024;
/// Receipts, answers and the like waiting for one mailbox, beyond which no more are made: its owner
/// does not read, and must not fill this outbox by asking.
const NOTES: usize = 1_024;
/// Tails of delivered messages kept: so many can still be marked as read.
const TAILS: usize = 1_000;
/// All entries, by running number, and what they are found by.
#[derive(Default)]
pub(super) struct Outbox {
    pub(super) entries: BTreeMap<u64, Entry>,
    by_message: BTreeMap<MessageId, u64>,
    by_count: BTreeMap<(ConversationId, u64), u64>,
    /// Messages of conversations that are not yet everywhere.
    live: BTreeSet<u64>,
    /// Keys not yet at the hub, by group.
    keys: BTreeMap<GroupId, usize>,
    /// Waiting for a session.
    unsealed: BTreeMap<NodeId, BTreeSet<u64>>,
    /// Sealed and not on the way.
    pub(super) ready: BTreeSet<(Rank, u64)>,
    /// Refused before: when to try again, and how often so far.
    pub(super) pauses: BTreeMap<u64, (Timestamp, u32)>,
    pub(super) in_flight: BTreeSet<u64>,
    tails: BTreeSet<u64>,
    /// Entries that are no messages, by whose mailbox they go to.
    notes: BTreeMap<NodeId, usize>,
    bytes: usize,
}

impl Outbox {
    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&number)
    }

    pub(super) fn of_message(&self, message: &MessageId) -> Option<&Entry> {
        self.entries.get(self.by_message.get(message)?)
    }

    /// Whether nothing more may be written.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() - self.tails.len() >= ENTRIES || self.bytes >= BYTES
    }

    /// Whether a peer leaves so much of ours unread that nothing more is told but what others'
    /// reading depends on.
    pub(super) fn is_ignored_by(&self, peer: &NodeId) -> bool {
        self.notes.get(peer).is_some_and(|notes| *notes >= NOTES)
    }

    /// Peers with something to be sealed for them.
    pub(super) fn unsealed_peers(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.unsealed.keys().copied()
    }

    /// What waits to be sealed for a peer, in the order in which it is to be.
    pub(super) fn unsealed_for(&self, peer: &NodeId) -> Vec<u64> {
        let numbers = self.unsealed.get(peer).into_iter().flatten();
        let rank = |number: &u64| self.entries.get(number).map(|entry| entry.docket.rank);
        let mut ranked: Vec<_> = numbers.map(|number| (rank(number), *number)).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, number)| number).collect()
    }

    /// Whether the own key of a group waits to be sealed for a peer.
    pub(super) fn is_to_seal_key(&self, peer: &NodeId, group: GroupId) -> bool {
        let mut entries = self.unsealed.get(peer).into_iter().flatten();
        entries.any(|number| self.get(*number).is_some_and(|e| e.docket.key_of == Some(group)))
    }

    /// Whether a message of a conversation is not yet everywhere.
    pub(super) fn has_live_chats(&self) -> bool {
        !self.live.is_empty()
    }

    /// Live messages of conversations, oldest first.
    pub(super) fn chats(&self) -> impl Iterator<Item = (u64, &Entry, &Chat)> + '_ {
        self.live.iter().filter_map(|number| {
            let entry = self.entries.get(number)?;
            Some((*number, entry, entry.docket.chat.as_ref()?))
        })
    }

    /// How many members of a group the own key is still on its way to.
    pub(super) fn keys_of(&self, group: &GroupId) -> usize {
        self.keys.get(group).copied().unwrap_or(0)
    }

    /// Own messages of a conversation with a count in a range.
    pub(super) fn counted(&self, conversation: ConversationId, range: (u64, u64)) -> Vec<u64> {
        let (from, to) = range;
        let found = self.by_count.range((conversation, from)..=(conversation, to));
        found.map(|(_, number)| *number).collect()
    }

    pub(super) fn restore(&mut self, number: u64, entry: Entry) {
        self.entries.insert(number, entry);
    }

    /// Builds the indexes after loading.
    pub(super) fn index(&mut self) {
        let numbers: Vec<u64> = self.entries.keys().copied().collect();
        for number in numbers {
            self.index_one(number);
        }
    }

    fn insert(&mut self, entry: Entry) -> u64 {
        let number = self.entries.keys().next_back().map_or(1, |last| last.saturating_add(1));
        self.entries.insert(number, entry);
        self.index_one(number);
        number
    }

    pub(super) fn index_one(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        self.bytes = self.bytes.saturating_add(entry.size());
        if let Some(chat) = &entry.docket.chat {
            self.by_message.insert(chat.message, number);
            self.by_count.insert((chat.conversation, chat.n), number);
            if !entry.progress.done {
                self.live.insert(number);
            }
        } else if let Some(peer) = entry.addressee() {
            *self.notes.entry(peer).or_default() += 1;
        }
        if let Some(group) = entry.docket.key_of {
            *self.keys.entry(group).or_default() += 1;
        }
        if entry.progress.done {
            self.tails.insert(number);
        } else if entry.sealed.is_some() {
            if !entry.progress.stored {
                self.ready.insert((entry.docket.rank, number));
            }
        } else if let Some(peer) = entry.addressee() {
            self.unsealed.entry(peer).or_default().insert(number);
        }
    }

    pub(super) fn unindex(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        self.bytes = self.bytes.saturating_sub(entry.size());
        self.ready.remove(&(entry.docket.rank, number));
        self.pauses.remove(&number);
        self.tails.remove(&number);
        self.live.remove(&number);
        if let Some(peer) = entry.addressee().filter(|_| entry.docket.chat.is_none()) {
            one_less(&mut self.notes, &peer);
        }
        if let Some(group) = entry.docket.key_of {
            one_less(&mut self.keys, &group);
        }
        if let Some(peer) = entry.addressee()
            && let Some(numbers) = self.unsealed.get_mut(&peer)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.unsealed.remove(&peer);
            }
        }
    }

    /// Takes the first that is ready and whose log is not held up.
    fn next_ready(&mut self, held_up: &BTreeSet<LogId>) -> Option<u64> {
        if held_up.is_empty() {
            return self.ready.pop_first().map(|(_, number)| number);
        }
        let log = |number: &u64| self.entries.get(number).map(|entry| entry.docket.log);
        let free =
            |(_, number): &&(Rank, u64)| log(number).is_none_or(|log| !held_up.contains(&log));
        let first = *self.ready.iter().find(free)?;
        self.ready.remove(&first);
        Some(first.1)
    }

    /// What this entry says goes to those it waits for in their sessions; gives them.
    pub(super) fn said_one_by_one(&mut self, number: u64) -> Vec<NodeId> {
        self.unindex(number);
        let mut waiting = Vec::new();
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.progress.stored = true;
            let recipients = entry.docket.chat.iter().flat_map(|chat| chat.recipients.iter());
            waiting = recipients.filter(|node| entry.waits_for(node)).copied().collect();
        }
        self.index_one(number);
        waiting
    }

    fn forget_count(&mut self, number: u64) {
        if let Some(chat) = self.entries.get(&number).and_then(|e| e.docket.chat.as_ref()) {
            self.by_count.remove(&(chat.conversation, chat.n));
        }
    }

    fn remove(&mut self, number: u64) {
        self.unindex(number);
        let Some(chat) = self.entries.remove(&number).and_then(|entry| entry.docket.chat) else {
            return;
        };
        self.by_message.remove(&chat.message);
        self.by_count.remove(&(chat.conversation, chat.n));
    }

    pub(super) fn link_down(&mut self) {
        let paused = core::mem::take(&mut self.pauses).into_keys();
        for number in core::mem::take(&mut self.in_flight).into_iter().chain(paused) {
            let again = self.entries.get(&number).filter(|entry| entry.is_to_be_sent());
            if let Some(entry) = again {
                self.ready.insert((entry.docket.rank, number));
            }
        }
    }

    /// Counts for views: unsent and undelivered messages.
    pub(super) fn counts(&self, of: Option<ConversationId>) -> (u64, u64) {
        let (mut unsent, mut undelivered) = (0, 0);
        for (_, entry, chat) in self.chats() {
            if of.is_none_or(|of| chat.conversation == of) {
                unsent += u64::from(!entry.progress.stored);
                undelivered += u64::from(entry.progress.stored);
            }
        }
        (unsent, undelivered)
    }
}

fn one_less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Engine {
    /// Puts an entry into the outbox.
    pub(super) fn post(&mut self, entry: Entry) -> u64 {
        let number = self.outbox.insert(entry);
        self.touch(Key::Outbox(number));
        self.touch(Key::Progress(number));
        self.carry(number);
        number
    }

    /// An entry was sealed: from now on these bytes are sent.
    pub(super) fn sealed(&mut self, number: u64, bytes: Vec<u8>) {
        self.outbox.unindex(number);
        if let Some(entry) = self.outbox.get_mut(number) {
            entry.sealed = Some(bytes);
            entry.sealing = entry.sealing.wrapping_add(1);
        }
        self.outbox.index_one(number);
        self.touch(Key::Outbox(number));
        self.carry(number);
    }

    /// Takes an entry back into the unsealed state: its session is lost, and nobody opened it.
    pub(super) fn unseal(&mut self, number: u64) {
        self.outbox.unindex(number);
        if let Some(entry) = self.outbox.get_mut(number) {
            entry.sealed = None;
            entry.progress.stored = false;
        }
        self.outbox.index_one(number);
        self.touch(Key::Outbox(number));
        self.touch(Key::Progress(number));
    }

    /// Gives a message another count, and what it says with it; it is to be sealed again.
    pub(super) fn recount(&mut self, number: u64, n: u64, plain: SecretBytes) {
        self.outbox.unindex(number);
        self.outbox.forget_count(number);
        if let Some(entry) = self.outbox.get_mut(number) {
            if let Some(chat) = &mut entry.docket.chat {
                chat.n = n;
            }
            entry.plain = plain;
        }
        self.outbox.index_one(number);
        self.unseal(number);
    }

    /// Sends what is ready, as much as may be on the way at once. To a log that took nothing on
    /// this link yet one goes ahead: were it refused, those behind would overtake it.
    pub(super) fn pump(&mut self) {
        let mut held_up = self.held_up();
        held_up.extend(self.link.tried.values());
        while self.link.confirmed && self.outbox.in_flight.len() < APPENDS_IN_FLIGHT {
            let Some(number) = self.outbox.next_ready(&held_up) else { return };
            let Some(entry) = self.outbox.get(number) else { continue };
            let Some(sealed) = entry.sealed.clone() else { continue };
            let (log, envelope) = (entry.docket.log, ByteBuf::from(sealed));
            if !self.link.takes.contains(&log) {
                self.link.tried.insert(number, log);
                held_up.insert(log);
            }
            let asked = Asked::Append(number, entry.sealing);
            self.outbox.in_flight.insert(number);
            self.sends = self.sends.saturating_add(1);
            self.touch(Key::Sends);
            self.ask(asked, |req| ToHub::Append(Append { req, log, envelope }));
        }
    }

    /// The hub has an entry.
    pub(super) fn appended(&mut self, number: u64, sealing: u32) {
        self.outbox.in_flight.remove(&number);
        self.outbox.pauses.remove(&number);
        self.link.takes.extend(self.link.tried.remove(&number));
        let Some(entry) = self.outbox.get_mut(number) else { return };
        if entry.sealing != sealing || entry.sealed.is_none() {
            return;
        }
        entry.progress.stored = true;
        let Some(chat) = entry.docket.chat.clone() else { return self.drop_entry(number) };
        let waiting = entry.progress.waiting.clone();
        self.touch(Key::Progress(number));
        for at in &waiting {
            if let Some(recipient) = chat.recipients.get(usize::from(*at)) {
                self.progress(&chat, *recipient, Delivery::Stored, None);
            }
        }
        self.moved(&chat);
        if waiting.is_empty() {
            self.finish(number);
        }
    }

    /// A recipient's device has a message, or its person has seen it.
    pub(super) fn acknowledged(&mut self, number: u64, by: NodeId, delivery: Delivery) {
        let Some(entry) = self.outbox.get_mut(number) else { return };
        let Some(chat) = entry.docket.chat.clone() else { return };
        let Some(at) = chat.recipients.iter().position(|recipient| *recipient == by) else {
            return;
        };
        let before = entry.progress.clone();
        entry.progress.waiting.retain(|w| usize::from(*w) != at);
        let finished = entry.progress.waiting.is_empty() && !entry.progress.done;
        if entry.progress == before && delivery == Delivery::Delivered {
            return;
        }
        self.touch(Key::Progress(number));
        self.progress(&chat, by, delivery, None);
        self.moved(&chat);
        if finished {
            self.finish(number);
        }
    }

    /// Shows that a recipient who has it has read it.
    pub(super) fn read_by(&mut self, number: u64, by: NodeId) {
        let Some(entry) = self.outbox.get_mut(number) else { return };
        let Some(chat) = entry.docket.chat.clone() else { return };
        let at = chat.recipients.iter().position(|recipient| *recipient == by);
        let waits = |at: &usize| entry.progress.waiting.iter().any(|w| usize::from(*w) == *at);
        if at.is_some_and(|at| !waits(&at)) {
            self.progress(&chat, by, Delivery::Read, None);
            self.moved(&chat);
        }
    }

    /// Tells that an own message got further.
    pub(super) fn moved(&mut self, chat: &Chat) {
        let (conversation, id) = (chat.conversation, chat.message);
        let sender = self.id();
        self.out.push_back(Output::Moved(MessageKey { conversation, sender, id }));
    }

    pub(super) fn progress(
        &mut self,
        chat: &Chat,
        recipient: NodeId,
        delivery: Delivery,
        stuck: Option<String>,
    ) {
        let (conversation, message, at) = (chat.conversation, chat.message, self.now);
        let change =
            HistoryChange::Progress { conversation, message, recipient, delivery, at, stuck };
        self.history.push(change);
    }

    /// Everybody has it: keeps the tail.
    pub(super) fn finish(&mut self, number: u64) {
        self.outbox.unindex(number);
        if let Some(entry) = self.outbox.get_mut(number) {
            entry.plain = SecretBytes::from_vec(Vec::new());
            entry.sealed = None;
            entry.progress.stored = true;
            entry.progress.done = true;
        }
        self.outbox.index_one(number);
        self.touch(Key::Outbox(number));
        self.touch(Key::Progress(number));
        if self.outbox.tails.len() > TAILS
            && let Some(oldest) = self.outbox.tails.first().copied()
        {
            self.drop_entry(oldest);
        }
    }

    pub(super) fn drop_entry(&mut self, number: u64) {
        self.outbox.remove(number);
        self.outbox.in_flight.remove(&number);
        self.touch(Key::Outbox(number));
        self.touch(Key::Progress(number));
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::id::GroupId;

    use super::*;

    fn entry(rank: Rank, log: LogId, sealed: bool) -> Entry {
        let docket = Docket { log, rank, created: Timestamp(1), chat: None, key_of: None };
        Entry::new(docket, SecretBytes::from_vec(vec![1]), sealed.then(|| vec![2]))
    }

    #[test]
    fn a_group_message_never_overtakes_the_key_that_opens_it() {
        let (bob, team) = (LogId::Mailbox(NodeId([2; 32])), LogId::Channel(GroupId([9; 32])));
        let mut outbox = Outbox::default();
        let mut post = |rank, log| outbox.insert(entry(rank, log, true));
        let receipt = post(Rank::Rest, bob);
        let backlog = post(Rank::Group, team);
        let key = post(Rank::Group, bob);
        let message = post(Rank::Group, team);
        let direct = post(Rank::Direct, bob);
        let order: Vec<u64> = outbox.ready.iter().map(|(_, number)| *number).collect();
        assert_eq!(order, [direct, backlog, key, message, receipt]);
    }

    #[test]
    fn a_message_to_a_thousand_does_not_wait_for_their_keys() {
        let team = LogId::Channel(GroupId([9; 32]));
        let mut outbox = Outbox::default();
        let rank = Rank::of_keys(999);
        let mut post = |rank, log| outbox.insert(entry(rank, log, true));
        let keys = [2, 3].map(|n| post(rank, LogId::Mailbox(NodeId([n; 32]))));
        let message = post(Rank::Group, team);
        let order: Vec<u64> = outbox.ready.iter().map(|(_, number)| *number).collect();
        assert_eq!(order, [message, keys[0], keys[1]]);
        assert_eq!(Rank::of_keys(APPENDS_IN_FLIGHT), Rank::Group);
    }

    #[test]
    fn word_of_a_lost_session_is_sealed_before_what_waits_for_the_peer() {
        let bob = NodeId([2; 32]);
        let mut outbox = Outbox::default();
        let mut post = |rank| outbox.insert(entry(rank, LogId::Mailbox(bob), false));
        let (receipt, direct, anew) = (post(Rank::Rest), post(Rank::Direct), post(Rank::Anew));
        assert_eq!(outbox.unsealed_for(&bob), [anew, direct, receipt]);
    }
}
