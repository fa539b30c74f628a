//! Two histories of one group, and how they come together again.
//!
//! A hub that lost its store is given its logs back by whoever comes first, who may not know the
//! last of it; what is written then forks off what others know. A node that meets a branch it does
//! not know reads the hub's log from the beginning and, if it is sound, goes on in it: the hub
//! orders entries, so its branch is the one everybody can agree on.
//!
//! Invariant: nobody gains by a fork. Who was out in our branch, and whoever was let in by somebody
//! who had no right to in ours, is *shunned*: gets nothing from us until one who is not shunned has
//! written about them. What we ourselves wrote into the lost branch is wished for again.

use hubbub_shared::group::control::{Entry, Op};
use hubbub_shared::group::{ControlLog, Role};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::ToHub;
use hubbub_shared::wire::from_hub::ControlPage;
use hubbub_shared::wire::to_hub::ReadControl;

use super::Engine;
use super::link::Asked;
use super::record::{Key, control_key};
use super::wish::Wish;
use crate::api::ConversationId;

/// Entries of another branch that are looked at; a longer one is not believed.
const BRANCH: usize = 4_096;
/// A group's log is compared with its hub's at most this often.
const AGAIN: Millis = Millis::secs(20);

/// A hub's log on its way, compared with ours entry by entry.
pub(super) struct Comparison {
    /// When it began.
    at: Timestamp,
    /// The number of the first entry that differs, once one does.
    fork: Option<u64>,
    /// The hub's entries from there on.
    branch: Vec<Vec<u8>>,
}

impl Engine {
    /// An entry came that continues another history than ours: what does the hub have?
    pub(super) fn compare_log(&mut self, id: GroupId) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let lately = group.comparison.as_ref().is_some_and(|c| now.since(c.at) < AGAIN);
        if lately || !self.link.is_up() {
            return;
        }
        group.comparison = Some(Comparison { at: now, fork: None, branch: Vec::new() });
        self.compare_from(id, 0);
    }

    fn compare_from(&mut self, group: GroupId, from: u64) {
        let pass = self.pass(&group);
        self.ask(Asked::Compare(group), |req| {
            ToHub::ReadControl(ReadControl { req, group, from, pass })
        });
    }

    pub(super) fn compared(&mut self, id: GroupId, page: &ControlPage) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(comparison) = &mut group.comparison else { return };
        let mut next = page.from;
        for entry in &page.entries {
            let at = usize::try_from(next).unwrap_or(usize::MAX);
            let same = group.entries.get(at).is_some_and(|known| known == entry.as_slice());
            if comparison.fork.is_some() || !same {
                comparison.fork.get_or_insert(next);
                comparison.branch.push(entry.to_vec());
            }
            next = next.saturating_add(1);
        }
        if comparison.branch.len() > BRANCH {
            comparison.branch = Vec::new();
            return self.count("branch-too-long");
        }
        if next < page.total && !page.entries.is_empty() {
            return self.compare_from(id, next);
        }
        let branch = core::mem::take(&mut comparison.branch);
        if let Some(fork) = comparison.fork.take() {
            self.branch_read(id, fork, &branch);
        }
    }

    /// The hub's branch is here, whole.
    fn branch_read(&mut self, id: GroupId, fork: u64, branch: &[Vec<u8>]) {
        let Some(group) = self.groups.get(&id) else { return };
        let known = u64::try_from(group.entries.len()).unwrap_or(u64::MAX);
        if fork >= known {
            // It only goes on where ours ends.
            return self.read_up_to_now(id);
        }
        match self.let_in_wrongly(id, fork, branch) {
            Some(strangers) => self.change_over(id, (fork, branch), &strangers),
            None => self.count("branch-not-sound"),
        }
    }

    /// Who was let in by somebody who does not have that rank in our branch; none when the other
    /// one breaks a rule of its own.
    fn let_in_wrongly(&self, id: GroupId, fork: u64, branch: &[Vec<u8>]) -> Option<Vec<NodeId>> {
        let group = self.groups.get(&id)?;
        let (ours, fork) = (group.log.as_ref()?, usize::try_from(fork).ok()?);
        let (first, rest) = group.entries.get(..fork)?.split_first()?;
        let mut theirs = ControlLog::check_genesis(first, &id).ok()?;
        for entry in rest {
            theirs.apply(entry).ok()?;
        }
        let mut strangers = Vec::new();
        for bytes in branch {
            let by = |node: &NodeId| ours.roster().role(node) >= theirs.roster().role(node);
            let body = Entry::read(bytes).ok()?.body;
            match body.op {
                Op::Add { node, .. } if !by(&body.author) => strangers.push(node),
                Op::UseInvite { key, .. } if !theirs.invite(&key).is_some_and(|i| by(&i.by)) => {
                    strangers.push(body.author);
                }
                _ => {}
            }
            theirs.apply(bytes).ok()?;
        }
        Some(strangers)
    }

    /// Goes over to the hub's branch.
    fn change_over(
        &mut self,
        id: GroupId,
        (fork, branch): (u64, &[Vec<u8>]),
        strangers: &[NodeId],
    ) {
        let Ok(kept) = usize::try_from(fork) else { return };
        let Some(group) = self.groups.get_mut(&id) else { return };
        let lost = group.entries.split_off(kept.min(group.entries.len()));
        let mut entries = group.entries.iter();
        let mut log = entries.next().and_then(|first| ControlLog::check_genesis(first, &id).ok());
        for entry in entries {
            // They were applied before.
            log = log.and_then(|mut log| log.apply(entry).is_ok().then_some(log));
        }
        group.log = log;
        if let Some(outbound) = &mut group.outbound {
            outbound.renew = true;
        }
        for n in kept..kept.saturating_add(lost.len()) {
            self.touch(control_key(id, n));
        }
        self.touch(Key::Group(id));
        self.touch(Key::Outbound(id));
        self.count("branch-taken");
        let lost: Vec<Entry> = lost.iter().filter_map(|bytes| Entry::read(bytes).ok()).collect();
        self.shun(id, fork, &lost);
        for bytes in branch {
            self.take_entry(id, bytes, None);
        }
        for node in strangers {
            self.shun_one(id, *node, fork);
        }
        self.wish_again(id, &lost);
        self.say_group_anew(id);
        self.control_synced(id);
        self.changed(ConversationId::Group(id));
    }

    /// Who was out in our branch stays out for us, whatever the other one says, until it has an
    /// entry about them.
    fn shun(&mut self, id: GroupId, fork: u64, lost: &[Entry]) {
        for entry in lost {
            match entry.body.op {
                Op::Remove { node, .. } | Op::Ban { node, .. } => self.shun_one(id, node, fork),
                Op::Leave => self.shun_one(id, entry.body.author, fork),
                _ => {}
            }
        }
    }

    fn shun_one(&mut self, id: GroupId, node: NodeId, fork: u64) {
        let me = self.id();
        let Some(group) = self.groups.get_mut(&id) else { return };
        if node != me && group.facts.shunned.iter().all(|(shunned, _)| *shunned != node) {
            group.facts.shunned.push((node, fork));
        }
        if let Some(outbound) = &mut group.outbound {
            outbound.renew |= outbound.granted.remove(&node).is_some();
        }
        self.touch(Key::Group(id));
        self.touch(Key::Outbound(id));
    }

    /// The log has a word about somebody: it counts again, whatever it is, if who wrote it does.
    pub(super) fn shun_no_more(&mut self, id: GroupId, node: &NodeId, by: &NodeId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let counts = group.facts.shunned.iter().all(|(shunned, _)| shunned != by);
        let seq = group.log.as_ref().map_or(0, ControlLog::seq);
        if counts {
            group.facts.shunned.retain(|(shunned, _)| shunned != node);
        } else {
            self.shun_one(id, *node, seq);
        }
    }

    /// What we wrote into the lost branch is wished for again, and what others did there to keep
    /// somebody out, as far as it is ours to do.
    fn wish_again(&mut self, id: GroupId, lost: &[Entry]) {
        let me = self.id();
        let role = self.groups.get(&id).and_then(|group| group.role(&me));
        for entry in lost {
            let ours = entry.body.author == me;
            let wish = match &entry.body.op {
                Op::Remove { node, .. } if ours || role >= Some(Role::Admin) => Wish::Remove(*node),
                Op::Ban { node, .. } if ours || role >= Some(Role::Admin) => Wish::Ban(*node),
                Op::SetRole { node, role: to } if ours || role == Some(Role::Owner) => {
                    Wish::Role(*node, *to)
                }
                Op::Add { node, via, .. } if ours => Wish::Add(*node, *via),
                Op::Unban { node } if ours => Wish::Unban(*node),
                Op::Meta { .. } if ours => Wish::Describe { name: None, topic: None },
                Op::Set(settings) if ours => Wish::Set(super::doors::whole(settings)),
                Op::Invite { key, uses, expires, ct } if ours => {
                    let (key, uses, expires, ct) = (*key, *uses, *expires, ct.clone());
                    Wish::Invite { key, uses, expires, ct }
                }
                Op::Revoke { key } if ours => Wish::Revoke(*key),
                Op::UseInvite { key, proof, .. } if ours => {
                    Wish::UseInvite { key: *key, proof: *proof }
                }
                Op::Leave if ours => Wish::Leave,
                _ => continue,
            };
            self.wish(id, wish, None);
        }
    }
}
