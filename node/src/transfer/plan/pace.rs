//! How fast a source is, how far away, and what that leaves room for; how fast a file comes; and
//! how fast anything may be asked for.

use hubbub_shared::limits::PIECE;
use hubbub_shared::time::{Millis, Timestamp};

use super::limits::{BURST, SLACK, SMOOTH, STALL, WINDOW_MAX, WINDOW_MIN, WINDOW_START};

/// A source is measured over at least this long: pieces come in bursts.
const SLICE: Millis = Millis(200);
/// Round trips are looked at as if none were longer: a source that waits for its disk is no reason
/// to have more outstanding.
const FAR: Millis = Millis::secs(2);

/// How fast one source is.
#[derive(Clone, Default)]
pub(super) struct Pace {
    rate: u64,
    trip: Option<Millis>,
    /// It had nothing to do before it was asked then.
    woken: Option<Timestamp>,
    /// A piece it was asked for then, when it had little to do.
    watched: Option<(u32, Timestamp)>,
    since: Timestamp,
    bytes: u64,
    given: u64,
}

impl Pace {
    /// Bytes a second; 0 before that is known.
    pub(super) fn rate(&self) -> u64 {
        self.rate
    }

    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// It was asked while nothing was outstanding.
    pub(super) fn wake(&mut self, now: Timestamp) {
        (self.woken, self.watched) = (Some(now), None);
        self.since = now + self.trip.unwrap_or_default();
        self.bytes = 0;
    }

    /// It was asked for a piece behind a few others alone.
    pub(super) fn watch(&mut self, index: u32, now: Timestamp) {
        // One that did not come is not waited for.
        if self.watched.is_none_or(|(_, at)| now.since(at) > FAR) {
            self.watched = Some((index, now));
        }
    }

    /// A piece came.
    pub(super) fn came(&mut self, index: u32, bytes: u64, now: Timestamp) {
        if let Some(at) = self.woken.take() {
            // The shortest of late: what waits behind other things is no round trip.
            self.went(now.since(at), 8);
        } else if let Some((_, at)) = self.watched.take_if(|(watched, _)| *watched == index) {
            // Hardly anything was before it: if it took long, it is far from here now. Else a
            // source whose answers come later would be asked for less, and seem ever slower.
            self.went(now.since(at), 1);
        }
        self.given += bytes;
        self.bytes += bytes;
        let took = now.since(self.since).0;
        if took < SLICE.0 {
            return;
        }
        let seen = self.bytes.saturating_mul(1_000) / took;
        self.rate = match self.rate {
            0 => seen,
            rate if seen > rate => rate.midpoint(seen),
            rate => (rate / 4).saturating_mul(3) + seen / 4,
        };
        (self.since, self.bytes) = (now, 0);
    }

    /// A round trip took so long; of what is known, no more than a part of it is added at once.
    fn went(&mut self, took: Millis, part: u64) {
        let known = self.trip.map_or(u64::MAX, |trip| trip.0 + trip.0 / part + 1);
        self.trip = Some(Millis(took.0.min(known).min(FAR.0)));
    }

    /// How many pieces may be outstanding of it, when it gives `rate` to all files together and
    /// this one is to have `part.0` in `part.1` of that: what flows in a round trip and a bit.
    pub(super) fn window(&self, rate: u64, part: (u64, u64)) -> usize {
        if self.rate == 0 {
            // Until it was measured, each piece that came makes room for two.
            let came = usize::try_from(self.bytes / PIECE as u64).unwrap_or(WINDOW_MAX);
            return (WINDOW_START + came).min(WINDOW_MAX);
        }
        let flows = rate.saturating_mul(self.trip.unwrap_or_default().0 + SLACK.0) / 1_000;
        let pieces = flows.saturating_mul(part.0) / part.1.max(1) / PIECE as u64;
        usize::try_from(pieces).unwrap_or(WINDOW_MAX).clamp(WINDOW_MIN, WINDOW_MAX)
    }

    /// How long a piece takes that is asked for behind so many.
    pub(super) fn takes(&self, behind: usize) -> Option<Millis> {
        let bytes = (behind as u64 + 1) * PIECE as u64;
        let wait = bytes.saturating_mul(1_000).checked_div(self.rate)?;
        Some(Millis(wait + self.trip.unwrap_or_default().0))
    }
}

/// How fast a file comes, as people want to see it: calm.
#[derive(Clone, Default)]
pub(super) struct Meter {
    rate: u64,
    since: Timestamp,
    bytes: u64,
}

impl Meter {
    pub(super) fn came(&mut self, bytes: u64, now: Timestamp) {
        if now.since(self.since) >= SMOOTH {
            (self.rate, self.since, self.bytes) = (self.rate(now), now, 0);
        }
        self.bytes += bytes;
    }

    /// Bytes a second.
    pub(super) fn rate(&self, now: Timestamp) -> u64 {
        let took = now.since(self.since);
        if took < SMOOTH {
            return self.rate;
        }
        if took >= STALL {
            return 0;
        }
        let seen = self.bytes.saturating_mul(1_000) / took.0;
        if self.rate == 0 || took.0 > 4 * SMOOTH.0 { seen } else { (2 * self.rate + seen) / 3 }
    }
}

/// Bytes that may be asked for: they come in with time, and a question may overdraw them.
#[derive(Clone, Default)]
pub(super) struct Bucket {
    rate: u64,
    /// Thousandths of bytes.
    left: i128,
    at: Timestamp,
}

impl Bucket {
    /// So many bytes a second from now on; 0 for no limit.
    pub(super) fn set_rate(&mut self, rate: u64, now: Timestamp) {
        self.fill(now);
        // What a faster limit overdrew is not waited for under a slower one.
        self.left = if rate == self.rate { self.left } else { 0 };
        self.rate = rate;
    }

    pub(super) fn fill(&mut self, now: Timestamp) {
        let came = i128::from(now.since(self.at).0) * i128::from(self.rate);
        let most = i128::from(BURST.0) * i128::from(self.rate);
        self.left = (self.left + came).min(most);
        self.at = now;
    }

    /// How many pieces may be asked for in one question; 0 while there is nothing left.
    pub(super) fn pieces(&self, most: usize) -> usize {
        if self.rate == 0 {
            return most;
        }
        let some = self.rate.saturating_mul(BURST.0) / 1_000 / PIECE as u64;
        let some = usize::try_from(some).unwrap_or(most).clamp(1, most.max(1));
        if self.left > 0 { some.min(most) } else { 0 }
    }

    pub(super) fn take(&mut self, bytes: u64) {
        if self.rate > 0 {
            self.left -= i128::from(bytes) * 1_000;
        }
    }

    /// When there is something left again; none when there is.
    pub(super) fn due(&self) -> Option<Timestamp> {
        if self.rate == 0 || self.left > 0 {
            return None;
        }
        let wait = -self.left / i128::from(self.rate) + 1;
        Some(self.at + Millis(u64::try_from(wait).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn what_is_outstanding_follows_rate_and_round_trip() {
        let mut pace = Pace::default();
        assert_eq!(pace.window(0, (1, 1)), WINDOW_START);
        pace.wake(START);
        // 100 ms away, and then 5 MB a second.
        for n in 0..100 {
            pace.came(0, 65_536, START + Millis(100 + n * 13));
        }
        assert!((4_500_000..5_200_000).contains(&pace.rate()), "{}", pace.rate());
        assert!((20..25).contains(&pace.window(pace.rate(), (1, 1))));
        assert!((10..13).contains(&pace.window(pace.rate(), (2, 4))));
        assert_eq!(pace.window(u64::MAX, (1, 1)), WINDOW_MAX);
        assert_eq!(pace.window(1, (1, 1)), WINDOW_MIN);
    }

    #[test]
    fn a_source_that_is_not_measured_yet_is_asked_for_more_as_it_gives() {
        let mut pace = Pace::default();
        pace.wake(START);
        assert_eq!(pace.window(0, (1, 1)), WINDOW_START);
        for (n, window) in [(0, 5), (1, 6), (2, 7)] {
            pace.came(n, 65_536, START + Millis(1));
            assert_eq!(pace.window(0, (1, 1)), window);
        }
        (3..1_000).for_each(|n| pace.came(n, 65_536, START + Millis(2)));
        assert_eq!(pace.window(0, (1, 1)), WINDOW_MAX);
    }

    /// How long 64 pieces take of a source that gives 1 MiB a second, and that was asked over a
    /// path of 20 ms first; from then on each answer takes so long, as on a machine that is busy.
    fn takes(answer: Millis) -> Millis {
        let (mut pace, mut out) = (Pace::default(), std::collections::VecDeque::new());
        let (mut now, mut asked, mut last, mut came) = (START, 0, START, 0);
        while came < 64 {
            if out.is_empty() {
                pace.wake(now);
            }
            while asked < 64 && out.len() < pace.window(pace.rate(), (1, 1)) {
                if (1..WINDOW_MIN).contains(&out.len()) {
                    pace.watch(asked, now);
                }
                let trip = if asked < 4 { Millis(20) } else { answer };
                last = (now + trip).max(last + Millis(62));
                out.push_back(last);
                asked += 1;
            }
            now = out.pop_front().unwrap();
            pace.came(came, 65_536, now);
            came += 1;
        }
        now.since(START)
    }

    #[test]
    fn a_source_that_becomes_slow_to_answer_is_not_asked_for_ever_less() {
        assert!(takes(Millis(20)) < Millis::secs(5), "{:?}", takes(Millis(20)));
        assert!(takes(Millis(400)) < Millis::secs(5), "{:?}", takes(Millis(400)));
        assert!(takes(Millis(600)) < Millis::secs(6), "{:?}", takes(Millis(600)));
    }

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        let (mut bucket, mut taken, mut now) = (Bucket::default(), 0, START);
        bucket.set_rate(1_000_000, START);
        while now.since(START) < Millis::secs(60) {
            bucket.fill(now);
            while bucket.pieces(16) > 0 {
                let bytes = bucket.pieces(16) as u64 * 65_536;
                bucket.take(bytes);
                taken += bytes;
            }
            now = bucket.due().unwrap();
        }
        assert!((59_000_000..61_500_000).contains(&taken), "{taken}");
        bucket.set_rate(0, now);
        assert_eq!((bucket.pieces(16), bucket.due()), (16, None));
    }

    #[test]
    fn a_rate_that_is_shown_falls_when_nothing_comes() {
        let mut meter = Meter::default();
        (0..100).for_each(|n| meter.came(100_000, START + Millis(n * 100)));
        let rate = meter.rate(START + Millis::secs(10));
        assert!((900_000..1_100_000).contains(&rate), "{rate}");
        assert!(meter.rate(START + Millis::secs(18)) < 300_000);
        assert_eq!(meter.rate(START + Millis::secs(60)), 0);
    }
}
