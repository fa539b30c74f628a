//! Groups as the hub sees them: who may append to a channel and read it.
//!
//! Membership comes from the group's signed control log alone. The hub replays it to know its
//! readers; it can refuse or delay an entry, but it cannot write one. An entry is stored twice,
//! once in the control log for newcomers and once in the channel, in order among the envelopes.

use std::collections::BTreeMap;

use hubbub_shared::crypto::blake3;
use hubbub_shared::group::control::{Applied, Change, ControlError, ControlLog};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::limits::CONTROL_ENTRY_MAX;
use hubbub_shared::wire::from_hub::ItemKind;
use hubbub_shared::wire::{ByteBuf, LogId, Refusal, RefusalCode};

use super::command::{Command, Write};
use super::{Asked, Relay};

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Channels {
    by_group: BTreeMap<GroupId, ControlLog>,
    created: BTreeMap<NodeId, usize>,
}

impl Channels {
    pub(super) fn insert(&mut self, log: ControlLog) {
        *self.created.entry(log.founder()).or_default() += 1;
        self.by_group.insert(log.group(), log);
    }

    pub(super) fn get(&self, group: &GroupId) -> Option<&ControlLog> {
        self.by_group.get(group)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &ControlLog> {
        self.by_group.values()
    }

    pub(super) fn len(&self) -> usize {
        self.by_group.len()
    }

    /// Whether a node may append envelopes.
    pub(super) fn speaks_in(&self, group: &GroupId, node: &NodeId) -> Result<(), RefusalCode> {
        let log = self.by_group.get(group).filter(|log| !log.is_closed());
        let log = log.ok_or(RefusalCode::NoSuchGroup)?;
        log.roster().is_member(node).then_some(()).ok_or(RefusalCode::NotAMember)
    }

    fn created_by(&self, node: &NodeId) -> usize {
        self.created.get(node).copied().unwrap_or(0)
    }
}

impl Relay {
    /// Takes an entry into a group's control log and its channel. A full channel does not stop it:
    /// otherwise nobody could remove the member who holds the channel back. The number of entries
    /// is bounded by the control log itself.
    pub(super) fn append_control(
        &mut self,
        asked: Asked,
        group: GroupId,
        entry: ByteBuf,
    ) -> Result<(), Refusal> {
        if entry.len() > CONTROL_ENTRY_MAX {
            return Err(RefusalCode::TooLarge.plain());
        }
        let log = LogId::Channel(group);
        let digest = blake3(&entry);
        if let Some(seq) = self.logs.get(&log).and_then(|log| log.seen(&digest)) {
            self.appended(asked, seq);
            return Ok(());
        }
        if !self.logs.hub_has_room(entry.len(), self.config.total) {
            return Err(RefusalCode::Full.plain());
        }
        let (number, change) = match self.channels.by_group.get_mut(&group) {
            Some(control) => {
                let Applied { seq, author, change, .. } = control.apply(&entry).map_err(refusal)?;
                (seq, Membership::of(author, &change))
            }
            None => (0, self.create(asked, group, &entry)?),
        };
        self.write(Write::Control { group, seq: number, entry: entry.to_vec() });
        if let Membership::In(node) = change {
            self.join(group, node);
        }
        let seq = self.keep(asked, log, ItemKind::Control, (entry, digest));
        self.dismiss(group, change, seq);
        Ok(())
    }

    /// Sends a page of a group's control log: to members, to those still reading their own removal,
    /// and, of the lobby, to everybody, since everybody may join it.
    pub(super) fn read_control(
        &mut self,
        asked: Asked,
        group: GroupId,
        from: u64,
    ) -> Result<(), Refusal> {
        let control = self.channels.get(&group).ok_or(RefusalCode::NoSuchGroup.plain())?;
        let total = control.seq() + 1;
        let log = self.logs.get(&LogId::Channel(group));
        let reads = log.is_some_and(|log| log.readers.get(&asked.node).is_some());
        if !reads && !control.roster().is_member(&asked.node) && group != self.lobby {
            return Err(RefusalCode::NotAMember.plain());
        }
        let Asked { conn, req, .. } = asked;
        self.batch.out.push_back(Command::LoadControl { conn, req, group, from, total });
        Ok(())
    }

    fn create(
        &mut self,
        asked: Asked,
        group: GroupId,
        entry: &[u8],
    ) -> Result<Membership, Refusal> {
        let control = match ControlLog::check_genesis(entry, &group) {
            Ok(control) => control,
            Err(ControlError::BadGenesis(_)) => return Err(RefusalCode::NoSuchGroup.plain()),
            Err(_) => return Err(RefusalCode::BadControl.plain()),
        };
        let closed = control.policy() == hubbub_shared::group::Policy::closed();
        if !closed || control.is_lobby() || control.founder() != asked.node {
            return Err(RefusalCode::BadControl.plain());
        }
        if self.channels.created_by(&asked.node) >= self.config.groups_per_node {
            let about = Some(asked.node);
            return Err(Refusal { code: RefusalCode::Full, about, retry_after: None });
        }
        self.channels.insert(control);
        Ok(Membership::In(asked.node))
    }

    /// A new member reads from the entry that lets it in. One that was removed and has not read so
    /// far keeps its place; it gets what was said in between too, and has no key for it.
    fn join(&mut self, group: GroupId, node: NodeId) {
        let log = LogId::Channel(group);
        let cursor = self.logs.open(log).last_seq();
        let write = if self.logs.join(group, node, cursor) {
            Write::Cursor { log, reader: node, upto: Some(cursor) }
        } else {
            Write::Leaving { log, reader: node, until: None }
        };
        self.write(write);
    }

    /// Those who are out read up to the entry that says so.
    fn dismiss(&mut self, group: GroupId, change: Membership, until: u64) {
        let log = LogId::Channel(group);
        let readers = &self.logs.open(log).readers;
        let out: Vec<NodeId> = match change {
            Membership::Out(node) => vec![node],
            Membership::Over => readers.nodes().copied().collect(),
            Membership::In(_) | Membership::Same => Vec::new(),
        };
        for reader in out {
            self.logs.open(log).readers.leave(&reader, until);
            self.write(Write::Leaving { log, reader, until: Some(until) });
        }
    }
}

/// What an entry means for who reads.
#[derive(Clone, Copy, Debug)]
enum Membership {
    In(NodeId),
    Out(NodeId),
    Over,
    Same,
}

impl Membership {
    fn of(author: NodeId, change: &Change) -> Self {
        match change {
            Change::Added { node, .. } => Self::In(*node),
            Change::Joined => Self::In(author),
            Change::Removed { node, .. } => Self::Out(*node),
            Change::Left { .. } => Self::Out(author),
            Change::Closed => Self::Over,
            Change::Created | Change::RoleSet { .. } | Change::Meta | Change::RekeyAll => {
                Self::Same
            }
        }
    }
}

/// An entry that does not come next lost a race; anything else breaks a rule.
fn refusal(error: ControlError) -> Refusal {
    match error {
        ControlError::NotNext { .. }
        | ControlError::WrongPrev { .. }
        | ControlError::Fork { .. } => RefusalCode::Stale.plain(),
        _ => RefusalCode::BadControl.plain(),
    }
}
