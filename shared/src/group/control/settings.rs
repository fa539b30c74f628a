//! What a group's admins can set: who writes, who lets people in, what newcomers see.
//!
//! Invariant: settings are public (the hub reads them), whole (an entry sets all of them), and hold
//! from their own entry on: a message is judged by those of the membership it was sealed for.

use serde::{Deserialize, Serialize};

use crate::limits::NICKNAME_BYTES;

/// Who may do something. On the wire: 0 admins and owners, 1 every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Who {
    /// Admins and owners.
    Admins,
    /// Every member.
    Members,
}

impl From<Who> for u8 {
    fn from(who: Who) -> Self {
        match who {
            Who::Admins => 0,
            Who::Members => 1,
        }
    }
}

impl TryFrom<u8> for Who {
    type Error = &'static str;
    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self::Admins),
            1 => Ok(Self::Members),
            _ => Err("who may is 0 (admins) or 1 (members) in this version"),
        }
    }
}

/// All settings of a group (PROTOCOL.md, Membership). Fields in the order of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who writes messages; admins alone make it a group for announcements.
    pub posting: Who,
    /// Who lets others in, as members: by adding, by invite links, by the passphrase.
    pub adding: Who,
    /// Whether newcomers are told what was said before they came.
    pub history: bool,
    /// Whether whoever knows the passphrase is let in.
    pub passphrase: bool,
    /// Whether strangers may ask to be let in.
    pub requests: bool,
    /// The name under which the hub tells strangers whom to ask; at most [`NICKNAME_BYTES`] bytes.
    /// Public, unlike the group's name.
    pub alias: Option<String>,
}

impl Settings {
    /// Those of a new group: everybody writes, admins let in, nothing is told, no door is open.
    #[must_use]
    pub fn new() -> Self {
        Self {
            posting: Who::Members,
            adding: Who::Admins,
            history: false,
            passphrase: false,
            requests: false,
            alias: None,
        }
    }

    /// Whether a stranger may knock.
    #[must_use]
    pub fn has_door(&self) -> bool {
        self.passphrase || self.requests
    }

    /// Whether the alias is one: not empty, not too long. Whether it is free is the hub's to say.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.alias.as_ref().is_none_or(|name| (1..=NICKNAME_BYTES).contains(&name.len()))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}
