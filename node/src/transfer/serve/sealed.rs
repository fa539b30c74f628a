//! The sealed bytes of what is served, from wherever somebody wants them: for leaving a file at the
//! hub.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use hubbub_shared::id::BlobId;
use hubbub_shared::limits::{PIECE, SPAN_PIECES};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::Server;
use crate::net::SealedSource;
use crate::transfer::disk::Held;
use crate::transfer::plan::FileId;

/// After so many bytes it waits for quiet again.
const YIELDS_EACH: u64 = SPAN_PIECES as u64 * PIECE as u64;

/// Those of everything that is served.
#[derive(Clone)]
pub struct SealedBytes(Arc<Server>);

impl SealedBytes {
    pub(in crate::transfer) fn new(server: Arc<Server>) -> Self {
        Self(server)
    }

    /// Those of one blob.
    #[must_use]
    pub fn of(&self, blob: BlobId) -> SealedFile {
        SealedFile { server: Arc::clone(&self.0), blob, file: None, undisturbed: 0..0 }
    }
}

/// The sealed bytes of one blob. As everywhere, each piece is compared before a byte of it leaves.
pub struct SealedFile {
    server: Arc<Server>,
    blob: BlobId,
    /// Of which it is told that it goes to the hub.
    file: Option<FileId>,
    /// Bytes that do not wait for quiet any more.
    undisturbed: Range<u64>,
}

impl SealedSource for SealedFile {
    async fn read(&mut self, from: u64, bytes: usize) -> io::Result<Vec<u8>> {
        self.tell_how_far(from).await;
        // Whoever is there and waits comes before whoever may come later.
        if !self.undisturbed.contains(&from) {
            self.server.quiet().await;
            self.undisturbed = from..from.saturating_add(YIELDS_EACH);
        }
        // As much as goes at once, and no more: the hub does not wait long for what comes next.
        let pieces = self.server.limit.portion(bytes).div_ceil(PIECE).max(1);
        let mut some = self.pieces(from / PIECE as u64, pieces).await?;
        some.truncate(bytes);
        self.server.limit.take(some.len()).await;
        Ok(some)
    }
}

impl Drop for SealedFile {
    fn drop(&mut self) {
        if let Some(file) = self.file {
            self.server.takers.hub_is_through(file);
        }
    }
}

impl SealedFile {
    /// For eyes: so many sealed bytes are at the hub.
    async fn tell_how_far(&mut self, sealed: u64) {
        // What cannot be found is said where it is read.
        let Ok((file, held)) = self.server.offered.find(&self.blob).await else { return };
        let shape = held.blob().shape;
        let piece = u32::try_from(sealed / PIECE as u64).ok();
        let text = piece.and_then(|piece| shape.text(piece)).map_or(0, |text| text.start);
        if let Some(before) = self.file.replace(file).filter(|before| *before != file) {
            self.server.takers.hub_is_through(before);
        }
        self.server.takers.hub_has(file, text, Instant::now());
    }

    /// So many pieces from this one on; fewer where the blob ends.
    async fn pieces(&self, first: u64, count: usize) -> io::Result<Vec<u8>> {
        let offered = &self.server.offered;
        let refused = |refusal| io::Error::other(format!("it is not to be had here: {refusal:?}"));
        let (_, held) = offered.find(&self.blob).await.map_err(refused)?;
        let seal = move || seal(&held, first, count);
        spawn_blocking(seal).await.map_err(io::Error::other)?
    }
}

fn seal(held: &Held, first: u64, count: usize) -> io::Result<Vec<u8>> {
    held.check().map_err(|error| io::Error::other(error.to_string()))?;
    let (mut out, mut room) = (Vec::with_capacity(count * PIECE), Vec::new());
    let end = held.blob().shape.pieces();
    for index in (first..end).take(count) {
        let index = u32::try_from(index).map_err(io::Error::other)?;
        held.sealed(index, &mut room, &mut out)
            .map_err(|why| io::Error::other(format!("piece {index}: {why:?}")))?;
    }
    Ok(out)
}
