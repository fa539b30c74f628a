//! What gets a number, and what is refused.

use super::probe::*;
use crate::relay::{LogBounds, RelayConfig};
use hubbub_shared::limits::{ENVELOPE_MAX, LOG_TTL};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::RefusalCode;

#[test]
fn an_append_is_written_answered_and_delivered_in_one_batch() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.expect(
        append(1, mailbox(BOB), b"hi"),
        &[
            "append 1 to bob's mailbox",
            "to 1: appended 1",
            "note alice put 1 into bob's mailbox",
            "to 2: deliver bob's mailbox: 1",
        ],
    );
    hub.expect(
        ack(2, mailbox(BOB), 1),
        &["cursor of bob in bob's mailbox: Some(1)", "forget bob's mailbox up to 1"],
    );
}

#[test]
fn the_same_bytes_again_get_the_first_number_and_are_not_delivered_again() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.append(1, mailbox(BOB), "hi");
    hub.tell(ack(2, mailbox(BOB), 1));
    hub.expect(append(1, mailbox(BOB), b"hi"), &["to 1: appended 1"]);
}

#[test]
fn numbers_are_never_used_again_even_when_the_log_is_empty_and_the_hub_restarts() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.append(1, mailbox(BOB), "one");
    hub.tell(ack(2, mailbox(BOB), 1));
    hub.crash();
    hub.connect(3, ALICE);
    assert!(hub.append(3, mailbox(BOB), "two").iter().any(|c| line(c) == "to 3: appended 2"));
}

#[test]
fn nothing_too_large_empty_or_for_a_stranger_is_taken() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    let code = |hub: &mut RelayProbe, who, bytes: &[u8]| {
        refusals(&hub.tell(append(1, mailbox(who), bytes)))[0].code
    };
    assert_eq!(code(&mut hub, ALICE, &vec![0; ENVELOPE_MAX + 1]), RefusalCode::TooLarge);
    assert_eq!(code(&mut hub, ALICE, b""), RefusalCode::BadFrame);
    assert_eq!(code(&mut hub, MALLORY, b"hi"), RefusalCode::Unknown);
    assert_eq!(hub.relay.counts().items, 0);
}

#[test]
fn a_full_mailbox_pushes_back_and_names_its_reader_and_drops_nothing() {
    let mailbox_bounds = LogBounds { bytes: 100, items: 2 };
    let mut hub = RelayProbe::new(RelayConfig {
        open: true,
        mailbox: mailbox_bounds,
        ..RelayConfig::default()
    });
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.append(1, mailbox(BOB), "one");
    hub.append(1, mailbox(BOB), "two");
    let refused = refusals(&hub.append(1, mailbox(BOB), "three"));
    assert_eq!((refused[0].code, refused[0].about), (RefusalCode::Full, Some(id(BOB))));
    hub.tell(ack(2, mailbox(BOB), 1));
    assert_eq!(refusals(&hub.append(1, mailbox(BOB), "three")), []);
    assert_eq!(refusals(&hub.append(1, mailbox(BOB), &"x".repeat(99)))[0].code, RefusalCode::Full);
    assert_eq!(hub.relay.counts().items, 2);
}

#[test]
fn a_hub_that_is_full_takes_nothing_for_anybody() {
    let total = LogBounds { bytes: 1_000, items: 1 };
    let mut hub = RelayProbe::new(RelayConfig { open: true, total, ..RelayConfig::default() });
    hub.connect(1, ALICE);
    hub.append(1, mailbox(ALICE), "one");
    let refused = refusals(&hub.append(1, mailbox(ALICE), "two"));
    assert_eq!((refused[0].code, refused[0].about), (RefusalCode::Full, None));
}

#[test]
fn an_entry_nobody_fetched_ends_after_its_time_and_not_before() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.tell(crate::relay::Input::Closed { conn: crate::relay::ConnId(2) });
    hub.append(1, mailbox(BOB), "old");
    hub.pass(Millis(LOG_TTL.0 - 1));
    assert!(hub.settle().is_empty());
    hub.append(1, mailbox(BOB), "new");
    hub.pass(Millis::minutes(10));
    let said: Vec<String> = hub.settle().iter().map(line).collect();
    assert_eq!(said, ["forget bob's mailbox up to 1"]);
    assert_eq!(seqs(&hub.connect(4, BOB), 4), [2]);
}
