//! One receiver and its sources.

use super::super::*;
use super::world::{self, FILE, MIB, Manner, World};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::pieces::PieceRefusal;

const ALICE: usize = 0;

/// Alice wants a file; the sources are as told, all of them with everything.
fn world(seed: u64, mib: u64, sources: &[(Kind, Manner)]) -> World {
    let mut world = World::new(seed);
    world.file(FILE, mib * MIB);
    world.node(Manner::default());
    world.wants(ALICE, FILE);
    for (kind, manner) in sources {
        let who = world.node(manner.clone());
        if *kind == Kind::Hub {
            world.hub = Some(who);
        }
        world.holds_all(who, FILE);
        world.source(ALICE, FILE, who, *kind);
    }
    world
}

fn uplink(uplink: u64) -> Manner {
    Manner { uplink, ..Manner::default() }
}

fn until_done(world: &mut World, secs: u64) -> u64 {
    world.run_while(secs, |world| !world.all_done(&[ALICE], FILE));
    let done = world.done.get(&(ALICE, FILE));
    let left = || world.nodes[ALICE].plan.progress(FILE);
    *done.unwrap_or_else(|| panic!("not done: {:?} {:?}", left(), world.stuck)) / 1_000
}

#[test]
fn a_file_comes_from_one_source_as_fast_as_its_line_is() {
    let took = until_done(&mut world(1, 64, &[(Kind::Direct, uplink(4 * MIB))]), 100);
    assert!(took < 17_600, "{took} ms for 64 MiB at 4 MiB/s");
    let took = until_done(&mut world(1, 256, &[(Kind::Direct, uplink(64 * MIB))]), 100);
    assert!(took < 5_500, "{took} ms for 256 MiB at 64 MiB/s");
}

#[test]
fn two_sources_with_limited_uplinks_are_nearly_twice_as_fast_as_one() {
    for kind in [Kind::Direct, Kind::Relay] {
        let one = until_done(&mut world(2, 64, &[(kind, uplink(2 * MIB))]), 100);
        let two = [(kind, uplink(2 * MIB)), (kind, uplink(2 * MIB))];
        let two = until_done(&mut world(2, 64, &two), 100);
        assert!(one * 10 >= two * 17, "{one} ms and {two} ms");
    }
}

#[test]
fn a_fast_source_gives_more_than_a_slow_one() {
    let sources = [(Kind::Direct, uplink(8 * MIB)), (Kind::Direct, uplink(MIB))];
    let mut world = world(3, 64, &sources);
    let took = until_done(&mut world, 100);
    assert!(took < 8_000, "{took} ms where 7,111 are the least");
    let given = |from| world.given[&(ALICE, from)];
    assert!(given(1) > 6 * given(2) && given(2) > 50, "{} {}", given(1), given(2));
    assert!(world.twice <= 64 * MIB / 50, "{} bytes twice", world.twice);
}

#[test]
fn the_hub_carries_nothing_that_a_direct_source_gives() {
    let sources = [
        (Kind::Hub, Manner::default()),
        (Kind::Relay, Manner::default()),
        (Kind::Direct, uplink(MIB)),
    ];
    let mut world = world(4, 16, &sources);
    until_done(&mut world, 100);
    assert_eq!(world.carried, 0);
}

#[test]
fn the_hub_takes_over_from_a_direct_source_that_falls_silent() {
    let mute = Manner { mute: true, ..Manner::default() };
    let mut world = world(5, 16, &[(Kind::Direct, mute), (Kind::Relay, uplink(4 * MIB))]);
    assert!(until_done(&mut world, 100) < 25_000);
    assert!(world.carried > 15 * MIB);
}

#[test]
fn relay_and_cache_give_side_by_side() {
    let sources = [(Kind::Hub, uplink(2 * MIB)), (Kind::Relay, uplink(2 * MIB))];
    assert!(until_done(&mut world(6, 64, &sources), 100) < 19_000);
}

#[test]
fn a_source_that_lies_is_named_and_left_and_nobody_else_is() {
    for seed in 0..20 {
        let liar = Manner { lies: 200, uplink: 4 * MIB, ..Manner::default() };
        let sources =
            [(Kind::Direct, uplink(2 * MIB)), (Kind::Direct, liar), (Kind::Direct, uplink(MIB))];
        let mut world = world(seed, 32, &sources);
        world.run_while(100, |world| world.blamed.is_empty());
        // Named again, it stays left: the world judges that nothing is asked of it.
        world.source(ALICE, FILE, 2, Kind::Direct);
        until_done(&mut world, 100);
        let mallory = world.name(2);
        assert_eq!(world.blamed, [(ALICE, mallory, Lie::Piece)]);
    }
}

#[test]
fn a_damaged_tree_of_our_own_is_no_lie_of_anybody() {
    let doubted = Manner { doubted: 100, uplink: 4 * MIB, ..Manner::default() };
    let mut world = world(7, 16, &[(Kind::Direct, doubted)]);
    until_done(&mut world, 100);
    assert_eq!(world.blamed, []);
}

#[test]
fn a_piece_that_is_bad_for_sure_is_a_lie_at_once() {
    let mut world = world(8, 16, &[(Kind::Direct, uplink(MIB))]);
    world.run_while(100, |world| world.asks.is_empty());
    let (now, bob) = (world.time(), world.name(1));
    world.nodes[ALICE].plan.handle_bad_piece(FILE, bob, Bad { index: 3, sure: true }, now);
    world.drain(ALICE);
    assert_eq!(world.blamed, [(ALICE, bob, Lie::Piece)]);
    assert!(world.stuck.iter().any(|(.., why, _)| *why == Stuck::AllLied));
}

#[test]
fn sources_whose_streams_break_are_tried_again() {
    let breaks = Manner { breaks: 20, uplink: 4 * MIB, ..Manner::default() };
    let mut world = world(9, 32, &[(Kind::Direct, breaks.clone()), (Kind::Direct, breaks)]);
    until_done(&mut world, 200);
    assert!(world.twice == 0);
}

/// Seconds between the streams that are opened to the only source, over two hours.
fn pauses_of(kind: Kind, manner: Manner) -> Vec<u64> {
    let mut world = world(15, 4, &[(kind, manner)]);
    world.run(7_200);
    world.opens.windows(2).map(|two| two[1].2 - two[0].2).collect()
}

#[test]
fn one_that_can_be_opened_and_gives_nothing_is_tried_ever_later() {
    let refuses = |code| Manner { refuses: Some((code, None)), ..Manner::default() };
    let mute = Manner { mute: true, ..Manner::default() };
    let table = [
        (Kind::Hub, refuses(PieceRefusal::Unknown), limits::REFUSED.1),
        (Kind::Relay, refuses(PieceRefusal::Unknown), limits::REFUSED.1),
        (Kind::Direct, refuses(PieceRefusal::StoreFailing), limits::REFUSED.1),
        (Kind::Direct, mute.clone(), limits::PAUSE.1),
        (Kind::Hub, mute, limits::PAUSE.1),
    ];
    for (kind, manner, longest) in table {
        let pauses = pauses_of(kind, manner);
        assert!(pauses.len() < 60, "{kind:?}: {} streams in two hours", pauses.len());
        let last = pauses.iter().rev().take(5).max().copied().unwrap_or(0);
        assert!(last * 1_000 > longest.0 / 2, "{kind:?}: every {last} s at the end");
    }
}

#[test]
fn whoever_chats_and_gives_nothing_is_tried_no_sooner_for_that() {
    let refuses = |code| Manner { refuses: Some((code, None)), ..Manner::default() };
    let table = [
        (PieceRefusal::Unknown, 60),
        (PieceRefusal::Stopped, 60),
        // Left until somebody names them again.
        (PieceRefusal::Changed, 1),
        (PieceRefusal::OtherLength, 1),
        (PieceRefusal::BadAsk, 1),
    ];
    for (code, most) in table {
        let mut world = world(18, 4, &[(Kind::Relay, refuses(code))]);
        for second in (5..7_200).step_by(5) {
            world.run(second);
            world.heard(ALICE, FILE, 1);
        }
        let opens = world.opens.len();
        assert!((1..=most).contains(&opens), "{code:?}: {opens} streams in two hours");
    }
}

#[test]
fn whoever_was_away_is_tried_as_soon_as_anything_is_heard_of_them() {
    let mut world = world(19, 1, &[(Kind::Relay, Manner { away: true, ..Manner::default() })]);
    world.run(3_600);
    world.nodes[1].manner.away = false;
    world.heard(ALICE, FILE, 1);
    let took = until_done(&mut world, 3_700);
    assert!(took < 3_602_000, "{took}");
}

#[test]
fn one_that_can_be_opened_keeps_its_good_name_only_by_what_it_gives() {
    let refuses = Some((PieceRefusal::Unknown, None));
    let mut world = world(16, 4, &[(Kind::Relay, Manner { refuses, ..uplink(4 * MIB) })]);
    world.run(1_800);
    let before = world.opens.len();
    world.nodes[1].manner.refuses = None;
    until_done(&mut world, 4_000);
    assert!(world.opens.len() <= before + 1, "it is found by the pause it has come to");
}

#[test]
fn one_that_can_be_opened_keeps_the_way_it_was_opened_on() {
    let mut world = world(17, 4, &[(Kind::Relay, uplink(MIB))]);
    world.kinds.insert((ALICE, 1), Kind::Direct);
    world.run_while(10, |world| world.asks.is_empty());
    let progress = world.nodes[ALICE].plan.progress(FILE).unwrap();
    assert_eq!(progress.sources[0].kind, Kind::Direct);
}

#[test]
fn one_that_boasts_is_asked_less_and_less() {
    let boasts = Manner { boasts: true, ..Manner::default() };
    let mut world = world(10, 16, &[(Kind::Direct, boasts)]);
    world.nodes[1].have.clear();
    world.run(600);
    assert!(world.asks.len() < 20, "{} questions in ten minutes", world.asks.len());
}

#[test]
fn when_all_say_another_length_the_reference_is_what_lies() {
    let other = |code| Manner { refuses: Some((code, None)), ..Manner::default() };
    let sources = [
        (Kind::Direct, other(PieceRefusal::OtherLength)),
        (Kind::Relay, other(PieceRefusal::OtherLength)),
    ];
    let mut first = world(11, 1, &sources);
    first.run(30);
    let (.., why, next) = first.stuck.last().unwrap();
    assert_eq!((*why, *next), (Stuck::OtherLength, None));
    let sources = [
        (Kind::Direct, other(PieceRefusal::OtherLength)),
        (Kind::Relay, other(PieceRefusal::Changed)),
    ];
    let mut second = world(11, 1, &sources);
    second.run(30);
    assert_eq!(second.stuck.last().unwrap().2, Stuck::Changed);
}

#[test]
fn each_refusal_is_told_as_what_it_is() {
    let why = |code, retry| {
        let manner = Manner { refuses: Some((code, retry)), ..Manner::default() };
        let mut world = world(12, 1, &[(Kind::Relay, manner)]);
        world.run(20);
        let (.., why, next) = *world.stuck.last().unwrap();
        (why, next.map(|at| at.since(super::world::START)))
    };
    assert_eq!(why(PieceRefusal::Changed, None), (Stuck::Changed, None));
    assert_eq!(why(PieceRefusal::Unknown, None).0, Stuck::Unknown);
    assert_eq!(why(PieceRefusal::Stopped, None).0, Stuck::Refused);
    assert_eq!(why(PieceRefusal::StoreFailing, None).0, Stuck::Refused);
    assert_eq!(why(PieceRefusal::Other(77), None).0, Stuck::Refused);
    assert_eq!(why(PieceRefusal::BadAsk, None), (Stuck::Refused, None));
    let (busy, next) = why(PieceRefusal::Busy, Some(Millis::secs(60)));
    assert_eq!(busy, Stuck::Refused);
    assert!((60_000..61_000).contains(&next.unwrap().0));
}

#[test]
fn nobody_and_nobody_reached_are_told_apart() {
    let mut world_of_none = world(13, 1, &[]);
    world_of_none.run(5);
    assert_eq!(world_of_none.stuck.last().unwrap().2, Stuck::NoSource);
    let away = Manner { away: true, ..Manner::default() };
    let mut far = world(13, 1, &[(Kind::Relay, away)]);
    far.run(60);
    assert_eq!(far.stuck.last().unwrap().2, Stuck::Unreachable);
    far.nodes[1].manner.away = false;
    far.source(ALICE, FILE, 1, Kind::Relay);
    assert!(until_done(&mut far, 70) < 62_000, "named again, it is tried at once");
}

#[test]
fn those_who_have_only_what_is_here_are_told_as_such() {
    let mut world = world(14, 4, &[(Kind::Direct, uplink(MIB))]);
    let mut some = hubbub_shared::blob::HaveMap::none(world.shapes[&FILE].pieces());
    (0..20).for_each(|index| some.insert(index));
    world.nodes[1].have.insert(FILE, some);
    world.run(60);
    assert_eq!(world.stuck.last().unwrap().2, Stuck::Missing);
    world.holds_all(1, FILE);
    assert!(until_done(&mut world, 100) < 70_000, "and when they have more, it goes on");
}

/// The sources a plan wants streams to now.
fn opened(plan: &mut Plan) -> Vec<SourceId> {
    let mut opened = Vec::new();
    while let Some(deed) = plan.poll_deed() {
        if let Deed::Open { source, .. } = deed {
            opened.push(source);
        }
    }
    opened
}

#[test]
fn a_source_that_was_named_again_is_tried_the_moment_its_old_stream_breaks() {
    let (now, shape) = (world::START, hubbub_shared::blob::Shape::of(MIB).unwrap());
    let have = hubbub_shared::blob::HaveMap::none(shape.pieces());
    let mut plan = Plan::new(world::node_id(1), Limits::default(), [1; 32]);
    let alice = SourceId::Node(world::node_id(2));
    let wanted = world::wanted(shape, have);
    plan.handle_wanted(wanted, now).unwrap();
    plan.handle_source(FILE, alice, Kind::Direct, now);
    assert_eq!(opened(&mut plan), [alice]);
    plan.handle_opened(FILE, alice, Kind::Direct, now);
    // Her connection was replaced, and what stood on the old one ends after that.
    plan.handle_source(FILE, alice, Kind::Direct, now);
    assert_eq!(opened(&mut plan), []);
    plan.handle_broken(FILE, alice, now);
    assert_eq!(opened(&mut plan), [alice]);
    plan.handle_opened(FILE, alice, Kind::Direct, now);
    plan.handle_broken(FILE, alice, now);
    assert_eq!(opened(&mut plan), [], "with no such reason it is left for a while");
    plan.handle_source(FILE, alice, Kind::Relay, now);
    assert_eq!(opened(&mut plan), [alice], "unless it is named");
}

#[test]
fn one_whose_stream_the_hub_has_no_place_for_is_not_knocked_at_ever_again_at_once() {
    let (mut now, shape) = (world::START, hubbub_shared::blob::Shape::of(MIB).unwrap());
    let have = hubbub_shared::blob::HaveMap::none(shape.pieces());
    let mut plan = Plan::new(world::node_id(1), Limits::default(), [1; 32]);
    let alice = SourceId::Node(world::node_id(2));
    let wanted = world::wanted(shape, have);
    plan.handle_wanted(wanted, now).unwrap();
    plan.handle_source(FILE, alice, Kind::Relay, now);
    let mut asked = 0;
    while now < world::START + Millis::minutes(1) {
        if opened(&mut plan) == [alice] {
            asked += 1;
            if asked == 1 {
                // That she was heard from while it was asked for makes no room at the hub.
                plan.handle_source(FILE, alice, Kind::Relay, now);
            }
            plan.handle_crowded(FILE, alice, now);
            assert_eq!(opened(&mut plan), []);
        }
        now = now + Millis(100);
        plan.handle_timeout(now);
    }
    assert!((3..=8).contains(&asked), "{asked} times in a minute");
    let Some(State::Stuck(why, _)) = plan.progress(FILE).map(|progress| progress.state) else {
        panic!("nobody is told that nothing comes")
    };
    assert_eq!(why, Stuck::Refused, "her own absence is not the reason");
}
