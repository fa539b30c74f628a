//! What can be typed about people: requests, blocking, verification, profiles, settings.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Subcommand, ValueEnum};

use crate::api::{Addresses, Strangers};

/// `hubbub requests`.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Requests {
    /// Take somebody in, or come into a group; what they wrote is shown and acknowledged
    Accept {
        /// Who or which group, as `hubbub requests` shows it
        request: String,
    },
    /// Turn it down; a stranger is not told and asks in vain for thirty days
    Decline {
        /// Who or which group, as `hubbub requests` shows it
        request: String,
    },
    /// Turn it down and hear no more of them
    Block {
        /// Who, as `hubbub requests` shows it
        request: String,
    },
}

/// `hubbub verify`.
#[derive(Args, Clone, Debug)]
pub(super) struct Verify {
    /// Who
    pub(super) contact: String,
    /// The numbers were compared and are equal: do not ask
    #[arg(long, conflicts_with = "undo")]
    pub(super) yes: bool,
    /// Take the verification back
    #[arg(long)]
    pub(super) undo: bool,
    /// Compare with the sixty digits their device shows; verified only if they are the same
    #[arg(long, value_name = "DIGITS", conflicts_with_all = ["yes", "undo"])]
    pub(super) number: Option<String>,
    /// Compare with the twelve words their device shows; verified only if they are the same
    #[arg(long, value_name = "WORDS", conflicts_with_all = ["yes", "undo", "number"])]
    pub(super) words: Option<String>,
    /// Compare with what their QR code says, in hex; verified only if it is the same
    #[arg(long, value_name = "HEX", conflicts_with_all = ["yes", "undo", "number", "words"])]
    pub(super) qr: Option<String>,
}

/// `hubbub contact`.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Contact {
    /// Make a contact of whoever goes by a nickname now
    Add {
        /// Who
        contact: String,
    },
    /// What is known of somebody, and what happened to their name and keys
    Info {
        /// Who
        contact: String,
    },
}

/// `hubbub profile`.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Profile {
    /// Change what contacts see of you
    #[command(arg_required_else_help = true)]
    Set(ProfileSet),
    /// What contacts see of you, or you of a contact
    Show {
        /// Who; yourself without
        contact: Option<String>,
        /// Write the picture into this file
        #[arg(long, value_name = "FILE")]
        picture_out: Option<PathBuf>,
    },
}

/// `hubbub profile set`.
#[derive(Args, Clone, Debug)]
pub(super) struct ProfileSet {
    /// What you like to be called, beside your nickname; empty for nothing
    #[arg(long)]
    pub(super) name: Option<String>,
    /// The line contacts see beside your name; empty clears it
    #[arg(long)]
    pub(super) status: Option<String>,
    /// A picture: PNG, JPEG or WebP, at most 32 KiB and 1,024 pixels a side
    #[arg(long, value_name = "FILE", conflicts_with = "no_picture")]
    pub(super) picture: Option<PathBuf>,
    /// Take the picture away
    #[arg(long)]
    pub(super) no_picture: bool,
}

/// `hubbub settings`.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Setting {
    /// Whether others see what you have read, and you what they have
    ReadReceipts {
        /// on or off
        #[arg(action = ArgAction::Set, value_parser = BoolishValueParser::new())]
        on: bool,
    },
    /// Whether contacts see when your device was last heard from, and you when theirs was
    Presence {
        /// on or off
        #[arg(action = ArgAction::Set, value_parser = BoolishValueParser::new())]
        on: bool,
    },
    /// Who may write to you without asking
    Strangers {
        /// Whether they have to ask
        #[arg(value_enum)]
        how: StrangersName,
    },
    /// Whether your device is announced on its local network, and contacts looked for there
    Lan {
        /// on or off
        #[arg(action = ArgAction::Set, value_parser = BoolishValueParser::new())]
        on: bool,
    },
    /// Who may learn your device's network address, and so connect with it directly
    Addresses {
        /// To whom it is shown; all others are reached through the hub
        #[arg(value_enum)]
        to: AddressesName,
    },
}

/// As typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StrangersName {
    /// A stranger's first message is a request
    Ask,
    /// Whoever writes is a contact at once
    Welcome,
}

/// As typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AddressesName {
    /// Contacts, and members of your closed groups
    Groups,
    /// Contacts
    Contacts,
    /// Contacts you have verified
    Verified,
    /// Nobody: everything goes through the hub
    Never,
}

impl From<AddressesName> for Addresses {
    fn from(name: AddressesName) -> Self {
        match name {
            AddressesName::Groups => Self::Groups,
            AddressesName::Contacts => Self::Contacts,
            AddressesName::Verified => Self::Verified,
            AddressesName::Never => Self::Never,
        }
    }
}

impl From<StrangersName> for Strangers {
    fn from(name: StrangersName) -> Self {
        match name {
            StrangersName::Ask => Self::Ask,
            StrangersName::Welcome => Self::Welcome,
        }
    }
}
