//! A running session under an unreliable and hostile path.

use super::super::header::Header;
use super::*;
use crate::crypto::exchange::DhPublic;
use crate::limits;

fn forged(message: &PairMessage, change: impl FnOnce(&mut Header)) -> PairMessage {
    let mut header = Header::parse(&message.hdr).unwrap();
    change(&mut header);
    PairMessage { hdr: header.to_bytes(), body: message.body.clone() }
}

fn header(message: &PairMessage) -> Header {
    Header::parse(&message.hdr).unwrap()
}

#[test]
fn a_window_of_a_thousand_messages_arrives_in_any_order_and_only_once() {
    let (mut alice, mut bob) = connected();
    let sent: Vec<_> = (0..=limits::SKIP_PER_CHAIN)
        .map(|i| (i.to_be_bytes(), alice.seal(&i.to_be_bytes())))
        .collect();
    for (text, message) in sent.iter().rev() {
        assert_eq!(bob.open(message).unwrap(), text);
    }
    assert_eq!(bob.session.skipped_keys(), 0);
    for (_, message) in &sent {
        assert_eq!(bob.open(message), Err(OpenError::Replay));
    }
}

#[test]
fn copies_from_earlier_chains_are_known_as_copies() {
    let (mut alice, mut bob) = connected();
    let mut old = Vec::new();
    for _ in 0..10 {
        let message = alice.seal(b"old");
        bob.open(&message).unwrap();
        old.push(message);
        let answer = bob.seal(b"new");
        alice.open(&answer).unwrap();
    }
    for message in &old {
        assert_eq!(bob.open(message), Err(OpenError::Replay));
    }
}

#[test]
fn a_jump_beyond_the_window_is_too_far_and_changes_nothing() {
    let (mut alice, mut bob) = connected();
    let first = alice.seal(b"first");
    for _ in 0..limits::SKIP_PER_CHAIN {
        alice.seal(b"lost");
    }
    let far = alice.seal(b"far");
    let before = bob.saved();
    assert_eq!(bob.open(&far), Err(OpenError::TooFar));
    assert_eq!(bob.saved(), before);
    bob.open(&first).unwrap();
    assert_eq!(bob.open(&far).unwrap(), b"far");
}

#[test]
fn forged_numbers_cost_a_bounded_amount_and_change_nothing() {
    let (mut alice, mut bob) = connected();
    let known = alice.seal(b"known");
    bob.open(&known).unwrap();
    let honest = alice.seal(b"honest");
    let answer = bob.seal(b"answer");
    alice.open(&answer).unwrap();
    let turned = alice.seal(b"turned");
    let before = bob.saved();
    for (n, refused) in [
        (0, OpenError::Replay),
        (5, OpenError::Auth),
        (5_000, OpenError::TooFar),
        (1 << 31, OpenError::TooFar),
        (u32::MAX, OpenError::Malformed),
    ] {
        assert_eq!(bob.open(&forged(&honest, |h| h.n = n)), Err(refused), "n = {n}");
    }
    for (pn, refused) in [
        (0, OpenError::Auth),
        (9, OpenError::Auth),
        (5_000, OpenError::TooFar),
        (u32::MAX, OpenError::Malformed),
    ] {
        assert_eq!(bob.open(&forged(&turned, |h| h.pn = pn)), Err(refused), "pn = {pn}");
    }
    assert_eq!(bob.open(&forged(&turned, |h| h.n = 5_000)), Err(OpenError::TooFar));
    assert_eq!(bob.saved(), before);
    assert_eq!(bob.open(&turned).unwrap(), b"turned");
    assert_eq!(bob.open(&honest).unwrap(), b"honest");
}

#[test]
fn low_order_and_foreign_ratchet_keys_change_nothing() {
    let (mut alice, mut bob) = connected();
    let message = alice.seal(b"x");
    let before = bob.saved();
    for key in [[0; 32], [9; 32], bob.session.own.as_ref().unwrap().public().0] {
        let forged = forged(&message, |h| h.dh = DhPublic(key));
        assert_eq!(bob.open(&forged), Err(OpenError::Auth));
    }
    assert_eq!(bob.saved(), before);
    assert_eq!(bob.open(&message).unwrap(), b"x");
}

#[test]
fn keys_of_lost_messages_are_bounded_in_number_and_age() {
    let (mut alice, mut bob) = connected();
    for _ in 0..4 {
        for _ in 0..800 {
            alice.seal(b"lost");
        }
        let message = alice.seal(b"seen");
        bob.open(&message).unwrap();
        let answer = bob.seal(b"answer");
        alice.open(&answer).unwrap();
    }
    assert_eq!(bob.session.skipped_keys(), limits::SKIPPED_PER_SESSION);

    let late = alice.seal(b"late");
    let next = alice.seal(b"next");
    bob.open(&next).unwrap();
    let mut early = bob.stolen();
    assert_eq!(early.session.open(&late, later(Millis::days(14))).unwrap().expose(), b"late");
    let too_late = bob.session.open(&late, later(Millis::days(15))).map(|_| ());
    assert_eq!(too_late, Err(OpenError::Replay));
}

#[test]
fn every_altered_bit_is_refused_and_changes_nothing() {
    let (mut alice, mut bob) = connected();
    let honest = alice.seal(b"meet at noon");
    let before = bob.saved();
    for bit in 0..honest.hdr.len() * 8 {
        let mut altered = honest.clone();
        altered.hdr[bit / 8] ^= 1 << (bit % 8);
        assert!(bob.open(&altered).is_err(), "header bit {bit}");
    }
    for bit in 0..honest.body.len() * 8 {
        let mut altered = honest.clone();
        altered.body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(bob.open(&altered), Err(OpenError::Auth), "body bit {bit}");
    }
    assert_eq!(bob.saved(), before);
    assert_eq!(bob.open(&honest).unwrap(), b"meet at noon");
}

#[test]
fn garbage_changes_nothing() {
    let (mut alice, mut bob) = connected();
    let honest = alice.seal(b"x");
    let before = bob.saved();
    for i in 0..2_000_u32 {
        let hash = crate::crypto::blake3(&i.to_be_bytes());
        let garbage = forged(&honest, |h| {
            (h.n, h.pn) = (i % 100, i % 7);
            h.dh = if i % 2 == 0 { h.dh } else { DhPublic(*hash.as_bytes()) };
        });
        if garbage != honest {
            assert!(bob.open(&garbage).is_err());
        }
    }
    assert_eq!(bob.saved(), before);
}

#[test]
fn a_message_of_another_session_is_named_as_such() {
    let (mut alice, _) = connected();
    let message = alice.seal(b"x");
    let other = forged(&message, |h| h.sid.0[0] ^= 1);
    assert_eq!(alice.open(&other), Err(OpenError::OtherSession));
    let newer = forged(&message, |h| h.v = 2);
    assert_eq!(alice.open(&newer), Err(OpenError::Version));
}

#[test]
fn a_post_quantum_secret_enters_every_fifty_messages_and_every_day() {
    let (mut alice, mut bob) = connected();
    let (mut offers, mut answers) = (0, 0);
    for _ in 0..110 {
        let there = alice.seal(b"there");
        bob.open(&there).unwrap();
        let back = bob.seal(b"back");
        alice.open(&back).unwrap();
        for message in [&there, &back] {
            offers += usize::from(header(message).ek.is_some());
            answers += usize::from(header(message).ct.is_some());
        }
    }
    assert_eq!((offers, answers), (4, 4)); // in 220 messages
    let tomorrow = later(Millis::hours(24));
    assert!(header(&alice.seal_at(b"next day", tomorrow)).ek.is_some());
}

#[test]
fn a_session_begun_without_a_one_time_prekey_offers_at_once() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut session = alice.begin(&bob, false);
    let first = session.seal(b"x", NOW, &mut alice.rng).unwrap();
    assert!(header(&pair_of(&first)).ek.is_some());
    let mut theirs = bob.accept(&init_of(&first)).unwrap().session;
    let answer = pair_of(&theirs.seal(b"y", NOW, &mut bob.rng).unwrap());
    assert!(header(&answer).ct.is_some() && header(&answer).ek.is_none());
    assert_eq!(session.open(&answer, NOW).unwrap().expose(), b"y");
}

#[test]
fn an_offer_must_be_answered_and_only_an_offer_can_be() {
    let (mut alice, mut bob) = connected();
    talk(&mut alice, &mut bob, 30);
    let offer = alice.seal_at(b"offer", later(Millis::hours(25)));
    assert!(header(&offer).ek.is_some());
    bob.open(&offer).unwrap();
    let answer = bob.seal(b"answer");
    let before = alice.saved();
    assert_eq!(alice.open(&forged(&answer, |h| h.ct = None)), Err(OpenError::Auth));
    let ct = header(&answer).ct;
    assert!(ct.is_some());
    alice.open(&answer).unwrap();
    assert_ne!(alice.saved(), before);
    let plain = alice.seal(b"plain");
    assert_eq!(bob.open(&forged(&plain, |h| h.ct = ct)), Err(OpenError::Auth));
    bob.open(&plain).unwrap();
}

#[test]
fn what_does_not_fit_an_envelope_is_refused_before_anything_moves() {
    let (mut alice, mut bob) = connected();
    let before = alice.saved();
    let large = vec![1; limits::ENVELOPE_MAX];
    let refused = alice.session.seal(&large, NOW, &mut alice.rng).map(|_| ());
    assert_eq!(refused, Err(SealError::TooLarge));
    assert_eq!(alice.saved(), before);
    let most = vec![1; 240_000];
    let message = alice.seal(&most);
    assert_eq!(bob.open(&message).unwrap(), most);
}

#[test]
fn a_silent_or_retired_session_is_not_used_for_sending() {
    let (alice, mut bob) = connected();
    let mut sessions = vec![alice.session];
    assert_eq!(choose_sending(&sessions, later(Millis::days(30))), Some(0));
    assert_eq!(choose_sending(&sessions, later(Millis::days(31))), None);
    sessions[0].retire();
    assert_eq!(choose_sending(&sessions, NOW), None);
    let late = bob.seal(b"late");
    assert!(sessions[0].open(&late, NOW).is_ok());
    assert_eq!(choose_sending(&sessions, NOW), None);
}

#[test]
fn a_damaged_record_does_not_load() {
    let (mut alice, mut bob) = connected();
    talk(&mut alice, &mut bob, 1);
    let record = alice.saved();
    assert_eq!(alice.stolen().saved(), record);
    for end in (0..record.len()).step_by(13) {
        assert!(Session::load(&record[..end]).is_err());
    }
    assert!(Session::load(&[&record[..], &[0]].concat()).is_err());
}
