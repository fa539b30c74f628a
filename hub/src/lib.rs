//! The Hubbub hub: one UDP port that introduces nodes, keeps sealed mailboxes and relays.

pub mod relay;
pub mod store;
