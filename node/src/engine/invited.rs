//! Being let into a group: who says so, and whether they may.
//!
//! Anybody can write that we belong to some group. That is an offer: it makes nobody a contact,
//! shows nothing, replaces no key, and there is room for few of them. It counts once the group's
//! log is read as far as the offer says and shows its author to be an admin.

use hubbub_shared::crypto::Secret32;
use hubbub_shared::group::control::Entry;
use hubbub_shared::id::{GroupId, NodeId};

use super::Engine;
use super::group::{Facts, Group, Offer};
use super::record::{Key, control_key};
use crate::api::ConversationId;
use crate::api::view::Notice;

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
            return;
        }
        let offers = core::mem::take(&mut group.offers);
        let (ripe, green): (Vec<_>, Vec<_>) = offers.into_iter().partition(|o| o.seq < next);
        group.offers = green;
        self.touch(Key::Group(gid));
        for Offer { by, meta_key, .. } in ripe {
            if self.may_welcome(&gid, &by) {
                self.let_in(by, gid, meta_key);
            } else if self.proves_itself(&gid, &meta_key) {
                self.take_name_key(gid, meta_key);
                self.refresh_meta(gid, by);
            } else {
                self.count("welcome-not-by-admin");
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

    /// Whether somebody's word that we belong counts: they may let people in, or let us in.
    fn may_welcome(&self, gid: &GroupId, by: &NodeId) -> bool {
        let Some(group) = self.groups.get(gid) else { return false };
        let Some(log) = &group.log else { return false };
        let ours = log.roster().member(&self.id()).and_then(|me| usize::try_from(me.joined).ok());
        let entry = ours.and_then(|at| group.entries.get(at));
        let author = entry.and_then(|entry| Entry::read(entry).ok()).map(|entry| entry.body.author);
        log.may_add(by) || author == Some(*by)
    }

    /// One who may says that we belong.
    fn let_in(&mut self, peer: NodeId, gid: GroupId, key: Secret32) {
        let me = self.id();
        let Some(group) = self.groups.get_mut(&gid) else { return };
        group.attempt = None;
        let newly = !core::mem::replace(&mut group.facts.invited, true);
        let joined = group.log.as_ref().and_then(|log| {
            let at = log.roster().member(&me)?.joined;
            log.head_at(at)
        });
        self.take_name_key(gid, key);
        self.befriend(peer);
        if let (true, Some(head)) = (newly, joined) {
            let notice = Notice::Added(self.person(&me));
            self.log_notice(gid, peer, head, notice);
        }
        self.refresh_meta(gid, peer);
        self.retry_held(gid, None);
        self.take_early_heads(gid);
        self.changed(ConversationId::Group(gid));
    }

    /// Forgets a group we were never in.
    fn forget_group(&mut self, gid: GroupId) {
        let Some(group) = self.groups.remove(&gid) else { return };
        self.touch(Key::Group(gid));
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
        self.groups.insert(gid, Group::new(Facts::new(self.now, false)));
        self.touch(Key::Group(gid));
        self.read_control(gid);
        true
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::Identity;
    use hubbub_shared::group::{ControlLog, Op, Policy, Role};
    use hubbub_shared::time::Timestamp;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(Secret32::from_bytes([seed; 32]))
    }

    fn bob() -> Engine {
        Engine::new(identity(2), identity(9).hub_id(), Vec::new(), [7; 32], NOW).unwrap()
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
