//! A file from one program to another, beside bare QUIC and beside what else people use for it.
//!
//! Every end is a process of its own; what is timed is from the question until the file is whole,
//! synced and has its name. `bare`: a stream of quinn's, read from a file and written to one.
//! `sealed`: the same, each 64 KiB sealed by its sender, hashed by both and opened, by the crates
//! alone. `spliced`: the same bytes through a third process that only copies. `direct` and
//! `relayed`: `hubbub` as people run it, from "accept" to "whole", the second between two who show
//! nobody their address. `scp` (aes128-gcm, to an sshd of its own on the loopback) and `sendme`
//! where they are installed. For ours the sender has read the file before, which stands by itself.
//!
//! Processor seconds are those of all ends together; memory is the most each process ever had.
//!
//! `HUBBUB_MIB=256 cargo bench --workspace --bench peers`; the files lie in `TMPDIR`.

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Nonce, Tag};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_tests::api::{Ear, ask};
use hubbub_tests::echo;
use hubbub_tests::hub::Hub;
use hubbub_tests::measure::{Case, Rounds, Spread, in_turn, machine};
use hubbub_tests::person::Person;
use hubbub_tests::process::{Stage, wait_until};
use hubbub_tests::raw_node::dial_with;
use hubbub_tests::splicer::Splicer;
use quinn::{Connection, Endpoint, RecvStream, SendStream, TransportConfig, VarInt};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;
const ROUNDS: usize = 5;
/// Text in a piece, and what sealing adds.
const BODY: usize = 65_520;
const TAG: usize = 16;
/// What a bare end reads and writes at once.
const GATHERED: usize = 256 * 1024;
/// Windows of direct connections (`node/src/net/tls.rs`).
const STREAM_WINDOW: u32 = 1 << 20;
const WINDOW: u32 = 8 << 20;
/// The others' turns may take longer than a hub waits for a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Of the system's clock that counts processor time.
const TICK: f64 = 0.01;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at another's memory.
const LOOK: Duration = Duration::from_millis(20);
/// What a taker is told to take.
const BARE: u8 = b'b';
const SEALED: u8 = b's';

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("source") => source(args[2].parse().ok(), Path::new(&args[3])),
        Some("taker") => taker(args[2].parse().unwrap(), Path::new(&args[3])),
        Some("splice") => splice(),
        _ => compare(),
    }
}

fn compare() {
    let mib = std::env::var("HUBBUB_MIB").map_or(256, |mib| mib.parse().unwrap());
    println!("{}; {mib} MiB, {ROUNDS} rounds\n", machine());
    let stage = Stage::new();
    let content = stage.path("content");
    write_random(&content, mib);
    let (straight, spliced) = (Ends::straight(&stage, &content), Ends::spliced(&stage, &content));
    let hub = Hub::with(&stage, &["files.enabled=false"]);
    let (direct, relayed) = (Pair::new(&stage, &hub, "direct"), Pair::new(&stage, &hub, "relayed"));
    let (scp, sendme) = (Scp::start(&stage, &content), Sendme::start(&stage, &content));
    let costs = Costs::default();
    let mut cases = vec![
        costs.case("bare", straight.processes(), || straight.take(BARE)),
        costs.case("sealed", straight.processes(), || straight.take(SEALED)),
        costs.case("direct", direct.processes(), || direct.take(&content)),
        costs.case("spliced", spliced.processes(), || spliced.take(SEALED)),
        costs.case("relayed", relayed.processes(), || relayed.take(&content)),
    ];
    if let Some(scp) = &scp {
        cases.push(costs.case("scp", vec![scp.sshd.0.id(), std::process::id()], || scp.take()));
    }
    if let Some(sendme) = &sendme {
        let ends = vec![sendme.sender.0.id(), std::process::id()];
        cases.push(costs.case("sendme", ends, || sendme.take()));
    }
    if let Ok(only) = std::env::var("HUBBUB_CASE") {
        cases
            .retain(|case| ["bare", "sealed", "spliced"].contains(&case.name) || case.name == only);
    }
    let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    let rounds = in_turn(ROUNDS, &mut cases);
    drop(cases);
    table(&names, &rounds, &costs, mib);
    println!("\nread and sealed for the first time until offered: {} s", direct.sealing());
    println!("{}", machine());
}

fn table(names: &[&str], rounds: &Rounds, costs: &Costs, mib: usize) {
    let size = f64::from(u32::try_from(mib).unwrap());
    println!("| | s | MiB/s | × bare | × sealed | × spliced | processor s | memory MiB |");
    println!("|---|---|---|---|---|---|---|---|");
    for (case, name) in names.iter().enumerate() {
        let took = rounds.figure(case);
        let [bare, sealed, spliced] = [0, 1, 3].map(|floor| rounds.ratio(floor, case));
        let (busy, memory) = costs.of(name);
        println!(
            "| {name} | {took} | {:.0} | {bare} | {sealed} | {spliced} | {busy} | {memory} |",
            size / took.median
        );
    }
}

fn write_random(path: &Path, mib: usize) {
    let (mut rng, mut part) = (ChaCha20Rng::seed_from_u64(1), vec![0; MIB]);
    let mut file = File::create(path).unwrap();
    for _ in 0..mib {
        rng.fill_bytes(&mut part);
        file.write_all(&part).unwrap();
    }
    file.sync_all().unwrap();
}

fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

// --- What it costs ---

/// Per case and round: processor seconds, and the most memory of each process in KiB.
#[derive(Default)]
struct Costs(RefCell<Vec<(&'static str, f64, Vec<u64>)>>);

impl Costs {
    fn case<'a>(
        &'a self,
        name: &'static str,
        ends: Vec<u32>,
        take: impl Fn() -> Taken + 'a,
    ) -> Case<'a> {
        Case::new(name, move || {
            let before: f64 = ends.iter().map(|end| busy(*end)).sum();
            let taken = take();
            let spent = ends.iter().map(|end| busy(*end)).sum::<f64>() - before;
            let others = taken.memory_kib;
            let own = ends.iter().filter(|end| **end != std::process::id());
            let memory = own.map(|end| most_memory(*end)).chain(others).collect();
            self.0.borrow_mut().push((name, spent, memory));
            taken.seconds
        })
    }

    fn of(&self, name: &str) -> (Spread, String) {
        let all = self.0.borrow();
        let of = || all.iter().filter(|(case, ..)| *case == name);
        let memory = of().next_back().map(|(.., memory)| memory.clone()).unwrap_or_default();
        let memory: Vec<String> = memory.iter().map(|kib| (kib / 1024).to_string()).collect();
        (Spread::of(of().map(|(_, spent, _)| *spent).collect()), memory.join(", "))
    }
}

/// What one round came to.
struct Taken {
    seconds: f64,
    /// Of processes that are gone by now.
    memory_kib: Vec<u64>,
}

impl From<f64> for Taken {
    fn from(seconds: f64) -> Self {
        Self { seconds, memory_kib: Vec::new() }
    }
}

/// Processor seconds of a process and of all its children that have ended.
fn busy(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(4);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap() * TICK).sum()
}

fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    most.map_or(0, |most| most.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Waits for a process, and gives the most memory it and its children had.
fn watch(mut child: Child) -> Vec<u64> {
    let (id, mut most, mut below) = (child.id(), 0, 0);
    loop {
        most = most.max(most_memory(id));
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let sum =
            children.split_whitespace().map(|child| most_memory(child.parse().unwrap())).sum();
        below = below.max(sum);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return if below == 0 { vec![most] } else { vec![most, below] };
        }
        std::thread::sleep(LOOK);
    }
}

// --- Bare ends ---

/// A source and a taker, with a splice between them or without.
struct Ends {
    processes: Vec<Role>,
    pipe: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    target: PathBuf,
}

/// A process that ends with the comparison: this program in one of its roles, or another one.
struct Role(Child);

impl Drop for Role {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Role {
    /// Starts it, and gives what it says first.
    fn start(args: &[&str]) -> (Self, ChildStdin, BufReader<ChildStdout>, String) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut stdout, mut said) = (BufReader::new(stdout), String::new());
        stdout.read_line(&mut said).unwrap();
        (Self(child), stdin, stdout, said.trim().to_owned())
    }
}

impl Ends {
    fn straight(stage: &Stage, content: &Path) -> Self {
        let (source, _, _, at) = Role::start(&["source", "", content.to_str().unwrap()]);
        Self::taking(vec![source], &at, stage.path("bare"))
    }

    fn spliced(stage: &Stage, content: &Path) -> Self {
        let (splice, _, _, at) = Role::start(&["splice"]);
        let (source, ..) = Role::start(&["source", &at, content.to_str().unwrap()]);
        Self::taking(vec![source, splice], &at, stage.path("spliced"))
    }

    fn taking(mut processes: Vec<Role>, at: &str, target: PathBuf) -> Self {
        let (taker, stdin, stdout, _) = Role::start(&["taker", at, target.to_str().unwrap()]);
        processes.push(taker);
        Self { processes, pipe: RefCell::new((stdin, stdout)), target }
    }

    fn processes(&self) -> Vec<u32> {
        self.processes.iter().map(|role| role.0.id()).collect()
    }

    fn take(&self, what: u8) -> Taken {
        let mut pipe = self.pipe.borrow_mut();
        let took = timed(|| {
            pipe.0.write_all(&[what, b'\n']).unwrap();
            pipe.0.flush().unwrap();
            let mut said = String::new();
            pipe.1.read_line(&mut said).unwrap();
            assert_eq!(said, "done\n");
        });
        fs::remove_file(&self.target).unwrap();
        took.into()
    }
}

fn one() -> Identity {
    Identity::from_seed(Secret32::from_bytes([1; 32]))
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(None);
    transport
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

#[tokio::main]
async fn splice() {
    say(&Splicer::listen(&one()).local_addr.to_string());
    std::future::pending::<()>().await;
}

/// Serves a file to whoever asks, on a connection that it waits for or dials.
#[tokio::main]
async fn source(dial: Option<SocketAddr>, content: &Path) {
    let content = Arc::new(File::open(content).unwrap());
    let connection = if let Some(to) = dial {
        let connection = dial_with(to, one().hub_id(), transport()).await;
        say("here");
        connection
    } else {
        let mut config = echo::config(&one());
        config.transport_config(Arc::new(transport()));
        let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        say(&endpoint.local_addr().unwrap().to_string());
        endpoint.accept().await.unwrap().await.unwrap()
    };
    while let Ok((send, mut recv)) = connection.accept_bi().await {
        let mut what = [0];
        recv.read_exact(&mut what).await.unwrap();
        let content = Arc::clone(&content);
        match what[0] {
            BARE => tokio::spawn(async move { give(&content, send).await }),
            _ => tokio::spawn(async move { give_sealed(&content, send).await }),
        };
    }
}

async fn give(from: &File, mut send: SendStream) {
    let (mut part, mut at) = (vec![0; GATHERED], 0);
    loop {
        let length = from.read_at(&mut part, at).unwrap();
        if length == 0 {
            break;
        }
        at += length as u64;
        send.write_all(&part[..length]).await.unwrap();
    }
    send.finish().unwrap();
}

async fn give_sealed(from: &File, mut send: SendStream) {
    let (mut part, mut out, mut at) = (vec![0; BODY], vec![0; BODY + TAG], 0);
    let cipher = ChaCha20Poly1305::new(&[7; 32].into());
    loop {
        let length = from.read_at(&mut part, at).unwrap();
        if length == 0 {
            break;
        }
        let buffer = InOutBuf::new(&part[..length], &mut out[..length]).unwrap();
        let tag = cipher.encrypt_inout_detached(&nonce(at), b"", buffer).unwrap();
        out[length..length + TAG].copy_from_slice(&tag);
        std::hint::black_box(blake3::hash(&out[..length + TAG]));
        at += length as u64;
        send.write_all(&out[..length + TAG]).await.unwrap();
    }
    send.finish().unwrap();
}

/// Takes the file as often and in the form as it is told.
#[tokio::main]
async fn taker(from: SocketAddr, target: &Path) {
    let connection = dial_with(from, one().hub_id(), transport()).await;
    say("here");
    for line in std::io::stdin().lines() {
        let what = line.unwrap().as_bytes()[0];
        let part = target.with_extension("part");
        let file = File::create_new(&part).unwrap();
        let (connection, taking) = (connection.clone(), file.try_clone().unwrap());
        tokio::spawn(async move { take(&connection, what, &taking).await }).await.unwrap();
        file.sync_all().unwrap();
        fs::rename(&part, target).unwrap();
        say("done");
    }
}

async fn take(connection: &Connection, what: u8, to: &File) {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&[what]).await.unwrap();
    let (mut wave, mut at) = (vec![0; if what == BARE { GATHERED } else { BODY + TAG }], 0);
    let cipher = ChaCha20Poly1305::new(&[7; 32].into());
    let (mut plain, mut plain_len) = (vec![0; 4 * BODY], 0);
    loop {
        let length = gather(&mut recv, &mut wave).await;
        if what == BARE {
            to.write_all_at(&wave[..length], at).unwrap();
            at += length as u64;
        } else if length > 0 {
            let (sealed, tag) = wave[..length].split_at(length - TAG);
            std::hint::black_box(blake3::hash(&wave[..length]));
            let tag = Tag::try_from(tag).unwrap();
            let out = &mut plain[plain_len..plain_len + sealed.len()];
            let buffer = InOutBuf::new(sealed, out).unwrap();
            cipher
                .decrypt_inout_detached(&nonce(at + plain_len as u64), b"", buffer, &tag)
                .unwrap();
            plain_len += sealed.len();
        }
        if plain_len == plain.len() || length < wave.len() {
            to.write_all_at(&plain[..plain_len], at).unwrap();
            at += plain_len as u64;
            plain_len = 0;
        }
        if length < wave.len() {
            break;
        }
    }
}

/// Fills `wave`, or as much of it as there is.
async fn gather(recv: &mut RecvStream, wave: &mut [u8]) -> usize {
    let mut length = 0;
    while let Some(count) = recv.read(&mut wave[length..]).await.unwrap() {
        length += count;
        if length == wave.len() {
            break;
        }
    }
    length
}

fn nonce(at: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&at.to_be_bytes());
    nonce.into()
}

// --- Ours ---

/// Two people on one hub.
struct Pair<'a> {
    people: [Person<'a>; 2],
    hub: u32,
    folder: PathBuf,
    sealing: RefCell<Vec<f64>>,
}

impl<'a> Pair<'a> {
    fn new(stage: &'a Stage, hub: &Hub<'_>, path: &str) -> Self {
        let names = if path == "direct" { ["alice", "bob"] } else { ["carol", "dave"] };
        let people = Person::join_all(stage, hub, &names);
        let people = <[Person<'_>; 2]>::try_from(people).ok().unwrap();
        if path == "relayed" {
            for one in &people {
                one.cli(&["settings", "addresses", "never"]).fine();
            }
        }
        people[0].cli(&["send", names[1], "hello", "--wait", "delivered"]).fine();
        if path == "direct" {
            wait_until("they are connected", PATIENCE, || {
                let now = people[0].path(names[1]).unwrap_or_default();
                if now.to_string().contains("\"direct\"") { Ok(()) } else { Err(now.to_string()) }
            });
        }
        let folder = stage.path(names[1]).join("taken");
        fs::create_dir(&folder).unwrap();
        Self { people, hub: hub.process_id(), folder, sealing: RefCell::default() }
    }

    fn processes(&self) -> Vec<u32> {
        let [sender, taker] = &self.people;
        vec![sender.process_id(), self.hub, taker.process_id()]
    }

    fn take(&self, content: &Path) -> Taken {
        let [sender, taker] = &self.people;
        let mut ear = Ear::at(&taker.profile()).unwrap();
        let began = Instant::now();
        let send = json!({ "to": taker.name(), "path": content, "no_preview": true });
        ask(&sender.profile(), &json!({ "id": 1, "command": { "send_file": send } })).unwrap();
        let offered = until_state(taker, "offered");
        self.sealing.borrow_mut().push(began.elapsed().as_secs_f64());
        let accept = json!({ "accept": { "to": self.folder } });
        let accept = json!({ "file": { "file": offered, "deed": accept } });
        let took = timed(|| {
            ask(&taker.profile(), &json!({ "id": 1, "command": accept })).unwrap();
            ear.until("whole", |event| event.to_string().contains("\"state\":\"whole\""));
        });
        for left in fs::read_dir(&self.folder).unwrap() {
            let left = left.unwrap().path();
            assert_eq!(fs::metadata(&left).unwrap().len(), fs::metadata(content).unwrap().len());
            fs::remove_file(left).unwrap();
        }
        took.into()
    }

    fn sealing(&self) -> Spread {
        Spread::of(self.sealing.take())
    }
}

/// Waits until a file is in this state, and gives its number.
fn until_state(person: &Person<'_>, state: &str) -> u64 {
    wait_until(state, PATIENCE, || {
        let answer = person.query(json!("files")).unwrap_or_default();
        let files = answer.get("files").and_then(Value::as_array).cloned().unwrap_or_default();
        let status = files.iter().filter_map(|file| file.pointer("/body/status"));
        let mut of = status.filter(|status| status.get("state").is_some_and(|now| now == state));
        of.next().and_then(|status| status.get("file")?.as_u64()).ok_or(answer.to_string())
    })
}

// --- Others ---

/// An sshd on the loopback.
struct Scp {
    sshd: Role,
    port: String,
    key: PathBuf,
    from: PathBuf,
    target: PathBuf,
}

impl Scp {
    fn start(stage: &Stage, content: &Path) -> Option<Self> {
        let daemon = Path::new("/usr/sbin/sshd");
        if !daemon.exists() {
            println!("no scp: openssh-server is not installed\n");
            return None;
        }
        fs::create_dir_all("/run/sshd").ok();
        let (host, key) = (stage.path("host-key"), stage.path("key"));
        for path in [&host, &key] {
            let args = ["-q", "-t", "ed25519", "-N", "", "-f", path.to_str().unwrap()];
            assert!(Command::new("ssh-keygen").args(args).status().ok()?.success());
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let config = stage.path("sshd.conf");
        let said = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}.pub\n\
             StrictModes no\nPidFile none\nPermitRootLogin yes\n",
            host.display(),
            key.display()
        );
        fs::write(&config, said + "Subsystem sftp internal-sftp\n").unwrap();
        let log = File::create(stage.path("sshd.log")).unwrap();
        let mut command = Command::new(daemon);
        command.args(["-D", "-e", "-f", config.to_str().unwrap()]).stderr(log);
        let sshd = Role(command.spawn().ok()?);
        std::thread::sleep(Duration::from_millis(500));
        Some(Self { sshd, port, key, from: content.to_owned(), target: stage.path("copied") })
    }

    fn take(&self) -> Taken {
        let mut memory_kib = Vec::new();
        let seconds = timed(|| {
            let mut command = Command::new("scp");
            command.args(["-q", "-c", "aes128-gcm@openssh.com", "-P", &self.port, "-i"]);
            command.arg(&self.key).args(["-o", "UserKnownHostsFile=/dev/null"]);
            command.args(["-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"]);
            command.arg(&self.from).arg(format!("127.0.0.1:{}", self.target.display()));
            memory_kib = watch(command.spawn().unwrap());
            File::open(&self.target).unwrap().sync_all().unwrap();
        });
        fs::remove_file(&self.target).unwrap();
        Taken { seconds, memory_kib }
    }
}

/// A running `sendme send`.
struct Sendme {
    sender: Role,
    ticket: String,
    folder: PathBuf,
    home: PathBuf,
}

impl Sendme {
    fn start(stage: &Stage, content: &Path) -> Option<Self> {
        let (home, folder) = (stage.path("home"), stage.path("received"));
        fs::create_dir(&folder).unwrap();
        let mut command = Command::new("sendme");
        command.args(["send", "--relay", "disabled"]).arg(content).current_dir(stage.path("home"));
        command.env("HOME", &home).stdin(Stdio::null()).stdout(Stdio::piped());
        let Ok(mut sender) = command.stderr(Stdio::null()).spawn() else {
            println!("no sendme: it is not installed\n");
            return None;
        };
        let mut said = BufReader::new(sender.stdout.take().unwrap()).lines();
        let ticket = said.find_map(|line| {
            line.ok()?.split_once("sendme receive ").map(|(_, ticket)| ticket.trim().to_owned())
        });
        std::thread::spawn(move || said.for_each(drop));
        let sender = Role(sender);
        ticket.map(|ticket| Self { sender, ticket, folder, home })
    }

    fn take(&self) -> Taken {
        let mut memory_kib = Vec::new();
        let target = self.folder.join("content");
        let seconds = timed(|| {
            let mut command = Command::new("sendme");
            command.args(["receive", "--relay", "disabled", &self.ticket]);
            command.env("HOME", &self.home).current_dir(&self.folder);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            memory_kib = watch(command.spawn().unwrap());
            File::open(&target).unwrap().sync_all().unwrap();
        });
        fs::remove_file(&target).unwrap();
        Taken { seconds, memory_kib }
    }
}
