//! Who reaches whom directly, and how long it takes.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

use hubbub_tests::lab::{Lab, Router};
use hubbub_tests::person::Person;
use hubbub_tests::process::{Stage, wait_until};

use crate::{Meeting, Scene, alone, beside_others, best};

/// Longest that a meeting which comes about may take: also a second attempt, which comes after a
/// pause of up to half a minute.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a meeting is to take at most, from the first exchange on.
const SOON: u64 = 1_000;
/// What a message is to take at most that goes through the hub, in milliseconds.
const RELAYED: u64 = 3_000;
/// Longest until what cannot be direct is known to be so, and why.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// How long those who cannot meet are watched for the table.
const SETTLED: Duration = Duration::from_secs(6);
/// Longest until a network that lets no UDP through is named, and until it is got over.
const NAMED: Duration = Duration::from_secs(90);
/// Such a network takes long to be known.
const BLOCKED_RUNS: usize = 3;

#[test]
fn homes_behind_ordinary_routers_meet_within_a_second() {
    let Some(_turn) = alone() else { return };
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
        println!("{pair:?}");
        let took = best(SOON, |_| {
            scene.start_over();
            scene.meets(PATIENCE).expect("they meet")
        });
        assert!(took <= SOON, "{pair:?}: {took} ms");
    }
}

#[test]
fn homes_with_strict_routers_go_on_through_the_hub_at_once_and_know_why() {
    let Some(_turn) = alone() else { return };
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "sym", [Router::Symmetric, Router::Symmetric]);
    wait_until("alice gives up", GIVEN_UP, || {
        let path = scene.alice.path("bob").unwrap_or_default();
        let why = path["why_not"].as_str().unwrap_or_default();
        if why.contains("routers") { Ok(()) } else { Err(path.to_string()) }
    });
    assert_eq!(scene.alice.path("bob").unwrap()["path"], "relay");
    scene.alice.send("@bob", "by the hub");
    scene.bob.until_reads("@alice", &["hello", "hi", "by the hub"]);
    // Nothing waits for the attempts to meet that are made meanwhile.
    let took = best(RELAYED, |_| {
        scene.start_over();
        let text = scene.say();
        wait_until("bob hears", PATIENCE, || scene.heard(&text).ok_or_else(String::new)).0
    });
    assert!(took <= RELAYED, "{took} ms");
    assert_ne!(scene.alice.path("bob").unwrap_or_default()["path"], "direct");
}

#[test]
fn homes_with_strict_routers_meet_where_both_have_ipv6() {
    let Some(_turn) = alone() else { return };
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "six", [Router::Symmetric, Router::Symmetric]);
    scene.start_over_with(Lab::add_v6);
    // The first packets wait until neighbours have found each other.
    assert!(scene.meets(PATIENCE).is_some());
    let took = best(SOON, |_| {
        scene.start_over_with(|_| {});
        scene.meets(PATIENCE).expect("they meet")
    });
    assert!(took <= SOON, "{took} ms");
    let path = scene.alice.path("bob").unwrap();
    assert!(path["address"].as_str().unwrap().starts_with("[fd10:"), "{path}");
}

#[test]
fn machines_in_one_home_meet_inside_it_whatever_its_router_does() {
    let Some(_turn) = beside_others() else { return };
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
    let Some(_turn) = beside_others() else { return };
    let stage = Stage::new();
    let scene = Scene::set(&stage, "blk", [Router::Port, Router::Port]);
    scene.lab.set("ra", Router::Blocked);
    until_named(&scene);
}

/// The table in docs/BENCHMARKS.md: `cargo test --release --workspace --test nat -- --ignored
/// --nocapture table`. `HUBBUB_RUNS` meetings of each pair, of a hundred packets `HUBBUB_LOSS` are
/// lost.
#[test]
#[ignore = "takes half an hour; prints the table of the benchmarks"]
fn table() {
    let Some(_turn) = alone() else { return };
    let number =
        |name, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (runs, loss) = (number("HUBBUB_RUNS", 20), number("HUBBUB_LOSS", 0));
    println!(
        "| routers | direct | within 1 s | median, slowest ms | message there: median, slowest ms |"
    );
    println!("|---|---|---|---|---|");
    let kinds: Vec<Router> = Router::OPEN.into_iter().chain([Router::HubOnly]).collect();
    let mut wrong = Vec::new();
    for (at, one) in kinds.iter().enumerate() {
        for other in &kinds[at..] {
            let pair = [*one, *other];
            let row = Row::of(&meetings(pair, (runs, u8::try_from(loss).unwrap())));
            println!("| {one:?} x {other:?} | {row} |");
            wrong.extend(row.wrong(one.meets(*other)).map(|why| format!("{pair:?}: {why}")));
        }
    }
    blocked(runs.min(BLOCKED_RUNS));
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What came of the meetings of one pair.
struct Row {
    runs: usize,
    /// How long each took that came about, and how long each message took that came; rising.
    direct: Vec<u64>,
    heard: Vec<u64>,
}

impl Row {
    fn of(meetings: &[Meeting]) -> Self {
        let rising = |part: fn(&Meeting) -> Option<u64>| {
            let mut all: Vec<u64> = meetings.iter().filter_map(part).collect();
            all.sort_unstable();
            all
        };
        let (direct, heard) = (rising(|meeting| meeting.direct), rising(|meeting| meeting.heard));
        Self { runs: meetings.len(), direct, heard }
    }

    fn soon(&self) -> usize {
        self.direct.iter().filter(|took| **took <= SOON).count()
    }

    /// What is less than was promised: nineteen of twenty are direct soon, where they can be, and
    /// the others have what was said by the hub.
    fn wrong(&self, meets: bool) -> Option<String> {
        let enough = |good: usize| good * 20 >= self.runs * 19;
        let relayed = self.heard.iter().filter(|took| **took <= RELAYED).count();
        match meets {
            true if !enough(self.soon()) => Some(format!("{:?} ms", self.direct)),
            false if !self.direct.is_empty() => Some("they met".to_owned()),
            false if relayed < self.runs => Some(format!("heard after {:?} ms", self.heard)),
            _ => None,
        }
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let both = |all: &[u64]| match (all.get(all.len() / 2), all.last()) {
            (Some(median), Some(last)) => format!("{median}, {last}"),
            _ => "–".to_owned(),
        };
        let Self { runs, direct, heard } = self;
        let (direct, soon) = (direct.len(), self.soon());
        write!(f, "{direct}/{runs} | {soon}/{runs} | {} | {}", both(&self.direct), both(heard))
    }
}

/// The meetings of two homes.
fn meetings(routers: [Router; 2], (runs, loss): (usize, u8)) -> Vec<Meeting> {
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "tab", routers);
    scene.lab.lose(loss);
    let patience = if routers[0].meets(routers[1]) { PATIENCE } else { SETTLED };
    let once = |_| {
        scene.start_over();
        scene.meeting(patience)
    };
    (0..runs).map(once).collect()
}

/// The row of a network that lets no UDP through. The hub is not reached from there either: what
/// is said waits, it is told why, and it comes once there is a way.
fn blocked(runs: usize) {
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "tabb", [Router::Port, Router::Port]);
    let (mut named, mut came) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        scene.start_over();
        scene.lab.set("ra", Router::Blocked);
        let began = Instant::now();
        let text = scene.say();
        until_named(&scene);
        named.push(began.elapsed().as_secs());
        assert_eq!(scene.heard(&text), None, "it went through");
        assert_ne!(scene.alice.path("bob").unwrap_or_default()["path"], "direct");
        scene.lab.set("ra", Router::Port);
        let began = Instant::now();
        wait_until("what waited comes", NAMED, || scene.heard(&text).ok_or_else(String::new));
        came.push(began.elapsed().as_secs());
    }
    println!(
        "| Blocked x Port | 0/{runs} | 0/{runs} | – | –; named after {named:?} s; there {came:?} s \
         after it was let through |"
    );
}

/// Waits until alice is told what is wrong with her network.
fn until_named(scene: &Scene<'_>) {
    wait_until("alice's doctor names UDP", NAMED, || {
        let told = scene.alice.cli(&["doctor"]).fine().stdout;
        if told.contains("no UDP through") { Ok(()) } else { Err(told) }
    });
}
