//! How often one may guess: at a keeper, over restarts, whatever the clock does; and how often a
//! joiner lets others guess.

use super::*;
use crate::crypto::RecordError;

/// Somebody who knocks again and again without ever proving anything.
struct Guesser {
    door: Door,
    tries: u64,
}

impl Guesser {
    fn at(door: Door) -> Self {
        Self { door, tries: 0 }
    }

    /// One more guess, by somebody new each time.
    fn guess(&mut self, now: Timestamp) -> Result<(), DoorError> {
        self.tries += 1;
        let joiner = NodeId(blake3(&self.tries.to_be_bytes()).0);
        let mut attempt = Joiner::new(ROOM, joiner, prs("wrong"));
        let knock = attempt.knock(BOB, now, &mut rng(self.tries)).unwrap();
        self.door.answer(&joiner, &knock, now, &mut rng(self.tries)).map(|answer| {
            assert_eq!(attempt.answered(&BOB, &answer, now), Err(JoinerError::Wrong));
        })
    }
}

#[test]
fn ten_tries_lock_the_door_for_good_whoever_makes_them() {
    let mut guesser = Guesser::at(door());
    let mut answered = 0;
    for hour in 0..1_000 {
        answered += usize::from(guesser.guess(NOW + Millis::hours(hour)).is_ok());
        guesser.door = again_door(&guesser.door);
    }
    assert_eq!(answered, KNOCK_FAILURES);
    assert!(guesser.door.is_locked());
    let locked = guesser.guess(NOW + Millis::days(365));
    assert_eq!(locked, Err(DoorError::Spent(Spent::Locked)));
    assert_eq!(locked.unwrap_err().refusal(), Some(Reason::Locked));
}

#[test]
fn who_knows_the_passphrase_waits_before_a_locked_door_like_anybody() {
    let mut guesser = Guesser::at(door());
    for hour in 0..10 {
        guesser.guess(NOW + Millis::hours(hour)).unwrap();
    }
    let knock = joiner(RIGHT).knock(BOB, NOW, &mut rng(99)).unwrap();
    let late = NOW + Millis::hours(10);
    let refused = guesser.door.answer(&ALICE, &knock, late, &mut rng(1));
    assert_eq!(refused.err(), Some(DoorError::Spent(Spent::Locked)));
}

#[test]
fn five_answers_are_given_in_ten_minutes() {
    let mut guesser = Guesser::at(door());
    for _ in 0..KNOCK_ANSWERS {
        guesser.guess(NOW).unwrap();
    }
    let busy = Err(DoorError::Spent(Spent::Busy { until: NOW + KNOCK_WINDOW }));
    assert_eq!(guesser.guess(NOW), busy);
    assert_eq!(guesser.guess(NOW + KNOCK_WINDOW - Millis(1)), busy);
    assert_eq!(guesser.guess(NOW + KNOCK_WINDOW), Ok(()));
}

#[test]
fn a_clock_that_jumps_gives_no_more_than_the_ten() {
    let mut guesser = Guesser::at(door());
    let mut answered = 0;
    for day in [0, 900, 1, 800, 2, 700, 3, 600, 4, 500] {
        for _ in 0..20 {
            answered += usize::from(guesser.guess(Timestamp(0) + Millis::days(day)).is_ok());
        }
    }
    assert_eq!(answered, KNOCK_FAILURES);
}

#[test]
fn honest_people_do_not_use_the_door_up() {
    let (mut door, mut now) = (door(), NOW);
    for n in 0..100 {
        let joiner = NodeId([n; 32]);
        if joiner == BOB {
            continue;
        }
        let mut attempt = Joiner::new(ROOM, joiner, prs(RIGHT));
        let knock = attempt.knock(BOB, now, &mut rng(n.into())).unwrap();
        let answer = door.answer(&joiner, &knock, now, &mut rng(n.into())).unwrap();
        let proof = attempt.answered(&BOB, &answer, now).unwrap();
        door.prove(&joiner, &proof, now).unwrap();
        now = now + Millis::minutes(3);
    }
    assert_eq!((door.failures(), door.is_locked()), (0, false));
}

#[test]
fn an_admin_opens_a_locked_door_anew_once_per_entry() {
    let mut guesser = Guesser::at(door());
    for hour in 0..10 {
        guesser.guess(NOW + Millis::hours(hour)).unwrap();
    }
    for known in [0, 7] {
        assert!(!guesser.door.reopen(known), "the log read again opens nothing");
        assert!(guesser.door.is_locked());
    }
    assert!(guesser.door.reopen(8));
    assert_eq!((guesser.door.is_locked(), guesser.door.opened()), (false, 8));
    assert!(!guesser.door.reopen(8));
    for hour in 10..20 {
        guesser.guess(NOW + Millis::hours(hour)).unwrap();
    }
    assert!(again_door(&guesser.door).is_locked());
    assert!(!again_door(&guesser.door).reopen(8));
}

#[test]
fn a_knock_answered_before_the_door_was_opened_anew_is_over() {
    let mut run = Run::answered(RIGHT);
    let proof = run.proof();
    assert!(run.door.reopen(8));
    run.door_refuses(&ALICE, &proof, DoorError::Used);
    assert_eq!(DoorError::Used.refusal(), Some(Reason::Declined));
}

#[test]
fn no_knock_is_answered_twice() {
    let mut run = Run::answered(RIGHT);
    let seen = Some(DoorError::Spent(Spent::Seen));
    let again = |door: &mut Door, knock: &Knock, now| {
        let before = door.failures();
        let refused = door.answer(&ALICE, knock, now, &mut rng(5)).err();
        assert_eq!(door.failures(), before);
        refused
    };
    assert_eq!(again(&mut run.door, &run.knock, NOW), seen);
    // Not while its proof may come, though the memory of others ends earlier …
    assert_eq!(again(&mut run.door, &run.knock, NOW + KNOCK_AGE - Millis(1)), seen);
    // … and not for a day after a proof.
    let mut run = Run::answered(RIGHT);
    let proof = run.proof();
    run.door.prove(&ALICE, &proof, NOW).unwrap();
    run.door = again_door(&run.door);
    assert_eq!(again(&mut run.door, &run.knock, NOW + KNOCK_MEMORY - Millis(1)), seen);
}

#[test]
fn a_knock_and_an_answer_wait_three_days() {
    let late = NOW + KNOCK_AGE;
    let mut run = Run::answered(RIGHT);
    assert_eq!(run.joiner.answered(&BOB, &run.answer, late), Err(JoinerError::Unknown));
    let proof = run.joiner.answered(&BOB, &run.answer, late - Millis(1)).unwrap();
    assert_eq!(run.door.prove(&ALICE, &proof, late), Err(DoorError::Unknown));
    assert_eq!(run.door.prove(&ALICE, &proof, late - Millis(1)), Ok(()));
    let mut waits = Run::answered(RIGHT).joiner;
    assert!(!waits.expire(late - Millis(1)));
    assert!(waits.expire(late));
    assert_eq!(waits.waiting().count(), 0);
}

#[test]
fn one_attempt_knocks_at_eight_keepers_once_each() {
    let (mut attempt, mut rng) = (joiner(RIGHT), rng(1));
    for n in 10..18 {
        let keeper = NodeId([n; 32]);
        attempt.knock(keeper, NOW, &mut rng).unwrap();
        attempt = again_joiner(&attempt);
        assert_eq!(attempt.knock(keeper, NOW, &mut rng).err(), Some(JoinerError::Asked));
    }
    assert_eq!(attempt.waiting().count(), KNOCK_ATTEMPTS);
    let more = attempt.knock(NodeId([18; 32]), NOW, &mut rng);
    assert_eq!(more.err(), Some(JoinerError::TooMany));
    // Refusals and silence give none back.
    attempt.expire(NOW + KNOCK_AGE);
    assert_eq!(attempt.knock(BOB, NOW, &mut rng).err(), Some(JoinerError::TooMany));
}

#[test]
fn shares_and_names_of_two_knocks_have_nothing_in_common() {
    let (mut attempt, mut rng) = (joiner(RIGHT), rng(1));
    let one = attempt.knock(NodeId([10; 32]), NOW, &mut rng).unwrap();
    let two = attempt.knock(NodeId([11; 32]), NOW, &mut rng).unwrap();
    assert_ne!(one.sid, two.sid);
    assert_ne!(one.how, two.how);
}

#[test]
fn a_refusal_ends_the_knock_it_is_about_and_another_keeper_may_be_asked() {
    let (mut attempt, mut rng) = (joiner(RIGHT), rng(1));
    let knock = attempt.knock(MALLORY, NOW, &mut rng).unwrap();
    let refused = KnockRefused { gid: knock.gid, sid: knock.sid, reason: Reason::Locked };
    let other = KnockRefused { gid: GroupId([9; 32]), ..refused };
    assert_eq!(attempt.refused(&MALLORY, &other), Err(JoinerError::OtherGroup));
    assert_eq!(attempt.refused(&BOB, &refused), Err(JoinerError::OtherKeeper));
    assert_eq!(attempt.refused(&MALLORY, &refused), Ok(()));
    assert_eq!(attempt.refused(&MALLORY, &refused), Err(JoinerError::Unknown));
    let knock = attempt.knock(BOB, NOW, &mut rng).unwrap();
    let answer = door().answer(&ALICE, &knock, NOW, &mut rng).unwrap();
    assert!(attempt.answered(&BOB, &answer, NOW).is_ok());
    // Let in once is enough.
    let more = attempt.knock(NodeId([10; 32]), NOW, &mut rng);
    assert_eq!(more.err(), Some(JoinerError::Over));
}

#[test]
fn what_a_door_remembers_is_bounded_in_its_record() {
    let record = Run::answered(RIGHT).door.save();
    let answered = 1 + 4 * 32 + 8 + 4;
    let mut bytes = record.expose().to_vec();
    bytes[answered..answered + 4].copy_from_slice(&1_025_u32.to_be_bytes());
    assert_eq!(Door::load(&bytes).err(), Some(RecordError::Range));
}
