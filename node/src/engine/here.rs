//! Telling contacts that this node's person is there, and hearing it of them.
//!
//! It goes in passing, when the person does something, and nothing is stored: whoever misses it
//! hears the person's next message. Whoever shows no presence neither tells nor hears it.

use hubbub_shared::content::Signal;
use hubbub_shared::id::NodeId;
use hubbub_shared::time::{Millis, Timestamp};

use super::Engine;
use super::output::Output;
use super::repair::may;
use crate::api::{Command, Event};

/// It is told again at most once in this time: half of what counts as active now.
const EVERY: Millis = Millis::minutes(1);
/// Of one contact it is heard at most once in this time.
const HEARD_EVERY: Millis = Millis::secs(30);
/// Contacts that are told: those heard from last.
const TOLD: usize = 64;

impl Engine {
    /// What a person does, and no program does by itself, tells contacts that somebody is there.
    pub(super) fn notice_person(&mut self, command: &Command) {
        let by_hand = matches!(
            command,
            Command::Send { .. } | Command::MarkRead { .. } | Command::Typing { .. }
        );
        let now = self.now;
        // A clock that was set back must not silence it.
        let lately = |at: Timestamp| at <= now && now.since(at) < EVERY;
        if !by_hand || !self.settings.presence || self.repairs.told_here.is_some_and(lately) {
            return;
        }
        self.repairs.told_here = Some(now);
        for peer in self.company() {
            self.out.push_back(Output::Signal(peer, Signal::Here));
        }
    }

    /// Contacts who show presence, too, and whose contact we are; the last heard from first.
    fn company(&self) -> Vec<NodeId> {
        let near = self.people.iter().filter(|(_, person)| {
            person.contact && person.mutual && person.presence && person.blocked.is_none()
        });
        let mut near: Vec<(Option<Timestamp>, NodeId)> =
            near.map(|(node, person)| (person.heard, *node)).collect();
        near.sort_unstable();
        near.into_iter().rev().take(TOLD).map(|(_, node)| node).collect()
    }

    /// Somebody is there, as their signal says; what faces are told.
    pub fn is_here(&mut self, peer: &NodeId) -> Option<Event> {
        let known = self.people.get(peer).is_some_and(|it| it.contact && it.blocked.is_none());
        let (here, now) = (&mut self.repairs.heard_here, self.now);
        if !known || !self.settings.presence || !may(here, *peer, now, HEARD_EVERY) {
            return None;
        }
        Some(Event::ContactsChanged)
    }

    /// When somebody was last heard from, by message or signal.
    pub(super) fn last_heard(
        &self,
        node: &NodeId,
        by_message: Option<Timestamp>,
    ) -> Option<Timestamp> {
        by_message.max(self.repairs.heard_here.get(node).copied())
    }
}
