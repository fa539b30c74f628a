//! The test harness.

pub mod echo;
pub mod measure;
pub mod raw_node;
