//! Telling that a person is writing, and hearing it of others.
//!
//! It goes in passing, to few: nothing is stored, and whoever misses it misses nothing. Whoever
//! shows no presence neither tells nor hears it.

use hubbub_shared::content::Signal;
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};

use super::Engine;
use super::output::Output;
use super::repair::may;
use crate::api::{ConversationId, Event};

/// It is told again at most once in this time.
const EVERY: Millis = Millis::secs(3);
/// Of one person it is heard at most once in this time, in each conversation.
const HEARD_EVERY: Millis = Millis::secs(1);
/// Members of a group who are told: those heard from last.
const TOLD: usize = 16;
/// Who was not heard from for longer is not looking.
const AWAY: Millis = Millis::minutes(10);

impl Engine {
    /// A person is writing in a conversation.
    pub(super) fn say_typing(&mut self, conversation: ConversationId) {
        let now = self.now;
        if !self.settings.presence || !may(&mut self.repairs.typing, conversation, now, EVERY) {
            return;
        }
        let (group, peers) = match conversation {
            ConversationId::Direct(peer) if !self.is_contact(&peer) => return,
            ConversationId::Direct(peer) => (None, vec![peer]),
            ConversationId::Group(id) => (Some(id), self.listening_in(&id)),
        };
        for peer in peers {
            let signal = Signal::Typing { conversation: group };
            self.out.push_back(Output::Signal(peer, signal));
        }
    }

    fn listening_in(&self, id: &GroupId) -> Vec<NodeId> {
        let me = self.id();
        let group = self.groups.get(id).filter(|group| group.is_active(&me) && !group.is_lobby());
        let members = group.map(|group| group.members()).unwrap_or_default();
        let heard = |node: NodeId| Some((self.people.get(&node)?.heard?, node));
        let mut heard: Vec<(Timestamp, NodeId)> =
            members.into_iter().filter(|node| *node != me).filter_map(heard).collect();
        heard.retain(|(at, _)| self.now.since(*at) < AWAY);
        // Where the clock was set back, those heard before that come last: it is not known when.
        heard.sort_unstable_by_key(|(at, node)| (*at <= self.now, *at, *node));
        heard.into_iter().rev().take(TOLD).map(|(_, node)| node).collect()
    }

    /// Somebody is writing to us, or in a group, as their signal says. Signals that follow each
    /// other closely say nothing more, and are not passed on.
    pub fn typing(&mut self, peer: &NodeId, group: Option<GroupId>) -> Option<Event> {
        let conversation = group.map_or(ConversationId::Direct(*peer), ConversationId::Group);
        let known = group.is_some() || self.is_contact(peer);
        let shown = self.settings.presence && known && !self.is_blocked(peer);
        let (typed, now) = (&mut self.repairs.typed, self.now);
        if !shown || !may(typed, (conversation, *peer), now, HEARD_EVERY) {
            return None;
        }
        Some(Event::Typing { conversation, person: self.person(peer) })
    }
}
