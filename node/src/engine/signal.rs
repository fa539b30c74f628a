//! Signals: small words to one person that may be lost (PROTOCOL.md, Signals).
//!
//! They are sealed in the session that messages use, and are outside of everything else here: no
//! record changes, nothing waits, nothing is sent again, nothing is said about one that is refused
//! but its count. A signal never begins a session. What is absent: what a signal means for the
//! reader. Whoever asked to have it opened acts on it.

use std::collections::BTreeMap;

use hubbub_shared::content::{ContentError, Signal};
use hubbub_shared::id::{GroupId, NodeId, SessionId};
use hubbub_shared::session::{SealedSignal, SignalError, choose_sending};
use hubbub_shared::time::Timestamp;

use super::Engine;
use super::contact::PEOPLE;

/// The times of signals, since the start. Not stored: see [`Engine::open_signal`].
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Of the last one sealed.
    sent: Timestamp,
    /// Of the newest one opened, and the session it came in, by whose it was: one for each person
    /// at most.
    seen: BTreeMap<NodeId, (Timestamp, SessionId)>,
}

impl Engine {
    /// Seals a signal in the session that is used for sending: the payload of a datagram. `None`
    /// when there is no session, or only one in which nothing came from the peer yet, not even a
    /// signal, and for those who are blocked. Nothing is to be committed before it leaves.
    pub fn seal_signal(
        &mut self,
        peer: NodeId,
        signal: &Signal,
        now: Timestamp,
    ) -> Option<Vec<u8>> {
        self.now = now;
        if self.is_blocked(&peer) {
            return None;
        }
        let sessions = self.sessions.get(&peer)?;
        let session = sessions.get(choose_sending(sessions, now)?)?;
        let seen = self.signals.seen.get(&peer);
        let heard = seen.is_some_and(|(_, there)| *there == session.id());
        if !session.can_signal(heard) {
            return None;
        }
        // Readers take no time twice, and clocks stand still or go back.
        let ts = now.max(Timestamp(self.signals.sent.0.checked_add(1)?));
        let payload = session.seal_signal(signal.encode(ts).expose(), &mut self.rng)?;
        self.signals.sent = ts;
        Some(payload)
    }

    /// Opens a signal: whose it is, proven, and what it says. `from` is the hub's hint. `None` for
    /// one that does not open or is no news, which is counted and nothing else.
    ///
    /// A signal is news when its time is above that of every other its sender's signals had since
    /// this engine was built: a copy is taken at most once more after a restart.
    pub fn open_signal(
        &mut self,
        from: NodeId,
        payload: &[u8],
        now: Timestamp,
    ) -> Option<(NodeId, Signal)> {
        self.now = now;
        self.take_signal(&from, payload).map_err(|reason| self.count(reason)).ok()
    }

    /// The same, with the reason why not.
    fn take_signal(
        &mut self,
        hint: &NodeId,
        payload: &[u8],
    ) -> Result<(NodeId, Signal), &'static str> {
        let sealed = SealedSignal::parse(payload).map_err(|error| error.reason())?;
        let id = sealed.session();
        let peer = self.peer_of(&id, hint).ok_or("signal-unknown-session")?;
        let mut sessions = self.sessions.get(&peer).into_iter().flatten();
        let session = sessions.find(|session| session.id() == id);
        let opened = session.map_or(Err(SignalError::NoKey), |s| s.open_signal(&sealed));
        let plain = opened.map_err(|error| error.reason())?;
        let (ts, signal) = Signal::decode(plain.expose()).map_err(|error| reason_of(&error))?;
        self.note_time(peer, (ts, id))?;
        if self.is_blocked(&peer) {
            return Err("signal-blocked");
        }
        match signal {
            Signal::Typing { conversation: Some(group) }
            | Signal::Read { conversation: Some(group), .. }
                if !self.both_speak_in(&group, &peer) =>
            {
                Err("signal-not-a-member")
            }
            signal => Ok((peer, signal)),
        }
    }

    /// Times of one sender's signals rise, or they are copies or were overtaken.
    fn note_time(
        &mut self,
        peer: NodeId,
        (ts, session): (Timestamp, SessionId),
    ) -> Result<(), &'static str> {
        let seen = &mut self.signals.seen;
        match seen.get(&peer) {
            Some((last, _)) if ts <= *last => return Err("signal-replay"),
            None if seen.len() >= PEOPLE => return Err("signal-people-full"),
            _ => seen.insert(peer, (ts, session)),
        };
        Ok(())
    }

    /// Whether a group is one in which this node and `peer` speak.
    fn both_speak_in(&self, group: &GroupId, peer: &NodeId) -> bool {
        let me = self.id();
        let group = self.groups.get(group);
        group.is_some_and(|group| group.is_active(&me) && group.is_active(peer))
    }
}

fn reason_of(error: &ContentError) -> &'static str {
    match error.reason() {
        "newer" | "unknown-kind" => "signal-newer",
        _ => "signal-malformed",
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::content::PairPlain;
    use hubbub_shared::crypto::{Identity, Secret32};
    use hubbub_shared::group::{ControlLog, Op, Policy, Role};
    use hubbub_shared::id::RunKey;
    use hubbub_shared::session::{Bundle, Session, initiate, respond};
    use hubbub_shared::time::Millis;
    use hubbub_shared::wire::codec::encode;
    use hubbub_shared::wire::envelope::{Envelope, PairMessage};

    use super::super::group::{Facts, Group};
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const TYPING: Signal = Signal::Typing { conversation: None };

    fn engine(seed: u8) -> Engine {
        let identity = |seed| Identity::from_seed(Secret32::from_bytes([seed; 32]));
        Engine::new(identity(seed), identity(9).hub_id(), Vec::new(), [seed; 32], NOW).unwrap()
    }

    fn parts(envelope: &[u8]) -> PairMessage {
        match Envelope::parse(envelope).unwrap() {
            Envelope::PairInit(init) => init.message(),
            Envelope::Pair(message) => message,
            Envelope::Group(_) => panic!("a group message"),
        }
    }

    /// Alice began a session, and Bob accepted it.
    fn begun(alice: &mut Engine, bob: &mut Engine) {
        let published = bob.prekeys.publication();
        let (mine, spk) = (encode(&published.identity), encode(&published.spk));
        let bundle = Bundle::from_wire(&mine, &spk, None).unwrap().check(&bob.id(), NOW).unwrap();
        let session = initiate(&alice.me, &alice.prekeys, bundle, NOW, &mut alice.rng);
        let mut theirs = session.unwrap();
        let nothing = PairPlain::Nothing.encode();
        let first = theirs.seal(nothing.expose(), NOW, &mut alice.rng).unwrap();
        let Envelope::PairInit(init) = Envelope::parse(&first).unwrap() else { panic!("a first") };
        let ours = respond(&bob.me, &mut bob.prekeys, &init, NOW).unwrap().session;
        alice.meet(bob.id());
        bob.meet(alice.id());
        alice.sessions.entry(bob.id()).or_default().push(theirs);
        bob.sessions.entry(alice.id()).or_default().push(ours);
    }

    /// Bob answered in it, too.
    fn met(alice: &mut Engine, bob: &mut Engine) {
        begun(alice, bob);
        let ours = session(bob, &alice.id());
        let nothing = PairPlain::Nothing.encode();
        let mut rng = alice.rng.clone();
        let answer = ours.seal(nothing.expose(), NOW, &mut rng).unwrap();
        session(alice, &bob.id()).open(&parts(&answer), NOW).unwrap();
    }

    /// The newest session with a peer.
    fn session<'a>(of: &'a mut Engine, peer: &NodeId) -> &'a mut Session {
        of.sessions.get_mut(peer).unwrap().last_mut().unwrap()
    }

    fn alice_and_bob() -> (Engine, Engine) {
        let (mut alice, mut bob) = (engine(1), engine(2));
        met(&mut alice, &mut bob);
        settle(&mut [&mut alice, &mut bob]);
        (alice, bob)
    }

    /// Forgets what was to be committed and said.
    fn settle(engines: &mut [&mut Engine]) {
        for engine in engines {
            engine.take_changes();
            while engine.poll_output().is_some() {}
        }
    }

    fn is_idle(engine: &mut Engine) -> bool {
        let changes = engine.take_changes();
        changes.records.is_empty() && changes.history.is_empty() && engine.poll_output().is_none()
    }

    fn count(engine: &Engine, reason: &str) -> u64 {
        let refused = engine.status().refused;
        refused.iter().find(|(name, _)| name == reason).map_or(0, |(_, n)| *n)
    }

    fn says(from: &mut Engine, to: &Engine, signal: &Signal) -> Vec<u8> {
        from.seal_signal(to.id(), signal, NOW).unwrap()
    }

    #[test]
    fn what_alice_signals_bob_hears_as_hers_and_nothing_is_stored_or_sent_for_it() {
        let (mut alice, mut bob) = alice_and_bob();
        let (a, b) = (alice.id(), bob.id());
        let addresses = vec!["192.0.2.7:4433".parse().unwrap()];
        let key = RunKey([5; 32]);
        let reach = Signal::Reach { attempt: 7, answer: false, key, addresses };
        for signal in [TYPING, reach] {
            let there = says(&mut alice, &bob, &signal);
            assert_eq!(bob.open_signal(a, &there, NOW), Some((a, signal.clone())));
            let back = says(&mut bob, &alice, &signal);
            assert_eq!(alice.open_signal(b, &back, NOW), Some((b, signal)));
        }
        assert!(is_idle(&mut alice) && is_idle(&mut bob));
    }

    #[test]
    fn a_hub_that_lies_about_the_sender_changes_nothing_about_who_it_is() {
        let (mut alice, mut bob) = alice_and_bob();
        let mut carol = engine(3);
        met(&mut carol, &mut bob);
        for hint in [carol.id(), engine(4).id()] {
            let there = says(&mut alice, &bob, &TYPING);
            assert_eq!(bob.open_signal(hint, &there, NOW), Some((alice.id(), TYPING)));
        }
    }

    #[test]
    fn nobody_signals_without_a_session_in_which_something_came() {
        let (mut alice, mut bob) = (engine(1), engine(2));
        assert_eq!(alice.seal_signal(bob.id(), &TYPING, NOW), None);
        begun(&mut alice, &mut bob);
        assert_eq!(alice.seal_signal(bob.id(), &TYPING, NOW), None);
        // Bob, who accepted, has the proof, and his signal is alice's.
        let back = says(&mut bob, &alice, &TYPING);
        assert_eq!(alice.open_signal(bob.id(), &back, NOW), Some((bob.id(), TYPING)));
        let there = says(&mut alice, &bob, &TYPING);
        assert_eq!(bob.open_signal(alice.id(), &there, NOW), Some((alice.id(), TYPING)));
        assert!(!session(&mut alice, &bob.id()).is_confirmed(), "a signal confirms nothing");
        assert_eq!(alice.seal_signal(alice.id(), &TYPING, NOW), None);
    }

    #[test]
    fn a_signal_heard_in_one_session_opens_no_other_that_is_not_answered() {
        let (mut alice, mut bob) = (engine(1), engine(2));
        begun(&mut alice, &mut bob);
        let back = says(&mut bob, &alice, &TYPING);
        assert!(alice.open_signal(bob.id(), &back, NOW).is_some());
        session(&mut alice, &bob.id()).retire();
        begun(&mut alice, &mut bob);
        assert_eq!(alice.seal_signal(bob.id(), &TYPING, NOW), None);
        // Nor does one that only claims to be of it.
        let mut forged = back;
        let newest = session(&mut alice, &bob.id()).id();
        forged[1..17].copy_from_slice(newest.as_bytes());
        assert_eq!(alice.open_signal(bob.id(), &forged, NOW), None);
        assert_eq!(alice.seal_signal(bob.id(), &TYPING, NOW), None);
    }

    #[test]
    fn a_session_that_is_out_of_use_is_not_signalled_in_and_still_heard() {
        let (mut alice, mut bob) = alice_and_bob();
        let there = says(&mut alice, &bob, &TYPING);
        session(&mut bob, &alice.id()).retire();
        assert_eq!(bob.seal_signal(alice.id(), &TYPING, NOW), None);
        assert!(bob.open_signal(alice.id(), &there, NOW).is_some());
        let late = NOW + Millis::days(31);
        assert_eq!(alice.seal_signal(bob.id(), &TYPING, late), None);
    }

    #[test]
    fn times_rise_though_the_clock_stands_still_or_goes_back() {
        let (mut alice, mut bob) = alice_and_bob();
        for at in [NOW, NOW, NOW - Millis::days(1), NOW, NOW + Millis(1), NOW + Millis(2)] {
            let there = alice.seal_signal(bob.id(), &TYPING, at).unwrap();
            assert!(bob.open_signal(alice.id(), &there, NOW).is_some());
        }
        assert_eq!(alice.signals.sent, NOW + Millis(5));
        alice.signals.sent = Timestamp(u64::MAX);
        assert_eq!(alice.seal_signal(bob.id(), &TYPING, NOW), None);
    }

    #[test]
    fn a_copy_and_one_that_was_overtaken_are_refused() {
        let (mut alice, mut bob) = alice_and_bob();
        let [first, second] = [(); 2].map(|()| says(&mut alice, &bob, &TYPING));
        assert!(bob.open_signal(alice.id(), &second, NOW).is_some());
        for old in [&second, &first] {
            assert_eq!(bob.open_signal(alice.id(), old, NOW), None);
        }
        assert_eq!(count(&bob, "signal-replay"), 2);
        // Others' times are their own.
        let mut carol = engine(3);
        met(&mut carol, &mut bob);
        let theirs = carol.seal_signal(bob.id(), &TYPING, NOW - Millis::days(1)).unwrap();
        assert!(bob.open_signal(carol.id(), &theirs, NOW).is_some());
    }

    #[test]
    fn one_who_is_blocked_is_neither_signalled_to_nor_heard_nor_replayed_later() {
        let (mut alice, mut bob) = alice_and_bob();
        let there = says(&mut alice, &bob, &TYPING);
        bob.block(alice.id()).unwrap();
        assert_eq!(bob.seal_signal(alice.id(), &TYPING, NOW), None);
        assert_eq!(bob.open_signal(alice.id(), &there, NOW), None);
        assert_eq!(count(&bob, "signal-blocked"), 1);
        bob.unblock(alice.id()).unwrap();
        assert_eq!(bob.open_signal(alice.id(), &there, NOW), None);
        let again = says(&mut alice, &bob, &TYPING);
        assert!(bob.open_signal(alice.id(), &again, NOW).is_some());
    }

    #[test]
    fn typing_in_a_group_counts_where_both_speak() {
        let (mut alice, mut bob) = alice_and_bob();
        let (gid, genesis) =
            ControlLog::create(&alice.me, Policy::closed(), NOW, &mut alice.rng.clone());
        let mut log = ControlLog::genesis(&genesis).unwrap();
        let added = log.propose(&alice.me, Op::add(bob.id(), Role::Member, 1), NOW);
        log.apply(&added).unwrap();
        let typing = Signal::Typing { conversation: Some(gid) };
        let there = says(&mut alice, &bob, &typing);
        assert_eq!(bob.open_signal(alice.id(), &there, NOW), None);
        assert_eq!(count(&bob, "signal-not-a-member"), 1);
        let group = Group { log: Some(log), ..Group::new(Facts::new(NOW, true)) };
        bob.groups.insert(gid, group);
        let there = says(&mut alice, &bob, &typing);
        assert_eq!(bob.open_signal(alice.id(), &there, NOW), Some((alice.id(), typing.clone())));
        let mut carol = engine(3);
        met(&mut carol, &mut bob);
        let theirs = says(&mut carol, &bob, &typing);
        assert_eq!(bob.open_signal(carol.id(), &theirs, NOW), None);
        assert_eq!(count(&bob, "signal-not-a-member"), 2);
    }

    #[test]
    fn what_does_not_open_is_counted_by_its_reason_and_begins_nothing() {
        let (mut alice, mut bob) = alice_and_bob();
        let mut mallory = engine(4);
        let mut other = engine(2);
        met(&mut mallory, &mut other);
        let honest = says(&mut alice, &bob, &TYPING);
        let mut altered = honest.clone();
        altered[100] ^= 1;
        let mut newer = honest.clone();
        newer[0] = 2;
        let strange = says(&mut mallory, &other, &TYPING);
        let secret = session(&mut alice, &bob.id());
        let mut rng = other.rng.clone();
        let mut sealed = |plain: &[u8]| secret.seal_signal(plain, &mut rng).unwrap();
        let cases = [
            (strange, "signal-unknown-session"),
            (altered, "signal-auth"),
            (newer, "signal-newer"),
            (sealed(&[&[1, 200][..], &[0; 8]].concat()), "signal-newer"),
            (sealed(&[1, 3]), "signal-malformed"),
            (honest[..40].to_vec(), "signal-malformed"),
            (Vec::new(), "signal-malformed"),
        ];
        for (n, (payload, reason)) in cases.into_iter().enumerate() {
            let before = count(&bob, reason);
            assert_eq!(bob.open_signal(alice.id(), &payload, NOW), None, "case {n}");
            assert_eq!(count(&bob, reason), before + 1, "case {n}");
        }
        assert!(is_idle(&mut bob));
        assert!(bob.open_signal(alice.id(), &honest, NOW).is_some(), "none of it was in the way");
    }
}
