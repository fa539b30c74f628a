//! The full-screen terminal face: conversations, messages, a composer.
//!
//! Invariant: `app`(mod@app), its `update` and `view` are pure: messages in, effects and a drawn
//! frame out, the time an argument. Only `run`(mod@run) touches the terminal and the node.

mod app;
mod commands;
mod composer;
mod events;
mod file_words;
mod files;
mod folders;
mod history;
mod input;
mod invite;
mod keys;
mod messages;
mod mouse;
mod overlay;
mod palette;
mod panels;
mod passphrase;
mod people;
mod pictures;
mod run;
mod terminal;
mod theme;
mod turns;
mod typing;
mod view;
mod wrap;

#[cfg(test)]
mod tests;

pub use invite::InviteCard;
pub use run::{Options, run};
pub use theme::Theme;
