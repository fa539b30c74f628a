//! Who is let in.

use super::probe::*;
use crate::relay::{ConnId, Input, RelayConfig};
use hubbub_shared::crypto::blake3;
use hubbub_shared::time::Millis;
use hubbub_shared::wire::to_hub::Hello;
use hubbub_shared::wire::{RefusalCode, ToHub};

const TOKEN: [u8; 16] = [5; 16];
/// Alice, admitted before, on connection 3.
const ALICE_KNOWN: [&str; 3] =
    ["to 3: welcome", "to 3: seen at 127.0.0.1:4000", "note alice connected, new: false"];

#[test]
fn a_closed_hub_admits_nobody_without_an_invite() {
    let mut hub = RelayProbe::new(RelayConfig::default());
    hub.expect(
        arrival(1, MALLORY, None),
        &["disconnect 1: NotAdmitted", "note mallory refused: NotAdmitted"],
    );
    hub.expect(
        arrival(2, MALLORY, Some(TOKEN)),
        &["disconnect 2: InviteUnknown", "note mallory refused: InviteUnknown"],
    );
}

#[test]
fn an_invite_admits_as_many_identities_as_it_says_and_each_for_good() {
    let mut hub = RelayProbe::new(RelayConfig::default());
    hub.expect(invite(TOKEN, 1, Millis::hours(1)), &["invite: Some((1, Timestamp(4600000)))"]);
    hub.expect(
        arrival(1, ALICE, Some(TOKEN)),
        &[
            "invite: Some((0, Timestamp(4600000)))",
            "admit alice",
            "to 1: welcome",
            "to 1: seen at 127.0.0.1:4000",
            "note alice connected, new: true",
        ],
    );
    let refused = ["disconnect 2: InviteUsedUp", "note bob refused: InviteUsedUp"];
    hub.expect(arrival(2, BOB, Some(TOKEN)), &refused);
    hub.crash();
    hub.expect(arrival(3, ALICE, None), &ALICE_KNOWN);
    hub.expect(arrival(4, BOB, Some(TOKEN)), &["disconnect 4: InviteUsedUp", refused[1]]);
}

#[test]
fn an_invite_ends_and_is_then_forgotten() {
    let mut hub = RelayProbe::new(RelayConfig::default());
    hub.tell(invite(TOKEN, 5, Millis::minutes(5)));
    hub.now = hub.now + Millis::minutes(5);
    let refused = ["disconnect 1: InviteExpired", "note bob refused: InviteExpired"];
    hub.expect(arrival(1, BOB, Some(TOKEN)), &refused);
    hub.pass(Millis::minutes(10));
    assert_eq!(hub.settle().iter().map(line).collect::<Vec<_>>(), ["invite: None"]);
    assert_eq!(hub.relay.poll_timeout(), None);
}

#[test]
fn a_revoked_invite_admits_nobody_else_and_those_it_admitted_stay() {
    let mut hub = RelayProbe::new(RelayConfig::default());
    hub.tell(invite(TOKEN, 5, Millis::hours(1)));
    hub.tell(arrival(1, ALICE, Some(TOKEN)));
    let token_hash = blake3(&TOKEN).0;
    assert_eq!(
        hub.relay.invites().map(|(hash, left, _)| (hash, left)).next(),
        Some((token_hash, 4))
    );
    hub.expect(Input::InviteRevoked { token_hash }, &["invite: None"]);
    hub.expect(Input::InviteRevoked { token_hash }, &[]);
    hub.crash();
    let refused = ["disconnect 2: InviteUnknown", "note bob refused: InviteUnknown"];
    hub.expect(arrival(2, BOB, Some(TOKEN)), &refused);
    hub.expect(arrival(3, ALICE, None), &ALICE_KNOWN);
}

#[test]
fn the_newer_connection_of_an_identity_replaces_the_older() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.expect(
        arrival(2, ALICE, None),
        &[
            "note alice left (0, 0)",
            "disconnect 1: Replaced",
            "to 2: welcome",
            "to 2: seen at 127.0.0.1:4000",
            "note alice connected, new: false",
        ],
    );
    hub.expect(Input::Closed { conn: ConnId(1) }, &[]);
    assert_eq!(hub.relay.presence().count(), 1);
}

#[test]
fn whoever_goes_on_from_another_address_is_told_once_and_shown_there() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    let moved = |from: &str| Input::Moved { conn: ConnId(1), from: from.parse().unwrap() };
    hub.expect(moved("203.0.113.7:9"), &["to 1: seen at 203.0.113.7:9"]);
    hub.expect(moved("203.0.113.7:9"), &[]);
    let shown = hub.relay.presence().next().map(|present| present.from);
    assert_eq!(shown, Some("203.0.113.7:9".parse().unwrap()));
    hub.expect(moved("[::ffff:203.0.113.7]:10"), &["to 1: seen at 203.0.113.7:10"]);
    hub.tell(Input::Closed { conn: ConnId(1) });
    hub.expect(moved("203.0.113.7:11"), &[]);
}

#[test]
fn a_second_hello_ends_the_connection() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    let proof = hubbub_shared::id::Signature([0; 64]);
    let hello = Hello { version: 1, min_version: 1, node: id(ALICE), proof, admission: None };
    let said = hub.tell(frame(1, ToHub::Hello(hello)));
    assert!(said.iter().any(|c| line(c) == "disconnect 1: BadFrame"));
    assert_eq!(hub.relay.counts().connected, 0);
}

#[test]
fn a_flood_is_told_when_to_come_back_and_reconnecting_does_not_help() {
    let mut hub = RelayProbe::open();
    hub.connect(1, MALLORY);
    hub.connect(2, BOB);
    let burst = RelayConfig::default().frames.burst;
    for n in 0..burst {
        assert_eq!(refusals(&hub.append(1, mailbox(BOB), &format!("{n}"))), []);
    }
    let refused = refusals(&hub.append(1, mailbox(BOB), "one more"));
    assert_eq!(refused[0].code, RefusalCode::TooFast);
    assert_eq!(refused[0].retry_after, Some(Millis(2)));
    hub.connect(3, MALLORY);
    assert_eq!(refusals(&hub.append(3, mailbox(BOB), "again"))[0].code, RefusalCode::TooFast);
    hub.now = hub.now + Millis(2);
    assert_eq!(refusals(&hub.append(3, mailbox(BOB), "later")), []);
}
