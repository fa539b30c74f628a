//! Copies of a profile: whatever is restored or started twice, no key seals two things, everybody
//! is told, and the chat goes on.

use std::collections::BTreeSet;

use hubbub_node::api::view::Delivery;
use hubbub_node::api::{Code, Command};
use hubbub_shared::time::Millis;
use hubbub_tests::keywatch::KeyWatch;
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Alice, bob and carol in a group; everybody has spoken there, and alice with bob.
fn acquainted(seed: u64) -> (World, KeyWatch) {
    let mut world = World::new(seed, &["alice", "bob", "carol"]);
    let watch = KeyWatch::on(&mut world);
    world.found(ALICE, "team", &["bob", "carol"]);
    world.run(Millis::secs(5));
    for (who, to) in [(ALICE, "#team"), (BOB, "#team"), (CAROL, "#team"), (ALICE, "bob")] {
        let text = format!("hello of {who} to {to}");
        world.say(who, to, &text);
        world.run(Millis::secs(5));
    }
    world.say(BOB, "alice", "hi");
    world.run(Millis::secs(10));
    (world, watch)
}

/// Each of these says something to the group and alice and bob to each other, and all of it is
/// everywhere, once and delivered.
fn all_goes_on(world: &mut World, alice: usize, mark: &str) {
    let mut said = Vec::new();
    for who in [alice, BOB, CAROL] {
        said.push((who, world.say(who, "#team", &format!("{mark} of {who}")), [alice, BOB, CAROL]));
    }
    said.push((alice, world.say(alice, "bob", &format!("{mark} to bob")), [alice, BOB, BOB]));
    said.push((BOB, world.say(BOB, "alice", &format!("{mark} to alice")), [BOB, alice, alice]));
    world.run(Millis::minutes(10));
    for (who, message, readers) in said {
        for reader in readers.into_iter().filter(|reader| *reader != who) {
            let lines = world.devices[reader].disk.history.iter();
            assert_eq!(lines.filter(|line| line.id == message).count(), 1, "{mark} {who}");
            let delivery = world.delivery(who, message, reader);
            assert_eq!(delivery, Some(Delivery::Delivered), "{mark} of {who} at {reader}");
        }
    }
    for who in [alice, BOB, CAROL] {
        let words = world.words(who);
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len(), "{words:?}");
    }
}

fn warned(world: &World, who: usize) -> usize {
    world.devices[who].warnings.iter().filter(|reason| *reason == "new-era").count()
}

#[test]
fn a_device_that_goes_on_from_where_it_was_begins_no_new_era() {
    let (mut world, watch) = acquainted(1);
    world.crash(ALICE);
    world.run(Millis::secs(10));
    world.disconnect(BOB);
    world.connect(BOB);
    world.crash_hub();
    world.run(Millis::secs(10));
    all_goes_on(&mut world, ALICE, "as ever");
    assert!((0..3).all(|who| warned(&world, who) == 0));
    assert_eq!(watch.reused(), [""; 0]);
}

#[test]
fn a_restored_profile_begins_a_new_era_and_is_told_what_it_missed() {
    for seed in 0..8 {
        let (mut world, watch) = acquainted(seed);
        let copy = world.devices[ALICE].disk.clone();
        world.say(ALICE, "#team", "after the copy");
        world.say(ALICE, "bob", "after the copy, to bob");
        world.say(BOB, "#team", "missed in the group");
        world.say(BOB, "alice", "missed between the two");
        world.run(Millis::secs(30));
        world.restore(ALICE, copy);
        world.run(Millis::minutes(5));
        assert_eq!(warned(&world, ALICE), 1, "seed {seed}");
        let words = world.words(ALICE);
        assert!(words.contains(&"missed in the group".to_owned()), "seed {seed}: {words:?}");
        assert!(words.contains(&"missed between the two".to_owned()), "seed {seed}: {words:?}");
        all_goes_on(&mut world, ALICE, "anew");
        assert!(world.words(BOB).contains(&"after the copy, to bob".to_owned()));
        assert_eq!(watch.reused(), [""; 0], "seed {seed}");
        assert!(watch.count() > 20);
    }
}

#[test]
fn a_restored_profile_that_only_read_since_is_noticed_too() {
    let (mut world, watch) = acquainted(9);
    let copy = world.devices[CAROL].disk.clone();
    let (group, member) = ("club".to_owned(), "carol".to_owned());
    world.found(ALICE, "club", &["bob"]);
    world.ask(ALICE, Command::GroupInvite { group, member }).unwrap();
    world.run(Millis(500));
    world.restore(CAROL, copy);
    world.run(Millis::minutes(5));
    assert_eq!(warned(&world, CAROL), 1);
    let said = world.say(ALICE, "#club", "welcome");
    world.run(Millis::minutes(5));
    assert_eq!(world.delivery(ALICE, said, CAROL), Some(Delivery::Delivered));
    assert_eq!(watch.reused(), [""; 0]);
}

#[test]
fn a_profile_from_before_its_owner_left_a_group_learns_that_it_is_out() {
    for seed in 0..8 {
        let (mut world, watch) = acquainted(seed);
        let copy = world.devices[BOB].disk.clone();
        world.ask(BOB, Command::GroupLeave { group: "team".to_owned() }).unwrap();
        world.run(Millis::secs(10));
        world.disconnect(BOB);
        world.restore(BOB, copy);
        world.run(Millis::secs(1));
        let late = world.say(BOB, "#team", "am I still here?");
        world.connect(BOB);
        world.run(Millis::minutes(5));
        let stuck = &world.devices[BOB].disk.stuck;
        let told = [ALICE, CAROL].map(|reader| stuck.contains_key(&(late, world.id(reader))));
        assert_eq!(told, [true, true], "seed {seed}");
        assert_eq!(world.engine(BOB).status().unsent, 0, "seed {seed}");
        let send = Command::Send { to: "#team".to_owned(), text: "still?".to_owned(), id: None };
        assert_eq!(world.ask(BOB, send).unwrap_err().code, Code::Forbidden, "seed {seed}");
        assert_eq!(watch.reused(), [""; 0], "seed {seed}");
    }
}

#[test]
fn what_a_copy_had_queued_arrives_once_though_the_original_sent_it_too() {
    for seed in 0..8 {
        let (mut world, watch) = acquainted(seed);
        world.disconnect(ALICE);
        world.say(ALICE, "#team", "queued");
        world.say(ALICE, "bob", "queued, to bob");
        let twin = world.twin(ALICE);
        world.connect(ALICE);
        world.run(Millis::secs(30));
        world.disconnect(ALICE);
        world.connect(twin);
        world.run(Millis::minutes(2));
        assert_eq!((warned(&world, ALICE), warned(&world, twin)), (0, 1), "seed {seed}");
        all_goes_on(&mut world, twin, "anew");
        let once = |who, text: &str| world.words(who).iter().filter(|w| *w == text).count();
        assert_eq!((once(BOB, "queued"), once(CAROL, "queued")), (1, 1), "seed {seed}");
        assert_eq!(once(BOB, "queued, to bob"), 1, "seed {seed}");
        assert_eq!(watch.reused(), [""; 0], "seed {seed}");
    }
}

#[test]
fn a_profile_started_twice_never_uses_a_key_twice() {
    for seed in 0..8 {
        let (mut world, watch) = acquainted(seed);
        let twin = world.twin(ALICE);
        for round in 0..3 {
            for (one, other) in [(ALICE, twin), (twin, ALICE)] {
                world.say(one, "#team", &format!("while away {round} {one}"));
                world.say(one, "bob", &format!("while away to bob {round} {one}"));
                world.disconnect(other);
                world.connect(one);
                world.run(Millis::minutes(2));
                all_goes_on(&mut world, one, &format!("{round} {one}"));
            }
        }
        assert!(warned(&world, ALICE) >= 2 && warned(&world, twin) >= 3, "seed {seed}");
        assert_eq!(watch.reused(), [""; 0], "seed {seed}");
    }
}

#[test]
fn after_the_hub_lost_everything_all_begin_anew_and_nothing_is_lost() {
    for seed in 0..8 {
        let (mut world, watch) = acquainted(seed);
        world.disconnect(CAROL);
        world.say(ALICE, "#team", "for carol too");
        world.say(BOB, "#team", "and this");
        world.run(Millis::secs(30));
        world.wipe_hub();
        world.connect(CAROL);
        world.run(Millis::minutes(5));
        all_goes_on(&mut world, ALICE, "on the new disk");
        let words = world.words(CAROL);
        assert!(words.contains(&"for carol too".to_owned()), "seed {seed}: {words:?}");
        assert!(words.contains(&"and this".to_owned()), "seed {seed}: {words:?}");
        assert_eq!(watch.reused(), [""; 0], "seed {seed}");
    }
}

#[test]
fn what_is_sealed_anew_is_not_for_who_came_after_it_was_written() {
    for seed in 0..8 {
        let mut world = World::new(seed, &["alice", "bob", "carol"]);
        world.found(ALICE, "team", &["bob"]);
        world.run(Millis::secs(5));
        world.say(ALICE, "#team", "hello");
        world.run(Millis::secs(10));
        world.disconnect(BOB);
        let early = world.say(ALICE, "#team", "before carol");
        world.run(Millis::secs(5));
        let (group, member) = ("team".to_owned(), "carol".to_owned());
        world.ask(ALICE, Command::GroupInvite { group, member }).unwrap();
        world.run(Millis::secs(10));
        world.wipe_hub();
        world.connect(BOB);
        world.run(Millis::minutes(10));
        assert_eq!(world.delivery(ALICE, early, BOB), Some(Delivery::Delivered), "seed {seed}");
        assert!(world.words(BOB).contains(&"before carol".to_owned()), "seed {seed}");
        assert_eq!(world.words(CAROL), [""; 0], "seed {seed}");
        world.say(ALICE, "#team", "with carol");
        world.run(Millis::minutes(1));
        assert_eq!(world.words(CAROL), ["with carol"], "seed {seed}");
    }
}
