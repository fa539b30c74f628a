//! The harness: a relay, a store that keeps what it commits, and a clock.

use std::fmt::Write as _;

use hubbub_shared::crypto::{Identity, Secret32, blake3};
use hubbub_shared::group::{ControlLog, Op, Policy};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::from_hub::{Deliver, Item, Observed};
use hubbub_shared::wire::to_hub::{Ack, Append, AppendControl};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, ToHub, address};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::relay::{Command, ConnId, Input, Note, Origin, Relay, RelayConfig, Timed, Write};
use crate::store::{MemoryStore, Store};

pub(super) const ALICE: u8 = 1;
pub(super) const BOB: u8 = 2;
pub(super) const CAROL: u8 = 3;
pub(super) const MALLORY: u8 = 9;
const HUB: u8 = 200;

pub(super) fn identity(who: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([who; 32]))
}

pub(super) fn id(who: u8) -> NodeId {
    identity(who).id()
}

/// The hub itself.
pub(super) fn hub_id() -> hubbub_shared::id::HubId {
    identity(HUB).hub_id()
}

/// The mailbox of one of the cast.
pub(super) fn mailbox(who: u8) -> LogId {
    LogId::Mailbox(id(who))
}

/// A relay and everything around it.
pub(super) struct RelayProbe {
    pub(super) relay: Relay,
    pub(super) store: MemoryStore,
    pub(super) now: Timestamp,
    config: RelayConfig,
}

impl RelayProbe {
    pub(super) fn new(config: RelayConfig) -> Self {
        let store = MemoryStore::new([7; 16]);
        let now = Timestamp(1_000_000);
        let relay = restore(&config, &mut store.clone(), now);
        let mut probe = Self { relay, store, now, config };
        probe.settle();
        probe
    }

    /// An open hub with the cast's first three admitted and nobody connected.
    pub(super) fn open() -> Self {
        Self::new(RelayConfig { open: true, ..RelayConfig::default() })
    }

    /// What the relay says to one input, reads answered, writes committed.
    pub(super) fn tell(&mut self, input: Input) -> Vec<Command> {
        self.relay.handle(Timed { at: self.now, input });
        self.settle()
    }

    /// The one assertion: this input, these commands, in this order, as [`line`] shows them.
    pub(super) fn expect(&mut self, input: Input, expected: &[&str]) {
        let lines: Vec<String> = self.tell(input).iter().map(line).collect();
        assert_eq!(lines, expected);
    }

    /// Ends the batch, and goes on until no page is asked for.
    pub(super) fn settle(&mut self) -> Vec<Command> {
        let mut all = Vec::new();
        loop {
            let batch: Vec<Command> = core::iter::from_fn(|| self.relay.poll_command()).collect();
            let pages = self.carry_out(&batch);
            all.extend(batch);
            if pages.is_empty() {
                return all;
            }
            for input in pages {
                self.relay.handle(Timed { at: self.now, input });
            }
        }
    }

    /// Reads, then commits: the answers to the reads.
    pub(super) fn carry_out(&mut self, batch: &[Command]) -> Vec<Input> {
        let mut pages = Vec::new();
        let mut writes = Vec::new();
        for command in batch {
            match command {
                Command::Load { conn, log, from, max_bytes } => {
                    let items = self.store.read(log, *from, *max_bytes).unwrap();
                    pages.push(Input::Loaded { conn: *conn, log: *log, items });
                }
                Command::Write(write) => writes.push(write.clone()),
                _ => {}
            }
        }
        self.store.commit(&writes).unwrap();
        pages
    }

    /// Kills the hub and starts it again from what it had committed.
    pub(super) fn crash(&mut self) {
        self.store = self.store.survivor();
        self.relay = restore(&self.config, &mut self.store, self.now);
    }

    pub(super) fn pass(&mut self, time: Millis) {
        self.now = self.now + time;
        if self.relay.poll_timeout().is_some_and(|at| at <= self.now) {
            self.relay.handle_timeout(self.now);
        }
    }

    /// Connects one of the cast; what arrives is dropped here.
    pub(super) fn connect(&mut self, conn: u64, who: u8) -> Vec<Command> {
        self.tell(arrival(conn, who, None))
    }

    pub(super) fn append(&mut self, conn: u64, log: LogId, text: &str) -> Vec<Command> {
        self.tell(append(conn, log, text.as_bytes()))
    }

    /// A closed group of `owner` on `conn`, with others added.
    pub(super) fn group(&mut self, conn: u64, owner: u8, others: &[u8]) -> (GroupId, ControlLog) {
        let mut rng = ChaCha20Rng::seed_from_u64(u64::from(owner));
        let (group, genesis) =
            ControlLog::create(&identity(owner), Policy::closed(), self.now, &mut rng);
        let mut control = ControlLog::genesis(&genesis).unwrap();
        self.tell(control_entry(conn, group, genesis));
        for other in others {
            let role = hubbub_shared::group::Role::Member;
            let op = Op::add(id(*other), role, 0);
            self.control(conn, &mut control, owner, op);
        }
        (group, control)
    }

    /// Signs, applies and sends a control entry.
    pub(super) fn control(
        &mut self,
        conn: u64,
        control: &mut ControlLog,
        by: u8,
        op: Op,
    ) -> Vec<Command> {
        let entry = control.propose(&identity(by), op, self.now);
        control.apply(&entry).unwrap();
        self.tell(control_entry(conn, control.group(), entry))
    }
}

fn restore(config: &RelayConfig, store: &mut MemoryStore, now: Timestamp) -> Relay {
    let hub = identity(HUB);
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    let (_, lobby_genesis) = ControlLog::create_lobby(&hub, Timestamp(0), &mut rng);
    let origin = Origin { hub: hub.hub_id(), store: store.id(), lobby_genesis };
    Relay::new(config.clone(), origin, store.load().unwrap(), now).unwrap()
}

pub(super) fn arrival(conn: u64, who: u8, admission: Option<[u8; 16]>) -> Input {
    let from = ([127, 0, 0, 1], 4000).into();
    Input::Connected { conn: ConnId(conn), node: id(who), from, admission, version: 1 }
}

pub(super) fn frame(conn: u64, frame: ToHub) -> Input {
    Input::Frame { conn: ConnId(conn), frame }
}

pub(super) fn append(conn: u64, log: LogId, bytes: &[u8]) -> Input {
    frame(conn, ToHub::Append(Append { req: 1, log, envelope: ByteBuf::from(bytes.to_vec()) }))
}

pub(super) fn ack(conn: u64, log: LogId, upto: u64) -> Input {
    frame(conn, ToHub::Ack(Ack { log, upto }))
}

pub(super) fn control_entry(conn: u64, group: GroupId, entry: Vec<u8>) -> Input {
    frame(conn, ToHub::AppendControl(AppendControl { req: 2, group, entry: ByteBuf::from(entry) }))
}

pub(super) fn invite(token: [u8; 16], uses: u32, ttl: Millis) -> Input {
    Input::InviteMade { token_hash: blake3(&token).0, uses, ttl }
}

/// What was delivered to a connection: log, number, bytes.
pub(super) fn delivered(commands: &[Command], to: u64) -> Vec<(LogId, Item)> {
    let mut items = Vec::new();
    for command in commands {
        if let Command::Send { conn: ConnId(conn), frame: FromHub::Deliver(page) } = command
            && *conn == to
        {
            items.extend(page.items.iter().map(|item| (page.log, item.clone())));
        }
    }
    items
}

/// The numbers delivered to a connection.
pub(super) fn seqs(commands: &[Command], to: u64) -> Vec<u64> {
    delivered(commands, to).iter().map(|(_, item)| item.seq).collect()
}

/// The refusals in an answer.
pub(super) fn refusals(commands: &[Command]) -> Vec<hubbub_shared::wire::Refusal> {
    let refusal = |command: &Command| match command {
        Command::Send { frame: FromHub::Refused(refused), .. } => Some(refused.refusal.clone()),
        _ => None,
    };
    commands.iter().filter_map(refusal).collect()
}

fn name(node: &NodeId) -> String {
    let cast = [(ALICE, "alice"), (BOB, "bob"), (CAROL, "carol"), (MALLORY, "mallory")];
    let found = cast.into_iter().find(|(who, _)| id(*who) == *node);
    found.map_or("somebody", |(_, name)| name).to_owned()
}

fn log_name(log: &LogId) -> String {
    match log {
        LogId::Mailbox(owner) => format!("{}'s mailbox", name(owner)),
        LogId::Channel(_) => "the channel".to_owned(),
    }
}

/// One command in one line.
pub(super) fn line(command: &Command) -> String {
    match command {
        Command::Write(write) => write_line(write),
        Command::Send { conn, frame } => format!("to {}: {}", conn.0, frame_line(frame)),
        Command::Load { conn, log, from, .. } => {
            format!("load {} from {from} for {}", log_name(log), conn.0)
        }
        Command::LoadControl { conn, from, most, total, .. } => {
            let upto = total.min(&(from + most)).saturating_sub(1);
            format!("load control {from} to {upto} of {total} for {}", conn.0)
        }
        Command::LoadBundle { conn, node, one_time, .. } => {
            format!("load {}'s bundle with {one_time:?} for {}", name(node), conn.0)
        }
        Command::Datagram { conn, from, .. } => format!("datagram {} to {}", name(from), conn.0),
        Command::Splice { stream, from, to } => {
            format!("splice {stream} of {} to {}", name(from), to.0)
        }
        Command::RefuseStream { stream, code } => format!("refuse stream {stream}: {code:?}"),
        Command::Files { stream, node } => format!("files {stream} for {}", name(node)),
        Command::Disconnect { conn, code } => format!("disconnect {}: {code:?}", conn.0),
        Command::Note(note) => note_line(note),
    }
}

fn write_line(write: &Write) -> String {
    match write {
        Write::Append { log, item } => format!("append {} to {}", item.seq, log_name(log)),
        Write::Cursor { log, reader, upto } => {
            format!("cursor of {} in {}: {upto:?}", name(reader), log_name(log))
        }
        Write::Leaving { reader, until, .. } => format!("{} leaves at {until:?}", name(reader)),
        Write::Forget { log, upto } => format!("forget {} up to {upto}", log_name(log)),
        Write::Control { seq, .. } => format!("control entry {seq}"),
        Write::Admit { node, .. } => format!("admit {}", name(node)),
        Write::OneTime { node, id, prekey: None } => format!("{}'s prekey {id} gone", name(node)),
        Write::Invite { left, .. } => format!("invite: {left:?}"),
        other => format!("{other:?}"),
    }
}

fn frame_line(frame: &FromHub) -> String {
    match frame {
        FromHub::Welcome(_) => "welcome".to_owned(),
        FromHub::Observed(Observed { address }) => {
            format!("seen at {}", address::decode(address).unwrap())
        }
        FromHub::Appended(appended) => format!("appended {}", appended.seq),
        FromHub::Refused(refused) => format!("refused {:?}", refused.refusal.code),
        FromHub::Deliver(Deliver { log, items }) => {
            let mut text = format!("deliver {}:", log_name(log));
            for item in items {
                write!(text, " {}", item.seq).unwrap();
            }
            text
        }
        other => format!("{other:?}"),
    }
}

fn note_line(note: &Note) -> String {
    match note {
        Note::Connected { node, newly_admitted, .. } => {
            format!("note {} connected, new: {newly_admitted}", name(node))
        }
        Note::Left { node, relayed, .. } => format!("note {} left {relayed:?}", name(node)),
        Note::Passed { node, log, seq, .. } => {
            format!("note {} put {seq} into {}", name(node), log_name(log))
        }
        Note::Filed { bytes, .. } => format!("note {bytes} bytes of files"),
        Note::Streamed { bytes, .. } => format!("note {bytes} bytes streamed"),
        Note::Named { node, nickname } => format!("note {} is {nickname}", name(node)),
        Note::Refused { node, code } => format!("note {} refused: {code:?}", name(node)),
    }
}
