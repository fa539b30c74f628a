//! Asking again for what is missing: sender keys and lost sessions (`gap` asks for messages,
//! `title` for the keys of names).
//!
//! Everything here is a guess that something was lost, so everything is limited: nobody can be made
//! to ask, answer or begin anew more often than the limits say.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_shared::content::PairPlain;
use hubbub_shared::group::sender_key::Skdm;
use hubbub_shared::id::{ChainId, GroupId, NodeId, SessionId};
use hubbub_shared::time::{Millis, Timestamp};
use rand_core::Rng;

use super::Engine;
use super::alarm::{Alarm, Alarms};
use super::record::Key;
use super::title::Untitled;
use crate::api::ConversationId;

/// How long a key may take before it is asked for.
const KEY_PATIENCE: Millis = Millis::secs(2);
/// Pause after asking; it doubles.
const ASK_EVERY: Millis = Millis::secs(60);
/// Times a key is asked for.
const KEY_TRIES: u32 = 8;
/// Who asks for keys again within this time is not answered.
pub(super) const ANSWER_EVERY: Millis = Millis::secs(60);
/// Nor is who asks about one chain more often than this within a [`DAY`].
const ANSWERS_A_DAY: u32 = 10;
const DAY: Millis = Millis::hours(24);
/// Things asked for at once.
const ASKS: usize = 4_096;
/// A session with one peer is begun anew at most this often.
const ANEW_EVERY: Millis = Millis::hours(1);
/// With somebody unknown, this many in that time: the hub may name anybody.
const STRANGERS: u32 = 16;
/// First pause after a bundle was not to be had; it doubles up to [`BUNDLE_PAUSE_MAX`].
const BUNDLE_PAUSE: Millis = Millis::secs(30);
const BUNDLE_PAUSE_MAX: Millis = Millis::hours(1);
/// Of a peer's new beginnings one in this time is followed at once.
const NOTICED_EVERY: Millis = Millis::minutes(1);
/// In groups larger than this, asking is spread over [`SPREAD`].
pub(super) const LARGE: usize = 64;
const SPREAD: u64 = 30_000;

/// A chain of a group; by the hub's hint, this node's.
type Missing = (GroupId, ChainId, NodeId);

struct Ask {
    at: Timestamp,
    tries: u32,
}

/// What is being repaired. Nothing here is stored: after a start it is found missing again.
#[derive(Default)]
pub(super) struct Repairs {
    asks: BTreeMap<Missing, Ask>,
    answered: BTreeMap<(GroupId, NodeId), Timestamp>,
    /// Since when within a day, and how often, a member was answered about a chain.
    answers: BTreeMap<(GroupId, NodeId, ChainId), (Timestamp, u32)>,
    resets: BTreeSet<NodeId>,
    began_anew: BTreeMap<NodeId, Timestamp>,
    noticed: BTreeMap<NodeId, Timestamp>,
    /// Since when within [`ANEW_EVERY`], and how many, strangers were begun with.
    met: (Timestamp, u32),
    paused: BTreeMap<NodeId, (Timestamp, u32)>,
    /// Groups whose name does not open, and whom we told the key of one.
    pub(super) titles: BTreeMap<GroupId, Untitled>,
    pub(super) titled: BTreeMap<(GroupId, NodeId), Timestamp>,
    /// Where it was last told that a person is writing.
    pub(super) typing: BTreeMap<ConversationId, Timestamp>,
    /// Where it was last heard, and of whom.
    pub(super) typed: BTreeMap<(ConversationId, NodeId), Timestamp>,
    /// When it was last told that a person is there, and when it was heard of whom.
    pub(super) told_here: Option<Timestamp>,
    pub(super) heard_here: BTreeMap<NodeId, Timestamp>,
    /// Others' chains that cannot be judged yet.
    pub(super) early_chains: Vec<(NodeId, Skdm)>,
}

impl Repairs {
    pub(super) fn link_down(&mut self) {
        self.paused.clear();
    }

    pub(super) fn resets(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.resets.iter().copied()
    }

    pub(super) fn reset(&mut self, peer: NodeId) {
        self.resets.insert(peer);
    }

    pub(super) fn end_reset(&mut self, peer: &NodeId) -> bool {
        self.resets.remove(peer)
    }

    pub(super) fn pause(&mut self, peer: NodeId, now: Timestamp, alarms: &mut Alarms) {
        let (at, tries) = self.paused.entry(peer).or_insert((now, 0));
        let pause = BUNDLE_PAUSE.0.saturating_mul(1 << (*tries).min(7)).min(BUNDLE_PAUSE_MAX.0);
        *at = now + Millis(pause);
        *tries = tries.saturating_add(1);
        alarms.set(Alarm::Bundles, *at);
    }

    pub(super) fn unpause(&mut self, peer: &NodeId) {
        self.paused.remove(peer);
    }

    /// A pause the hub asked for, which says nothing of the peer.
    pub(super) fn pause_for(&mut self, peer: NodeId, until: Timestamp, alarms: &mut Alarms) {
        self.paused.entry(peer).or_insert((until, 0)).0 = until;
        alarms.set(Alarm::Bundles, until);
    }

    /// Until when a peer's bundle is not to be asked for, if it is not.
    pub(super) fn paused_until(&self, peer: &NodeId, now: Timestamp) -> Option<Timestamp> {
        self.paused.get(peer).map(|(until, _)| *until).filter(|until| *until > now)
    }

    /// Whether a session may be begun with somebody unknown: whoever lost their profile knows none
    /// of those who write to them.
    pub(super) fn may_meet(&mut self, now: Timestamp) -> bool {
        let (since, met) = self.met;
        if now.since(since) >= ANEW_EVERY || since > now {
            self.met = (now, 0);
        } else if met >= STRANGERS {
            return false;
        }
        self.met.1 += 1;
        true
    }

    /// Whether a request may be answered now; notes that it was.
    pub(super) fn may_answer(
        &mut self,
        who: (GroupId, NodeId),
        chain: ChainId,
        now: Timestamp,
    ) -> bool {
        self.answers.retain(|_, (since, _)| now.since(*since) < DAY && *since <= now);
        let key = (who.0, who.1, chain);
        let full = self.answers.len() >= ASKS && !self.answers.contains_key(&key);
        let (_, times) = self.answers.get(&key).copied().unwrap_or((now, 0));
        if full || times >= ANSWERS_A_DAY || !may(&mut self.answered, who, now, ANSWER_EVERY) {
            return false;
        }
        let (_, times) = self.answers.entry(key).or_insert((now, 0));
        *times = times.saturating_add(1);
        true
    }
}

/// Whether something may happen again, and if so notes that it does.
pub(super) fn may<K: Ord>(
    times: &mut BTreeMap<K, Timestamp>,
    key: K,
    now: Timestamp,
    every: Millis,
) -> bool {
    let recent = |at: &Timestamp| now.since(*at) < every && *at <= now;
    if times.get(&key).is_some_and(recent) {
        return false;
    }
    if times.len() >= ASKS {
        times.retain(|_, at| recent(at));
    }
    if times.len() >= ASKS && !times.contains_key(&key) {
        return false;
    }
    times.insert(key, now);
    true
}

impl Engine {
    /// A chain is missing.
    pub(super) fn need_key(&mut self, group: GroupId, chain: ChainId, from: NodeId) {
        let missing = (group, chain, from);
        if self.repairs.asks.contains_key(&missing) || self.repairs.asks.len() >= ASKS {
            return;
        }
        let at = self.now + KEY_PATIENCE + self.spread(group);
        self.repairs.asks.insert(missing, Ask { at, tries: 0 });
        self.alarms.set(Alarm::Keys, at);
    }

    /// In large groups not everybody asks at once.
    pub(super) fn spread(&mut self, group: GroupId) -> Millis {
        let log = self.groups.get(&group).and_then(|group| group.log.as_ref());
        let large = log.is_some_and(|log| log.roster().len() > LARGE);
        Millis(if large { self.rng.next_u64() % SPREAD } else { 0 })
    }

    /// After a start: what was missing still is.
    pub(super) fn resume_keys(&mut self) {
        let held: Vec<_> = self.held.values().map(|h| (h.group, h.chain, h.item.from)).collect();
        for (group, chain, from) in held {
            if let Some(chain) = chain {
                self.need_key(group, chain, from);
            }
        }
    }

    /// Asks for what is still missing.
    pub(super) fn ask_for_keys(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.repairs.asks.iter().map(|(key, ask)| (*key, ask.at)).collect();
        for (missing, at) in due {
            if at > now {
                self.alarms.set(Alarm::Keys, at);
            } else if self.is_missing(missing) {
                self.ask_owner(missing);
            } else {
                self.repairs.asks.remove(&missing);
            }
        }
    }

    fn is_missing(&mut self, (id, chain, _): Missing) -> bool {
        let known = self.groups.get_mut(&id).is_none_or(|group| group.chain(&chain).is_some());
        !known && self.held.values().any(|held| held.chain == Some(chain))
    }

    /// Whether the owner would answer: both of us belong to the group.
    fn would_answer(&self, id: &GroupId, owner: &NodeId) -> bool {
        let group = self.groups.get(id);
        group.is_some_and(|group| group.is_active(&self.id()) && group.is_member(owner))
    }

    fn ask_owner(&mut self, missing: Missing) {
        let (gid, chain, owner) = missing;
        let now = self.now;
        let Some(ask) = self.repairs.asks.get_mut(&missing) else { return };
        if ask.tries >= KEY_TRIES {
            self.repairs.asks.remove(&missing);
            return self.let_go_of(chain);
        }
        ask.at = now + Millis(ASK_EVERY.0.saturating_mul(1 << ask.tries.min(8)));
        ask.tries = ask.tries.saturating_add(1);
        self.alarms.set(Alarm::Keys, ask.at);
        // From one who has gone, or after we have, it comes by itself or not at all.
        if self.would_answer(&gid, &owner) {
            self.tell(owner, &PairPlain::SkRequest { gid, chain, idx: 0 });
        }
    }

    /// A peer is to be told, in a new session, that this node began anew.
    pub(super) fn resume_resets(&mut self) {
        let untold = |person: &super::Person| person.owes_reset && person.reset_in.is_none();
        let owed = self.people.iter().filter(|(_, person)| untold(person));
        let owed: Vec<NodeId> = owed.map(|(node, _)| *node).collect();
        owed.into_iter().for_each(|peer| self.repairs.reset(peer));
        self.alarms.set(Alarm::Bundles, self.now + NOTICED_EVERY);
    }

    /// Does what was put off because a peer began anew too often.
    pub(super) fn begin_anew_with_those_put_off(&mut self) {
        let late = self.people.iter().filter(|(_, person)| person.reset_again);
        let late: Vec<NodeId> = late.map(|(node, _)| *node).collect();
        late.into_iter().for_each(|peer| self.begin_anew_with(peer));
    }

    /// A peer's message did not open: begins a new session, if we have to do with each other.
    pub(super) fn begin_anew(&mut self, peer: NodeId) {
        let shares = self.groups.values().any(|group| group.is_member(&peer));
        let known = self.is_contact(&peer) || shares;
        let now = self.now;
        let unheard = self.is_blocked(&peer) || self.was_declined(&peer);
        let silent = unheard && !shares;
        if peer == self.id() || silent || !known && !self.repairs.may_meet(now) {
            return;
        }
        if may(&mut self.repairs.began_anew, peer, now, ANEW_EVERY) {
            let person = self.meet(peer);
            (person.owes_reset, person.reset_in) = (true, None);
            self.touch(Key::Contact(peer));
            self.repairs.reset(peer);
            self.want_bundles();
        }
    }

    /// A peer lost its side and began anew: what it has not acknowledged goes out again.
    pub(super) fn peer_began_anew(&mut self, peer: NodeId, session: SessionId) {
        self.retire_others(peer, session);
        // Both have begun anew, and word of it may have been lost with the peer's old session.
        let silent = self.is_blocked(&peer) && !self.shares_group(&peer);
        if self.people.get(&peer).is_some_and(|person| person.owes_reset) && !silent {
            self.meet(peer).reset_in = Some(session);
            self.tell(peer, &PairPlain::ResetNotice);
        }
        self.begin_anew_with(peer);
    }

    /// Whoever answers in a session has read its first message.
    pub(super) fn reset_came(&mut self, peer: NodeId, session: SessionId) {
        if let Some(person) = self.people.get_mut(&peer)
            && person.reset_in == Some(session)
        {
            (person.owes_reset, person.reset_in) = (false, None);
            self.touch(Key::Contact(peer));
        }
    }

    /// What follows from a peer's new beginning, now or a little later.
    fn begin_anew_with(&mut self, peer: NodeId) {
        let now = self.now;
        let too_often = !may(&mut self.repairs.noticed, peer, now, NOTICED_EVERY);
        self.meet(peer).reset_again = too_often;
        self.touch(Key::Contact(peer));
        if too_often {
            self.alarms.set(Alarm::Bundles, now + NOTICED_EVERY);
            return self.count("reset-too-often");
        }
        let person = self.meet(peer);
        (person.told, person.told_picture) = (0, 0);
        self.touch(Key::Contact(peer));
        let direct = ConversationId::Direct(peer);
        let lost: Vec<u64> = self
            .outbox
            .chats()
            .filter(|(_, entry, chat)| chat.conversation == direct && entry.sealed.is_some())
            .map(|(number, ..)| number)
            .collect();
        for number in lost {
            self.unseal(number);
        }
        self.seal_for(peer);
        let granted = |group: &super::Group| {
            let outbound = group.outbound.as_ref()?;
            outbound.granted.contains_key(&peer).then(|| outbound.chain.id())
        };
        let groups: Vec<_> =
            self.groups.iter().filter_map(|(id, g)| Some((*id, granted(g)?))).collect();
        for (group, chain) in groups {
            self.give_again(peer, group, chain);
            if let Some(outbound) = self.groups.get_mut(&group).and_then(|g| g.outbound.as_mut()) {
                outbound.renew = true;
                self.touch(Key::Outbound(group));
            }
        }
        self.owe_all_to(peer);
        self.remember_to(peer);
        self.tell_again(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_answered_about_a_chain_ten_times_a_day() {
        let mut repairs = Repairs::default();
        let (who, chain) = ((GroupId([9; 32]), NodeId([2; 32])), ChainId([1; 16]));
        let at = |minute| Timestamp(1_790_000_000_000) + Millis::minutes(minute);
        let mut answered = |minute, chain| repairs.may_answer(who, chain, at(minute));
        assert!(answered(0, chain) && !answered(0, chain));
        let times = (1..200).filter(|minute| answered(*minute, chain)).count();
        assert_eq!(times, 9);
        assert!(answered(200, ChainId([2; 16])));
        assert!(answered(24 * 60, chain));
    }
}
