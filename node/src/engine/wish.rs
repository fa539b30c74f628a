//! Writing into a group's log: what is wanted, until it is so.
//!
//! What is to be written is a [`Wish`], kept until it is granted. One entry at a time is proposed,
//! after the log was read to its end; when another came first, the log is read on and the wish is
//! judged again.

use hubbub_shared::group::control::Forbidden;
use hubbub_shared::group::meta::{GroupMeta, seal_meta};
use hubbub_shared::group::{Change, ControlError, Op, Role};
use hubbub_shared::id::{GroupId, NodeId, Signature};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::to_hub::AppendControl;
use hubbub_shared::wire::{ByteBuf, Refusal, RefusalCode, ToHub};
use rand_core::Rng;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::alarm::Alarm;
use super::group::Facts;
use super::link::Asked;
use super::output::{Output, Ticket};
use super::record::Key;
use crate::api::error::from_refusal;
use crate::api::group::SettingsChange;
use crate::api::{ApiError, Code, Reply};

/// Wishes one group keeps.
const WISHES: usize = 1_100;

/// Something to be written into a group's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wish {
    /// And how they met, for people.
    Add(NodeId, u8),
    Remove(NodeId),
    Role(NodeId, Role),
    Describe {
        name: Option<String>,
        topic: Option<String>,
    },
    Leave,
    Join,
    Ban(NodeId),
    Unban(NodeId),
    Set(SettingsChange),
    /// That node becomes owner, and then we an admin.
    HandOver(NodeId),
    Invite {
        key: NodeId,
        uses: u16,
        expires: Timestamp,
        ct: ByteBuf,
    },
    Revoke(NodeId),
    UseInvite {
        key: NodeId,
        proof: Signature,
    },
}

/// The command that waits for a wish, and what it is told when the wish is granted.
pub(super) struct Asker {
    pub(super) ticket: Ticket,
    pub(super) reply: Reply,
}

impl Engine {
    /// Notes a wish; the command behind it is answered when it is granted or refused.
    pub(super) fn wish(&mut self, id: GroupId, wish: Wish, asker: Option<Asker>) {
        self.own.wishes = self.own.wishes.saturating_add(1);
        let number = self.own.wishes;
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.facts.wishes.len() >= WISHES {
            if let Some(asker) = asker {
                let error = ApiError::new(Code::Full, "too much is waiting for this group", "wait");
                self.out.push_back(Output::Answer(asker.ticket, Err(error)));
            }
            return;
        }
        group.facts.wishes.push((number, wish));
        if let Some(asker) = asker {
            group.askers.insert(number, asker);
        }
        self.touch(Key::Own);
        self.touch(Key::Group(id));
        self.work_on(id);
    }

    /// Reads on where the hub asked for patience, and proposes what waits.
    pub(super) fn work_on_groups(&mut self) {
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for id in groups {
            let unread = self.groups.get(&id).filter(|group| !group.synced);
            match unread.and_then(|group| group.not_before) {
                Some(at) if at > self.now => self.alarms.set(Alarm::Control, at),
                Some(_) => self.read_control(id),
                None => {}
            }
            self.work_on(id);
        }
    }

    /// Proposes the next wish of a group, when it is its turn.
    pub(super) fn work_on(&mut self, id: GroupId) {
        while let Some((number, wish)) = self.next_wish(id) {
            match self.op_for(id, &wish) {
                Ok(Some(op)) => return self.propose(id, op),
                Ok(None) => self.granted(id, number, Ok(())),
                Err(error) => self.granted(id, number, Err(error)),
            }
        }
    }

    fn next_wish(&mut self, id: GroupId) -> Option<(u64, Wish)> {
        if !self.link.is_up() {
            return None;
        }
        let group = self.groups.get_mut(&id)?;
        if group.proposed.is_some() || group.reading || !group.synced {
            return None;
        }
        if let Some(at) = group.not_before.filter(|at| *at > self.now) {
            self.alarms.set(Alarm::Control, at);
            return None;
        }
        group.facts.wishes.first().cloned()
    }

    /// The entry a wish needs now; none when it is granted already.
    fn op_for(&mut self, id: GroupId, wish: &Wish) -> Result<Option<Op>, ApiError> {
        let op = match wish {
            Wish::Add(node, via) => Op::add(*node, Role::Member, *via),
            Wish::Remove(node) => Op::Remove { node: *node, code: 0 },
            Wish::Role(node, role) => Op::SetRole { node: *node, role: *role },
            Wish::Leave => Op::Leave,
            Wish::Join => Op::join(),
            Wish::Ban(node) => Op::Ban { node: *node, code: 0 },
            Wish::Unban(node) => Op::Unban { node: *node },
            Wish::Invite { key, uses, expires, ct } => {
                let (key, uses, expires, ct) = (*key, *uses, *expires, ct.clone());
                Op::Invite { key, uses, expires, ct }
            }
            Wish::Revoke(key) => Op::Revoke { key: *key },
            Wish::UseInvite { key, proof } => {
                Op::UseInvite { key: *key, proof: *proof, account: None }
            }
            Wish::Set(change) => match self.changed_settings(&id, change) {
                Some(settings) => Op::Set(settings),
                None => return Ok(None),
            },
            Wish::HandOver(node) => match self.next_of_handover(&id, *node) {
                Some(op) => op,
                None => return Ok(None),
            },
            Wish::Describe { name, topic } => {
                self.describe(id, name.as_deref(), topic.as_deref())?
            }
        };
        let (me, now) = (self.id(), self.now);
        let log = self.groups.get(&id).and_then(|group| group.log.as_ref());
        match log.map(|log| log.may(&me, &op, now)) {
            Some(Ok(())) => Ok(Some(op)),
            Some(Err(error)) if is_granted(&op, &error) => Ok(None),
            Some(Err(error)) => Err(self.forbidden(&error)),
            None => Err(ApiError::new(Code::NotFound, "the group is not here yet", "try again")),
        }
    }

    fn describe(
        &mut self,
        id: GroupId,
        name: Option<&str>,
        topic: Option<&str>,
    ) -> Result<Op, ApiError> {
        let facts = self.groups.get(&id).map(|group| group.facts.clone());
        let facts = facts.unwrap_or_else(|| Facts::new(self.now, false));
        let name = name.unwrap_or(&facts.name);
        let topic = topic.unwrap_or(&facts.topic);
        let meta = GroupMeta::new(name, topic)
            .map_err(|error| ApiError::new(Code::Usage, error.to_string(), "choose another"))?;
        if self.groups.get(&id).is_some_and(|group| group.sealing_key(&id).is_none()) {
            self.fresh_name_key(id);
        }
        let group = self.groups.get(&id);
        // The verifier known here is the present one only if the present name opens here.
        let known = group.filter(|group| group.opens_name(&id));
        let prs = known.and_then(|group| group.prs.as_ref());
        let prs = group.and_then(|group| group.new_prs.as_ref()).or(prs);
        let key = group.and_then(|group| group.sealing_key(&id));
        let ct = key.map(|key| seal_meta(key, &id, (&meta, prs), &mut self.rng));
        let ct = ct.unwrap_or_default();
        Ok(Op::Meta { ct: ByteBuf::from(ct) })
    }

    fn forbidden(&self, error: &ControlError) -> ApiError {
        match error {
            ControlError::NotAllowed { author, why } => {
                let what = format!("{} {why}", self.person(author).name);
                ApiError::new(Code::Forbidden, what, "ask an admin or owner of the group")
            }
            ControlError::UnknownMember(node) => {
                let what = format!("{} is not a member", self.person(node).name);
                ApiError::new(Code::NotFound, what, "`hubbub group members` lists who is")
            }
            ControlError::Banned(node) => {
                let what = format!("{} is banned", self.person(node).name);
                ApiError::new(Code::Forbidden, what, "`hubbub group unban` ends that first")
            }
            ControlError::NoInvite | ControlError::BadInvite => {
                ApiError::new(Code::Invite, error.to_string(), "ask whoever invited you")
            }
            ControlError::Full | ControlError::LogFull => {
                ApiError::new(Code::Full, error.to_string(), "start another group")
            }
            other => ApiError::new(Code::Forbidden, other.to_string(), "look at the group again"),
        }
    }

    fn propose(&mut self, id: GroupId, op: Op) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(log) = &group.log else { return };
        let entry = log.propose(&self.me, op, self.now);
        group.proposed = Some(entry.clone());
        self.append_control(id, entry);
    }

    fn append_control(&mut self, group: GroupId, entry: Vec<u8>) {
        let entry = ByteBuf::from(entry);
        self.ask(Asked::Control(group), |req| {
            ToHub::AppendControl(AppendControl { req, group, entry })
        });
    }

    /// The hub took an own entry, so it is the next one.
    pub(super) fn control_appended(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(entry) = group.proposed.take() else { return };
        group.races = 0;
        self.take_entry(id, &entry, None);
        self.work_on(id);
    }

    pub(super) fn control_refused(&mut self, id: GroupId, refusal: &Refusal) {
        let (jitter, me) = (self.rng.next_u64() % 200, self.id());
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.proposed = None;
        match refusal.code {
            RefusalCode::Stale => {
                group.races = group.races.saturating_add(1);
                let at = self.now + Millis(jitter << group.races.min(6));
                group.not_before = Some(at);
                if group.is_member(&me) {
                    return self.read_control(id);
                }
                // Nothing is delivered to a stranger: what it reads now would be old by then.
                group.synced = false;
                self.alarms.set(Alarm::Control, at);
            }
            code if passes(code) => {
                let pause = refusal.retry_after.unwrap_or(Millis::secs(30));
                let at = self.now + pause;
                group.not_before = Some(at);
                self.alarms.set(Alarm::Control, at);
            }
            _ => {
                let error = from_refusal(refusal, &self.title(&id));
                let first = self.groups.get(&id).and_then(|g| g.facts.wishes.first().cloned());
                if let Some((number, _)) = first {
                    self.granted(id, number, Err(error));
                }
                self.work_on(id);
            }
        }
    }

    /// A wish is granted or refused: whoever waits is answered.
    pub(super) fn granted(&mut self, id: GroupId, number: u64, result: Result<(), ApiError>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let wish = group.facts.wishes.iter().find(|(n, _)| *n == number).map(|(_, w)| w.clone());
        group.facts.wishes.retain(|(n, _)| *n != number);
        let asker = group.askers.remove(&number);
        self.touch(Key::Group(id));
        if matches!((&wish, &result), (Some(Wish::UseInvite { .. }), Err(_))) {
            self.not_by_link(id);
        }
        match (asker, result) {
            (Some(Asker { ticket, reply }), result) => {
                self.out.push_back(Output::Answer(ticket, result.map(|()| reply)));
            }
            (None, Err(error)) if wish != Some(Wish::Join) => {
                self.warn("group-change-refused", error.what);
            }
            (None, _) => {}
        }
    }

    /// The wish an own entry fulfils.
    pub(super) fn fulfilled(&mut self, id: GroupId, change: &Change) {
        let Some(group) = self.groups.get(&id) else { return };
        let fits = |wish: &Wish| match (wish, change) {
            (Wish::Add(a, _), Change::Added { node: b, .. })
            | (Wish::Remove(a), Change::Removed { node: b, .. })
            | (Wish::Role(a, _), Change::RoleSet { node: b, .. }) => a == b,
            (Wish::Ban(a), Change::Banned { node: b, .. })
            | (Wish::Unban(a), Change::Unbanned { node: b })
            | (Wish::Invite { key: a, .. }, Change::Invited { key: b })
            | (Wish::Revoke(a), Change::Revoked { key: b }) => a == b,
            (Wish::Set(_), Change::Settings)
            | (Wish::UseInvite { .. }, Change::Joined { .. })
            | (Wish::Describe { .. }, Change::Meta)
            | (Wish::Leave, Change::Left { .. })
            | (Wish::Join, Change::Joined { .. }) => true,
            _ => false,
        };
        let number = group.facts.wishes.iter().find(|(_, wish)| fits(wish)).map(|(n, _)| *n);
        if let Some(number) = number {
            self.granted(id, number, Ok(()));
        }
    }
}

/// Whether a refusal is over by itself after a while.
pub(super) fn passes(code: RefusalCode) -> bool {
    matches!(code, RefusalCode::TooFast | RefusalCode::StoreFailing | RefusalCode::Stopping)
}

/// Whether an entry is refused because what it wants is so already.
fn is_granted(op: &Op, error: &ControlError) -> bool {
    match (op, error) {
        (Op::Add { .. } | Op::Join { .. }, ControlError::AlreadyMember(_))
        | (Op::UseInvite { .. }, ControlError::AlreadyMember(_))
        | (Op::Remove { .. }, ControlError::UnknownMember(_))
        | (Op::Ban { .. }, ControlError::Banned(_))
        | (Op::Unban { .. }, ControlError::NotBanned(_))
        | (Op::Revoke { .. }, ControlError::NoInvite) => true,
        (Op::Leave, ControlError::NotAllowed { why, .. }) => *why == Forbidden::NotAMember,
        _ => false,
    }
}
