//! What one group message costs the hub's disk, by the size of the group.
//!
//! The shipped relay and store, without a network: an owner says messages of 1 KiB in batches of
//! 32, and every other member takes them in and acknowledges each batch. Counted is what the
//! process gave to the system to write, and what is left in the folder.
//!
//! `cargo bench -p hubbub-tests --bench catch_up`

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use hubbub_hub::relay::{Command, ConnId, Input, Origin, Rate, Relay, RelayConfig, Timed};
use hubbub_hub::store::{EmbeddedStore, Store};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::group::Role;
use hubbub_shared::group::control::{ControlLog, Op, Policy};
use hubbub_shared::id::GroupId;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::to_hub::{Ack, Append, AppendControl};
use hubbub_shared::wire::{ByteBuf, LogId, ToHub};
use hubbub_tests::measure::machine;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ENTRY: usize = 1_024;
const BATCH: u64 = 32;
const BATCHES: u64 = 100;

fn main() {
    println!("{}\n", machine());
    println!("| members | written per message, nobody there | everybody acknowledges |");
    println!("|---|---|---|");
    for members in [3, 30, 300] {
        let (away, there) = (cost(members, false), cost(members, true));
        println!("| {members} | {away} B | {there} B |");
    }
}

fn person(n: u16) -> Identity {
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&n.to_be_bytes());
    Identity::from_seed(Secret32::from_bytes(seed))
}

/// Bytes this process has given to the system to write.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}

struct Hub {
    relay: Relay,
    store: EmbeddedStore,
    rng: ChaCha20Rng,
}

impl Hub {
    fn run(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.relay.handle(Timed { at: NOW, input });
        }
        let mut writes = Vec::new();
        while let Some(command) = self.relay.poll_command() {
            if let Command::Write(write) = command {
                writes.push(write);
            }
        }
        if !writes.is_empty() {
            self.store.commit(&writes).unwrap();
        }
    }

    fn frame(&mut self, conn: u64, frame: ToHub) {
        self.run(vec![Input::Frame { conn: ConnId(conn), frame }]);
    }

    /// A group of so many, all connected.
    fn group(&mut self, members: u16) -> GroupId {
        let owner = person(1);
        for n in 1..=members {
            let (conn, node) = (ConnId(n.into()), person(n).id());
            let from = ([127, 0, 0, 1], 1).into();
            self.run(vec![Input::Connected { conn, node, from, admission: None, version: 1 }]);
        }
        let (_, first) = ControlLog::create(&owner, Policy::closed(), NOW, &mut self.rng);
        let mut log = ControlLog::genesis(&first).unwrap();
        let group = log.group();
        let append = |hub: &mut Self, entry: Vec<u8>| {
            let entry = ByteBuf::from(entry);
            hub.frame(1, ToHub::AppendControl(AppendControl { req: 0, group, entry }));
        };
        append(self, first);
        for n in 2..=members {
            let op = Op::add(person(n).id(), Role::Member, 0);
            let entry = log.propose(&owner, op, NOW);
            log.apply(&entry).unwrap();
            append(self, entry);
        }
        group
    }
}

fn cost(members: u16, acknowledged: bool) -> u64 {
    let folder = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let keys = person(0);
    let (_, lobby_genesis) = ControlLog::create_lobby(&keys, NOW, &mut rng);
    let mut store = EmbeddedStore::open(folder.path(), [1; 16]).unwrap();
    let origin = Origin { hub: keys.hub_id(), store: store.id(), lobby_genesis };
    let fast = Rate { tokens: 1 << 40, per: Millis::secs(1), burst: 1 << 40 };
    let config = RelayConfig { open: true, frames: fast, bytes: fast, ..RelayConfig::default() };
    let relay = Relay::new(config, origin, store.load().unwrap(), NOW).unwrap();
    let mut hub = Hub { relay, store, rng };
    let group = hub.group(members);
    let (log, before) = (LogId::Channel(group), written());
    for batch in 0..BATCHES {
        let append = |rng: &mut ChaCha20Rng| {
            let mut envelope = vec![0; ENTRY];
            rng.fill_bytes(&mut envelope);
            let envelope = ByteBuf::from(envelope);
            let frame = ToHub::Append(Append { req: 0, log, envelope });
            Input::Frame { conn: ConnId(1), frame }
        };
        let inputs = (0..BATCH).map(|_| append(&mut hub.rng)).collect();
        hub.run(inputs);
        if acknowledged {
            let upto = u64::from(members) + (batch + 1) * BATCH;
            let ack = |n: u16| Input::Frame {
                conn: ConnId(n.into()),
                frame: ToHub::Ack(Ack { log, upto }),
            };
            hub.run((1..=members).map(ack).collect());
        }
    }
    (written() - before) / (BATCH * BATCHES)
}
