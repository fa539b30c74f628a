//! Random days: whatever crashes whenever, nothing is lost and nothing is shown twice.

use std::collections::BTreeSet;

use hubbub_node::api::Command;
use hubbub_node::api::command::MessageText;
use hubbub_node::api::view::Delivery;
use hubbub_shared::id::MessageId;
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

/// Days lived by each of the four tests below; they run side by side.
const DAYS: u64 = 50;

/// One random day of three people in a group and in pairs.
fn day(seed: u64) {
    let mut world = World::new(seed, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    for (who, to) in [(0, "bob"), (1, "carol"), (2, "alice")] {
        world.ask(who, Command::Open { to: to.to_owned() }).unwrap();
    }
    world.run(Millis::secs(5));
    world.delay = 1 + world.below(3_000);
    world.crashes = world.below(400);
    let mut said: Vec<(usize, MessageId)> = Vec::new();
    for number in 0..20u8 {
        let who = usize::try_from(world.below(3)).unwrap();
        let id = MessageId([number + 1; 16]);
        let peer = (who + 1) % 3;
        let to = if world.below(3) == 0 { world.devices[peer].name } else { "#team" };
        send(&mut world, who, to, id);
        said.push((who, id));
        match world.below(12) {
            0 => world.crash_hub(),
            1 => world.crash(who),
            2 => world.disconnect(peer),
            3 => (0..3).for_each(|who| world.connect(who)),
            _ => {}
        }
        let pause = world.below(5_000);
        world.run(Millis(pause));
    }
    world.crashes = 0;
    (0..3).for_each(|who| world.connect(who));
    world.run(Millis::hours(2));
    check(&world, seed, &said);
}

/// Sends until the device has said that it is queued, as a script would.
fn send(world: &mut World, who: usize, to: &str, id: MessageId) {
    for _ in 0..20 {
        let known = world.devices[who].disk.history.iter().any(|line| line.id == id);
        if known {
            return;
        }
        let (to, text) = (to.to_owned(), format!("{id:?}"));
        world.begin(who, Command::Send { to, text, id: Some(MessageText(id)) });
        world.run(Millis(500));
    }
    panic!("{who} could not send {id:?} to {to}: {:?}", world.answers(who));
}

fn check(world: &World, seed: u64, said: &[(usize, MessageId)]) {
    for (who, id) in said {
        let line = world.devices[*who].disk.history.iter().find(|line| line.id == *id).unwrap();
        for recipient in &line.recipients {
            let other = (0..3).find(|other| world.id(*other) == *recipient).unwrap();
            let there = world.devices[other].disk.history.iter().filter(|line| line.id == *id);
            assert_eq!(there.count(), 1, "seed {seed}: {id:?} of {who} at {other}");
            let delivery = world.delivery(*who, *id, other);
            assert_eq!(delivery, Some(Delivery::Delivered), "seed {seed}: {id:?} at {other}");
        }
    }
    for device in &world.devices {
        let shown: BTreeSet<_> = device.shown.iter().collect();
        assert_eq!(shown.len(), device.shown.len(), "seed {seed}: {} saw double", device.name);
    }
}

#[test]
fn a_crash_at_any_step_loses_nothing_and_shows_nothing_twice() {
    (0..DAYS).for_each(day);
}

#[test]
fn nothing_is_lost_or_doubled_on_other_days() {
    (1_000..1_000 + DAYS).for_each(day);
}

#[test]
fn nothing_is_lost_or_doubled_on_yet_other_days() {
    (2_000..2_000 + DAYS).for_each(day);
}

#[test]
fn nothing_is_lost_or_doubled_on_the_last_days() {
    (3_000..3_000 + DAYS).for_each(day);
}
