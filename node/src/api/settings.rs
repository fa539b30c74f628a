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
}

impl Default for Settings {
    fn default() -> Self {
        Self { read_receipts: true, presence: true, strangers: Strangers::Ask }
    }
}
