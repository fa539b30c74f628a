//! BLAKE3 by its tree: the values of subtrees, and what two of them make.
//!
//! A hash of a long input is a binary tree over chunks of 1,024 bytes. A piece is 64 of them from a
//! boundary of 64, so it is one subtree whose value can be computed alone, and a few values above
//! show that it belongs to the whole. Invariant: what is hashed here is what `blake3` hashes; a
//! blob's address is its plain hash, whatever order its pieces came in.
//!
//! Done with the official crate's own tree functions. bao-tree was considered: its slices begin at
//! the root whatever a reader already has, and with its stores, range sets and readers it is ten
//! times the code that pieces of one size leave to be written (`blob::shape`, `blob::verify`).

use ::blake3 as b3;
use b3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::limits::PIECE;

/// A value in the tree.
pub type Value = [u8; 32];

/// The value of piece `index` of several; none for no bytes or more than a piece holds.
#[must_use]
pub fn piece(index: u32, bytes: &[u8]) -> Option<Value> {
    // Both are what the crate would panic about; the offset is a multiple of its chunks.
    if bytes.is_empty() || bytes.len() > PIECE {
        return None;
    }
    let mut hasher = b3::Hasher::new();
    hasher.set_input_offset(u64::from(index) * PIECE as u64);
    Some(hasher.update(bytes).finalize_non_root())
}

/// The value above two others.
#[must_use]
pub fn parent(left: &Value, right: &Value) -> Value {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

/// The hash of the whole, from the two values below it.
#[must_use]
pub fn root(left: &Value, right: &Value) -> Value {
    *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_parents_make_the_plain_hash() {
        let bytes: Vec<u8> = (0..251).cycle().take(3 * PIECE + 1).collect();
        let of = |index: usize| {
            let end = bytes.len().min((index + 1) * PIECE);
            piece(u32::try_from(index).unwrap(), &bytes[index * PIECE..end]).unwrap()
        };
        let whole = root(&parent(&of(0), &of(1)), &parent(&of(2), &of(3)));
        assert_eq!(whole, *b3::hash(&bytes).as_bytes());
    }

    #[test]
    fn what_cannot_be_a_piece_has_no_value() {
        assert_eq!(piece(0, &[]), None);
        assert_eq!(piece(1, &vec![0; PIECE + 1]), None);
        assert!(piece(u32::MAX, &[0; PIECE]).is_some());
    }
}
