//! What devices keep of what they are told of the time before they came.

use hubbub_hub::store::Store;
use hubbub_node::api::ConversationId;
use hubbub_node::api::view::Body;
use hubbub_node::engine::output::{Gather, Gathered, PastLine, StoredMessage, Table};
use hubbub_node::engine::{PAST_BY_ONE, PAST_MAX, merged};
use hubbub_shared::content::{PairPlain, Past};
use hubbub_shared::crypto::RecordReader;
use hubbub_shared::group::ControlLog;
use hubbub_shared::group::sender_key::InboundChain;
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::session::{Bundle, LocalPrekeys, initiate};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::to_hub::Append;
use hubbub_shared::wire::{LogId, ToHub};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::disk::Disk;
use crate::world::World;

/// A line of the past as a person sees it: who wrote what, who says so, who said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who is said to have written it.
    pub author: String,
    /// What.
    pub text: String,
    /// Who says so; none for the author's own device.
    pub told_by: Option<String>,
    /// Who said otherwise than the author.
    pub contradicted: Option<String>,
}

impl Disk {
    /// Texts a newcomer is to be told, newest first.
    pub(crate) fn gather(&self, gather: &Gather, me: NodeId) -> Vec<Gathered> {
        let here = |line: &&StoredMessage| {
            line.conversation == gather.conversation
                && line.number > 0
                && line.received_at >= gather.since
                && matches!(line.body, Body::Text(_))
        };
        let own = |line: &&StoredMessage| line.sender == me && line.number <= gather.upto;
        let other = |line: &&StoredMessage| line.sender != me && line.received_at <= gather.until;
        let lines = || self.history.iter().filter(here);
        let mut own: Vec<_> = lines().filter(own).collect();
        own.sort_by_key(|line| core::cmp::Reverse(line.number));
        let others = lines().rev().filter(other).take(gather.others);
        own.into_iter().take(gather.own).chain(others).filter_map(gathered).collect()
    }

    pub(crate) fn keep_past(&mut self, new: PastLine) {
        let same = |line: &PastLine| {
            line.conversation == new.conversation && (line.author, line.id) == (new.author, new.id)
        };
        let known = self.history.iter().any(|line| {
            line.conversation == new.conversation && (line.sender, line.id) == (new.author, new.id)
        });
        if known {
            return;
        }
        if let Some(old) = self.past.iter_mut().find(|line| same(line)) {
            if let Some(line) = merged(old, &new) {
                *old = line;
            }
            return;
        }
        let here = |line: &&PastLine| line.conversation == new.conversation;
        let by_same = |line: &&PastLine| {
            line.told_by == new.told_by && (new.told_by.is_some() || line.author == new.author)
        };
        if self.past.iter().filter(here).filter(by_same).count() >= PAST_BY_ONE {
            return;
        }
        if self.past.iter().filter(here).count() >= PAST_MAX {
            let told = self.past.iter().filter(here).filter(|line| line.told_by.is_some());
            let Some(oldest) = told.min_by_key(|line| line.sent_at).cloned() else { return };
            if new.told_by.is_some() {
                return;
            }
            self.past.retain(|line| *line != oldest);
        }
        self.past.push(new);
    }

    /// Who is contradicted by this line.
    fn contradicted(&self, line: &PastLine) -> Option<NodeId> {
        let Some(teller) = line.told_by else { return line.otherwise };
        let name = |conversation, author, number| (conversation, author, number);
        let place = name(line.conversation, line.author, line.number);
        let own = self.past.iter().any(|own| {
            own.told_by.is_none()
                && name(own.conversation, own.author, own.number) == place
                && own.id != line.id
        });
        let heard = self.history.iter().any(|own| {
            name(own.conversation, own.sender, own.number) == place
                && own.id != line.id
                && own.body != Body::Missing
        });
        (own || heard).then_some(teller)
    }
}

fn gathered(line: &StoredMessage) -> Option<Gathered> {
    let Body::Text(text) = line.body.clone() else { return None };
    let past = Past { id: line.id, n: line.number, sent_at: line.sent_at, text };
    Some(Gathered { author: line.sender, past })
}

impl World {
    /// What a person was told of the time before, in the order shown.
    pub fn past(&self, who: usize) -> Vec<Seen> {
        let disk = &self.devices[who].disk;
        let name = |node: &NodeId| {
            let device = (0..self.devices.len()).find(|other| self.id(*other) == *node);
            self.devices[device.unwrap()].name.to_owned()
        };
        let mut lines: Vec<&PastLine> = disk.past.iter().collect();
        lines.sort_by_key(|line| line.sent_at);
        let heard = |line: &PastLine| {
            disk.history.iter().any(|own| (own.sender, own.id) == (line.author, line.id))
        };
        let seen = |line: &PastLine| Seen {
            author: name(&line.author),
            text: line.text.clone(),
            told_by: line.told_by.as_ref().map(name),
            contradicted: disk.contradicted(line).as_ref().map(name),
        };
        lines.into_iter().filter(|line| !heard(line)).map(seen).collect()
    }

    /// Somebody who writes their own program tells another this, in a session of its own.
    pub fn tell(&mut self, who: usize, to: usize, plain: &PairPlain) {
        let (me, peer, now) = (self.identity(who), self.id(to), self.now);
        let (identity, spk, _) = self.hub.store.bundle(&peer, None).unwrap().unwrap();
        let checked = Bundle::from_wire(&identity, &spk, None).unwrap().check(&peer, now).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(self.below(u64::MAX));
        let prekeys = LocalPrekeys::generate(&me, now, &mut rng);
        let mut session = initiate(&me, &prekeys, checked, now, &mut rng).unwrap();
        let sealed = session.seal(plain.encode().expose(), now, &mut rng).unwrap();
        let (req, log, envelope) = (u32::MAX, LogId::Mailbox(peer), sealed.into());
        self.speak_for(who, ToHub::Append(Append { req, log, envelope }));
        self.run(Millis::secs(1));
    }

    /// A group's membership log as the hub has it.
    pub fn control(&self, group: &GroupId) -> ControlLog {
        let mut entries = self.hub.store.control(group, 0, usize::MAX).unwrap().into_iter();
        let mut log = ControlLog::genesis(&entries.next().unwrap()).unwrap();
        for entry in entries {
            log.apply(&entry).unwrap();
        }
        log
    }

    /// The sender chains of others that a device holds.
    pub fn inbound_chains(&self, who: usize) -> Vec<InboundChain> {
        let records = self.devices[who].disk.records.iter();
        let chains = records.filter(|((table, _), _)| *table == Table::Inbound);
        let chain = |record: &Vec<u8>| {
            let mut reader = RecordReader::new(record, 1).unwrap();
            reader.u64().unwrap();
            InboundChain::load(reader.bytes(record.len()).unwrap()).unwrap()
        };
        chains.map(|(_, record)| chain(record)).collect()
    }

    /// The group a person means.
    pub fn group(&self, who: usize, name: &str) -> GroupId {
        match self.engine(who).resolve(name).unwrap() {
            Some(ConversationId::Group(group)) => group,
            other => panic!("no group: {other:?}"),
        }
    }
}
