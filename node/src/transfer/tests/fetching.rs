//! Files that go over, and what may go wrong on the way.

use std::fs;

use hubbub_shared::blob::open::OpenFault;
use hubbub_shared::wire::codec::{self, HEADER};
use hubbub_shared::wire::pieces::PIECE_GIVEN;
use tokio::io::{AsyncRead, AsyncWriteExt, split};

use super::person::{ALICE, BOB, CAROL, Home, MALLORY, Offer, Person, Switch, bytes, node};
use crate::transfer::frames::Frames;
use crate::transfer::order::{Failure, Order, Tell};
use crate::transfer::plan::{FileId, Kind, Lie, SourceId, State, Stuck};
use crate::transfer::serve::offered::Whole;
use crate::transfer::streams::{Opened, Way};

async fn alice(switch: &Switch, content: &[u8]) -> (Home, Person, Offer) {
    let home = Home::new();
    let mut alice = Person::new(ALICE, &home, switch);
    let offer = alice.offer(&home, content).await;
    (home, alice, offer)
}

#[tokio::test]
async fn files_of_any_size_go_over_whole() {
    let switch = Switch::default();
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    for (file, size) in (1..).zip([0, 1, 65_488, 65_489, 5 << 20]) {
        let (_hers, _alice, offer) = alice(&switch, &bytes(size)).await;
        bob.want(file, &offer, home.target("a"), &[ALICE]).await;
        let path = bob.done(file).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), bytes(size), "{size}");
    }
    assert_eq!(home.names(), ["a", "a (2)", "a (3)", "a (4)", "a (5)"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sources_give_one_file() {
    let switch = Switch::default();
    let content = bytes(12 << 20);
    let (hers, _alice, offer) = alice(&switch, &content).await;
    // Carol has the file and its tree as somebody who fetched it.
    let (carols, bobs) = (Home::new(), Home::new());
    let mut carol = Person::new(CAROL, &carols, &switch);
    carol.want(1, &offer, carols.target("c"), &[ALICE]).await;
    let path = carol.done(1).await.unwrap();
    let whole = Whole { reference: offer.reference(), path, stamp: None };
    carol.transfers.order(Order::Serve { file: FileId(1), whole }).await;
    let mut bob = Person::new(BOB, &bobs, &switch);
    bob.want(7, &offer, bobs.target("b"), &[ALICE, CAROL]).await;
    assert_eq!(fs::read(bob.done(7).await.unwrap()).unwrap(), content);
    drop(hers);
}

#[tokio::test]
async fn a_receiver_serves_what_it_has_before_it_has_all() {
    let switch = Switch::default();
    let content = bytes(4 << 20);
    let (_hers, alice, offer) = alice(&switch, &content).await;
    let (carols, bobs) = (Home::new(), Home::new());
    let mut carol = Person::new(CAROL, &carols, &switch);
    carol.want(1, &offer, carols.target("c"), &[ALICE]).await;
    carol.done(1).await.unwrap(); // and nobody told her to serve it
    alice.transfers.stop().await;
    let mut bob = Person::new(BOB, &bobs, &switch);
    bob.want(1, &offer, bobs.target("b"), &[CAROL]).await;
    assert_eq!(fs::read(bob.done(1).await.unwrap()).unwrap(), content);
}

/// Gives every answer of this person with its last byte changed.
fn lie(switch: &Switch, honest: &Person) {
    let door = honest.transfers.door();
    switch.put(MALLORY, move |peer, way| {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        door.serve(peer, Opened { way: Box::new(theirs), direct: true });
        let (his, hers) = (split(way), split(ours));
        tokio::spawn(copy(his.0, hers.1, false));
        tokio::spawn(copy(hers.0, his.1, true));
    });
}

async fn copy(
    from: impl AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    false_pieces: bool,
) {
    let mut frames = Frames::new(from, 1 << 19, 0);
    while let Ok(Some((kind, mut body))) = frames.next().await {
        if false_pieces && kind == PIECE_GIVEN {
            *body.last_mut().unwrap() ^= 1;
        }
        let length = u32::try_from(body.len() + 1).unwrap().to_be_bytes();
        let frame = [&length[..], &[kind], &body].concat();
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_source_that_lies_is_named_and_its_bytes_never_reach_the_file() {
    let switch = Switch::default();
    let content = bytes(3 << 20);
    let (_hers, alice, offer) = alice(&switch, &content).await;
    lie(&switch, &alice);
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    bob.want(1, &offer, home.target("b"), &[MALLORY]).await;
    let (source, lie) = bob
        .until(|tell| match tell {
            Tell::Blamed { source, lie, .. } => Some((source, lie)),
            _ => None,
        })
        .await;
    assert_eq!((source, lie), (SourceId::Node(node(MALLORY)), Lie::Piece));
    let part = fs::read(home.downloads().join("b.part")).unwrap();
    assert!(part.iter().all(|byte| *byte == 0), "nothing of it was written");
    let (file, source, kind) = (FileId(1), SourceId::Node(node(ALICE)), Kind::Direct);
    bob.transfers.order(Order::Source { file, source, kind }).await;
    assert_eq!(fs::read(bob.done(1).await.unwrap()).unwrap(), content);
}

#[tokio::test]
async fn a_source_that_lied_is_not_asked_again_after_a_pause() {
    let switch = Switch::default();
    let content = bytes(3 << 20);
    let (_hers, alice, offer) = alice(&switch, &content).await;
    lie(&switch, &alice);
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    bob.want(1, &offer, home.target("b"), &[MALLORY]).await;
    bob.until(|tell| matches!(tell, Tell::Blamed { .. }).then_some(())).await;
    let file = FileId(1);
    for paused in [true, false, true, false] {
        bob.transfers.order(Order::Hold { file, paused }).await;
        let state = if paused { State::Paused } else { State::Stuck(Stuck::AllLied, None) };
        bob.until(|tell| match tell {
            Tell::Blamed { .. } => panic!("blamed for a piece that was never to be asked for"),
            Tell::Progress { progress, .. } => (progress.state == state).then_some(()),
            _ => None,
        })
        .await;
    }
    let (source, kind) = (SourceId::Node(node(ALICE)), Kind::Direct);
    bob.transfers.order(Order::Source { file, source, kind }).await;
    assert_eq!(fs::read(bob.done(1).await.unwrap()).unwrap(), content);
}

#[tokio::test]
async fn a_source_that_answers_what_nobody_asked_is_named() {
    let switch = Switch::default();
    let (_hers, _alice, offer) = alice(&switch, &bytes(3 << 20)).await;
    for junk in [codec::frame(PIECE_GIVEN, &7u8), vec![0xff; HEADER], vec![0, 0, 0, 1, 99]] {
        switch.put(MALLORY, move |_, mut way: Way| {
            let junk = junk.clone();
            tokio::spawn(async move {
                way.write_all(&junk).await.ok();
                std::future::pending::<()>().await;
            });
        });
        let home = Home::new();
        let mut bob = Person::new(BOB, &home, &switch);
        bob.want(1, &offer, home.target("b"), &[MALLORY]).await;
        let lie = bob
            .until(|tell| match tell {
                Tell::Blamed { lie, .. } => Some(lie),
                _ => None,
            })
            .await;
        assert_eq!(lie, Lie::Answer);
    }
}

#[tokio::test]
async fn a_reference_that_lies_about_the_key_is_the_fault_of_who_wrote_it() {
    let switch = Switch::default();
    let (_hers, _alice, offer) = alice(&switch, &bytes(3 << 20)).await;
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    bob.want(1, &offer.with_key(7), home.target("b"), &[ALICE]).await;
    let failure = bob.done(1).await.unwrap_err();
    assert!(matches!(failure, Failure::Reference(OpenFault::Key | OpenFault::Seal)));
}

#[tokio::test]
async fn hostile_names_stay_in_the_folder() {
    let switch = Switch::default();
    let (_hers, _alice, offer) = alice(&switch, b"content").await;
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    for (file, name) in (1..).zip(["../../x", "/etc/passwd", "..", "a/../../b", "nul\0.txt", "-rf"])
    {
        bob.want(file, &offer, home.target(name), &[ALICE]).await;
        let path = bob.done(file).await.unwrap();
        assert_eq!(path.parent(), Some(&*home.downloads()), "{name}");
        assert_eq!(fs::read(&path).unwrap(), b"content");
    }
    let beside: Vec<_> =
        fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
}

#[tokio::test]
async fn a_folder_that_is_gone_is_said_and_nothing_is_lost_for_another_one() {
    let switch = Switch::default();
    let content = bytes(1 << 20);
    let (_hers, _alice, offer) = alice(&switch, &content).await;
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    fs::remove_dir(home.downloads()).unwrap();
    bob.want(1, &offer, home.target("b"), &[ALICE]).await;
    let Failure::Disk(error) = bob.done(1).await.unwrap_err() else { panic!("the disk") };
    assert_eq!(error.reason(), "target-missing");
    fs::create_dir(home.downloads()).unwrap();
    bob.want(1, &offer, home.target("b"), &[ALICE]).await;
    assert_eq!(fs::read(bob.done(1).await.unwrap()).unwrap(), content);
}

#[tokio::test]
async fn the_same_file_twice_at_once_is_fetched_once() {
    let switch = Switch::default();
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    let (_hers, _alice, offer) = alice(&switch, &bytes(100)).await;
    bob.want(1, &offer, home.target("b"), &[]).await;
    bob.want(2, &offer, home.target("b"), &[ALICE]).await;
    assert_eq!(bob.done(2).await, Err(Failure::Twice(FileId(1))));
}

#[tokio::test]
async fn a_file_that_is_not_wanted_any_more_leaves_nothing() {
    let switch = Switch::default();
    let home = Home::new();
    let (_hers, _alice, offer) = alice(&switch, &bytes(1 << 20)).await;
    let mut bob = Person::new(BOB, &home, &switch);
    bob.want(1, &offer, home.target("b"), &[]).await;
    bob.until(|tell| matches!(tell, Tell::Progress { .. }).then_some(())).await;
    assert_eq!(home.names(), ["b.part"]);
    let (file, reference, target) = (FileId(1), offer.reference(), home.target("b"));
    bob.transfers.order(Order::Drop { file, reference, target, keep: false }).await;
    bob.transfers.stop().await;
    assert_eq!(home.names(), Vec::<String>::new());
    assert_eq!(fs::read_dir(home.shelf()).unwrap().count(), 0);
}
