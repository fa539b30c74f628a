//! What is relayed without being stored.

use std::sync::Arc;

use hubbub_shared::time::Millis;

use super::probe::*;
use crate::relay::bounds::STREAM_COST;
use crate::relay::{ConnId, Input, RelayConfig};

fn wanted(conn: u64, stream: u64, to: u8) -> Input {
    Input::StreamWanted { conn: ConnId(conn), stream, to: id(to) }
}

#[test]
fn a_stream_is_spliced_to_whoever_is_connected_and_refused_otherwise() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.expect(wanted(1, 10, BOB), &["refuse stream 10: NotConnected"]);
    hub.connect(2, BOB);
    hub.expect(wanted(1, 11, BOB), &["splice 11 of alice to 2"]);
    hub.expect(Input::StreamEnded { stream: 11, bytes: 5 }, &["note 5 bytes streamed"]);
    hub.expect(Input::StreamEnded { stream: 11, bytes: 5 }, &[]);
    hub.expect(wanted(7, 12, BOB), &["refuse stream 12: NotAdmitted"]);
}

#[test]
fn one_identity_has_a_bounded_number_of_streams() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    for stream in 0..8 {
        hub.tell(wanted(1, stream, BOB));
    }
    hub.expect(wanted(1, 16, BOB), &["refuse stream 16: TooFast"]);
    hub.expect(wanted(2, 18, ALICE), &["splice 18 of bob to 1"]);
    hub.tell(Input::StreamEnded { stream: 3, bytes: 0 });
    hub.expect(wanted(1, 17, BOB), &["splice 17 of alice to 2"]);
}

#[test]
fn all_together_have_a_bounded_number_of_streams() {
    let mut hub = RelayProbe::new(RelayConfig { open: true, streams: 2, ..RelayConfig::default() });
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    hub.tell(wanted(1, 10, BOB));
    hub.tell(wanted(2, 11, ALICE));
    hub.expect(wanted(2, 12, ALICE), &["refuse stream 12: TooFast"]);
    hub.tell(Input::StreamEnded { stream: 10, bytes: 0 });
    hub.expect(wanted(2, 13, ALICE), &["splice 13 of bob to 1"]);
}

/// Opens and ends a stream; whether it was one.
fn opens_and_ends(hub: &mut RelayProbe, stream: u64) -> bool {
    let commands = hub.tell(wanted(1, stream, BOB));
    hub.tell(Input::StreamEnded { stream, bytes: 0 });
    commands.iter().map(line).any(|command| command.starts_with("splice"))
}

#[test]
fn whoever_opens_and_ends_streams_as_fast_as_it_can_is_slowed_down_like_one_who_asks() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    let at_once = RelayConfig::default().frames.burst / STREAM_COST;
    let opened = (0..1_000).filter(|stream| opens_and_ends(&mut hub, *stream)).count();
    assert_eq!(u64::try_from(opened).unwrap(), at_once);
    hub.expect(wanted(1, 1_000, BOB), &["refuse stream 1000: TooFast"]);
    hub.expect(wanted(2, 1_001, ALICE), &["splice 1001 of bob to 1"]);
    // Asking for one who is away is no way around it, and it passes.
    hub.expect(wanted(1, 1_002, CAROL), &["refuse stream 1002: TooFast"]);
    hub.pass(Millis::secs(1));
    assert!((0..50).all(|stream| opens_and_ends(&mut hub, 2_000 + stream)));
    assert!(!opens_and_ends(&mut hub, 3_000));
}

#[test]
fn fifty_streams_at_once_are_nothing_that_anybody_is_held_up_for() {
    let config = RelayConfig { open: true, streams_per_node: 64, ..RelayConfig::default() };
    let mut hub = RelayProbe::new(config);
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    for stream in 0..50 {
        let spliced = format!("splice {stream} of alice to 2");
        hub.expect(wanted(1, stream, BOB), &[&*spliced]);
    }
}

#[test]
fn streams_about_files_are_questions_too() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    let mut asked = 0;
    loop {
        let commands = hub.tell(Input::FilesWanted { conn: ConnId(1), stream: asked });
        hub.tell(Input::StreamEnded { stream: asked, bytes: 0 });
        if commands.iter().map(line).any(|command| command.starts_with("refuse")) {
            break;
        }
        asked += 1;
    }
    assert_eq!(asked, RelayConfig::default().frames.burst);
}

#[test]
fn whoever_was_let_in_may_come_to_the_files_a_few_times_at_once() {
    let files = |conn, stream| Input::FilesWanted { conn: ConnId(conn), stream };
    let mut hub = RelayProbe::open();
    hub.expect(files(1, 10), &["refuse stream 10: NotAdmitted"]);
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    for stream in 11..17 {
        let served = format!("files {stream} for alice");
        hub.expect(files(1, stream), &[&*served]);
    }
    hub.expect(files(1, 17), &["refuse stream 17: TooFast"]);
    hub.expect(wanted(1, 19, BOB), &["splice 19 of alice to 2"]);
    hub.expect(files(2, 20), &["files 20 for bob"]);
    hub.expect(Input::StreamEnded { stream: 11, bytes: 5 }, &["note 5 bytes of files"]);
    hub.expect(Input::StreamEnded { stream: 12, bytes: 0 }, &[]);
    hub.expect(files(1, 18), &["files 18 for alice"]);
}

#[test]
fn a_datagram_reaches_the_connected_and_is_dropped_for_the_absent() {
    let mut hub = RelayProbe::open();
    hub.connect(1, ALICE);
    let datagram = |payload: usize| Input::Datagram {
        conn: ConnId(1),
        to: id(BOB),
        payload: Arc::from(vec![0; payload]),
    };
    hub.expect(datagram(8), &[]);
    hub.connect(2, BOB);
    hub.expect(datagram(8), &["datagram alice to 2"]);
    hub.expect(datagram(2_000), &[]);
}
