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

use std::time::Duration;

use hubbub_tests::hub::Hub;
use hubbub_tests::lab::{HUB, Lab, Router};
use hubbub_tests::person::Person;
use hubbub_tests::process::Stage;

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
        self.said += 1;
        let text = format!("meeting {}", self.said);
        self.alice.send("@bob", &text);
        let came = until(patience, || {
            let said = self.bob.messages("@alice");
            said.into_iter().rev().find(|m| m["body"]["text"] == *text)?["received_at"].as_u64()
        })?;
        let since = |one: &Person<'_>, other: &str| one.path(other)?["direct_since"].as_u64();
        let direct =
            until(patience, || Some(since(&self.alice, "bob")?.max(since(&self.bob, "alice")?)))?;
        Some(direct.saturating_sub(came))
    }
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
