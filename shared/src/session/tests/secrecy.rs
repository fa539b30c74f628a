//! What a thief of the whole state learns: nothing from before, and soon nothing more.

use super::super::state::KemOffer;
use super::*;
use crate::crypto::exchange::KemSecret;
use crate::session::ratchet::root_step;

#[test]
fn a_stolen_state_opens_nothing_from_before() {
    let (mut alice, mut bob) = connected();
    let mut past = Vec::new();
    for _ in 0..3 {
        for _ in 0..3 {
            let message = alice.seal(b"past");
            bob.open(&message).unwrap();
            past.push(message);
        }
        let answer = bob.seal(b"past");
        alice.open(&answer).unwrap();
        past.push(answer);
    }
    for mut thief in [alice.stolen(), bob.stolen()] {
        for message in &past {
            assert!(thief.open(message).is_err());
        }
    }
    let mut thief = bob.stolen();
    let next = alice.seal(b"next");
    assert_eq!(thief.open(&next).unwrap(), b"next"); // the thief can open something at all
}

#[test]
fn one_round_trip_shuts_a_thief_out() {
    let (mut alice, mut bob) = connected();
    let mut thieves = [alice.stolen(), bob.stolen()];
    talk(&mut alice, &mut bob, 1);
    let (there, back) = (alice.seal(b"there"), bob.seal(b"back"));
    for thief in &mut thieves {
        assert!(thief.open(&there).is_err());
        assert!(thief.open(&back).is_err());
    }
}

/// Follows a turn of `real` as a thief who can break every X25519 agreement, but not ML-KEM.
fn follow_turn(thief: &mut Side, real: &Side) {
    let own = real.session.own.as_ref().unwrap().duplicate();
    let dh = own.agree(&thief.session.remote.unwrap()).unwrap();
    thief.session.root = root_step(&thief.session.root, &dh, None).0;
    thief.session.own = Some(own);
    thief.session.offer = real.session.offer.as_ref().map(|real| KemOffer {
        secret: KemSecret::generate(&mut thief.rng),
        public: real.public.clone(),
    });
}

#[test]
fn a_post_quantum_step_shuts_out_a_thief_who_breaks_x25519() {
    for (with_step, opens) in [(false, true), (true, false)] {
        let (mut alice, mut bob) = connected();
        let mut thief = alice.stolen();
        let now = if with_step { later(Millis::hours(25)) } else { NOW };
        let there = alice.seal_at(b"there", now);
        follow_turn(&mut thief, &alice);
        bob.open(&there).unwrap();
        let back = bob.seal(b"back");
        assert_eq!(thief.open(&back).is_ok(), opens, "with a step: {with_step}");
        assert_eq!(alice.open(&back).unwrap(), b"back");
    }
}

#[test]
fn a_rolled_back_node_does_not_repeat_a_nonce() {
    let (alice, _) = connected();
    let (mut one, mut two) = (alice.stolen(), alice.stolen());
    let (a, b) = (one.seal(b"yes"), two.seal(b"no!"));
    assert_eq!(a.hdr, b.hdr); // the worst case: same generator, same chain, same number
    assert_ne!(a.body[..12], b.body[..12]);
}
