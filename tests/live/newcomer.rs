//! What somebody meets who has a hub of their own since a minute.

use std::process::{Command, Stdio};

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};

#[test]
fn whoever_runs_a_hub_invites_to_it_while_it_runs_and_while_it_does_not() {
    let stage = Stage::new();
    let alice = Person::nobody(&stage, "alice");
    let bob = Person::nobody(&stage, "bob");
    let mut up = stage.command("hubbub");
    up.arg("--home").arg(alice.home());
    up.args(["up", "--listen", "127.0.0.1:0", "--nick", "alice", "--no-chat", "--json"]);
    let running = stage.start("up", up, Stdio::null());
    wait_until("the hub runs", PATIENCE, || {
        let said = running.stdout();
        if said.contains("hubbub://") { Ok(()) } else { Err(said) }
    });
    let made = alice.cli(&["invite", "--uses", "1", "--expires", "1h"]).fine().json();
    let link = made[0]["invite"].as_str().unwrap();
    assert_eq!(made[0]["expires_in_ms"], 3_600_000);
    bob.cli(&["join", link, "--nick", "bob", "--no-chat"]).fine();
    let refused = bob.cli(&["invite"]);
    assert_eq!(refused.status, 4, "{refused:?}");
    assert!(refused.error().hint.contains("whoever runs the hub"), "{refused:?}");
    assert_eq!(running.stop(), 0);
    let made = alice.cli(&["invite"]).fine().json();
    let later = made[0]["invite"].as_str().unwrap();
    let place = |link: &str| link.split('#').next().map(str::to_owned);
    assert_eq!(place(later), place(link), "the address it listened on is remembered");
}

#[test]
fn a_name_two_groups_have_is_told_with_both_ids_and_what_is_shown_can_be_typed() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let people = Person::join_all(&stage, &hub, &["alice", "bob"]);
    let alice = &people[0];
    wait_until("alice is in the lobby", PATIENCE, || {
        let active = alice.conversation("lobby").and_then(|lobby| lobby["active"].as_bool());
        if active == Some(true) { Ok(()) } else { Err(format!("{active:?}")) }
    });
    for shown in ["~lobby", "#lobby", "@bob"] {
        alice.cli(&["send", shown, "hello", "--timeout", "60s"]).fine();
    }
    for _ in 0..2 {
        alice.cli(&["group", "new", "team"]).fine();
    }
    let list = alice.cli(&["conversations"]).fine().json();
    let team = list.iter().filter(|c| c["title"] == "team").filter_map(|c| c["id"].as_str());
    let ids: Vec<&str> = team.collect();
    assert_eq!(ids.len(), 2);
    let asked = [&["send", "team", "hi"][..], &["read", "#team"], &["group", "members", "team"]];
    for asked in asked {
        let refused = alice.cli(asked);
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(ids.iter().all(|id| refused.error().what.contains(id)), "{refused:?}");
    }
    alice.cli(&["send", ids[0], "hi", "--timeout", "60s"]).fine();
}

#[test]
fn an_interrupted_send_says_what_it_queued() {
    let stage = Stage::new();
    let mut hub = Hub::start(&stage);
    let mut people = Person::join_all(&stage, &hub, &["alice", "bob"]);
    // The hub is to be the only way.
    for person in &people {
        person.cli(&["settings", "addresses", "never"]).fine();
    }
    let sent = ["send", "bob", "one", "--wait", "delivered", "--timeout", "60s"];
    people[0].cli(&sent).fine();
    hub.stop();
    let mut send = stage.command("hubbub");
    send.arg("--home").arg(people[0].home());
    send.args(["send", "bob", "two", "--timeout", "90s", "--json"]);
    let mut sending = stage.start("send", send, Stdio::null());
    wait_until("it is queued", PATIENCE, || {
        let unsent = people[0].cli(&["status"]).fine().json()[0]["unsent"].clone();
        if unsent == 1 { Ok(()) } else { Err(unsent.to_string()) }
    });
    let asked = Command::new("sh").arg("-c").arg(format!("kill -INT {}", sending.id())).status();
    assert!(asked.is_ok_and(|status| status.success()));
    let status = wait_until("it ends", PATIENCE, || sending.ended().ok_or_else(String::new));
    assert_eq!(status, 75);
    let said = sending.stdout();
    assert!(said.contains("\"message\"") && said.contains("not_yet_delivered"), "{said}");
    hub.restart();
    people[1].until_reads("alice", &["one", "two"]);
    people[0].go_offline();
}
