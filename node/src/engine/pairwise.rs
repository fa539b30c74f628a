//! Sessions with single people: starting them, sealing in them, opening what comes.
//!
//! A session needs no one online: the peer's prekeys lie at the hub. What waits for a session waits
//! in the outbox. Who wrote a message is the session's peer; the hub's hint is used for nothing but
//! choosing whom to begin anew with.

use std::collections::BTreeSet;

use hubbub_shared::content::PairPlain;
use hubbub_shared::id::{NodeId, SessionId};
use hubbub_shared::limits::SESSIONS_PER_PEER;
use hubbub_shared::session::{
    Bundle, HandshakeError, OpenError, SealError, Session, choose_sending, epoch_of, initiate,
    respond, session_of,
};
use hubbub_shared::wire::envelope::{Envelope, PairInit, PairMessage};
use hubbub_shared::wire::from_hub::{self, Item};
use hubbub_shared::wire::to_hub::TakeBundle;
use hubbub_shared::wire::{LogId, Refusal, RefusalCode, ToHub};

use super::Engine;
use super::alarm::Alarm;
use super::channel::NO_PLACE;
use super::contact::PEOPLE;
use super::gap::conversation_with;
use super::link::Asked;
use super::outbox::{Docket, Entry, Rank};
use super::record::Key;
use crate::api::ConversationId;
use crate::api::error::from_refusal;
use crate::api::people::Past;

/// Bundles asked for at once.
const BUNDLES: usize = 16;

impl Engine {
    /// Posts something to one person's mailbox, sealed as soon as there is a session.
    pub(super) fn tell(&mut self, node: NodeId, plain: &PairPlain) {
        if node == self.id() {
            return;
        }
        let rank = match plain {
            PairPlain::ResetNotice => Rank::Anew,
            PairPlain::Skdm(_) | PairPlain::Welcome { .. } | PairPlain::Resend { .. } => {
                Rank::Group
            }
            _ => Rank::Rest,
        };
        self.tell_in_rank(node, plain, rank);
    }

    /// The same in a rank of the caller's choice.
    pub(super) fn tell_in_rank(&mut self, node: NodeId, plain: &PairPlain, rank: Rank) {
        let key_of = match plain {
            PairPlain::Skdm(skdm) => Some(skdm.gid),
            _ => None,
        };
        let (log, created) = (LogId::Mailbox(node), self.now);
        let docket = Docket { log, rank, created, chat: None, key_of };
        self.post(Entry::new(docket, plain.encode(), None));
        self.seal_for(node);
    }

    /// Seals what waits for a peer, or sees to it that a session comes about.
    pub(super) fn seal_for(&mut self, peer: NodeId) {
        for number in self.outbox.unsealed_for(&peer) {
            let Some(entry) = self.outbox.get(number) else { continue };
            let plain = entry.plain.duplicate();
            match self.seal(peer, plain.expose()) {
                Some(Ok(envelope)) => self.sealed(number, envelope),
                Some(Err(SealError::TooLarge)) => {
                    self.stuck_because(number, "too large to send");
                    self.drop_entry(number);
                }
                Some(Err(_)) | None => break,
            }
        }
        self.want_bundles();
    }

    /// Seals in the session that is used for sending; none without one.
    fn seal(&mut self, peer: NodeId, plain: &[u8]) -> Option<Result<Vec<u8>, SealError>> {
        let sessions = self.sessions.get_mut(&peer)?;
        let chosen = choose_sending(sessions, self.now)?;
        let session = sessions.get_mut(chosen)?;
        let sealed = session.seal(plain, self.now, &mut self.rng);
        if matches!(sealed, Err(SealError::Exhausted | SealError::NoPeerKey)) {
            session.retire();
        }
        let key = Key::Session(peer, session.id());
        self.touch(key);
        Some(sealed)
    }

    fn has_session(&self, peer: &NodeId) -> bool {
        self.sessions.get(peer).is_some_and(|all| choose_sending(all, self.now).is_some())
    }

    /// Asks for the prekeys of those something waits for, a few at a time.
    pub(super) fn want_bundles(&mut self) {
        if !self.link.is_up() || self.link.bundles.len() >= BUNDLES {
            return;
        }
        let idle = self
            .outbox
            .unsealed_peers()
            .filter(|peer| !self.has_session(peer))
            .chain(self.repairs.resets())
            .filter(|peer| !self.link.bundles.contains(peer));
        let room = BUNDLES.saturating_sub(self.link.bundles.len());
        // Whoever has to wait holds up nobody else.
        let (mut wanted, mut paused) = (BTreeSet::new(), Vec::new());
        for peer in idle {
            match self.repairs.paused_until(&peer, self.now) {
                Some(until) => paused.push(until),
                None => drop(wanted.insert(peer)),
            }
            if wanted.len() >= room {
                break;
            }
        }
        paused.into_iter().min().into_iter().for_each(|at| self.alarms.set(Alarm::Bundles, at));
        for node in wanted {
            self.link.bundles.insert(node);
            self.ask(Asked::Bundle(node), |req| ToHub::TakeBundle(TakeBundle { req, node }));
        }
    }

    /// A peer's prekeys came: begins a session.
    pub(super) fn take_bundle(&mut self, peer: NodeId, bundle: &from_hub::Bundle) {
        self.link.bundles.remove(&peer);
        let one_time = bundle.one_time.as_ref().map(|bytes| bytes.as_slice());
        let checked = Bundle::from_wire(&bundle.identity, &bundle.signed_prekey, one_time)
            .and_then(|bundle| bundle.check(&peer, self.now));
        let checked = match checked {
            Ok(checked) if checked.idk_epoch() >= self.meet(peer).idk_epoch => checked,
            Ok(_) => return self.no_bundle(peer, "bundle-rollback", "its keys were rolled back"),
            Err(error) => return self.no_bundle(peer, "bad-bundle", &error.to_string()),
        };
        self.saw_session_key(peer, checked.idk_epoch());
        match initiate(&self.me, &self.prekeys, checked, self.now, &mut self.rng) {
            Ok(session) => self.begin(peer, session),
            Err(error) => self.no_bundle(peer, error.reason(), &error.to_string()),
        }
        self.want_bundles();
    }

    /// A peer's key-agreement key, proven to be theirs.
    fn saw_session_key(&mut self, peer: NodeId, number: u32) {
        let person = self.meet(peer);
        let known = person.idk_epoch;
        person.idk_epoch = known.max(number);
        self.touch(Key::Contact(peer));
        if known > 0 && number > known {
            self.note_past(peer, Past::SessionKey { number });
        }
    }

    fn begin(&mut self, peer: NodeId, session: Session) {
        let id = session.id();
        let reset = self.repairs.end_reset(&peer);
        if reset {
            self.retire_others(peer, id);
        }
        self.add_session(session);
        self.repairs.unpause(&peer);
        if reset {
            self.tell(peer, &PairPlain::ResetNotice);
            self.meet(peer).reset_in = Some(id);
            self.touch(Key::Contact(peer));
        }
        self.seal_for(peer);
    }

    pub(super) fn bundle_refused(&mut self, peer: NodeId, refusal: &Refusal) {
        self.link.bundles.remove(&peer);
        if let (RefusalCode::TooFast, Some(pause)) = (refusal.code, refusal.retry_after) {
            // Nothing is wrong with the peer: the hub is asked too much at once.
            self.repairs.pause_for(peer, self.now + pause, &mut self.alarms);
            return self.want_bundles();
        }
        let why = from_refusal(refusal, &self.person(&peer).name).what;
        self.no_bundle(peer, "no-bundle", &why);
        self.want_bundles();
    }

    /// No session for now: what waits says why, and it is tried again later.
    fn no_bundle(&mut self, peer: NodeId, reason: &'static str, why: &str) {
        self.count(reason);
        self.repairs.pause(peer, self.now, &mut self.alarms);
        for number in self.outbox.unsealed_for(&peer) {
            self.stuck_because(number, why);
        }
    }

    /// Tells people with an unsent message why it is unsent, when that is known.
    pub(super) fn say_when_unsealed(&mut self, number: u64, peer: NodeId) {
        let unsealed = self.outbox.get(number).is_some_and(|entry| entry.sealed.is_none());
        if unsealed && !self.link.is_up() && !self.has_session(&peer) {
            self.stuck_because(number, "waits for the hub to come back");
        }
    }

    fn add_session(&mut self, session: Session) {
        let (peer, id) = (session.peer(), session.id());
        let now = self.now;
        let sessions = self.sessions.entry(peer).or_default();
        sessions.push(session);
        let mut gone = None;
        if sessions.len() > SESSIONS_PER_PEER {
            let used = choose_sending(sessions, now);
            let old =
                sessions.iter().enumerate().filter(|(at, s)| Some(*at) != used && s.id() != id);
            let oldest = old.min_by_key(|(_, s)| s.last_received().unwrap_or(s.created()));
            gone = oldest.map(|(at, _)| at).map(|at| sessions.remove(at).id());
        }
        self.touch(Key::Session(peer, id));
        if let Some(gone) = gone {
            self.touch(Key::Session(peer, gone));
        }
    }

    /// Takes every session with a peer but one out of use.
    pub(super) fn retire_others(&mut self, peer: NodeId, kept: SessionId) {
        let mut touched = Vec::new();
        for session in self.sessions.get_mut(&peer).into_iter().flatten() {
            if session.id() != kept {
                session.retire();
                touched.push(Key::Session(peer, session.id()));
            }
        }
        self.dirty.extend(touched);
    }

    /// A sealed message in the own mailbox; whether it was opened, now or before.
    pub(super) fn take_mail(&mut self, item: &Item) -> bool {
        let reason = match Envelope::parse(&item.bytes) {
            Ok(Envelope::PairInit(init)) => return self.take_init(item, &init),
            Ok(Envelope::Pair(message)) => return self.take_pair(item, &message),
            Ok(Envelope::Group(_)) => "group-message-in-mailbox",
            Err(_) => "malformed",
        };
        self.count(reason);
        false
    }

    fn take_init(&mut self, item: &Item, init: &PairInit) -> bool {
        let known = session_of(&init.hdr).and_then(|id| self.peer_of(&id, &item.from));
        if known.is_some() {
            return self.take_pair(item, &init.message());
        }
        let least = self.people.get(&init.ik).map_or(0, |person| person.idk_epoch);
        if self.people.len() >= PEOPLE && !self.people.contains_key(&init.ik) {
            self.count("people-full");
            return false;
        }
        if epoch_of(init).is_ok_and(|epoch| epoch < least) {
            self.count("handshake-rollback");
            return false;
        }
        match respond(&self.me, &mut self.prekeys, init, self.now) {
            Ok(accepted) => {
                let (peer, id) = (accepted.peer, accepted.session.id());
                self.note_hint(item, peer);
                self.touch(Key::Prekeys);
                self.saw_session_key(peer, accepted.idk_epoch);
                let mut session = accepted.session;
                if accepted.replaced.is_some_and(|at| self.is_before_era(at)) {
                    // Another life of this node may have taken it up, too.
                    session.retire();
                }
                self.add_session(session);
                self.opened(peer, id, accepted.plain.expose());
                self.seal_for(peer);
                true
            }
            Err(HandshakeError::Replay | HandshakeError::Open(OpenError::Replay)) => {
                self.replayed(item.from);
                true
            }
            Err(error) => {
                self.count(error.reason());
                let too_far = matches!(error, HandshakeError::Open(OpenError::TooFar));
                if !too_far || item.seq != NO_PLACE {
                    self.begin_anew(item.from);
                }
                false
            }
        }
    }

    fn take_pair(&mut self, item: &Item, message: &PairMessage) -> bool {
        let id = session_of(&message.hdr);
        let peer_of = |id| Some((self.peer_of(&id, &item.from)?, id));
        let Some((peer, id)) = id.and_then(peer_of) else {
            self.count("unknown-session");
            self.begin_anew(item.from);
            return false;
        };
        let now = self.now;
        let sessions = self.sessions.get_mut(&peer);
        let session = sessions.and_then(|all| all.iter_mut().find(|s| s.id() == id));
        let Some(session) = session else { return false };
        let retired = session.is_retired();
        match session.open(message, now) {
            Ok(plain) => {
                self.note_hint(item, peer);
                self.touch(Key::Session(peer, id));
                self.opened(peer, id, plain.expose());
                true
            }
            Err(OpenError::Replay) => {
                self.replayed(peer);
                true
            }
            Err(error) => {
                self.count(error.reason());
                let broken = matches!(error, OpenError::Auth | OpenError::Malformed);
                if broken && !retired && !self.lived_otherwise() {
                    let words = format!("a message was refused: {error}");
                    self.refuse(ConversationId::Direct(peer), peer, error.reason(), words);
                }
                // What was carried too early the hub brings in its turn.
                let too_far = error == OpenError::TooFar && item.seq != NO_PLACE;
                if error == OpenError::Auth || too_far {
                    self.begin_anew(peer);
                }
                false
            }
        }
    }

    /// Counts a message the hub said was from somebody else than who wrote it.
    fn note_hint(&mut self, item: &Item, peer: NodeId) {
        if item.from != peer {
            self.count("other-sender");
        }
    }

    /// Whose session it is; the hub's hint is where it is looked for first.
    pub(super) fn peer_of(&self, id: &SessionId, hint: &NodeId) -> Option<NodeId> {
        let hinted = self.sessions.get(hint).into_iter().flatten();
        let mut sessions = hinted.chain(self.sessions.values().flatten());
        sessions.find(|session| session.id() == *id).map(Session::peer)
    }

    /// Something a peer said, proven to be theirs.
    fn opened(&mut self, peer: NodeId, session: SessionId, plain: &[u8]) {
        self.reset_came(peer, session);
        let plain = match PairPlain::decode(plain) {
            Ok(plain) => plain,
            Err(error) => return self.count(error.reason()),
        };
        match plain {
            PairPlain::Nothing => {}
            PairPlain::Chat(chat) => {
                self.take_chat(peer, *chat);
                self.is_mutual(peer);
            }
            PairPlain::Skdm(skdm) => self.take_skdm(peer, *skdm),
            PairPlain::SkRequest { gid, chain, .. } => self.take_key_request(peer, gid, chain),
            PairPlain::Resend { gid, plain, .. } => self.take_resend(peer, gid, plain.expose()),
            PairPlain::LogHint { gid, seq, .. } => self.log_hint(gid, seq),
            PairPlain::ResetNotice => self.peer_began_anew(peer, session),
            PairPlain::Ack { conversation, kind, ranges } => {
                self.take_ack(peer, conversation, kind, &ranges);
                if conversation.is_none() {
                    self.is_mutual(peer);
                }
            }
            PairPlain::Welcome { gid, seq, meta_key, .. } => {
                self.welcomed(peer, gid, seq, meta_key);
            }
            PairPlain::Profile { name, status, presence } => {
                self.take_profile(peer, name, status, presence);
            }
            PairPlain::Picture { bytes } => self.take_picture(peer, bytes),
            PairPlain::Heads(heads) => self.take_heads(peer, &heads),
            PairPlain::Want { conversation, author, ranges } => {
                self.take_want(peer, (conversation, author), ranges);
            }
            PairPlain::Copy { gid, envelope } => self.take_copy(peer, gid, envelope),
            PairPlain::Void { conversation, ranges } => {
                self.take_void(peer, conversation_with(peer, conversation), &ranges);
            }
            PairPlain::Knock(knock) => self.take_knock(peer, knock),
            PairPlain::KnockAnswer(answer) => self.take_knock_answer(peer, &answer),
            PairPlain::KnockProof(proof) => self.take_knock_proof(peer, &proof),
            PairPlain::KnockRefused(refused) => self.take_knock_refusal(peer, &refused),
            PairPlain::Told { gid, author, items } => self.take_told(peer, (gid, author), items),
            PairPlain::NameWanted { gid } => self.take_name_request(peer, gid),
        }
        self.seen_alive(peer);
        self.note_heard(peer);
        self.share_profile(peer);
    }

    fn log_hint(&mut self, gid: hubbub_shared::id::GroupId, seq: u64) {
        if self.groups.get(&gid).is_some_and(|group| group.next_entry() <= seq) {
            self.read_control(gid);
        }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::{Identity, Secret32};
    use hubbub_shared::session::LocalPrekeys;
    use hubbub_shared::time::Timestamp;
    use hubbub_shared::wire::ByteBuf;
    use hubbub_shared::wire::codec::encode;
    use hubbub_shared::wire::from_hub::ItemKind;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn a_handshake_under_an_older_key_than_was_seen_is_refused() {
        let identity = |seed| Identity::from_seed(Secret32::from_bytes([seed; 32]));
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (alice, hub) = (identity(1), identity(9).hub_id());
        let mut bob = Engine::new(identity(2), hub, Vec::new(), [7; 32], NOW).unwrap();
        let published = bob.prekeys.publication();
        let (mine, spk) = (encode(&published.identity), encode(&published.spk));
        let bundle = Bundle::from_wire(&mine, &spk, None).unwrap().check(&bob.id(), NOW).unwrap();
        let prekeys = LocalPrekeys::generate(&alice, NOW, &mut rng);
        let mut session = initiate(&alice, &prekeys, bundle, NOW, &mut rng).unwrap();
        let sealed = session.seal(PairPlain::Nothing.encode().expose(), NOW, &mut rng).unwrap();
        let (from, bytes) = (alice.id(), ByteBuf::from(sealed));
        let item = Item { seq: 1, kind: ItemKind::Envelope, at: NOW, from, bytes };
        bob.meet(from).idk_epoch = 2;
        bob.take_mail(&item);
        assert!(!bob.has_session(&from));
        assert_eq!(bob.status().refused, [("handshake-rollback".to_owned(), 1)]);
        bob.meet(from).idk_epoch = 1;
        bob.take_mail(&item);
        assert!(bob.has_session(&from));
    }
}
