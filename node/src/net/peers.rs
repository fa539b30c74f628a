//! Opening authenticated byte streams to other nodes: on a connection of the two where there is
//! one, or else spliced by the hub (PROTOCOL.md, Peer streams).
//!
//! Invariant: a stream is handed out only after both ends have proven their identities on the very
//! TLS session around it; the hub's word for who is at the other end is a hint. What waits for a
//! proof is bounded in number and in time. What is absent: any meaning of the bytes.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hubbub_shared::crypto::label::PEER_EXPORTER_LABEL;
use hubbub_shared::crypto::{Identity, peer_auth};
use hubbub_shared::id::NodeId;
use hubbub_shared::wire::RefusalCode;
use hubbub_shared::wire::stream::{
    PEER_HELLO, PeerHello, STREAM_ANSWER, STREAM_FROM, STREAM_OPEN, StreamAnswer, StreamFrom,
    StreamOpen,
};
use quinn::{Connection, RecvStream, SendStream};
use tokio::io::{AsyncWriteExt, Join, join};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::peer_stream::{Inside, PeerStream, abort, give_way, read, write};
use super::tls::{PeerTls, TlsError};

/// How long hub and peer together may take until both have proven themselves.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a peer may take to let one more stream onto a direct connection; then it goes through
/// the hub.
const DIRECTLY: Duration = Duration::from_secs(3);
/// Strangers' streams whose ends have not been proven yet; beyond it they are reset.
pub(super) const UNPROVEN: usize = 16;
/// Proven streams that nobody has taken yet; beyond it they are reset.
const WAITING: usize = 16;
/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no link to the hub.
    #[error("the hub is out of reach")]
    NoHub,
    /// The hub said why.
    #[error("the hub opens no stream there: {0:?}")]
    Refused(RefusalCode),
    /// It broke, or took too long.
    #[error("the way to the peer broke: {0}")]
    Broken(#[from] io::Error),
    /// Nothing came in time.
    #[error("the peer did not answer in time")]
    Silent,
    /// The other end is not who it should be.
    #[error("somebody else answered")]
    Stranger,
}

/// Opens streams to peers, over whatever connection to the hub there is.
pub struct Peers {
    me: Arc<Identity>,
    tls: PeerTls,
    hub: watch::Receiver<Option<Connection>>,
    /// Connections of our own with peers that have proven themselves.
    direct: Mutex<BTreeMap<NodeId, Connection>>,
    /// Whether anybody takes what peers open. While nobody does, nobody is answered.
    offered: AtomicBool,
}

impl Peers {
    pub(super) fn new(
        me: Arc<Identity>,
        hub: watch::Receiver<Option<Connection>>,
    ) -> Result<Self, TlsError> {
        let (direct, offered) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { me, tls: PeerTls::fresh()?, hub, direct, offered })
    }

    /// From now on somebody takes what peers open.
    pub fn offer(&self) {
        self.offered.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_offered(&self) -> bool {
        self.offered.load(Ordering::Relaxed)
    }

    /// From now on streams to a peer go over this connection, or through the hub.
    pub(super) fn go_by(&self, peer: NodeId, connection: Option<Connection>) {
        // Whoever panicked left a whole map behind.
        let mut direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        match connection {
            Some(connection) => drop(direct.insert(peer, connection)),
            None => drop(direct.remove(&peer)),
        }
    }

    fn direct_to(&self, peer: &NodeId) -> Option<Connection> {
        let direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        direct.get(peer).filter(|connection| connection.close_reason().is_none()).cloned()
    }

    /// Opens a stream to `peer`, who has to be connected to this node or to the hub.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was sent to anybody but the peer itself then.
    pub async fn open_stream(&self, peer: NodeId) -> Result<PeerStream, OpenError> {
        if let Some(direct) = self.direct_to(&peer)
            && let Ok(Ok(stream)) =
                tokio::time::timeout(DIRECTLY, self.open_on(&direct, peer)).await
        {
            return Ok(stream);
        }
        let hub = self.hub.borrow().clone().ok_or(OpenError::NoHub)?;
        let opened = tokio::time::timeout(PATIENCE, self.open_through(&hub, peer)).await;
        opened.map_err(|_| OpenError::Silent)?
    }

    /// The connection's ends are proven: who opens says so, and the bytes follow.
    async fn open_on(&self, direct: &Connection, peer: NodeId) -> io::Result<PeerStream> {
        let (mut send, recv) = direct.open_bi().await?;
        give_way(&send);
        write(&mut send, STREAM_FROM, &StreamFrom { from: self.me.id() }).await?;
        Ok(PeerStream::new(peer, Inside::Direct(join(recv, send))))
    }

    async fn open_through(&self, hub: &Connection, peer: NodeId) -> Result<PeerStream, OpenError> {
        let (mut send, mut recv) = hub.open_bi().await.map_err(io::Error::from)?;
        give_way(&send);
        write(&mut send, STREAM_OPEN, &StreamOpen { to: peer }).await?;
        let answer: StreamAnswer = read(&mut recv, STREAM_ANSWER).await?;
        if let Some(code) = answer.refused {
            return Err(OpenError::Refused(code));
        }
        let connector = TlsConnector::from(Arc::clone(&self.tls.opener));
        let inside = connector.connect(PeerTls::nobody(), join(recv, send)).await?;
        let stream = self.prove(TlsStream::Client(inside), Some(peer)).await?;
        Ok(stream)
    }

    /// Says who we are and learns who is there; only `wanted`, if anybody is.
    async fn prove(
        &self,
        mut inside: TlsStream<Join<RecvStream, SendStream>>,
        wanted: Option<NodeId>,
    ) -> Result<PeerStream, OpenError> {
        let exporter = exporter(&inside)?;
        let me = self.me.id();
        // The opener knows whom it means and speaks first: to nobody else would its proof be one.
        if let Some(peer) = wanted {
            self.hello(&mut inside, &peer, &exporter).await?;
        }
        let hello: PeerHello = read(&mut inside, PEER_HELLO).await?;
        let proven = peer_auth::check(&hello.node, &me, &exporter, &hello.proof).is_ok();
        if !proven || wanted.is_some_and(|peer| peer != hello.node) {
            return Err(OpenError::Stranger);
        }
        if wanted.is_none() {
            self.hello(&mut inside, &hello.node, &exporter).await?;
        }
        Ok(PeerStream::new(hello.node, Inside::Relayed(Box::new(inside))))
    }

    async fn hello(
        &self,
        inside: &mut TlsStream<Join<RecvStream, SendStream>>,
        peer: &NodeId,
        exporter: &[u8; 32],
    ) -> io::Result<()> {
        let proof = peer_auth::prove(&self.me, peer, exporter);
        let hello = PeerHello { node: self.me.id(), proof };
        write(inside, PEER_HELLO, &hello).await?;
        inside.flush().await
    }

    /// Takes the streams that others open to us on this connection, proves both ends, and hands
    /// them over. Ends with the connection.
    pub(super) async fn accept(self: Arc<Self>, hub: Connection, taken: mpsc::Sender<PeerStream>) {
        let mut unproven = JoinSet::new();
        while let Ok((mut send, mut recv)) = hub.accept_bi().await {
            while unproven.try_join_next().is_some() {}
            if unproven.len() >= UNPROVEN || !self.is_offered() {
                abort(&mut send, &mut recv);
                continue;
            }
            let (peers, taken) = (Arc::clone(&self), taken.clone());
            unproven.spawn(async move {
                match tokio::time::timeout(PATIENCE, peers.receive(send, recv)).await {
                    // Nobody takes streams fast enough: dropping this one resets it.
                    Ok(Ok(stream)) => drop(taken.try_send(stream)),
                    Ok(Err(error)) => tracing::debug!("a stream was not taken: {error}"),
                    Err(_) => tracing::debug!("a stream was not taken: too slow"),
                }
            });
        }
    }

    async fn receive(
        &self,
        send: SendStream,
        mut recv: RecvStream,
    ) -> Result<PeerStream, OpenError> {
        give_way(&send);
        let hint: StreamFrom = read(&mut recv, STREAM_FROM).await?;
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls.receiver));
        let inside = acceptor.accept(join(recv, send)).await?;
        let stream = self.prove(TlsStream::Server(inside), None).await?;
        if hint.from != stream.peer() {
            tracing::debug!("the hub named somebody else than who opened a stream");
        }
        Ok(stream)
    }
}

/// Streams that peers opened to us.
pub struct Incoming(mpsc::Receiver<PeerStream>);

impl Incoming {
    pub(super) fn channel() -> (mpsc::Sender<PeerStream>, Self) {
        let (send, recv) = mpsc::channel(WAITING);
        (send, Self(recv))
    }

    /// The next one; `None` when there will be none any more.
    pub async fn next(&mut self) -> Option<PeerStream> {
        self.0.recv().await
    }
}

fn exporter(inside: &TlsStream<Join<RecvStream, SendStream>>) -> io::Result<[u8; 32]> {
    let out = [0; 32];
    let made = match inside {
        TlsStream::Client(client) => {
            client.get_ref().1.export_keying_material(out, PEER_EXPORTER_LABEL, None)
        }
        TlsStream::Server(server) => {
            server.get_ref().1.export_keying_material(out, PEER_EXPORTER_LABEL, None)
        }
    };
    made.map_err(io::Error::other)
}
