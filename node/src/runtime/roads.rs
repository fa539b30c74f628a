//! The ways files take: streams to peers and to the hub's cache, and those that peers open.
//!
//! Invariant: nobody takes one of the few places of those who are served before the engine has said
//! that they may ask at all.

use std::io;
use std::sync::Arc;

use hubbub_shared::id::{BlobId, NodeId};
use hubbub_shared::wire::RefusalCode;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::movers::Wanted;
use crate::net::{FilesError, HubFiles, Incoming, OpenError, Peers};
use crate::transfer::serve::May;
use crate::transfer::streams::{CROWDED, Opened, Opening, Streams};

/// Streams of which it is asked at once whether their peers may ask for anything; the others wait
/// with the link. The loop answers within a turn.
const ADMITTING: usize = 8;

/// Opens streams over the link.
pub(super) struct Roads {
    peers: Arc<Peers>,
    hub: HubFiles,
}

impl Roads {
    pub(super) fn new(peers: Arc<Peers>, hub: HubFiles) -> Self {
        Self { peers, hub }
    }
}

impl Streams for Roads {
    fn open(&self, peer: NodeId) -> Opening<'_> {
        Box::pin(async move {
            let stream = self.peers.open_stream(peer).await.map_err(|error| match &error {
                OpenError::Refused(RefusalCode::TooFast) => io::Error::new(CROWDED, error),
                _ => io::Error::other(error),
            })?;
            Ok(Opened { direct: stream.is_direct(), way: Box::new(stream) })
        })
    }

    fn open_hub(&self) -> Opening<'_> {
        Box::pin(async move {
            let stream = self.hub.open().await.map_err(|error| match &error {
                FilesError::NotNow(RefusalCode::TooFast) => io::Error::new(CROWDED, error),
                _ => io::Error::other(error),
            })?;
            Ok(Opened { direct: false, way: Box::new(stream) })
        })
    }
}

/// Hands the streams that peers open to whoever serves files, as long as the link is there.
pub(super) async fn let_in(peers: Arc<Peers>, mut incoming: Incoming, mut keeper: Doorkeeper) {
    peers.offer();
    while let Some(stream) = incoming.next().await {
        let (peer, direct) = (stream.peer(), stream.is_direct());
        keeper.answer(peer, Opened { way: Box::new(stream), direct }).await;
    }
}

/// Lets in whoever may ask for anything; the streams of all others end without a word.
pub(super) struct Doorkeeper {
    ask: mpsc::Sender<Wanted>,
    serve: Arc<dyn Fn(NodeId, Opened) + Send + Sync>,
    asking: JoinSet<()>,
}

impl Doorkeeper {
    pub(super) fn new(
        ask: mpsc::Sender<Wanted>,
        serve: impl Fn(NodeId, Opened) + Send + Sync + 'static,
    ) -> Self {
        Self { ask, serve: Arc::new(serve), asking: JoinSet::new() }
    }

    /// Somebody is at the door. Waits only while too many others are.
    pub(super) async fn answer(&mut self, peer: NodeId, opened: Opened) {
        while self.asking.try_join_next().is_some() {}
        if self.asking.len() >= ADMITTING {
            self.asking.join_next().await;
        }
        let (ask, serve) = (self.ask.clone(), Arc::clone(&self.serve));
        self.asking.spawn(async move {
            if may(&ask, peer, None).await {
                serve(peer, opened);
            } else {
                tracing::debug!("a stream for files was dropped: nothing is here for its opener");
            }
        });
    }
}

/// Asks the loop, which asks the engine. Nobody may have anything when there is no loop.
pub(super) fn permission(ask: mpsc::Sender<Wanted>) -> May {
    Box::new(move |peer: NodeId, blob: BlobId| {
        let ask = ask.clone();
        Box::pin(async move { may(&ask, peer, Some(blob)).await })
    })
}

async fn may(ask: &mpsc::Sender<Wanted>, peer: NodeId, blob: Option<BlobId>) -> bool {
    let (may, answer) = oneshot::channel();
    ask.send(Wanted { peer, blob, may }).await.is_ok() && answer.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    /// A stream of somebody, and their end of it.
    fn stream() -> (DuplexStream, Opened) {
        let (end, way) = duplex(64);
        (end, Opened { way: Box::new(way), direct: false })
    }

    const FRIEND: NodeId = NodeId([1; 32]);
    const STRANGER: NodeId = NodeId([2; 32]);

    #[tokio::test]
    async fn only_whoever_may_ask_at_all_is_let_in_and_a_stranger_holds_nothing() {
        let (ask, mut asked) = mpsc::channel(1);
        let (serve, mut served) = mpsc::channel(64);
        let mut keeper = Doorkeeper::new(ask, move |peer, way| {
            serve.try_send((peer, way)).unwrap_or_else(|_| panic!("served too many"));
        });
        tokio::spawn(async move {
            while let Some(Wanted { peer, blob, may }) = asked.recv().await {
                assert!(blob.is_none());
                may.send(peer == FRIEND).unwrap();
            }
        });
        let mut ends = Vec::new();
        for _ in 0..3 * ADMITTING {
            let (end, opened) = stream();
            keeper.answer(STRANGER, opened).await;
            ends.push(end);
        }
        let (_hers, opened) = stream();
        keeper.answer(FRIEND, opened).await;
        let (peer, _way) = served.recv().await.unwrap();
        assert_eq!(peer, FRIEND);
        for mut end in ends {
            let read = timeout(Duration::from_secs(5), end.read(&mut [0; 1])).await.unwrap();
            assert_eq!(read.unwrap(), 0, "it ended, and nothing was said");
        }
        assert!(served.try_recv().is_err());
    }

    #[tokio::test]
    async fn while_the_loop_does_not_answer_no_more_are_let_to_the_door_than_fit() {
        let (ask, _asked) = mpsc::channel(64);
        let mut keeper = Doorkeeper::new(ask, |_, _| panic!("let in by nobody"));
        let mut ends = Vec::new();
        for _ in 0..ADMITTING {
            let (end, opened) = stream();
            keeper.answer(STRANGER, opened).await;
            ends.push(end);
        }
        let (_end, opened) = stream();
        let more = keeper.answer(STRANGER, opened);
        assert!(timeout(Duration::from_millis(50), more).await.is_err());
    }
}
