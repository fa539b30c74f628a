//! One-time prekeys: once each, and not to be drained.

use super::probe::*;
use crate::relay::Command;
use hubbub_shared::time::Millis;
use hubbub_shared::wire::to_hub::{PutPrekeys, TakeBundle};
use hubbub_shared::wire::{ByteBuf, FromHub, RefusalCode, ToHub};

fn put(conn: u64, ids: std::ops::Range<u32>, replace: bool) -> crate::relay::Input {
    let one_time = ids.map(|id| (id, ByteBuf::from(vec![1]))).collect();
    let (identity, signed_prekey) = (ByteBuf::from(vec![2]), ByteBuf::from(vec![3]));
    frame(
        conn,
        ToHub::PutPrekeys(PutPrekeys { req: 1, identity, signed_prekey, one_time, replace }),
    )
}

fn take(conn: u64, whose: u8) -> crate::relay::Input {
    frame(conn, ToHub::TakeBundle(TakeBundle { req: 1, node: id(whose) }))
}

#[test]
fn a_one_time_prekey_is_handed_out_once_and_deleted_in_the_same_batch() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.tell(put(2, 0..30, false));
    let first = ["load bob's bundle with Some(0) for 1", "bob's prekey 0 gone"];
    hub.expect(take(1, BOB), &first);
    hub.expect(take(1, BOB), &["load bob's bundle with None for 1"]);
    hub.crash();
    hub.connect(3, CAROL);
    let second = ["load bob's bundle with Some(1) for 3", "bob's prekey 1 gone"];
    hub.expect(take(3, BOB), &second);
    hub.now = hub.now + Millis::hours(24);
    hub.connect(1, ALICE);
    let third = ["load bob's bundle with Some(2) for 1", "bob's prekey 2 gone"];
    hub.expect(take(1, BOB), &third);
}

#[test]
fn many_requesters_cannot_drain_a_node() {
    let mut hub = RelayProbe::open();
    hub.connect(2, BOB);
    hub.tell(put(2, 0..50, false));
    let mut given = 0;
    for who in 10..60 {
        hub.connect(u64::from(who), who);
        let said = hub.tell(take(u64::from(who), BOB));
        given += said.iter().filter(|c| line(c).ends_with("gone")).count();
    }
    assert_eq!(given, 20);
}

#[test]
fn the_owner_is_told_when_few_are_left() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.tell(put(2, 0..20, false));
    let said = hub.tell(take(1, BOB));
    assert!(said.iter().any(|command| match command {
        Command::Send { frame: FromHub::PrekeysLow(low), .. } => low.left == 19,
        _ => false,
    }));
}

#[test]
fn replacing_deletes_what_was_there_and_too_many_are_refused() {
    let mut hub = RelayProbe::open();
    hub.connect(2, BOB);
    hub.tell(put(2, 0..50, false));
    assert_eq!(refusals(&hub.tell(put(2, 50..51, false)))[0].code, RefusalCode::TooLarge);
    let said = hub.tell(put(2, 49..51, true));
    assert_eq!(said.iter().filter(|c| line(c).ends_with("gone")).count(), 49);
}

#[test]
fn nobody_gets_a_bundle_of_a_node_without_one() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    assert_eq!(refusals(&hub.tell(take(1, ALICE)))[0].code, RefusalCode::NoPrekeys);
    assert_eq!(refusals(&hub.tell(take(1, MALLORY)))[0].code, RefusalCode::Unknown);
}
