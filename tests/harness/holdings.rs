//! Who was ever given which key of a group, as an all-knowing eye sees it.
//!
//! Whoever is given a key may keep it, whatever its own software does, and a hub may hand it every
//! envelope there is. So what counts is what devices wrote down to be told: to whom a chain was
//! given and from which message on, and to whom the key of a group's name. Nobody may hold what
//! opens a message of an epoch it was no member in, or a name set while it was out.
//!
//! Not counted: the key of the name that an invite link carries. A link is an admission held out,
//! and whoever was handed one may read what the group is called.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_node::engine::output::{Changes, RecordChange, Table};
use hubbub_shared::content::{GroupPlain, PairPlain};
use hubbub_shared::crypto::{RecordReader, Secret32};
use hubbub_shared::group::control::{Entry, EntryBody};
use hubbub_shared::group::meta::open_meta;
use hubbub_shared::group::sender_key::{GroupHeader, Skdm};
use hubbub_shared::group::{ControlLog, Op};
use hubbub_shared::id::{ChainId, GroupId, Head, MessageId, NodeId};
use hubbub_shared::limits::ENVELOPE_MAX;
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::codec::decode;
use hubbub_shared::wire::envelope::Envelope;
use hubbub_shared::wire::version::VERSION;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::disk::Disk;

/// Everything ever written into any group's log, and every key ever given.
#[derive(Default)]
pub(crate) struct Holdings {
    /// The state after each entry, of every branch.
    logs: BTreeMap<Head, ControlLog>,
    heads: BTreeMap<Vec<u8>, Head>,
    chains: BTreeMap<ChainId, Chain>,
    /// Keys of groups' names, and who was given them.
    names: BTreeMap<GroupId, Vec<(Secret32, BTreeSet<NodeId>)>>,
    wrong: Vec<String>,
}

#[derive(Default)]
struct Chain {
    /// From which message on.
    given: BTreeMap<NodeId, u32>,
    /// For which epoch.
    sealed: BTreeMap<u32, Head>,
}

/// What a transaction has a device say.
pub(crate) enum Said {
    ToOne(NodeId, PairPlain),
    ToGroup(GroupHeader),
}

/// The part of the engine's record that says where an envelope goes.
#[derive(Deserialize)]
struct Docket(LogId, IgnoredAny, IgnoredAny, IgnoredAny, IgnoredAny);

impl Holdings {
    /// What is wrong so far.
    pub(crate) fn wrong(&self) -> Option<&String> {
        self.wrong.first()
    }

    /// The state after the entry with this head.
    pub(crate) fn log_at(&self, head: &Head) -> Option<&ControlLog> {
        self.logs.get(head)
    }

    /// Every entry ever written.
    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryBody> + '_ {
        self.heads.keys().map(|bytes| Entry::known(bytes).unwrap())
    }

    /// A group's log as a device has it.
    pub(crate) fn log_of(&self, disk: &Disk, group: &GroupId) -> Option<&ControlLog> {
        let (from, to) = ([&group.0[..], &[0; 8]].concat(), [&group.0[..], &[0xff; 8]].concat());
        let last = disk.records.range((Table::Control, from)..=(Table::Control, to)).next_back();
        self.logs.get(self.heads.get(last?.1)?)
    }

    /// Reads a transaction before it is written.
    pub(crate) fn read(&mut self, changes: &Changes) -> Vec<Said> {
        let mut said = Vec::new();
        for change in &changes.records {
            match change {
                RecordChange::Put(Table::Control, _, entry) => self.learn(entry.expose()),
                RecordChange::Put(Table::Outbox, name, entry) => {
                    if let Ok((0u8, _)) = decode::<(u8, u64)>(name) {
                        said.extend(read_entry(entry.expose()));
                    }
                }
                _ => {}
            }
        }
        said
    }

    fn learn(&mut self, bytes: &[u8]) {
        if self.heads.contains_key(bytes) {
            return;
        }
        let entry = Entry::read(bytes).unwrap();
        let log = match self.logs.get(&entry.body.prev) {
            Some(before) => {
                let mut log = before.clone();
                log.apply(bytes).unwrap();
                log
            }
            None => ControlLog::genesis(bytes).unwrap(),
        };
        self.heads.insert(bytes.to_vec(), log.head());
        if let Op::Meta { ct } = &entry.body.op {
            self.name_set(&log, ct);
        }
        self.logs.insert(log.head(), log);
    }

    /// What a shell that hands chains to all of these would have said, too.
    pub(crate) fn leaked(said: &[Said], all: &[NodeId]) -> Vec<Said> {
        let chains = said.iter().filter_map(|said| match said {
            Said::ToOne(_, PairPlain::Skdm(skdm)) => Some(&**skdm),
            _ => None,
        });
        let to_all = |skdm: &Skdm| {
            let copy = |to: &NodeId| Said::ToOne(*to, PairPlain::Skdm(Box::new(skdm.duplicate())));
            all.iter().map(copy).collect::<Vec<_>>()
        };
        chains.flat_map(to_all).collect()
    }

    /// Judges a transaction after it was written.
    pub(crate) fn judge(&mut self, (who, me): (usize, NodeId), disk: &Disk, said: Vec<Said>) {
        for said in said {
            match said {
                Said::ToGroup(header) => {
                    let chain = self.chains.entry(header.chain).or_default();
                    chain.sealed.insert(header.idx, header.epoch);
                    self.opened(header.chain, header.idx, header.epoch);
                }
                Said::ToOne(to, PairPlain::Skdm(skdm)) => {
                    // It may be sealed late, for want of a session.
                    let log = self.log_of(disk, &skdm.gid);
                    let was = |log: &ControlLog| {
                        (skdm.birth_seq..=log.seq()).any(|at| log.roster().was_member(&to, at))
                    };
                    if !log.is_some_and(was) {
                        let words = format!("device {who} gives a chain to an outsider {to:?}");
                        self.wrong.push(words);
                    }
                    let chain = self.chains.entry(skdm.chain).or_default();
                    let from = chain.given.entry(to).or_insert(skdm.idx);
                    *from = skdm.idx.min(*from);
                    let sealed = chain.sealed.range(*from..).map(|(idx, epoch)| (*idx, *epoch));
                    for (idx, epoch) in sealed.collect::<Vec<_>>() {
                        self.opened(skdm.chain, idx, epoch);
                    }
                }
                Said::ToOne(to, PairPlain::Welcome { gid, head, meta_key, .. }) => {
                    let log = self.logs.get(&head);
                    if log.is_none_or(|log| !log.roster().is_member(&to)) {
                        let words = format!("device {who} tells an outsider {to:?} the name's key");
                        self.wrong.push(words);
                    }
                    self.name_told(gid, to, meta_key);
                }
                Said::ToOne(to, PairPlain::Resend { plain, .. }) => {
                    let id = GroupPlain::decode(plain.expose()).map(|plain| plain.id);
                    if let Ok(id) = id
                        && !was_for(disk, me, id, &to)
                    {
                        self.wrong.push(format!("device {who} says {id:?} again to an outsider"));
                    }
                }
                Said::ToOne(..) => {}
            }
        }
    }

    /// Whoever holds the chain so far back opens this message.
    fn opened(&mut self, chain: ChainId, idx: u32, epoch: Head) {
        let (Some(log), Some(chain)) = (self.logs.get(&epoch), self.chains.get(&chain)) else {
            return self.wrong.push(format!("sealed for {epoch:?}, which nobody wrote"));
        };
        let holders = chain.given.iter().filter(|(_, from)| **from <= idx);
        let outside = holders.filter(|(node, _)| !log.roster().is_member(node));
        let wrong =
            outside.map(|(node, _)| format!("{node:?} opens a message of entry {}", log.seq()));
        self.wrong.extend(wrong.collect::<Vec<_>>());
    }

    fn name_told(&mut self, gid: GroupId, to: NodeId, key: Secret32) {
        let known = self.names.entry(gid).or_default();
        match known.iter_mut().find(|(other, _)| other.expose() == key.expose()) {
            Some((_, holders)) => {
                holders.insert(to);
            }
            None => known.push((key, BTreeSet::from([to]))),
        }
    }

    /// Whoever was told its key opens this name.
    fn name_set(&mut self, log: &ControlLog, sealed: &[u8]) {
        let gid = log.group();
        let known = self.names.get(&gid).into_iter().flatten();
        let fits = known.filter(|(key, _)| open_meta(key, &gid, sealed).is_ok());
        let outside =
            fits.flat_map(|(_, holders)| holders).filter(|node| !log.roster().is_member(node));
        let words = |node: &NodeId| format!("{node:?} opens the name set by entry {}", log.seq());
        self.wrong.extend(outside.map(words).collect::<Vec<_>>());
    }
}

fn read_entry(record: &[u8]) -> Option<Said> {
    let mut r = RecordReader::new(record, VERSION).unwrap();
    let Docket(log, ..) = decode(r.bytes(ENVELOPE_MAX).unwrap()).unwrap();
    let plain = r.bytes(ENVELOPE_MAX).unwrap();
    match log {
        LogId::Mailbox(to) => Some(Said::ToOne(to, PairPlain::decode(plain).ok()?)),
        LogId::Channel(_) => {
            let sealed = r.option(|r| r.bytes(ENVELOPE_MAX).map(<[u8]>::to_vec)).unwrap()?;
            match Envelope::parse(&sealed).unwrap() {
                Envelope::Group(message) => Some(Said::ToGroup(GroupHeader::of(&message).unwrap())),
                _ => None,
            }
        }
    }
}

fn was_for(disk: &Disk, me: NodeId, id: MessageId, to: &NodeId) -> bool {
    let own = disk.history.iter().find(|line| line.id == id && line.sender == me);
    own.is_some_and(|line| line.recipients.contains(to))
}
