//! Logs that are full: their senders are told whose, and nothing is lost.

use std::time::{Duration, Instant};

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};
use serde_json::Value;

/// A message that was refused is tried again after half a minute by itself: what comes sooner came
/// because there was room.
const SOON: Duration = Duration::from_secs(25);
/// More messages of [`fill`] than a log of a MiB has room for.
const ROOM: usize = (1 << 20) / 16_000;

/// Why a message has not reached somebody.
fn why(sender: &Person<'_>, message: &str, recipient: &str) -> Option<String> {
    let info = sender.cli(&["message", "info", message]).fine().json();
    let lines = info[0]["message_info"]["recipients"].as_array().unwrap().clone();
    let theirs = lines.into_iter().find(|line| line["person"]["name"] == recipient)?;
    theirs["stuck"].as_str().map(str::to_owned)
}

/// Waits until the sender knows whose log is full; gives what was said until then.
fn fill(sender: &Person<'_>, to: &str, holder: &str) -> Vec<String> {
    let (mut words, mut ids) = (Vec::new(), Vec::new());
    let words_of = |n: usize| format!("{n} {}", "x".repeat(16_000));
    for n in 0..80 {
        words.push(words_of(n));
        ids.push(sender.send(to, &words_of(n)));
    }
    let full = format!("{holder}'s mailbox at the hub is full");
    wait_until(&format!("{} hears that {full}", sender.name()), PATIENCE, || {
        let told: Vec<_> = ids.iter().filter_map(|id| why(sender, id, holder)).collect();
        if told.contains(&full) { Ok(()) } else { Err(format!("{told:?}")) }
    });
    // All that wait say so: refused as well, or behind one that was.
    assert!(why(sender, ids.last().unwrap(), holder).is_some());
    words
}

fn undelivered(person: &Person<'_>) -> Value {
    person.query("status".into()).unwrap_or_default()
}

#[test]
fn the_sender_is_told_whose_mailbox_is_full_and_all_goes_out_once_there_is_room() {
    let stage = Stage::new();
    let hub = Hub::with(&stage, &["limits.mailbox_mib=1"]);
    let alice = Person::join(&stage, &hub, "alice");
    let mut bob = Person::join(&stage, &hub, "bob");
    alice.send("bob", "hello");
    bob.until_reads("@alice", &["hello"]);
    bob.go_offline();
    let said = fill(&alice, "bob", "bob");
    let (home, end) = (alice.home().to_string_lossy().into_owned(), alice.send("bob", "end"));
    // It waits behind those that were refused, and for moments it is one of those that are tried.
    wait_until("it is told in words what the last one waits for", PATIENCE, || {
        let shown = stage.run("hubbub", &["--home", &home, "message", "info", &end]);
        let words = ["mailbox at the hub is full", "behind an earlier message"];
        let told = words.iter().any(|words| shown.stdout.contains(words));
        if shown.stdout.contains("bob") && told { Ok(()) } else { Err(format!("{shown:?}")) }
    });
    let began = Instant::now();
    bob.come_back();
    let expected: Vec<&str> =
        ["hello"].into_iter().chain(said.iter().map(String::as_str)).chain(["end"]).collect();
    // What was refused goes on at once; all of it may take its time on a slow machine.
    wait_until("more comes than there was room for", SOON, || {
        let come = bob.texts("@alice").len();
        if come > ROOM { Ok(()) } else { Err(come.to_string()) }
    });
    println!("room was used {:.1} s after there was any", began.elapsed().as_secs_f64());
    wait_until("bob has everything in order", PATIENCE, || {
        if bob.texts("@alice") == expected { Ok(()) } else { Err(undelivered(&alice).to_string()) }
    });
}

#[test]
fn the_sender_is_told_which_member_holds_a_full_group_back() {
    let stage = Stage::new();
    let hub = Hub::with(&stage, &["limits.group_mib=1"]);
    let mut people = Person::join_all(&stage, &hub, &["alice", "bob", "carol"]);
    people[0].cli(&["group", "new", "team", "bob", "carol"]).fine();
    people[0].send("#team", "hello");
    people[2].until_reads("#team", &["hello"]);
    people[2].go_offline();
    let words = fill(&people[0], "#team", "carol");
    people[2].come_back();
    let expected: Vec<&str> =
        ["hello"].into_iter().chain(words.iter().map(String::as_str)).collect();
    for reader in &people[1..] {
        wait_until("more comes than there was room for", SOON, || {
            let come = reader.texts("#team").len();
            if come > ROOM { Ok(()) } else { Err(come.to_string()) }
        });
        wait_until("everybody has everything in order", PATIENCE, || {
            let texts = reader.texts("#team");
            if texts == expected { Ok(()) } else { Err(undelivered(&people[0]).to_string()) }
        });
    }
}
