//! How groups are governed, as faces say and see it.

use hubbub_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::view::{NodeText, PersonView};

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Admins and owners.
    Admins,
    /// Every member.
    Members,
}

/// A change of a group's settings; what is left out stays. Also what a notice says of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct SettingsChange {
    /// Who writes messages: with admins alone the group is for announcements.
    pub posting: Option<Who>,
    /// Who lets others in.
    pub adding: Option<Who>,
    /// Whether newcomers are told what was said before they came.
    pub history: Option<bool>,
    /// Whether whoever knows the passphrase is let in. Turning it on takes a passphrase, turning it
    /// off does not.
    pub passphrase: Option<bool>,
    /// Whether strangers may ask to be let in.
    pub requests: Option<bool>,
    /// The public name under which strangers find the group; empty for none. The hub sees it.
    pub alias: Option<String>,
}

/// The ways into a group, and who is kept out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorsView {
    /// What the group is called.
    pub title: String,
    /// Who writes messages.
    pub posting: Who,
    /// Who lets others in.
    pub adding: Who,
    /// These, at most 64 of them.
    pub keepers: Vec<PersonView>,
    /// Whether this node's person is one.
    pub own: bool,
    /// Whether newcomers are told what was said before they came.
    pub history: bool,
    /// What was said since then, by this device's clock; none while they are not.
    pub history_since: Option<Timestamp>,
    /// Whether whoever knows the passphrase is let in.
    pub passphrase: bool,
    /// Whether strangers may ask to be let in.
    pub requests: bool,
    /// The public name; empty for none.
    pub alias: String,
    /// Invite links that are good.
    pub links: Vec<LinkView>,
    /// Who is kept out.
    pub banned: Vec<PersonView>,
    /// Who asks to be let in.
    pub asking: Vec<RequestView>,
}

/// A stranger who asks to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// Who.
    pub person: PersonView,
    /// What they say to it; may be empty.
    pub note: String,
    /// When it came.
    pub at: Timestamp,
}

/// An attempt of ours to come into a group, that waits for one of its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnockView {
    /// What the group was called when it was begun.
    pub room: String,
    /// With the group's passphrase, or by asking.
    pub passphrase: bool,
    /// Since when.
    pub since: Timestamp,
    /// How many members have it before them.
    pub keepers: u32,
}

/// An invite link that is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// Its public key: what to revoke it by.
    pub key: NodeText,
    /// Who made it.
    pub by: PersonView,
    /// How many may still come in by it.
    pub left: u16,
    /// Until when.
    pub expires: Timestamp,
    /// The line to hand over; whoever has it can come in. Known on the device that made it.
    pub link: Option<String>,
}
