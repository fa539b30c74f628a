//! Groups: who reads and writes a channel, and from where to where.

use super::probe::*;
use hubbub_shared::group::{ControlLog, Op, Policy, Role};
use hubbub_shared::wire::to_hub::ReadControl;
use hubbub_shared::wire::{LogId, RefusalCode, ToHub};
use rand_core::SeedableRng;

fn connected() -> RelayProbe {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.connect(3, CAROL);
    hub
}

#[test]
fn a_new_member_reads_from_the_entry_that_lets_it_in() {
    let mut hub = connected();
    let (group, mut control) = hub.group(1, ALICE, &[]);
    hub.append(1, LogId::Channel(group), "before");
    let op = Op::add(id(BOB), Role::Member, 0);
    let said = hub.control(1, &mut control, ALICE, op);
    assert_eq!(seqs(&said, 2), [3]);
    assert_eq!(seqs(&hub.append(1, LogId::Channel(group), "after"), 2), [4]);
}

#[test]
fn a_removed_member_gets_everything_up_to_its_removal_and_nothing_after() {
    let mut hub = connected();
    let (group, mut control) = hub.group(1, ALICE, &[BOB]);
    let log = LogId::Channel(group);
    hub.tell(crate::relay::Input::Closed { conn: crate::relay::ConnId(2) });
    hub.append(1, log, "still for bob");
    hub.control(1, &mut control, ALICE, Op::Remove { node: id(BOB), code: 0 });
    hub.append(1, log, "not for bob");
    hub.crash();
    hub.connect(1, ALICE);
    assert_eq!(seqs(&hub.connect(4, BOB), 4), [2, 3, 4]);
    assert_eq!(refusals(&hub.append(4, log, "me too"))[0].code, RefusalCode::NotAMember);
    let said = hub.tell(ack(4, log, 4));
    assert!(said.iter().any(|c| line(c) == "cursor of bob in the channel: None"));
    assert_eq!(seqs(&hub.append(1, log, "nor this"), 4), [0_u64; 0]);
}

#[test]
fn a_removed_member_that_never_comes_back_is_forgotten_with_its_last_entry() {
    let mut hub = connected();
    let (_, mut control) = hub.group(1, ALICE, &[BOB]);
    hub.control(1, &mut control, ALICE, Op::Remove { node: id(BOB), code: 0 });
    hub.pass(hubbub_shared::limits::LOG_TTL);
    let said: Vec<String> = hub.settle().iter().map(line).collect();
    assert_eq!(said, ["cursor of bob in the channel: None", "forget the channel up to 3"]);
}

#[test]
fn one_let_in_again_before_it_left_reads_on() {
    let mut hub = connected();
    let (group, mut control) = hub.group(1, ALICE, &[BOB]);
    hub.control(1, &mut control, ALICE, Op::Remove { node: id(BOB), code: 0 });
    let op = Op::add(id(BOB), Role::Member, 0);
    hub.control(1, &mut control, ALICE, op);
    hub.crash();
    hub.connect(1, ALICE);
    assert_eq!(seqs(&hub.connect(2, BOB), 2), [2, 3, 4]);
    assert_eq!(seqs(&hub.append(1, LogId::Channel(group), "hi bob"), 2), [5]);
}

#[test]
fn of_two_entries_for_one_place_the_second_is_stale() {
    let mut hub = connected();
    let (group, control) = hub.group(1, ALICE, &[]);
    let add = |who| Op::add(id(who), Role::Member, 0);
    let first = control.propose(&identity(ALICE), add(BOB), hub.now);
    let second = control.propose(&identity(ALICE), add(CAROL), hub.now);
    assert_eq!(refusals(&hub.tell(control_entry(1, group, first.clone()))), []);
    let refused = refusals(&hub.tell(control_entry(1, group, second)));
    assert_eq!(refused[0].code, RefusalCode::Stale);
    hub.expect(control_entry(1, group, first), &["to 1: appended 2"]);
}

#[test]
fn what_breaks_the_rules_is_refused_and_changes_nothing() {
    let mut hub = connected();
    let (group, control) = hub.group(1, ALICE, &[]);
    let op = Op::add(id(MALLORY), Role::Owner, 0);
    let forged = control.propose(&identity(MALLORY), op, hub.now);
    let refused = refusals(&hub.tell(control_entry(2, group, forged)));
    assert_eq!(refused[0].code, RefusalCode::BadControl);
    let log = LogId::Channel(group);
    assert_eq!(refusals(&hub.append(2, log, "hi"))[0].code, RefusalCode::NotAMember);
    let unknown = LogId::Channel(hubbub_shared::id::GroupId([0; 32]));
    assert_eq!(refusals(&hub.append(2, unknown, "hi"))[0].code, RefusalCode::NoSuchGroup);
}

#[test]
fn nodes_bring_closed_groups_and_no_others() {
    let mut hub = connected();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let mut code = |policy, by, conn| {
        let (group, genesis) = ControlLog::create(&identity(by), policy, hub.now, &mut rng);
        refusals(&hub.tell(control_entry(conn, group, genesis))).first().map(|r| r.code)
    };
    assert_eq!(code(Policy::open(), ALICE, 1), Some(RefusalCode::BadControl));
    assert_eq!(code(Policy::closed(), ALICE, 1), None);
    assert_eq!(code(Policy::closed(), BOB, 1), None, "another may bring it back");
}

#[test]
fn the_lobby_outlives_a_restart_and_lets_everybody_in() {
    let mut hub = connected();
    let lobby = hub.relay.lobby();
    hub.crash();
    assert_eq!(hub.relay.lobby(), lobby);
    hub.connect(2, BOB);
    let read = ToHub::ReadControl(ReadControl { req: 4, group: lobby, from: 0, pass: None });
    hub.expect(frame(2, read), &["load control 0 to 0 of 1 for 2"]);
    let genesis = crate::store::Store::control(&hub.store, &lobby, 0, 1).unwrap().remove(0);
    let mut control = ControlLog::genesis(&genesis).unwrap();
    let said = hub.control(2, &mut control, BOB, Op::join());
    assert_eq!(seqs(&said, 2), [1]);
    assert_eq!(seqs(&hub.append(2, LogId::Channel(lobby), "hello all"), 2), [2]);
}

#[test]
fn only_those_inside_read_a_closed_groups_control_log() {
    let mut hub = connected();
    let (group, _) = hub.group(1, ALICE, &[BOB]);
    let read =
        |conn| frame(conn, ToHub::ReadControl(ReadControl { req: 4, group, from: 1, pass: None }));
    hub.expect(read(2), &["load control 1 to 1 of 2 for 2"]);
    assert_eq!(refusals(&hub.tell(read(3)))[0].code, RefusalCode::NotAMember);
}

#[test]
fn one_who_is_out_reads_up_to_the_entry_that_put_it_out_and_no_further() {
    let mut hub = connected();
    let (group, mut control) = hub.group(1, ALICE, &[BOB]);
    hub.control(1, &mut control, ALICE, Op::Remove { node: id(BOB), code: 0 });
    hub.control(1, &mut control, ALICE, Op::RekeyAll);
    hub.tell(ack(2, LogId::Channel(group), 3));
    let read = |from| frame(2, ToHub::ReadControl(ReadControl { req: 4, group, from, pass: None }));
    hub.expect(read(0), &["load control 0 to 2 of 3 for 2"]);
    hub.expect(read(2), &["load control 2 to 2 of 3 for 2"]);
    assert_eq!(refusals(&hub.tell(read(3)))[0].code, RefusalCode::NotAMember);
}

#[test]
fn a_full_channel_still_takes_the_removal_of_whoever_holds_it_back() {
    let channel = crate::relay::LogBounds { bytes: 10_000, items: 3 };
    let mut hub = RelayProbe::new(crate::relay::RelayConfig {
        open: true,
        channel,
        ..crate::relay::RelayConfig::default()
    });
    hub.connect(1, ALICE);
    let (group, mut control) = hub.group(1, ALICE, &[BOB]);
    let log = LogId::Channel(group);
    hub.append(1, log, "last");
    hub.tell(ack(1, log, 3));
    hub.append(1, log, "one");
    let refused = refusals(&hub.append(1, log, "two"));
    assert_eq!((refused[0].code, refused[0].about), (RefusalCode::Full, Some(id(BOB))));
    let said = hub.control(1, &mut control, ALICE, Op::Remove { node: id(BOB), code: 0 });
    assert_eq!(refusals(&said), []);
}

#[test]
fn a_closed_group_takes_nothing_more() {
    let mut hub = connected();
    let (group, mut control) = hub.group(1, ALICE, &[BOB]);
    assert_eq!(seqs(&hub.control(1, &mut control, ALICE, Op::Close), 2), [3]);
    let log = LogId::Channel(group);
    assert_eq!(refusals(&hub.append(1, log, "late"))[0].code, RefusalCode::NoSuchGroup);
    hub.tell(ack(1, log, 3));
    hub.tell(ack(2, log, 3));
    assert_eq!(hub.relay.counts().items, 0);
}
