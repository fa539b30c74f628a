//! Receipts: nothing is called delivered that is not in the recipient's history, and nothing there
//! goes without a receipt.

use std::cell::Cell;
use std::rc::Rc;

use hubbub_node::api::view::Delivery;
use hubbub_shared::time::Millis;
use hubbub_shared::wire::ToHub;
use hubbub_tests::world::World;

#[test]
fn an_author_who_starts_over_is_heard_from_the_first_message() {
    let mut world = World::new(1, &["alice", "bob"]);
    for number in 0..100 {
        world.say(0, "bob", &format!("old {number}"));
    }
    world.run(Millis::secs(10));
    world.start_over(0);
    world.run(Millis::secs(5));
    let mut anew = Vec::new();
    for number in 0..30 {
        anew.push(world.say(0, "bob", &format!("new {number}")));
    }
    world.run(Millis::minutes(1));
    for (number, message) in anew.into_iter().enumerate() {
        let word = format!("new {number}");
        assert_eq!(world.words(1).iter().filter(|other| **other == word).count(), 1, "{word}");
        assert_eq!(world.delivery(0, message, 1), Some(Delivery::Delivered));
    }
    assert_eq!(world.words(1).len(), 130);
}

#[test]
fn the_first_receipt_comes_at_once_and_those_that_follow_are_gathered() {
    let mut world = World::new(2, &["alice", "bob"]);
    world.say(0, "bob", "hello");
    world.run(Millis::secs(10));
    let first = world.say(0, "bob", "one");
    world.run(Millis(150));
    assert_eq!(world.delivery(0, first, 1), Some(Delivery::Delivered));
    let second = world.say(0, "bob", "two");
    world.run(Millis(500));
    assert_eq!(world.delivery(0, second, 1), Some(Delivery::Stored));
    world.run(Millis::secs(3));
    assert_eq!(world.delivery(0, second, 1), Some(Delivery::Delivered));
}

#[test]
fn receipts_do_not_end_in_a_long_talk_without_a_hub() {
    let mut world = World::new(3, &["alice", "bob"]);
    for (who, to) in [(0, "bob"), (1, "alice")] {
        world.say(who, to, "hello");
        world.run(Millis::secs(10));
    }
    world.join(0, 1);
    world.hub_up(false);
    world.run(Millis::secs(1));
    for number in 0..1_100 {
        let message = world.say(0, "bob", &format!("line {number}"));
        world.run(Millis(2_100));
        assert_eq!(world.delivery(0, message, 1), Some(Delivery::Delivered), "{number}");
    }
    // The hub is given one for all of them, and nothing needs to be said again.
    let given = Rc::new(Cell::new(0));
    let counted = Rc::clone(&given);
    world.overhear = Some(Box::new(move |who, frame| {
        counted.set(counted.get() + u32::from(who == 1 && matches!(frame, ToHub::Append(_))));
        frame
    }));
    world.hub_up(true);
    world.run(Millis::minutes(5));
    assert!((1..10).contains(&given.get()), "{}", given.get());
    assert_eq!(world.engine(0).status().undelivered, 0);
    for who in 0..2 {
        assert_eq!(world.engine(who).status().refused, [], "{who}");
    }
    let last = world.say(0, "bob", "the hub is back");
    world.run(Millis::secs(10));
    assert_eq!(world.delivery(0, last, 1), Some(Delivery::Delivered));
}

#[test]
fn a_receipt_that_was_lost_with_a_connection_is_made_up_for_by_the_next() {
    let mut world = World::new(4, &["alice", "bob"]);
    for (who, to) in [(0, "bob"), (1, "alice")] {
        world.say(who, to, "hello");
        world.run(Millis::secs(10));
    }
    world.join(0, 1);
    world.hub_up(false);
    world.run(Millis::secs(1));
    let mut said = Vec::new();
    for number in 0..40 {
        said.push(world.say(0, "bob", &format!("line {number}")));
        world.run(Millis(30 * (number % 5)));
        if number % 4 == 3 {
            world.part(0, 1);
            world.run(Millis::secs(3));
            world.join(0, 1);
        }
    }
    world.run(Millis::secs(15));
    for message in &said {
        assert_eq!(world.delivery(0, *message, 1), Some(Delivery::Delivered));
    }
    world.hub_up(true);
    world.run(Millis::minutes(2));
    assert_eq!(world.words(1).len(), 42);
    assert_eq!(world.engine(0).status().undelivered, 0);
}
