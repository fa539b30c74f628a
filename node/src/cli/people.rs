//! `hubbub requests`, `block`, `unblock` and `contact`: who may be heard, and who is who.

use super::out::{Done, Out};
use super::people_args::{Contact, Requests};
use super::{open, people_render as render};
use crate::api::{Answer, Command, Node, Query, Reply};
use crate::display::line;

/// `hubbub requests`.
pub(super) async fn requests(node: &dyn Node, args: Option<Requests>, out: &mut Out) -> Done {
    let (command, done) = match args {
        None => return list(node, out).await,
        Some(Requests::Accept { request }) => {
            let done = format!("accepted {}", line(&request));
            (Command::Accept { request }, done)
        }
        Some(Requests::Decline { request }) => {
            let done = format!("declined {}", line(&request));
            (Command::Decline { request }, done)
        }
        Some(Requests::Block { request }) => {
            let done = format!("blocked {}", line(&request));
            (Command::Block { contact: request }, done)
        }
    };
    tell(node, command, done, out).await
}

async fn list(node: &dyn Node, out: &mut Out) -> Done {
    let Answer::Requests(list) = node.query(Query::Requests).await? else {
        return Err(open::unexpected().into());
    };
    match list.as_slice() {
        [] => out.hint("nobody is waiting to be let in"),
        _ => out.hint("`hubbub requests accept|decline|block WHO` decides"),
    }
    out.results(&list, render::requests)
}

async fn tell(node: &dyn Node, command: Command, done: String, out: &mut Out) -> Done {
    let reply: Reply = node.command(command).await?;
    out.result(&reply, |_, _| done)
}

/// `hubbub block`; without a name, who is blocked.
pub(super) async fn block(node: &dyn Node, contact: Option<String>, out: &mut Out) -> Done {
    if let Some(contact) = contact {
        let done = format!("blocked {}", line(&contact));
        return tell(node, Command::Block { contact }, done, out).await;
    }
    let Answer::Blocked(list) = node.query(Query::Blocked).await? else {
        return Err(open::unexpected().into());
    };
    if list.is_empty() {
        out.hint("nobody is blocked");
    }
    out.results(&list, render::blocked)
}

/// `hubbub unblock`.
pub(super) async fn unblock(node: &dyn Node, contact: String, out: &mut Out) -> Done {
    let done = format!("{} is not blocked any more", line(&contact));
    tell(node, Command::Unblock { contact }, done, out).await
}

/// `hubbub contact`.
pub(super) async fn contact(node: &dyn Node, args: Contact, out: &mut Out) -> Done {
    let contact = match args {
        Contact::Info { contact } => contact,
        Contact::Add { contact } => {
            let done = format!("{} is a contact", line(&contact));
            return tell(node, Command::Open { to: contact }, done, out).await;
        }
    };
    let Answer::Contact(info) = node.query(Query::Contact { contact }).await? else {
        return Err(open::unexpected().into());
    };
    out.result(&*info, render::info)
}
