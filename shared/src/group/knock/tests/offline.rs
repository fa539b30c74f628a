//! Guessing offline: somebody has all three messages, opened, and a dictionary with the right word.
//!
//! Nobody can test that a problem is hard. What is tested is that one and the same attack finds the
//! word wherever a protocol like this one was weakened, or a secret got out, and finds nothing in
//! what is really said. It tries, for each word, everything that can be computed from it and the
//! messages: as shared point all small multiples, sums and differences of what is known, and as
//! key whatever comes of that point, of the word, or of both.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;

use super::*;
use crate::crypto::cpace::tests::{generator_of, isk_of};
use crate::crypto::cpace::{Inputs, Shares};
use crate::crypto::derive::mac;
use crate::crypto::hkdf;

/// What people choose, and the right one among it.
const DICTIONARY: [&str; 12] = [
    "password",
    "letmein",
    "dragon",
    "monkey",
    "sunshine",
    "football",
    RIGHT,
    "princess",
    "shadow",
    "welcome",
    "hubbub",
    "open sesame",
];
const SMALL: u64 = 64;

/// Everything that was said, and by whom.
struct Recorded {
    joiner: NodeId,
    keeper: NodeId,
    sid: KnockId,
    shares: Shares,
    /// Of the joiner and of the keeper.
    tags: [Option<[u8; 32]>; 2],
}

impl Recorded {
    /// Reads it out of the opened messages.
    fn read(joiner: NodeId, keeper: NodeId, messages: &[Vec<u8>]) -> Self {
        let mut tags = [None, None];
        let (mut sid, mut ya, mut yb) = (KnockId([0; 32]), Share([0; 32]), Share([0; 32]));
        for message in messages {
            match PairPlain::decode(message).unwrap_or_else(|e| panic!("{e}")) {
                PairPlain::Knock(Knock { sid: id, how: How::Passphrase { ya: share }, .. }) => {
                    (sid, ya) = (id, share);
                }
                PairPlain::KnockAnswer(answer) => (yb, tags[1]) = (answer.yb, Some(answer.tag)),
                PairPlain::KnockProof(proof) => tags[0] = Some(proof.tag),
                _ => panic!("another message"),
            }
        }
        Self { joiner, keeper, sid, shares: Shares { initiator: ya, responder: yb }, tags }
    }

    fn channel(&self) -> Channel {
        ROOM.channel(&self.joiner, &self.keeper)
    }

    /// Whether a key makes one of the tags that were seen.
    fn fits(&self, key: &Secret32) -> bool {
        let made = tags(key, &self.channel().0, &self.sid, &self.shares);
        made.iter().zip(self.tags).any(|(made, seen)| Some(*made) == seen)
    }

    /// The words of the dictionary that something in the record confirms. `known` are secrets the
    /// attacker has, because they are its own or got out.
    fn attack(&self, known: &[Scalar]) -> Vec<&'static str> {
        DICTIONARY.into_iter().filter(|word| self.confirms(word, known)).collect()
    }

    /// Supposes that `word` is right, computes every key that could have been used then, and looks
    /// whether one of them made what was seen.
    fn confirms(&self, word: &str, known: &[Scalar]) -> bool {
        let (prs, channel) = (prs(word), self.channel());
        let generator = generator_of(&channel.inputs(&prs, &self.sid));
        let mut keys = vec![prs.secret().duplicate(), key_of(&self.sid, prs.secret().expose())];
        for shared in self.points(known) {
            let isk = self.isk(&shared);
            keys.push(key_of(&self.sid, &[&isk[..], prs.secret().expose()].concat()));
        }
        for shared in self.points_of_word(&generator, known) {
            keys.push(key_of(&self.sid, &self.isk(&shared)));
        }
        keys.iter().any(|key| self.fits(key))
    }

    /// Whether the key can be computed without any word.
    fn gives_its_key_away(&self, known: &[Scalar]) -> bool {
        self.points(known).iter().any(|shared| self.fits(&key_of(&self.sid, &self.isk(shared))))
    }

    fn isk(&self, shared: &RistrettoPoint) -> [u8; 64] {
        isk_of(&self.sid, &self.shares, &shared.compress().to_bytes())
    }

    fn elements(&self) -> [RistrettoPoint; 2] {
        [self.shares.initiator, self.shares.responder]
            .map(|share| CompressedRistretto(share.0).decompress().unwrap())
    }

    /// What can be computed as the shared point whatever the word is.
    fn points(&self, known: &[Scalar]) -> Vec<RistrettoPoint> {
        let [a, b] = self.elements();
        let multiples = scalars(known).flat_map(|scalar| [a * scalar, b * scalar]);
        [a + b, a - b, b - a].into_iter().chain(multiples).collect()
    }

    /// What can be computed as the shared point if this is the word's generator.
    fn points_of_word(&self, g: &RistrettoPoint, known: &[Scalar]) -> Vec<RistrettoPoint> {
        let [a, b] = self.elements();
        let mut points = vec![a + g, b + g, a - g, b - g, a + b + g];
        for scalar in scalars(known) {
            let multiple = g * scalar;
            points.push(multiple);
            // With one side's secret, the rest is what that side did itself.
            points.extend((multiple == a).then(|| b * scalar));
            points.extend((multiple == b).then(|| a * scalar));
        }
        points
    }
}

/// Those that are known, and those that are soon tried out.
fn scalars(known: &[Scalar]) -> impl Iterator<Item = Scalar> {
    (0..=SMALL).map(Scalar::from).chain(known.iter().copied())
}

fn key_of(sid: &KnockId, material: &[u8]) -> Secret32 {
    Secret32::filled(|out| {
        hkdf(sid.as_bytes(), material, &Label::CpaceConfirm.info(b""), out);
    })
}

fn tags(key: &Secret32, ci: &[u8], sid: &KnockId, shares: &Shares) -> [[u8; 32]; 2] {
    [&b"initiator"[..], b"responder"].map(|role| {
        let (a, b) = (shares.initiator.as_bytes(), shares.responder.as_bytes());
        let parts: [&[u8]; 5] = [role, ci, sid.as_bytes(), a, b];
        *mac(key, Label::CpaceConfirm, &parts).expose()
    })
}

/// Alice and bob, who both know the passphrase, are recorded.
fn recorded() -> (Recorded, Scalar) {
    let mut run = Run::answered(RIGHT);
    let record = run.joiner.save();
    let secret = &record.expose()[record.len() - 64..record.len() - 32];
    let secret = Scalar::from_canonical_bytes(secret.try_into().unwrap()).unwrap();
    let proof = run.proof();
    let messages = [
        PairPlain::Knock(run.knock),
        PairPlain::KnockAnswer(run.answer),
        PairPlain::KnockProof(proof),
    ];
    let messages = messages.map(|plain| plain.encode().expose().to_vec());
    (Recorded::read(ALICE, BOB, &messages), secret)
}

#[test]
fn a_recorded_exchange_confirms_no_word_of_a_dictionary() {
    let (recorded, _) = recorded();
    assert_eq!(recorded.attack(&[]), Vec::<&str>::new());
    assert!(!recorded.gives_its_key_away(&[]));
}

#[test]
fn the_attack_finds_the_word_when_a_secret_of_the_same_exchange_got_out() {
    let (recorded, secret) = recorded();
    assert_eq!(recorded.attack(&[secret]), [RIGHT]);
    assert!(recorded.gives_its_key_away(&[secret]));
    assert_eq!(recorded.attack(&[secret + Scalar::ONE]), Vec::<&str>::new());
    assert!(!recorded.gives_its_key_away(&[secret + Scalar::ONE]));
}

/// Ways to get it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weakened {
    /// The proofs are made with the passphrase itself.
    TagsFromPassphrase,
    /// Secrets come from a poor generator.
    SmallSecrets,
    /// Everybody multiplies the same point; the passphrase enters only in the key.
    FixedGenerator,
}

/// The exchange between mallory, who knows her own secret and not the passphrase, or between two
/// who do (`word` is what the joiner typed), with one part of it made weak.
fn weakened(how: Weakened, word: &str, secrets: [Scalar; 2]) -> Recorded {
    let (joiner, keeper, sid) = (MALLORY, BOB, KnockId([7; 32]));
    let channel = ROOM.channel(&joiner, &keeper);
    let (typed, right) = (prs(word), prs(RIGHT));
    let generator = |inputs: &Inputs<'_>| match how {
        Weakened::FixedGenerator => RistrettoPoint::mul_base(&Scalar::ONE),
        _ => generator_of(inputs),
    };
    let share = |prs: &Prs, secret: Scalar| {
        let inputs = channel.inputs(prs, &sid);
        Share((generator(&inputs) * secret).compress().to_bytes())
    };
    let initiator = share(&typed, secrets[0]);
    let shares = Shares { initiator, responder: share(&right, secrets[1]) };
    let theirs = CompressedRistretto(initiator.0).decompress().unwrap();
    let shared = (theirs * secrets[1]).compress().to_bytes();
    let isk = isk_of(&sid, &shares, &shared);
    let key = match how {
        Weakened::TagsFromPassphrase => right.secret().duplicate(),
        Weakened::SmallSecrets => key_of(&sid, &isk),
        Weakened::FixedGenerator => key_of(&sid, &[&isk[..], right.secret().expose()].concat()),
    };
    let tag = tags(&key, &channel.0, &sid, &shares)[1];
    Recorded { joiner, keeper, sid, shares, tags: [None, Some(tag)] }
}

fn large(seed: u8) -> Scalar {
    Scalar::from_bytes_mod_order(blake3(&[seed]).0)
}

#[test]
fn the_attack_finds_the_word_in_every_weakened_exchange() {
    let [one, two] = [large(1), large(2)];
    let found = |how, word, secrets, known: &[Scalar]| weakened(how, word, secrets).attack(known);
    assert_eq!(found(Weakened::TagsFromPassphrase, RIGHT, [one, two], &[]), [RIGHT]);
    assert_eq!(found(Weakened::SmallSecrets, RIGHT, [Scalar::from(40_u8), two], &[]), [RIGHT]);
    // And whoever knocks once with a wrong word needs only the answer.
    assert_eq!(found(Weakened::FixedGenerator, "dragon", [one, two], &[one]), [RIGHT]);
    assert_eq!(found(Weakened::TagsFromPassphrase, "dragon", [one, two], &[one]), [RIGHT]);
}

/// Mallory knocks with a word, knows her own secret, and takes the answer home.
fn knocks(word: &str) -> (Recorded, Scalar) {
    let mut attempt = Joiner::new(ROOM, MALLORY, prs(word));
    let knock = attempt.knock(BOB, NOW, &mut rng(1)).unwrap();
    let record = attempt.save();
    let secret = &record.expose()[record.len() - 64..record.len() - 32];
    let secret = Scalar::from_canonical_bytes(secret.try_into().unwrap()).unwrap();
    let answer = door().answer(&MALLORY, &knock, NOW, &mut rng(2)).unwrap();
    let messages = [PairPlain::Knock(knock), PairPlain::KnockAnswer(answer)];
    let messages = messages.map(|plain| plain.encode().expose().to_vec());
    (Recorded::read(MALLORY, BOB, &messages), secret)
}

#[test]
fn one_knock_tests_one_word_and_its_answer_says_nothing_of_the_others() {
    for word in DICTIONARY {
        let (recorded, secret) = knocks(word);
        let found = recorded.attack(&[secret]);
        if word == RIGHT {
            assert_eq!(found, [RIGHT]);
        } else {
            assert_eq!(found, Vec::<&str>::new(), "{word}");
        }
    }
}

#[test]
fn a_false_keeper_tests_one_word_with_its_answer() {
    for word in DICTIONARY {
        let mut attempt = joiner(RIGHT);
        let knock = attempt.knock(MALLORY, NOW, &mut rng(1)).unwrap();
        let mut door = Door::new(ROOM, MALLORY, prs(word), 0);
        let answer = door.answer(&ALICE, &knock, NOW, &mut rng(2)).unwrap();
        let right = attempt.answered(&MALLORY, &answer, NOW).is_ok();
        assert_eq!(right, word == RIGHT);
    }
}

#[test]
fn any_word_could_have_made_any_share() {
    // A group of prime order: each element but the neutral one is exactly one multiple of each
    // word's generator. So a share alone, whoever made it, fits every word alike.
    let (recorded, _) = recorded();
    let channel = recorded.channel();
    let mut generators = Vec::new();
    for word in DICTIONARY {
        let prs = prs(word);
        let generator = generator_of(&channel.inputs(&prs, &recorded.sid)).compress();
        assert!(Share(generator.0).is_usable());
        assert!(!generators.contains(&generator));
        generators.push(generator);
    }
    assert!(recorded.shares.initiator.is_usable() && recorded.shares.responder.is_usable());
}
