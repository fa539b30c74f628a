//! What is a matter of taste and decides how a node deals with people.

use serde::{Deserialize, Serialize};

/// Who may write to us without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strangers {
    /// Nobody: a stranger's first message is a request.
    #[default]
    Ask,
    /// Everybody: whoever writes is a contact at once.
    Welcome,
}

/// Who may learn this device's network address, and so be connected with directly. Everybody else
/// is reached through the hub alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Addresses {
    /// Contacts, and everybody in a closed group of ours.
    Groups,
    /// Contacts.
    #[default]
    Contacts,
    /// Contacts whose safety number was compared.
    Verified,
    /// Nobody.
    Never,
}

/// A node's settings about people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether others learn that their messages were read here, and we that ours were read there:
    /// one goes with the other.
    pub read_receipts: bool,
    /// Whether contacts may see when this node was last heard from, and we when theirs were.
    pub presence: bool,
    /// Who may write to us without asking.
    pub strangers: Strangers,
    /// Who may learn this device's network address.
    pub addresses: Addresses,
    /// Whether this device announces itself on its local network, and looks for contacts there.
    pub lan: bool,
}

/// A change of settings; what is left out stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choice {
    /// As in [`Settings`].
    pub read_receipts: Option<bool>,
    /// As in [`Settings`].
    pub presence: Option<bool>,
    /// As in [`Settings`].
    pub strangers: Option<Strangers>,
    /// As in [`Settings`].
    pub addresses: Option<Addresses>,
    /// As in [`Settings`].
    pub lan: Option<bool>,
}

impl Choice {
    /// The settings after it.
    #[must_use]
    pub fn over(self, now: Settings) -> Settings {
        Settings {
            read_receipts: self.read_receipts.unwrap_or(now.read_receipts),
            presence: self.presence.unwrap_or(now.presence),
            strangers: self.strangers.unwrap_or(now.strangers),
            addresses: self.addresses.unwrap_or(now.addresses),
            lan: self.lan.unwrap_or(now.lan),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let (strangers, addresses) = (Strangers::Ask, Addresses::Contacts);
        Self { read_receipts: true, presence: true, strangers, addresses, lan: false }
    }
}
