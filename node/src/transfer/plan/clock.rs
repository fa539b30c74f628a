//! The time as the plan counts it: it never goes back, however the machine's clock is set.

use hubbub_shared::time::{Millis, Timestamp};

/// See the module.
#[derive(Clone, Copy, Default)]
pub(super) struct Clock {
    told: Timestamp,
    own: Timestamp,
}

impl Clock {
    /// What it is now, by the plan's count.
    pub(super) fn tell(&mut self, now: Timestamp) -> Timestamp {
        self.own = self.own + now.since(self.told);
        self.told = now;
        self.own
    }

    /// A moment of the plan's count, as the machine counts.
    pub(super) fn outside(&self, own: Timestamp) -> Timestamp {
        if own >= self.own {
            self.told + own.since(self.own)
        } else {
            self.told - Millis(self.own.since(own).0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_only_stands_still() {
        let mut clock = Clock::default();
        let first = clock.tell(Timestamp(1_000_000));
        assert_eq!(clock.tell(Timestamp(400)), first);
        let later = clock.tell(Timestamp(900));
        assert_eq!(later, first + Millis(500));
        assert_eq!(clock.outside(later + Millis(30)), Timestamp(930));
    }
}
