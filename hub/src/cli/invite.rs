//! `hubbub-hub invite`: a link, its QR code and the hub's fingerprint.

use std::io::{self, IsTerminal as _, Write as _};

use hubbub_hub::invites::Held;
use hubbub_hub::{admin, invites, keys};
use hubbub_shared::id::HubId;
use hubbub_shared::invite;
use hubbub_shared::time::Millis;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::{Failure, Place, watch};
use crate::args::{Invite, Invites};

/// An invite as it is shown.
pub(super) struct Shown {
    link: String,
    id: String,
    fingerprint: String,
    uses: u32,
    ttl: Millis,
}

/// Makes an invite and prints it, or looks after those there are.
pub(super) async fn invite(place: Place, args: Invite) -> Result<(), Failure> {
    match args.command {
        Some(Invites::List { json }) => return list(&place, json).await,
        Some(Invites::Revoke { id }) => return revoke(&place, &id).await,
        None => {}
    }
    let shown = make(&place, args.uses, args.expires).await?;
    if !args.json {
        return print(&shown);
    }
    let json = serde_json::json!({
        "invite": shown.link,
        "id": shown.id,
        "fingerprint": shown.fingerprint,
        "uses": shown.uses,
        "expires_in_ms": shown.ttl.0,
    });
    writeln!(io::stdout(), "{json}")?;
    Ok(())
}

async fn list(place: &Place, json: bool) -> Result<(), Failure> {
    keys::load(&place.dir)?;
    let held = invites::list(&place.dir).await?;
    if held.is_empty() && !json {
        writeln!(io::stderr(), "No invite holds; `hubbub-hub invite` makes one.")?;
    }
    let mut out = io::stdout().lock();
    for Held { id, uses_left, ends, .. } in &held {
        if json {
            let line = serde_json::json!({ "id": id, "uses_left": uses_left, "ends": ends });
            writeln!(out, "{line}")?;
        } else {
            let left = if *uses_left == 0 { "used up".into() } else { format!("{uses_left} left") };
            writeln!(out, "{id}  {left:<12}  until {}", watch::local(*ends))?;
        }
    }
    Ok(())
}

async fn revoke(place: &Place, id: &str) -> Result<(), Failure> {
    keys::load(&place.dir)?;
    invites::revoke(&place.dir, id).await?;
    writeln!(io::stderr(), "Nobody comes in with {id} any more; who came in with it stays.")?;
    Ok(())
}

/// Makes an invite; what is not said comes from the settings.
pub(super) async fn make(
    place: &Place,
    uses: Option<u32>,
    ttl: Option<Millis>,
) -> Result<Shown, Failure> {
    let config = &place.effective.config;
    let uses = uses.unwrap_or(config.access.invite_uses);
    let ttl = ttl.unwrap_or(Millis::days(u64::from(config.access.invite_days)));
    let hub = keys::load(&place.dir)?.identity.hub_id();
    let listen = admin::listening(&place.dir).await?.unwrap_or(config.network.listen);
    let addresses = invites::addresses(&config.network, listen);
    check(&addresses)?;
    let token = invites::make(&place.dir, uses, ttl).await?;
    let link = invite::Invite::new(addresses, hub, Some(token))?.to_text();
    let id = invites::id(&token);
    Ok(Shown { link, id, fingerprint: invite::fingerprint(&hub), uses, ttl })
}

/// Whether an invite can name these addresses: asked before anything is made.
pub(super) fn check(addresses: &[String]) -> Result<(), Failure> {
    invite::Invite::new(addresses.to_vec(), HubId([0; HubId::LEN]), None)?;
    Ok(())
}

/// The link on stdout; the rest, for people, on stderr.
pub(super) fn print(shown: &Shown) -> Result<(), Failure> {
    let mut err = io::stderr().lock();
    if err.is_terminal()
        && let Ok(code) = QrCode::new(&shown.link)
    {
        writeln!(err, "{}", code.render::<Dense1x2>().quiet_zone(true).build())?;
    }
    let people = if shown.uses == 1 { "person" } else { "people" };
    let within = shown.ttl.in_words();
    writeln!(err, "An invite for {} {people} to join within {within}:", shown.uses)?;
    writeln!(io::stdout(), "{}", shown.link)?;
    writeln!(err, "The hub's fingerprint: {}", shown.fingerprint)?;
    writeln!(err, "To take it back: hubbub-hub invite revoke {}", shown.id)?;
    Ok(())
}
