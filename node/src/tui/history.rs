//! The messages of one conversation that were loaded so far, in order, without doubles.

use std::collections::BTreeMap;

use hubbub_shared::time::Timestamp;

use crate::api::command::MessageText;
use crate::api::view::{Body, Delivery, MessageView, PastView};
use crate::api::{ConversationId, Query};

/// Messages asked for at once.
pub(super) const PAGE: u32 = 100;
/// Messages kept of one conversation; the oldest are forgotten and asked for again when wanted.
const KEPT: usize = 5_000;

/// One conversation's messages.
#[derive(Default)]
pub(super) struct Room {
    messages: BTreeMap<u64, MessageView>,
    /// What members told of the time before, oldest first; as much as was loaded.
    past: Vec<PastView>,
    /// Whether the oldest of it is here.
    past_complete: bool,
    /// More was told while a page of it was on its way.
    past_again: bool,
    /// Whether the node has answered at all: before, "nothing here" would be a lie.
    pub(super) loaded: bool,
    /// Whether the very first message is here.
    pub(super) complete: bool,
    /// Whether an older page was asked for and has not come.
    pub(super) asking: bool,
    /// Lines scrolled up from the bottom.
    pub(super) scroll: usize,
    /// Unread messages there were when the person came in; the line is drawn above them.
    unread: u64,
    /// The first of them.
    pub(super) unread_from: Option<u64>,
}

impl Room {
    /// The person came in and has not seen `unread` messages.
    pub(super) fn entered(&mut self, unread: u64) {
        self.scroll = 0;
        self.unread = unread;
        self.unread_from = None;
        self.find_unread();
    }

    /// The person went elsewhere: what was new is old now.
    pub(super) fn left(&mut self) {
        self.unread = 0;
        self.unread_from = None;
    }

    /// Asks for what came since, or for the newest page.
    pub(super) fn newer(&self, conversation: ConversationId) -> Query {
        let after = self.messages.keys().next_back().copied().filter(|_| self.loaded);
        Query::History { conversation, after, before: None, limit: PAGE }
    }

    /// Asks for the newest page, whatever is here.
    pub(super) fn newest(conversation: ConversationId) -> Query {
        Query::History { conversation, after: None, before: None, limit: PAGE }
    }

    /// Asks for the page before the oldest, when there is one and nobody has asked.
    pub(super) fn older(&mut self, conversation: ConversationId) -> Option<Query> {
        if self.asking || !self.loaded {
            return None;
        }
        if self.complete {
            return self.older_past(conversation);
        }
        let before = self.messages.keys().next().copied()?;
        self.asking = true;
        Some(Query::History { conversation, after: None, before: Some(before), limit: PAGE })
    }

    /// Above the first message stands what was told of the time before.
    fn older_past(&mut self, conversation: ConversationId) -> Option<Query> {
        if self.past_complete || matches!(conversation, ConversationId::Direct(_)) {
            return None;
        }
        self.asking = true;
        let before = self.past.first().map(|told| told.order);
        Some(Query::Past { conversation, before, limit: PAGE })
    }

    /// A page of what was told of the time before.
    pub(super) fn took_past(&mut self, page: Vec<PastView>) {
        self.asking = false;
        if core::mem::take(&mut self.past_again) {
            return;
        }
        self.past_complete = page.len() < PAGE as usize || self.past.len() >= KEPT;
        self.past.splice(0..0, page);
    }

    /// More was told: it may stand anywhere among the rest, so all of it is asked for again.
    pub(super) fn forget_past(&mut self) {
        self.past.clear();
        self.past_complete = false;
        self.past_again = self.asking && self.complete;
    }

    /// What was told of the time before, if the first message is here, too.
    pub(super) fn past(&self) -> &[PastView] {
        if self.complete { &self.past } else { &[] }
    }

    /// When what was told begins, once all of it is here.
    pub(super) fn past_since(&self) -> Option<Timestamp> {
        self.past().first().filter(|_| self.past_complete).map(|told| told.sent_at)
    }

    /// The newest page, or what came since. Returns whether more has come since.
    pub(super) fn took_newer(&mut self, page: Vec<MessageView>) -> bool {
        let full = page.len() >= PAGE as usize;
        let first = !self.loaded;
        self.complete |= first && !full;
        self.loaded = true;
        self.extend(page);
        full && !first
    }

    /// An older page.
    pub(super) fn took_older(&mut self, page: Vec<MessageView>) {
        self.asking = false;
        self.complete = page.len() < PAGE as usize;
        self.extend(page);
    }

    /// One that just happened. While the past is not loaded it will come with it.
    pub(super) fn happened(&mut self, message: MessageView) {
        if self.loaded {
            self.extend(vec![message]);
        }
    }

    /// An own message got further. Marks never go back.
    pub(super) fn delivered(&mut self, id: MessageText, to: Delivery, reached: (u32, u32)) {
        if let Some(message) = self.messages.values_mut().rev().find(|m| m.id == id) {
            message.delivery = message.delivery.max(Some(to));
            message.reached = Some(reached);
        }
    }

    /// Lines that stood for missing messages are gone.
    pub(super) fn forget(&mut self, lines: &[MessageText]) {
        self.messages.retain(|_, m| m.body != Body::Missing || !lines.contains(&m.id));
    }

    /// All that are here, oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &MessageView> {
        self.messages.values()
    }

    /// The same to change.
    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut MessageView> {
        self.messages.values_mut()
    }

    /// Whether none is here.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.past().is_empty()
    }

    fn extend(&mut self, page: Vec<MessageView>) {
        self.messages.extend(page.into_iter().map(|m| (m.order, m)));
        while self.messages.len() > KEPT {
            self.messages.pop_first();
            self.complete = false;
        }
        self.find_unread();
    }

    /// The line stands above the nth foreign message from the end, once that many are here.
    fn find_unread(&mut self) {
        let Some(nth) = self.unread.checked_sub(1).and_then(|n| usize::try_from(n).ok()) else {
            return;
        };
        if self.unread_from.is_none() {
            let foreign = self.messages.values().rev().filter(|m| !m.own);
            self.unread_from = foreign.map(|m| m.order).nth(nth);
        }
    }
}
