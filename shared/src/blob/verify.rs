//! A piece against the address: from anybody, in any order, on arrival.
//!
//! A piece comes with the lowest of the parents above it, as many as the reader was not known to
//! have. Invariant: a parent is kept, and a piece comes out as [`Verified`], only when every value
//! from it up to the address is right. Each answer is judged alone, so what is wrong with it is the
//! fault of the one who gave it.
//!
//! That is as certain as the parents kept here. Whoever suspects its own disk asks again as if it
//! knew none: what comes then is judged by the address alone, and what was damaged is made good.

use super::Blob;
use super::nodes::{Nodes, PARENT, Parent};
use super::pieces::value;
use super::serve::ServeError;
use crate::crypto::tree::{self, Value};

/// What is wrong with an answer; its source's doing, and nobody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No piece has this number.
    #[error("a piece that the file does not have")]
    Number,
    /// The piece is not as long as it is in this file.
    #[error("a piece of another length")]
    Length,
    /// Not whole parents, or more than there are above the piece.
    #[error("more parents than there are, or a part of one")]
    Parents,
    /// Parents that were not known here are missing.
    #[error("the piece came without what shows that it belongs")]
    Gap,
    /// A parent is not the one of this blob.
    #[error("a parent that does not belong to the file")]
    WrongParent,
    /// The piece is not the one of this blob.
    #[error("a piece that does not belong to the file")]
    WrongPiece,
}

impl Fault {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Length => "length",
            Self::Parents => "parents",
            Self::Gap => "gap",
            Self::WrongParent => "wrong-parent",
            Self::WrongPiece => "wrong-piece",
        }
    }
}

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused<E> {
    /// Its source is to blame.
    #[error("{0}")]
    Fault(Fault),
    /// The own store failed; the source is not to blame.
    #[error("what belongs to the file cannot be kept: {0}")]
    Store(E),
}

impl<E> From<Fault> for Refused<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A sealed piece that belongs to its blob. Only [`Blob::accept`] makes one.
#[derive(Debug)]
pub struct Verified<'a> {
    index: u32,
    bytes: &'a [u8],
}

impl<'a> Verified<'a> {
    /// Its number.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Its bytes, still sealed.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl Blob {
    /// Takes a piece and the lowest of the parents above it, one after the other from the top. What
    /// they show is kept.
    ///
    /// # Errors
    /// [`Refused`]: whose fault it is.
    pub fn accept<'a, N: Nodes>(
        &self,
        nodes: &mut N,
        index: u32,
        parents: &[u8],
        piece: &'a [u8],
    ) -> Result<Verified<'a>, Refused<N::Error>> {
        let len = self.shape.piece_len(index).ok_or(Fault::Number)?;
        if piece.len() != len {
            return Err(Fault::Length.into());
        }
        let (parents, []) = parents.as_chunks::<PARENT>() else {
            return Err(Fault::Parents.into());
        };
        let depth = self.shape.path(index).count();
        let above = depth.checked_sub(parents.len()).ok_or(Fault::Parents)?;
        let known = self.below(nodes, index, above).map_err(Refused::Store)?;
        let mut expected = known.ok_or(Fault::Gap)?;
        let steps = self.shape.path(index).enumerate().skip(above);
        for ((level, step), bytes) in steps.zip(parents) {
            let parent = Parent::from_bytes(bytes).ok_or(Fault::WrongParent)?;
            if value_of(level, &parent) != expected {
                return Err(Fault::WrongParent.into());
            }
            nodes.keep(step.split, &parent).map_err(Refused::Store)?;
            expected = parent.side(step.right);
        }
        if value(&self.shape, index, piece) != Some(expected) {
            return Err(Fault::WrongPiece.into());
        }
        Ok(Verified { index, bytes: piece })
    }

    /// How many of the parents above a piece are known, counted from the root: what a request says,
    /// so that they are not sent again.
    ///
    /// # Errors
    /// The store's own.
    pub fn known<N: Nodes>(&self, nodes: &N, index: u32) -> Result<u8, N::Error> {
        let mut known = 0;
        for step in self.shape.path(index) {
            if nodes.parent(step.split)?.is_none() {
                break;
            }
            known += 1;
        }
        Ok(known)
    }

    /// Appends the parents above a piece but the first `known`, from the top: [`Shape::depth`] less
    /// `known` of them. Each is compared with what stands above it before it leaves: whoever asked
    /// would take what a disk damaged here for a lie.
    ///
    /// [`Shape::depth`]: super::Shape::depth
    ///
    /// # Errors
    /// [`ServeError`]; nothing was appended then.
    pub fn prove<N: Nodes>(
        &self,
        nodes: &N,
        index: u32,
        known: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), ServeError<N::Error>> {
        let before = out.len();
        let proven = self.parents(nodes, (index, known.into()), out);
        proven.inspect_err(|_| out.truncate(before))
    }

    fn parents<N: Nodes>(
        &self,
        nodes: &N,
        (index, known): (u32, usize),
        out: &mut Vec<u8>,
    ) -> Result<(), ServeError<N::Error>> {
        let mut expected = self.below(nodes, index, known).map_err(ServeError::Store)?;
        for (level, step) in self.shape.path(index).enumerate().skip(known) {
            let parent = nodes.parent(step.split).map_err(ServeError::Store)?;
            let (parent, above) = parent.zip(expected).ok_or(ServeError::Lacking)?;
            if value_of(level, &parent) != above {
                return Err(ServeError::Damaged);
            }
            out.extend_from_slice(&parent.to_bytes());
            expected = Some(parent.side(step.right));
        }
        Ok(())
    }

    /// The value that piece `index` has, if it is known.
    pub(super) fn value<N: Nodes>(&self, nodes: &N, index: u32) -> Result<Option<Value>, N::Error> {
        if self.shape.piece_len(index).is_none() {
            return Ok(None);
        }
        self.below(nodes, index, self.shape.path(index).count())
    }

    /// The value that is expected below the first `level` parents on the way to a piece: that of
    /// the blob below none of them.
    fn below<N: Nodes>(
        &self,
        nodes: &N,
        index: u32,
        level: usize,
    ) -> Result<Option<Value>, N::Error> {
        let Some(last) = level.checked_sub(1) else { return Ok(Some(self.address.0)) };
        let Some(step) = self.shape.path(index).nth(last) else { return Ok(None) };
        Ok(nodes.parent(step.split)?.map(|parent| parent.side(step.right)))
    }
}

/// What a parent at this level hashes to: the topmost one, at 0, to the address.
fn value_of(level: usize, parent: &Parent) -> Value {
    let hash = if level == 0 { tree::root } else { tree::parent };
    hash(&parent.left, &parent.right)
}
