//! What can be typed about files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::api::file::{AcceptFrom, FileRule};
use crate::typed::{Landing, Offered};

/// `hubbub file`.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum File {
    /// Offer a file in a conversation. It is not copied: it is read whenever somebody fetches it
    Send(FileSend),
    /// List files offered to you and by you, newest first
    List,
    /// Fetch a file
    Accept(FileAccept),
    /// Not fetch it; whoever offers it is not told
    Decline(FileWhich),
    /// Stop fetching or giving it for now; what is here stays
    Pause(FileWhich),
    /// Go on
    Resume(FileWhich),
    /// Fetch a file before others
    First(FileWhich),
    /// Give up fetching it, or take back what you offered
    Cancel(FileWhich),
    /// Save the small picture that came with a file
    Preview {
        #[command(flatten)]
        which: FileWhich,
        /// The file to make
        out: PathBuf,
    },
    /// How many bytes a second all files together may take, each way
    Limit {
        /// For example 500K, 2M or 1G, a second; `off` for as many as there are
        #[arg(value_parser = rate)]
        rate: u64,
    },
    /// Show what is fetched without asking and where it lands, or change it; it stands in node.toml
    Rules(FileRules),
}

/// `hubbub file send`.
#[derive(Args, Clone, Debug)]
pub(super) struct FileSend {
    /// The file; `-` reads it from stdin and keeps it as long as it is offered
    pub(super) path: PathBuf,
    /// A nickname, #group, lobby, or a conversation's id
    pub(super) to: String,
    #[command(flatten)]
    pub(super) how: Offered,
    /// Wait until it is offered, and show how far it is
    #[arg(long)]
    pub(super) wait: bool,
}

/// `hubbub file accept`.
#[derive(Args, Clone, Debug)]
pub(super) struct FileAccept {
    #[command(flatten)]
    pub(super) which: FileWhich,
    #[command(flatten)]
    pub(super) landing: Landing,
    /// Wait until it is here, and show how far it is
    #[arg(long)]
    pub(super) wait: bool,
}

/// Which file.
#[derive(Args, Clone, Debug)]
pub(super) struct FileWhich {
    /// The number `hubbub file list` shows, or the id of its message
    pub(super) file: String,
}

/// `hubbub file rules`.
#[derive(Args, Clone, Debug)]
pub(super) struct FileRules {
    /// Whose files are fetched without asking
    #[arg(long, value_enum)]
    pub(super) from: Option<FromName>,
    /// Only up to this size, for example 2M
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) up_to: Option<u64>,
    /// Only of types that begin so, for example image/; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) types: Vec<String>,
    /// Where files land
    #[arg(long, value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// One contact, whose files are fetched without asking always, or never, or by default as
    /// those of others
    #[arg(long, value_name = "NAME", requires = "rule", group = "whose")]
    pub(super) contact: Option<String>,
    /// One group, in which files are fetched without asking always, or never, or by default as
    /// elsewhere. A rule for a contact goes before one for a group, and that before --from
    #[arg(long, value_name = "NAME", requires = "rule", group = "whose")]
    pub(super) group: Option<String>,
    /// What holds for that contact or group
    #[arg(value_enum, requires = "whose")]
    pub(super) rule: Option<RuleName>,
}

/// As typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RuleName {
    /// Of whatever type and size, so many bytes a day; folders never
    Always,
    /// You are always asked
    Never,
    /// As those of others, or elsewhere
    Default,
}

impl From<RuleName> for FileRule {
    fn from(name: RuleName) -> Self {
        match name {
            RuleName::Always => Self::Always,
            RuleName::Never => Self::Never,
            RuleName::Default => Self::Default,
        }
    }
}

/// As typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FromName {
    /// Nobody: you are always asked
    Nobody,
    /// Contacts you have verified
    Verified,
    /// Contacts
    Contacts,
    /// Contacts, and members of your closed groups
    Members,
}

impl From<FromName> for AcceptFrom {
    fn from(name: FromName) -> Self {
        match name {
            FromName::Nobody => Self::Nobody,
            FromName::Verified => Self::Verified,
            FromName::Contacts => Self::Contacts,
            FromName::Members => Self::Members,
        }
    }
}

fn rate(text: &str) -> Result<u64, String> {
    if text == "off" { Ok(0) } else { size(text) }
}

/// `500`, `500K`, `2M`, `1G`, `1T`: times 1,024 each.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is no number of bytes; write 500K, 2M or 1G");
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    let n: u64 = digits.parse().map_err(|_| wrong())?;
    let power = match unit.trim_end_matches("iB").to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(wrong()),
    };
    1_024_u64.checked_pow(power).and_then(|unit| n.checked_mul(unit)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!((size("500"), size("2M"), size("1GiB")), (Ok(500), Ok(2 << 20), Ok(1 << 30)));
        assert_eq!((rate("off"), rate("500k")), (Ok(0), Ok(500 << 10)));
        for wrong in ["", "fast", "2X", "-1", "99999999T", "1.5M"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
