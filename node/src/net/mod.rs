//! The way to the hub: dialling, proving, frames in and out, coming back after a loss.
//!
//! Invariant: the pinned hub or nobody, and the identity is proven anew for every connection. What
//! is absent: what frames mean, and anything durable.

pub mod dial;
pub mod frames;
pub mod hub_link;
pub mod tls;

pub use hub_link::{HubLink, LinkInput, LinkSettings};
