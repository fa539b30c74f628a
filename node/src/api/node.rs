//! A running node as a face holds it: in this process, or behind its socket.
//!
//! The runtime's handle and the socket's client both are one, so that no face knows which it has.

use core::future::Future;
use core::pin::Pin;

use tokio::sync::mpsc;

use super::{Answer, ApiError, Command, Event, Query, Reply};

/// Something asked of a node that will be answered.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>>;

/// A running node.
pub trait Node: Send + Sync + 'static {
    /// Has a command carried out.
    fn command(&self, command: Command) -> Pending<'_, Reply>;

    /// Looks something up.
    fn query(&self, query: Query) -> Pending<'_, Answer>;

    /// Everything that happens from now on. The channel is bounded; a subscriber too slow for it
    /// gets [`Event::Missed`]. It ends when the node stops.
    fn subscribe(&self) -> Pending<'_, mpsc::Receiver<Event>>;
}
