//! What is told in passing of people: that they are there, and what they have seen.

use hubbub_node::api::view::Delivery;
use hubbub_node::api::{Choice, Command, ConversationId, Event};
use hubbub_shared::content::Signal;
use hubbub_shared::id::NodeId;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Alice and Bob are contacts of each other; Carol shares their group.
fn friends(seed: u64) -> (World, ConversationId) {
    let mut world = World::new(seed, &["alice", "bob", "carol"]);
    let team = world.found(ALICE, "team", &["bob", "carol"]);
    world.say(ALICE, "bob", "hello");
    world.run(Millis::secs(10));
    world.say(BOB, "alice", "hi");
    world.run(Millis::minutes(2));
    (world, team)
}

/// The signals that a command makes a device send.
fn signals(world: &mut World, who: usize, command: Command) -> Vec<(NodeId, Signal)> {
    world.devices[who].signals.clear();
    world.ask(who, command).unwrap();
    world.devices[who].signals.clone()
}

fn read(conversation: ConversationId) -> Command {
    Command::MarkRead { conversation }
}

/// When Bob last heard of his one contact.
fn last_heard(world: &World) -> Option<Timestamp> {
    world.contacts(BOB)[0].last_heard
}

fn quiet() -> Command {
    Command::Set(Choice { presence: Some(false), ..Choice::default() })
}

#[test]
fn contacts_are_told_that_somebody_is_there_once_a_minute_at_most() {
    let (mut world, team) = friends(1);
    let here = [(world.id(BOB), Signal::Here)];
    assert_eq!(signals(&mut world, ALICE, read(team)), here, "and not carol, who is none");
    assert_eq!(signals(&mut world, ALICE, read(team)), []);
    world.run(Millis::minutes(1));
    assert_eq!(signals(&mut world, ALICE, read(team)), here);
}

#[test]
fn who_is_there_was_heard_from_just_now() {
    let (mut world, _) = friends(2);
    world.run(Millis::minutes(10));
    let alice = world.id(ALICE);
    let before = last_heard(&world).unwrap();
    assert_eq!(world.hear_signal(BOB, alice, &Signal::Here), Some(Event::ContactsChanged));
    assert!(last_heard(&world).unwrap().since(before) >= Millis::minutes(9));
    assert_eq!(world.hear_signal(BOB, alice, &Signal::Here), None, "that is no news");
}

#[test]
fn whoever_shows_no_presence_neither_tells_nor_hears_that_somebody_is_there() {
    let (mut world, team) = friends(3);
    world.run(Millis::minutes(10));
    let alice = world.id(ALICE);
    for who in [ALICE, BOB] {
        world.ask(who, quiet()).unwrap();
    }
    world.run(Millis::secs(10));
    assert_eq!(signals(&mut world, ALICE, read(team)), []);
    assert_eq!(world.hear_signal(BOB, alice, &Signal::Here), None);
    assert_eq!(last_heard(&world), None);
}

#[test]
fn strangers_and_those_who_are_blocked_are_not_told_nor_heard() {
    let (mut world, team) = friends(4);
    let (alice, carol) = (world.id(ALICE), world.id(CAROL));
    assert_eq!(world.hear_signal(BOB, carol, &Signal::Here), None);
    world.ask(BOB, Command::Block { contact: "alice".to_owned() }).unwrap();
    world.run(Millis::minutes(2));
    assert_eq!(signals(&mut world, BOB, read(team)), []);
    assert_eq!(world.hear_signal(BOB, alice, &Signal::Here), None);
}

#[test]
fn what_was_read_is_told_in_passing_and_shown_before_the_receipt() {
    let (mut world, _) = friends(5);
    let message = world.say(ALICE, "bob", "look");
    world.run(Millis(200));
    assert_eq!(world.delivery(ALICE, message, BOB), Some(Delivery::Delivered));
    let (alice, bob) = (world.id(ALICE), world.id(BOB));
    let told = signals(&mut world, BOB, read(ConversationId::Direct(alice)));
    let told = told.into_iter().find(|(_, signal)| matches!(signal, Signal::Read { .. }));
    let (to, signal) = told.unwrap();
    assert_eq!(to, alice);
    world.hear_signal(ALICE, bob, &signal);
    assert_eq!(world.delivery(ALICE, message, BOB), Some(Delivery::Read));
    assert_eq!(world.delivery(ALICE, message, CAROL), None);
}

#[test]
fn a_signal_ends_no_duty_and_a_receipt_says_the_same_without_it() {
    let (mut world, _) = friends(6);
    let (alice, bob) = (world.id(ALICE), world.id(BOB));
    world.hub_up(false);
    let message = world.say(ALICE, "bob", "look");
    world.run(Millis::secs(1));
    let all = Signal::Read { conversation: None, ranges: vec![(1, u64::MAX >> 1)] };
    world.hear_signal(ALICE, bob, &all);
    assert_ne!(world.delivery(ALICE, message, BOB), Some(Delivery::Read), "he cannot have it");
    world.hub_up(true);
    world.run(Millis::minutes(1));
    assert_eq!(world.words(BOB).iter().filter(|word| **word == "look").count(), 1);
    signals(&mut world, BOB, read(ConversationId::Direct(alice)));
    world.run(Millis::secs(10));
    assert_eq!(world.delivery(ALICE, message, BOB), Some(Delivery::Read));
}

#[test]
fn whoever_sends_no_receipts_of_reading_says_nothing_in_passing_either() {
    let (mut world, _) = friends(7);
    let off = Command::Set(Choice { read_receipts: Some(false), ..Choice::default() });
    let (alice, bob) = (world.id(ALICE), world.id(BOB));
    let message = world.say(ALICE, "bob", "look");
    world.run(Millis(200));
    world.ask(ALICE, off.clone()).unwrap();
    let all = Signal::Read { conversation: None, ranges: vec![(1, u64::MAX >> 1)] };
    world.hear_signal(ALICE, bob, &all);
    assert_eq!(world.delivery(ALICE, message, BOB), Some(Delivery::Delivered), "nor hears it");
    world.ask(BOB, off).unwrap();
    let told = signals(&mut world, BOB, read(ConversationId::Direct(alice)));
    assert!(told.iter().all(|(_, signal)| *signal == Signal::Here), "{told:?}");
}
