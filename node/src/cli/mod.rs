//! The command line: what people type and scripts call.
//!
//! `args` says what can be typed, one file a verb does it through the node API, `render` makes it
//! readable. Invariant: results on stdout, everything else on stderr; what strangers wrote is
//! cleaned; the exit code is the error's.

mod args;
mod ask;
mod backup;
mod bridge;
mod chat;
mod file;
mod file_args;
mod file_render;
mod group;
mod group_args;
mod invite;
mod join;
mod knock;
mod lists;
mod manual;
mod open;
mod out;
mod own_hub;
mod passphrase;
mod people;
mod people_args;
mod people_render;
mod profile;
mod read;
mod render;
mod secret;
mod send;
mod start;
mod stop;
mod up;
mod verify;
mod ways;

#[cfg(test)]
mod verb_tests;

pub use start::main;
