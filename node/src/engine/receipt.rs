//! Telling authors what arrived, and hearing it of one's own messages.
//!
//! What is owed is part of the records, so a receipt is never lost with a crash; what was owed is
//! cleared in the transaction that posts the receipt. The first receipt goes out at once and those
//! that follow are batched, in large groups all of them over a longer time, so that they tell
//! little about when somebody was online. A copy of a message means that its author may have missed
//! the receipt: everything heard is then told again.

use hubbub_shared::content::{AckKind, PairPlain, Signal};
use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::limits::{ACK_RANGES_MAX, READ_RANGES};
use hubbub_shared::time::Millis;
use rand_core::Rng;

use super::Engine;
use super::alarm::Alarm;
use super::entry::Rank;
use super::gap::{conversation_with, group_of};
use super::output::Output;
use super::ranges::{Range, above, add_range, highest};
use super::record::Key;
use crate::api::ConversationId;
use crate::api::view::Delivery;

/// The least time between receipts: what comes in between is gathered. In large groups the first
/// one waits as long.
const GATHER: Millis = Millis::secs(2);
/// In groups larger than this, receipts are spread over [`SPREAD`].
const LARGE: usize = 64;
const SPREAD: Millis = Millis::secs(60);

impl Engine {
    /// Notes that a message arrived; `false` when it certainly had before. Either way it is
    /// acknowledged.
    pub(super) fn hear(
        &mut self,
        conversation: ConversationId,
        author: NodeId,
        n: u64,
        id: MessageId,
    ) -> bool {
        let heard = self.heard.entry((conversation, author)).or_default();
        let gap = heard.expect_before(n);
        let new = heard.note(n, id);
        self.owe(conversation, author);
        if let Some(gap) = gap {
            self.show_gap(conversation, author, gap);
            self.need_missing(conversation, author);
        }
        new
    }

    /// Sets the time at which receipts to an author go out.
    fn owe(&mut self, conversation: ConversationId, author: NodeId) {
        let large = self.is_large(conversation);
        let spread = if large { self.rng.next_u64() % SPREAD.0 } else { 0 };
        let now = self.now;
        let Some(heard) = self.heard.get_mut(&(conversation, author)) else { return };
        if heard.due <= now {
            heard.due = match large {
                true => now + GATHER + Millis(spread),
                // The clock may have been moved back since.
                false => now.max(heard.told + GATHER).min(now + GATHER),
            };
        }
        if heard.owed.len() >= ACK_RANGES_MAX {
            heard.due = now;
        }
        let due = heard.due;
        self.touch(Key::Heard(conversation, author));
        if !self.withholds(conversation) {
            self.alarms.set(Alarm::Receipts, due);
        }
    }

    fn is_large(&self, conversation: ConversationId) -> bool {
        let ConversationId::Group(id) = conversation else { return false };
        let log = self.groups.get(&id).and_then(|group| group.log.as_ref());
        log.is_some_and(|log| log.roster().len() > LARGE)
    }

    /// Everything heard of an author in a conversation is to be told again.
    pub(super) fn owe_all(&mut self, conversation: ConversationId, author: NodeId) {
        let Some(heard) = self.heard.get_mut(&(conversation, author)) else { return };
        heard.owed.clone_from(&heard.ranges);
        self.owe(conversation, author);
    }

    /// A copy came from somebody: all receipts to them are told again.
    pub(super) fn replayed(&mut self, author: NodeId) {
        self.count("replay");
        self.owe_all_to(author);
    }

    pub(super) fn owe_all_to(&mut self, author: NodeId) {
        let keys = self.heard.keys().filter(|(_, node)| *node == author);
        let conversations: Vec<_> = keys.map(|(conversation, _)| *conversation).collect();
        for conversation in conversations {
            self.owe_all(conversation, author);
        }
    }

    /// The person has seen everything in a conversation.
    pub(super) fn owe_read(&mut self, conversation: ConversationId) {
        let mut authors = Vec::new();
        for ((at, author), heard) in &mut self.heard {
            if *at == conversation && highest(&heard.ranges) > heard.read {
                // Nobody sees what is said by one who is blocked.
                let seen = self.people.get(author).is_none_or(|person| person.blocked.is_none());
                let fresh = above(&heard.ranges, heard.read);
                for range in fresh.iter().filter(|_| seen) {
                    add_range(&mut heard.owed_read, *range);
                }
                heard.read = highest(&heard.ranges);
                authors.push((*author, fresh));
            }
        }
        for (author, fresh) in authors {
            self.owe(conversation, author);
            self.signal_read(conversation, author, fresh);
        }
    }

    /// Says in passing what the receipt will say for good. Not in large groups, where receipts are
    /// spread so that they do not tell when somebody reads.
    fn signal_read(&mut self, conversation: ConversationId, author: NodeId, fresh: Vec<Range>) {
        if self.withholds(conversation) || self.is_blocked(&author) || self.is_large(conversation) {
            return;
        }
        // The newest are those somebody looks at.
        let ranges = fresh.get(fresh.len().saturating_sub(READ_RANGES)..).unwrap_or_default();
        if !ranges.is_empty() {
            let conversation = group_of(conversation);
            let signal = Signal::Read { conversation, ranges: ranges.to_vec() };
            self.out.push_back(Output::Signal(author, signal));
        }
    }

    /// Somebody has seen own messages, as their signal says. It is shown of those whose receipt has
    /// come, and ends no duty: a message is delivered when a receipt says so.
    pub fn read_in_passing(&mut self, peer: NodeId, group: Option<GroupId>, ranges: &[Range]) {
        if !self.settings.read_receipts {
            return;
        }
        let conversation = conversation_with(peer, group);
        for range in ranges {
            for number in self.outbox.counted(conversation, *range) {
                self.read_by(number, peer);
            }
        }
    }

    pub(super) fn resume_receipts(&mut self) {
        let owed = self.heard.iter().filter(|(_, heard)| heard.owes());
        for ((conversation, _), heard) in owed {
            if !self.withholds(*conversation) {
                self.alarms.set(Alarm::Receipts, heard.due);
            }
        }
    }

    /// Sends the receipts that are due.
    pub(super) fn send_receipts(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        for (key, heard) in self.heard.iter().filter(|(_, heard)| heard.owes()) {
            if self.withholds(key.0) {
                continue;
            }
            if heard.due <= now {
                due.push(*key);
            } else {
                self.alarms.set(Alarm::Receipts, heard.due);
            }
        }
        for (conversation, author) in due {
            let ignored = self.outbox.is_ignored_by(&author);
            let Some(heard) = self.heard.get_mut(&(conversation, author)) else { continue };
            if ignored {
                heard.due = now + SPREAD;
                self.alarms.set(Alarm::Receipts, heard.due);
                continue;
            }
            heard.told = now;
            let owed = core::mem::take(&mut heard.owed);
            let owed_read = core::mem::take(&mut heard.owed_read);
            self.touch(Key::Heard(conversation, author));
            self.acknowledge(conversation, author, AckKind::Delivered, &owed);
            if !self.is_blocked(&author) {
                self.acknowledge(conversation, author, AckKind::Read, &owed_read);
            }
        }
    }

    fn acknowledge(
        &mut self,
        conversation: ConversationId,
        author: NodeId,
        kind: AckKind,
        ranges: &[Range],
    ) {
        let conversation = group_of(conversation);
        if ranges.is_empty() {
            return;
        }
        let ranges = self.taken_over((conversation, kind), author, ranges);
        for ranges in ranges.chunks(ACK_RANGES_MAX) {
            self.tell(author, &PairPlain::Ack { conversation, kind, ranges: ranges.to_vec() });
        }
    }

    /// What a receipt is to say. While the hub is away, it says as well what the last one of its
    /// kind said, and takes its place: else receipts of a long talk without a hub would gather
    /// until no more are made.
    fn taken_over(
        &mut self,
        (conversation, kind): (Option<GroupId>, AckKind),
        author: NodeId,
        ranges: &[Range],
    ) -> Vec<Range> {
        let alone = ranges.to_vec();
        if self.link.is_up() {
            return alone;
        }
        // What was sealed and not carried must go by the hub: without many of those, the author
        // could not open the next.
        let carried = self.is_carried_to(&author);
        let mut told = self.outbox.entries.iter().rev().filter(|(_, entry)| {
            entry.addressee() == Some(author) && entry.docket.rank == Rank::Rest
        });
        let last = told.find_map(|(number, entry)| {
            match PairPlain::decode(entry.plain.expose()).ok()? {
                PairPlain::Ack { conversation: place, kind: what, ranges }
                    if (place, what) == (conversation, kind) =>
                {
                    Some((*number, ranges, carried || entry.sealed.is_none()))
                }
                _ => None,
            }
        });
        let Some((number, mut all, true)) = last else { return alone };
        alone.iter().for_each(|range| add_range(&mut all, *range));
        if all.len() > ACK_RANGES_MAX {
            return alone;
        }
        self.drop_entry(number);
        all
    }

    /// A peer's device has own messages, or its person has seen them.
    pub(super) fn take_ack(
        &mut self,
        peer: NodeId,
        group: Option<GroupId>,
        kind: AckKind,
        ranges: &[Range],
    ) {
        let conversation = conversation_with(peer, group);
        let delivery = match kind {
            AckKind::Delivered => Delivery::Delivered,
            // Who does not say what was read does not hear it either.
            AckKind::Read if !self.settings.read_receipts => Delivery::Delivered,
            AckKind::Read => Delivery::Read,
        };
        for range in ranges {
            for number in self.outbox.counted(conversation, *range) {
                self.acknowledged(number, peer, delivery);
            }
        }
        // Whoever reads makes room where there was none.
        self.room_was_made(conversation);
    }
}
