//! Files among many: what the hub carries, and what more than one source is worth.
//!
//! The short forms run always; the long ones by `--ignored`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hubbub_tests::hub::Hub;
use hubbub_tests::lab::{HUB, Lab};
use hubbub_tests::person::Person;
use hubbub_tests::process::{Stage, wait_until};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;

use crate::{alone, beside_others};

const MIB: usize = 1024 * 1024;
/// Thirty-six pairs may have to meet on two processors.
const PATIENCE: Duration = Duration::from_secs(90);
/// For all of a long file.
const LONG: Duration = Duration::from_secs(900);

/// Alice and others in one group, each on a machine of their own, who show each other where they
/// are.
struct Crowd<'a> {
    people: Vec<Person<'a>>,
    folder: PathBuf,
    /// Goes last: the processes run in it.
    lab: Lab,
}

impl<'a> Crowd<'a> {
    fn gather(stage: &'a Stage, prefix: &str, others: u8) -> (Hub<'a>, Self) {
        let lab = Lab::crowd(prefix, others + 1);
        let hub = Hub::at(stage, lab.place("hub"), HUB);
        let join = |n: u8| {
            let name = if n == 1 { "alice".to_owned() } else { format!("friend{n}") };
            let person = Person::join_in(stage, &hub, &name, lab.place(&format!("m{n}")));
            person.cli(&["settings", "addresses", "groups"]).fine();
            person
        };
        let people: Vec<_> = (1..=others + 1).map(join).collect();
        let founded: Vec<_> = ["group", "new", "team"].map(str::to_owned).into_iter().collect();
        let names = people.iter().skip(1).map(|person| person.name().to_owned());
        people[0].cli(&founded.into_iter().chain(names).collect::<Vec<_>>()).fine();
        for person in &people[1..] {
            wait_until("all are in", PATIENCE, || {
                person.conversation("#team").ok_or(String::new())
            });
        }
        let folder = stage.path("landed");
        std::fs::create_dir_all(&folder).unwrap();
        (hub, Self { people, folder, lab })
    }

    /// Everybody talks until each reaches each directly.
    fn meet(&self) {
        for (n, person) in self.people.iter().enumerate() {
            person.send("#team", &format!("hello from {n}"));
        }
        for person in &self.people {
            wait_until("all are direct", PATIENCE, || {
                let direct = person.paths().iter().filter(|path| path["path"] == "direct").count();
                if direct + 1 == self.people.len() { Ok(()) } else { Err(direct.to_string()) }
            });
        }
    }

    /// Somebody wants the newest file.
    fn accept(&self, who: usize) {
        let person = &self.people[who];
        let file = wait_until("it is offered", PATIENCE, || newest(person, "offered"));
        let folder = self.folder(who);
        std::fs::create_dir_all(&folder).unwrap();
        let number = file["body"]["status"]["file"].to_string();
        person.cli(&["file", "accept", &number, "--to", folder.to_str().unwrap()]).fine();
    }

    fn folder(&self, who: usize) -> PathBuf {
        self.folder.join(who.to_string())
    }

    /// Waits until it is there, and has the right bytes.
    fn until_whole(&self, who: usize, content: &Path) {
        wait_until("it is whole", LONG, || newest(&self.people[who], "whole"));
        let landed = self.folder(who).join(content.file_name().unwrap());
        assert!(std::fs::read(landed).unwrap() == std::fs::read(content).unwrap());
    }
}

/// The newest file somebody knows, when it is in this state.
fn newest(person: &Person<'_>, state: &str) -> Result<Value, String> {
    let files = person.cli(&["file", "list"]).fine().json();
    let newest = files.first().cloned().unwrap_or_default();
    if newest["body"]["status"]["state"] == state { Ok(newest) } else { Err(newest.to_string()) }
}

fn content(stage: &Stage, bytes: usize) -> PathBuf {
    let path = stage.path("content.bin");
    let mut content = vec![0; bytes];
    ChaCha20Rng::seed_from_u64(7).fill_bytes(&mut content);
    std::fs::write(&path, content).unwrap();
    path
}

fn offer(person: &Person<'_>, content: &Path) {
    person.cli(&["file", "send", content.to_str().unwrap(), "#team", "--wait"]).fine();
}

/// Eight want what alice has; all reach each other directly. How often the hub carried it, each
/// way.
fn swarm(prefix: &str, bytes: usize) -> [f64; 2] {
    let stage = Stage::new();
    let (_hub, crowd) = Crowd::gather(&stage, prefix, 8);
    crowd.meet();
    let content = content(&stage, bytes);
    let (before, began) = (crowd.lab.passed("hub"), Instant::now());
    offer(&crowd.people[0], &content);
    (1..=8).for_each(|who| crowd.accept(who));
    (1..=8).for_each(|who| crowd.until_whole(who, &content));
    let (after, took) = (crowd.lab.passed("hub"), began.elapsed());
    #[allow(clippy::cast_precision_loss)] // some GiB
    let times = |n: usize| (after[n] - before[n]) as f64 / bytes as f64;
    let carried = [times(0), times(1)];
    println!(
        "eight of {} MiB in {took:.1?}: to the hub {:.3} times the file, from it {:.3}",
        bytes / MIB,
        carried[0],
        carried[1]
    );
    carried
}

/// How much sooner a file is there from two sources whose lines are slow than from one of them, and
/// what part of it the less busy of the two gave.
fn two_sources(prefix: &str, bytes: usize, rate: &str) -> (f64, f64) {
    let stage = Stage::new();
    let (_hub, crowd) = Crowd::gather(&stage, prefix, 2);
    crowd.meet();
    let content = content(&stage, bytes);
    offer(&crowd.people[0], &content);
    // It is left at the hub first, so that alice's line is for friends alone.
    wait_until("the hub keeps it", PATIENCE, || {
        let file = newest(&crowd.people[0], "serving")?;
        let kept = file["body"]["status"]["kept_until"].as_u64();
        kept.ok_or_else(|| file.to_string())
    });
    let (mut took, mut gave) = ([0.0; 2], [0.0; 2]);
    for (n, took) in took.iter_mut().enumerate() {
        crowd.people[n].cli(&["file", "limit", rate]).fine();
        let (before, began) = (["m1", "m2"].map(|m| crowd.lab.passed(m)[1]), Instant::now());
        crowd.accept(n + 1);
        crowd.until_whole(n + 1, &content);
        *took = began.elapsed().as_secs_f64();
        let after = ["m1", "m2"].map(|m| crowd.lab.passed(m)[1]);
        #[allow(clippy::cast_precision_loss)] // some MiB
        let part = |at: usize| (after[at] - before[at]) as f64 / bytes as f64;
        gave = [part(0), part(1)];
    }
    println!(
        "{} MiB at {rate} a source: {:.2} s from one, {:.2} s from two, who gave {:.2} and {:.2}",
        bytes / MIB,
        took[0],
        took[1],
        gave[0],
        gave[1]
    );
    (took[0] / took[1], gave[0].min(gave[1]))
}

#[test]
fn eight_who_are_connected_directly_do_not_make_the_hub_carry_a_file_for_each_of_them() {
    let Some(_turn) = beside_others() else { return };
    let carried = swarm("swarm", 5 * MIB);
    // Once is for the copy that it keeps; eight times is what there would be without each other.
    // What a connection costs that breaks on a slow machine is much of a small file.
    assert!(carried.iter().all(|times| *times <= 2.0), "{carried:?}");
}

#[test]
fn two_slow_sources_both_give_a_good_part() {
    let Some(_turn) = beside_others() else { return };
    let (_, least) = two_sources("two", 16 * MIB, "1M");
    assert!(least >= 0.25, "{least}");
}

#[test]
#[ignore = "it takes the machine for itself"]
fn two_slow_sources_are_worth_more_than_one() {
    let Some(_turn) = alone() else { return };
    let (worth, _) = two_sources("worth", 64 * MIB, "4M");
    assert!(worth >= 1.7, "{worth}");
}

#[test]
#[ignore = "it takes the machine for itself"]
fn eight_of_a_large_file_make_the_hub_carry_it_hardly_more_than_once() {
    let Some(_turn) = alone() else { return };
    let carried = swarm("large", 200 * MIB);
    assert!(carried.iter().all(|times| *times <= 1.1), "{carried:?}");
}
