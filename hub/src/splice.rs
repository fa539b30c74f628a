//! Relayed streams: two QUIC streams joined, bytes copied both ways, none looked at.
//!
//! Invariant: memory is bounded by QUIC's flow control alone: more is read only when what was read
//! before was taken by the other side. A clean end of one direction lets the other finish; a break
//! of either ends both. Of two ends that stand still a hub hears by their asking it to stop alone:
//! quinn keeps a waker for each stream whose resets were waited for and that then ended well. When
//! one direction has ended there is nobody left to ask that, so the other has to move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hubbub_shared::id::NodeId;
use hubbub_shared::limits::HELLO_MAX;
use hubbub_shared::wire::RefusalCode;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::stream::{
    STREAM_ANSWER, STREAM_FROM, STREAM_OPEN, StreamAnswer, StreamFrom, StreamOpen,
};
use quinn::{Connection, RecvStream, SendStream, VarInt};

use crate::cache::FileAsk;
use crate::carrier::Carrier;
use crate::frames;
use crate::pace::Pace;
use crate::precedence::Precedence;

/// Pieces taken from one side at once before they are handed to the other: a packet's worth each,
/// more where packets came in disorder, and no more than a window of the stream in all.
const PIECES: usize = 32;
/// Pieces that are shorter on average are copied together: until the other side has acknowledged
/// it, each would keep the whole packet that it came in.
const SPARSE: usize = 512;
/// The pause after these: what is sent byte by byte goes in fewer and larger pieces, and costs the
/// hub a wake-up a millisecond and no more.
const BREATH: Duration = Duration::from_millis(1);
/// How long the opener has to say whom it wants, and the receiver to take the stream.
const PATIENCE: Duration = Duration::from_secs(10);
/// When one direction of a stream has ended, how often it is looked whether a byte moved on the
/// other; without one the stream is over. Whoever reads takes an eighth of a window in that time at
/// some 1.3 KiB a second, and a node waits no longer for anything on a stream that it serves; but
/// whoever ended its half and reads nothing would keep a place of the opener's for ever.
pub(crate) const HALF_STANDS: Duration = Duration::from_secs(120);
/// Below the frames: a file must not delay a message.
const BULK: i32 = -1;
/// QUIC code of a relayed stream that broke.
const BROKEN: VarInt = VarInt::from_u32(1);

/// Both halves of one side's stream.
pub(crate) type Ends = (SendStream, RecvStream);

/// What a stream that a node opened is for.
pub(crate) enum Wanted {
    /// A stream to another node.
    Node(NodeId),
    /// The hub's files.
    Files(FileAsk),
}

/// Reads what a fresh stream is for; `None` when that is not said properly and in time.
pub(crate) async fn wanted(recv: &mut RecvStream) -> Option<Wanted> {
    let frame = tokio::time::timeout(PATIENCE, frames::read(recv, HELLO_MAX)).await.ok()?;
    let (kind, body) = frame.ok()??;
    if kind == STREAM_OPEN {
        return codec::decode(&body).ok().map(|StreamOpen { to }| Wanted::Node(to));
    }
    FileAsk::read(kind, &body).map(Wanted::Files)
}

/// Lets a stream give way to the frames on its connection.
pub(crate) fn give_way(send: &SendStream) {
    // One that has ended stands in nobody's way.
    send.set_priority(BULK).ok();
}

/// Tells the opener why not.
pub(crate) async fn refuse(mut ends: Ends, code: RefusalCode) {
    let answer = codec::frame(STREAM_ANSWER, &StreamAnswer { refused: Some(code) });
    let (send, recv) = &mut ends;
    // Whoever reset the stream meanwhile needs no answer.
    if send.write_all(&answer).await.is_ok() && send.finish().is_ok() {
        recv.stop(frames::close_code(code)).ok();
        send.stopped().await.ok();
    }
}

/// A stream that was opened, and by whom.
pub(crate) struct Opened {
    pub(crate) ends: Ends,
    pub(crate) by: Arc<Carrier>,
}

/// Opens the other half on `to` and copies until both directions have ended, or one has and the
/// other stands `still`. Returns the bytes relayed, both ways together.
pub(crate) async fn join(
    opened: Opened,
    from: NodeId,
    to: Arc<Carrier>,
    frames: &Precedence,
    still: Duration,
) -> u64 {
    let Opened { ends: mut opener, by } = opened;
    let Some(mut receiver) = open(&to.connection, from).await else {
        refuse(opener, RefusalCode::NotConnected).await;
        return 0;
    };
    let _room = (by.widen(), to.widen());
    let answer = codec::frame(STREAM_ANSWER, &StreamAnswer { refused: None });
    let moved = AtomicU64::new(0);
    let both = async {
        opener.0.set_priority(BULK).ok()?;
        opener.0.write_all(&answer).await.ok()?;
        let there = copy(&mut opener.1, &mut receiver.0, (&by.pace, frames), &moved);
        let back = copy(&mut receiver.1, &mut opener.0, (&by.pace, frames), &moved);
        tokio::pin!(there, back);
        let went = tokio::select! {
            ended = &mut there => ended.map(|()| true),
            ended = &mut back => ended.map(|()| false),
        };
        let left = if went.ok()? { back } else { there };
        while_it_moves(left, &moved, still).await.ok()
    };
    if both.await.is_none() {
        abort(&mut opener);
        abort(&mut receiver);
    }
    moved.into_inner()
}

/// Waits for the direction that is left, as long as bytes move on it.
async fn while_it_moves(
    mut left: impl Future<Output = Result<(), Broken>> + Unpin,
    moved: &AtomicU64,
    still: Duration,
) -> Result<(), Broken> {
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        if let Ok(ended) = tokio::time::timeout(still, &mut left).await {
            return ended;
        }
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return Err(Broken);
        }
        before = now;
    }
}

async fn open(to: &Connection, from: NodeId) -> Option<Ends> {
    let opened = async {
        let mut ends = to.open_bi().await.ok()?;
        ends.0.set_priority(BULK).ok()?;
        ends.0.write_all(&codec::frame(STREAM_FROM, &StreamFrom { from })).await.ok()?;
        Some(ends)
    };
    tokio::time::timeout(PATIENCE, opened).await.ok()?
}

/// One direction broke.
struct Broken;

async fn copy(
    recv: &mut RecvStream,
    send: &mut SendStream,
    (pace, frames): (&Pace, &Precedence),
    moved: &AtomicU64,
) -> Result<(), Broken> {
    let mut pieces: [_; PIECES] = Default::default();
    loop {
        // A receiver that no longer wants the bytes must stop the sender even while it is silent.
        let taken = tokio::select! {
            biased;
            taken = recv.read_chunks(&mut pieces) => taken.map_err(|_| Broken)?,
            _ = send.stopped() => return Err(Broken),
        };
        let Some(taken) = taken.and_then(|number| pieces.get_mut(..number)) else {
            return send.finish().map_err(|_| Broken);
        };
        let bytes: usize = taken.iter().map(|piece| piece.len()).sum();
        pace.pass(bytes).await;
        frames.streams().await;
        let mut joined;
        let is_sparse = bytes < SPARSE * taken.len();
        let mut left: &mut [_] = if is_sparse {
            joined = [taken.concat().into()];
            &mut joined
        } else {
            taken
        };
        while !left.is_empty() {
            let written = send.write_chunks(left).await.map_err(|_| Broken)?;
            moved.fetch_add(u64::try_from(written.bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
            left = core::mem::take(&mut left).get_mut(written.chunks..).unwrap_or_default();
        }
        if is_sparse {
            tokio::time::sleep(BREATH).await;
        }
    }
}

/// Breaks one side; a half that has already ended stays as it is.
pub(crate) fn abort((send, recv): &mut Ends) {
    send.reset(BROKEN).ok();
    recv.stop(BROKEN).ok();
}

#[cfg(test)]
pub(crate) mod tests;
