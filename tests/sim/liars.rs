//! A hub that lies at random, and the oracle that tells whether anybody fell for it.

use std::collections::BTreeSet;

use hubbub_node::api::view::Body;
use hubbub_node::api::{Code, Command, ConversationId};
use hubbub_shared::id::GroupId;
use hubbub_shared::time::Millis;
use hubbub_tests::liar::Hand;
use hubbub_tests::truth::Truth;
use hubbub_tests::world::World;

const SEEDS: u64 = 25;
const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
const ALL: [usize; 4] = [0, 1, 2, 3];
/// Where people talk, and who is there.
const PLACES: [(&str, &[usize]); 3] = [("#team", &[0, 1, 2]), ("#duo", &[2, 3]), ("lobby", &ALL)];

struct Chat {
    world: World,
    hub: Hand,
    truth: Truth,
    groups: Vec<(GroupId, usize)>,
    count: u32,
}

impl Chat {
    /// Four people who know each other, in two groups and the lobby, on a hub still honest.
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed, &NAMES);
        let hub = Hand::on(&mut world, seed);
        let mut groups = Vec::new();
        for (founder, name, members) in
            [(0, "team", &["bob", "carol"][..]), (2, "duo", &["dave"][..])]
        {
            let ConversationId::Group(group) = world.found(founder, name, members) else {
                panic!()
            };
            groups.push((group, members.len() + 1));
        }
        for who in ALL {
            for other in ALL.into_iter().filter(|other| *other != who) {
                world.ask(who, Command::Open { to: NAMES[other].to_owned() }).unwrap();
            }
        }
        world.run(Millis::secs(10));
        Self { world, hub, truth: Truth::default(), groups, count: 0 }
    }

    fn say(&mut self, who: usize, to: (&str, &[usize])) -> (String, Vec<usize>) {
        self.count += 1;
        let text = format!("text {}", self.count);
        self.truth.say(&mut self.world, who, to, &text);
        (text, to.1.iter().copied().filter(|reader| *reader != who).collect())
    }

    /// Somebody says something somewhere.
    fn say_something(&mut self) {
        let who = usize::try_from(self.world.below(4)).unwrap();
        let mut places: Vec<(&str, Vec<usize>)> = PLACES
            .iter()
            .filter(|(_, members)| members.contains(&who))
            .map(|(name, members)| (*name, members.to_vec()))
            .collect();
        places.extend(ALL.into_iter().filter(|o| *o != who).map(|o| (NAMES[o], vec![o])));
        let at = usize::try_from(self.world.below(places.len() as u64)).unwrap();
        let (to, readers) = places.swap_remove(at);
        self.count += 1;
        let text = format!("text {}", self.count);
        // A hub may take the lobby away, or the link; the device then says so.
        let said = self.truth.try_say(&mut self.world, who, (to, &readers), &text);
        if let Err(error) = said {
            assert!(matches!(error.code, Code::Forbidden | Code::NotFound), "{error:?}");
            assert_eq!(to, "lobby", "{error:?}");
        }
    }

    /// Once the hub is honest, everybody reaches everybody everywhere.
    fn ends_well(&mut self, seed: u64) {
        self.hub.be_honest();
        for who in ALL {
            self.world.disconnect(who);
            self.world.connect(who);
        }
        self.world.run(Millis::hours(3));
        let mut last = Vec::new();
        for who in ALL {
            for (to, members) in PLACES.into_iter().filter(|(_, all)| all.contains(&who)) {
                last.push(self.say(who, (to, members)));
            }
            for other in ALL.into_iter().filter(|other| *other != who) {
                last.push(self.say(who, (NAMES[other], &[other])));
            }
        }
        self.world.run(Millis::hours(3));
        for (text, readers) in last {
            for reader in readers {
                let shown = self.truth.is_shown(&self.world, reader, &text);
                let said = &self.truth.said[&text];
                assert!(shown, "seed {seed}: {} lacks {text:?} {said:?}", NAMES[reader]);
            }
        }
    }

    fn check(&self, seed: u64) {
        assert_eq!(self.truth.check(&self.world), Ok(()), "seed {seed}");
        for (group, members) in &self.groups {
            for who in ALL {
                let known = self.world.engine(who).members(group);
                assert!(known.len() <= *members, "seed {seed}: {} sees {known:?}", NAMES[who]);
                let mallory = self.hub.mallory();
                assert!(known.iter().all(|member| member.person.node.0 != mallory));
            }
        }
    }
}

fn day(seed: u64) -> u32 {
    let mut chat = Chat::new(seed);
    let mood = 100 + chat.world.below(400);
    chat.hub.mood(mood);
    for _ in 0..20 {
        chat.say_something();
        if chat.world.below(10) == 0 {
            let who = usize::try_from(chat.world.below(4)).unwrap();
            chat.world.crash(who);
        }
        let pause = chat.world.below(4_000);
        chat.world.run(Millis(2_500 + pause));
        chat.check(seed);
    }
    chat.ends_well(seed);
    chat.check(seed);
    chat.hub.told()
}

fn days(from: u64) {
    let told: u32 = (from..from + SEEDS).map(day).sum();
    assert!(told > 20 * u32::try_from(SEEDS).unwrap(), "only {told} lies were told");
}

#[test]
fn no_mix_of_lies_makes_anybody_show_what_was_not_said() {
    days(0);
}

#[test]
fn no_other_mix_of_lies_does() {
    days(SEEDS);
}

#[test]
fn nor_does_yet_another() {
    days(2 * SEEDS);
}

#[test]
fn nor_do_the_last_ones() {
    days(3 * SEEDS);
}

/// A chat in which all is well, to be spoilt.
fn told_truly() -> Chat {
    let mut chat = Chat::new(7);
    chat.say(0, ("#team", &[0, 1, 2]));
    chat.say(0, ("bob", &[1]));
    chat.world.run(Millis::secs(30));
    chat.check(7);
    assert!(chat.truth.is_shown(&chat.world, 1, "text 1"));
    assert!(chat.truth.is_shown(&chat.world, 1, "text 2"));
    chat
}

fn wrong(chat: &Chat) -> String {
    chat.truth.check(&chat.world).unwrap_err()
}

#[test]
fn the_oracle_notices_a_text_nobody_said() {
    let mut chat = told_truly();
    chat.truth.said.remove("text 1");
    assert!(wrong(&chat).ends_with("was never said"));
}

#[test]
fn the_oracle_notices_a_text_under_another_name_place_or_reader() {
    let mut chat = told_truly();
    let genuine = chat.truth.clone();
    chat.truth.said.get_mut("text 1").unwrap().sender = 2;
    assert!(wrong(&chat).ends_with("was said by somebody else"));
    chat.truth = genuine.clone();
    chat.truth.said.get_mut("text 1").unwrap().place = ConversationId::Group(chat.groups[1].0);
    assert!(wrong(&chat).ends_with("was said elsewhere"));
    chat.truth = genuine;
    chat.truth.said.get_mut("text 1").unwrap().readers = BTreeSet::new();
    assert!(wrong(&chat).ends_with("was not for this one"));
}

#[test]
fn the_oracle_notices_what_is_shown_or_announced_twice() {
    let mut chat = told_truly();
    let lines = &mut chat.world.devices[1].disk.history;
    let at = lines.iter().position(|line| matches!(line.body, Body::Text(_))).unwrap();
    let again = lines[at].clone();
    lines.push(again);
    assert!(wrong(&chat).ends_with("is shown twice"));
    chat.world.devices[1].disk.history.pop();
    let again = chat.world.devices[1].shown[0];
    chat.world.devices[1].shown.push(again);
    assert!(wrong(&chat).ends_with("was announced twice"));
}
