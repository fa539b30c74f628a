//! Who may do what: owner above admin above member.
//!
//! Invariant: no member changes the standing of another of the same or a higher rank. So two admins
//! who remove each other at the same time both fail, in whatever order a hub puts them.
//!
//! Leaving needs no leave. When the last owner leaves, the highest remaining rank inherits, and
//! within it whoever joined first. The founder of a lobby stands outside; it may remove and ban
//! members and close.
//!
//! Who may let others in is a setting. An invite link is its maker's hand held out: it lets nobody
//! in whom the maker could not let in at that moment.

use super::doors::Doors;
use super::entry::EntryBody;
use super::error::{ControlError, Forbidden};
use super::op::{JoinPolicy, Op, Policy};
use super::settings::{Settings, Who};
use crate::crypto::identity::is_usable_key;
use crate::crypto::{Label, verify};
use crate::group::roster::{Role, Roster};
use crate::id::{AccountId, GroupId, Head, NodeId, Signature};
use crate::limits::{CONTROL_ENTRIES_MAX, MEMBERS_MAX};
use crate::time::Timestamp;

/// Entries at a log's end that only what ends something may use: enough for every member, every
/// link and the end itself.
const LAST_ENTRIES: u64 = 1_089;

/// The state of a group after entry `at`, as the rules see it.
pub(super) struct View<'a> {
    pub(super) gid: GroupId,
    pub(super) roster: &'a Roster,
    pub(super) doors: &'a Doors,
    pub(super) at: u64,
    pub(super) members: usize,
    pub(super) policy: Policy,
    pub(super) steward: Option<NodeId>,
}

/// Whether a log of `seq` entries has room for one more that does `op`.
pub(super) fn check_room(seq: u64, op: &Op) -> Result<(), ControlError> {
    let room =
        if op.is_ending() { CONTROL_ENTRIES_MAX } else { CONTROL_ENTRIES_MAX - LAST_ENTRIES };
    if seq < room { Ok(()) } else { Err(ControlError::LogFull) }
}

/// Whether a first entry has the form of one.
pub(super) fn check_genesis(
    body: &EntryBody,
    policy: Policy,
    author_is_member: bool,
    account: Option<AccountId>,
) -> Result<(), ControlError> {
    no_account(account)?;
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
    /// Whether `author` may do `op` in this state; `ts` is when it says it does.
    pub(super) fn check(
        &self,
        author: &NodeId,
        op: &Op,
        ts: Timestamp,
    ) -> Result<(), ControlError> {
        match op {
            Op::Create { .. } => Err(deny(author, Forbidden::CreateAgain)),
            Op::Unknown(tag) => Err(ControlError::UnknownOp(*tag)),
            Op::Join { account } => self.check_join(author, *account),
            Op::Remove { node, .. } => self.check_remove(author, node),
            Op::Add { node, account, role, .. } => {
                no_account(*account)?;
                self.check_add(author, node, *role)
            }
            Op::SetRole { node, role } => self.check_set_role(author, node, *role),
            Op::Leave => self.at_least(author, Role::Member).map(drop),
            Op::Meta { .. } | Op::RekeyAll => self.at_least(author, Role::Admin).map(drop),
            Op::Close if self.is_steward(author) => Ok(()),
            Op::Close => self.at_least(author, Role::Owner).map(drop),
            Op::Invite { key, uses, .. } => self.check_invite(author, key, *uses),
            Op::Revoke { key } => self.check_revoke(author, key),
            Op::UseInvite { key, proof, account } => {
                no_account(*account)?;
                self.check_use(author, (key, proof), ts)
            }
            Op::Ban { node, .. } => self.check_ban(author, node),
            Op::Unban { node } => self.check_unban(author, node),
            Op::Set(settings) => self.check_set(author, settings),
        }
    }

    /// Whether `node` may let others in.
    pub(super) fn may_add(&self, node: &NodeId) -> bool {
        self.may_let_in(node).is_ok()
    }

    fn check_join(&self, author: &NodeId, account: Option<AccountId>) -> Result<(), ControlError> {
        no_account(account)?;
        if self.policy.join != JoinPolicy::Open {
            return Err(deny(author, Forbidden::ClosedGroup));
        }
        self.check_newcomer(author)
    }

    fn check_add(&self, author: &NodeId, node: &NodeId, role: Role) -> Result<(), ControlError> {
        let own = self.may_let_in(author)?;
        if role > own {
            return Err(deny(author, Forbidden::RoleAboveOwn));
        }
        self.check_newcomer(node)
    }

    fn may_let_in(&self, node: &NodeId) -> Result<Role, ControlError> {
        let anybody = self.settings().is_some_and(|settings| settings.adding == Who::Members);
        self.at_least(node, if anybody { Role::Member } else { Role::Admin })
    }

    fn check_invite(&self, author: &NodeId, key: &NodeId, uses: u16) -> Result<(), ControlError> {
        self.may_let_in(author)?;
        if uses == 0 || !is_usable_key(key) {
            return Err(ControlError::BadInvite);
        }
        if self.doors.has_room_at(key, self.at) { Ok(()) } else { Err(ControlError::InvitesFull) }
    }

    fn check_revoke(&self, author: &NodeId, key: &NodeId) -> Result<(), ControlError> {
        let own = self.at_least(author, Role::Member)?;
        let invite = self.doors.open_invite_at(key, self.at).ok_or(ControlError::NoInvite)?;
        if invite.by == *author || own >= Role::Admin {
            return Ok(());
        }
        Err(deny(author, Forbidden::NeedsRole(Role::Admin)))
    }

    fn check_use(
        &self,
        author: &NodeId,
        (key, proof): (&NodeId, &Signature),
        ts: Timestamp,
    ) -> Result<(), ControlError> {
        let invite = self.doors.open_invite_at(key, self.at).ok_or(ControlError::NoInvite)?;
        if ts > invite.expires || !self.may_add(&invite.by) {
            return Err(ControlError::NoInvite);
        }
        let said = [&self.gid.0[..], &key.0, &author.0];
        verify(key, Label::InviteUse, &said, proof).map_err(|_| ControlError::BadInvite)?;
        self.check_newcomer(author)
    }

    fn check_ban(&self, author: &NodeId, node: &NodeId) -> Result<(), ControlError> {
        if self.doors.is_banned_at(node, self.at) {
            return Err(ControlError::Banned(*node));
        }
        if self.is_steward(author) && author != node {
            return Ok(());
        }
        let own = self.at_least(author, Role::Admin)?;
        match self.role(node) {
            Some(theirs) if theirs >= own => Err(deny(author, Forbidden::TargetNotBelow)),
            _ if self.is_steward(node) => Err(deny(node, Forbidden::Steward)),
            _ => Ok(()),
        }
    }

    fn check_unban(&self, author: &NodeId, node: &NodeId) -> Result<(), ControlError> {
        if !self.is_steward(author) {
            self.at_least(author, Role::Admin)?;
        }
        if self.doors.is_banned_at(node, self.at) {
            Ok(())
        } else {
            Err(ControlError::NotBanned(*node))
        }
    }

    fn check_set(&self, author: &NodeId, settings: &Settings) -> Result<(), ControlError> {
        self.at_least(author, Role::Admin)?;
        if settings.is_sound() { Ok(()) } else { Err(ControlError::BadSettings) }
    }

    fn settings(&self) -> Option<&Settings> {
        self.doors.settings_at(self.at)
    }

    fn check_newcomer(&self, node: &NodeId) -> Result<(), ControlError> {
        if self.is_steward(node) {
            return Err(deny(node, Forbidden::Steward));
        }
        if self.role(node).is_some() {
            return Err(ControlError::AlreadyMember(*node));
        }
        if self.doors.is_banned_at(node, self.at) {
            return Err(ControlError::Banned(*node));
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
        if author == node {
            return self.check_step_down(author, role);
        }
        let own = self.at_least(author, Role::Admin)?;
        self.check_below(author, own, node)?;
        if role > own { Err(deny(author, Forbidden::RoleAboveOwn)) } else { Ok(()) }
    }

    /// Anybody may lower the own rank, but a group keeps an owner.
    fn check_step_down(&self, author: &NodeId, role: Role) -> Result<(), ControlError> {
        let own = self.at_least(author, Role::Admin)?;
        if role >= own {
            return Err(deny(author, Forbidden::TargetNotBelow));
        }
        let owners = || self.roster.members_at(self.at).filter(|m| m.role == Role::Owner).count();
        if own == Role::Owner && owners() < 2 {
            return Err(deny(author, Forbidden::LastOwner));
        }
        Ok(())
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

/// Accounts are for later versions: an entry that names one is not half understood.
fn no_account(account: Option<AccountId>) -> Result<(), ControlError> {
    account.map_or(Ok(()), |_| Err(ControlError::UnknownAccount))
}

fn deny(author: &NodeId, why: Forbidden) -> ControlError {
    ControlError::NotAllowed { author: *author, why }
}
