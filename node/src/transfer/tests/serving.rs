//! What a source answers, asked by hand.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hubbub_shared::blob::{Blob, HaveMap, MemoryNodes, Shape};
use hubbub_shared::id::BlobId;
use hubbub_shared::limits::PIECE;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::pieces::{
    HAVE_ASK, HAVE_FRAME_MAX, HAVE_TOLD, HaveAsk, HaveTold, PIECE_ASK, PIECE_GIVEN, PIECES_REFUSED,
    PieceAsk, PieceGiven, PieceRefusal, PiecesRefused, Span,
};
use tokio::io::{AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::time::{Instant, timeout};

use super::person::{ALICE, BOB, CAROL, Home, Offer, Person, Switch, bytes, node};
use crate::net::SealedSource;
use crate::transfer::frames::Frames;
use crate::transfer::order::{Order, Tell};
use crate::transfer::plan::{FileId, Kind, Limits, SourceId};
use crate::transfer::serve::seats::OF_ONE;
use crate::transfer::serve::takers::Taker;
use crate::transfer::streams::Opened;

/// Somebody who asks by hand.
pub(super) struct Asker {
    write: WriteHalf<DuplexStream>,
    frames: Frames<ReadHalf<DuplexStream>>,
}

impl Asker {
    pub(super) fn at(person: &Person, n: u8) -> Self {
        let (ours, theirs) = duplex(1 << 20);
        person.transfers.door().serve(node(n), Opened { way: Box::new(theirs), direct: true });
        let (read, write) = split(ours);
        Self { write, frames: Frames::new(read, HAVE_FRAME_MAX, 0) }
    }

    pub(super) async fn ask(&mut self, blob: Blob, first: u32, count: u8) {
        self.ask_span(blob, Span { first, count, known: 0 }).await;
    }

    async fn ask_span(&mut self, blob: Blob, span: Span) {
        let spans = vec![span];
        let ask = PieceAsk { req: 1, blob: blob.address, sealed: blob.shape.sealed(), spans };
        self.write.write_all(&codec::frame(PIECE_ASK, &ask)).await.unwrap();
    }

    /// Whether the other end has nothing more to say.
    pub(super) async fn ended(&mut self) -> bool {
        self.frames.next().await.unwrap().is_none()
    }

    async fn next(&mut self) -> (u8, Vec<u8>) {
        self.frames.next().await.unwrap().expect("an answer")
    }

    pub(super) async fn refused(&mut self) -> PieceRefusal {
        let (kind, body) = self.next().await;
        assert_eq!(kind, PIECES_REFUSED);
        codec::decode::<PiecesRefused>(&body).unwrap().code
    }

    async fn pieces(&mut self, blob: Blob, count: usize) {
        let mut nodes = MemoryNodes::default();
        for _ in 0..count {
            let (kind, body) = self.next().await;
            assert_eq!(kind, PIECE_GIVEN);
            let given = PieceGiven::parse(&body).unwrap();
            blob.accept(&mut nodes, given.index, given.parents, given.piece).unwrap();
        }
    }

    pub(super) async fn have(&mut self, blob: Blob) -> HaveMap {
        let ask = HaveAsk { req: 2, blob: blob.address, sealed: blob.shape.sealed() };
        self.write.write_all(&codec::frame(HAVE_ASK, &ask)).await.unwrap();
        let (kind, body) = self.next().await;
        assert_eq!(kind, HAVE_TOLD);
        let told: HaveTold = codec::decode(&body).unwrap();
        HaveMap::decode(blob.shape.pieces(), &told.have).unwrap()
    }
}

async fn offered(size: usize) -> (Home, Person, Offer) {
    let (home, switch) = (Home::new(), Switch::default());
    let mut alice = Person::with(ALICE, &home, &switch, |peer| *peer != node(CAROL));
    let offer = alice.offer(&home, &bytes(size)).await;
    (home, alice, offer)
}

#[tokio::test]
async fn what_is_asked_for_is_given_and_shows_that_it_belongs() {
    let (_home, alice, offer) = offered(3 << 20).await;
    let mut bob = Asker::at(&alice, BOB);
    assert!(bob.have(offer.blob).await.is_complete());
    for (first, count) in [(0, 16), (17, 3), (48, 1)] {
        bob.ask(offer.blob, first, count).await;
        bob.pieces(offer.blob, count.into()).await;
    }
}

#[tokio::test]
async fn it_is_told_who_takes_how_much_and_when_nobody_does_any_more() {
    let (_home, mut alice, offer) = offered(3 << 20).await;
    let mut bob = Asker::at(&alice, BOB);
    bob.ask(offer.blob, 0, 16).await;
    bob.pieces(offer.blob, 16).await;
    let (first, rest) = (offer.blob.shape.text(0).unwrap(), offer.blob.shape.text(15).unwrap());
    let all = |taker: &Taker| taker.bytes == rest.end - first.start;
    let told = |tell| match tell {
        Tell::Given { takers, .. } => Some(takers),
        _ => None,
    };
    let taker = alice.until(|tell| told(tell)?.into_iter().find(all)).await;
    assert_eq!((taker.to, taker.direct), (Some(node(BOB)), true));
    // It is over at once when the file is not served any more.
    alice.transfers.order(Order::Unserve { file: FileId(1) }).await;
    alice.until(|tell| told(tell)?.is_empty().then_some(())).await;
    let said = timeout(Duration::from_millis(1_200), alice.until(told)).await;
    assert!(said.is_err(), "and then nothing more is said of it: {said:?}");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_the_reason() {
    let (_home, alice, offer) = offered(1 << 20).await;
    let mut bob = Asker::at(&alice, BOB);
    let other = Blob { address: BlobId([9; 32]), ..offer.blob };
    bob.ask(other, 0, 1).await;
    assert_eq!(bob.refused().await, PieceRefusal::Unknown);
    bob.ask(Blob { shape: Shape::of(5).unwrap(), ..offer.blob }, 0, 1).await;
    assert_eq!(bob.refused().await, PieceRefusal::OtherLength);
    for (first, count) in [(0, 17), (0, 0), (15, 2), (17, 1)] {
        bob.ask(offer.blob, first, count).await;
        assert_eq!(bob.refused().await, PieceRefusal::BadAsk);
    }
    let mut carol = Asker::at(&alice, CAROL);
    carol.ask(offer.blob, 0, 1).await;
    assert_eq!(carol.refused().await, PieceRefusal::Unknown, "as if there were nothing");
    let ended = timeout(Duration::from_secs(3), carol.ended()).await;
    assert_eq!(ended, Ok(true), "and keeps no seat");
    // Somebody who has a right to something may ask on.
    bob.ask(offer.blob, 0, 1).await;
    bob.pieces(offer.blob, 1).await;
}

#[tokio::test]
async fn who_opens_a_stream_and_asks_nothing_keeps_no_seat() {
    let (_home, alice, offer) = offered(100).await;
    let (mut bob, mut dave) = (Asker::at(&alice, BOB), Asker::at(&alice, 9));
    bob.have(offer.blob).await;
    let ended = timeout(Duration::from_secs(30), dave.ended()).await;
    assert!(ended.expect("long before who asked something"));
    bob.ask(offer.blob, 0, 1).await;
    bob.pieces(offer.blob, 1).await;
}

#[tokio::test]
async fn who_may_not_fetch_any_more_hears_no_news() {
    let (_hers, alice, offer) = offered(1 << 20).await;
    let (home, switch) = (Home::new(), Switch::default());
    let door = alice.transfers.door();
    switch.put(ALICE, move |peer, way| door.serve(peer, Opened { way, direct: true }));
    let may = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&may);
    let mut bob = Person::with(BOB, &home, &switch, move |_| asked.load(Ordering::Relaxed));
    bob.want(1, &offer, home.target("b"), &[]).await;
    bob.until(|tell| matches!(tell, Tell::Progress { .. }).then_some(())).await;
    let mut dave = Asker::at(&bob, 9);
    assert_eq!(dave.have(offer.blob).await.count(), 0);
    may.store(false, Ordering::Relaxed);
    let (file, source) = (FileId(1), SourceId::Node(node(ALICE)));
    bob.transfers.order(Order::Source { file, source, kind: Kind::Direct }).await;
    bob.done(1).await.unwrap();
    let news = timeout(Duration::from_secs(5), dave.frames.next()).await;
    assert!(news.is_err(), "not a word");
}

#[tokio::test]
async fn a_file_that_is_not_where_it_was_is_said_to_be_gone() {
    // Before anybody asked, and while it is open.
    for asked_before in [false, true] {
        let (_home, mut alice, offer) = offered(1 << 20).await;
        let mut bob = Asker::at(&alice, BOB);
        if asked_before {
            bob.ask(offer.blob, 0, 1).await;
            bob.pieces(offer.blob, 1).await;
        }
        fs::remove_file(&offer.path).unwrap();
        bob.ask(offer.blob, 0, 1).await;
        assert_eq!(bob.refused().await, PieceRefusal::Unknown);
        alice.until(|tell| matches!(tell, Tell::Gone { .. }).then_some(())).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_is_not_the_file() {
    let (_home, mut alice, offer) = offered(1 << 20).await;
    fs::remove_file(&offer.path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &offer.path).unwrap();
    let mut bob = Asker::at(&alice, BOB);
    bob.ask(offer.blob, 0, 1).await;
    assert_eq!(bob.refused().await, PieceRefusal::Unknown);
    alice.until(|tell| matches!(tell, Tell::Gone { .. }).then_some(())).await;
}

#[tokio::test]
async fn of_a_file_that_changed_nothing_false_leaves_and_it_is_said() {
    for size in [1 << 20, 100] {
        let (_home, mut alice, offer) = offered(size).await;
        let mut bob = Asker::at(&alice, BOB);
        bob.ask(offer.blob, 0, 1).await;
        bob.pieces(offer.blob, 1).await;
        let mut content = bytes(size);
        content[50] ^= 1;
        fs::write(&offer.path, content).unwrap();
        bob.ask(offer.blob, 0, 1).await;
        assert_eq!(bob.refused().await, PieceRefusal::Changed);
        alice.until(|tell| matches!(tell, Tell::Changed { .. }).then_some(())).await;
        bob.ask(offer.blob, 0, 1).await;
        assert_eq!(bob.refused().await, PieceRefusal::Changed, "and so it stays");
    }
}

#[tokio::test]
async fn a_file_that_has_another_number_on_its_disk_is_served_as_before() {
    let (home, alice, offer) = offered(1 << 20).await;
    let time = fs::metadata(&offer.path).unwrap().modified().unwrap();
    let copy = home.path().join("copy");
    fs::copy(&offer.path, &copy).unwrap();
    fs::File::options().write(true).open(&copy).unwrap().set_modified(time).unwrap();
    fs::rename(&copy, &offer.path).unwrap();
    let mut bob = Asker::at(&alice, BOB);
    bob.ask(offer.blob, 0, 2).await;
    bob.pieces(offer.blob, 2).await;
}

#[tokio::test]
async fn of_a_file_whose_time_was_put_back_nothing_false_leaves_either() {
    let (_home, alice, offer) = offered(1 << 20).await;
    let mut bob = Asker::at(&alice, BOB);
    let time = fs::metadata(&offer.path).unwrap().modified().unwrap();
    let mut content = bytes(1 << 20);
    content[200_000] ^= 1;
    fs::write(&offer.path, content).unwrap();
    fs::File::options().write(true).open(&offer.path).unwrap().set_modified(time).unwrap();
    bob.ask(offer.blob, 0, 16).await;
    bob.pieces(offer.blob, 3).await; // those before it are what they were
    assert_eq!(bob.refused().await, PieceRefusal::Changed);
}

#[tokio::test]
async fn a_tree_that_the_own_disk_damaged_is_neither_a_lie_nor_a_changed_file() {
    let (home, mut alice, offer) = offered(1 << 20).await;
    let shelf = fs::read_dir(home.shelf()).unwrap().map(|entry| entry.unwrap().path());
    let is_tree = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "tree");
    let tree = shelf.into_iter().find(is_tree).unwrap();
    // The parent named 1: the lowest above the first two pieces.
    let mut damaged = fs::read(&tree).unwrap();
    damaged[40] ^= 1;
    damaged[3] ^= 1;
    fs::write(&tree, damaged).unwrap();
    for known in [0, offer.blob.shape.depth(0)] {
        let mut bob = Asker::at(&alice, BOB);
        bob.ask_span(offer.blob, Span { first: 0, count: 1, known }).await;
        assert_eq!(bob.refused().await, PieceRefusal::StoreFailing, "{known}");
    }
    let mut bob = Asker::at(&alice, BOB);
    bob.ask(offer.blob, 8, 1).await;
    bob.pieces(offer.blob, 1).await;
    alice
        .until(|tell| match tell {
            Tell::Changed { .. } => panic!("the file is what it was"),
            Tell::Given { .. } => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn what_goes_to_the_hub_is_handed_over_by_what_the_limit_lets_through_at_once() {
    let (home, mut alice, offer) = offered(2 << 20).await;
    let (down, up) = (Limits::default(), 1_000_000);
    alice.transfers.order(Order::Limits { down, up }).await;
    // What is ordered after another is carried out after it.
    alice.offer(&home, b"another").await;
    let (mut at, sealed) = (0, offer.blob.shape.sealed());
    let mut source = alice.transfers.sealed().of(offer.blob.address);
    let began = Instant::now();
    while at < sealed {
        let most = usize::try_from(sealed - at).unwrap().min(1 << 20);
        let some = source.read(at, most).await.unwrap().len();
        assert!((1..=4 * PIECE).contains(&some) && some <= most, "{some} at {at}");
        at += some as u64;
    }
    assert!(began.elapsed() > Duration::from_millis(1_200), "within the limit");
}

#[tokio::test]
async fn a_small_file_does_not_wait_for_a_large_one_to_be_sealed() {
    let (home, switch) = (Home::new(), Switch::default());
    let mut alice = Person::new(ALICE, &home, &switch);
    let (large, photo) = (home.path().join("film"), home.path().join("photo"));
    fs::File::create(&large).unwrap().set_len(4 << 30).unwrap();
    fs::write(&photo, bytes(10_000)).unwrap();
    for (file, path) in [(FileId(1), large), (FileId(2), photo)] {
        alice.transfers.order(Order::Seal { file, path }).await;
    }
    let first = alice.until(|tell| match tell {
        Tell::Sealed { file, .. } | Tell::NotSealed { file, .. } => Some(file),
        _ => None,
    });
    assert_eq!(first.await, FileId(2));
    // What nobody wants any more is not read on.
    alice.transfers.order(Order::Unserve { file: FileId(1) }).await;
    alice.offer(&home, b"another").await;
    alice.transfers.stop().await;
}

#[tokio::test]
async fn one_peer_too_many_streams_are_told_to_come_again() {
    let (_home, alice, offer) = offered(100).await;
    let mut streams = Vec::new();
    for _ in 0..OF_ONE {
        let mut bob = Asker::at(&alice, BOB);
        bob.have(offer.blob).await;
        streams.push(bob);
    }
    let mut one_more = Asker::at(&alice, BOB);
    one_more.ask(offer.blob, 0, 1).await;
    assert_eq!(one_more.refused().await, PieceRefusal::Busy);
    let mut dave = Asker::at(&alice, 9);
    dave.ask(offer.blob, 0, 1).await;
    dave.pieces(offer.blob, 1).await;
}

#[tokio::test]
async fn what_is_no_question_ends_the_stream() {
    let (_home, alice, _offer) = offered(100).await;
    for bad in [codec::frame(PIECE_GIVEN, &0u8), vec![0, 1, 0, 0, PIECE_ASK], vec![0; 9]] {
        let mut bob = Asker::at(&alice, BOB);
        bob.write.write_all(&bad).await.unwrap();
        assert!(bob.frames.next().await.unwrap().is_none());
    }
}
