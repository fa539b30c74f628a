//! A node finds what it left, and nobody else does.

use super::probe::*;
use crate::relay::Command;
use hubbub_shared::limits::SIGNED_MAX;
use hubbub_shared::wire::from_hub::Welcome;
use hubbub_shared::wire::to_hub::PutBeacon;
use hubbub_shared::wire::{ByteBuf, FromHub, RefusalCode, ToHub};

fn put(conn: u64, beacon: &[u8]) -> crate::relay::Input {
    frame(conn, ToHub::PutBeacon(PutBeacon { req: 1, beacon: ByteBuf::from(beacon.to_vec()) }))
}

fn welcomed(said: &[Command]) -> Welcome {
    let welcome = |command: &Command| match command {
        Command::Send { frame: FromHub::Welcome(welcome), .. } => Some(welcome.clone()),
        _ => None,
    };
    said.iter().find_map(welcome).unwrap()
}

fn found(said: &[Command]) -> Option<Vec<u8>> {
    welcomed(said).beacon.map(ByteBuf::into_vec)
}

#[test]
fn a_node_finds_the_beacon_it_left_last_also_after_a_crash_of_the_hub() {
    let mut hub = RelayProbe::open();
    assert_eq!(found(&hub.connect(1, ALICE)), None);
    hub.tell(put(1, b"one"));
    hub.tell(put(1, b"two"));
    assert_eq!(found(&hub.connect(2, ALICE)), Some(b"two".to_vec()));
    hub.crash();
    assert_eq!(found(&hub.connect(3, ALICE)), Some(b"two".to_vec()));
    assert_eq!(found(&hub.connect(4, BOB)), None);
}

#[test]
fn a_beacon_larger_than_a_statement_is_refused_and_the_one_before_kept() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.tell(put(1, b"one"));
    let said = hub.tell(put(1, &[7; SIGNED_MAX + 1]));
    assert_eq!(refusals(&said)[0].code, RefusalCode::TooLarge);
    assert_eq!(found(&hub.connect(2, ALICE)), Some(b"one".to_vec()));
}

#[test]
fn one_who_was_replaced_leaves_no_beacon_any_more() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, ALICE);
    hub.tell(put(2, b"two"));
    hub.tell(put(1, b"one"));
    assert_eq!(found(&hub.connect(3, ALICE)), Some(b"two".to_vec()));
}

#[test]
fn what_was_sent_since_the_beacon_is_counted_refused_or_not_and_survives_a_crash() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.tell(append(1, mailbox(BOB), b"before"));
    hub.tell(put(1, b"one"));
    hub.tell(append(1, mailbox(BOB), b"first"));
    hub.tell(append(1, mailbox(CAROL), b"to nobody"));
    hub.crash();
    assert_eq!(welcomed(&hub.connect(3, ALICE)).appends, 2);
    hub.tell(append(3, mailbox(BOB), b"second"));
    assert_eq!(welcomed(&hub.connect(4, ALICE)).appends, 3);
    hub.tell(put(4, b"two"));
    assert_eq!(welcomed(&hub.connect(5, ALICE)).appends, 0);
}

#[test]
fn a_node_is_told_how_much_of_its_mail_it_has_acknowledged_also_after_a_crash() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    assert_eq!(welcomed(&hub.connect(2, BOB)).mailbox, 0);
    hub.append(1, mailbox(BOB), "one");
    hub.append(1, mailbox(BOB), "two");
    hub.tell(ack(2, mailbox(BOB), 1));
    assert_eq!(welcomed(&hub.connect(3, BOB)).mailbox, 1);
    hub.crash();
    assert_eq!(welcomed(&hub.connect(4, BOB)).mailbox, 1);
}
