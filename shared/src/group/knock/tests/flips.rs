//! No bit of the three messages can be changed on the way without the joiner staying outside.

use super::*;

/// Which message the flip is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Knock,
    Answer,
    Proof,
}

/// Carries a message over, with bit `at` flipped if it is the one.
fn carry(plain: PairPlain, flip: Option<usize>) -> Option<PairPlain> {
    let mut bytes = plain.encode().expose().to_vec();
    if let Some(at) = flip {
        bytes[at / 8] ^= 1 << (at % 8);
    }
    PairPlain::decode(&bytes).ok()
}

/// Whether a run ends with alice let in, with one bit flipped.
fn comes_in(which: Which, at: Option<usize>) -> bool {
    let (mut door, mut joiner, mut rng) = (door(), joiner(RIGHT), rng(1));
    let flip = |message| at.filter(|_| message == which);
    let knock = PairPlain::Knock(joiner.knock(BOB, NOW, &mut rng).unwrap());
    let Some(PairPlain::Knock(knock)) = carry(knock, flip(Which::Knock)) else { return false };
    let Ok(answer) = door.answer(&ALICE, &knock, NOW, &mut rng) else { return false };
    let answer = carry(PairPlain::KnockAnswer(answer), flip(Which::Answer));
    let Some(PairPlain::KnockAnswer(answer)) = answer else { return false };
    let Ok(proof) = joiner.answered(&BOB, &answer, NOW) else { return false };
    let proof = carry(PairPlain::KnockProof(proof), flip(Which::Proof));
    let Some(PairPlain::KnockProof(proof)) = proof else { return false };
    door.prove(&ALICE, &proof, NOW).is_ok()
}

#[test]
fn every_flipped_bit_keeps_the_joiner_out() {
    for (which, bytes) in [(Which::Knock, 99), (Which::Answer, 130), (Which::Proof, 98)] {
        assert!(comes_in(which, None), "the run itself is sound");
        for at in 0..bytes * 8 {
            assert!(!comes_in(which, Some(at)), "{which:?}, bit {at}");
        }
    }
}
