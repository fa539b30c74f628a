//! The Hubbub node: one device's keys, history and faces.

pub mod api;
pub mod cli;
pub mod config;
pub mod display;
pub mod engine;
pub mod keystore;
pub mod net;
pub mod paths;
pub mod reach;
pub mod runtime;
pub mod store;
mod threads;
pub mod transfer;
pub mod tui;
pub mod typed;
