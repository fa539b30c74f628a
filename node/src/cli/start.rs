//! From the typed line to a verb, and from its outcome to an exit code.

use std::process::ExitCode;
use std::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use clap::error::ErrorKind;
use hubbub_shared::time::Timestamp;

use super::args::{Global, Typed, Verb};
use super::out::{Done, Failure, Out};
use super::render::Look;
use super::{
    backup, bridge, chat, file, group, invite, join, lists, manual, open, passphrase, people,
    profile, read, send, up, verify,
};
use crate::api::{ApiError, Code};
use crate::display::{Charset, Clock};

/// How long threads may take to end once all work is done: they have nothing left to do.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// The whole program: reads the command line, does it, says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let typed = match Typed::try_parse() {
        Ok(typed) => typed,
        Err(error) => return misunderstood(&error),
    };
    let look = look(typed.global.no_color);
    let mut out = Out::std(typed.global.json, typed.global.quiet, look);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let what = format!("cannot start: {error}");
            return ended(&mut out, Err(ApiError::new(Code::Internal, what, "").into()));
        }
    };
    let done = runtime.block_on(carry_out(typed, &mut out));
    // A read of stdin may still block a thread; it must not hold the exit up. All others have to be
    // gone: SQLCipher's OpenSSL cleans up at exit, and a thread that ends meanwhile crashes in it.
    runtime.shutdown_timeout(LAST_THREADS);
    ended(&mut out, done)
}

async fn carry_out(typed: Typed, out: &mut Out) -> Done {
    let global = typed.global;
    match typed.verb {
        None => chat::open_profile(&global, out).await,
        Some(Verb::Up(args)) => up::run(&global, args, out).await,
        Some(Verb::Join(args)) => join::run(&global, args, out).await,
        Some(Verb::Invite(args)) => invite::run(&global, &args, out).await,
        Some(Verb::Passphrase(args)) => passphrase::run(&global, args, out).await,
        Some(Verb::Backup(args)) => backup::make(&global, args, out).await,
        Some(Verb::Restore(args)) => backup::restore(&global, args, out).await,
        Some(Verb::Completions { shell }) => manual::completions(shell, out),
        Some(Verb::Man) => manual::page(out),
        Some(Verb::ExitCodes) => manual::exit_codes(out),
        Some(verb) => with_node(&global, verb, out).await,
    }
}

/// Verbs that need a running node: attached to, or opened for as long as this takes.
async fn with_node(global: &Global, verb: Verb, out: &mut Out) -> Done {
    let dir = open::profile_dir(global)?;
    if matches!(verb, Verb::Api) {
        // It runs as long as whoever speaks to it wants a node, and stderr is free.
        chat::log_to_stderr(global)?;
    }
    let opened = open::existing(global).await?;
    let node = &*opened.node;
    let done = match verb {
        Verb::Send(args) => send::run(node, args, out).await,
        Verb::Read(args) => read::run(node, args, out).await,
        Verb::Conversations => lists::conversations(node, out).await,
        Verb::Contacts => lists::contacts(node, out).await,
        Verb::Whoami => lists::whoami(node, out).await,
        Verb::Status => lists::status(node, out).await,
        Verb::Paths => lists::paths(node, out).await,
        Verb::Doctor => lists::doctor(node, out).await,
        Verb::SetStatus { text } => lists::set_status(node, text, out).await,
        Verb::Message(args) => lists::message(node, args, out).await,
        Verb::Verify(args) => verify::run(node, args, out).await,
        Verb::Group(args) => group::run(node, args, out).await,
        Verb::Requests { decision } => people::requests(node, decision, out).await,
        Verb::Block { contact } => people::block(node, contact, out).await,
        Verb::Unblock { contact } => people::unblock(node, contact, out).await,
        Verb::Contact(args) => people::contact(node, args, out).await,
        Verb::File(args) => file::run(node, args, &dir, out).await,
        Verb::Profile(args) => profile::run(node, args, out).await,
        Verb::Settings { setting } => profile::settings(node, setting, out).await,
        Verb::Api => bridge::run(&opened.owned).await,
        _ => Ok(()), // carried out above, without a node
    };
    opened.close().await;
    done
}

fn look(no_color: bool) -> Look {
    use std::io::IsTerminal;
    let set = |name| std::env::var(name).ok();
    let no_color = no_color || set("NO_COLOR").is_some_and(|value| !value.is_empty());
    let locale = [set("LC_ALL"), set("LC_CTYPE"), set("LANG")];
    Look {
        colour: !no_color && std::io::stdout().is_terminal(),
        charset: Charset::of_locale(locale.iter().map(Option::as_deref)),
        clock: Clock::local(),
        now: now(),
    }
}

/// This machine's time.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn ended(out: &mut Out, done: Done) -> ExitCode {
    match done {
        Ok(()) | Err(Failure::Gone) => ExitCode::SUCCESS,
        Err(Failure::Error(error)) => {
            out.error(&error);
            ExitCode::from(error.code.exit())
        }
    }
}

/// Help and version are no mistakes. A mistake is told in JSON to whoever asked for JSON.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let helped = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !helped && std::env::args().any(|arg| arg == "--json") {
        let what = error.to_string();
        let what = what.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        let error = ApiError::new(Code::Usage, what, "`hubbub help` lists the commands");
        return ended(&mut Out::std(true, false, look(true)), Err(error.into()));
    }
    error.print().unwrap_or_default(); // the exit code remains
    if helped { ExitCode::SUCCESS } else { ExitCode::from(Code::Usage.exit()) }
}
