//! What peers carried since the last commit, and what becomes of it when one fails.
//!
//! A commit that fails undoes what was opened, and a connection brings nothing twice: an engine
//! that went on with what comes next would hear the later first. So all of it is kept until it is
//! durable, and the next engine is given it again. The connections hold: to make them anew takes
//! the hub, which may be away.
//!
//! Invariant: what came on a connection is durable in the order in which it came, with nothing left
//! out, as long as there is a connection with that peer; without one, the peer carries it again.
//! What is absent: what peers say of their hubs, the last of which is told with the connection, and
//! what the hub brings, which it brings again by itself.

use hubbub_shared::id::NodeId;
use hubbub_shared::wire::to_peer::Carry;

/// Envelopes kept, and bytes of them: as much as one peer carries at once, and as much as is taken
/// from one in a second. With so much a commit is tried, and while none works nothing more is read:
/// peers wait, and so does the hub.
const MOST: usize = 1_024;
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What peers carried and is not durable yet, in the order in which it came.
#[derive(Default)]
pub struct Uncommitted {
    carried: Vec<(NodeId, Carry)>,
    bytes: usize,
    /// The engine there is, if there is one, was not given it.
    owed: bool,
}

impl Uncommitted {
    /// A peer carries something. Gives what the engine is to be given now: nothing while something
    /// that came earlier waits.
    pub fn take(&mut self, peer: NodeId, carry: Carry) -> Option<Carry> {
        self.bytes = self.bytes.saturating_add(carry.envelope.len());
        let now = (!self.owed).then(|| carry.clone());
        self.carried.push((peer, carry));
        now
    }

    /// All that the engine was given is durable.
    pub fn committed(&mut self) {
        if !self.owed {
            self.carried.clear();
            self.bytes = 0;
        }
    }

    /// What the engine was given since the last commit has not happened, and the engine is gone.
    pub fn failed(&mut self) {
        self.owed = true;
    }

    /// Whether something waits, or would, until [`Self::again`].
    #[must_use]
    pub fn owes(&self) -> bool {
        self.owed
    }

    /// What the engine is to be given now, which was built after a commit failed.
    pub fn again(&mut self) -> Vec<(NodeId, Carry)> {
        if core::mem::take(&mut self.owed) { self.carried.clone() } else { Vec::new() }
    }

    /// There is no connection with a peer any more. It carries again what was not acknowledged.
    pub fn parted(&mut self, peer: &NodeId) {
        self.carried.retain(|(from, _)| from != peer);
        self.bytes = self.carried.iter().map(|(_, carry)| carry.envelope.len()).sum();
    }

    /// Whether nothing more may come before the next commit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.carried.len() >= MOST || self.bytes >= MOST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::wire::{ByteBuf, LogId};

    use super::*;

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);

    fn carry(envelope: &[u8]) -> Carry {
        Carry { log: LogId::Mailbox(NodeId([9; 32])), envelope: ByteBuf::from(envelope) }
    }

    fn envelopes(carried: Vec<(NodeId, Carry)>) -> Vec<Vec<u8>> {
        carried.into_iter().map(|(_, carry)| carry.envelope.into_vec()).collect()
    }

    #[test]
    fn what_was_not_committed_is_given_again_before_what_came_after_it() {
        let mut kept = Uncommitted::default();
        assert!(kept.take(ALICE, carry(b"durable")).is_some());
        kept.committed();
        assert!(kept.take(ALICE, carry(b"one")).is_some());
        assert!(kept.take(BOB, carry(b"two")).is_some());
        for _ in 0..2 {
            kept.failed();
            assert!(kept.owes());
            // What the new engine commits before it was given them is something else.
            kept.committed();
            assert_eq!(envelopes(kept.again()), [b"one", b"two"]);
            assert!(!kept.owes());
        }
        kept.failed();
        assert_eq!(kept.take(ALICE, carry(b"six")), None);
        assert_eq!(envelopes(kept.again()), [b"one", b"two", b"six"]);
        assert_eq!(kept.again(), []);
        kept.committed();
        kept.failed();
        assert_eq!(kept.again(), []);
    }

    #[test]
    fn a_peer_whose_connection_ended_carries_it_again_itself() {
        let mut kept = Uncommitted::default();
        kept.failed();
        for (peer, envelope) in [(ALICE, b"one"), (BOB, b"two"), (ALICE, b"six")] {
            assert_eq!(kept.take(peer, carry(envelope)), None);
        }
        kept.parted(&ALICE);
        assert_eq!((envelopes(kept.again()), kept.bytes), (vec![b"two".to_vec()], 3));
    }

    #[test]
    fn so_much_is_kept_and_no_more_until_it_is_durable() {
        let mut kept = Uncommitted::default();
        for _ in 0..MOST {
            assert!(!kept.is_full());
            kept.take(ALICE, carry(b"small"));
        }
        assert!(kept.is_full());
        kept.committed();
        assert!(!kept.is_full());
        let large = vec![7; MOST_BYTES / 8];
        for _ in 0..8 {
            assert!(!kept.is_full());
            kept.take(ALICE, carry(&large));
        }
        assert!(kept.is_full());
        kept.parted(&ALICE);
        assert!(!kept.is_full());
    }
}
