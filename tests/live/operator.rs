//! What a hub's operator can do with invites, by the hub's own program.

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{Output, Stage};

fn join(person: &Person<'_>, invite: &str, name: &str) -> Output {
    person.cli(&["join", invite, "--nick", name, "--no-chat"])
}

/// The ids of the invites there are, as listed.
fn listed(hub: &Hub<'_>) -> Vec<String> {
    let list = hub.run(&["invite", "list", "--json"]).fine().json();
    list.iter().filter_map(|held| held["id"].as_str()).map(str::to_owned).collect()
}

fn an_invite_is_listed_and_revoked(hub: &Hub<'_>) -> String {
    // A hub that is down is not asked where it listened.
    let listen = format!("network.listen={}", hub.address());
    let make = ["--set", &listen, "invite", "--uses", "3", "--expires", "1h", "--json"];
    let made = hub.run(&make).fine().json();
    let (id, link) = (made[0]["id"].as_str().unwrap(), made[0]["invite"].as_str().unwrap());
    assert_eq!(listed(hub), [id]);
    let shown = hub.run(&["invite", "list"]).fine().stdout;
    assert!(shown.contains(id) && shown.contains("3 left"), "{shown}");
    hub.run(&["invite", "revoke", id]).fine();
    assert!(listed(hub).is_empty());
    let again = hub.run(&["invite", "revoke", id]);
    assert_eq!(again.status, 7, "{again:?}");
    assert!(again.stderr.contains("invite list"), "{again:?}");
    link.to_owned()
}

#[test]
fn an_invite_is_listed_and_revoked_whether_the_hub_runs_or_not() {
    let stage = Stage::new();
    let mut hub = Hub::start(&stage);
    let revoked = an_invite_is_listed_and_revoked(&hub);
    let alice = Person::nobody(&stage, "alice");
    let refused = join(&alice, &revoked, "alice");
    assert_eq!(refused.error().code, "invite", "{refused:?}");
    hub.stop();
    let revoked = an_invite_is_listed_and_revoked(&hub);
    hub.restart();
    let refused = join(&alice, &revoked, "alice");
    assert_eq!(refused.error().code, "invite", "{refused:?}");
    join(&alice, &hub.invite(1), "alice").fine();
}

#[test]
fn where_no_hub_is_nothing_is_invited_to_and_nothing_is_made() {
    let stage = Stage::new();
    let wrong = stage.path("wrong");
    let dir = wrong.to_string_lossy();
    for asked in
        [&["invite"][..], &["invite", "list"], &["status"], &["check"], &["log", "--follow"]]
    {
        let args: Vec<&str> = ["--dir", &dir].into_iter().chain(asked.iter().copied()).collect();
        let refused = stage.run("hubbub-hub", &args);
        assert_eq!(refused.status, 6, "{refused:?}");
        assert!(refused.stderr.contains("hubbub-hub init"), "{refused:?}");
        assert!(!wrong.exists(), "{asked:?} made something");
    }
}

#[test]
fn an_invite_says_how_long_it_holds_in_words_that_are_right() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    for (time, words) in [("1s", "1 second:"), ("90m", "1 hour 30 minutes:"), ("7d", "7 days:")] {
        let made = hub.run(&["invite", "--uses", "1", "--expires", time]).fine();
        assert!(made.stderr.contains(&format!("1 person to join within {words}")), "{made:?}");
    }
}

#[test]
fn a_check_says_what_is_worth_a_look_and_fails_only_where_something_is_wrong() {
    let stage = Stage::new();
    let mut hub = Hub::start(&stage);
    let listen = format!("network.listen={}", hub.address());
    let lines = hub.run(&["--set", &listen, "check", "--json"]).fine().json();
    let verdict = |about: &str| {
        let line = lines.iter().find(|line| line["about"] == about);
        line.unwrap_or_else(|| panic!("nothing about {about}: {lines:?}"))["verdict"].clone()
    };
    // Nor is a firewall asked about that nobody from outside comes to.
    assert!(!lines.iter().any(|line| line["about"] == "firewall"), "{lines:?}");
    for well in ["hub", "files", "clock", "nodes"] {
        assert_eq!(verdict(well), "ok", "{well}: {lines:?}");
    }
    // It listens on this machine alone, and invites say so.
    for (about, expected) in [("port", "look"), ("address", "look")] {
        assert_eq!(verdict(about), expected, "{lines:?}");
    }
    assert_ne!(verdict("buffers"), "wrong");
    assert_ne!(verdict("disk"), "wrong");
    let shown = hub.run(&["check"]).fine().stdout;
    assert!(shown.starts_with("OK     hub      runs, version "), "{shown}");
    assert!(shown.contains("\nlook   port     listens on UDP 127.0.0.1:"), "{shown}");
    hub.stop();
    let failed = hub.run(&["--set", &listen, "check"]);
    assert_eq!(failed.status, 1, "{failed:?}");
    assert!(failed.stdout.starts_with("wrong  hub      does not run\n"), "{failed:?}");
    assert!(failed.stdout.contains("→ hubbub-hub run"), "{failed:?}");
    assert!(failed.stderr.contains("what is wrong"), "{failed:?}");
}
