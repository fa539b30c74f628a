//! `hubbub verify`: shows the safety number, and marks a contact verified when it was compared: by
//! the person, or here with what the other device shows.

use super::out::{Done, Out, is_terminal};
use super::people_args::Verify;
use super::{ask, open, render};
use crate::api::command::Shown;
use crate::api::{Answer, Command, Node, Query};
use crate::display::line;

/// Shows, asks, marks.
pub(super) async fn run(node: &dyn Node, args: Verify, out: &mut Out) -> Done {
    let shown = shown(&args);
    let contact = args.contact;
    if let Some(shown) = shown {
        let done = format!("it is the same: {} is verified", line(&contact));
        let reply = node.command(Command::Compare { contact, shown }).await?;
        return out.result(&reply, |_, _| done);
    }
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
        out.hint(
            "not marked; compare number or words by voice, then `hubbub verify <contact> --yes`, or \
             paste what the other device shows: --number, --words or --qr",
        );
        return Ok(());
    }
    node.command(Command::Verify { contact, verified: true }).await?;
    out.hint(&format!("{name} is verified"));
    Ok(())
}

/// What the other device shows, if it was given.
fn shown(args: &Verify) -> Option<Shown> {
    let number = args.number.clone().map(Shown::Number);
    number
        .or_else(|| args.words.clone().map(Shown::Words))
        .or_else(|| args.qr.clone().map(Shown::Qr))
}
