//! Messages that are proven to be missing: shown as a gap, asked for, and filled in.
//!
//! Counts prove a gap in the middle, an author's `Heads` one at the end. Whoever lacks something
//! asks the author, and then also other members: the author says it again in the session of the
//! two, a member hands over the envelope as it was sealed. What was not for the one who asks, the
//! author says so. (PROTOCOL.md, Gaps.)

use std::collections::BTreeMap;

use hubbub_shared::content::count::Ranges;
use hubbub_shared::content::{CountHead, PairPlain};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use rand_core::Rng;

use super::Engine;
use super::alarm::Alarm;
use super::heard::OPEN_END;
use super::output::{HistoryChange, MessageKey, Output, missing_id};
use super::ranges::Range;
use super::record::Key;
use crate::api::command::MessageText;
use crate::api::{ConversationId, Event};

/// How long a gap may take to close by itself.
const PATIENCE: Millis = Millis::secs(10);
/// Pause after asking; it doubles.
const ASK_EVERY: Millis = Millis::secs(60);
/// Longest pause.
const ASK_MAX: Millis = Millis::hours(6);
/// Times one gap is asked for, over about four days; it is asked for again when its author is
/// heard.
const TRIES: u32 = 24;
/// Gaps asked for at once.
const ASKS: usize = 4_096;
/// Lines shown for one gap; of a longer one the newest.
const LINES: u64 = 64;
/// Heads kept of groups we are not known to be in.
const EARLY: usize = 64;
/// Lines said to be gone at once.
const GONE: usize = 1_024;
/// A gap longer than this is no reason to show lines: somebody counts wildly.
const WILD: u64 = 1 << 20;

/// What is being asked for. Not stored: after a start it is found missing again.
#[derive(Default)]
pub(super) struct Gaps(BTreeMap<(ConversationId, NodeId), Ask>);

struct Ask {
    at: Timestamp,
    tries: u32,
}

impl Engine {
    /// The history shows lines for what is missing, to be filled in.
    pub(super) fn show_gap(
        &mut self,
        conversation: ConversationId,
        author: NodeId,
        (from, to): Range,
    ) {
        // Of somebody who is not shown nothing is shown as missing.
        if to - from > WILD || self.is_blocked(&author) {
            return;
        }
        let from = from.max((to + 1).saturating_sub(LINES));
        let at = self.now;
        self.history.push(HistoryChange::Missing { conversation, author, from, to, at });
        for n in from..=to {
            let key = MessageKey { conversation, sender: author, id: missing_id(n) };
            self.out.push_back(Output::Stored(key));
        }
    }

    /// Something of an author is missing.
    pub(super) fn need_missing(&mut self, conversation: ConversationId, author: NodeId) {
        self.need_missing_after(conversation, author, PATIENCE);
    }

    fn need_missing_after(
        &mut self,
        conversation: ConversationId,
        author: NodeId,
        patience: Millis,
    ) {
        if self.withholds(conversation) {
            return;
        }
        let spread = match conversation {
            ConversationId::Group(group) => self.spread(group),
            ConversationId::Direct(_) => Millis(0),
        };
        let (at, key) = (self.now + patience + spread, (conversation, author));
        let full = self.gaps.0.len() >= ASKS && !self.gaps.0.contains_key(&key);
        if full {
            return self.count("gaps-full");
        }
        let ask = self.gaps.0.entry(key).or_insert(Ask { at, tries: 0 });
        ask.at = ask.at.min(at);
        let at = ask.at;
        self.alarms.set(Alarm::Gaps, at);
    }

    /// After a start, what was missing still is.
    pub(super) fn resume_gaps(&mut self) {
        let lacking = self.heard.iter().filter(|(_, heard)| !heard.missing().is_empty());
        let lacking: Vec<_> = lacking.map(|(key, _)| *key).collect();
        for (conversation, author) in lacking {
            self.need_missing(conversation, author);
        }
    }

    /// Somebody is in a group again, perhaps this node: what is missing there can be asked for.
    pub(super) fn resume_gaps_with(&mut self, group: GroupId, node: &NodeId) {
        let (me, conversation) = (self.id(), ConversationId::Group(group));
        let meant = |author: &NodeId| *node == me || author == node;
        let lacking = self.heard.iter().filter(|((place, author), heard)| {
            *place == conversation && meant(author) && !heard.missing().is_empty()
        });
        let lacking: Vec<NodeId> = lacking.map(|((_, author), _)| *author).collect();
        for author in lacking {
            self.need_missing(conversation, author);
        }
    }

    /// This node's state is older than what it has acknowledged: it asks everybody it has heard of
    /// for what came since.
    pub(super) fn want_what_was_missed(&mut self) {
        let keys: Vec<_> = self.heard.keys().copied().collect();
        for (conversation, author) in keys {
            if let Some(heard) = self.heard.get_mut(&(conversation, author)) {
                heard.ask_on = true;
            }
            self.touch(Key::Heard(conversation, author));
            self.need_missing(conversation, author);
        }
    }

    /// Asks for what is still missing.
    pub(super) fn ask_for_gaps(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.gaps.0.iter().map(|(key, ask)| (*key, ask.at)).collect();
        for (key, at) in due {
            let (conversation, author) = key;
            let missing = self.heard.get(&key).map(|heard| heard.missing()).unwrap_or_default();
            if missing.is_empty() || !self.shares(conversation, &author) {
                self.gaps.0.remove(&key);
            } else if at > now {
                self.alarms.set(Alarm::Gaps, at);
            } else {
                self.ask_for(conversation, author, missing);
            }
        }
    }

    fn ask_for(&mut self, conversation: ConversationId, author: NodeId, missing: Ranges) {
        let now = self.now;
        let Some(ask) = self.gaps.0.get_mut(&(conversation, author)) else { return };
        if ask.tries >= TRIES {
            self.gaps.0.remove(&(conversation, author));
            return;
        }
        let pause = ASK_EVERY.0.saturating_mul(1 << ask.tries.min(16)).min(ASK_MAX.0);
        (ask.at, ask.tries) = (now + Millis(pause), ask.tries.saturating_add(1));
        let (at, again) = (ask.at, ask.tries > 1);
        self.alarms.set(Alarm::Gaps, at);
        let gid = group_of(conversation);
        let member = gid.filter(|_| again).and_then(|gid| self.somebody_else(gid, author));
        for asked in [Some(author), member].into_iter().flatten() {
            let ranges = missing.clone();
            self.tell(asked, &PairPlain::Want { conversation: gid, author, ranges });
        }
    }

    /// Another member, by chance.
    fn somebody_else(&mut self, gid: GroupId, author: NodeId) -> Option<NodeId> {
        let me = self.id();
        let members = self.groups.get(&gid)?.members();
        let others: Vec<NodeId> =
            members.into_iter().filter(|node| *node != me && *node != author).collect();
        self.by_chance(&others)
    }

    /// One of these.
    pub(super) fn by_chance(&mut self, nodes: &[NodeId]) -> Option<NodeId> {
        let count = u64::try_from(nodes.len()).ok().filter(|count| *count > 0)?;
        nodes.get(usize::try_from(self.rng.next_u64() % count).ok()?).copied()
    }

    /// Whether this node and another belong to a conversation now.
    pub(super) fn shares(&self, conversation: ConversationId, node: &NodeId) -> bool {
        match conversation {
            ConversationId::Direct(peer) => peer == *node && self.talks_to(node),
            ConversationId::Group(id) => {
                let group = self.groups.get(&id);
                group.is_some_and(|g| g.is_active(&self.id()) && g.is_member(node))
            }
        }
    }

    /// Whether nothing is said in a conversation but what a person says: that of somebody who is
    /// blocked, or no contact.
    pub(super) fn withholds(&self, conversation: ConversationId) -> bool {
        matches!(conversation, ConversationId::Direct(peer) if !self.talks_to(&peer))
    }

    /// The author owes us nothing under these counts.
    pub(super) fn take_void(
        &mut self,
        peer: NodeId,
        conversation: ConversationId,
        ranges: &[Range],
    ) {
        let Some(heard) = self.heard.get_mut(&(conversation, peer)) else { return };
        let missing = heard.missing();
        heard.void(ranges);
        self.touch(Key::Heard(conversation, peer));
        let void: Ranges = ranges.iter().flat_map(|range| overlaps(&missing, *range)).collect();
        if void.is_empty() {
            return;
        }
        let shown = void.iter().rev().flat_map(|(from, to)| (*from..=*to).rev());
        let messages = shown.take(GONE).map(|n| MessageText(missing_id(n))).collect();
        self.history.push(HistoryChange::Void { conversation, author: peer, ranges: void });
        self.event(Event::Gone { conversation, messages });
    }

    /// An author says how far its messages for us go.
    pub(super) fn take_heads(&mut self, peer: NodeId, heads: &[CountHead]) {
        for head in heads {
            let conversation = conversation_with(peer, head.conversation);
            if self.shares(conversation, &peer) {
                self.take_head(peer, conversation, (head.from, head.to));
            } else if head.conversation.is_none() {
                self.take_strangers_head(peer, (head.from, head.to));
            } else {
                self.keep_early_head(peer, head);
            }
        }
    }

    /// A group's log was read: looks at the heads that came before it.
    pub(super) fn take_early_heads(&mut self, group: GroupId) {
        let conversation = ConversationId::Group(group);
        let early = core::mem::take(&mut self.own.early_heads);
        for (peer, gid, from, to) in early {
            if gid != group || !self.shares(conversation, &peer) {
                self.own.early_heads.push((peer, gid, from, to));
            } else {
                self.take_head(peer, conversation, (from, to));
                self.touch(Key::Own);
            }
        }
    }

    /// It may be on its way that we are in that group.
    fn keep_early_head(&mut self, peer: NodeId, head: &CountHead) {
        let Some(gid) = head.conversation else { return };
        self.count("heads-not-a-member");
        if self.own.early_heads.len() >= EARLY {
            self.own.early_heads.remove(0);
        }
        self.own.early_heads.push((peer, gid, head.from, head.to));
        self.touch(Key::Own);
    }

    pub(super) fn take_head(&mut self, peer: NodeId, conversation: ConversationId, head: Range) {
        let heard = self.heard.entry((conversation, peer)).or_default();
        let gap = heard.expect(head.0, head.1);
        heard.ask_on = false;
        let lacks = heard.lacks(head);
        self.touch(Key::Heard(conversation, peer));
        let stranger = conversation == ConversationId::Direct(peer) && !self.is_contact(&peer);
        if let Some(gap) = gap.filter(|_| !stranger) {
            self.show_gap(conversation, peer, gap);
        }
        if lacks {
            self.need_missing(conversation, peer);
        } else {
            self.owe_all(conversation, peer);
        }
    }
}

/// What of `ranges` lies in a range; what has no end is left out.
fn overlaps(ranges: &[Range], (from, to): Range) -> impl Iterator<Item = Range> {
    let ended = ranges.iter().filter(|(_, b)| *b < OPEN_END);
    ended.map(move |(a, b)| ((*a).max(from), (*b).min(to))).filter(|(a, b)| a <= b)
}

/// The conversation that a peer speaks of.
pub(super) fn conversation_with(peer: NodeId, group: Option<GroupId>) -> ConversationId {
    group.map_or(ConversationId::Direct(peer), ConversationId::Group)
}

pub(super) fn group_of(conversation: ConversationId) -> Option<GroupId> {
    match conversation {
        ConversationId::Group(id) => Some(id),
        ConversationId::Direct(_) => None,
    }
}
