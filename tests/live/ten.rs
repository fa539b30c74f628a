//! Ten people as ten processes, and one hub.

use std::collections::BTreeMap;

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};

const NAMES: [&str; 10] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];
const ROOMS: [&str; 2] = ["#team", "lobby"];
/// How many messages each sends to each room.
const ROUNDS: usize = 3;

/// What somebody says in a round.
fn words(name: &str, room: &str, round: usize) -> String {
    format!("{name} says {round} in {room}")
}

fn all_speak(people: &[Person<'_>], rooms: &[&str], round: usize) {
    for person in people {
        for room in rooms {
            person.send(room, &words(person.name(), room, round));
        }
    }
}

/// Whether `reader` sees everything that was said in `room`, each sender's in order, each once.
fn reads_all_once(reader: &Person<'_>, room: &str) -> Result<(), String> {
    let mut by_sender: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for said in reader.said(room) {
        by_sender.entry(said.sender).or_default().push(said.text);
    }
    let everything = NAMES.iter().map(|name| {
        let said = (1..=ROUNDS).map(|round| words(name, room, round)).collect();
        ((*name).to_owned(), said)
    });
    let expected: BTreeMap<String, Vec<String>> = everything.collect();
    if by_sender == expected {
        return Ok(());
    }
    let off = expected.iter().filter(|(name, said)| by_sender.get(*name) != Some(said));
    let off: Vec<_> = off.map(|(name, _)| (name, by_sender.get(name))).collect();
    Err(format!("{} in {room} sees {off:?}; status {}", reader.name(), status(reader)))
}

fn status(person: &Person<'_>) -> String {
    person.query("status".into()).unwrap_or_else(|error| error).to_string()
}

fn members(person: &Person<'_>, room: &str) -> Option<u64> {
    person.conversation(room)?.get("members")?.as_u64()
}

/// Waits until everybody counts everybody in both rooms.
fn until_all_are_in(people: &[Person<'_>]) {
    for person in people {
        for room in ROOMS {
            wait_until(&format!("{} counts ten in {room}", person.name()), PATIENCE, || {
                match members(person, room) {
                    Some(10) => Ok(()),
                    other => Err(format!("{other:?}; {}", status(person))),
                }
            });
        }
    }
}

fn until_all_read_all_once(people: &[Person<'_>]) {
    for person in people {
        for room in ROOMS {
            let claim = format!("{} reads everybody exactly once in {room}", person.name());
            wait_until(&claim, PATIENCE, || reads_all_once(person, room));
        }
    }
}

/// Waits until everything `person` said in `room` is on every other device.
fn until_delivered(person: &Person<'_>, room: &str) {
    let claim = format!("everything {} said in {room} is delivered", person.name());
    wait_until(&claim, PATIENCE, || {
        let own = person.said(room).into_iter().filter(|said| said.sender == person.name());
        let late: Vec<_> =
            own.filter(|said| !["delivered", "read"].contains(&far(said).as_str())).collect();
        if late.is_empty() { Ok(()) } else { Err(format!("{late:?}; {}", status(person))) }
    });
}

fn far(said: &hubbub_tests::person::Said) -> String {
    said.delivery.clone().unwrap_or_default()
}

#[test]
fn ten_people_read_each_other_exactly_once_with_two_away_in_the_middle() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut people = Person::join_all(&stage, &hub, &NAMES);
    let founded = ["group", "new", "team"].into_iter().chain(NAMES[1..].iter().copied());
    people[0].cli(&founded.collect::<Vec<_>>()).fine();
    until_all_are_in(&people);
    all_speak(&people, &ROOMS, 1);
    // Ivan's machine dies, judy closes hers. Neither has necessarily read or sent everything.
    people[8].crash();
    people[9].go_offline();
    all_speak(&people[..8], &ROOMS, 2);
    people[0].send("ivan", "are you there?");
    people[1].send("judy", "good night");
    people[8].come_back();
    people[9].come_back();
    all_speak(&people[8..], &ROOMS, 2);
    all_speak(&people, &ROOMS, 3);
    people[8].send("alice", "I am back");
    people[2].send("dave", "just us two");
    until_all_read_all_once(&people);
    people[8].until_reads("alice", &["are you there?", "I am back"]);
    people[0].until_reads("ivan", &["are you there?", "I am back"]);
    people[9].until_reads("bob", &["good night"]);
    people[3].until_reads("carol", &["just us two"]);
    for person in &people {
        ROOMS.iter().for_each(|room| until_delivered(person, room));
    }
    until_delivered(&people[0], "ivan");
    until_delivered(&people[1], "judy");
    // Nothing comes a second time once everything has come.
    until_all_read_all_once(&people);
}
