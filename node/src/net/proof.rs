//! Making a connection with a peer: dialling it, taking its dial, and proving on the very TLS
//! session who is at both ends (PROTOCOL.md, Direct connections).
//!
//! Invariant: the dialler names itself only to whoever shows the certificate that the peer
//! announced; whoever is dialled names itself only to a peer that has proven to be one that may
//! know where this node is.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::crypto::label::PEER_EXPORTER_LABEL;
use hubbub_shared::crypto::{Identity, peer_auth};
use hubbub_shared::id::NodeId;
use hubbub_shared::wire::stream::{PEER_HELLO, PeerHello};
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, ServerConfig};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::direct::DirectInput;
use super::hub_link::LinkInput;
use super::peer_stream::{read, write};
use super::tls::ByDistance;

/// How long both ends may take to prove themselves once there is a connection.
const PROOF: Duration = Duration::from_secs(5);
/// How long a dial may take: what has not come about by then never does.
const DIAL: Duration = Duration::from_secs(4);

/// A connection whose other end is proven, and the stream for frames.
pub(super) struct Proven {
    pub(super) peer: NodeId,
    pub(super) dialled: bool,
    pub(super) connection: Connection,
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
}

/// Dials all addresses; the first that is the peer counts.
pub(super) async fn dial(
    (endpoint, configs): (Endpoint, ByDistance<ClientConfig>),
    me: Arc<Identity>,
    (peer, addresses): (NodeId, Vec<SocketAddr>),
) -> Option<Proven> {
    let mut tries = JoinSet::new();
    for address in addresses {
        let (endpoint, me) = (endpoint.clone(), Arc::clone(&me));
        let config = configs.to(address.ip()).clone();
        tries.spawn(async move {
            let connecting = endpoint.connect_with(config, address, "peer.invalid");
            let connection = connecting.map_err(io::Error::other)?.await?;
            let proven = tokio::time::timeout(PROOF, prove(&connection, &me, peer)).await;
            let (send, recv) = proven.map_err(|_| io::ErrorKind::TimedOut)??;
            Ok::<_, io::Error>(Proven { peer, dialled: true, connection, send, recv })
        });
    }
    let first = async {
        while let Some(tried) = tries.join_next().await {
            match tried {
                Ok(Ok(proven)) => return Some(proven),
                Ok(Err(error)) => tracing::trace!("an address of a peer did not answer: {error}"),
                Err(error) => tracing::debug!("a dial ended badly: {error}"),
            }
        }
        None
    };
    // The others are dropped, and closed with that.
    tokio::time::timeout(DIAL, first).await.ok().flatten()
}

/// The dialler opens the stream for frames and speaks first: it knows whom it means.
async fn prove(
    connection: &Connection,
    me: &Identity,
    peer: NodeId,
) -> io::Result<(SendStream, RecvStream)> {
    let exporter = exporter(connection)?;
    let (mut send, mut recv) = connection.open_bi().await?;
    write(&mut send, PEER_HELLO, &hello(me, &peer, &exporter)).await?;
    let theirs: PeerHello = read(&mut recv, PEER_HELLO).await?;
    let proven = peer_auth::check(&theirs.node, &me.id(), &exporter, &theirs.proof).is_ok();
    if !proven || theirs.node != peer {
        return Err(io::Error::other("somebody else answered"));
    }
    Ok((send, recv))
}

/// Takes somebody's dial, if it is a peer that is let in.
///
/// # Errors
/// With the reason, for the log, when it is none.
pub(super) async fn receive(
    incoming: (quinn::Incoming, Arc<ServerConfig>),
    me: &Identity,
    door: &mpsc::Sender<LinkInput>,
) -> io::Result<Proven> {
    let taken = tokio::time::timeout(PROOF, take(incoming, me, door)).await;
    taken.map_err(|_| io::ErrorKind::TimedOut)?
}

async fn take(
    (incoming, config): (quinn::Incoming, Arc<ServerConfig>),
    me: &Identity,
    door: &mpsc::Sender<LinkInput>,
) -> io::Result<Proven> {
    let connection = incoming.accept_with(config).map_err(io::Error::other)?.await?;
    let exporter = exporter(&connection)?;
    let (mut send, mut recv) = connection.accept_bi().await?;
    let theirs: PeerHello = read(&mut recv, PEER_HELLO).await?;
    let peer = theirs.node;
    if peer_auth::check(&peer, &me.id(), &exporter, &theirs.proof).is_err() {
        return Err(io::Error::other("the proof does not hold"));
    }
    if !may_come_in(peer, door).await {
        return Err(io::Error::other("it may not know where this node is"));
    }
    write(&mut send, PEER_HELLO, &hello(me, &peer, &exporter)).await?;
    Ok(Proven { peer, dialled: false, connection, send, recv })
}

/// Nobody who knows: no.
async fn may_come_in(peer: NodeId, door: &mpsc::Sender<LinkInput>) -> bool {
    let (answer, answered) = oneshot::channel();
    let knock = LinkInput::Direct(DirectInput::Knock(peer, answer));
    door.send(knock).await.is_ok() && answered.await.unwrap_or(false)
}

fn hello(me: &Identity, peer: &NodeId, exporter: &[u8; 32]) -> PeerHello {
    PeerHello { node: me.id(), proof: peer_auth::prove(me, peer, exporter) }
}

fn exporter(connection: &Connection) -> io::Result<[u8; 32]> {
    let mut out = [0; 32];
    connection
        .export_keying_material(&mut out, PEER_EXPORTER_LABEL, b"")
        .map_err(|_| io::Error::other("no keys could be derived from it"))?;
    Ok(out)
}
