//! Telling newcomers what was said before they came, where the group's setting says so
//! (PROTOCOL.md, History for newcomers).
//!
//! Whoever is let in is noted in the transaction of the entry that lets them in. A moment later the
//! history is asked for what this node wrote before, and on the node that greets them for what
//! others wrote; it goes out as words, in the session of the two. Only what was said while this
//! node knew the setting to be on is told. What is absent: keys. None of before is ever given.

use std::collections::BTreeMap;

use hubbub_shared::content::{PairPlain, Past};
use hubbub_shared::group::Op;
use hubbub_shared::group::control::Entry;
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::limits::{TOLD_BYTES, TOLD_MAX};
use hubbub_shared::time::{Millis, Timestamp};
use rand_core::Rng;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::alarm::Alarm;
use super::group::Group;
use super::output::{Gather, Gathered, Output};
use super::record::Key;
use super::repair::LARGE;
use super::told::PAST_MAX;
use crate::api::ConversationId;

/// Newcomers of one group that wait to be told; in a greater storm the others are not told by us.
const NEWCOMERS: usize = 256;
/// Own texts told to one newcomer: its room shared out among the members, within these.
const OWN: (usize, usize) = (20, 200);
/// Texts of others that the one who greets tells.
const OTHERS: usize = 500;
/// Bytes of own texts, and of others'.
const BYTES: (usize, usize) = (256 * 1024, 1024 * 1024);
/// Older texts are not told.
const AGE: Millis = Millis::days(30);
/// One newcomer of a group is told after the other.
const PACE: Millis = Millis::secs(1);
/// In groups that are large, members tell a newcomer at times spread over this.
const SPREAD: Millis = Millis::minutes(10);
/// When it is tried again: the outbox was full, or the history did not answer.
const AGAIN: Millis = Millis::minutes(1);

/// Somebody who was let in and has not been told yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Newcomer {
    pub(super) node: NodeId,
    /// The entry that let them in.
    joined: u64,
    /// Our last count before we knew: what follows is for them anyway.
    upto: u64,
    /// When we knew.
    at: Timestamp,
    /// Whether it is we who greet them, and so tell what others wrote.
    greeted: bool,
    due: Timestamp,
}

impl Engine {
    /// The group's settings changed: from now on newcomers are to be told what is said, or not.
    pub(super) fn note_history(&mut self, id: GroupId) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let on = group.log.as_ref().is_some_and(|log| log.settings().history);
        if on {
            group.facts.told_since.get_or_insert(now);
        } else {
            group.facts.told_since = None;
            group.facts.newcomers.clear();
        }
        self.touch(Key::Group(id));
    }

    /// Somebody belongs from now on: is told later, if newcomers are.
    pub(super) fn note_newcomer(&mut self, id: GroupId, node: NodeId) {
        let (me, now) = (self.id(), self.now);
        let due = now + PACE + self.telling_spread(&id);
        let Some(group) = self.groups.get_mut(&id) else { return };
        if node == me || group.facts.told_since.is_none() || !group.is_active(&me) {
            return;
        }
        let Some(joined) = group.joined(&node) else { return };
        group.facts.newcomers.retain(|newcomer| newcomer.node != node);
        if group.facts.newcomers.len() >= NEWCOMERS {
            return self.count("newcomers-full");
        }
        let (upto, greeted) = (group.facts.sent, group.greeter(joined) == Some(me));
        let newcomer = Newcomer { node, joined, upto, at: now, greeted, due };
        group.facts.newcomers.push(newcomer);
        self.touch(Key::Group(id));
        self.alarms.set(Alarm::Newcomers, due);
    }

    /// Somebody began anew and may have lost what it was told: is told once more.
    pub(super) fn tell_again(&mut self, peer: NodeId) {
        let came_to_be_told = |group: &Group| {
            let joined = group.joined(&peer);
            let log = group.log.as_ref();
            joined.is_some_and(|at| log.is_some_and(|log| log.settings_at(at).history))
        };
        let groups = self.groups.iter().filter(|(_, group)| came_to_be_told(group));
        let groups: Vec<GroupId> = groups.map(|(id, _)| *id).collect();
        groups.into_iter().for_each(|id| self.note_newcomer(id, peer));
    }

    fn telling_spread(&mut self, id: &GroupId) -> Millis {
        let log = self.groups.get(id).and_then(|group| group.log.as_ref());
        let large = log.is_some_and(|log| log.roster().len() > LARGE);
        Millis(if large { self.rng.next_u64() % SPREAD.0 } else { 0 })
    }

    /// After a start: who waited to be told still does.
    pub(super) fn resume_newcomers(&mut self) {
        let waiting = self.groups.iter().filter(|(_, group)| !group.facts.newcomers.is_empty());
        let waiting: Vec<GroupId> = waiting.map(|(id, _)| *id).collect();
        for id in waiting {
            let due = self.now + PACE + self.telling_spread(&id);
            let Some(group) = self.groups.get_mut(&id) else { continue };
            group.facts.newcomers.iter_mut().for_each(|newcomer| newcomer.due = due);
            self.alarms.set(Alarm::Newcomers, due);
        }
    }

    /// Asks the history for what those whose time has come are to be told: one in each group.
    pub(super) fn look_back(&mut self) {
        let waiting = self.groups.iter().filter(|(_, group)| !group.facts.newcomers.is_empty());
        let waiting: Vec<GroupId> = waiting.map(|(id, _)| *id).collect();
        for id in waiting {
            self.look_back_in(id);
        }
        let newcomers = self.groups.values().flat_map(|group| &group.facts.newcomers);
        if let Some(next) = newcomers.map(|newcomer| newcomer.due).min() {
            self.alarms.set(Alarm::Newcomers, next.max(self.now + PACE));
        }
    }

    fn look_back_in(&mut self, id: GroupId) {
        let (me, now, full) = (self.id(), self.now, self.outbox.is_full());
        let Some(group) = self.groups.get_mut(&id) else { return };
        let before = group.facts.newcomers.len();
        let stays = |n: &Newcomer| {
            let there = group.is_active(&me) && group.joined(&n.node) == Some(n.joined);
            there && !group.is_shunned(&n.node)
        };
        let here: Vec<Newcomer> =
            group.facts.newcomers.iter().filter(|n| stays(n)).cloned().collect();
        let changed = here.len() < before;
        let members = group.log.as_ref().map_or(1, |log| log.roster().len());
        group.facts.newcomers = here;
        let due = group.facts.newcomers.iter_mut().find(|newcomer| newcomer.due <= now);
        if let (Some(newcomer), Some(since)) = (due, group.facts.told_since) {
            newcomer.due = now + AGAIN;
            let (least, most) = OWN;
            let gather = Gather {
                conversation: ConversationId::Group(id),
                newcomer: newcomer.node,
                joined: newcomer.joined,
                since: since.max(Timestamp(now.0.saturating_sub(AGE.0))),
                upto: newcomer.upto,
                own: (PAST_MAX / members.max(1)).clamp(least, most),
                until: newcomer.at,
                others: if newcomer.greeted { OTHERS } else { 0 },
            };
            if !full {
                self.out.push_back(Output::Gather(gather));
            }
        }
        if changed {
            self.touch(Key::Group(id));
        }
    }

    /// The history gave what somebody is to be told, newest first: tells them.
    pub fn handle_gathered(&mut self, gather: &Gather, found: Vec<Gathered>, now: Timestamp) {
        self.now = now;
        let (me, node) = (self.id(), gather.newcomer);
        let ConversationId::Group(gid) = gather.conversation else { return };
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let is_meant = |n: &Newcomer| n.node == node && n.joined == gather.joined;
        let Some(at) = group.facts.newcomers.iter().position(is_meant) else { return };
        group.facts.newcomers.remove(at);
        let there = group.is_active(&me) && group.joined(&node) == Some(gather.joined);
        let meant = there && !group.is_shunned(&node);
        self.touch(Key::Group(gid));
        if meant {
            for (author, items) in by_author(me, node, found) {
                for items in pages(items) {
                    self.tell(node, &PairPlain::Told { gid, author, items });
                }
            }
        }
        self.pump();
    }
}

impl Group {
    /// The entry that let somebody in who is a member.
    pub(super) fn joined(&self, node: &NodeId) -> Option<u64> {
        self.log.as_ref()?.roster().member(node).map(|member| member.joined)
    }

    /// Who greets whom this entry lets in: its author, or the maker of the link.
    fn greeter(&self, joined: u64) -> Option<NodeId> {
        let entry = self.entries.get(usize::try_from(joined).ok()?)?;
        let body = Entry::known(entry).ok()?;
        match body.op {
            Op::Add { .. } => Some(body.author),
            Op::UseInvite { key, .. } => Some(self.log.as_ref()?.invite(&key)?.by),
            _ => None,
        }
    }
}

/// What there is room for, newest first, by author and rising count.
fn by_author(
    me: NodeId,
    newcomer: NodeId,
    found: Vec<Gathered>,
) -> BTreeMap<NodeId, BTreeMap<u64, Past>> {
    let (mut own, mut others) = BYTES;
    let mut told: BTreeMap<NodeId, BTreeMap<u64, Past>> = BTreeMap::new();
    for Gathered { author, past } in found {
        let room = if author == me { &mut own } else { &mut others };
        let Some(left) = room.checked_sub(past.text.len()) else {
            *room = 0;
            continue;
        };
        *room = left;
        if author != newcomer {
            told.entry(author).or_default().entry(past.n).or_insert(past);
        }
    }
    told
}

/// Pages of as many texts as one content carries.
fn pages(items: BTreeMap<u64, Past>) -> Vec<Vec<Past>> {
    let mut pages: Vec<Vec<Past>> = Vec::new();
    let mut bytes = 0;
    for past in items.into_values() {
        bytes += past.text.len();
        match pages.last_mut().filter(|page| page.len() < TOLD_MAX && bytes <= TOLD_BYTES) {
            Some(page) => page.push(past),
            None => {
                bytes = past.text.len();
                pages.push(vec![past]);
            }
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::{Identity, Secret32};
    use hubbub_shared::group::{ControlLog, Policy, Role, Settings};
    use hubbub_shared::id::MessageId;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    /// Alice's engine, and a group of hers in which newcomers are told and so many others are.
    fn crowd(others: u16) -> (Engine, GroupId) {
        let identity = |seed| Identity::from_seed(Secret32::from_bytes([seed; 32]));
        let (alice, hub) = (identity(1), identity(9).hub_id());
        let mut engine = Engine::new(identity(1), hub, Vec::new(), [7; 32], NOW).unwrap();
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (gid, genesis) = ControlLog::create(&alice, Policy::closed(), NOW, &mut rng);
        let mut log = ControlLog::genesis(&genesis).unwrap();
        engine.groups.insert(gid, Group::new(super::super::group::Facts::new(NOW, true)));
        assert!(engine.take_entry(gid, &genesis, None));
        let told = Op::Set(Settings { history: true, ..Settings::new() });
        let somebody = |n: u16| {
            let mut seed = [5; 32];
            seed[..2].copy_from_slice(&n.to_be_bytes());
            Identity::from_seed(Secret32::from_bytes(seed)).id()
        };
        let added = (0..others).map(|n| Op::add(somebody(n), Role::Member, 0));
        for op in [told].into_iter().chain(added) {
            let entry = log.propose(&alice, op, NOW);
            log.apply(&entry).unwrap();
            assert!(engine.take_entry(gid, &entry, None));
        }
        (engine, gid)
    }

    fn looked_up(engine: &mut Engine) -> Vec<Gather> {
        let outputs = core::iter::from_fn(|| engine.poll_output());
        outputs
            .filter_map(|output| match output {
                Output::Gather(gather) => Some(gather),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn of_a_storm_of_newcomers_one_is_told_a_second_and_those_beyond_the_bound_are_not() {
        let (mut alice, gid) = crowd(300);
        assert_eq!(alice.groups.get(&gid).unwrap().facts.newcomers.len(), NEWCOMERS);
        let (mut told, mut most) = (0, OWN.1);
        for second in 0..1_200 {
            let now = NOW + Millis::secs(second);
            alice.handle_timeout(now);
            let found = looked_up(&mut alice);
            assert!(found.len() <= 1, "one at a time");
            for gather in found {
                told += 1;
                most = most.min(gather.own);
                alice.handle_gathered(&gather, Vec::new(), now);
            }
        }
        assert_eq!((told, most), (NEWCOMERS, OWN.0));
        assert!(alice.groups.get(&gid).unwrap().facts.newcomers.is_empty());
    }

    #[test]
    fn a_history_that_does_not_answer_is_asked_again_and_nobody_else_waits_for_it() {
        let (mut alice, _) = crowd(2);
        let mut asked = |secs| {
            alice.handle_timeout(NOW + Millis::secs(secs));
            let found = looked_up(&mut alice);
            found.into_iter().map(|gather| gather.joined).collect::<Vec<_>>()
        };
        assert_eq!((asked(1), asked(2), asked(3)), (vec![2], vec![3], vec![]));
        assert_eq!((asked(61), asked(62)), (vec![2], vec![3]));
    }

    fn past(n: u64, bytes: usize) -> Past {
        let text = "x".repeat(bytes);
        Past { id: MessageId([1; 16]), n, sent_at: Timestamp(n), text }
    }

    #[test]
    fn pages_hold_as_much_as_one_content_carries_in_order() {
        let items: BTreeMap<u64, Past> = (1..=200).map(|n| (n, past(n, 10))).collect();
        let lengths: Vec<usize> = pages(items).iter().map(Vec::len).collect();
        assert_eq!(lengths, [64, 64, 64, 8]);
        let items: BTreeMap<u64, Past> = (1..=7).map(|n| (n, past(n, TOLD_BYTES / 3))).collect();
        let pages = pages(items);
        let counts: Vec<Vec<u64>> =
            pages.iter().map(|page| page.iter().map(|past| past.n).collect()).collect();
        assert_eq!(counts, [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    }

    #[test]
    fn the_newest_is_told_when_there_is_not_room_for_all() {
        let (me, bob, dave) = (NodeId([1; 32]), NodeId([2; 32]), NodeId([4; 32]));
        let of = |author, count| {
            (1..=count).rev().map(move |n| Gathered { author, past: past(n, 16 * 1024) })
        };
        let found = of(me, 20).chain(of(bob, 80)).chain(of(dave, 1)).collect();
        let told = by_author(me, dave, found);
        let lowest = |author| told.get(&author).unwrap().keys().next().copied();
        assert_eq!((lowest(me), lowest(bob)), (Some(5), Some(17)));
        assert!(!told.contains_key(&dave), "nobody is told what they wrote themselves");
    }
}
