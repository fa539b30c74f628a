//! The one node API: [`Command`] in, [`Event`] out, [`View`](view) to look at.
//!
//! Plain serialisable data, nothing of the engine's. The terminal UI, the command line, the local
//! socket and users' bots all speak exactly this; as JSON it is what `hubbub api` reads and writes.
//! What is absent: keys, sealed bytes, and anything a face could use to act behind the engine's
//! back.

pub mod command;
pub mod conversation;
pub mod error;
pub mod event;
pub mod file;
pub mod group;
pub mod node;
pub mod people;
pub mod query;
pub mod secret;
pub mod settings;
pub mod view;

pub use command::{Command, Reply};
pub use conversation::ConversationId;
pub use error::{ApiError, Code};
pub use event::Event;
pub use file::{FileChoice, FileDeed, FileRule, FileSettings, FileState, SendFile};
pub use node::{Events, Later, Node};
pub use query::{Answer, Query};
pub use settings::{Addresses, Choice, Settings, Strangers};
