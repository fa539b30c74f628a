//! One address in several messages: anybody may copy it, and say false things of it.

use std::fs;

use hubbub_shared::blob::{Blob, Shape};
use hubbub_shared::id::BlobId;

use super::person::{ALICE, BOB, CAROL, Home, Offer, Person, Switch, bytes};
use crate::transfer::disk::{Course, Found, Landing, Reference, Shelf};
use crate::transfer::order::{Failure, Order, Tell};
use crate::transfer::plan::FileId;

async fn alice(switch: &Switch, content: &[u8]) -> (Home, Person, Offer) {
    let home = Home::new();
    let mut alice = Person::new(ALICE, &home, switch);
    let offer = alice.offer(&home, content).await;
    (home, alice, offer)
}

async fn fetched(switch: &Switch, n: u8, offer: &Offer) -> Vec<u8> {
    let home = Home::new();
    let mut person = Person::new(n, &home, switch);
    person.want(1, offer, home.target("x"), &[ALICE]).await;
    fs::read(person.done(1).await.unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_here_whole_is_served_on_whatever_other_messages_say_of_its_address() {
    let switch = Switch::default();
    let (hers, mut alice, offer) = alice(&switch, &bytes(1 << 20)).await;
    alice.want(7, &offer.copied().with_key(7), hers.target("cat.png"), &[BOB]).await;
    assert_eq!(alice.done(7).await, Err(Failure::Untrue));
    alice.want(8, &offer, hers.target("cat.png"), &[BOB]).await;
    assert_eq!(alice.done(8).await, Err(Failure::Here(offer.path.clone())));
    assert!(fetched(&switch, BOB, &offer).await == bytes(1 << 20));
    // And forgetting these messages takes away nothing.
    for file in [7, 8].map(FileId) {
        let (reference, target) = (offer.reference(), hers.target("cat.png"));
        alice.transfers.order(Order::Unserve { file }).await;
        alice.transfers.order(Order::Drop { file, reference, target, keep: false }).await;
    }
    alice.transfers.stop().await;
    let alice = Person::new(ALICE, &hers, &switch);
    alice.serve(FileId(1), &offer).await;
    assert!(fetched(&switch, CAROL, &offer).await == bytes(1 << 20));
    assert_eq!(hers.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_was_here_and_is_not_any_more_may_be_fetched_again() {
    let switch = Switch::default();
    let (_hers, _alice, offer) = alice(&switch, &bytes(1 << 20)).await;
    let his = Home::new();
    let mut bob = Person::new(BOB, &his, &switch);
    bob.want(1, &offer, his.target("b"), &[ALICE]).await;
    let mut got = offer.copied();
    got.path = bob.done(1).await.unwrap();
    bob.serve(FileId(1), &got).await;
    fs::remove_file(&got.path).unwrap();
    bob.want(2, &offer, his.target("b"), &[ALICE]).await;
    assert_eq!(bob.done(2).await, Ok(got.path));
}

#[tokio::test]
async fn a_false_reference_does_not_take_the_tree_of_a_file_that_is_paused() {
    let switch = Switch::default();
    let (hers, mut alice, offer) = alice(&switch, &bytes(1 << 20)).await;
    let his = Home::new();
    let mut bob = Person::new(BOB, &his, &switch);
    bob.want(1, &offer, his.target("b"), &[ALICE]).await;
    bob.done(1).await.unwrap();
    alice.transfers.order(Order::Unserve { file: FileId(1_000 + (1 << 20)) }).await;
    alice.want(7, &offer.copied().with_key(7), hers.target("cat.png"), &[BOB]).await;
    assert!(matches!(alice.done(7).await, Err(Failure::Reference(_))));
    alice.serve(FileId(1), &offer).await;
    assert!(fetched(&switch, CAROL, &offer).await == bytes(1 << 20));
    alice.transfers.stop().await;
    assert_eq!(hers.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_copy_of_which_nothing_was_begun_takes_nothing_of_a_file_that_is_paused() {
    let switch = Switch::default();
    let (hers, mut alice, offer) = alice(&switch, &bytes(1 << 20)).await;
    alice.transfers.order(Order::Unserve { file: FileId(1_000 + (1 << 20)) }).await;
    let (file, reference, target) = (FileId(7), offer.reference(), hers.target("cat.png"));
    alice.transfers.order(Order::Drop { file, reference, target, keep: true }).await;
    alice.want(8, &offer, hers.target("cat.png"), &[]).await;
    alice.until(|tell| matches!(tell, Tell::Progress { .. }).then_some(())).await;
    let (file, reference, target) = (FileId(8), offer.reference(), hers.target("cat.png"));
    alice.transfers.order(Order::Drop { file, reference, target, keep: true }).await;
    alice.transfers.stop().await;
    assert_eq!(hers.names(), Vec::<String>::new(), "of the copy nothing is left");
    let alice = Person::new(ALICE, &hers, &switch);
    alice.serve(FileId(1), &offer).await;
    assert!(fetched(&switch, BOB, &offer).await == bytes(1 << 20));
}

#[tokio::test]
async fn what_is_dropped_of_one_message_stays_for_another() {
    let switch = Switch::default();
    let (_hers, _alice, offer) = alice(&switch, &bytes(1 << 20)).await;
    let his = Home::new();
    let mut bob = Person::new(BOB, &his, &switch);
    bob.want(1, &offer, his.target("b"), &[]).await;
    bob.until(|tell| matches!(tell, Tell::Progress { .. }).then_some(())).await;
    // Of the same name, too.
    let (file, reference, target) = (FileId(2), offer.reference(), his.target("b"));
    bob.transfers.order(Order::Drop { file, reference, target, keep: false }).await;
    bob.until(|tell| matches!(tell, Tell::Dropped { file: FileId(2) }).then_some(())).await;
    bob.transfers.stop().await;
    assert_eq!(his.names(), ["b.part"]);
    assert_eq!(fs::read_dir(his.shelf()).unwrap().count(), 2, "what is known of it, and its tree");
}

#[tokio::test]
async fn a_message_of_which_nothing_came_gives_way_to_one_that_says_something_else() {
    let switch = Switch::default();
    let (_hers, _alice, offer) = alice(&switch, &bytes(1 << 20)).await;
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    let mut shorter = offer.copied();
    (shorter.blob.shape, shorter.size) = (Shape::of(1_000).unwrap(), 1_000);
    for (n, lie) in [(1, shorter), (3, offer.copied().with_key(7))] {
        bob.want(n, &lie, home.target("cat.png"), &[]).await;
        bob.until(|tell| matches!(tell, Tell::Progress { .. }).then_some(())).await;
        bob.want(n + 1, &offer, home.target("b"), &[ALICE]).await;
        assert_eq!(bob.done(n).await, Err(Failure::GaveWay));
        assert_eq!(fs::read(bob.done(n + 1).await.unwrap()).unwrap(), bytes(1 << 20));
    }
    bob.transfers.stop().await;
    assert_eq!(home.names(), ["b", "b (2)"], "and nothing is left of it");
}

#[tokio::test]
async fn a_message_of_which_something_came_gives_way_to_none() {
    let switch = Switch::default();
    let (_hers, alice, offer) = alice(&switch, &bytes(2 << 20)).await;
    alice
        .transfers
        .order(Order::Limits { down: crate::transfer::plan::Limits::default(), up: 1 << 20 })
        .await;
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    bob.want(1, &offer, home.target("b"), &[ALICE]).await;
    bob.until(|tell| match tell {
        Tell::Progress { progress, .. } if progress.here > 0 => Some(()),
        _ => None,
    })
    .await;
    bob.want(2, &offer.copied().with_key(7), home.target("cat.png"), &[ALICE]).await;
    assert_eq!(bob.done(2).await, Err(Failure::Untrue));
    assert_eq!(fs::read(bob.done(1).await.unwrap()).unwrap(), bytes(2 << 20));
    assert_eq!(home.names(), ["b"]);
}

#[tokio::test]
async fn who_cancels_and_accepts_again_at_once_gets_one_file() {
    let switch = Switch::default();
    let (_hers, _alice, offer) = alice(&switch, &bytes(1 << 20)).await;
    let home = Home::new();
    let mut bob = Person::new(BOB, &home, &switch);
    for _ in 0..10 {
        bob.want(1, &offer, home.target("b"), &[ALICE]).await;
        let (file, reference, target) = (FileId(1), offer.reference(), home.target("b"));
        bob.transfers.order(Order::Drop { file, reference, target, keep: false }).await;
    }
    bob.want(1, &offer, home.target("b"), &[ALICE]).await;
    assert_eq!(bob.done(1).await, Ok(home.downloads().join("b")));
    bob.transfers.stop().await;
    assert_eq!(home.names(), ["b"]);
}

#[test]
fn two_large_files_do_not_both_begin_where_there_is_room_for_one() {
    let home = Home::new();
    // Others fill and empty the disk of this machine meanwhile, and 64 MiB are always left.
    let shelf = Shelf::open(home.shelf()).unwrap().with_free(|_| Some(72 << 20));
    let size = 5 << 20;
    let Some(shape) = Shape::of(size) else { panic!("a file's size") };
    let open = |n: u8| {
        let blob = Blob { address: BlobId([n; 32]), shape };
        let key = hubbub_shared::crypto::stream::FileKey::from_parts(
            hubbub_shared::crypto::Secret32::from_bytes([n; 32]),
            [n; 16],
        );
        let reference = Reference { blob, key, size };
        let target = home.target("large");
        Landing::open((&shelf, n.into()), &reference, &target, &Course::default())
    };
    let first = open(1).unwrap().unwrap();
    let told = open(2).err().map(|error| error.reason());
    assert_eq!(told, Some("target-full"));
    let Found::Part(first) = first else { panic!("it is not here") };
    first.sync().unwrap();
    first.discard(false).unwrap();
    drop(first);
    assert!(open(2).is_ok());
}
