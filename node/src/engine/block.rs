//! Blocking: somebody is neither heard nor written to, and cannot tell.
//!
//! Towards one who is blocked this node is as one that is away: nothing of the direct conversation
//! is acknowledged, asked for or answered. In groups it is a member like any other: what they say
//! counts as heard and is acknowledged, so nobody learns of the block and no gap arises; it is only
//! not shown. What was swallowed stays so after the block is lifted.

use hubbub_shared::content::{ChatPlain, PairPlain};
use hubbub_shared::id::NodeId;
use hubbub_shared::wire::LogId;

use super::Engine;
use super::alarm::Alarm;
use super::ranges::highest;
use super::record::Key;
use crate::api::people::Past;
use crate::api::view::PersonView;
use crate::api::{ApiError, Code, ConversationId, Event};

impl Engine {
    pub(super) fn block(&mut self, node: NodeId) -> Result<(), ApiError> {
        if node == self.id() {
            let what = "that is you";
            return Err(ApiError::new(Code::Usage, what, "block somebody else"));
        }
        if self.is_blocked(&node) {
            return Ok(());
        }
        let now = self.now;
        self.forget_request(node);
        let person = self.meet(node);
        (person.blocked, person.declined) = (Some(now), None);
        self.note_past(node, Past::Blocked);
        self.touch(Key::Contact(node));
        self.drop_offers_of(node);
        self.keep_back(node);
        self.fetch_nothing_from(node);
        self.event(Event::ContactsChanged);
        self.changed(ConversationId::Direct(node));
        Ok(())
    }

    pub(super) fn unblock(&mut self, node: NodeId) -> Result<(), ApiError> {
        if !self.is_blocked(&node) {
            let what = format!("{} is not blocked", self.person(&node).name);
            return Err(ApiError::new(Code::NotFound, what, "`hubbub block` lists who is"));
        }
        self.note_past(node, Past::Unblocked);
        self.meet(node).blocked = None;
        self.touch(Key::Contact(node));
        let mut touched = Vec::new();
        for (key, heard) in self.heard.iter_mut().filter(|((_, author), _)| *author == node) {
            // Nobody saw what was swallowed.
            heard.read = highest(&heard.ranges).max(heard.read);
            touched.push(Key::Heard(key.0, key.1));
            // What came in the direct conversation is acknowledged as by one who was away.
            self.alarms.set(Alarm::Receipts, heard.due.min(self.now));
        }
        self.dirty.extend(touched);
        self.event(Event::ContactsChanged);
        self.changed(ConversationId::Direct(node));
        Ok(())
    }

    /// A direct message of one who is blocked: it counts as heard, and nothing follows from it
    /// before the block is lifted.
    pub(super) fn swallow(&mut self, peer: NodeId, chat: &ChatPlain) {
        self.count("blocked");
        self.hear(ConversationId::Direct(peer), peer, chat.n, chat.id);
    }

    /// What was written to them and has not come to them is not sent again.
    fn keep_back(&mut self, node: NodeId) {
        let direct = ConversationId::Direct(node);
        let chats = self.outbox.chats().filter(|(.., chat)| chat.conversation == direct);
        let chats: Vec<u64> = chats.map(|(number, ..)| number).collect();
        for number in chats {
            self.stuck_because(number, "you blocked them before it was delivered");
            self.drop_entry(number);
        }
        let mailbox = LogId::Mailbox(node);
        let rest = self.outbox.entries.iter().filter(|(_, entry)| {
            entry.docket.log == mailbox
                && !entry.progress.stored
                && is_of_the_two(entry.plain.expose())
        });
        let rest: Vec<u64> = rest.map(|(number, _)| *number).collect();
        rest.into_iter().for_each(|number| self.drop_entry(number));
    }

    /// Refuses to write to one who is blocked.
    pub(super) fn unless_blocked(&self, node: &NodeId) -> Result<(), ApiError> {
        if !self.is_blocked(node) {
            return Ok(());
        }
        let name = self.person(node).name;
        let hint = format!("`hubbub unblock {name}` first");
        Err(ApiError::new(Code::Forbidden, format!("you blocked {name}; unblock first"), hint))
    }

    /// Whether something may be said to somebody by this node's own doing: to contacts, and to
    /// those it shares a group with.
    pub(super) fn has_to_do_with(&self, node: &NodeId) -> bool {
        self.talks_to(node) || self.shares_group(node)
    }

    /// Everybody who is blocked, by name.
    #[must_use]
    pub fn blocked(&self) -> Vec<PersonView> {
        let blocked = self.people.iter().filter(|(_, person)| person.blocked.is_some());
        let mut views: Vec<_> = blocked.map(|(node, _)| self.person(node)).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }
}

/// Whether a content concerns the two of the session alone, and no group.
fn is_of_the_two(plain: &[u8]) -> bool {
    matches!(
        PairPlain::decode(plain),
        Ok(PairPlain::Profile { .. }
            | PairPlain::Picture { .. }
            | PairPlain::Chat(_)
            | PairPlain::Ack { conversation: None, .. }
            | PairPlain::Want { conversation: None, .. }
            | PairPlain::Void { conversation: None, .. })
    )
}
