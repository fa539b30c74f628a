//! `hubbub up`: a hub in this process, joined, with an invite for everybody else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use hubbub_hub::config::{Files, Limits};
use hubbub_hub::{Running, ServeError, ServeOptions, admin, invites, keys, serve};
use hubbub_shared::id::HubId;
use hubbub_shared::invite::{Invite, fingerprint};
use hubbub_shared::time::Millis;

use super::args::{Global, Up};
use super::out::{Done, Out, is_terminal};
use super::{chat, join, open, own_hub, render};
use crate::api::{ApiError, Code};
use crate::tui::InviteCard;

/// The port invites name unless told otherwise.
const PORT: u16 = 4433;
/// How many the invite admits that a chat beside its own hub shows.
pub(super) const UP_USES: u32 = 100;
/// And for how long.
pub(super) const UP_FOR: Millis = Millis::days(30);

/// Starts, joins, prints the invite, shows the chat; stops the hub on the way out.
pub(super) async fn run(global: &Global, args: Up, out: &mut Out) -> Done {
    if open::is_running(global).await? {
        let hint = "`hubbub` opens its chat, `hubbub status` shows the link; or stop it first";
        return Err(ApiError::new(Code::InUse, "this profile is running already", hint).into());
    }
    if args.no_chat || !is_terminal() {
        chat::log_to_stderr(global)?;
    }
    let dir = match &args.data {
        Some(dir) => dir.clone(),
        None => own_hub::usual(&open::profile_dir(global)?),
    };
    let hub = start(&dir, &args).await?;
    let done = with_hub(global, args, (&hub, &dir), out).await;
    hub.stop().await;
    done
}

async fn start(dir: &Path, args: &Up) -> Result<Running, ApiError> {
    let listen = args.listen.or_else(|| own_hub::listen(dir));
    let hub = listen_on(dir.to_owned(), listen, args).await?;
    if args.listen.is_some() {
        own_hub::keep_listen(dir, hub.local_addr)?;
    }
    if !args.address.is_empty() {
        own_hub::keep_addresses(dir, &args.address)?;
    }
    Ok(hub)
}

async fn listen_on(
    dir: PathBuf,
    listen: Option<SocketAddr>,
    args: &Up,
) -> Result<Running, ApiError> {
    let options = |listen| ServeOptions {
        dir: dir.clone(),
        listen,
        open: args.open,
        limits: Limits::default(),
        files: Files::default(),
    };
    let wanted = listen.unwrap_or_else(|| (Ipv6Addr::UNSPECIFIED, PORT).into());
    let started = match serve(options(wanted)).await {
        // Not every machine has IPv6.
        Err(_) if listen.is_none() => serve(options((Ipv4Addr::UNSPECIFIED, PORT).into())).await,
        started => started,
    };
    started.map_err(|error| not_started(&error))
}

fn not_started(error: &ServeError) -> ApiError {
    let (code, hint) = match error {
        ServeError::Listen { .. } => {
            (Code::HubUnreachable, "is another one running? try --listen [::]:4434")
        }
        ServeError::Keys(_) => (Code::Profile, "put back a copy of the hub's directory"),
        ServeError::Store { .. } => (Code::Profile, "stop the other one, or look at the disk"),
        ServeError::Files { .. } => (Code::Profile, "look at the disk the hub writes to"),
        ServeError::Tls(_) => (Code::Internal, "please report this"),
    };
    ApiError::new(code, format!("the hub does not start: {error}"), hint)
}

async fn with_hub(global: &Global, args: Up, (hub, dir): (&Running, &Path), out: &mut Out) -> Done {
    let token = hub.make_invite(args.uses, UP_FOR).await.map_err(|error| {
        ApiError::new(Code::Full, error.to_string(), "look at the disk the hub writes to")
    })?;
    let invite = link_to(hub.hub, addresses(dir, hub.local_addr), token)?;
    let card = card(&invite);
    let opened = open::joined(global, invite).await?;
    if args.data.is_some() {
        own_hub::keep(&open::profile_dir(global)?, dir)?;
    }
    let done = talk(&opened, args.nick, args.no_chat, (card, out)).await;
    opened.close().await;
    done
}

/// Whether the hub in `dir` runs, in whatever process.
pub(super) async fn is_running(dir: &Path) -> bool {
    matches!(admin::listening(dir).await, Ok(Some(_)))
}

/// Makes an invite to the hub in `dir`, in whatever process it runs, or while it does not.
pub(super) async fn invite(dir: &Path, uses: u32, hold: Millis) -> Result<InviteCard, ApiError> {
    let keys = keys::load(dir).map_err(|error| {
        ApiError::new(Code::Profile, error.to_string(), "put back a copy of the hub's directory")
    })?;
    // One that does not answer is found out right below.
    let running = admin::listening(dir).await.unwrap_or_default();
    let usual = || (Ipv6Addr::UNSPECIFIED, PORT).into();
    let listen = running.or_else(|| own_hub::listen(dir)).unwrap_or_else(usual);
    let hub = keys.identity.hub_id();
    let addresses = addresses(dir, listen);
    let token = invites::make(dir, uses, hold).await.map_err(|error| {
        let hint = "is the disk full? else stop the hub and start it again";
        ApiError::new(Code::Full, error.to_string(), hint)
    })?;
    link_to(hub, addresses, token).map(|invite| card(&invite))
}

fn link_to(hub: HubId, addresses: Vec<String>, token: [u8; 16]) -> Result<Invite, ApiError> {
    Invite::new(addresses, hub, Some(token)).map_err(|error| {
        ApiError::new(Code::Usage, error.to_string(), "give `hubbub up` --address HOST:PORT")
    })
}

fn card(invite: &Invite) -> InviteCard {
    InviteCard { link: invite.to_text(), fingerprint: fingerprint(&invite.hub()) }
}

async fn talk(
    opened: &open::Opened,
    nick: Option<String>,
    no_chat: bool,
    (card, out): (InviteCard, &mut Out),
) -> Done {
    let show = is_terminal() && !no_chat && !out.json;
    // Scripts wait for the invite: it comes first, and the nickname never holds it up.
    let told = serde_json::json!({ "invite": card.link, "fingerprint": card.fingerprint });
    out.result(&told, |_, _| card.link.clone())?;
    let text = render::invite_card(&card.link, &card.fingerprint, &out.look);
    out.hint(&text);
    join::named(opened, nick, user_name()).await?;
    if show {
        chat::show(opened.node.clone(), Some(card), out).await
    } else {
        chat::headless(opened.node.clone(), out).await
    }
}

/// What this machine calls whoever runs this: better than refusing to start.
fn user_name() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("USER").or_else(|| set("LOGNAME")).or_else(|| Some("host".to_owned()))
}

/// How others may reach the hub in `dir`: as it was said, or as this machine sees it.
fn addresses(dir: &Path, listen: SocketAddr) -> Vec<String> {
    let said = own_hub::addresses(dir);
    if said.is_empty() { own_addresses(listen) } else { said }
}

/// How others may reach a hub listening there: on every address, by the one this machine talks to
/// the world from, and by loopback for a second node beside it.
fn own_addresses(listen: SocketAddr) -> Vec<String> {
    if !listen.ip().is_unspecified() {
        return vec![listen.to_string()];
    }
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut all: Vec<IpAddr> = own_address().into_iter().collect();
    all.push(loopback);
    all.dedup();
    all.into_iter().map(|ip| SocketAddr::new(ip, listen.port()).to_string()).collect()
}

/// The address of the interface the default route leaves by. Nothing is sent: connecting a UDP
/// socket only asks the routing table, here for an address reserved for documents.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_named_outright_is_the_only_one_in_the_invite() {
        assert_eq!(own_addresses(([127, 0, 0, 1], 7000).into()), ["127.0.0.1:7000"]);
    }

    #[test]
    fn listening_everywhere_names_real_addresses_with_the_port() {
        let all = own_addresses(([0, 0, 0, 0], 7000).into());
        assert!(all.contains(&"127.0.0.1:7000".to_owned()), "{all:?}");
        assert!(all.iter().all(|a| a.ends_with(":7000") && !a.starts_with("0.0.0.0")), "{all:?}");
    }
}
