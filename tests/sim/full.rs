//! Logs that are full: senders are told whose, wait, and go on as soon as there is room.

use hubbub_hub::relay::{LogBounds, RelayConfig};
use hubbub_node::api::view::Delivery;
use hubbub_shared::id::MessageId;
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// People on a hub whose logs hold little.
fn narrow(seed: u64) -> World {
    let few = |items| LogBounds { bytes: 1 << 20, items };
    let config = RelayConfig {
        open: true,
        mailbox: few(12),
        mailbox_share: few(8),
        channel: few(12),
        channel_share: few(12),
        ..RelayConfig::default()
    };
    World::on(config, seed, &["alice", "bob", "carol"])
}

fn say(world: &mut World, to: &str, count: usize) -> Vec<MessageId> {
    (0..count).map(|n| world.say(ALICE, to, &format!("{n} to {to}"))).collect()
}

/// What alice is told of a message that has not reached somebody.
fn told(world: &World, message: MessageId, recipient: usize) -> Option<&str> {
    let key = (message, world.id(recipient));
    world.devices[ALICE].disk.stuck.get(&key).map(String::as_str)
}

fn heard_in_order(world: &World, who: usize, to: &str, count: usize) -> bool {
    let heard: Vec<String> =
        world.words(who).into_iter().filter(|word| word.ends_with(&format!(" to {to}"))).collect();
    heard == (0..count).map(|n| format!("{n} to {to}")).collect::<Vec<_>>()
}

#[test]
fn the_sender_hears_whose_mailbox_is_full_and_goes_on_as_soon_as_there_is_room() {
    for seed in 0..8 {
        let mut world = narrow(seed);
        world.say(ALICE, "bob", "hello");
        world.run(Millis::secs(10));
        world.disconnect(BOB);
        let messages = say(&mut world, "bob", 30);
        // Long enough for pauses to have grown to an hour.
        world.run(Millis::hours(9));
        let refused: Vec<_> = messages.iter().filter_map(|m| told(&world, *m, BOB)).collect();
        assert!(refused.contains(&"bob's mailbox at the hub is full"), "seed {seed}: {refused:?}");
        assert!(refused.last().is_some_and(|why| why.contains("behind")), "seed {seed}");
        let stored = Some(Delivery::Stored);
        assert_eq!(world.delivery(ALICE, messages[0], BOB), stored, "seed {seed}");
        world.connect(BOB);
        world.run(Millis::secs(60));
        assert!(heard_in_order(&world, BOB, "bob", 30), "seed {seed}: {:?}", world.words(BOB));
        world.run(Millis::secs(10));
        assert!(messages.iter().all(|m| told(&world, *m, BOB).is_none()), "seed {seed}");
    }
}

#[test]
fn the_sender_hears_which_member_holds_a_group_back_and_the_others_miss_nothing_in_the_end() {
    for seed in 0..8 {
        let mut world = narrow(seed);
        world.found(ALICE, "team", &["bob", "carol"]);
        world.run(Millis::secs(5));
        world.say(ALICE, "#team", "hello");
        world.run(Millis::secs(10));
        world.disconnect(CAROL);
        let messages = say(&mut world, "#team", 30);
        world.run(Millis::hours(9));
        for waiting in [BOB, CAROL] {
            let refused: Vec<_> =
                messages.iter().filter_map(|m| told(&world, *m, waiting)).collect();
            let full = "carol's mailbox at the hub is full";
            assert!(refused.contains(&full), "seed {seed}: {refused:?}");
        }
        world.connect(CAROL);
        world.run(Millis::secs(60));
        for reader in [BOB, CAROL] {
            let heard = world.words(reader);
            assert!(heard_in_order(&world, reader, "#team", 30), "seed {seed}: {heard:?}");
        }
    }
}
