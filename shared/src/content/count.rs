//! How an author counts messages in a conversation (PROTOCOL.md, Counting).
//!
//! A count is an era (high 32 bits) and a place in it (low 32 bits, from 1). Within an era counts
//! have no gaps, so whoever holds two of them knows what is missing between. A node that may have
//! been copied begins a new era, so that two copies never give the same count to two messages.

/// A set of counts as rising ranges, from and to inclusive.
pub type Ranges = Vec<(u64, u64)>;

/// Bits of a count that are its place in the era.
const PLACE: u32 = 32;

/// The era a count belongs to.
#[must_use]
pub fn era_of(n: u64) -> u64 {
    n >> PLACE
}

/// The count before the first of an era: what somebody who has said nothing in it is at.
#[must_use]
pub fn begin_of(era: u64) -> u64 {
    era << PLACE
}

/// Whether a count begins its era: nothing in it comes before.
#[must_use]
pub fn is_first(n: u64) -> bool {
    n == begin_of(era_of(n)) + 1
}

/// Whether a count can be one: places begin at 1, and a count fits into 63 bits.
#[must_use]
pub fn is_count(n: u64) -> bool {
    n != begin_of(era_of(n)) && n >> 63 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_begin_at_one_in_every_era() {
        assert!(is_first(1) && is_first(begin_of(7) + 1));
        assert!(!is_first(2) && !is_first(begin_of(7)));
        assert_eq!((era_of(1), era_of(begin_of(7) + 5)), (0, 7));
        assert!(is_count(1) && is_count(begin_of(7) + 1) && is_count(u64::MAX >> 1));
        assert!(!is_count(0) && !is_count(begin_of(7)) && !is_count(u64::MAX));
    }
}
