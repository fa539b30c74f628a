//! Sets of counters as rising ranges, inclusive and apart: what was heard, what is to be
//! acknowledged.

/// From and to, inclusive.
pub(super) type Range = (u64, u64);

/// Ranges kept at most: of an author who leaves more holes than that, the lowest numbers are
/// forgotten. A hole is never filled: what did not come must not be acknowledged.
pub(super) const KEPT: usize = 256;

/// Adds a number; `false` when it was there.
pub(super) fn add(ranges: &mut Vec<Range>, n: u64) -> bool {
    let at = ranges.partition_point(|(_, to)| *to < n);
    if ranges.get(at).is_some_and(|(from, _)| *from <= n) {
        return false;
    }
    ranges.insert(at, (n, n));
    join(ranges, at + 1);
    join(ranges, at);
    if ranges.len() > KEPT {
        ranges.remove(0);
    }
    true
}

/// Adds all numbers of a range.
pub(super) fn add_range(ranges: &mut Vec<Range>, (from, to): Range) {
    let touches = |(a, b): &&Range| *a <= to.saturating_add(1) && from <= b.saturating_add(1);
    let touched = ranges.iter().filter(touches);
    let (from, to) = touched.fold((from, to), |(from, to), (a, b)| (from.min(*a), to.max(*b)));
    ranges.retain(|(a, b)| *b < from || to < *a);
    let at = ranges.partition_point(|(_, b)| *b < from);
    ranges.insert(at, (from, to));
    if ranges.len() > KEPT {
        ranges.remove(0);
    }
}

/// Whether a number is in.
pub(super) fn has(ranges: &[Range], n: u64) -> bool {
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&n))
}

/// The highest number in.
pub(super) fn highest(ranges: &[Range]) -> u64 {
    ranges.last().map_or(0, |(_, to)| *to)
}

/// What of `ranges` lies above a number.
pub(super) fn above(ranges: &[Range], n: u64) -> Vec<Range> {
    let above = ranges.iter().filter(|(_, to)| *to > n);
    above.map(|(from, to)| ((*from).max(n.saturating_add(1)), *to)).collect()
}

/// Joins the range at `at` to the one before when they touch.
fn join(ranges: &mut Vec<Range>, at: usize) {
    let Some(before) = at.checked_sub(1) else { return };
    let (Some(left), Some(right)) = (ranges.get(before).copied(), ranges.get(at).copied()) else {
        return;
    };
    if left.1.saturating_add(1) == right.0 {
        ranges.remove(at);
        if let Some(kept) = ranges.get_mut(before) {
            kept.1 = right.1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_any_order_become_one_range() {
        let mut ranges = Vec::new();
        for n in [3, 1, 5, 2, 4] {
            assert!(add(&mut ranges, n));
        }
        assert_eq!(ranges, [(1, 5)]);
        assert!(!add(&mut ranges, 3));
        assert!(add(&mut ranges, 7) && has(&ranges, 7) && !has(&ranges, 6));
        assert_eq!((highest(&ranges), above(&ranges, 4)), (7, vec![(5, 5), (7, 7)]));
    }

    #[test]
    fn a_whole_range_swallows_what_it_touches() {
        let mut ranges = vec![(1, 2), (5, 6), (9, 9), (20, 21)];
        add_range(&mut ranges, (3, 8));
        assert_eq!(ranges, [(1, 9), (20, 21)]);
        add_range(&mut ranges, (12, 14));
        add_range(&mut ranges, (13, 13));
        assert_eq!(ranges, [(1, 9), (12, 14), (20, 21)]);
    }

    #[test]
    fn beyond_the_bound_the_lowest_numbers_are_forgotten_and_no_hole_is_filled() {
        let mut ranges = Vec::new();
        for n in 1..=2 * 257 {
            if n % 2 == 0 {
                add(&mut ranges, n);
            }
        }
        assert_eq!(ranges.len(), KEPT);
        assert_eq!(ranges.first(), Some(&(4, 4)));
        assert!((1..=2 * 257).all(|n| n % 2 == 0 || !has(&ranges, n)));
    }
}
