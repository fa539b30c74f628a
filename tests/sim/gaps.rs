//! Gaps: what is proven to be missing is shown as missing, asked for, and filled in.

use hubbub_node::api::view::{Body, Delivery};
use hubbub_node::api::{Command, ConversationId};
use hubbub_shared::time::Millis;
use hubbub_tests::liar::{Hand, Lie};
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Alice, bob and carol in a group, on a hub that can be made to lie; all have spoken.
fn acquainted(seed: u64) -> (World, Hand, ConversationId) {
    let mut world = World::new(seed, &["alice", "bob", "carol"]);
    let hub = Hand::on(&mut world, seed);
    let team = world.found(ALICE, "team", &["bob", "carol"]);
    world.run(Millis::secs(5));
    for (who, to) in [(ALICE, "#team"), (BOB, "#team"), (CAROL, "#team"), (ALICE, "bob")] {
        world.say(who, to, &format!("hello of {who} to {to}"));
        world.run(Millis::secs(10));
    }
    world.say(BOB, "alice", "hi");
    world.run(Millis::minutes(5));
    (world, hub, team)
}

/// Alice's lines of a conversation on a device, in the order shown; a dash where one is missing.
fn lines(world: &World, who: usize, conversation: ConversationId) -> Vec<String> {
    let alice = world.id(ALICE);
    let lines = world.devices[who].disk.history.iter();
    let hers = lines.filter(|line| line.conversation == conversation && line.sender == alice);
    hers.filter_map(|line| match &line.body {
        Body::Text(text) if text.starts_with("hello") => None,
        Body::Text(text) => Some(text.clone()),
        Body::Missing => Some("-".to_owned()),
        _ => None,
    })
    .collect()
}

#[test]
fn a_gap_is_shown_where_it_is_and_filled_in_there() {
    for seed in 0..8 {
        let (mut world, hub, team) = acquainted(seed);
        for (to, place) in [("#team", team), ("bob", ConversationId::Direct(world.id(ALICE)))] {
            world.say(ALICE, to, "one");
            world.run(Millis::secs(5));
            hub.lie(BOB, Lie::Drop, 2);
            let two = world.say(ALICE, to, "two");
            world.run(Millis::secs(2));
            world.say(ALICE, to, "three");
            world.run(Millis::secs(2));
            hub.be_honest();
            world.say(ALICE, to, "four");
            world.run(Millis::secs(2));
            assert_eq!(lines(&world, BOB, place), ["one", "-", "-", "four"], "seed {seed} {to}");
            world.run(Millis::minutes(2));
            let whole = ["one", "two", "three", "four"];
            assert_eq!(lines(&world, BOB, place), whole, "seed {seed} {to}");
            assert_eq!(world.delivery(ALICE, two, BOB), Some(Delivery::Delivered));
        }
    }
}

#[test]
fn a_lost_last_message_is_noticed_once_its_author_hears_of_the_reader() {
    for seed in 0..8 {
        let (mut world, hub, team) = acquainted(seed);
        for (to, place) in [("#team", team), ("bob", ConversationId::Direct(world.id(ALICE)))] {
            let before = hub.told();
            hub.lie(BOB, Lie::Drop, 1);
            let last = world.say(ALICE, to, "the last");
            world.run(Millis::secs(5));
            assert_eq!(hub.told(), before + 1, "seed {seed} {to}");
            hub.be_honest();
            world.run(Millis::minutes(10));
            assert_eq!(lines(&world, BOB, place), [""; 0], "seed {seed} {to}");
            world.say(BOB, "alice", "still here");
            world.run(Millis::minutes(5));
            assert_eq!(lines(&world, BOB, place), ["the last"], "seed {seed} {to}");
            assert_eq!(world.delivery(ALICE, last, BOB), Some(Delivery::Delivered));
            world.devices[BOB].disk.history.retain(|line| line.id != last);
        }
    }
}

#[test]
fn a_lost_last_message_is_noticed_within_hours_when_nobody_says_anything() {
    let (mut world, hub, team) = acquainted(3);
    hub.lie(BOB, Lie::Drop, 1);
    world.say(ALICE, "#team", "the last");
    world.run(Millis::secs(5));
    hub.be_honest();
    world.run(Millis::hours(4));
    assert_eq!(lines(&world, BOB, team), ["the last"]);
}

#[test]
fn a_member_hands_over_what_its_author_is_too_far_away_to_say_again() {
    for seed in 0..8 {
        let (mut world, hub, team) = acquainted(seed);
        hub.lie(BOB, Lie::Drop, 1);
        world.say(ALICE, "#team", "one");
        world.run(Millis::secs(2));
        hub.be_honest();
        world.say(ALICE, "#team", "two");
        world.run(Millis::secs(2));
        world.disconnect(ALICE);
        assert_eq!(lines(&world, BOB, team), ["-", "two"], "seed {seed}");
        world.run(Millis::minutes(10));
        assert_eq!(lines(&world, BOB, team), ["one", "two"], "seed {seed}");
    }
}

#[test]
fn what_was_said_while_somebody_was_not_a_member_is_no_gap_for_long() {
    let (mut world, _, team) = acquainted(4);
    let change = |world: &mut World, command| {
        world.ask(ALICE, command).unwrap();
        world.run(Millis::secs(30));
    };
    let (group, member) = ("team".to_owned(), "bob".to_owned());
    let remove = Command::GroupRemove { group: group.clone(), member: member.clone() };
    change(&mut world, remove);
    world.say(ALICE, "#team", "not for bob");
    world.run(Millis::secs(30));
    change(&mut world, Command::GroupInvite { group, member });
    world.say(ALICE, "#team", "bob is back");
    world.run(Millis::secs(2));
    assert_eq!(lines(&world, BOB, team), ["-", "bob is back"]);
    world.run(Millis::minutes(5));
    assert_eq!(lines(&world, BOB, team), ["bob is back"]);
    world.run(Millis::hours(48));
    assert_eq!(lines(&world, BOB, team), ["bob is back"]);
}

#[test]
fn a_gap_survives_a_restart_and_is_filled_in_then() {
    let (mut world, hub, team) = acquainted(5);
    hub.lie(BOB, Lie::Drop, 1);
    world.say(ALICE, "#team", "one");
    world.run(Millis::secs(2));
    hub.be_honest();
    world.say(ALICE, "#team", "two");
    world.run(Millis::secs(2));
    world.crash(BOB);
    world.run(Millis::secs(5));
    assert_eq!(lines(&world, BOB, team), ["-", "two"]);
    world.run(Millis::minutes(2));
    assert_eq!(lines(&world, BOB, team), ["one", "two"]);
}
