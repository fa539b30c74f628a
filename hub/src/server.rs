//! The loop that owns relay and store: take in what waits, decide, store, then send.
//!
//! Invariant: nothing of a batch leaves before all of it is durable, and nothing of a batch that
//! could not be stored leaves at all. Batches form by themselves: whatever arrived while the one
//! before was being stored shares the next commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::RefusalCode;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};

use crate::cache::{self, Cache, FileAsk};
use crate::datagrams;
use crate::frames;
use crate::intake::{Arrival, Ask, Link, Room, Seen, StreamAsk};
use crate::journal::Journal;
use crate::precedence::Precedence;
use crate::relay::{Command, ConnId, Input, Relay, Timed};
use crate::settle::{self, Settled};
use crate::splice::{self, Ends, Opened, Wanted};
use crate::store::{Store, StoreError};

/// Inputs handled before their outcome is stored.
const BATCH: usize = 1_024;
/// Longest sleep when the relay waits for nothing.
const IDLE: Duration = Duration::from_secs(3_600);
/// First and longest pause before a failed store is opened again.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How long streams have to end when the hub stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// Opens the store and makes a relay from what it holds.
pub(crate) type Open =
    dyn Fn(Timestamp) -> Result<(Box<dyn Store>, Relay), StoreError> + Send + Sync;

/// Relay, store and everyone connected.
pub(crate) struct Server {
    relay: Relay,
    /// Absent only while it is being opened again.
    store: Option<Box<dyn Store>>,
    open: std::sync::Arc<Open>,
    journal: Journal,
    links: HashMap<ConnId, Link>,
    /// Streams the relay has not decided about; at most the stream limit per connection.
    waiting: HashMap<u64, (Opened, Option<FileAsk>)>,
    next_stream: u64,
    files: Arc<Cache>,
    /// Relayed streams, those about files, and answers to refused ones.
    splices: JoinSet<(u64, u64)>,
    precedence: Precedence,
    /// Who waits for this batch to be durable.
    pledges: Vec<oneshot::Sender<()>>,
    stop: watch::Receiver<bool>,
}

impl Server {
    /// A server from an opened store.
    pub(crate) fn new(
        (store, relay): (Box<dyn Store>, Relay),
        open: std::sync::Arc<Open>,
        (journal, files): (Journal, Arc<Cache>),
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            relay,
            store: Some(store),
            open,
            journal,
            links: HashMap::new(),
            waiting: HashMap::new(),
            next_stream: 0,
            files,
            splices: JoinSet::new(),
            precedence: Precedence::default(),
            pledges: Vec::new(),
            stop,
        }
    }

    /// Runs until told to stop and everything that had arrived by then is stored.
    pub(crate) async fn drive(mut self, mut arrivals: mpsc::Receiver<Arrival>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let wake = sleep_until(self.relay.poll_timeout());
            let stopping = stopped(&self.stop);
            if stopping {
                arrivals.close();
            }
            tokio::select! {
                count = arrivals.recv_many(&mut batch, BATCH) => if count == 0 { break },
                Some(ended) = self.splices.join_next() => self.stream_ended(ended),
                () = wake => {}
                _ = self.stop.changed(), if !stopping => {}
            }
            let rooms = self.take_in(&mut batch);
            let precedence = self.precedence.clone();
            let first = precedence.frames().await;
            self.settle().await;
            drop((first, rooms));
        }
        self.dismiss(RefusalCode::Stopping);
        // Blobs on their way are put down in order; their streams end with the connections.
        let ended = async { while self.splices.join_next().await.is_some() {} };
        if tokio::time::timeout(GOODBYE, ended).await.is_err() {
            tracing::debug!("{} streams did not end in time", self.splices.len());
        }
    }

    /// Hands a batch to the relay. The room its frames take is given back when it is stored.
    fn take_in(&mut self, batch: &mut Vec<Arrival>) -> Vec<Room> {
        let mut rooms = Vec::new();
        for arrival in batch.drain(..) {
            match arrival {
                Arrival::Input(input, room) => {
                    if let Input::Closed { conn } = &input {
                        self.links.remove(conn);
                    }
                    rooms.extend(room);
                    self.handle(input);
                }
                Arrival::Link(link, input) => {
                    self.links.insert(link.conn, link);
                    self.handle(input);
                }
                Arrival::Stream(ask) => self.take_stream(ask),
                Arrival::Ask(ask) => self.answer(ask),
            }
        }
        if self.relay.poll_timeout().is_some_and(|due| due <= now()) {
            self.relay.handle_timeout(now());
        }
        rooms
    }

    /// Keeps a stream until the relay has decided.
    fn take_stream(&mut self, ask: StreamAsk) {
        let StreamAsk { conn, wanted, opened } = ask;
        let stream = self.next_stream;
        self.next_stream += 1;
        match wanted {
            Wanted::Node(to) => {
                self.waiting.insert(stream, (opened, None));
                self.handle(Input::StreamWanted { conn, stream, to });
            }
            Wanted::Files(ask) => {
                self.waiting.insert(stream, (opened, Some(ask)));
                self.handle(Input::FilesWanted { conn, stream });
            }
        }
    }

    fn handle(&mut self, input: Input) {
        self.relay.handle(Timed { at: now(), input });
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Invite { token_hash, uses, ttl, done } => {
                self.pledges.push(done);
                self.handle(Input::InviteMade { token_hash, uses, ttl });
            }
            Ask::Revoke { token_hash, done } => {
                self.pledges.push(done);
                self.handle(Input::InviteRevoked { token_hash });
            }
            // The operator may have gone away meanwhile, here and below.
            Ask::Invites(done) => drop(done.send(self.relay.invites().collect())),
            Ask::Status(done) => {
                done.send((self.links.len(), self.splices.len())).ok();
            }
            Ask::Health(done) => drop(done.send(self.seen())),
        }
    }

    fn seen(&self) -> Seen {
        let (mut from, mut versions) = (Vec::new(), BTreeMap::new());
        for present in self.relay.presence() {
            from.push(present.from.ip().to_canonical());
            *versions.entry(present.version).or_default() += 1;
        }
        let (newest, held) = (self.relay.newest(), self.relay.counts().bytes);
        Seen { from, versions, newest, held }
    }

    /// Stores and sends until the relay wants nothing more.
    async fn settle(&mut self) {
        loop {
            let commands: Vec<_> = std::iter::from_fn(|| self.relay.poll_command()).collect();
            if commands.is_empty() {
                break;
            }
            match self.carry_out(commands).await {
                Ok(Settled { out, loaded }) => {
                    out.into_iter().for_each(|command| self.send(command));
                    loaded.into_iter().for_each(|input| self.handle(input));
                }
                Err(error) => return self.start_over(error).await,
            }
        }
        // The relay decides about a stream in the batch that brings it; one it ignored is from a
        // connection that has ended, and ends here.
        self.waiting.clear();
        for pledge in self.pledges.drain(..) {
            // Whoever asked may have gone away; what was asked for is done all the same.
            pledge.send(()).ok();
        }
    }

    /// Reads and writes what the commands need of the store, off the network's threads.
    async fn carry_out(&mut self, commands: Vec<Command>) -> Result<Settled, StoreError> {
        if !commands.iter().any(settle::needs_store) {
            return Ok(Settled { out: commands, loaded: Vec::new() });
        }
        let mut store = self.store.take().ok_or_else(|| StoreError("it is not open".to_owned()))?;
        let work = tokio::task::spawn_blocking(move || {
            let settled = settle::settle(&mut *store, commands);
            (store, settled)
        });
        let (store, settled) = work.await.map_err(|error| StoreError(error.to_string()))?;
        self.store = Some(store);
        settled
    }

    fn send(&mut self, command: Command) {
        match command {
            Command::Send { conn, frame } => {
                let stalled = self.links.get(&conn).is_some_and(|l| l.frames.push(&frame).is_err());
                if stalled && let Some(link) = self.links.remove(&conn) {
                    tracing::debug!("node {} reads nothing any more", link.node);
                    link.carrier.connection.close(frames::close_code(RefusalCode::TooFast), b"");
                }
            }
            Command::Datagram { conn, from, payload } => {
                if let Some(link) = self.links.get(&conn) {
                    datagrams::send(&link.carrier.connection, from, &payload);
                }
            }
            Command::Disconnect { conn, code } => {
                if let Some(link) = self.links.remove(&conn) {
                    disconnect(&link, code);
                }
            }
            Command::Splice { stream, from, to } => self.splice(stream, from, to),
            Command::Files { stream, node } => self.attend(stream, node),
            Command::RefuseStream { stream, code } => self.refuse(stream, code),
            Command::Note(note) => self.journal.note(now(), &note),
            Command::Write(_)
            | Command::Load { .. }
            | Command::LoadControl { .. }
            | Command::LoadBundle { .. } => {}
        }
    }

    fn splice(&mut self, stream: u64, from: hubbub_shared::id::NodeId, to: ConnId) {
        let Some((opened, _)) = self.waiting.remove(&stream) else { return };
        match self.links.get(&to).map(|link| Arc::clone(&link.carrier)) {
            Some(to) => {
                let first = self.precedence.clone();
                let still = splice::HALF_STANDS;
                let joined = async move { splice::join(opened, from, to, &first, still).await };
                self.splices.spawn(async move { (stream, joined.await) });
            }
            None => self.refuse_ends(stream, opened.ends, RefusalCode::NotConnected),
        }
    }

    fn attend(&mut self, stream: u64, node: hubbub_shared::id::NodeId) {
        let Some((opened, Some(ask))) = self.waiting.remove(&stream) else { return };
        let files = Arc::clone(&self.files);
        self.splices.spawn(async move { (stream, cache::attend(files, node, ask, opened).await) });
    }

    fn refuse(&mut self, stream: u64, code: RefusalCode) {
        if let Some((opened, _)) = self.waiting.remove(&stream) {
            self.refuse_ends(stream, opened.ends, code);
        }
    }

    fn refuse_ends(&mut self, stream: u64, ends: Ends, code: RefusalCode) {
        self.splices.spawn(async move {
            splice::refuse(ends, code).await;
            (stream, 0)
        });
    }

    fn stream_ended(&mut self, ended: Result<(u64, u64), JoinError>) {
        match ended {
            Ok((stream, bytes)) => self.handle(Input::StreamEnded { stream, bytes }),
            Err(error) => tracing::error!("a relayed stream ended badly: {error}"),
        }
    }

    /// Tells everyone to go, and why.
    fn dismiss(&mut self, code: RefusalCode) {
        self.links.drain().for_each(|(_, link)| disconnect(&link, code));
        self.waiting.clear();
    }

    /// The batch could not be stored: forget it, ask everyone to reconnect, open the store again.
    async fn start_over(&mut self, error: StoreError) {
        tracing::error!("{error}. Nothing was lost: nodes send again. Check the disk's free space");
        self.pledges.clear();
        self.dismiss(RefusalCode::StoreFailing);
        self.store = None;
        let mut pause = RETRY;
        while !stopped(&self.stop) {
            let open = Arc::clone(&self.open);
            match tokio::task::spawn_blocking(move || open(now())).await {
                Ok(Ok((store, relay))) => {
                    (self.store, self.relay) = (Some(store), relay);
                    tracing::info!("the store is open again");
                    return;
                }
                Ok(Err(error)) => tracing::error!("{error}; trying again in {pause:?}"),
                Err(error) => tracing::error!("opening the store failed: {error}"),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY_MAX),
                _ = self.stop.changed() => {}
            }
        }
    }
}

fn disconnect(link: &Link, code: RefusalCode) {
    if link.frames.close(code).is_err() {
        link.carrier.connection.close(frames::close_code(code), b"");
    }
}

/// Whether the hub was told to stop, or nobody is left who could tell it.
pub(crate) fn stopped(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

async fn sleep_until(due: Option<Timestamp>) {
    let wait = due.map_or(IDLE, |due| Duration::from_millis(due.since(now()).0));
    tokio::time::sleep(wait.min(IDLE)).await;
}

/// The system's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
