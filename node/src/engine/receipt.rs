//! Telling authors what arrived, and hearing it of one's own messages.
//!
//! What is owed is part of the records, so a receipt is never lost with a crash; what was owed is
//! cleared in the transaction that posts the receipt. The first receipt goes out at once and those
//! that follow are batched, in large groups all of them over a longer time, so that they tell little
//! about when somebody was online. A copy of a message means that its author may have missed the
//! receipt: everything heard is then told again.

use hubbub_shared::content::{AckKind, PairPlain};
use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::limits::ACK_RANGES_MAX;
use hubbub_shared::time::{Millis, Timestamp};
use rand_core::Rng;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::alarm::Alarm;
use super::ranges::{Range, above, add, has, highest};
use super::record::Key;
use crate::api::ConversationId;
use crate::api::view::Delivery;

/// The least time between receipts: what comes in between is gathered. In large groups the first one
/// waits as long.
const GATHER: Millis = Millis::secs(2);
/// In groups larger than this, receipts are spread over [`SPREAD`].
const LARGE: usize = 64;
const SPREAD: Millis = Millis::secs(60);
/// Newest messages remembered by name, so that a count used twice is noticed. As many as an author
/// sends again at once.
const RECENT: usize = 64;

/// How far an author was heard in one conversation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Heard {
    pub(super) ranges: Vec<Range>,
    recent: Vec<(u64, MessageId)>,
    /// To be acknowledged as delivered.
    owed: Vec<Range>,
    /// To be acknowledged as read.
    owed_read: Vec<Range>,
    /// Highest count acknowledged as read.
    read: u64,
    /// When receipts go out.
    due: Timestamp,
    /// When receipts last went out.
    told: Timestamp,
}

impl Heard {
    /// Notes a message; `false` for a copy of one remembered by name. A count that was heard before
    /// and whose name is not remembered is an old copy, or its author has started over: it goes to
    /// the history, which knows old copies by name, and counting starts over here too, so that
    /// nothing of the author's new life is taken for heard.
    fn note(&mut self, n: u64, id: MessageId) -> bool {
        if self.recent.contains(&(n, id)) {
            add(&mut self.ranges, n);
            add(&mut self.owed, n);
            return false;
        }
        if has(&self.ranges, n) {
            if self.recent.iter().any(|(m, _)| *m == n) {
                self.owed.clear();
            }
            self.ranges.clear();
            self.owed_read.clear();
            self.read = 0;
        }
        add(&mut self.ranges, n);
        add(&mut self.owed, n);
        self.recent.push((n, id));
        if self.recent.len() > RECENT {
            self.recent.remove(0);
        }
        true
    }

    fn owes(&self) -> bool {
        !self.owed.is_empty() || !self.owed_read.is_empty()
    }
}

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
        let new = heard.note(n, id);
        let gap = heard.ranges.len() > 1;
        self.owe(conversation, author);
        if let (true, ConversationId::Group(group)) = (gap, conversation) {
            self.need_missing(group, author);
        }
        new
    }

    /// Sets the time at which receipts to an author go out.
    fn owe(&mut self, conversation: ConversationId, author: NodeId) {
        let members = match conversation {
            ConversationId::Group(id) => {
                let log = self.groups.get(&id).and_then(|group| group.log.as_ref());
                log.map_or(0, |log| log.roster().len())
            }
            ConversationId::Direct(_) => 2,
        };
        let spread = if members > LARGE { self.rng.next_u64() % SPREAD.0 } else { 0 };
        let now = self.now;
        let Some(heard) = self.heard.get_mut(&(conversation, author)) else { return };
        if heard.due <= now {
            heard.due = match members > LARGE {
                true => now + GATHER + Millis(spread),
                // The clock may have been moved back since.
                false => now.max(heard.told + GATHER).min(now + GATHER),
            };
        }
        if heard.owed.len() >= ACK_RANGES_MAX {
            heard.due = now;
        }
        let due = heard.due;
        self.alarms.set(Alarm::Receipts, due);
        self.touch(Key::Heard(conversation, author));
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
                for range in above(&heard.ranges, heard.read) {
                    heard.owed_read.push(range);
                }
                heard.read = highest(&heard.ranges);
                authors.push(*author);
            }
        }
        for author in authors {
            self.owe(conversation, author);
        }
    }

    pub(super) fn resume_receipts(&mut self) {
        for heard in self.heard.values().filter(|heard| heard.owes()) {
            self.alarms.set(Alarm::Receipts, heard.due);
        }
    }

    /// Sends the receipts that are due.
    pub(super) fn send_receipts(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        for (key, heard) in self.heard.iter().filter(|(_, heard)| heard.owes()) {
            if heard.due <= now {
                due.push(*key);
            } else {
                self.alarms.set(Alarm::Receipts, heard.due);
            }
        }
        for (conversation, author) in due {
            let Some(heard) = self.heard.get_mut(&(conversation, author)) else { continue };
            heard.told = now;
            let owed = core::mem::take(&mut heard.owed);
            let owed_read = core::mem::take(&mut heard.owed_read);
            self.touch(Key::Heard(conversation, author));
            self.acknowledge(conversation, author, AckKind::Delivered, &owed);
            self.acknowledge(conversation, author, AckKind::Read, &owed_read);
        }
    }

    fn acknowledge(
        &mut self,
        conversation: ConversationId,
        author: NodeId,
        kind: AckKind,
        ranges: &[Range],
    ) {
        let conversation = match conversation {
            ConversationId::Group(id) => Some(id),
            ConversationId::Direct(_) => None,
        };
        for ranges in ranges.chunks(ACK_RANGES_MAX) {
            self.tell(author, &PairPlain::Ack { conversation, kind, ranges: ranges.to_vec() });
        }
    }

    /// A peer's device has own messages, or its person has seen them.
    pub(super) fn take_ack(
        &mut self,
        peer: NodeId,
        group: Option<GroupId>,
        kind: AckKind,
        ranges: &[Range],
    ) {
        let conversation = group.map_or(ConversationId::Direct(peer), ConversationId::Group);
        let delivery = match kind {
            AckKind::Delivered => Delivery::Delivered,
            AckKind::Read => Delivery::Read,
        };
        for range in ranges {
            for number in self.outbox.counted(conversation, *range) {
                self.acknowledged(number, peer, delivery);
            }
        }
    }
}
