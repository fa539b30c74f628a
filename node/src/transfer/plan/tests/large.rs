//! Files larger than anybody has patience for.

use std::time::Instant;

use super::super::*;
use super::world::{self, FILE, START, node_id};
use hubbub_shared::blob::{HaveMap, Shape};
use hubbub_shared::time::Millis;

fn bob() -> SourceId {
    SourceId::Node(node_id(1))
}

fn opened(pieces: u64, sources: u8) -> (Plan, u64) {
    opened_with(pieces, sources, |_| {})
}

/// The same with some pieces here already.
fn opened_with(pieces: u64, sources: u8, fill: impl Fn(&mut HaveMap)) -> (Plan, u64) {
    let mut plan = Plan::new(node_id(0), Limits::default(), [7; 32]);
    let shape = Shape::of(pieces * 65_520 - pieces * 1_000).unwrap();
    let mut have = HaveMap::none(shape.pieces());
    fill(&mut have);
    let wanted = world::wanted(shape, have);
    plan.handle_wanted(wanted, START).unwrap();
    for n in 1..=sources {
        let source = SourceId::Node(node_id(usize::from(n)));
        plan.handle_source(FILE, source, Kind::Direct, START);
        plan.handle_opened(FILE, source, Kind::Direct, START);
    }
    (plan, shape.pieces())
}

/// Gives at once whatever is asked for, until so many pieces came or nothing more is asked for.
fn feed(plan: &mut Plan, most: u64) -> u64 {
    let mut came = 0;
    while let Some(deed) = plan.poll_deed() {
        let Deed::Ask { source, spans, .. } = deed else { continue };
        for index in spans.iter().flat_map(|s| s.first..s.first + u32::from(s.count)) {
            let now = START + Millis(came / 20);
            plan.handle_piece(FILE, source, index, now);
            came += 1;
        }
        if came >= most {
            break;
        }
    }
    came
}

#[test]
fn a_file_of_a_million_pieces_is_planned_in_no_time() {
    let (mut plan, pieces) = opened(1 << 20, 1);
    assert!(pieces > 1_000_000);
    plan.handle_have(FILE, bob(), HaveMap::all(pieces), START);
    let began = Instant::now();
    let came = feed(&mut plan, 100_000);
    let took = began.elapsed();
    println!("{came} pieces in {took:?}");
    assert!(came >= 100_000 && plan.progress(FILE).is_some());
    // Looking at all pieces, or all runs, for each would take an hour.
    assert!(took.as_secs() < 60, "{took:?}");
}

#[test]
fn sources_that_have_every_other_piece_of_a_million_slow_nothing_down() {
    let (mut plan, pieces) = opened(1 << 20, 8);
    let last = u32::try_from(pieces).unwrap();
    for n in 1..=8u8 {
        let mut some = HaveMap::none(pieces);
        (0..last).filter(|i| i % 8 == u32::from(n) - 1 || i % 5 == 0).for_each(|i| some.insert(i));
        let source = SourceId::Node(node_id(usize::from(n)));
        plan.handle_have(FILE, source, some, START);
    }
    let began = Instant::now();
    let came = feed(&mut plan, 20_000);
    let took = began.elapsed();
    println!("{came} pieces in {took:?}");
    assert!(came >= 20_000 && took.as_secs() < 60, "{took:?}");
}

#[test]
fn the_largest_file_there_can_be_is_begun_like_any_other() {
    let (mut plan, pieces) = opened((1 << 32) - (1 << 27), 2);
    assert!(pieces > 1 << 31);
    let began = Instant::now();
    plan.handle_have(FILE, bob(), HaveMap::all(pieces), START);
    let mut runs = HaveMap::none(pieces);
    (0..4_096).for_each(|n| runs.insert(n * 1_000_000));
    plan.handle_have(FILE, SourceId::Node(node_id(2)), runs, START);
    assert!(feed(&mut plan, 5_000) >= 5_000);
    println!("{:?}", began.elapsed());
}

#[test]
fn the_last_pieces_of_a_million_are_found_as_fast_as_the_first() {
    let (mut plan, pieces) = opened_with(1 << 20, 1, |have| {
        let last = u32::try_from(have.pieces()).unwrap();
        (0..last).filter(|n| n % 50_000 != 49_999).for_each(|n| have.insert(n));
    });
    plan.handle_have(FILE, bob(), HaveMap::all(pieces), START);
    assert_eq!(plan.progress(FILE).map(|progress| progress.sources.len()), Some(1));
    let began = Instant::now();
    assert_eq!(feed(&mut plan, u64::MAX), 20);
    assert!(plan.files().count() == 0 && began.elapsed().as_secs() < 5);
}
