//! A running node as a face holds it: in this process, or behind its socket.
//!
//! A trait, so that a face knows neither which it has nor anything else of the runtime, and a test
//! can be the node.

use core::future::Future;
use core::pin::Pin;

use super::{Answer, ApiError, Command, Event, Query, Reply};

/// Something that will be there later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A running node.
pub trait Node: Send + Sync + 'static {
    /// Has a command carried out. Answered once that is durable.
    fn command(&self, command: Command) -> Later<'_, Result<Reply, ApiError>>;

    /// Looks something up.
    fn query(&self, query: Query) -> Later<'_, Result<Answer, ApiError>>;

    /// Everything that happens from now on.
    fn subscribe(&self) -> Box<dyn Events>;
}

/// What happens, as it happens.
pub trait Events: Send {
    /// The next event; [`Event::Missed`] after too long a pause, `None` once the node has stopped.
    /// Dropping the future loses nothing.
    fn next(&mut self) -> Later<'_, Option<Event>>;
}
