//! The switchboard, pure: who is here, which logs there are, how far each reader is.
//!
//! [`Input`]s go in, [`Command`]s come out; nothing here sends, stores or waits. Nothing here opens
//! an envelope either: no key and no content ever comes this way.
//!
//! * [`bounds`]: what may be held and asked; `quota` counts it
//! * `presence`, `access`, `invites`: who is connected and who may; `beacons`: what they left
//! * `log`, `logs`, `append`, `shares`: the one primitive, a sequence with a cursor per reader
//! * `flow`, `delivery`: getting entries to readers, in order and never too much at once
//! * `channels`: groups as the hub sees them; `rooms`: how strangers find one
//! * `nicknames`, `prekeys`: how nodes find each other
//! * `streams`: what is relayed without being stored, and who may come to the hub's files
//! * `restore`: beginning from what the store kept

mod access;
mod append;
mod beacons;
pub mod bounds;
mod channels;
mod command;
mod delivery;
mod flow;
mod input;
mod invites;
mod log;
mod logs;
mod nicknames;
mod prekeys;
mod presence;
mod quota;
mod restore;
mod rooms;
mod shares;
mod streams;
#[cfg(test)]
mod tests;
mod trace;

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hubbub_shared::id::{GroupId, HubId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::from_hub::{Done, Refused};
use hubbub_shared::wire::{FromHub, LogId, Refusal, RefusalCode, ToHub};

pub use bounds::{LogBounds, RelayConfig};
pub use command::{Command, Note, Write};
pub use input::{ConnId, Input, Timed};
pub use quota::Rate;
pub use restore::{Origin, RestoreError};

/// The relay of one hub.
///
/// # How to call it
///
/// 1. [`Relay::new`] from what the store loaded.
/// 2. A *batch*: [`Relay::handle`] for each waiting input (or [`Relay::handle_timeout`] when
///    [`Relay::poll_timeout`] has passed), then [`Relay::poll_command`] until it is `None`. Entries
///    for one reader are joined into one frame and cursors into one write at that moment, so a
///    batch of many inputs costs less than many batches.
/// 3. Carry the batch out: first `Load` and `LoadBundle`, against the store as it was before the
///    batch, then all its `Write`s in one durable commit, then `LoadControl`, so that a page holds
///    what the batch appended, and only then everything that leaves. Every `Load` is answered by
///    exactly one [`Input::Loaded`] in a later batch, even when its connection is gone or the read
///    failed (then empty).
///
/// The first batch may be empty: a new relay may have writes of its own.
///
/// # When the store fails
///
/// The relay has counted on the batch. If the commit fails, nothing of the batch may leave, and
/// this relay is done: disconnect everybody with `StoreFailing`, load the store again and build a
/// new relay. Nodes come back and ask again; nothing that was acknowledged is lost, because it was
/// acknowledged after its commit.
#[derive(Debug)]
pub struct Relay {
    config: RelayConfig,
    hub: HubId,
    store: [u8; 16],
    lobby: GroupId,
    admitted: BTreeSet<NodeId>,
    invites: invites::Invites,
    presence: presence::Presence,
    nicknames: nicknames::Nicknames,
    prekeys: prekeys::Prekeys,
    beacons: beacons::Beacons,
    logs: logs::Logs,
    channels: channels::Channels,
    rooms: rooms::Rooms,
    streams: streams::Streams,
    quotas: quota::Quotas,
    loads: delivery::Loads,
    batch: Batch,
    next_sweep: Timestamp,
}

/// What the batch at hand has gathered. Empty between batches.
#[derive(Debug, Default)]
struct Batch {
    out: VecDeque<Command>,
    /// Logs with new entries.
    fresh: BTreeSet<LogId>,
    /// Connections that may be able to send more.
    dirty: BTreeSet<ConnId>,
    /// Cursors that moved: the last position counts.
    cursors: BTreeMap<(LogId, NodeId), u64>,
    /// Entries nobody needs any more.
    forgotten: BTreeMap<LogId, u64>,
    /// Whose count of envelopes moved.
    senders: BTreeSet<NodeId>,
    /// Control entries that will be read.
    control_read: u64,
}

/// Somebody who is connected, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Who.
    pub node: NodeId,
    /// Nickname, if any.
    pub nickname: Option<String>,
    /// Where from.
    pub from: SocketAddr,
    /// Since when.
    pub since: Timestamp,
    /// The protocol version spoken.
    pub version: u8,
}

/// How much the relay holds, for the operator and for tests of its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections.
    pub connected: usize,
    /// Identities admitted.
    pub admitted: usize,
    /// Groups, the lobby included.
    pub groups: usize,
    /// Logs that were ever used.
    pub logs: usize,
    /// Entries held for somebody.
    pub items: usize,
    /// Their sealed bytes.
    pub bytes: u64,
    /// Bytes of entries kept in memory.
    pub recent_bytes: usize,
    /// Pages being read from the store.
    pub loads: usize,
    /// Bytes sent and not acknowledged, of the connection with the most.
    pub in_flight_max: usize,
    /// Relayed streams open.
    pub streams: usize,
}

impl Relay {
    /// Who is connected, in the order they came.
    pub fn presence(&self) -> impl Iterator<Item = Present> {
        self.presence.all().map(|connection| Present {
            node: connection.node,
            nickname: self.nicknames.of(&connection.node),
            from: connection.from,
            since: connection.since,
            version: connection.version,
        })
    }

    /// How much is held.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (items, bytes) = self.logs.held();
        Counts {
            connected: self.presence.len(),
            admitted: self.admitted.len(),
            groups: self.channels.len(),
            logs: self.logs.len(),
            items,
            bytes,
            recent_bytes: self.logs.recent_bytes(),
            loads: self.loads.outstanding(),
            in_flight_max: self.presence.all().map(|c| c.flow.in_flight()).max().unwrap_or(0),
            streams: self.streams.len(),
        }
    }

    /// When the newest entry that waits for a reader came.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.logs.newest()
    }

    /// Invites that have not ended: token's hash, uses left, end.
    pub fn invites(&self) -> impl Iterator<Item = ([u8; 32], u32, Timestamp)> {
        self.invites.all()
    }

    /// The open lobby of this hub.
    #[must_use]
    pub fn lobby(&self) -> GroupId {
        self.lobby
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, Timed { at, input }: Timed) {
        match input {
            Input::Connected { conn, node, from, admission, version } => {
                let arrival = access::Arrival { conn, node, from, version, at };
                self.connected(arrival, admission);
            }
            Input::Moved { conn, from } => self.moved(conn, from),
            Input::Closed { conn } => self.closed(conn),
            Input::Frame { conn, frame } => self.frame(conn, frame, at),
            Input::Datagram { conn, to, payload } => self.datagram(conn, to, payload, at),
            Input::StreamWanted { conn, stream, to } => self.stream_wanted(conn, stream, to, at),
            Input::FilesWanted { conn, stream } => self.files_wanted(conn, stream, at),
            Input::StreamEnded { stream, bytes } => self.stream_ended(stream, bytes),
            Input::Loaded { conn, log, items } => self.loaded(conn, log, items),
            Input::InviteMade { token_hash, uses, ttl } => {
                let write = self.invites.make(token_hash, uses, at + ttl);
                self.write(write);
            }
            Input::InviteRevoked { token_hash } => {
                if let Some(write) = self.invites.revoke(token_hash) {
                    self.write(write);
                }
            }
        }
    }

    /// The next thing to do; `None` ends the batch.
    pub fn poll_command(&mut self) -> Option<Command> {
        if self.batch.out.is_empty() {
            self.flush();
        }
        self.batch.out.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` while nothing can end by itself.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let waiting = self.logs.needs_sweep()
            || !self.invites.is_empty()
            || !self.quotas.is_empty()
            || self.prekeys.needs_sweep();
        waiting.then_some(self.next_sweep)
    }

    /// Ends what has ended by `now`: entries past their time, invites, idle accounts.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + bounds::SWEEP_EVERY;
        for (log, upto) in self.logs.sweep(now) {
            self.batch.forgotten.insert(log, upto);
            self.end_absent(log, upto);
        }
        for write in self.invites.sweep(now) {
            self.write(write);
        }
        self.quotas.sweep(now);
        self.prekeys.sweep(now);
    }

    fn frame(&mut self, conn: ConnId, frame: ToHub, at: Timestamp) {
        let Some(node) = self.presence.get(conn).map(|connection| connection.node) else { return };
        let Some((req, size)) = question(&frame) else {
            return match frame {
                ToHub::Ack(ack) => self.ack(conn, node, &ack),
                _ => self.refuse_connection(conn, node, RefusalCode::BadFrame),
            };
        };
        let asked = Asked { conn, node, req, at };
        if matches!(frame, ToHub::Append(_)) {
            self.count_append(node);
        }
        if let Err(wait) = self.quotas.charge(node, size, at) {
            let code = RefusalCode::TooFast;
            return self.refuse(asked, Refusal { code, about: None, retry_after: Some(wait) });
        }
        if let Err(refusal) = self.answer(asked, frame) {
            self.refuse(asked, refusal);
        }
    }

    fn answer(&mut self, asked: Asked, frame: ToHub) -> Result<(), Refusal> {
        match frame {
            ToHub::Claim(body) => self.claim(asked, &body.claim),
            ToHub::Lookup(body) => self.lookup(asked, &body.nickname),
            ToHub::WhoIs(body) => self.who_is(asked, &body.node),
            ToHub::PutPrekeys(body) => self.put_prekeys(asked, body),
            ToHub::TakeBundle(body) => self.take_bundle(asked, body.node),
            ToHub::Append(body) => self.append(asked, body.log, body.envelope),
            ToHub::AppendControl(body) => self.append_control(asked, body.group, body.entry),
            ToHub::ReadControl(body) => self.read_control(asked, &body),
            ToHub::FindRoom(body) => self.find_room(asked, &body),
            ToHub::PutBeacon(body) => self.put_beacon(asked, body.beacon),
            ToHub::Hello(_) | ToHub::Ack(_) => Ok(()), // have no question number, see `question`
        }
    }

    fn write(&mut self, write: Write) {
        self.batch.out.push_back(Command::Write(write));
    }

    fn send(&mut self, conn: ConnId, frame: FromHub) {
        self.batch.out.push_back(Command::Send { conn, frame });
    }

    fn note(&mut self, note: Note) {
        self.batch.out.push_back(Command::Note(note));
    }

    fn done(&mut self, asked: Asked) {
        self.send(asked.conn, FromHub::Done(Done { req: asked.req }));
    }

    fn refuse(&mut self, asked: Asked, refusal: Refusal) {
        self.send(asked.conn, FromHub::Refused(Refused { req: asked.req, refusal }));
    }
}

/// A question: who asks on which connection, under which number, when.
#[derive(Clone, Copy, Debug)]
struct Asked {
    conn: ConnId,
    node: NodeId,
    req: u32,
    at: Timestamp,
}

/// The number of a question and the sealed bytes it brings; `None` for what is not one.
fn question(frame: &ToHub) -> Option<(u32, usize)> {
    match frame {
        ToHub::Hello(_) | ToHub::Ack(_) => None,
        ToHub::Claim(body) => Some((body.req, body.claim.len())),
        ToHub::Lookup(body) => Some((body.req, 0)),
        ToHub::WhoIs(body) => Some((body.req, 0)),
        ToHub::PutPrekeys(body) => {
            Some((body.req, body.one_time.iter().map(|(_, prekey)| prekey.len()).sum()))
        }
        ToHub::TakeBundle(body) => Some((body.req, 0)),
        ToHub::Append(body) => Some((body.req, body.envelope.len())),
        ToHub::AppendControl(body) => Some((body.req, body.entry.len())),
        ToHub::ReadControl(body) => Some((body.req, 0)),
        ToHub::PutBeacon(body) => Some((body.req, body.beacon.len())),
        ToHub::FindRoom(body) => Some((body.req, 0)),
    }
}
