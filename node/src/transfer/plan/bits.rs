//! A set of numbers, small where all or none of a page are in it, and quick to find the next one.
//!
//! A have-map only grows; what may be asked for grows and shrinks with every question. Nothing here
//! takes longer for a larger file, but for passing over empty pages of 4,096.

use hubbub_shared::blob::HaveMap;
use hubbub_shared::limits::SPAN_PIECES;

const WORDS: usize = 64;
const PAGE: u64 = 64 * WORDS as u64;

#[derive(Clone, PartialEq, Eq)]
enum Page {
    None,
    All,
    /// Bits, and how many of them are set.
    Some(Box<[u64; WORDS]>, u64),
}

/// Some of the numbers below a length.
#[derive(Clone)]
pub(super) struct Bits {
    len: u64,
    count: u64,
    pages: Vec<Page>,
}

impl Bits {
    pub(super) fn none(len: u64) -> Self {
        let pages = usize::try_from(len.div_ceil(PAGE)).unwrap_or(0);
        Self { len, count: 0, pages: vec![Page::None; pages] }
    }

    pub(super) fn all(len: u64) -> Self {
        let mut bits = Self::none(len);
        bits.pages.fill(Page::All);
        Self { count: len, ..bits }
    }

    /// What a have-map does not name.
    pub(super) fn missing(have: &HaveMap) -> Self {
        let mut bits = Self::all(have.pieces());
        for (first, last) in have.runs() {
            bits.remove_run(u64::from(first), u64::from(last));
        }
        bits
    }

    /// The runs in which a have-map does not name everything.
    pub(super) fn missing_runs(have: &HaveMap) -> Self {
        let size = u64::from(SPAN_PIECES);
        let mut bits = Self::all(have.pieces().div_ceil(size));
        for (first, last) in have.runs() {
            let (first, last) = (u64::from(first), u64::from(last));
            // The last run of all may be a short one.
            let end = if last + 1 == have.pieces() { bits.len } else { (last + 1) / size };
            if let Some(last) = end.checked_sub(1) {
                bits.remove_run(first.div_ceil(size), last);
            }
        }
        bits
    }

    fn remove_run(&mut self, first: u64, last: u64) {
        let mut at = first;
        while at <= last && at < self.len {
            at = self.remove_up_to(at, last);
        }
    }

    /// Removes from `at` to `last`, or to the end of the page; says where to go on.
    fn remove_up_to(&mut self, at: u64, last: u64) -> u64 {
        let end = self.len.min((at / PAGE + 1) * PAGE);
        let whole = at.is_multiple_of(PAGE) && last >= end - 1;
        if let Some(page) = self.page_mut(at).filter(|page| whole && **page == Page::All) {
            *page = Page::None;
            self.count -= end - at;
            return end;
        }
        let stop = end.min(last + 1);
        (at..stop).for_each(|index| self.set(index, false));
        stop
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn has(&self, index: u32) -> bool {
        self.word(u64::from(index)) >> (index % 64) & 1 == 1
    }

    pub(super) fn insert(&mut self, index: u32) {
        self.set(u64::from(index), true);
    }

    pub(super) fn remove(&mut self, index: u32) {
        self.set(u64::from(index), false);
    }

    /// Puts it in, or takes it out.
    pub(super) fn put(&mut self, index: u32, inside: bool) {
        self.set(u64::from(index), inside);
    }

    /// The sixteen of a run, lowest bit first.
    pub(super) fn span(&self, run: u32) -> u16 {
        let first = u64::from(run) * u64::from(SPAN_PIECES);
        let bits = self.word(first) >> (first % 64) & u64::from(u16::MAX);
        u16::try_from(bits).unwrap_or_default()
    }

    /// The first from `from` on, or else the first of all.
    pub(super) fn next_around(&self, from: u32) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        self.next(from).or_else(|| self.next(0))
    }

    /// The first from `from` on.
    pub(super) fn next(&self, from: u32) -> Option<u32> {
        let mut at = u64::from(from);
        while at < self.len {
            if self.page(at) == Some(&Page::None) {
                at = (at / PAGE + 1) * PAGE;
                continue;
            }
            let rest = self.word(at) >> (at % 64);
            if rest != 0 {
                return u32::try_from(at + u64::from(rest.trailing_zeros())).ok();
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }

    fn page(&self, at: u64) -> Option<&Page> {
        self.pages.get(usize::try_from(at / PAGE).ok()?)
    }

    fn page_mut(&mut self, at: u64) -> Option<&mut Page> {
        self.pages.get_mut(usize::try_from(at / PAGE).ok()?)
    }

    /// The 64 around `at`; of those beyond the length, none.
    fn word(&self, at: u64) -> u64 {
        let beyond = (at / 64 * 64 + 64).saturating_sub(self.len);
        let mask = u32::try_from(beyond).ok().and_then(|n| u64::MAX.checked_shr(n)).unwrap_or(0);
        mask & match self.page(at) {
            Some(Page::All) => u64::MAX,
            Some(Page::Some(words, _)) => *words.get((at % PAGE / 64) as usize).unwrap_or(&0),
            Some(Page::None) | None => 0,
        }
    }

    fn set(&mut self, at: u64, inside: bool) {
        if at >= self.len || (self.word(at) >> (at % 64) & 1 == 1) == inside {
            return;
        }
        self.count = if inside { self.count + 1 } else { self.count - 1 };
        let size = PAGE.min(self.len - at / PAGE * PAGE);
        let Some(page) = self.page_mut(at) else { return };
        if let Page::All = page {
            *page = Page::Some(Box::new([u64::MAX; WORDS]), size);
        } else if let Page::None = page {
            *page = Page::Some(Box::new([0; WORDS]), 0);
        }
        let Page::Some(words, count) = page else { return };
        if let Some(word) = words.get_mut((at % PAGE / 64) as usize) {
            *word ^= 1 << (at % 64);
        }
        *count = if inside { *count + 1 } else { *count - 1 };
        match *count {
            0 => *page = Page::None,
            full if full == size => *page = Page::All,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn bits_are_the_set_that_was_put_in_them() {
        for seed in 0..20 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let len = rng.next_u64() % 20_000 + 1;
            let (mut bits, mut set) = (Bits::none(len), BTreeSet::new());
            for round in 0..6 {
                let inside = round % 2 == 0;
                for index in 0..u32::try_from(len).unwrap() {
                    if rng.next_u32() % 3 != 0 {
                        bits.put(index, inside);
                        if inside {
                            set.insert(index)
                        } else {
                            set.remove(&index)
                        };
                    }
                }
                let from = rng.next_u32() % 20_000;
                assert_eq!(bits.count(), set.len() as u64);
                assert_eq!(bits.next(from), set.range(from..).next().copied());
                assert_eq!(bits.has(from), set.contains(&from));
                let run = from / 16;
                let span: u16 =
                    (0..16).filter(|n| set.contains(&(run * 16 + n))).map(|n| 1 << n).sum();
                assert_eq!(bits.span(run), span);
            }
        }
    }

    #[test]
    fn what_is_missing_is_what_a_have_map_does_not_name() {
        for seed in 0..20 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let len = rng.next_u64() % 30_000 + 1;
            let mut have = HaveMap::none(len);
            let dense = rng.next_u32() % 2 == 0;
            for index in 0..u32::try_from(len).unwrap() {
                if dense != (rng.next_u32() % 5_000 == 0) {
                    have.insert(index);
                }
            }
            let missing = Bits::missing(&have);
            assert_eq!(missing.count() + have.count(), len);
            let runs = Bits::missing_runs(&have);
            for index in 0..u32::try_from(len).unwrap() {
                assert_ne!(missing.has(index), have.has(index));
                assert_eq!(runs.has(index / 16), missing.span(index / 16) != 0);
            }
        }
    }

    #[test]
    fn numbers_beyond_the_length_change_nothing() {
        let mut bits = Bits::all(35);
        bits.insert(35);
        bits.remove(u32::MAX);
        assert_eq!((bits.count(), bits.span(2), bits.next(35)), (35, 0b111, None));
        (0..35).for_each(|index| bits.remove(index));
        assert!(bits.is_empty() && bits.next_around(7).is_none());
    }
}
