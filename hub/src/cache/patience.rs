//! How long a stream about files may stand still.
//!
//! There are few of them, so whoever has one has to use it. Invariant: waiting for a node ends,
//! whether it is a question that does not come, bytes that do not, or answers that nobody reads;
//! time that the hub itself takes is not held against anybody.

use std::time::Duration;

use hubbub_shared::limits::HELLO_MAX;
use hubbub_shared::wire::codec;
use quinn::{RecvStream, SendStream};
use serde::Serialize;
use tokio::time::timeout;

use super::attend::Broken;
use crate::frames;
use crate::pace::Pace;

/// For the next question, or for some bytes either way: a phone that changes from one network to
/// another is back by then.
const STANDS_STILL: Duration = Duration::from_secs(60);
/// Bytes that have to move in that time: 273 a second, less than any line has that still is one.
const LEAST: usize = 16 * 1024;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(pub(super) Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(STANDS_STILL)
    }
}

impl Patience {
    /// The next question, no larger than a hello; none when there are no more, or none comes.
    pub(super) async fn question(
        self,
        recv: &mut RecvStream,
    ) -> Result<Option<(u8, Vec<u8>)>, Broken> {
        match timeout(self.0, frames::read(recv, HELLO_MAX)).await {
            Ok(read) => read.map_err(|_| Broken),
            Err(_) => Ok(None),
        }
    }

    /// Writes one frame.
    pub(super) async fn say<T: Serialize>(
        self,
        send: &mut SendStream,
        kind: u8,
        body: &T,
    ) -> Result<(), Broken> {
        self.write(send, &codec::frame(kind, body)).await
    }

    /// Writes bytes.
    pub(super) async fn write(self, send: &mut SendStream, bytes: &[u8]) -> Result<(), Broken> {
        for some in bytes.chunks(LEAST) {
            let written = timeout(self.0, send.write_all(some)).await;
            written.map_err(|_| Broken)?.map_err(|_| Broken)?;
        }
        Ok(())
    }

    /// So many bytes, or fewer when the stream ends before, or stands still.
    pub(super) async fn fill(self, recv: &mut RecvStream, wanted: u64, pace: &Pace) -> Vec<u8> {
        let wanted = usize::try_from(wanted).unwrap_or(0);
        let mut batch = Vec::with_capacity(wanted);
        while batch.len() < wanted {
            let (had, until) = (batch.len(), wanted.min(batch.len() + LEAST));
            timeout(self.0, read_until(recv, &mut batch, until)).await.ok();
            pace.pass(batch.len() - had).await;
            if batch.len() < until {
                break;
            }
        }
        batch
    }
}

/// Reads until there are so many bytes, or the stream ends. May be given up: what came is there.
async fn read_until(recv: &mut RecvStream, batch: &mut Vec<u8>, until: usize) {
    while let Some(missing) = until.checked_sub(batch.len()).filter(|missing| *missing > 0) {
        let Ok(Some(chunk)) = recv.read_chunk(missing, true).await else { break };
        batch.extend_from_slice(&chunk.bytes);
    }
}
