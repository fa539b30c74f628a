//! Telling that a person is writing.

use hubbub_node::api::{Choice, Command, ConversationId, Event};
use hubbub_shared::content::Signal;
use hubbub_shared::id::NodeId;
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

fn friends(seed: u64) -> (World, ConversationId) {
    let mut world = World::new(seed, &["alice", "bob", "carol"]);
    let team = world.found(ALICE, "team", &["bob", "carol"]);
    world.say(ALICE, "bob", "hello");
    world.run(Millis::secs(10));
    for who in [BOB, CAROL] {
        world.say(who, "#team", "hi");
        world.run(Millis::secs(10));
    }
    world.say(BOB, "alice", "hi");
    world.run(Millis::secs(10));
    (world, team)
}

fn types(world: &mut World, conversation: ConversationId) -> Vec<(NodeId, Signal)> {
    world.devices[ALICE].signals.clear();
    world.ask(ALICE, Command::Typing { conversation }).unwrap();
    world.devices[ALICE].signals.clone()
}

#[test]
fn who_is_written_to_is_told_and_not_with_every_key() {
    let (mut world, team) = friends(1);
    let bob = ConversationId::Direct(world.id(BOB));
    let signal = Signal::Typing { conversation: None };
    assert_eq!(types(&mut world, bob), [(world.id(BOB), signal.clone())]);
    assert_eq!(types(&mut world, bob), []);
    world.run(Millis::secs(3));
    assert_eq!(types(&mut world, bob), [(world.id(BOB), signal)]);
    let told: Vec<NodeId> = types(&mut world, team).into_iter().map(|(peer, _)| peer).collect();
    assert!(told.contains(&world.id(BOB)) && told.len() <= 2, "{told:?}");
}

#[test]
fn whoever_shows_no_presence_neither_tells_nor_hears_it() {
    let (mut world, _) = friends(2);
    let (alice, bob) = (world.id(ALICE), world.id(BOB));
    let heard = world.hear_typing(BOB, alice, None);
    assert!(matches!(heard, Some(Event::Typing { person, .. }) if person.name == "alice"));
    let off = Command::Set(Choice { presence: Some(false), ..Choice::default() });
    world.ask(BOB, off.clone()).unwrap();
    world.run(Millis::secs(2));
    assert_eq!(world.hear_typing(BOB, alice, None), None);
    world.ask(ALICE, off).unwrap();
    assert_eq!(types(&mut world, ConversationId::Direct(bob)), []);
}

#[test]
fn nothing_is_heard_of_one_who_is_blocked() {
    let (mut world, team) = friends(3);
    let ConversationId::Group(group) = team else { panic!("a group") };
    let alice = world.id(ALICE);
    assert!(world.hear_typing(BOB, alice, Some(group)).is_some());
    world.ask(BOB, Command::Block { contact: "alice".to_owned() }).unwrap();
    world.run(Millis::secs(2));
    assert_eq!(world.hear_typing(BOB, alice, Some(group)), None);
    assert_eq!(world.hear_typing(BOB, alice, None), None);
}

#[test]
fn a_clock_that_is_set_back_does_not_silence_it() {
    let (mut world, team) = friends(4);
    let bob = ConversationId::Direct(world.id(BOB));
    for place in [bob, team] {
        assert!(!types(&mut world, place).is_empty());
        assert!(types(&mut world, place).is_empty());
    }
    world.devices[ALICE].skew = -24 * 3_600_000;
    for place in [bob, team] {
        assert!(!types(&mut world, place).is_empty());
    }
}

#[test]
fn of_one_person_it_is_heard_once_a_second_in_each_conversation() {
    let (mut world, team) = friends(5);
    let ConversationId::Group(group) = team else { panic!("a group") };
    let (alice, carol) = (world.id(ALICE), world.id(CAROL));
    for _ in 0..3 {
        let heard: Vec<Event> =
            (0..1_000).filter_map(|_| world.hear_typing(BOB, alice, None)).collect();
        assert_eq!(heard.len(), 1);
        // That stands in nobody's way, nor in that of another conversation.
        for by in [alice, carol] {
            assert!(world.hear_typing(BOB, by, Some(group)).is_some());
        }
        world.run(Millis(999));
        assert_eq!(world.hear_typing(BOB, alice, None), None);
        world.run(Millis(1));
    }
    // A clock that is set back does not silence it.
    assert!(world.hear_typing(BOB, alice, None).is_some());
    world.devices[BOB].skew = -24 * 3_600_000;
    assert!(world.hear_typing(BOB, alice, None).is_some());
}
