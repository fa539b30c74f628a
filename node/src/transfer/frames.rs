//! Frames off a stream, and onto it: whole ones out of what arrived, without copying their bodies.
//!
//! Invariant: what is held of a stream is bounded by what was said when it was opened, whatever its
//! frames promise; a frame longer than its kind allows ends it.

use std::io;
use std::time::Duration;

use hubbub_shared::wire::codec::{self, DecodeError, HEADER};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// What a stream takes before it is looked at whether there is a whole frame.
const READ: usize = 256 * 1024;

/// Reads frames of at most `most` bytes of body.
pub(super) struct Frames<R> {
    from: R,
    buffer: Vec<u8>,
    most: usize,
    /// Bytes held at most. No less than one frame.
    room: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(from: R, most: usize, room: usize) -> Self {
        Self { from, buffer: Vec::new(), most, room: room.max(HEADER + most) }
    }

    /// Whether more may be read before something is taken.
    pub(super) fn has_room(&self) -> bool {
        self.buffer.len() < self.room
    }

    /// Reads what there is. May be given up and called again. False at the end of the stream.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        let room = READ.min(self.room - self.buffer.len().min(self.room));
        self.buffer.reserve(room);
        let mut most = (&mut self.from).take(room as u64);
        Ok(most.read_buf(&mut self.buffer).await? > 0)
    }

    /// The length of all whole frames that are here.
    ///
    /// # Errors
    /// [`DecodeError`] when what follows is none.
    pub(super) fn whole(&self) -> Result<usize, DecodeError> {
        let mut rest = &self.buffer[..];
        while let Some((_, _, behind)) = codec::split(rest, self.most)? {
            rest = behind;
        }
        Ok(self.buffer.len() - rest.len())
    }

    /// Takes that many bytes off the front; `empty` is used for what comes next.
    pub(super) fn take(&mut self, len: usize, mut empty: Vec<u8>) -> Vec<u8> {
        empty.clear();
        empty.extend_from_slice(self.buffer.get(len..).unwrap_or_default());
        let mut taken = std::mem::replace(&mut self.buffer, empty);
        taken.truncate(len);
        taken
    }

    /// The next frame alone. May be given up and called again. `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        loop {
            if let Some((kind, body, rest)) =
                codec::split(&self.buffer, self.most).map_err(invalid)?
            {
                let (body, left) = (body.to_vec(), rest.len());
                self.buffer.drain(..self.buffer.len() - left);
                return Ok(Some((kind, body)));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }
}

/// Writes all of it, as long as some of it is taken now and then.
pub(super) async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    patience: Duration,
) -> io::Result<()> {
    write_counted(to, bytes, patience, |_| ()).await
}

/// The same, and says each time how much was taken.
pub(super) async fn write_counted(
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    patience: Duration,
    mut taken: impl FnMut(usize),
) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match timeout(patience, to.write(rest)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                let count = count?;
                done += count;
                taken(count);
            }
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    timeout(patience, to.flush()).await.map_err(|_| io::ErrorKind::TimedOut)?
}

pub(super) fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_whole_however_the_stream_is_cut() {
        let bytes = [codec::frame(1, &"one"), codec::frame(2, &vec![7u8; 100])].concat();
        let (mut hers, his) = tokio::io::duplex(7);
        let sent = bytes.clone();
        let writing = tokio::spawn(async move { hers.write_all(&sent).await });
        let mut frames = Frames::new(his, 300, 0);
        while frames.whole().unwrap() < bytes.len() {
            assert!(frames.fill().await.unwrap());
        }
        assert_eq!(frames.take(bytes.len(), Vec::new()), bytes);
        writing.await.unwrap().unwrap();
        assert!(!frames.fill().await.unwrap(), "and then it ends");
    }

    #[tokio::test]
    async fn one_frame_after_the_other() {
        let bytes = [codec::frame(1, &"one"), codec::frame(2, &"two")].concat();
        let mut frames = Frames::new(&bytes[..], 300, 0);
        assert_eq!(frames.next().await.unwrap().unwrap().0, 1);
        assert_eq!(frames.next().await.unwrap().unwrap(), (2, codec::encode(&"two")));
        assert!(frames.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_frame_that_promises_too_much_ends_the_stream() {
        let mut frames = Frames::new(&[0, 0, 2, 0, 1][..], 300, 0);
        assert!(frames.next().await.is_err());
        let mut endless = Frames::new(tokio::io::repeat(0), 300, 0);
        endless.fill().await.unwrap();
        assert!(!endless.has_room() && endless.buffer.len() <= 305);
    }

    #[tokio::test]
    async fn who_takes_nothing_is_not_waited_for() {
        let (mut hers, _his) = tokio::io::duplex(7);
        let written = write(&mut hers, &[0; 100], Duration::from_millis(20)).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
