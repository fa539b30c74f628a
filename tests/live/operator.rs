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
    for asked in [&["invite"][..], &["invite", "list"], &["status"], &["log", "--follow"]] {
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
