//! A group as a member holds it: its log, its name, everybody's chains.

use std::collections::{BTreeMap, VecDeque};

use hubbub_shared::content::group_plain::NO_MESSAGE;
use hubbub_shared::crypto::Secret32;
use hubbub_shared::group::knock::{Door, Prs};
use hubbub_shared::group::link::LinkSecret;
use hubbub_shared::group::sender_key::{InboundChain, OutboundChain};
use hubbub_shared::group::{ControlLog, Role};
use hubbub_shared::id::{ChainId, GroupId, MessageId, NodeId};
use hubbub_shared::limits::SEEN_MAX;
use hubbub_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::fork::Comparison;
use super::joining::Attempt;
use super::keeper::Request;
use super::name::NameKeys;
use super::newcomer::Newcomer;
use super::wish::{Asker, Wish};
use crate::api::FileRule;

/// Own chain ids remembered, to know own messages when they come back.
pub(super) const OWN_CHAINS: usize = 16;

/// One group.
pub(super) struct Group {
    pub(super) facts: Facts,
    /// None until its first entry was read.
    pub(super) log: Option<ControlLog>,
    /// The log's entries as signed: what the log is rebuilt from, here and at a hub that lost it.
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) names: NameKeys,
    /// Who says that we belong, until the log shows who of them may.
    pub(super) offers: Vec<Offer>,
    /// What checks the passphrase, as the log's sealed part says; and what is to be written there.
    pub(super) prs: Option<Prs>,
    pub(super) new_prs: Option<Prs>,
    /// Where strangers with the passphrase are answered, while we may let people in.
    pub(super) door: Option<Door>,
    /// Our own attempt to come in, until we are in.
    pub(super) attempt: Option<Attempt>,
    /// The invite link we come in by, until we are in.
    pub(super) link: Option<LinkSecret>,
    /// Links made here that are good, by public key.
    pub(super) links: BTreeMap<NodeId, LinkSecret>,
    pub(super) outbound: Option<Outbound>,
    pub(super) inbound: BTreeMap<NodeId, Vec<Inbound>>,
    /// The newest messages of others, for the next own message to name.
    pub(super) seen: VecDeque<MessageId>,
    /// A page of the log was asked for.
    pub(super) reading: bool,
    /// How many entries were here when it was.
    pub(super) had: u64,
    /// Another page is to be asked for after it.
    pub(super) read_again: bool,
    /// The hub's log is being compared with ours, or was last.
    pub(super) comparison: Option<Comparison>,
    /// The hub did not know the group, or not us in it, when it was asked on this link; and how
    /// often.
    pub(super) lost: bool,
    pub(super) denied: u32,
    /// The log was read to its end since the link came up.
    pub(super) synced: bool,
    /// An own entry is on its way.
    pub(super) proposed: Option<Vec<u8>>,
    /// How often an own entry lost the race, and when to try again.
    pub(super) races: u32,
    pub(super) not_before: Option<Timestamp>,
    /// Which commands wait for which wish.
    pub(super) askers: BTreeMap<u64, Asker>,
}

/// What is stored of a group besides its log and keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Own messages so far.
    pub(super) sent: u64,
    /// The last of these.
    pub(super) last: MessageId,
    /// The last counts of the eras before the present one, newest last.
    pub(super) earlier: Vec<u64>,
    pub(super) own_chains: Vec<ChainId>,
    /// Who is out: when that was learned, and the place of the entry in the channel once known.
    pub(super) removed: Vec<(NodeId, Timestamp, Option<u64>)>,
    /// What is to be written into the log, in order.
    pub(super) wishes: Vec<(u64, Wish)>,
    pub(super) since: Timestamp,
    /// Somebody wrote to us that we belong here, or we came by ourselves.
    pub(super) invited: bool,
    /// Name and topic as last opened; empty before.
    pub(super) name: String,
    pub(super) topic: String,
    /// Who asks to be let in.
    pub(super) requests: Vec<Request>,
    /// Who was put out in a branch of the log that was lost, and the first entry of the one it was
    /// left for. They get nothing until the log has a word about them.
    pub(super) shunned: Vec<(NodeId, u64)>,
    /// Since when newcomers are told what is said, by our clock; none while they are not.
    pub(super) told_since: Option<Timestamp>,
    /// Who came and has not been told yet.
    pub(super) newcomers: Vec<Newcomer>,
    /// Whether what its members offer there is fetched without asking, whatever holds for others.
    #[serde(default)]
    pub(super) files: FileRule,
}

/// A Welcome the log has not proven yet.
pub(super) struct Offer {
    pub(super) by: NodeId,
    /// How far the log has to be read to judge it.
    pub(super) seq: u64,
    pub(super) meta_key: Secret32,
}

/// The own chain and who has been given it, from which message on.
pub(super) struct Outbound {
    pub(super) chain: OutboundChain,
    pub(super) granted: BTreeMap<NodeId, u32>,
    /// To be replaced before the next message: somebody who has it lost its session.
    pub(super) renew: bool,
}

/// Another member's chain; lower orders came first.
pub(super) struct Inbound {
    pub(super) order: u64,
    pub(super) chain: InboundChain,
}

impl Facts {
    pub(super) fn new(now: Timestamp, invited: bool) -> Self {
        Self {
            sent: 0,
            last: NO_MESSAGE,
            earlier: Vec::new(),
            own_chains: Vec::new(),
            removed: Vec::new(),
            wishes: Vec::new(),
            since: now,
            invited,
            name: String::new(),
            topic: String::new(),
            requests: Vec::new(),
            shunned: Vec::new(),
            told_since: None,
            newcomers: Vec::new(),
            files: FileRule::Default,
        }
    }
}

impl Group {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            log: None,
            entries: Vec::new(),
            names: NameKeys::default(),
            offers: Vec::new(),
            prs: None,
            new_prs: None,
            door: None,
            attempt: None,
            link: None,
            links: BTreeMap::new(),
            outbound: None,
            inbound: BTreeMap::new(),
            seen: VecDeque::new(),
            reading: false,
            had: 0,
            comparison: None,
            read_again: false,
            lost: false,
            denied: 0,
            synced: false,
            proposed: None,
            races: 0,
            not_before: None,
            askers: BTreeMap::new(),
        }
    }

    /// Number of the next entry.
    pub(super) fn next_entry(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.seq() + 1)
    }

    pub(super) fn is_lobby(&self) -> bool {
        self.log.as_ref().is_some_and(ControlLog::is_lobby)
    }

    pub(super) fn is_member(&self, node: &NodeId) -> bool {
        self.log.as_ref().is_some_and(|log| log.roster().is_member(node))
    }

    /// Whether `node` may speak and is spoken to here.
    pub(super) fn is_active(&self, node: &NodeId) -> bool {
        self.facts.invited
            && self.log.as_ref().is_some_and(|l| !l.is_closed() && l.roster().is_member(node))
    }

    pub(super) fn role(&self, node: &NodeId) -> Option<Role> {
        self.log.as_ref()?.roster().role(node)
    }

    /// Who is spoken to: the members, but for those who were out in a branch that was lost.
    pub(super) fn members(&self) -> Vec<NodeId> {
        let all = self.log.iter().flat_map(|log| log.roster().members()).map(|m| m.node);
        all.filter(|node| !self.is_shunned(node)).collect()
    }

    /// Whether a member by the log gets nothing from us (`fork`).
    pub(super) fn is_shunned(&self, node: &NodeId) -> bool {
        self.facts.shunned.iter().any(|(shunned, _)| shunned == node)
    }

    pub(super) fn note_seen(&mut self, message: MessageId) {
        self.seen.push_back(message);
        if self.seen.len() > SEEN_MAX {
            self.seen.pop_front();
        }
    }

    /// A member's chain of this id.
    pub(super) fn chain_of(&mut self, node: &NodeId, id: &ChainId) -> Option<&mut InboundChain> {
        let chains = self.inbound.get_mut(node).into_iter().flatten();
        chains.map(|inbound| &mut inbound.chain).find(|chain| chain.id() == *id)
    }

    /// The chain of this id, whoever's it is.
    pub(super) fn chain(&mut self, id: &ChainId) -> Option<&mut InboundChain> {
        let chains = self.inbound.values_mut().flatten();
        chains.map(|inbound| &mut inbound.chain).find(|chain| chain.id() == *id)
    }
}

impl Engine {
    /// What to call a group.
    pub(super) fn title(&self, id: &GroupId) -> String {
        if self.own.lobby == Some(*id) {
            return "lobby".to_owned();
        }
        let name = self.groups.get(id).map(|group| group.facts.name.clone());
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.short())
    }
}
