//! The test harness.

pub mod world;
