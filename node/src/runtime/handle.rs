//! What a face in this process holds: a way to ask, and a way to listen.

use tokio::sync::{broadcast, mpsc, oneshot};

use super::streams::Streams;
use crate::api::{Answer, ApiError, Code, Command, Event, Query, Reply};

/// Questions waiting for the loop.
const ASKS: usize = 256;
/// Events a slow listener may lag behind.
const EVENTS: usize = 1_024;

/// Something asked of the loop, and where its answer goes.
pub(super) enum Ask {
    Command(Command, oneshot::Sender<Result<Reply, ApiError>>),
    Query(Query, oneshot::Sender<Result<Answer, ApiError>>),
    Reconnect,
    Stop(oneshot::Sender<()>),
}

/// A running node, to be asked. Cheap to clone; the node stops when the last one is gone.
#[derive(Clone)]
pub struct Handle {
    asks: mpsc::Sender<Ask>,
    events: broadcast::WeakSender<Event>,
    streams: Streams,
}

/// A handle that does not keep the node running.
#[derive(Clone)]
pub(super) struct WeakHandle {
    asks: mpsc::WeakSender<Ask>,
    events: broadcast::WeakSender<Event>,
    streams: Streams,
}

/// The loop's ends of a new handle.
pub(super) fn channel(streams: Streams) -> (Handle, mpsc::Receiver<Ask>, broadcast::Sender<Event>) {
    let (asks, waiting) = mpsc::channel(ASKS);
    let (events, _) = broadcast::channel(EVENTS);
    (Handle { asks, events: events.downgrade(), streams }, waiting, events)
}

impl Handle {
    /// Has something done. Returns when it is carried out and durable, or refused.
    ///
    /// # Errors
    /// [`ApiError`] in words for people.
    pub async fn command(&self, command: Command) -> Result<Reply, ApiError> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask::Command(command, answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Looks something up.
    ///
    /// # Errors
    /// [`ApiError`] in words for people.
    pub async fn query(&self, query: Query) -> Result<Answer, ApiError> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask::Query(query, answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        Events::of(&self.events)
    }

    /// Byte streams between this node and others.
    #[must_use]
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Tries the hub again now, even after a refusal.
    pub async fn reconnect(&self) {
        // A node that has stopped has nothing to reconnect.
        self.asks.send(Ask::Reconnect).await.ok();
    }

    /// Stops the node: what is in flight is committed, the link closed, the profile released.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.asks.send(Ask::Stop(done)).await.is_ok() {
            // An error means that it has stopped already.
            stopped.await.ok();
        }
    }

    pub(super) fn downgrade(&self) -> WeakHandle {
        let (asks, events) = (self.asks.downgrade(), self.events.clone());
        WeakHandle { asks, events, streams: self.streams.clone() }
    }
}

impl WeakHandle {
    /// The handle, while somebody keeps the node running.
    pub(super) fn upgrade(&self) -> Result<Handle, ApiError> {
        let asks = self.asks.upgrade().ok_or_else(stopped)?;
        Ok(Handle { asks, events: self.events.clone(), streams: self.streams.clone() })
    }
}

/// What happens in a node, as it happens.
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    pub(super) fn of(events: &broadcast::WeakSender<Event>) -> Self {
        match events.upgrade() {
            Some(events) => Self(events.subscribe()),
            None => Self(broadcast::channel(1).1),
        }
    }

    /// The next event; [`Event::Missed`] after too long a pause, `None` once the node has stopped.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

pub(super) fn stopped() -> ApiError {
    ApiError::new(Code::Internal, "the node has stopped", "start it again; nothing is lost")
}
