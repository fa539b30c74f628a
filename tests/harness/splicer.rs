//! The least that joins two nodes on QUIC: what either opens is opened at the other, and a plain
//! loop copies.
//!
//! TLS, socket and transport as the hub has them, so that what a hub adds to a splice is the hub's.

#![allow(clippy::expect_used)] // a broken connection ends a test

use std::net::SocketAddr;
use std::sync::Arc;

use hubbub_hub::tls;
use hubbub_shared::crypto::Identity;
use hubbub_shared::id::HubId;
use quinn::{Connection, RecvStream, SendStream};

use crate::{echo, near};

/// Joined at once.
const STREAMS: u32 = 1;
/// What the loop copies at once.
const BUFFER: usize = 64 * 1024;

/// A splicer at work; it ends with the runtime.
pub struct Splicer {
    /// Where it listens.
    pub local_addr: SocketAddr,
    /// The key to pin.
    pub key: HubId,
}

impl Splicer {
    /// Listens on a free port of the loopback. Of the nodes that come, each odd one is joined with
    /// the next.
    ///
    /// # Panics
    /// When there is no port, or no TLS.
    #[must_use]
    pub fn listen(identity: &Identity) -> Self {
        let mut config = echo::config(identity);
        config.transport_config(Arc::new(tls::near_transport()));
        let endpoint = near::endpoint(Some(config));
        let local_addr = endpoint.local_addr().expect("an address");
        tokio::spawn(async move {
            let next = async || {
                let connection = endpoint.accept().await?.await.ok()?;
                tls::allow(&connection, STREAMS);
                tls::make_room(&connection, STREAMS);
                Some(connection)
            };
            while let (Some(one), Some(other)) = (next().await, next().await) {
                tokio::spawn(join(one.clone(), other.clone()));
                tokio::spawn(join(other, one));
            }
        });
        Self { local_addr, key: identity.hub_id() }
    }
}

/// Opens at `to` whatever `from` opens.
async fn join(from: Connection, to: Connection) {
    while let Ok((send, recv)) = from.accept_bi().await {
        let Ok((forth, back)) = to.open_bi().await else { break };
        tokio::spawn(copy(recv, forth));
        tokio::spawn(copy(back, send));
    }
}

async fn copy(mut recv: RecvStream, mut send: SendStream) -> Option<()> {
    let mut buffer = vec![0; BUFFER];
    while let Some(length) = recv.read(&mut buffer).await.ok()? {
        send.write_all(buffer.get(..length)?).await.ok()?;
    }
    send.finish().ok()
}
