//! The claims of sender keys: what opens, what is refused, and that a refusal changes nothing.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::crypto::aead::{Purpose, seal};
use crate::crypto::padding::pad;
use crate::crypto::{Identity, SecretBytes};
use crate::group::control::{ControlLog, Op, Policy};
use crate::group::epoch::{Arrival, EpochError, LATE, Standing};
use crate::group::roster::Role;
use crate::limits::{CHAIN_AGE, CHAIN_INDEX_MAX, CHAIN_MESSAGES, ENVELOPE_MAX};
use crate::time::{Millis, Timestamp};
use crate::wire::codec::encode;
use crate::wire::envelope::GroupMessage;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn person(n: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([n; 32]))
}

/// Alice owns the group; bob and carol are members.
struct Scene {
    alice: Identity,
    bob: Identity,
    carol: Identity,
    log: ControlLog,
    rng: ChaCha20Rng,
}

impl Scene {
    fn new() -> Self {
        let (alice, bob, carol) = (person(1), person(2), person(3));
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (_, first) = ControlLog::create(&alice, Policy::closed(), NOW, &mut rng);
        let log = ControlLog::genesis(&first).unwrap();
        let mut scene = Self { alice, bob, carol, log, rng };
        for node in [scene.bob.id(), scene.carol.id()] {
            scene.change(Op::add(node, Role::Member, 0));
        }
        scene
    }

    fn change(&mut self, op: Op) {
        self.log.apply(&self.log.propose(&self.alice, op, NOW)).unwrap();
    }

    fn remove_bob(&mut self) {
        self.change(Op::Remove { node: self.bob.id(), code: 0 });
    }

    fn epoch(&self) -> (Head, u64) {
        (self.log.head(), self.log.seq())
    }

    fn chain_of(&mut self, who: &NodeId) -> OutboundChain {
        OutboundChain::new(self.log.group(), self.epoch(), who, NOW, &mut self.rng)
    }

    fn say(&mut self, chain: &mut OutboundChain, plain: &[u8]) -> GroupMessage {
        let epoch = self.epoch();
        chain.seal(plain, epoch, &mut self.rng).unwrap().0
    }

    fn hear(&self, chain: &mut InboundChain, message: &GroupMessage) -> Result<Vec<u8>, OpenError> {
        let before = chain.save();
        let opened = chain.open(&self.log, Arrival::at(NOW), message);
        if opened.is_err() {
            assert_eq!(before.expose(), chain.save().expose(), "a refusal changes nothing");
        }
        opened.map(|o| o.plain.expose().to_vec())
    }

    /// Bob's chain and carol's view of it.
    fn pair(&mut self) -> (OutboundChain, InboundChain) {
        let bob = self.bob.id();
        let out = self.chain_of(&bob);
        let inbound = accept(out.distribution(), &bob).unwrap();
        (out, inbound)
    }
}

fn accept(skdm: Skdm, sender: &NodeId) -> Result<InboundChain, SkdmError> {
    InboundChain::accept(Skdm::decode(skdm.encode().expose()).unwrap(), sender)
}

fn why<T>(result: Result<T, OpenError>) -> &'static str {
    result.err().expect("refused").reason()
}

#[test]
fn what_a_member_says_is_heard_in_order_and_once() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    for text in [&b"one"[..], b"two", &[3; 5_000]] {
        let message = scene.say(&mut out, text);
        assert_eq!(scene.hear(&mut inbound, &message).as_deref(), Ok(text));
        assert_eq!(why(scene.hear(&mut inbound, &message)), "seen");
    }
    assert!(inbound.is_finished(3) && !inbound.is_finished(4));
}

#[test]
fn late_messages_open_in_any_order_from_saved_state() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let mut messages = Vec::new();
    for n in 0..6 {
        messages.push(scene.say(&mut out, &[n]));
        out = OutboundChain::load(out.save().expose()).unwrap();
    }
    for n in [4u8, 1, 5, 0, 3, 2] {
        assert_eq!(scene.hear(&mut inbound, &messages[usize::from(n)]), Ok(vec![n]));
        inbound = InboundChain::load(inbound.save().expose()).unwrap();
    }
    assert!(inbound.is_finished(6));
    assert_eq!(inbound.missing().count(), 0);
}

#[test]
fn a_newcomer_reads_from_its_grant_on_and_nothing_before() {
    let mut scene = Scene::new();
    let (mut out, _) = scene.pair();
    let before = scene.say(&mut out, b"before");
    let mut newcomer = accept(out.distribution(), &scene.bob.id()).unwrap();
    let after = scene.say(&mut out, b"after");
    assert_eq!(why(scene.hear(&mut newcomer, &before)), "seen");
    assert_eq!(scene.hear(&mut newcomer, &after).as_deref(), Ok(&b"after"[..]));
}

#[test]
fn a_message_labelled_before_a_removal_is_heard_and_none_after_it() {
    let mut scene = Scene::new();
    let alice = scene.alice.id();
    let mut out = scene.chain_of(&alice);
    let mut victim = accept(out.distribution(), &alice).unwrap();
    let mut carol = accept(out.distribution(), &alice).unwrap();
    // Alice has not seen the removal yet: bob can still read what she labels with the old epoch.
    let unaware = scene.say(&mut out, b"bob is out");
    let old_log = scene.log.clone();
    scene.remove_bob();
    assert!(victim.open(&old_log, Arrival::at(NOW), &unaware).is_ok());
    assert_eq!(scene.hear(&mut carol, &unaware).as_deref(), Ok(&b"bob is out"[..]));
    // Then she must replace the chain bob has; nobody hears her on the old one.
    assert_eq!(out.must_rotate(NOW, scene.log.roster()), Some(RotateReason::Removal));
    let careless = scene.say(&mut out, b"oops");
    assert_eq!(why(scene.hear(&mut carol, &careless)), "chain-too-old");
    let mut fresh = scene.chain_of(&alice).replacing(&out);
    let mut heard = accept(fresh.distribution(), &alice).unwrap();
    assert_eq!(heard.follows(), Some((out.id(), 2)));
    let secret = scene.say(&mut fresh, b"secret");
    assert_eq!(why(victim.open(&scene.log, Arrival::at(NOW), &secret)), "other-chain");
    assert!(scene.hear(&mut heard, &secret).is_ok());
}

#[test]
fn a_removed_member_cannot_backdate() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let old_epoch = scene.epoch();
    scene.remove_bob();
    let (backdated, _) = out.seal(b"still here", old_epoch, &mut scene.rng).unwrap();
    assert_eq!(why(scene.hear(&mut inbound, &backdated)), "removed");
    let labelled_now = scene.say(&mut out, b"still here");
    assert_eq!(why(scene.hear(&mut inbound, &labelled_now)), "not-a-member");
}

#[test]
fn a_message_the_hub_had_before_the_removal_counts_as_late_for_a_day() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let message = scene.say(&mut out, b"bye");
    scene.remove_bob();
    let at = |now| Arrival { now, removal_learned: Some(NOW), before_removal: true };
    let too_late = inbound.open(&scene.log, at(NOW + LATE + Millis(1)), &message);
    assert_eq!(why(too_late), "removed");
    let opened = inbound.open(&scene.log, at(NOW + LATE), &message).ok().unwrap();
    assert_eq!(opened.standing, Standing::Late);
}

#[test]
fn a_chain_forwarded_by_another_member_is_refused() {
    let mut scene = Scene::new();
    let (out, _) = scene.pair();
    let forwarded = accept(out.distribution(), &scene.carol.id());
    assert_eq!(forwarded.err(), Some(SkdmError::Commit));
}

#[test]
fn every_altered_bit_of_what_the_id_commits_to_is_refused() {
    let mut scene = Scene::new();
    let bob = scene.bob.id();
    let skdm = scene.pair().0.distribution();
    let altered = |change: &dyn Fn(&mut Skdm)| {
        let mut skdm = skdm.duplicate();
        change(&mut skdm);
        accept(skdm, &bob).err().map(|e| e.reason())
    };
    assert_eq!(altered(&|_| {}), None);
    assert_eq!(altered(&|s| s.gid.0[0] ^= 1), Some("commit"));
    assert_eq!(altered(&|s| s.birth.0[9] ^= 1), Some("commit"));
    assert_eq!(altered(&|s| s.root[1] ^= 1), Some("commit"));
    assert_eq!(altered(&|s| s.vk = person(9).id()), Some("commit"));
    assert_eq!(altered(&|s| s.ck = Secret32::from_bytes([1; 32])), Some("commit"));
    assert_eq!(altered(&|s| s.idx = CHAIN_INDEX_MAX), Some("range"));
}

#[test]
fn a_weak_signing_key_is_refused_even_when_committed_to() {
    let mut skdm = Scene::new().pair().0.distribution();
    let bob = person(2).id();
    skdm.vk = NodeId([0; 32]);
    let Skdm { gid, birth, root, vk, .. } = &skdm;
    skdm.chain = Commitment { gid, birth, sender: &bob, root, vk }.id();
    assert_eq!(accept(skdm, &bob).err(), Some(SkdmError::WeakKey));
}

#[test]
fn a_second_distribution_never_changes_a_chain() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let first = out.distribution();
    let message = scene.say(&mut out, b"one");
    scene.hear(&mut inbound, &message).unwrap();
    let state = inbound.save();
    let second = out.distribution();
    scene.say(&mut out, b"two");
    for known in [&first, &second, &out.distribution()] {
        assert_eq!(inbound.merge(known), Ok(()));
    }
    let other_key = |skdm: &Skdm| {
        let mut skdm = skdm.duplicate();
        skdm.ck = Secret32::from_bytes([7; 32]);
        skdm
    };
    for forged in [other_key(&first), other_key(&second), other_key(&out.distribution())] {
        assert_eq!(inbound.merge(&forged), Err(SkdmError::Commit));
    }
    let mut other_vk = second.duplicate();
    other_vk.vk = person(9).id();
    assert_eq!(inbound.merge(&other_vk), Err(SkdmError::Commit));
    assert_eq!(inbound.save().expose(), state.expose());
}

#[test]
fn every_flipped_bit_of_a_message_is_refused() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let message = scene.say(&mut out, b"meet at noon");
    let sizes = [message.header.len(), 64, message.body.len()];
    for (part, size) in sizes.into_iter().enumerate() {
        for bit in 0..size * 8 {
            let mut altered = message.clone();
            let bytes: &mut [u8] = match part {
                0 => &mut altered.header,
                1 => &mut altered.sig.0,
                _ => &mut altered.body,
            };
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(inbound.open(&scene.log, Arrival::at(NOW), &altered).is_err());
        }
    }
    assert!(scene.hear(&mut inbound, &message).is_ok());
}

#[test]
fn a_leaked_signing_key_without_the_message_key_forges_nothing() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let genuine = scene.say(&mut out, b"pay alice");
    let leaked = signing_key(&out);
    let bob = scene.bob.id();
    let ad = associated(&scene.log.group(), &bob, &genuine.header);
    let guessed = Secret32::from_bytes([0; 32]);
    let body = seal(guessed, Purpose::Group, &ad, &pad(b"pay mallory"), &mut scene.rng);
    let mid = mid(&scene.log.group(), &bob, &genuine.header, &body);
    let sig = leaked.sign(Label::SkSig, &[&mid.0]);
    let forged = GroupMessage { header: genuine.header.clone(), sig, body };
    assert_eq!(why(scene.hear(&mut inbound, &forged)), "sealed");
    assert!(scene.hear(&mut inbound, &genuine).is_ok());
}

#[test]
fn a_signing_key_that_leaks_after_rotation_signs_nothing_in_the_new_chain() {
    let mut scene = Scene::new();
    let (old, _) = scene.pair();
    let (mut out, mut inbound) = scene.pair();
    let genuine = scene.say(&mut out, b"new chain");
    let mid = mid(&scene.log.group(), &scene.bob.id(), &genuine.header, &genuine.body);
    let sig = signing_key(&old).sign(Label::SkSig, &[&mid.0]);
    let forged = GroupMessage { sig, ..genuine };
    assert_eq!(why(scene.hear(&mut inbound, &forged)), "bad-signature");
}

#[test]
fn two_messages_in_one_place_are_equivocation() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let mut twin = OutboundChain::load(out.save().expose()).unwrap();
    let (yes, no) = (scene.say(&mut out, b"yes"), scene.say(&mut twin, b"no"));
    let after_no = scene.say(&mut twin, b"as I said");
    scene.hear(&mut inbound, &yes).unwrap();
    assert_eq!(why(scene.hear(&mut inbound, &no)), "equivocation");
    let split = scene.hear(&mut inbound, &after_no).unwrap_err();
    let named =
        |m: &GroupMessage| link(&mid(&scene.log.group(), &scene.bob.id(), &m.header, &m.body));
    let (known, claimed) = (named(&yes), named(&no));
    assert_eq!(split, OpenError::Equivocation { idx: 0, known, claimed });
}

#[test]
fn a_late_message_must_be_the_one_its_successor_names() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let mut twin = OutboundChain::load(out.save().expose()).unwrap();
    let (yes, no) = (scene.say(&mut out, b"yes"), scene.say(&mut twin, b"no"));
    let after_yes = scene.say(&mut out, b"as I said");
    scene.hear(&mut inbound, &after_yes).unwrap();
    assert_eq!(why(scene.hear(&mut inbound, &no)), "equivocation");
    assert!(scene.hear(&mut inbound, &yes).is_ok());
}

#[test]
fn an_epoch_that_is_not_known_waits_and_one_of_another_history_is_named() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let old_log = scene.log.clone();
    let mut fork = scene.log.clone();
    fork.apply(&fork.propose(&scene.alice, Op::Meta { ct: vec![1].into() }, NOW)).unwrap();
    scene.change(Op::Meta { ct: vec![2].into() });
    let message = scene.say(&mut out, b"hi");
    let waits = inbound.open(&old_log, Arrival::at(NOW), &message).err().unwrap();
    assert_eq!(waits, OpenError::Epoch(EpochError::UnknownEpoch { need: 3 }));
    assert_eq!(why(inbound.open(&fork, Arrival::at(NOW), &message)), "other-history");
    assert!(scene.hear(&mut inbound, &message).is_ok());
}

#[test]
fn epochs_never_go_back_in_a_chain_whatever_the_order_of_arrival() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let early = scene.epoch();
    let zero = scene.say(&mut out, b"zero");
    scene.change(Op::Meta { ct: vec![1].into() });
    let one = scene.say(&mut out, b"one");
    assert_eq!(out.seal(b"x", early, &mut scene.rng).unwrap_err(), SealError::EpochWentBack);
    scene.hear(&mut inbound, &one).unwrap();
    scene.hear(&mut inbound, &zero).unwrap();
    let back = tampered(&mut scene, &mut out, |header| (header.epoch, header.epoch_seq) = early);
    assert_eq!(why(scene.hear(&mut inbound, &back)), "epoch-went-back");
}

#[test]
fn a_number_beyond_the_cap_costs_a_signature_check_and_no_more() {
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let far = tampered(&mut scene, &mut out, |header| header.idx = CHAIN_INDEX_MAX);
    assert_eq!(why(scene.hear(&mut inbound, &far)), "range");
    let within = tampered(&mut scene, &mut out, |header| header.idx = CHAIN_INDEX_MAX - 1);
    assert_eq!(why(scene.hear(&mut inbound, &within)), "sealed");
}

#[test]
fn a_chain_ends_by_count_age_and_request() {
    let mut scene = Scene::new();
    let (mut out, _) = scene.pair();
    let roster = scene.log.roster().clone();
    assert_eq!(out.must_rotate(NOW, &roster), None);
    assert_eq!(out.must_rotate(NOW + CHAIN_AGE, &roster), Some(RotateReason::Age));
    assert_eq!(out.must_rotate(NOW - CHAIN_AGE, &roster), Some(RotateReason::Age));
    for _ in 0..CHAIN_MESSAGES {
        scene.say(&mut out, b"x");
    }
    assert_eq!(out.must_rotate(NOW, &roster), Some(RotateReason::Messages));
    assert_eq!(out.seal(b"x", scene.epoch(), &mut scene.rng).unwrap_err(), SealError::UsedUp);
    scene.change(Op::RekeyAll);
    assert_eq!(out.must_rotate(NOW, scene.log.roster()), Some(RotateReason::Rekey));
}

#[test]
fn the_largest_message_fits_an_envelope_and_a_larger_one_is_refused() {
    use crate::wire::envelope::Envelope;
    let mut scene = Scene::new();
    let (mut out, mut inbound) = scene.pair();
    let mut fits = ENVELOPE_MAX;
    while crate::crypto::padding::padded_len(fits) + 60 + 323 > ENVELOPE_MAX {
        fits -= 1;
    }
    let message = scene.say(&mut out, &vec![1; fits]);
    let bytes = Envelope::Group(message).to_bytes();
    let Ok(Envelope::Group(message)) = Envelope::parse(&bytes) else { panic!("a group message") };
    assert_eq!(scene.hear(&mut inbound, &message).map(|p| p.len()), Ok(fits));
    let refused = out.seal(&vec![1; fits + 1], scene.epoch(), &mut scene.rng).unwrap_err();
    assert_eq!(refused.reason(), "too-large");
}

fn signing_key(out: &OutboundChain) -> Identity {
    // Its place in the record: version, group, birth with number, sender, root.
    let record: SecretBytes = out.save();
    let at = 1 + 32 + 32 + 8 + 32 + 32;
    let mut seed = [0; 32];
    seed.copy_from_slice(&record.expose()[at..at + 32]);
    let key = Identity::from_seed(Secret32::from_bytes(seed));
    assert_eq!(key.id(), out.distribution().vk);
    key
}

/// The chain's next message with another header, properly signed but sealed for the true one.
fn tampered(
    scene: &mut Scene,
    out: &mut OutboundChain,
    change: impl Fn(&mut GroupHeader),
) -> GroupMessage {
    let message = scene.say(out, b"x");
    let mut header = GroupHeader::of(&message).unwrap();
    change(&mut header);
    let header = encode(&header);
    let mid = mid(&scene.log.group(), &scene.bob.id(), &header, &message.body);
    let sig = signing_key(out).sign(Label::SkSig, &[&mid.0]);
    GroupMessage { header, sig, ..message }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_message_opens_exactly_once_in_any_order_with_duplicates(
        order in prop::collection::vec(0usize..12, 1..60)
    ) {
        let mut scene = Scene::new();
        let (mut out, mut inbound) = scene.pair();
        let messages: Vec<_> = (0..12).map(|n| scene.say(&mut out, &[n])).collect();
        let mut heard = [false; 12];
        for n in order {
            let result = scene.hear(&mut inbound, &messages[n]);
            if heard[n] {
                prop_assert_eq!(why(result), "seen");
            } else {
                prop_assert_eq!(result, Ok(vec![u8::try_from(n).unwrap()]));
            }
            heard[n] = true;
        }
    }

    #[test]
    fn garbage_is_no_chain_and_no_distribution(
        bytes in prop::collection::vec(any::<u8>(), 0..600)
    ) {
        prop_assert!(Skdm::decode(&bytes).is_err());
        prop_assert!(InboundChain::load(&bytes).is_err());
        prop_assert!(OutboundChain::load(&bytes).is_err());
    }
}
