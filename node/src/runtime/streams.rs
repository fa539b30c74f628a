//! Byte streams between this node and others, whichever way they go.

use std::sync::Arc;

use hubbub_shared::id::NodeId;
use tokio::sync::Mutex;

use crate::net::{HubLink, Incoming, OpenError, PeerStream, Peers};

/// Opens streams, and gives those that others open. Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    peers: Option<Arc<Peers>>,
    incoming: Arc<Mutex<Option<Incoming>>>,
}

impl Streams {
    /// The streams of a link; none where they were taken before.
    pub(super) fn of(link: &mut HubLink) -> Self {
        let (peers, incoming) = link.streams().unzip();
        Self { peers, incoming: Arc::new(Mutex::new(incoming)) }
    }

    /// Opens a stream to a peer: on the connection with it, or else through the hub.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(&self, peer: NodeId) -> Result<PeerStream, OpenError> {
        match &self.peers {
            Some(peers) => peers.open_stream(peer).await,
            None => Err(OpenError::NoHub),
        }
    }

    /// The next stream that a peer opened, whose identity is proven; whether it is welcome is up to
    /// the caller. Until somebody asks here, nobody is answered. `None` when the node has stopped.
    pub async fn next(&self) -> Option<PeerStream> {
        self.peers.as_ref()?.offer();
        self.incoming.lock().await.as_mut()?.next().await
    }
}
