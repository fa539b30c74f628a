//! A pretend world: one shipped relay and many shipped engines, in memory, in virtual time.
//!
//! One number decides everything: delays, crashes, keys. Frames keep their order per connection and
//! direction, as a QUIC stream does. A node's records and history live in a map that only a commit
//! writes, so a crash is forgetting the engine; it may come before the commit, after it, or in the
//! middle of what follows.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use hubbub_hub::relay::{Command as HubCommand, ConnId, Input, Origin, Relay, RelayConfig, Timed};
use hubbub_hub::store::{MemoryStore, Store};
use hubbub_node::api::command::MessageText;
use hubbub_node::api::view::{Body, Delivery, Notice};
use hubbub_node::api::{ApiError, Command, ConversationId, Event, Reply};
use hubbub_node::engine::Engine;
use hubbub_node::engine::output::{
    Changes, HistoryChange, Loaded, MessageKey, Output, RecordChange, StoredMessage, Table, Ticket,
};
use hubbub_shared::crypto::{Identity, Secret32, SecretBytes};
use hubbub_shared::group::ControlLog;
use hubbub_shared::id::{HubId, MessageId, NodeId};
use hubbub_shared::limits::CONTROL_PAGE_ENTRIES;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::from_hub::{Bundle, ControlPage, Deliver, Item, ItemKind};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, RefusalCode, ToHub};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// When the world begins.
pub const DAWN: Timestamp = Timestamp(1_790_000_000_000);

/// What is on its way.
enum Packet {
    ToHub(ConnId, ToHub),
    ToNode(usize, ConnId, FromHub),
}

/// The hub: its relay, and its disk.
struct Hub {
    identity: Identity,
    relay: Relay,
    store: MemoryStore,
    up: bool,
}

/// One person's device.
pub struct Device {
    /// What its person is called.
    pub name: &'static str,
    seed: [u8; 32],
    engine: Option<Engine>,
    records: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// The history in order.
    pub history: Vec<StoredMessage>,
    /// Own messages: how far, for each recipient.
    pub ledger: BTreeMap<(MessageId, NodeId), Delivery>,
    /// Messages shown to faces as new, in order.
    pub shown: Vec<MessageKey>,
    /// New in the history by the last commit.
    fresh: Vec<MessageKey>,
    /// Warnings by reason.
    pub warnings: Vec<String>,
    answers: BTreeMap<u64, Result<Reply, ApiError>>,
    conn: Option<ConnId>,
    wants_link: bool,
    back_at: Timestamp,
}

/// The world.
pub struct World {
    /// Now.
    pub now: Timestamp,
    /// Chance in ten thousand that a device crashes at a commit.
    pub crashes: u64,
    /// Longest a frame takes, in milliseconds.
    pub delay: u64,
    /// Devices, by number.
    pub devices: Vec<Device>,
    rng: ChaCha20Rng,
    hub: Hub,
    packets: BTreeMap<(Timestamp, u64), Packet>,
    order: BTreeMap<(ConnId, bool), Timestamp>,
    serial: u64,
    conns: u64,
    tickets: u64,
    /// Looks at every frame to a node before it arrives, and may drop or change it.
    #[allow(clippy::type_complexity)] // one use
    pub tamper: Option<Box<dyn FnMut(usize, FromHub) -> Vec<FromHub>>>,
}

fn relay(identity: &Identity, store: &mut MemoryStore, now: Timestamp, seed: u64) -> Relay {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (_, lobby_genesis) = ControlLog::create_lobby(identity, now, &mut rng);
    let origin = Origin { hub: identity.hub_id(), store: store.id(), lobby_genesis };
    let config = RelayConfig { open: true, ..RelayConfig::default() };
    Relay::new(config, origin, store.load().unwrap(), now).unwrap()
}

impl World {
    /// A world with a hub and these people, all connected.
    pub fn new(seed: u64, names: &[&'static str]) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity::generate(&mut rng);
        let mut store = MemoryStore::new([1; 16]);
        let relay = relay(&identity, &mut store, DAWN, seed);
        let mut world = Self {
            now: DAWN,
            crashes: 0,
            delay: 20,
            devices: Vec::new(),
            rng,
            hub: Hub { identity, relay, store, up: true },
            packets: BTreeMap::new(),
            order: BTreeMap::new(),
            serial: 0,
            conns: 0,
            tickets: 0,
            tamper: None,
        };
        world.end_batch();
        for name in names {
            world.add(name);
        }
        world.run(Millis::secs(5));
        world
    }

    /// One more person, connected and named.
    pub fn add(&mut self, name: &'static str) -> usize {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.devices.push(Device {
            name,
            seed,
            engine: None,
            records: BTreeMap::new(),
            history: Vec::new(),
            ledger: BTreeMap::new(),
            shown: Vec::new(),
            fresh: Vec::new(),
            warnings: Vec::new(),
            answers: BTreeMap::new(),
            conn: None,
            wants_link: true,
            back_at: self.now,
        });
        let who = self.devices.len() - 1;
        self.revive(who);
        self.run(Millis::secs(1));
        self.ask(who, Command::SetNickname { nickname: name.to_owned() }).unwrap();
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

    /// The hub's key.
    pub fn hub_id(&self) -> HubId {
        self.hub.identity.hub_id()
    }

    /// A device's engine, for looking at it.
    pub fn engine(&self, who: usize) -> &Engine {
        self.devices[who].engine.as_ref().unwrap()
    }

    /// Below `n`, by chance.
    pub fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    // --- People ---

    /// Asks a device for something and waits up to 30 seconds for the answer.
    ///
    /// # Errors
    /// What the node answered.
    pub fn ask(&mut self, who: usize, command: Command) -> Result<Reply, ApiError> {
        let ticket = self.begin(who, command);
        for _ in 0..300 {
            if let Some(answer) = self.devices[who].answers.remove(&ticket) {
                return answer;
            }
            self.run(Millis(100));
        }
        panic!("{} got no answer", self.devices[who].name)
    }

    /// Asks a device for something.
    pub fn begin(&mut self, who: usize, command: Command) -> u64 {
        self.tickets += 1;
        let (ticket, now) = (self.tickets, self.now);
        if let Some(engine) = &mut self.devices[who].engine {
            engine.handle_command(Ticket(ticket), command, now);
            self.settle(who);
        }
        ticket
    }

    /// Answers nobody waited for.
    pub fn answers(&self, who: usize) -> Vec<&Result<Reply, ApiError>> {
        self.devices[who].answers.values().collect()
    }

    /// Sends a text and expects it to be queued.
    pub fn say(&mut self, who: usize, to: &str, text: &str) -> MessageId {
        let send = Command::Send { to: to.to_owned(), text: text.to_owned(), id: None };
        match self.ask(who, send).unwrap() {
            Reply::Queued { message: MessageText(id), .. } => id,
            other => panic!("sent, and got {other:?}"),
        }
    }

    /// Founds a group.
    pub fn found(&mut self, who: usize, name: &str, members: &[&str]) -> ConversationId {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        match self.ask(who, Command::GroupNew { name: name.to_owned(), members }).unwrap() {
            Reply::Conversation { conversation } => conversation,
            other => panic!("founded, and got {other:?}"),
        }
    }

    /// The texts a person has in the history, in order, with who wrote them.
    pub fn texts(&self, who: usize) -> Vec<(NodeId, String)> {
        let lines = self.devices[who].history.iter();
        lines
            .filter_map(|line| match &line.body {
                Body::Text(text) => Some((line.sender, text.clone())),
                _ => None,
            })
            .collect()
    }

    /// Only the words.
    pub fn words(&self, who: usize) -> Vec<String> {
        self.texts(who).into_iter().map(|(_, text)| text).collect()
    }

    /// Reasons of the refusals a person was told of.
    pub fn refusals(&self, who: usize) -> Vec<String> {
        let lines = self.devices[who].history.iter();
        lines
            .filter_map(|line| match &line.body {
                Body::Notice(Notice::Refused { reason, .. }) => Some(reason.clone()),
                _ => None,
            })
            .collect()
    }

    /// How far a message got for somebody.
    pub fn delivery(&self, who: usize, message: MessageId, to: usize) -> Option<Delivery> {
        self.devices[who].ledger.get(&(message, self.id(to))).copied()
    }

    // --- Mishaps ---

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
        self.devices[who].back_at = self.now + Millis(100 + self.rng.next_u64() % 2_000);
        self.cut(who);
    }

    /// A device loses its profile but for its key, and starts over.
    pub fn start_over(&mut self, who: usize) {
        self.cut(who);
        let device = &mut self.devices[who];
        (device.engine, device.back_at) = (None, self.now);
        device.records.clear();
        device.history.clear();
        device.ledger.clear();
    }

    /// Kills the hub and starts it again from its disk.
    pub fn crash_hub(&mut self) {
        for who in 0..self.devices.len() {
            self.cut(who);
        }
        self.packets.clear();
        let mut store = self.hub.store.survivor();
        self.hub.relay = relay(&self.hub.identity, &mut store, self.now, self.serial);
        self.hub.store = store;
        self.end_batch();
    }

    /// The hub loses its disk.
    pub fn wipe_hub(&mut self) {
        self.crash_hub();
        let mut store = MemoryStore::new([2; 16]);
        self.hub.relay = relay(&self.hub.identity, &mut store, self.now, self.serial);
        self.hub.store = store;
        self.end_batch();
    }

    /// Takes the hub away, or brings it back.
    pub fn hub_up(&mut self, up: bool) {
        self.hub.up = up;
        if !up {
            self.crash_hub();
        }
    }

    fn cut(&mut self, who: usize) {
        let Some(conn) = self.devices[who].conn.take() else { return };
        self.packets.retain(|_, packet| match packet {
            Packet::ToHub(on, _) | Packet::ToNode(_, on, _) => *on != conn,
        });
        self.tell_hub(Input::Closed { conn });
        let now = self.now;
        if let Some(engine) = &mut self.devices[who].engine {
            engine.handle_link_down(now);
            self.settle(who);
        }
    }

    // --- Time ---

    /// Lets time pass.
    pub fn run(&mut self, by: Millis) {
        let end = self.now + by;
        loop {
            self.reconnect();
            let packet = self.packets.keys().next().map(|(at, _)| *at);
            let timers = (0..self.devices.len()).filter_map(|who| self.timer(who));
            let next = timers.chain(packet).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.pass();
        }
        self.now = end;
    }

    fn timer(&self, who: usize) -> Option<Timestamp> {
        let device = &self.devices[who];
        match &device.engine {
            Some(engine) => engine.poll_timeout(),
            None => Some(device.back_at),
        }
    }

    fn pass(&mut self) {
        let now = self.now;
        let first = self.packets.first_key_value().map(|((at, _), _)| *at);
        if first.is_some_and(|at| at <= now) {
            let (_, packet) = self.packets.pop_first().unwrap();
            return self.arrive(packet);
        }
        for who in 0..self.devices.len() {
            if self.timer(who).is_some_and(|at| at <= now) {
                match &mut self.devices[who].engine {
                    Some(engine) => engine.handle_timeout(now),
                    None => self.revive(who),
                }
                return self.settle(who);
            }
        }
    }

    fn arrive(&mut self, packet: Packet) {
        match packet {
            Packet::ToHub(conn, frame) => self.tell_hub(Input::Frame { conn, frame }),
            Packet::ToNode(who, conn, frame) => {
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
        }
    }

    fn give(&mut self, who: usize, frame: FromHub) {
        let now = self.now;
        let Some(engine) = &mut self.devices[who].engine else { return };
        match frame {
            FromHub::Welcome(welcome) => engine.handle_link_up(&welcome, now),
            other => engine.handle_frame(other, now),
        }
        self.settle(who);
    }

    fn reconnect(&mut self) {
        for who in 0..self.devices.len() {
            let device = &self.devices[who];
            let idle = device.engine.is_some() && device.conn.is_none() && device.wants_link;
            if idle && self.hub.up {
                self.conns += 1;
                let conn = ConnId(self.conns);
                let node = self.id(who);
                self.devices[who].conn = Some(conn);
                let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 4_000));
                self.tell_hub(Input::Connected { conn, node, from, admission: None, version: 1 });
            }
        }
    }

    fn post(&mut self, packet: Packet) {
        let key = match &packet {
            Packet::ToHub(conn, _) => (*conn, true),
            Packet::ToNode(_, conn, _) => (*conn, false),
        };
        let mut at = self.now + Millis(1 + self.rng.next_u64() % self.delay);
        let last = self.order.entry(key).or_insert(at);
        at = at.max(*last);
        *last = at;
        self.serial += 1;
        self.packets.insert((at, self.serial), packet);
    }

    // --- Shells ---

    /// Builds a device's engine from its records.
    fn revive(&mut self, who: usize) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let (hub, now) = (self.hub_id(), self.now);
        let device = &mut self.devices[who];
        let identity = Identity::from_seed(Secret32::from_bytes(device.seed));
        let loaded: Loaded = device
            .records
            .iter()
            .map(|((table, key), value)| {
                (*table, key.clone(), SecretBytes::from_vec(value.clone()))
            })
            .collect();
        device.engine = Some(Engine::new(identity, hub, loaded, seed, now).unwrap());
        self.settle(who);
    }

    /// Commits what changed and carries out what follows, unless a crash comes between.
    fn settle(&mut self, who: usize) {
        let device = &mut self.devices[who];
        let Some(engine) = &mut device.engine else { return };
        let changes = engine.take_changes();
        let fatal = self.rng.next_u64() % 10_000 < self.crashes;
        if fatal && self.rng.next_u64().is_multiple_of(2) {
            return self.crash(who);
        }
        device.commit(changes);
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
                        self.post(Packet::ToHub(conn, frame));
                    }
                }
                Output::Answer(ticket, answer) => {
                    assert!(device.answers.insert(ticket.0, answer).is_none());
                }
                Output::Event(Event::Warning { reason, .. }) => device.warnings.push(reason),
                Output::Event(_) | Output::Moved(..) => {}
                Output::Stored(key) => {
                    let fresh = device.fresh.len();
                    device.fresh.retain(|other| *other != key);
                    if device.fresh.len() < fresh {
                        device.shown.push(key);
                    }
                }
            }
        }
    }

    fn tell_hub(&mut self, input: Input) {
        let at = self.now;
        self.hub.relay.handle(Timed { at, input });
        self.end_batch();
    }

    /// Carries a batch of the relay out, in the order it asks for.
    fn end_batch(&mut self) {
        let mut commands = Vec::new();
        while let Some(command) = self.hub.relay.poll_command() {
            commands.push(command);
        }
        let (mut writes, mut later, mut loads) = (Vec::new(), Vec::new(), Vec::new());
        for command in commands {
            match command {
                HubCommand::Write(write) => writes.push(write),
                HubCommand::Load { conn, log, from, max_bytes } => {
                    let items = self.hub.store.read(&log, from, max_bytes).unwrap();
                    loads.push(Input::Loaded { conn, log, items });
                }
                HubCommand::LoadBundle { conn, req, node, one_time } => {
                    let found = self.hub.store.bundle(&node, one_time).unwrap();
                    if let Some((identity, signed_prekey, otk)) = found {
                        let frame = FromHub::Bundle(Bundle {
                            req,
                            node,
                            identity: ByteBuf::from(identity),
                            signed_prekey: ByteBuf::from(signed_prekey),
                            one_time: otk.map(ByteBuf::from),
                        });
                        later.push(HubCommand::Send { conn, frame });
                    }
                }
                other => later.push(other),
            }
        }
        self.hub.store.commit(&writes).unwrap();
        for command in later {
            self.after_commit(command);
        }
        for load in loads {
            self.tell_hub(load);
        }
    }

    fn after_commit(&mut self, command: HubCommand) {
        match command {
            HubCommand::Send { conn, frame } => self.carry(conn, frame),
            HubCommand::LoadControl { conn, req, group, from, total } => {
                let entries = self.hub.store.control(&group, from, CONTROL_PAGE_ENTRIES).unwrap();
                let entries = entries.into_iter().map(ByteBuf::from).collect();
                let page = ControlPage { req, group, from, entries, total };
                self.carry(conn, FromHub::ControlPage(page));
            }
            HubCommand::Disconnect { conn, code } => {
                assert_eq!(code, RefusalCode::Replaced, "the hub threw somebody out");
                self.carry(conn, FromHub::Bye(hubbub_shared::wire::from_hub::Bye { code }));
            }
            _ => {}
        }
    }

    fn carry(&mut self, conn: ConnId, frame: FromHub) {
        let who = self.devices.iter().position(|device| device.conn == Some(conn));
        if let Some(who) = who {
            self.post(Packet::ToNode(who, conn, frame));
        }
    }

    /// Hands a device an entry that no hub would have: a forged delivery.
    pub fn forge(&mut self, who: usize, log: LogId, from: NodeId, bytes: Vec<u8>) {
        let item = Item {
            seq: 1_000_000 + self.serial,
            kind: ItemKind::Envelope,
            at: self.now,
            from,
            bytes: ByteBuf::from(bytes),
        };
        self.serial += 1;
        self.give(who, FromHub::Deliver(Deliver { log, items: vec![item] }));
    }

    /// Delivers entries of a log to a device all over again, under new numbers.
    pub fn deliver_again(&mut self, who: usize, log: LogId) {
        let mut items = self.stored(&log);
        for item in &mut items {
            item.seq += 1_000_000;
        }
        self.give(who, FromHub::Deliver(Deliver { log, items }));
    }

    /// As [`Self::forge`], but the device forgets the place it had in the log, so that what the hub
    /// holds still comes. What it refused until then.
    pub fn forge_quietly(
        &mut self,
        who: usize,
        log: LogId,
        from: NodeId,
        bytes: Vec<u8>,
    ) -> Vec<(String, u64)> {
        let cursors: Vec<_> = self.devices[who]
            .records
            .iter()
            .filter(|((table, _), _)| *table == Table::Cursor)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        self.forge(who, log, from, bytes);
        let refused = self.engine(who).status().refused;
        self.devices[who].records.retain(|(table, _), _| *table != Table::Cursor);
        self.devices[who].records.extend(cursors);
        self.devices[who].engine = None;
        self.cut(who);
        self.revive(who);
        refused
    }

    /// Everything the hub's disk holds of a log.
    pub fn stored(&self, log: &LogId) -> Vec<Item> {
        self.hub.store.read(log, 0, usize::MAX).unwrap()
    }
}

impl Device {
    fn commit(&mut self, changes: Changes) {
        self.fresh.clear();
        for change in changes.records {
            match change {
                RecordChange::Put(table, key, value) => {
                    self.records.insert((table, key), value.expose().to_vec());
                }
                RecordChange::Delete(table, key) => {
                    self.records.remove(&(table, key));
                }
            }
        }
        for change in changes.history {
            match change {
                HistoryChange::Insert(line) => {
                    let known = |old: &StoredMessage| old.key() == line.key();
                    if !self.history.iter().any(known) {
                        self.fresh.push(line.key());
                        self.history.push(line);
                    }
                }
                HistoryChange::Progress { message, recipient, delivery, .. } => {
                    let known = self.ledger.entry((message, recipient)).or_default();
                    *known = (*known).max(delivery);
                }
                HistoryChange::Read(_) => {}
            }
        }
    }
}
