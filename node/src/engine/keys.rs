//! The own chain in each group, and handing it to everybody who has not been given it.
//!
//! Before a message is sealed, the chain as it then stands is posted to every member that lacks it:
//! whoever is new gets it from this message on and nothing before. Posting never waits; a member
//! without a session gets the key when there is one, and everybody else is not held up by it.

use hubbub_shared::content::PairPlain;
use hubbub_shared::group::sender_key::{InboundChain, OutboundChain, Skdm};
use hubbub_shared::id::{ChainId, GroupId, NodeId};
use hubbub_shared::limits::CHAINS_PER_SENDER;

use super::Engine;
use super::group::{Group, Inbound, OWN_CHAINS, Outbound};
use super::outbox::Rank;
use super::record::Key;
use crate::api::ConversationId;

/// Chains kept until the log is read that says whether they count, in all and of one member.
/// Beyond it one is dropped, and asked for when a message needs them.
const EARLY: usize = 256;
const EARLY_BY_ONE: usize = 16;

/// Messages sent again for one request.
const RESENT: usize = 64;

impl Engine {
    /// Makes sure there is a chain that may seal, and that every member has been given it.
    pub(super) fn spread_chain(&mut self, id: GroupId) {
        let me = self.id();
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(log) = &group.log else { return };
        let spent = group.outbound.as_ref().is_none_or(|outbound| {
            outbound.renew || outbound.chain.must_rotate(self.now, log.roster()).is_some()
        });
        if spent {
            let birth = (log.head(), log.seq());
            let mut chain = OutboundChain::new(id, birth, &me, self.now, &mut self.rng);
            if let Some(old) = &group.outbound {
                chain = chain.replacing(&old.chain);
            }
            group.facts.own_chains.push(chain.id());
            if group.facts.own_chains.len() > OWN_CHAINS {
                group.facts.own_chains.remove(0);
            }
            group.outbound = Some(Outbound { chain, granted: Default::default(), renew: false });
        }
        let members = group.members();
        let Some(outbound) = &mut group.outbound else { return };
        let idx = outbound.chain.index();
        let mut given = Vec::new();
        for node in members.into_iter().filter(|node| *node != me) {
            outbound.granted.entry(node).or_insert_with(|| {
                given.push((node, outbound.chain.distribution()));
                idx
            });
        }
        if spent || !given.is_empty() {
            self.touch(Key::Group(id));
            self.touch(Key::Outbound(id));
        }
        let rank = Rank::of_keys(given.len());
        for (node, skdm) in given {
            self.tell_in_rank(node, &PairPlain::Skdm(Box::new(skdm)), rank);
        }
    }

    /// A member hands over its chain.
    pub(super) fn take_skdm(&mut self, peer: NodeId, skdm: Skdm) {
        let (gid, chain) = (skdm.gid, skdm.chain);
        let born = skdm.birth_seq;
        let group = self.groups.get(&gid);
        let log = group.and_then(|group| group.log.as_ref());
        let was = log.is_some_and(|log| log.roster().was_member(&peer, born));
        if !was && !group.is_some_and(|group| group.is_member(&peer)) {
            if born >= group.map_or(0, Group::next_entry) {
                return self.take_later(peer, skdm);
            }
            return self.count("skdm-not-a-member");
        }
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let taken = match group.chain_of(&peer, &chain) {
            Some(known) => known.merge(&skdm).map(|()| None),
            None => InboundChain::accept(skdm, &peer).map(Some),
        };
        match taken {
            Ok(Some(chain)) => self.add_chain(gid, peer, chain),
            Ok(None) => {}
            Err(error) => {
                let words = format!("a sender key was refused: {error}");
                return self.refuse(ConversationId::Group(gid), peer, error.reason(), words);
            }
        }
        self.retry_held(gid, Some(chain));
    }

    /// A chain born after an entry that is not here cannot be judged yet. It is not stored: what a
    /// crash loses is asked for.
    fn take_later(&mut self, peer: NodeId, skdm: Skdm) {
        let gid = skdm.gid;
        let theirs = self.repairs.early_chains.iter().filter(|(other, _)| *other == peer).count();
        if theirs >= EARLY_BY_ONE {
            return self.count("skdm-too-early");
        }
        if self.repairs.early_chains.len() >= EARLY {
            self.repairs.early_chains.remove(0);
        }
        self.repairs.early_chains.push((peer, skdm));
        if self.groups.contains_key(&gid) {
            self.read_control(gid);
        }
    }

    /// A group's log was read on: judges the chains that were waiting for that.
    pub(super) fn take_early_chains(&mut self, gid: GroupId) {
        let known = self.groups.get(&gid).map_or(0, Group::next_entry);
        let ripe = |(_, skdm): &(NodeId, Skdm)| skdm.gid == gid && skdm.birth_seq < known;
        let early = core::mem::take(&mut self.repairs.early_chains);
        let (ripe, green): (Vec<_>, Vec<_>) = early.into_iter().partition(ripe);
        self.repairs.early_chains = green;
        for (peer, skdm) in ripe {
            self.take_skdm(peer, skdm);
        }
    }

    fn add_chain(&mut self, gid: GroupId, peer: NodeId, chain: InboundChain) {
        self.own.chains = self.own.chains.saturating_add(1);
        let order = self.own.chains;
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let chains = group.inbound.entry(peer).or_default();
        let id = chain.id();
        chains.push(Inbound { order, chain });
        let oldest = (chains.len() > CHAINS_PER_SENDER).then(|| chains.remove(0).chain.id());
        self.touch(Key::Own);
        self.touch(Key::Inbound(gid, peer, id));
        if let Some(oldest) = oldest {
            self.touch(Key::Inbound(gid, peer, oldest));
        }
    }

    /// A member lacks our chain, or messages of it.
    pub(super) fn take_key_request(&mut self, peer: NodeId, gid: GroupId, chain: ChainId) {
        let me = self.id();
        let Some(group) = self.groups.get(&gid) else { return self.count("request-no-group") };
        if !group.is_active(&me) || !group.is_member(&peer) || group.is_shunned(&peer) {
            return self.count("request-not-a-member");
        }
        if !group.facts.own_chains.contains(&chain) {
            return self.count("request-other-chain");
        }
        if !self.repairs.may_answer((gid, peer), chain, self.now) {
            return self.count("request-too-often");
        }
        self.give_again(peer, gid, chain);
    }

    /// Gives a member the chain as it stands, and sends again what that member has not got.
    pub(super) fn give_again(&mut self, peer: NodeId, gid: GroupId, chain: ChainId) {
        let conversation = ConversationId::Group(gid);
        let lacking = self
            .outbox
            .chats()
            .filter(|(_, entry, chat)| chat.conversation == conversation && entry.waits_for(&peer));
        let plains: Vec<_> =
            lacking.take(RESENT).map(|(_, entry, _)| entry.plain.duplicate()).collect();
        let Some(outbound) = self.groups.get_mut(&gid).and_then(|g| g.outbound.as_mut()) else {
            return;
        };
        let idx = outbound.chain.index();
        outbound.granted.entry(peer).or_insert(idx);
        let skdm = outbound.chain.distribution();
        self.touch(Key::Outbound(gid));
        self.tell(peer, &PairPlain::Skdm(Box::new(skdm)));
        for plain in plains {
            self.tell(peer, &PairPlain::Resend { gid, plain, chain, idx });
        }
    }

    /// Somebody is out: gets no more keys, and nothing waits for it.
    pub(super) fn no_longer_for(&mut self, gid: GroupId, node: NodeId) {
        if let Some(outbound) = self.groups.get_mut(&gid).and_then(|g| g.outbound.as_mut()) {
            outbound.granted.remove(&node);
            self.touch(Key::Outbound(gid));
        }
        self.give_up_on(ConversationId::Group(gid), node);
    }
}
