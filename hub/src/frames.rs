//! Frames on a QUIC stream: read one, bounded; queue many and write them together.
//!
//! Invariant: a body is allocated as it arrives, never because a header promised it; a queue holds
//! at most [`QUEUE_BYTES`]. The questions of whoever does not take what is in it wait, and should
//! it fill all the same, the node is disconnected rather than waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hubbub_shared::wire::codec::{DecodeError, HEADER, header};
use hubbub_shared::wire::from_hub::Bye;
use hubbub_shared::wire::{FromHub, RefusalCode};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::{Notify, mpsc};

/// Bytes waiting for one connection: the relay has at most 1 MiB of deliveries in flight, the rest
/// is answers. More means that the node has stopped reading.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// What a frame counts for beside its bytes: the place it takes.
const FRAME_OVERHEAD: usize = 64;
/// While this much waits, answers that are on their way included, no further question is taken in.
/// With the largest answer on top and a window of the smallest deliveries, the queue is not full.
const READ_BELOW: usize = 1024 * 1024;
/// Whoever asks on and takes nothing for this long is disconnected.
const TAKES_NOTHING: Duration = Duration::from_secs(20);
/// Bytes gathered into one write.
const WRITE_BYTES: usize = 256 * 1024;
/// How long a node has to take in why it is being disconnected.
const FAREWELL: Duration = Duration::from_secs(2);

/// A frame could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The stream or connection ended inside a frame or was reset.
    #[error("the stream broke off")]
    Broken,
    /// Not a frame.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

/// Reads one frame: type and body of at most `limit` bytes; `None` when the stream ended before it.
pub(crate) async fn read(
    recv: &mut RecvStream,
    limit: usize,
) -> Result<Option<(u8, Vec<u8>)>, FrameError> {
    let mut head = [0; HEADER];
    match recv.read_exact(&mut head).await {
        Ok(()) => {}
        Err(quinn::ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(_) => return Err(FrameError::Broken),
    }
    let (kind, length) = header(head, limit)?;
    let mut body = Vec::new();
    while let Some(missing) = length.checked_sub(body.len()).filter(|missing| *missing > 0) {
        let chunk = recv.read_chunk(missing, true).await.ok().flatten();
        body.extend_from_slice(&chunk.ok_or(FrameError::Broken)?.bytes);
    }
    Ok(Some((kind, body)))
}

enum Out {
    Frame(Vec<u8>),
    Close(RefusalCode),
}

/// The near end of a connection's queue.
#[derive(Clone)]
pub(crate) struct FrameQueue {
    out: mpsc::Sender<Out>,
    waiting: Arc<Waiting>,
}

/// How much waits in a queue.
#[derive(Default)]
pub(crate) struct Waiting {
    bytes: AtomicUsize,
    less: Notify,
}

/// Room kept for an answer until the answer itself is in the queue.
pub(crate) struct Kept {
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl Waiting {
    /// Keeps room for an answer, once the node has taken enough of what waits for it.
    ///
    /// # Errors
    /// [`Stalled`] when it has taken nothing for [`TAKES_NOTHING`].
    pub(crate) async fn keep(self: &Arc<Self>, bytes: usize) -> Result<Kept, Stalled> {
        while self.bytes.load(Ordering::Relaxed) >= READ_BELOW {
            let less = tokio::time::timeout(TAKES_NOTHING, self.less.notified()).await;
            less.map_err(|_| Stalled)?;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(Kept { waiting: Arc::clone(self), bytes })
    }

    fn is_less(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.less.notify_one();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.waiting.is_less(self.bytes);
    }
}

/// The far end: writes what is queued.
pub(crate) struct FrameWriter {
    queued: mpsc::Receiver<Out>,
    waiting: Arc<Waiting>,
}

/// The node has let its queue fill, or asks on and takes nothing: it reads nothing any more.
#[derive(Debug)]
pub(crate) struct Stalled;

/// A new queue.
pub(crate) fn queue() -> (FrameQueue, FrameWriter) {
    let (out, queued) = mpsc::channel(QUEUE_BYTES / FRAME_OVERHEAD);
    let waiting = Arc::<Waiting>::default();
    (FrameQueue { out, waiting: Arc::clone(&waiting) }, FrameWriter { queued, waiting })
}

impl FrameQueue {
    /// Queues a frame without waiting.
    pub(crate) fn push(&self, frame: &FromHub) -> Result<(), Stalled> {
        let frame = frame.encode();
        let length = frame.len() + FRAME_OVERHEAD;
        if self.waiting.bytes.fetch_add(length, Ordering::Relaxed) + length > QUEUE_BYTES {
            return Err(Stalled);
        }
        self.out.try_send(Out::Frame(frame)).map_err(|_| Stalled)
    }

    /// Queues the connection's end: what is queued, why, and then nothing.
    pub(crate) fn close(&self, code: RefusalCode) -> Result<(), Stalled> {
        self.out.try_send(Out::Close(code)).map_err(|_| Stalled)
    }
}

impl FrameWriter {
    /// How much waits.
    pub(crate) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }

    /// Writes until the queue is closed or the stream breaks. All that waits goes out in one write.
    pub(crate) async fn run(mut self, mut send: SendStream, connection: &Connection) {
        let mut buffer = Vec::new();
        while let Some(first) = self.queued.recv().await {
            let (mut next, mut count) = (Some(first), 0);
            while let Some(out) = next {
                match out {
                    Out::Frame(frame) => {
                        buffer.extend_from_slice(&frame);
                        count += frame.len() + FRAME_OVERHEAD;
                    }
                    Out::Close(code) => return farewell(send, connection, buffer, code).await,
                }
                let room = buffer.len() < WRITE_BYTES;
                next = if room { self.queued.try_recv().ok() } else { None };
            }
            if send.write_all(&buffer).await.is_err() {
                return;
            }
            self.waiting.is_less(count);
            buffer.clear();
            buffer.shrink_to(0);
        }
    }
}

/// Writes what is left and a Bye, waits until the node has it, closes the connection.
pub(crate) async fn farewell(
    mut send: SendStream,
    connection: &Connection,
    mut rest: Vec<u8>,
    code: RefusalCode,
) {
    rest.extend(FromHub::Bye(Bye { code }).encode());
    let said = async {
        send.write_all(&rest).await.ok()?;
        send.finish().ok()?;
        send.stopped().await.ok()
    };
    if tokio::time::timeout(FAREWELL, said).await.is_err() {
        tracing::debug!("a node did not take in its farewell");
    }
    connection.close(close_code(code), b"");
}

/// The refusal as QUIC's application close code.
pub(crate) fn close_code(code: RefusalCode) -> VarInt {
    VarInt::from_u32(u32::from(u16::from(code)))
}

#[cfg(test)]
mod tests {
    use hubbub_shared::wire::ByteBuf;
    use hubbub_shared::wire::from_hub::{Done, Found};

    use super::*;

    #[test]
    fn a_node_that_stops_reading_is_found_stalled_by_frames_and_by_bytes() {
        let (few, _writer) = queue();
        let large = FromHub::Found(Found { req: 1, claim: ByteBuf::from(vec![0; 1024 * 1024]) });
        assert_eq!((0..9).take_while(|_| few.push(&large).is_ok()).count(), 3);
        let (many, _writer) = queue();
        let small = FromHub::Done(Done { req: 1 });
        let fit = QUEUE_BYTES / (small.encode().len() + FRAME_OVERHEAD);
        assert_eq!((0..99_999).take_while(|_| many.push(&small).is_ok()).count(), fit);
    }
}
