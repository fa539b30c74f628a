//! `hubbub group`: found, fill, describe, leave.

use super::args::Group;
use super::out::{Done, Out};
use super::{join, open, render};
use crate::api::group::SettingsChange;
use crate::api::{Answer, Command, Node, Query, Reply};
use crate::display::{line, qr_lines};

/// Carries one of them out.
pub(super) async fn run(node: &dyn Node, args: Group, out: &mut Out) -> Done {
    match args {
        Group::Members { group } => members(node, group, out).await,
        Group::Invite { group, members } => {
            for member in members {
                let done = format!("{} is invited", line(&member));
                let command = Command::GroupInvite { group: group.clone(), member };
                tell(node, command, done, out).await?;
            }
            Ok(())
        }
        Group::New { name, members } => {
            let done = format!("#{} is founded", line(&name));
            tell(node, Command::GroupNew { name, members }, done, out).await
        }
        Group::Leave { group } => {
            let done = format!("you left {}", line(&group));
            tell(node, Command::GroupLeave { group }, done, out).await
        }
        Group::Remove { group, member } => {
            let done = format!("{} is removed", line(&member));
            tell(node, Command::GroupRemove { group, member }, done, out).await
        }
        Group::Role { group, member, role } => {
            let done = format!("{} is {} now", line(&member), crate::display::role(role.into()));
            tell(node, Command::GroupRole { group, member, role: role.into() }, done, out).await
        }
        Group::HandOver { group, member } => {
            let done = format!("{} owns {} now", line(&member), line(&group));
            tell(node, Command::GroupHandOver { group, member }, done, out).await
        }
        Group::Ban { group, member } => {
            let done = format!("{} is banned", line(&member));
            tell(node, Command::GroupBan { group, member }, done, out).await
        }
        Group::Unban { group, member } => {
            let done = format!("{} is not banned any more", line(&member));
            tell(node, Command::GroupUnban { group, member }, done, out).await
        }
        Group::Describe { group, name, topic } => {
            let done = format!("{} is described", line(&group));
            tell(node, Command::GroupDescribe { group, name, topic }, done, out).await
        }
        doors => by_doors(node, doors, out).await,
    }
}

/// What concerns the ways into a group.
async fn by_doors(node: &dyn Node, args: Group, out: &mut Out) -> Done {
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

async fn tell(node: &dyn Node, command: Command, done: String, out: &mut Out) -> Done {
    let reply: Reply = node.command(command).await?;
    out.result(&reply, |_, _| done)
}

async fn members(node: &dyn Node, group: String, out: &mut Out) -> Done {
    let Answer::Members(list) = node.query(Query::Members { group }).await? else {
        return Err(open::unexpected().into());
    };
    out.results(&list, render::members)
}
