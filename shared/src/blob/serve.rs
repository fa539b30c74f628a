//! The same pieces again, made from the content for whoever asks.
//!
//! Sources keep a file as it is, and not its sealed form. Sealing is deterministic, so they seal
//! again what is asked for. Were the content another by then, one nonce would seal two texts, and
//! who has both could tell them apart. Invariant: a piece leaves [`Source::piece`] only with the
//! value that the blob's tree has for it; of any other, not a byte comes out.

use zeroize::Zeroize;

use super::Blob;
use super::nodes::Nodes;
use super::pieces::{Pieces, value};
use crate::crypto::stream::FileKey;

/// Why a piece cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServeError<E> {
    /// The content is not what it was.
    #[error("the file changed since it was sealed; nothing of it leaves any more")]
    Changed,
    /// Nothing says what the piece was: it was never here.
    #[error("this piece is not here")]
    Lacking,
    /// What is kept of the tree is not what was kept.
    #[error("what belongs to the file was damaged on this disk")]
    Damaged,
    /// The store of the tree failed.
    #[error("what belongs to the file cannot be read: {0}")]
    Store(E),
}

/// A file whose content is here, whole or in part.
pub struct Source {
    pieces: Pieces,
    blob: Blob,
}

impl Source {
    /// Of a blob whose key and size are known; none when they do not fit its length.
    #[must_use]
    pub fn new(blob: Blob, key: &FileKey, size: u64) -> Option<Self> {
        let pieces = Pieces::new(key, size)?;
        (pieces.shape() == blob.shape).then_some(Self { pieces, blob })
    }

    /// What it is the source of.
    #[must_use]
    pub fn blob(&self) -> Blob {
        self.blob
    }

    /// Where in the content piece `index` begins and how many bytes it takes.
    #[must_use]
    pub fn content(&self, index: u32) -> Option<(u64, usize)> {
        self.pieces.content(index)
    }

    /// Appends what answers a request: the parents above the piece but the first `known`, and the
    /// sealed piece.
    ///
    /// # Errors
    /// [`ServeError`]; `out` is as it was.
    pub fn answer<N: Nodes>(
        &self,
        nodes: &N,
        (index, known): (u32, u8),
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ServeError<N::Error>> {
        let before = out.len();
        self.blob.prove(nodes, index, known, out)?;
        self.piece(nodes, index, content, out).map_err(|error| {
            out.truncate(before);
            // The content is as true as the value that it was compared with.
            let changed = matches!(error, ServeError::Changed);
            let proven = changed.then(|| self.blob.prove(nodes, index, 0, &mut Vec::new()));
            proven.and_then(Result::err).unwrap_or(error)
        })
    }

    /// Appends the sealed piece to `out`, which may already hold what goes before it in a frame.
    /// Also the way to tell, after a restart, whether a piece of a file came to the disk whole.
    ///
    /// # Errors
    /// [`ServeError`]; `out` is as it was.
    pub fn piece<N: Nodes>(
        &self,
        nodes: &N,
        index: u32,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ServeError<N::Error>> {
        let expected = self.blob.value(nodes, index).map_err(ServeError::Store)?;
        let expected = expected.ok_or(ServeError::Lacking)?;
        let shape = self.blob.shape;
        let before = out.len();
        let sealed = self.pieces.seal(index, content, out).is_ok();
        let place = out.get_mut(before..).unwrap_or_default();
        if sealed && value(&shape, index, place) == Some(expected) {
            return Ok(());
        }
        place.zeroize();
        out.truncate(before);
        Err(ServeError::Changed)
    }
}
