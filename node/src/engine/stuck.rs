//! What does not get through: tried again after a pause, explained, or given up.
//!
//! Whoever wrote a message can see of each recipient why it has not got it.

use hubbub_shared::id::NodeId;
use hubbub_shared::limits::LOG_TTL;
use hubbub_shared::time::Millis;
use hubbub_shared::wire::{LogId, Refusal, RefusalCode};

use super::Engine;
use super::alarm::Alarm;
use super::record::Key;
use crate::api::ConversationId;
use crate::api::error::from_refusal;

/// First pause after a refusal; it doubles.
const PAUSE: Millis = Millis::secs(30);
/// Longest pause.
const PAUSE_MAX: Millis = Millis::hours(1);

impl Engine {
    /// The hub did not take an entry: it waits, or it can never go.
    pub(super) fn append_refused(&mut self, number: u64, refusal: &Refusal) {
        self.outbox.in_flight.remove(&number);
        let Some(entry) = self.outbox.get(number) else { return };
        let (log, is_chat) = (entry.docket.log, entry.docket.chat.is_some());
        self.mark_stuck(number, refusal);
        match (refusal.code, log) {
            (RefusalCode::TooLarge | RefusalCode::BadFrame, _) => self.drop_entry(number),
            (RefusalCode::NotAMember, LogId::Channel(_)) => self.drop_entry(number),
            (RefusalCode::NoSuchGroup, LogId::Channel(group)) => {
                self.pause(number, refusal.retry_after, is_chat);
                self.read_control(group);
            }
            _ => self.pause(number, refusal.retry_after, is_chat),
        }
    }

    fn pause(&mut self, number: u64, asked: Option<Millis>, is_chat: bool) {
        let tries = self.outbox.pauses.get(&number).map_or(0, |(_, tries)| *tries);
        let grown = Millis(PAUSE.0.saturating_mul(1 << tries.min(7)).min(PAUSE_MAX.0));
        let until = self.now + asked.unwrap_or(grown);
        self.outbox.ready.remove(&(!is_chat, number));
        self.outbox.pauses.insert(number, (until, tries.saturating_add(1)));
        self.alarms.set(Alarm::Outbox, until);
    }

    /// Tries again what was refused long enough ago.
    pub(super) fn retry_due(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        for (number, (until, _)) in &self.outbox.pauses {
            if *until <= now {
                due.push(*number);
            } else {
                self.alarms.set(Alarm::Outbox, *until);
            }
        }
        for number in due {
            let Some(entry) = self.outbox.get(number) else { continue };
            if entry.sealed.is_some() && !entry.progress.stored {
                let key = (entry.docket.chat.is_none(), number);
                self.outbox.ready.insert(key);
            }
        }
    }

    fn mark_stuck(&mut self, number: u64, refusal: &Refusal) {
        let Some(chat) = self.outbox.get(number).and_then(|entry| entry.docket.chat.clone()) else {
            return;
        };
        let about = refusal.about.or(match chat.conversation {
            ConversationId::Direct(node) => Some(node),
            ConversationId::Group(_) => None,
        });
        let name = about.map_or_else(|| "the group".to_owned(), |node| self.person(&node).name);
        self.stuck_because(number, &from_refusal(refusal, &name).what);
    }

    /// Says of every recipient that still waits why it does.
    pub(super) fn stuck_because(&mut self, number: u64, why: &str) {
        let Some(entry) = self.outbox.get(number) else { return };
        let Some(chat) = entry.docket.chat.clone() else { return };
        let delivery = entry.delivery();
        for at in entry.progress.waiting.clone() {
            if let Some(recipient) = chat.recipients.get(usize::from(at)) {
                self.progress(&chat, *recipient, delivery, Some(why.to_owned()));
            }
        }
        self.moved(&chat);
    }

    /// A recipient left the conversation: nothing waits for it any more.
    pub(super) fn give_up_on(&mut self, conversation: ConversationId, node: NodeId) {
        let waiting = self
            .outbox
            .chats()
            .filter(|(_, entry, chat)| chat.conversation == conversation && entry.waits_for(&node));
        let numbers: Vec<u64> = waiting.map(|(number, ..)| number).collect();
        for number in numbers {
            let Some(entry) = self.outbox.get_mut(number) else { continue };
            let Some(chat) = entry.docket.chat.clone() else { continue };
            let at = chat.recipients.iter().position(|recipient| *recipient == node);
            entry.progress.waiting.retain(|w| Some(usize::from(*w)) != at);
            let (delivery, stored) = (entry.delivery(), entry.progress.stored);
            let finished = stored && entry.progress.waiting.is_empty();
            self.touch(Key::Progress(number));
            let why = "left the group before it was delivered".to_owned();
            self.progress(&chat, node, delivery, Some(why));
            if finished {
                self.finish(number);
            }
        }
    }

    /// Gives up on what nobody can get any more.
    pub(super) fn expire_outbox(&mut self) {
        let now = self.now;
        let live = self.outbox.entries.iter().filter(|(_, entry)| !entry.progress.done);
        let old = live.filter(|(_, entry)| now.since(entry.docket.created) > LOG_TTL);
        let numbers: Vec<u64> = old.map(|(number, _)| *number).collect();
        for number in numbers {
            self.stuck_because(number, "not acknowledged within two weeks; send it again");
            self.drop_entry(number);
        }
    }

    /// The hub lost its store: what it had and nobody acknowledged goes out again.
    pub(super) fn send_all_again(&mut self) {
        let numbers: Vec<u64> = self.outbox.chats().map(|(number, ..)| number).collect();
        for number in numbers {
            self.outbox.unindex(number);
            if let Some(entry) = self.outbox.get_mut(number) {
                entry.progress.stored = false;
            }
            self.outbox.index_one(number);
            self.touch(Key::Progress(number));
        }
    }
}
