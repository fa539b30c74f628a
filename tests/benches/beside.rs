//! What a file that the hub carries costs those who chat through it.
//!
//! All are programs as people run them, on one machine: a hub, alice and bob who talk, carol and
//! dave who exchange files; nobody shows an address, so that the hub carries all. Timed is from
//! alice's command until bob's node has shown the message, durable at her, at the hub and at him on
//! the way: with nothing else going on, and while a file goes from carol to dave as fast as the
//! machine can; then the same between carol and dave themselves.
//!
//! On two processors carol and dave take from the hub, alice and bob what they need to answer,
//! which on machines of their own they would not. So all is measured again with those two at a
//! lower priority (nice 10): what is left is what the hub makes others wait.
//!
//! `cargo bench --workspace --bench beside`; the files lie in `TMPDIR`.

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hubbub_tests::api::{Ear, ask};
use hubbub_tests::hub::Hub;
use hubbub_tests::measure::{Spread, machine};
use hubbub_tests::person::Person;
use hubbub_tests::process::{Stage, wait_until};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;
/// Large enough that all messages of a turn go out meanwhile.
const FILE: usize = 1024 * MIB;
const TURNS: usize = 8;
const MESSAGES: usize = 100;
/// Between two messages.
const PAUSE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    println!("{}; {TURNS} turns of {MESSAGES} messages\n", machine());
    let stage = Stage::new();
    let content = stage.path("content");
    write_random(&content);
    let hub = Hub::with(&stage, &["files.enabled=false"]);
    let people = Person::join_all(&stage, &hub, &["alice", "bob", "carol", "dave"]);
    let people = <[Person<'_>; 4]>::try_from(people).ok().unwrap();
    for one in &people {
        one.cli(&["settings", "addresses", "never"]).fine();
    }
    let [alice, bob, carol, dave] = &people;
    let files = Files { carol, dave, content, folder: stage.path("taken") };
    fs::create_dir(&files.folder).unwrap();
    for (one, other) in [(alice, bob), (carol, dave)] {
        one.cli(&["send", other.name(), "hello", "--wait", "delivered"]).fine();
    }
    println!(
        "| who talk | transfer | p50 ms | p99 ms | p99 ÷ idle | MiB/s |\n|---|---|---|---|---|---|"
    );
    let mut row = 0;
    for nice in ["", ", nice 10"] {
        if !nice.is_empty() {
            [carol, dave].iter().for_each(|one| yield_to_others(one.process_id()));
        }
        for (names, one, other) in [("others", alice, bob), ("the same", carol, dave)] {
            row += 1;
            compare(&format!("{names}{nice}"), &Talk { one, other, row }, &files);
        }
    }
    println!("\n{}", machine());
}

fn write_random(path: &Path) {
    let (mut rng, mut part) = (ChaCha20Rng::seed_from_u64(1), vec![0; MIB]);
    let mut file = File::create(path).unwrap();
    for _ in 0..FILE / MIB {
        rng.fill_bytes(&mut part);
        file.write_all(&part).unwrap();
    }
}

/// Lets every thread of a process wait for others.
fn yield_to_others(process: u32) {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let threads = threads.map(|thread| thread.unwrap().file_name());
    let mut command = Command::new("renice");
    command.args(["-n", "10", "-p"]).args(threads).stdout(Stdio::null());
    assert!(command.status().unwrap().success());
}

/// Two who talk.
struct Talk<'a> {
    one: &'a Person<'a>,
    other: &'a Person<'a>,
    row: usize,
}

impl Talk<'_> {
    /// What each message of a turn took, in milliseconds.
    fn turn(&self, turn: &str) -> Vec<f64> {
        let mut ear = Ear::at(&self.other.profile()).unwrap();
        let say = |n| {
            std::thread::sleep(PAUSE);
            let text = format!("{} {turn} {n}", self.row);
            let send = json!({ "to": self.other.name(), "text": text });
            let began = Instant::now();
            ask(&self.one.profile(), &json!({ "id": 1, "command": { "send": send } })).unwrap();
            ear.until_said(&text);
            began.elapsed().as_secs_f64() * 1000.0
        };
        (0..MESSAGES).map(say).collect()
    }
}

/// Two who exchange a file.
struct Files<'a> {
    carol: &'a Person<'a>,
    dave: &'a Person<'a>,
    content: PathBuf,
    folder: PathBuf,
}

impl Files<'_> {
    /// Lets a file go over while something else is done; gives MiB a second, too.
    fn meanwhile<T>(&self, work: impl FnOnce() -> T) -> (T, f64) {
        let send = json!({ "to": "dave", "path": self.content, "no_preview": true });
        let send = json!({ "id": 1, "command": { "send_file": send } });
        ask(&self.carol.profile(), &send).unwrap();
        let number = self.until("offered", |status| Some(status["file"].clone()));
        let deed = json!({ "file": number, "deed": { "accept": { "to": self.folder } } });
        let began = Instant::now();
        ask(&self.dave.profile(), &json!({ "id": 1, "command": { "file": deed } })).unwrap();
        self.until("fetching", |status| status["progress"]["bytes"].as_u64().filter(|n| *n > 0));
        let done = work();
        self.until("fetching", |_| Some(()));
        wait_until("it is whole", PATIENCE, || match &fs::read_dir(&self.folder) {
            Ok(_) if self.folder.join("content").exists() => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let rate = 1024.0 / began.elapsed().as_secs_f64();
        fs::remove_file(self.folder.join("content")).unwrap();
        (done, rate)
    }

    /// Waits for a file in this state at dave's.
    fn until<T>(&self, state: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        wait_until(state, PATIENCE, || {
            let answer = self.dave.query(json!("files")).unwrap_or_default();
            let files = answer["files"].as_array().cloned().unwrap_or_default();
            let mut status = files.iter().filter_map(|file| file.pointer("/body/status"));
            let found = status.find(|status| status["state"] == state).and_then(&look);
            found.ok_or(answer.to_string())
        })
    }
}

fn compare(names: &str, talk: &Talk<'_>, files: &Files<'_>) {
    let (mut idle, mut busy, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        idle.extend(talk.turn(&format!("idle {turn}")));
        let (took, rate) = files.meanwhile(|| talk.turn(&format!("busy {turn}")));
        busy.extend(took);
        rates.push(rate);
    }
    let bare = percentile(&mut idle, 99);
    for (transfer, all) in [("none", &mut idle), ("one", &mut busy)] {
        let (p50, p99) = (percentile(all, 50), percentile(all, 99));
        let rate = if transfer == "one" { Spread::of(rates.clone()).median } else { 0.0 };
        println!("| {names} | {transfer} | {p50:.1} | {p99:.1} | {:.1} | {rate:.0} |", p99 / bare);
    }
}

fn percentile(all: &mut [f64], percent: usize) -> f64 {
    all.sort_by(f64::total_cmp);
    all[(all.len() - 1) * percent / 100]
}
