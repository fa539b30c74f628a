//! What can be typed after `hubbub`. Plain data: nothing here does anything.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedI64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use hubbub_shared::time::Millis;

use super::file_args::File;
pub(super) use super::group_args::Group;
use super::people_args::{Contact, Profile, Requests, Setting, Verify};
use crate::api::command::MessageText;
use crate::api::view::Delivery;

/// Exit codes as people look them up (`hubbub help exit-codes`).
pub(super) const EXIT_CODES: &str = "\
 0  done
 1  a bug in hubbub: please report it
 2  the request makes no sense: fix the command line
 3  nobody and nothing of that name
 4  forbidden by the group's rules or by the hub
 5  the hub cannot be reached
 6  the hub is not the one the invite names
 7  the invite is wrong, used up or over
 8  the nickname is taken, looks like another, or is none
 9  hub and node have no protocol version in common
10  the profile is damaged, locked by a passphrase, or missing
11  another process owns the profile, or another device the identity
12  a configuration file or key is wrong
13  something is full: a mailbox, the disk, the outbox
14  too many requests, too fast
15  what was compared is not the same: nothing was marked verified
75  queued, not yet delivered: the message is safe here and goes out by itself
130  interrupted before it was done";

/// Talk to people through a hub that hears only noise.
#[derive(Debug, Parser)]
#[command(name = "hubbub", version, about, max_term_width = 100)]
#[command(after_help = "Without a command, hubbub opens the chat of your profile.\n\
    First time: `hubbub up` to start a hub of your own, or `hubbub join <invite>`.")]
pub(super) struct Typed {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(super) struct Global {
    /// Print results as JSON, one object a line; errors too
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Which profile; profiles stand side by side, each with its own identity
    #[arg(long, short = 'P', global = true, value_name = "NAME", default_value = "default")]
    #[arg(env = "HUBBUB_PROFILE")]
    pub(super) profile: String,
    /// Keep everything below this directory instead of the platform's data directory
    #[arg(long, global = true, value_name = "DIR", env = "HUBBUB_HOME")]
    pub(super) home: Option<PathBuf>,
    /// No hints and no progress on stderr
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    /// No colours (also: NO_COLOR set)
    #[arg(long, global = true)]
    pub(super) no_color: bool,
    /// Read the profile's passphrase from this file's first line (also: HUBBUB_PASSPHRASE)
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Start a hub in this process, join it, print its invite and open the chat
    Up(Up),
    /// Join a hub by its invite and open the chat
    Join(Join),
    /// Make an invite to the hub this profile runs itself, and print it
    Invite(Invite),
    /// Send a message
    Send(Send),
    /// Read a conversation
    Read(Read),
    /// List conversations, most recent first
    Conversations,
    /// List contacts
    Contacts,
    /// Who you are here
    Whoami,
    /// Compare the safety number with a contact, and mark them verified
    Verify(Verify),
    /// Found, fill, describe and leave groups
    #[command(subcommand)]
    Group(Group),
    /// The link to the hub, and what waits
    Status,
    /// How each peer is reached: directly, through the hub, or not now, and why
    Paths,
    /// What works and what does not: hub, clock, router, direct connections; and what to change
    Doctor,
    /// Set the line contacts see beside your name
    SetStatus {
        /// The text; empty clears it
        text: String,
    },
    /// List strangers who ask to be let in, and groups strangers want you in; or decide
    Requests {
        /// What to do about one
        #[command(subcommand)]
        decision: Option<Requests>,
    },
    /// Neither hear nor be heard by somebody any more; without a name, list who is blocked
    Block {
        /// Who
        contact: Option<String>,
    },
    /// Take a block back; what was swallowed meanwhile stays so
    Unblock {
        /// Who
        contact: String,
    },
    /// Look at one contact
    #[command(subcommand)]
    Contact(Contact),
    /// What contacts see of you, and you of them
    #[command(subcommand)]
    Profile(Profile),
    /// Show settings about people, or change one; they stand in node.toml
    Settings {
        /// Which, and to what
        #[command(subcommand)]
        setting: Option<Setting>,
    },
    /// Offer files, fetch those offered to you, and see how far they are
    #[command(subcommand)]
    File(File),
    /// Look at one message
    #[command(subcommand)]
    Message(Message),
    /// Speak the API on stdin and stdout, one JSON object a line
    Api,
    /// Set, change or remove the passphrase that locks the profile
    Passphrase(Passphrase),
    /// Keep the profile in one file, sealed under a passphrase of its own
    Backup(Backup),
    /// Make a profile of a backup
    Restore(Restore),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
    /// What exit codes mean
    #[command(long_about = EXIT_CODES)]
    ExitCodes,
}

/// `hubbub up`.
#[derive(Args, Clone, Debug)]
pub(super) struct Up {
    /// Your nickname; asked for when needed and a terminal is there
    #[arg(long)]
    pub(super) nick: Option<String>,
    /// UDP address the hub listens on (default: as the last time, at first every address, port
    /// 4433)
    #[arg(long, value_name = "IP:PORT")]
    pub(super) listen: Option<std::net::SocketAddr>,
    /// How others reach this machine, as it stands in invites; may be given several times
    /// (default: as the last time, at first this machine's own address)
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) address: Vec<String>,
    /// Where the hub keeps its keys and sealed messages (default: beside the profile)
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// How many people may use the invite
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = uses())]
    pub(super) uses: u32,
    /// Let anybody in who knows the hub's key and address, without an invite's token; said anew
    /// at each start
    #[arg(long)]
    pub(super) open: bool,
    /// Do not open the chat: print the invite and keep running
    #[arg(long)]
    pub(super) no_chat: bool,
}

impl Up {
    /// The hub of this profile once more, as it was.
    pub(super) fn again() -> Self {
        let (nick, listen, address, data) = (None, None, Vec::new(), None);
        Self { nick, listen, address, data, uses: 100, open: false, no_chat: false }
    }
}

/// `hubbub invite`.
#[derive(Args, Clone, Debug)]
pub(super) struct Invite {
    /// How many people may use it
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = uses())]
    pub(super) uses: u32,
    /// How long it holds, for example 90m, 12h or 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = Millis::parse)]
    pub(super) expires: Millis,
    /// Print a QR code of it, too
    #[arg(long)]
    pub(super) qr: bool,
}

/// `hubbub join`.
#[derive(Args, Clone, Debug)]
pub(super) struct Join {
    /// The invite, or a group's public name at the hub this profile is at; `-` reads it from stdin.
    /// For a group, --passphrase-file holds its passphrase
    pub(super) invite: String,
    /// Your nickname; asked for when needed and a terminal is there
    #[arg(long)]
    pub(super) nick: Option<String>,
    /// Only join, and leave again
    #[arg(long)]
    pub(super) no_chat: bool,
    /// Words to go with asking to be let into a group
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) note: String,
}

/// `hubbub send`.
#[derive(Args, Clone, Debug)]
pub(super) struct Send {
    /// A nickname, #group, lobby, or a conversation's id
    pub(super) to: String,
    /// The text; `-` reads it from stdin
    #[arg(allow_hyphen_values = true)]
    pub(super) text: String,
    /// How far it must get before this command is done
    #[arg(long, value_enum, default_value_t = Wait::Stored)]
    pub(super) wait: Wait,
    /// How long to wait for that; exit code 75 when it takes longer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Your own id for the message: sending the same id again sends nothing
    #[arg(long, value_name = "ID", value_parser = message_id)]
    pub(super) id: Option<MessageText>,
}

/// How far a message must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Wait {
    /// Safe on this device
    Queued,
    /// Safe at the hub
    Stored,
    /// Safe on every recipient's device
    Delivered,
}

impl Wait {
    pub(super) fn delivery(self) -> Delivery {
        match self {
            Self::Queued => Delivery::Queued,
            Self::Stored => Delivery::Stored,
            Self::Delivered => Delivery::Delivered,
        }
    }
}

/// `hubbub read`.
#[derive(Args, Clone, Debug)]
pub(super) struct Read {
    /// A nickname, #group, lobby, or a conversation's id
    pub(super) conversation: String,
    /// Go on printing what comes, until interrupted
    #[arg(long, short)]
    pub(super) follow: bool,
    /// Only what came after this order number (`order` in --json)
    #[arg(long, value_name = "N")]
    pub(super) since: Option<u64>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: u32,
    /// Leave it unread
    #[arg(long)]
    pub(super) peek: bool,
    /// What was said in a group before you came, as its members tell it
    #[arg(long, conflicts_with_all = ["follow", "since"])]
    pub(super) past: bool,
}
/// `hubbub message`.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Message {
    /// How far it got, for each recipient
    Info {
        /// The message's id
        #[arg(value_parser = message_id)]
        id: MessageText,
    },
}

/// `hubbub backup`.
#[derive(Args, Clone, Debug)]
pub(super) struct Backup {
    /// The file to make; `-` for stdout
    pub(super) file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(super) force: bool,
    /// Read the backup's passphrase from this file's first line
    #[arg(long, value_name = "FILE")]
    pub(super) backup_passphrase_file: Option<PathBuf>,
}

/// `hubbub restore`.
#[derive(Args, Clone, Debug)]
pub(super) struct Restore {
    /// The backup; `-` for stdin
    pub(super) file: PathBuf,
    /// Only read it through: right passphrase, nothing missing, nothing damaged
    #[arg(long)]
    pub(super) verify: bool,
    /// Read the backup's passphrase from this file's first line
    #[arg(long, value_name = "FILE")]
    pub(super) backup_passphrase_file: Option<PathBuf>,
}

/// `hubbub passphrase`. The passphrases themselves are asked for, or come from files.
#[derive(Args, Clone, Debug)]
pub(super) struct Passphrase {
    /// Read the new passphrase from this file's first line
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    pub(super) new_passphrase_file: Option<PathBuf>,
    /// Take the lock off
    #[arg(long)]
    pub(super) remove: bool,
}

fn uses() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

fn message_id(text: &str) -> Result<MessageText, String> {
    MessageText::try_from(text.to_owned()).map_err(str::to_owned)
}

/// `10s`, `500ms`, `2m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    let wrong = || format!("\"{text}\" is no time; write 500ms, 10s, 2m or 1h");
    let n: u64 = digits.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(n),
        "" | "s" => n.checked_mul(1_000),
        "m" => n.checked_mul(60_000),
        "h" => n.checked_mul(3_600_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::api::Code;

    #[test]
    fn the_command_line_is_sound() {
        Typed::command().debug_assert();
    }

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("99999999999999999999h").is_err());
        assert!(duration("soon").is_err());
    }

    #[test]
    fn every_exit_code_is_documented() {
        let all = [
            Code::Usage,
            Code::NotFound,
            Code::Forbidden,
            Code::HubUnreachable,
            Code::WrongHub,
            Code::Invite,
            Code::Nickname,
            Code::Version,
            Code::Profile,
            Code::InUse,
            Code::Config,
            Code::Full,
            Code::TooFast,
            Code::Differs,
            Code::NotYetDelivered,
            Code::Interrupted,
            Code::Internal,
        ];
        for code in all {
            let line = format!("{:>2}  ", code.exit());
            assert!(EXIT_CODES.lines().any(|l| l.starts_with(&line)), "{code:?}");
        }
    }

    #[test]
    fn a_text_may_begin_with_a_dash() {
        let typed = Typed::try_parse_from(["hubbub", "send", "bob", "-v is a flag"]).unwrap();
        let Some(Verb::Send(send)) = typed.verb else { panic!("{typed:?}") };
        assert_eq!((send.text.as_str(), send.wait), ("-v is a flag", Wait::Stored));
    }
}
