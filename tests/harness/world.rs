//! A pretend world: one shipped relay and many shipped engines, in memory, in virtual time.
//!
//! One number decides everything: delays, crashes, keys. Frames keep their order per connection and
//! direction, as a QUIC stream does. A crash is forgetting the engine and going on from the disk:
//! it may come before a commit, after it, or in the middle of what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use hubbub_hub::relay::{ConnId, Input, RelayConfig};
use hubbub_hub::store::MemoryStore;
use hubbub_node::api::view::{ContactView, Path};
use hubbub_node::api::{
    Addresses, ApiError, Command, Event, FileSettings, Reply, Settings, Strangers,
};
use hubbub_node::engine::Engine;
use hubbub_node::engine::file::order::Order;
use hubbub_node::engine::output::{Changes, Gather, MessageKey, Output, Recall};
use hubbub_node::runtime::uncommitted::Uncommitted;
use hubbub_shared::content::Signal;
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::id::{HubId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::to_peer::Hub;
use hubbub_shared::wire::{FromHub, LogId, ToHub};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::disk::Disk;
use crate::holdings::Holdings;
use crate::hurt::{Hurt, without_bans};
use crate::network::{Network, Packet};
use crate::switchboard::Switchboard;

/// When the world begins.
pub const DAWN: Timestamp = Timestamp(1_790_000_000_000);

/// One person's device.
pub struct Device {
    /// What its person is called.
    pub name: &'static str,
    seed: [u8; 32],
    pub(crate) engine: Option<Engine>,
    /// What it keeps.
    pub disk: Disk,
    /// Messages shown to faces as new, in order.
    pub shown: Vec<MessageKey>,
    /// New in the history by the last commit.
    fresh: Vec<MessageKey>,
    /// Warnings by reason.
    pub warnings: Vec<String>,
    /// Where it heard that the hub sees it, in order.
    pub observed: Vec<SocketAddr>,
    /// Signals it had to send, and to whom.
    pub signals: Vec<(NodeId, Signal)>,
    pub(crate) answers: BTreeMap<u64, Result<Reply, ApiError>>,
    conn: Option<ConnId>,
    wants_link: bool,
    back_at: Timestamp,
    /// How far its clock is ahead, in milliseconds; below zero, behind.
    pub skew: i64,
    /// Longest time a frame to it takes beyond what others wait, in milliseconds.
    pub slow: u64,
    /// Its next commit fails.
    pub fails: bool,
    /// What peers carried to it since its last commit, and when an engine that was built after one
    /// that failed is given it again.
    pub(crate) uncommitted: Uncommitted,
    pub(crate) again_at: Option<Timestamp>,
    /// Whether there is somebody who moves files for it.
    pub moves_files: bool,
    /// What they were to do, in order, until a test takes it.
    pub orders: Vec<Order>,
    /// Its settings about files.
    pub files: FileSettings,
    /// Its settings about people. Strangers are welcome, and whoever shares a group may know where
    /// it is: a test about either says otherwise.
    pub settings: Settings,
    /// How long its engine and its disk have been at work, by the wall's clock.
    pub busy: Duration,
}

/// The world.
pub struct World {
    /// Now.
    pub now: Timestamp,
    /// Chance in ten thousand that a device crashes at a commit.
    pub crashes: u64,
    /// Chance in ten thousand that the hub crashes at a frame.
    pub hub_crashes: u64,
    /// What is broken on purpose.
    hurt: Option<Hurt>,
    /// Longest a frame takes, in milliseconds.
    pub delay: u64,
    /// How long the hub has been at work, by the wall's clock.
    pub hub_busy: Duration,
    /// Devices, by number.
    pub devices: Vec<Device>,
    /// When each device wants to be woken, found by time and by device. A thousand of them are
    /// looked at for every frame, so nothing here may go through all of them.
    timers: BTreeSet<(Timestamp, usize)>,
    woken_at: Vec<Option<Timestamp>>,
    /// Whose each connection is, and who has none.
    conns: BTreeMap<ConnId, usize>,
    /// Connections of two devices, the smaller number first.
    pub(crate) beside: BTreeMap<(usize, usize), ConnId>,
    /// What the first said last to the second of its link to the hub, while they are connected.
    pub(crate) hubs: BTreeMap<(usize, usize), Hub>,
    unlinked: BTreeSet<usize>,
    rng: ChaCha20Rng,
    pub(crate) hub: Switchboard,
    pub(crate) network: Network,
    pub(crate) tickets: u64,
    /// Appends that were not answered yet, by connection and question.
    asked: BTreeMap<(ConnId, u32), LogId>,
    /// The highest number in each log that a node was told is durable.
    promised: BTreeMap<LogId, u64>,
    /// Logs that after a crash of the hub had less than was promised.
    pub(crate) broken: Vec<String>,
    /// Every group's log, and who was given which key.
    pub(crate) holdings: Holdings,
    /// Whether it is noted who holds what. A benchmark does without.
    pub watched: bool,
    /// Looks at every frame to a node before it arrives, and may drop or change it.
    #[allow(clippy::type_complexity)] // one use
    pub tamper: Option<Box<dyn FnMut(usize, FromHub) -> Vec<FromHub>>>,
    /// Looks at every frame from a node before the hub does, and may change it.
    #[allow(clippy::type_complexity)] // one use
    pub overhear: Option<Box<dyn FnMut(usize, ToHub) -> ToHub>>,
}

impl World {
    /// A world with a hub and these people, all connected.
    pub fn new(seed: u64, names: &[&'static str]) -> Self {
        let config = RelayConfig { open: true, ..RelayConfig::default() };
        Self::on(config, seed, names)
    }

    /// The same on a hub with such bounds.
    pub fn on(config: RelayConfig, seed: u64, names: &[&'static str]) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity::generate(&mut rng);
        let hub = Switchboard::new(identity, config, DAWN, seed);
        let mut world = Self {
            now: DAWN,
            crashes: 0,
            hub_crashes: 0,
            hurt: None,
            delay: 20,
            hub_busy: Duration::ZERO,
            devices: Vec::new(),
            timers: BTreeSet::new(),
            woken_at: Vec::new(),
            conns: BTreeMap::new(),
            beside: BTreeMap::new(),
            hubs: BTreeMap::new(),
            unlinked: BTreeSet::new(),
            rng,
            hub,
            network: Network::default(),
            tickets: 0,
            asked: BTreeMap::new(),
            promised: BTreeMap::new(),
            broken: Vec::new(),
            holdings: Holdings::default(),
            watched: true,
            tamper: None,
            overhear: None,
        };
        for name in names {
            world.add(name);
        }
        world.run(Millis::secs(5));
        world
    }

    /// One more person, connected and named.
    pub fn add(&mut self, name: &'static str) -> usize {
        let who = self.connect_unnamed(name);
        self.ask(who, Command::SetNickname { nickname: name.to_owned() }).unwrap();
        who
    }

    /// One more person, whose name the hub has only just heard: nobody else knows it yet.
    pub fn add_unheard(&mut self, name: &'static str) -> usize {
        let who = self.connect_unnamed(name);
        self.begin(who, Command::SetNickname { nickname: name.to_owned() });
        self.run(Millis(30));
        who
    }

    fn connect_unnamed(&mut self, name: &'static str) -> usize {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let who = self.device(name, seed, Disk::default());
        self.revive(who);
        self.run(Millis::secs(1));
        who
    }

    fn device(&mut self, name: &'static str, seed: [u8; 32], disk: Disk) -> usize {
        self.devices.push(Device {
            name,
            seed,
            engine: None,
            disk,
            shown: Vec::new(),
            fresh: Vec::new(),
            warnings: Vec::new(),
            observed: Vec::new(),
            signals: Vec::new(),
            answers: BTreeMap::new(),
            conn: None,
            wants_link: true,
            back_at: self.now,
            skew: 0,
            slow: 0,
            fails: false,
            uncommitted: Uncommitted::default(),
            again_at: None,
            moves_files: false,
            orders: Vec::new(),
            files: FileSettings::default(),
            settings: Settings {
                strangers: Strangers::Welcome,
                addresses: Addresses::Groups,
                ..Settings::default()
            },
            busy: Duration::ZERO,
        });
        let who = self.devices.len() - 1;
        self.unlinked.insert(who);
        self.woken_at.push(None);
        self.set_timer(who);
        who
    }

    /// The number of a person.
    pub fn who(&self, name: &str) -> usize {
        self.devices.iter().position(|device| device.name == name).unwrap()
    }

    /// A person's key.
    pub fn id(&self, who: usize) -> NodeId {
        Identity::from_seed(Secret32::from_bytes(self.devices[who].seed)).id()
    }

    /// A person's identity, for those who lie with the hub.
    pub fn identity(&self, who: usize) -> Identity {
        Identity::from_seed(Secret32::from_bytes(self.devices[who].seed))
    }

    /// The hub's key.
    pub fn hub_id(&self) -> HubId {
        self.hub.identity.hub_id()
    }

    /// A device's engine, for looking at it.
    pub fn engine(&self, who: usize) -> &Engine {
        self.devices[who].engine.as_ref().unwrap()
    }

    /// A device's contacts. How each is reached is no matter of the cores.
    pub fn contacts(&self, who: usize) -> Vec<ContactView> {
        self.engine(who).contacts(|_| Path::Stored)
    }

    /// What a device's clock says.
    pub(crate) fn local(&self, who: usize) -> Timestamp {
        shifted(self.now, self.devices[who].skew)
    }

    fn everybody(&self) -> Vec<NodeId> {
        (0..self.devices.len()).map(|who| self.id(who)).collect()
    }

    /// Below `n`, by chance.
    pub fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    // --- Mishaps ---

    /// Breaks something on purpose.
    pub fn hurt(&mut self, hurt: Hurt) {
        self.hurt = Some(hurt);
        self.hub.lossy = hurt == Hurt::HubSkipsSync;
    }

    /// Cuts a device off until [`Self::connect`].
    pub fn disconnect(&mut self, who: usize) {
        self.devices[who].wants_link = false;
        self.cut(who);
    }

    /// Lets a device connect again.
    pub fn connect(&mut self, who: usize) {
        self.devices[who].wants_link = true;
    }

    /// Kills a device; it starts again from its records within two seconds.
    pub fn crash(&mut self, who: usize) {
        self.devices[who].engine = None;
        if self.hurt == Some(Hurt::NodeSkipsSync) {
            self.devices[who].disk.lose_unsynced();
        }
        self.devices[who].back_at = self.now + Millis(100 + self.rng.next_u64() % 2_000);
        self.part_from_all(who);
        self.cut(who);
        self.set_timer(who);
    }

    /// A device loses its profile but for its key, and starts over.
    pub fn start_over(&mut self, who: usize) {
        self.part_from_all(who);
        self.cut(who);
        let device = &mut self.devices[who];
        (device.engine, device.back_at) = (None, self.now);
        device.disk = Disk::default();
        self.set_timer(who);
    }

    /// A device is put back to an earlier state of its disk.
    pub fn restore(&mut self, who: usize, disk: Disk) {
        self.start_over(who);
        self.devices[who].disk = disk;
    }

    /// A copy of a device as it is now, under the same key; not connected.
    pub fn twin(&mut self, who: usize) -> usize {
        let (seed, name, disk) = {
            let device = &self.devices[who];
            (device.seed, device.name, device.disk.clone())
        };
        let twin = self.device(name, seed, disk);
        self.devices[twin].wants_link = false;
        self.revive(twin);
        twin
    }

    /// Kills the hub and starts it again from its disk.
    pub fn crash_hub(&mut self) {
        for who in 0..self.devices.len() {
            self.cut(who);
        }
        self.network.lose_hub();
        let seed = self.network.next();
        self.hub.restart(self.now, seed);
        self.asked.clear();
        for (log, seq) in &self.promised {
            if !self.hub.had(log, *seq) {
                self.broken
                    .push(format!("the hub lost {seq} of {log:?}, which it had answered for"));
            }
        }
    }

    /// The hub loses its disk.
    pub fn wipe_hub(&mut self) {
        self.crash_hub();
        let seed = self.network.next();
        self.hub.wipe(self.now, seed);
        self.promised.clear();
    }

    /// What a copy of the hub's store holds that is made while it is stopped.
    pub fn copy_hub(&mut self) -> MemoryStore {
        self.crash_hub();
        self.hub.store.survivor()
    }

    /// The hub is started from such a copy.
    pub fn put_hub_back(&mut self, copy: &MemoryStore) {
        self.crash_hub();
        let seed = self.network.next();
        self.hub.put_back(copy.survivor(), self.now, seed);
        self.promised.clear();
    }

    /// Takes the hub away, or brings it back.
    pub fn hub_up(&mut self, up: bool) {
        self.hub.up = up;
        if !up {
            self.crash_hub();
        }
    }

    /// A device goes on from another address, as behind a router that forgot it.
    pub fn move_to(&mut self, who: usize, from: SocketAddr) {
        let Some(conn) = self.devices[who].conn else { return };
        self.tell_hub(Input::Moved { conn, from });
    }

    pub(crate) fn cut(&mut self, who: usize) {
        let Some(conn) = self.devices[who].conn.take() else { return };
        self.conns.remove(&conn);
        self.unlinked.insert(who);
        self.network.cut(conn);
        self.tell_hub(Input::Closed { conn });
        let now = self.local(who);
        if let Some(engine) = &mut self.devices[who].engine {
            engine.handle_link_down(now);
            self.settle(who);
        }
    }

    // --- Time ---

    /// Lets time pass.
    pub fn run(&mut self, by: Millis) {
        let end = self.now + by;
        // Clocks may have been turned since.
        (0..self.devices.len()).for_each(|who| self.set_timer(who));
        loop {
            self.reconnect();
            let timer = self.timers.first().map(|(at, _)| *at);
            let next = timer.into_iter().chain(self.network.due()).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.pass();
        }
        self.now = end;
    }

    fn timer(&self, who: usize) -> Option<Timestamp> {
        let device = &self.devices[who];
        match &device.engine {
            Some(engine) => {
                let timer = engine.poll_timeout().map(|at| shifted(at, -device.skew));
                timer.into_iter().chain(device.again_at).min()
            }
            None => Some(device.back_at),
        }
    }

    fn set_timer(&mut self, who: usize) {
        let at = self.timer(who);
        let before = core::mem::replace(&mut self.woken_at[who], at);
        if before != at {
            if let Some(before) = before {
                self.timers.remove(&(before, who));
            }
            self.timers.extend(at.map(|at| (at, who)));
        }
    }

    fn pass(&mut self) {
        let now = self.now;
        if let Some(packet) = self.network.take(now) {
            return self.arrive(packet);
        }
        let due = self.timers.range(..=(now, usize::MAX));
        let Some(who) = due.map(|(_, who)| *who).min() else { return };
        let local = self.local(who);
        let began = Instant::now();
        if self.devices[who].again_at.is_some_and(|at| at <= now) {
            return self.give_again(who);
        }
        match &mut self.devices[who].engine {
            Some(engine) => engine.handle_timeout(local),
            None => return self.revive(who),
        }
        self.devices[who].busy += began.elapsed();
        self.settle(who);
    }

    fn arrive(&mut self, packet: Packet) {
        match packet {
            Packet::Hub(conn, frame) => {
                let frame = match (&mut self.overhear, self.conns.get(&conn)) {
                    (Some(overhear), Some(who)) => overhear(*who, frame),
                    _ => frame,
                };
                self.tell_hub(Input::Frame { conn, frame });
            }
            Packet::Node(who, conn, frame) => {
                if self.devices[who].conn == Some(conn) {
                    let frames = match &mut self.tamper {
                        Some(tamper) => tamper(who, frame),
                        None => vec![frame],
                    };
                    for frame in frames {
                        self.give(who, frame);
                    }
                }
            }
            Packet::Peer(from, to, _, frame) => self.hear_beside(from, to, frame),
        }
    }

    pub(crate) fn give(&mut self, who: usize, frame: FromHub) {
        let now = self.local(who);
        let deaf = self.hurt == Some(Hurt::BansUnheard);
        let frame = if deaf { without_bans(frame) } else { frame };
        self.note_promise(who, &frame);
        let device = &mut self.devices[who];
        let Some(engine) = &mut device.engine else { return };
        let began = Instant::now();
        match frame {
            FromHub::Welcome(welcome) => engine.handle_link_up(&welcome, now),
            other => engine.handle_frame(other, now),
        }
        device.busy += began.elapsed();
        self.settle(who);
    }

    fn note_promise(&mut self, who: usize, frame: &FromHub) {
        let FromHub::Appended(appended) = frame else { return };
        let asked =
            self.devices[who].conn.and_then(|conn| self.asked.remove(&(conn, appended.req)));
        if let Some(log) = asked {
            let promised = self.promised.entry(log).or_default();
            *promised = appended.seq.max(*promised);
        }
    }

    fn reconnect(&mut self) {
        if !self.hub.up || self.unlinked.is_empty() {
            return;
        }
        for who in self.unlinked.clone() {
            let device = &self.devices[who];
            let idle = device.engine.is_some() && device.conn.is_none() && device.wants_link;
            if idle {
                let conn = self.network.dial();
                let node = self.id(who);
                self.devices[who].conn = Some(conn);
                self.conns.insert(conn, who);
                self.unlinked.remove(&who);
                let from = address(who);
                self.tell_hub(Input::Connected { conn, node, from, admission: None, version: 1 });
            }
        }
    }

    pub(crate) fn post(&mut self, packet: Packet) {
        let slow = match packet {
            Packet::Node(who, ..) => self.devices[who].slow,
            Packet::Hub(..) | Packet::Peer(..) => 0,
        };
        let due = self.now + Millis(1 + self.rng.next_u64() % (self.delay + slow));
        self.network.post(packet, due);
    }

    // --- Shells ---

    /// Builds a device's engine from its records.
    pub(crate) fn revive(&mut self, who: usize) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let (hub, now) = (self.hub_id(), self.local(who));
        let device = &mut self.devices[who];
        let identity = Identity::from_seed(Secret32::from_bytes(device.seed));
        let loaded = device.disk.load();
        let mut engine = Engine::new(identity, hub, loaded, seed, now).unwrap();
        engine.configure(device.settings, now);
        engine.configure_files(device.files.clone());
        if device.moves_files {
            engine.handle_movers(true, now);
        }
        device.engine = Some(engine);
        self.settle(who);
    }

    /// Commits what changed and carries out what follows, unless a crash comes between.
    pub(crate) fn settle(&mut self, who: usize) {
        let began = Instant::now();
        self.carry_out(who);
        self.devices[who].busy += began.elapsed();
        self.set_timer(who);
    }

    fn carry_out(&mut self, who: usize) {
        let device = &mut self.devices[who];
        let Some(engine) = &mut device.engine else { return };
        let changes = engine.take_changes();
        if device.fails && !changes.is_empty() {
            device.fails = false;
            return self.go_on_from_disk(who);
        }
        let fatal = self.rng.next_u64() % 10_000 < self.crashes;
        if fatal && self.rng.next_u64().is_multiple_of(2) {
            if self.hurt == Some(Hurt::NodeSendsEarly) {
                self.send_unwritten(who);
            }
            return self.crash(who);
        }
        self.commit(who, changes);
        let (mut recalls, mut gathers) = (Vec::new(), Vec::new());
        let mut left = if fatal { self.rng.next_u64() % 4 } else { u64::MAX };
        loop {
            if left == 0 {
                return self.crash(who);
            }
            left -= 1;
            let device = &mut self.devices[who];
            let Some(output) = device.engine.as_mut().and_then(Engine::poll_output) else { break };
            match output {
                Output::Send(frame) => {
                    if let Some(conn) = device.conn {
                        if let ToHub::Append(append) = &frame {
                            self.asked.insert((conn, append.req), append.log);
                        }
                        self.post(Packet::Hub(conn, frame));
                    }
                }
                Output::Answer(ticket, answer) => {
                    assert!(device.answers.insert(ticket.0, answer).is_none());
                }
                Output::Event(Event::Warning { reason, .. }) => device.warnings.push(reason),
                Output::Event(_) | Output::Moved(..) | Output::Near(_) => {}
                Output::Peer(peer, frame) => self.say_beside(who, &peer, frame),
                Output::Signal(peer, signal) => device.signals.push((peer, signal)),
                Output::Recall(recall) => recalls.push(recall),
                Output::Gather(gather) => gathers.push(gather),
                Output::Observed(address) => device.observed.push(address),
                Output::File(order) => device.orders.push(order),
                Output::Stored(key) => {
                    let fresh = device.fresh.len();
                    device.fresh.retain(|other| *other != key);
                    if device.fresh.len() < fresh {
                        device.shown.push(key);
                    }
                }
            }
        }
        if !recalls.is_empty() || !gathers.is_empty() {
            self.recall(who, recalls, gathers);
        }
    }

    /// Writes what changed to a device's disk.
    fn commit(&mut self, who: usize, changes: Changes) {
        let leaks = self.hurt == Some(Hurt::ChainsForAll);
        let all = if leaks { self.everybody() } else { Vec::new() };
        let mut said = Vec::new();
        if self.watched {
            said = self.holdings.read(&changes);
            said.extend(Holdings::leaked(&said, &all));
        }
        let device = &mut self.devices[who];
        device.fresh = device.disk.commit(changes, self.hurt);
        device.uncommitted.committed();
        let me = device.engine.as_ref().map_or(NodeId([0; 32]), Engine::id);
        self.holdings.judge((who, me), &self.devices[who].disk, said);
    }

    /// The history answers what the engine asked of it.
    fn recall(&mut self, who: usize, recalls: Vec<Recall>, gathers: Vec<Gather>) {
        let (me, now) = (self.id(who), self.local(who));
        let Device { engine, disk, .. } = &mut self.devices[who];
        let Some(engine) = engine else { return };
        for recall in recalls {
            let found = disk.recall(&recall, me);
            engine.handle_recalled(recall, found, now);
        }
        for gather in gathers {
            engine.handle_gathered(&gather, disk.gather(&gather, me), now);
        }
        self.settle(who);
    }

    /// What was never committed reaches the hub.
    fn send_unwritten(&mut self, who: usize) {
        let Some(conn) = self.devices[who].conn else { return };
        while let Some(output) = self.devices[who].engine.as_mut().and_then(Engine::poll_output) {
            if let Output::Send(frame) = output {
                for (conn, frame) in self.hub.tell(Input::Frame { conn, frame }, self.now) {
                    self.carry(conn, frame);
                }
            }
        }
    }

    /// The hub crashes with this frame: before its commit, or right after it.
    fn fall(&mut self, input: Input) {
        if self.rng.next_u64().is_multiple_of(2) {
            drop(self.hub.tell(input, self.now));
        } else if self.hurt == Some(Hurt::HubAnswersEarly) {
            for (conn, frame) in self.hub.answer_unwritten(input, self.now) {
                if let Some(who) = self.conns.get(&conn) {
                    self.give(*who, frame);
                }
            }
        }
        self.crash_hub();
    }

    /// A frame reaches the hub over a device's connection that the device never sent.
    pub(crate) fn speak_for(&mut self, who: usize, frame: ToHub) {
        let conn = self.devices[who].conn.unwrap();
        self.tell_hub(Input::Frame { conn, frame });
    }

    fn tell_hub(&mut self, input: Input) {
        let frame = matches!(input, Input::Frame { .. });
        if frame && self.rng.next_u64() % 10_000 < self.hub_crashes {
            return self.fall(input);
        }
        let began = Instant::now();
        let sent = self.hub.tell(input, self.now);
        self.hub_busy += began.elapsed();
        for (conn, frame) in sent {
            self.carry(conn, frame);
        }
    }

    fn carry(&mut self, conn: ConnId, frame: FromHub) {
        if let Some(who) = self.conns.get(&conn) {
            self.post(Packet::Node(*who, conn, frame));
        }
    }
}

/// Where a device's packets come from, unless it moved.
pub fn address(who: usize) -> SocketAddr {
    let host = u32::try_from(who).unwrap();
    SocketAddr::from((Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + host), 4_000))
}

fn shifted(at: Timestamp, by: i64) -> Timestamp {
    Timestamp(at.0.saturating_add_signed(by))
}
