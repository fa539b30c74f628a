//! What a group costs by its size: the shipped relay and one shipped engine per member, in one
//! process and virtual time.
//!
//! A founder adds four fifths of the members, the rest come in at once by one invite link; ten of
//! them speak for the first time; one member is removed, and the ten speak again, each under a new
//! key. Times are the world's (a frame takes 1 to 20 ms each way, and the hub lets one node ask 500
//! things a second); CPU is this process's, everybody's together, disks in memory.
//!
//! `cargo bench --workspace --bench thousand` (as arguments, other sizes than 100, 300 and 1,000)

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout, clippy::cast_precision_loss)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hubbub_node::api::view::Body;
use hubbub_node::api::{Command, ConversationId, Reply};
use hubbub_shared::id::{GroupId, MessageId};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::envelope::Envelope;
use hubbub_shared::wire::{FromHub, ToHub};
use hubbub_tests::measure::machine;
use hubbub_tests::world::World;

const SIZES: [usize; 3] = [100, 300, 1_000];
const SPEAKERS: usize = 10;
/// How exactly the world's times are read.
const STEP: Millis = Millis(10);
const PATIENCE: Millis = Millis::hours(1);

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if sizes.is_empty() { SIZES.to_vec() } else { sizes };
    println!("{}\n", machine());
    println!(
        "| members | what | left s | last s | CPU s | of it hub | entries | messages | first letters \
         | letters | delivered | each |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let runs: Vec<Vec<Row>> = sizes.iter().map(|members| run(*members)).collect();
    println!("\n| | CPU each, largest ÷ smallest | bytes each |\n|---|---|---|");
    let (small, large) = (&runs[0], &runs[runs.len() - 1]);
    for (small, large) in small.iter().zip(large) {
        let (cpu, bytes) = (large.cpu_each() / small.cpu_each(), large.each() / small.each());
        println!("| {} | {cpu:.2} | {bytes:.2} |", small.what);
    }
    println!("\n{}", machine());
}

/// What was put into the hub's logs, and what came out.
#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    entries: Count,
    messages: Count,
    handshakes: Count,
    letters: Count,
    delivered: Count,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    number: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, bytes: usize) {
        self.number += 1;
        self.bytes += bytes as u64;
    }

    fn since(self, before: Self) -> Self {
        Self { number: self.number - before.number, bytes: self.bytes - before.bytes }
    }
}

impl Traffic {
    fn note(&mut self, frame: &ToHub) {
        match frame {
            ToHub::AppendControl(body) => self.entries.add(body.entry.len()),
            ToHub::Append(body) => match Envelope::parse(&body.envelope).unwrap() {
                Envelope::Group(_) => self.messages.add(body.envelope.len()),
                Envelope::PairInit(_) => self.handshakes.add(body.envelope.len()),
                Envelope::Pair(_) => self.letters.add(body.envelope.len()),
            },
            _ => {}
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            entries: self.entries.since(before.entries),
            messages: self.messages.since(before.messages),
            handshakes: self.handshakes.since(before.handshakes),
            letters: self.letters.since(before.letters),
            delivered: self.delivered.since(before.delivered),
        }
    }
}

/// One thing that happened, and what it cost.
struct Row {
    members: usize,
    what: &'static str,
    /// Until whoever did it was done, and until the last member had it.
    left: Millis,
    last: Millis,
    cpu: f64,
    hub_share: f64,
    traffic: Traffic,
    /// What the costs are counted by: members reached, times things said.
    unit: &'static str,
    units: usize,
}

impl Row {
    fn cpu_each(&self) -> f64 {
        self.cpu / self.units as f64
    }

    fn each(&self) -> f64 {
        let Traffic { entries, messages, handshakes, letters, delivered } = self.traffic;
        let appended = [entries, messages, handshakes, letters].map(|count| count.bytes);
        (appended.iter().sum::<u64>() + delivered.bytes) as f64 / self.units as f64
    }

    fn print(&self) {
        let Traffic { entries, messages, handshakes, letters, delivered } = self.traffic;
        let one = |count: Count| format!("{} ({} KiB)", count.number, count.bytes / 1_024);
        println!(
            "| {} | {} | {:.2} | {:.1} | {:.1} | {:.0} % | {} | {} | {} | {} | {} KiB | {:.0} µs, \
             {:.0} B per {} |",
            self.members,
            self.what,
            self.left.0 as f64 / 1e3,
            self.last.0 as f64 / 1e3,
            self.cpu,
            self.hub_share * 100.0,
            one(entries),
            one(messages),
            one(handshakes),
            one(letters),
            delivered.bytes / 1_024,
            self.cpu_each() * 1e6,
            self.each(),
            self.unit,
        );
    }
}

/// Seconds of CPU this thread has had.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos: u64 = stat.split(' ').next().unwrap().parse().unwrap();
    nanos as f64 / 1e9
}

struct Bench {
    world: World,
    traffic: Rc<RefCell<Traffic>>,
    members: usize,
    group: GroupId,
    rows: Vec<Row>,
    /// When the present phase began.
    began: (f64, Timestamp, Traffic, Duration, Duration),
    left: Millis,
    last: Millis,
}

impl Bench {
    fn begin(&mut self) {
        let nodes = self.world.devices.iter().map(|device| device.busy).sum();
        let traffic = *self.traffic.borrow();
        self.began = (cpu(), self.world.now, traffic, self.world.hub_busy, nodes);
        self.left = Millis(0);
    }

    fn note_left(&mut self) {
        self.left = self.world.now.since(self.began.1);
    }

    fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let (start, mut step) = (self.world.now, STEP);
        while !holds(self) {
            assert!(self.world.now < start + PATIENCE, "{what}: not within an hour");
            self.world.run(step);
            // What takes long is read less exactly.
            step = Millis((self.world.now.since(start).0 / 50).max(STEP.0));
        }
    }

    /// The phase is over when everything that follows from it is: receipts, names.
    fn end(&mut self, what: &'static str, (unit, units): (&'static str, usize)) {
        self.last = self.world.now.since(self.began.1);
        self.wind_up(what, (unit, units));
    }

    fn wind_up(&mut self, what: &'static str, (unit, units): (&'static str, usize)) {
        let (cpu_before, _, traffic, hub, nodes) = self.began;
        self.world.run(Millis::minutes(5));
        let hub = (self.world.hub_busy - hub).as_secs_f64();
        let nodes_now: Duration = self.world.devices.iter().map(|device| device.busy).sum();
        let nodes = (nodes_now - nodes).as_secs_f64();
        let row = Row {
            members: self.members,
            what,
            left: self.left,
            last: self.last,
            cpu: cpu() - cpu_before,
            hub_share: hub / (hub + nodes),
            traffic: self.traffic.borrow().since(traffic),
            unit,
            units,
        };
        row.print();
        self.rows.push(row);
        self.begin();
    }

    fn size_at(&self, who: usize) -> u32 {
        let facts = self.world.engine(who).conversation_facts(ConversationId::Group(self.group));
        facts.filter(|facts| facts.active).map_or(0, |facts| facts.members)
    }

    fn all_count(&self, size: usize, among: core::ops::Range<usize>) -> bool {
        among.into_iter().all(|who| self.size_at(who) as usize == size)
    }

    fn has(&self, who: usize, message: MessageId) -> bool {
        let lines = self.world.devices[who].disk.history.iter().rev();
        lines.take(200).any(|line| line.id == message && matches!(line.body, Body::Text(_)))
    }

    /// Ten speak, one after the other; of them the slowest counts.
    fn speak(&mut self, what: &'static str, readers: usize) {
        let (mut left, mut last) = (Millis(0), Millis(0));
        let hall = ConversationId::Group(self.group).to_string();
        for who in 0..SPEAKERS {
            let (at, before) = (self.world.now, self.traffic.borrow().messages.number);
            let message = self.world.say(who, &hall, what);
            self.until("it leaves", |b| b.traffic.borrow().messages.number > before);
            left = left.max(self.world.now.since(at));
            self.until("everybody has it", |b| {
                (0..readers).filter(|reader| *reader != who).all(|reader| b.has(reader, message))
            });
            last = last.max(self.world.now.since(at));
            assert!((readers..self.members).all(|out| !self.has(out, message)), "one who is out");
        }
        (self.left, self.last) = (left, last);
        self.wind_up(what, ("reader", SPEAKERS * (readers - 1)));
    }
}

fn run(members: usize) -> Vec<Row> {
    let traffic = Rc::new(RefCell::new(Traffic::default()));
    let mut world = World::new(1, &[]);
    world.watched = false;
    let (up, down) = (traffic.clone(), traffic.clone());
    world.overhear = Some(Box::new(move |_, frame| {
        up.borrow_mut().note(&frame);
        frame
    }));
    world.tamper = Some(Box::new(move |_, frame| {
        if let FromHub::Deliver(page) = &frame {
            page.items.iter().for_each(|item| down.borrow_mut().delivered.add(item.bytes.len()));
        }
        vec![frame]
    }));
    let began = (cpu(), world.now, *traffic.borrow(), Duration::ZERO, Duration::ZERO);
    let (group, rows, left) = (GroupId([0; 32]), Vec::new(), Millis(0));
    let mut bench = Bench { world, traffic, members, group, rows, began, left, last: left };
    bench.begin();
    for n in 0..members {
        bench.world.add(String::leak(format!("person{n}")));
    }
    bench.note_left();
    // Each of them is told of everybody in the lobby, before or after.
    bench.end("come to the hub", ("person and person", members * members));
    bench.create(members - members / 5);
    bench.storm(members - members / 5);
    bench.speak("first message of ten", members);
    bench.remove();
    bench.speak("next message of ten", members - 1);
    bench.rows
}

impl Bench {
    fn create(&mut self, members: usize) {
        let names: Vec<&str> = self.world.devices[1..members].iter().map(|d| d.name).collect();
        let ConversationId::Group(group) = self.world.found(0, "hall", &names) else { panic!() };
        self.group = group;
        self.until("all are added", |b| b.size_at(0) as usize == members);
        self.note_left();
        self.until("all know all", |b| b.all_count(members, 0..members));
        self.end("add four fifths", ("member and entry", members * members / 2));
    }

    fn storm(&mut self, before: usize) {
        let (uses, expires_in_ms) = (u16::try_from(self.members).unwrap(), Millis::hours(24).0);
        let command = Command::GroupLink { group: "#hall".to_owned(), uses, expires_in_ms };
        let Ok(Reply::Link { link }) = self.world.ask(0, command) else { panic!("no link") };
        self.world.run(Millis::secs(5));
        self.begin();
        for who in before..self.members {
            self.world.begin(who, Command::GroupJoin { link: link.clone() });
        }
        self.until("all are in", |b| b.size_at(0) as usize == b.members);
        self.note_left();
        self.until("all know all", |b| b.all_count(b.members, 0..b.members));
        let joins = self.members - before;
        self.end("a fifth joins at once", ("member and join", joins * self.members));
    }

    fn remove(&mut self) {
        let out = self.members - 1;
        let member = self.world.devices[out].name.to_owned();
        self.begin();
        self.world.begin(0, Command::GroupRemove { group: "#hall".to_owned(), member });
        self.until("the founder knows", |b| b.size_at(0) as usize == out);
        self.note_left();
        self.until("all know", |b| b.all_count(out, 0..out));
        self.end("remove one", ("member", out));
    }
}
