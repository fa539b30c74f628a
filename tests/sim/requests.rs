//! Strangers: what they say waits until a person lets them in, and until then nothing tells them
//! that anybody is there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hubbub_node::api::people::Wanted;
use hubbub_node::api::view::Delivery;
use hubbub_node::api::{Code, Command, ConversationId, Reply, Strangers};
use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::from_hub::ItemKind;
use hubbub_shared::wire::{FromHub, LogId, ToHub};
use hubbub_tests::liar::{Hand, Lie};
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Alice lets nobody in unasked.
fn reserved(seed: u64, names: &[&'static str]) -> World {
    let mut world = World::new(seed, names);
    world.devices[ALICE].settings.strangers = Strangers::Ask;
    world.crash(ALICE);
    world.run(Millis::secs(10));
    world
}

/// What alice's device says: how many envelopes to whose mailbox, and whose names it asks for.
#[derive(Default)]
struct Said {
    mail: BTreeMap<NodeId, u32>,
    names: Vec<NodeId>,
}

fn overhear(world: &mut World) -> Rc<RefCell<Said>> {
    let said = Rc::new(RefCell::new(Said::default()));
    let heard = Rc::clone(&said);
    world.overhear = Some(Box::new(move |who, frame| {
        match &frame {
            ToHub::Append(append) if who == ALICE => {
                if let LogId::Mailbox(node) = append.log {
                    *heard.borrow_mut().mail.entry(node).or_default() += 1;
                }
            }
            ToHub::WhoIs(who_is) if who == ALICE => heard.borrow_mut().names.push(who_is.node),
            _ => {}
        }
        frame
    }));
    said
}

fn accept(world: &mut World, who: &str) -> Reply {
    world.ask(ALICE, Command::Accept { request: who.to_owned() }).unwrap()
}

fn decline(world: &mut World, who: &str) {
    world.ask(ALICE, Command::Decline { request: who.to_owned() }).unwrap();
}

fn wanted(world: &World) -> Vec<Wanted> {
    world.engine(ALICE).requests().into_iter().map(|request| request.wants).collect()
}

#[test]
fn a_strangers_messages_wait_unseen_and_untold_until_alice_lets_them_in() {
    let mut world = reserved(1, &["alice", "bob"]);
    let said = overhear(&mut world);
    let bob = world.id(BOB);
    world.ask(BOB, Command::SetStatus { status: "around".to_owned() }).unwrap();
    world.ask(ALICE, Command::SetStatus { status: "at home".to_owned() }).unwrap();
    let first = world.say(BOB, "alice", "hello, you do not know me");
    let second = world.say(BOB, "alice", "anybody there?");
    world.run(Millis::hours(30));
    assert_eq!(wanted(&world), [Wanted::Talk("hello, you do not know me".to_owned())]);
    let request = world.engine(ALICE).requests().remove(0);
    assert_eq!((request.from.node.0, request.from.name.as_str()), (bob, "bob"));
    assert!(world.words(ALICE).is_empty());
    let direct = ConversationId::Direct(bob);
    assert!(world.devices[ALICE].shown.iter().all(|key| key.conversation != direct));
    assert!(world.contacts(ALICE).is_empty());
    assert_eq!(world.delivery(BOB, first, ALICE), Some(Delivery::Stored));
    assert_eq!(said.borrow().mail.get(&bob), None, "bob was told something");
    assert!(world.contacts(BOB)[0].status.is_empty());

    let let_in = Reply::Conversation { conversation: direct };
    assert_eq!(accept(&mut world, "bob"), let_in);
    world.run(Millis::minutes(10));
    assert_eq!(world.words(ALICE), ["hello, you do not know me", "anybody there?"]);
    for message in [first, second] {
        assert_eq!(world.delivery(BOB, message, ALICE), Some(Delivery::Delivered));
    }
    let status = |who: usize| world.contacts(who)[0].status.clone();
    assert_eq!((status(ALICE).as_str(), status(BOB).as_str()), ("around", "at home"));
    world.say(BOB, "alice", "thank you");
    world.say(ALICE, "bob", "welcome");
    world.run(Millis::minutes(1));
    assert_eq!(world.words(ALICE).len(), 4);
    assert!(world.refusals(ALICE).is_empty() && world.engine(ALICE).requests().is_empty());
}

#[test]
fn who_is_declined_is_not_told_and_asks_in_vain_unless_alice_writes() {
    let mut world = reserved(2, &["alice", "bob"]);
    let said = overhear(&mut world);
    let bob = world.id(BOB);
    world.say(BOB, "alice", "buy this");
    world.run(Millis::secs(10));
    decline(&mut world, "bob");
    let later = world.say(BOB, "alice", "really, buy this");
    world.run(Millis::days(10));
    assert!(world.words(ALICE).is_empty() && wanted(&world).is_empty());
    assert_eq!(said.borrow().mail.get(&bob), None);
    assert_eq!(world.delivery(BOB, later, ALICE), Some(Delivery::Stored));
    let none = world.ask(ALICE, Command::Accept { request: "bob".to_owned() });
    assert_eq!(none.unwrap_err().code, Code::NotFound);
    world.say(ALICE, "bob", "on second thought");
    world.run(Millis::hours(2));
    world.say(BOB, "alice", "here it is");
    world.run(Millis::hours(2));
    assert!(world.words(ALICE).contains(&"here it is".to_owned()));
    assert!(world.words(BOB).contains(&"on second thought".to_owned()));
}

#[test]
fn after_thirty_days_a_declined_stranger_may_ask_once_more() {
    let mut world = reserved(3, &["alice", "bob"]);
    world.say(BOB, "alice", "one");
    world.run(Millis::secs(10));
    decline(&mut world, "bob");
    world.run(Millis::days(31));
    world.say(BOB, "alice", "two");
    world.run(Millis::secs(10));
    assert_eq!(wanted(&world), [Wanted::Talk("two".to_owned())]);
}

#[test]
fn writing_first_makes_a_contact_and_hears_what_was_waiting() {
    let mut world = reserved(4, &["alice", "bob"]);
    world.say(BOB, "alice", "are you alice of the tea club?");
    world.run(Millis::secs(10));
    world.say(ALICE, "bob", "who asks?");
    world.run(Millis::secs(10));
    assert_eq!(world.words(ALICE), ["are you alice of the tea club?", "who asks?"]);
    assert!(wanted(&world).is_empty());
    let answer = world.say(BOB, "alice", "bob");
    world.run(Millis::secs(10));
    assert_eq!(world.delivery(BOB, answer, ALICE), Some(Delivery::Delivered));
}

#[test]
fn what_there_was_no_room_for_comes_again_once_alice_lets_them_in() {
    let mut world = reserved(5, &["alice", "bob"]);
    let texts: Vec<String> = (0..50).map(|number| format!("number {number}")).collect();
    let said: Vec<MessageId> = texts.iter().map(|text| world.say(BOB, "alice", text)).collect();
    world.run(Millis::secs(20));
    assert!(world.refused(ALICE, "request-full") > 0);
    accept(&mut world, "bob");
    world.run(Millis::minutes(30));
    assert_eq!(world.words(ALICE), texts);
    for message in said {
        assert_eq!(world.delivery(BOB, message, ALICE), Some(Delivery::Delivered));
    }
}

#[test]
fn a_strangers_first_message_that_a_hub_lost_comes_again_and_asks() {
    let mut world = reserved(6, &["alice", "bob"]);
    let hub = Hand::on(&mut world, 6);
    hub.lie(ALICE, Lie::Drop, 1);
    let message = world.say(BOB, "alice", "may I come in?");
    world.run(Millis::hours(8));
    assert_eq!(hub.told(), 1);
    assert_eq!(wanted(&world), [Wanted::Talk("may I come in?".to_owned())]);
    accept(&mut world, "bob");
    world.run(Millis::minutes(10));
    assert_eq!(world.words(ALICE), ["may I come in?"]);
    assert_eq!(world.delivery(BOB, message, ALICE), Some(Delivery::Delivered));
}

/// Crashes at any step: a request is never lost, never doubled, never half accepted.
#[test]
fn requests_survive_crashes_at_any_step() {
    for seed in 100..120 {
        let mut world = reserved(seed, &["alice", "bob", "carol"]);
        world.crashes = 1_500;
        let mut said = Vec::new();
        for number in 0..4 {
            for who in [BOB, CAROL] {
                let text = format!("{number} of {who}");
                said.push((who, send(&mut world, who, &text), text));
            }
        }
        world.run(Millis::minutes(30));
        let ids: Vec<String> = [BOB, CAROL]
            .iter()
            .map(|who| ConversationId::Direct(world.id(*who)).to_string())
            .collect();
        assert!(world.words(ALICE).is_empty(), "seed {seed}");
        for id in ids {
            // As a person would: until it is gone from the list.
            for _ in 0..40 {
                world.begin(ALICE, Command::Accept { request: id.clone() });
                world.run(Millis::secs(5));
            }
        }
        world.crashes = 0;
        world.run(Millis::hours(3));
        assert!(wanted(&world).is_empty(), "seed {seed}");
        for (who, message, text) in said {
            let shown = world.words(ALICE).iter().filter(|word| **word == text).count();
            assert_eq!(shown, 1, "seed {seed}: {text}");
            let delivery = world.delivery(who, message, ALICE);
            assert_eq!(delivery, Some(Delivery::Delivered), "seed {seed}: {text}");
        }
    }
}

/// Sends until the device has it, as a script would.
fn send(world: &mut World, who: usize, text: &str) -> MessageId {
    use hubbub_node::api::command::MessageText;
    let id = MessageId(*hubbub_shared::crypto::blake3(text.as_bytes()).0.first_chunk().unwrap());
    for _ in 0..40 {
        let (to, text) = ("alice".to_owned(), text.to_owned());
        world.begin(who, Command::Send { to, text, id: Some(MessageText(id)) });
        world.run(Millis::secs(1));
        if world.devices[who].disk.history.iter().any(|line| line.id == id) {
            return id;
        }
    }
    panic!("{who} cannot send {text}")
}

// --- Groups ---

fn members(world: &World, who: usize, group: ConversationId) -> usize {
    let ConversationId::Group(group) = group else { panic!() };
    world.engine(who).members(&group).len()
}

fn is_in(world: &World, group: ConversationId) -> bool {
    world.engine(ALICE).conversations().iter().any(|facts| facts.id == group)
}

#[test]
fn a_strangers_group_is_entered_only_when_alice_says_so() {
    let mut world = reserved(20, &["alice", "bob", "carol"]);
    let said = overhear(&mut world);
    let group = world.found(BOB, "tea", &["alice"]);
    world.run(Millis::secs(10));
    let text = world.say(BOB, "#tea", "alice, are you coming?");
    world.run(Millis::hours(2));
    assert_eq!(wanted(&world), [Wanted::Join("tea".to_owned())]);
    assert!(!is_in(&world, group) && world.words(ALICE).is_empty());
    assert!(world.contacts(ALICE).is_empty());
    assert_eq!(said.borrow().mail.get(&world.id(BOB)), None);
    assert_eq!(world.delivery(BOB, text, ALICE), Some(Delivery::Stored));
    assert_eq!(accept(&mut world, "#tea"), Reply::Conversation { conversation: group });
    world.run(Millis::minutes(10));
    assert!(is_in(&world, group) && wanted(&world).is_empty());
    assert_eq!(world.words(ALICE), ["alice, are you coming?"]);
    assert_eq!(world.delivery(BOB, text, ALICE), Some(Delivery::Delivered));
}

#[test]
fn a_group_turned_down_is_left_and_forgotten() {
    let mut world = reserved(21, &["alice", "bob", "carol"]);
    let group = world.found(BOB, "tea", &["alice", "carol"]);
    world.run(Millis::secs(10));
    assert_eq!(members(&world, CAROL, group), 3);
    decline(&mut world, &group.to_string());
    world.run(Millis::minutes(1));
    assert_eq!(members(&world, CAROL, group), 2);
    assert!(!is_in(&world, group) && wanted(&world).is_empty());
    world.say(BOB, "#tea", "without alice, then");
    world.run(Millis::minutes(1));
    assert!(world.words(ALICE).is_empty());
    assert!(world.words(CAROL).contains(&"without alice, then".to_owned()));
    let again = Command::GroupInvite { group: "tea".to_owned(), member: "alice".to_owned() };
    world.ask(BOB, again).unwrap();
    world.run(Millis::minutes(1));
    assert!(wanted(&world).is_empty(), "who has declined is not asked again so soon");
}

#[test]
fn a_contacts_group_asks_nobody() {
    let mut world = reserved(22, &["alice", "bob"]);
    world.ask(ALICE, Command::Open { to: "bob".to_owned() }).unwrap();
    let group = world.found(BOB, "tea", &["alice"]);
    world.run(Millis::secs(10));
    assert!(is_in(&world, group) && wanted(&world).is_empty());
}

#[test]
fn of_strangers_only_the_names_of_those_who_ask_are_looked_up() {
    let mut world = reserved(23, &["alice"]);
    // Not in the lobby yet when alice's device looked: it cannot know them from there.
    let (bob, carol) = (world.add_unheard("bob"), world.add_unheard("carol"));
    world.disconnect(ALICE);
    world.run(Millis::secs(5));
    let known: Vec<NodeId> = [bob, carol].map(|who| world.id(who)).to_vec();
    let said = overhear(&mut world);
    // Only what is sent to alice herself comes through, nothing of the lobby.
    let only_mail = |frame: FromHub| match frame {
        FromHub::Deliver(deliver) if matches!(deliver.log, LogId::Channel(_)) => {
            let entries = deliver.items.iter().filter(|item| item.kind == ItemKind::Control);
            assert!(entries.count() < 100);
            Vec::new()
        }
        other => vec![other],
    };
    world.tamper = Some(Box::new(move |who, frame| match who {
        ALICE => only_mail(frame),
        _ => vec![frame],
    }));
    world.connect(ALICE);
    world.run(Millis::secs(30));
    said.borrow_mut().names.clear();
    world.say(bob, "alice", "hello");
    world.run(Millis::secs(30));
    let asked = said.borrow().names.clone();
    assert!(asked.iter().all(|node| *node == known[0]), "{asked:?}");
    assert_eq!(world.engine(ALICE).requests()[0].from.name, "bob");
}
