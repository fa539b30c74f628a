//! Many members: what is said does not wait for keys, and coming in at once works.

use std::cell::RefCell;
use std::rc::Rc;

use hubbub_node::api::{Command, ConversationId, Reply};
use hubbub_shared::id::NodeId;
use hubbub_shared::time::Millis;
use hubbub_shared::wire::from_hub::Refused;
use hubbub_shared::wire::{FromHub, LogId, Refusal, RefusalCode, ToHub};
use hubbub_tests::world::World;

const MEMBERS: usize = 70;
/// Of them, added by the founder; the others come by one link.
const ADDED: usize = 30;
const FOUNDER: usize = 0;
const REMOVED: usize = MEMBERS - 1;

/// Frames to the hub: a speaker's appends to mailboxes before the first one to a channel, and
/// everybody's entries of logs.
#[derive(Default)]
struct Overheard {
    speaker: usize,
    keys_before_message: usize,
    message_left: bool,
    entries: usize,
}

type Ear = Rc<RefCell<Overheard>>;

fn hall() -> (World, Ear) {
    let names: Vec<&str> = (0..MEMBERS).map(|n| &*String::leak(format!("person{n}"))).collect();
    let mut world = World::new(1, &names);
    let ear = Ear::default();
    let heard = ear.clone();
    world.overhear = Some(Box::new(move |who, frame| {
        let mut heard = heard.borrow_mut();
        match &frame {
            ToHub::Append(body) if matches!(body.log, LogId::Channel(_)) => {
                heard.message_left = true;
            }
            ToHub::Append(_) if who == heard.speaker && !heard.message_left => {
                heard.keys_before_message += 1;
            }
            ToHub::AppendControl(_) => heard.entries += 1,
            _ => {}
        }
        frame
    }));
    world.found(FOUNDER, "hall", &names[1..ADDED]);
    world.run(Millis::secs(30));
    (world, ear)
}

fn members_at(world: &World, who: usize) -> u32 {
    let engine = world.engine(who);
    let Ok(group) = engine.resolve_group("hall") else { return 0 };
    engine.conversation_facts(ConversationId::Group(group)).map_or(0, |facts| facts.members)
}

/// Has everybody left over come in by one link, all at the same moment.
fn storm(world: &mut World, ear: &Ear) {
    let (group, uses) = ("#hall".to_owned(), u16::try_from(MEMBERS - ADDED).unwrap());
    let expires_in_ms = Millis::hours(1).0;
    let command = Command::GroupLink { group, uses, expires_in_ms };
    let Ok(Reply::Link { link }) = world.ask(FOUNDER, command) else { panic!("no link") };
    ear.borrow_mut().entries = 0;
    for who in ADDED..MEMBERS {
        world.begin(who, Command::GroupJoin { link: link.clone() });
    }
    world.run(Millis::minutes(1));
    for who in 0..MEMBERS {
        assert_eq!(members_at(world, who), 70, "{who}");
    }
    let tries = ear.borrow().entries;
    assert!(tries < 10 * (MEMBERS - ADDED), "{tries} entries were proposed");
}

/// Says something, and gives how many of the speaker's keys were at the hub before it.
fn say(world: &mut World, ear: &Ear, (who, text): (usize, &str)) -> usize {
    *ear.borrow_mut() = Overheard { speaker: who, ..Overheard::default() };
    world.say(who, "#hall", text);
    while !ear.borrow().message_left {
        world.run(Millis(1));
    }
    ear.borrow().keys_before_message
}

fn have(world: &World, text: &str) -> Vec<usize> {
    (0..MEMBERS).filter(|who| world.words(*who).iter().any(|word| word == text)).collect()
}

#[test]
fn seventy_members_come_in_at_once_and_nobody_waits_for_seventy_keys() {
    let (mut world, ear) = hall();
    storm(&mut world, &ear);
    world.run(Millis::minutes(3));

    // A member who has no session with most others, and the founder, who has one with many.
    for (who, text) in [(ADDED, "hello from the door"), (FOUNDER, "welcome, all of you")] {
        assert_eq!(say(&mut world, &ear, (who, text)), 0, "keys left before {text:?}");
        let spreading = world.engine(who).status().spreading;
        assert_eq!((spreading.len(), spreading[0].of), (1, 69), "{spreading:?}");
        assert!((1..=69).contains(&spreading[0].left), "{spreading:?}");
        world.run(Millis::secs(20));
        assert_eq!(have(&world, text), (0..MEMBERS).collect::<Vec<_>>());
        assert_eq!(world.engine(who).status().spreading, []);
    }

    let (group, member) = ("#hall".to_owned(), format!("person{REMOVED}"));
    world.ask(FOUNDER, Command::GroupRemove { group, member }).unwrap();
    world.run(Millis::secs(5));
    for (who, text) in [(FOUNDER, "among ourselves"), (1, "quite")] {
        // One that was asked for just then may be on its way; the others do not go first.
        let before = say(&mut world, &ear, (who, text));
        assert!(before <= 2, "{before} keys left before {text:?}");
        world.run(Millis::secs(20));
        assert_eq!(have(&world, text), (0..REMOVED).collect::<Vec<_>>());
    }
    for who in 0..MEMBERS {
        assert_eq!(world.refusals(who), [""; 0], "{who}");
    }
}

/// Answers questions for the bundles of some with a refusal, as often as `times` says.
fn refuse_bundles(world: &mut World, of: Vec<NodeId>, (refusal, mut times): (Refusal, usize)) {
    world.tamper = Some(Box::new(move |_, frame| match frame {
        FromHub::Bundle(bundle) if of.contains(&bundle.node) && times > 0 => {
            times -= 1;
            vec![FromHub::Refused(Refused { req: bundle.req, refusal: refusal.clone() })]
        }
        other => vec![other],
    }));
}

#[test]
fn members_whose_keys_are_not_to_be_had_hold_up_nobody_else() {
    let names: Vec<&str> = (0..20).map(|n| &*String::leak(format!("person{n}"))).collect();
    let mut world = World::new(2, &names);
    // As many as are asked for at once, and the first in every order.
    let mut others: Vec<usize> = (1..20).collect();
    others.sort_by_key(|who| world.id(*who));
    let (silent, heard) = others.split_at(16);
    let of = silent.iter().map(|who| world.id(*who)).collect();
    refuse_bundles(&mut world, of, (RefusalCode::NoPrekeys.plain(), usize::MAX));
    let others: Vec<&str> = others.iter().map(|who| names[*who]).collect();
    world.found(FOUNDER, "hall", &others);
    world.say(FOUNDER, "hall", "who is there?");
    world.run(Millis::secs(10));
    for who in heard {
        assert_eq!(world.words(*who), ["who is there?"], "{who}");
    }
}

#[test]
fn keys_the_hub_asks_patience_for_are_asked_for_again_when_it_is_over() {
    let mut world = World::new(3, &["alice", "bob"]);
    let (about, bob) = (None, world.id(1));
    let retry_after = Some(Millis(200));
    let busy = Refusal { code: RefusalCode::TooFast, about, retry_after };
    refuse_bundles(&mut world, vec![bob], (busy, 3));
    let message = world.say(0, "bob", "hello");
    world.run(Millis::secs(2));
    assert_eq!(world.words(1), ["hello"]);
    assert!(world.devices[0].disk.stuck.is_empty(), "{message:?} was called stuck");
}
