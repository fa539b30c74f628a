//! Names: asking the hub whom a nickname names, and what a node is called.
//!
//! The hub's word counts for nothing: every answer is a claim signed by the node it names, made for
//! this hub, and checked here.

use std::collections::BTreeMap;

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::nickname::NickClaim;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::to_hub::{Lookup, WhoIs};
use hubbub_shared::wire::{Refusal, ToHub};

use super::Engine;
use super::alarm::Alarm;
use super::contact::{Person, same};
use super::link::{Asked, unreachable};
use super::output::{Output, Ticket};
use super::record::Key;
use crate::api::error::from_refusal;
use crate::api::{ApiError, Code, Command, Reply};

/// Commands waiting for the hub at once.
const PENDING: usize = 256;
/// How long a command waits for the hub.
const PATIENCE: Millis = Millis::secs(15);
/// A name learned this long ago is not asked for again for somebody who is to be shown.
const FRESH: Millis = Millis::minutes(1);
/// Names asked for at once.
const NAMING: usize = 8;
/// Names waiting to be asked for.
const NAMELESS: usize = 4_096;

/// A node that had no name is not asked for again within this time, though it speaks.
const ASK_AGAIN: Millis = Millis::secs(10);
/// First pause before all names nobody had are asked for again; it doubles up to [`PAUSE_MAX`].
pub(super) const NAME_PAUSE: Millis = Millis::secs(2);
const PAUSE_MAX: Millis = Millis::minutes(10);

/// What lookups found, by name as typed.
pub(super) type Found = BTreeMap<String, NodeId>;

/// A command that waits for lookups.
pub(super) struct Pending {
    ticket: Ticket,
    command: Command,
    missing: Vec<String>,
    found: Found,
    deadline: Timestamp,
}

impl Engine {
    /// Has the hub asked for names before a command can be carried out.
    pub(super) fn look_up(
        &mut self,
        ticket: Ticket,
        command: Command,
        missing: Vec<String>,
        found: Found,
    ) {
        let first = missing.first().cloned().unwrap_or_default();
        if !self.link.is_up() {
            let what = format!("can't look up {first} while the hub is away");
            let hint = "people and groups you know can be written to meanwhile";
            return self.answer(ticket, Err(ApiError::new(Code::HubUnreachable, what, hint)));
        }
        if self.pending.len() >= PENDING {
            let error = ApiError::new(Code::TooFast, "too many lookups at once", "try again");
            return self.answer(ticket, Err(error));
        }
        let deadline = self.now + PATIENCE;
        self.alarms.set(Alarm::Pending, deadline);
        for nickname in &missing {
            let asked = Asked::Lookup(nickname.clone());
            if !self.link.is_asking(&asked) {
                let nickname = nickname.clone();
                self.ask(asked, |req| ToHub::Lookup(Lookup { req, nickname }));
            }
        }
        self.pending.push(Pending { ticket, command, missing, found, deadline });
    }

    pub(super) fn answer(&mut self, ticket: Ticket, answer: Result<Reply, ApiError>) {
        self.out.push_back(Output::Answer(ticket, answer));
    }

    pub(super) fn looked_up(&mut self, name: &str, claim: &[u8]) {
        match self.check_claim(claim, None) {
            Some((node, claim, nickname)) if same(&nickname, name) => {
                self.learn_name(node, (claim, &nickname));
                self.settle(name, node);
            }
            answer => {
                if answer.is_some() {
                    self.count("other-name");
                }
                let what = format!("the hub's answer about {name} is not signed as it must be");
                self.fail_lookup(name, &ApiError::new(Code::NotFound, what, "tell its operator"));
            }
        }
    }

    pub(super) fn lookup_refused(&mut self, name: &str, refusal: &Refusal) {
        self.fail_lookup(name, &from_refusal(refusal, name));
    }

    /// The claimant, its claim's number and its name, when the claim holds for this hub.
    fn check_claim(&mut self, claim: &[u8], of: Option<&NodeId>) -> Option<(NodeId, u64, String)> {
        match NickClaim::check(claim, &self.hub, of) {
            Ok(claim) => Some((claim.node, claim.seq, claim.nickname.as_str().to_owned())),
            Err(_) => {
                self.count("bad-claim");
                None
            }
        }
    }

    fn settle(&mut self, name: &str, node: NodeId) {
        for pending in &mut self.pending {
            if pending.missing.iter().any(|missing| missing == name) {
                pending.missing.retain(|missing| missing != name);
                pending.found.insert(name.to_owned(), node);
            }
        }
        let pending = core::mem::take(&mut self.pending);
        let (ready, waiting) = pending.into_iter().partition(|p: &Pending| p.missing.is_empty());
        self.pending = waiting;
        for Pending { ticket, command, found, .. } in ready {
            self.run(ticket, command, found);
        }
    }

    fn fail_lookup(&mut self, name: &str, error: &ApiError) {
        let pending = core::mem::take(&mut self.pending);
        let concerned = |p: &Pending| p.missing.iter().any(|missing| missing == name);
        let (failed, waiting) = pending.into_iter().partition(concerned);
        self.pending = waiting;
        for Pending { ticket, .. } in failed {
            self.answer(ticket, Err(error.clone()));
        }
    }

    pub(super) fn fail_pending(&mut self) {
        for Pending { ticket, missing, .. } in core::mem::take(&mut self.pending) {
            let name = missing.first().cloned().unwrap_or_default();
            let error = unreachable("try again when it is back");
            let what = format!("can't look up {name}: {}", error.what);
            self.answer(ticket, Err(ApiError { what, ..error }));
        }
    }

    pub(super) fn expire_pending(&mut self) {
        let now = self.now;
        let pending = core::mem::take(&mut self.pending);
        let (late, waiting): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|p| p.deadline <= now);
        self.pending = waiting;
        if let Some(next) = self.pending.iter().map(|p| p.deadline).min() {
            self.alarms.set(Alarm::Pending, next);
        }
        for Pending { ticket, .. } in late {
            let what = "the hub did not answer in time";
            self.answer(ticket, Err(ApiError::new(Code::HubUnreachable, what, "try again")));
        }
    }

    /// Asks what a node is called, when it is its turn.
    pub(super) fn ask_who(&mut self, node: NodeId) {
        let known = self.link.naming.contains(&node) || self.link.nameless.contains(&node);
        let asked = self.link.unnamed.get(&node);
        let just_now = asked.is_some_and(|at| self.now.since(*at) < ASK_AGAIN);
        let full = self.link.nameless.len() >= NAMELESS;
        if node == self.id() || known || just_now || full || !self.may_ask_name(&node) {
            return;
        }
        self.link.nameless.push_back(node);
        self.link.name_pause = NAME_PAUSE;
        self.ask_names();
    }

    pub(super) fn ask_all_names(&mut self) {
        let me = self.id();
        let nameless = |(node, person): &(&NodeId, &Person)| {
            **node != me && person.wants_name(self.now) && self.may_ask_name(node)
        };
        let nameless = self.people.iter().filter(nameless);
        self.link.nameless = nameless.map(|(node, _)| *node).take(NAMELESS).collect();
        self.ask_names();
    }

    /// Asks again for names nobody had: people often claim theirs a little later.
    pub(super) fn ask_names_again(&mut self) {
        self.link.unnamed.clear();
        self.link.name_pause = Millis(self.link.name_pause.0.saturating_mul(2).min(PAUSE_MAX.0));
        self.ask_all_names();
    }

    /// Somebody speaks whose name is not known.
    pub(super) fn ask_speaker(&mut self, node: NodeId) {
        if self.people.get(&node).is_some_and(|person| person.nickname.is_none()) {
            self.ask_who(node);
        }
    }

    /// Somebody is to be shown whose name may have been learned long ago.
    pub(super) fn ask_anew(&mut self, node: NodeId) {
        let known = self.people.get(&node).map(|person| person.name_at);
        if known.is_none_or(|at| self.now.since(at) >= FRESH || at > self.now) {
            self.ask_who(node);
        }
    }

    /// Whether somebody's name is any business of ours: a contact's, a fellow member's, or that of
    /// one whose request is shown. Of others the hub is not asked.
    fn may_ask_name(&self, node: &NodeId) -> bool {
        let fellow = |group: &super::Group| group.facts.invited && group.is_member(node);
        self.is_contact(node) || self.is_asking(node) || self.groups.values().any(fellow)
    }

    /// We are in a group: its members' names are our business from now on.
    pub(super) fn ask_names_in(&mut self, gid: &GroupId) {
        let members = self.groups.get(gid).map(super::Group::members).unwrap_or_default();
        members.into_iter().for_each(|node| self.ask_speaker(node));
    }

    fn ask_names(&mut self) {
        while self.link.is_up() && self.link.naming.len() < NAMING {
            let Some(node) = self.link.nameless.pop_front() else { return };
            self.link.naming.insert(node);
            self.ask(Asked::WhoIs(node), |req| ToHub::WhoIs(WhoIs { req, node }));
        }
    }

    /// A node's claim, or none when it has no name here.
    pub(super) fn named(&mut self, node: NodeId, claim: Option<&[u8]>) {
        self.link.naming.remove(&node);
        if node == self.id() {
            self.own_claim(claim);
        } else if let Some((node, number, name)) =
            claim.and_then(|c| self.check_claim(c, Some(&node)))
        {
            self.learn_name(node, (number, &name));
        } else if let Some(person) = self.people.get_mut(&node).filter(|p| p.nickname.is_some()) {
            // It keeps the name it is known by, and is asked for it another day.
            person.name_at = self.now;
            self.touch(Key::Contact(node));
        } else {
            self.link.unnamed.insert(node, self.now);
            self.alarms.set(Alarm::Names, self.now + self.link.name_pause);
        }
        self.ask_names();
    }
}
