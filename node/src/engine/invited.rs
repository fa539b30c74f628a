//! Being let into a group: who says so, and whether they may.
//!
//! Anybody can write that we belong to some group. That is an offer: it makes nobody a contact,
//! shows nothing, replaces no key, and there is room for few of them. It counts once the group's
//! log is read as far as the offer says and shows its author to be an admin, or to have been one.

use hubbub_shared::crypto::Secret32;
use hubbub_shared::group::control::Entry;
use hubbub_shared::group::meta::open_meta;
use hubbub_shared::group::{ControlLog, Role};
use hubbub_shared::id::{GroupId, NodeId};

use super::Engine;
use super::group::{Facts, Group, Offer};
use super::record::{Key, control_key};
use super::wish::Wish;
use crate::api::view::Notice;
use crate::api::{ConversationId, Event};

/// Groups nobody has written to us about.
const UNINVITED: usize = 64;
/// Groups known from offers alone; beyond it the oldest goes.
const OFFERED: usize = 64;
/// Of these, from one node.
const OFFERED_BY_ONE: usize = 8;
/// Offers for one group.
pub(super) const OFFERS: usize = 4;

impl Engine {
    /// Somebody says that we belong, and how far the log goes.
    pub(super) fn welcomed(&mut self, peer: NodeId, gid: GroupId, seq: u64, meta_key: Secret32) {
        let invited = self.groups.get(&gid).is_some_and(|group| group.facts.invited);
        if !invited && self.is_blocked(&peer) {
            return self.count("blocked");
        }
        if !invited && self.is_declined_group(&gid) {
            return self.count("declined");
        }
        if !self.groups.contains_key(&gid) {
            if !self.has_room_for_offer(&peer) {
                return self.count("too-many-welcomes");
            }
            self.groups.insert(gid, Group::new(Facts::new(self.now, false)));
        }
        let Some(group) = self.groups.get_mut(&gid) else { return };
        group.offers.retain(|offer| offer.by != peer);
        if group.offers.len() >= OFFERS {
            return self.count("too-many-welcomes");
        }
        group.offers.push(Offer { by: peer, seq, meta_key });
        self.touch(Key::Group(gid));
        self.judge_offers(gid);
        if self.groups.get(&gid).is_some_and(|group| !group.offers.is_empty()) {
            self.read_control(gid);
        }
    }

    /// Sees to it that one more group can be offered by `peer`.
    fn has_room_for_offer(&mut self, peer: &NodeId) -> bool {
        let offered = || {
            let open = |group: &&Group| !group.facts.invited && !group.offers.is_empty();
            self.groups.iter().filter(move |(_, group)| open(group))
        };
        let theirs = |group: &Group| group.offers.iter().any(|offer| offer.by == *peer);
        if offered().filter(|(_, group)| theirs(group)).count() >= OFFERED_BY_ONE {
            return false;
        }
        let oldest = offered().min_by_key(|(_, group)| group.facts.since).map(|(id, _)| *id);
        if let (true, Some(oldest)) = (offered().count() >= OFFERED, oldest) {
            self.forget_group(oldest);
        }
        true
    }

    /// Takes the first offer the log proves, and drops those it disproves.
    pub(super) fn judge_offers(&mut self, gid: GroupId) {
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let next = group.next_entry();
        if group.offers.iter().all(|offer| offer.seq >= next) {
            return self.forget_if_declined(gid);
        }
        let offers = core::mem::take(&mut group.offers);
        let (ripe, green): (Vec<_>, Vec<_>) = offers.into_iter().partition(|o| o.seq < next);
        group.offers = green;
        self.touch(Key::Group(gid));
        for offer in ripe {
            if !self.may_welcome(&gid, (&offer.by, offer.seq)) {
                if self.proves_itself(&gid, &offer.meta_key) {
                    self.take_name_key(gid, offer.meta_key);
                    self.refresh_meta(gid, offer.by);
                    continue;
                }
                self.count("welcome-not-by-admin");
            } else if self.has_to_ask(&offer.by, &gid) {
                self.keep_offer(gid, offer);
            } else {
                self.let_in(offer.by, gid, offer.meta_key);
            }
        }
        self.forget_if_stray(gid);
    }

    /// Forgets a group that is neither ours nor on its way to be.
    pub(super) fn forget_if_stray(&mut self, gid: GroupId) {
        let me = self.id();
        let stray = |group: &Group| {
            let waiting =
                !group.offers.is_empty() || group.link.is_some() || group.attempt.is_some();
            !group.facts.invited && !waiting && !group.is_member(&me)
        };
        if self.own.lobby != Some(gid) && self.groups.get(&gid).is_some_and(stray) {
            self.forget_group(gid);
        }
    }

    /// Whether somebody's word that we belong counts: they may let people in, or let us in, or for
    /// one who is not in yet, were an admin when they said so and have left since.
    fn may_welcome(&self, gid: &GroupId, (by, seq): (&NodeId, u64)) -> bool {
        let Some(group) = self.groups.get(gid) else { return false };
        let Some(log) = &group.log else { return false };
        let ours = log.roster().member(&self.id()).and_then(|me| usize::try_from(me.joined).ok());
        let entry = ours.and_then(|at| group.entries.get(at));
        let author = entry.and_then(|entry| Entry::known(entry).ok()).map(|body| body.author);
        let (roster, me) = (log.roster(), self.id());
        let then = roster.member_at(by, seq).is_some_and(|member| member.role >= Role::Admin);
        let added = !group.facts.invited && roster.is_member(&me) && roster.was_member(&me, seq);
        log.may_add(by) || author == Some(*by) || added && then
    }

    /// One who may says that we belong.
    fn let_in(&mut self, peer: NodeId, gid: GroupId, key: Secret32) {
        let me = self.id();
        self.end_attempt(gid);
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let newly = !core::mem::replace(&mut group.facts.invited, true);
        let joined = group.log.as_ref().and_then(|log| {
            let at = log.roster().member(&me)?.joined;
            log.head_at(at)
        });
        self.take_name_key(gid, key);
        self.befriend(peer);
        if newly {
            self.ask_names_in(&gid);
        }
        if let (true, Some(head)) = (newly, joined) {
            let notice = Notice::Added(self.person(&me));
            self.log_notice(gid, peer, head, notice);
        }
        self.refresh_meta(gid, peer);
        self.retry_held(gid, None);
        self.take_early_heads(gid);
        self.take_early_told(gid);
        self.changed(ConversationId::Group(gid));
    }

    /// Whether a stranger wants us in, so that a person has to decide.
    fn has_to_ask(&self, by: &NodeId, gid: &GroupId) -> bool {
        // Where we knocked or came by a link, we have been asked before.
        let wanted =
            |group: &Group| group.facts.invited || group.attempt.is_some() || group.link.is_some();
        let wanted = self.groups.get(gid).is_some_and(wanted);
        !wanted && self.asks() && !self.is_contact(by)
    }

    /// The log proves a stranger's offer: it waits for a person's decision, if we are in the group.
    fn keep_offer(&mut self, gid: GroupId, offer: Offer) {
        let me = self.id();
        let Some(group) = self.groups.get_mut(&gid).filter(|group| group.is_member(&me)) else {
            return;
        };
        let by = offer.by;
        group.offers.push(offer);
        self.ask_anew(by);
        self.event(Event::RequestsChanged);
    }

    /// Groups that strangers want us in, with their name and by whom.
    pub(super) fn offered_groups(&self) -> impl Iterator<Item = (GroupId, String, NodeId)> {
        self.groups.iter().filter(|(_, group)| !group.facts.invited).filter_map(|(gid, group)| {
            let next = group.next_entry();
            let offer = group.offers.iter().find(|offer| offer.seq < next)?;
            let meta = group.log.as_ref().and_then(ControlLog::meta);
            let meta = meta.and_then(|ct| open_meta(&offer.meta_key, gid, ct).ok());
            Some((
                *gid,
                meta.map_or_else(String::new, |sealed| sealed.meta.name().to_owned()),
                offer.by,
            ))
        })
    }

    /// A person decided to come in.
    pub(super) fn come_in(&mut self, gid: GroupId) {
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let next = group.next_entry();
        let offers = core::mem::take(&mut group.offers);
        self.touch(Key::Group(gid));
        if let Some(offer) = offers.into_iter().find(|offer| offer.seq < next) {
            self.let_in(offer.by, gid, offer.meta_key);
        }
        self.event(Event::RequestsChanged);
    }

    /// A stranger is one no more: so are their groups.
    pub(super) fn judge_offers_of(&mut self, node: NodeId) {
        let theirs = |group: &Group| group.offers.iter().any(|offer| offer.by == node);
        let groups = self.groups.iter().filter(|(_, group)| theirs(group));
        let groups: Vec<GroupId> = groups.map(|(gid, _)| *gid).collect();
        groups.into_iter().for_each(|gid| self.judge_offers(gid));
    }

    /// A person decided to stay out: that is written into the log.
    pub(super) fn stay_out(&mut self, gid: GroupId) {
        let Some(group) = self.groups.get_mut(&gid) else { return };
        group.offers.clear();
        self.touch(Key::Group(gid));
        self.wish(gid, Wish::Leave, None);
    }

    /// Somebody is blocked: nobody is asked about their groups.
    pub(super) fn drop_offers_of(&mut self, node: NodeId) {
        let offered = self.groups.iter().filter(|(_, group)| !group.facts.invited);
        let theirs = offered.filter(|(_, group)| group.offers.iter().any(|offer| offer.by == node));
        let theirs: Vec<GroupId> = theirs.map(|(gid, _)| *gid).collect();
        for gid in theirs {
            if let Some(group) = self.groups.get_mut(&gid) {
                group.offers.retain(|offer| offer.by != node);
                self.touch(Key::Group(gid));
                self.event(Event::RequestsChanged);
            }
        }
    }

    /// We are out of a group that was turned down: nothing of it is kept.
    fn forget_if_declined(&mut self, gid: GroupId) {
        let me = self.id();
        let out =
            |group: &Group| !group.facts.invited && group.log.is_some() && !group.is_member(&me);
        if self.is_declined_group(&gid) && self.groups.get(&gid).is_some_and(out) {
            self.forget_group(gid);
        }
    }

    /// Forgets a group we were never in.
    fn forget_group(&mut self, gid: GroupId) {
        let Some(group) = self.groups.remove(&gid) else { return };
        self.touch(Key::Group(gid));
        let held = self.held.iter().filter(|(_, held)| held.group == gid);
        let held: Vec<u64> = held.map(|(number, _)| *number).collect();
        for number in held {
            self.held.remove(&number);
            self.touch(Key::Held(number));
        }
        for n in 0..group.entries.len() {
            self.touch(control_key(gid, n));
        }
    }

    /// A group whose channel delivers to us though nobody told us of it: its log is read, and its
    /// messages wait until somebody does.
    pub(super) fn stumble_upon(&mut self, gid: GroupId) -> bool {
        let told_of = |group: &&Group| group.facts.invited || !group.offers.is_empty();
        let uninvited = self.groups.values().filter(|group| !told_of(group)).count();
        if uninvited >= UNINVITED {
            self.count("uninvited-full");
            return false;
        }
        if self.is_declined_group(&gid) {
            self.count("declined");
            return false;
        }
        self.groups.insert(gid, Group::new(Facts::new(self.now, false)));
        self.touch(Key::Group(gid));
        self.read_control(gid);
        true
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::Identity;
    use hubbub_shared::group::meta::{GroupMeta, seal_meta};
    use hubbub_shared::group::{Op, Policy};
    use hubbub_shared::time::Timestamp;
    use hubbub_shared::wire::ByteBuf;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::api::people::Wanted;
    use crate::api::view::Path;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(Secret32::from_bytes([seed; 32]))
    }

    fn bob() -> Engine {
        let hub = identity(9).hub_id();
        Engine::new(identity(2), hub, Vec::new(), [7; 32], NOW).unwrap()
    }

    fn key(byte: u8) -> Secret32 {
        Secret32::from_bytes([byte; 32])
    }

    #[test]
    fn a_strangers_welcomes_are_few_and_make_no_contact() {
        let mut bob = bob();
        for number in 0..200 {
            bob.welcomed(identity(66).id(), GroupId([number; 32]), 5, key(1));
        }
        assert_eq!(bob.groups.len(), OFFERED_BY_ONE);
        for number in 0..200 {
            bob.welcomed(identity(number).id(), GroupId([number; 32]), 5, key(1));
        }
        assert_eq!(bob.groups.len(), OFFERED);
        assert!(bob.people.is_empty() && bob.conversations().is_empty());
    }

    #[test]
    fn the_welcome_of_an_admin_counts_though_a_strangers_came_first() {
        let (alice, mallory, mut bob) = (identity(1), identity(66).id(), bob());
        bob.settings.strangers = crate::api::Strangers::Welcome;
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (gid, genesis) = ControlLog::create(&alice, Policy::closed(), NOW, &mut rng);
        let mut log = ControlLog::genesis(&genesis).unwrap();
        let add = Op::add(bob.id(), Role::Member, 1);
        let added = log.propose(&alice, add, NOW);
        log.apply(&added).unwrap();
        bob.welcomed(mallory, gid, 0, key(66));
        bob.welcomed(alice.id(), gid, log.seq(), key(1));
        assert!(bob.conversations().is_empty());
        assert!(bob.take_entry(gid, &genesis, None) && bob.take_entry(gid, &added, None));
        bob.control_synced(gid);
        let group = bob.groups.get(&gid).unwrap();
        assert!(group.facts.invited && group.offers.is_empty());
        assert_eq!(group.name_key(&gid).unwrap().expose(), key(1).expose());
        assert!(bob.is_contact(&alice.id()) && !bob.is_contact(&mallory));
        bob.welcomed(mallory, gid, 0, key(66));
        let group = bob.groups.get(&gid).unwrap();
        assert_eq!(group.name_key(&gid).unwrap().expose(), key(1).expose());
    }

    #[test]
    fn a_strangers_group_is_asked_about_under_its_name_and_come_into_when_accepted() {
        let (alice, mut bob) = (identity(1), bob());
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (gid, genesis) = ControlLog::create(&alice, Policy::closed(), NOW, &mut rng);
        let mut log = ControlLog::genesis(&genesis).unwrap();
        let meta = GroupMeta::new("tea\u{202e}", "").unwrap();
        let ct = ByteBuf::from(seal_meta(&key(1), &gid, (&meta, None), &mut rng));
        let mut entries = vec![genesis];
        for op in [Op::add(bob.id(), Role::Member, 1), Op::Meta { ct }] {
            let entry = log.propose(&alice, op, NOW);
            log.apply(&entry).unwrap();
            entries.push(entry);
        }
        bob.welcomed(alice.id(), gid, log.seq(), key(1));
        assert!(bob.requests().is_empty(), "nothing proves it yet");
        assert!(entries.iter().all(|entry| bob.take_entry(gid, entry, None)));
        bob.control_synced(gid);
        assert!(bob.conversations().is_empty() && bob.contacts(|_| Path::Stored).is_empty());
        let request = bob.requests().remove(0);
        assert_eq!(request.wants, Wanted::Join("tea\u{fffd}".to_owned()));
        assert_eq!((request.from.node.0, request.id), (alice.id(), ConversationId::Group(gid)));
        bob.accept(&request.id.to_string()).unwrap();
        assert!(bob.groups[&gid].facts.invited && bob.requests().is_empty());
        assert!(bob.is_contact(&alice.id()));
    }

    #[test]
    fn a_group_whose_log_disproves_its_only_welcome_is_forgotten() {
        let (alice, mut bob) = (identity(1), bob());
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (gid, genesis) = ControlLog::create(&alice, Policy::closed(), NOW, &mut rng);
        bob.welcomed(identity(66).id(), gid, 0, key(66));
        assert!(bob.take_entry(gid, &genesis, None));
        bob.control_synced(gid);
        assert!(!bob.groups.contains_key(&gid));
    }
}
