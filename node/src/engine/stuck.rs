//! What does not get through: tried again after a pause, explained, or given up.
//!
//! Whoever wrote a message can see of each recipient why it has not got it.

use std::collections::BTreeSet;

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::limits::LOG_TTL;
use hubbub_shared::time::Millis;
use hubbub_shared::wire::{LogId, Refusal, RefusalCode};

use super::Engine;
use super::alarm::Alarm;
use super::record::Key;
use crate::api::ConversationId;
use crate::api::error::from_refusal;

/// A pause that is no reason to say anything: a hub that is asked less than it wants to be.
const BRIEF: Millis = Millis::secs(10);
/// Said of what waits for something before it.
const BEHIND: &str = "waits behind an earlier message that was refused";
/// First pause after a refusal; it doubles.
const PAUSE: Millis = Millis::secs(30);
/// Longest pause.
const PAUSE_MAX: Millis = Millis::hours(1);

impl Engine {
    /// The hub did not take an entry: it waits, or it can never go.
    pub(super) fn append_refused(&mut self, number: u64, refusal: &Refusal) {
        self.outbox.in_flight.remove(&number);
        self.link.tried.remove(&number);
        let Some(entry) = self.outbox.get(number) else { return };
        let log = entry.docket.log;
        self.link.takes.remove(&log);
        self.mark_stuck(number, refusal);
        if refusal.retry_after.is_none_or(|pause| pause > BRIEF) {
            self.say_to_those_behind(number, log);
        }
        match (refusal.code, log) {
            (RefusalCode::TooLarge | RefusalCode::BadFrame, _) => self.drop_entry(number),
            // A hub that lost its store may not have heard yet who is a member.
            (RefusalCode::NotAMember, LogId::Channel(group)) if !self.is_in(&group) => {
                self.drop_entry(number);
            }
            (RefusalCode::NoSuchGroup | RefusalCode::NotAMember, LogId::Channel(group)) => {
                self.pause(number, refusal.retry_after);
                self.read_control(group);
            }
            _ => self.pause(number, refusal.retry_after),
        }
    }

    /// What waits behind a message that was refused, waits too.
    fn say_to_those_behind(&mut self, number: u64, log: LogId) {
        let behind = self.outbox.chats().filter(|(other, entry, _)| {
            *other != number && entry.docket.log == log && !entry.progress.stored
        });
        let behind: Vec<u64> = behind.map(|(other, ..)| other).collect();
        for other in behind {
            self.stuck_because(other, BEHIND);
        }
    }

    /// Tells why a message just written cannot leave yet, if it cannot.
    pub(super) fn say_if_behind(&mut self, number: u64) {
        let Some(log) = self.outbox.get(number).map(|entry| entry.docket.log) else { return };
        if self.is_held_up_long(log) {
            self.stuck_because(number, BEHIND);
        }
    }

    /// Whether something waits for a log for longer than is worth no word.
    fn is_held_up_long(&self, log: LogId) -> bool {
        let soon = self.now + BRIEF;
        let mut waiting = self.outbox.pauses.iter().filter(|(_, (until, _))| *until > soon);
        let in_log = |other: &u64| self.outbox.get(*other).is_some_and(|e| e.docket.log == log);
        waiting.any(|(other, _)| in_log(other))
    }

    fn is_in(&self, group: &GroupId) -> bool {
        self.groups.get(group).is_some_and(|group| group.is_active(&self.id()))
    }

    /// Logs for which something waits that was refused: what was written later waits behind it, so
    /// that it does not overtake it.
    pub(super) fn held_up(&self) -> BTreeSet<LogId> {
        let waiting = self.outbox.pauses.iter().filter(|(_, (until, _))| *until > self.now);
        waiting.filter_map(|(number, _)| Some(self.outbox.get(*number)?.docket.log)).collect()
    }

    /// What was refused may be taken now.
    pub(super) fn resume_log(&mut self, log: LogId) {
        let of_log = |number: &&u64| self.outbox.get(**number).is_some_and(|e| e.docket.log == log);
        let paused: Vec<u64> = self.outbox.pauses.keys().filter(of_log).copied().collect();
        for number in paused {
            if let Some((until, _)) = self.outbox.pauses.get_mut(&number) {
                *until = self.now;
            }
        }
        self.retry_due();
    }

    /// A reader of a conversation's log has read on: what was refused for want of room is tried
    /// again before its pause, which may be long by then, is over.
    pub(super) fn room_was_made(&mut self, conversation: ConversationId) {
        let log = match conversation {
            ConversationId::Direct(peer) => LogId::Mailbox(peer),
            ConversationId::Group(group) => LogId::Channel(group),
        };
        if self.is_held_up_long(log) {
            self.resume_log(log);
        }
    }

    fn pause(&mut self, number: u64, asked: Option<Millis>) {
        let tries = self.outbox.pauses.get(&number).map_or(0, |(_, tries)| *tries);
        let grown = Millis(PAUSE.0.saturating_mul(1 << tries.min(7)).min(PAUSE_MAX.0));
        let until = self.now + asked.unwrap_or(grown);
        if let Some(entry) = self.outbox.get(number) {
            let rank = entry.docket.rank;
            self.outbox.ready.remove(&(rank, number));
        }
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
            if entry.is_to_be_sent() {
                let key = (entry.docket.rank, number);
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

    /// We are out of a group: what is not delivered yet may still come to some, and no longer to
    /// who lost it on the way.
    pub(super) fn say_we_are_out(&mut self, conversation: ConversationId) {
        let ours = self.outbox.chats().filter(|(.., chat)| chat.conversation == conversation);
        let numbers: Vec<u64> = ours.map(|(number, ..)| number).collect();
        for number in numbers {
            self.stuck_because(number, "you left the group before it was delivered");
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
