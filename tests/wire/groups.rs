//! Membership, sender keys, content, names and invites against tests/vectors/groups.json, which
//! tests/vectors/groups.py computes in another language. PROTOCOL.md shows these bytes.

use data_encoding::HEXLOWER;
use hubbub_shared::beacon::Beacon;
use hubbub_shared::content::count::begin_of;
use hubbub_shared::content::{AckKind, ChatEvent, CountHead, GroupPlain, PairPlain, Past};
use hubbub_shared::crypto::{Identity, Secret32, Signed, blake3};
use hubbub_shared::group::control::Op;
use hubbub_shared::group::epoch::Arrival;
use hubbub_shared::group::link::{GroupCode, LinkSecret};
use hubbub_shared::group::meta::open_meta;
use hubbub_shared::group::sender_key::{InboundChain, Skdm};
use hubbub_shared::group::{ControlLog, Role, Settings, Who};
use hubbub_shared::id::{ChainId, Digest, GroupId, Head, HubId, MessageId};
use hubbub_shared::invite::{Invite, fingerprint};
use hubbub_shared::nickname::{NickClaim, Nickname, claim_hash};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::codec::{decode, encode};
use hubbub_shared::wire::envelope::Envelope;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const HUB: HubId = HubId([3; 32]);

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/groups.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn list(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().unwrap().iter().map(bytes).collect()
}

fn person(seed: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([seed; 32]))
}

fn gid(vectors: &Value) -> GroupId {
    GroupId(array(&vectors["control"]["gid"]))
}

/// The log up to and including entry `last`.
fn log(vectors: &Value, last: usize) -> ControlLog {
    let entries = list(&vectors["control"]["entries"]);
    let mut log = ControlLog::check_genesis(&entries[0], &gid(vectors)).unwrap();
    for entry in &entries[1..=last] {
        log.apply(entry).unwrap();
    }
    log
}

#[test]
fn a_control_log_replays_to_the_same_heads() {
    let vectors = vectors();
    let entries = list(&vectors["control"]["entries"]);
    let heads = list(&vectors["control"]["heads"]);
    for (last, head) in heads.iter().enumerate() {
        assert_eq!(log(&vectors, last).head(), Head::from_slice(head).unwrap());
    }
    let (alice, bob) = (person(1), person(2));
    let roles = |last| {
        let log = log(&vectors, last);
        [alice.id(), bob.id()].map(|node| log.roster().role(&node))
    };
    assert_eq!(roles(0), [Some(Role::Owner), None]);
    assert_eq!(roles(1), [Some(Role::Owner), Some(Role::Admin)]);
    assert_eq!(roles(3), [Some(Role::Owner), Some(Role::Member)]);
    assert_eq!(roles(5), [Some(Role::Owner), None]);
    let remove = Op::Remove { node: bob.id(), code: 0 };
    assert_eq!(log(&vectors, 4).propose(&alice, remove, NOW + Millis(5)), entries[5]);
}

#[test]
fn the_ways_in_and_out_agree() {
    let vectors = vectors();
    let (alice, bob, gid) = (person(1), person(2), gid(&vectors));
    let entries = list(&vectors["control"]["entries"]);
    let secret = LinkSecret::from_slice(&bytes(&vectors["control"]["link"])).unwrap();
    let key = secret.key(&gid);
    let settings = Settings {
        posting: Who::Members,
        adding: Who::Members,
        history: true,
        passphrase: false,
        requests: true,
        alias: Some("tearoom".to_owned()),
    };
    assert_eq!(log(&vectors, 6).settings(), settings);
    let package = log(&vectors, 7).invite(&key).unwrap().package.clone();
    let opened = secret.open(&gid, &package).ok().unwrap();
    assert_eq!(opened.meta.name(), vectors["control"]["name"].as_str().unwrap());
    assert_eq!(opened.meta_key.expose()[..], bytes(&vectors["control"]["meta_key"]));
    let (uses, expires) = (3, NOW + Millis(1000));
    let (proof, node) = (secret.proof(&gid, &bob.id()), bob.id());
    let ours = [
        (&alice, Op::Set(settings)),
        (&alice, Op::Invite { key, uses, expires, ct: package.into() }),
        (&bob, Op::UseInvite { key, proof, account: None }),
        (&alice, Op::Revoke { key }),
        (&alice, Op::Ban { node, code: 0 }),
        (&alice, Op::Unban { node }),
    ];
    for (n, (by, op)) in (6..).zip(ours) {
        let at = NOW + Millis(u64::try_from(n).unwrap());
        assert_eq!(log(&vectors, n - 1).propose(by, op, at), entries[n], "entry {n}");
    }
    assert_eq!(log(&vectors, 8).roster().role(&node), Some(Role::Member));
    assert!(log(&vectors, 10).is_banned(&node) && !log(&vectors, 11).is_banned(&node));
}

#[test]
fn a_sealed_group_name_opens() {
    let vectors = vectors();
    let key = Secret32::from_bytes(array(&vectors["control"]["meta_key"]));
    let log = log(&vectors, 2);
    let sealed = open_meta(&key, &gid(&vectors), log.meta().unwrap()).unwrap();
    assert_eq!(sealed.meta.name(), vectors["control"]["name"].as_str().unwrap());
    assert_eq!(sealed.meta.topic(), vectors["control"]["topic"].as_str().unwrap());
    assert_eq!(sealed.prs.unwrap().secret().expose()[..], bytes(&vectors["control"]["prs"]));
}

#[test]
fn a_sender_chain_opens_its_messages() {
    let vectors = vectors();
    let case = &vectors["chain"];
    let skdm = Skdm::decode(&bytes(&case["skdm"])).unwrap();
    assert_eq!(skdm.encode().expose(), bytes(&case["skdm"]));
    let mut chain = InboundChain::accept(skdm, &person(1).id()).unwrap();
    assert_eq!(chain.id(), ChainId(array(&case["id"])));
    let (envelopes, plains) = (list(&case["envelopes"]), list(&case["plains"]));
    for ((envelope, plain), mid) in envelopes.iter().zip(plains).zip(list(&case["mids"])) {
        let parsed = Envelope::parse(envelope).unwrap();
        assert_eq!(&parsed.to_bytes(), envelope);
        let Envelope::Group(message) = parsed else { panic!("a group message") };
        let opened = chain.open(&log(&vectors, 1), Arrival::at(NOW), &message).unwrap();
        assert_eq!(opened.plain.expose(), plain);
        assert_eq!(opened.mid, Digest::from_slice(&mid).unwrap());
        assert_eq!(GroupPlain::decode(&plain).unwrap().encode().expose(), plain);
    }
}

#[test]
fn everything_two_nodes_tell_each_other_has_these_bytes() {
    let vectors = vectors();
    let (gid, case) = (gid(&vectors), &vectors["chain"]);
    let (chain, idx) = (ChainId(array(&case["id"])), 5);
    let (seq, head) = (1, log(&vectors, 1).head());
    let plain = GroupPlain {
        id: MessageId([1; 16]),
        ts: NOW,
        n: 1,
        prev: MessageId([0; 16]),
        seen: vec![],
        event: ChatEvent::text("hello").unwrap(),
    };
    let ack = |conversation, kind, ranges| PairPlain::Ack { conversation, kind, ranges };
    let (era, author) = (begin_of(1), person(2).id());
    let heads = vec![
        CountHead { conversation: None, from: 5, to: 7 },
        CountHead { conversation: Some(gid), from: era + 1, to: era + 2 },
    ];
    let meta_key = Secret32::from_bytes([9; 32]);
    let picture = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x02\0\0\0\x03\x08".to_vec();
    let past = |id, n, after, text: &str| {
        let (id, sent_at) = (MessageId([id; 16]), NOW + Millis(after));
        Past { id, n, sent_at, text: text.to_owned() }
    };
    let items = vec![past(0, 3, 0, "hello"), past(1, era + 1, 7, "héllo again")];
    let resent = plain.encode();
    let skdm = Skdm::decode(&bytes(&case["skdm"])).unwrap();
    let all = [
        ("Nothing", PairPlain::Nothing),
        ("Chat", PairPlain::Chat(Box::new(plain))),
        ("Skdm", PairPlain::Skdm(Box::new(skdm))),
        ("SkRequest", PairPlain::SkRequest { gid, chain, idx }),
        ("Resend", PairPlain::Resend { gid, plain: resent, chain, idx }),
        ("LogHint", PairPlain::LogHint { gid, seq, head }),
        ("Heads", PairPlain::Heads(heads)),
        ("ResetNotice", PairPlain::ResetNotice),
        ("Ack direct", ack(None, AckKind::Delivered, vec![(1, 3), (5, 5)])),
        ("Ack group", ack(Some(gid), AckKind::Read, vec![(1, 9)])),
        ("Welcome", PairPlain::Welcome { gid, seq, head, meta_key }),
        (
            "Profile",
            PairPlain::Profile { name: "Alice Ä.".into(), status: "away".into(), presence: true },
        ),
        ("Want", PairPlain::Want { conversation: Some(gid), author, ranges: vec![(3, 4)] }),
        ("Copy", PairPlain::Copy { gid, envelope: b"sealed".to_vec() }),
        ("Void", PairPlain::Void { conversation: None, ranges: vec![(3, 3)] }),
        ("Picture", PairPlain::Picture { bytes: picture }),
        ("Picture none", PairPlain::Picture { bytes: Vec::new() }),
        ("Told", PairPlain::Told { gid, author, items }),
        ("NameWanted", PairPlain::NameWanted { gid }),
    ];
    assert_eq!(vectors["pairwise"].as_object().unwrap().len(), all.len());
    for (name, plain) in all {
        let expected = bytes(&vectors["pairwise"][name]);
        assert_eq!(plain.encode().expose(), expected, "{name}");
        let again = PairPlain::decode(&expected).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(again.encode().expose(), expected, "{name}");
    }
}

#[test]
fn nickname_claims_agree() {
    let (vectors, alice) = (vectors(), person(1));
    let mut prev = Digest([0; 32]);
    for (bytes, (name, seq)) in list(&vectors["claims"]).iter().zip([("alice", 1), ("alice2", 2)]) {
        let nickname = Nickname::prepare(name).unwrap();
        let claim = NickClaim { hub: HUB, nickname, node: alice.id(), seq, prev, ts: NOW };
        assert_eq!(&claim.sign(&alice), bytes);
        assert_eq!(NickClaim::check(bytes, &HUB, Some(&alice.id())), Ok(claim));
        prev = claim_hash(bytes);
        assert_eq!(prev, blake3(bytes));
    }
}

#[test]
fn a_beacon_is_read_as_another_implementation_writes_it() {
    let vectors = vectors();
    let alice = person(1).id();
    let bytes = bytes(&vectors["beacon"]);
    assert_eq!(Beacon::check(&bytes, &HUB, &alice).unwrap().generation, 7);
    assert_eq!(encode(&decode::<Signed>(&bytes).unwrap()), bytes);
    let again = Beacon::sign(&person(1), HUB, 7, &mut ChaCha20Rng::from_seed([1; 32]));
    assert_eq!(again.len(), bytes.len());
}

#[test]
fn invites_agree() {
    let vectors = vectors();
    let text = |name: &str| vectors["invites"][name].as_str().unwrap().to_owned();
    let make = |addresses: &[&str], token| {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        Invite::new(addresses, HUB, token).map(|invite| invite.to_text())
    };
    assert_eq!(make(&["chat.example.org:4433"], None), Ok(text("open")));
    let addresses = ["192.0.2.7:4433", "[2001:db8::1]:4433"];
    assert_eq!(make(&addresses, Some([9; 16])), Ok(text("closed")));
    let gid = gid(&vectors);
    for (name, secret) in [("group", true), ("group_to_ask", false)] {
        let secret = secret.then(|| bytes(&vectors["control"]["link"]));
        let secret = secret.map(|bytes| LinkSecret::from_slice(&bytes).unwrap());
        let open = Invite::parse(&text("open")).ok().unwrap();
        let ours = open.into_group(GroupCode { gid, secret }).to_text();
        assert_eq!(ours, text(name));
        assert_eq!(Invite::parse(&ours).ok().unwrap().to_text(), ours);
    }
    assert_eq!(fingerprint(&HUB), text("hub_fingerprint"));
}
