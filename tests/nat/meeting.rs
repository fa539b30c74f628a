//! Who reaches whom directly, and how long it takes.

use std::time::Duration;

use hubbub_tests::lab::{Lab, Router};
use hubbub_tests::person::Person;
use hubbub_tests::process::{Stage, wait_until};

use crate::{Scene, skipped};

/// Longest that a meeting which comes about may take. Attempts are made again much later.
const PATIENCE: Duration = Duration::from_secs(12);
/// What a meeting is to take at most, from the first exchange on.
const SOON: u64 = 1_000;
/// How soon what cannot be direct has settled on the hub.
const GIVEN_UP: Duration = Duration::from_secs(6);

#[test]
fn homes_behind_ordinary_routers_meet_within_a_second() {
    if skipped() {
        return;
    }
    let pairs = [
        [Router::Port, Router::Port],
        [Router::Port, Router::Full],
        [Router::Address, Router::Rejecting],
        [Router::None, Router::Port],
        [Router::Symmetric, Router::Address],
    ];
    for (n, pair) in pairs.into_iter().enumerate() {
        let stage = Stage::new();
        let mut scene = Scene::set(&stage, &format!("m{n}"), pair);
        scene.start_over();
        let took = scene.meets(PATIENCE);
        println!("{pair:?}: {took:?} ms");
        assert!(took.is_some_and(|took| took <= SOON), "{pair:?}: {took:?} ms");
    }
}

#[test]
fn homes_with_strict_routers_go_on_through_the_hub_and_know_why() {
    if skipped() {
        return;
    }
    let stage = Stage::new();
    let scene = Scene::set(&stage, "sym", [Router::Symmetric, Router::Symmetric]);
    wait_until("alice gives up", GIVEN_UP, || {
        let path = scene.alice.path("bob").unwrap_or_default();
        let why = path["why_not"].as_str().unwrap_or_default();
        if why.contains("routers") { Ok(()) } else { Err(path.to_string()) }
    });
    assert_eq!(scene.alice.path("bob").unwrap()["path"], "relay");
    scene.alice.send("@bob", "by the hub");
    scene.bob.until_reads("@alice", &["hello", "hi", "by the hub"]);
}

#[test]
fn homes_with_strict_routers_meet_where_both_have_ipv6() {
    if skipped() {
        return;
    }
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "six", [Router::Symmetric, Router::Symmetric]);
    scene.start_over_with(Lab::add_v6);
    // The first packets wait until neighbours have found each other.
    assert!(scene.meets(PATIENCE).is_some());
    scene.start_over_with(|_| {});
    let took = scene.meets(PATIENCE);
    assert!(took.is_some_and(|took| took <= SOON), "{took:?} ms");
    let path = scene.alice.path("bob").unwrap();
    assert!(path["address"].as_str().unwrap().starts_with("[fd10:"), "{path}");
}

#[test]
fn machines_in_one_home_meet_inside_it_whatever_its_router_does() {
    if skipped() {
        return;
    }
    let stage = Stage::new();
    let scene = Scene::set(&stage, "home", [Router::Symmetric, Router::Port]);
    let carol = Person::join_in(&stage, &scene.hub, "carol", scene.lab.place("c"));
    carol.send("@alice", "hello");
    scene.alice.until_reads("@carol", &["hello"]);
    scene.alice.send("@carol", "hi");
    wait_until("they meet at home", PATIENCE, || {
        let path = carol.path("alice").unwrap_or_default();
        let address = path["address"].as_str().unwrap_or_default();
        if address.contains("10.1.0.2") { Ok(()) } else { Err(path.to_string()) }
    });
}

#[test]
fn a_network_that_lets_no_udp_through_is_named() {
    if skipped() {
        return;
    }
    let stage = Stage::new();
    let scene = Scene::set(&stage, "blk", [Router::Port, Router::Port]);
    scene.lab.set("ra", Router::Blocked);
    wait_until("alice's doctor names UDP", Duration::from_secs(90), || {
        let told = scene.alice.cli(&["doctor"]).fine().stdout;
        if told.contains("no UDP through") { Ok(()) } else { Err(told) }
    });
}

/// The table in docs/BENCHMARKS.md: `cargo test --release --workspace --test nat -- --ignored
/// --nocapture table`. `HUBBUB_RUNS` meetings of each pair, of a hundred packets `HUBBUB_LOSS` are
/// lost.
#[test]
#[ignore = "takes half an hour; prints the table of the benchmarks"]
fn table() {
    if skipped() {
        return;
    }
    let number =
        |name, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (runs, loss) = (number("HUBBUB_RUNS", 20), number("HUBBUB_LOSS", 0));
    println!("| routers | direct | median ms | slowest ms |\n|---|---|---|---|");
    let others = [Router::HubOnly];
    let kinds: Vec<Router> = Router::OPEN.into_iter().chain(others).collect();
    let mut wrong = Vec::new();
    for (at, one) in kinds.iter().enumerate() {
        for other in &kinds[at..] {
            let mut times = meetings([*one, *other], (runs, u8::try_from(loss).unwrap()));
            times.sort_unstable();
            let (direct, last) = (times.len(), times.last().copied().unwrap_or(0));
            let median = times.get(direct / 2).copied().unwrap_or(0);
            println!("| {one:?} x {other:?} | {direct}/{runs} | {median} | {last} |");
            // Nineteen of twenty, where it can be.
            if one.meets(*other) && direct * 20 < runs * 19 {
                wrong.push(format!("{one:?} x {other:?}: {direct} of {runs}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// How long each meeting of two homes took that came about.
fn meetings(routers: [Router; 2], (runs, loss): (usize, u8)) -> Vec<u64> {
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "tab", routers);
    scene.lab.lose(loss);
    let meets = routers[0].meets(routers[1]);
    let patience = if meets { PATIENCE } else { GIVEN_UP };
    let mut times = Vec::new();
    for _ in 0..runs {
        scene.start_over();
        times.extend(scene.meets(patience));
    }
    times
}
