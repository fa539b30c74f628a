//! The last pieces, pauses, a disk that fails, and what people see.

use super::super::*;
use super::world::{FILE, MIB, Manner, World};
use hubbub_shared::blob::HaveMap;
use hubbub_shared::time::Millis;

const ALICE: usize = 0;

fn world(seed: u64, mib: u64, uplinks: &[u64]) -> World {
    let mut world = World::new(seed);
    world.file(FILE, mib * MIB);
    world.node(Manner::default());
    world.wants(ALICE, FILE);
    for uplink in uplinks {
        let who = world.node(Manner { uplink: *uplink, ..Manner::default() });
        world.holds_all(who, FILE);
        world.source(ALICE, FILE, who, Kind::Direct);
    }
    world
}

#[test]
fn the_last_pieces_of_a_slow_source_are_asked_of_a_fast_one() {
    for seed in 0..10 {
        let mut world = world(seed, 32, &[8 * MIB, 20_000]);
        world.run_while(100, |world| !world.all_done(&[ALICE], FILE));
        assert!(world.now < 6_500_000, "{} us, where 3,990,000 are the least", world.now);
        assert!(world.twice <= 32 * MIB / 50, "{} bytes twice", world.twice);
    }
}

#[test]
fn nothing_is_asked_for_twice_while_there_is_anything_else() {
    let mut world = world(3, 64, &[4 * MIB, 4 * MIB, 4 * MIB]);
    world.run_while(100, |world| !world.all_done(&[ALICE], FILE));
    let asked: u64 =
        world.asks.iter().flat_map(|(.., spans)| spans).map(|s| u64::from(s.count)).sum();
    let pieces = world.shapes[&FILE].pieces();
    assert!(asked <= pieces + pieces / 50, "{asked} of {pieces}");
}

#[test]
fn pieces_are_asked_for_in_a_row() {
    let mut world = world(4, 256, &[16 * MIB, 16 * MIB]);
    world.run_while(100, |world| !world.all_done(&[ALICE], FILE));
    let spans: usize = world.asks.iter().map(|(.., spans)| spans.len()).sum();
    let pieces = usize::try_from(world.shapes[&FILE].pieces()).unwrap();
    assert!(spans * 8 < pieces, "{spans} spans for {pieces} pieces");
}

#[test]
fn a_paused_file_asks_nothing_and_goes_on_where_it_was() {
    let mut world = world(5, 32, &[4 * MIB]);
    world.run(3);
    world.pause(ALICE, FILE, true);
    let (asks, came) = (world.asks.len(), world.came);
    world.run(60);
    assert_eq!((world.asks.len(), world.came), (asks, came));
    let state = |world: &World| world.nodes[ALICE].plan.progress(FILE).unwrap().state;
    assert_eq!(state(&world), State::Paused);
    world.pause(ALICE, FILE, false);
    world.run(61);
    assert_eq!(state(&world), State::Fetching);
    world.run_while(100, |world| !world.all_done(&[ALICE], FILE));
    assert!(world.now < 67_000_000 && world.twice == 0);
}

#[test]
fn a_cancelled_file_is_heard_of_no_more() {
    let mut world = world(6, 32, &[4 * MIB]);
    world.run(3);
    let (now, asks) = (world.time(), world.asks.len());
    world.nodes[ALICE].plan.handle_cancelled(FILE, now);
    world.drain(ALICE);
    world.run(60);
    assert!(world.asks.len() == asks && world.stuck.is_empty() && world.done.is_empty());
    assert_eq!(world.nodes[ALICE].plan.files().count(), 0);
    assert_eq!(world.nodes[ALICE].plan.poll_timeout(), None);
}

#[test]
fn a_disk_that_fails_here_is_told_and_tried_again_ever_later() {
    let mut world = world(7, 32, &[4 * MIB]);
    world.run(2);
    for _ in 0..4 {
        let now = world.time();
        world.nodes[ALICE].plan.handle_store_failed(FILE, now);
        world.drain(ALICE);
        let (.., why, next) = *world.stuck.last().unwrap();
        assert_eq!(why, Stuck::StoreFailing);
        let secs = next.unwrap().since(super::world::START).0.div_ceil(1_000);
        let asks = world.asks.len();
        world.run(secs - 1);
        assert_eq!(world.asks.len(), asks);
        world.run_while(secs + 5, |world| world.asks.len() == asks);
        assert!(world.asks.len() > asks);
    }
    assert!(world.secs() > 30, "{} s", world.secs());
    world.run_while(400, |world| !world.all_done(&[ALICE], FILE));
    assert!(world.all_done(&[ALICE], FILE));
}

#[test]
fn a_file_that_is_here_already_is_done_at_once_and_a_part_is_not_asked_for_again() {
    let mut world = World::new(8);
    let pieces = world.file(FILE, 8 * MIB).pieces();
    world.node(Manner::default());
    world.holds_all(ALICE, FILE);
    world.wants(ALICE, FILE);
    assert!(world.all_done(&[ALICE], FILE));
    let bob = world.node(Manner::default());
    let mut most = HaveMap::none(pieces);
    (0..u32::try_from(pieces).unwrap()).filter(|n| n % 7 != 0).for_each(|n| most.insert(n));
    world.nodes[bob].have.insert(FILE, most.clone());
    let carol = world.node(Manner::default());
    world.nodes[carol].have.insert(FILE, most);
    world.wants(carol, FILE);
    world.source(carol, FILE, ALICE, Kind::Direct);
    world.run(10);
    assert!(world.all_done(&[carol], FILE) && world.twice == 0);
}

#[test]
fn people_see_how_fast_it_comes_and_how_long_it_takes() {
    let mut world = world(9, 64, &[4 * MIB, 2 * MIB]);
    world.run(6);
    let progress = world.nodes[ALICE].plan.progress(FILE).unwrap();
    assert_eq!(progress.here, world.came);
    assert_eq!(progress.of, world.shapes[&FILE].sealed());
    assert!((5 * MIB..7 * MIB).contains(&progress.rate), "{}", progress.rate);
    let left = progress.left.unwrap().0;
    assert!((3_500..6_500).contains(&left), "{left} ms left");
    let [bob, carol] = &progress.sources[..] else { panic!() };
    assert!(bob.open && bob.given > carol.given && bob.rate > carol.rate && bob.outstanding > 0);
    world.leaves(1);
    world.leaves(2);
    world.run(30);
    let progress = world.nodes[ALICE].plan.progress(FILE).unwrap();
    assert!(matches!(progress.state, State::Stuck(Stuck::Unreachable, Some(_))), "{progress:?}");
    assert_eq!((progress.rate, progress.left), (0, None));
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut plan = Plan::new(super::world::node_id(0), Limits::default(), [1; 32]);
    let shape = hubbub_shared::blob::Shape::of(8 * MIB).unwrap();
    let have = HaveMap::none(shape.pieces());
    let wanted = super::world::wanted(shape, have);
    let (later, before) = (super::world::START, super::world::START - Millis::days(30));
    plan.handle_wanted(wanted, later).unwrap();
    let bob = SourceId::Node(super::world::node_id(1));
    plan.handle_source(FILE, bob, Kind::Direct, later);
    plan.handle_timeout(before);
    let due = plan.poll_timeout().unwrap();
    assert!(due > before && due.since(before) <= limits::ANSWER);
}

#[test]
fn only_few_pieces_are_asked_of_two_sources() {
    let mut world = world(10, 32, &[8 * MIB, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000]);
    world.run_while(100, |world| !world.all_done(&[ALICE], FILE));
    // A stream that stalled gives its pieces to others; that is no doubling.
    let stalled = 6 * limits::WINDOW_START as u64;
    let spans = world.asks.iter().flat_map(|(.., spans)| spans);
    let asked: u64 = spans.map(|span| u64::from(span.count)).sum();
    let pieces = world.shapes[&FILE].pieces();
    let most = pieces + pieces / 50 + if world.secs() >= 15 { stalled } else { 0 };
    assert!(asked > pieces && asked <= most, "{asked}");
}

#[test]
fn what_was_asked_of_a_source_that_is_silent_is_asked_of_another() {
    let mut world = world(11, 4, &[MIB]);
    let mute = world.node(Manner { mute: true, ..Manner::default() });
    world.holds_all(mute, FILE);
    world.source(ALICE, FILE, mute, Kind::Direct);
    world.run_while(100, |world| !world.all_done(&[ALICE], FILE));
    assert!(world.secs() < 20, "{} s", world.secs());
}
