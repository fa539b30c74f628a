//! Many receivers of one file, who serve one another what they have.

use super::super::*;
use super::world::{FILE, MIB, Manner, World};

const SENDER: usize = 0;

fn uplink(uplink: u64) -> Manner {
    Manner { uplink, ..Manner::default() }
}

/// A sender and so many receivers who reach one another directly, and the sender as told.
fn swarm(seed: u64, mib: u64, receivers: usize, sender: impl Fn(usize) -> Kind) -> World {
    let mut world = World::new(seed);
    world.file(FILE, mib * MIB);
    world.node(uplink(4 * MIB));
    world.holds_all(SENDER, FILE);
    for _ in 0..receivers {
        world.node(uplink(8 * MIB));
    }
    for who in 1..=receivers {
        world.wants(who, FILE);
    }
    for who in 1..=receivers {
        world.source(who, FILE, SENDER, sender(who));
        for other in (1..=receivers).filter(|other| *other != who) {
            world.source(who, FILE, other, Kind::Direct);
        }
    }
    world
}

/// When the last one has it, in milliseconds; and how often the hub carried the file.
fn finish(world: &mut World, receivers: usize) -> (u64, f64) {
    let all: Vec<usize> = (1..=receivers).collect();
    world.run_while(1_000, |world| !world.all_done(&all, FILE));
    let last = all.iter().map(|who| {
        let left = world.nodes[*who].plan.progress(FILE);
        *world.done.get(&(*who, FILE)).unwrap_or_else(|| panic!("{who} has not: {left:?}"))
    });
    let last = last.max().unwrap() / 1_000;
    let file = world.shapes[&FILE].sealed();
    assert!(world.twice <= receivers as u64 * file / 50, "{} bytes twice", world.twice);
    (last, world.carried as f64 / file as f64)
}

#[test]
fn eight_receivers_whom_the_sender_reaches_by_the_hub_alone_have_it_carry_the_file_once() {
    for (seed, mib) in [(1, 64), (2, 64), (3, 16), (4, 200)] {
        let mut world = swarm(seed, mib, 8, |_| Kind::Relay);
        let (took, carried) = finish(&mut world, 8);
        println!("{mib} MiB: carried {carried:.3}, {took} ms, {} is the least", mib * 250);
        assert!(carried <= 1.1, "{carried} times {mib} MiB");
        assert!(took < mib * 250 * 13 / 10 + 4_000, "{took} ms, {} are the least", mib * 250);
    }
}

#[test]
fn when_only_the_first_needs_the_hub_it_carries_little() {
    let kind = |who| if who == 1 { Kind::Relay } else { Kind::Direct };
    let mut world = swarm(5, 64, 8, kind);
    let (took, carried) = finish(&mut world, 8);
    println!("carried {carried:.3}, {took} ms");
    assert!(carried <= 0.5 && took < 40_000, "{carried} in {took} ms");
}

#[test]
fn when_only_the_first_reaches_the_sender_the_hub_carries_the_file_once() {
    let mut world = swarm(6, 64, 8, |_| Kind::Relay);
    let now = world.time();
    for who in 2..=8 {
        let sender = world.name(SENDER);
        world.nodes[who].plan.handle_lost(FILE, sender, now);
        world.drain(who);
    }
    let (took, carried) = finish(&mut world, 8);
    println!("carried {carried:.3}, {took} ms");
    assert!(carried <= 1.1, "{carried}");
    assert!(took < 40_000, "{took} ms");
}

#[test]
fn eight_receivers_who_reach_everybody_have_the_hub_carry_nothing() {
    let mut world = swarm(7, 64, 8, |_| Kind::Direct);
    let (took, carried) = finish(&mut world, 8);
    println!("carried {carried:.3}, {took} ms, alone they would take {} ms", 64 * 250 * 8);
    assert!(carried == 0.0 && took < 40_000, "{carried} in {took} ms");
}

#[test]
fn receivers_that_come_one_after_another_get_it_from_one_another() {
    let mut world = swarm(8, 64, 1, |_| Kind::Relay);
    for who in 2..=8 {
        world.run(3 * (who as u64 - 1));
        world.node(uplink(8 * MIB));
        world.wants(who, FILE);
        world.source(who, FILE, SENDER, Kind::Relay);
        for other in 1..who {
            world.source(who, FILE, other, Kind::Direct);
            world.source(other, FILE, who, Kind::Direct);
        }
    }
    let (took, carried) = finish(&mut world, 8);
    println!("carried {carried:.3}, {took} ms");
    assert!(carried <= 1.1, "{carried}");
}

#[test]
fn a_receiver_who_leaves_or_pauses_holds_nobody_up() {
    for leaves in [true, false] {
        let mut world = swarm(9, 64, 4, |_| Kind::Relay);
        world.run(5);
        if leaves {
            world.leaves(4);
        } else {
            world.pause(4, FILE, true);
        }
        let (took, carried) = finish(&mut world, 3);
        println!("carried {carried:.3}, {took} ms");
        assert!(took < 30_000, "{took} ms, 16,000 are the least");
        assert!(carried <= 1.2, "{carried}");
    }
}

#[test]
fn what_only_a_leaver_has_is_fetched_before_it_leaves() {
    // A sender who goes as soon as it has given everything once leaves enough behind.
    let mut world = swarm(10, 64, 4, |_| Kind::Direct);
    world.run_while(100, |world| {
        let given: u64 = (1..=4).filter_map(|who| world.given.get(&(who, SENDER))).sum();
        given < 64 * 16 * 5 / 4
    });
    world.leaves(SENDER);
    finish(&mut world, 4);
}

#[test]
fn a_receiver_with_a_slow_way_to_the_hub_holds_nobody_up() {
    let mut world = swarm(11, 64, 8, |_| Kind::Relay);
    world.nodes[3].manner.downlink = 50_000;
    let (took, carried) = finish(&mut world, 8);
    println!("carried {carried:.3}, {took} ms");
    assert!(took < 32_000, "{took} ms, 16,000 are the least");
    assert!(carried <= 1.1, "{carried}");
}

#[test]
fn receivers_of_all_speeds_share_without_waste() {
    let mut world = swarm(12, 64, 8, |_| Kind::Relay);
    for who in 1..=8 {
        world.nodes[who].manner.downlink = 100_000 << (who / 2);
    }
    let (took, carried) = finish(&mut world, 8);
    println!("carried {carried:.3}, {took} ms");
    assert!(carried <= 1.2, "{carried}");
    assert!(took < 48_000, "{took} ms");
}
