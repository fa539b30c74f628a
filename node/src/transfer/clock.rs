//! The time as the plan takes it: the machine's when it began, and on from there without jumps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hubbub_shared::time::Timestamp;
use tokio::time::Instant;

/// See the top of the file.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    at: u64,
    since: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at: u64::try_from(since.as_millis()).unwrap_or(0), since: Instant::now() }
    }

    pub(super) fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.at.saturating_add(passed))
    }

    /// A moment as the runtime counts; one that is past is now.
    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        self.since + Duration::from_millis(at.0.saturating_sub(self.at))
    }
}
