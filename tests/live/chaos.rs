//! A storm: everybody writes to everybody while hub and nodes are taken down with `kill -9`, again
//! and again, each started again at once. In the end everything that was sent is shown everywhere,
//! exactly once, each sender's in order, and the ledger says so.
//!
//! `scripts/chaos` runs a long one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::writers::{Spoken, Writers};

const NAMES: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];
const GROUP: &str = "#team";
/// Longest time between two kills.
const CALM: u64 = 500;

/// What kind of storm.
struct Storm {
    kills: usize,
    /// Whether the hub loses its store in the middle.
    lose_store: bool,
    seed: u64,
    /// What everybody does between two messages.
    pause: Duration,
}

/// What a storm was like.
struct Weather {
    began: Instant,
    /// Times from start to ready.
    hub: Vec<Duration>,
    nodes: Vec<Duration>,
}

impl Storm {
    fn run(&self) {
        let stage = Stage::new();
        let mut hub = Hub::start(&stage);
        let mut people = Person::join_all(&stage, &hub, &NAMES);
        let founded = ["group", "new", "team"].into_iter().chain(NAMES[1..].iter().copied());
        people[0].cli(&founded.collect::<Vec<_>>()).fine();
        people.iter().for_each(until_everybody_is_in);
        let writers = Writers::start(&people, GROUP, self.pause);
        let weather = self.rage(&mut hub, &mut people);
        let spoken = writers.finish();
        let raged = weather.began.elapsed();
        until_nothing_is_under_way(&people);
        people.iter().for_each(|person| until_all_is_shown_once(person, &spoken));
        // Nothing comes a second time once everything has come.
        people.iter().for_each(|person| shows_all_once(person, &spoken).unwrap());
        nothing_went_wrong(&stage);
        weather.report(self, &spoken, raged);
    }

    /// Kills somebody after each random pause, and starts them again at once.
    fn rage(&self, hub: &mut Hub<'_>, people: &mut [Person<'_>]) -> Weather {
        let mut rng = ChaCha20Rng::seed_from_u64(self.seed);
        let mut weather = Weather { began: Instant::now(), hub: vec![], nodes: vec![] };
        for kill in 0..self.kills {
            std::thread::sleep(Duration::from_millis(rng.next_u64() % CALM));
            let victim = usize::try_from(rng.next_u64() % 8).unwrap();
            if self.lose_store && kill == self.kills / 2 {
                hub.lose_store();
            } else if let Some(person) = people.get_mut(victim) {
                person.crash();
                let killed = Instant::now();
                person.come_back();
                weather.nodes.push(killed.elapsed());
            } else {
                hub.kill9();
                let killed = Instant::now();
                hub.restart();
                weather.hub.push(killed.elapsed());
            }
        }
        weather
    }
}

impl Weather {
    fn report(mut self, storm: &Storm, spoken: &Spoken, raged: Duration) {
        let (hub, nodes) = (self.hub.len(), self.nodes.len());
        let lost = if storm.lose_store { ", the hub's store lost once" } else { "" };
        println!(
            "seed {}: {} messages in {:.0} s ({} given again for want of an answer), kills: {hub} \
             of the hub, {nodes} of nodes{lost}; all shown {:.0} s after the last kill",
            storm.seed,
            spoken.messages(),
            raged.as_secs_f64(),
            spoken.unanswered,
            (self.began.elapsed() - raged).as_secs_f64(),
        );
        for (who, times) in [("hub", &mut self.hub), ("node", &mut self.nodes)] {
            times.sort();
            let at = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100);
            let [p50, p99] = [50, 99].map(|p| at(p).map_or(0, Duration::as_millis));
            println!("{who} ready again: p50 {p50} ms, p99 {p99} ms");
        }
    }
}

fn status(person: &Person<'_>) -> Value {
    person.query(json!("status")).unwrap_or_else(|error| error)
}

fn until_everybody_is_in(person: &Person<'_>) {
    wait_until(&format!("{} counts six in {GROUP}", person.name()), PATIENCE, || {
        let group = person.conversation(GROUP).unwrap_or_default();
        let members = group.get("members").and_then(Value::as_u64);
        if members == Some(6) { Ok(()) } else { Err(format!("{group}; {}", status(person))) }
    });
}

/// Waits until every node says that all its messages are on all devices they are for.
fn until_nothing_is_under_way(people: &[Person<'_>]) {
    for person in people {
        let claim = format!("everything {} wrote is delivered", person.name());
        wait_until(&claim, PATIENCE * 2, || {
            let status = status(person);
            let left = |key| status.pointer(&format!("/status/{key}")).and_then(Value::as_u64);
            match (left("unsent"), left("undelivered")) {
                (Some(0), Some(0)) => Ok(()),
                _ => Err(status.to_string()),
            }
        });
    }
}

fn until_all_is_shown_once(person: &Person<'_>, spoken: &Spoken) {
    let claim = format!("{} sees everything exactly once", person.name());
    wait_until(&claim, PATIENCE, || shows_all_once(person, spoken));
}

/// Whether `reader` sees everything said in every conversation of theirs, each sender's in order,
/// each once, and their own as delivered.
fn shows_all_once(reader: &Person<'_>, spoken: &Spoken) -> Result<(), String> {
    for place in NAMES.iter().copied().filter(|name| *name != reader.name()).chain([GROUP]) {
        let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for said in reader.said(place) {
            if said.sender == reader.name() && said.delivery.as_deref() != Some("delivered") {
                return Err(format!("{said:?} in {place}; {}", status(reader)));
            }
            shown.entry(said.sender).or_default().push(said.text);
        }
        for sender in NAMES {
            let expected = match place {
                GROUP => spoken.words(sender, GROUP),
                peer if sender == reader.name() => spoken.words(sender, peer),
                peer if sender == peer => spoken.words(sender, reader.name()),
                _ => Vec::new(),
            };
            let seen = shown.remove(sender).unwrap_or_default();
            if seen != expected {
                let what = difference(&seen, &expected);
                let who = reader.name();
                return Err(format!("{who} of {sender} in {place}: {what}; {}", status(reader)));
            }
        }
        if !shown.is_empty() {
            return Err(format!("{} sees strangers in {place}: {shown:?}", reader.name()));
        }
    }
    Ok(())
}

/// Where two lists part ways.
fn difference(seen: &[String], expected: &[String]) -> String {
    let alike = seen.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let around = |list: &[String]| list.get(alike..list.len().min(alike + 4)).map(<[_]>::to_vec);
    let (has, wants) = (around(seen), around(expected));
    let (seen, expected) = (seen.len(), expected.len());
    format!("{seen} of {expected}, from {alike} on {has:?} instead of {wants:?}")
}

/// No process ever panicked or logged an error.
fn nothing_went_wrong(stage: &Stage) {
    for log in std::fs::read_dir(stage.path("logs")).unwrap() {
        let path = log.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let bad = text.lines().find(|line| line.contains("panicked") || line.contains("ERROR"));
        assert_eq!(bad, None, "in {}", path.display());
    }
}

#[test]
fn whoever_is_killed_nothing_is_lost_and_nothing_comes_twice() {
    let pause = Duration::from_millis(100);
    Storm { kills: 12, lose_store: false, seed: 1, pause }.run();
}

#[test]
fn a_hub_that_lost_its_store_gets_everything_again() {
    let pause = Duration::from_millis(100);
    Storm { kills: 5, lose_store: true, seed: 2, pause }.run();
}

#[test]
#[ignore = "as long as HUBBUB_CHAOS_KILLS says: scripts/chaos"]
fn a_storm_as_long_as_asked() {
    let number = |name, usual| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => usual,
    };
    let storm = Storm {
        kills: usize::try_from(number("HUBBUB_CHAOS_KILLS", 200)).unwrap(),
        lose_store: std::env::var_os("HUBBUB_CHAOS_WIPE").is_some(),
        seed: number("HUBBUB_CHAOS_SEED", 1),
        pause: Duration::from_millis(number("HUBBUB_CHAOS_PAUSE_MS", 100)),
    };
    storm.run();
}
