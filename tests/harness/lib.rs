//! The test harness.

pub mod hub;
pub mod person;
pub mod process;
pub mod scan;
pub mod terminal;
pub mod world;
