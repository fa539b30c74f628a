//! Every frame against tests/vectors/frames.json, which tests/vectors/frames.py encodes in another
//! language. PROTOCOL.md shows these bytes.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use hubbub_shared::id::{BlobId, GroupId, HubId, NodeId, Signature};
use hubbub_shared::limits::FRAME_MAX;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::codec::{self, decode, split};
use hubbub_shared::wire::datagram::Datagram;
use hubbub_shared::wire::files::{
    FILE_GET, FILE_KEPT, FILE_PUT, FILE_REFUSED, FILE_TAKE, FILE_TAKEN, FILE_WANTED, FILES_ASK,
    FILES_TOLD, FileGet, FileKept, FilePut, FileRefusal, FileRefused, FileTake, FileTaken,
    FileWanted, FilesAsk, FilesTold,
};
use hubbub_shared::wire::from_hub::{self, FromHub, Item, ItemKind};
use hubbub_shared::wire::pieces::{
    HAVE_ASK, HAVE_TOLD, HaveAsk, HaveTold, PIECE_ASK, PIECE_GIVEN, PIECES_REFUSED, PieceAsk,
    PieceGiven, PieceRefusal, PiecesRefused, Span,
};
use hubbub_shared::wire::stream::{
    PEER_HELLO, PeerHello, STREAM_ANSWER, STREAM_FROM, STREAM_OPEN, StreamAnswer, StreamFrom,
    StreamOpen,
};
use hubbub_shared::wire::to_hub::{self, ToHub};
use hubbub_shared::wire::{ByteBuf, LogId, Refusal, RefusalCode, address};
use serde_json::Value;

const ALICE: NodeId = NodeId([1; 32]);
const BOB: NodeId = NodeId([2; 32]);
const HUB: HubId = HubId([3; 32]);
const GROUP: GroupId = GroupId([4; 32]);
const MAILBOX: LogId = LogId::Mailbox(BOB);
const CHANNEL: LogId = LogId::Channel(GROUP);
const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// The examples of one kind: frame, example, bytes.
fn vectors(kind: &str) -> Vec<(String, String, Vec<u8>)> {
    let all: Value = serde_json::from_str(include_str!("../vectors/frames.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let case = |case: &Value| {
        let bytes = HEXLOWER.decode(text(&case["hex"]).as_bytes()).unwrap();
        (text(&case["frame"]), text(&case["example"]), bytes)
    };
    all[kind].as_array().unwrap().iter().map(case).collect()
}

/// Type and body of bytes that are one whole frame.
fn whole(bytes: &[u8]) -> (u8, &[u8]) {
    let (kind, body, rest) = split(bytes, FRAME_MAX).unwrap().unwrap();
    assert!(rest.is_empty());
    (kind, body)
}

fn buf(bytes: impl AsRef<[u8]>) -> ByteBuf {
    ByteBuf::from(bytes.as_ref().to_vec())
}

fn to_hub() -> Vec<ToHub> {
    let hello = |admission: Option<ByteBuf>| {
        let (version, min_version, proof) = (1, 1, Signature([5; 64]));
        ToHub::Hello(to_hub::Hello { version, min_version, node: ALICE, proof, admission })
    };
    let pass = Some(to_hub::Pass { key: BOB, proof: Signature([5; 64]) });
    vec![
        hello(None),
        hello(Some(buf([6u8; 16]))),
        ToHub::Claim(to_hub::Claim { req: 1, claim: buf("claim") }),
        ToHub::Lookup(to_hub::Lookup { req: 2, nickname: "bob".into() }),
        ToHub::WhoIs(to_hub::WhoIs { req: 3, node: BOB }),
        ToHub::PutPrekeys(to_hub::PutPrekeys {
            req: 4,
            identity: buf("identity"),
            signed_prekey: buf("prekey"),
            one_time: vec![(7, buf("one")), (300, buf("two"))],
            replace: true,
        }),
        ToHub::TakeBundle(to_hub::TakeBundle { req: 5, node: BOB }),
        ToHub::Append(to_hub::Append { req: 200, log: MAILBOX, envelope: buf("sealed") }),
        ToHub::Append(to_hub::Append { req: 70_000, log: CHANNEL, envelope: buf([9u8; 300]) }),
        ToHub::AppendControl(to_hub::AppendControl { req: 6, group: GROUP, entry: buf("entry") }),
        ToHub::ReadControl(to_hub::ReadControl { req: 7, group: GROUP, from: 256, pass: None }),
        ToHub::ReadControl(to_hub::ReadControl { req: 7, group: GROUP, from: 0, pass }),
        ToHub::Ack(to_hub::Ack { log: CHANNEL, upto: 70_000 }),
        ToHub::PutBeacon(to_hub::PutBeacon { req: 8, beacon: buf("beacon") }),
        ToHub::FindRoom(to_hub::FindRoom { req: 9, alias: Some("tearoom".into()), group: None }),
        ToHub::FindRoom(to_hub::FindRoom { req: 9, alias: None, group: Some(GROUP) }),
    ]
}

fn welcome(nickname: Option<&str>, prekeys_left: u32, beacon: Option<&str>) -> FromHub {
    FromHub::Welcome(from_hub::Welcome {
        version: 1,
        hub: HUB,
        store: buf([8u8; 16]),
        now: NOW,
        nickname: nickname.map(str::to_owned),
        lobby: GROUP,
        prekeys_left,
        beacon: beacon.map(buf),
        appends: if beacon.is_some() { 300 } else { 0 },
        mailbox: if beacon.is_some() { 7 } else { 0 },
    })
}

fn refused(
    req: u32,
    code: RefusalCode,
    about: Option<NodeId>,
    retry_after: Option<Millis>,
) -> FromHub {
    FromHub::Refused(from_hub::Refused { req, refusal: Refusal { code, about, retry_after } })
}

fn bundle(one_time: Option<&str>) -> FromHub {
    FromHub::Bundle(from_hub::Bundle {
        req: 5,
        node: BOB,
        identity: buf("identity"),
        signed_prekey: buf("prekey"),
        one_time: one_time.map(buf),
    })
}

fn item(seq: u64, kind: ItemKind, at: Timestamp, from: NodeId, bytes: &str) -> Item {
    Item { seq, kind, at, from, bytes: buf(bytes) }
}

fn deliver(log: LogId, items: Vec<Item>) -> FromHub {
    FromHub::Deliver(from_hub::Deliver { log, items })
}

fn observed(at: &str) -> FromHub {
    let address = address::encode(at.parse().unwrap()).unwrap();
    FromHub::Observed(from_hub::Observed { address: buf(address) })
}

fn from_hub() -> Vec<FromHub> {
    let later = NOW + Millis(1);
    vec![
        welcome(Some("alice"), 50, Some("beacon")),
        welcome(None, 0, None),
        FromHub::Bye(from_hub::Bye { code: RefusalCode::Replaced }),
        FromHub::Done(from_hub::Done { req: 1 }),
        refused(200, RefusalCode::Full, Some(BOB), None),
        refused(3, RefusalCode::TooFast, None, Some(Millis(1500))),
        refused(3, RefusalCode::Other(999), None, None),
        FromHub::Found(from_hub::Found { req: 2, claim: buf("claim") }),
        bundle(Some("one")),
        bundle(None),
        FromHub::Appended(from_hub::Appended { req: 200, seq: 1 }),
        FromHub::ControlPage(from_hub::ControlPage {
            req: 7,
            group: GROUP,
            from: 0,
            entries: vec![buf("entry 0"), buf("entry 1")],
            total: 2,
        }),
        deliver(MAILBOX, vec![item(1, ItemKind::Envelope, NOW, ALICE, "sealed")]),
        deliver(
            CHANNEL,
            vec![
                item(255, ItemKind::Control, NOW, BOB, "entry 1"),
                item(256, ItemKind::Envelope, later, ALICE, "sealed"),
            ],
        ),
        FromHub::PrekeysLow(from_hub::PrekeysLow { left: 19 }),
        FromHub::Room(from_hub::Room {
            req: 9,
            group: GROUP,
            passphrase: true,
            requests: false,
            keepers: vec![ALICE, BOB],
        }),
        observed("203.0.113.7:4433"),
        observed("[2001:db8::1]:4433"),
    ]
}

#[test]
fn every_frame_to_the_hub_has_the_bytes_another_implementation_gives_it() {
    let (vectors, expected) = (vectors("to_hub"), to_hub());
    assert_eq!(vectors.len(), expected.len());
    for ((frame, example, bytes), expected) in vectors.into_iter().zip(expected) {
        let (kind, body) = whole(&bytes);
        assert_eq!(ToHub::decode(kind, body).unwrap(), expected, "{frame} {example}");
        assert_eq!(expected.encode(), bytes, "{frame} {example}");
        assert!(format!("{expected:?}").starts_with(&frame), "{frame}");
    }
}

#[test]
fn every_frame_from_the_hub_has_the_bytes_another_implementation_gives_it() {
    let (vectors, expected) = (vectors("from_hub"), from_hub());
    assert_eq!(vectors.len(), expected.len());
    for ((frame, example, bytes), expected) in vectors.into_iter().zip(expected) {
        let (kind, body) = whole(&bytes);
        assert_eq!(FromHub::decode(kind, body).unwrap(), expected, "{frame} {example}");
        assert_eq!(expected.encode(), bytes, "{frame} {example}");
        assert!(format!("{expected:?}").starts_with(&frame), "{frame}");
    }
}

#[test]
fn no_type_byte_lacks_an_example() {
    let kinds = |name| -> BTreeSet<u8> {
        vectors(name).iter().map(|(_, _, bytes)| whole(bytes).0).collect()
    };
    for kind in 0..=u8::MAX {
        let unknown = Err(codec::DecodeError::UnknownType(kind));
        assert_eq!(ToHub::decode(kind, &[]) == unknown, !kinds("to_hub").contains(&kind));
        let unknown = Err(codec::DecodeError::UnknownType(kind));
        assert_eq!(FromHub::decode(kind, &[]) == unknown, !kinds("from_hub").contains(&kind));
    }
}

#[test]
fn the_first_frames_of_relayed_streams_agree() {
    let spliced = StreamAnswer { refused: None };
    let refused = StreamAnswer { refused: Some(RefusalCode::NotConnected) };
    let hello = PeerHello { node: ALICE, proof: Signature([9; 64]) };
    let frames = [
        codec::frame(STREAM_OPEN, &StreamOpen { to: BOB }),
        codec::frame(STREAM_FROM, &StreamFrom { from: ALICE }),
        codec::frame(STREAM_ANSWER, &spliced),
        codec::frame(STREAM_ANSWER, &refused),
        codec::frame(PEER_HELLO, &hello),
    ];
    let vectors: Vec<Vec<u8>> = vectors("streams").into_iter().map(|(_, _, bytes)| bytes).collect();
    assert_eq!(vectors, frames);
    assert_eq!(decode::<StreamOpen>(whole(&vectors[0]).1), Ok(StreamOpen { to: BOB }));
    assert_eq!(decode::<StreamFrom>(whole(&vectors[1]).1), Ok(StreamFrom { from: ALICE }));
    assert_eq!(decode::<StreamAnswer>(whole(&vectors[2]).1), Ok(spliced));
    assert_eq!(decode::<StreamAnswer>(whole(&vectors[3]).1), Ok(refused));
    assert_eq!(decode::<PeerHello>(whole(&vectors[4]).1), Ok(hello));
}

#[test]
fn the_frames_by_which_pieces_are_asked_for_agree() {
    let (blob, sealed) = (BlobId([7; 32]), 1_130_000);
    let spans =
        vec![Span { first: 0, count: 16, known: 0 }, Span { first: 300, count: 4, known: 2 }];
    let ask = PieceAsk { req: 1, blob, sealed, spans };
    let have = HaveAsk { req: 2, blob, sealed: 4_144 };
    let told = HaveTold { req: 2, have: buf([0, 0, 0, 0, 0, 0, 0, 0, 19]) };
    let refused = |code, retry_after| PiecesRefused { req: 1, code, retry_after };
    let changed = refused(PieceRefusal::Changed, None);
    let busy = refused(PieceRefusal::Busy, Some(Millis(1500)));
    let parents = [[8; 64], [9; 64]].concat();
    let given = PieceGiven { req: 1, index: 300, parents: &parents, piece: b"sealed" };
    let only = PieceGiven { req: 70_000, index: 0, parents: &[], piece: b"sealed" };
    let give = |given: &PieceGiven<'_>, parents| {
        let head = PieceGiven::head(given.req, given.index, parents, given.piece.len());
        [&head[..], given.parents, given.piece].concat()
    };
    let frames = [
        codec::frame(PIECE_ASK, &ask),
        codec::frame(HAVE_ASK, &have),
        codec::frame(HAVE_TOLD, &told),
        codec::frame(PIECES_REFUSED, &changed),
        codec::frame(PIECES_REFUSED, &busy),
        give(&given, 2),
        give(&only, 0),
    ];
    let vectors: Vec<Vec<u8>> = vectors("pieces").into_iter().map(|(_, _, bytes)| bytes).collect();
    assert_eq!(vectors, frames);
    assert_eq!(decode::<PieceAsk>(whole(&vectors[0]).1), Ok(ask));
    assert_eq!(decode::<HaveAsk>(whole(&vectors[1]).1), Ok(have));
    assert_eq!(decode::<HaveTold>(whole(&vectors[2]).1), Ok(told));
    assert_eq!(decode::<PiecesRefused>(whole(&vectors[3]).1), Ok(changed));
    assert_eq!(decode::<PiecesRefused>(whole(&vectors[4]).1), Ok(busy));
    assert_eq!(whole(&vectors[5]).0, PIECE_GIVEN);
    assert_eq!(PieceGiven::parse(whole(&vectors[5]).1), Some(given));
    assert_eq!(PieceGiven::parse(whole(&vectors[6]).1), Some(only));
}

#[test]
fn the_frames_about_files_at_the_hub_agree() {
    let blob = BlobId([7; 32]);
    let (largest, quota, left) = (2 << 30, 10 << 30, 9_000_000_000);
    let told = FilesTold { on: true, largest, quota, left, keep: Millis::days(14) };
    let put = FilePut { blob, sealed: 1_130_000 };
    let kept = FileKept { until: NOW + Millis::days(14) };
    let busy =
        FileRefused { code: FileRefusal::Busy, limit: None, retry_after: Some(Millis::secs(1)) };
    let frames = [
        codec::frame(FILES_ASK, &FilesAsk {}),
        codec::frame(FILES_TOLD, &told),
        codec::frame(FILE_PUT, &put),
        codec::frame(FILE_WANTED, &FileWanted { from: 0 }),
        codec::frame(FILE_WANTED, &FileWanted { from: 3 * 65_536 }),
        codec::frame(FILE_KEPT, &kept),
        codec::frame(FILE_REFUSED, &FileRefusal::TooLarge.about(largest)),
        codec::frame(FILE_REFUSED, &busy),
        codec::frame(FILE_GET, &FileGet {}),
        codec::frame(FILE_TAKE, &FileTake { blob }),
        codec::frame(FILE_TAKEN, &FileTaken { was: true }),
    ];
    let vectors: Vec<Vec<u8>> = vectors("files").into_iter().map(|(_, _, bytes)| bytes).collect();
    assert_eq!(vectors, frames);
    assert_eq!(decode::<FilesAsk>(whole(&vectors[0]).1), Ok(FilesAsk {}));
    assert_eq!(decode::<FilesTold>(whole(&vectors[1]).1), Ok(told));
    assert_eq!(decode::<FilePut>(whole(&vectors[2]).1), Ok(put));
    assert_eq!(decode::<FileWanted>(whole(&vectors[4]).1), Ok(FileWanted { from: 196_608 }));
    assert_eq!(decode::<FileKept>(whole(&vectors[5]).1), Ok(kept));
    assert_eq!(decode::<FileRefused>(whole(&vectors[7]).1), Ok(busy));
    assert_eq!(decode::<FileGet>(whole(&vectors[8]).1), Ok(FileGet {}));
    assert_eq!(decode::<FileTake>(whole(&vectors[9]).1), Ok(FileTake { blob }));
    assert_eq!(decode::<FileTaken>(whole(&vectors[10]).1), Ok(FileTaken { was: true }));
}

#[test]
fn a_datagram_agrees_both_ways() {
    let vectors = vectors("datagrams");
    let [(_, _, bytes)] = &vectors[..] else { panic!("one example") };
    let datagram = Datagram { peer: BOB, payload: b"sealed" };
    assert_eq!(Datagram::parse(bytes), Some(datagram.clone()));
    assert_eq!(&datagram.encode(), bytes);
}
