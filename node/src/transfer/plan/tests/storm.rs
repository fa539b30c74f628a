//! Random worlds, one from each number. What may never happen is judged by the world; what must
//! happen in the end is judged here.

use std::collections::BTreeSet;

use hubbub_shared::blob::HaveMap;
use hubbub_shared::time::Millis;
use hubbub_shared::wire::pieces::PieceRefusal;

use super::super::*;
use super::world::{FILE, Manner, World};

const SENDER: usize = 0;

fn manner(world: &mut World) -> Manner {
    let mut manner = Manner { uplink: 200_000 << world.below(6), ..Manner::default() };
    match world.below(12) {
        0 | 1 => manner.lies = 1 + world.below(300),
        2 | 3 => manner.breaks = 1 + world.below(40),
        4 => manner.mute = true,
        5 => manner.boasts = true,
        6 => manner.doubted = 1 + world.below(100),
        7 => {
            let codes = [1, 2, 4, 5, 7, 8, 99].map(PieceRefusal::from);
            let wait = (world.below(2) == 0).then(|| Millis::secs(3));
            manner.refuses = Some((codes[world.upto(7)], wait));
        }
        _ => {}
    }
    manner
}

/// A sender who is honest and stays, receivers, and others who have parts of it.
fn begin(seed: u64) -> (World, Vec<usize>) {
    let mut world = World::new(seed);
    world.delay = 1 + world.below(150);
    let bytes = world.below(16 << 20) + 1;
    let pieces = world.file(FILE, bytes).pieces();
    world.node(Manner { uplink: 2 << 20, breaks: seed % 5, ..Manner::default() });
    world.holds_all(SENDER, FILE);
    let receivers: Vec<usize> = (0..1 + world.below(5))
        .map(|_| {
            let manner = if world.below(3) == 0 { manner(&mut world) } else { Manner::default() };
            world.node(manner)
        })
        .collect();
    let holders: Vec<usize> = (0..world.below(6))
        .map(|_| {
            let manner = manner(&mut world);
            let who = world.node(manner);
            let mut have = HaveMap::none(pieces);
            let some = world.below(1_001);
            (0..u32::try_from(pieces).unwrap()).filter(|_| world.chance(some)).for_each(|n| {
                have.insert(n);
            });
            world.nodes[who].have.insert(FILE, have);
            who
        })
        .collect();
    if let Some(hub) = holders.first().filter(|_| world.below(2) == 0) {
        world.hub = Some(*hub);
    }
    for who in &receivers {
        world.wants(*who, FILE);
        for from in receivers.iter().chain(&holders).chain([&SENDER]).filter(|from| *from != who) {
            let kind = if world.below(2) == 0 { Kind::Direct } else { Kind::Relay };
            let kind = if world.hub == Some(*from) { Kind::Hub } else { kind };
            world.source(*who, FILE, *from, kind);
        }
    }
    (world, receivers)
}

fn live(seed: u64) {
    let (mut world, receivers) = begin(seed);
    let honest: BTreeSet<SourceId> = (0..world.nodes.len())
        .filter(|who| world.nodes[*who].manner.lies == 0)
        .map(|who| world.name(who))
        .collect();
    // The first half minute is eventful.
    for second in 1..30 {
        world.run(second);
        let who = receivers[world.upto(receivers.len())];
        match world.below(8) {
            0 => world.pause(who, FILE, true),
            1 => world.pause(who, FILE, false),
            2 => {
                let now = world.time();
                world.nodes[who].plan.handle_store_failed(FILE, now);
                world.drain(who);
            }
            3 if world.nodes.len() > receivers.len() + 1 => {
                let others = world.nodes.len() - receivers.len() - 1;
                let other = receivers.len() + 1 + world.upto(others);
                world.leaves(other);
            }
            4 => world.source(
                who,
                FILE,
                SENDER,
                [Kind::Direct, Kind::Relay][usize::from(second % 2 == 0)],
            ),
            _ => {}
        }
    }
    receivers.iter().for_each(|who| world.pause(*who, FILE, false));
    world.run_while(4_000, |world| !world.all_done(&receivers, FILE));
    for who in &receivers {
        let left = || (world.nodes[*who].plan.progress(FILE), world.stuck.last());
        assert!(world.done.contains_key(&(*who, FILE)), "seed {seed}, {who}: {:?}", left());
    }
    let named: BTreeSet<_> = world.blamed.iter().map(|(who, source, _)| (who, source)).collect();
    assert_eq!(named.len(), world.blamed.len(), "seed {seed}: named twice");
    assert!(world.blamed.iter().all(|(_, source, _)| !honest.contains(source)), "seed {seed}");
    let all = world.shapes[&FILE].sealed() * receivers.len() as u64;
    let most = all / 50 + 65_536 * receivers.len() as u64;
    assert!(world.twice <= most, "seed {seed}: {} of {all} bytes twice", world.twice);
}

#[test]
fn whatever_happens_everybody_gets_the_file_and_nobody_honest_is_named() {
    for seed in 0..300 {
        live(seed);
    }
}
