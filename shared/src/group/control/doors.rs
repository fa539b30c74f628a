//! The ways into a group, and who is kept out: settings, invite links, bans, at every point of the
//! log's history.
//!
//! Invariant: nothing is forgotten, as in the roster, so that an entry that forks off the past is
//! judged by what held there. Its size is bounded by the log's own cap.

use std::collections::BTreeMap;

use super::op::Op;
use super::settings::{Settings, Who};
use super::{Change, ControlLog};
use crate::group::roster::Role;
use crate::id::NodeId;
use crate::limits::INVITES_MAX;
use crate::time::Timestamp;

/// An invite link as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Who made it. It is good only while that member may let people in.
    pub by: NodeId,
    /// How many may come in by it.
    pub uses: u16,
    /// Until when.
    pub expires: Timestamp,
    /// What it opens, sealed under the link's secret.
    pub package: Vec<u8>,
    made: u64,
    revoked: Option<u64>,
    used: Vec<u64>,
}

impl Invite {
    /// How many may still come in by it.
    #[must_use]
    pub fn left(&self) -> u16 {
        self.left_at(u64::MAX)
    }

    /// The entry that made it.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    fn left_at(&self, seq: u64) -> u16 {
        let used = self.used.partition_point(|at| *at <= seq);
        self.uses.saturating_sub(u16::try_from(used).unwrap_or(u16::MAX))
    }

    fn is_open_at(&self, seq: u64) -> bool {
        self.made <= seq && self.revoked.is_none_or(|at| seq < at) && self.left_at(seq) > 0
    }
}

/// A ban: entries `[from, until)`, open while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ban {
    from: u64,
    until: Option<u64>,
}

/// Settings, links and bans. "At `seq`" means the state after entry `seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Doors {
    settings: Vec<(u64, Settings)>,
    invites: BTreeMap<NodeId, Invite>,
    bans: BTreeMap<NodeId, Vec<Ban>>,
}

impl Doors {
    /// The settings in force at `seq`; none before the first were set.
    pub(super) fn settings_at(&self, seq: u64) -> Option<&Settings> {
        let at = self.settings.partition_point(|(from, _)| *from <= seq);
        self.settings.get(at.checked_sub(1)?).map(|(_, settings)| settings)
    }

    pub(super) fn set(&mut self, settings: Settings, seq: u64) {
        self.settings.push((seq, settings));
    }

    /// A link that is neither revoked nor used up at `seq`.
    pub(super) fn open_invite_at(&self, key: &NodeId, seq: u64) -> Option<&Invite> {
        self.invites.get(key).filter(|invite| invite.is_open_at(seq))
    }

    /// Whether another link may be made at `seq`, under this key.
    pub(super) fn has_room_at(&self, key: &NodeId, seq: u64) -> bool {
        let known = self.invites.get(key).is_some_and(|invite| invite.made <= seq);
        let open = self.invites.values().filter(|invite| invite.is_open_at(seq)).count();
        !known && open < INVITES_MAX
    }

    /// All links ever made, by key.
    pub(super) fn invites(&self) -> impl Iterator<Item = (&NodeId, &Invite)> {
        self.invites.iter()
    }

    pub(super) fn invite(&mut self, key: NodeId, invite: Invite) {
        self.invites.insert(key, invite);
    }

    pub(super) fn revoke(&mut self, key: &NodeId, seq: u64) {
        if let Some(invite) = self.invites.get_mut(key) {
            invite.revoked = Some(seq);
        }
    }

    pub(super) fn note_use(&mut self, key: &NodeId, seq: u64) {
        if let Some(invite) = self.invites.get_mut(key) {
            invite.used.push(seq);
        }
    }

    pub(super) fn is_banned_at(&self, node: &NodeId, seq: u64) -> bool {
        let bans = self.bans.get(node).into_iter().flatten();
        bans.into_iter().any(|ban| ban.from <= seq && ban.until.is_none_or(|until| seq < until))
    }

    /// Who is kept out at `seq`, by key.
    pub(super) fn banned_at(&self, seq: u64) -> impl Iterator<Item = NodeId> + '_ {
        self.bans.keys().filter(move |node| self.is_banned_at(node, seq)).copied()
    }

    pub(super) fn ban(&mut self, node: NodeId, seq: u64) {
        self.bans.entry(node).or_default().push(Ban { from: seq, until: None });
    }

    pub(super) fn unban(&mut self, node: &NodeId, seq: u64) {
        if let Some(ban) = self.bans.get_mut(node).and_then(|bans| bans.last_mut()) {
            ban.until = Some(seq);
        }
    }
}

impl Invite {
    /// A link made by entry `made`.
    pub(super) fn new(
        by: NodeId,
        (uses, expires): (u16, Timestamp),
        package: Vec<u8>,
        made: u64,
    ) -> Self {
        Self { by, uses, expires, package, made, revoked: None, used: Vec::new() }
    }
}

impl ControlLog {
    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings_at(self.seq())
    }

    /// The settings in force after entry `seq`.
    #[must_use]
    pub fn settings_at(&self, seq: u64) -> Settings {
        self.doors.settings_at(seq).cloned().unwrap_or_default()
    }

    /// Whether a message `node` seals under entry `seq` counts: everybody's, or those of admins.
    #[must_use]
    pub fn may_post_at(&self, node: &NodeId, seq: u64) -> bool {
        let all = self.doors.settings_at(seq).is_none_or(|s| s.posting == Who::Members);
        let member = self.roster.member_at(node, seq);
        member.is_some_and(|member| all || member.role >= Role::Admin)
    }

    /// Whether `node` could post at some time at which `reader` was a member, too: then a message
    /// of its own that comes late may be from that time.
    #[must_use]
    pub fn could_post(&self, node: &NodeId, reader: &NodeId) -> bool {
        let both = |at: &u64| self.roster.was_member(reader, *at);
        (0..=self.seq()).rev().filter(both).any(|at| self.may_post_at(node, at))
    }

    /// Whether `node` may let others in now.
    #[must_use]
    pub fn may_add(&self, node: &NodeId) -> bool {
        !self.closed && self.view(self.seq()).may_add(node)
    }

    /// The invite link of this key, whatever has become of it.
    #[must_use]
    pub fn invite(&self, key: &NodeId) -> Option<&Invite> {
        self.invites().find(|(known, _)| *known == key).map(|(_, invite)| invite)
    }

    /// Invite links that are neither revoked nor used up, by key. Their time may be over.
    pub fn open_invites(&self) -> impl Iterator<Item = (&NodeId, &Invite)> {
        let seq = self.seq();
        self.invites().filter(move |(_, invite)| invite.is_open_at(seq))
    }

    /// Whether the link of this key is neither revoked nor used up.
    #[must_use]
    pub fn is_open(&self, key: &NodeId) -> bool {
        self.doors.open_invite_at(key, self.seq()).is_some()
    }

    /// All invite links ever made, by key.
    pub fn invites(&self) -> impl Iterator<Item = (&NodeId, &Invite)> {
        self.doors.invites()
    }

    /// Whether `node` is kept out.
    #[must_use]
    pub fn is_banned(&self, node: &NodeId) -> bool {
        self.doors.is_banned_at(node, self.seq())
    }

    /// Who is kept out, by key.
    pub fn banned(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.doors.banned_at(self.seq())
    }

    /// Carries out what concerns settings, links and bans.
    pub(super) fn change_doors(&mut self, op: &Op, author: NodeId, seq: u64) -> Change {
        match op {
            Op::Set(settings) => {
                self.doors.set(settings.clone(), seq);
                Change::Settings
            }
            Op::Invite { key, uses, expires, ct } => {
                let invite = Invite::new(author, (*uses, *expires), ct.to_vec(), seq);
                self.doors.invite(*key, invite);
                Change::Invited { key: *key }
            }
            Op::Revoke { key } => {
                self.doors.revoke(key, seq);
                Change::Revoked { key: *key }
            }
            Op::UseInvite { key, .. } => {
                let invited_by = self.invite(key).map(|invite| invite.by);
                self.doors.note_use(key, seq);
                self.roster.admit(author, Role::Member, seq);
                Change::Joined { invited_by }
            }
            Op::Ban { node, code } => {
                let was_member = self.roster.is_member(node);
                self.roster.dismiss(node, seq);
                self.doors.ban(*node, seq);
                Change::Banned { node: *node, code: *code, was_member }
            }
            Op::Unban { node } => {
                self.doors.unban(node, seq);
                Change::Unbanned { node: *node }
            }
            _ => Change::Created, // carried out above
        }
    }
}
