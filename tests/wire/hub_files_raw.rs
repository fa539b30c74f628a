//! Streams about files as no honest node uses them: by strangers, with questions that fit nothing,
//! and by those who neither read nor write.

use std::path::Path;
use std::time::Duration;

use hubbub_hub::config::{Files, Limits};
use hubbub_hub::tls::{SEND_ROOM, SEND_WINDOW, STREAM_WINDOW};
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_shared::crypto::label::EXPORTER_LABEL;
use hubbub_shared::crypto::{Identity, Secret32, link_auth};
use hubbub_shared::id::BlobId;
use hubbub_shared::limits::FILE_STREAMS_EACH;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::files::{
    FILE_GET, FILE_KEPT, FILE_PUT, FILE_REFUSED, FILE_TAKE, FILE_TAKEN, FILE_WANTED, FILES_ASK,
    FILES_TOLD, FileGet, FilePut, FileRefusal, FileRefused, FileTake, FilesAsk,
};
use hubbub_shared::wire::pieces::{
    HAVE_ASK, HaveAsk, PIECE_ASK, PIECES_REFUSED, PieceAsk, PieceRefusal, PiecesRefused, Span,
};
use hubbub_shared::wire::stream::{STREAM_ANSWER, StreamAnswer};
use hubbub_shared::wire::to_hub::{Hello, WhoIs};
use hubbub_shared::wire::version::VERSION;
use hubbub_shared::wire::{FromHub, RefusalCode, ToHub};
use hubbub_tests::blobs::{Bytes, fetch, frame};
use hubbub_tests::raw_node::{RawNode, dial, dial_with};
use quinn::{Connection, RecvStream, SendStream, TransportConfig};
use serde::Serialize;
use tokio::io::{Join, join};

const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing moves before it is taken to stand still.
const STILL: Duration = Duration::from_millis(500);
const MIB: u64 = 1024 * 1024;

async fn hub_for(dir: &Path, open: bool) -> Running {
    let (dir, listen) = (dir.to_owned(), "127.0.0.1:0".parse().unwrap());
    let files = Files { identity_mib: 256, reserve_mib: 0, ..Files::default() };
    serve(ServeOptions { dir, listen, open, limits: Limits::default(), files }).await.unwrap()
}

fn person(seed: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([seed; 32]))
}

async fn node(hub: &Running, seed: u8) -> RawNode {
    RawNode::welcomed(hub.local_addr, hub.hub, &person(seed)).await
}

type Stream = Join<RecvStream, SendStream>;

/// Begins a stream about files; why not, if it is refused.
async fn begin<T: Serialize>(
    connection: &Connection,
    kind: u8,
    body: &T,
) -> Result<Stream, RefusalCode> {
    let (mut send, recv) = connection.open_bi().await.unwrap();
    send.set_priority(-1).unwrap();
    send.write_all(&codec::frame(kind, body)).await.unwrap();
    let mut stream = join(recv, send);
    let (kind, body) = frame(&mut stream).await;
    assert_eq!(kind, STREAM_ANSWER);
    match codec::decode::<StreamAnswer>(&body).unwrap().refused {
        None => Ok(stream),
        Some(code) => Err(code),
    }
}

async fn get(node: &RawNode) -> Stream {
    begin(&node.connection, FILE_GET, &FileGet {}).await.unwrap()
}

fn put_of(file: &Bytes) -> FilePut {
    FilePut { blob: file.blob.address, sealed: file.blob.shape.sealed() }
}

/// Leaves a blob at the hub.
async fn leave(node: &RawNode, file: &Bytes) {
    let mut stream = begin(&node.connection, FILE_PUT, &put_of(file)).await.unwrap();
    assert_eq!(frame(&mut stream).await.0, FILE_WANTED);
    stream.writer_mut().write_all(&file.bytes).await.unwrap();
    assert_eq!(frame(&mut stream).await.0, FILE_KEPT);
}

async fn write(stream: &mut Stream, bytes: &[u8]) {
    stream.writer_mut().write_all(bytes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_not_let_in_gets_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub_for(dir.path(), false).await;
    let blob = Bytes::of(10, 1).blob;
    let have = HaveAsk { req: 1, blob: blob.address, sealed: blob.shape.sealed() };
    let have = codec::frame(HAVE_ASK, &have);
    // Without a proof there is no second stream at all.
    let stranger = dial(hub.local_addr, hub.hub).await;
    let _frames = stranger.open_bi().await.unwrap();
    assert!(tokio::time::timeout(STILL, stranger.open_bi()).await.is_err());
    // Mallory proves an identity that nobody invited, and does not wait for the answer.
    let connection = dial(hub.local_addr, hub.hub).await;
    let (mut frames, _answers) = connection.open_bi().await.unwrap();
    let (node, mut exporter) = (person(66).id(), [0; 32]);
    connection.export_keying_material(&mut exporter, EXPORTER_LABEL, &node.0).unwrap();
    let proof = link_auth::prove(&person(66), &hub.hub, &exporter);
    let (version, min_version, admission) = (VERSION, VERSION, None);
    let hello = Hello { version, min_version, node, proof, admission };
    frames.write_all(&ToHub::Hello(hello).encode()).await.unwrap();
    let sneaking = async {
        let (mut send, mut recv) = connection.open_bi().await.ok()?;
        send.write_all(&codec::frame(FILE_GET, &FileGet {})).await.ok()?;
        send.write_all(&have).await.ok()?;
        recv.read_to_end(1_000).await.ok()
    };
    let refused = StreamAnswer { refused: Some(RefusalCode::NotAdmitted) };
    match tokio::time::timeout(PATIENCE, sneaking).await.unwrap() {
        None => {}
        Some(said) => assert_eq!(said, codec::frame(STREAM_ANSWER, &refused)),
    }
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_fit_nothing_are_refused_one_by_one_and_other_frames_end_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub_for(dir.path(), true).await;
    let alice = node(&hub, 1).await;
    let file = Bytes::of(3 * MIB, 1);
    leave(&alice, &file).await;
    let mut stream = get(&alice).await;
    let pieces = u32::try_from(file.blob.shape.pieces()).unwrap();
    let (blob, sealed) = (file.blob.address, file.blob.shape.sealed());
    let span = |first, count| Span { first, count, known: 0 };
    let asks = [
        (blob, sealed, vec![], PieceRefusal::BadAsk),
        (blob, sealed, vec![span(0, 16), span(pieces, 1)], PieceRefusal::BadAsk),
        (blob, sealed, vec![span(8, 16)], PieceRefusal::BadAsk),
        (blob, 4_144, vec![span(0, 1)], PieceRefusal::OtherLength),
        (blob, 1, vec![span(0, 1)], PieceRefusal::OtherLength),
        (BlobId([9; 32]), sealed, vec![span(0, 1)], PieceRefusal::Unknown),
    ];
    for (req, (blob, sealed, spans, code)) in (0..).zip(asks) {
        let ask = PieceAsk { req, blob, sealed, spans };
        write(&mut stream, &codec::frame(PIECE_ASK, &ask)).await;
        let (kind, body) = frame(&mut stream).await;
        let refused = PiecesRefused { req, code, retry_after: None };
        assert_eq!((kind, codec::decode(&body)), (PIECES_REFUSED, Ok(refused)));
    }
    // Parents that the asker says it has beyond those there are change nothing.
    let spans = vec![Span { first: 0, count: 1, known: 255 }];
    let ask = PieceAsk { req: 9, blob, sealed, spans };
    write(&mut stream, &codec::frame(PIECE_ASK, &ask)).await;
    assert_eq!(frame(&mut stream).await.1[..9], [0, 0, 0, 9, 0, 0, 0, 0, 0]);
    assert!(fetch(&mut stream, &file.blob).await.unwrap() == file.bytes);
    write(&mut stream, &codec::frame(200, &FileGet {})).await;
    let mut rest = [0; 1];
    assert!(stream.reader_mut().read(&mut rest).await.is_err());
    hub.stop().await;
}

/// Files in a folder that are deleted and that this process holds open all the same.
#[cfg(target_os = "linux")]
fn held_open(dir: &Path) -> Vec<std::path::PathBuf> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let open = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let gone = |path: &Path| path.to_string_lossy().ends_with(" (deleted)");
    open.filter(|path| path.starts_with(dir) && gone(path)).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_leaves_the_disk_while_those_who_fetched_it_are_still_there() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub_for(dir.path(), true).await;
    let (alice, bob) = (node(&hub, 1).await, node(&hub, 2).await);
    let file = Bytes::of(3 * MIB, 1);
    leave(&alice, &file).await;
    let mut stream = get(&bob).await;
    assert!(fetch(&mut stream, &file.blob).await.unwrap() == file.bytes);
    let take = FileTake { blob: file.blob.address };
    let mut taking = begin(&alice.connection, FILE_TAKE, &take).await.unwrap();
    assert_eq!(frame(&mut taking).await.0, FILE_TAKEN);
    assert_eq!(held_open(&dir.path().canonicalize().unwrap()), Vec::<std::path::PathBuf>::new());
    assert_eq!(fetch(&mut stream, &file.blob).await.err(), Some(PieceRefusal::Unknown));
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_identity_has_a_few_streams_about_files_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub_for(dir.path(), true).await;
    let alice = node(&hub, 1).await;
    let mut open = Vec::new();
    for _ in 0..FILE_STREAMS_EACH {
        open.push(get(&alice).await);
    }
    let more = begin(&alice.connection, FILES_ASK, &FilesAsk {}).await;
    assert_eq!(more.err(), Some(RefusalCode::TooFast));
    drop(open.pop());
    // As soon as the hub has heard that it ended.
    let again = async {
        loop {
            match begin(&alice.connection, FILES_ASK, &FilesAsk {}).await {
                Ok(mut stream) => return frame(&mut stream).await.0,
                Err(code) => assert_eq!(code, RefusalCode::TooFast),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, again).await.unwrap(), FILES_TOLD);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_everything_and_reads_nothing_waits_alone() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub_for(dir.path(), true).await;
    let (alice, bob) = (node(&hub, 1).await, node(&hub, 2).await);
    let file = Bytes::of(16 * MIB, 1);
    leave(&alice, &file).await;
    let mut transport = TransportConfig::default();
    let window = 100_000_u32;
    transport.stream_receive_window(window.into());
    let carol = dial_with(hub.local_addr, hub.hub, transport).await;
    let mut carol = RawNode::greet(carol, hub.hub, &person(3)).await;
    let mut stream = get(&carol).await;
    let (blob, sealed) = (file.blob.address, file.blob.shape.sealed());
    let spans = (0..16).map(|at| Span { first: at * 16, count: 16, known: 0 }).collect();
    let ask = codec::frame(PIECE_ASK, &PieceAsk { req: 1, blob, sealed, spans });
    // Questions are taken until QUIC's window is full, and no further.
    let mut taken = 0;
    while tokio::time::timeout(STILL, write(&mut stream, &ask)).await.is_ok() {
        taken += ask.len();
        assert!(taken < 3 * STREAM_WINDOW as usize, "the hub takes questions without end");
    }
    // Of the answers, what her window, the hub's for her, and its hand hold.
    let bound = u64::from(window) + SEND_WINDOW + SEND_ROOM + 3 * MIB;
    let sent = hub_sent(&carol.connection);
    assert!(sent < bound, "{sent} bytes were sent to somebody who reads nothing");
    // Bob has it all meanwhile, and carol's own frames are answered.
    let mut his = get(&bob).await;
    let bobs = fetch(&mut his, &file.blob);
    assert!(tokio::time::timeout(PATIENCE, bobs).await.unwrap().unwrap() == file.bytes);
    carol.send.frame(&ToHub::WhoIs(WhoIs { req: 5, node: bob.id })).await;
    let answer = tokio::time::timeout(PATIENCE, carol.recv.frame()).await;
    assert!(matches!(answer, Ok(FromHub::Refused(refused)) if refused.req == 5));
    hub.stop().await;
}

/// Bytes that came from the hub on a connection.
fn hub_sent(connection: &Connection) -> u64 {
    connection.stats().udp_rx.bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_begins_to_send_and_stops_is_in_nobodys_way_and_can_take_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub_for(dir.path(), true).await;
    let (alice, bob) = (node(&hub, 1).await, node(&hub, 2).await);
    let file = Bytes::of(4 * MIB, 1);
    let mut slow = begin(&alice.connection, FILE_PUT, &put_of(&file)).await.unwrap();
    assert_eq!(frame(&mut slow).await.0, FILE_WANTED);
    write(&mut slow, &file.bytes[..3_000_000]).await;
    // It is hers to write on one stream; another one's upload of the same is another matter.
    let mut again = begin(&alice.connection, FILE_PUT, &put_of(&file)).await.unwrap();
    let (kind, body) = frame(&mut again).await;
    assert_eq!(kind, FILE_REFUSED);
    assert_eq!(codec::decode::<FileRefused>(&body).unwrap().code, FileRefusal::Busy);
    leave(&bob, &file).await;
    let take = FileTake { blob: file.blob.address };
    let mut taking = begin(&alice.connection, FILE_TAKE, &take).await.unwrap();
    assert_eq!(frame(&mut taking).await.0, FILE_TAKEN);
    // She may be stopped before she has written it all.
    slow.writer_mut().write_all(&file.bytes[3_000_000..]).await.ok();
    let (kind, body) = frame(&mut slow).await;
    assert_eq!(kind, FILE_REFUSED);
    assert_eq!(codec::decode::<FileRefused>(&body).unwrap().code, FileRefusal::TakenBack);
    assert!(fetch(&mut get(&alice).await, &file.blob).await.unwrap() == file.bytes, "bob's stays");
    let left = std::fs::read_dir(dir.path().join("files")).unwrap().count();
    assert_eq!(left, 3, "nothing of hers does");
    hub.stop().await;
}
