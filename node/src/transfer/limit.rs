//! How many bytes a second go out: a bucket that fills at the rate that was set.
//!
//! Whoever takes waits in line, so that all who wait are served in turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// What was not taken for so long may be taken at once later.
const BURST: Duration = Duration::from_millis(200);
/// What is taken at once lasts about so long at the rate that was set, so that many take turns.
const PORTION_MS: u64 = 250;

/// See the top of the file.
pub struct Limit {
    /// Bytes a second; 0 for no limit.
    rate: AtomicU64,
    /// When the next may take.
    next: Mutex<Instant>,
}

impl Limit {
    /// Of so many bytes a second; 0 for none.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        Self { rate: AtomicU64::new(rate), next: Mutex::new(Instant::now()) }
    }

    /// Another rate from now on.
    pub fn set(&self, rate: u64) {
        self.rate.store(rate, Ordering::Relaxed);
    }

    /// How many bytes may be taken at once, of up to `most`.
    #[must_use]
    pub fn portion(&self, most: usize) -> usize {
        match self.rate.load(Ordering::Relaxed) {
            0 => most,
            rate => usize::try_from(rate / 1_000 * PORTION_MS).map_or(most, |some| some.min(most)),
        }
    }

    /// Waits until so many bytes may go.
    pub async fn take(&self, bytes: usize) {
        if self.rate.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut next = self.next.lock().await;
        let earliest = Instant::now().checked_sub(BURST).unwrap_or(*next);
        let at = (*next).max(earliest);
        sleep_until(at).await;
        // It may have been lifted meanwhile.
        let rate = self.rate.load(Ordering::Relaxed);
        let nanos = (bytes as u128 * 1_000_000_000).checked_div(u128::from(rate)).unwrap_or(0);
        *next = at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_bytes_pass_in_a_second_as_was_said() {
        let limit = Limit::new(10_000_000);
        let began = Instant::now();
        for _ in 0..50 {
            limit.take(100_000).await;
        }
        // A slow machine may take longer, but none less: the first is free, and a burst.
        let took = began.elapsed().as_secs_f64();
        assert!((0.28..5.0).contains(&took), "{took}");
        assert_eq!(limit.portion(4 << 20), 2_500_000);
    }

    #[tokio::test]
    async fn without_a_limit_nobody_waits() {
        let limit = Limit::new(0);
        let began = Instant::now();
        limit.take(usize::MAX).await;
        assert!(began.elapsed() < Duration::from_secs(60) && limit.portion(9) == 9);
    }
}
