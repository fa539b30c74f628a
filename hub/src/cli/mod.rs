//! What the commands of `hubbub-hub` do.
//!
//! Invariant: every failure says what to try, and has one of the documented exit codes.

mod check;
mod init;
mod invite;
mod log;
mod run;
mod signals;
mod watch;

use std::io::{self, Write as _};
use std::path::PathBuf;

use hubbub_hub::ServeError;
use hubbub_hub::config::{self, ConfigError, Effective};
use hubbub_hub::invites::InviteError;
use hubbub_hub::keys::KeyError;

use crate::args::{Cli, Command, Config};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log level's text.
    #[error("`log.level` cannot be {0}: write a level such as info, or part=level, by commas")]
    LogLevel(String),
    /// No place for data.
    #[error("this system names no data directory; choose one with --dir")]
    NoDirectory,
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Starting.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Inviting.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// The configured addresses.
    #[error("no invite can name these addresses: {0}")]
    Address(#[from] hubbub_shared::invite::InviteError),
    /// A command that needs a running hub.
    #[error("no hub is running on {0}; start it with `hubbub-hub run`")]
    NotRunning(PathBuf),
    /// `init` where a hub is.
    #[error("there is a hub in {0} already; `hubbub-hub invite` makes another invite for it")]
    Exists(PathBuf),
    /// What the running hub answered.
    #[error("the running hub said: {0}")]
    Refused(String),
    /// `check` found something.
    #[error("{0} of these lines say what is wrong")]
    Unwell(usize),
    /// Files and sockets.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Failure {
    /// The documented exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::LogLevel(_) | Self::Address(_) => 3,
            Self::Keys(KeyError::Missing(_)) | Self::NotRunning(_) => 6,
            Self::Invite(InviteError::Unknown(_)) => 7,
            Self::Keys(_)
            | Self::Exists(_)
            | Self::Invite(InviteError::Store(_))
            | Self::Serve(ServeError::Keys(_) | ServeError::Store { .. }) => 4,
            Self::Serve(ServeError::Listen { .. }) => 5,
            _ => 1,
        }
    }
}

/// What most commands need: where the hub lives, and its settings.
struct Place {
    dir: PathBuf,
    effective: Effective,
}

/// Carries out one command.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let dir = match cli.dir {
        Some(dir) => dir,
        None => directories::ProjectDirs::from("", "", "hubbub-hub")
            .map(|dirs| dirs.data_dir().to_owned())
            .ok_or(Failure::NoDirectory)?,
    };
    let usual = dir.join(config::FILE);
    let file = cli.config.or_else(|| usual.exists().then_some(usual));
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let place = Place { dir, effective: config::load(file.as_deref(), env, &cli.sets)? };
    match cli.command {
        Command::Init(args) => init::init(place, args).await,
        Command::Run(args) => run::run(place, args).await,
        Command::Invite(args) => invite::invite(place, args).await,
        Command::Status { json } => watch::status(&place.dir, json).await,
        Command::Check { json } => check::check(&place, json).await,
        Command::Log(args) => watch::follow(&place.dir, &args).await,
        Command::Config { command: Config::Show } => show(&place.effective),
    }
}

fn show(effective: &Effective) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for (key, (value, origin)) in &effective.origins {
        writeln!(out, "{:<40} # {origin}", format!("{key} = {value}"))?;
    }
    Ok(())
}
