//! Blocking: nothing of somebody is heard, and nothing tells them.

use std::cell::Cell;
use std::rc::Rc;

use hubbub_node::api::view::{Body, Delivery};
use hubbub_node::api::{Code, Command, ConversationId, Strangers};
use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::{LogId, ToHub};
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

fn block(world: &mut World, whom: &str) {
    world.ask(ALICE, Command::Block { contact: whom.to_owned() }).unwrap();
}

fn unblock(world: &mut World, whom: &str) {
    world.ask(ALICE, Command::Unblock { contact: whom.to_owned() }).unwrap();
}

/// How many envelopes alice's device has put into a mailbox since.
fn mail_to(world: &mut World, node: NodeId) -> Rc<Cell<u32>> {
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    world.overhear = Some(Box::new(move |who, frame| {
        if let (ALICE, ToHub::Append(append)) = (who, &frame)
            && append.log == LogId::Mailbox(node)
        {
            counted.set(counted.get() + 1);
        }
        frame
    }));
    count
}

/// Alice and bob have talked.
fn acquainted(seed: u64, names: &[&'static str]) -> World {
    let mut world = World::new(seed, names);
    world.say(ALICE, "bob", "hello");
    world.run(Millis::secs(10));
    world.say(BOB, "alice", "hi");
    world.run(Millis::secs(10));
    world
}

fn delivery(world: &World, message: MessageId) -> Option<Delivery> {
    world.delivery(BOB, message, ALICE)
}

fn missing_lines(world: &World) -> usize {
    let lines = world.devices[ALICE].disk.history.iter();
    lines.filter(|line| line.body == Body::Missing).count()
}

#[test]
fn to_one_who_is_blocked_alice_is_as_one_who_is_away() {
    let mut world = acquainted(1, &["alice", "bob", "carol"]);
    let bob = world.id(BOB);
    block(&mut world, "bob");
    let mail = mail_to(&mut world, bob);
    let said: Vec<MessageId> =
        (0..5).map(|number| world.say(BOB, "alice", &format!("swallowed {number}"))).collect();
    world.ask(ALICE, Command::SetStatus { status: "free".to_owned() }).unwrap();
    world.ask(ALICE, Command::MarkRead { conversation: ConversationId::Direct(bob) }).unwrap();
    world.crash(ALICE);
    world.run(Millis::secs(10));
    world.say(BOB, "alice", "swallowed again");
    world.run(Millis::hours(40));
    assert_eq!(mail.get(), 0, "bob was told something");
    assert!(said.iter().all(|message| delivery(&world, *message) == Some(Delivery::Stored)));
    assert_eq!(world.words(ALICE), ["hello", "hi"]);
    assert_eq!(missing_lines(&world), 0);
    assert!(world.contacts(BOB)[0].status.is_empty());
    let send = Command::Send { to: "bob".to_owned(), text: "and yet".to_owned(), id: None };
    let refused = world.ask(ALICE, send).unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    assert_eq!(refused.what, "you blocked bob; unblock first");
    for command in [
        Command::GroupNew { name: "team".to_owned(), members: vec!["bob".to_owned()] },
        Command::GroupInvite { group: "lobby".to_owned(), member: "bob".to_owned() },
    ] {
        assert_eq!(world.ask(ALICE, command).unwrap_err().code, Code::Forbidden);
    }
    let blocked: Vec<String> = world.engine(ALICE).blocked().into_iter().map(|p| p.name).collect();
    assert_eq!(blocked, ["bob"]);
}

#[test]
fn after_the_block_is_lifted_later_messages_show_and_swallowed_ones_stay_so() {
    let mut world = acquainted(2, &["alice", "bob"]);
    block(&mut world, "bob");
    let swallowed = world.say(BOB, "alice", "swallowed");
    world.run(Millis::hours(3));
    unblock(&mut world, "bob");
    let later = world.say(BOB, "alice", "later");
    world.run(Millis::hours(30));
    assert_eq!(world.words(ALICE), ["hello", "hi", "later"]);
    assert_eq!(missing_lines(&world), 0);
    // As if alice had been away and had come back.
    assert_eq!(delivery(&world, swallowed), Some(Delivery::Delivered));
    assert_eq!(delivery(&world, later), Some(Delivery::Delivered));
    world.say(ALICE, "bob", "hello again");
    world.run(Millis::secs(10));
    assert!(world.words(BOB).contains(&"hello again".to_owned()));
    // What bob says again by himself, under the same or another count, stays swallowed, too.
    world.start_over(BOB);
    world.run(Millis::hours(3));
    assert!(!world.words(ALICE).contains(&"swallowed".to_owned()));
}

#[test]
fn in_a_group_one_who_is_blocked_is_heard_by_all_but_alice_and_does_not_know() {
    let mut world = World::new(3, &["alice", "bob", "carol"]);
    let team = world.found(CAROL, "team", &["alice", "bob"]);
    world.run(Millis::secs(10));
    block(&mut world, "bob");
    let said = world.say(BOB, "#team", "swallowed");
    let carols = world.say(CAROL, "#team", "shown");
    world.run(Millis::minutes(1));
    world.ask(ALICE, Command::MarkRead { conversation: team }).unwrap();
    world.run(Millis::minutes(5));
    assert_eq!((world.words(ALICE), world.words(CAROL).len()), (vec!["shown".to_owned()], 2));
    assert_eq!(delivery(&world, said), Some(Delivery::Delivered), "acknowledged, and not as read");
    assert_eq!(world.delivery(CAROL, carols, ALICE), Some(Delivery::Read));
    assert_eq!(missing_lines(&world), 0);
    assert!(world.refusals(ALICE).is_empty());
    let mine = world.say(ALICE, "#team", "from alice");
    world.run(Millis::minutes(1));
    assert!(world.words(BOB).contains(&"from alice".to_owned()));
    assert_eq!(world.delivery(ALICE, mine, BOB), Some(Delivery::Delivered));
    unblock(&mut world, "bob");
    world.say(BOB, "#team", "later");
    world.run(Millis::hours(3));
    assert_eq!(world.words(ALICE), ["shown", "from alice", "later"]);
}

#[test]
fn a_gap_in_what_a_blocked_member_says_is_filled_and_not_shown() {
    let mut world = World::new(4, &["alice", "bob", "carol"]);
    world.found(CAROL, "team", &["alice", "bob"]);
    world.run(Millis::secs(10));
    world.say(BOB, "#team", "one");
    world.run(Millis::secs(10));
    block(&mut world, "bob");
    let hub = hubbub_tests::liar::Hand::on(&mut world, 4);
    hub.lie(ALICE, hubbub_tests::liar::Lie::Drop, 1);
    let lost = world.say(BOB, "#team", "two");
    world.run(Millis::secs(5));
    world.say(BOB, "#team", "three");
    world.run(Millis::minutes(30));
    assert_eq!(hub.told(), 1);
    assert_eq!(world.words(ALICE), ["one"]);
    assert_eq!((missing_lines(&world), delivery(&world, lost)), (0, Some(Delivery::Delivered)));
}

#[test]
fn a_blocked_ones_groups_and_requests_are_ignored() {
    let mut world = World::new(5, &["alice", "bob"]);
    world.devices[ALICE].settings.strangers = Strangers::Ask;
    world.crash(ALICE);
    world.run(Millis::secs(5));
    world.say(BOB, "alice", "let me in");
    let tea = world.found(BOB, "tea", &["alice"]);
    world.run(Millis::secs(10));
    assert_eq!(world.engine(ALICE).requests().len(), 2);
    block(&mut world, "bob");
    assert!(world.engine(ALICE).requests().is_empty());
    world.say(BOB, "alice", "let me in!");
    let more = world.found(BOB, "more", &["alice"]);
    world.run(Millis::hours(2));
    assert!(world.engine(ALICE).requests().is_empty() && world.words(ALICE).is_empty());
    let here = world.engine(ALICE).conversations();
    assert!(here.iter().all(|facts| facts.id != tea && facts.id != more));
    unblock(&mut world, "bob");
    world.say(BOB, "alice", "sorry");
    world.run(Millis::secs(10));
    assert_eq!(world.engine(ALICE).requests().len(), 1);
}

#[test]
fn one_who_is_blocked_and_begins_anew_hears_nothing_and_can_be_unblocked() {
    let mut world = acquainted(6, &["alice", "bob"]);
    let bob = world.id(BOB);
    block(&mut world, "bob");
    let mail = mail_to(&mut world, bob);
    world.start_over(BOB);
    world.run(Millis::secs(10));
    world.ask(BOB, Command::SetNickname { nickname: "bob".to_owned() }).unwrap();
    world.say(BOB, "alice", "it is me, on a new disk");
    world.run(Millis::hours(5));
    world.start_over(ALICE);
    world.run(Millis::secs(10));
    assert_eq!(mail.get(), 0);
    // She has lost what she knew, her blocks among it.
    world.say(BOB, "alice", "and now?");
    world.run(Millis::hours(2));
    assert!(world.words(ALICE).contains(&"and now?".to_owned()));
}

#[test]
fn what_was_under_way_to_one_who_is_blocked_is_not_sent_again() {
    let mut world = acquainted(7, &["alice", "bob"]);
    world.disconnect(ALICE);
    let mine = world.say(ALICE, "bob", "I take that back");
    block(&mut world, "bob");
    world.connect(ALICE);
    world.run(Millis::hours(30));
    assert!(!world.words(BOB).contains(&"I take that back".to_owned()));
    assert!(world.devices[ALICE].disk.stuck.contains_key(&(mine, world.id(BOB))));
    assert_eq!(world.engine(ALICE).status().unsent, 0);
}

#[test]
fn a_new_era_tells_one_who_is_blocked_nothing_of_the_direct_conversation() {
    let mut world = acquainted(8, &["alice", "bob"]);
    let bob = world.id(BOB);
    block(&mut world, "bob");
    world.run(Millis::secs(5));
    let copy = world.devices[ALICE].disk.clone();
    world.disconnect(ALICE);
    world.connect(ALICE);
    world.run(Millis::minutes(1));
    let mail = mail_to(&mut world, bob);
    world.restore(ALICE, copy);
    world.run(Millis::hours(3));
    assert!(world.devices[ALICE].warnings.contains(&"new-era".to_owned()));
    let told = mail.get();
    assert!(told <= 1, "at most a new session, since they share the lobby");
    let said = world.say(BOB, "alice", "still there?");
    world.run(Millis::hours(30));
    assert_eq!((mail.get(), delivery(&world, said)), (told, Some(Delivery::Stored)));
    unblock(&mut world, "bob");
    world.say(BOB, "alice", "at last");
    world.run(Millis::hours(3));
    assert!(world.words(ALICE).contains(&"at last".to_owned()));
}
