//! A hub whose operator put back a copy of its store: it has forgotten what came since the copy was
//! made, and gives the same numbers again.

use hubbub_node::api::view::Delivery;
use hubbub_shared::id::MessageId;
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Everything said so far, and by whom.
#[derive(Default)]
struct Spoken(Vec<(usize, MessageId, String)>);

impl Spoken {
    /// Alice says something to the group, bob to alice, and carol to the group.
    fn go_on(&mut self, world: &mut World, when: &str) {
        for n in 0..6 {
            for (who, to) in [(ALICE, "#team"), (BOB, "alice"), (CAROL, "#team")] {
                let text = format!("{when}: {n} of {who} to {to}");
                self.0.push((who, world.say(who, to, &text), text));
            }
        }
    }

    /// All of it is on every device it is for, once, and its authors know.
    fn is_everywhere_once(&self, world: &World, seed: u64) {
        for (who, id, text) in &self.0 {
            for other in [ALICE, BOB, CAROL] {
                let direct = text.ends_with("to alice");
                let expected = usize::from(!direct || other == ALICE || other == *who);
                let there = world.words(other).iter().filter(|word| *word == text).count();
                assert_eq!(there, expected, "seed {seed}: {text:?} at {other}");
                if expected == 1 && other != *who {
                    let delivery = world.delivery(*who, *id, other);
                    assert_eq!(delivery, Some(Delivery::Delivered), "seed {seed}: {text:?}");
                }
            }
        }
        for device in &world.devices {
            let mut shown = device.shown.clone();
            shown.sort();
            shown.dedup();
            assert_eq!(shown.len(), device.shown.len(), "seed {seed}: {} saw double", device.name);
        }
    }
}

#[test]
fn a_hub_put_back_to_an_earlier_state_loses_nothing_and_shows_nothing_twice() {
    for seed in 0..20 {
        let mut world = World::new(seed, &["alice", "bob", "carol"]);
        world.found(ALICE, "team", &["bob", "carol"]);
        world.run(Millis::secs(5));
        let mut spoken = Spoken::default();
        spoken.go_on(&mut world, "before the copy");
        world.run(Millis::secs(10));
        let copy = world.copy_hub();
        world.run(Millis::secs(10));
        spoken.go_on(&mut world, "since");
        world.run(Millis::secs(10));
        // What carol has not fetched is lost with the hub's newer state.
        world.disconnect(CAROL);
        world.say(ALICE, "carol", "are you there?");
        spoken.go_on(&mut world, "while carol was away");
        world.run(Millis::secs(10));
        world.put_hub_back(&copy);
        spoken.go_on(&mut world, "put back");
        world.connect(CAROL);
        world.run(Millis::secs(30));
        spoken.go_on(&mut world, "after");
        world.run(Millis::secs(30));
        spoken.is_everywhere_once(&world, seed);
        assert!(world.words(CAROL).contains(&"are you there?".to_owned()), "seed {seed}");
    }
}
