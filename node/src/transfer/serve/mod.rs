//! Pieces for whoever may have them, on the streams that peers open.
//!
//! * [`offered`]: what there is to give; [`seats`]: who may ask how much at once; `stream`: one
//!   peer's questions, answered one after the other; [`sealed`]: bytes for the hub's cache;
//!   [`takers`]: to whom it goes, for eyes
//!
//! Invariant: whether somebody may have a file is asked anew each second. A stream holds
//! two batches of a mebibyte and one question; who reads slowly waits alone. Peers take turns,
//! however many streams one has.

pub mod offered;
pub mod sealed;
pub mod seats;
mod stream;
pub mod takers;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hubbub_shared::id::{BlobId, NodeId};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::limit::Limit;
use super::streams::Opened;
use offered::Offered;
use seats::Seats;
use takers::Takers;

/// Whether somebody may have a file: members of the conversation it was offered in, who are not
/// blocked.
pub type May = Box<dyn Fn(NodeId, BlobId) -> Asking + Send + Sync>;
/// The answer to that.
pub type Asking = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Streams that are told that there is too much to do, at once; others are dropped.
const TURNED_AWAY: usize = 16;
/// Batches sealed at once, over all streams: the rest of a machine is for its user.
const WORKERS: usize = 2;

/// What is brought to the hub waits until no peer was given anything for so long...
const QUIET: Duration = Duration::from_secs(1);
/// ... but no longer than this for each mebibyte: peers who fetch all day must not keep it here.
const YIELDING: Duration = Duration::from_secs(10);

/// All that serving streams share.
pub struct Server {
    /// What there is.
    pub offered: Offered,
    /// How fast it goes out.
    pub limit: Limit,
    /// To whom it goes.
    pub takers: Takers,
    /// When pieces went to a peer last.
    given: Mutex<Option<Instant>>,
    may: May,
    seats: Arc<Seats>,
    turned_away: Semaphore,
    work: Semaphore,
}

impl Server {
    /// Serves nothing yet.
    #[must_use]
    pub fn new(offered: Offered, may: May) -> Self {
        let (limit, seats) = (Limit::new(0), Arc::default());
        let (turned_away, work) = (Semaphore::new(TURNED_AWAY), Semaphore::new(WORKERS));
        let (takers, given) = (Takers::default(), Mutex::default());
        Self { offered, limit, takers, given, may, seats, turned_away, work }
    }

    /// Waits while peers are being given something, for a while.
    async fn quiet(&self) {
        let until = Instant::now() + YIELDING;
        while Instant::now() < until {
            let last = *self.given.lock().unwrap_or_else(PoisonError::into_inner);
            match last.filter(|last| last.elapsed() < QUIET) {
                Some(last) => sleep_until(last + QUIET).await,
                None => break,
            }
        }
    }

    fn gave(&self) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Answers what a peer asks on this stream, until it ends.
    pub async fn serve(self: Arc<Self>, peer: NodeId, opened: Opened) {
        let ended = match Seats::take(&self.seats, peer) {
            Some(seat) => stream::run(&self, (peer, seat), opened).await,
            None => match self.turned_away.try_acquire() {
                Ok(_turn) => stream::turn_away(opened.way).await,
                Err(_) => return,
            },
        };
        if let Err(error) = ended {
            tracing::debug!("a stream for files ended: {error}");
        }
    }
}
