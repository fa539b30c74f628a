//! What can go wrong between a person and a hub: told in words, with the documented exit code, and
//! nothing is lost by it.

use std::time::Duration;

use hubbub_shared::invite::Invite;
use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{Output, Stage};

/// Checks how a command failed.
fn failed(output: &Output, status: i32, code: &str, words: &str) {
    assert_eq!(output.status, status, "{output:?}");
    let told = output.error();
    assert_eq!(told.code, code, "{output:?}");
    assert!(told.what.contains(words), "{words:?} is not in {told:?}");
    assert!(!told.hint.is_empty(), "nothing to try: {told:?}");
    assert!(!output.stderr.contains("panicked"), "{output:?}");
}

fn join(person: &Person<'_>, invite: &str, nickname: &str) -> Output {
    person.cli(&["join", invite, "--nick", nickname, "--no-chat"])
}

/// The invite with one letter of its code mistyped.
fn mistyped(invite: &str) -> String {
    let (rest, last) = invite.split_at(invite.len() - 1);
    format!("{rest}{}", if last == "a" { "b" } else { "a" })
}

#[test]
fn a_mistyped_invite_is_told_from_a_wrong_one_and_the_right_one_still_works() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let alice = Person::nobody(&stage, "alice");
    let invite = hub.invite(1);
    failed(&join(&alice, &mistyped(&invite), "alice"), 7, "invite", "mistyped");
    failed(&join(&alice, "hello", "alice"), 7, "invite", "no Hubbub invite");
    let joined = join(&alice, &invite, "alice").fine();
    assert_eq!(joined.json()[0]["nickname"], "alice");
}

#[test]
fn an_invite_that_is_over_or_used_up_is_told_so_and_a_new_one_works() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let (alice, bob) = (Person::nobody(&stage, "alice"), Person::nobody(&stage, "bob"));
    let short = hub.invite_for(5, "1s");
    std::thread::sleep(Duration::from_millis(1_200));
    failed(&join(&alice, &short, "alice"), 7, "invite", "time is over");
    let once = hub.invite(1);
    join(&alice, &once, "alice").fine();
    failed(&join(&bob, &once, "bob"), 7, "invite", "as often as it may");
    join(&bob, &hub.invite(1), "bob").fine();
}

#[test]
fn another_hub_at_the_invites_address_is_not_joined_and_the_profile_is_not_spoilt() {
    let stage = Stage::new();
    let (right, wrong) = (Hub::start(&stage), Hub::named(&stage, "wrong", "info"));
    let invite = right.invite(1);
    let Ok(parsed) = Invite::parse(&invite) else { panic!("{invite}") };
    let token = parsed.token().copied();
    let moved = Invite::new(vec![wrong.address().to_owned()], parsed.hub(), token).ok().unwrap();
    let alice = Person::nobody(&stage, "alice");
    failed(&join(&alice, &moved.to_text(), "alice"), 6, "wrong_hub", "somebody else answers");
    join(&alice, &invite, "alice").fine();
}

#[test]
fn a_hub_that_does_not_answer_is_told_so_and_joined_when_it_does() {
    let stage = Stage::new();
    let mut hub = Hub::start(&stage);
    let invite = hub.invite(1);
    hub.stop();
    let alice = Person::nobody(&stage, "alice");
    failed(&join(&alice, &invite, "alice"), 5, "hub_unreachable", "does not answer");
    hub.restart();
    join(&alice, &invite, "alice").fine();
}

#[test]
fn a_nickname_that_is_taken_or_looks_like_one_is_refused_and_another_is_not() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let _alice = Person::join(&stage, &hub, "alice");
    let mallory = Person::nobody(&stage, "mallory");
    let invite = hub.invite(1);
    failed(&join(&mallory, &invite, "alice"), 8, "nickname", "taken");
    failed(&join(&mallory, &invite, "a1ice"), 8, "nickname", "looks too much like");
    failed(&join(&mallory, &invite, "a/b"), 8, "nickname", "");
    join(&mallory, &invite, "mallory").fine();
}

#[test]
fn somebody_unknown_cannot_be_written_to() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let alice = Person::join(&stage, &hub, "alice");
    failed(&alice.cli(&["send", "nobody", "hello"]), 3, "not_found", "nobody");
    failed(&alice.cli(&["read", "#nothing"]), 3, "not_found", "nothing");
    failed(&alice.cli(&["group", "members", "#nothing"]), 3, "not_found", "nothing");
    failed(&alice.cli(&["sned", "bob", "hello"]), 2, "usage", "sned");
}

#[test]
fn what_is_sent_while_the_hub_is_down_is_queued_and_arrives_once() {
    let stage = Stage::new();
    let mut hub = Hub::start(&stage);
    let mut people = Person::join_all(&stage, &hub, &["alice", "bob"]);
    // The hub is to be the only way.
    for person in &people {
        person.cli(&["settings", "addresses", "never"]).fine();
    }
    let (alice, bob) = (&people[0], &people[1]);
    let sent = ["send", "bob", "one", "--wait", "delivered", "--timeout", "60s"];
    alice.cli(&sent).fine();
    bob.until_reads("alice", &["one"]);
    hub.kill9();
    let queued = alice.cli(&["send", "bob", "two", "--timeout", "1s"]);
    failed(&queued, 75, "not_yet_delivered", "queued");
    assert_eq!(queued.json()[0]["queued"]["delivery"], "queued", "{queued:?}");
    // The same while nobody's node runs: the command is the node for as long as it takes.
    people[0].crash();
    let queued = people[0].cli(&["send", "bob", "three", "--timeout", "1s"]);
    failed(&queued, 75, "not_yet_delivered", "queued");
    hub.restart();
    people[0].come_back();
    people[1].until_reads("alice", &["one", "two", "three"]);
    people[1].crash();
    let sent = ["send", "bob", "four", "--wait", "stored", "--timeout", "60s"];
    let four = people[0].cli(&sent).fine().json()[0]["queued"]["message"].clone();
    let info = people[0].cli(&["message", "info", four.as_str().unwrap()]).fine().json();
    assert_eq!(info[0]["message_info"]["recipients"][0]["delivery"], "stored", "{info:?}");
    let stored = people[0].cli(&["send", "bob", "five", "--wait", "delivered", "--timeout", "1s"]);
    failed(&stored, 75, "not_yet_delivered", "");
    people[1].come_back();
    people[1].until_reads("alice", &["one", "two", "three", "four", "five"]);
}

#[test]
fn a_hubs_setting_that_does_not_exist_is_named_with_the_nearest() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    std::fs::write(hub.dir().join("hub.toml"), "[access]\nopne = true\n").unwrap();
    let wrong = hub.run(&["config", "show"]);
    assert_eq!(wrong.status, 3, "{wrong:?}");
    for word in ["hub.toml", "access.opne", "access.open`"] {
        assert!(wrong.stderr.contains(word), "{word}: {wrong:?}");
    }
    let wrong = hub.run(&["--set", "limits.conections=5", "run"]);
    assert_eq!(wrong.status, 3, "{wrong:?}");
    let second = stage.path("elsewhere");
    let dir = second.to_string_lossy();
    let taken = stage.run("hubbub-hub", &["--dir", &dir, "run", "--listen", hub.address()]);
    assert_eq!(taken.status, 5, "{taken:?}");
}
