//! `hubbub join`: from an invite to a chat.

use hubbub_shared::invite::{INVITE_MAX, Invite};
use hubbub_shared::nickname::Nickname;

use super::args::{Global, Join};
use super::out::{Done, Out, is_terminal};
use super::{ask, chat, knock, open, secret};
use crate::api::secret::SecretText;
use crate::api::{Answer, ApiError, Code, Command, Node, Query, Reply};
use crate::display::line;
use crate::runtime::profile;

/// Joins, asks for a nickname if there is none, and opens the chat.
pub(super) async fn run(global: &Global, args: Join, out: &mut Out) -> Done {
    if args.no_chat || !is_terminal() {
        chat::log_to_stderr(global)?;
    }
    let text = if args.invite == "-" { from_stdin()? } else { args.invite };
    if is_room(global, &text)? {
        return room(global, (text.trim().to_owned(), args.note), out).await;
    }
    let invite = Invite::parse(&text).map_err(|error| {
        ApiError::new(
            Code::Invite,
            error.to_string(),
            "one line that begins with hubbub://; whoever invited you has it",
        )
    })?;
    let fingerprint = hubbub_shared::invite::fingerprint(&invite.hub());
    let group = invite.group().map(|group| (group.to_text(), group.secret.is_some()));
    let opened = open::joined(global, invite).await?;
    let after = After { nick: args.nick, no_chat: args.no_chat, group, note: args.note };
    let done = after.run(&opened, (fingerprint, out)).await;
    opened.close().await;
    done
}

/// Whether this is the name of a group at the hub of a profile that is there, and no invite that
/// was mistyped.
fn is_room(global: &Global, text: &str) -> Result<bool, ApiError> {
    let name = text.trim().trim_start_matches('#');
    let named = Nickname::prepare(name).is_ok();
    Ok(named && profile::exists(&open::profile_dir(global)?))
}

/// Knocks at a group of the hub this profile is at, with its passphrase or without.
async fn room(global: &Global, (room, note): (String, String), out: &mut Out) -> Done {
    // Here the file holds the room's passphrase; one for the profile comes from elsewhere.
    let passphrase = global.passphrase_file.as_deref().map(secret::first_line).transpose()?;
    let global = Global { passphrase_file: None, ..global.clone() };
    let opened = open::existing(&global).await?;
    let passphrase = passphrase.map(SecretText::new);
    let done = knock::run(&*opened.node, (room, passphrase, note), out).await;
    opened.close().await;
    done
}

/// What follows once the hub is reached.
struct After {
    nick: Option<String>,
    no_chat: bool,
    /// The group the invite leads on to, and whether it lets one in.
    group: Option<(String, bool)>,
    note: String,
}

impl After {
    async fn run(self, opened: &open::Opened, told: (String, &mut Out)) -> Done {
        let Self { nick, no_chat, group, note } = self;
        let (fingerprint, out) = told;
        let node = &opened.node;
        let nickname = named(opened, nick, None).await?;
        match group {
            Some((link, true)) => {
                node.command(Command::GroupJoin { link }).await?;
            }
            Some((link, false)) => knock::run(&**node, (link, None, note), out).await?,
            None => {}
        }
        shown(node, (nickname, fingerprint), no_chat, out).await
    }
}

async fn shown(
    node: &std::sync::Arc<dyn Node>,
    (nickname, fingerprint): (String, String),
    no_chat: bool,
    out: &mut Out,
) -> Done {
    let joined = serde_json::json!({ "nickname": nickname, "fingerprint": fingerprint });
    if no_chat || !is_terminal() {
        let text = format!("joined as {}; hub's fingerprint: {fingerprint}", line(&nickname));
        out.result(&joined, |_, _| text)?;
    }
    match (no_chat, is_terminal()) {
        (true, _) => Ok(()),
        (false, true) => chat::show(node.clone(), None, out).await,
        (false, false) => chat::headless(node.clone(), out).await,
    }
}

/// As [`nickname`], once the hub is there to grant one. Why it is not is told before anything is
/// asked.
pub(super) async fn named(
    opened: &open::Opened,
    given: Option<String>,
    otherwise: Option<String>,
) -> Result<String, ApiError> {
    let node = &*opened.node;
    if given.is_some() || current(node).await?.is_none() {
        opened.owned.linked().await?;
    }
    nickname(node, given, otherwise).await
}

async fn current(node: &dyn Node) -> Result<Option<String>, ApiError> {
    match node.query(Query::Whoami).await? {
        Answer::Whoami(me) => Ok(me.nickname),
        _ => Err(open::unexpected()),
    }
}

/// Makes sure there is a nickname: the one given, the one there is, one asked for until the hub
/// grants it, or where nobody can be asked, this one.
pub(super) async fn nickname(
    node: &dyn Node,
    given: Option<String>,
    otherwise: Option<String>,
) -> Result<String, ApiError> {
    match (given, current(node).await?, otherwise) {
        (Some(nickname), ..) => claim(node, nickname).await,
        (None, Some(has), _) => Ok(has),
        (None, None, _) if is_terminal() => ask_until_granted(node).await,
        (None, None, Some(nickname)) => claim(node, nickname).await,
        (None, None, None) => {
            let hint = "give one with --nick";
            Err(ApiError::new(Code::Usage, "no nickname yet, and nobody to ask", hint))
        }
    }
}

async fn claim(node: &dyn Node, nickname: String) -> Result<String, ApiError> {
    match node.command(Command::SetNickname { nickname: nickname.clone() }).await? {
        Reply::Nickname { nickname } => Ok(nickname),
        _ => Ok(nickname),
    }
}

async fn ask_until_granted(node: &dyn Node) -> Result<String, ApiError> {
    loop {
        let nickname = ask::line("Your nickname: ").await?;
        match claim(node, nickname).await {
            Err(error) if error.code == Code::Nickname => {
                let words = format!("{}; {}", line(&error.what), line(&error.hint));
                // The prompt that follows says the same to a terminal that swallowed this.
                std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{words}\n"))
                    .unwrap_or_default();
            }
            outcome => return outcome,
        }
    }
}

pub(super) fn from_stdin() -> Result<String, ApiError> {
    use std::io::Read;
    let longest = u64::try_from(INVITE_MAX).unwrap_or(u64::MAX).saturating_mul(2);
    let mut text = String::new();
    std::io::stdin().lock().take(longest).read_to_string(&mut text).map_err(|error| {
        let what = format!("cannot read an invite from stdin: {error}");
        ApiError::new(Code::Usage, what, "pipe the invite in, or give it as an argument")
    })?;
    Ok(text)
}
