//! What the relayed streams of one connection share: a pace, and room.
//!
//! Invariant: each stream brings a window of its own and takes it away again, so that however many
//! stand still, whoever opened them, the connection's frames do not wait for them; and a connection
//! without streams has room for its frames alone.

use std::sync::{Arc, Mutex, PoisonError};

use quinn::Connection;

use crate::pace::Pace;
use crate::tls;

/// A connection as relayed streams see it.
pub(crate) struct Carrier {
    pub(crate) connection: Connection,
    /// Of the streams that its node opened.
    pub(crate) pace: Pace,
    /// Relayed over it, opened by its node or towards it.
    streams: Mutex<u32>,
}

impl Carrier {
    pub(crate) fn new(connection: Connection, pace: Pace) -> Arc<Self> {
        Arc::new(Self { connection, pace, streams: Mutex::new(0) })
    }

    /// Room for one stream more, until it is dropped.
    pub(crate) fn widen(self: &Arc<Self>) -> Widened {
        self.change(|streams| streams.saturating_add(1));
        Widened(Arc::clone(self))
    }

    fn change(&self, by: fn(u32) -> u32) {
        // A number alone: a panic cannot leave it half written. The lock keeps two changes from
        // reaching the connection in the wrong order.
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        *streams = by(*streams);
        tls::make_room(&self.connection, *streams);
    }
}

/// One stream's room.
pub(crate) struct Widened(Arc<Carrier>);

impl Drop for Widened {
    fn drop(&mut self) {
        self.0.change(|streams| streams.saturating_sub(1));
    }
}
