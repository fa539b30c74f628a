//! A node in another process, asked over its local socket. The same methods as a
//! [`Handle`](super::Handle).
//!
//! Invariant: every question is answered or told that the node is gone; nothing waits for ever.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::handle::{Events, stopped};
use super::lines::{ANSWER_MAX, Line, Outcome, Read, Request, Wanted, read_line_of, to_line};
use super::socket;
use crate::api::{Answer, ApiError, Code, Command, Event, Query, Reply};

/// Lines waiting to be sent.
const LINES: usize = 64;
/// Questions without an answer at once.
const WAITING: usize = 1_024;
/// Events a slow listener may lag behind.
const EVENTS: usize = 1_024;

type Answered = oneshot::Sender<Result<Outcome, ApiError>>;
type Waiting = Arc<Mutex<Option<BTreeMap<u64, Answered>>>>;

/// A node in another process. Cheap to clone; the connection ends with the last clone.
#[derive(Clone)]
pub struct Client {
    lines: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    events: broadcast::WeakSender<Event>,
    next: Arc<AtomicU64>,
    _task: Arc<Task>,
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// Connects to the node that runs the profile in `dir`.
    ///
    /// # Errors
    /// [`Code::Profile`] when none runs there.
    pub async fn connect(dir: &Path) -> Result<Self, ApiError> {
        let path = socket::path_of(dir);
        let stream = UnixStream::connect(&path).await.map_err(|error| {
            let what = format!("no node answers at {}: {error}", path.display());
            ApiError::new(Code::Profile, what, "start it with `hubbub`")
        })?;
        let (from, to) = stream.into_split();
        let (lines, queued) = mpsc::channel(LINES);
        let (events, _) = broadcast::channel(EVENTS);
        let waiting: Waiting = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let weak = events.downgrade();
        let task = tokio::spawn(run(from, to, queued, Arc::clone(&waiting), events));
        let next = Arc::new(AtomicU64::new(1));
        let client = Self { lines, waiting, events: weak, next, _task: Arc::new(Task(task)) };
        client.ask(Wanted::Subscribe {}).await?;
        Ok(client)
    }

    /// As [`Handle::command`](super::Handle::command).
    ///
    /// # Errors
    /// [`ApiError`] in words for people.
    pub async fn command(&self, command: Command) -> Result<Reply, ApiError> {
        match self.ask(Wanted::Command(command)).await? {
            Outcome::Reply(reply) => Ok(reply),
            Outcome::Answer(_) => Err(misfit()),
        }
    }

    /// As [`Handle::query`](super::Handle::query).
    ///
    /// # Errors
    /// [`ApiError`] in words for people.
    pub async fn query(&self, query: Query) -> Result<Answer, ApiError> {
        match self.ask(Wanted::Query(query)).await? {
            Outcome::Answer(answer) => Ok(answer),
            Outcome::Reply(_) => Err(misfit()),
        }
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        Events::of(&self.events)
    }

    /// Has the node try the hub again now.
    pub async fn reconnect(&self) {
        // A node that is gone has nothing to reconnect.
        self.ask(Wanted::Reconnect {}).await.ok();
    }

    /// Stops that node.
    pub async fn stop(&self) {
        // A stopping node closes the connection; that is an answer too.
        self.ask(Wanted::Stop {}).await.ok();
    }

    async fn ask(&self, ask: Wanted) -> Result<Outcome, ApiError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = waiting.as_mut().ok_or_else(stopped)?;
            if waiting.len() >= WAITING {
                let what = "too many questions wait for the node";
                return Err(ApiError::new(Code::TooFast, what, "wait for some of them"));
            }
            waiting.insert(id, answer);
        }
        let line = to_line(&Request { id, ask });
        self.lines.send(line).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// Serves the connection until either end closes; then whoever waits is told.
async fn run(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    queued: mpsc::Receiver<Vec<u8>>,
    waiting: Waiting,
    events: broadcast::Sender<Event>,
) {
    tokio::select! {
        () = read(from, &waiting, &events) => {}
        () = write(to, queued) => {}
    }
    waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
}

async fn read(from: OwnedReadHalf, waiting: &Waiting, events: &broadcast::Sender<Event>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while read_line_of(&mut from, &mut line, ANSWER_MAX).await == Read::Line {
        let bytes = std::mem::take(&mut line);
        let (id, outcome) = match serde_json::from_slice(&bytes) {
            Ok(Line::Event { event }) => {
                // Without a listener there is nobody to tell.
                events.send(event).ok();
                continue;
            }
            Ok(Line::Ok { id, ok }) => (id, Ok(ok)),
            Ok(Line::Error { id: Some(id), error }) => (id, Err(error)),
            Ok(Line::Error { id: None, error }) => {
                tracing::warn!("the node could not read a request: {error}");
                continue;
            }
            Err(error) => {
                tracing::warn!("the node said something unreadable: {error}");
                continue;
            }
        };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = waiting.as_mut().and_then(|waiting| waiting.remove(&id)) {
            // Whoever asked may have left.
            answer.send(outcome).ok();
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut queued: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = queued.recv().await {
        if to.write_all(&line).await.is_err() {
            return;
        }
    }
}

fn misfit() -> ApiError {
    let what = "the node answered something else than was asked";
    ApiError::new(Code::Version, what, "stop the running node and start it again: it is older")
}
