//! Several files at once: who gets how much, who waits, and what a limit lets through.

use super::super::*;
use super::world::{FILE, MIB, Manner, World};

const ALICE: usize = 0;

/// Alice wants so many files of so many MiB, in this order, all from bob.
fn queue(seed: u64, limits: Limits, uplink: u64, files: &[u64]) -> World {
    let mut world = World::with_limits(seed, limits);
    world.node(Manner::default());
    let bob = world.node(Manner { uplink, ..Manner::default() });
    for (file, mib) in (1..).map(FileId).zip(files) {
        world.file(file, mib * MIB);
        world.holds_all(bob, file);
        world.wants(ALICE, file);
        world.source(ALICE, file, bob, Kind::Direct);
    }
    world
}

fn limited(rate: u64) -> Limits {
    Limits { rate, ..Limits::default() }
}

fn came(world: &World) -> Vec<u64> {
    world.came_of.values().copied().collect()
}

#[test]
fn files_side_by_side_share_a_line_fairly() {
    for limits in [limited(0), limited(2 * MIB)] {
        let mut world = queue(1, limits, 8 * MIB, &[200, 200, 200]);
        world.run(30);
        let came = came(&world);
        let (least, most) = (came.iter().min().unwrap(), came.iter().max().unwrap());
        assert!(came.len() == 3 && most * 10 <= least * 12, "{came:?}");
    }
}

#[test]
fn files_share_fairly_when_what_is_outstanding_is_scarce() {
    let limits = Limits { outstanding: 12, ..Limits::default() };
    let mut world = queue(2, limits, 8 * MIB, &[200, 200, 200]);
    world.run(30);
    let came = came(&world);
    let (least, most) = (came.iter().min().unwrap(), came.iter().max().unwrap());
    assert!(most * 10 <= least * 12, "{came:?}");
}

#[test]
fn one_that_somebody_waits_for_gets_more() {
    let mut world = queue(3, limited(2 * MIB), 8 * MIB, &[200, 200]);
    let now = world.time();
    world.nodes[ALICE].plan.handle_priority(FILE, Priority::High, now);
    world.run(30);
    let came = came(&world);
    assert!(came[0] * 10 >= came[1] * 16, "{came:?}");
}

#[test]
fn a_bandwidth_limit_is_held_and_used() {
    for (rate, sources) in [(MIB, 1), (3 * MIB, 2), (200_000, 1), (20 * MIB, 2)] {
        let mut world = World::with_limits(4, limited(rate));
        world.file(FILE, 2_000 * MIB);
        world.node(Manner::default());
        world.wants(ALICE, FILE);
        for _ in 0..sources {
            let who = world.node(Manner { uplink: 30 * MIB, ..Manner::default() });
            world.holds_all(who, FILE);
            world.source(ALICE, FILE, who, Kind::Direct);
        }
        world.run(1);
        let before = world.came;
        world.run(61);
        let came = (world.came - before) / 60;
        assert!(came * 100 <= rate * 105 && came * 100 >= rate * 95, "{came} of {rate}");
        // Another limit holds at once.
        let now = world.time();
        world.nodes[ALICE].plan.handle_limits(limited(rate / 2), now);
        world.drain(ALICE);
        world.run(63);
        let before = world.came;
        world.run(123);
        let came = (world.came - before) / 60;
        assert!(came * 100 <= rate * 53 && came * 100 >= rate * 47, "{came} of half of {rate}");
    }
}

#[test]
fn as_many_as_may_are_fetched_and_small_ones_go_first() {
    let limits = Limits { side_by_side: 1, ..Limits::default() };
    let mut world = queue(5, limits, 8 * MIB, &[16, 64, 8, 1]);
    world.run(100);
    let mut done: Vec<_> = world.done.iter().map(|((_, file), at)| (*at, file.0)).collect();
    done.sort_unstable();
    assert_eq!(done.iter().map(|(_, file)| *file).collect::<Vec<_>>(), [1, 4, 3, 2]);
}

#[test]
fn a_large_file_is_not_passed_by_small_ones_for_ever() {
    let limits = Limits { side_by_side: 1, ..Limits::default() };
    let mut world = queue(6, limits, MIB, &[2, 1_000]);
    let bob = 1;
    // Each takes a second, and there is always one more that waits.
    for n in 0..1_200 {
        let file = FileId(100 + n);
        world.file(file, MIB);
        world.holds_all(bob, file);
        world.wants(ALICE, file);
        world.source(ALICE, file, bob, Kind::Direct);
        world.run(n + 1);
        if world.came_of.contains_key(&(ALICE, FileId(2))) {
            break;
        }
    }
    // Those that came in its first ten minutes go first, and it was they who came too fast.
    assert!((60..800).contains(&world.secs()), "its turn came after {} s", world.secs());
}

#[test]
fn a_file_that_nobody_gives_holds_up_none() {
    let limits = Limits { side_by_side: 2, ..Limits::default() };
    let mut world = queue(7, limits, 8 * MIB, &[1, 1, 16, 16]);
    for file in [1, 2].map(FileId) {
        world.nodes[1].have.insert(file, hubbub_shared::blob::HaveMap::none(17));
    }
    world.run(60);
    assert!(world.all_done(&[ALICE], FileId(3)) && world.all_done(&[ALICE], FileId(4)));
    assert!(world.nodes[ALICE].plan.progress(FILE).is_some_and(|progress| progress.here == 0));
}

#[test]
fn a_higher_priority_takes_a_turn_from_a_lower_one() {
    let limits = Limits { side_by_side: 1, ..Limits::default() };
    let mut world = queue(8, limits, MIB, &[100, 4]);
    world.run(2);
    let now = world.time();
    world.nodes[ALICE].plan.handle_priority(FileId(2), Priority::High, now);
    world.drain(ALICE);
    world.run(10);
    assert!(world.all_done(&[ALICE], FileId(2)) && !world.all_done(&[ALICE], FILE));
    world.run(130);
    assert!(world.all_done(&[ALICE], FILE));
}

#[test]
fn there_are_only_so_many_files() {
    let mut world = World::new(9);
    world.node(Manner::default());
    for n in 0..limits::FILES as u64 {
        world.file(FileId(n), 1);
        world.wants(ALICE, FileId(n));
    }
    let shape = world.shapes[&FILE];
    let have = hubbub_shared::blob::HaveMap::none(1);
    let (file, priority, paused) = (FileId(5_000), Priority::Normal, false);
    let wanted = Wanted { file, shape, have, priority, paused, liars: Vec::new() };
    let now = world.time();
    assert_eq!(world.nodes[ALICE].plan.handle_wanted(wanted.clone(), now), Err(Full));
    world.nodes[ALICE].plan.handle_cancelled(FILE, now);
    assert_eq!(world.nodes[ALICE].plan.handle_wanted(wanted, now), Ok(()));
}
