//! How long a sealed file is, where its pieces stand, and the tree above them.
//!
//! ```text
//! text   = content | zeros, to a length that Padmé rounds to        padded bytes
//! pieces = the text in parts of 65,520 bytes, the first of 65,488, the last of what is left
//! blob   = commitment (32) | piece 0 | tag (16) | piece 1 | tag (16) ..
//! ```
//!
//! Invariant: with the commitment, each piece but the last is exactly [`PIECE`] bytes of the blob,
//! and the last has at least one byte of text. So piece i is the blob's bytes from i * PIECE, and
//! one subtree of its hash.

use core::ops::Range;

use crate::crypto::padding::padme;
use crate::crypto::stream::{COMMIT, TAG};
use crate::limits::{FILE_PADDED_MIN, PIECE, PIECES_MAX};

/// Bytes of a sealed piece as the formulas need them.
const SEALED: u64 = PIECE as u64;
/// Bytes of text in a piece that is neither first nor last.
const BODY: u64 = SEALED - TAG as u64;
/// What the commitment takes from the first piece.
const LEAD: u64 = COMMIT as u64;

/// The lengths of one sealed file; all of them follow from the padded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    padded: u64,
}

impl Shape {
    /// Of a content of this size; none for more than [`PIECES_MAX`] pieces hold.
    #[must_use]
    pub fn of(size: u64) -> Option<Self> {
        let shape = Self { padded: padme(size.max(FILE_PADDED_MIN)) };
        // The sum cannot overflow: below the bound it is far away, and above it Padmé saturates.
        let text = shape.padded.checked_add(LEAD)?;
        (text.div_ceil(BODY) <= PIECES_MAX).then_some(shape)
    }

    /// Of a blob of this length; none when no content has such a blob.
    #[must_use]
    pub fn of_sealed(len: u64) -> Option<Self> {
        let tags = len.div_ceil(SEALED).checked_mul(TAG as u64)?;
        let padded = len.checked_sub(tags)?.checked_sub(LEAD)?;
        Self::of(padded).filter(|shape| shape.padded == padded && shape.sealed() == len)
    }

    /// Length of the content with its padding.
    #[must_use]
    pub fn padded(&self) -> u64 {
        self.padded
    }

    /// Length of the blob.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.padded + LEAD + self.pieces() * TAG as u64
    }

    /// How many pieces there are: 1 to [`PIECES_MAX`].
    #[must_use]
    pub fn pieces(&self) -> u64 {
        (self.padded + LEAD).div_ceil(BODY)
    }

    /// Whether this is the number of the last piece.
    #[must_use]
    pub fn is_last(&self, index: u32) -> bool {
        u64::from(index) + 1 == self.pieces()
    }

    /// Bytes of the blob that piece `index` takes; none when there is no such piece.
    #[must_use]
    pub fn piece_len(&self, index: u32) -> Option<usize> {
        if u64::from(index) >= self.pieces() {
            return None;
        }
        let rest = self.sealed() - u64::from(index) * SEALED;
        usize::try_from(rest.min(SEALED)).ok()
    }

    /// Which bytes of the padded text piece `index` holds; none when there is no such piece. Of the
    /// content it holds those that are within its size.
    #[must_use]
    pub fn text(&self, index: u32) -> Option<Range<u64>> {
        if u64::from(index) >= self.pieces() {
            return None;
        }
        let at = u64::from(index) * BODY;
        Some(at.saturating_sub(LEAD)..self.padded.min(at + BODY - LEAD))
    }

    /// The parents above piece `index`, from the root down; none for the only piece, and for a
    /// piece that is not there.
    #[must_use]
    pub fn path(&self, index: u32) -> Path {
        Path { from: 0, to: self.pieces(), piece: u64::from(index) }
    }

    /// How many parents there are above piece `index`: 32 at most.
    #[must_use]
    pub fn depth(&self, index: u32) -> u8 {
        self.path(index).fold(0, |depth, _| depth + 1)
    }

    /// How many of them stand above the piece before it, too, and went with that one where both are
    /// part of one answer.
    #[must_use]
    pub fn shared(&self, index: u32) -> u8 {
        let Some(before) = index.checked_sub(1) else { return 0 };
        let pairs = self.path(before).zip(self.path(index));
        pairs.take_while(|(one, two)| one.split == two.split).fold(0, |shared, _| shared + 1)
    }
}

/// One parent on the way down to a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The first piece of its right half: its name, since each parent has another.
    pub split: u32,
    /// Whether the way goes on to the right.
    pub right: bool,
}

/// See [`Shape::path`].
#[derive(Clone, Debug)]
pub struct Path {
    from: u64,
    to: u64,
    piece: u64,
}

impl Iterator for Path {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.piece >= self.to {
            return None;
        }
        // The left half is the largest power of two below the whole.
        let left = (self.to - self.from - 1).checked_ilog2().map(|bits| 1 << bits)?;
        let split = self.from + left;
        let right = self.piece >= split;
        if right {
            self.from = split;
        } else {
            self.to = split;
        }
        u32::try_from(split).ok().map(|split| Step { split, right })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lengths(size: u64) -> (u64, u64, u64) {
        let shape = Shape::of(size).unwrap();
        (shape.padded(), shape.pieces(), shape.sealed())
    }

    #[test]
    fn small_files_all_look_alike() {
        for size in [0, 1, 4_095, 4_096] {
            assert_eq!(lengths(size), (4_096, 1, 4_144));
        }
        assert_eq!(lengths(4_097), (4_352, 1, 4_400));
    }

    #[test]
    fn the_first_piece_ends_where_the_second_begins() {
        // Padmé reaches none of the boundary exactly, so shapes are made from what it does reach.
        for (padded, pieces) in [(65_488, 1), (65_489, 2), (131_008, 2), (131_009, 3)] {
            assert_eq!(Shape { padded }.pieces(), pieces);
        }
        let shape = Shape { padded: 131_009 };
        let texts: Vec<_> = (0..4).map(|index| shape.text(index)).collect();
        assert_eq!(texts, [Some(0..65_488), Some(65_488..131_008), Some(131_008..131_009), None]);
        let lens: Vec<_> = (0..4).map(|index| shape.piece_len(index)).collect();
        assert_eq!(lens, [Some(65_536), Some(65_536), Some(17), None]);
    }

    #[test]
    fn the_largest_file_has_all_the_pieces_and_one_byte_more_than_fits_is_none() {
        let most = PIECES_MAX * BODY - LEAD;
        // The largest length that Padmé rounds to and that fits.
        let largest = most - most % (1 << 41);
        let shape = Shape::of(largest).unwrap();
        assert!(shape.pieces() > PIECES_MAX - (1 << 26));
        assert_eq!(Shape::of(largest + 1), None);
        assert_eq!(Shape::of(u64::MAX), None);
        assert!(shape.path(u32::MAX - (1 << 26)).count() <= crate::limits::PIECE_PARENTS);
    }

    #[test]
    fn lengths_that_no_blob_has_are_refused() {
        for len in [0, 1, 47, 48, 4_143, 4_145, 65_537, 65_552, u64::MAX] {
            assert_eq!(Shape::of_sealed(len), None, "{len}");
        }
    }

    #[test]
    fn every_parent_has_a_name_of_its_own() {
        for pieces in [1, 2, 3, 16, 17, 35, 64, 100] {
            let shape = Shape { padded: pieces * BODY - LEAD };
            let last = u32::try_from(pieces).unwrap();
            let mut names: Vec<u32> =
                (0..last).flat_map(|index| shape.path(index)).map(|step| step.split).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names, (1..last).collect::<Vec<_>>());
            assert_eq!(shape.path(last).count(), 0, "no piece, no way to it");
        }
    }

    proptest! {
        #[test]
        fn a_shape_is_told_from_either_length_and_its_pieces_cover_it(size in 0u64..1 << 47) {
            let shape = Shape::of(size).unwrap();
            prop_assert_eq!(Shape::of_sealed(shape.sealed()), Some(shape));
            prop_assert_eq!(Shape::of(shape.padded()), Some(shape));
            prop_assert!(shape.padded() >= size && shape.padded() - size <= size / 8 + 4_096);
            let last = u32::try_from(shape.pieces() - 1).unwrap();
            prop_assert!(shape.is_last(last) && shape.piece_len(last).unwrap() > TAG);
            prop_assert_eq!(shape.text(last).unwrap().end, shape.padded());
        }

        #[test]
        fn no_length_of_a_blob_is_taken_for_another(len in 0u64..1 << 47) {
            if let Some(shape) = Shape::of_sealed(len) {
                prop_assert_eq!(shape.sealed(), len);
            }
        }
    }
}
