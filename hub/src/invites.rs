//! Making, listing and revoking invites, whether a hub runs or not, and what they say.
//!
//! Invariant: the token leaves only when its hash is durable, and the hash is all that is kept.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hubbub_shared::crypto::blake3;
use hubbub_shared::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

use crate::admin::{self, Reply, Request};
use crate::config::Network;
use crate::keys::private_dir;
use crate::relay::Write;
use crate::serve::fresh_token;
use crate::server::now;
use crate::store::{EmbeddedStore, Store as _, StoreError};
use crate::tls::TlsError;

/// Folder of the store in a hub's directory.
const STORE: &str = "store";

/// Hex digits of an invite's id: the beginning of its token's hash.
const ID_DIGITS: usize = 12;

/// An invite as the operator sees it: never its token, which nobody keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Names it: the beginning of its token's hash.
    pub id: String,
    /// How many may still come in with it.
    pub uses_left: u32,
    /// When it ends, in milliseconds since the Unix epoch.
    pub ends: Timestamp,
    #[serde(skip)]
    token_hash: [u8; 32],
}

impl Held {
    /// Those that have not ended, the first to end first.
    pub(crate) fn all(held: Vec<([u8; 32], u32, Timestamp)>, now: Timestamp) -> Vec<Self> {
        let lasting = held.into_iter().filter(|(.., ends)| *ends > now);
        let mut all: Vec<Self> = lasting
            .map(|(token_hash, uses_left, ends)| Self {
                id: id_of(&token_hash),
                uses_left,
                ends,
                token_hash,
            })
            .collect();
        all.sort_by(|a, b| a.ends.cmp(&b.ends).then_with(|| a.id.cmp(&b.id)));
        all
    }

    /// The token's hash of the one called `id`.
    pub(crate) fn named(all: &[Self], id: &str) -> Option<[u8; 32]> {
        all.iter().find(|held| held.id.eq_ignore_ascii_case(id)).map(|held| held.token_hash)
    }
}

/// What the operator calls an invite.
fn id_of(token_hash: &[u8; 32]) -> String {
    let mut id = HEXLOWER.encode(token_hash);
    id.truncate(ID_DIGITS);
    id
}

/// What the operator calls the invite with this token.
#[must_use]
pub fn id(token: &[u8; 16]) -> String {
    id_of(&blake3(token).0)
}

/// An invite could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// The running hub could not be asked.
    #[error("cannot ask the running hub: {0}")]
    Socket(#[from] std::io::Error),
    /// The running hub refused.
    #[error("the running hub said: {0}")]
    Refused(String),
    /// No hub answers, and its store cannot be used either.
    #[error("{0}; if a hub runs there, its operator's socket does not answer: restart it")]
    Store(#[from] StoreError),
    /// No invite of that id.
    #[error("no invite is called {0}; `hubbub-hub invite list` shows those there are")]
    Unknown(String),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] TlsError),
}

/// Makes an invite for `uses` identities, holding for `ttl`, at the hub in `dir`: through its
/// socket when it runs, in its store when it does not. Returns the token once it is durable.
///
/// # Errors
/// [`InviteError`].
pub async fn make(dir: &Path, uses: u32, ttl: Millis) -> Result<[u8; 16], InviteError> {
    match ask(dir, &Request::Invite { uses, ttl }).await? {
        Some(Reply::Invited { token }) => token_from(&token)
            .ok_or_else(|| InviteError::Refused("something that is no token".to_owned())),
        Some(_) => Err(misfit()),
        None => make_offline(dir, uses, ttl),
    }
}

/// The invites of the hub in `dir` that have not ended, the first to end first.
///
/// # Errors
/// [`InviteError`].
pub async fn list(dir: &Path) -> Result<Vec<Held>, InviteError> {
    match ask(dir, &Request::Invites).await? {
        Some(Reply::Invites { invites }) => Ok(invites),
        Some(_) => Err(misfit()),
        None => Ok(Held::all(open_store(dir)?.load()?.invites, now())),
    }
}

/// Takes an invite of the hub in `dir` back; who came in with it stays.
///
/// # Errors
/// [`InviteError`]; [`InviteError::Unknown`] when there is none of that id.
pub async fn revoke(dir: &Path, id: &str) -> Result<(), InviteError> {
    let found = match ask(dir, &Request::Revoke { id: id.to_owned() }).await? {
        Some(Reply::Revoked { found }) => found,
        Some(_) => return Err(misfit()),
        None => revoke_offline(dir, id)?,
    };
    if found { Ok(()) } else { Err(InviteError::Unknown(id.to_owned())) }
}

/// What the running hub answers; `None` when none runs.
async fn ask(dir: &Path, request: &Request) -> Result<Option<Reply>, InviteError> {
    let Some(mut asked) = admin::ask(dir, request).await? else { return Ok(None) };
    match asked.next().await? {
        Some(Reply::Failed { why }) => Err(InviteError::Refused(why)),
        Some(reply) => Ok(Some(reply)),
        None => Err(InviteError::Refused("nothing".to_owned())),
    }
}

fn misfit() -> InviteError {
    InviteError::Refused("something else than was asked".to_owned())
}

fn token_from(hex: &str) -> Option<[u8; 16]> {
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
}

fn make_offline(dir: &Path, uses: u32, ttl: Millis) -> Result<[u8; 16], InviteError> {
    let token = fresh_token()?;
    let token_hash = blake3(&token).0;
    let mut store = open_store(dir)?;
    store.commit(&[Write::Invite { token_hash, left: Some((uses, now() + ttl)) }])?;
    Ok(token)
}

fn revoke_offline(dir: &Path, id: &str) -> Result<bool, InviteError> {
    let mut store = open_store(dir)?;
    let held = Held::all(store.load()?.invites, now());
    let Some(token_hash) = Held::named(&held, id) else { return Ok(false) };
    store.commit(&[Write::Invite { token_hash, left: None }])?;
    Ok(true)
}

/// The store in a hub's directory, made on first use.
pub(crate) fn open_store(dir: &Path) -> Result<EmbeddedStore, StoreError> {
    let id = fresh_token().map_err(|error| StoreError(error.to_string()))?;
    let folder = dir.join(STORE);
    // The directory around it may be older than the hub and open to others.
    private_dir(&folder).map_err(|error| StoreError(error.to_string()))?;
    EmbeddedStore::open(&folder, id)
}

/// The addresses invites name: the configured ones, or this machine's own, with the port.
#[must_use]
pub fn addresses(network: &Network, listen: SocketAddr) -> Vec<String> {
    if !network.addresses.is_empty() {
        let named = network.addresses.iter();
        return named.map(|address| with_port(address, listen.port())).collect();
    }
    let ip = if listen.ip().is_unspecified() { own_address() } else { listen.ip() };
    vec![SocketAddr::new(ip, listen.port()).to_string()]
}

/// Adds the port where an address names none.
fn with_port(address: &str, port: u16) -> String {
    let bare = match address.parse::<IpAddr>() {
        Ok(ip) => return SocketAddr::new(ip, port).to_string(),
        Err(_) => address.parse::<SocketAddr>().is_err() && !address.contains(':'),
    };
    if bare { format!("{address}:{port}") } else { address.to_owned() }
}

/// The address this machine would use to reach others. Asking the routing table sends nothing; the
/// address asked about is reserved for documentation.
fn own_address() -> IpAddr {
    let ask = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    ask().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_port_gets_the_port_listened_on() {
        assert_eq!(with_port("chat.example.org", 4433), "chat.example.org:4433");
        assert_eq!(with_port("chat.example.org:1", 4433), "chat.example.org:1");
        assert_eq!(with_port("2001:db8::1", 4433), "[2001:db8::1]:4433");
        assert_eq!(with_port("[2001:db8::1]:5", 4433), "[2001:db8::1]:5");
    }

    #[test]
    fn a_hub_that_listens_everywhere_names_an_address_one_can_reach() {
        let listen = SocketAddr::from(([0, 0, 0, 0], 4433));
        let network = Network { listen, addresses: Vec::new() };
        let named: SocketAddr = addresses(&network, listen)[0].parse().unwrap();
        assert!(!named.ip().is_unspecified());
        assert_eq!(named.port(), 4433);
    }

    #[cfg(unix)]
    #[test]
    fn the_store_is_for_its_owner_alone_also_in_a_directory_everybody_may_enter() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        drop(open_store(dir.path()).unwrap());
        let mode = std::fs::metadata(dir.path().join(STORE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
