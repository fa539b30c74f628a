//! What one admitted identity cannot do to everybody else.

use super::probe::*;
use crate::relay::{Command, Input, LogBounds, RelayConfig, Timed};
use hubbub_shared::group::{ControlLog, Op, Policy};
use hubbub_shared::wire::to_hub::ReadControl;
use hubbub_shared::wire::{LogId, RefusalCode, ToHub};
use rand_core::SeedableRng;

/// The lobby's control log as a reader has it.
fn lobby_log(hub: &RelayProbe) -> ControlLog {
    let lobby = hub.relay.lobby();
    let entries = crate::store::Store::control(&hub.store, &lobby, 0, 9_999).unwrap();
    let (first, rest) = entries.split_first().unwrap();
    let mut log = ControlLog::genesis(first).unwrap();
    for entry in rest {
        log.apply(entry).unwrap();
    }
    log
}

fn open_with(config: RelayConfig) -> RelayProbe {
    RelayProbe::new(RelayConfig { open: true, ..config })
}

#[test]
fn a_key_that_was_never_admitted_cannot_be_joined_to_the_lobby_by_somebody_who_was() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    let lobby = hub.relay.lobby();
    let entry = lobby_log(&hub).propose(&identity(MALLORY), Op::join(), hub.now);
    let refused = refusals(&hub.tell(control_entry(1, lobby, entry)));
    assert_eq!(refused.first().map(|r| r.code), Some(RefusalCode::BadControl));
    let entry = lobby_log(&hub).propose(&identity(ALICE), Op::join(), hub.now);
    assert_eq!(refusals(&hub.tell(control_entry(1, lobby, entry))), []);
}

#[test]
fn going_in_and_out_of_the_lobby_does_not_use_its_log_up_for_the_others() {
    let mut hub = RelayProbe::open();
    hub.connect(1, BOB);
    hub.connect(2, CAROL);
    let mut log = lobby_log(&hub);
    let refused = (0..40).find_map(|_| {
        let entry = log.propose(&identity(BOB), Op::join(), hub.now);
        let refused = refusals(&hub.tell(control_entry(1, log.group(), entry.clone())));
        if refused.is_empty() {
            log.apply(&entry).unwrap();
            hub.control(1, &mut log, BOB, Op::Leave);
        }
        refused.into_iter().next()
    });
    let refused = refused.expect("forty times are enough for anybody");
    assert_eq!((refused.code, refused.about), (RefusalCode::Full, Some(id(BOB))));
    assert_eq!(refusals(&hub.control(2, &mut log, CAROL, Op::join())), []);
}

#[test]
fn an_envelope_with_the_bytes_of_a_control_entry_does_not_keep_the_entry_out() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    let (group, control) = hub.group(1, ALICE, &[BOB]);
    let op = Op::Remove { node: id(BOB), code: 0 };
    let removal = control.propose(&identity(ALICE), op, hub.now);
    hub.tell(append(2, LogId::Channel(group), &removal));
    let said = hub.tell(control_entry(1, group, removal));
    assert!(said.iter().any(|c| line(c) == "control entry 2"));
    let refused = refusals(&hub.append(2, LogId::Channel(group), "still here"));
    assert_eq!(refused[0].code, RefusalCode::NotAMember);
}

/// Renews the group's keys until that is refused.
fn rekey_until_refused(
    hub: &mut RelayProbe,
    conn: u64,
    control: &mut ControlLog,
) -> hubbub_shared::wire::Refusal {
    let log = LogId::Channel(control.group());
    for _ in 0..20 {
        hub.tell(ack(conn, log, u64::MAX));
        let entry = control.propose(&identity(ALICE), Op::RekeyAll, hub.now);
        let refused = refusals(&hub.tell(control_entry(conn, control.group(), entry.clone())));
        match refused.into_iter().next() {
            Some(refusal) => return refusal,
            None => drop(control.apply(&entry).unwrap()),
        }
    }
    panic!("twenty control entries and no end");
}

#[test]
fn control_logs_have_a_bound_and_reaching_it_stops_neither_messages_nor_removals() {
    let control = LogBounds { bytes: 1_000_000, items: 6 };
    let mut hub = open_with(RelayConfig { control, ..RelayConfig::default() });
    hub.connect(1, ALICE);
    let (group, mut control) = hub.group(1, ALICE, &[BOB]);
    let refused = rekey_until_refused(&mut hub, 1, &mut control);
    assert_eq!((refused.code, refused.about), (RefusalCode::Full, None));
    hub.crash();
    hub.connect(2, ALICE);
    let refused = rekey_until_refused(&mut hub, 2, &mut control);
    assert_eq!((refused.code, control.seq()), (RefusalCode::Full, 4));
    assert_eq!(refusals(&hub.append(2, LogId::Channel(group), "hi")), []);
    let op = Op::Remove { node: id(BOB), code: 0 };
    assert_eq!(refusals(&hub.control(2, &mut control, ALICE, op)), []);
}

#[test]
fn the_control_logs_of_one_founder_leave_room_for_those_of_others() {
    let mut hub = open_with(RelayConfig { control_per_node: 3, ..RelayConfig::default() });
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    let (_, mut control) = hub.group(1, ALICE, &[]);
    let refused = rekey_until_refused(&mut hub, 1, &mut control);
    assert_eq!((refused.code, refused.about), (RefusalCode::Full, Some(id(ALICE))));
    let (_, mut control) = hub.group(2, BOB, &[]);
    assert_eq!(refusals(&hub.control(2, &mut control, BOB, Op::RekeyAll)), []);
}

#[test]
fn who_brings_back_what_another_founded_makes_the_founder_a_member_and_pays() {
    let mut hub = open_with(RelayConfig { groups_per_node: 2, ..RelayConfig::default() });
    hub.connect(1, ALICE);
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let mut brought = |by: u8, hub: &mut RelayProbe| {
        let founder = identity(by);
        let (group, genesis) = ControlLog::create(&founder, Policy::closed(), hub.now, &mut rng);
        let said = hub.tell(control_entry(1, group, genesis));
        (group, refusals(&said).first().map(|r| (r.code, r.about)))
    };
    let (group, taken) = brought(BOB, &mut hub);
    assert_eq!((taken, brought(MALLORY, &mut hub).1), (None, None));
    let full = Some((RefusalCode::Full, Some(id(ALICE))));
    assert_eq!(brought(BOB, &mut hub).1, full, "made-up founders are of no use");
    let log = LogId::Channel(group);
    assert_eq!(refusals(&hub.append(1, log, "hi"))[0].code, RefusalCode::NotAMember);
    hub.connect(2, BOB);
    assert_eq!(refusals(&hub.append(2, log, "hi")), []);
}

#[test]
fn reading_control_logs_again_and_again_reads_a_bounded_part_of_the_store_at_once() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    let (group, mut control) = hub.group(1, ALICE, &[]);
    for _ in 0..255 {
        hub.control(1, &mut control, ALICE, Op::RekeyAll);
    }
    let read = || frame(1, ToHub::ReadControl(ReadControl { req: 4, group, from: 0, pass: None }));
    for _ in 0..200 {
        hub.relay.handle(Timed { at: hub.now, input: read() });
    }
    let said = hub.settle();
    let pages = said.iter().filter(|c| matches!(c, Command::LoadControl { .. })).count();
    assert!((1..=64).contains(&pages), "{pages} pages of 256 entries in one batch");
    assert!(refusals(&said).iter().all(|r| r.code == RefusalCode::TooFast));
    hub.expect(read(), &["load control 0 to 255 of 256 for 1"]);
}

#[test]
fn a_member_that_was_removed_no_longer_holds_a_full_channel_back() {
    let channel = LogBounds { bytes: 10_000, items: 3 };
    let mut hub = open_with(RelayConfig { channel, ..RelayConfig::default() });
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    let (group, mut control) = hub.group(1, ALICE, &[BOB]);
    let log = LogId::Channel(group);
    hub.append(1, log, "one");
    hub.append(1, log, "two");
    hub.control(1, &mut control, ALICE, Op::Remove { node: id(BOB), code: 0 });
    hub.tell(ack(1, log, u64::MAX));
    assert_eq!(refusals(&hub.append(1, log, "on we go")), []);
    hub.tell(ack(1, log, u64::MAX));
    assert_eq!(hub.relay.counts().in_flight_max, 0, "what bob was sent is no longer waited for");
    hub.tell(Input::Closed { conn: crate::relay::ConnId(1) });
    hub.crash();
    assert_eq!(seqs(&hub.connect(3, BOB), 3), [0_u64; 0]);
}

#[test]
fn one_sender_cannot_fill_a_mailbox_for_everybody_else() {
    let bounds = LogBounds { bytes: 1_000_000, items: 6_000 };
    let mut hub = open_with(RelayConfig { mailbox: bounds, ..RelayConfig::default() });
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.connect(9, MALLORY);
    hub.tell(Input::Closed { conn: crate::relay::ConnId(2) });
    let mut last = Vec::new();
    for n in 0..6_000_u32 {
        if n % 1_000 == 0 {
            hub.now = hub.now + hubbub_shared::time::Millis::secs(2);
        }
        last = refusals(&hub.tell(append(9, mailbox(BOB), &n.to_be_bytes())));
    }
    assert_eq!(refusals(&hub.append(1, mailbox(BOB), "from alice")), []);
    assert_eq!((last[0].code, last[0].about), (RefusalCode::Full, Some(id(BOB))));
    hub.connect(3, BOB);
    hub.tell(ack(3, mailbox(BOB), u64::MAX));
    assert_eq!(refusals(&hub.append(9, mailbox(BOB), "again")), []);
}
