//! Starting a session with someone dishonest in between.

use super::*;
use crate::crypto::exchange::{DhPublic, KemPublic};
use crate::crypto::{Label, Signed};
use crate::session::bundle::{IdentityBody, OtkBody, SpkBody, check_identity};

/// Points that force a shared secret of zero.
const LOW_ORDER: [DhPublic; 2] = [DhPublic([0; 32]), {
    let mut one = [0; 32];
    one[0] = 1;
    DhPublic(one)
}];

fn identity_body(node: &Node) -> IdentityBody {
    check_identity(&node.keys.publication().identity, &node.me.id()).unwrap()
}

fn spk_body(node: &Node) -> SpkBody {
    node.bundle(true).spk.verify(&node.me.id(), Label::PrekeySigned).unwrap()
}

fn otk_body(node: &Node) -> OtkBody {
    node.bundle(true).otk.unwrap().verify(&node.me.id(), Label::PrekeyOnetime).unwrap()
}

fn with_identity(node: &Node, change: impl FnOnce(&mut IdentityBody)) -> Bundle {
    let mut body = identity_body(node);
    change(&mut body);
    Bundle { identity: Signed::new(&node.me, Label::IdentityDh, &body), ..node.bundle(true) }
}

fn with_spk(node: &Node, change: impl FnOnce(&mut SpkBody)) -> Bundle {
    let mut body = spk_body(node);
    change(&mut body);
    Bundle { spk: Signed::new(&node.me, Label::PrekeySigned, &body), ..node.bundle(true) }
}

fn with_otk(node: &Node, change: impl FnOnce(&mut OtkBody)) -> Bundle {
    let mut body = otk_body(node);
    change(&mut body);
    let otk = Some(Signed::new(&node.me, Label::PrekeyOnetime, &body));
    Bundle { otk, ..node.bundle(true) }
}

fn refusal(bundle: &Bundle, of: &Node) -> BundleError {
    bundle.check(&of.me.id(), NOW).map(|_| ()).unwrap_err()
}

#[test]
fn a_low_order_key_in_any_part_of_a_bundle_is_refused() {
    let (mut alice, bob) = alice_and_bob();
    for point in LOW_ORDER {
        for bundle in [
            with_identity(&bob, |body| body.idk = point),
            with_spk(&bob, |body| body.x = point),
            with_otk(&bob, |body| body.x = point),
        ] {
            let bundle = bundle.check(&bob.me.id(), NOW).unwrap();
            let begun = initiate(&alice.me, &alice.keys, bundle, NOW, &mut alice.rng).map(|_| ());
            assert_eq!(begun.unwrap_err().reason(), "bad-key");
        }
    }
}

#[test]
fn a_low_order_key_in_a_first_message_is_refused_and_changes_nothing() {
    let (mut alice, mut bob) = alice_and_bob();
    let init = init_of(&alice.begin(&bob, true).seal(b"x", NOW, &mut alice.rng).unwrap());
    let before = bob.keys.save();
    for point in LOW_ORDER {
        let forged = PairInit { e: point, ..init.clone() };
        assert_eq!(bob.accept(&forged).map(|_| ()).unwrap_err().reason(), "bad-key");
        let identity = with_identity(&alice, |body| body.idk = point).identity;
        let forged = PairInit { identity, ..init.clone() };
        assert_eq!(bob.accept(&forged).map(|_| ()).unwrap_err().reason(), "bad-key");
    }
    assert_eq!(bob.keys.save().expose(), before.expose());
    assert!(bob.accept(&init).is_ok());
}

#[test]
fn a_bundle_for_other_versions_or_past_its_time_is_refused() {
    let bob = Node::new(2);
    let newer = with_identity(&bob, |body| (body.min_v, body.max_v) = (2, 3));
    assert!(matches!(refusal(&newer, &bob), BundleError::Version));
    let other = with_spk(&bob, |body| body.v = 2);
    assert!(matches!(refusal(&other, &bob), BundleError::Version));
    let epoch = with_spk(&bob, |body| body.idk_epoch += 1);
    assert!(matches!(refusal(&epoch, &bob), BundleError::Mismatch));
    let bundle = bob.bundle(true);
    assert!(bundle.check(&bob.me.id(), later(Millis::days(28))).is_ok());
    let late = bundle.check(&bob.me.id(), later(Millis::days(30))).map(|_| ());
    assert!(matches!(late.unwrap_err(), BundleError::Expired));
}

#[test]
fn a_bundle_altered_by_the_hub_is_refused() {
    let (bob, mallory) = (Node::new(2), Node::new(9));
    let honest = bob.bundle(true);
    for part in 0..3 {
        let mut altered = honest.clone();
        let signed = match part {
            0 => &mut altered.identity,
            1 => &mut altered.spk,
            _ => altered.otk.as_mut().unwrap(),
        };
        signed.body[40] ^= 1;
        assert!(matches!(refusal(&altered, &bob), BundleError::Signed(_)));
    }
    let hers = Bundle { otk: mallory.bundle(true).otk, ..honest };
    assert!(matches!(refusal(&hers, &bob), BundleError::Signed(_)));
}

#[test]
fn a_prekey_of_one_kind_does_not_pass_for_another() {
    let bob = Node::new(2);
    let honest = bob.bundle(true);
    let swapped =
        Bundle { otk: Some(honest.spk.clone()), spk: honest.otk.clone().unwrap(), ..honest };
    assert!(matches!(refusal(&swapped, &bob), BundleError::Signed(_)));
}

#[test]
fn a_malformed_post_quantum_key_is_refused() {
    let bob = Node::new(2);
    let mut bytes = spk_body(&bob).kem.as_bytes().to_vec();
    bytes[..3].fill(0xff);
    let bad = KemPublic::from_slice(&bytes).unwrap();
    let spk = with_spk(&bob, |body| body.kem = bad.clone());
    assert!(matches!(refusal(&spk, &bob), BundleError::KemKey));
    let otk = with_otk(&bob, |body| body.kem = bad.clone());
    assert!(matches!(refusal(&otk, &bob), BundleError::KemKey));
}

#[test]
fn keys_republished_under_another_identity_give_another_session() {
    let (mut alice, mut bob) = alice_and_bob();
    let mallory = Node::new(9);
    // Mallory signs Bob's public keys as her own; Alice means to write to Mallory.
    let mut identity = identity_body(&bob);
    identity.ik = mallory.me.id();
    let mut spk = spk_body(&bob);
    spk.ik = mallory.me.id();
    let bundle = Bundle {
        identity: Signed::new(&mallory.me, Label::IdentityDh, &identity),
        spk: Signed::new(&mallory.me, Label::PrekeySigned, &spk),
        otk: None,
    };
    let bundle = bundle.check(&mallory.me.id(), NOW).unwrap();
    let mut session = initiate(&alice.me, &alice.keys, bundle, NOW, &mut alice.rng).unwrap();
    let init = init_of(&session.seal(b"for mallory", NOW, &mut alice.rng).unwrap());
    let refused = bob.accept(&init).map(|_| ()).unwrap_err();
    assert_eq!(refused.reason(), "other-session");
}

#[test]
fn nobody_begins_a_session_as_someone_else() {
    let (alice, mut bob) = alice_and_bob();
    let mut mallory = Node::new(9);
    let init = init_of(&mallory.begin(&bob, false).seal(b"x", NOW, &mut mallory.rng).unwrap());
    // Alice's name over Mallory's statement, and over a statement naming Alice that Mallory signed.
    let mut claimed = identity_body(&mallory);
    claimed.ik = alice.me.id();
    let signed = Signed::new(&mallory.me, Label::IdentityDh, &claimed);
    for identity in [init.identity.clone(), signed.clone()] {
        let forged = PairInit { ik: alice.me.id(), identity, ..init.clone() };
        assert_eq!(bob.accept(&forged).map(|_| ()).unwrap_err().reason(), "identity");
    }
    // Alice's real statement does not help without her key.
    let identity = alice.keys.publication().identity;
    let forged = PairInit { ik: alice.me.id(), identity, ..init.clone() };
    assert_eq!(bob.accept(&forged).map(|_| ()).unwrap_err().reason(), "other-session");
    let forged = PairInit { identity: signed, ..init };
    assert_eq!(bob.accept(&forged).map(|_| ()).unwrap_err().reason(), "identity");
}

#[test]
fn an_altered_first_message_is_refused_and_changes_nothing() {
    let (mut alice, mut bob) = alice_and_bob();
    let honest = alice.begin(&bob, true).seal(b"x", NOW, &mut alice.rng).unwrap();
    let before = bob.keys.save();
    for byte in (0..honest.len()).step_by(5) {
        let mut altered = honest.clone();
        altered[byte] ^= 1 << (byte % 8);
        if let Ok(Envelope::PairInit(init)) = Envelope::parse(&altered) {
            assert!(bob.accept(&init).is_err(), "byte {byte}");
        }
    }
    assert_eq!(bob.keys.save().expose(), before.expose());
    assert!(bob.accept(&init_of(&honest)).is_ok());
}
