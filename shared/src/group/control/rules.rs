//! Who may do what: owner above admin above member.
//!
//! Invariant: no member changes the standing of another of the same or a higher rank. So two admins
//! who remove each other at the same time both fail, in whatever order a hub puts them.
//!
//! Leaving needs no leave. When the last owner leaves, the highest remaining rank inherits, and
//! within it whoever joined first. The founder of a lobby stands outside; it may remove members and
//! close.

use super::entry::{EntryBody, JoinPolicy, Op, Policy};
use super::error::{ControlError, Forbidden};
use crate::group::roster::{Role, Roster};
use crate::id::{Head, NodeId};
use crate::limits::{CONTROL_ENTRIES_MAX, MEMBERS_MAX};

/// Entries at a log's end that only going, removing and closing may use: enough for every member.
const LAST_ENTRIES: u64 = 1_025;

/// The state of a group after entry `at`, as the rules see it.
pub(super) struct View<'a> {
    pub(super) roster: &'a Roster,
    pub(super) at: u64,
    pub(super) members: usize,
    pub(super) policy: Policy,
    pub(super) steward: Option<NodeId>,
}

/// Whether a log of `seq` entries has room for one more that does `op`.
pub(super) fn check_room(seq: u64, op: &Op) -> Result<(), ControlError> {
    let closing = matches!(op, Op::Leave | Op::Remove { .. } | Op::Close);
    let room = if closing { CONTROL_ENTRIES_MAX } else { CONTROL_ENTRIES_MAX - LAST_ENTRIES };
    if seq < room { Ok(()) } else { Err(ControlError::LogFull) }
}

/// Whether a first entry has the form of one.
pub(super) fn check_genesis(
    body: &EntryBody,
    policy: Policy,
    author_is_member: bool,
) -> Result<(), ControlError> {
    if body.gid.is_some() || body.seq != 0 || body.prev != Head([0; 32]) {
        return Err(ControlError::BadGenesis("it claims to follow other entries"));
    }
    if policy.history != 0 {
        return Err(ControlError::UnknownPolicy);
    }
    if !author_is_member && policy.join == JoinPolicy::Closed {
        return Err(ControlError::BadGenesis("a closed group without a member stays empty"));
    }
    Ok(())
}

impl View<'_> {
    /// Whether `author` may do `op` in this state.
    pub(super) fn check(&self, author: &NodeId, op: &Op) -> Result<(), ControlError> {
        match op {
            Op::Create { .. } => Err(deny(author, Forbidden::CreateAgain)),
            Op::Unknown(tag) => Err(ControlError::UnknownOp(*tag)),
            Op::Join => self.check_join(author),
            Op::Remove { node, .. } => self.check_remove(author, node),
            Op::Add { node, role, .. } => self.check_add(author, node, *role),
            Op::SetRole { node, role } => self.check_set_role(author, node, *role),
            Op::Leave => self.at_least(author, Role::Member).map(drop),
            Op::Meta { .. } | Op::RekeyAll => self.at_least(author, Role::Admin).map(drop),
            Op::Close if self.is_steward(author) => Ok(()),
            Op::Close => self.at_least(author, Role::Owner).map(drop),
        }
    }

    fn check_join(&self, author: &NodeId) -> Result<(), ControlError> {
        if self.policy.join != JoinPolicy::Open {
            return Err(deny(author, Forbidden::ClosedGroup));
        }
        self.check_newcomer(author)
    }

    fn check_add(&self, author: &NodeId, node: &NodeId, role: Role) -> Result<(), ControlError> {
        let own = self.at_least(author, Role::Admin)?;
        if role > own {
            return Err(deny(author, Forbidden::RoleAboveOwn));
        }
        self.check_newcomer(node)
    }

    fn check_newcomer(&self, node: &NodeId) -> Result<(), ControlError> {
        if self.is_steward(node) {
            return Err(deny(node, Forbidden::Steward));
        }
        if self.role(node).is_some() {
            return Err(ControlError::AlreadyMember(*node));
        }
        if self.members >= MEMBERS_MAX { Err(ControlError::Full) } else { Ok(()) }
    }

    fn check_remove(&self, author: &NodeId, node: &NodeId) -> Result<(), ControlError> {
        if self.is_steward(author) {
            return self.role(node).map(drop).ok_or(ControlError::UnknownMember(*node));
        }
        let own = self.at_least(author, Role::Admin)?;
        self.check_below(author, own, node)
    }

    fn check_set_role(
        &self,
        author: &NodeId,
        node: &NodeId,
        role: Role,
    ) -> Result<(), ControlError> {
        let own = self.at_least(author, Role::Admin)?;
        self.check_below(author, own, node)?;
        if role > own { Err(deny(author, Forbidden::RoleAboveOwn)) } else { Ok(()) }
    }

    fn check_below(&self, author: &NodeId, own: Role, node: &NodeId) -> Result<(), ControlError> {
        match self.role(node) {
            None => Err(ControlError::UnknownMember(*node)),
            Some(theirs) if theirs >= own => Err(deny(author, Forbidden::TargetNotBelow)),
            Some(_) => Ok(()),
        }
    }

    fn at_least(&self, author: &NodeId, needed: Role) -> Result<Role, ControlError> {
        match self.role(author) {
            None => Err(deny(author, Forbidden::NotAMember)),
            Some(own) if own < needed => Err(deny(author, Forbidden::NeedsRole(needed))),
            Some(own) => Ok(own),
        }
    }

    fn role(&self, node: &NodeId) -> Option<Role> {
        self.roster.member_at(node, self.at).map(|m| m.role)
    }

    fn is_steward(&self, node: &NodeId) -> bool {
        self.steward == Some(*node)
    }
}

fn deny(author: &NodeId, why: Forbidden) -> ControlError {
    ControlError::NotAllowed { author: *author, why }
}
