//! Signals against tests/vectors/signals.json, which tests/vectors/signals.py computes in another
//! language, HChaCha20 included. PROTOCOL.md shows these bytes.

use core::net::SocketAddr;

use data_encoding::HEXLOWER;
use hubbub_shared::content::Signal;
use hubbub_shared::content::signal::Why;
use hubbub_shared::crypto::{Secret32, SignalKey};
use hubbub_shared::id::{GroupId, RunKey};
use hubbub_shared::session::{SealedSignal, Session};
use hubbub_shared::time::Timestamp;
use serde_json::Value;

use crate::script::Script;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

struct Vectors(Value);

impl Vectors {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("../vectors/signals.json")).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        bytes(&self.0[name])
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }

    fn session(&self, whose: &str) -> Session {
        Session::load(&self.bytes(&format!("{whose}_session"))).unwrap()
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

#[test]
fn every_signal_has_the_bytes_another_implementation_makes() {
    let vectors = Vectors::read();
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let key = RunKey([5; 32]);
    let reach = |answer, addresses| Signal::Reach { attempt: 7, answer, key, addresses };
    let full = (1..=8).map(|port| SocketAddr::new("2001:db8::1".parse().unwrap(), port));
    let because = |why| Signal::Unreachable { attempt: 7, why };
    let typing = |conversation| Signal::Typing { conversation };
    let group = Some(GroupId(vectors.array("group")));
    let seven = (1..=7).map(|n| (9 * n, 9 * n));
    let all = [
        ("Reach", reach(false, vec![at("192.0.2.7:4433"), at("[2001:db8::1]:4433")])),
        ("Reach answer", reach(true, vec![])),
        ("Reach full", reach(true, full.collect())),
        ("Unreachable", because(Why::NotShown)),
        ("Unreachable newer", because(Why::Other(200))),
        ("Typing direct", typing(None)),
        ("Typing group", typing(group)),
        ("Read direct", Signal::Read { conversation: None, ranges: vec![(3, 5)] }),
        ("Read group", Signal::Read { conversation: group, ranges: seven.collect() }),
        ("Here", Signal::Here),
    ];
    assert_eq!(vectors.0["signals"].as_object().unwrap().len(), all.len());
    for (name, signal) in all {
        let expected = bytes(&vectors.0["signals"][name]);
        assert_eq!(signal.encode(NOW).expose(), expected, "{name}");
        assert_eq!(Signal::decode(&expected), Ok((NOW, signal)), "{name}");
    }
}

#[test]
fn what_the_other_implementation_calls_no_signal_is_refused() {
    for case in Vectors::read().0["refused"].as_array().unwrap() {
        assert!(Signal::decode(&bytes(case)).is_err(), "{case}");
    }
}

#[test]
fn a_session_has_the_same_key_and_the_same_record() {
    let vectors = Vectors::read();
    let root = Secret32::from_bytes(vectors.array("root"));
    let key = SignalKey::derive(&root, &vectors.array("transcript"));
    assert_eq!(key.secret().expose(), &vectors.array::<32>("key"));
    for whose in ["alice", "bob"] {
        let session = vectors.session(whose);
        assert!(session.can_signal(false));
        assert_eq!(session.save().expose(), vectors.bytes(&format!("{whose}_session")));
    }
}

#[test]
fn a_sealed_signal_has_the_same_bytes_both_ways_and_opens() {
    let vectors = Vectors::read();
    let (alice, bob) = (vectors.session("alice"), vectors.session("bob"));
    for case in vectors.0["sealed"].as_array().unwrap() {
        let (from, to) = if case["from"] == "alice" { (&alice, &bob) } else { (&bob, &alice) };
        let plain = bytes(&vectors.0["signals"][case["says"].as_str().unwrap()]);
        let payload = bytes(&case["payload"]);
        let mut script = Script(vectors.bytes("salt"));
        assert_eq!(from.seal_signal(&plain, &mut script), Some(payload.clone()));
        assert!(script.0.is_empty());
        let sealed = SealedSignal::parse(&payload).unwrap();
        assert_eq!(to.open_signal(&sealed).unwrap().expose(), plain);
        assert!(from.open_signal(&sealed).is_err(), "not one's own");
    }
}
