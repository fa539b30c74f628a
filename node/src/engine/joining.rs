//! Coming into a group as a stranger: knocking with its passphrase, or asking to be let in.
//!
//! The hub says whom to ask. Nobody it names is believed: with a passphrase, each side proves to
//! the other that it knows it; without one, a person decides and the group's log says so. What
//! waits for an answer is stored, for days if need be.

use hubbub_shared::content::PairPlain;
use hubbub_shared::crypto::{RecordError, RecordReader, RecordWriter};
use hubbub_shared::group::knock::{
    How, Joiner, JoinerError, Knock, KnockAnswer, KnockRefused, Passphrase, Reason, Room,
};
use hubbub_shared::id::{GroupId, KnockId, NodeId};
use hubbub_shared::limits::{KEEPERS_MAX, KNOCK_AGE, NICKNAME_BYTES};
use hubbub_shared::nickname::Nickname;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::from_hub;
use hubbub_shared::wire::to_hub::FindRoom;
use hubbub_shared::wire::{Refusal, ToHub};
use rand_core::Rng;

use super::Engine;
use super::alarm::Alarm;
use super::group::{Facts, Group};
use super::link::{Asked, unreachable};
use super::output::Ticket;
use super::record::Key;
use crate::api::error::from_refusal;
use crate::api::group::KnockView;
use crate::api::{ApiError, Code, ConversationId, Reply};

/// How long one keeper has to answer before the next is knocked at.
const PATIENCE: Millis = Millis::secs(3);
/// Groups knocked at or asked at the same time.
const ATTEMPTS: usize = 16;
/// Rooms looked for at the same time.
const LOOKING: usize = 16;
/// Longest name of a room kept, in bytes.
const ROOM_MAX: usize = NICKNAME_BYTES * 4;

/// A person who looks for a room.
pub(super) struct Looking {
    ticket: Ticket,
    room: String,
    passphrase: Option<Passphrase>,
    note: String,
}

/// An attempt to come into a group.
pub(super) struct Attempt {
    /// What the person called the group.
    room: String,
    /// With its passphrase; none when a person is asked to decide.
    joiner: Option<Joiner>,
    /// Keepers to be knocked at, in turn.
    left: Vec<NodeId>,
    /// Who was asked to decide, and under which name.
    asked: Vec<(NodeId, KnockId)>,
    since: Timestamp,
    /// Why the last keeper said no.
    said: Option<Reason>,
}

impl Engine {
    /// Looks for a room by its public name or a link without secret, to knock there.
    pub(super) fn knock_at(
        &mut self,
        ticket: Ticket,
        room: String,
        passphrase: Option<&str>,
        note: String,
    ) -> Result<(), ApiError> {
        if !self.link.is_up() {
            return Err(unreachable("a room is found at the hub; try again then"));
        }
        if self.looking.len() >= LOOKING || room.len() > ROOM_MAX {
            return Err(ApiError::new(Code::TooFast, "too much at once", "try again in a moment"));
        }
        let passphrase = passphrase.map(Passphrase::typed).transpose();
        let passphrase = passphrase
            .map_err(|error| ApiError::new(Code::Usage, error.to_string(), "type it again"))?;
        let note = note.trim().to_owned();
        if !How::is_note(&note) {
            let what = "the words to go with it are too long, or have letters not composed";
            return Err(ApiError::new(Code::Usage, what, "say it shorter"));
        }
        let group = super::doors::group_of(&room);
        let alias = group.is_none().then(|| room.trim_start_matches('#').to_owned());
        self.looking.insert(ticket, Looking { ticket, room, passphrase, note });
        self.ask(Asked::Room(ticket), |req| ToHub::FindRoom(FindRoom { req, alias, group }));
        Ok(())
    }

    /// The hub says whom to ask.
    pub(super) fn room_found(&mut self, ticket: Ticket, room: &from_hub::Room) {
        let Some(looking) = self.looking.remove(&ticket) else { return };
        let answer = self.knock_there(looking, room);
        self.answer(ticket, answer);
    }

    pub(super) fn room_refused(&mut self, ticket: Ticket, refusal: &Refusal) {
        let Some(looking) = self.looking.remove(&ticket) else { return };
        self.answer(looking.ticket, Err(from_refusal(refusal, &looking.room)));
    }

    /// The link is gone: nobody will answer.
    pub(super) fn fail_looking(&mut self) {
        for (ticket, _) in core::mem::take(&mut self.looking) {
            self.answer(ticket, Err(unreachable("try again when it is back")));
        }
    }

    fn knock_there(&mut self, looking: Looking, room: &from_hub::Room) -> Result<Reply, ApiError> {
        let (gid, me) = (room.group, self.id());
        let Looking { room: name, passphrase, note, .. } = looking;
        let no = |what: &str, hint: &str| Err(ApiError::new(Code::Forbidden, what, hint));
        if super::doors::group_of(&name).is_some_and(|asked| asked != gid) {
            self.count("other-room");
            return no("the hub answered for another group", "ask whoever runs the hub");
        }
        if self.groups.get(&gid).is_some_and(|group| group.is_active(&me)) {
            return no("you are in this group already", "write to it");
        }
        if passphrase.is_some() && !room.passphrase {
            return no("this group lets nobody in by a passphrase now", "ask one of its members");
        }
        if passphrase.is_none() && !room.requests {
            return no(
                "this group cannot be asked; it takes its passphrase",
                "give the passphrase",
            );
        }
        let under_way = self.groups.values().filter(|group| group.attempt.is_some()).count();
        if under_way >= ATTEMPTS {
            return no("too many groups are being asked", "give one up: `hubbub group knocks`");
        }
        let joiner = match passphrase {
            None => None,
            Some(passphrase) => {
                let prs = passphrase.prs(&gid).map_err(|error| {
                    ApiError::new(Code::Usage, error.to_string(), "free some memory")
                })?;
                Some(Joiner::new(Room { hub: self.hub, gid }, me, prs))
            }
        };
        let left = room.keepers.iter().copied().filter(|node| *node != me).collect();
        let (since, asked) = (self.now, Vec::new());
        let now = self.now;
        let group = self.groups.entry(gid).or_insert_with(|| Group::new(Facts::new(now, false)));
        let plain = joiner.is_none();
        group.attempt = Some(Attempt { room: name, joiner, left, asked, since, said: None });
        self.touch(Key::Group(gid));
        let reached = if plain { self.ask_all(gid, &note) } else { self.knock_next(gid) };
        Ok(Reply::Knocked { conversation: ConversationId::Group(gid), keepers: reached })
    }

    /// Asks every keeper the hub named; one of them decides. Gives how many.
    fn ask_all(&mut self, gid: GroupId, note: &str) -> u32 {
        let Some(attempt) = self.groups.get_mut(&gid).and_then(|g| g.attempt.as_mut()) else {
            return 0;
        };
        let left = core::mem::take(&mut attempt.left);
        let mut asked = Vec::new();
        for keeper in left.into_iter().take(KEEPERS_MAX) {
            let mut sid = KnockId([0; 32]);
            self.rng.fill_bytes(&mut sid.0);
            asked.push((keeper, sid));
            let how = How::Request { note: note.to_owned() };
            self.tell(keeper, &PairPlain::Knock(Knock { gid, sid, how }));
        }
        let count = u32::try_from(asked.len()).unwrap_or(u32::MAX);
        if let Some(attempt) = self.groups.get_mut(&gid).and_then(|g| g.attempt.as_mut()) {
            attempt.asked = asked;
        }
        count
    }

    /// Knocks at the next keeper, one at a time: a false one gets a guess with each. Gives how many
    /// were knocked at or are left.
    fn knock_next(&mut self, gid: GroupId) -> u32 {
        let now = self.now;
        let group = self.groups.get_mut(&gid);
        let Some(attempt) = group.and_then(|group| group.attempt.as_mut()) else { return 0 };
        let Some(joiner) = &mut attempt.joiner else { return 0 };
        let mut knock = None;
        while knock.is_none() && !attempt.left.is_empty() {
            let keeper = attempt.left.remove(0);
            knock = joiner.knock(keeper, now, &mut self.rng).ok().map(|knock| (keeper, knock));
        }
        let count = joiner.waiting().count().saturating_add(attempt.left.len());
        if !attempt.left.is_empty() {
            self.alarms.set(Alarm::Knocks, now + PATIENCE);
        }
        self.touch(Key::Group(gid));
        if let Some((keeper, knock)) = knock {
            self.tell(keeper, &PairPlain::Knock(knock));
        }
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Goes on where a keeper did not answer, and gives up what waited too long.
    pub(super) fn knock_on(&mut self) {
        let now = self.now;
        let under_way = self.groups.iter().filter(|(_, group)| group.attempt.is_some());
        let under_way: Vec<GroupId> = under_way.map(|(gid, _)| *gid).collect();
        for gid in under_way {
            let group = self.groups.get_mut(&gid);
            let Some(attempt) = group.and_then(|group| group.attempt.as_mut()) else { continue };
            if now.since(attempt.since) > KNOCK_AGE {
                self.give_up(gid, "nobody who could let you in has answered");
            } else if !attempt.left.is_empty() {
                self.knock_next(gid);
            }
        }
    }

    /// A keeper answered a knock with the passphrase.
    pub(super) fn take_knock_answer(&mut self, peer: NodeId, answer: &KnockAnswer) {
        let (gid, now) = (answer.gid, self.now);
        let attempt = self.groups.get_mut(&gid).and_then(|group| group.attempt.as_mut());
        let Some(joiner) = attempt.and_then(|attempt| attempt.joiner.as_mut()) else {
            return self.count("knock-unexpected");
        };
        let proof = joiner.answered(&peer, answer, now);
        self.touch(Key::Group(gid));
        match proof {
            Ok(proof) => {
                if let Some(attempt) = self.groups.get_mut(&gid).and_then(|g| g.attempt.as_mut()) {
                    attempt.left.clear();
                }
                self.tell(peer, &PairPlain::KnockProof(proof));
            }
            Err(JoinerError::Wrong) => {
                self.give_up(gid, "the passphrase is wrong, or whoever answered does not know it");
            }
            Err(error) => self.count(error.reason()),
        }
    }

    /// A keeper does not let us in.
    pub(super) fn take_knock_refusal(&mut self, peer: NodeId, refused: &KnockRefused) {
        let gid = refused.gid;
        let attempt = self.groups.get_mut(&gid).and_then(|group| group.attempt.as_mut());
        let Some(attempt) = attempt else { return self.count("knock-unexpected") };
        let known = match &mut attempt.joiner {
            Some(joiner) => joiner.refused(&peer, refused).is_ok(),
            None => attempt.asked.contains(&(peer, refused.sid)),
        };
        if !known {
            return self.count("knock-unexpected");
        }
        attempt.asked.retain(|(keeper, _)| *keeper != peer);
        attempt.said = Some(refused.reason);
        let waiting = attempt.joiner.as_ref().map_or(0, |joiner| joiner.waiting().count());
        let over = waiting == 0 && attempt.asked.is_empty() && attempt.left.is_empty();
        // One person's no is the group's; another door may still be open.
        let final_no = attempt.joiner.is_none() && refused.reason == Reason::Declined;
        self.touch(Key::Group(gid));
        if over || final_no {
            self.give_up(gid, because(refused.reason));
        } else {
            self.knock_next(gid);
        }
    }

    /// We are in. Where a public name led here, the hub's word for it is held against the group's
    /// own.
    pub(super) fn end_attempt(&mut self, gid: GroupId) {
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let Some(attempt) = group.attempt.take() else { return };
        let log = group.log.as_ref();
        let called = log.and_then(|log| log.settings().alias).unwrap_or_default();
        let room = attempt.room.trim_start_matches('#');
        let prepared = |name: &str| Nickname::prepare(name).ok();
        let same = called == room || prepared(&called) == prepared(room);
        if super::doors::group_of(room).is_none() && !same {
            self.count("other-room");
            let words = "the hub led you here, but the group's own admins call it something else";
            self.warn("other-room", format!("{room}: {words}"));
        }
    }

    /// An attempt ends without success, and the person is told.
    fn give_up(&mut self, gid: GroupId, why: &str) {
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let Some(attempt) = group.attempt.take() else { return };
        self.touch(Key::Group(gid));
        self.warn("not-let-in", format!("{}: {why}", attempt.room));
        self.judge_offers(gid);
        self.forget_if_stray(gid);
    }

    /// The person gives an attempt up.
    pub(super) fn stop_knocking(&mut self, room: &str) -> Result<(), ApiError> {
        let called = |group: &Group| {
            let name = group.attempt.as_ref().map(|attempt| attempt.room.trim_start_matches('#'));
            name == Some(room.trim_start_matches('#'))
        };
        let found = self.groups.iter().find(|(_, group)| called(group)).map(|(gid, _)| *gid);
        let Some(gid) = found else {
            let what = format!("nothing is being asked of {room}");
            return Err(ApiError::new(Code::NotFound, what, "`hubbub group knocks` lists what is"));
        };
        if let Some(group) = self.groups.get_mut(&gid) {
            group.attempt = None;
        }
        self.touch(Key::Group(gid));
        self.forget_if_stray(gid);
        Ok(())
    }

    /// What waits for a keeper's answer.
    #[must_use]
    pub fn knocks(&self) -> Vec<KnockView> {
        let attempts = self.groups.values().filter_map(|group| group.attempt.as_ref());
        let view = |attempt: &Attempt| {
            let knocked = attempt.joiner.as_ref().map_or(0, |joiner| joiner.waiting().count());
            let waiting = knocked.max(attempt.asked.len());
            KnockView {
                room: attempt.room.clone(),
                passphrase: attempt.joiner.is_some(),
                since: attempt.since,
                keepers: u32::try_from(waiting).unwrap_or(u32::MAX),
            }
        };
        attempts.map(view).collect()
    }

    /// After loading: knocks go on.
    pub(super) fn resume_knocks(&mut self) {
        if self.groups.values().any(|group| group.attempt.is_some()) {
            self.alarms.set(Alarm::Knocks, self.now + PATIENCE);
        }
    }
}

impl Attempt {
    pub(super) fn save(&self, w: &mut RecordWriter) {
        w.bytes(self.room.as_bytes()).u64(self.since.0);
        w.option(self.joiner.as_ref(), |w, joiner: &Joiner| {
            w.bytes(joiner.save().expose());
        });
        w.count(self.left.len());
        for keeper in &self.left {
            w.fixed(&keeper.0);
        }
        w.count(self.asked.len());
        for (keeper, sid) in &self.asked {
            w.fixed(&keeper.0).fixed(&sid.0);
        }
    }

    pub(super) fn load(r: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let room = core::str::from_utf8(r.bytes(ROOM_MAX)?).map_err(|_| RecordError::Range)?;
        let (room, since) = (room.to_owned(), Timestamp(r.u64()?));
        let joiner = r.option(|r| Joiner::load(r.bytes(RECORD_MAX)?))?;
        let count = r.count(KEEPERS_MAX)?;
        let left = (0..count).map(|_| r.array().map(NodeId)).collect::<Result<_, _>>()?;
        let count = r.count(KEEPERS_MAX)?;
        let one = |r: &mut RecordReader<'_>| Ok((NodeId(r.array()?), KnockId(r.array()?)));
        let asked = (0..count).map(|_| one(r)).collect::<Result<_, RecordError>>()?;
        Ok(Self { room, joiner, left, asked, since, said: None })
    }
}

/// Largest record of a joiner: eight knocks of about 140 bytes.
const RECORD_MAX: usize = 4_096;

fn because(reason: Reason) -> &'static str {
    match reason {
        Reason::Locked => "too many knocked with a wrong passphrase; an admin has to open it anew",
        Reason::NotOpen => "this door is not open now",
        Reason::Declined => "a member said no",
        Reason::AlreadyMember => "the group says that you are in it",
        Reason::Banned => "the group keeps you out",
        Reason::Other(_) => "a member said no, for a reason this version does not know",
    }
}
