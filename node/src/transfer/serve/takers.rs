//! To whom files go just now, how much of each has gone there, and how fast: for eyes alone.
//!
//! Bytes of peers count when their stream has taken them, those of the hub when it wants what
//! comes after them. Nothing is decided by any of it. Invariant: whoever asks for how much, no more
//! is held than `TAKERS`, and of a file that is not served any more nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hubbub_shared::id::NodeId;
use tokio::time::Instant;

use super::seats::OF_ALL;
use crate::transfer::plan::FileId;

/// Takers of files that are remembered, so that a count goes on after a break: four for each stream
/// that is served at once. Of more, the one that took nothing for longest is forgotten.
const TAKERS: usize = 4 * OF_ALL;
/// A peer is shown so long after it took something: slow ones take a breath between batches.
const LATELY: Duration = Duration::from_secs(5);
/// One part in so many of a rate is what came since it was looked at last.
const SMOOTH: u64 = 4;

/// Somebody who takes a file from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taker {
    /// Who; none for the hub.
    pub to: Option<NodeId>,
    /// Whether it goes there without the hub.
    pub direct: bool,
    /// Bytes of the file that went there. What was asked for twice counts twice.
    pub bytes: u64,
    /// Bytes a second, smoothed.
    pub rate: u64,
}

/// See the top of the file.
#[derive(Default)]
pub struct Takers(Mutex<Table>);

#[derive(Default)]
struct Table {
    entries: BTreeMap<(FileId, Option<NodeId>), Entry>,
    /// When it was looked at last.
    looked: Option<Instant>,
}

struct Entry {
    direct: bool,
    bytes: u64,
    /// Of these, those that were there when it was looked at last.
    seen: u64,
    rate: u64,
    /// When something was taken last.
    at: Instant,
}

impl Entry {
    fn is_shown(&self, to: Option<NodeId>, now: Instant) -> bool {
        // That something goes to the hub is said until it ends, also while peers go first.
        to.is_none() || now.saturating_duration_since(self.at) < LATELY
    }
}

impl Takers {
    /// A peer took so many bytes more.
    pub(super) fn took(
        &self,
        (file, peer): (FileId, NodeId),
        (bytes, direct): (u64, bool),
        now: Instant,
    ) {
        let mut table = self.lock();
        let entry = table.entry((file, Some(peer)), (0, now));
        (entry.direct, entry.at) = (direct, now);
        entry.bytes = entry.bytes.saturating_add(bytes);
        table.forget_others();
    }

    /// So many bytes of a file are at the hub, and it wants those behind them.
    pub(super) fn hub_has(&self, file: FileId, bytes: u64, now: Instant) {
        let mut table = self.lock();
        // What came there earlier is no speed.
        let entry = table.entry((file, None), (bytes, now));
        (entry.bytes, entry.at) = (bytes, now);
        table.forget_others();
    }

    /// Nothing goes to the hub any more.
    pub(super) fn hub_is_through(&self, file: FileId) {
        self.lock().entries.remove(&(file, None));
    }

    /// A file is not served any more.
    pub fn forget(&self, file: FileId) {
        self.lock().entries.retain(|(of, _), _| *of != file);
    }

    /// Who takes what just now. To be called again and again: rates are of the time in between.
    pub fn look(&self, now: Instant) -> BTreeMap<FileId, Vec<Taker>> {
        let mut table = self.lock();
        let last = table.looked.replace(now);
        let millis = last.map_or(0, |last| now.saturating_duration_since(last).as_millis());
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let mut shown: BTreeMap<FileId, Vec<Taker>> = BTreeMap::new();
        for ((file, to), entry) in &mut table.entries {
            let came = entry.bytes.saturating_sub(entry.seen);
            entry.seen = entry.bytes;
            let fresh = came.saturating_mul(1_000).checked_div(millis).unwrap_or(0);
            entry.rate = match entry.rate {
                0 => fresh,
                rate => (rate / SMOOTH * (SMOOTH - 1)).saturating_add(fresh / SMOOTH),
            };
            if entry.is_shown(*to, now) {
                let Entry { direct, bytes, rate, .. } = *entry;
                shown.entry(*file).or_default().push(Taker { to: *to, direct, bytes, rate });
            } else {
                entry.rate = 0;
            }
        }
        shown
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn entry(&mut self, key: (FileId, Option<NodeId>), (bytes, at): (u64, Instant)) -> &mut Entry {
        let new = || Entry { direct: false, bytes, seen: bytes, rate: 0, at };
        self.entries.entry(key).or_insert_with(new)
    }

    fn forget_others(&mut self) {
        if self.entries.len() > TAKERS
            && let Some(idle) = self.entries.iter().min_by_key(|(_, entry)| entry.at)
        {
            let key = *idle.0;
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: NodeId = NodeId([2; 32]);
    const CAROL: NodeId = NodeId([3; 32]);
    const FILE: FileId = FileId(7);

    fn later(from: Instant, millis: u64) -> Instant {
        from + Duration::from_millis(millis)
    }

    #[test]
    fn whoever_takes_a_file_is_shown_with_how_much_how_fast_and_by_which_way() {
        let (takers, start) = (Takers::default(), Instant::now());
        assert!(takers.look(start).is_empty());
        takers.took((FILE, BOB), (1_000, true), later(start, 100));
        takers.took((FILE, BOB), (1_000, true), later(start, 300));
        takers.took((FILE, CAROL), (50, false), later(start, 400));
        let shown = takers.look(later(start, 500));
        let bob = Taker { to: Some(BOB), direct: true, bytes: 2_000, rate: 4_000 };
        let carol = Taker { to: Some(CAROL), direct: false, bytes: 50, rate: 100 };
        assert_eq!(shown[&FILE], [bob, carol]);
        takers.took((FILE, BOB), (1_000, true), later(start, 600));
        let shown = takers.look(later(start, 1_000));
        assert_eq!((shown[&FILE][0].bytes, shown[&FILE][0].rate), (3_000, 3_500));
    }

    #[test]
    fn who_takes_nothing_more_is_not_shown_and_is_counted_on_after_a_break() {
        let (takers, start) = (Takers::default(), Instant::now());
        takers.took((FILE, BOB), (1_000, true), start);
        assert_eq!(takers.look(later(start, 4_999))[&FILE].len(), 1);
        assert!(takers.look(later(start, 5_000)).is_empty());
        takers.took((FILE, BOB), (10, true), later(start, 60_000));
        let shown = takers.look(later(start, 60_001));
        assert_eq!(shown[&FILE][0].bytes, 1_010);
        takers.forget(FILE);
        assert!(takers.look(later(start, 60_002)).is_empty());
    }

    #[test]
    fn what_the_hub_had_before_is_no_speed_and_it_is_shown_until_it_is_through() {
        let (takers, start) = (Takers::default(), Instant::now());
        takers.look(start);
        takers.hub_has(FILE, 1 << 30, later(start, 400));
        let hub = |bytes, rate| Taker { to: None, direct: false, bytes, rate };
        assert_eq!(takers.look(later(start, 500))[&FILE], [hub(1 << 30, 0)]);
        takers.hub_has(FILE, (1 << 30) + 500, later(start, 900));
        assert_eq!(takers.look(later(start, 1_000))[&FILE], [hub((1 << 30) + 500, 1_000)]);
        assert_eq!(takers.look(later(start, 60_000))[&FILE].len(), 1, "peers go first");
        takers.hub_is_through(FILE);
        assert!(takers.look(later(start, 60_001)).is_empty());
    }

    #[test]
    fn however_many_take_files_only_so_many_are_remembered() {
        let (takers, start) = (Takers::default(), Instant::now());
        for n in 0..=u64::try_from(2 * TAKERS).unwrap() {
            takers.took((FileId(n), BOB), (1, false), later(start, n));
        }
        let shown = takers.look(later(start, 600));
        assert_eq!(shown.len(), TAKERS);
        assert!(!shown.contains_key(&FileId(0)), "the one that took nothing for longest");
    }
}
