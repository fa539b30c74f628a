//! How fast bytes may pass: each waits until what passed before it is paid for.
//!
//! Invariant: nothing is dropped and nobody overtakes; a pace that nobody uses saves up a moment
//! and no more. What is absent: a queue. Whoever waits holds its own bytes, and through QUIC's flow
//! control the sender waits with it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What may be saved up, as time.
const SAVED: Duration = Duration::from_millis(50);
const SECOND: u64 = 1_000_000_000;

/// A number of bytes a second, shared by whoever is given it.
pub(crate) struct Pace {
    /// 0 for any.
    per_second: u64,
    paid_until: Mutex<Instant>,
}

impl Pace {
    /// Nothing is saved up at the start, so that beginning anew brings nothing.
    pub(crate) fn new(per_second: u64) -> Self {
        Self { per_second, paid_until: Mutex::new(Instant::now()) }
    }

    /// Waits until so many more may pass.
    pub(crate) async fn pass(&self, bytes: usize) {
        let now = Instant::now();
        let from = self.book(bytes, now);
        if from > now {
            tokio::time::sleep_until(from).await;
        }
    }

    /// From when on they may.
    fn book(&self, bytes: usize, now: Instant) -> Instant {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let cost = bytes.saturating_mul(SECOND).checked_div(self.per_second).unwrap_or(0);
        // A time alone: a panic cannot leave it half written.
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let from = now.checked_sub(SAVED).map_or(*paid_until, |saved| saved.max(*paid_until));
        *paid_until = from + Duration::from_nanos(cost);
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn what_passes_is_paid_for_by_whoever_comes_next() {
        let pace = Pace::new(10 * 1024 * 1024);
        let now = *pace.paid_until.lock().unwrap();
        assert_eq!(pace.book(MIB, now), now);
        assert_eq!(pace.book(MIB, now), now + Duration::from_millis(100));
        assert_eq!(pace.book(0, now), now + Duration::from_millis(200));
    }

    #[test]
    fn a_long_pause_saves_up_a_moment_and_no_more() {
        let pace = Pace::new(10 * 1024 * 1024);
        let later = *pace.paid_until.lock().unwrap() + Duration::from_secs(60);
        assert!(pace.book(MIB, later) <= later);
        assert_eq!(pace.book(MIB, later), later + Duration::from_millis(100) - SAVED);
    }

    #[test]
    fn without_a_bound_nobody_ever_waits() {
        let pace = Pace::new(0);
        let now = *pace.paid_until.lock().unwrap();
        for _ in 0..10 {
            assert!(pace.book(usize::MAX, now) <= now);
        }
    }
}
