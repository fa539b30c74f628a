//! Signals: whose they are, what they survive, and that nothing else opens.

use proptest::prelude::*;

use super::*;
use crate::crypto::RecordError;
use crate::limits::DATAGRAM_PAYLOAD_MAX;

/// How many bytes the key takes at the end of a saved session.
const KEY: usize = 1 + 32;

impl Side {
    fn signal(&mut self, text: &[u8]) -> Vec<u8> {
        self.session.seal_signal(text, &mut self.rng).unwrap()
    }

    fn hear(&self, payload: &[u8]) -> Result<Vec<u8>, SignalError> {
        let signal = SealedSignal::parse(payload)?;
        self.session.open_signal(&signal).map(|plain| plain.expose().to_vec())
    }
}

#[test]
fn each_side_opens_what_the_other_signals() {
    let (mut alice, mut bob) = connected();
    let (there, back) = (alice.signal(b"here"), bob.signal(b"here, too"));
    assert_eq!(bob.hear(&there).unwrap(), b"here");
    assert_eq!(alice.hear(&back).unwrap(), b"here, too");
}

#[test]
fn a_side_does_not_take_its_own_signals_for_the_others() {
    let (mut alice, _) = connected();
    let there = alice.signal(b"here");
    assert_eq!(alice.hear(&there), Err(SignalError::Auth));
}

#[test]
fn nobody_signals_before_the_other_side_has_proven_itself() {
    let (mut alice, mut bob) = alice_and_bob();
    let mut session = alice.begin(&bob, true);
    let first = session.seal(b"hello", NOW, &mut alice.rng).unwrap();
    let accepted = bob.accept(&init_of(&first)).unwrap();
    let (mut a, mut b) =
        (Side { session, rng: alice.rng }, Side { session: accepted.session, rng: bob.rng });
    assert!(!a.session.can_signal(false));
    // Who accepted has the proof already, and is understood.
    assert!(b.session.can_signal(false));
    let back = b.signal(b"here");
    assert_eq!(a.hear(&back).unwrap(), b"here");
    // Whoever heard one knows that it will be understood, and that is all.
    assert!(!a.session.is_confirmed() && a.session.can_signal(true));
    let there = a.signal(b"here");
    assert_eq!(b.hear(&there).unwrap(), b"here");
    let answer = b.seal(b"hello yourself");
    a.open(&answer).unwrap();
    let there = a.signal(b"here");
    assert_eq!(b.hear(&there).unwrap(), b"here");
}

#[test]
fn a_signal_of_another_session_between_the_same_two_does_not_open() {
    let (mut alice, mut bob) = alice_and_bob();
    let accepted = [true, false].map(|one_time| {
        let first = alice.begin(&bob, one_time).seal(b"hello", NOW, &mut alice.rng).unwrap();
        bob.accept(&init_of(&first)).unwrap().session
    });
    let [one, two] = &accepted;
    let mut payload = one.seal_signal(b"here", &mut bob.rng).unwrap();
    assert_eq!(SealedSignal::parse(&payload).unwrap().session(), one.id());
    let heard = |payload: &[u8]| two.open_signal(&SealedSignal::parse(payload).unwrap()).err();
    assert_eq!(heard(&payload), Some(SignalError::Auth));
    // Nor does it under the other one's name.
    payload[1..17].copy_from_slice(two.id().as_bytes());
    assert_eq!(heard(&payload), Some(SignalError::Auth));
}

#[test]
fn lost_repeated_and_reordered_signals_change_nothing() {
    let (mut alice, mut bob) = connected();
    let (before, heard) = (alice.saved(), bob.saved());
    let signals: Vec<_> = (0..3_000_u32).map(|n| alice.signal(&n.to_be_bytes())).collect();
    for n in [2_999_u32, 5, 5, 17] {
        assert_eq!(bob.hear(&signals[n as usize]).unwrap(), n.to_be_bytes());
    }
    assert_eq!((alice.saved(), bob.saved()), (before, heard));
    talk(&mut alice, &mut bob, 1);
}

#[test]
fn signals_open_however_far_the_ratchet_has_turned() {
    let (mut alice, mut bob) = connected();
    let early = alice.signal(b"early");
    talk(&mut alice, &mut bob, 60);
    assert_eq!(bob.hear(&early).unwrap(), b"early");
    let late = bob.signal(b"late");
    assert_eq!(alice.hear(&late).unwrap(), b"late");
}

#[test]
fn every_altered_byte_and_every_cut_is_refused() {
    let (mut alice, bob) = connected();
    let payload = alice.signal(b"here");
    assert_eq!(payload.len(), 217);
    for byte in 0..payload.len() {
        let mut altered = payload.clone();
        altered[byte] ^= 1 << (byte % 8);
        let expected = match byte {
            0 => SignalError::Malformed,
            _ => SignalError::Auth,
        };
        assert_eq!(bob.hear(&altered), Err(expected), "byte {byte}");
        assert!(bob.hear(&payload[..byte]).is_err());
    }
    assert_eq!(bob.hear(&[&payload[..], &[0]].concat()), Err(SignalError::Auth));
    let mut newer = payload;
    newer[0] = 2;
    assert_eq!(bob.hear(&newer), Err(SignalError::Newer(2)));
}

#[test]
fn what_is_too_long_for_a_datagram_is_neither_sealed_nor_read() {
    let (mut alice, bob) = connected();
    assert_eq!(alice.signal(&[1; 1_023]).len(), 1_081);
    assert_eq!(alice.session.seal_signal(&[1; 1_024], &mut alice.rng), None);
    let long = [vec![1], vec![0; DATAGRAM_PAYLOAD_MAX]].concat();
    assert_eq!(bob.hear(&long), Err(SignalError::Malformed));
    assert_eq!(bob.hear(&long[1..]), Err(SignalError::Malformed));
    assert_eq!(bob.hear(&[1; 56]), Err(SignalError::Malformed));
}

#[test]
fn a_saved_session_keeps_its_key() {
    let (mut alice, bob) = connected();
    let loaded = Side { session: Session::load(&bob.saved()).unwrap(), ..alice.stolen() };
    assert_eq!(loaded.saved(), bob.saved());
    let there = alice.signal(b"here");
    assert_eq!(loaded.hear(&there).unwrap(), b"here");
}

#[test]
fn a_session_saved_in_version_1_lives_on_and_cannot_signal() {
    let (mut alice, bob) = connected();
    let record = bob.saved();
    let mut first = record[..record.len() - KEY].to_vec();
    assert_eq!(Session::load(&first).err(), Some(RecordError::Short), "version 2 has the field");
    first[0] = 1;
    let mut old = Side { session: Session::load(&first).unwrap(), ..bob };
    assert!(old.session.is_confirmed() && !old.session.can_signal(true));
    assert_eq!(old.session.seal_signal(b"here", &mut old.rng), None);
    let there = alice.signal(b"here");
    assert_eq!(old.hear(&there), Err(SignalError::NoKey));
    talk(&mut alice, &mut old, 2);
    // Saved again, it has the present form, and still no key.
    let again = Side { session: Session::load(&old.saved()).unwrap(), ..alice.stolen() };
    assert_eq!((old.saved()[0], again.session.can_signal(true)), (2, false));
}

#[test]
fn a_session_of_another_version_is_refused_by_number() {
    let mut record = connected().0.saved();
    for version in [0, 3] {
        record[0] = version;
        assert_eq!(Session::load(&record).err(), Some(RecordError::Version(version)));
    }
    record[0] = 1;
    assert_eq!(Session::load(&record).err(), Some(RecordError::Trailing), "version 1 has no key");
}

#[test]
fn a_rolled_back_node_does_not_repeat_a_nonce() {
    let (alice, _) = connected();
    let (mut one, mut two) = (alice.stolen(), alice.stolen());
    assert_ne!(one.signal(b"yes")[17..41], two.signal(b"no!")[17..41]);
}

#[test]
fn garbage_never_panics_and_never_opens() {
    let (alice, _) = connected();
    let head = [&[1][..], alice.session.id().as_bytes()].concat();
    proptest!(|(bytes in prop::collection::vec(any::<u8>(), 0..1_300), named: bool)| {
        let payload = if named { [&head[..], &bytes].concat() } else { bytes };
        prop_assert!(alice.hear(&payload).is_err());
    });
}

#[test]
fn what_one_side_signals_the_other_reads() {
    let (alice, bob) = connected();
    proptest!(|(plain in prop::collection::vec(any::<u8>(), 0..1_024), seed: u64)| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let payload = alice.session.seal_signal(&plain, &mut rng).unwrap();
        prop_assert!(payload.len() <= DATAGRAM_PAYLOAD_MAX);
        prop_assert_eq!(bob.hear(&payload).unwrap(), plain);
    });
}
