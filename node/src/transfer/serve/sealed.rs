//! The sealed bytes of what is served, from wherever somebody wants them: for leaving a file at the
//! hub.

use std::io;
use std::sync::Arc;

use hubbub_shared::id::BlobId;
use hubbub_shared::limits::PIECE;
use tokio::task::spawn_blocking;

use super::Server;
use crate::net::SealedSource;
use crate::transfer::disk::Held;

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
        SealedFile { server: Arc::clone(&self.0), blob }
    }
}

/// The sealed bytes of one blob. As everywhere, each piece is compared before a byte of it leaves.
pub struct SealedFile {
    server: Arc<Server>,
    blob: BlobId,
}

impl SealedSource for SealedFile {
    async fn read(&mut self, from: u64, bytes: usize) -> io::Result<Vec<u8>> {
        // Whoever is there and waits comes before whoever may come later.
        self.server.quiet().await;
        let mut out = Vec::with_capacity(bytes);
        while out.len() < bytes {
            let portion = self.server.limit.portion(bytes - out.len());
            let pieces = portion.div_ceil(PIECE).max(1);
            let at = from + u64::try_from(out.len()).unwrap_or(u64::MAX);
            let some = self.pieces(at / PIECE as u64, pieces).await?;
            if some.is_empty() {
                break;
            }
            self.server.limit.take(some.len()).await;
            out.extend_from_slice(&some);
        }
        out.truncate(bytes);
        Ok(out)
    }
}

impl SealedFile {
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
