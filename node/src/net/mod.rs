//! The way to the hub: dialling, proving, frames in and out, coming back after a loss; and through
//! it, streams to other nodes.
//!
//! Invariant: the pinned hub or nobody, and the identity is proven anew for every connection and
//! stream. What is absent: what frames and streams mean, and anything durable.

pub mod dial;
pub mod frames;
pub mod hub_link;
pub mod peers;
pub mod tls;

pub use hub_link::{HubLink, LinkInput, LinkSettings};
pub use peers::{Incoming, OpenError, PeerStream, Peers};
