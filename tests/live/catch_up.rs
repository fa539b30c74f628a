//! Somebody who was away while very much was said. Reports how long catching up takes.

use std::time::Instant;

use hubbub_tests::api::ask;
use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};
use serde_json::{Value, json};

/// Says `count` things in the group while carol is away, and has her come back.
fn away_for(count: usize) {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut people = Person::join_all(&stage, &hub, &["alice", "bob", "carol"]);
    people[0].cli(&["group", "new", "team", "bob", "carol"]).fine();
    wait_until("carol is in the group", PATIENCE, || {
        people[2].conversation("#team").map(drop).ok_or_else(String::new)
    });
    people[2].go_offline();
    let began = Instant::now();
    let text = |n: usize| format!("{n} of what carol has missed, about as long as people write");
    for n in 0..count {
        let send = json!({ "to": "#team", "text": text(n) });
        ask(&people[0].profile(), &json!({ "id": n, "command": { "send": send } })).unwrap();
    }
    let said = began.elapsed();
    wait_until("the hub has all of it", PATIENCE, || {
        let status = people[0].query(json!("status")).unwrap_or_default();
        match status.pointer("/status/unsent").and_then(Value::as_u64) {
            Some(0) => Ok(()),
            _ => Err(status.to_string()),
        }
    });
    let began = Instant::now();
    people[2].come_back();
    wait_until("carol has caught up", PATIENCE * 4, || {
        let unread = people[2].conversation("#team").and_then(|team| team["unread"].as_u64());
        let all = u64::try_from(count).unwrap();
        if unread == Some(all) { Ok(()) } else { Err(format!("{unread:?} of {all}")) }
    });
    let took = began.elapsed();
    let words: Vec<String> = people[2].said("#team").into_iter().map(|said| said.text).collect();
    assert!(words.iter().eq((0..count).map(text).collect::<Vec<_>>().iter()), "not in order");
    people[2].go_offline();
    println!(
        "{count} messages said in {:.1} s; caught up in {:.2} s, {:.0} a second",
        said.as_secs_f64(),
        took.as_secs_f64(),
        f64::from(u32::try_from(count).unwrap()) / took.as_secs_f64(),
    );
    let left = std::fs::read_to_string(stage.path("logs").join("hub")).unwrap_or_default();
    left.lines().filter(|line| line.contains("carol") && line.contains("left")).for_each(|line| {
        println!("{line}");
    });
}

#[test]
fn who_was_away_for_a_thousand_messages_has_them_all_in_order() {
    // More than a dozen sender chains.
    away_for(1_200);
}

#[test]
#[ignore = "takes a minute; docs/BENCHMARKS.md has its figures"]
fn who_was_away_for_ten_thousand_messages_has_them_all_in_order() {
    away_for(10_000);
}
