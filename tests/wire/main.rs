//! The bytes of version 1: held to what an independent implementation makes of the same text, and
//! between nodes and a real hub; and the one primitive with two implementations at hand.

// A vector that cannot be read is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod back_pressure;
mod direct;
mod files;
mod frames;
mod groups;
mod hub_files;
mod hub_files_raw;
mod hub_link;
mod knock;
mod mlkem_agrees;
mod peer_streams;
mod script;
mod signals;
mod vectors;
