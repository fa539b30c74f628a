//! Letting strangers in: answering knocks with the passphrase, and showing who asks.
//!
//! The passphrase itself is nowhere. Members share what is needed to check one, sealed with the
//! group's name. A keeper counts what its answers give away; when that is too much, its door is
//! locked, and an admin's node shuts the door for all.

use hubbub_shared::content::PairPlain;
use hubbub_shared::group::Role;
use hubbub_shared::group::knock::{
    Door, DoorError, How, Knock, KnockProof, KnockRefused, Passphrase, Reason, Room,
};
use hubbub_shared::id::{GroupId, KnockId, NodeId};
use hubbub_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::output::Ticket;
use super::record::Key;
use super::wish::{Asker, Wish};
use crate::api::group::{RequestView, SettingsChange};
use crate::api::{ApiError, Code, ConversationId, Event, Reply};

/// Requests kept per group; beyond it the next is turned away.
const REQUESTS: usize = 64;
/// How somebody came in, for people: by the passphrase, by asking.
const VIA_PASSPHRASE: u8 = 2;
const VIA_REQUEST: u8 = 4;

/// A stranger who asks to be let in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) node: NodeId,
    sid: KnockId,
    note: String,
    at: Timestamp,
}

/// Somebody guesses at a passphrase.
const GUESSED: (&str, &str) = (
    "door-locked",
    "somebody tried wrong passphrases: nobody comes in by one until an admin opens the door anew",
);

impl Engine {
    /// Sets the passphrase that lets people in, or takes it off with none.
    pub(super) fn set_passphrase(
        &mut self,
        ticket: Ticket,
        gid: GroupId,
        passphrase: Option<&str>,
    ) -> Result<(), ApiError> {
        let me = self.id();
        let role = self.groups.get(&gid).and_then(|group| group.role(&me));
        if role < Some(Role::Admin) {
            let what = "only admins set the passphrase";
            return Err(ApiError::new(Code::Forbidden, what, "ask one of them"));
        }
        let open = passphrase.is_some();
        if let Some(typed) = passphrase {
            let wrong = |what: String| {
                ApiError::new(Code::Usage, what, "choose a longer one, or have one made for you")
            };
            let passphrase = Passphrase::typed(typed).map_err(|e| wrong(e.to_string()))?;
            passphrase.check_strength().map_err(|e| wrong(e.to_string()))?;
            let prs = passphrase.prs(&gid).map_err(|e| wrong(e.to_string()))?;
            if let Some(group) = self.groups.get_mut(&gid) {
                group.new_prs = Some(prs);
            }
            self.touch(Key::Group(gid));
            self.wish(gid, Wish::Describe { name: None, topic: None }, None);
        }
        let change = SettingsChange { passphrase: Some(open), ..SettingsChange::default() };
        self.wish(gid, Wish::Set(change), Some(Asker { ticket, reply: Reply::Done }));
        Ok(())
    }

    /// Opens, shuts or renews the own door as the log and the verifier at hand say. `entry` is the
    /// one that may have changed it.
    pub(super) fn tend_door(&mut self, gid: GroupId, entry: u64) {
        let (me, hub) = (self.id(), self.hub);
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let active = group.is_active(&me);
        let Some(log) = group.log.as_ref() else { return };
        let open = active && log.settings().passphrase && log.may_add(&me);
        let Some(prs) = group.prs.as_ref().filter(|_| open) else {
            if group.door.take().is_some() {
                self.touch(Key::Group(gid));
            }
            return;
        };
        let opened = entry > 0 && !log.settings_at(entry.saturating_sub(1)).passphrase;
        match &mut group.door {
            Some(door) if door.is_for(prs) => {
                if opened {
                    door.reopen(entry);
                }
            }
            door => *door = Some(Door::new(Room { hub, gid }, me, prs.duplicate(), entry)),
        }
        self.touch(Key::Group(gid));
    }

    /// A stranger knocks.
    pub(super) fn take_knock(&mut self, peer: NodeId, knock: Knock) {
        let (gid, me) = (knock.gid, self.id());
        if self.is_blocked(&peer) {
            return self.count("knock-blocked");
        }
        let Some(group) = self.groups.get(&gid).filter(|group| group.is_active(&me)) else {
            // Where we are not, we say nothing.
            return self.count("knock-elsewhere");
        };
        let Some(log) = &group.log else { return };
        let refusal = if log.roster().is_member(&peer) {
            Some(Reason::AlreadyMember)
        } else if log.is_banned(&peer) {
            Some(Reason::Banned)
        } else if !log.may_add(&me) {
            Some(Reason::NotOpen)
        } else {
            None
        };
        if let Some(reason) = refusal {
            return self.turn_away(peer, (gid, knock.sid), reason);
        }
        match &knock.how {
            How::Passphrase { .. } => self.answer_knock(peer, &knock),
            How::Request { note } => {
                let note = note.clone();
                self.note_request(peer, (gid, knock.sid), note);
            }
        }
    }

    fn turn_away(&mut self, peer: NodeId, (gid, sid): (GroupId, KnockId), reason: Reason) {
        self.count("knock-refused");
        self.tell(peer, &PairPlain::KnockRefused(KnockRefused { gid, sid, reason }));
    }

    fn answer_knock(&mut self, peer: NodeId, knock: &Knock) {
        let (gid, now) = (knock.gid, self.now);
        let Some(door) = self.groups.get_mut(&gid).and_then(|group| group.door.as_mut()) else {
            return self.turn_away(peer, (gid, knock.sid), Reason::NotOpen);
        };
        let answer = door.answer(&peer, knock, now, &mut self.rng);
        let locked = door.is_locked() && answer.is_err();
        self.touch(Key::Group(gid));
        match answer {
            Ok(answer) => self.tell(peer, &PairPlain::KnockAnswer(answer)),
            Err(error) => self.not_answered(peer, knock, error),
        }
        if locked {
            self.shut_door(gid, GUESSED);
        }
    }

    fn not_answered(&mut self, peer: NodeId, knock: &Knock, error: DoorError) {
        self.count(error.reason());
        if let Some(reason) = error.refusal() {
            self.turn_away(peer, (knock.gid, knock.sid), reason);
        }
    }

    /// An admin's node shuts the door for all, until an admin opens it anew, and says why.
    pub(super) fn shut_door(&mut self, gid: GroupId, (reason, why): (&str, &str)) {
        let me = self.id();
        let Some(group) = self.groups.get(&gid) else { return };
        let shut =
            Wish::Set(SettingsChange { passphrase: Some(false), ..SettingsChange::default() });
        let wished = group.facts.wishes.iter().any(|(_, wish)| *wish == shut);
        if wished || group.role(&me) < Some(Role::Admin) {
            return;
        }
        let title = self.title(&gid);
        self.wish(gid, shut, None);
        self.warn(reason, format!("{title}: {why}"));
    }

    /// A joiner shows that it knows the passphrase.
    pub(super) fn take_knock_proof(&mut self, peer: NodeId, proof: &KnockProof) {
        let (gid, now) = (proof.gid, self.now);
        let Some(door) = self.groups.get_mut(&gid).and_then(|group| group.door.as_mut()) else {
            return self.turn_away(peer, (gid, proof.sid), Reason::NotOpen);
        };
        let proven = door.prove(&peer, proof, now);
        self.touch(Key::Group(gid));
        match proven {
            Ok(()) => self.wish(gid, Wish::Add(peer, VIA_PASSPHRASE), None),
            Err(error) => {
                self.count(error.reason());
                if let Some(reason) = error.refusal() {
                    self.turn_away(peer, (gid, proof.sid), reason);
                }
            }
        }
    }

    /// A stranger asks: shown to the person, who decides.
    fn note_request(&mut self, node: NodeId, (gid, sid): (GroupId, KnockId), note: String) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let open = group.log.as_ref().is_some_and(|log| log.settings().requests);
        group.facts.requests.retain(|request| request.node != node);
        if !open || group.facts.requests.len() >= REQUESTS {
            return self.turn_away(node, (gid, sid), Reason::NotOpen);
        }
        group.facts.requests.push(Request { node, sid, note, at: now });
        self.touch(Key::Group(gid));
        self.meet(node);
        let conversation = ConversationId::Group(gid);
        self.event(Event::JoinRequested { conversation, person: self.person(&node) });
        self.changed(conversation);
    }

    /// The person decides about a request.
    pub(super) fn decide(
        &mut self,
        ticket: Ticket,
        (gid, node): (GroupId, NodeId),
        accept: bool,
    ) -> Result<(), ApiError> {
        let Some(group) = self.groups.get_mut(&gid) else { return Ok(()) };
        let request = group.facts.requests.iter().find(|request| request.node == node).cloned();
        let Some(request) = request else {
            let what = "there is no such request";
            return Err(ApiError::new(Code::NotFound, what, "`hubbub group doors` lists them"));
        };
        if accept {
            let asker = Asker { ticket, reply: Reply::Done };
            self.wish(gid, Wish::Add(node, VIA_REQUEST), Some(asker));
            return Ok(());
        }
        group.facts.requests.retain(|request| request.node != node);
        self.touch(Key::Group(gid));
        self.turn_away(node, (gid, request.sid), Reason::Declined);
        self.answer(ticket, Ok(Reply::Done));
        Ok(())
    }

    /// Somebody is in, or kept out: whatever they asked is settled.
    pub(super) fn settle_request(&mut self, gid: GroupId, node: &NodeId) {
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let before = group.facts.requests.len();
        group.facts.requests.retain(|request| request.node != *node);
        if group.facts.requests.len() < before {
            self.touch(Key::Group(gid));
        }
    }

    /// Who asks to be let in, as shown.
    pub(super) fn asking(&self, gid: &GroupId) -> Vec<RequestView> {
        let requests = self.groups.get(gid).into_iter().flat_map(|group| &group.facts.requests);
        let view = |request: &Request| RequestView {
            person: self.person(&request.node),
            note: request.note.clone(),
            at: request.at,
        };
        requests.map(view).collect()
    }
}
