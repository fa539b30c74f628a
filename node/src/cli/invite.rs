//! `hubbub invite`: an invite to the hub this profile runs itself, whether it runs now or not.

use super::args::{Global, Invite};
use super::out::{Done, Out};
use super::{open, own_hub, up};
use crate::api::{ApiError, Code};
use crate::display::qr_lines;
use crate::runtime::profile;

/// Makes an invite and prints it.
pub(super) async fn run(global: &Global, args: &Invite, out: &mut Out) -> Done {
    let dir = open::profile_dir(global)?;
    let Some(hub) = own_hub::of(&dir) else {
        return Err(match profile::exists(&dir) {
            true => somebody_elses(),
            false => open::no_profile(&dir),
        }
        .into());
    };
    let card = up::invite(&hub, args.uses, args.expires).await?;
    let told = serde_json::json!({
        "invite": card.link,
        "fingerprint": card.fingerprint,
        "uses": args.uses,
        "expires_in_ms": args.expires.0,
    });
    out.result(&told, |_, _| card.link.clone())?;
    if args.qr && !out.json {
        let code = qr_lines(card.link.as_bytes(), out.look.charset).unwrap_or_default();
        out.line(&code.join("\n"))?;
    }
    let people = if args.uses == 1 { "one person" } else { "people" };
    let count = if args.uses == 1 { String::new() } else { format!("{} ", args.uses) };
    out.hint(&format!("It admits {count}{people} within {}.", args.expires.in_words()));
    out.hint(&format!("Hub's fingerprint, to compare: {}", card.fingerprint));
    if !up::is_running(&hub).await {
        out.hint("The hub does not run now: `hubbub` starts it.");
    }
    Ok(())
}

fn somebody_elses() -> ApiError {
    let what = "this profile runs no hub of its own: it joined somebody else's";
    ApiError::new(Code::Forbidden, what, "ask whoever runs the hub for an invite")
}
