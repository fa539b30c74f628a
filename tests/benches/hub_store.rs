//! Which store for the hub's logs: fjall, redb or a bare append log, for the hub's own pattern.
//!
//! A batch is some entries of 1 KiB and one cursor, durable before the next begins. Then 10,000
//! entries are read back, 10,000 forgotten, and the store opened again (ms, MiB). Each engine and
//! batch size runs in a process of its own, so that its peak memory is its own. `hub` is the
//! shipped store, through its trait, in the same run as the bare engines.
//!
//! `cargo bench -p hubbub-tests --bench hub_store`

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a benchmark
#![allow(clippy::print_stdout)] // prints its table

use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use hubbub_hub::relay::Write;
use hubbub_hub::store::{EmbeddedStore, Store};
use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::from_hub::{Item, ItemKind};
use hubbub_shared::wire::{ByteBuf, LogId};
use redb::{ReadableDatabase, TableDefinition};

const ENGINES: [&str; 4] = ["log", "fjall", "redb", "hub"];
const BATCHES: [(u64, u64); 4] = [(1, 2_000), (32, 500), (256, 200), (1_024, 100)];
const BACK: u64 = 10_000;
const ENTRY: usize = 1_024;
const READER: NodeId = NodeId([7; 32]);
const LOG: LogId = LogId::Mailbox(READER);

/// What every engine does.
trait Engine {
    fn commit(&mut self, first: u64, count: u64);
    fn read(&self, count: u64) -> u64;
    fn forget(&mut self, upto: u64);
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--one") {
        return one(&args[at + 1], args[at + 2].parse().unwrap(), args[at + 3].parse().unwrap());
    }
    println!(
        "| engine | batch | msg/s | p50 ms | p99 ms | CPU us/msg | B/msg | read | forget | open | RSS |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for (batch, rounds) in BATCHES {
        for engine in ENGINES {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            let args = ["--one", engine, &batch.to_string(), &rounds.to_string()];
            assert!(child.args(args).status().unwrap().success());
        }
    }
}

fn one(name: &str, batch: u64, rounds: u64) {
    // Not in the system's temporary folder, which may be memory.
    let folder = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let path = folder.path().join("store");
    let mut engine = open(name, &path);
    let mut times = Vec::new();
    let start = Instant::now();
    for round in 0..rounds {
        let began = Instant::now();
        engine.commit(1 + round * batch, batch);
        times.push(began.elapsed());
    }
    let all = start.elapsed();
    let cpu = cpu_us() as f64 / (batch * rounds) as f64;
    let total = batch * rounds;
    let used = size(&path) / total;
    let (read, count) = timed(|| engine.read(BACK));
    assert_eq!(count, BACK.min(total));
    let (forget, ()) = timed(|| engine.forget(BACK.min(total)));
    drop(engine);
    let (opened, engine) = timed(|| open(name, &path));
    drop(engine);
    times.sort();
    let at = |share: usize| ms(times[times.len() * share / 100]);
    let rate = total as f64 / all.as_secs_f64();
    println!(
        "| {name} | {batch} | {rate:.0} | {} | {} | {cpu:.1} | {used} | {} | {} | {} | {} |",
        at(50),
        at(99),
        ms(read),
        ms(forget),
        ms(opened),
        peak_mib()
    );
}

fn open(name: &str, path: &Path) -> Box<dyn Engine> {
    match name {
        "log" => Box::new(AppendLog::open(path)),
        "fjall" => Box::new(BareFjall::open(path)),
        "redb" => Box::new(BareRedb::open(path)),
        "hub" => Box::new(Hub(EmbeddedStore::open(path, [1; 16]).unwrap())),
        other => panic!("no engine {other}"),
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let result = work();
    (began.elapsed(), result)
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1_000.0)
}

/// Bytes on disk that were really written: sparse files count what they hold.
fn size(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(path).unwrap();
    if meta.is_file() {
        return meta.blocks() * 512;
    }
    std::fs::read_dir(path).unwrap().map(|entry| size(&entry.unwrap().path())).sum()
}

/// Processor time of this process so far, all threads: it hardly depends on what else is running.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10_000 // user and system, a hundred ticks a second
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Entries that do not compress, as sealed ones do not.
fn entry(seq: u64) -> Vec<u8> {
    let mut state = seq.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(ENTRY);
    while bytes.len() < ENTRY {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn key(seq: u64) -> Vec<u8> {
    [&[0; 33][..], &seq.to_be_bytes()].concat()
}

/// The floor: append, fdatasync. It has no index, so reading scans and forgetting truncates
/// nothing.
struct AppendLog {
    path: PathBuf,
    file: File,
}

impl AppendLog {
    fn open(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).read(true).open(path).unwrap();
        Self { path: path.to_owned(), file }
    }
}

impl Engine for AppendLog {
    fn commit(&mut self, first: u64, count: u64) {
        let mut out = Vec::new();
        for seq in first..first + count {
            out.extend_from_slice(&seq.to_be_bytes());
            out.extend_from_slice(&entry(seq));
        }
        out.extend_from_slice(&[0; 16]); // the cursor
        self.file.write_all(&out).unwrap();
        self.file.sync_data().unwrap();
    }

    fn read(&self, count: u64) -> u64 {
        let mut file = std::io::BufReader::new(File::open(&self.path).unwrap());
        let (mut head, mut body, mut got) = ([0; 8], vec![0; ENTRY], 0);
        while got < count && file.read_exact(&mut head).is_ok() {
            if u64::from_be_bytes(head) == 0 {
                file.read_exact(&mut head).unwrap(); // a cursor
            } else {
                file.read_exact(&mut body).unwrap();
                got += 1;
            }
        }
        got
    }

    fn forget(&mut self, _: u64) {
        self.file.sync_data().unwrap();
    }
}

struct BareFjall {
    database: Database,
    items: Keyspace,
    state: Keyspace,
}

impl BareFjall {
    fn open(path: &Path) -> Self {
        let database = Database::builder(path).open().unwrap();
        let items = database.keyspace("items", KeyspaceCreateOptions::default).unwrap();
        let state = database.keyspace("state", KeyspaceCreateOptions::default).unwrap();
        Self { database, items, state }
    }
}

impl Engine for BareFjall {
    fn commit(&mut self, first: u64, count: u64) {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for seq in first..first + count {
            batch.insert(&self.items, key(seq), entry(seq));
        }
        batch.insert(&self.state, &b"cursor"[..], first.to_be_bytes());
        batch.commit().unwrap();
    }

    fn read(&self, count: u64) -> u64 {
        let page = self.items.range(key(0)..).take(usize::try_from(count).unwrap());
        page.map(|guard| guard.into_inner().unwrap())
            .filter(|(_, value)| value.len() == ENTRY)
            .count() as u64
    }

    fn forget(&mut self, upto: u64) {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        (1..=upto).for_each(|seq| batch.remove(&self.items, key(seq)));
        batch.commit().unwrap();
    }
}

const ITEMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("items");
const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("state");

struct BareRedb(redb::Database);

impl BareRedb {
    fn open(path: &Path) -> Self {
        let mut builder = redb::Builder::new();
        builder.set_cache_size(16 * 1024 * 1024);
        Self(builder.create(path).unwrap())
    }
}

impl Engine for BareRedb {
    fn commit(&mut self, first: u64, count: u64) {
        let write = self.0.begin_write().unwrap();
        {
            let mut items = write.open_table(ITEMS).unwrap();
            for seq in first..first + count {
                items.insert(key(seq).as_slice(), entry(seq).as_slice()).unwrap();
            }
            let mut state = write.open_table(STATE).unwrap();
            state.insert(&b"cursor"[..], &first.to_be_bytes()[..]).unwrap();
        }
        write.commit().unwrap();
    }

    fn read(&self, count: u64) -> u64 {
        let read = self.0.begin_read().unwrap();
        let items = read.open_table(ITEMS).unwrap();
        let page = items.range(key(0).as_slice()..).unwrap();
        let whole = |row: &Result<_, _>| {
            let (_, value): &(redb::AccessGuard<'_, &[u8]>, redb::AccessGuard<'_, &[u8]>) =
                row.as_ref().map_err(|_: &redb::StorageError| ()).unwrap();
            value.value().to_vec().len() == ENTRY
        };
        page.take(usize::try_from(count).unwrap()).filter(whole).count() as u64
    }

    fn forget(&mut self, upto: u64) {
        let write = self.0.begin_write().unwrap();
        {
            let mut items = write.open_table(ITEMS).unwrap();
            items.retain_in(..=key(upto).as_slice(), |_, _| false).unwrap();
        }
        write.commit().unwrap();
    }
}

/// The store that ships.
struct Hub(EmbeddedStore);

impl Engine for Hub {
    fn commit(&mut self, first: u64, count: u64) {
        let append = |seq| {
            let (at, from) = (Timestamp(seq), NodeId([1; 32]));
            let bytes = ByteBuf::from(entry(seq));
            Write::Append {
                log: LOG,
                item: Item { seq, kind: ItemKind::Envelope, at, from, bytes }.into(),
            }
        };
        let mut batch: Vec<Write> = (first..first + count).map(append).collect();
        batch.push(Write::Cursor { log: LOG, reader: READER, upto: Some(first) });
        self.0.commit(&batch).unwrap();
    }

    fn read(&self, count: u64) -> u64 {
        let mut got = 0;
        while got < count {
            let page = self.0.read(&LOG, got + 1, 256 * 1024).unwrap();
            if page.is_empty() {
                break;
            }
            got += page.len() as u64;
        }
        got.min(count)
    }

    fn forget(&mut self, upto: u64) {
        self.0.commit(&[Write::Forget { log: LOG, upto }]).unwrap();
    }
}
