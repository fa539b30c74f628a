//! Which pieces of a blob somebody has.
//!
//! In memory: bits, in pages of 4,096 pieces, and no bits where all or none of a page are there.
//! Between nodes: runs or bits, whichever is shorter, bounded either way. Invariant: a have-map
//! names no piece that the blob does not have; one that does is refused. It may name fewer than
//! there are, which costs a question more and nothing else.

use crate::limits::{HAVE_BITS, HAVE_RUNS, PIECES_MAX, SPAN_PIECES};

/// Words of a page.
const WORDS: usize = 64;
/// Pieces of a page.
const PAGE: u64 = 64 * WORDS as u64;
/// Bytes of a run: first and last piece.
const RUN: usize = 8;
const FORM_RUNS: u8 = 0;
const FORM_BITS: u8 = 1;

/// Why bytes are no have-map of this blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HaveError {
    /// Of another form, cut off, or with bytes too many.
    #[error("not a list of pieces")]
    Malformed,
    /// More runs or bytes than a map may have.
    #[error("a list of pieces beyond its bound")]
    TooLarge,
    /// It names pieces that the blob does not have.
    #[error("pieces that the file does not have")]
    Beyond,
    /// Runs that touch, overlap or do not rise.
    #[error("not rising runs of pieces")]
    Order,
}

impl HaveError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "have-too-large",
            Self::Beyond => "have-beyond",
            Self::Order => "have-order",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Page {
    None,
    All,
    Some(Box<[u64; WORDS]>),
}

/// A set of pieces of one blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaveMap {
    pieces: u64,
    pages: Vec<Page>,
}

impl HaveMap {
    /// Of a blob of so many pieces ([`PIECES_MAX`] at most), none of them here. What is set aside
    /// grows with the blob, but for a file of 1 TiB is still 64 KiB.
    #[must_use]
    pub fn none(pieces: u64) -> Self {
        let pieces = pieces.min(PIECES_MAX);
        let pages = usize::try_from(pieces.div_ceil(PAGE)).unwrap_or(0);
        Self { pieces, pages: vec![Page::None; pages] }
    }

    /// All of them.
    #[must_use]
    pub fn all(pieces: u64) -> Self {
        let mut map = Self::none(pieces);
        map.pages.fill(Page::All);
        map
    }

    /// How many pieces the blob has.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Whether piece `index` is here.
    #[must_use]
    pub fn has(&self, index: u32) -> bool {
        self.word(u64::from(index)) >> (index % 64) & 1 == 1
    }

    /// Adds a piece; one that the blob does not have changes nothing.
    pub fn insert(&mut self, index: u32) {
        self.insert_run(index, index);
    }

    /// How many are here.
    #[must_use]
    pub fn count(&self) -> u64 {
        let of = |(first, last): (u32, u32)| u64::from(last - first) + 1;
        self.runs().map(of).sum()
    }

    /// Whether every piece is here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.next(0, false).is_none()
    }

    /// The first piece from `from` on that is not here.
    #[must_use]
    pub fn missing(&self, from: u32) -> Option<u32> {
        self.next(u64::from(from), false)
    }

    /// The pieces of the span that `index` is in, lowest bit first: bit i is its piece i.
    #[must_use]
    pub fn span(&self, index: u32) -> u16 {
        let first = index - index % SPAN_PIECES;
        let bits = self.word(u64::from(first)) >> (first % 64) & u64::from(u16::MAX);
        u16::try_from(bits).unwrap_or_default()
    }

    /// What is here, as first and last pieces of rising runs that do not touch.
    pub fn runs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut from = Some(0);
        core::iter::from_fn(move || {
            let first = self.next(from?, true)?;
            let end = self.next(u64::from(first), false);
            from = end.map(u64::from);
            let last = end.map_or(self.pieces, u64::from) - 1;
            Some((first, u32::try_from(last).ok()?))
        })
    }

    /// As it travels and is stored: as runs, or as bits where that is shorter and allowed. Of a map
    /// that is too rich for both, the first runs.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let runs: Vec<_> = self.runs().take(HAVE_RUNS + 1).collect();
        let bits = usize::try_from(self.pieces.div_ceil(8)).unwrap_or(usize::MAX);
        if bits <= HAVE_BITS && (runs.len() > HAVE_RUNS || bits < runs.len() * RUN) {
            let mut out = vec![FORM_BITS];
            let words = (0..self.pieces).step_by(64).map(|at| self.word(at).to_le_bytes());
            out.extend(words.flatten().take(bits));
            return out;
        }
        let mut out = vec![FORM_RUNS];
        for (first, last) in runs.into_iter().take(HAVE_RUNS) {
            out.extend_from_slice(&first.to_be_bytes());
            out.extend_from_slice(&last.to_be_bytes());
        }
        out
    }

    /// Reads a map of a blob of so many pieces.
    ///
    /// # Errors
    /// [`HaveError`].
    pub fn decode(pieces: u64, bytes: &[u8]) -> Result<Self, HaveError> {
        match bytes.split_first() {
            Some((&FORM_RUNS, rest)) => Self::from_runs(pieces, rest),
            Some((&FORM_BITS, rest)) => Self::from_bits(pieces, rest),
            _ => Err(HaveError::Malformed),
        }
    }

    fn from_runs(pieces: u64, bytes: &[u8]) -> Result<Self, HaveError> {
        if bytes.len() > HAVE_RUNS * RUN {
            return Err(HaveError::TooLarge);
        }
        let (runs, []) = bytes.as_chunks::<RUN>() else { return Err(HaveError::Malformed) };
        let mut map = Self::none(pieces);
        let mut from = 0;
        for run in runs {
            let [a, b, c, d, e, f, g, h] = *run;
            let (first, last) =
                (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
            if u64::from(first) < from || last < first {
                return Err(HaveError::Order);
            }
            if u64::from(last) >= pieces {
                return Err(HaveError::Beyond);
            }
            map.insert_run(first, last);
            from = u64::from(last) + 2;
        }
        Ok(map)
    }

    fn from_bits(pieces: u64, bytes: &[u8]) -> Result<Self, HaveError> {
        if bytes.len() > HAVE_BITS {
            return Err(HaveError::TooLarge);
        }
        match bytes.len() as u64 {
            len if len > pieces.div_ceil(8) => return Err(HaveError::Beyond),
            len if len < pieces.div_ceil(8) => return Err(HaveError::Malformed),
            _ => {}
        }
        let spare = u32::try_from(bytes.len() as u64 * 8 - pieces).unwrap_or_default();
        if spare > 0 && bytes.last().is_some_and(|byte| byte.leading_zeros() < spare) {
            return Err(HaveError::Beyond);
        }
        let mut map = Self::none(pieces);
        for ((at, page), bytes) in map.numbered(0).zip(bytes.chunks(WORDS * 8)) {
            let mut words = Box::new([0; WORDS]);
            for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
                *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
            }
            *page = Page::Some(words);
            page.settle(pieces - at);
        }
        Ok(map)
    }

    /// The pages from that of piece `from` on, with their first pieces.
    fn numbered(&mut self, from: u64) -> impl Iterator<Item = (u64, &mut Page)> {
        let first = from / PAGE;
        let skipped = usize::try_from(first).unwrap_or(usize::MAX);
        (first..).map(|page| page * PAGE).zip(self.pages.iter_mut().skip(skipped))
    }

    fn insert_run(&mut self, first: u32, last: u32) {
        let (first, last) = (u64::from(first), u64::from(last).min(self.pieces.saturating_sub(1)));
        let pieces = self.pieces;
        for (at, page) in self.numbered(first) {
            if at > last {
                return;
            }
            let end = pieces.min(at + PAGE) - 1;
            if first <= at && last >= end {
                *page = Page::All;
            } else {
                page.fill(first.max(at) - at, last.min(end) - at);
                page.settle(pieces - at);
            }
        }
    }

    /// The 64 pieces around `at`; of those the blob does not have, none.
    fn word(&self, at: u64) -> u64 {
        let beyond = (at / 64 * 64 + 64).saturating_sub(self.pieces);
        let mask = u32::try_from(beyond).ok().and_then(|n| u64::MAX.checked_shr(n)).unwrap_or(0);
        let page = usize::try_from(at / PAGE).ok().and_then(|page| self.pages.get(page));
        mask & match page {
            Some(Page::All) => u64::MAX,
            Some(Page::Some(words)) => *words.get((at % PAGE / 64) as usize).unwrap_or(&0),
            Some(Page::None) | None => 0,
        }
    }

    /// The first piece from `from` on that is here, or is not.
    fn next(&self, from: u64, here: bool) -> Option<u32> {
        let mut at = from;
        while at < self.pieces {
            let page = usize::try_from(at / PAGE).ok().and_then(|page| self.pages.get(page))?;
            // A page that cannot have it is passed over as a whole.
            if *page == (if here { Page::None } else { Page::All }) {
                at = (at / PAGE + 1) * PAGE;
                continue;
            }
            let word = if here { self.word(at) } else { !self.word(at) };
            let rest = word >> (at % 64);
            if rest != 0 {
                at += u64::from(rest.trailing_zeros());
                return u32::try_from(at).ok().filter(|_| at < self.pieces);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }
}

impl Page {
    /// Sets bits from `first` to `last`, both within the page.
    fn fill(&mut self, first: u64, last: u64) {
        if *self == Self::None {
            *self = Self::Some(Box::new([0; WORDS]));
        }
        let Self::Some(words) = self else { return };
        for (at, word) in (0..).step_by(64).zip(words.iter_mut()) {
            let (low, high) = (first.max(at), last.min(at + 63));
            if low <= high {
                let len = u32::try_from(high - low).unwrap_or(63);
                *word |= u64::MAX >> (63 - len) << (low - at);
            }
        }
    }

    /// Keeps no bits where all or none of its pieces are there; `left` are from here to the end.
    fn settle(&mut self, left: u64) {
        let Self::Some(words) = self else { return };
        match words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>() {
            0 => *self = Self::None,
            count if count == left.min(PAGE) => *self = Self::All,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(pieces: u64, here: &[u32]) -> HaveMap {
        let mut map = HaveMap::none(pieces);
        here.iter().for_each(|index| map.insert(*index));
        map
    }

    fn runs(runs: &[(u32, u32)]) -> Vec<u8> {
        let bytes = runs.iter().flat_map(|(a, b)| [a.to_be_bytes(), b.to_be_bytes()].concat());
        core::iter::once(FORM_RUNS).chain(bytes).collect()
    }

    #[test]
    fn a_map_travels_in_its_shorter_form() {
        let map = of(128, &[0, 1, 2, 127]);
        assert_eq!(map.encode(), runs(&[(0, 2), (127, 127)]), "sixteen bytes either way");
        let map = of(100, &[0, 2, 99]);
        let bits = [vec![FORM_BITS, 0b101], vec![0; 11], vec![0b1000]].concat();
        assert_eq!(map.encode(), bits, "thirteen, and not twenty-four");
        assert_eq!(HaveMap::all(1 << 32).encode(), runs(&[(0, u32::MAX)]));
        assert_eq!(HaveMap::none(1 << 32).encode(), [FORM_RUNS]);
    }

    #[test]
    fn a_map_larger_than_the_blob_is_refused() {
        let beyond = |bytes: &[u8]| HaveMap::decode(20, bytes) == Err(HaveError::Beyond);
        assert!(beyond(&runs(&[(0, 20)])) && beyond(&runs(&[(3, 4), (30, 31)])));
        assert!(beyond(&[FORM_BITS, 0, 0, 0b1_0000]), "bit 20 of 20");
        assert!(beyond(&[FORM_BITS, 0, 0, 0, 0]), "a byte too many");
        assert!(HaveMap::decode(20, &[FORM_BITS, 255, 255, 0b1111]).unwrap().is_complete());
    }

    #[test]
    fn a_map_beyond_its_bounds_is_refused_before_it_is_held() {
        let many: Vec<_> = (0..=4_096).map(|n| (2 * n, 2 * n)).collect();
        assert_eq!(HaveMap::decode(1 << 32, &runs(&many)), Err(HaveError::TooLarge));
        assert!(HaveMap::decode(1 << 32, &runs(&many[1..])).is_ok());
        let bits = [vec![FORM_BITS], vec![0; HAVE_BITS + 1]].concat();
        assert_eq!(HaveMap::decode(1 << 32, &bits), Err(HaveError::TooLarge));
    }

    #[test]
    fn runs_that_touch_overlap_or_fall_are_refused() {
        for bad in [&[(1, 2), (3, 4)][..], &[(1, 4), (2, 6)], &[(5, 5), (1, 1)], &[(2, 1)]] {
            assert_eq!(HaveMap::decode(100, &runs(bad)), Err(HaveError::Order), "{bad:?}");
        }
        for bad in [&[][..], &[2], &[FORM_RUNS, 0], &[FORM_BITS, 0]] {
            assert_eq!(HaveMap::decode(100, bad), Err(HaveError::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn a_map_too_rich_to_tell_says_less_than_there_is() {
        let pieces = HAVE_BITS as u64 * 8 + 8;
        let map = of(pieces, &(0..10_000).map(|n| n * 2).collect::<Vec<_>>());
        let told = HaveMap::decode(pieces, &map.encode()).unwrap();
        assert_eq!(told.count(), HAVE_RUNS as u64);
        assert!(told.runs().all(|(index, _)| map.has(index)));
    }

    #[test]
    fn the_largest_map_is_made_filled_and_read_in_no_time() {
        let mut map = HaveMap::decode(1 << 32, &runs(&[(0, u32::MAX - 1)])).unwrap();
        assert_eq!((map.missing(0), map.count()), (Some(u32::MAX), u64::from(u32::MAX)));
        map.insert(u32::MAX);
        assert!(map.is_complete() && map.has(u32::MAX));
        assert_eq!(map, HaveMap::all(1 << 32));
    }

    #[test]
    fn a_span_is_sixteen_bits_and_pieces_the_blob_lacks_are_not_in_it() {
        assert_eq!(HaveMap::all(35).span(33), 0b111);
        assert_eq!(of(100, &[16, 18, 31, 32]).span(20), 0b1000_0000_0000_0101);
        assert!(!HaveMap::all(35).has(35), "and neither is it here");
    }

    proptest! {
        #[test]
        fn a_map_is_the_set_it_was_given_and_survives_a_round_trip(
            pieces in 1u64..20_000,
            singles in prop::collection::btree_set(0u32..20_000, 0..200),
            (a, b) in (0u32..20_000, 0u32..20_000),
        ) {
            let mut map = HaveMap::none(pieces);
            singles.iter().for_each(|index| map.insert(*index));
            map.insert_run(a.min(b), a.max(b));
            let run = a.min(b)..=a.max(b);
            let expected: BTreeSet<u32> = singles.into_iter().chain(run)
                .filter(|index| u64::from(*index) < pieces).collect();
            let here: BTreeSet<u32> = map.runs().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(map.count(), expected.len() as u64);
            prop_assert!((0..20_100).all(|n| map.has(n) == expected.contains(&n)));
            prop_assert_eq!(here, expected);
            prop_assert_eq!(HaveMap::decode(pieces, &map.encode()), Ok(map));
        }

        #[test]
        fn garbage_never_panics_and_never_names_a_piece_too_many(
            mut bytes in prop::collection::vec(any::<u8>(), 1..200),
            form in 0u8..3, pieces in 0u64..2_000,
        ) {
            bytes[0] = form;
            if let Ok(map) = HaveMap::decode(pieces, &bytes) {
                prop_assert!(map.runs().all(|(_, last)| u64::from(last) < pieces));
                let again = HaveMap::decode(pieces, &map.encode());
                prop_assert_eq!(again, Ok(map));
            }
        }
    }
}
