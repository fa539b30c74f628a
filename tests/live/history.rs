//! What a newcomer reads of the time before, from real nodes that come and go.

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};

/// What `hubbub read '#team' --past` prints: author, text, who tells it.
fn past(person: &Person<'_>) -> Vec<(String, String, Option<String>)> {
    let output = person.cli(&["read", "#team", "--past"]);
    if output.status != 0 {
        return Vec::new();
    }
    let name = |value: &serde_json::Value| value["name"].as_str().map(str::to_owned);
    let line = |line: serde_json::Value| {
        let text = line["text"].as_str().unwrap().to_owned();
        (name(&line["author"]).unwrap(), text, name(&line["told_by"]))
    };
    output.json().into_iter().map(line).collect()
}

fn until_past(person: &Person<'_>, expected: &[(&str, &str, Option<&str>)]) {
    let owned = |(author, text, told_by): &(&str, &str, Option<&str>)| {
        ((*author).to_owned(), (*text).to_owned(), told_by.map(str::to_owned))
    };
    let expected: Vec<_> = expected.iter().map(owned).collect();
    wait_until(&format!("{} is told {expected:?}", person.name()), PATIENCE, || {
        let past = past(person);
        if past == expected { Ok(()) } else { Err(format!("{past:?}")) }
    });
}

#[test]
fn a_newcomer_is_told_by_who_is_there_and_then_by_the_author_and_keeps_it_over_a_crash() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut people = Person::join_all(&stage, &hub, &["alice", "bob", "carol"]);
    people[0].cli(&["group", "new", "team", "bob"]).fine();
    people[0].send("#team", "before anybody is told");
    people[1].until_reads("#team", &["before anybody is told"]);
    people[0].cli(&["group", "set", "#team", "--history", "on"]).fine();
    wait_until("bob knows that newcomers are told", PATIENCE, || {
        let doors = people[1].cli(&["group", "doors", "#team"]).fine().json();
        if doors[0]["history"] == true { Ok(()) } else { Err(format!("{doors:?}")) }
    });
    people[0].send("#team", "hello bob");
    people[1].until_reads("#team", &["before anybody is told", "hello bob"]);
    people[1].send("#team", "hello alice");
    people[0].until_reads("#team", &["before anybody is told", "hello bob", "hello alice"]);
    people[1].go_offline();
    people[0].cli(&["group", "invite", "#team", "carol"]).fine();
    let told = [("alice", "hello bob", None), ("bob", "hello alice", Some("alice"))];
    until_past(&people[2], &told);
    people[2].crash();
    people[1].come_back();
    people[2].come_back();
    let told = [("alice", "hello bob", None), ("bob", "hello alice", None)];
    until_past(&people[2], &told);
    assert_eq!(people[2].texts("#team"), [""; 0], "the history begins when she came");
}
