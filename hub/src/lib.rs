//! The Hubbub hub: one UDP port that introduces nodes, keeps sealed mailboxes and relays.
//!
//! * [`relay`]: the switchboard, pure
//! * [`store`]: what survives
//! * [`serve()`]: a running hub, embedded or of its own
//! * [`config`], [`keys`], [`invites`], [`journal`], [`admin`], [`check`], [`firewall`]: the
//!   operator's side

pub mod admin;
mod cache;
mod carrier;
pub mod check;
pub mod config;
mod connection;
mod datagrams;
pub mod firewall;
mod frames;
mod gate;
mod intake;
pub mod invites;
pub mod journal;
pub mod keys;
mod pace;
mod precedence;
pub mod relay;
mod serve;
mod server;
mod settle;
mod splice;
pub mod store;
pub mod tls;

pub use cache::FOLDER as FILES;
pub use serve::{NotStored, Running, ServeError, ServeOptions, serve};
