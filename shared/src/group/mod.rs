//! Many nodes: who belongs, and how they speak to all of them at once.
//!
//! * [`control`]: the signed, hash-chained membership log. Public: a hub reads it too
//! * [`roster`]: what the log says about every member at every point of its history
//! * [`sender_key`]: each member's own ratchet and signing key
//! * [`epoch`]: whose messages count
//! * [`meta`]: the group's sealed name and topic; [`link`]: a line that lets somebody in
//! * [`knock`]: letting in who knows the group's passphrase
//!
//! A hub uses the first two alone. Invariant: membership comes from signed entries alone, never
//! from what a server delivers.

pub mod control;
pub mod epoch;
pub mod knock;
pub mod link;
pub mod meta;
pub mod roster;
pub mod sender_key;

pub use control::{Applied, Change, ControlError, ControlLog, Op, Policy, Settings, Who};
pub use roster::{Role, Roster};
