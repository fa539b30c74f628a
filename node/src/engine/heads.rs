//! Reminding those who acknowledge nothing, and answering those who lack something.
//!
//! A recipient cannot know of a last message that was lost on its way. Its author can: it was
//! stored and never acknowledged. When such a recipient shows a sign of life, or else at growing
//! intervals, the author says how far its messages go; the answer is a receipt or a request.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_shared::content::count::{Ranges, begin_of, era_of};
use hubbub_shared::content::{ChatEvent, CountHead, GroupPlain, PairPlain};
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::group::sender_key::GroupHeader;
use hubbub_shared::id::{ChainId, GroupId, NodeId};
use hubbub_shared::limits::{ACK_RANGES_MAX, HEADS_MAX};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::ByteBuf;
use hubbub_shared::wire::envelope::Envelope;
use hubbub_shared::wire::from_hub::{Item, ItemKind};

use super::Engine;
use super::alarm::Alarm;
use super::channel::NO_PLACE;
use super::gap::{conversation_with, group_of};
use super::heard::OPEN_END;
use super::output::{Output, Recall, Recalled};
use super::ranges::{Range, add, add_range};
use super::repair::may;
use crate::api::ConversationId;
use crate::api::view::Body;

/// A message younger than this may be on its way, or its receipt may.
const YOUNG: Millis = Millis::minutes(2);
/// Who shows signs of life is reminded at most this often.
const ALIVE_EVERY: Millis = Millis::minutes(2);
/// Who shows none is reminded after this time at first; it doubles.
const SILENT: Millis = Millis::hours(1);
const SILENT_MAX: Millis = Millis::hours(24);
/// Peers remembered for this.
const PEERS: usize = 4_096;
/// Of its messages an author offers so many anew to a peer that began anew.
const REMEMBERED: u64 = 1_024;
/// Messages said again for one request.
pub const RECALLED: usize = 64;
/// One peer's requests in one conversation are answered at most this often.
const ANSWER_EVERY: Millis = Millis::secs(1);
/// Messages said again to one peer within an hour.
const SAID_AGAIN: u32 = 8_192;

/// Who is reminded when. Not stored.
#[derive(Default)]
pub(super) struct Reminders {
    /// Showed signs of life, to be looked at.
    alive: BTreeSet<NodeId>,
    looked: BTreeMap<NodeId, Timestamp>,
    /// Silent ones: when next, and how often so far.
    silent: BTreeMap<NodeId, (Timestamp, u32)>,
    answered: BTreeMap<(ConversationId, NodeId), Timestamp>,
    said_again: BTreeMap<NodeId, (Timestamp, u32)>,
}

impl Engine {
    /// A peer showed a sign of life.
    pub(super) fn seen_alive(&mut self, peer: NodeId) {
        self.reminders.silent.remove(&peer);
        let now = self.now;
        if self.outbox.has_live_chats() && may(&mut self.reminders.looked, peer, now, ALIVE_EVERY) {
            self.reminders.alive.insert(peer);
            self.alarms.set(Alarm::Heads, now + YOUNG);
        }
    }

    /// Reminds those who showed signs of life.
    pub(super) fn remind(&mut self) {
        let alive = core::mem::take(&mut self.reminders.alive);
        for (peer, heads) in self.unacknowledged(|peer| alive.contains(peer)) {
            self.say_heads(peer, heads);
        }
    }

    /// Reminds the silent ones whose time has come; called every hour.
    pub(super) fn remind_all(&mut self) {
        let now = self.now;
        for (peer, heads) in self.unacknowledged(|_| true) {
            let new = self.reminders.silent.len() < PEERS;
            let Some((at, tries)) = self.reminders.silent.get(&peer).copied() else {
                if new {
                    self.reminders.silent.insert(peer, (now, 0));
                }
                continue;
            };
            if at > now {
                continue;
            }
            let pause = SILENT.0.saturating_mul(1 << tries.min(8)).min(SILENT_MAX.0);
            let next = (now + Millis(pause), tries.saturating_add(1));
            self.reminders.silent.insert(peer, next);
            self.say_heads(peer, heads);
        }
    }

    /// A peer began anew and may have lost what it had: it is told which groups it belongs to, and
    /// how far our messages go in everything we share.
    pub(super) fn remember_to(&mut self, peer: NodeId) {
        let me = self.id();
        let groups =
            self.groups.iter().filter(|(_, group)| group.is_active(&me) && group.is_member(&peer));
        let shared: Vec<GroupId> = groups.map(|(id, _)| *id).collect();
        for group in &shared {
            if self.tells_name_key(group, &peer) {
                self.welcome(*group, peer);
            }
        }
        let shared = shared.into_iter().map(ConversationId::Group);
        let direct = self.talks_to(&peer).then_some(ConversationId::Direct(peer));
        let conversations = shared.chain(direct);
        let heads = |conversation| {
            let ends = self.counts(conversation).into_iter();
            ends.filter_map(newest).map(move |range| (conversation, range))
        };
        let heads: Vec<(ConversationId, Range)> = conversations.flat_map(heads).collect();
        self.say_heads(peer, heads);
    }

    fn say_heads(
        &mut self,
        peer: NodeId,
        heads: impl IntoIterator<Item = (ConversationId, Range)>,
    ) {
        if self.outbox.is_ignored_by(&peer) {
            return;
        }
        let head = |(conversation, (from, to))| CountHead {
            conversation: group_of(conversation),
            from,
            to,
        };
        let heads: Vec<CountHead> = heads.into_iter().map(head).collect();
        for heads in heads.chunks(HEADS_MAX) {
            self.tell(peer, &PairPlain::Heads(heads.to_vec()));
        }
    }

    /// What the hub has of ours and these peers have not acknowledged, by conversation.
    fn unacknowledged(
        &self,
        wanted: impl Fn(&NodeId) -> bool,
    ) -> BTreeMap<NodeId, BTreeMap<ConversationId, Range>> {
        let mut found: BTreeMap<NodeId, BTreeMap<ConversationId, Range>> = BTreeMap::new();
        for (_, entry, chat) in self.outbox.chats() {
            // An age below zero: the clock was moved back since.
            let young = self.now.since(entry.docket.created) < YOUNG
                && entry.docket.created.since(self.now) < YOUNG;
            if !entry.progress.stored || young {
                continue;
            }
            let waiting = entry.progress.waiting.iter();
            let waiting = waiting.filter_map(|at| chat.recipients.get(usize::from(*at)));
            for peer in waiting.filter(|peer| wanted(peer)) {
                let heads = found.entry(*peer).or_default();
                let head = heads.entry(chat.conversation).or_insert((chat.n, chat.n));
                *head = (head.0.min(chat.n), head.1.max(chat.n));
            }
        }
        found
    }

    /// Somebody lacks messages of ours, or of another member.
    pub(super) fn take_want(
        &mut self,
        peer: NodeId,
        (gid, author): (Option<GroupId>, NodeId),
        ranges: Ranges,
    ) {
        let conversation = conversation_with(peer, gid);
        if !self.shares(conversation, &peer) {
            return self.count("want-not-a-member");
        }
        let now = self.now;
        if !may(&mut self.reminders.answered, (conversation, peer), now, ANSWER_EVERY) {
            return self.count("want-too-often");
        }
        match gid {
            Some(gid) if author != self.id() => self.hand_over(peer, (gid, author), &ranges),
            _ if author == self.id() => {
                self.out.push_back(Output::Recall(Recall { conversation, peer, ranges }));
            }
            _ => self.count("want-other-author"),
        }
    }

    /// Hands over another's messages as they were sealed, to one who was a member then.
    fn hand_over(&mut self, peer: NodeId, (gid, author): (GroupId, NodeId), ranges: &[Range]) {
        let Some(log) = self.groups.get(&gid).and_then(|group| group.log.as_ref()) else { return };
        let was_member = |bytes: &&Vec<u8>| match Envelope::parse(bytes) {
            Ok(Envelope::Group(message)) => GroupHeader::of(&message)
                .is_ok_and(|header| log.roster().was_member(&peer, header.epoch_seq)),
            _ => false,
        };
        let kept = ranges.iter().flat_map(|range| self.kept.of(gid, author, *range));
        let copies: Vec<Vec<u8>> = kept.filter(was_member).take(RECALLED).cloned().collect();
        if !self.may_say_again(peer, copies.len()) {
            return;
        }
        for envelope in copies {
            self.tell(peer, &PairPlain::Copy { gid, envelope });
        }
    }

    fn may_say_again(&mut self, peer: NodeId, count: usize) -> bool {
        if self.outbox.is_ignored_by(&peer) {
            self.count("want-unread");
            return false;
        }
        let now = self.now;
        let hour = Millis::hours(1);
        self.reminders.said_again.retain(|_, (at, _)| now.since(*at) < hour && *at <= now);
        if self.reminders.said_again.len() >= PEERS {
            return false;
        }
        let (_, said) = self.reminders.said_again.entry(peer).or_insert((now, 0));
        *said = said.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        let within = *said <= SAID_AGAIN;
        if !within {
            self.count("want-too-much");
        }
        within
    }

    /// A member hands over a message of another.
    pub(super) fn take_copy(&mut self, peer: NodeId, gid: GroupId, envelope: Vec<u8>) {
        if !self.shares(ConversationId::Group(gid), &peer) {
            return self.count("copy-not-a-member");
        }
        let chain = match Envelope::parse(&envelope) {
            Ok(Envelope::Group(message)) => GroupHeader::of(&message).ok().map(|h| h.chain),
            _ => None,
        };
        let Some(chain) = chain else { return self.count("malformed") };
        let from = self.owner_of(gid, &chain).unwrap_or(peer);
        let (seq, kind, at) = (NO_PLACE, ItemKind::Envelope, self.now);
        let item = Item { seq, kind, at, from, bytes: ByteBuf::from(envelope) };
        self.take_channel_item(gid, item);
    }

    fn owner_of(&mut self, gid: GroupId, chain: &ChainId) -> Option<NodeId> {
        self.groups.get_mut(&gid)?.chain(chain).map(|chain| chain.sender())
    }

    /// The history gave what was asked of it: says it again to the one who lacks it, and what of
    /// it was not meant for that one.
    pub fn handle_recalled(&mut self, recall: Recall, found: Vec<Recalled>, now: Timestamp) {
        self.now = now;
        let Recall { conversation, peer, ranges } = recall;
        if self.shares(conversation, &peer) && self.may_say_again(peer, found.len()) {
            let head = self.last_count(conversation);
            let all = found.len() < RECALLED;
            // Of eras that were left there will never be more.
            let end = head.max(begin_of(self.own.era));
            let upto = if all { end } else { found.last().map_or(head, |last| last.n) };
            let found: Vec<Recalled> =
                found.into_iter().filter(|message| message.recipients.contains(&peer)).collect();
            self.say_void(peer, conversation, void(&ranges, &found, upto));
            for message in found {
                self.say_again(peer, conversation, message);
            }
            self.answer_end(peer, conversation, (&ranges, upto.min(head), head));
        }
        self.pump();
    }

    fn last_count(&self, conversation: ConversationId) -> u64 {
        self.counts(conversation).pop().unwrap_or(0)
    }

    /// The last counts of the eras so far, the present one last.
    fn counts(&self, conversation: ConversationId) -> Vec<u64> {
        let counts = match conversation {
            ConversationId::Direct(peer) => {
                self.people.get(&peer).map(|person| (&person.earlier, person.sent))
            }
            ConversationId::Group(id) => {
                self.groups.get(&id).map(|group| (&group.facts.earlier, group.facts.sent))
            }
        };
        counts.map(|(earlier, last)| [earlier, &[last][..]].concat()).unwrap_or_default()
    }

    fn say_void(&mut self, peer: NodeId, conversation: ConversationId, ranges: Ranges) {
        let conversation = group_of(conversation);
        for ranges in ranges.chunks(ACK_RANGES_MAX) {
            self.tell(peer, &PairPlain::Void { conversation, ranges: ranges.to_vec() });
        }
    }

    fn say_again(&mut self, peer: NodeId, conversation: ConversationId, message: Recalled) {
        let event = match message.body {
            Body::Text(text) => ChatEvent::text(text).ok(),
            _ => message.attached,
        };
        let Some(event) = event else { return };
        let Recalled { n, id, prev, sent_at: ts, .. } = message;
        let plain = GroupPlain { id, ts, n, prev, seen: Vec::new(), event };
        match conversation {
            ConversationId::Direct(_) => self.tell(peer, &PairPlain::Chat(Box::new(plain))),
            ConversationId::Group(gid) => {
                let plain: SecretBytes = plain.encode();
                let (chain, idx) = (ChainId([0; 16]), 0);
                self.tell(peer, &PairPlain::Resend { gid, plain, chain, idx });
            }
        }
    }

    /// Says how far there is more, to one who does not know.
    fn answer_end(
        &mut self,
        peer: NodeId,
        conversation: ConversationId,
        (ranges, upto, head): (&[Range], u64, u64),
    ) {
        let open = ranges.last().is_some_and(|(_, to)| *to >= OPEN_END);
        let group = group_of(conversation);
        if open && head == 0 {
            let ranges = vec![(1, OPEN_END)];
            return self.tell(peer, &PairPlain::Void { conversation: group, ranges });
        }
        if open || upto < head && ranges.last().is_some_and(|(_, to)| *to > upto) {
            let from = if upto < head { upto.saturating_add(1) } else { head };
            let head = CountHead { conversation: group, from, to: head };
            self.tell(peer, &PairPlain::Heads(vec![head]));
        }
    }
}

/// The newest counts of an era, up to the last one.
fn newest(to: u64) -> Option<Range> {
    let first = begin_of(era_of(to)).saturating_add(1);
    (to >= first).then_some((first.max(to.saturating_sub(REMEMBERED)), to))
}

/// What of the ranges, up to a count, was found for nobody.
fn void(ranges: &[Range], found: &[Recalled], upto: u64) -> Ranges {
    let mut counts = Vec::new();
    found.iter().for_each(|message| {
        add(&mut counts, message.n);
    });
    let mut void = Vec::new();
    for (from, to) in ranges {
        let (mut next, to) = (*from, (*to).min(upto));
        for (a, b) in counts.iter().filter(|(a, b)| *from <= *b && *a <= to) {
            if next < *a {
                add_range(&mut void, (next, a.saturating_sub(1)));
            }
            next = b.saturating_add(1);
        }
        if next <= to {
            add_range(&mut void, (next, to));
        }
    }
    void
}
