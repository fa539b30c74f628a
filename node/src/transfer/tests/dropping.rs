//! Transfers that end in the middle, and begin again on what is on the disk.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hubbub_shared::limits::PIECE;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::runtime::{Builder, Runtime};

use super::person::{ALICE, BOB, Home, Offer, Person, Switch, bytes};
use crate::transfer::disk::{Course, Found, Landing, Shelf};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Counts what goes out of alice's door.
fn counted(switch: &Switch, alice: &Person) -> Arc<AtomicU64> {
    let (door, count) = (alice.transfers.door(), Arc::new(AtomicU64::new(0)));
    let counting = Arc::clone(&count);
    switch.put(ALICE, move |peer, way| {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        door.serve(peer, Box::new(theirs));
        let ((mut asks, mut answers), (mut gives, mut takes)) = (split(way), split(ours));
        let counting = Arc::clone(&counting);
        tokio::spawn(async move { tokio::io::copy(&mut asks, &mut takes).await });
        tokio::spawn(async move {
            let mut chunk = vec![0; 64 << 10];
            while let Ok(count @ 1..) = gives.read(&mut chunk).await {
                counting.fetch_add(count as u64, Ordering::Relaxed);
                if answers.write_all(&chunk[..count]).await.is_err() {
                    break;
                }
            }
        });
    });
    count
}

fn pieces_here(home: &Home, offer: &Offer) -> u64 {
    let shelf = Shelf::open(home.shelf()).unwrap();
    let found =
        Landing::open((&shelf, 1), &offer.reference(), &home.target("b"), &Course::default());
    match found.unwrap().unwrap() {
        Found::Part(landing) => landing.have().count(),
        Found::Whole(..) => offer.blob.shape.pieces(),
    }
}

#[test]
fn a_receiver_that_is_killed_again_and_again_fetches_almost_nothing_twice() {
    let (switch, hers, his) = (Switch::default(), Home::new(), Home::new());
    let content = bytes(32 << 20);
    let source = runtime();
    let (alice, offer) = source.block_on(async {
        let mut alice = Person::new(ALICE, &hers, &switch);
        let offer = alice.offer(&hers, &content).await;
        (alice, offer)
    });
    let sent = source.block_on(async { counted(&switch, &alice) });
    let mut kills: u64 = 0;
    // A moment that differs each time, and no chance.
    for round in 0u64..50 {
        let life = runtime();
        let after = Duration::from_micros(2_000 + round * 7_919 % 25_000);
        let done = life.block_on(async {
            let mut bob = Person::new(BOB, &his, &switch);
            bob.want(1, &offer, his.target("b"), &[ALICE]).await;
            tokio::time::timeout(after, bob.done(1)).await.is_ok()
        });
        drop(life); // waits for what is on its way to the disk, and for nothing else
        if done {
            break;
        }
        kills += 1;
    }
    let path = runtime().block_on(async {
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("b"), &[ALICE]).await;
        bob.done(1).await.unwrap()
    });
    assert!(fs::read(path).unwrap() == content);
    let (sent, sealed) = (sent.load(Ordering::Relaxed), offer.blob.shape.sealed());
    println!("killed {kills} times; {sent} bytes sent of {sealed}");
    // What is on its way when somebody dies is lost, and how much that is depends on the machine:
    // less than two pieces each time.
    let lost = kills * 2 * PIECE as u64;
    assert!(kills > 5 && sent <= sealed + lost, "{kills} kills, {sent} of {sealed}");
    assert_eq!(his.names(), ["b"]);
    drop(alice);
}

#[test]
fn garbage_beyond_what_was_noted_is_not_believed() {
    let (switch, hers, his) = (Switch::default(), Home::new(), Home::new());
    let content = bytes(8 << 20);
    let life = runtime();
    let (alice, offer) = life.block_on(async {
        let mut alice = Person::new(ALICE, &hers, &switch);
        let offer = alice.offer(&hers, &content).await;
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("b"), &[ALICE]).await;
        bob.done(1).await.unwrap();
        (alice, offer)
    });
    // As after power loss: the tree came to the disk, the content in part, the list not at all.
    let shelf = Shelf::open(his.shelf()).unwrap();
    let have = fs::read_dir(his.shelf()).unwrap().map(|e| e.unwrap().path());
    have.filter(|p| p.extension().is_some_and(|e| e == "have"))
        .for_each(|p| fs::remove_file(p).unwrap());
    fs::remove_file(his.downloads().join("b")).unwrap();
    let begun =
        Landing::open((&shelf, 1), &offer.reference(), &his.target("b"), &Course::default());
    drop(begun.unwrap());
    let mut part = content.clone();
    part[..1 << 20].fill(7);
    part[5 << 20..].fill(0);
    let path = his.downloads().join("b.part");
    {
        use std::io::Write;
        let mut file = fs::File::options().write(true).open(&path).unwrap();
        file.write_all(&part).unwrap();
    }
    let here = pieces_here(&his, &offer);
    assert!((60..66).contains(&here), "{here} of 129: four mebibytes in the middle");
    let got = life.block_on(async {
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("b"), &[ALICE]).await;
        fs::read(bob.done(1).await.unwrap()).unwrap()
    });
    assert!(got == content);
    drop(alice);
}

#[test]
fn a_file_that_landed_just_before_a_crash_is_found_and_not_fetched_again() {
    let (switch, hers, his) = (Switch::default(), Home::new(), Home::new());
    let life = runtime();
    life.block_on(async {
        let mut alice = Person::new(ALICE, &hers, &switch);
        let offer = alice.offer(&hers, &bytes(1 << 20)).await;
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("b"), &[ALICE]).await;
        let first = bob.done(1).await.unwrap();
        drop(bob); // before anybody wrote down that it is done
        switch.remove(ALICE);
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("b"), &[]).await;
        assert_eq!(bob.done(1).await.unwrap(), first);
        assert_eq!(his.names(), ["b"]);
    });
}
