//! Two nodes and whoever stands between them.

mod forgery;
mod handshake;
mod model;
mod prekeys;
mod ratchet;
mod secrecy;
mod signal;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::crypto::Identity;
use crate::time::{Millis, Timestamp};
use crate::wire::envelope::{Envelope, PairInit, PairMessage};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn later(by: Millis) -> Timestamp {
    NOW + by
}

/// One node and its generator.
struct Node {
    me: Identity,
    keys: LocalPrekeys,
    rng: ChaCha20Rng,
}

impl Node {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let me = Identity::generate(&mut rng);
        let keys = LocalPrekeys::generate(&me, NOW, &mut rng);
        Self { me, keys, rng }
    }

    /// What the hub hands out; the same one-time prekey every time.
    fn bundle(&self, one_time: bool) -> Bundle {
        let publication = self.keys.publication();
        let otk = publication.otks.into_iter().next().map(|(_, signed)| signed);
        let otk = otk.filter(|_| one_time);
        Bundle { identity: publication.identity, spk: publication.spk, otk }
    }

    fn begin(&mut self, with: &Self, one_time: bool) -> Session {
        let bundle = with.bundle(one_time).check(&with.me.id(), NOW).unwrap();
        initiate(&self.me, &self.keys, bundle, NOW, &mut self.rng).unwrap()
    }

    fn accept(&mut self, init: &PairInit) -> Result<Accepted, HandshakeError> {
        respond(&self.me, &mut self.keys, init, NOW)
    }
}

fn alice_and_bob() -> (Node, Node) {
    (Node::new(1), Node::new(2))
}

fn init_of(envelope: &[u8]) -> PairInit {
    match Envelope::parse(envelope).unwrap() {
        Envelope::PairInit(init) => init,
        other => panic!("not a first message: {other:?}"),
    }
}

fn pair_of(envelope: &[u8]) -> PairMessage {
    match Envelope::parse(envelope).unwrap() {
        Envelope::PairInit(init) => init.message(),
        Envelope::Pair(message) => message,
        Envelope::Group(_) => panic!("a group message"),
    }
}

/// One side of a running session.
struct Side {
    session: Session,
    rng: ChaCha20Rng,
}

impl Side {
    fn seal(&mut self, text: &[u8]) -> PairMessage {
        self.seal_at(text, NOW)
    }

    fn seal_at(&mut self, text: &[u8], now: Timestamp) -> PairMessage {
        pair_of(&self.session.seal(text, now, &mut self.rng).unwrap())
    }

    fn open(&mut self, message: &PairMessage) -> Result<Vec<u8>, OpenError> {
        self.session.open(message, NOW).map(|plain| plain.expose().to_vec())
    }

    /// What a thief of the whole state has.
    fn stolen(&self) -> Self {
        let session = Session::load(self.session.save().expose()).unwrap();
        Self { session, rng: ChaCha20Rng::seed_from_u64(666) }
    }

    fn saved(&self) -> Vec<u8> {
        self.session.save().expose().to_vec()
    }
}

/// Alice began, Bob accepted and answered: both are confirmed.
fn connected() -> (Side, Side) {
    let (mut alice, mut bob) = alice_and_bob();
    let mut session = alice.begin(&bob, true);
    let first = session.seal(b"hello", NOW, &mut alice.rng).unwrap();
    let accepted = bob.accept(&init_of(&first)).unwrap();
    let mut a = Side { session, rng: alice.rng };
    let mut b = Side { session: accepted.session, rng: bob.rng };
    let answer = b.seal(b"hello yourself");
    assert_eq!(a.open(&answer).unwrap(), b"hello yourself");
    (a, b)
}

/// Both speak in turn `rounds` times.
fn talk(a: &mut Side, b: &mut Side, rounds: usize) {
    for _ in 0..rounds {
        let there = a.seal(b"there");
        assert_eq!(b.open(&there).unwrap(), b"there");
        let back = b.seal(b"back");
        assert_eq!(a.open(&back).unwrap(), b"back");
    }
}
