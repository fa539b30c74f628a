//! Changes that were decided and that the disk did not take yet.
//!
//! Invariant: of two changes to the same files the later one counts, and the earlier one is never
//! carried out behind it.

use std::collections::BTreeMap;

use hubbub_shared::id::{BlobId, NodeId};

use super::Change;
use super::bounds::OWED;

/// The files that a change is about: those of a whole blob, or of one on its way from somebody, of
/// some length.
type Files = (BlobId, Option<(NodeId, u64)>);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Owed(BTreeMap<Files, Change>);

impl Owed {
    /// These are to be done, one after the other, and nothing of what was to be done to the same
    /// files before. What is left of them: one for each blob's files.
    pub(crate) fn take_in(&mut self, changes: Vec<Change>) -> Vec<Change> {
        let of_files = changes.into_iter().map(|change| (files(&change), change));
        let last: BTreeMap<_, _> = of_files.collect();
        self.0.extend(last.clone());
        last.into_values().collect()
    }

    /// The disk has taken it.
    pub(crate) fn done(&mut self, change: &Change) {
        self.0.remove(&files(change));
    }

    /// What is to be done to the files of one address.
    pub(crate) fn of(&self, address: &BlobId) -> Vec<Change> {
        let from = self.0.range((*address, None)..);
        from.take_while(|((of, _), _)| of == address).map(|(_, change)| change.clone()).collect()
    }

    /// All that is to be done.
    pub(crate) fn all(&self) -> Vec<Change> {
        self.0.values().cloned().collect()
    }

    /// The disk fails altogether: more is not begun.
    pub(crate) fn is_much(&self) -> bool {
        self.0.len() >= OWED
    }
}

fn files(change: &Change) -> Files {
    match change {
        Change::Record(blob, _) => (blob.address, None),
        Change::Forget(address) => (*address, None),
        Change::Drop(node, blob) => (blob.address, Some((*node, blob.shape.sealed()))),
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::blob::{Blob, Shape};

    use super::super::Holders;
    use super::*;

    #[test]
    fn of_changes_to_the_same_files_the_last_is_owed_until_it_is_done() {
        let (node, shape) = (NodeId([1; 32]), Shape::of_sealed(4_144).unwrap());
        let blob = |n| Blob { address: BlobId([n; 32]), shape };
        let [record, forget] =
            [Change::Record(blob(1), Holders::new()), Change::Forget(blob(1).address)];
        let [dropped, other] = [1, 2].map(|n| Change::Drop(node, blob(n)));
        let mut owed = Owed::default();
        let changes = [&forget, &record, &dropped, &other, &dropped].map(Clone::clone);
        let left = owed.take_in(changes.to_vec());
        assert_eq!(left, [record.clone(), dropped.clone(), other.clone()]);
        assert_eq!(owed.of(&blob(1).address), [record, dropped.clone()]);
        owed.take_in(vec![forget.clone()]);
        owed.done(&dropped);
        assert_eq!(owed.of(&blob(1).address), std::slice::from_ref(&forget));
        assert_eq!(owed.all(), [forget, other]);
    }
}
