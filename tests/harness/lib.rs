//! The test harness.

#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test fails here
pub mod world;
