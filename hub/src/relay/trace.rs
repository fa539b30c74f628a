//! Knowing a repeated append without reading all of it.
//!
//! A node that lost its link appends again what was not answered. The same sender, kind, length and
//! last 32 bytes are the same entry: an envelope ends in an authentication tag and a control entry
//! in a signature, so two that differ anywhere differ there. A sender could make two that do not;
//! it would fool nobody but itself, because another's entries are never compared with its own. That
//! is also why this is no hash: none is needed, and hashing 1 KiB costs more than all else here.

use hubbub_shared::id::NodeId;
use hubbub_shared::wire::from_hub::ItemKind;

const TAIL: usize = 32;

/// What an appended entry is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    tail: [u8; TAIL],
    size: usize,
    kind: ItemKind,
    by: NodeId,
}

impl Trace {
    pub(super) fn of(by: NodeId, kind: ItemKind, bytes: &[u8]) -> Self {
        let mut tail = [0; TAIL];
        for (to, from) in tail.iter_mut().rev().zip(bytes.iter().rev()) {
            *to = *from;
        }
        Self { tail, size: bytes.len(), kind, by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);

    #[test]
    fn only_the_same_entry_of_the_same_sender_is_the_same() {
        let (envelope, control) = (ItemKind::Envelope, ItemKind::Control);
        let first = Trace::of(ALICE, envelope, &[7; 100]);
        assert_eq!(Trace::of(ALICE, envelope, &[7; 100]), first);
        assert_ne!(Trace::of(BOB, envelope, &[7; 100]), first);
        assert_ne!(Trace::of(ALICE, control, &[7; 100]), first);
        assert_ne!(Trace::of(ALICE, envelope, &[7; 99]), first);
        assert_ne!(Trace::of(ALICE, envelope, &[&[7; 99][..], &[8]].concat()), first);
    }

    #[test]
    fn short_entries_are_compared_whole() {
        let trace = |bytes: &[u8]| Trace::of(ALICE, ItemKind::Envelope, bytes);
        assert_ne!(trace(b"a"), trace(b"b"));
        assert_eq!(trace(b"a"), trace(b"a"));
        assert_ne!(trace(b""), trace(&[0]));
    }
}
