//! Moments as people read them, in their own time zone.

use hubbub_shared::time::Timestamp;
use jiff::tz::TimeZone;
use jiff::{Zoned, civil::Date};

/// Turns moments into local dates and times.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// In this zone.
    #[must_use]
    pub fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    /// In the zone this machine is set to.
    #[must_use]
    pub fn local() -> Self {
        Self::new(TimeZone::system())
    }

    /// `14:05`.
    #[must_use]
    pub fn time(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%H:%M").to_string()
    }

    /// `2026-11-22 14:05:09`.
    #[must_use]
    pub fn date_time(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `Sunday, 22 November 2026`.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%A, %-d %B %Y").to_string()
    }

    /// `22 Nov 2026`.
    #[must_use]
    pub fn short_day(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%-d %b %Y").to_string()
    }

    /// The time when it was today, else the date: for a narrow column.
    #[must_use]
    pub fn brief(&self, at: Timestamp, now: Timestamp) -> String {
        if self.same_day(at, now) {
            self.time(at)
        } else {
            self.zoned(at).strftime("%Y-%m-%d").to_string()
        }
    }

    /// Whether two moments fall on the same local day.
    #[must_use]
    pub fn same_day(&self, a: Timestamp, b: Timestamp) -> bool {
        self.date(a) == self.date(b)
    }

    fn date(&self, at: Timestamp) -> Date {
        self.zoned(at).date()
    }

    /// A moment no calendar has is shown as the epoch rather than not at all.
    fn zoned(&self, at: Timestamp) -> Zoned {
        let millis = i64::try_from(at.0).unwrap_or(0);
        jiff::Timestamp::from_millisecond(millis)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_zoned(self.zone.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_in_the_given_zone() {
        let clock = Clock::new(TimeZone::fixed(jiff::tz::offset(2)));
        let at = Timestamp(1_700_000_000_000);
        assert_eq!(clock.date_time(at), "2023-11-15 00:13:20");
        assert_eq!(clock.day(at), "Wednesday, 15 November 2023");
        assert_eq!(clock.brief(at, at), "00:13");
    }

    #[test]
    fn a_moment_beyond_every_calendar_is_still_shown() {
        let clock = Clock::new(TimeZone::UTC);
        assert_eq!(clock.time(Timestamp(u64::MAX)), "00:00");
    }
}
