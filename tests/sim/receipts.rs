//! Receipts: nothing is called delivered that is not in the recipient's history, and nothing there
//! goes without a receipt.

use hubbub_node::api::view::Delivery;
use hubbub_shared::time::Millis;
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
