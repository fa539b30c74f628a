//! The test harness.

<<<<<<< HEAD
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test fails here
=======
pub mod hub;
pub mod person;
pub mod process;
pub mod scan;
pub mod terminal;
>>>>>>> live
pub mod world;
