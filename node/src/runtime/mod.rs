//! A running node: engine, store and link joined in one loop, and the faces' way to it.
//!
//! Invariant: one input, one transaction. Whatever reaches the engine changes its records and the
//! history in one commit; nothing is sent, answered or told before that commit is durable. When a
//! commit fails, engine and link are dropped and built anew from the store, so that memory never
//! knows more than the disk; direct connections hold, and what came by them is not lost.
//!
//! * `driver`: the loop; `ways`: to peers without the hub; [`uncommitted`]: what they carried since
//!   the last commit; `views`: what is looked up; `doctor`: what is wrong; `failure`: what a
//!   failing store says; `handle`: what faces hold
//! * `files`: orders about files, and what is told of them; `preview`: what a file looks like;
//!   `strip`: pictures without what stands beside their pixels; `video`: both for videos, by a
//!   program that may be there, which `child` runs; [`sent`]: what is written down to be sent
//! * `movers`: who moves files, in the `background`, over `roads`, and to the hub (`upkeep`,
//!   `kept_for`); orders wait for them in `latest`
//! * [`streams`]: bytes between nodes, for what is too large for messages
//! * [`profile`]: makes and opens profiles; [`backup`]: keeps them; [`socket`] and [`client`]: the
//!   same API for other processes

mod background;
pub mod backup;
mod child;
pub mod client;
mod doctor;
mod driver;
mod failure;
mod files;
pub mod handle;
mod hub_file;
mod kept_for;
mod latest;
pub mod lines;
mod movers;
pub mod node;
mod paths;
mod preview;
pub mod profile;
mod roads;
pub mod sent;
pub mod socket;
pub mod streams;
mod strip;
pub mod uncommitted;
mod upkeep;
mod video;
mod views;
mod ways;

pub use client::Client;
pub use handle::{Events, Handle};
pub use node::Node;
pub use streams::Streams;

use std::time::{SystemTime, UNIX_EPOCH};

use hubbub_shared::time::Timestamp;

/// The machine's clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
