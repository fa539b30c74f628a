//! What is published, replaced, and forgotten.

use super::*;
use crate::limits;

#[test]
fn the_hub_gets_fifty_and_more_only_when_few_are_left() {
    let mut bob = Node::new(2);
    let first = bob.keys.publication().otks;
    assert_eq!(first.len(), limits::ONE_TIME_PREKEYS);
    bob.keys.mark_published(&first.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    assert!(bob.keys.publication().otks.is_empty());
    assert!(bob.keys.refill(&bob.me, 20, NOW, &mut bob.rng).is_empty());
    let more = bob.keys.refill(&bob.me, 19, NOW, &mut bob.rng);
    assert_eq!(more.len(), 31);
    assert_eq!(bob.keys.publication().otks, more);
    assert!(more.iter().all(|(id, _)| first.iter().all(|(old, _)| old != id)));
}

#[test]
fn a_hub_that_always_claims_to_have_none_cannot_make_a_node_grow() {
    let mut bob = Node::new(2);
    for _ in 0..10 {
        bob.keys.refill(&bob.me, 0, NOW, &mut bob.rng);
    }
    assert_eq!(bob.keys.one_time_left(), limits::ONE_TIME_PREKEYS_KEPT);
}

#[test]
fn a_signed_prekey_is_replaced_weekly_and_opens_first_messages_three_weeks_more() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut session = alice.begin(&bob, false);
    let init = init_of(&session.seal(b"x", NOW, &mut alice.rng).unwrap());
    let old = bob.keys.publication().spk;
    assert!(!bob.keys.rotate_if_due(&bob.me, later(Millis::days(6)), &mut bob.rng));
    assert!(bob.keys.rotate_if_due(&bob.me, later(Millis::days(8)), &mut bob.rng));
    assert_ne!(bob.keys.publication().spk, old);

    bob.keys.rotate_if_due(&bob.me, later(Millis::days(29)), &mut bob.rng);
    let kept = LocalPrekeys::load(bob.keys.save().expose()).unwrap();
    assert!(bob.accept(&init).is_ok());
    bob.keys = kept;
    bob.keys.rotate_if_due(&bob.me, later(Millis::days(30)), &mut bob.rng);
    assert_eq!(bob.accept(&init).map(|_| ()).unwrap_err().reason(), "unknown-prekey");
}

#[test]
fn a_clock_moved_back_does_not_stop_the_rotation() {
    let mut bob = Node::new(2);
    assert!(bob.keys.rotate_if_due(&bob.me, later(Millis::days(400)), &mut bob.rng));
    assert!(bob.keys.rotate_if_due(&bob.me, NOW, &mut bob.rng));
}

#[test]
fn an_unused_one_time_prekey_is_forgotten_after_sixty_days() {
    let mut bob = Node::new(2);
    bob.keys.rotate_if_due(&bob.me, later(Millis::days(60)), &mut bob.rng);
    assert_eq!(bob.keys.one_time_left(), limits::ONE_TIME_PREKEYS);
    bob.keys.rotate_if_due(&bob.me, later(Millis::days(61)), &mut bob.rng);
    assert_eq!(bob.keys.one_time_left(), 0);
}

#[test]
fn accepted_handshakes_are_remembered_only_while_they_could_be_replayed() {
    let (mut alice, mut bob) = alice_and_bob();
    let init = init_of(&alice.begin(&bob, false).seal(b"x", NOW, &mut alice.rng).unwrap());
    bob.accept(&init).unwrap();
    assert_eq!(bob.keys.seen.len(), 1);
    bob.keys.rotate_if_due(&bob.me, later(Millis::days(8)), &mut bob.rng);
    assert_eq!(bob.keys.seen.len(), 1);
    bob.keys.rotate_if_due(&bob.me, later(Millis::days(30)), &mut bob.rng);
    assert_eq!(bob.keys.seen.len(), 0);
}

#[test]
fn a_full_memory_refuses_what_could_be_replayed_and_nothing_else() {
    let (mut alice, mut bob) = alice_and_bob();
    let spk_id = bob.keys.current.id;
    for i in 0..limits::HANDSHAKES_REMEMBERED {
        let mut transcript = [0xee; 32];
        transcript[..8].copy_from_slice(&(i as u64).to_be_bytes());
        bob.keys.remember(super::super::prekeys::Seen { transcript, spk_id, one_time: false });
    }
    let plain = init_of(&alice.begin(&bob, false).seal(b"x", NOW, &mut alice.rng).unwrap());
    assert_eq!(bob.accept(&plain).map(|_| ()).unwrap_err().reason(), "full");
    let one_time = init_of(&alice.begin(&bob, true).seal(b"x", NOW, &mut alice.rng).unwrap());
    assert!(bob.accept(&one_time).is_ok());
    assert_eq!(bob.keys.seen.len(), limits::HANDSHAKES_REMEMBERED);
    assert!(LocalPrekeys::load(bob.keys.save().expose()).is_ok());
    assert_eq!(bob.accept(&one_time).map(|_| ()).unwrap_err().reason(), "unknown-prekey");
}

#[test]
fn a_flood_of_first_messages_keeps_strangers_out_until_the_next_rotation_and_no_longer() {
    let (mut alice, mut bob) = alice_and_bob();
    let spk_id = bob.keys.current.id;
    for i in 0..limits::HANDSHAKES_REMEMBERED {
        let mut transcript = [0xee; 32];
        transcript[..8].copy_from_slice(&(i as u64).to_be_bytes());
        bob.keys.remember(super::super::prekeys::Seen { transcript, spk_id, one_time: false });
    }
    let plain = init_of(&alice.begin(&bob, false).seal(b"x", NOW, &mut alice.rng).unwrap());
    assert_eq!(bob.accept(&plain).map(|_| ()).unwrap_err().reason(), "full");
    assert!(bob.keys.rotate_if_due(&bob.me, later(Millis::days(8)), &mut bob.rng));
    let plain = init_of(&alice.begin(&bob, false).seal(b"x", NOW, &mut alice.rng).unwrap());
    assert!(bob.accept(&plain).is_ok());
    let kept = LocalPrekeys::load(bob.keys.save().expose()).unwrap();
    assert_eq!(kept.seen.len(), limits::HANDSHAKES_REMEMBERED + 1);
}

#[test]
fn prekeys_survive_a_restart_and_a_damaged_record_does_not_pass() {
    let bob = Node::new(2);
    let record = bob.keys.save();
    let again = LocalPrekeys::load(record.expose()).unwrap();
    assert_eq!(again.save().expose(), record.expose());
    assert_eq!(again.publication(), bob.keys.publication());
    for end in (0..record.len()).step_by(997) {
        assert!(LocalPrekeys::load(&record.expose()[..end]).is_err());
    }
}
