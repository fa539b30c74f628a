//! Files that go on after somebody's node was killed.

use std::fs;

use super::person::{ALICE, BOB, Home, Offer, Person, Switch, bytes, runtime};
use crate::transfer::order::{Order, Tell};
use crate::transfer::plan::Limits;
use crate::transfer::streams::Opened;

/// Pieces of a mebibyte.
const PIECES: u64 = 16;
const SIZE: usize = 8 << 20;

async fn alice(switch: &Switch, content: &[u8]) -> (Home, Person, Offer) {
    let home = Home::new();
    let mut alice = Person::new(ALICE, &home, switch);
    let offer = alice.offer(&home, content).await;
    (home, alice, offer)
}

/// Bob's node, on the disk of the one that was killed.
async fn bob(home: &Home, switch: &Switch, offer: &Offer, sources: &[u8]) -> Person {
    let bob = Person::new(BOB, home, switch);
    bob.want(1, offer, home.target("film"), sources).await;
    bob
}

/// Waits until so many bytes are here, of the sealed form.
async fn until_here(bob: &mut Person, bytes: u64) -> u64 {
    bob.until(|tell| match tell {
        Tell::Progress { progress, .. } if progress.here >= bytes => Some(progress.here),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_killed_goes_on_where_it_was() {
    let switch = Switch::default();
    let content = bytes(SIZE);
    let (_hers, alice, offer) = alice(&switch, &content).await;
    // Slow enough that it is killed on the way.
    let (down, up) = (Limits::default(), 1 << 20);
    alice.transfers.order(Order::Limits { down, up }).await;
    let home = Home::new();
    let mut here = 0;
    for _ in 0..3 {
        let mut bob = bob(&home, &switch, &offer, &[ALICE]).await;
        let before = until_here(&mut bob, 1).await;
        // What the one before had is there at once: a few pieces may have been in its hands.
        assert!(before + (PIECES << 16) > here, "{before} of {here} bytes");
        here = until_here(&mut bob, here + (1 << 19)).await;
    }
    assert!(here < SIZE as u64, "all of it came before it was killed");
    alice.transfers.order(Order::Limits { down, up: 0 }).await;
    let mut bob = bob(&home, &switch, &offer, &[ALICE]).await;
    assert!(fs::read(bob.done(1).await.unwrap()).unwrap() == content);
    assert_eq!(home.names(), ["film"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_killed_around_the_last_step_needs_nobody_for_it() {
    let switch = Switch::default();
    let content = bytes(SIZE);
    let (_hers, _alice, offer) = alice(&switch, &content).await;
    let home = Home::new();
    let path = bob(&home, &switch, &offer, &[ALICE]).await.done(1).await.unwrap();
    // It has its name, and nobody heard of it.
    let mut again = bob(&home, &switch, &offer, &[]).await;
    assert_eq!(again.done(1).await.as_ref(), Ok(&path));
    drop(again);
    // It has both names: the one on its way is not gone yet.
    fs::hard_link(&path, home.downloads().join("film.part")).unwrap();
    let mut again = bob(&home, &switch, &offer, &[]).await;
    assert_eq!((again.done(1).await.as_ref(), home.names()), (Ok(&path), vec!["film".to_owned()]));
    drop(again);
    // All of it is there, and has not been renamed.
    fs::rename(&path, home.downloads().join("film.part")).unwrap();
    let mut again = bob(&home, &switch, &offer, &[]).await;
    assert_eq!(again.done(1).await.as_ref(), Ok(&path));
    assert!(fs::read(&path).unwrap() == content);
    assert_eq!(home.names(), ["film"]);
}

#[test]
fn what_a_killed_receiver_had_written_is_not_asked_for_again() {
    let (switch, life, others) = (Switch::default(), runtime(), runtime());
    let content = bytes(SIZE);
    let (_hers, mut alice, offer) = others.block_on(alice(&switch, &content));
    let (down, up) = (Limits::default(), 2 << 20);
    others.block_on(alice.transfers.order(Order::Limits { down, up }));
    let home = Home::new();
    life.block_on(async {
        let mut first = bob(&home, &switch, &offer, &[ALICE]).await;
        until_here(&mut first, SIZE as u64 / 2).await;
    });
    switch.remove(ALICE);
    drop(life);
    others.block_on(async {
        // Nobody gives anything, so what is here is what was found.
        let mut second = bob(&home, &switch, &offer, &[]).await;
        let found = until_here(&mut second, 1).await;
        assert!(found + (PIECES << 16) > SIZE as u64 / 2, "{found}");
        let door = alice.transfers.door();
        switch.put(ALICE, move |peer, way| door.serve(peer, Opened { way, direct: true }));
        alice.transfers.order(Order::Limits { down, up: 0 }).await;
        drop(second);
        let mut third = bob(&home, &switch, &offer, &[ALICE]).await;
        third.done(1).await.unwrap();
        let given: u64 = alice
            .until(|tell| match tell {
                Tell::Given { takers, .. } => {
                    let bytes = takers.iter().map(|taker| taker.bytes).sum();
                    (bytes >= SIZE as u64).then_some(bytes)
                }
                _ => None,
            })
            .await;
        assert!(given < SIZE as u64 + (PIECES << 17), "{given} bytes were given");
    });
}
