//! Starting a session, honestly.

use rand_core::Rng;

use super::*;

#[test]
fn a_first_message_reaches_someone_who_was_away() {
    for one_time in [true, false] {
        let (mut alice, mut bob) = alice_and_bob();
        let mut session = alice.begin(&bob, one_time);
        let first = session.seal(b"hello", NOW, &mut alice.rng).unwrap();
        let accepted = bob.accept(&init_of(&first)).unwrap();
        assert_eq!(accepted.plain.expose(), b"hello");
        assert_eq!((accepted.peer, accepted.session.peer()), (alice.me.id(), alice.me.id()));
        assert_eq!((session.peer(), session.id()), (bob.me.id(), accepted.session.id()));
        assert_eq!(session_of(&pair_of(&first).hdr), Some(session.id()));
        assert_eq!(session.began_on_last_resort(), !one_time);
        assert_eq!(accepted.session.began_on_last_resort(), !one_time);
    }
}

#[test]
fn an_initiator_repeats_the_handshake_until_the_first_answer() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut session = alice.begin(&bob, true);
    let first = session.seal(b"one", NOW, &mut alice.rng).unwrap();
    let second = session.seal(b"two", NOW, &mut alice.rng).unwrap();
    assert!(!session.is_confirmed());
    let mut theirs = bob.accept(&init_of(&first)).unwrap().session;
    assert!(theirs.is_confirmed());
    assert_eq!(theirs.open(&pair_of(&second), NOW).unwrap().expose(), b"two");

    let answer = theirs.seal(b"three", NOW, &mut bob.rng).unwrap();
    session.open(&pair_of(&answer), NOW).unwrap();
    assert!(session.is_confirmed());
    let third = session.seal(b"four", NOW, &mut alice.rng).unwrap();
    assert_eq!(Envelope::kind_of(&third), Some(crate::wire::envelope::Kind::Pair));
    assert!(third.len() < 400, "{} bytes", third.len());
}

#[test]
fn first_messages_that_overtake_each_other_all_arrive() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut session = alice.begin(&bob, false);
    let sent: Vec<_> =
        (0..3_u8).map(|i| session.seal(&[i], NOW, &mut alice.rng).unwrap()).collect();
    let accepted = bob.accept(&init_of(&sent[2])).unwrap();
    assert_eq!(accepted.plain.expose(), [2]);
    let mut theirs = accepted.session;
    for i in [0, 1] {
        assert_eq!(
            theirs.open(&pair_of(&sent[i]), NOW).unwrap().expose(),
            [u8::try_from(i).unwrap()]
        );
        assert_eq!(theirs.open(&pair_of(&sent[i]), NOW).map(|_| ()), Err(OpenError::Replay));
    }
}

#[test]
fn garbage_in_answer_to_a_first_message_confirms_nothing() {
    let (mut alice, bob) = alice_and_bob();
    let mut session = alice.begin(&bob, true);
    let first = session.seal(b"hello", NOW, &mut alice.rng).unwrap();
    let mut echo = pair_of(&first);
    assert!(session.open(&echo, NOW).is_err());
    echo.body.reverse();
    assert!(session.open(&echo, NOW).is_err());
    assert!(!session.is_confirmed());
    assert!(session.last_received().is_none());
}

#[test]
fn a_replayed_first_message_is_refused_with_and_without_a_one_time_prekey() {
    for one_time in [true, false] {
        let (mut alice, mut bob) = alice_and_bob();
        let mut session = alice.begin(&bob, one_time);
        let first = init_of(&session.seal(b"hello", NOW, &mut alice.rng).unwrap());
        let before = bob.keys.one_time_left();
        bob.accept(&first).unwrap();
        assert_eq!(bob.keys.one_time_left(), before - usize::from(one_time));
        let again = bob.accept(&first).map(|_| ()).unwrap_err();
        assert_eq!(again.reason(), "replay");
        bob.keys = LocalPrekeys::load(bob.keys.save().expose()).unwrap();
        let again = bob.accept(&first).map(|_| ()).unwrap_err();
        assert_eq!(again.reason(), "replay");
    }
}

#[test]
fn a_one_time_prekey_serves_one_session() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut carol = Node::new(3);
    let mut first = alice.begin(&bob, true);
    let mut second = carol.begin(&bob, true);
    bob.accept(&init_of(&first.seal(b"a", NOW, &mut alice.rng).unwrap())).unwrap();
    let late = init_of(&second.seal(b"c", NOW, &mut carol.rng).unwrap());
    assert_eq!(bob.accept(&late).map(|_| ()).unwrap_err().reason(), "unknown-prekey");
}

#[test]
fn a_session_with_oneself_is_refused() {
    let (mut alice, _) = alice_and_bob();
    let bundle = alice.bundle(true).check(&alice.me.id(), NOW).unwrap();
    let refused = initiate(&alice.me, &alice.keys, bundle, NOW, &mut alice.rng).map(|_| ());
    assert_eq!(refused.unwrap_err().reason(), "myself");
}

/// What is on its way to one side.
#[derive(Default)]
struct Mailbox(Vec<Vec<u8>>);

struct Peer {
    node: Node,
    sessions: Vec<Session>,
    inbox: Mailbox,
}

impl Peer {
    fn new(seed: u64) -> Self {
        Self { node: Node::new(seed), sessions: vec![], inbox: Mailbox::default() }
    }

    fn send(&mut self, to: &mut Self) {
        if choose_sending(&self.sessions, NOW).is_none() {
            self.sessions.push(self.node.begin(&to.node, false));
        }
        let index = choose_sending(&self.sessions, NOW).unwrap();
        let envelope = self.sessions[index].seal(b"x", NOW, &mut self.node.rng).unwrap();
        to.inbox.0.push(envelope);
    }

    fn receive(&mut self, index: usize) {
        let envelope = self.inbox.0.remove(index);
        let message = pair_of(&envelope);
        let named = session_of(&message.hdr).unwrap();
        if let Some(session) = self.sessions.iter_mut().find(|s| s.id() == named) {
            session.open(&message, NOW).unwrap();
        } else {
            let accepted = self.node.accept(&init_of(&envelope)).unwrap();
            self.sessions.push(accepted.session);
        }
    }
}

#[test]
fn nodes_that_begin_at_once_settle_on_one_session() {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    for seed in 0..100 {
        for peer in [&mut alice, &mut bob] {
            peer.sessions.clear();
            peer.inbox.0.clear();
        }
        let mut dice = ChaCha20Rng::seed_from_u64(seed);
        alice.send(&mut bob);
        bob.send(&mut alice);
        for _ in 0..12 {
            match dice.next_u32() % 4 {
                0 => alice.send(&mut bob),
                1 => bob.send(&mut alice),
                2 if !alice.inbox.0.is_empty() => {
                    let index = dice.next_u32() as usize % alice.inbox.0.len();
                    alice.receive(index);
                }
                3 if !bob.inbox.0.is_empty() => {
                    let index = dice.next_u32() as usize % bob.inbox.0.len();
                    bob.receive(index);
                }
                _ => {}
            }
        }
        for _ in 0..2 {
            (0..alice.inbox.0.len()).for_each(|_| alice.receive(0));
            (0..bob.inbox.0.len()).for_each(|_| bob.receive(0));
            alice.send(&mut bob);
            bob.send(&mut alice);
        }
        let chosen = |peer: &Peer| {
            let index = choose_sending(&peer.sessions, NOW).unwrap();
            peer.sessions[index].id()
        };
        assert_eq!(chosen(&alice), chosen(&bob), "seed {seed}");
        assert!(alice.sessions.len() <= 2 && bob.sessions.len() <= 2, "seed {seed}");
    }
}
