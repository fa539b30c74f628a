//! Serving one direct connection: frames both ways, and streams that the peer opens.

use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::id::NodeId;
use hubbub_shared::wire::ToPeer;
use hubbub_shared::wire::codec::{HEADER, header};
use hubbub_shared::wire::stream::{STREAM_FROM, StreamFrom};
use hubbub_shared::wire::to_peer::PEER_FRAME_MAX;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::io::join;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::direct::DirectInput;
use super::hub_link::LinkInput;
use super::peer_stream::{Inside, PeerStream, abort, give_way, read};
use super::peers::{PATIENCE, Peers, UNPROVEN};
use super::pulse;

/// Bytes gathered into one write.
const WRITE_BYTES: usize = 256 * 1024;
/// Bytes of frames taken from one peer in a second, as by a hub: what is carried is stored, and
/// nobody is to fill this node's disk at the pace of a network.
const BYTES_A_SECOND: usize = 8 * 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);
/// Frames waiting for one connection, and bytes of them: what waits is carried 4 MiB at a time.
const QUEUE: usize = 4_096;
const QUEUE_BYTES: usize = 16 * 1024 * 1024;

/// Frames on their way to a peer.
pub(super) struct Queue {
    frames: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

/// One of them, encoded, and its place.
type Waiting = (Vec<u8>, OwnedSemaphorePermit);

/// The other end.
pub(super) struct Queued(mpsc::Receiver<Waiting>);

impl Queue {
    /// An empty one.
    pub(super) fn new() -> (Self, Queued) {
        let (frames, queued) = mpsc::channel(QUEUE);
        (Self { frames, room: Arc::new(Semaphore::new(QUEUE_BYTES)) }, Queued(queued))
    }

    /// Whether the frame was taken; a queue that takes none stands still.
    pub(super) fn push(&self, frame: &ToPeer) -> bool {
        let bytes = frame.encode();
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let Ok(place) = Arc::clone(&self.room).try_acquire_many_owned(size) else { return false };
        self.frames.try_send((bytes, place)).is_ok()
    }
}

/// A connection and who hears of what comes by it.
pub(super) struct Served {
    pub(super) peer: NodeId,
    pub(super) connection: Connection,
    pub(super) peers: Arc<Peers>,
    pub(super) out: mpsc::Sender<LinkInput>,
    pub(super) taken: mpsc::Sender<PeerStream>,
}

/// Until either end, or nobody, is there any more.
pub(super) async fn serve(
    served: Served,
    (mut send, mut recv): (SendStream, RecvStream),
    mut queued: Queued,
) {
    let undoubted = Notify::new();
    tokio::select! {
        () = take(&served, &mut recv) => {}
        () = give(&mut queued, &mut send) => {}
        () = streams(&served) => {}
        () = datagrams(&served) => {}
        () = pulse::lost(&served.connection, &undoubted) => {}
        _ = served.connection.closed() => {}
    }
    served.connection.close(VarInt::from_u32(0), b"");
}

/// Frames from the peer.
async fn take(served: &Served, recv: &mut RecvStream) {
    let (mut taken, mut since) = (0, Instant::now());
    while let Some((frame, size)) = frame(recv).await {
        taken += size;
        if since.elapsed() >= SECOND {
            (taken, since) = (size, Instant::now());
        } else if taken > BYTES_A_SECOND {
            tokio::time::sleep_until(since + SECOND).await;
        }
        let input = LinkInput::Direct(DirectInput::Frame(served.peer, frame));
        if served.out.send(input).await.is_err() {
            return;
        }
    }
}

/// The next frame; none when the stream ended, or brought something else.
async fn frame(recv: &mut RecvStream) -> Option<(ToPeer, usize)> {
    let mut head = [0; HEADER];
    recv.read_exact(&mut head).await.ok()?;
    let (kind, length) = header(head, PEER_FRAME_MAX).ok()?;
    let mut body = Vec::new();
    while let Some(missing) = length.checked_sub(body.len()).filter(|missing| *missing > 0) {
        let chunk = recv.read_chunk(missing, true).await.ok()??;
        body.extend_from_slice(&chunk.bytes);
    }
    Some((ToPeer::decode(kind, &body).ok()?, HEADER + length))
}

/// Frames to the peer, all that wait in one write.
async fn give(Queued(queued): &mut Queued, send: &mut SendStream) {
    while let Some(first) = queued.recv().await {
        let (mut buffer, mut places) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some((frame, place)) = next {
            buffer.extend_from_slice(&frame);
            places.push(place);
            next = if buffer.len() < WRITE_BYTES { queued.try_recv().ok() } else { None };
        }
        if send.write_all(&buffer).await.is_err() {
            return;
        }
    }
}

/// What may be lost. An empty one asked for a sign of life, which QUIC has given.
async fn datagrams(served: &Served) {
    while let Ok(bytes) = served.connection.read_datagram().await {
        if !bytes.is_empty() {
            let input = LinkInput::Datagram(served.peer, bytes.to_vec());
            // Losing one is what datagrams are for.
            drop(served.out.try_send(input));
        }
    }
}

/// Streams that the peer opens.
async fn streams(served: &Served) {
    let mut unread = JoinSet::new();
    while let Ok((mut send, mut recv)) = served.connection.accept_bi().await {
        while unread.try_join_next().is_some() {}
        if unread.len() >= UNPROVEN || !served.peers.is_offered() {
            abort(&mut send, &mut recv);
            continue;
        }
        give_way(&send);
        let (peer, taken) = (served.peer, served.taken.clone());
        unread.spawn(async move {
            let from = tokio::time::timeout(PATIENCE, read::<StreamFrom>(&mut recv, STREAM_FROM));
            if from.await.is_ok_and(|from| from.is_ok_and(|from| from.from == peer)) {
                // Nobody takes streams fast enough: dropping this one resets it.
                drop(taken.try_send(PeerStream::new(peer, Inside::Direct(join(recv, send)))));
            } else {
                abort(&mut send, &mut recv);
            }
        });
    }
}
