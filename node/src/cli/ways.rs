//! `hubbub group`, the ways in: links, passphrase, requests, settings.

use super::args::Group;
use super::group::tell;
use super::out::{Done, Out};
use super::{join, knock, open, render, secret};
use crate::api::group::SettingsChange;
use crate::api::secret::SecretText;
use crate::api::{Answer, Command, Node, Query, Reply};
use crate::display::{line, qr_lines};
use crate::runtime::profile;

/// Carries one of them out.
pub(super) async fn run(node: &dyn Node, args: Group, out: &mut Out) -> Done {
    match args {
        Group::Doors { group } => doors(node, group, out).await,
        Group::Set(set) => {
            let group = set.group.clone();
            let done = format!("{} is set", line(&group));
            let change = SettingsChange::from(set);
            tell(node, Command::GroupSet { group, change }, done, out).await
        }
        Group::Link { group, uses, expires, qr } => {
            let expires_in_ms = expires.0;
            let command = Command::GroupLink { group, uses, expires_in_ms };
            link(node, command, qr, out).await
        }
        Group::Unlink { group, link } => {
            let done = "the link is worthless now".to_owned();
            tell(node, Command::GroupUnlink { group, link }, done, out).await
        }
        Group::Join { link } => {
            let link = if link == "-" { join::from_stdin()? } else { link };
            let done = "you are in; `hubbub conversations` lists it".to_owned();
            tell(node, Command::GroupJoin { link }, done, out).await
        }
        Group::Passphrase { group, file, off } => passphrase(node, (group, file, off), out).await,
        asking => by_asking(node, asking, out).await,
    }
}

/// What concerns strangers who ask, there and here.
async fn by_asking(node: &dyn Node, args: Group, out: &mut Out) -> Done {
    match args {
        Group::Ask { room, note } => knock::run(node, (room, None, note), out).await,
        Group::Accept { group, member } => {
            let done = format!("{} is let in", line(&member));
            let command = Command::GroupDecide { group, member, accept: true };
            tell(node, command, done, out).await
        }
        Group::Decline { group, member } => {
            let done = format!("{} is turned away", line(&member));
            let command = Command::GroupDecide { group, member, accept: false };
            tell(node, command, done, out).await
        }
        Group::Knocks { stop: Some(room) } => {
            let done = format!("{} is given up", line(&room));
            tell(node, Command::GroupKnockStop { room }, done, out).await
        }
        Group::Knocks { stop: None } => {
            let Answer::Knocks(list) = node.query(Query::Knocks).await? else {
                return Err(open::unexpected().into());
            };
            out.results(&list, render::knocks)
        }
        _ => Err(open::unexpected().into()),
    }
}

async fn doors(node: &dyn Node, group: String, out: &mut Out) -> Done {
    let Answer::Doors(view) = node.query(Query::Doors { group }).await? else {
        return Err(open::unexpected().into());
    };
    out.result(&view, |view, look| crate::display::doors(view, &look.clock).join("\n"))
}

async fn link(node: &dyn Node, command: Command, qr: bool, out: &mut Out) -> Done {
    let reply = node.command(command).await?;
    let Reply::Link { link } = &reply else { return Err(open::unexpected().into()) };
    out.result(&reply, |_, _| link.clone())?;
    if qr && !out.json {
        let code = qr_lines(link.as_bytes(), out.look.charset).unwrap_or_default();
        out.line(&code.join("\n"))?;
    }
    out.hint("Whoever has this line can come in: hand it to those you mean, and to nobody else.");
    out.hint("They run `hubbub group join '<line>'`; a closed hub must have admitted them before.");
    Ok(())
}

/// Sets a passphrase, made up here when none is given: nobody chooses better ones.
async fn passphrase(
    node: &dyn Node,
    (group, file, off): (String, Option<std::path::PathBuf>, bool),
    out: &mut Out,
) -> Done {
    if off {
        let done = "nobody comes in by a passphrase any more".to_owned();
        return tell(node, Command::GroupPassphrase { group, passphrase: None }, done, out).await;
    }
    let made = file.is_none().then(profile::made_up_passphrase).transpose()?;
    let typed = match (&file, &made) {
        (Some(file), _) => secret::first_line(file)?,
        (None, Some(made)) => made.duplicate(),
        (None, None) => return Err(open::unexpected().into()),
    };
    let passphrase = Some(SecretText::new(typed));
    node.command(Command::GroupPassphrase { group: group.clone(), passphrase }).await?;
    let shown = made.as_ref().and_then(|made| core::str::from_utf8(made.expose()).ok());
    let told = serde_json::json!({ "group": group, "passphrase": shown });
    out.result(&told, |_, _| match shown {
        Some(made) => format!("passphrase: {made}"),
        None => "the passphrase is set".to_owned(),
    })?;
    out.hint("Whoever knows it comes in; `hubbub group set --public-name` says where to knock.");
    Ok(())
}
