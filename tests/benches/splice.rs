//! What a relayed stream carries through a whole hub, how fairly fifty share it, and what it does
//! to those who chat meanwhile.
//!
//! Throughput beside a bare splice in turn, at no distance and at 40 ms: two nodes on QUIC, the
//! hub's own TLS, socket and windows, and a plain loop that copies, with nothing decided, counted
//! or refused in between. What runs inside a stream (TLS between the two nodes) is no part of
//! either. Fairness: fifty streams that always have something to send, by what each carried in the
//! same four seconds. Chat: alice's append of 1 KiB until bob has it, durable at the hub, with
//! nothing else going on, while two others saturate the hub with a stream, and while alice herself
//! does with bob. Beside it the same 1 KiB through the bare splice, stored nowhere, idle and beside
//! a stream of two others: what such a machine does to whoever waits.
//!
//! `cargo bench --workspace --bench splice`

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hubbub_hub::config::{Files, Limits};
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::id::HubId;
use hubbub_shared::wire::to_hub::{Ack, Append};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, ToHub};
use hubbub_tests::far::far_from;
use hubbub_tests::measure::{Case, Spread, in_turn, machine};
use hubbub_tests::raw_node::{RawNode, dial_with, open_stream, take_stream};
use hubbub_tests::splicer::Splicer;
use quinn::{Connection, RecvStream, SendStream, TransportConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const MIB: usize = 1024 * 1024;
/// Of one round.
const BULK: usize = 64 * MIB;
const ROUNDS: usize = 9;
/// The same between people who are each so far from the hub: half a round trip.
const FAR: Duration = Duration::from_millis(20);
const FAR_BULK: usize = 16 * MIB;
const FAR_ROUNDS: usize = 3;
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const CHUNK: usize = 64 * 1024;
/// Openers, and streams of each: fifty.
const OPENERS: u8 = 10;
const STREAMS_EACH: usize = 5;
const WARM_UP: Duration = Duration::from_secs(1);
const WATCHED: Duration = Duration::from_secs(4);
/// Messages of one turn and turns of each case.
const TURN: usize = 50;
const TURNS: usize = 12;
/// Between two messages: the hub may ask of one identity only 500 a second.
const PAUSE: Duration = Duration::from_millis(4);

fn main() {
    println!("{}\n", machine());
    let (server, nodes, chat) = (runtime(), runtime(), runtime());
    let folder = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let hub = run(&server, folder.path());
    println!("| one stream | MiB/s | ÷ bare splice |\n|---|---|---|");
    throughput(&hub, &server, &nodes, &Far { one_way: Duration::ZERO, bulk: BULK, rounds: ROUNDS });
    throughput(&hub, &server, &nodes, &Far { one_way: FAR, bulk: FAR_BULK, rounds: FAR_ROUNDS });
    println!(
        "\n| fifty streams | MiB/s together | least ÷ fair | most ÷ fair |\n|---|---|---|---|"
    );
    nodes.block_on(fairness(&hub, "of ten nodes to ten others", OPENERS));
    nodes.block_on(fairness(&hub, "of ten nodes to one", 1));
    chatting(&hub, &nodes, &chat);
    bare_chatting(&server, &nodes, &chat);
    server.block_on(hub.stop());
    println!("\n{}", machine());
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn run(server: &Runtime, dir: &Path) -> Running {
    let listen = ([127, 0, 0, 1], 0).into();
    let dir = dir.to_owned();
    // Fifty streams of one pair of nodes would be more than either may have.
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

async fn node(hub: &Running, n: u8) -> RawNode {
    RawNode::welcomed(hub.local_addr, hub.hub, &person(n)).await
}

// --- Throughput ---

/// How far two people are from the hub, and what is sent.
struct Far {
    one_way: Duration,
    bulk: usize,
    rounds: usize,
}

impl Far {
    async fn way(&self, to: SocketAddr) -> SocketAddr {
        if self.one_way.is_zero() { to } else { far_from(to, self.one_way).await }
    }

    async fn node(&self, hub: &Running, n: u8) -> RawNode {
        RawNode::greet(self.dial(hub.local_addr, hub.hub).await, hub.hub, &person(n)).await
    }

    async fn dial(&self, to: SocketAddr, key: HubId) -> Connection {
        let mut transport = TransportConfig::default();
        transport.keep_alive_interval(Some(KEEP_ALIVE)); // while the others have their turn
        dial_with(self.way(to).await, key, transport).await
    }
}

fn throughput(hub: &Running, server: &Runtime, nodes: &Runtime, far: &Far) {
    let splicer = server.block_on(async { Splicer::listen(&person(99)) });
    let (alice, bob) = nodes.block_on(async { (far.node(hub, 1).await, far.node(hub, 2).await) });
    let (to, key) = (splicer.local_addr, splicer.key);
    let (hers, his) = nodes.block_on(async { (far.dial(to, key).await, far.dial(to, key).await) });
    let rounds = in_turn(
        far.rounds,
        &mut [
            Case::new("hub", || nodes.block_on(through_hub(&alice, &bob, far.bulk))),
            Case::new("bare", || nodes.block_on(through_splicer(&hers, &his, far.bulk))),
        ],
    );
    let speed = |case| 1.0 / rounds.figure(case).median;
    let there_and_back = 2 * far.one_way.as_millis();
    println!("| hub, {there_and_back} ms | {:.1} | {} |", speed(0), rounds.ratio(1, 0));
    println!("| bare splice, {there_and_back} ms | {:.1} | |", speed(1));
}

/// Seconds a MiB.
async fn through_hub(alice: &RawNode, bob: &RawNode, size: usize) -> f64 {
    let opened = open_stream(&alice.connection, bob.id);
    let (opened, taken) = tokio::join!(opened, take_stream(&bob.connection));
    let ((send, _back), (_, _answer, recv)) = (opened.unwrap(), taken);
    bulk(send, recv, size).await
}

async fn through_splicer(hers: &Connection, his: &Connection, size: usize) -> f64 {
    let ((send, _back), (_answer, recv)) = bare_stream(hers, his).await;
    bulk(send, recv, size).await
}

#[allow(clippy::cast_precision_loss)] // some MiB
async fn bulk(mut send: SendStream, recv: RecvStream, size: usize) -> f64 {
    let began = Instant::now();
    let sending = tokio::spawn(async move {
        let chunk = vec![7; CHUNK];
        for _ in 0..size / CHUNK {
            send.write_all(&chunk).await.unwrap();
        }
        send.finish().unwrap();
        send
    });
    let reading = tokio::spawn(drain(recv, Arc::default()));
    assert_eq!(reading.await.unwrap(), size as u64);
    sending.await.unwrap();
    began.elapsed().as_secs_f64() / (size / MIB) as f64
}

/// Reads to the end, counting.
async fn drain(mut recv: RecvStream, count: Arc<AtomicU64>) -> u64 {
    while let Ok(Some(chunk)) = recv.read_chunk(usize::MAX, true).await {
        count.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
    }
    count.load(Ordering::Relaxed)
}

/// Sends until nobody wants it any more.
async fn saturate((mut send, _back): (SendStream, RecvStream)) {
    let chunk = vec![7; CHUNK];
    while send.write_all(&chunk).await.is_ok() {}
}

// --- Fairness ---

async fn fairness(hub: &Running, name: &str, receivers: u8) {
    let mut openers = Vec::new();
    let mut takers = Vec::new();
    for n in 0..OPENERS {
        openers.push(node(hub, 20 + n).await);
    }
    for n in 0..receivers {
        takers.push(node(hub, 40 + n).await);
    }
    let (mut counts, mut tasks) = (Vec::new(), JoinSet::new());
    for _ in 0..STREAMS_EACH {
        for (n, opener) in openers.iter().enumerate() {
            let taker = &takers[n % takers.len()];
            let opened = open_stream(&opener.connection, taker.id);
            let (opened, taken) = tokio::join!(opened, take_stream(&taker.connection));
            tasks.spawn(saturate(opened.unwrap()));
            let count = Arc::<AtomicU64>::default();
            counts.push(Arc::clone(&count));
            tasks.spawn(async move {
                drain(taken.2, count).await;
                drop(taken.1);
            });
        }
    }
    let read = || counts.iter().map(|count| count.load(Ordering::Relaxed)).collect::<Vec<_>>();
    tokio::time::sleep(WARM_UP).await;
    let (before, began) = (read(), Instant::now());
    tokio::time::sleep(WATCHED).await;
    let (after, took) = (read(), began.elapsed().as_secs_f64());
    report_shares(name, &after.iter().zip(before).map(|(a, b)| a - b).collect::<Vec<_>>(), took);
    tasks.shutdown().await;
}

#[allow(clippy::cast_precision_loss)] // some GiB
fn report_shares(name: &str, carried: &[u64], took: f64) {
    let all = carried.iter().sum::<u64>() as f64;
    let fair = all / carried.len() as f64;
    let least = carried.iter().min().copied().unwrap_or(0) as f64 / fair;
    let most = carried.iter().max().copied().unwrap_or(0) as f64 / fair;
    let speed = all / MIB as f64 / took;
    println!("| {name} | {speed:.0} | {least:.2} | {most:.2} |");
}

// --- Chat ---

fn chatting(hub: &Running, nodes: &Runtime, chat: &Runtime) {
    let mut pair = chat.block_on(Pair::join(hub));
    let (carol, dave) = nodes.block_on(async { (node(hub, 62).await, node(hub, 63).await) });
    let mut took = [const { Vec::new() }; 3];
    for turn in 0..=TURNS {
        for (case, took) in took.iter_mut().enumerate() {
            let stream = match case {
                0 => None,
                1 => Some(nodes.block_on(Stream::between(&carol.connection, &dave))),
                _ => Some(chat.block_on(Stream::between(&pair.alice.connection, &pair.bob))),
            };
            let times = chat.block_on(pair.turn());
            if turn > 0 {
                took.push(times);
            }
            nodes.block_on(async {
                if let Some(stream) = stream {
                    stream.end().await;
                }
            });
        }
    }
    let names = ["nothing else", "a stream of two others", "a stream of the same two"];
    report_times(&names, &took);
}

/// A stream that always has something to send.
struct Stream(JoinSet<()>);

impl Stream {
    async fn between(from: &Connection, to: &RawNode) -> Self {
        let opened = open_stream(from, to.id);
        let (opened, (_, answer, recv)) = tokio::join!(opened, take_stream(&to.connection));
        Self::flowing(opened.unwrap(), (answer, recv)).await
    }

    /// The same on a bare splice.
    async fn bare(from: &Connection, to: &Connection) -> Self {
        let (out, back) = bare_stream(from, to).await;
        Self::flowing(out, back).await
    }

    async fn flowing(
        out: (SendStream, RecvStream),
        (answer, recv): (SendStream, RecvStream),
    ) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(saturate(out));
        let count = Arc::<AtomicU64>::default();
        let passed = Arc::clone(&count);
        tasks.spawn(async move {
            drain(recv, count).await;
            drop(answer);
        });
        // It has to be in full flow before anything is timed.
        while passed.load(Ordering::Relaxed) < (16 * MIB) as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self(tasks)
    }

    async fn end(mut self) {
        self.0.shutdown().await;
    }
}

/// The same 1 KiB on a bare splice.
fn bare_chatting(server: &Runtime, nodes: &Runtime, chat: &Runtime) {
    let splicer = server.block_on(async { Splicer::listen(&person(99)) });
    let near = Far { one_way: Duration::ZERO, bulk: 0, rounds: 0 };
    let dial = || near.dial(splicer.local_addr, splicer.key);
    let pair = async || (dial().await, dial().await);
    let ((alice, bob), (carol, dave)) = (chat.block_on(pair()), nodes.block_on(pair()));
    let (mut out, mut back) = chat.block_on(bare_stream(&alice, &bob));
    let mut took = [const { Vec::new() }; 2];
    for turn in 0..=TURNS {
        for (case, took) in took.iter_mut().enumerate() {
            let stream = (case > 0).then(|| nodes.block_on(Stream::bare(&carol, &dave)));
            let times = chat.block_on(bare_turn(&mut out.0, &mut back.1));
            if turn > 0 {
                took.push(times);
            }
            nodes.block_on(async {
                if let Some(stream) = stream {
                    stream.end().await;
                }
            });
        }
    }
    report_times(&["bare, nothing else", "bare, a stream of two others"], &took);
}

/// A stream through a bare splice, both its ends.
async fn bare_stream(
    from: &Connection,
    to: &Connection,
) -> ((SendStream, RecvStream), (SendStream, RecvStream)) {
    let mut out = from.open_bi().await.unwrap();
    out.0.write_all(&[0; 64]).await.unwrap();
    let mut back = to.accept_bi().await.unwrap();
    back.1.read_exact(&mut [0; 64]).await.unwrap();
    (out, back)
}

async fn bare_turn(send: &mut SendStream, recv: &mut RecvStream) -> Vec<f64> {
    let (mut took, mut message) = (Vec::with_capacity(TURN), vec![0; 1_024]);
    for _ in 0..TURN {
        tokio::time::sleep(PAUSE).await;
        let began = Instant::now();
        send.write_all(&message).await.unwrap();
        recv.read_exact(&mut message).await.unwrap();
        took.push(began.elapsed().as_secs_f64());
    }
    took
}

/// Alice and bob at one hub.
struct Pair {
    alice: RawNode,
    bob: RawNode,
    count: u32,
}

impl Pair {
    async fn join(hub: &Running) -> Self {
        let (alice, bob) = (node(hub, 60).await, node(hub, 61).await);
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
        let mut envelope = vec![0; 1_024];
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

fn report_times(names: &[&str], took: &[Vec<Vec<f64>>]) {
    println!("\n| a message of 1 KiB | p50 µs | p99 µs | p50 ÷ idle, turn by turn | p99 ÷ idle |");
    println!("|---|---|---|---|---|");
    let flat = |case: &[Vec<f64>]| case.iter().flatten().copied().collect::<Vec<_>>();
    let idle = at(&flat(&took[0]), 99);
    for (name, case) in names.iter().zip(took) {
        let over = case.iter().zip(&took[0]).map(|(ours, idle)| at(ours, 50) / at(idle, 50));
        let over = Spread::of(over.collect());
        let all = flat(case);
        let (p50, p99) = (at(&all, 50) * 1e6, at(&all, 99) * 1e6);
        println!("| {name} | {p50:.0} | {p99:.0} | {over} | {:.2} |", at(&all, 99) / idle);
    }
}

fn at(figures: &[f64], percent: usize) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
