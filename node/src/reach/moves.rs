//! How often it is acted upon that this node seems to have moved.
//!
//! A move makes the node dial all its peers anew. The hub says where it sees the node, and the
//! network what addresses there are, and neither is to be able to make it dial without end; a node
//! that really moves more often is found again with the pauses that failures have.

use hubbub_shared::time::{Millis, Timestamp};

/// At most once in this time; what came meanwhile counts as one.
const EVERY: Millis = Millis::secs(10);
/// And this often in each [`PERIOD`]: a long ride by train.
const MOVES: u32 = 30;
const PERIOD: Millis = Millis::hours(1);

/// The moves of late.
#[derive(Default)]
pub(super) struct Moves {
    /// One waits to be acted upon.
    waits: bool,
    last: Option<Timestamp>,
    /// Since when how many are counted.
    since: Timestamp,
    times: u32,
}

impl Moves {
    /// This node seems to have moved.
    pub(super) fn wish(&mut self) {
        self.waits = true;
    }

    /// When [`Self::take`] will say yes.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.waits.then(|| self.next())
    }

    /// Whether a move is to be acted upon now; it is, then.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        if !self.waits || now < self.next() {
            return false;
        }
        if now.since(self.since) >= PERIOD {
            (self.since, self.times) = (now, 0);
        }
        (self.waits, self.last) = (false, Some(now));
        self.times += 1;
        true
    }

    /// The clock was set back.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        self.since = self.since.min(now);
        self.last = self.last.map(|last| last.min(now));
    }

    fn next(&self) -> Timestamp {
        let soonest = self.last.map_or(Timestamp(0), |last| last + EVERY);
        if self.times < MOVES { soonest } else { soonest.max(self.since + PERIOD) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_790_000_000_000);

    /// How many are acted upon in so many seconds, with one wished for every second.
    fn acted(moves: &mut Moves, seconds: u64) -> usize {
        let second = |n| {
            moves.wish();
            moves.take(START + Millis::secs(n))
        };
        (0..seconds).map(second).filter(|acted| *acted).count()
    }

    #[test]
    fn the_first_is_acted_upon_at_once_and_those_behind_it_as_one() {
        let mut moves = Moves::default();
        assert!(moves.due().is_none() && !moves.take(START));
        assert_eq!(acted(&mut moves, 10), 1);
        assert_eq!(moves.due(), Some(START + Millis::secs(10)));
        assert!(moves.take(START + Millis::secs(10)));
        assert_eq!(moves.due(), None);
    }

    #[test]
    fn a_hub_that_always_names_another_address_gets_so_many_an_hour() {
        assert_eq!(acted(&mut Moves::default(), 10 * 3_600), 300);
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nothing() {
        let mut moves = Moves::default();
        acted(&mut moves, 3_600);
        let before = START - Millis::days(365);
        moves.wish();
        moves.set_back(before);
        assert!(moves.due().unwrap() <= before + PERIOD);
    }
}
