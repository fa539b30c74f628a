//! How long the hub waits for a node on a stream about files, and what that costs the node.
//!
//! There are few such streams, so whoever has one has to use it. Invariant: what one stream is
//! waited for in all, be it for a question, for bytes, or for answers to be taken, is a minute, and
//! what the bytes that went over have earned: it ends, and so does whoever sends just enough to
//! seem alive. Time that the hub itself takes is not held against anybody.

use std::time::Duration;

use hubbub_shared::limits::HELLO_MAX;
use hubbub_shared::wire::codec;
use quinn::{RecvStream, SendStream};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::attend::Broken;
use crate::frames;
use crate::pace::Pace;

/// What a stream begins with, and has at most: a phone that changes from one network to another is
/// back by then.
const STANDS_STILL: Duration = Duration::from_secs(60);
/// Bytes that earn a second: below this a stream ends. It is what a node asks of its own sources at
/// least, and what all 128 streams together get of a line of 4 Mbit a second. Somebody whose line
/// is slower loses nothing: the next upload goes on where this one was.
const FLOOR: u64 = 4 * 1024;
/// Bytes that move before they are counted.
const LEAST: usize = 16 * 1024;

/// What each stream begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(pub(super) Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(STANDS_STILL)
    }
}

impl Patience {
    /// For a new stream.
    pub(super) fn begin(self) -> Credit {
        Credit { all: self.0, left: self.0 }
    }
}

/// What a stream has left of it.
pub(super) struct Credit {
    all: Duration,
    left: Duration,
}

impl Credit {
    fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    fn moved(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = Duration::from_micros(bytes.saturating_mul(1_000_000) / FLOOR);
        self.left = self.left.saturating_add(earned).min(self.all);
    }

    /// Waits for the node, as long as there is something left for that.
    async fn wait<T>(&mut self, node: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let came = timeout(self.left, node).await.ok();
        self.waited(began.elapsed());
        came
    }

    /// The next question, no larger than a hello; none when there are no more, or none comes.
    pub(super) async fn question(
        &mut self,
        recv: &mut RecvStream,
    ) -> Result<Option<(u8, Vec<u8>)>, Broken> {
        match self.wait(frames::read(recv, HELLO_MAX)).await {
            Some(read) => read.map_err(|_| Broken),
            None => Ok(None),
        }
    }

    /// Writes one frame.
    pub(super) async fn say<T: Serialize>(
        &mut self,
        send: &mut SendStream,
        kind: u8,
        body: &T,
    ) -> Result<(), Broken> {
        self.write(send, &codec::frame(kind, body)).await
    }

    /// Writes bytes.
    pub(super) async fn write(
        &mut self,
        send: &mut SendStream,
        bytes: &[u8],
    ) -> Result<(), Broken> {
        for some in bytes.chunks(LEAST) {
            let written = self.wait(send.write_all(some)).await;
            written.ok_or(Broken)?.map_err(|_| Broken)?;
            self.moved(some.len());
        }
        Ok(())
    }

    /// So many bytes, or fewer when the stream ends before, or is too slow.
    pub(super) async fn fill(
        &mut self,
        recv: &mut RecvStream,
        wanted: u64,
        pace: &Pace,
    ) -> Vec<u8> {
        let wanted = usize::try_from(wanted).unwrap_or(0);
        let mut batch = Vec::with_capacity(wanted);
        while batch.len() < wanted {
            let (had, until) = (batch.len(), wanted.min(batch.len() + LEAST));
            self.wait(read_until(recv, &mut batch, until)).await;
            self.moved(batch.len() - had);
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Seconds until a stream ends on which so many bytes move in each; none if it never does.
    fn ends_after(bytes: usize) -> Option<u64> {
        let mut credit = Patience::default().begin();
        (1..100_000).find(|_| {
            credit.waited(SECOND);
            credit.moved(bytes);
            credit.left < SECOND
        })
    }

    #[test]
    fn a_stream_that_trickles_ends_and_one_at_the_slowest_pace_there_is_never_does() {
        let floor = usize::try_from(FLOOR).unwrap();
        assert_eq!(ends_after(0), Some(60));
        assert!(ends_after(1).is_some_and(|secs| secs <= 60));
        assert!(ends_after(floor / 2).is_some_and(|secs| (110..=120).contains(&secs)));
        assert!(ends_after(floor * 9 / 10).is_some_and(|secs| secs <= 600));
        assert_eq!(ends_after(floor), None);
    }

    #[test]
    fn however_much_has_moved_a_stream_that_stands_still_ends_in_a_minute() {
        let mut credit = Patience::default().begin();
        credit.moved(usize::MAX);
        credit.waited(STANDS_STILL);
        assert_eq!(credit.left, Duration::ZERO);
    }
}
