//! The one queue into the server's loop: everything that happens, bounded by count and by bytes.
//!
//! Invariant: a connection that sends faster than the hub stores waits here, and through QUIC's
//! flow control its node waits too. Nothing is dropped but datagrams.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::{Millis, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::carrier::Carrier;
use crate::frames::{FrameQueue, Kept};
use crate::relay::{ConnId, Input};
use crate::splice::{Opened, Wanted};

/// Inputs waiting.
const QUEUE: usize = 4_096;
/// Frame bytes waiting, all connections together.
const QUEUE_KIB: u32 = 64 * 1024;

/// What the server's loop receives.
pub(crate) enum Arrival {
    /// Something for the relay alone, and the room it takes.
    Input(Input, Option<Room>),
    /// A proven connection: how to reach it, and the input that announces it.
    Link(Link, Input),
    /// A stream somebody opened towards another node, or to the hub's files.
    Stream(StreamAsk),
    /// A question of the operator.
    Ask(Ask),
}

/// The room a frame takes until what came of it is stored and its answer queued.
pub(crate) struct Room {
    _here: OwnedSemaphorePermit,
    _answer: Option<Kept>,
}

/// How the server reaches a connection.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) conn: ConnId,
    pub(crate) node: NodeId,
    pub(crate) frames: FrameQueue,
    pub(crate) carrier: Arc<Carrier>,
}

/// A stream waiting for its other half, or for the hub's files.
pub(crate) struct StreamAsk {
    pub(crate) conn: ConnId,
    pub(crate) wanted: Wanted,
    pub(crate) opened: Opened,
}

/// What the operator asks of a running hub.
pub(crate) enum Ask {
    /// Store an invite; answered when it is durable, dropped when it could not be.
    Invite { token_hash: [u8; 32], uses: u32, ttl: Millis, done: oneshot::Sender<()> },
    /// Forget an invite; answered as above.
    Revoke { token_hash: [u8; 32], done: oneshot::Sender<()> },
    /// Which invites there are: token's hash, uses left, end.
    Invites(oneshot::Sender<Vec<([u8; 32], u32, Timestamp)>>),
    /// How many are connected, and how many streams are relayed.
    Status(oneshot::Sender<(usize, usize)>),
    /// What the relay knows of the hub's health.
    Health(oneshot::Sender<Seen>),
}

/// What the relay sees of the world.
pub(crate) struct Seen {
    /// Where each connected node comes from.
    pub(crate) from: Vec<IpAddr>,
    /// How many of them speak which protocol.
    pub(crate) versions: BTreeMap<u8, usize>,
    /// When the newest entry that waits came.
    pub(crate) newest: Option<Timestamp>,
    /// Sealed bytes that wait.
    pub(crate) held: u64,
}

/// The near end of the queue.
#[derive(Clone)]
pub(crate) struct Intake {
    queue: mpsc::Sender<Arrival>,
    room: Arc<Semaphore>,
}

/// The server has ended.
#[derive(Debug)]
pub(crate) struct Ended;

impl Intake {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Arrival>) {
        let (queue, arrivals) = mpsc::channel(QUEUE);
        let room = Arc::new(Semaphore::new(QUEUE_KIB.try_into().unwrap_or(usize::MAX)));
        (Self { queue, room }, arrivals)
    }

    /// Queues, waiting for a place.
    pub(crate) async fn send(&self, arrival: Arrival) -> Result<(), Ended> {
        self.queue.send(arrival).await.map_err(|_| Ended)
    }

    /// Queues a frame of `bytes`, waiting until there is room for that much; with it goes the room
    /// kept for its answer.
    pub(crate) async fn send_frame(
        &self,
        input: Input,
        bytes: usize,
        answer: Option<Kept>,
    ) -> Result<(), Ended> {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(QUEUE_KIB).min(QUEUE_KIB);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.map_err(|_| Ended)?;
        let room = Room { _here: room, _answer: answer };
        self.send(Arrival::Input(input, Some(room))).await
    }

    /// Queues a datagram, or drops it when there is no place.
    pub(crate) fn offer(&self, datagram: Input) -> bool {
        self.queue.try_send(Arrival::Input(datagram, None)).is_ok()
    }
}
