//! Strangers and those who are blocked, through real processes.

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};
use serde_json::Value;

/// Waits until alice's list of requests has as many lines.
fn requests(alice: &Person<'_>, count: usize) -> Vec<Value> {
    wait_until(&format!("alice has {count} requests"), PATIENCE, || {
        let list = alice.cli(&["requests"]).fine().json();
        if list.len() == count { Ok(list) } else { Err(format!("{list:?}")) }
    })
}

fn until_reached(sender: &Person<'_>, message: &str, wanted: &str) {
    wait_until(&format!("{message} is {wanted}"), PATIENCE, || {
        let said = sender.cli(&["message", "info", message]).fine();
        let recipients = said.json()[0]["message_info"]["recipients"].clone();
        let reached = recipients[0]["delivery"].clone();
        if reached == wanted { Ok(()) } else { Err(said.stdout) }
    });
}

#[test]
fn a_stranger_waits_to_be_let_in_and_one_who_is_blocked_hears_nothing() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut alice = Person::join_reserved(&stage, &hub, "alice");
    let others = Person::join_all(&stage, &hub, &["bob", "mallory"]);
    let (bob, mallory) = (&others[0], &others[1]);
    let hello = bob.send("alice", "hello\nI am bob");
    let list = requests(&alice, 1);
    assert_eq!(list[0]["wants"]["talk"], "hello⏎I am bob");
    assert!(alice.cli(&["contacts"]).fine().stdout.is_empty());
    until_reached(bob, &hello, "stored");

    // What waits is still there after a crash.
    alice.crash();
    alice.come_back();
    requests(&alice, 1);
    let mark = format!("bob#{}", list[0]["mark"].as_str().unwrap());
    alice.cli(&["requests", "accept", &mark]).fine();
    alice.until_reads("bob", &["hello\nI am bob"]);
    until_reached(bob, &hello, "delivered");

    mallory.send("alice", "buy this");
    requests(&alice, 1);
    alice.cli(&["requests", "block", "mallory"]).fine();
    let more = mallory.send("alice", "buy that");
    until_reached(mallory, &more, "stored");
    let refused = alice.cli(&["send", "mallory", "no"]);
    assert_eq!(refused.status, 4, "{refused:?}");
    assert_eq!(refused.error().what, "you blocked mallory; unblock first");
    assert_eq!(alice.cli(&["block"]).fine().json()[0]["name"], "mallory");
    // Bob's later message has been read, and mallory's before it was not.
    bob.cli(&["send", "alice", "still here", "--wait", "delivered", "--timeout", "60s"]).fine();
    until_reached(mallory, &more, "stored");
    requests(&alice, 0);
    alice.cli(&["unblock", "mallory"]).fine();
    mallory.send("alice", "sorry");
    assert_eq!(requests(&alice, 1)[0]["wants"]["talk"], "sorry");
}

#[test]
fn bob_is_verified_by_pasting_and_his_profile_and_settings_are_what_he_says() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let people = Person::join_all(&stage, &hub, &["alice", "bob"]);
    let (alice, bob) = (&people[0], &people[1]);
    alice.cli(&["send", "bob", "hello", "--wait", "delivered", "--timeout", "60s"]).fine();
    bob.until_reads("alice", &["hello"]);
    let shown = bob.cli(&["verify", "alice"]).fine().json().remove(0);
    let text = |key: &str| shown[key].as_str().unwrap().to_owned();
    let wrong = alice.cli(&["verify", "bob", "--number", &"1".repeat(60)]);
    assert_eq!((wrong.status, wrong.error().code.as_str()), (15, "differs"), "{wrong:?}");
    for (option, key) in [("--number", "number"), ("--words", "words"), ("--qr", "qr")] {
        alice.cli(&["verify", "bob", option, &text(key)]).fine();
        alice.cli(&["verify", "bob", "--undo"]).fine();
    }
    alice.cli(&["verify", "bob", "--words", &text("words")]).fine();
    let info = alice.cli(&["contact", "info", "bob"]).fine().json().remove(0);
    assert_eq!(info["contact"]["person"]["verified"], true);
    assert_eq!(info["past"].as_array().unwrap().len(), 8, "{info}");

    let head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x02\0\0\0\x03\x08\x06\0\0\0";
    let (file, copy) = (stage.path("bob.png"), stage.path("copy.png"));
    std::fs::write(&file, head).unwrap();
    let file = file.to_str().unwrap();
    bob.cli(&["profile", "set", "--name", "Bob B.", "--picture", file]).fine();
    wait_until("alice has bob's profile", PATIENCE, || {
        let info = alice.cli(&["profile", "show", "bob"]).fine().json().remove(0);
        let there = info["picture"]["width"] == 2 && info["contact"]["display_name"] == "Bob B.";
        if there { Ok(()) } else { Err(info.to_string()) }
    });
    let copy_to = copy.to_str().unwrap();
    alice.cli(&["profile", "show", "bob", "--picture-out", copy_to]).fine();
    assert_eq!(std::fs::read(&copy).unwrap(), head);

    bob.cli(&["settings", "presence", "off"]).fine();
    let settings = bob.cli(&["settings"]).fine().json().remove(0);
    assert_eq!(settings["presence"], false);
    let file = std::fs::read_to_string(bob.profile().join("node.toml")).unwrap();
    assert!(file.contains("presence = false") && file.contains("strangers = \"welcome\""));
    wait_until("alice does not see when bob was heard", PATIENCE, || {
        let contact = alice.cli(&["contact", "info", "bob"]).fine().json().remove(0);
        let heard = contact["contact"]["last_heard"].clone();
        if heard.is_null() { Ok(()) } else { Err(heard.to_string()) }
    });
}

#[test]
fn paths_name_every_contact_say_who_is_away_and_what_our_own_settings_keep_back() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut people = Person::join_all(&stage, &hub, &["alice", "bob"]);
    let (mut bob, mut alice) = (people.remove(1), people.remove(0));
    alice.send("bob", "hello");
    bob.until_reads("alice", &["hello"]);
    bob.send("alice", "hi");
    alice.until_reads("bob", &["hello", "hi"]);

    alice.cli(&["settings", "addresses", "never"]).fine();
    let path = alice.path("bob").unwrap();
    assert_eq!(path["path"], "relay");
    assert!(path["why_not"].as_str().unwrap().starts_with("you show nobody your address"));
    assert!(path["hub_rtt_ms"].is_u64() && path["rtt_ms"].is_null(), "{path}");

    bob.go_offline();
    alice.cli(&["settings", "addresses", "contacts"]).fine();
    wait_until("bob is not called relayed any more", PATIENCE, || {
        let path = alice.path("bob").unwrap();
        if path["path"] == "stored" { Ok(()) } else { Err(path.to_string()) }
    });
    alice.go_offline();
    alice.come_back();
    let path = alice.path("bob").unwrap();
    assert_eq!((&path["path"], &path["last_heard"]), (&"stored".into(), &Value::Null));
    let shown = alice.cli(&["paths"]).fine().json();
    assert_eq!(shown[0]["person"]["name"], "bob", "{shown:?}");
}

#[test]
fn paths_name_members_of_ones_groups_who_were_not_heard_from_and_say_that_nothing_was_tried() {
    let stage = Stage::new();
    let mut hub = Hub::start(&stage);
    let mut people = Person::join_all(&stage, &hub, &["alice", "bob", "carol"]);
    people[0].cli(&["group", "new", "team", "bob", "carol"]).fine();
    people[0].send("#team", "hello");
    for person in &people[1..] {
        person.until_reads("#team", &["hello"]);
    }
    // To bob carol is nobody but a member.
    people.iter_mut().for_each(Person::go_offline);
    let bob = &mut people[1];
    bob.come_back();
    bob.until_linked();
    let rows = |bob: &Person<'_>| {
        let rows: Vec<Value> = bob.cli(&["paths"]).fine().json();
        let row = |row: &Value| {
            let text = |at: &Value| at.as_str().unwrap_or_default().to_owned();
            (text(&row["person"]["name"]), text(&row["path"]), text(&row["why_not"]))
        };
        rows.iter().map(row).collect::<Vec<_>>()
    };
    let [alice, carol] = <[_; 2]>::try_from(rows(bob)).unwrap();
    assert_eq!((&*alice.0, &*carol.0), ("alice", "carol"));
    for (_, path, why) in [alice, carol] {
        assert_eq!(path, "stored");
        assert!(why.starts_with("not tried: ") || why.starts_with("you show"), "{why}");
    }
    hub.kill9();
    wait_until("bob's link is down", PATIENCE, || {
        let rows = rows(bob);
        let away = |(.., why): &(_, _, String)| why.contains("not connected to the hub");
        if rows.iter().any(away) { Ok(()) } else { Err(format!("{rows:?}")) }
    });
    // And whoever sends then is told at once what becomes of it.
    let sent = bob.cli(&["send", "#team", "is anybody there?", "--timeout", "3s"]);
    assert_eq!(sent.status, 75, "{sent:?}");
    assert!(sent.stderr.contains("the hub is not reached"), "{sent:?}");
    let status = bob.cli(&["status"]);
    assert!(format!("{status:?}").contains("unsent"), "{status:?}");
}
