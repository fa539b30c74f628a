//! The tree above sealed pieces that come one after the other, from the first to the last.
//!
//! Whoever has only sealed pieces, a hub that keeps them, learns the address they make and keeps
//! the parents for serving them. Nothing here can tell before the last piece whether they make the
//! address that was promised. Invariant: what is kept as a parent was made from pieces that came
//! here, and a piece that is taken up again after a crash is one whose parent was kept with it.

use super::Blob;
use super::nodes::{Nodes, Parent};
use super::pieces::value;
use super::shape::Shape;
use crate::crypto::tree::{self, Value};
use crate::id::BlobId;

/// Why a piece was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrowError<E> {
    /// Not as long as the next piece is, or there is no next one.
    #[error("not the next piece of the file")]
    Length,
    /// The store of the tree failed.
    #[error("what belongs to the file cannot be kept: {0}")]
    Store(E),
}

/// A blob on its way from its first piece to its last.
#[derive(Clone, Debug)]
pub struct Growing(Tree);

impl Growing {
    /// Nothing of it is here.
    #[must_use]
    pub fn begin(shape: Shape) -> Self {
        Self(Tree::new(shape))
    }

    /// How many pieces came: the number of the next one.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`GrowError`]; nothing changed, but for a store that failed.
    pub fn push<N: Nodes>(
        &mut self,
        piece: &[u8],
        nodes: &mut N,
    ) -> Result<(), GrowError<N::Error>> {
        let value = self.next(self.0.count, piece).ok_or(GrowError::Length)?;
        self.0.push(value, nodes).map_err(GrowError::Store)
    }

    /// Takes up the next two pieces again as a disk has them, if they are what came: the parent
    /// right above them was kept then, and says so. False, and nothing changed, if they are not or
    /// it does not. The last piece of all is never taken up again.
    ///
    /// # Errors
    /// The store's own.
    pub fn again<N: Nodes>(
        &mut self,
        [one, other]: [&[u8]; 2],
        nodes: &mut N,
    ) -> Result<bool, N::Error> {
        let at = self.0.count;
        // The left half of a pair has an even number, and the right half gives it its name.
        let Some(split) = u32::try_from(at + 1).ok().filter(|_| at.is_multiple_of(2)) else {
            return Ok(false);
        };
        let values = (self.next(at, one), self.next(at + 1, other));
        let (Some(left), Some(right)) = values else { return Ok(false) };
        let inner = at + 2 < self.0.shape.pieces();
        if !inner || nodes.parent(split)? != Some(Parent { left, right }) {
            return Ok(false);
        }
        self.0.push(left, nodes)?;
        self.0.push(right, nodes)?;
        Ok(true)
    }

    /// The blob that the pieces make, whatever was promised; none while there are some missing.
    #[must_use]
    pub fn blob(&self) -> Option<Blob> {
        self.0.blob()
    }

    fn next(&self, at: u64, piece: &[u8]) -> Option<Value> {
        let (index, shape) = (u32::try_from(at).ok()?, &self.0.shape);
        (shape.piece_len(index) == Some(piece.len())).then(|| value(shape, index, piece))?
    }
}

/// The tree as far as it was built: at most one subtree of each size waits for its sibling.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    shape: Shape,
    count: u64,
    /// Value and number of pieces, from the left.
    open: Vec<(Value, u64)>,
}

impl Tree {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, count: 0, open: Vec::new() }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn push<N: Nodes>(&mut self, value: Value, nodes: &mut N) -> Result<(), N::Error> {
        self.open.push((value, 1));
        self.count += 1;
        let (count, all) = (self.count, self.shape.pieces());
        while let [.., (left, l), (right, r)] = self.open[..] {
            if l != r && count != all {
                break;
            }
            // Fits: a right half begins behind the first piece and before the last one's end.
            let Ok(split) = u32::try_from(count - r) else { break };
            nodes.keep(split, &Parent { left, right })?;
            let above = if l + r == all { tree::root } else { tree::parent };
            self.open.truncate(self.open.len() - 2);
            self.open.push((above(&left, &right), l + r));
        }
        Ok(())
    }

    pub(super) fn blob(&self) -> Option<Blob> {
        match self.open[..] {
            [(root, _)] if self.count == self.shape.pieces() => {
                Some(Blob { address: BlobId(root), shape: self.shape })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::nodes::MemoryNodes;
    use super::*;
    use crate::limits::PIECE;

    /// Bytes of a blob with so many pieces, the last one short. They are nobody's sealed file,
    /// which the tree does not see.
    fn pieces(count: usize) -> (Shape, Vec<Vec<u8>>) {
        let shape = Shape::of((count as u64 - 1) * 65_520 + 4_000).unwrap();
        assert_eq!(shape.pieces(), count as u64);
        let of = |index: usize| {
            let len = shape.piece_len(u32::try_from(index).unwrap()).unwrap();
            (0..len).map(|at| u8::try_from((at * 7 + index) % 251).unwrap()).collect()
        };
        (shape, (0..count).map(of).collect())
    }

    fn grown(shape: Shape, pieces: &[Vec<u8>]) -> (Growing, MemoryNodes) {
        let (mut growing, mut nodes) = (Growing::begin(shape), MemoryNodes::default());
        for piece in pieces {
            assert_eq!(growing.blob(), None);
            growing.push(piece, &mut nodes).unwrap();
        }
        (growing, nodes)
    }

    #[test]
    fn pieces_make_the_plain_hash_as_their_address_and_every_parent_to_serve_them_with() {
        for count in [1, 2, 3, 7, 16, 21] {
            let (shape, pieces) = pieces(count);
            let (growing, mut nodes) = grown(shape, &pieces);
            let blob = growing.blob().unwrap();
            let plain = crate::crypto::blake3(&pieces.concat());
            assert_eq!(blob, Blob { address: BlobId(*plain.as_bytes()), shape });
            for (index, piece) in (0..).zip(&pieces) {
                blob.accept(&mut nodes, index, &[], piece).unwrap();
            }
        }
    }

    #[test]
    fn a_piece_of_another_length_or_one_too_many_is_not_taken() {
        let (shape, pieces) = pieces(3);
        let (mut growing, mut nodes) = (Growing::begin(shape), MemoryNodes::default());
        for wrong in [&pieces[0][1..], &[0; PIECE + 1], &[]] {
            assert_eq!(growing.push(wrong, &mut nodes), Err(GrowError::Length));
        }
        for piece in &pieces {
            growing.push(piece, &mut nodes).unwrap();
        }
        assert_eq!(growing.push(&pieces[2], &mut nodes), Err(GrowError::Length));
    }

    #[test]
    fn after_a_crash_only_pieces_whose_parent_was_kept_are_taken_up_again() {
        let (shape, pieces) = pieces(8);
        let (whole, mut nodes) = grown(shape, &pieces);
        let mut growing = Growing::begin(shape);
        let pair = |at: usize| [&pieces[at][..], &pieces[at + 1][..]];
        assert!(growing.again(pair(0), &mut nodes).unwrap());
        let zeros = vec![0; PIECE];
        assert!(!growing.again([&pieces[2], &zeros], &mut nodes).unwrap(), "not what came");
        assert!(!growing.again(pair(2), &mut MemoryNodes::default()).unwrap(), "nothing says so");
        assert!(growing.again(pair(2), &mut nodes).unwrap());
        assert!(growing.again(pair(4), &mut nodes).unwrap());
        assert!(!growing.again(pair(6), &mut nodes).unwrap(), "the last piece comes anew");
        for piece in &pieces[6..] {
            growing.push(piece, &mut nodes).unwrap();
        }
        assert_eq!(growing.blob(), whole.blob());
    }
}
