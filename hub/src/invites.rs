//! Making invites, whether a hub runs or not, and what they say.
//!
//! Invariant: the token leaves only when its hash is durable, and the hash is all that is kept.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use hubbub_shared::crypto::blake3;
use hubbub_shared::time::Millis;

use crate::admin::{self, Reply, Request};
use crate::config::Network;
use crate::relay::Write;
use crate::serve::fresh_token;
use crate::server::now;
use crate::store::{EmbeddedStore, Store as _, StoreError};
use crate::tls::TlsError;

/// Folder of the store in a hub's directory.
const STORE: &str = "store";

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
    match admin::ask(dir, &Request::Invite { uses, ttl }).await? {
        Some(mut asked) => match asked.next().await? {
            Some(Reply::Invited { token }) => token_from(&token)
                .ok_or_else(|| InviteError::Refused("something that is no token".to_owned())),
            Some(Reply::Failed { why }) => Err(InviteError::Refused(why)),
            _ => Err(InviteError::Refused("nothing".to_owned())),
        },
        None => make_offline(dir, uses, ttl),
    }
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

/// The store in a hub's directory, made on first use.
pub(crate) fn open_store(dir: &Path) -> Result<EmbeddedStore, StoreError> {
    let id = fresh_token().map_err(|error| StoreError(error.to_string()))?;
    EmbeddedStore::open(&dir.join(STORE), id)
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
}
