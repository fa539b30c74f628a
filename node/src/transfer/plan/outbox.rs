//! What leaves the plan, and the little that all files need for it: time, chance, numbers.

use std::collections::VecDeque;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::deed::Deed;

/// Bounded by what may be outstanding and by streams that may be open: each is said once.
pub(super) struct Outbox {
    pub(super) me: NodeId,
    pub(super) now: Timestamp,
    pub(super) rng: ChaCha20Rng,
    reqs: u32,
    deeds: VecDeque<Deed>,
}

impl Outbox {
    pub(super) fn new(me: NodeId, seed: [u8; 32]) -> Self {
        let rng = ChaCha20Rng::from_seed(seed);
        Self { me, now: Timestamp(0), rng, reqs: 0, deeds: VecDeque::new() }
    }

    pub(super) fn say(&mut self, deed: Deed) {
        self.deeds.push_back(deed);
    }

    pub(super) fn next(&mut self) -> Option<Deed> {
        self.deeds.pop_front()
    }

    /// A number for a question. By the time they come round again, the old ones are answered.
    pub(super) fn req(&mut self) -> u32 {
        self.reqs = self.reqs.wrapping_add(1);
        self.reqs
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound.max(1)
    }
}
