//! `hubbub-hub invite`: a link, its QR code and the hub's fingerprint.

use std::io::{self, IsTerminal as _, Write as _};

use hubbub_hub::{invites, keys};
use hubbub_shared::id::HubId;
use hubbub_shared::invite;
use hubbub_shared::time::Millis;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::{Failure, Place, watch};
use crate::args::Invite;

/// An invite as it is shown.
pub(super) struct Shown {
    link: String,
    fingerprint: String,
    uses: u32,
    ttl: Millis,
}

/// Makes an invite and prints it.
pub(super) async fn invite(place: Place, args: &Invite) -> Result<(), Failure> {
    let shown = make(&place, args.uses, args.expires).await?;
    if !args.json {
        return print(&shown);
    }
    let json = serde_json::json!({
        "invite": shown.link,
        "fingerprint": shown.fingerprint,
        "uses": shown.uses,
        "expires_in_ms": shown.ttl.0,
    });
    writeln!(io::stdout(), "{json}")?;
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
    let hub = keys::load_or_create(&place.dir)?.identity.hub_id();
    let listen = watch::listening(&place.dir).await?.unwrap_or(config.network.listen);
    let addresses = invites::addresses(&config.network, listen);
    check(&addresses)?;
    let token = invites::make(&place.dir, uses, ttl).await?;
    let link = invite::Invite::new(addresses, hub, Some(token))?.to_text();
    Ok(Shown { link, fingerprint: invite::fingerprint(&hub), uses, ttl })
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
    let days = shown.ttl.0.div_ceil(Millis::days(1).0);
    writeln!(err, "An invite for {} to join within {days} days:", shown.uses)?;
    writeln!(io::stdout(), "{}", shown.link)?;
    writeln!(err, "The hub's fingerprint: {}", shown.fingerprint)?;
    Ok(())
}
