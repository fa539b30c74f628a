//! What all members of a group must agree on in the end, and whether everybody in it came in by a
//! door that somebody opened for them.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_node::api::ConversationId;
use hubbub_shared::group::{ControlLog, Op};
use hubbub_shared::id::{GroupId, Head, NodeId};

use crate::world::World;

/// How somebody may come into a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    /// Somebody who may adds them.
    Invited,
    /// They know a passphrase that the group has or had.
    Passphrase,
    /// They asked, and somebody said yes.
    Request,
    /// They hold an invite link.
    Link,
}

/// Who had a right to come in by which door: all that people did, granted or not.
pub(crate) type Admitted = BTreeSet<(GroupId, Door, NodeId)>;

/// The log that all who belong to a group have, if they do; none when nobody does.
pub(crate) fn agreed<'a>(
    world: &'a World,
    group: &GroupId,
) -> Result<Option<&'a ControlLog>, String> {
    let mut heads = BTreeMap::new();
    for who in (0..world.devices.len()).filter(|who| is_active(world, *who, group)) {
        let log = world.holdings.log_of(&world.devices[who].disk, group).unwrap();
        heads.entry(log.head()).or_insert((world.devices[who].name, log));
    }
    let mut logs = heads.values();
    match (logs.next(), logs.next()) {
        (Some((one, ours)), Some((other, theirs))) => {
            let ends = (ours.seq(), theirs.seq());
            Err(format!("{one} and {other} have other histories, which end in {ends:?}"))
        }
        (first, _) => Ok(first.map(|(_, log)| *log)),
    }
}

/// Whether a device belongs to a group, as it sees it.
pub(crate) fn is_active(world: &World, who: usize, group: &GroupId) -> bool {
    let facts = world.engine(who).conversation_facts(ConversationId::Group(*group));
    facts.is_some_and(|facts| facts.active)
}

/// Whether the members of a group agree on everything about it.
pub(crate) fn check(world: &World, group: &GroupId) -> Result<(), String> {
    let Some(log) = agreed(world, group)? else { return Ok(()) };
    let mut views: BTreeMap<String, &str> = BTreeMap::new();
    for (who, device) in world.devices.iter().enumerate() {
        let (name, belongs) = (device.name, log.roster().is_member(&world.id(who)));
        if belongs != is_active(world, who, group) {
            return Err(format!("{name} does not know: a member is {belongs}"));
        }
        if belongs {
            views.insert(view(world, who, group), name);
        }
    }
    if views.len() > 1 { Err(format!("they see it differently: {views:#?}")) } else { Ok(()) }
}

/// What a person sees of a group, but for names of people, and for invite links: what is left of
/// their time is each one's own clock's affair, and the rest of them follows from the log.
fn view(world: &World, who: usize, group: &GroupId) -> String {
    let engine = world.engine(who);
    let facts = engine.conversation_facts(ConversationId::Group(*group)).unwrap();
    let members = engine.members(group).into_iter();
    let members: BTreeMap<NodeId, _> = members.map(|m| (m.person.node.0, m.role)).collect();
    let doors = engine.doors(group).unwrap();
    let rules = (doors.posting, doors.adding, doors.history, doors.passphrase, doors.requests);
    let banned: Vec<NodeId> = doors.banned.iter().map(|person| person.node.0).collect();
    let named = (facts.title, facts.topic, doors.alias);
    format!("{named:?} {rules:?} banned {banned:?} members {members:?}")
}

/// Whether every entry of every branch that lets somebody in had a reason in what people did.
pub(crate) fn doors(world: &World, admitted: &Admitted) -> Result<(), String> {
    for entry in world.holdings.entries() {
        let (door, node) = match entry.op {
            Op::Add { node, via: 2, .. } => (Door::Passphrase, node),
            Op::Add { node, via: 4, .. } => (Door::Request, node),
            Op::Add { node, .. } => (Door::Invited, node),
            Op::UseInvite { .. } => (Door::Link, entry.author),
            _ => continue,
        };
        let Some(gid) = entry.gid else { continue };
        if !admitted.contains(&(gid, door, node)) {
            return Err(format!("{node:?} came in by {door:?}, which nobody opened"));
        }
    }
    Ok(())
}

/// Whether `who` was a member all the time since an epoch; none when the group's history is
/// another than the epoch's.
pub(crate) fn stayed(log: &ControlLog, who: &NodeId, epoch: (Head, u64)) -> Option<bool> {
    let (head, seq) = epoch;
    (log.head_at(seq) == Some(head))
        .then(|| (seq..=log.seq()).all(|at| log.roster().was_member(who, at)))
}
