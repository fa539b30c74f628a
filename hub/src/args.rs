//! The command line of `hubbub-hub`, as clap reads it. What the commands do stands in `cli`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use hubbub_shared::time::Millis;

/// Exit codes, also shown by `--help`.
const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 bad configuration · \
4 keys or store unusable · 5 cannot listen · 6 no hub is here, or it does not run · \
7 no such invite";

/// A Hubbub hub: introduces nodes, keeps sealed mailboxes, relays. It cannot read a word.
#[derive(Debug, Parser)]
#[command(name = "hubbub-hub", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Where the hub keeps its keys, its store and hub.toml [default: platform's data folder]
    #[arg(long, global = true, env = "HUBBUB_HUB_HOME", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Settings from this file instead of hub.toml in the hub's directory
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set one key, for example access.open=true
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make keys and hub.toml, and print an invite and the firewall's line
    Init(Init),
    /// Run the hub until ctrl-c or SIGTERM; works without `init`, too
    Run(Run),
    /// Make an invite, or list or revoke those there are
    Invite(Invite),
    /// Say how the running hub is doing
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Look whether hub, network, disk and clock are as they should be, and say what to change
    Check {
        /// As JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Show what the running hub relays, in its sealed form
    Log(Log),
    /// Show the settings in force and where each comes from
    Config {
        #[command(subcommand)]
        command: Config,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// How nodes reach this hub; the port defaults to the one listened on
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) address: Vec<String>,
    /// UDP address to listen on
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Admit whoever comes, without an invite
    #[arg(long)]
    pub(crate) open: bool,
    /// UDP address to listen on
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Invite {
    #[command(subcommand)]
    pub(crate) command: Option<Invites>,
    /// How many may join with it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) uses: Option<u32>,
    /// How long it holds, for example 90m, 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = Millis::parse)]
    pub(crate) expires: Option<Millis>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Invites {
    /// List the invites that have not ended, with their ids
    List {
        /// As JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Take an invite back: nobody else comes in with it; who did stays
    Revoke {
        /// Its id, from `hubbub-hub invite list`
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Log {
    /// Go on until interrupted
    #[arg(long, required = true)]
    pub(crate) follow: bool,
    /// Show the beginning of each sealed envelope in hex, too
    #[arg(long)]
    pub(crate) sealed: bool,
    /// As JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print every key with its value and origin
    Show,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_work_on_either_side_of_the_command() {
        let cli = Cli::try_parse_from(["hubbub-hub", "run", "--open", "--set", "log.level=debug"]);
        assert_eq!(cli.unwrap().sets, ["log.level=debug"]);
        let cli = Cli::try_parse_from(["hubbub-hub", "--dir", "/x", "invite", "--uses", "3"]);
        assert_eq!(cli.unwrap().dir, Some(PathBuf::from("/x")));
        assert!(Cli::try_parse_from(["hubbub-hub", "invite", "--uses", "0"]).is_err());
        assert!(Cli::try_parse_from(["hubbub-hub", "invite", "revoke"]).is_err());
    }
}
