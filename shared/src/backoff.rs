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

/// The waits for somebody who is there for a while each time.
///
/// Invariant: whoever is gone sooner than `served` after it was reached is tried ever later, since
/// being reached may be what it dies of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returns {
    waits: Backoff,
    served: Millis,
}

impl Returns {
    /// Waits as `waits` has them, from the first on after it gave signs of life for `served`.
    #[must_use]
    pub const fn new(waits: Backoff, served: Millis) -> Self {
        Self { waits, served }
    }

    /// The wait after it was lost, or not reached; how long after it was reached it was last heard
    /// from.
    pub fn after(&mut self, lived: Millis, rng: &mut impl Rng) -> Millis {
        if lived >= self.served {
            self.waits.reset();
        }
        self.waits.next(rng)
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

    /// A hub that is up for so many milliseconds and down for so many, by turns.
    struct Hub {
        up: u64,
        down: u64,
    }

    impl Hub {
        fn at(&self, now: u64) -> u64 {
            now % (self.up + self.down)
        }

        /// How long it was up until then.
        fn was_up(&self, now: u64) -> u64 {
            now / (self.up + self.down) * self.up + self.at(now).min(self.up)
        }

        /// Somebody comes back to it for an hour: how long it was there at most before they were,
        /// and how often they knocked.
        fn live(&self, seed: u8) -> (u64, u64) {
            let mut rng = ChaCha20Rng::from_seed([seed; 32]);
            let waits = Backoff::new(Millis(500), Millis::secs(60));
            let mut returns = Returns::new(waits, Millis::secs(5));
            let (mut now, mut missed, mut longest, mut knocks) = (0, 0, 0, 0);
            while now < 3_600_000 {
                let lived = self.up.saturating_sub(self.at(now));
                if lived > 0 {
                    (longest, missed) = (missed.max(longest), 0);
                }
                let lost = now + lived;
                now = lost + returns.after(Millis(lived), &mut rng).0;
                missed += self.was_up(now) - self.was_up(lost);
                knocks += 1;
            }
            (longest, knocks)
        }
    }

    #[test]
    fn a_hub_that_is_killed_again_and_again_and_served_in_between_is_found_again_soon() {
        for seed in 0..20 {
            let (missed, _) = Hub { up: 20_000, down: 2_000 }.live(seed);
            assert!(missed <= 4_000, "not found for {missed} ms");
        }
    }

    #[test]
    fn a_hub_that_dies_of_being_reached_is_left_alone_ever_longer() {
        for up in [0, 100, 4_900] {
            let (_, knocks) = Hub { up, down: 1 }.live(1);
            assert!(knocks <= 130, "knocked at {knocks} times in an hour");
        }
    }

    #[test]
    fn those_who_lost_a_hub_at_one_moment_do_not_come_back_at_one() {
        let mut waits: Vec<u64> = (0..50)
            .map(|seed| {
                let mut rng = ChaCha20Rng::from_seed([seed; 32]);
                let waits = Backoff::new(Millis(500), Millis::secs(60));
                let mut returns = Returns::new(waits, Millis::secs(5));
                returns.after(Millis(0), &mut rng);
                returns.after(Millis::secs(9), &mut rng).0
            })
            .collect();
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 25 && waits.iter().all(|wait| (250..=500).contains(wait)));
    }
}
