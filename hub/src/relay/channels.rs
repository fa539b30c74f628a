//! Groups as the hub sees them: who may append to a channel and read it.
//!
//! Membership comes from the group's signed control log alone. The hub replays it to know its
//! readers; it can refuse or delay an entry, but it cannot write one. An entry is stored twice,
//! once in the control log for newcomers and once in the channel, in order among the envelopes.

use std::collections::BTreeMap;

use hubbub_shared::group::control::{
    Applied, Change, ControlError, ControlLog, Entry, EntryBody, Op, Policy,
};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::limits::{CONTROL_ENTRY_MAX, CONTROL_PAGE_ENTRIES};
use hubbub_shared::wire::from_hub::ItemKind;
use hubbub_shared::wire::to_hub::{Pass, ReadControl};
use hubbub_shared::wire::{ByteBuf, LogId, Refusal, RefusalCode};

use super::bounds::{
    CONTROL_READ_COST, CONTROL_READ_PAUSE, CONTROL_READ_PER_BATCH, LOBBY_JOINS, LogBounds,
};
use super::command::{Command, Write};
use super::log::Log;
use super::trace::Trace;
use super::{Asked, Relay};

/// Entries in one page.
const PAGE: u64 = CONTROL_PAGE_ENTRIES as u64;

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Channels {
    by_group: BTreeMap<GroupId, ControlLog>,
    /// What is charged to whom: to founders, and to whoever brought back what another founded.
    founders: BTreeMap<NodeId, Founded>,
    /// Who brought back a group of another's. A restart forgets it and charges the founder.
    payers: BTreeMap<GroupId, NodeId>,
    /// Entries of all control logs, which are kept for good.
    entries: usize,
    bytes: u64,
}

/// What one identity's groups take.
#[derive(Clone, Copy, Debug, Default)]
struct Founded {
    groups: usize,
    entries: usize,
}

impl Channels {
    /// Takes in a group whose entries so far have these sizes.
    pub(super) fn insert(&mut self, log: ControlLog, sizes: impl Iterator<Item = usize>) {
        let payer = self.payer(&log);
        self.founders.entry(payer).or_default().groups += 1;
        self.by_group.insert(log.group(), log);
        sizes.for_each(|size| self.note_entry(payer, size));
    }

    fn payer(&self, log: &ControlLog) -> NodeId {
        self.payers.get(&log.group()).copied().unwrap_or(log.founder())
    }

    fn note_entry(&mut self, payer: NodeId, size: usize) {
        self.founders.entry(payer).or_default().entries += 1;
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
    }

    /// Whether control logs may take `size` more bytes.
    fn has_room(&self, size: usize, most: LogBounds) -> bool {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        self.entries < most.items && self.bytes.saturating_add(size) <= most.bytes
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

    fn founded_by(&self, node: &NodeId) -> Founded {
        self.founders.get(node).copied().unwrap_or_default()
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
        let trace = Trace::of(asked.node, ItemKind::Control, &entry);
        let seen = |log: &Log| log.seen(&trace);
        if let Some(seq) = self.logs.get(&log).and_then(seen) {
            self.appended(asked, seq);
            return Ok(());
        }
        if !self.logs.hub_has_room(entry.len(), self.config.total) {
            return Err(RefusalCode::Full.plain());
        }
        let (number, change) = match self.channels.get(&group) {
            Some(_) => self.apply(group, &entry)?,
            None => (0, self.create(asked, group, &entry)?),
        };
        self.write(Write::Control { group, seq: number, entry: entry.to_vec() });
        if let Membership::In(node) = change {
            self.join(group, node);
        }
        if matches!(change, Membership::Named | Membership::Over) {
            self.name_room(group);
        }
        let seq = self.keep(asked, log, ItemKind::Control, (entry, trace));
        self.dismiss(group, change, seq);
        Ok(())
    }

    /// Sends a page of a group's control log: to members, to those still reading their own removal,
    /// to holders of an invite link, and, of the lobby, to everybody, since everybody may join it.
    /// One who is out gets what comes up to there, whenever it asks: a node restored from a copy
    /// may not know it any more.
    pub(super) fn read_control(&mut self, asked: Asked, body: &ReadControl) -> Result<(), Refusal> {
        let ReadControl { group, from, .. } = *body;
        let control = self.channels.get(&group).ok_or(RefusalCode::NoSuchGroup.plain())?;
        let end = control.seq() + 1;
        let log = self.logs.get(&LogId::Channel(group));
        let reads = log.is_some_and(|log| log.readers.get(&asked.node).is_some());
        let pass = |pass: Pass| {
            let Pass { key, proof } = pass;
            control.may(&asked.node, &Op::UseInvite { key, proof, account: None }, asked.at)
        };
        let all = reads || control.roster().is_member(&asked.node) || group == self.lobby;
        let all = all || body.pass.is_some_and(|held| pass(held).is_ok());
        let left = control.roster().left_at(&asked.node).filter(|left| from <= *left);
        let (total, most) = match left {
            _ if all => (end, PAGE),
            Some(left) => (left + 1, (left + 1 - from).min(PAGE)),
            None => return Err(RefusalCode::NotAMember.plain()),
        };
        self.charge_read(asked, total.saturating_sub(from).min(PAGE))?;
        let Asked { conn, req, .. } = asked;
        self.batch.out.push_back(Command::LoadControl { conn, req, group, from, most, total });
        Ok(())
    }

    /// Charges a page of `count` control entries to whoever asks and to the batch, which holds all
    /// pages it reads at once.
    fn charge_read(&mut self, asked: Asked, count: u64) -> Result<(), Refusal> {
        let later = |wait| {
            let code = RefusalCode::TooFast;
            Refusal { code, about: None, retry_after: Some(wait) }
        };
        let read = self.batch.control_read.saturating_add(count);
        if read > CONTROL_READ_PER_BATCH {
            return Err(later(CONTROL_READ_PAUSE));
        }
        let cost = count.saturating_mul(CONTROL_READ_COST);
        self.quotas.charge_bytes(asked.node, cost, asked.at).map_err(later)?;
        self.batch.control_read = read;
        Ok(())
    }

    /// Takes an entry into the control log it is for: its number there, and what it means.
    fn apply(&mut self, group: GroupId, entry: &[u8]) -> Result<(u64, Membership), Refusal> {
        if group == self.lobby {
            self.may_enter(entry)?;
        } else {
            self.may_grow(group, entry)?;
        }
        let control = self.channels.by_group.get_mut(&group);
        let control = control.ok_or(RefusalCode::NoSuchGroup.plain())?;
        let Applied { seq, author, change, .. } = control.apply(entry).map_err(refusal)?;
        if let Some(payer) = self.channels.get(&group).map(|log| self.channels.payer(log)) {
            self.channels.note_entry(payer, entry.len());
        }
        Ok((seq, Membership::of(author, &change)))
    }

    /// Control entries are kept for good, so they have a bound of their own. What ends something
    /// that an earlier entry began is taken beyond it: somebody may have to be removed.
    fn may_grow(&self, group: GroupId, entry: &[u8]) -> Result<(), Refusal> {
        let payer = self.channels.get(&group).map(|log| self.channels.payer(log));
        let most = self.config.control_per_node;
        let over = |payer: &NodeId| self.channels.founded_by(payer).entries >= most;
        let about = payer.filter(over);
        if about.is_none() && self.channels.has_room(entry.len(), self.config.control) {
            return Ok(());
        }
        match Entry::read(entry).map_err(refusal)?.body.op {
            op if op.is_ending() => Ok(()),
            _ => Err(Refusal { code: RefusalCode::Full, about, retry_after: None }),
        }
    }

    /// The lobby is open to whom this hub admitted, not to any key somebody makes up; and nobody
    /// comes and goes until its log is used up.
    fn may_enter(&self, entry: &[u8]) -> Result<(), Refusal> {
        let EntryBody { author, op, .. } = Entry::read(entry).map_err(refusal)?.body;
        if !matches!(op, Op::Join { .. }) {
            return Ok(());
        }
        if !self.admitted.contains(&author) {
            return Err(RefusalCode::BadControl.plain());
        }
        let roster = self.channels.get(&self.lobby).map(ControlLog::roster);
        if roster.is_some_and(|roster| roster.memberships(&author) >= LOBBY_JOINS) {
            let about = Some(author);
            return Err(Refusal { code: RefusalCode::Full, about, retry_after: None });
        }
        Ok(())
    }

    /// Takes in a new group, or one that was lost here and that anybody brings back who has it: its
    /// founder may have left it, or gone for good.
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
        let closed = control.policy() == Policy::closed();
        let founder = control.founder();
        if !closed || control.is_lobby() {
            return Err(RefusalCode::BadControl.plain());
        }
        let founded = self.channels.founded_by(&asked.node);
        if founded.groups >= self.config.groups_per_node
            || founded.entries >= self.config.control_per_node
        {
            let about = Some(asked.node);
            return Err(Refusal { code: RefusalCode::Full, about, retry_after: None });
        }
        if !self.channels.has_room(entry.len(), self.config.control) {
            return Err(RefusalCode::Full.plain());
        }
        if founder != asked.node {
            self.channels.payers.insert(group, asked.node);
        }
        self.channels.insert(control, core::iter::once(entry.len()));
        Ok(Membership::In(founder))
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
            Membership::In(_) | Membership::Named | Membership::Same => Vec::new(),
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
    /// Nobody came or went, but settings changed.
    Named,
    Same,
}

impl Membership {
    fn of(author: NodeId, change: &Change) -> Self {
        match change {
            Change::Added { node, .. } => Self::In(*node),
            Change::Joined { .. } => Self::In(author),
            Change::Removed { node, .. } | Change::Banned { node, was_member: true, .. } => {
                Self::Out(*node)
            }
            Change::Left { .. } => Self::Out(author),
            Change::Closed => Self::Over,
            Change::Settings => Self::Named,
            Change::Created
            | Change::RoleSet { .. }
            | Change::Meta
            | Change::RekeyAll
            | Change::Banned { .. }
            | Change::Unbanned { .. }
            | Change::Invited { .. }
            | Change::Revoked { .. } => Self::Same,
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
