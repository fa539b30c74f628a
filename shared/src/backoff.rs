//! How long to wait before the next try: doubling, bounded, with jitter.
//!
//! Invariant: two callers that failed at the same moment do not come back at the same moment, and
//! nobody waits longer than the bound.

use rand_core::Rng;

use crate::time::Millis;

/// A growing wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Millis,
    longest: Millis,
    failures: u32,
}

impl Backoff {
    /// Waits from about `first` up to `longest`.
    #[must_use]
    pub const fn new(first: Millis, longest: Millis) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The next wait: a random part between one half and the whole of the doubled one.
    pub fn next(&mut self, rng: &mut impl Rng) -> Millis {
        let factor = 1u64.checked_shl(self.failures.min(32)).unwrap_or(u64::MAX);
        let whole = self.first.0.saturating_mul(factor).min(self.longest.0);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        Millis(half + rng.next_u64() % (whole - half).saturating_add(1))
    }

    /// It went well: the next wait is short again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_start_again_after_a_reset() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut backoff = Backoff::new(Millis(500), Millis::secs(60));
        for whole in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            let wait = backoff.next(&mut rng).0;
            assert!((whole / 2..=whole).contains(&wait), "{wait} of {whole}");
        }
        for _ in 0..100 {
            assert!(backoff.next(&mut rng).0 <= 60_000);
        }
        backoff.reset();
        assert!(backoff.next(&mut rng).0 <= 500);
    }
}
