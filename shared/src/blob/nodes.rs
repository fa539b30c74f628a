//! Where the values of a blob's tree are kept: 64 bytes for each piece but one.
//!
//! A parent is named by the first piece of its right half, 1 to one less than there are pieces, so
//! a store is a file of records of fixed size at [`offset`], about a thousandth of the blob, and
//! nothing of it has to be in memory. Sixty-four zeros are no parent (nobody knows what hashes to
//! them), so a file with holes says by itself what it lacks.
//!
//! Invariant: what is kept here was verified against the address, or made while sealing.

use core::convert::Infallible;
use std::collections::BTreeMap;

use crate::crypto::tree::Value;

/// Bytes of one parent.
pub const PARENT: usize = 64;

/// Where in a file of records the parent named `split` stands.
#[must_use]
pub fn offset(split: u32) -> u64 {
    u64::from(split).saturating_sub(1) * PARENT as u64
}

/// The two values below a node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Of the left half.
    pub left: Value,
    /// Of the right half.
    pub right: Value,
}

impl Parent {
    /// As it travels and is stored.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; PARENT] {
        let mut bytes = [0; PARENT];
        let (left, right) = bytes.split_at_mut(32);
        left.copy_from_slice(&self.left);
        right.copy_from_slice(&self.right);
        bytes
    }

    /// Reads a record of a store; none where nothing was stored.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; PARENT]) -> Option<Self> {
        let [left, right] = *bytes.as_chunks::<32>().0 else { return None };
        (*bytes != [0; PARENT]).then_some(Self { left, right })
    }

    /// The value of the half that a way goes to.
    #[must_use]
    pub fn side(&self, right: bool) -> Value {
        if right { self.right } else { self.left }
    }
}

/// Keeps the parents of one blob.
pub trait Nodes {
    /// Why it may fail, as disks do.
    type Error;

    /// The parent of this name, if it is known.
    ///
    /// # Errors
    /// The store's own.
    fn parent(&self, split: u32) -> Result<Option<Parent>, Self::Error>;

    /// Keeps a parent. It never differs from one that is kept under the same name.
    ///
    /// # Errors
    /// The store's own.
    fn keep(&mut self, split: u32, parent: &Parent) -> Result<(), Self::Error>;
}

/// Keeps them in memory: for blobs that fit there anyway.
#[derive(Clone, Debug, Default)]
pub struct MemoryNodes(BTreeMap<u32, Parent>);

impl Nodes for MemoryNodes {
    type Error = Infallible;

    fn parent(&self, split: u32) -> Result<Option<Parent>, Infallible> {
        Ok(self.0.get(&split).copied())
    }

    fn keep(&mut self, split: u32, parent: &Parent) -> Result<(), Infallible> {
        self.0.insert(split, *parent);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_survives_a_round_trip_and_nothing_stored_is_none() {
        let parent = Parent { left: [1; 32], right: [2; 32] };
        assert_eq!(Parent::from_bytes(&parent.to_bytes()), Some(parent));
        assert_eq!(Parent::from_bytes(&[0; PARENT]), None);
        assert_eq!((offset(1), offset(2), offset(u32::MAX)), (0, 64, 64 * 4_294_967_294));
    }
}
