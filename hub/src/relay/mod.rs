//! The switchboard, pure: who is here, which logs there are, how far each reader is.
//!
//! [`Input`]s go in, [`Command`]s come out; nothing here sends, stores or waits.

mod command;
mod input;

pub use command::{Command, Note, Write};
pub use input::{ConnId, Input, Timed};
