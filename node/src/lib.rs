//! The Hubbub node: one device's keys, history and faces.

pub mod api;
pub mod engine;
