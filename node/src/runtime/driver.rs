//! The loop: one input and all that wait behind it, one commit, then what follows from it.
//! `anew`: what follows a commit that failed; `kept`: what it reads and keeps beside the engine.

mod anew;
mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::backoff::Backoff;
use hubbub_shared::crypto::Identity;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::from_hub::Welcome;
use hubbub_shared::wire::{FromHub, ToHub};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::failure::broken_store;
use super::files::Files;
use super::handle::Ask;
use super::hub_file::HubFile;
use super::movers::{FromMovers, Movers, Wanted};
use super::socket::Listening;
use super::ways::Ways;
use super::{now, views};
use crate::api::view::LinkState;
use crate::api::{Answer, ApiError, Code, Command, Event, FileSettings, Query, Reply, Settings};
use crate::engine::Engine;
use crate::engine::output::{Gather, MessageKey, Output, Recall, Ticket};
use crate::net::{HubLink, LinkInput};
use crate::paths::ProfileDir;
use crate::store::{Message, Store, StoreError};

/// Inputs that share a transaction.
const BATCH: usize = 256;
/// Commands that wait for the hub's answer; further ones are told to come back.
const WAITING: usize = 1_024;
/// A timer further away than this is looked at again then: clocks get set.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// The ticket of the nickname wished for when the profile was made.
const WISH: Ticket = Ticket(0);

/// What the loop owns beside its channels.
pub(super) struct Owned {
    pub(super) store: Store,
    pub(super) link: HubLink,
    pub(super) identity: Arc<Identity>,
    pub(super) rng: ChaCha20Rng,
    pub(super) hub_file: HubFile,
    pub(super) profile: PathBuf,
    pub(super) settings: Settings,
    pub(super) file_settings: FileSettings,
    /// Where settings are kept.
    pub(super) config: PathBuf,
    /// Held open, and so locked, as long as the loop runs.
    pub(super) lock: std::fs::File,
}

enum Input {
    Ask(Ask),
    Link(LinkInput),
    Files(FromMovers),
    LinkEnded,
    Timer,
    Abandoned,
}

type Done = oneshot::Sender<()>;

/// One running node.
pub(super) struct Driver {
    owned: Owned,
    /// None between a failed commit and the next try.
    engine: Option<Engine>,
    ways: Ways,
    files: Files,
    retry_at: Timestamp,
    backoff: Backoff,
    asks: mpsc::Receiver<Ask>,
    events: broadcast::Sender<Event>,
    frames: Option<mpsc::Sender<ToHub>>,
    link_runs: bool,
    link_state: LinkState,
    waiting: BTreeMap<Ticket, oneshot::Sender<Result<Reply, ApiError>>>,
    queries: Vec<(Query, oneshot::Sender<Result<Answer, ApiError>>)>,
    last_ticket: u64,
    /// Asked of the history, at most as many as inputs in a batch.
    recalls: Vec<Recall>,
    /// Likewise, for those who came to a group.
    gathers: Vec<Gather>,
    stopping: Option<Vec<Done>>,
}

impl Driver {
    /// Builds the engine from the store.
    pub(super) fn new(
        (owned, movers): (Owned, Option<Movers>),
        asks: mpsc::Receiver<Ask>,
        events: broadcast::Sender<Event>,
    ) -> Result<Self, ApiError> {
        let mut owned = owned;
        let mut seed = [0; 32];
        owned.rng.fill_bytes(&mut seed);
        let files = Files::new(ProfileDir::at(owned.profile.clone()).sent(), movers);
        let ways = Ways::new((owned.identity.id(), owned.link.direct().key()), seed);
        let mut driver = Self {
            owned,
            ways,
            files,
            engine: None,
            retry_at: Timestamp(0),
            backoff: Backoff::new(Millis(250), Millis::secs(30)),
            asks,
            events,
            frames: None,
            link_runs: true,
            link_state: LinkState::Connecting,
            waiting: BTreeMap::new(),
            queries: Vec::new(),
            last_ticket: WISH.0,
            recalls: Vec::new(),
            gathers: Vec::new(),
            stopping: None,
        };
        driver.rebuild()?;
        driver.engine.iter().for_each(|engine| driver.files.sweep_shelf(engine));
        Ok(driver)
    }

    /// Runs until it is told to stop or the last handle is gone; then closes everything it owns.
    pub(super) async fn drive(mut self, socket: Option<Listening>) {
        while self.stopping.is_none() {
            let first = self.next().await;
            self.take(first);
            for _ in 1..BATCH {
                let Some(input) = self.waiting_input() else { break };
                self.take(input);
            }
            self.settle();
        }
        self.close(socket).await;
    }

    /// Lets go of everything, the lock last; then tells whoever asked for it.
    async fn close(self, mut socket: Option<Listening>) {
        if let Some(socket) = &mut socket {
            socket.close().await;
        }
        let Self { owned, files, stopping, frames, waiting, .. } = self;
        drop((frames, waiting));
        files.stop().await;
        let Owned { store, link, lock, .. } = owned;
        link.stop().await;
        drop(store);
        drop(lock);
        for done in stopping.unwrap_or_default() {
            // Whoever asked may have left.
            done.send(()).ok();
        }
        if let Some(socket) = socket {
            socket.end().await;
        }
    }

    async fn next(&mut self) -> Input {
        let wait = self.wait();
        let reads = self.link_runs && !self.ways.uncommitted.is_full();
        tokio::select! {
            ask = self.asks.recv() => ask.map_or(Input::Abandoned, Input::Ask),
            input = self.owned.link.recv(), if reads => {
                input.map_or(Input::LinkEnded, Input::Link)
            }
            Some(happened) = self.files.next() => Input::Files(happened),
            () = tokio::time::sleep(wait) => Input::Timer,
        }
    }

    /// What waits already: the link's first, then what is told of files, then the faces'.
    fn waiting_input(&mut self) -> Option<Input> {
        let reads = !self.ways.uncommitted.is_full();
        let link = reads.then(|| self.owned.link.try_recv().map(Input::Link)).flatten();
        let link = link.or_else(|| self.files.waiting().map(Input::Files));
        link.or_else(|| self.asks.try_recv().ok().map(Input::Ask))
    }

    /// Until the next timer.
    fn wait(&self) -> Duration {
        let due = self.engine.as_ref().and_then(Engine::poll_timeout);
        let again = self.ways.uncommitted.owes().then_some(self.retry_at);
        let due = due.into_iter().chain(self.ways.due()).chain(again).min();
        let wait = due.map(|due| Duration::from_millis(due.since(now()).0));
        wait.map_or(LONGEST_SLEEP, |wait| wait.min(LONGEST_SLEEP))
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Ask(Ask::Command(command, answer)) => self.command(command, answer),
            Input::Ask(Ask::Query(query, answer)) => self.queries.push((query, answer)),
            Input::Ask(Ask::Reconnect) => self.owned.link.reconnect(),
            Input::Ask(Ask::Stop(done)) => self.stopping.get_or_insert_default().push(done),
            Input::Abandoned => self.stopping = Some(self.stopping.take().unwrap_or_default()),
            Input::Link(input) => self.link_input(input),
            Input::Files(happened) => self.files_input(happened),
            Input::LinkEnded => self.link_runs = false,
            Input::Timer => {}
        }
    }

    fn files_input(&mut self, happened: FromMovers) {
        match happened {
            // What is lost here is told again when the engine is back.
            FromMovers::Told(told) => {
                if let Some(engine) = &mut self.engine {
                    engine.handle_told(told, now());
                }
            }
            FromMovers::Wanted(Wanted { peer, blob, may }) => {
                let may_they = |engine: &Engine| match &blob {
                    Some(blob) => engine.may_fetch(&peer, blob),
                    None => engine.may_ask(&peer),
                };
                // Whoever asked may have left.
                may.send(self.engine.as_ref().is_some_and(may_they)).ok();
            }
        }
    }

    fn command(&mut self, command: Command, answer: oneshot::Sender<Result<Reply, ApiError>>) {
        self.owned.link.poke();
        let kept = self.keep_settings(&command);
        let refusal = match &mut self.engine {
            None => broken_store(),
            Some(_) if kept.is_err() => kept.err().unwrap_or_else(broken_store),
            Some(_) if self.waiting.len() >= WAITING => ApiError::new(
                Code::TooFast,
                "too many commands wait for the hub",
                "wait for some of them to be answered",
            ),
            Some(engine) => {
                self.last_ticket += 1;
                let ticket = Ticket(self.last_ticket);
                self.waiting.insert(ticket, answer);
                let changes_settings = matches!(command, Command::Set(_));
                engine.handle_command(ticket, command, now());
                if changes_settings {
                    self.ways.look_again(engine, &self.owned.link, now());
                }
                return;
            }
        };
        // Whoever asked may have left.
        answer.send(Err(refusal)).ok();
    }

    fn link_input(&mut self, input: LinkInput) {
        match input {
            LinkInput::State(state) => {
                self.link_state = state.clone();
                self.tell(Event::Link(state));
            }
            LinkInput::Up(welcome, frames) => self.link_up(&welcome, frames),
            LinkInput::Down => {
                self.frames = None;
                self.ways.hub(false, now());
                if let Some(engine) = &mut self.engine {
                    engine.handle_link_down(now());
                }
            }
            LinkInput::Datagram(from, payload) => {
                let engine = self.engine.as_mut();
                let event =
                    engine.and_then(|engine| self.ways.datagram(engine, (from, &payload), now()));
                event.into_iter().for_each(|event| self.tell(event));
            }
            LinkInput::Direct(input) => {
                let with = (self.engine.as_mut(), &self.owned.link);
                self.ways.direct(with, input, now());
                self.ways.settle(self.engine.as_mut(), &self.owned.link, now());
            }
            // After a failed commit the connection is on its way out; the hub will say it again.
            LinkInput::Frame(frame)
                if self.frames.is_some() || matches!(frame, FromHub::Bye(_)) =>
            {
                if let Some(engine) = &mut self.engine {
                    engine.handle_frame(frame, now());
                }
            }
            LinkInput::Frame(_) => {}
        }
    }

    fn link_up(&mut self, welcome: &Welcome, frames: mpsc::Sender<ToHub>) {
        let Some(engine) = &mut self.engine else { return };
        self.frames = Some(frames);
        engine.handle_link_up(welcome, now());
        self.ways.hub(true, now());
        self.files.hub_is_back();
        if let Err(error) = self.owned.hub_file.admitted() {
            tracing::warn!("cannot forget the used invite: {error}");
        }
        if let (None, Some(nickname)) = (&welcome.nickname, self.owned.hub_file.wish()) {
            engine.handle_command(WISH, Command::SetNickname { nickname }, now());
        }
    }

    /// Commits what changed, then does what follows from it.
    fn settle(&mut self) {
        self.recover();
        let fresh = self.commit().unwrap_or_else(|error| {
            self.fail(&error);
            BTreeSet::new()
        });
        self.carry_out(fresh);
        if self.recall() {
            let fresh = self.commit().unwrap_or_else(|error| {
                self.fail(&error);
                BTreeSet::new()
            });
            self.carry_out(fresh);
        }
        self.ways.settle(self.engine.as_mut(), &self.owned.link, now());
        for (peer, direct) in self.ways.turns() {
            self.files.way(peer, direct);
        }
        for peer in self.ways.heard() {
            self.files.heard(peer);
        }
        for (query, answer) in std::mem::take(&mut self.queries) {
            // Whoever asked may have left.
            answer.send(self.look_up(query)).ok();
        }
    }

    /// What it gives is new in the history.
    fn commit(&mut self) -> Result<BTreeSet<MessageKey>, StoreError> {
        let Some(engine) = &mut self.engine else { return Ok(BTreeSet::new()) };
        if engine.poll_timeout().is_some_and(|due| due <= now()) {
            engine.handle_timeout(now());
        }
        let changes = engine.take_changes();
        if changes.is_empty() {
            self.ways.uncommitted.committed();
            return Ok(BTreeSet::new());
        }
        let acquaintance = changes.records.iter().any(|change| change.is_of_people());
        let fresh = self.owned.store.commit(changes)?;
        self.ways.uncommitted.committed();
        if acquaintance {
            self.ways.acquaintance_changed(engine, now());
        }
        // Something small may find room where what was carried does not.
        if !self.ways.uncommitted.owes() {
            self.backoff.reset();
        }
        Ok(fresh)
    }

    /// What only the runtime knows of an answer: where the hub is.
    fn completed(&self, reply: Reply) -> Reply {
        match reply {
            Reply::Link { link } => {
                Reply::Link { link: views::whole_link(&self.owned.hub_file, &link) }
            }
            other => other,
        }
    }

    fn carry_out(&mut self, mut fresh: BTreeSet<MessageKey>) {
        while let Some(output) = self.engine.as_mut().and_then(Engine::poll_output) {
            match output {
                Output::Send(frame) => self.send(frame),
                Output::Peer(peer, frame) => self.ways.send(&self.owned.link, &peer, &frame),
                Output::Signal(peer, signal) => {
                    if let Some(engine) = &mut self.engine {
                        let by = (engine, &self.owned.link);
                        self.ways.signal(by, (peer, &signal), now());
                    }
                }
                Output::Near(peer) => {
                    if let Some(engine) = &self.engine {
                        self.ways.near(engine, peer, now());
                    }
                }
                Output::Answer(WISH, answer) => self.wish_answered(answer),
                Output::Answer(ticket, answer) => {
                    let answer = answer.map(|reply| self.completed(reply));
                    if let Some(waiting) = self.waiting.remove(&ticket) {
                        // Whoever asked may have left.
                        waiting.send(answer).ok();
                    }
                }
                Output::Event(event) => self.tell(event),
                Output::Stored(key) if fresh.remove(&key) => self.tell_of(&key, views::stored),
                Output::Stored(_) => {}
                Output::Moved(key) => self.tell_of(&key, views::moved),
                Output::Recall(recall) => self.recalls.push(recall),
                Output::Gather(gather) => self.gathers.push(gather),
                Output::Observed(address) => self.ways.observed(address, now()),
                Output::File(order) => self.files.carry_out(order),
            }
        }
    }

    /// A full queue means that the link stands still: it is dropped, and the engine asks again on
    /// the next one.
    fn send(&mut self, frame: ToHub) {
        if self.frames.as_ref().is_some_and(|frames| frames.try_send(frame).is_err()) {
            self.frames = None;
        }
    }

    fn tell_of(&mut self, key: &MessageKey, make: fn(&Engine, Message) -> Event) {
        if self.events.receiver_count() == 0 {
            return;
        }
        let Some(engine) = &self.engine else { return };
        match self.owned.store.message(key) {
            Ok(Some(message)) => self.tell(make(engine, message)),
            Ok(None) => {}
            Err(error) => tracing::error!("cannot read a message back: {error}"),
        }
    }

    fn tell(&self, event: Event) {
        // Without a listener there is nobody to tell.
        self.events.send(event).ok();
    }

    fn look_up(&self, query: Query) -> Result<Answer, ApiError> {
        let engine = self.engine.as_ref().ok_or_else(broken_store)?;
        views::Looker {
            engine,
            store: &self.owned.store,
            link: &self.link_state,
            hub_file: &self.owned.hub_file,
            profile: &self.owned.profile,
            ways: (&self.ways, &self.owned.link),
        }
        .answer(query)
    }
}
