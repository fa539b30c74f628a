//! Real nodes and a real hub in network namespaces, behind routers of all kinds.
//!
//! Needs root; without it every test says that it was skipped. `lab.rs` of the harness draws the
//! network.

// What does not work here is a failed test; a lab that cannot be is said aloud.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

mod files;
mod hiding;
mod meeting;
mod moving;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use hubbub_tests::hub::Hub;
use hubbub_tests::lab::{HUB, Lab, Router};
use hubbub_tests::person::Person;
use hubbub_tests::process::Stage;

/// How long what comes sooner or later may take.
const LONG: Duration = Duration::from_secs(60);

/// Alice behind the one router and bob behind the other, who know each other, and their hub.
struct Scene<'a> {
    hub: Hub<'a>,
    alice: Person<'a>,
    bob: Person<'a>,
    said: u32,
    /// Goes last: the processes run in it.
    lab: Lab,
}

impl<'a> Scene<'a> {
    fn set(stage: &'a Stage, name: &str, routers: [Router; 2]) -> Self {
        let lab = Lab::up(name, routers);
        let hub = Hub::at(stage, lab.place("net"), HUB);
        let alice = Person::join_in(stage, &hub, "alice", lab.place("a"));
        let bob = Person::join_in(stage, &hub, "bob", lab.place("b"));
        alice.send("@bob", "hello");
        bob.until_reads("@alice", &["hello"]);
        bob.send("@alice", "hi");
        alice.until_reads("@bob", &["hello", "hi"]);
        Self { hub, alice, bob, said: 0, lab }
    }

    /// Both nodes, and their routers, start again: nobody is connected with anybody but the hub.
    fn start_over(&mut self) {
        self.start_over_with(|lab| {
            lab.reboot("ra");
            lab.reboot("rb");
        });
    }

    /// Both nodes start again, and something happens to the network meanwhile.
    fn start_over_with(&mut self, happen: impl FnOnce(&Lab)) {
        for person in [&mut self.alice, &mut self.bob] {
            person.go_offline();
        }
        happen(&self.lab);
        for person in [&mut self.alice, &mut self.bob] {
            person.come_back();
            person.until_linked();
        }
    }

    /// How many milliseconds after a message both reach each other directly; none when they do not
    /// in time.
    fn meets(&mut self, patience: Duration) -> Option<u64> {
        self.meeting(patience).direct
    }

    /// Alice says something to bob, and both look how they reach each other.
    fn meeting(&mut self, patience: Duration) -> Meeting {
        let text = self.say();
        let Some((heard, came)) = until(LONG, || self.heard(&text)) else {
            return Meeting::default();
        };
        let since = |one: &Person<'_>, other: &str| one.path(other)?["direct_since"].as_u64();
        let direct =
            until(patience, || Some(since(&self.alice, "bob")?.max(since(&self.bob, "alice")?)));
        let direct = direct.map(|direct| direct.saturating_sub(came));
        Meeting { heard: Some(heard), direct }
    }

    /// Alice says something that she never said.
    fn say(&mut self) -> String {
        self.said += 1;
        let text = format!("meeting {}", self.said);
        self.alice.send("@bob", &text);
        text
    }

    /// How many milliseconds something of alice's was on its way to bob, and when it came.
    fn heard(&self, text: &str) -> Option<(u64, u64)> {
        let said = self.bob.messages("@alice");
        let found = said.into_iter().rev().find(|message| message["body"]["text"] == *text)?;
        let at = |when: &str| found[when].as_u64();
        let (sent, came) = (at("sent_at")?, at("received_at")?);
        Some((came.saturating_sub(sent), came))
    }
}

/// What came of a message after both had started again, in milliseconds.
#[derive(Clone, Copy, Default)]
struct Meeting {
    /// How long it was on its way, by whatever way; none when it never came.
    heard: Option<u64>,
    /// How long after it came both were connected directly; none when they were not in time.
    direct: Option<u64>,
}

/// How often something that is to be soon is tried at most.
const STARTS: usize = 3;

/// How long the shortest of a few took, or the first that is short enough: whatever else a machine
/// does may hold up any one of them, and what the product is slow at holds up each.
fn best(soon: u64, mut once: impl FnMut(usize) -> u64) -> u64 {
    let mut took = Vec::new();
    while took.len() < STARTS && took.last().is_none_or(|last| *last > soon) {
        took.push(once(took.len()));
    }
    println!("{took:?} ms, where {soon} are wanted");
    took.into_iter().min().unwrap()
}

/// What comes of looking again and again; none when nothing does in time.
fn until<T>(patience: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
    let began = std::time::Instant::now();
    while began.elapsed() < patience {
        let seen = look();
        if seen.is_some() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Whoever times something has the machine alone, as far as this process is concerned.
static MACHINE: RwLock<()> = RwLock::new(());

/// For a test that times nothing; none where there is no lab.
fn beside_others() -> Option<RwLockReadGuard<'static, ()>> {
    (!skipped()).then(|| MACHINE.read().unwrap_or_else(PoisonError::into_inner))
}

/// For a test that times something: no other runs meanwhile. None where there is no lab.
fn alone() -> Option<RwLockWriteGuard<'static, ()>> {
    (!skipped()).then(|| MACHINE.write().unwrap_or_else(PoisonError::into_inner))
}

/// Says aloud that there is no lab here.
fn skipped() -> bool {
    match hubbub_tests::lab::missing() {
        Some(why) => {
            let required = std::env::var_os("HUBBUB_NAT").is_some();
            assert!(!required, "HUBBUB_NAT is set, and {why}");
            println!("SKIPPED: {why}");
            true
        }
        None => false,
    }
}
