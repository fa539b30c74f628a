//! Real processes: a hub, nodes, commands, terminals. What is claimed here is what people get.

// A claim that does not hold is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod canary;
mod errors;
mod profiles;
mod pty;
mod ten;
