//! `hubbub group`: found, fill, describe, leave.

use super::args::Group;
use super::out::{Done, Out};
use super::{open, render, ways};
use crate::api::{Answer, Command, Node, Query, Reply};
use crate::display::line;

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
        doors => ways::run(node, doors, out).await,
    }
}

pub(super) async fn tell(node: &dyn Node, command: Command, done: String, out: &mut Out) -> Done {
    let reply: Reply = node.command(command).await?;
    out.result(&reply, |_, _| done)
}

async fn members(node: &dyn Node, group: String, out: &mut Out) -> Done {
    let Answer::Members(list) = node.query(Query::Members { group }).await? else {
        return Err(open::unexpected().into());
    };
    out.results(&list, render::members)
}
