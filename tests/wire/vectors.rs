//! Every construction against tests/vectors/v1.json, which tests/vectors/gen.py computes in another
//! language with other libraries. A whole session is begun and answered there, down to the bytes.

use data_encoding::HEXLOWER;
use hubbub_shared::crypto::aead::{self, Purpose};
use hubbub_shared::crypto::{
    Identity, Label, Secret32, Signed, chain_step, fingerprint, hash, lp, padding,
};
use hubbub_shared::id::NodeId;
use hubbub_shared::session::{LocalPrekeys, Session, respond};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::codec::{decode, encode};
use hubbub_shared::wire::envelope::Envelope;
use serde_json::Value;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/v1.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn label(name: &str) -> Label {
    let wanted = format!("hubbub/v1/{name}");
    *Label::ALL.iter().find(|label| label.as_str() == wanted).unwrap()
}

#[test]
fn labelled_bytes_and_hashes_agree() {
    for case in list(&vectors()["labelled"]) {
        let label = label(case["label"].as_str().unwrap());
        let parts: Vec<Vec<u8>> = list(&case["parts"]).iter().map(bytes).collect();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        assert_eq!(lp(label, &parts), bytes(&case["lp"]));
        assert_eq!(hash(label, &parts), array(&case["hash"]));
    }
}

#[test]
fn signed_statements_agree_byte_for_byte() {
    let case = &vectors()["signed"];
    let alice = Identity::from_seed(Secret32::from_bytes(array(&case["seed"])));
    assert_eq!(alice.id(), NodeId(array(&case["by"])));
    let signed: Signed = decode(&bytes(&case["bytes"])).unwrap();
    assert_eq!(signed.verify::<(u8, u64)>(&alice.id(), Label::Beacon).unwrap(), (1, 42));
    assert_eq!(encode(&Signed::new(&alice, Label::Beacon, &(1_u8, 42_u64))), bytes(&case["bytes"]));
}

#[test]
fn what_the_other_implementation_sealed_opens() {
    let purposes = [
        ("dr", Purpose::Pairwise),
        ("group", Purpose::Group),
        ("meta", Purpose::Meta),
        ("keyfile", Purpose::Keyfile),
        ("invite", Purpose::Invite),
        ("store", Purpose::Store),
    ];
    let cases = vectors();
    for case in list(&cases["sealed"]) {
        let purpose = purposes.iter().find(|(name, _)| case["purpose"] == *name).unwrap().1;
        let mk = Secret32::from_bytes(array(&case["mk"]));
        let plain = aead::open(&mk, purpose, &bytes(&case["ad"]), &bytes(&case["bytes"])).unwrap();
        assert_eq!(plain.expose(), bytes(&case["plain"]));
    }
    assert_eq!(list(&cases["sealed"]).len(), 3 * purposes.len());
}

#[test]
fn padded_lengths_agree() {
    for (len, padded) in vectors()["padded"].as_object().unwrap() {
        let padded = padded.as_u64().unwrap();
        assert_eq!(padding::padded_len(len.parse().unwrap()) as u64, padded, "{len} bytes");
    }
}

#[test]
fn safety_numbers_agree() {
    let case = &vectors()["safety_number"];
    let (a, b) = (NodeId(array(&case["a"])), NodeId(array(&case["b"])));
    let number = fingerprint::safety_number(&a, &b);
    assert_eq!(number.digits(), case["digits"].as_str().unwrap());
    assert_eq!(number.words(), case["words"].as_str().unwrap());
}

#[test]
fn sender_chains_and_log_heads_agree() {
    let case = &vectors()["group"];
    let part = |name: &str| bytes(&case[name]);
    let of = |label, names: &[&str]| {
        let parts: Vec<Vec<u8>> = names.iter().map(|name| part(name)).collect();
        hash(label, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).to_vec()
    };
    assert_eq!(of(Label::SkRoot, &["ck"]), part("root"));
    let chain_id = of(Label::SkChainId, &["gid", "birth", "sender", "root", "vk"]);
    assert_eq!(chain_id[..16], part("chain_id"));
    assert_eq!(of(Label::SkMsg, &["gid", "sender", "header", "body"]), part("mid"));
    let (mk, next) = chain_step(&Secret32::from_bytes(array(&case["ck"])), 0x11, 0x12);
    assert_eq!((mk.expose(), next.expose()), (&array(&case["mk"]), &array(&case["next"])));
    assert_eq!(hash(Label::LogGenesis, &[b"entry 0"]).to_vec(), part("genesis"));
    assert_eq!(hash(Label::LogHead, &[&part("genesis"), b"entry 1"]).to_vec(), part("head"));
}

#[test]
fn a_session_the_other_implementation_begins_is_accepted() {
    for case in list(&vectors()["handshakes"]) {
        let bob = Identity::from_seed(Secret32::from_bytes(array(&case["bob_seed"])));
        let mut keys = LocalPrekeys::load(&bytes(&case["bob_prekeys"])).unwrap();
        let plain: Vec<&str> = list(&case["plain"]).iter().map(|p| p.as_str().unwrap()).collect();
        let [first, second] =
            [0, 1].map(|i| match Envelope::parse(&bytes(&case["first_messages"][i])).unwrap() {
                Envelope::PairInit(init) => init,
                other => panic!("not a first message: {other:?}"),
            });
        let mut accepted = respond(&bob, &mut keys, &first, NOW).unwrap();
        assert_eq!(accepted.peer, NodeId(array(&case["alice_id"])));
        assert_eq!(accepted.session.id().as_bytes(), &bytes(&case["transcript"])[..16]);
        // What a session keeps for signals is the last field of its record.
        assert!(accepted.session.save().expose().ends_with(&bytes(&case["signal_key"])));
        assert_eq!(accepted.plain.expose(), plain[0].as_bytes());
        let again = accepted.session.open(&second.message(), NOW).unwrap();
        assert_eq!(again.expose(), plain[1].as_bytes());
    }
}

#[test]
fn an_answer_of_the_other_implementation_opens_with_and_without_a_post_quantum_step() {
    for case in list(&vectors()["handshakes"]) {
        let mut alice = Session::load(&bytes(&case["alice_session"])).unwrap();
        let Envelope::Pair(answer) = Envelope::parse(&bytes(&case["answer"])).unwrap() else {
            panic!("not a pairwise message");
        };
        let plain = alice.open(&answer, NOW).unwrap();
        assert_eq!(plain.expose(), case["answer_plain"].as_str().unwrap().as_bytes());
    }
}
