//! Two nodes, end to end (PROTOCOL.md, Session handshake, Double ratchet).
//!
//! * [`prekeys`]: what a node publishes so that others can start a session while it is away
//! * [`bundle`]: another node's prekeys, and what they must prove before use
//! * [`handshake`]: starting and accepting a session (X25519 and ML-KEM-768 together)
//! * [`state`]: a [`Session`], and which of several is used for sending
//! * [`signal`]: small words that may be lost, sealed beside the ratchet
//! * `ratchet`, `chain`, `skipped`, `header`, `saved`: how it moves on, forgets and survives
//!   restarts
//!
//! Invariant: a failed attempt changes nothing. Whatever fails to open, a state is afterwards what
//! it was before. Who sent a message is the session's peer, never a field of the message.

pub mod bundle;
mod chain;
pub mod handshake;
mod header;
pub mod prekeys;
mod ratchet;
mod saved;
pub mod signal;
mod skipped;
pub mod state;
mod transcript;

#[cfg(test)]
mod tests;

pub use bundle::{Bundle, BundleError, CheckedBundle};
pub use handshake::{Accepted, HandshakeError, epoch_of, initiate, respond};
pub use header::session_of;
pub use prekeys::{LocalPrekeys, Publication};
pub use ratchet::{OpenError, SealError};
pub use signal::{SealedSignal, SignalError};
pub use state::{Session, choose_sending};
