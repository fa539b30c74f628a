//! Random days of a hub against a model: whatever comes in whatever order, every reader gets every
//! entry, in order, each once per connection, and memory stays bounded.

use std::collections::BTreeMap;

use hubbub_shared::wire::LogId;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::probe::*;
use crate::relay::bounds::{LOADS_OUTSTANDING, WINDOW_BYTES};
use crate::relay::{Command, ConnId, Input, RelayConfig, Timed};

const NODES: u8 = 5;
const RECENT: usize = 16 * 1024;

/// A reader as it should be.
#[derive(Default)]
struct Reader {
    conn: Option<u64>,
    /// Durable at the reader, per log, in order.
    kept: BTreeMap<LogId, Vec<(u64, Vec<u8>)>>,
    /// Delivered on this connection and not yet kept.
    pending: BTreeMap<LogId, Vec<(u64, Vec<u8>)>>,
}

struct World {
    hub: RelayProbe,
    rng: ChaCha20Rng,
    readers: BTreeMap<u8, Reader>,
    /// What was acknowledged to its sender, per log.
    accepted: BTreeMap<LogId, Vec<(u64, Vec<u8>)>>,
    waiting: Vec<Input>,
    channel: LogId,
    conns: u64,
    serial: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = RelayConfig { open: true, recent_bytes: RECENT, ..RelayConfig::default() };
        let mut hub = RelayProbe::new(config);
        hub.connect(1, 10);
        let (group, _) = hub.group(1, 10, &[11, 12, 13, 14]);
        let channel = LogId::Channel(group);
        // The entries that made the group are there for its members, as for everybody later.
        let entries = crate::store::Store::control(&hub.store, &group, 0, 99).unwrap();
        let accepted = (1..).zip(entries).collect();
        hub.crash();
        Self {
            hub,
            rng: ChaCha20Rng::seed_from_u64(seed),
            readers: (10..10 + NODES).map(|who| (who, Reader::default())).collect(),
            accepted: BTreeMap::from([(channel, accepted)]),
            waiting: Vec::new(),
            channel,
            conns: 100,
            serial: 0,
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn somebody(&mut self) -> u8 {
        10 + u8::try_from(self.below(u64::from(NODES))).unwrap()
    }

    /// One event into the relay. The batch ends some time later.
    fn step(&mut self) {
        let who = self.somebody();
        match self.below(100) {
            0 => self.crash(),
            1..=8 => self.reconnect(who),
            9..=12 => self.disconnect(who),
            13..=50 => self.send(who),
            51..=80 => {
                let share = self.below(101);
                self.keep(who, share);
            }
            _ => self.end_batch(),
        }
    }

    fn handle(&mut self, input: Input) {
        self.hub.relay.handle(Timed { at: self.hub.now, input });
    }

    fn crash(&mut self) {
        self.hub.crash();
        self.waiting.clear();
        for reader in self.readers.values_mut() {
            reader.conn = None;
            reader.pending.clear();
        }
    }

    fn reconnect(&mut self, who: u8) {
        self.conns += 1;
        let conn = self.conns;
        self.handle(arrival(conn, who, None));
        let reader = self.readers.get_mut(&who).unwrap();
        reader.conn = Some(conn);
        reader.pending.clear();
    }

    fn disconnect(&mut self, who: u8) {
        let reader = self.readers.get_mut(&who).unwrap();
        reader.pending.clear();
        if let Some(conn) = reader.conn.take() {
            self.handle(Input::Closed { conn: ConnId(conn) });
        }
    }

    fn send(&mut self, who: u8) {
        let Some(conn) = self.readers[&who].conn else { return };
        let to = self.somebody();
        let log = if self.below(2) == 0 { self.channel } else { mailbox(to) };
        self.serial += 1;
        let size = if self.below(8) == 0 { 60_000 } else { self.below(600) };
        let mut bytes = self.serial.to_be_bytes().to_vec();
        bytes.resize(8 + usize::try_from(size).unwrap(), 0);
        self.handle(append(conn, log, &bytes));
    }

    /// A reader makes some of what it was sent durable and says so.
    fn keep(&mut self, who: u8, share: u64) {
        let reader = self.readers.get_mut(&who).unwrap();
        let Some(conn) = reader.conn else { return };
        let mut acks = Vec::new();
        for (log, pending) in &mut reader.pending {
            let some = pending.len() * usize::try_from(share).unwrap() / 100;
            let kept = reader.kept.entry(*log).or_default();
            for entry in pending.drain(..some) {
                // Entries kept on an earlier connection whose acknowledgement was lost come again.
                if kept.last().is_none_or(|(last, _)| *last < entry.0) {
                    kept.push(entry);
                }
            }
            acks.extend(kept.last().map(|(seq, _)| (*log, *seq)));
        }
        for (log, upto) in acks {
            self.handle(ack(conn, log, upto));
        }
    }

    fn end_batch(&mut self) {
        if self.below(50) == 0 {
            // The machine dies before the commit: nothing of the batch leaves.
            while self.hub.relay.poll_command().is_some() {}
            return self.crash();
        }
        self.carry_on();
    }

    fn carry_on(&mut self) {
        for input in core::mem::take(&mut self.waiting) {
            self.handle(input);
        }
        let batch: Vec<Command> = core::iter::from_fn(|| self.hub.relay.poll_command()).collect();
        self.waiting = self.hub.carry_out(&batch);
        self.check_bounds();
        for command in &batch {
            if let Command::Write(crate::relay::Write::Append { log, item }) = command {
                let entry = (item.seq, item.bytes.to_vec());
                self.accepted.entry(*log).or_default().push(entry);
            }
        }
        self.receive(&batch);
    }

    fn receive(&mut self, batch: &[Command]) {
        let connected = self.readers.values_mut();
        for (reader, conn) in connected.filter_map(|r| r.conn.map(|conn| (r, conn))) {
            for (log, item) in delivered(batch, conn) {
                let pending = reader.pending.entry(log).or_default();
                let before = pending.last().map_or(0, |(seq, _)| *seq);
                assert!(item.seq > before, "{} came after {before}", item.seq);
                pending.push((item.seq, item.bytes.to_vec()));
            }
        }
    }

    fn check_bounds(&self) {
        let counts = self.hub.relay.counts();
        assert!(counts.loads <= LOADS_OUTSTANDING);
        assert!(counts.in_flight_max <= WINDOW_BYTES);
        assert!(counts.recent_bytes <= RECENT);
        assert!(counts.connected <= usize::from(NODES));
    }

    /// Calm at last: everybody comes back and reads all there is.
    fn calm_down(&mut self) {
        self.carry_on();
        self.crash();
        for who in 10..10 + NODES {
            self.reconnect(who);
        }
        for _ in 0..1_000 {
            self.carry_on();
            for who in 10..10 + NODES {
                self.keep(who, 100);
            }
            if self.all_kept() {
                return;
            }
        }
        panic!("some entries never arrive");
    }

    fn kept_total(&self) -> usize {
        self.readers.values().flat_map(|r| r.kept.values()).map(Vec::len).sum()
    }

    fn wanted(&self, who: u8) -> BTreeMap<LogId, Vec<(u64, Vec<u8>)>> {
        let mut wanted = BTreeMap::new();
        for (log, entries) in &self.accepted {
            if *log == self.channel {
                // A member reads from the entry that let it in, which is numbered like the member.
                let from = u64::from(who - 10) + 1;
                let mine = entries.iter().filter(|(seq, _)| *seq >= from).cloned().collect();
                wanted.insert(*log, mine);
            } else if *log == mailbox(who) {
                wanted.insert(*log, entries.clone());
            }
        }
        wanted
    }

    fn all_kept(&self) -> bool {
        self.readers.iter().all(|(who, reader)| reader.kept == self.wanted(*who))
    }
}

#[test]
fn every_reader_sees_every_entry_once_and_in_order_whatever_happens() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        for _ in 0..1_500 {
            world.step();
        }
        world.calm_down();
        world.carry_on();
        assert_eq!(world.hub.relay.counts().items, 0, "seed {seed}: all is forgotten at last");
        assert!(world.kept_total() > 200, "seed {seed}: {}", world.kept_total());
    }
}
