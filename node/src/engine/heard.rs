//! What was heard of an author in one conversation, and so what is missing.
//!
//! Counts have no gaps within an era, so two of them prove what lies between. Counts up to a
//! `floor` are none of our business: the author said them before we were there.

use hubbub_shared::content::count::{Ranges, begin_of, era_of};
use hubbub_shared::id::MessageId;
use hubbub_shared::limits::ACK_RANGES_MAX;
use hubbub_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::ranges::{KEPT, Range, add, add_range, has, highest};

/// Newest messages remembered by name, so that a count used twice is noticed. As many as an author
/// sends again at once.
const RECENT: usize = 64;
/// Such ranges kept.
const OLDER: usize = 8;
/// The end of a request for everything there is.
pub(super) const OPEN_END: u64 = u64::MAX >> 1;

/// How far an author was heard in one conversation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Heard {
    pub(super) ranges: Vec<Range>,
    recent: Vec<(u64, MessageId)>,
    /// Counts up to this one are not missed.
    floor: u64,
    /// The author has said that there is something up to here.
    expected: u64,
    /// What the author has said that there is in eras before the newest one heard of.
    older: Vec<Range>,
    /// The author is to be asked what there is beyond.
    pub(super) ask_on: bool,
    /// To be acknowledged as delivered.
    pub(super) owed: Vec<Range>,
    /// To be acknowledged as read.
    pub(super) owed_read: Vec<Range>,
    /// Highest count acknowledged as read.
    pub(super) read: u64,
    /// When receipts go out.
    pub(super) due: Timestamp,
    /// When receipts last went out.
    pub(super) told: Timestamp,
}

impl Heard {
    /// Notes a message; `false` for a copy of one remembered by name, unless its count was missing:
    /// then a line is to be filled in. A count that was heard before and whose name is not
    /// remembered is an old copy, or was called void, or its author has started over: it goes to
    /// the history, which knows old copies by name, and counting starts over here too, so that
    /// nothing of the author's new life is taken for heard.
    pub(super) fn note(&mut self, n: u64, id: MessageId) -> bool {
        if self.recent.contains(&(n, id)) {
            add(&mut self.owed, n);
            return add(&mut self.ranges, n);
        }
        if has(&self.ranges, n) {
            self.start_over(n);
        }
        if self.ranges.is_empty() && self.expected == 0 {
            self.floor = n.saturating_sub(1);
        }
        add(&mut self.ranges, n);
        self.forget_low();
        add(&mut self.owed, n);
        self.recent.push((n, id));
        if self.recent.len() > RECENT {
            self.recent.remove(0);
        }
        true
    }

    /// Counts anew from `n` on. What is missing, and so shown, stays missing.
    fn start_over(&mut self, n: u64) {
        let missing = self.missing();
        missing.into_iter().filter(|(_, to)| *to < OPEN_END).for_each(|r| self.older_lacks(r));
        if self.recent.iter().any(|(m, _)| *m == n) {
            self.owed.clear();
        }
        self.ranges.clear();
        self.owed_read.clear();
        self.read = 0;
        (self.floor, self.expected) = (n.saturating_sub(1), 0);
    }

    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty() || !self.owed_read.is_empty()
    }

    /// The author has said something from `from` up to `to`. Gives what is newly known to be
    /// missing after what was known before.
    pub(super) fn expect(&mut self, from: u64, to: u64) -> Option<Range> {
        let newest = era_of(highest(&self.ranges).max(self.expected));
        if era_of(to) < newest {
            self.older_lacks((from, to));
            return None;
        }
        self.leave_era(to);
        let new = self.ranges.is_empty() && self.expected == 0;
        self.floor = if new { from.saturating_sub(1) } else { self.floor };
        let last = highest(&self.ranges).max(self.expected).max(self.floor);
        // What was heard first may not have been the first that was for us.
        self.floor = self.floor.min(from.saturating_sub(1));
        self.expected = self.expected.max(to);
        span(last, to.saturating_add(1))
    }

    /// A message arrived: what is newly missing before it. Someone never heard of before may have
    /// said anything before we were there.
    pub(super) fn expect_before(&mut self, n: u64) -> Option<Range> {
        let new = self.ranges.is_empty() && self.expected == 0;
        if new || n <= highest(&self.ranges).max(self.expected) {
            return None;
        }
        self.leave_era(n);
        let last = highest(&self.ranges).max(self.expected).max(self.floor);
        self.expected = n;
        span(last, n)
    }

    /// What is known to be missing at the end of an era stays so when the next one begins.
    fn leave_era(&mut self, n: u64) {
        let last = highest(&self.ranges).max(self.floor);
        if era_of(n) > era_of(self.expected) && self.expected > last {
            self.older_lacks((last.saturating_add(1), self.expected));
        }
    }

    fn older_lacks(&mut self, range: Range) {
        if !self.older.contains(&range) {
            self.older.push(range);
        }
        let surplus = self.older.len().saturating_sub(OLDER);
        self.older.drain(..surplus);
    }

    /// The author owes us nothing under these counts.
    pub(super) fn void(&mut self, ranges: &[Range]) {
        for (from, to) in ranges {
            if *to < OPEN_END {
                add_range(&mut self.ranges, (*from, *to));
            } else {
                self.ask_on = false;
            }
        }
        self.forget_low();
    }

    /// What is missing, lowest first, as much as one request carries.
    pub(super) fn missing(&self) -> Ranges {
        let mut missing = Vec::new();
        for range in self.older.iter().flat_map(|range| without(*range, &self.ranges)) {
            add_range(&mut missing, range);
        }
        let mut last = self.floor;
        for (from, to) in &self.ranges {
            span(last, *from).into_iter().for_each(|range| add_range(&mut missing, range));
            last = last.max(*to);
        }
        let tail = span(last, self.expected.saturating_add(1));
        tail.into_iter().for_each(|range| add_range(&mut missing, range));
        missing.truncate(ACK_RANGES_MAX - 1);
        if self.ask_on {
            let last = last.max(self.expected);
            missing.push((last.saturating_add(1), OPEN_END));
        }
        missing
    }

    /// Whether a count is among what is missing.
    pub(super) fn lacks(&self, range: Range) -> bool {
        self.missing().iter().any(|(from, to)| *from <= range.1 && range.0 <= *to)
    }

    /// Ranges that had to be forgotten are not missed either.
    fn forget_low(&mut self) {
        let lowest = self.ranges.first().map(|(from, _)| *from);
        if let Some(lowest) = lowest.filter(|_| self.ranges.len() >= KEPT) {
            self.floor = self.floor.max(lowest.saturating_sub(1));
        }
    }
}

/// What of a range is in none of the others.
fn without((from, to): Range, others: &[Range]) -> Vec<Range> {
    let (mut left, mut next) = (Vec::new(), from);
    for (a, b) in others.iter().filter(|(a, b)| from <= *b && *a <= to) {
        if next < *a {
            left.push((next, a.saturating_sub(1)));
        }
        next = b.saturating_add(1);
    }
    if next <= to {
        left.push((next, to));
    }
    left
}

/// The counts after `last` and before `next`; in an era that `last` is not of, from its beginning.
fn span(last: u64, next: u64) -> Option<Range> {
    let from = last.max(begin_of(era_of(next.saturating_sub(1)))).saturating_add(1);
    let to = next.checked_sub(1)?;
    (from <= to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERA: u64 = 1 << 32;

    fn heard(counts: &[u64]) -> Heard {
        let mut heard = Heard::default();
        for n in counts {
            heard.expect_before(*n);
            heard.note(*n, MessageId([u8::try_from(n % 251).unwrap(); 16]));
        }
        heard
    }

    #[test]
    fn what_lies_between_two_counts_is_missing_and_what_came_before_the_first_is_not() {
        assert_eq!(heard(&[7]).missing(), []);
        assert_eq!(heard(&[7, 8, 11, 20]).missing(), [(9, 10), (12, 19)]);
        assert_eq!(heard(&[7, 9, 8]).missing(), []);
    }

    #[test]
    fn a_new_era_is_missing_from_its_beginning_and_the_old_one_has_no_end() {
        assert_eq!(heard(&[7, ERA + 1]).missing(), []);
        assert_eq!(heard(&[7, ERA + 4]).missing(), [(ERA + 1, ERA + 3)]);
        assert_eq!(
            heard(&[7, ERA + 4]).expect_before(2 * ERA + 2),
            Some((2 * ERA + 1, 2 * ERA + 1))
        );
    }

    #[test]
    fn what_is_newly_missing_is_told_once() {
        let mut heard = heard(&[1]);
        assert_eq!(heard.expect_before(4), Some((2, 3)));
        heard.note(4, MessageId([4; 16]));
        assert_eq!(heard.expect_before(3), None);
        assert_eq!(heard.expect(2, 6), Some((5, 6)));
        assert_eq!(heard.expect(2, 6), None);
        assert_eq!(heard.expect_before(6), None);
        assert_eq!(heard.missing(), [(2, 3), (5, 6)]);
    }

    #[test]
    fn heads_of_an_author_never_heard_of_say_where_to_begin() {
        let mut heard = Heard::default();
        assert_eq!(heard.expect(5, 7), Some((5, 7)));
        heard.note(6, MessageId([6; 16]));
        assert_eq!(heard.missing(), [(5, 5), (7, 7)]);
    }

    #[test]
    fn heads_may_begin_before_what_was_heard_first() {
        let mut heard = heard(&[4]);
        assert_eq!(heard.expect(2, 5), Some((5, 5)));
        assert_eq!(heard.missing(), [(2, 3), (5, 5)]);
    }

    #[test]
    fn what_an_author_said_in_an_earlier_era_is_missing_once_it_says_so() {
        let mut heard = heard(&[ERA + 1, ERA + 2]);
        assert_eq!(heard.expect(1, 3), None);
        assert_eq!(heard.missing(), [(1, 3)]);
        heard.note(2, MessageId([2; 16]));
        assert_eq!(heard.missing(), [(1, 1), (3, 3)]);
        assert_eq!(heard.expect(2, 3), None);
        assert_eq!(heard.missing(), [(1, 1), (3, 3)]);
        heard.void(&[(1, 3)]);
        assert_eq!(heard.missing(), []);
    }

    #[test]
    fn void_counts_are_no_longer_missing() {
        let mut heard = heard(&[1, 9]);
        heard.ask_on = true;
        assert_eq!(heard.missing(), [(2, 8), (10, OPEN_END)]);
        heard.void(&[(2, 4), (6, 6), (10, OPEN_END)]);
        assert_eq!(heard.missing(), [(5, 5), (7, 8)]);
        assert!(heard.lacks((5, 5)) && heard.lacks((1, 7)) && !heard.lacks((6, 6)));
    }

    #[test]
    fn what_came_before_and_is_missing_again_goes_to_the_history_once_more() {
        let (mut heard, id) = (heard(&[1]), MessageId([9; 16]));
        heard.expect_before(ERA + 2);
        assert!(heard.note(ERA + 2, id) && !heard.note(ERA + 2, id));
        heard.void(&[(2, 3)]);
        // Somebody else still had what its author called void: counting starts over there.
        assert!(heard.note(3, MessageId([3; 16])));
        assert_eq!(heard.expect(ERA + 2, ERA + 2), Some((ERA + 1, ERA + 2)));
        assert!(heard.note(ERA + 2, id) && !heard.note(ERA + 2, id));
        assert_eq!(heard.missing(), [(ERA + 1, ERA + 1)]);
    }

    #[test]
    fn what_is_missing_stays_so_when_counting_starts_over() {
        let mut heard = heard(&[1, 5, 9]);
        heard.void(&[(6, 7)]);
        assert!(heard.note(7, MessageId([77; 16])));
        assert_eq!(heard.missing(), [(2, 4), (8, 8)]);
        assert!(heard.note(3, MessageId([3; 16])));
        assert_eq!(heard.missing(), [(2, 2), (4, 4), (8, 8)]);
    }

    #[test]
    fn what_was_forgotten_for_want_of_room_is_not_missed() {
        let mut heard = Heard::default();
        for n in 1..=2_000 {
            heard.expect_before(2 * n);
            heard.note(2 * n, MessageId([1; 16]));
        }
        assert!(heard.ranges.len() <= KEPT);
        let first = heard.missing()[0];
        assert_eq!(first.0, heard.ranges[0].1 + 1);
    }
}
