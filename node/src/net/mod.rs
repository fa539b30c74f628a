//! The way to the hub and to peers: dialling, proving, frames in and out, coming back after a loss;
//! streams to other nodes, directly or through the hub; files left at the hub.
//!
//! Invariant: the pinned hub or nobody, and the identity is proven anew for every connection and
//! stream. What is absent: what frames and streams mean, and anything durable.

mod carrier;
pub mod dial;
pub mod direct;
pub mod frames;
pub mod hub_files;
pub mod hub_link;
mod lan;
pub mod peer_stream;
pub mod peers;
mod proof;
mod pulse;
mod socket;
pub mod tls;

pub use direct::{Direct, DirectInput};
pub use hub_files::{FilesError, HubFiles, HubStream, SealedSource};
pub use hub_link::{HubLink, LinkInput, LinkSettings};
pub use lan::Found;
pub use peer_stream::PeerStream;
pub use peers::{Incoming, OpenError, Peers};
