//! Two nodes behind routers, a hub between them that loses some of what it is given, and one seed.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use hubbub_shared::id::{NodeId, RunKey};
use hubbub_shared::time::{Millis, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

const START: Timestamp = Timestamp(1_790_000_000_000);
const ALICE: usize = 0;
const BOB: usize = 1;

enum Thing {
    Said(usize, Signal),
    Came(usize, LinkId, bool),
    Unanswered(usize, u64),
    Lost(usize, LinkId),
}

struct World {
    now: Timestamp,
    nodes: [Reach; 2],
    allowed: [bool; 2],
    /// Whether packets pass between the two.
    open: bool,
    hub: bool,
    /// Of a hundred signals.
    lost: u64,
    things: BTreeMap<(Timestamp, u64), Thing>,
    serial: u64,
    /// Both ends of each connection.
    links: BTreeMap<LinkId, [bool; 2]>,
    up: [Option<LinkId>; 2],
    signals: u64,
    dials: u64,
    rng: ChaCha20Rng,
}

fn node(who: usize) -> NodeId {
    NodeId([u8::try_from(who).unwrap() + 1; 32])
}

fn key(who: usize) -> RunKey {
    RunKey([u8::try_from(who).unwrap() + 101; 32])
}

fn at(who: usize) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, u8::try_from(who).unwrap() + 1], 4_000))
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut fresh = || {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            seed
        };
        let nodes = [ALICE, BOB].map(|who| Reach::new((node(who), key(who)), fresh()));
        let mut world = Self {
            now: START,
            nodes,
            allowed: [true; 2],
            open: true,
            hub: true,
            lost: 0,
            things: BTreeMap::new(),
            serial: 0,
            links: BTreeMap::new(),
            up: [None; 2],
            signals: 0,
            dials: 0,
            rng,
        };
        for who in [ALICE, BOB] {
            world.nodes[who].handle_hub(true, START);
            world.nodes[who].handle_observed(at(who), START);
        }
        world
    }

    fn meet(&mut self, who: usize) {
        let (now, allowed) = (self.now, self.allowed[who]);
        self.nodes[who].handle_interest(node(1 - who), allowed, now);
        self.settle();
    }

    fn later(&mut self, after: u64, thing: Thing) {
        self.serial += 1;
        self.things.insert((self.now + Millis(after), self.serial), thing);
    }

    fn settle(&mut self) {
        for who in [ALICE, BOB] {
            while let Some(deed) = self.nodes[who].poll_deed() {
                self.carry_out(who, deed);
            }
        }
    }

    fn carry_out(&mut self, who: usize, deed: Deed) {
        let there = 1 - who;
        match deed {
            Deed::Signal(_, signal) => {
                self.signals += 1;
                if let Signal::Reach { addresses, .. } = &signal {
                    assert!(self.allowed[who], "an address was told to one who may not know it");
                    assert!(!addresses.is_empty());
                }
                if self.hub && self.rng.next_u64() % 100 >= self.lost {
                    let after = 20 + self.rng.next_u64() % 60;
                    self.later(after, Thing::Said(there, signal));
                }
            }
            Deed::Dial(dial) => {
                self.dials += 1;
                assert!(self.allowed[who], "a dial tells where one is");
                assert_eq!((dial.peer, dial.key), (node(there), key(there)));
                assert!(!dial.addresses.is_empty());
                if self.open {
                    self.serial += 1;
                    let link = LinkId(self.serial);
                    self.links.insert(link, [true; 2]);
                    self.later(60, Thing::Came(there, link, false));
                    self.later(80, Thing::Came(who, link, true));
                } else {
                    self.later(4_000, Thing::Unanswered(who, dial.number));
                }
            }
            Deed::Up(_, link) => self.up[who] = Some(link),
            Deed::Down(_) => self.up[who] = None,
            Deed::Close(link) => self.close(link, 30),
        }
    }

    fn close(&mut self, link: LinkId, after: u64) {
        let Some(ends) = self.links.remove(&link) else { return };
        for who in [ALICE, BOB].into_iter().filter(|who| ends[*who]) {
            self.later(after, Thing::Lost(who, link));
        }
    }

    fn run(&mut self, by: Millis) {
        let end = self.now + by;
        loop {
            let timers = self.nodes.iter().filter_map(Reach::poll_timeout);
            let thing = self.things.first_key_value().map(|((at, _), _)| *at);
            let next = timers.chain(thing).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            match thing.filter(|at| *at <= self.now) {
                Some(_) => {
                    let (_, thing) = self.things.pop_first().unwrap();
                    self.happen(thing);
                }
                None => self.nodes.iter_mut().for_each(|node| node.handle_timeout(next)),
            }
            self.settle();
        }
        self.now = end;
    }

    fn happen(&mut self, thing: Thing) {
        let now = self.now;
        match thing {
            Thing::Said(who, signal) => {
                self.nodes[who].handle_signal(node(1 - who), signal, self.allowed[who], now);
            }
            Thing::Came(who, id, dialled) if self.links.contains_key(&id) => {
                let link = Link { id, dialled };
                self.nodes[who].handle_connected(node(1 - who), link, self.allowed[who], now);
            }
            Thing::Came(..) => {}
            Thing::Unanswered(who, dial) => {
                self.nodes[who].handle_unanswered(node(1 - who), dial, now);
            }
            Thing::Lost(who, link) => self.nodes[who].handle_lost(node(1 - who), link, now),
        }
    }

    fn both_up(&self) -> bool {
        self.up[ALICE].is_some() && self.up[ALICE] == self.up[BOB]
    }

    fn why(&self, who: usize) -> Option<Why> {
        self.nodes[who].way(&node(1 - who))?.why
    }
}

#[test]
fn both_end_up_on_the_same_connection_whoever_begins() {
    for seed in 0..200 {
        for first in [ALICE, BOB] {
            let mut world = World::new(seed);
            world.meet(first);
            if seed % 2 == 0 {
                world.meet(1 - first);
            }
            world.run(Millis::secs(1));
            assert!(world.both_up(), "seed {seed}: {:?}", world.up);
            assert_eq!(world.links.len(), 1, "seed {seed}");
        }
    }
}

#[test]
fn lost_signals_are_said_again() {
    let mut direct = 0;
    for seed in 0..200 {
        let mut world = World::new(seed);
        world.lost = 25;
        world.meet(ALICE);
        world.run(Millis::secs(7));
        direct += usize::from(world.both_up());
    }
    assert!(direct >= 180, "{direct} of 200");
}

#[test]
fn where_nothing_comes_through_attempts_become_rare() {
    let mut world = World::new(1);
    world.open = false;
    world.meet(ALICE);
    world.run(Millis::minutes(10));
    let early = world.dials;
    assert_eq!(world.why(ALICE), Some(Why::Blocked));
    world.run(Millis::hours(24));
    let late = world.dials - early;
    assert!(early <= 20 && late <= 110, "{early} in ten minutes, then {late} in a day");
    // Each may be a call of either side; an hour apart at most, so it is still tried.
    assert!(late >= 20, "{late}");
    world.open = true;
    world.run(Millis::hours(2));
    assert!(world.both_up());
}

#[test]
fn nobody_is_dialled_who_may_not_know_where_we_are_and_the_other_is_told_why() {
    for shy in [ALICE, BOB] {
        let mut world = World::new(3);
        world.allowed[shy] = false;
        world.meet(ALICE);
        world.meet(BOB);
        world.run(Millis::minutes(1));
        assert!(!world.both_up() && world.dials == 0);
        assert_eq!(world.why(1 - shy), Some(Why::Hidden));
    }
}

#[test]
fn a_connection_ends_when_the_other_may_know_no_longer() {
    let mut world = World::new(4);
    world.meet(ALICE);
    world.run(Millis::secs(2));
    assert!(world.both_up());
    world.allowed[ALICE] = false;
    let now = world.now;
    world.nodes[ALICE].handle_allowed(|_| false, now);
    world.settle();
    world.run(Millis::minutes(1));
    assert_eq!((world.up, world.links.len()), ([None, None], 0));
}

#[test]
fn a_broken_connection_is_made_again_at_once() {
    let mut world = World::new(5);
    world.meet(ALICE);
    world.run(Millis::secs(2));
    for _ in 0..5 {
        // The first may break soon after it was made, too.
        let link = world.up[ALICE].unwrap();
        world.close(link, 0);
        world.run(Millis::secs(1));
        assert!(world.both_up());
        world.run(Millis::secs(30));
    }
}

#[test]
fn one_that_breaks_each_time_soon_after_it_was_made_is_made_ever_more_rarely() {
    let mut world = World::new(15);
    world.meet(ALICE);
    let mut made = 0;
    for _ in 0..24 * 60 * 6 {
        world.run(Millis::secs(10));
        if let Some(link) = world.up[ALICE].or(world.up[BOB]) {
            made += 1;
            world.close(link, 0);
            world.run(Millis(1));
        }
    }
    assert!((20..=120).contains(&made), "{made} in a day");
    assert_eq!(world.why(ALICE), Some(Why::Unsteady));
    // Once it holds, all is forgotten.
    world.run(Millis::hours(2));
    assert!(world.both_up());
    let link = world.up[ALICE].unwrap();
    world.close(link, 0);
    world.run(Millis::secs(1));
    assert!(world.both_up());
}

#[test]
fn a_node_that_moved_makes_a_new_connection_and_lets_the_old_one_go() {
    for who in [ALICE, BOB] {
        let mut world = World::new(6);
        world.meet(ALICE);
        world.run(Millis::secs(2));
        let before = world.up[ALICE];
        world.nodes[who].handle_observed(at(who + 10), world.now);
        world.settle();
        world.run(Millis::secs(2));
        assert!(world.both_up() && world.up[ALICE] != before);
        assert_eq!(world.links.len(), 1);
    }
}

#[test]
fn a_peer_that_does_not_answer_is_tried_again_when_it_is_heard_from() {
    let mut world = World::new(7);
    world.hub = false;
    world.meet(ALICE);
    world.run(Millis::secs(10));
    assert_eq!(world.why(ALICE), Some(Why::Silent));
    world.hub = true;
    world.meet(ALICE);
    world.run(Millis::secs(1));
    assert!(world.both_up());
}

#[test]
fn a_peer_cannot_make_us_dial_without_end() {
    let mut world = World::new(8);
    world.open = false;
    let (key, addresses) = (key(BOB), vec![at(BOB)]);
    let victim = Signal::Reach { attempt: 1, answer: false, key, addresses };
    for _ in 0..2_000 {
        let now = world.now;
        world.nodes[ALICE].handle_signal(node(BOB), victim.clone(), true, now);
        while let Some(deed) = world.nodes[ALICE].poll_deed() {
            world.dials += u64::from(matches!(deed, Deed::Dial(..)));
        }
        world.now = world.now + Millis(1_000);
        world.nodes[ALICE].handle_timeout(world.now);
    }
    assert!(world.dials <= 40, "{} dials in half an hour", world.dials);
}

#[test]
fn a_peer_found_on_the_local_network_is_dialled_without_a_hub() {
    let mut world = World::new(9);
    world.hub = false;
    for who in [ALICE, BOB] {
        world.nodes[who].handle_hub(false, START);
        for _ in 0..3 {
            let there = (key(1 - who), &[at(1 - who)][..]);
            world.nodes[who].handle_found(node(1 - who), there, START);
        }
        world.settle();
    }
    assert_eq!(world.dials, 2);
    world.run(Millis::secs(1));
    assert!(world.both_up());
}

#[test]
fn what_is_found_on_the_local_network_and_does_not_answer_is_no_failure() {
    let mut world = World::new(10);
    world.open = false;
    for _ in 0..100 {
        let (there, now) = ((key(BOB), &[at(BOB)][..]), world.now);
        world.nodes[ALICE].handle_hub(false, now);
        world.nodes[ALICE].handle_found(node(BOB), there, now);
        world.settle();
        world.run(Millis::secs(5));
    }
    assert_eq!((world.dials, world.why(ALICE)), (50, None));
    world.open = true;
    world.nodes[ALICE].handle_hub(true, world.now);
    world.nodes[ALICE].handle_observed(at(ALICE), world.now);
    world.settle();
    world.run(Millis::secs(1));
    assert!(world.both_up());
}

#[test]
fn a_time_that_has_come_wakes_once_whatever_else_is_in_the_way() {
    let mut reach = Reach::new((node(ALICE), key(ALICE)), [1; 32]);
    reach.handle_hub(true, START);
    reach.handle_observed(at(ALICE), START);
    reach.handle_interest(node(BOB), true, START);
    let (key, addresses) = (key(BOB), Vec::new());
    let failed = Signal::Reach { attempt: 1, answer: false, key, addresses };
    reach.handle_signal(node(BOB), failed, true, START);
    let due = reach.poll_timeout().unwrap();
    // The hub is back, and has not said yet where it sees this node.
    reach.handle_hub(false, due);
    reach.handle_hub(true, due);
    reach.handle_timeout(due);
    assert_eq!(reach.poll_timeout(), None);
    reach.handle_observed(at(ALICE), due);
    assert!(matches!(reach.ways().next().unwrap().1, Way { trying: true, .. }));
}

#[test]
fn peers_remembered_are_bounded() {
    let mut reach = Reach::new((node(ALICE), key(ALICE)), [1; 32]);
    for n in 0..2 * u32::try_from(PEERS).unwrap() {
        let mut id = [9; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        reach.handle_interest(NodeId(id), true, START + Millis(u64::from(n)));
    }
    assert_eq!(reach.ways().count(), PEERS);
}

/// Alice's side alone: so many proven connections with bob at once.
fn crowd(me: usize, dialled: impl Fn(u64) -> bool, count: u64) -> (Vec<LinkId>, Option<LinkId>) {
    let mut reach = Reach::new((node(me), key(me)), [1; 32]);
    let (mut open, mut up) = (Vec::new(), None);
    for n in 0..count {
        let link = Link { id: LinkId(n), dialled: dialled(n) };
        reach.handle_connected(node(1 - me), link, true, START);
        open.push(link.id);
        while let Some(deed) = reach.poll_deed() {
            match deed {
                Deed::Close(link) => open.retain(|open| *open != link),
                Deed::Up(_, link) => up = Some(link),
                other => panic!("{other:?}"),
            }
        }
    }
    (open, up)
}

#[test]
fn connections_beyond_a_few_with_one_peer_are_all_closed() {
    // Bob, whose name is greater, leaves the choice to alice, who never makes it.
    let (open, up) = crowd(BOB, |_| false, 100);
    assert_eq!(open.len(), 4);
    assert!(open.contains(&up.unwrap()));
    // Alice closes all but the one she dialled.
    let (open, up) = crowd(ALICE, |n| n == 50, 100);
    assert_eq!((open.len(), up), (1, Some(LinkId(50))));
}

#[test]
fn a_hub_that_names_another_address_each_time_does_not_make_a_node_dial_without_end() {
    let mut world = World::new(11);
    world.meet(ALICE);
    world.run(Millis::secs(40));
    let before = world.dials;
    for n in 0..3_600 {
        let elsewhere = SocketAddr::from(([198, 51, 100, 1], 1_000 + n));
        world.nodes[ALICE].handle_observed(elsewhere, world.now);
        world.settle();
        world.run(Millis::secs(1));
    }
    let dials = world.dials - before;
    assert!(dials <= 80, "{dials} dials in an hour");
    assert!(world.both_up());
}

#[test]
fn a_node_that_was_moved_while_the_hub_was_gone_notices_when_it_is_back() {
    let mut world = World::new(12);
    world.meet(ALICE);
    world.run(Millis::secs(40));
    let before = world.up[ALICE];
    for up in [false, true] {
        world.nodes[ALICE].handle_hub(up, world.now);
    }
    world.nodes[ALICE].handle_observed(at(ALICE + 10), world.now);
    world.settle();
    world.run(Millis::secs(1));
    assert!(world.both_up() && world.up[ALICE] != before);
}

#[test]
fn interfaces_that_say_nothing_to_peers_are_no_move() {
    let mut world = World::new(13);
    let home = SocketAddr::from(([192, 168, 1, 5], 4_000));
    world.nodes[ALICE].handle_local(vec![home], START);
    world.meet(ALICE);
    world.run(Millis::secs(40));
    let before = (world.up[ALICE], world.signals);
    let container = "[fe80::1]:4000".parse().unwrap();
    world.nodes[ALICE].handle_local(vec![home, container], world.now);
    world.settle();
    world.run(Millis::secs(10));
    assert_eq!((world.up[ALICE], world.signals), before);
    let other = SocketAddr::from(([192, 168, 7, 5], 4_000));
    world.nodes[ALICE].handle_local(vec![other], world.now);
    world.settle();
    world.run(Millis::secs(1));
    assert!(world.both_up() && world.up[ALICE] != before.0);
}

#[test]
fn a_clock_that_is_set_back_in_the_middle_of_an_attempt_stops_nothing() {
    for ahead in [1_000, 3_000, 30_000] {
        let mut reach = Reach::new((node(ALICE), key(ALICE)), [1; 32]);
        reach.handle_hub(true, START);
        reach.handle_observed(at(ALICE), START);
        reach.handle_interest(node(BOB), true, START);
        reach.handle_timeout(START + Millis(ahead));
        let back = START - Millis::days(365);
        reach.handle_timeout(back);
        let mut now = back;
        let mut signals = 0;
        while let Some(due) = reach.poll_timeout().filter(|due| *due < back + Millis::hours(3)) {
            now = now.max(due);
            reach.handle_timeout(now);
            while reach.poll_deed().is_some() {
                signals += 1;
            }
        }
        assert!(signals >= 6, "{signals} with {ahead} ms");
    }
}

#[test]
fn a_node_with_enough_connections_refuses_further_ones_and_makes_one_when_there_is_room() {
    let mut reach = Reach::new((node(ALICE), key(ALICE)), [1; 32]);
    reach.handle_hub(true, START);
    reach.handle_observed(at(ALICE), START);
    for n in 0..DIRECT {
        let (peer, id) = (node(10 + n), LinkId(u64::try_from(n).unwrap()));
        reach.handle_connected(peer, Link { id, dialled: true }, true, START);
    }
    while reach.poll_deed().is_some() {}
    let (key, addresses) = (key(BOB), vec![at(BOB)]);
    let ask = Signal::Reach { attempt: 1, answer: false, key, addresses };
    reach.handle_signal(node(BOB), ask, true, START);
    let why = hubbub_shared::content::signal::Why::TooMany;
    assert_eq!(
        reach.poll_deed(),
        Some(Deed::Signal(node(BOB), Signal::Unreachable { attempt: 1, why }))
    );
    assert_eq!(reach.poll_deed(), None);
    reach.handle_lost(node(10), LinkId(0), START + Millis::minutes(1));
    let deeds: Vec<_> = core::iter::from_fn(|| reach.poll_deed()).collect();
    let asks = |deed: &Deed| matches!(deed, Deed::Signal(peer, _) if *peer == node(BOB));
    assert!(deeds.iter().any(asks), "{deeds:?}");
}

#[test]
fn a_meeting_takes_one_signal_of_each() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.meet(ALICE);
        world.run(Millis::secs(10));
        assert!(world.both_up());
        assert_eq!(world.signals, 2, "seed {seed}");
    }
}

#[test]
fn whoever_asks_without_pause_does_not_make_us_refuse_without_pause() {
    for allowed in [false, true] {
        let mut reach = Reach::new((node(ALICE), key(ALICE)), [1; 32]);
        reach.handle_hub(true, START);
        reach.handle_observed(at(ALICE), START);
        let mut said = 0;
        for n in 0..60_000 {
            let (key, addresses) = (key(BOB), vec![at(BOB)]);
            let ask = Signal::Reach { attempt: n, answer: false, key, addresses };
            reach.handle_signal(node(BOB), ask, allowed, START + Millis(n));
            while let Some(deed) = reach.poll_deed() {
                said += usize::from(matches!(deed, Deed::Signal(..)));
            }
        }
        assert!((6..=20).contains(&said), "{said} in a minute");
    }
}

#[test]
fn whoever_is_let_in_and_out_again_gets_no_more_dials_for_it() {
    let mut reach = Reach::new((node(ALICE), key(ALICE)), [1; 32]);
    reach.handle_hub(true, START);
    reach.handle_observed(at(ALICE), START);
    let mut dials = 0;
    for n in 0..1_000 {
        let now = START + Millis(3_000 * n);
        let (key, addresses) = (key(BOB), vec![at(BOB)]);
        let ask = Signal::Reach { attempt: n, answer: false, key, addresses };
        reach.handle_signal(node(BOB), ask, true, now);
        while let Some(deed) = reach.poll_deed() {
            dials += usize::from(matches!(deed, Deed::Dial(_)));
        }
        reach.handle_allowed(|_| false, now);
    }
    assert!(dials <= 12, "{dials} within an hour");
}

#[test]
fn a_network_that_changes_without_pause_does_not_make_a_node_dial_without_pause() {
    let mut world = World::new(14);
    world.meet(ALICE);
    world.run(Millis::secs(40));
    let before = world.dials;
    for n in 0..1_800_u16 {
        let [high, low] = n.to_be_bytes();
        let here = SocketAddr::from(([192, 168, high, low], 4_000));
        world.nodes[ALICE].handle_local(vec![here], world.now);
        world.settle();
        world.run(Millis::secs(2));
    }
    let dials = world.dials - before;
    assert!((20..=120).contains(&dials), "{dials} in an hour");
}
