//! How long a message of 1 KiB is on its way: alice's append until bob has it, through a whole hub
//! on loopback, one at a time.
//!
//! Beside it, in turn: the same hub on memory instead of a disk (`/dev/shm`), where syncing costs
//! nothing; and a bare QUIC echo with the same TLS, whose round trip is the same two hops with
//! nothing decided or stored in between.
//!
//! `cargo bench -p hubbub-tests --bench latency`

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use hubbub_hub::config::{Files, Limits};
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::wire::to_hub::{Ack, Append};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, ToHub};
use hubbub_tests::echo::Echo;
use hubbub_tests::measure::{Spread, machine};
use hubbub_tests::raw_node::{RawNode, dial};
use tokio::runtime::{Builder, Runtime};

const BYTES: usize = 1_024;
/// Messages of one turn: small against the seconds over which a machine's load changes.
const TURN: usize = 50;
const ROUNDS: usize = 60;
/// Between two messages: people do not type faster, and the hub may ask of one identity only 500 a
/// second.
const PAUSE: Duration = Duration::from_millis(4);
const MEMORY: &str = "/dev/shm";

fn main() {
    println!("{}\n", machine());
    let (server, nodes) = (runtime(), runtime());
    let echo = server.block_on(async { Echo::listen(&person(9)) });
    let (disk, memory) =
        (tempfile::tempdir_in(std::env::current_dir().unwrap()), tempfile::tempdir_in(MEMORY));
    let (disk, memory) = (disk.unwrap(), memory.unwrap());
    let (on_disk, in_memory) = (run(&server, disk.path()), run(&server, memory.path()));
    let mut pair = nodes.block_on(Pair::join(&on_disk));
    let mut light = nodes.block_on(Pair::join(&in_memory));
    let mut bare = nodes.block_on(Bare::dial(&echo));
    let mut took = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..ROUNDS + 2 {
        let turn =
            nodes.block_on(async { [pair.turn().await, light.turn().await, bare.turn().await] });
        if round >= 2 {
            took.iter_mut().zip(turn).for_each(|(all, turn)| all.push(turn));
        }
    }
    report(&took);
    server.block_on(async {
        on_disk.stop().await;
        in_memory.stop().await;
    });
    println!("\n{}", machine());
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn run(server: &Runtime, dir: &Path) -> Running {
    let listen = ([127, 0, 0, 1], 0).into();
    let dir = dir.to_owned();
    let options = ServeOptions {
        dir,
        listen,
        open: true,
        limits: Limits::default(),
        files: Files::default(),
    };
    server.block_on(serve(options)).unwrap()
}

fn person(n: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([n; 32]))
}

/// Alice and bob at one hub.
struct Pair {
    alice: RawNode,
    bob: RawNode,
    count: u32,
}

impl Pair {
    async fn join(hub: &Running) -> Self {
        let alice = RawNode::welcomed(hub.local_addr, hub.hub, &person(1)).await;
        let bob = RawNode::welcomed(hub.local_addr, hub.hub, &person(2)).await;
        Self { alice, bob, count: 0 }
    }

    async fn turn(&mut self) -> Vec<f64> {
        let mut took = Vec::with_capacity(TURN);
        for _ in 0..TURN {
            tokio::time::sleep(PAUSE).await;
            took.push(self.message().await);
        }
        took
    }

    /// Seconds until bob has it; then he acknowledges, and alice reads that it is stored.
    async fn message(&mut self) -> f64 {
        let (req, log) = (self.count, LogId::Mailbox(self.bob.id));
        self.count += 1;
        let mut envelope = vec![0; BYTES];
        // A hub knows a repetition by its end.
        envelope.last_chunk_mut::<4>().unwrap().copy_from_slice(&req.to_be_bytes());
        let append = Append { req, log, envelope: ByteBuf::from(envelope) };
        let began = Instant::now();
        self.alice.send.frame(&ToHub::Append(append)).await;
        let FromHub::Deliver(page) = self.bob.recv.frame().await else { panic!("no delivery") };
        let took = began.elapsed().as_secs_f64();
        let upto = page.items.last().unwrap().seq;
        self.bob.send.frame(&ToHub::Ack(Ack { log, upto })).await;
        let answer = self.alice.recv.frame().await;
        assert!(matches!(answer, FromHub::Appended(appended) if appended.seq == upto));
        took
    }
}

/// One stream to the echo.
struct Bare {
    _connection: quinn::Connection,
    send: quinn::SendStream,
    recv: quinn::RecvStream,
}

impl Bare {
    async fn dial(echo: &Echo) -> Self {
        let connection = dial(echo.local_addr, echo.key).await;
        let (send, recv) = connection.open_bi().await.unwrap();
        Self { _connection: connection, send, recv }
    }

    async fn turn(&mut self) -> Vec<f64> {
        let mut took = Vec::with_capacity(TURN);
        // As many bytes as the frames that carry an envelope.
        let (bytes, mut back) = (vec![1; BYTES + 48], vec![0; BYTES + 48]);
        for _ in 0..TURN {
            tokio::time::sleep(PAUSE).await;
            let began = Instant::now();
            self.send.write_all(&bytes).await.unwrap();
            self.recv.read_exact(&mut back).await.unwrap();
            took.push(began.elapsed().as_secs_f64());
        }
        took
    }
}

fn report(took: &[Vec<Vec<f64>>; 3]) {
    let [_, _, bare] = took;
    println!("| | p50 µs | p99 µs | p50 ÷ echo, round by round |\n|---|---|---|---|");
    for (name, case) in ["hub", "hub in memory", "bare echo"].iter().zip(took) {
        let over = case.iter().zip(bare).map(|(ours, bare)| at(ours, 50) / at(bare, 50));
        let all: Vec<f64> = case.iter().flatten().copied().collect();
        let over = Spread::of(over.collect());
        println!("| {name} | {:.0} | {:.0} | {over} |", at(&all, 50) * 1e6, at(&all, 99) * 1e6);
    }
}

fn at(figures: &[f64], percent: usize) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
