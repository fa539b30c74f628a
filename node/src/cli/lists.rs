//! The verbs that look something up and print it.

use super::args::Message;
use super::out::{Done, Out};
use super::{open, render};
use crate::api::{Answer, Command, Node, Query};

/// `hubbub conversations`.
pub(super) async fn conversations(node: &dyn Node, out: &mut Out) -> Done {
    let Answer::Conversations(list) = node.query(Query::Conversations).await? else {
        return Err(open::unexpected().into());
    };
    if list.is_empty() {
        out.hint("no conversations yet; `hubbub send <nickname> <text>` starts one");
    }
    if let Ok(Answer::Requests(waiting)) = node.query(Query::Requests).await
        && !waiting.is_empty()
    {
        out.hint(&format!("{} asking to be let in: `hubbub requests`", waiting.len()));
    }
    out.results(&list, render::conversations)
}

/// `hubbub contacts`.
pub(super) async fn contacts(node: &dyn Node, out: &mut Out) -> Done {
    let Answer::Contacts(list) = node.query(Query::Contacts).await? else {
        return Err(open::unexpected().into());
    };
    if list.is_empty() {
        out.hint("no contacts yet; whoever you write to or share a group with becomes one");
    }
    out.results(&list, render::contacts)
}

/// `hubbub whoami`.
pub(super) async fn whoami(node: &dyn Node, out: &mut Out) -> Done {
    let Answer::Whoami(me) = node.query(Query::Whoami).await? else {
        return Err(open::unexpected().into());
    };
    out.result(&me, render::whoami)
}

/// `hubbub status`.
pub(super) async fn status(node: &dyn Node, out: &mut Out) -> Done {
    let Answer::Status(status) = node.query(Query::Status).await? else {
        return Err(open::unexpected().into());
    };
    out.result(&status, render::status)
}

/// `hubbub paths`.
pub(super) async fn paths(node: &dyn Node, out: &mut Out) -> Done {
    let Answer::Paths(list) = node.query(Query::Paths).await? else {
        return Err(open::unexpected().into());
    };
    if list.is_empty() {
        out.hint("no contacts yet, and nobody else was heard from since this node started");
    }
    out.results(&list, render::paths)
}

/// `hubbub doctor`.
pub(super) async fn doctor(node: &dyn Node, out: &mut Out) -> Done {
    let Answer::Doctor(list) = node.query(Query::Doctor).await? else {
        return Err(open::unexpected().into());
    };
    out.results(&list, render::checks)
}

/// `hubbub set-status`.
pub(super) async fn set_status(node: &dyn Node, status: String, out: &mut Out) -> Done {
    let reply = node.command(Command::SetStatus { status }).await?;
    out.result(&reply, |_, _| "status set".to_owned())
}

/// `hubbub message info`.
pub(super) async fn message(node: &dyn Node, args: Message, out: &mut Out) -> Done {
    let Message::Info { id } = args;
    let answer = node.query(Query::MessageInfo { message: id }).await?;
    out.result(&answer, |answer, look| match answer {
        Answer::MessageInfo { message, recipients } => render::info(message, recipients, look),
        _ => String::new(),
    })
}
