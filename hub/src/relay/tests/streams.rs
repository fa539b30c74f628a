//! What is relayed without being stored.

use std::sync::Arc;

use super::probe::*;
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

#[test]
fn whoever_was_let_in_may_come_to_the_files_a_few_times_at_once() {
    let files = |conn, stream| Input::FilesWanted { conn: ConnId(conn), stream };
    let mut hub = RelayProbe::open();
    hub.expect(files(1, 10), &["refuse stream 10: NotAdmitted"]);
    hub.connect(1, ALICE);
    hub.connect(2, BOB);
    for stream in 11..15 {
        let served = format!("files {stream} for alice");
        hub.expect(files(1, stream), &[&*served]);
    }
    hub.expect(files(1, 15), &["refuse stream 15: TooFast"]);
    hub.expect(wanted(1, 16, BOB), &["splice 16 of alice to 2"]);
    hub.expect(files(2, 17), &["files 17 for bob"]);
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
