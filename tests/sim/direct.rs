//! Two devices connected with each other, with and without a hub.

use std::cell::RefCell;
use std::rc::Rc;

use hubbub_node::api::view::Delivery;
use hubbub_node::api::{Addresses, Choice, Command, ConversationId};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::from_hub::ItemKind;
use hubbub_shared::wire::to_hub::Append;
use hubbub_shared::wire::to_peer::{Carry, Hub};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, ToHub, ToPeer};
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const MALLORY: usize = 3;

/// Everybody knows everybody, from one group.
fn friends(seed: u64) -> World {
    friends_in_team(seed).0
}

fn friends_in_team(seed: u64) -> (World, LogId) {
    let mut world = World::new(seed, &["alice", "bob", "carol", "mallory"]);
    let team = world.found(ALICE, "team", &["bob", "carol", "mallory"]);
    let ConversationId::Group(team) = team else { panic!("a group") };
    for (who, text) in ["one", "two", "three", "four"].into_iter().enumerate() {
        world.say(who, "#team", text);
        world.run(Millis::secs(10));
    }
    world.say(ALICE, "bob", "hello");
    world.run(Millis::secs(10));
    world.say(BOB, "alice", "hi");
    world.run(Millis::secs(10));
    (world, LogId::Channel(team))
}

fn refusals(world: &World, who: usize) -> Vec<(String, u64)> {
    world.engine(who).status().refused
}

fn set(world: &mut World, who: usize, addresses: Addresses) {
    let choice = Choice { addresses: Some(addresses), ..Choice::default() };
    world.ask(who, Command::Set(choice)).unwrap();
}

/// What the hub is given from now on, and by whom.
type Given = Rc<RefCell<Vec<(usize, Append)>>>;

fn overhear(world: &mut World) -> Given {
    let given = Given::default();
    let heard = Rc::clone(&given);
    world.overhear = Some(Box::new(move |who, frame| {
        if let ToHub::Append(append) = &frame {
            heard.borrow_mut().push((who, append.clone()));
        }
        frame
    }));
    given
}

/// The last of it by somebody for a log, as a frame that carries it.
fn carried(given: &Given, by: usize, to: LogId) -> Carry {
    let given = given.borrow();
    let found = given.iter().rev().find(|(who, append)| *who == by && append.log == to);
    let (_, Append { log, envelope, .. }) = found.unwrap();
    Carry { log: *log, envelope: envelope.clone() }
}

pub(super) fn times(world: &World, who: usize, text: &str) -> usize {
    world.words(who).iter().filter(|word| *word == text).count()
}

fn says_hub(world: &mut World, who: usize, to: usize, up: bool) {
    world.hear_beside(who, to, ToPeer::Hub(Hub { up }));
}

#[test]
fn a_message_goes_the_shorter_way_at_once_and_is_shown_once() {
    let mut world = friends(1);
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    // The hub brings bob nothing for a while.
    world.devices[BOB].slow = 60_000;
    let message = world.say(ALICE, "bob", "directly");
    world.run(Millis(100));
    assert!(world.words(BOB).contains(&"directly".to_owned()));
    world.run(Millis::secs(5));
    assert_eq!(world.delivery(ALICE, message, BOB), Some(Delivery::Delivered));
    world.run(Millis::minutes(5));
    assert_eq!(world.words(BOB).iter().filter(|text| *text == "directly").count(), 1);
    assert_eq!(refusals(&world, BOB), []);
    assert_eq!(refusals(&world, ALICE), []);
}

#[test]
fn friends_go_on_talking_while_the_hub_is_gone_and_all_have_everything_when_it_is_back() {
    let mut world = friends(2);
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    world.hub_up(false);
    world.run(Millis::secs(1));
    let direct = world.say(ALICE, "bob", "still there?");
    let group = world.say(BOB, "#team", "the hub is gone");
    world.run(Millis::secs(10));
    world.say(BOB, "alice", "yes");
    world.run(Millis::secs(10));
    assert_eq!(world.delivery(ALICE, direct, BOB), Some(Delivery::Delivered));
    assert_eq!(world.delivery(BOB, group, ALICE), Some(Delivery::Delivered));
    assert_eq!(world.delivery(BOB, group, CAROL), None);
    assert!(world.words(ALICE).ends_with(&["the hub is gone".to_owned(), "yes".to_owned()]));
    world.hub_up(true);
    world.run(Millis::minutes(2));
    for who in [ALICE, BOB, CAROL, MALLORY] {
        let words = world.words(who);
        assert_eq!(words.iter().filter(|text| *text == "the hub is gone").count(), 1, "{who}");
        assert_eq!(refusals(&world, who), [], "{who}");
    }
    assert_eq!(world.delivery(BOB, group, CAROL), Some(Delivery::Delivered));
}

#[test]
fn what_was_said_in_a_group_goes_by_the_hub_while_both_reach_it() {
    let mut world = friends(3);
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    world.devices[BOB].slow = 60_000;
    world.say(ALICE, "#team", "in its place");
    world.run(Millis(500));
    assert!(!world.words(BOB).contains(&"in its place".to_owned()));
    world.run(Millis::minutes(2));
    assert!(world.words(BOB).contains(&"in its place".to_owned()));
}

#[test]
fn a_member_cut_off_from_the_hub_hears_the_group_from_one_who_is_not() {
    let mut world = friends(4);
    world.join(ALICE, BOB);
    world.disconnect(BOB);
    world.run(Millis::secs(1));
    world.say(ALICE, "#team", "can you hear me?");
    world.run(Millis::secs(5));
    assert!(world.words(BOB).contains(&"can you hear me?".to_owned()));
    let answer = world.say(BOB, "#team", "yes");
    world.run(Millis::secs(5));
    // To alice, who has a hub, it comes in its place there.
    assert_eq!(world.delivery(BOB, answer, ALICE), None);
    world.connect(BOB);
    world.run(Millis::minutes(2));
    assert_eq!(world.delivery(BOB, answer, ALICE), Some(Delivery::Delivered));
    assert_eq!(world.words(CAROL).iter().filter(|text| *text == "yes").count(), 1);
    let heard = world.words(BOB);
    assert_eq!(heard.iter().filter(|text| *text == "can you hear me?").count(), 1);
}

#[test]
fn a_connection_that_broke_loses_nothing_the_next_one_does_not_bring() {
    let mut world = friends(5);
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    world.hub_up(false);
    for n in 0..20 {
        world.say(ALICE, "bob", &format!("line {n}"));
        if n % 5 == 4 {
            world.part(ALICE, BOB);
            world.run(Millis::secs(3));
            world.join(ALICE, BOB);
        }
        world.run(Millis(40));
    }
    world.run(Millis::secs(10));
    let lines: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    assert!(world.words(BOB).ends_with(&lines), "{:?}", world.words(BOB));
    assert_eq!(world.engine(ALICE).status().undelivered, 0);
}

#[test]
fn a_device_that_starts_without_a_hub_sends_nothing_since_it_may_be_a_copy() {
    let mut world = friends(6);
    world.hub_up(false);
    world.crash(ALICE);
    world.run(Millis::secs(5));
    world.join(ALICE, BOB);
    let message = world.say(ALICE, "bob", "am I the only one?");
    world.run(Millis::minutes(1));
    assert!(!world.words(BOB).contains(&"am I the only one?".to_owned()));
    world.say(BOB, "alice", "I can speak");
    world.run(Millis::secs(5));
    assert!(world.words(ALICE).contains(&"I can speak".to_owned()));
    world.hub_up(true);
    world.run(Millis::minutes(1));
    assert_eq!(world.delivery(ALICE, message, BOB), Some(Delivery::Delivered));
}

#[test]
fn an_address_is_shown_to_whom_the_person_allows_and_never_to_one_who_is_blocked() {
    let mut world = friends(7);
    let shows = |world: &World, to: usize| world.engine(ALICE).shows_address(&world.id(to));
    let set = |world: &mut World, addresses| set(world, ALICE, addresses);
    // Alice wrote to bob; carol she knows from the group alone. Both are answered, whatever it is.
    let answers = |world: &World, to: usize| world.engine(ALICE).answers_where(&world.id(to));
    set(&mut world, Addresses::Contacts);
    assert!(shows(&world, BOB));
    assert!(answers(&world, BOB) && answers(&world, CAROL));
    set(&mut world, Addresses::Groups);
    assert!(shows(&world, BOB) && shows(&world, CAROL));
    set(&mut world, Addresses::Verified);
    assert!(!shows(&world, BOB));
    world.ask(ALICE, Command::Verify { contact: "bob".to_owned(), verified: true }).unwrap();
    assert!(shows(&world, BOB) && !shows(&world, CAROL));
    world.ask(ALICE, Command::Block { contact: "bob".to_owned() }).unwrap();
    assert!(!shows(&world, BOB) && !answers(&world, BOB));
    set(&mut world, Addresses::Never);
    world.ask(ALICE, Command::Unblock { contact: "bob".to_owned() }).unwrap();
    assert!(!shows(&world, BOB));
}

#[test]
fn what_only_ends_like_a_message_does_not_stand_in_its_way() {
    let mut world = friends(9);
    let given = overhear(&mut world);
    world.join(BOB, MALLORY);
    world.run(Millis::secs(1));
    world.devices[BOB].slow = 60_000;
    world.say(ALICE, "bob", "the real one");
    world.run(Millis(100));
    let Carry { log, envelope } = carried(&given, ALICE, LogId::Mailbox(world.id(BOB)));
    // Mallory may have it of the hub: as its beginning something else, or under another log.
    let end = &envelope[envelope.len() - 200..];
    for junk in [[&[2][..], end].concat(), [&[2; 300][..], end].concat(), end.to_vec()] {
        let carry = Carry { log, envelope: ByteBuf::from(junk) };
        world.hear_beside(MALLORY, BOB, ToPeer::Carry(carry));
    }
    let astray = Carry { log: LogId::Mailbox(world.id(MALLORY)), envelope };
    world.hear_beside(MALLORY, BOB, ToPeer::Carry(astray));
    assert_eq!(times(&world, BOB, "the real one"), 0);
    world.run(Millis::minutes(3));
    assert_eq!(times(&world, BOB, "the real one"), 1);
}

#[test]
fn a_copy_of_one_who_was_removed_does_not_stand_in_the_way_of_what_the_hub_brings() {
    let (mut world, team) = friends_in_team(10);
    let given = overhear(&mut world);
    world.disconnect(CAROL);
    world.say(BOB, "#team", "last words");
    world.run(Millis::secs(5));
    let (group, member) = ("#team".to_owned(), "bob".to_owned());
    world.ask(ALICE, Command::GroupRemove { group, member }).unwrap();
    world.run(Millis::secs(5));
    let copy = world.copy_hub();
    // The hub brings carol the removal and keeps back what came before it.
    world.tamper = Some(Box::new(|who, frame| match frame {
        FromHub::Deliver(mut deliver)
            if who == CAROL && matches!(deliver.log, LogId::Channel(_)) =>
        {
            deliver.items.retain(|item| item.kind == ItemKind::Control);
            vec![FromHub::Deliver(deliver)]
        }
        frame => vec![frame],
    }));
    world.connect(CAROL);
    world.run(Millis::secs(5));
    world.disconnect(CAROL);
    world.join(ALICE, CAROL);
    world.run(Millis::secs(1));
    let last = carried(&given, BOB, team);
    world.hear_beside(ALICE, CAROL, ToPeer::Carry(last));
    assert_eq!(world.refused(CAROL, "copy-of-removed"), 1);
    assert_eq!(times(&world, CAROL, "last words"), 0);
    world.tamper = None;
    world.put_hub_back(&copy);
    world.connect(CAROL);
    world.run(Millis::minutes(2));
    assert_eq!(times(&world, CAROL, "last words"), 1);
}

#[test]
fn what_came_before_its_key_is_shown_once_when_the_hub_brings_it_too() {
    let (mut world, team) = friends_in_team(11);
    let given = overhear(&mut world);
    world.disconnect(CAROL);
    let (group, member) = ("#team".to_owned(), "mallory".to_owned());
    world.ask(ALICE, Command::GroupRemove { group, member }).unwrap();
    world.say(ALICE, "#team", "under a new key");
    world.run(Millis::secs(5));
    world.join(BOB, CAROL);
    world.run(Millis::secs(1));
    let early = carried(&given, ALICE, team);
    for _ in 0..2 {
        world.hear_beside(BOB, CAROL, ToPeer::Carry(early.clone()));
    }
    assert_eq!(world.refused(CAROL, "carried-early"), 2);
    world.connect(CAROL);
    world.run(Millis::minutes(2));
    assert_eq!(times(&world, CAROL, "under a new key"), 1);
    assert!(world.refusals(CAROL).is_empty());
}

#[test]
fn a_group_message_is_carried_behind_its_key_also_to_one_never_spoken_with() {
    let mut world = World::new(14, &["alice", "bob", "carol"]);
    world.found(ALICE, "team", &["bob", "carol"]);
    world.run(Millis::secs(10));
    world.join(BOB, CAROL);
    world.disconnect(CAROL);
    world.run(Millis::secs(1));
    // Bob's hub is asked for what a session with carol begins with before she can be given the key.
    world.say(BOB, "#team", "one");
    world.run(Millis::secs(10));
    world.disconnect(BOB);
    world.run(Millis::secs(1));
    world.say(BOB, "#team", "two");
    world.run(Millis::secs(10));
    assert_eq!(refusals(&world, CAROL), []);
    assert_eq!(world.words(CAROL), ["one", "two"]);
    world.connect(BOB);
    world.connect(CAROL);
    world.run(Millis::minutes(2));
    assert_eq!((times(&world, CAROL, "one"), times(&world, CAROL, "two")), (1, 1));
}

#[test]
fn what_waits_is_carried_as_soon_as_the_hub_has_said_that_there_is_no_copy() {
    let mut world = friends(12);
    world.disconnect(BOB);
    world.disconnect(ALICE);
    world.crash(ALICE);
    world.run(Millis::secs(5));
    world.join(ALICE, BOB);
    world.say(ALICE, "bob", "am I the only one?");
    world.say(ALICE, "#team", "am I?");
    world.run(Millis::secs(30));
    assert_eq!(times(&world, BOB, "am I the only one?") + times(&world, BOB, "am I?"), 0);
    world.connect(ALICE);
    world.run(Millis::secs(3));
    assert_eq!((times(&world, BOB, "am I the only one?"), times(&world, BOB, "am I?")), (1, 1));
}

#[test]
fn a_commit_that_fails_while_peers_are_connected_loses_nothing_and_doubles_nothing() {
    for seed in 13..23 {
        let (mut world, up) = (friends(seed), seed % 2 == 0);
        world.join(ALICE, BOB);
        world.run(Millis::secs(1));
        world.hub_up(up);
        for n in 0..10 {
            // While the hub is away nobody could confirm a new engine of alice's.
            let who = if up && n % 2 == 0 { ALICE } else { BOB };
            world.devices[who].fails = n % 5 > 2;
            for to in ["bob", "#team"] {
                let text = format!("{to} {n}");
                world.begin(ALICE, Command::Send { to: to.to_owned(), text, id: None });
            }
            world.run(Millis(seed * 7));
        }
        world.run(Millis::secs(30));
        // What could not be committed was not said.
        let mut said = world.words(ALICE);
        said.retain(|text| text.starts_with("bob ") || text.starts_with('#'));
        assert!(said.len() >= 16, "{seed}: {said:?}");
        let count = |world: &World, who, text: &String| times(world, who, text);
        said.iter().for_each(|text| assert_eq!(count(&world, BOB, text), 1, "{seed}: {text}"));
        world.hub_up(true);
        world.run(Millis::minutes(5));
        for text in &said {
            assert_eq!(count(&world, BOB, text), 1, "{seed}: {text}");
            let team = usize::from(text.starts_with('#'));
            assert_eq!(count(&world, CAROL, text), team, "{seed}: {text}");
        }
        assert_eq!(world.engine(ALICE).status().undelivered, 0);
    }
}

#[test]
fn what_could_not_be_committed_is_heard_before_what_was_carried_behind_it() {
    for seed in 31..39 {
        let mut world = World::new(seed, &["alice", "bob", "carol"]);
        world.found(ALICE, "team", &["bob", "carol"]);
        world.run(Millis::secs(10));
        world.join(ALICE, CAROL);
        world.run(Millis::secs(1));
        // The hub brings carol nothing for a while, and she never heard of alice: that something
        // is missing before the first she hears, she could not know.
        world.devices[CAROL].slow = 60_000;
        let lines: Vec<String> = (0..4).map(|n| format!("line {n}")).collect();
        for text in &lines {
            world.begin(
                ALICE,
                Command::Send { to: "carol".to_owned(), text: text.clone(), id: None },
            );
        }
        world.devices[CAROL].fails = true;
        let before = world.now;
        while world.devices[CAROL].fails {
            world.run(Millis(1));
            assert!(world.now < before + Millis::secs(1), "{seed}: nothing is carried");
        }
        // Nor does it work the second time, or while the last of them come.
        world.devices[CAROL].fails = seed % 2 == 0;
        while world.words(CAROL).len() < lines.len() {
            world.run(Millis(1));
            assert!(lines.starts_with(&world.words(CAROL)), "{seed}: {:?}", world.words(CAROL));
            assert!(world.now < before + Millis::secs(4), "{seed}: carried anew, or not at all");
        }
        world.run(Millis::minutes(5));
        assert_eq!(world.words(CAROL), lines, "{seed}");
        assert_eq!(world.engine(ALICE).status().undelivered, 0, "{seed}");
    }
}

#[test]
fn after_the_hub_came_back_what_is_said_goes_on_going_directly() {
    let mut world = friends(24);
    world.join(ALICE, BOB);
    for n in 0..3 {
        world.crash_hub();
        world.run(Millis::secs(30));
        world.devices[BOB].slow = 60_000;
        let text = format!("line {n}");
        world.say(ALICE, "bob", &text);
        world.run(Millis(100));
        assert_eq!(times(&world, BOB, &text), 1);
        world.devices[BOB].slow = 0;
        world.run(Millis::minutes(2));
        assert_eq!(times(&world, BOB, &text), 1);
        assert_eq!(refusals(&world, BOB), []);
    }
    // And whoever meets only now is met as before.
    world.join(ALICE, CAROL);
    world.run(Millis::secs(1));
    world.devices[CAROL].slow = 60_000;
    world.say(ALICE, "carol", "hello");
    world.run(Millis(100));
    assert_eq!(times(&world, CAROL, "hello"), 1);
}

#[test]
fn whoever_shows_no_address_any_more_carries_nothing_on_a_connection_that_is_left() {
    let mut world = friends(25);
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    world.hub_up(false);
    world.say(ALICE, "bob", "here I am");
    world.run(Millis::secs(1));
    set(&mut world, ALICE, Addresses::Never);
    world.say(ALICE, "bob", "and now I hide");
    world.run(Millis::secs(1));
    says_hub(&mut world, BOB, ALICE, false);
    world.run(Millis::secs(30));
    assert_eq!((times(&world, BOB, "here I am"), times(&world, BOB, "and now I hide")), (1, 0));
    world.hub_up(true);
    world.run(Millis::minutes(1));
    assert_eq!(times(&world, BOB, "and now I hide"), 1);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_carrying() {
    let mut world = friends(26);
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    world.hub_up(false);
    world.say(BOB, "alice", "before");
    world.run(Millis::secs(12));
    // What waits was just carried, by the old clock.
    says_hub(&mut world, BOB, ALICE, false);
    world.part(ALICE, BOB);
    world.say(ALICE, "bob", "meanwhile");
    world.say(ALICE, "#team", "all of you");
    world.devices[ALICE].skew = -24 * 3_600_000;
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    world.say(ALICE, "bob", "and since");
    world.run(Millis::secs(1));
    for text in ["meanwhile", "all of you", "and since"] {
        assert_eq!(times(&world, BOB, text), 1, "{text}");
    }
}

#[test]
fn a_change_of_the_connection_loses_neither_what_was_said_of_the_hub_nor_what_was_carried() {
    let mut world = friends(27);
    world.hub_up(false);
    world.run(Millis::secs(1));
    // What bob says first, and what he writes, goes on a connection that alice does not read.
    world.join(ALICE, BOB);
    world.say(BOB, "alice", "on the old one");
    world.switch(BOB, ALICE);
    world.say(ALICE, "bob", "mail");
    world.say(ALICE, "#team", "to all");
    world.run(Millis::secs(2));
    assert_eq!((times(&world, BOB, "mail"), times(&world, BOB, "to all")), (1, 1));
    world.run(Millis::secs(12));
    assert_eq!(times(&world, ALICE, "on the old one"), 1);
    // And once more in the middle of their talk.
    world.say(BOB, "alice", "and again");
    world.switch(BOB, ALICE);
    world.run(Millis::secs(12));
    assert_eq!(times(&world, ALICE, "and again"), 1);
    world.hub_up(true);
    world.run(Millis::minutes(2));
    for (who, text) in [(ALICE, "on the old one"), (ALICE, "and again"), (BOB, "mail")] {
        assert_eq!(times(&world, who, text), 1, "{text}");
    }
}

#[test]
fn a_hub_that_dies_before_it_has_the_beacon_does_not_end_what_it_confirmed_before() {
    let mut world = friends(28);
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    // It welcomes alice, and is gone before it answers anything.
    world.tamper = Some(Box::new(|who, frame| match frame {
        FromHub::Done(_) if who == ALICE => Vec::new(),
        frame => vec![frame],
    }));
    world.crash_hub();
    world.run(Millis::secs(5));
    world.hub_up(false);
    world.say(ALICE, "bob", "still the only one");
    world.run(Millis::secs(1));
    assert_eq!(times(&world, BOB, "still the only one"), 1);
}

#[test]
fn a_hub_that_welcomes_with_what_a_copy_left_ends_it_at_once() {
    let mut world = friends(29);
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    let twin = world.twin(ALICE);
    world.disconnect(ALICE);
    world.connect(twin);
    world.run(Millis::secs(30));
    world.disconnect(twin);
    world.run(Millis::secs(1));
    world.tamper = Some(Box::new(|who, frame| match frame {
        FromHub::Done(_) if who == ALICE => Vec::new(),
        frame => vec![frame],
    }));
    world.connect(ALICE);
    world.run(Millis::secs(5));
    world.say(ALICE, "bob", "am I the only one?");
    world.run(Millis::secs(5));
    assert_eq!(times(&world, BOB, "am I the only one?"), 0);
    world.tamper = None;
    world.disconnect(ALICE);
    world.connect(ALICE);
    world.run(Millis::minutes(1));
    assert_eq!(times(&world, BOB, "am I the only one?"), 1);
}

#[test]
fn what_is_said_while_much_waits_comes_after_it_and_begins_nothing_anew() {
    let mut world = World::new(30, &["alice", "bob"]);
    for (who, to) in [(ALICE, "bob"), (BOB, "alice")] {
        world.say(who, to, "hello");
        world.run(Millis::secs(10));
    }
    world.hub_up(false);
    let say = |world: &mut World, text: String| {
        let send = Command::Send { to: "bob".to_owned(), text, id: None };
        world.begin(ALICE, send);
    };
    (0..3_000).for_each(|n| say(&mut world, format!("line {n}")));
    world.join(ALICE, BOB);
    world.run(Millis::secs(3));
    (3_000..3_010).for_each(|n| say(&mut world, format!("line {n}")));
    world.run(Millis::minutes(2));
    let lines: Vec<String> = (0..3_010).map(|n| format!("line {n}")).collect();
    assert!(world.words(BOB).ends_with(&lines));
    assert_eq!((refusals(&world, ALICE), refusals(&world, BOB)), (vec![], vec![]));
    world.hub_up(true);
    world.run(Millis::minutes(5));
    assert_eq!((refusals(&world, ALICE), refusals(&world, BOB)), (vec![], vec![]));
    assert_eq!(world.engine(ALICE).status().undelivered, 0);
}

#[test]
fn what_is_said_as_soon_as_two_are_connected_is_not_heard_before_what_waits() {
    let mut world = friends(22);
    // The hub brings bob nothing for a while.
    world.devices[BOB].slow = 60_000;
    world.say(ALICE, "bob", "older");
    world.join(ALICE, BOB);
    // Bob has not said a word on the connection.
    world.say(ALICE, "bob", "newer");
    let before = world.now;
    while times(&world, BOB, "newer") == 0 {
        world.run(Millis(1));
        let [older, newer] = ["older", "newer"].map(|text| times(&world, BOB, text));
        assert!(older >= newer, "the later was heard first");
        assert!(world.now < before + Millis::secs(1), "nothing is carried");
    }
    world.run(Millis::minutes(5));
    for text in ["older", "newer"] {
        assert_eq!(times(&world, BOB, text), 1, "{text}");
    }
    assert_eq!((refusals(&world, ALICE), refusals(&world, BOB)), (vec![], vec![]));
}

#[test]
fn what_was_said_first_is_shown_first_though_the_hub_lost_it_and_flaps() {
    let mut world = friends(21);
    world.join(ALICE, BOB);
    world.run(Millis::secs(1));
    world.hub_up(false);
    world.run(Millis::secs(1));
    world.hub_up(true);
    world.run(Millis::secs(2));
    // The hub takes the first and brings it to nobody before it loses everything.
    world.devices[ALICE].slow = 60_000;
    world.say(BOB, "#team", "ten");
    world.run(Millis(500));
    world.hub_up(false);
    world.wipe_hub();
    world.run(Millis(500));
    world.say(BOB, "#team", "twelve");
    world.run(Millis(500));
    world.hub_up(true);
    world.devices[ALICE].slow = 0;
    world.run(Millis::minutes(3));
    let words = world.words(ALICE);
    assert!(words.ends_with(&["ten".to_owned(), "twelve".to_owned()]), "{words:?}");
}
