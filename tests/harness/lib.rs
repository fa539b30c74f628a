//! Worlds to test in, a pretend one with one seed and one of real processes, and ways to measure.

// What does not work here is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod agreement;
pub mod api;
mod beside;
pub mod blobs;
pub mod disk;
pub mod echo;
pub mod far;
pub mod files;
mod forge;
mod govern;
mod hindsight;
mod holdings;
pub mod hub;
pub mod hurt;
pub mod keywatch;
pub mod lab;
pub mod liar;
pub mod measure;
mod model;
pub mod near;
mod network;
pub mod past;
mod people;
pub mod person;
pub mod ports;
pub mod process;
pub mod raw_node;
pub mod scan;
pub mod splicer;
pub mod storm;
mod switchboard;
pub mod terminal;
pub mod truth;
pub mod world;
