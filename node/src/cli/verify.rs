//! `hubbub verify`: shows the safety number, and marks a contact verified when it was compared.

use super::args::Verify;
use super::out::{Done, Out, is_terminal};
use super::{ask, open, render};
use crate::api::{Answer, Command, Node, Query};
use crate::display::line;

/// Shows, asks, marks.
pub(super) async fn run(node: &dyn Node, args: Verify, out: &mut Out) -> Done {
    let contact = args.contact;
    if args.undo {
        let reply = node.command(Command::Verify { contact, verified: false }).await?;
        return out.result(&reply, |_, _| "not verified any more".to_owned());
    }
    let query = Query::Safety { contact: contact.clone() };
    let Answer::Safety(safety) = node.query(query).await? else {
        return Err(open::unexpected().into());
    };
    let name = line(&safety.person.name).into_owned();
    out.result(&safety, render::safety)?;
    if safety.person.verified {
        out.hint(&format!("{name} is verified already"));
        return Ok(());
    }
    let question = format!("Does {name} see the same number? [y/N] ");
    let can_ask = is_terminal() && !out.json;
    let equal = args.yes || (can_ask && ask::yes(&question).await?);
    if !equal {
        out.hint("not marked; compare the number by voice, then `hubbub verify <contact> --yes`");
        return Ok(());
    }
    node.command(Command::Verify { contact, verified: true }).await?;
    out.hint(&format!("{name} is verified"));
    Ok(())
}
