//! What can be typed after `hubbub group`. Plain data, as in `args`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hubbub_shared::time::Millis;

use crate::api::group::{SettingsChange, Who};
use crate::api::view::Role;

/// `hubbub group`.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Group {
    /// Found a group
    New {
        /// Its name; the hub never sees it
        name: String,
        /// Nicknames of the first members
        members: Vec<String>,
    },
    /// Add somebody
    Invite {
        /// Which group
        group: String,
        /// Who
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Leave
    Leave {
        /// Which group
        group: String,
    },
    /// Remove somebody
    Remove {
        /// Which group
        group: String,
        /// Who
        member: String,
    },
    /// Give somebody a role
    Role {
        /// Which group
        group: String,
        /// Who
        member: String,
        /// What they may do from now on
        #[arg(value_enum)]
        role: RoleName,
    },
    /// Who is in it
    Members {
        /// Which group
        group: String,
    },
    /// The ways in, who can let people in, and who is kept out
    Doors {
        /// Which group
        group: String,
    },
    /// Make an invite link; whoever has it can come in
    Link {
        /// Which group
        group: String,
        /// How many people may come in by it
        #[arg(long, value_name = "N", default_value_t = 10,
            value_parser = clap::value_parser!(u16).range(1..))]
        uses: u16,
        /// For how long it is good, such as 30m, 12h or 7d
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = Millis::parse)]
        expires: Millis,
        /// Also show it as a QR code
        #[arg(long)]
        qr: bool,
    },
    /// Make an invite link worthless
    Unlink {
        /// Which group
        group: String,
        /// The line, or the first letters of its key
        link: String,
    },
    /// Come in by an invite link to a group of this hub
    Join {
        /// The line; - reads it from stdin
        link: String,
    },
    /// Set the passphrase that lets people in, or take it off
    Passphrase {
        /// Which group
        group: String,
        /// Its first line is the passphrase; - reads stdin. Without it one is made up and shown
        #[arg(long, value_name = "FILE", conflicts_with = "off")]
        file: Option<PathBuf>,
        /// Nobody comes in by a passphrase any more
        #[arg(long)]
        off: bool,
    },
    /// Ask to be let into a group, by its public name or link
    Ask {
        /// The public name, or the line
        room: String,
        /// Words to go with it
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Let somebody in who asks
    Accept {
        /// Which group
        group: String,
        /// Who
        member: String,
    },
    /// Turn somebody away who asks
    Decline {
        /// Which group
        group: String,
        /// Who
        member: String,
    },
    /// Groups this profile waits to be let into
    Knocks {
        /// Give this one up
        #[arg(long, value_name = "NAME")]
        stop: Option<String>,
    },
    /// Change who writes, who lets people in, what newcomers see
    #[command(arg_required_else_help = true)]
    Set(GroupSet),
    /// Keep somebody out, and remove them if they are in
    Ban {
        /// Which group
        group: String,
        /// Who
        member: String,
    },
    /// End a ban; it lets nobody in
    Unban {
        /// Which group
        group: String,
        /// Who
        member: String,
    },
    /// Make somebody else owner, and yourself an admin
    HandOver {
        /// Which group
        group: String,
        /// To whom
        member: String,
    },
    /// Rename it, or set its topic
    #[command(arg_required_else_help = true)]
    Describe {
        /// Which group
        group: String,
        /// New name
        #[arg(long, required_unless_present = "topic")]
        name: Option<String>,
        /// New topic
        #[arg(long)]
        topic: Option<String>,
    },
}

/// `hubbub group set`.
#[derive(Clone, Debug, Args)]
pub(super) struct GroupSet {
    /// Which group
    pub(super) group: String,
    /// Who writes: with admins the group is for announcements
    #[arg(long, value_enum, value_name = "WHO")]
    pub(super) posting: Option<WhoName>,
    /// Who lets people in
    #[arg(long, value_enum, value_name = "WHO")]
    pub(super) adding: Option<WhoName>,
    /// Whether newcomers are told what was said before they came
    #[arg(long, value_enum, value_name = "ON|OFF")]
    pub(super) history: Option<Switch>,
    /// Whether strangers may ask to be let in
    #[arg(long, value_enum, value_name = "ON|OFF")]
    pub(super) requests: Option<Switch>,
    /// Public name to be found by; the hub and everybody on it see it. Empty for none
    #[arg(long, value_name = "NAME")]
    pub(super) public_name: Option<String>,
}

/// Who, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum WhoName {
    /// Admins and owners
    Admins,
    /// Every member
    Members,
}

/// A switch on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// A role on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleName {
    /// Speaks and listens
    Member,
    /// Adds and removes members, renames
    Admin,
    /// All of it
    Owner,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Member => Self::Member,
            RoleName::Admin => Self::Admin,
            RoleName::Owner => Self::Owner,
        }
    }
}

impl From<WhoName> for Who {
    fn from(name: WhoName) -> Self {
        match name {
            WhoName::Admins => Self::Admins,
            WhoName::Members => Self::Members,
        }
    }
}

impl From<GroupSet> for SettingsChange {
    fn from(set: GroupSet) -> Self {
        let on = |switch: Switch| switch == Switch::On;
        Self {
            posting: set.posting.map(Who::from),
            adding: set.adding.map(Who::from),
            history: set.history.map(on),
            requests: set.requests.map(on),
            alias: set.public_name,
            ..Self::default()
        }
    }
}
