//! Transfers that end in the middle, and begin again on what is on the disk.

use std::fs;

use hubbub_shared::limits::{PIECE, SPAN_PIECES};
use hubbub_shared::wire::pieces::PIECE_FRAME_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::sync::watch;

use super::person::{ALICE, BOB, Home, Offer, PIPE, Person, Switch, bytes, runtime};
use crate::transfer::disk::{Course, Found, Landing, Shelf};
use crate::transfer::streams::Opened;

/// Bytes that go out of alice's door at once.
const CHUNK: usize = 64 << 10;

/// What goes out of alice's door: how much did, and how much may.
#[derive(Clone)]
struct Gate {
    sent: watch::Sender<u64>,
    upto: watch::Sender<u64>,
}

impl Gate {
    /// Before alice's door; nothing may pass yet.
    fn before(switch: &Switch, alice: &Person) -> Self {
        let gate = Self { sent: watch::Sender::new(0), upto: watch::Sender::new(0) };
        let (door, shared) = (alice.transfers.door(), gate.clone());
        switch.put(ALICE, move |peer, way| {
            let (ours, theirs) = tokio::io::duplex(CHUNK);
            door.serve(peer, Opened { way: Box::new(theirs), direct: true });
            let ((mut asks, mut answers), (mut gives, mut takes)) = (split(way), split(ours));
            let gate = shared.clone();
            tokio::spawn(async move { tokio::io::copy(&mut asks, &mut takes).await });
            tokio::spawn(async move {
                let mut chunk = vec![0; CHUNK];
                while let Ok(count @ 1..) = gives.read(&mut chunk).await {
                    gate.opened().await;
                    gate.sent.send_modify(|sent| *sent += count as u64);
                    if answers.write_all(&chunk[..count]).await.is_err() {
                        break;
                    }
                }
            });
        });
        gate
    }

    fn sent(&self) -> u64 {
        *self.sent.borrow()
    }

    async fn opened(&self) {
        let mut upto = self.upto.subscribe();
        upto.wait_for(|upto| self.sent() < *upto).await.unwrap();
    }

    /// Lets so many bytes more pass, and waits until they have.
    async fn pass(&self, bytes: u64) {
        let upto = self.sent() + bytes;
        self.upto.send_replace(upto);
        self.sent.subscribe().wait_for(|sent| *sent >= upto).await.unwrap();
    }
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
    let gate = Gate::before(&switch, &alice);
    let mut kills: u64 = 0;
    for round in 0u64..50 {
        let life = runtime();
        // After so many pieces, however long they take.
        let pieces = 20 + round * 17 % 40;
        let done = life.block_on(async {
            let mut bob = Person::new(BOB, &his, &switch);
            bob.want(1, &offer, his.target("b"), &[ALICE]).await;
            tokio::select! {
                done = bob.done(1) => done.is_ok(),
                () = gate.pass(pieces * PIECE as u64) => false,
            }
        });
        drop(life); // waits for what is on its way to the disk, and for nothing else
        if done {
            break;
        }
        kills += 1;
    }
    let path = runtime().block_on(async {
        gate.upto.send_replace(u64::MAX);
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("b"), &[ALICE]).await;
        bob.done(1).await.unwrap()
    });
    assert!(fs::read(path).unwrap() == content);
    let (sent, sealed) = (gate.sent(), offer.blob.shape.sealed());
    println!("killed {kills} times; {sent} bytes sent of {sealed}");
    // What is on its way when somebody dies is lost, and how much that is depends on the machine.
    // At most it is what is judged, what is read meanwhile, and what waits in the pipe.
    let batch = SPAN_PIECES as usize * PIECE_FRAME_MAX;
    let lost = kills * (2 * batch + PIPE + CHUNK) as u64;
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
