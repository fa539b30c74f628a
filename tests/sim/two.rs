//! Two people.

use hubbub_node::api::command::MessageText;
use hubbub_node::api::view::Delivery;
use hubbub_node::api::{Code, Command, ConversationId, Reply};
use hubbub_shared::id::MessageId;
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

#[test]
fn alice_and_bob_talk_and_the_receipts_come_back() {
    let mut world = World::new(1, &["alice", "bob"]);
    let hello = world.say(0, "bob", "hello");
    world.run(Millis::secs(1));
    world.say(1, "alice", "hi");
    world.run(Millis::secs(10));
    assert_eq!(world.words(0), ["hello", "hi"]);
    assert_eq!(world.texts(1)[0], (world.id(0), "hello".to_owned()));
    assert_eq!(world.delivery(0, hello, 1), Some(Delivery::Delivered));
    let conversation = ConversationId::Direct(world.id(0));
    world.ask(1, Command::MarkRead { conversation }).unwrap();
    world.run(Millis::secs(10));
    assert_eq!(world.delivery(0, hello, 1), Some(Delivery::Read));
}

#[test]
fn bob_away_from_before_the_first_message_gets_it_when_he_is_back() {
    let mut world = World::new(2, &["alice", "bob"]);
    world.disconnect(1);
    let message = world.say(0, "@bob", "are you there?");
    world.run(Millis::hours(30));
    assert_eq!(world.delivery(0, message, 1), Some(Delivery::Stored));
    world.connect(1);
    world.run(Millis::secs(10));
    assert_eq!(world.words(1), ["are you there?"]);
    assert_eq!(world.delivery(0, message, 1), Some(Delivery::Delivered));
}

#[test]
fn what_is_written_while_the_hub_is_away_goes_out_when_it_is_back() {
    let mut world = World::new(3, &["alice", "bob"]);
    world.say(0, "bob", "one");
    world.run(Millis::secs(5));
    world.hub_up(false);
    world.say(0, "bob", "two");
    let stranger = Command::Send { to: "carol".to_owned(), text: "x".to_owned(), id: None };
    assert_eq!(world.ask(0, stranger).unwrap_err().code, Code::HubUnreachable);
    world.run(Millis::hours(1));
    world.hub_up(true);
    world.run(Millis::secs(10));
    assert_eq!(world.words(1), ["one", "two"]);
}

#[test]
fn the_same_id_twice_is_one_message() {
    let mut world = World::new(4, &["alice", "bob"]);
    let id = Some(MessageText(MessageId([9; 16])));
    let send = Command::Send { to: "bob".to_owned(), text: "once".to_owned(), id };
    world.ask(0, send.clone()).unwrap();
    world.run(Millis::secs(10));
    world.ask(0, send).unwrap();
    world.run(Millis::secs(10));
    assert_eq!(
        (world.words(0), world.words(1)),
        (vec!["once".to_owned()], vec!["once".to_owned()])
    );
}

#[test]
fn a_hub_that_lost_its_disk_loses_no_message() {
    let mut world = World::new(5, &["alice", "bob"]);
    world.say(0, "bob", "one");
    world.run(Millis::secs(5));
    world.disconnect(1);
    let two = world.say(0, "bob", "two");
    world.run(Millis::secs(5));
    assert_eq!(world.delivery(0, two, 1), Some(Delivery::Stored));
    world.wipe_hub();
    world.connect(1);
    world.run(Millis::minutes(5));
    assert_eq!(world.words(1), ["one", "two"]);
    assert_eq!(world.delivery(0, two, 1), Some(Delivery::Delivered));
}

#[test]
fn nobody_is_found_under_a_name_nobody_has() {
    let mut world = World::new(6, &["alice"]);
    let open = Command::Open { to: "mallory".to_owned() };
    assert_eq!(world.ask(0, open).unwrap_err().code, Code::NotFound);
}

#[test]
fn a_stranger_is_heard_though_bobs_published_keys_have_gone_stale() {
    let mut world = World::new(7, &["alice", "bob"]);
    world.run(Millis(61 * Millis::hours(24).0));
    world.say(0, "bob", "hello after two months");
    world.run(Millis::secs(5));
    assert_eq!(world.words(1), ["hello after two months"]);
}

#[test]
fn a_nickname_asked_for_twice_at_once_is_granted_twice_and_shown_only_then() {
    let mut world = World::new(8, &["alice"]);
    let named = |name: &str| Command::SetNickname { nickname: name.to_owned() };
    world.begin(0, named("alicia"));
    world.begin(0, named("alicia"));
    assert_eq!(world.engine(0).whoami().nickname.as_deref(), Some("alice"));
    world.run(Millis::secs(2));
    let granted = Reply::Nickname { nickname: "alicia".to_owned() };
    assert_eq!(world.answers(0), [&Ok(granted.clone()), &Ok(granted)]);
    world.begin(0, named("a1"));
    world.begin(0, named("a2"));
    world.begin(0, named("a3"));
    world.run(Millis::secs(2));
    assert_eq!(world.answers(0).iter().filter(|answer| answer.is_err()).count(), 1);
    assert_eq!(world.engine(0).whoami().nickname.as_deref(), Some("a3"));
}

#[test]
fn a_status_reaches_contacts_met_after_it_was_set() {
    let mut world = World::new(9, &["alice", "bob", "carol"]);
    world.ask(0, Command::SetStatus { status: "away".to_owned() }).unwrap();
    world.say(0, "bob", "hello");
    world.say(2, "alice", "hi");
    world.run(Millis::secs(10));
    for who in [1, 2] {
        let contacts = world.contacts(who);
        let alice = contacts.iter().find(|contact| contact.person.name == "alice").unwrap();
        assert_eq!(alice.status, "away");
    }
    world.ask(0, Command::SetStatus { status: String::new() }).unwrap();
    world.run(Millis::secs(10));
    assert!(world.contacts(1).iter().all(|contact| contact.status.is_empty()));
}
