//! Devices that hear that their hub is no longer sure of them.

use hubbub_node::api::{Command, ConversationId};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::from_hub::{Bye, Refused};
use hubbub_shared::wire::{FromHub, Refusal, RefusalCode};
use hubbub_tests::world::World;

use super::direct::times;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// The hub has no time just now.
fn later() -> Refusal {
    Refusal { retry_after: Some(Millis::secs(4)), ..RefusalCode::TooFast.plain() }
}

#[test]
fn a_group_message_whose_key_was_sealed_without_the_hubs_word_is_carried_before_later_ones() {
    let mut world = World::new(14, &["alice", "bob", "carol"]);
    let team = world.found(ALICE, "team", &["bob", "carol"]);
    assert!(matches!(team, ConversationId::Group(_)));
    world.run(Millis::secs(10));
    world.join(BOB, CAROL);
    world.disconnect(CAROL);
    world.run(Millis::secs(1));
    // In the place of what a session with carol begins with, bob hears that a copy is at work.
    let replaced = Bye { code: RefusalCode::Replaced };
    world.tamper = Some(Box::new(move |who, frame| match frame {
        FromHub::Bundle(_) if who == BOB => vec![FromHub::Bye(replaced.clone())],
        frame => vec![frame],
    }));
    world.say(BOB, "#team", "one");
    world.run(Millis::secs(2));
    world.disconnect(BOB);
    // He gets it on the next link, before the hub has time to give its word.
    world.tamper = Some(Box::new(|who, frame| match frame {
        FromHub::Done(done) if who == BOB => {
            let (req, refusal) = (done.req, later());
            vec![FromHub::Refused(Refused { req, refusal })]
        }
        frame => vec![frame],
    }));
    world.connect(BOB);
    world.run(Millis::secs(3));
    world.say(BOB, "#team", "two");
    world.run(Millis::secs(1));
    assert_eq!(world.words(CAROL), Vec::<String>::new());
    world.tamper = None;
    world.run(Millis::secs(10));
    assert_eq!(world.words(CAROL), ["one", "two"]);
    assert_eq!(world.engine(CAROL).status().refused, []);
    world
        .ask(BOB, Command::Send { to: "#team".to_owned(), text: "three".to_owned(), id: None })
        .unwrap();
    world.connect(CAROL);
    world.run(Millis::minutes(2));
    for text in ["one", "two", "three"] {
        assert_eq!(times(&world, CAROL, text), 1, "{text}");
    }
}
