//! From content to address: a file sealed for the first time.
//!
//! Invariant: a [`Sealing`] makes its own key and tells it only when the whole content has gone
//! through once. Its sealed bytes never come out; who wants them asks [`serve`](super::serve),
//! which compares. A sealing that was given up leaves a key behind that sealed nothing anybody saw.

use rand_core::CryptoRng;

use super::Blob;
use super::grow::Tree;
use super::nodes::Nodes;
use super::pieces::{Pieces, value};
use super::shape::Shape;
use crate::crypto::stream::FileKey;
use crate::crypto::tree::Value;
use crate::limits::PIECES_MAX;

/// Why a file cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError<E> {
    /// Too large.
    #[error("a file of more than {PIECES_MAX} pieces")]
    TooLarge,
    /// Its content is not as long as it was, or there are pieces missing or too many.
    #[error("the file changed while it was read")]
    Changed,
    /// A piece out of turn.
    #[error("a piece was given out of turn")]
    OutOfTurn,
    /// The store of the tree failed.
    #[error("what belongs to the file cannot be kept: {0}")]
    Store(E),
}

/// Room to seal one piece in, for each worker one. What is in it cannot be looked at.
#[derive(Default)]
pub struct Scratch(Vec<u8>);

/// A piece that was sealed and forgotten: its value.
pub struct Leaf {
    index: u32,
    value: Value,
}

/// A file on its way to an address.
///
/// The order of calls: [`Self::begin`]; for each piece [`Self::leaf`], which several workers may do
/// at once and in any order; [`Self::push`] of all leaves in order; [`Self::finish`].
pub struct Sealing {
    key: FileKey,
    pieces: Pieces,
    tree: Tree,
}

impl Sealing {
    /// Begins with a content of `size` bytes, under a new key.
    ///
    /// # Errors
    /// [`SealError::TooLarge`].
    pub fn begin<E>(size: u64, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, SealError<E>> {
        let key = FileKey::random(rng);
        let pieces = Pieces::new(&key, size).ok_or(SealError::TooLarge)?;
        let tree = Tree::new(pieces.shape());
        Ok(Self { key, pieces, tree })
    }

    /// How many pieces there will be, and of what lengths.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.tree.shape()
    }

    /// Where in the content piece `index` begins and how many bytes it takes: none where only
    /// padding is left, nothing at all when there is no such piece.
    #[must_use]
    pub fn content(&self, index: u32) -> Option<(u64, usize)> {
        self.pieces.content(index)
    }

    /// Seals one piece and keeps its value.
    ///
    /// # Errors
    /// [`SealError::Changed`] when the content is not as long as [`Self::content`] says.
    pub fn leaf<E>(
        &self,
        index: u32,
        content: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Leaf, SealError<E>> {
        let shape = self.shape();
        scratch.0.clear();
        self.pieces.seal(index, content, &mut scratch.0).map_err(|_| SealError::Changed)?;
        let value = value(&shape, index, &scratch.0).ok_or(SealError::Changed)?;
        Ok(Leaf { index, value })
    }

    /// Takes the next piece's leaf.
    ///
    /// # Errors
    /// [`SealError::OutOfTurn`] for another than the next, [`SealError::Store`].
    pub fn push<N: Nodes>(
        &mut self,
        leaf: &Leaf,
        nodes: &mut N,
    ) -> Result<(), SealError<N::Error>> {
        let next = u64::from(leaf.index);
        if next != self.tree.count() || next >= self.shape().pieces() {
            return Err(SealError::OutOfTurn);
        }
        self.tree.push(leaf.value, nodes).map_err(SealError::Store)
    }

    /// The blob and the key to it.
    ///
    /// # Errors
    /// [`SealError::Changed`] when there are pieces missing.
    pub fn finish<E>(self) -> Result<(Blob, FileKey), SealError<E>> {
        let blob = self.tree.blob().ok_or(SealError::Changed)?;
        Ok((blob, self.key))
    }
}
