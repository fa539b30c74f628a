//! Routers that forget, and machines that move, in the middle of a chat and of a stream.

use std::time::{Duration, Instant};

use hubbub_tests::lab::{Lab, Router};
use hubbub_tests::person::Person;
use hubbub_tests::process::{Stage, wait_until};
use serde_json::Value;

use crate::{Scene, alone, beside_others, best};

/// Also for those whose first attempt to meet fails: the next comes after up to half a minute.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take until a dead connection is let go, and until a machine is found again.
const LOST: Duration = Duration::from_secs(60);
/// How long the hub is gone.
const GONE: Duration = Duration::from_secs(60);

#[test]
fn two_pairs_talk_for_a_minute_while_the_hub_is_gone_and_all_have_everything_when_it_is_back() {
    let Some(_turn) = beside_others() else { return };
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "pairs", [Router::Port, Router::Port]);
    let carol = Person::join_in(&stage, &scene.hub, "carol", scene.lab.place("c"));
    let dave = Person::join_in(&stage, &scene.hub, "dave", scene.lab.place("d"));
    scene.alice.cli(&["group", "new", "team", "bob", "carol", "dave"]).fine();
    let team = [&scene.bob, &carol, &dave];
    for person in team {
        wait_until("all are in", PATIENCE, || person.conversation("#team").ok_or(String::new()));
    }
    carol.send("@dave", "hello");
    dave.until_reads("@carol", &["hello"]);
    dave.send("@carol", "hi");
    let direct = |one: &Person<'_>, other: &str| {
        wait_until("the pair is direct", PATIENCE, || {
            let path = one.path(other).unwrap_or_default();
            if path["path"] == "direct" { Ok(()) } else { Err(path.to_string()) }
        });
    };
    direct(&scene.alice, "bob");
    direct(&scene.bob, "alice");
    direct(&carol, "dave");
    direct(&dave, "carol");
    scene.hub.kill9();
    let began = Instant::now();
    let (mut lines, mut pairs) = (Vec::new(), 0);
    while began.elapsed() < GONE {
        pairs += 1;
        let both = [(&scene.alice, "bob", &scene.bob, "alice"), (&carol, "dave", &dave, "carol")];
        for (one, name, other, back) in both {
            let text = format!("pair {pairs}");
            one.send(&format!("@{name}"), &text);
            until_says(other, back, &text);
            lines.push(format!("{} {pairs} to all", one.name()));
            one.send("#team", lines.last().unwrap());
            until_says(other, "#team", lines.last().unwrap());
        }
    }
    println!("{pairs} rounds in {GONE:?} without a hub");
    scene.hub.restart();
    for person in [&scene.alice, &scene.bob, &carol, &dave] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        person.until_has_each_once("#team", &lines);
    }
    for (person, other) in [(&scene.bob, "@alice"), (&dave, "@carol")] {
        let said = person.texts(other).into_iter().filter(|text| text.starts_with("pair"));
        let expected: Vec<String> = (1..=pairs).map(|n| format!("pair {n}")).collect();
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }
}

/// Waits until somebody has a text, which may take no hub.
fn until_says(person: &Person<'_>, other: &str, text: &str) {
    let conversation = if other.starts_with('#') { other.to_owned() } else { format!("@{other}") };
    wait_until(&format!("{} hears {text:?}", person.name()), PATIENCE, || {
        let texts = person.texts(&conversation);
        if texts.iter().any(|said| said == text) { Ok(()) } else { Err(format!("{texts:?}")) }
    });
}

#[test]
fn friends_talk_on_while_the_hub_is_gone() {
    let Some(_turn) = beside_others() else { return };
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "gone", [Router::Port, Router::Port]);
    assert!(scene.meets(PATIENCE).is_some());
    scene.hub.kill9();
    for n in 0..5 {
        scene.alice.send("@bob", &format!("line {n}"));
        scene.bob.send("@alice", &format!("answer {n}"));
    }
    let heard = |texts: &[String], word: &str| texts.iter().filter(|t| t.starts_with(word)).count();
    wait_until("both hear each other", PATIENCE, || {
        let (alice, bob) = (scene.alice.texts("@bob"), scene.bob.texts("@alice"));
        let all = heard(&alice, "answer") == 5 && heard(&bob, "line") == 5;
        if all { Ok(()) } else { Err(format!("{alice:?}; {bob:?}")) }
    });
    scene.hub.restart();
    scene.alice.until_stored();
    scene.bob.until_stored();
    assert_eq!(heard(&scene.bob.texts("@alice"), "line"), 5);
    assert_eq!(heard(&scene.alice.texts("@bob"), "answer"), 5);
}

#[test]
fn contacts_on_one_network_find_each_other_again_without_a_hub() {
    let Some(_turn) = beside_others() else { return };
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "lan", [Router::Symmetric, Router::Port]);
    let carol = Person::join_in(&stage, &scene.hub, "carol", scene.lab.place("c"));
    carol.send("@alice", "hello");
    scene.alice.until_reads("@carol", &["hello"]);
    scene.alice.send("@carol", "hi");
    carol.until_reads("@alice", &["hello", "hi"]);
    for person in [&scene.alice, &carol] {
        person.cli(&["settings", "lan", "on"]).fine();
    }
    scene.hub.kill9();
    // Whatever connection there is ends, and there is nobody who could bring them together again.
    scene.lab.cable("a", false);
    scene.alice.send("@carol", "are you there?");
    wait_until("the connection is gone", LOST, || {
        let path = scene.alice.path("carol").unwrap_or_default();
        let link = scene.alice.link();
        let gone = path["path"] != "direct" && link.get("up").is_none();
        if gone { Ok(()) } else { Err(format!("{path} {link}")) }
    });
    scene.lab.cable("a", true);
    wait_until("carol hears alice", LOST, || {
        let texts = carol.texts("@alice");
        if texts.iter().any(|t| t == "are you there?") { Ok(()) } else { Err(format!("{texts:?}")) }
    });
}

/// Bob fetches bytes from alice while she chats with him, and `happen` comes between. How long the
/// longest silence of the stream was, in milliseconds.
fn in_the_middle(name: &str, happen: impl Fn(&Lab)) -> u64 {
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, name, [Router::Port, Router::Port]);
    scene.alice.go_offline();
    scene.alice.is_run_by("streamer", "serve", &[]);
    scene.alice.until_linked();
    let alice = scene.alice.query(serde_json::json!("whoami")).unwrap();
    let alice = alice["whoami"]["node"].as_str().unwrap().to_owned();
    scene.bob.go_offline();
    scene.bob.is_run_by("streamer", "fetch", &[&alice, &BYTES.to_string()]);
    assert!(scene.meets(PATIENCE).is_some());
    let mut lines = Vec::new();
    for n in 0..12 {
        if n == 3 {
            happen(&scene.lab);
        }
        lines.push(format!("line {n}"));
        scene.alice.send("@bob", &lines[n]);
        std::thread::sleep(Duration::from_millis(500));
    }
    let told = scene.bob.until_ended();
    let told: Value = serde_json::from_str(told.trim()).unwrap();
    scene.bob.come_back();
    let said = |texts: Vec<String>| -> Vec<String> {
        texts.into_iter().filter(|text| text.starts_with("line")).collect()
    };
    wait_until("every line came once", PATIENCE, || {
        let texts = said(scene.bob.texts("@alice"));
        if texts == lines { Ok(()) } else { Err(format!("{texts:?}")) }
    });
    println!("{name}: {told}");
    told["longest_ms"].as_u64().unwrap()
}

/// What bob fetches: enough for some ten seconds.
const BYTES: u64 = 48 << 20;
/// How soon it has to go on, in milliseconds.
const SOON: u64 = 5_000;
/// And at the latest, whatever else the machine does: QUIC by itself gives a connection up after
/// thirty seconds.
const LATEST: u64 = 15_000;

/// It goes on soon, and never so late that only QUIC can have noticed.
fn goes_on(name: &str, happen: impl Fn(&Lab)) {
    let took = best(SOON, |n| {
        let silent = in_the_middle(&format!("{name}{n}"), &happen);
        assert!(silent <= LATEST, "{name}: {silent} ms");
        silent
    });
    assert!(took <= SOON, "{name}: {took} ms");
}

#[test]
fn a_router_that_rebinds_interrupts_chat_and_stream_for_seconds_at_most() {
    let Some(_turn) = alone() else { return };
    for router in ["ra", "rb"] {
        goes_on(&format!("rb{router}"), |lab| lab.rebind(router));
    }
}

#[test]
fn a_router_that_starts_again_interrupts_chat_and_stream_for_seconds_at_most() {
    let Some(_turn) = alone() else { return };
    goes_on("boot", |lab| lab.reboot("ra"));
}

#[test]
fn a_machine_with_another_address_interrupts_chat_and_stream_for_seconds_at_most() {
    let Some(_turn) = alone() else { return };
    for machine in ["a", "b"] {
        goes_on(&format!("ad{machine}"), |lab| lab.readdress(machine));
    }
}
