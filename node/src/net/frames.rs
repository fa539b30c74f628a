//! Frames on the link's stream: read one, bounded; gather what waits and write it at once.
//!
//! Invariant: a body is allocated as it arrives, never because a header promised it.

use hubbub_shared::limits::FRAME_MAX;
use hubbub_shared::wire::codec::{DecodeError, HEADER, header};
use hubbub_shared::wire::{FromHub, ToHub};
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;

/// Frames waiting for the link. More than the engine keeps unanswered, many times over.
pub const QUEUE_FRAMES: usize = 4_096;
/// Bytes gathered into one write.
const WRITE_BYTES: usize = 256 * 1024;

/// A frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream ended or broke off.
    #[error("the connection broke off")]
    Broken,
    /// Not a frame this version knows.
    #[error("the hub sent something unreadable: {0}")]
    Malformed(#[from] DecodeError),
}

/// Reads the next frame.
pub(super) async fn read(recv: &mut RecvStream) -> Result<FromHub, FrameError> {
    let mut head = [0; HEADER];
    recv.read_exact(&mut head).await.map_err(|_| FrameError::Broken)?;
    let (kind, length) = header(head, FRAME_MAX)?;
    let mut body = Vec::new();
    while let Some(missing) = length.checked_sub(body.len()).filter(|missing| *missing > 0) {
        let chunk = recv.read_chunk(missing, true).await.ok().flatten();
        body.extend_from_slice(&chunk.ok_or(FrameError::Broken)?.bytes);
    }
    Ok(FromHub::decode(kind, &body)?)
}

/// Writes what is queued, all that waits in one write, until the queue is closed (then finishes the
/// stream) or the stream breaks.
pub(super) async fn write(mut queued: mpsc::Receiver<ToHub>, send: &mut SendStream) {
    let mut buffer = Vec::new();
    while let Some(first) = queued.recv().await {
        let mut next = Some(first);
        while let Some(frame) = next {
            buffer.extend_from_slice(&frame.encode());
            next = if buffer.len() < WRITE_BYTES { queued.try_recv().ok() } else { None };
        }
        if send.write_all(&buffer).await.is_err() {
            return;
        }
        buffer = Vec::new();
    }
    // A stream that is gone already needs no end.
    send.finish().ok();
}
