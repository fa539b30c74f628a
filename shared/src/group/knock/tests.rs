//! The claims of passphrase rooms: who knows the passphrase comes in, who does not learns one bit a
//! try, and nobody learns it from listening.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::budget::Spent;
use super::joiner::Stage;
use super::*;
use crate::content::PairPlain;
use crate::crypto::cpace::{CpaceError, Share};
use crate::crypto::{Secret32, blake3};
use crate::limits::{
    KNOCK_AGE, KNOCK_ANSWERS, KNOCK_ATTEMPTS, KNOCK_FAILURES, KNOCK_MEMORY, KNOCK_WINDOW,
};
use crate::time::{Millis, Timestamp};

mod budgets;
mod flips;
mod offline;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ROOM: Room = Room { hub: HubId([3; 32]), gid: GroupId([4; 32]) };
const ALICE: NodeId = NodeId([1; 32]);
const BOB: NodeId = NodeId([2; 32]);
const MALLORY: NodeId = NodeId([66; 32]);
const RIGHT: &str = "ribal-tokun-vasif-modug";

/// Argon2 takes an eighth of a second; what it gives is 32 bytes like these.
fn prs(word: &str) -> Prs {
    Prs::from_secret(Secret32::from_bytes(blake3(word.as_bytes()).0))
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Bob keeps the door.
fn door() -> Door {
    Door::new(ROOM, BOB, prs(RIGHT), 7)
}

/// Alice wants in.
fn joiner(word: &str) -> Joiner {
    Joiner::new(ROOM, ALICE, prs(word))
}

/// One exchange as far as it came.
struct Run {
    door: Door,
    joiner: Joiner,
    knock: Knock,
    answer: KnockAnswer,
}

impl Run {
    /// Alice knocked with `word`, and bob answered.
    fn answered(word: &str) -> Self {
        let (mut door, mut joiner, mut rng) = (door(), joiner(word), rng(1));
        let knock = joiner.knock(BOB, NOW, &mut rng).unwrap();
        let answer = door.answer(&ALICE, &knock, NOW, &mut rng).unwrap();
        Self { door, joiner, knock, answer }
    }

    fn proof(&mut self) -> KnockProof {
        self.joiner.answered(&BOB, &self.answer, NOW).unwrap()
    }

    /// Expects that bob refuses and that nothing changed.
    fn door_refuses(&mut self, from: &NodeId, proof: &KnockProof, why: DoorError) {
        let before = self.door.save();
        assert_eq!(self.door.prove(from, proof, NOW), Err(why));
        assert_eq!(self.door.save().expose(), before.expose(), "a refusal changes nothing");
    }

    /// Expects that alice refuses and that nothing changed.
    fn joiner_refuses(&mut self, from: &NodeId, answer: &KnockAnswer, why: JoinerError) {
        let before = self.joiner.save();
        assert_eq!(self.joiner.answered(from, answer, NOW), Err(why));
        assert_eq!(self.joiner.save().expose(), before.expose(), "a refusal changes nothing");
    }
}

fn again_door(door: &Door) -> Door {
    Door::load(door.save().expose()).unwrap()
}

fn again_joiner(joiner: &Joiner) -> Joiner {
    Joiner::load(joiner.save().expose()).unwrap()
}

#[test]
fn who_knows_the_passphrase_comes_in() {
    let mut run = Run::answered(RIGHT);
    assert_eq!(run.door.failures(), 1);
    let proof = run.proof();
    assert_eq!(run.joiner.stage(), Stage::Proven);
    assert_eq!(run.door.prove(&ALICE, &proof, NOW), Ok(()));
    assert_eq!(run.door.failures(), 0);
}

#[test]
fn the_real_derivation_lets_alice_in_however_she_typed_it() {
    let room = Room { gid: GroupId([5; 32]), ..ROOM };
    let prs = |text: &str| Passphrase::typed(text).unwrap().prs(&room.gid).unwrap();
    let mut joiner = Joiner::new(room, ALICE, prs("cafe\u{301} fin at noon"));
    let mut door = Door::new(room, BOB, prs("caf\u{e9} \u{fb01}n at noon"), 0);
    let knock = joiner.knock(BOB, NOW, &mut rng(1)).unwrap();
    let answer = door.answer(&ALICE, &knock, NOW, &mut rng(2)).unwrap();
    let proof = joiner.answered(&BOB, &answer, NOW).unwrap();
    assert_eq!(door.prove(&ALICE, &proof, NOW), Ok(()));
}

#[test]
fn a_wrong_passphrase_ends_the_attempt_and_the_keeper_learns_nothing_more() {
    let mut run = Run::answered("wrong");
    assert_eq!(run.joiner.answered(&BOB, &run.answer, NOW), Err(JoinerError::Wrong));
    assert_eq!(run.joiner.stage(), Stage::Wrong);
    assert_eq!(run.joiner.waiting().count(), 0);
    // The one answer was its one chance: the same again, or a better one, is not looked at.
    let answer = run.answer.clone();
    run.joiner_refuses(&BOB, &answer, JoinerError::Unknown);
    assert_eq!(run.joiner.knock(MALLORY, NOW, &mut rng(2)).err(), Some(JoinerError::Over));
}

#[test]
fn a_wrong_proof_is_tried_once() {
    let mut run = Run::answered(RIGHT);
    let right = run.proof();
    let wrong = KnockProof { tag: [9; 32], ..right.clone() };
    assert_eq!(run.door.prove(&ALICE, &wrong, NOW), Err(DoorError::Wrong));
    assert_eq!(run.door.failures(), 1);
    run.door_refuses(&ALICE, &right, DoorError::Used);
}

#[test]
fn a_proof_counts_once() {
    let mut run = Run::answered(RIGHT);
    let proof = run.proof();
    run.door.prove(&ALICE, &proof, NOW).unwrap();
    run.door_refuses(&ALICE, &proof, DoorError::Used);
}

#[test]
fn a_share_sent_back_is_refused() {
    let mut run = Run::answered(RIGHT);
    let How::Passphrase { ya } = run.knock.how else { panic!("a passphrase") };
    let reflected = KnockAnswer { yb: ya, ..run.answer.clone() };
    run.joiner_refuses(&BOB, &reflected, JoinerError::Share(CpaceError::Reflected));
    assert_eq!(run.joiner.answered(&BOB, &run.answer, NOW).map(|_| ()), Ok(()));
}

#[test]
fn a_neutral_or_malformed_share_is_refused_on_both_sides() {
    for bad in [Share([0; 32]), Share([0xff; 32]), Share([1; 32])] {
        let mut run = Run::answered(RIGHT);
        let answer = KnockAnswer { yb: bad, ..run.answer.clone() };
        run.joiner_refuses(&BOB, &answer, JoinerError::Share(CpaceError::BadShare));
        let sid = KnockId([9; 32]);
        let knock = Knock { sid, how: How::Passphrase { ya: bad }, ..run.knock.clone() };
        let before = run.door.save();
        let refused = run.door.answer(&ALICE, &knock, NOW, &mut rng(3));
        assert_eq!(refused, Err(DoorError::Share(CpaceError::BadShare)));
        assert_eq!(run.door.save().expose(), before.expose());
    }
}

#[test]
fn another_group_knock_or_person_is_refused() {
    let mut run = Run::answered(RIGHT);
    let (gid, sid) = (GroupId([9; 32]), KnockId([9; 32]));
    let answer = run.answer.clone();
    run.joiner_refuses(&BOB, &KnockAnswer { gid, ..answer.clone() }, JoinerError::OtherGroup);
    run.joiner_refuses(&BOB, &KnockAnswer { sid, ..answer.clone() }, JoinerError::Unknown);
    run.joiner_refuses(&MALLORY, &answer, JoinerError::OtherKeeper);
    let proof = run.proof();
    run.door_refuses(&ALICE, &KnockProof { gid, ..proof.clone() }, DoorError::OtherGroup);
    run.door_refuses(&ALICE, &KnockProof { sid, ..proof.clone() }, DoorError::Unknown);
    run.door_refuses(&MALLORY, &proof, DoorError::OtherJoiner);
    let elsewhere = Knock { gid, sid, ..run.knock.clone() };
    let refused = run.door.answer(&ALICE, &elsewhere, NOW, &mut rng(2));
    assert_eq!(refused.err(), Some(DoorError::OtherGroup));
    assert_eq!(run.door.prove(&ALICE, &proof, NOW), Ok(()));
}

#[test]
fn a_tag_of_the_other_role_proves_nothing() {
    let mut run = Run::answered(RIGHT);
    let own = run.answer.clone();
    let proof = run.proof();
    let back = KnockProof { gid: own.gid, sid: own.sid, tag: own.tag };
    assert_ne!(proof, back);
    assert_eq!(run.door.prove(&ALICE, &back, NOW), Err(DoorError::Wrong));
    // And a keeper who sends the joiner's own proof back as an answer to another run.
    let mut joiner = joiner(RIGHT);
    let knock = joiner.knock(BOB, NOW, &mut rng(1)).unwrap();
    let answer = KnockAnswer { sid: knock.sid, tag: proof.tag, ..own };
    assert_eq!(joiner.answered(&BOB, &answer, NOW), Err(JoinerError::Wrong));
}

#[test]
fn who_relays_between_two_who_know_the_passphrase_comes_in_nowhere() {
    // Alice knocks at mallory, who passes it all on to bob's door in her own name.
    let (mut door, mut joiner) = (door(), joiner(RIGHT));
    let knock = joiner.knock(MALLORY, NOW, &mut rng(1)).unwrap();
    let answer = door.answer(&MALLORY, &knock, NOW, &mut rng(2)).unwrap();
    assert_eq!(joiner.answered(&MALLORY, &answer, NOW), Err(JoinerError::Wrong));
}

/// Alice knocks at bob with the right passphrase; who answers has it too, but takes the knock for
/// one of `from` at `keeper`'s door to `room`.
fn answered_elsewhere(room: Room, from: &NodeId, keeper: NodeId) -> Result<(), JoinerError> {
    let (mut door, mut joiner) = (Door::new(room, keeper, prs(RIGHT), 7), joiner(RIGHT));
    let mut knock = joiner.knock(BOB, NOW, &mut rng(1)).unwrap();
    knock.gid = room.gid;
    let answer = door.answer(from, &knock, NOW, &mut rng(2)).unwrap();
    joiner.answered(&BOB, &KnockAnswer { gid: ROOM.gid, ..answer }, NOW).map(|_| ())
}

#[test]
fn each_name_in_the_channel_counts_and_so_do_the_roles() {
    let (hub, gid) = (HubId([9; 32]), GroupId([9; 32]));
    assert_eq!(answered_elsewhere(ROOM, &ALICE, BOB), Ok(()));
    for (room, from, keeper) in [
        (Room { hub, ..ROOM }, ALICE, BOB),
        (Room { gid, ..ROOM }, ALICE, BOB),
        (ROOM, MALLORY, BOB),
        (ROOM, ALICE, MALLORY),
        (ROOM, BOB, ALICE),
    ] {
        assert_eq!(answered_elsewhere(room, &from, keeper), Err(JoinerError::Wrong));
    }
}

#[test]
fn nobody_knocks_at_their_own_door() {
    let own = Joiner::new(ROOM, BOB, prs(RIGHT)).knock(BOB, NOW, &mut rng(1));
    assert_eq!(own.err(), Some(JoinerError::OwnDoor));
    let knock = joiner(RIGHT).knock(BOB, NOW, &mut rng(1)).unwrap();
    assert_eq!(door().answer(&BOB, &knock, NOW, &mut rng(1)).err(), Some(DoorError::OwnDoor));
}

#[test]
fn a_request_to_a_person_is_not_for_the_door() {
    let how = How::Request { note: "it is me".into() };
    let knock = Knock { gid: ROOM.gid, sid: KnockId([1; 32]), how };
    let refused = door().answer(&ALICE, &knock, NOW, &mut rng(1));
    assert_eq!(refused.err(), Some(DoorError::NoPassphrase));
}

#[test]
fn both_sides_may_restart_between_any_two_steps() {
    let (mut door, mut joiner, mut rng) = (door(), joiner(RIGHT), rng(1));
    let knock = joiner.knock(BOB, NOW, &mut rng).unwrap();
    (door, joiner) = (again_door(&door), again_joiner(&joiner));
    let answer = door.answer(&ALICE, &knock, NOW, &mut rng).unwrap();
    (door, joiner) = (again_door(&door), again_joiner(&joiner));
    let proof = joiner.answered(&BOB, &answer, NOW).unwrap();
    (door, joiner) = (again_door(&door), again_joiner(&joiner));
    assert_eq!(door.prove(&ALICE, &proof, NOW), Ok(()));
    assert_eq!(again_door(&door).failures(), 0);
    assert_eq!(joiner.stage(), Stage::Proven);
}

#[test]
fn a_record_has_one_form_and_every_cut_or_longer_one_is_refused() {
    let run = Run::answered(RIGHT);
    let (door, joiner) = (run.door.save(), run.joiner.save());
    assert_eq!(again_door(&run.door).save().expose(), door.expose());
    assert_eq!(again_joiner(&run.joiner).save().expose(), joiner.expose());
    for end in 0..door.len() {
        assert!(Door::load(&door.expose()[..end]).is_err());
    }
    for end in 0..joiner.len() {
        assert!(Joiner::load(&joiner.expose()[..end]).is_err());
    }
    assert!(Door::load(&[door.expose(), &[0]].concat()).is_err());
    assert!(Joiner::load(&[joiner.expose(), &[0]].concat()).is_err());
}

#[test]
fn a_record_that_says_what_cannot_be_is_refused() {
    let run = Run::answered(RIGHT);
    // Joiner: version, room, self and prs, then the stage; in the one open knock the secret.
    let record = run.joiner.save();
    let stage = 1 + 4 * 32;
    let secret_top = stage + 1 + 4 + 32 + 4 + 32 + 32 + 8 + 31;
    for (at, byte) in [(0, 2), (stage, 3), (stage + 4, 9), (secret_top, 0x10)] {
        let mut bytes = record.expose().to_vec();
        bytes[at] = byte;
        assert!(Joiner::load(&bytes).is_err(), "byte {at}");
    }
    // Door: version, room, keeper and prs, opening entry, then failures and what was answered.
    let record = run.door.save();
    let failures = 1 + 4 * 32 + 8 + 3;
    for (at, byte) in [(0, 2), (failures, 11), (failures + 2, 5), (record.len() - 105, 11)] {
        let mut bytes = record.expose().to_vec();
        bytes[at] = byte;
        assert!(Door::load(&bytes).is_err(), "byte {at}");
    }
}
