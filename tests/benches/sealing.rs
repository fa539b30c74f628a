//! What sealing costs: a group message beside the sum of its primitives and beside Megolm, and the
//! pairwise session.
//!
//! A round is ten messages of a new sender chain, sealed into envelopes or opened from them: short
//! enough that few rounds are interrupted, and the median of many is of those that were not.
//! `primitives` does the same hashing, key derivation, encryption and signing over the same padded
//! bytes with the crates alone: no state, no header, no copies. Megolm is vodozemac's with its
//! default session; it does not pad and does not commit to its key.
//!
//! `cargo bench -p hubbub-tests --bench sealing`

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::hint::black_box;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use hubbub_shared::crypto::padding::padded_len;
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::group::control::{ControlLog, Op, Policy};
use hubbub_shared::group::epoch::Arrival;
use hubbub_shared::group::roster::Role;
use hubbub_shared::group::sender_key::{InboundChain, OutboundChain};
use hubbub_shared::id::NodeId;
use hubbub_shared::session::{Bundle, LocalPrekeys, Session, initiate, respond};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::envelope::{Envelope, PairMessage};
use hubbub_tests::measure::{Case, Rounds, Spread, each, in_turn, machine};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::Sha256;
use vodozemac::megolm::{GroupSession, InboundGroupSession, MegolmMessage, SessionConfig};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// Messages of one round.
const CHAIN: usize = 10;
const ROUNDS: usize = 1_000;
/// A text of 1 KiB pads to 2 KiB; the longest that pads to 1 KiB shows what padding costs.
const SIZES: [usize; 2] = [1_024, 1_023];
const MEMBERS: u8 = 100;

fn main() {
    println!("{}", machine());
    // For a profiler: one side of ours alone.
    match std::env::args().nth(1).as_deref() {
        Some("--profile-seal") => return profile(Scene::seal_round),
        Some("--profile-open") => return profile(Scene::open_round),
        _ => {}
    }
    for size in SIZES {
        group(size);
    }
    pairwise();
    handshake();
    println!("{}", machine());
}

fn profile(round: fn(&mut Scene, &[u8]) -> f64) {
    let mut scene = Scene::new();
    let rounds = (0..ROUNDS).map(|_| round(&mut scene, &[0x61; SIZES[0]]) * 1e6).collect();
    println!("{} µs", Spread::of(rounds));
}

fn person(n: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([n; 32]))
}

/// A group of a hundred, and the generator everything draws from.
struct Scene {
    log: ControlLog,
    speaker: NodeId,
    rng: ChaCha20Rng,
}

impl Scene {
    fn new() -> Self {
        let alice = person(0);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (_, first) = ControlLog::create(&alice, Policy::closed(), NOW, &mut rng);
        let mut log = ControlLog::genesis(&first).unwrap();
        for n in 1..MEMBERS {
            let op = Op::add(person(n).id(), Role::Member, 0);
            log.apply(&log.propose(&alice, op, NOW)).unwrap();
        }
        Self { log, speaker: person(1).id(), rng }
    }

    fn chain(&mut self) -> OutboundChain {
        let born = (self.log.head(), self.log.seq());
        OutboundChain::new(self.log.group(), born, &self.speaker, NOW, &mut self.rng)
    }

    fn seal(&mut self, chain: &mut OutboundChain, plain: &[u8]) -> Vec<u8> {
        let epoch = (self.log.head(), self.log.seq());
        Envelope::Group(chain.seal(plain, epoch, &mut self.rng).unwrap().0).to_bytes()
    }

    fn seal_round(&mut self, plain: &[u8]) -> f64 {
        let mut chain = self.chain();
        each(vec![(); CHAIN], |()| {
            black_box(self.seal(&mut chain, black_box(plain)));
        })
    }

    fn open_round(&mut self, plain: &[u8]) -> f64 {
        let mut out = self.chain();
        let mut chain = InboundChain::accept(out.distribution(), &self.speaker).unwrap();
        let sealed: Vec<_> = (0..CHAIN).map(|_| self.seal(&mut out, plain)).collect();
        each(sealed, |bytes| {
            let Envelope::Group(message) = Envelope::parse(&bytes).unwrap() else { return };
            let opened = chain.open(&self.log, Arrival::at(NOW), &message).unwrap();
            assert_eq!(opened.plain.len(), plain.len());
        })
    }
}

/// The primitives of one group message, and the bytes they run over.
struct Primitives {
    ck: [u8; 32],
    key: Ed25519KeyPair,
    vk: ParsedPublicKey,
    /// Associated data, the message's name as it is signed, group and sender: their real lengths.
    ad: Vec<u8>,
    signed: Vec<u8>,
    header: Vec<u8>,
    rng: ChaCha20Rng,
}

/// A message sealed by primitives alone.
struct Sealed {
    nonce: [u8; 12],
    tag: Tag,
    body: Vec<u8>,
    sig: [u8; 64],
}

impl Primitives {
    fn new(scene: &mut Scene) -> Self {
        let epoch = (scene.log.head(), scene.log.seq());
        let header = scene.chain().seal(b"", epoch, &mut scene.rng).unwrap().0.header;
        let key = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
        let vk = ParsedPublicKey::new(&ED25519, key.public_key().as_ref()).unwrap();
        let (label, parts) = ("hubbub/v1/sk/ad".len() + 1, 3 * 4 + 32 + 32 + header.len());
        let (ad, signed) = (vec![1; label + parts], vec![2; "hubbub/v1/sk/sig".len() + 1 + 4 + 32]);
        let rng = ChaCha20Rng::seed_from_u64(2);
        Self { ck: [3; 32], vk, key, ad, signed, header, rng }
    }

    fn step(&mut self) -> [u8; 32] {
        let hmac = |byte| {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.ck).unwrap();
            mac.update(&[byte]);
            mac.finalize().into_bytes().into()
        };
        let (mk, next) = (hmac(0x11), hmac(0x12));
        self.ck = next;
        mk
    }

    fn keys(&self, mk: &[u8; 32]) -> [u8; 96] {
        let mut okm = [0; 96];
        let ad = blake3::hash(&self.ad);
        let info = [&b"hubbub/v1/cae1/group\0"[..], ad.as_bytes()];
        Hkdf::<Sha256>::from_prk(mk).unwrap().expand_multi_info(&info, &mut okm).unwrap();
        okm
    }

    fn name(&self, nonce: &[u8], body: &[u8], tag: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("hubbub/v1/sk/msg");
        hasher.update(&self.ad[..80]).update(&self.header);
        hasher.update(nonce).update(&self.header[..32]).update(body).update(tag);
        hasher.finalize()
    }

    /// Puts this message's name into the bytes that are signed.
    fn signed(&mut self, name: &[u8; 32]) {
        self.signed.last_chunk_mut::<32>().unwrap().copy_from_slice(name);
    }

    fn seal(&mut self, body: &mut [u8]) -> ([u8; 12], Tag, [u8; 64]) {
        let mk = self.step();
        let okm = self.keys(&mk);
        let mut salt = [0; 16];
        self.rng.fill_bytes(&mut salt);
        let mut nonce = [0; 12];
        let mut hasher = blake3::Hasher::new_keyed(okm[64..].try_into().unwrap());
        hasher.update(&salt).update(body).finalize_xof().fill(&mut nonce);
        let cipher = ChaCha20Poly1305::new_from_slice(&okm[..32]).unwrap();
        let sealed = cipher.encrypt_inout_detached(&Nonce::from(nonce), &self.ad, body.into());
        let tag = sealed.unwrap();
        let name = self.name(&nonce, body, &tag);
        self.signed(name.as_bytes());
        let sig = self.key.sign(&self.signed).as_ref().try_into().unwrap();
        (nonce, tag, sig)
    }

    fn open(&mut self, sealed: &mut Sealed) {
        let name = self.name(&sealed.nonce, &sealed.body, &sealed.tag);
        self.signed(name.as_bytes());
        self.vk.verify_sig(&self.signed, &sealed.sig).unwrap();
        let mk = self.step();
        let okm = self.keys(&mk);
        let cipher = ChaCha20Poly1305::new_from_slice(&okm[..32]).unwrap();
        let (nonce, body) = (Nonce::from(sealed.nonce), sealed.body.as_mut_slice());
        cipher.decrypt_inout_detached(&nonce, &self.ad, body.into(), &sealed.tag).unwrap();
    }

    fn seal_round(&mut self, padded: usize) -> f64 {
        each(vec![vec![7; padded]; CHAIN], |mut body| {
            black_box(self.seal(&mut body));
        })
    }

    fn open_round(&mut self, padded: usize) -> f64 {
        let ck = self.ck;
        let mut make = |_| {
            let mut body = vec![7; padded];
            let (nonce, tag, sig) = self.seal(&mut body);
            Sealed { nonce, tag, body, sig }
        };
        let sealed: Vec<_> = (0..CHAIN).map(&mut make).collect();
        self.ck = ck;
        each(sealed, |mut sealed| {
            self.open(&mut sealed);
            black_box(sealed);
        })
    }
}

fn megolm_seal(plain: &[u8]) -> f64 {
    let mut session = GroupSession::new(SessionConfig::default());
    each(vec![(); CHAIN], |()| {
        black_box(session.encrypt(black_box(plain)).to_bytes());
    })
}

fn megolm_open(plain: &[u8]) -> f64 {
    let mut session = GroupSession::new(SessionConfig::default());
    let key = session.session_key();
    let mut inbound = InboundGroupSession::new(&key, SessionConfig::default());
    let sealed: Vec<_> = (0..CHAIN).map(|_| session.encrypt(plain).to_bytes()).collect();
    each(sealed, |bytes| {
        let message = MegolmMessage::from_bytes(&bytes).unwrap();
        let opened = inbound.decrypt(&message).unwrap();
        assert_eq!(opened.plaintext.len(), plain.len());
    })
}

fn group(size: usize) {
    let (plain, padded) = (vec![0x61; size], padded_len(size));
    let (mut ours, mut again) = (Scene::new(), Scene::new());
    let (mut bare, mut bare_again) = (Primitives::new(&mut ours), Primitives::new(&mut ours));
    let mut chain = ours.chain();
    let wire = ours.seal(&mut chain, &plain).len();
    let megolm = GroupSession::new(SessionConfig::default()).encrypt(&plain).to_bytes().len();
    println!("\n{size} B, padded {padded} B, envelope {wire} B, Megolm's {megolm} B: µs\n");
    println!("| | ours | primitives | Megolm | ours ÷ primitives | ours ÷ Megolm |");
    println!("|---|---|---|---|---|---|");
    let mut seal = [
        Case::new("seal", || ours.seal_round(&plain)),
        Case::new("primitives", || bare.seal_round(padded)),
        Case::new("Megolm", || megolm_seal(&plain)),
    ];
    print("seal", &in_turn(ROUNDS, &mut seal));
    let mut open = [
        Case::new("open", || again.open_round(&plain)),
        Case::new("primitives", || bare_again.open_round(padded)),
        Case::new("Megolm", || megolm_open(&plain)),
    ];
    print("open", &in_turn(ROUNDS, &mut open));
}

fn us(rounds: &Rounds, case: usize) -> String {
    format!("{:.1}", rounds.figure(case).median * 1e6)
}

fn print(name: &str, rounds: &Rounds) {
    let (ours, bare, megolm) = (us(rounds, 0), us(rounds, 1), us(rounds, 2));
    let (over, beside) = (rounds.ratio(0, 1), rounds.ratio(0, 2));
    println!("| {name} | {ours} | {bare} | {megolm} | {over} | {beside} |");
}

/// One node before a session.
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

    fn bundle(&self) -> Bundle {
        let publication = self.keys.publication();
        let otk = publication.otks.into_iter().next().map(|(_, signed)| signed);
        Bundle { identity: publication.identity, spk: publication.spk, otk }
    }

    /// From the bundle as a hub gives it to the first envelope.
    fn begin(&mut self, bundle: &Bundle, with: &NodeId) -> (Session, Vec<u8>) {
        let checked = bundle.check(with, NOW).unwrap();
        let mut session = initiate(&self.me, &self.keys, checked, NOW, &mut self.rng).unwrap();
        let first = session.seal(b"hello", NOW, &mut self.rng).unwrap();
        (session, first)
    }

    fn accept(&mut self, first: &[u8]) -> Session {
        let Envelope::PairInit(init) = Envelope::parse(first).unwrap() else {
            panic!("no first message")
        };
        respond(&self.me, &mut self.keys, &init, NOW).unwrap().session
    }
}

fn message(envelope: &[u8]) -> PairMessage {
    match Envelope::parse(envelope).unwrap() {
        Envelope::PairInit(init) => init.message(),
        Envelope::Pair(message) => message,
        Envelope::Group(_) => panic!("a group message"),
    }
}

/// Two sessions that have answered each other: no handshake and no ML-KEM key in the headers.
fn talking() -> (Session, Session, ChaCha20Rng) {
    let (mut alice, mut bob) = (Node::new(1), Node::new(2));
    let (mut ours, first) = alice.begin(&bob.bundle(), &bob.me.id());
    let mut theirs = bob.accept(&first);
    for _ in 0..4 {
        let back = theirs.seal(b"back", NOW, &mut bob.rng).unwrap();
        ours.open(&message(&back), NOW).unwrap();
        let there = ours.seal(b"there", NOW, &mut alice.rng).unwrap();
        theirs.open(&message(&there), NOW).unwrap();
    }
    (ours, theirs, alice.rng)
}

fn pairwise() {
    let plain = vec![0x61; 1_024];
    let (mut ours, mut theirs, mut rng) = talking();
    let wire = ours.seal(&plain, NOW, &mut rng).unwrap();
    theirs.open(&message(&wire), NOW).unwrap();
    println!("\nPairwise, 1,024 B, envelope {} B: µs, and ten in one direction\n", wire.len());
    let (mut seal, mut open, mut turn) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut sealed = Vec::with_capacity(CHAIN);
        seal.push(each(vec![(); CHAIN], |()| {
            sealed.push(ours.seal(&plain, NOW, &mut rng).unwrap());
        }));
        open.push(each(sealed, |bytes| {
            black_box(theirs.open(&message(&bytes), NOW).unwrap());
        }));
        turn.push(each(vec![()], |()| {
            let back = theirs.seal(&plain, NOW, &mut rng).unwrap();
            ours.open(&message(&back), NOW).unwrap();
            let there = ours.seal(&plain, NOW, &mut rng).unwrap();
            theirs.open(&message(&there), NOW).unwrap();
        }));
    }
    println!("| | µs |\n|---|---|");
    row("seal, same chain", seal);
    row("open, same chain", open);
    row("there and back, two seals, two opens, two ratchet steps", turn);
}

fn handshake() {
    let (mut alice, mut bob) = (Node::new(1), Node::new(2));
    let (bundle, peer) = (bob.bundle(), bob.me.id());
    let saved = bob.keys.save();
    let (mut begin, mut accept) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut first = Vec::new();
        begin.push(each(vec![()], |()| first = alice.begin(&bundle, &peer).1));
        bob.keys = LocalPrekeys::load(saved.expose()).unwrap();
        accept.push(each(vec![()], |()| {
            black_box(bob.accept(&first));
        }));
    }
    row("begin a session: bundle checked, first envelope", begin);
    row("accept it: envelope parsed and opened", accept);
}

fn row(name: &str, seconds: Vec<f64>) {
    let micros = seconds.into_iter().map(|seconds| seconds * 1e6).collect();
    println!("| {name} | {:.1} |", Spread::of(micros).median);
}
