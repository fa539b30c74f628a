//! Who belongs to a group, now and at every point of its history.
//!
//! Invariant: nothing is forgotten. For any past entry `n` the roster answers who was a member in
//! the state after `n` and with which role, so a message labelled with an old epoch is judged by
//! that epoch. Its size is bounded by the log's own cap: one entry changes at most two members.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// A member's rank, lowest first (PROTOCOL.md, Membership). On the wire: 1 member, 2 admin, 3
/// owner; 0 is kept for guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Role {
    /// Reads and writes.
    Member,
    /// Also adds and removes members and names the group.
    Admin,
    /// Also makes admins and owners and closes the group.
    Owner,
}

impl Role {
    /// The word people see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl From<Role> for u8 {
    fn from(role: Role) -> Self {
        match role {
            Role::Member => 1,
            Role::Admin => 2,
            Role::Owner => 3,
        }
    }
}

impl TryFrom<u8> for Role {
    type Error = &'static str;
    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::Member),
            2 => Ok(Self::Admin),
            3 => Ok(Self::Owner),
            _ => Err("a role is 1 (member), 2 (admin) or 3 (owner) in this version"),
        }
    }
}

/// One member as of some entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub node: NodeId,
    /// With which rank.
    pub role: Role,
    /// The entry that let this member in, the last time.
    pub joined: u64,
}

/// A stretch of one membership with one role: entries `[from, until)`, open while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    role: Role,
    joined: u64,
    from: u64,
    until: Option<u64>,
}

impl Span {
    fn covers(&self, seq: u64) -> bool {
        self.from <= seq && self.until.is_none_or(|until| seq < until)
    }
}

/// Entries after which keys from before them must not be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    seq: u64,
    removal: bool,
}

/// All members of a group and all there ever were (PROTOCOL.md, Membership).
///
/// "At `seq`" always means the state after entry `seq` was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    spans: BTreeMap<NodeId, Vec<Span>>,
    cuts: Vec<Cut>,
    present: usize,
}

impl Roster {
    /// Members now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.present
    }

    /// Whether everybody has left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// Whether `node` is a member now.
    #[must_use]
    pub fn is_member(&self, node: &NodeId) -> bool {
        self.member(node).is_some()
    }

    /// The rank of `node` now; `None` when it is no member.
    #[must_use]
    pub fn role(&self, node: &NodeId) -> Option<Role> {
        self.member(node).map(|m| m.role)
    }

    /// `node` as a member now.
    #[must_use]
    pub fn member(&self, node: &NodeId) -> Option<Member> {
        let span = self.spans.get(node)?.last().filter(|s| s.until.is_none())?;
        Some(Member { node: *node, role: span.role, joined: span.joined })
    }

    /// Everybody who is a member now, by key.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        self.spans.keys().filter_map(|node| self.member(node))
    }

    /// `node` as a member at `seq`.
    #[must_use]
    pub fn member_at(&self, node: &NodeId, seq: u64) -> Option<Member> {
        let span = self.spans.get(node)?.iter().rev().find(|s| s.covers(seq))?;
        Some(Member { node: *node, role: span.role, joined: span.joined })
    }

    /// Whether `node` was a member at `seq`.
    #[must_use]
    pub fn was_member(&self, node: &NodeId, seq: u64) -> bool {
        self.member_at(node, seq).is_some()
    }

    /// Whether `node` was a member at any entry before `seq`.
    #[must_use]
    pub fn was_member_before(&self, node: &NodeId, seq: u64) -> bool {
        self.spans.get(node).and_then(|spans| spans.first()).is_some_and(|first| first.from < seq)
    }

    /// Everybody who was a member at `seq`, by key.
    pub fn members_at(&self, seq: u64) -> impl Iterator<Item = Member> + '_ {
        self.spans.keys().filter_map(move |node| self.member_at(node, seq))
    }

    /// How often `node` was let in.
    #[must_use]
    pub fn memberships(&self, node: &NodeId) -> usize {
        let spans = self.spans.get(node).into_iter().flatten();
        spans.filter(|span| span.from == span.joined).count()
    }

    /// The entry that ended `node`'s last membership; `None` while it is a member or never was one.
    #[must_use]
    pub fn left_at(&self, node: &NodeId) -> Option<u64> {
        self.spans.get(node)?.last()?.until
    }

    /// Whether anybody was removed or left in the entries `(after, upto]`.
    #[must_use]
    pub fn removed_between(&self, after: u64, upto: u64) -> bool {
        self.cuts_in(after, upto).iter().any(|cut| cut.removal)
    }

    /// Whether the entries `(after, upto]` hold a removal, a leave or a call for new keys: a sender
    /// chain born at `after` is then over at `upto`.
    #[must_use]
    pub fn cut_between(&self, after: u64, upto: u64) -> bool {
        !self.cuts_in(after, upto).is_empty()
    }

    fn cuts_in(&self, after: u64, upto: u64) -> &[Cut] {
        let start = self.cuts.partition_point(|cut| cut.seq <= after);
        let end = self.cuts.partition_point(|cut| cut.seq <= upto);
        self.cuts.get(start..end).unwrap_or(&[])
    }

    /// Lets `node` in. The caller has checked that it is not a member.
    pub(super) fn admit(&mut self, node: NodeId, role: Role, seq: u64) {
        let span = Span { role, joined: seq, from: seq, until: None };
        self.spans.entry(node).or_default().push(span);
        self.present += 1;
    }

    /// Ends `node`'s membership; nothing happens when it has none.
    pub(super) fn dismiss(&mut self, node: &NodeId, seq: u64) {
        if self.end_span(node, seq).is_some() {
            self.cuts.push(Cut { seq, removal: true });
            self.present -= 1;
        }
    }

    /// Gives a member another rank; nothing happens when it is no member.
    pub(super) fn rank(&mut self, node: &NodeId, role: Role, seq: u64) {
        if let Some(old) = self.end_span(node, seq) {
            let span = Span { role, from: seq, ..old };
            self.spans.entry(*node).or_default().push(span);
        }
    }

    /// Notes that keys from before `seq` are over.
    pub(super) fn rekey(&mut self, seq: u64) {
        self.cuts.push(Cut { seq, removal: false });
    }

    /// Who becomes owner when none is left: the highest rank, and of those the one who joined
    /// first. No two members share a joining entry, so this is the same member for everybody.
    pub(super) fn successor(&self) -> Option<Member> {
        self.members().max_by(|a, b| a.role.cmp(&b.role).then(b.joined.cmp(&a.joined)))
    }

    fn end_span(&mut self, node: &NodeId, seq: u64) -> Option<Span> {
        let span = self.spans.get_mut(node)?.last_mut().filter(|s| s.until.is_none())?;
        let open = *span;
        span.until = Some(seq);
        Some(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);
    const CAROL: NodeId = NodeId([3; 32]);

    fn sample() -> Roster {
        let mut roster = Roster::default();
        roster.admit(ALICE, Role::Owner, 0);
        roster.admit(BOB, Role::Member, 1);
        roster.rank(&BOB, Role::Admin, 3);
        roster.dismiss(&BOB, 5);
        roster.admit(BOB, Role::Member, 8);
        roster
    }

    #[test]
    fn every_past_state_can_be_asked() {
        let roster = sample();
        let role_at = |seq| roster.member_at(&BOB, seq).map(|m| m.role);
        assert_eq!(role_at(0), None);
        assert_eq!(role_at(2), Some(Role::Member));
        assert_eq!(role_at(4), Some(Role::Admin));
        assert_eq!((role_at(5), role_at(7)), (None, None));
        assert_eq!(roster.member(&BOB).map(|m| m.joined), Some(8));
        assert!(!roster.was_member_before(&BOB, 1) && roster.was_member_before(&BOB, 8));
        assert_eq!(roster.members_at(6).map(|m| m.node).collect::<Vec<_>>(), [ALICE]);
        assert_eq!(roster.len(), 2);
    }

    #[test]
    fn a_removal_counts_from_its_own_entry_on() {
        let mut roster = sample();
        assert!(roster.removed_between(4, 5));
        assert!(!roster.removed_between(5, 8));
        assert!(!roster.removed_between(0, 4));
        roster.rekey(9);
        assert!(roster.cut_between(8, 9) && !roster.removed_between(8, 9));
    }

    #[test]
    fn the_highest_rank_then_the_oldest_membership_inherits() {
        let mut roster = sample();
        roster.admit(CAROL, Role::Member, 9);
        roster.dismiss(&ALICE, 10);
        assert_eq!(roster.successor().map(|m| m.node), Some(BOB));
        roster.rank(&CAROL, Role::Admin, 11);
        assert_eq!(roster.successor().map(|m| m.node), Some(CAROL));
    }
}
