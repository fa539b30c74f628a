//! Getting entries to readers.

use super::probe::*;
use crate::relay::bounds::{LOADS_OUTSTANDING, WINDOW_BYTES};
use crate::relay::{Command, ConnId, Input, RelayConfig, Timed};
use hubbub_shared::wire::FromHub;

/// A hub that keeps nothing in memory longer than a batch.
fn forgetful() -> RelayProbe {
    RelayProbe::new(RelayConfig { open: true, recent_bytes: 0, ..RelayConfig::default() })
}

#[test]
fn entries_of_one_batch_for_one_reader_share_a_frame() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    for text in ["one", "two", "three"] {
        let input = append(1, mailbox(BOB), text.as_bytes());
        hub.relay.handle(Timed { at: hub.now, input });
    }
    let said: Vec<String> = hub.settle().iter().map(line).collect();
    let frames: Vec<&String> = said.iter().filter(|line| line.starts_with("to 2")).collect();
    assert_eq!(frames, ["to 2: deliver bob's mailbox: 1 2 3"]);
}

#[test]
fn acknowledgements_of_one_batch_are_one_write() {
    let mut hub = RelayProbe::open();
    hub.connect(2, BOB);
    for text in ["one", "two", "three"] {
        hub.append(2, mailbox(BOB), text);
    }
    for upto in [1, 3, 2] {
        hub.relay.handle(Timed { at: hub.now, input: ack(2, mailbox(BOB), upto) });
    }
    let said: Vec<String> = hub.settle().iter().map(line).collect();
    assert_eq!(said, ["cursor of bob in bob's mailbox: Some(3)", "forget bob's mailbox up to 3"]);
}

#[test]
fn whoever_was_away_gets_what_came_meanwhile_from_the_store() {
    let mut hub = forgetful();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.tell(Input::Closed { conn: ConnId(2) });
    hub.append(1, mailbox(BOB), "one");
    hub.append(1, mailbox(BOB), "two");
    hub.expect(
        arrival(3, BOB, None),
        &[
            "to 3: welcome",
            "to 3: seen at 127.0.0.1:4000",
            "note bob connected, new: false",
            "load bob's mailbox from 1 for 3",
            "to 3: deliver bob's mailbox: 1 2",
        ],
    );
}

#[test]
fn unacknowledged_entries_come_again_on_the_next_connection_only() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.append(1, mailbox(BOB), "one");
    assert_eq!(seqs(&hub.append(1, mailbox(BOB), "two"), 2), [2]);
    hub.tell(ack(2, mailbox(BOB), 1));
    assert_eq!(seqs(&hub.connect(3, BOB), 3), [2]);
}

#[test]
fn a_reader_that_acknowledges_nothing_never_has_more_than_its_window_on_the_way() {
    for mut hub in [RelayProbe::open(), forgetful()] {
        hub.connect(1, ALICE);
        hub.connect(2, BOB);
        let mut got = Vec::new();
        for n in 0..64_u8 {
            got.extend(seqs(&hub.tell(append(1, mailbox(BOB), &vec![n; 32 * 1024])), 2));
            assert!(hub.relay.counts().in_flight_max <= WINDOW_BYTES);
        }
        assert!(got.len() < 32, "{} were sent", got.len());
        while let Some(last) = got.last().copied().filter(|last| *last < 64) {
            let more = seqs(&hub.tell(ack(2, mailbox(BOB), last)), 2);
            assert!(!more.is_empty(), "nothing follows {last}");
            got.extend(more);
        }
        assert_eq!(got, (1..=64).collect::<Vec<u64>>());
    }
}

#[test]
fn logs_take_turns_so_that_a_large_one_does_not_hold_up_a_small_one() {
    let mut hub = forgetful();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.tell(Input::Closed { conn: ConnId(2) });
    let (group, _) = hub.group(1, ALICE, &[BOB]);
    for n in 0..40_u8 {
        hub.tell(append(1, mailbox(BOB), &vec![n; 32 * 1024]));
    }
    let got = delivered(&hub.connect(3, BOB), 3);
    let channel = hubbub_shared::wire::LogId::Channel(group);
    let place = got.iter().position(|(log, _)| *log == channel).expect("the channel had its turn");
    assert!(place <= 9, "after {place} entries of the mailbox");
}

#[test]
fn however_many_come_back_at_once_only_so_many_pages_are_read() {
    let mut hub = forgetful();
    let many: Vec<u8> = (20..120).collect();
    for who in &many {
        hub.connect(u64::from(*who), *who);
    }
    hub.connect(1, ALICE);
    for who in &many {
        hub.tell(Input::Closed { conn: ConnId(u64::from(*who)) });
        hub.append(1, mailbox(*who), "hi");
    }
    for who in &many {
        let input = arrival(1_000 + u64::from(*who), *who, None);
        hub.relay.handle(Timed { at: hub.now, input });
    }
    let batch: Vec<Command> = std::iter::from_fn(|| hub.relay.poll_command()).collect();
    assert_eq!(hub.relay.counts().loads, LOADS_OUTSTANDING);
    for page in hub.carry_out(&batch) {
        hub.relay.handle(Timed { at: hub.now, input: page });
    }
    let rest = hub.settle();
    let deliveries = rest
        .iter()
        .filter(|c| matches!(c, Command::Send { frame: FromHub::Deliver(_), .. }))
        .count();
    assert_eq!((deliveries, hub.relay.counts().loads), (many.len(), 0));
}

#[test]
fn a_store_that_reads_nothing_is_not_asked_again_and_again() {
    let mut hub = forgetful();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.tell(Input::Closed { conn: ConnId(2) });
    hub.append(1, mailbox(BOB), "one");
    hub.relay.handle(Timed { at: hub.now, input: arrival(3, BOB, None) });
    while hub.relay.poll_command().is_some() {}
    let nothing = Input::Loaded { conn: ConnId(3), log: mailbox(BOB), items: Vec::new() };
    hub.expect(nothing, &[]);
}

#[test]
fn acknowledging_what_was_never_sent_or_a_log_of_others_changes_nothing() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.append(1, mailbox(BOB), "one");
    hub.expect(ack(1, mailbox(BOB), 1), &[]);
    hub.expect(ack(1, mailbox(MALLORY), 1), &[]);
    hub.tell(ack(2, mailbox(BOB), 99));
    assert_eq!(seqs(&hub.append(1, mailbox(BOB), "two"), 2), [2]);
}

#[test]
fn an_idle_hub_waits_for_nothing() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    assert_eq!(hub.relay.poll_timeout(), None);
    hub.append(1, mailbox(BOB), "one");
    assert!(hub.relay.poll_timeout().is_some());
    hub.tell(ack(2, mailbox(BOB), 1));
    hub.pass(hubbub_shared::time::Millis::hours(1));
    assert_eq!(hub.relay.poll_timeout(), None);
}
