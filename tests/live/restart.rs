//! A hub that dies and is started again at once: a node that has nothing to say notices, too.
//! Reports how long that takes.

use std::time::{Duration, Instant};

use hubbub_tests::api::Ear;
use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::Stage;

/// Nodes say a word every twelve seconds, and a hub that does not know them answers at once. But
/// for that only the thirty seconds would help after which QUIC gives a silent connection up.
const NOTICED: Duration = Duration::from_secs(25);

#[test]
fn an_idle_node_has_what_is_said_after_a_restart_of_the_hub_before_its_link_would_time_out() {
    let stage = Stage::new();
    let mut hub = Hub::start(&stage);
    let (alice, bob) = (Person::join(&stage, &hub, "alice"), Person::join(&stage, &hub, "bob"));
    for person in [&alice, &bob] {
        // By the hub alone.
        person.cli(&["settings", "addresses", "never"]).fine();
    }
    alice.send("bob", "before");
    bob.until_reads("@alice", &["before"]);
    let mut ear = Ear::at(&bob.profile()).unwrap();
    hub.kill9();
    hub.restart();
    let began = Instant::now();
    alice.send("bob", "after");
    ear.until_said("after");
    let took = began.elapsed();
    println!("an idle node had what was said after a restart {:.1} s later", took.as_secs_f64());
    assert!(took <= NOTICED, "{took:?}");
    bob.until_reads("@alice", &["before", "after"]);
}
