//! How much of the store's speed is left once the relay decides: appends a second, durable.
//!
//! A batch is some envelopes of 1 KiB from one sender or ten, decided by the shipped relay, stored
//! by the shipped store in one synced commit, and answered. Beside it, in turn: the shipped store
//! alone with writes of the same kind and size; bare fjall with the same bytes, one key an entry;
//! and a bare file with `fdatasync`. `over QUIC` is a whole hub on loopback, senders with 64
//! appends unanswered, as many as a node keeps.
//!
//! `cargo bench -p hubbub-tests --bench hub_appends`

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use hubbub_hub::config::{Files, Limits};
use hubbub_hub::relay::{
    Command, ConnId, Input, LogBounds, Origin, Rate, Relay, RelayConfig, Timed, Write,
};
use hubbub_hub::store::{EmbeddedStore, Store};
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::group::control::ControlLog;
use hubbub_shared::id::NodeId;
use hubbub_shared::limits::APPENDS_IN_FLIGHT;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::to_hub::{Append, PutBeacon};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, ToHub};
use hubbub_tests::measure::{Case, each, in_turn, machine, per};
use hubbub_tests::raw_node::{FrameReader, FrameSender, RawNode};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ENTRY: usize = 1_024;
const ROUNDS: usize = 30;
/// Envelopes in a batch, and batches in a round.
const BATCHES: [(usize, usize); 3] = [(1, 100), (32, 20), (256, 6)];
const SENDERS: [usize; 2] = [1, 10];
/// Appends of one sender over QUIC in a round: below what one identity may ask at once.
const BURST: usize = 1_000;

fn main() {
    println!("{}\n", machine());
    println!(
        "| senders | batch | relay + store | store | fjall | file | ÷ store | ÷ fjall | ÷ file |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for senders in SENDERS {
        for (batch, times) in BATCHES {
            in_process(senders, batch, times);
        }
    }
    println!("\n| senders | over QUIC | store, batches of 32 | ratio |\n|---|---|---|---|");
    for senders in SENDERS {
        over_quic(senders);
    }
    println!("\n{}", machine());
}

fn person(n: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([n; 32]))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap()
}

/// Envelopes no two of which are the same: a relay stores the same one once.
struct Envelopes(ChaCha20Rng);

impl Envelopes {
    fn next(&mut self) -> ByteBuf {
        let mut bytes = vec![0; ENTRY];
        self.0.fill_bytes(&mut bytes);
        ByteBuf::from(bytes)
    }
}

/// Relay and store in the loop they ship in, without a network.
struct Hub {
    relay: Relay,
    store: EmbeddedStore,
    senders: usize,
    envelopes: Envelopes,
    log: LogId,
}

impl Hub {
    fn open(path: &Path, senders: usize) -> Self {
        let keys = person(0);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (_, lobby_genesis) = ControlLog::create_lobby(&keys, NOW, &mut rng);
        let mut store = EmbeddedStore::open(path, [1; 16]).unwrap();
        let origin = Origin { hub: keys.hub_id(), store: store.id(), lobby_genesis };
        let relay = Relay::new(unlimited(), origin, store.load().unwrap(), NOW).unwrap();
        let log = LogId::Mailbox(person(200).id());
        let mut hub = Self { relay, store, senders, envelopes: Envelopes(rng), log };
        // The reader came once and is away, so nothing is delivered.
        hub.arrive(200);
        hub.run(vec![Input::Closed { conn: ConnId(200) }]);
        (1..=senders).for_each(|n| hub.arrive(u8::try_from(n).unwrap()));
        hub
    }

    fn arrive(&mut self, n: u8) {
        let (conn, node) = (ConnId(n.into()), person(n).id());
        let from = ([127, 0, 0, 1], 1).into();
        self.run(vec![Input::Connected { conn, node, from, admission: None, version: 1 }]);
        // As every node does; from here on the hub counts what this one sends.
        let frame = ToHub::PutBeacon(PutBeacon { req: 0, beacon: ByteBuf::from(vec![7; 160]) });
        self.run(vec![Input::Frame { conn, frame }]);
    }

    fn batch(&mut self, size: usize) -> Vec<Input> {
        let mut append = |n: usize| {
            let conn = ConnId(u64::try_from(n % self.senders + 1).unwrap());
            let (req, envelope) = (u32::try_from(n).unwrap(), self.envelopes.next());
            Input::Frame { conn, frame: ToHub::Append(Append { req, log: self.log, envelope }) }
        };
        (0..size).map(&mut append).collect()
    }

    /// One batch, as the relay's contract has it; how many appends were answered.
    fn run(&mut self, inputs: Vec<Input>) -> usize {
        for input in inputs {
            self.relay.handle(Timed { at: NOW, input });
        }
        let (mut writes, mut out) = (Vec::new(), Vec::new());
        while let Some(command) = self.relay.poll_command() {
            match command {
                Command::Write(write) => writes.push(write),
                other => out.push(other),
            }
        }
        if !writes.is_empty() {
            self.store.commit(&writes).unwrap();
        }
        let answered =
            |c: &&Command| matches!(c, Command::Send { frame: FromHub::Appended(_), .. });
        out.iter().filter(answered).count()
    }

    fn round(&mut self, batch: usize, times: usize) -> f64 {
        let batches: Vec<_> = (0..times).map(|_| self.batch(batch)).collect();
        each(batches, |inputs| assert_eq!(self.run(inputs), batch)) / count(batch)
    }
}

fn unlimited() -> RelayConfig {
    let rate = Rate { tokens: 1 << 40, per: Millis::secs(1), burst: 1 << 40 };
    let roomy = LogBounds { bytes: 1 << 40, items: 1 << 30 };
    let (mailbox, channel, total) = (roomy, roomy, roomy);
    let (frames, bytes) = (rate, rate);
    let mailbox_share = roomy;
    let given = RelayConfig::default();
    RelayConfig { open: true, mailbox, mailbox_share, channel, total, frames, bytes, ..given }
}

#[allow(clippy::cast_precision_loss)] // batches are small
fn count(batch: usize) -> f64 {
    batch as f64
}

/// The writes the relay makes of such a batch.
fn writes(first: u64, batch: usize, envelopes: &mut Envelopes) -> Vec<Write> {
    use hubbub_shared::wire::from_hub::{Item, ItemKind};
    let append = |seq| {
        let (kind, from, bytes) = (ItemKind::Envelope, NodeId([1; 32]), envelopes.next());
        Write::Append {
            log: LogId::Mailbox(NodeId([7; 32])),
            item: Item { seq, kind, at: NOW, from, bytes }.into(),
        }
    };
    (first..first + u64::try_from(batch).unwrap()).map(append).collect()
}

/// Numbers and envelopes for one of the bare stores.
struct Source {
    next: u64,
    envelopes: Envelopes,
}

impl Source {
    fn new() -> Self {
        Self { next: 1, envelopes: Envelopes(ChaCha20Rng::seed_from_u64(9)) }
    }

    fn round(&mut self, batch: usize, times: usize, commit: impl FnMut(Vec<Write>)) -> f64 {
        let mut one = |_| {
            let writes = writes(self.next, batch, &mut self.envelopes);
            self.next += u64::try_from(batch).unwrap();
            writes
        };
        let batches: Vec<_> = (0..times).map(&mut one).collect();
        each(batches, commit) / count(batch)
    }
}

/// fjall with one table, one key an entry.
struct BareFjall {
    database: Database,
    items: Keyspace,
}

impl BareFjall {
    fn open(path: &Path) -> Self {
        let database = Database::builder(path).open().unwrap();
        let items = database.keyspace("items", KeyspaceCreateOptions::default).unwrap();
        Self { database, items }
    }

    fn commit(&self, writes: Vec<Write>) {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for write in writes {
            let Write::Append { item, .. } = write else { continue };
            let key = [&[0; 33][..], &item.seq.to_be_bytes()].concat();
            batch.insert(&self.items, key, item.bytes.as_slice());
        }
        batch.commit().unwrap();
    }
}

fn append_to(file: &mut File, writes: &[Write]) {
    let mut out = Vec::new();
    for write in writes {
        let Write::Append { item, .. } = write else { continue };
        out.extend_from_slice(&item.seq.to_be_bytes());
        out.extend_from_slice(&item.bytes);
    }
    file.write_all(&out).unwrap();
    file.sync_data().unwrap();
}

fn in_process(senders: usize, batch: usize, times: usize) {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let mut hub = Hub::open(&at("hub"), senders);
    let mut store = EmbeddedStore::open(&at("store"), [1; 16]).unwrap();
    let fjall = BareFjall::open(&at("fjall"));
    let mut file = File::create(at("file")).unwrap();
    let (mut a, mut b, mut c) = (Source::new(), Source::new(), Source::new());
    let rounds = in_turn(
        ROUNDS,
        &mut [
            Case::new("hub", || hub.round(batch, times)),
            Case::new("store", || a.round(batch, times, |writes| store.commit(&writes).unwrap())),
            Case::new("fjall", || b.round(batch, times, |writes| fjall.commit(writes))),
            Case::new("file", || c.round(batch, times, |writes| append_to(&mut file, &writes))),
        ],
    );
    let rate = |case| format!("{:.0}", 1.0 / rounds.figure(case).median);
    // Seconds the other way round: a share of the bare store's speed.
    let share = |over| rounds.ratio(over, 0);
    println!(
        "| {senders} | {batch} | {} | {} | {} | {} | {} | {} | {} |",
        rate(0),
        rate(1),
        rate(2),
        rate(3),
        share(1),
        share(2),
        share(3)
    );
}

fn over_quic(senders: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = folder();
    let mut store = EmbeddedStore::open(&folder.path().join("store"), [1; 16]).unwrap();
    let mut source = Source::new();
    let mut round = 0;
    let rounds = in_turn(
        10,
        &mut [
            Case::new("hub", || {
                round += 1;
                let dir = folder.path().join(format!("hub{round}"));
                runtime.block_on(quic_round(&dir, senders))
            }),
            Case::new("store", || source.round(32, 50, |writes| store.commit(&writes).unwrap())),
        ],
    );
    let rate = |case| format!("{:.0}", 1.0 / rounds.figure(case).median);
    println!("| {senders} | {} | {} | {} |", rate(0), rate(1), rounds.ratio(1, 0));
}

/// A fresh hub, everyone connected, then everyone's burst: seconds an append.
async fn quic_round(dir: &Path, senders: usize) -> f64 {
    let listen = ([127, 0, 0, 1], 0).into();
    let options = ServeOptions {
        dir: dir.to_owned(),
        listen,
        open: true,
        limits: Limits::default(),
        files: Files::default(),
    };
    let hub: Running = serve(options).await.unwrap();
    let log = LogId::Mailbox(person(200).id());
    drop(RawNode::welcomed(hub.local_addr, hub.hub, &person(200)).await);
    let mut nodes = Vec::new();
    for n in 1..=senders {
        let me = person(u8::try_from(n).unwrap());
        nodes.push(RawNode::welcomed(hub.local_addr, hub.hub, &me).await);
    }
    let began = Instant::now();
    let sending: Vec<_> = nodes.into_iter().map(|node| tokio::spawn(burst(node, log))).collect();
    for sent in sending {
        sent.await.unwrap();
    }
    let took = per(began.elapsed(), senders * BURST);
    hub.stop().await;
    took
}

async fn burst(node: RawNode, log: LogId) {
    let mut envelopes = Envelopes(ChaCha20Rng::from_seed(node.id.0));
    let (mut send, mut recv) = (node.send, node.recv);
    let window = std::sync::Arc::new(tokio::sync::Semaphore::new(APPENDS_IN_FLIGHT));
    let room = std::sync::Arc::clone(&window);
    let sending = async {
        for n in 0..BURST {
            room.acquire().await.unwrap().forget();
            append(&mut send, u32::try_from(n).unwrap(), log, envelopes.next()).await;
        }
    };
    let hearing = async {
        for _ in 0..BURST {
            answered(&mut recv).await;
            window.add_permits(1);
        }
    };
    tokio::join!(sending, hearing);
    drop(node.connection);
}

async fn append(send: &mut FrameSender, req: u32, log: LogId, envelope: ByteBuf) {
    send.frame(&ToHub::Append(Append { req, log, envelope })).await;
}

async fn answered(recv: &mut FrameReader) {
    let frame = recv.frame().await;
    assert!(matches!(frame, FromHub::Appended(_)), "{frame:?}");
}
