//! Orders that wait to be taken. The later one about the same thing replaces the one before it.
//!
//! Orders say what is to be, and not what changed, so that nothing is lost by that. Invariant: no
//! more wait than there are things to order, however often they are ordered while nobody takes any.

use std::collections::BTreeMap;

use hubbub_shared::id::BlobId;

use crate::engine::file::order::{Dropped, Order};
use crate::transfer;
use crate::transfer::plan::SourceId;

/// What an order is about: a file by its number, and something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    Look(u64),
    Seal(u64),
    Serve(u64),
    Unserve(u64),
    Put(u64),
    TakeBack(u64),
    Fetch(u64),
    Hold(u64),
    Rank(u64),
    Discard(u64),
    /// What is here of a file by this address: there may be another, when it was sealed twice.
    Drop(u64, Option<BlobId>),
    /// Whether somebody is a source.
    Source(u64, SourceId),
    Heard(u64, SourceId),
    Limits,
}

impl From<&transfer::Order> for About {
    fn from(order: &transfer::Order) -> Self {
        use transfer::Order;
        match order {
            Order::Seal { file, .. } => Self::Seal(file.0),
            Order::Serve { file, .. } => Self::Serve(file.0),
            Order::Unserve { file } => Self::Unserve(file.0),
            Order::Fetch(fetch) => Self::Fetch(fetch.file.0),
            Order::Source { file, source, .. } | Order::Lost { file, source } => {
                Self::Source(file.0, *source)
            }
            Order::Heard { file, source } => Self::Heard(file.0, *source),
            Order::Hold { file, .. } => Self::Hold(file.0),
            Order::Rank { file, .. } => Self::Rank(file.0),
            Order::Drop { file, reference, .. } => Self::Drop(file.0, Some(reference.blob.address)),
            Order::Limits { .. } => Self::Limits,
        }
    }
}

impl From<&Order> for About {
    fn from(order: &Order) -> Self {
        match order {
            Order::Look(look) => Self::Look(look.file),
            Order::Seal { file, .. } => Self::Seal(*file),
            Order::Serve(serve) => Self::Serve(serve.file),
            Order::Unserve(file) => Self::Unserve(*file),
            Order::Put(file) => Self::Put(*file),
            Order::TakeBack { file, .. } => Self::TakeBack(*file),
            Order::Fetch(fetch) => Self::Fetch(fetch.file),
            Order::Hold(file) => Self::Hold(*file),
            Order::Drop(dropped) => Self::Drop(dropped.file, address(dropped)),
            Order::Discard { file, .. } => Self::Discard(*file),
            Order::Limit(_) => Self::Limits,
        }
    }
}

fn address(dropped: &Dropped) -> Option<BlobId> {
    dropped.blob.as_ref().map(|(blob, _)| blob.address)
}

/// See the top of the file.
pub(super) struct Latest<T> {
    waiting: BTreeMap<u64, (About, T)>,
    /// Where each stands.
    at: BTreeMap<About, u64>,
    next: u64,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), at: BTreeMap::new(), next: 0 }
    }
}

impl<T> Latest<T>
where
    for<'a> About: From<&'a T>,
{
    /// Behind all that wait, and in the place of none of them but the one about the same.
    pub(super) fn push(&mut self, order: T) {
        let about = About::from(&order);
        if let Some(before) = self.at.insert(about, self.next) {
            self.waiting.remove(&before);
        }
        self.waiting.insert(self.next, (about, order));
        self.next += 1;
    }

    /// The one that waited longest.
    pub(super) fn pop(&mut self) -> Option<T> {
        let (_, (about, order)) = self.waiting.pop_first()?;
        self.at.remove(&about);
        Some(order)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::id::NodeId;

    use super::*;
    use crate::transfer::plan::{FileId, Kind};

    #[test]
    fn however_often_the_same_is_ordered_the_last_of_it_waits_in_its_turn() {
        let mut orders = Latest::default();
        let peer = SourceId::Node(NodeId([1; 32]));
        for _ in 0..1_000 {
            for file in [1, 2].map(FileId) {
                orders.push(transfer::Order::Source { file, source: peer, kind: Kind::Relay });
                orders.push(transfer::Order::Heard { file, source: peer });
                orders.push(transfer::Order::Hold { file, paused: true });
                orders.push(transfer::Order::Lost { file, source: peer });
                orders.push(transfer::Order::Hold { file, paused: false });
            }
        }
        let mut left = Vec::new();
        while let Some(order) = orders.pop() {
            let gone = !matches!(
                order,
                transfer::Order::Source { .. } | transfer::Order::Hold { paused: true, .. }
            );
            assert!(gone, "it was replaced");
            left.push(About::from(&order));
        }
        let of = |file| [About::Heard(file, peer), About::Source(file, peer), About::Hold(file)];
        assert_eq!(left, [of(1), of(2)].concat());
        assert!(orders.is_empty() && orders.at.is_empty());
    }

    #[test]
    fn what_undoes_another_order_does_not_replace_it() {
        let mut orders = Latest::default();
        [Order::Put(1), Order::Hold(1), Order::Unserve(1), Order::Put(2), Order::Put(1)]
            .into_iter()
            .for_each(|order| orders.push(order));
        let left: Vec<_> = core::iter::from_fn(|| orders.pop()).map(|o| format!("{o:?}")).collect();
        assert_eq!(left, ["Hold(1)", "Unserve(1)", "Put(2)", "Put(1)"]);
    }
}
