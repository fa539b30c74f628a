//! The hub of a pretend world: the shipped relay, its disk, and a shell that carries batches out.

use hubbub_hub::relay::{Command, ConnId, Input, Origin, Relay, RelayConfig, Timed};
use hubbub_hub::store::{MemoryStore, Store};
use hubbub_shared::crypto::Identity;
use hubbub_shared::group::ControlLog;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::from_hub::{Bundle, Bye, ControlPage};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, RefusalCode};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::hurt::UNSYNCED;

/// Frames that leave, in order.
pub(crate) type Sent = Vec<(ConnId, FromHub)>;

/// The hub.
pub(crate) struct Switchboard {
    pub(crate) identity: Identity,
    pub(crate) relay: Relay,
    pub(crate) store: MemoryStore,
    config: RelayConfig,
    /// Whether the disk lies about syncing; then what it had really synced, and commits so far.
    pub(crate) lossy: bool,
    synced: (MemoryStore, u64),
    pub(crate) up: bool,
}

fn relay(
    identity: &Identity,
    config: RelayConfig,
    store: &mut MemoryStore,
    (now, seed): (Timestamp, u64),
) -> Relay {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (_, lobby_genesis) = ControlLog::create_lobby(identity, now, &mut rng);
    let origin = Origin { hub: identity.hub_id(), store: store.id(), lobby_genesis };
    Relay::new(config, origin, store.load().unwrap(), now).unwrap()
}

impl Switchboard {
    /// A new hub.
    pub(crate) fn new(identity: Identity, config: RelayConfig, now: Timestamp, seed: u64) -> Self {
        let mut store = MemoryStore::new([1; 16]);
        let relay = relay(&identity, config.clone(), &mut store, (now, seed));
        let synced = (store.survivor(), 0);
        let mut hub = Self { identity, relay, store, config, lossy: false, synced, up: true };
        hub.end_batch(now);
        hub
    }

    /// Starts again from its disk, or from what a lying one had really synced.
    pub(crate) fn restart(&mut self, now: Timestamp, seed: u64) {
        let disk = if self.lossy { self.synced.0.survivor() } else { self.store.survivor() };
        self.start_from(disk, now, seed);
    }

    /// Starts again from nothing.
    pub(crate) fn wipe(&mut self, now: Timestamp, seed: u64) {
        let mut id = [2; 16];
        id[..8].copy_from_slice(&seed.to_be_bytes());
        self.start_from(MemoryStore::new(id), now, seed);
    }

    fn start_from(&mut self, mut store: MemoryStore, now: Timestamp, seed: u64) {
        self.relay = relay(&self.identity, self.config.clone(), &mut store, (now, seed));
        self.store = store;
        self.end_batch(now);
    }

    /// Whether an entry of this number was ever durable here.
    pub(crate) fn had(&self, log: &LogId, seq: u64) -> bool {
        let logs = self.store.survivor().load().unwrap().logs;
        logs.iter().any(|summary| summary.log == *log && summary.next_seq > seq)
    }

    /// Something happened; what leaves because of it.
    pub(crate) fn tell(&mut self, input: Input, at: Timestamp) -> Sent {
        self.relay.handle(Timed { at, input });
        self.end_batch(at)
    }

    /// What a hub would answer that does not wait for its store.
    pub(crate) fn answer_unwritten(&mut self, input: Input, at: Timestamp) -> Sent {
        self.relay.handle(Timed { at, input });
        let mut sent = Vec::new();
        while let Some(command) = self.relay.poll_command() {
            if let Command::Send { conn, frame } = command {
                sent.push((conn, frame));
            }
        }
        sent
    }

    /// Carries a batch of the relay out, in the order it asks for.
    fn end_batch(&mut self, at: Timestamp) -> Sent {
        let mut commands = Vec::new();
        while let Some(command) = self.relay.poll_command() {
            commands.push(command);
        }
        let (mut writes, mut later, mut loads) = (Vec::new(), Vec::new(), Vec::new());
        for command in commands {
            match command {
                Command::Write(write) => writes.push(write),
                Command::Load { conn, log, from, max_bytes } => {
                    let items = self.store.read(&log, from, max_bytes).unwrap();
                    loads.push(Input::Loaded { conn, log, items });
                }
                Command::LoadBundle { conn, req, node, one_time } => {
                    let found = self.store.bundle(&node, one_time).unwrap();
                    if let Some((identity, signed_prekey, otk)) = found {
                        let frame = FromHub::Bundle(Bundle {
                            req,
                            node,
                            identity: ByteBuf::from(identity),
                            signed_prekey: ByteBuf::from(signed_prekey),
                            one_time: otk.map(ByteBuf::from),
                        });
                        later.push(Command::Send { conn, frame });
                    }
                }
                other => later.push(other),
            }
        }
        self.store.commit(&writes).unwrap();
        self.synced.1 += 1;
        if self.lossy && self.synced.1.is_multiple_of(UNSYNCED) {
            self.synced.0 = self.store.survivor();
        }
        let mut sent: Sent =
            later.into_iter().filter_map(|command| self.after_commit(command)).collect();
        for load in loads {
            sent.extend(self.tell(load, at));
        }
        sent
    }

    fn after_commit(&self, command: Command) -> Option<(ConnId, FromHub)> {
        match command {
            Command::Send { conn, frame } => Some((conn, frame)),
            Command::LoadControl { conn, req, group, from, most, total } => {
                let most = usize::try_from(most).unwrap();
                let entries = self.store.control(&group, from, most).unwrap();
                let entries = entries.into_iter().map(ByteBuf::from).collect();
                let page = ControlPage { req, group, from, entries, total };
                Some((conn, FromHub::ControlPage(page)))
            }
            Command::Disconnect { conn, code } => {
                assert_eq!(code, RefusalCode::Replaced, "the hub threw somebody out");
                Some((conn, FromHub::Bye(Bye { code })))
            }
            _ => None,
        }
    }
}
