//! Whose turn it is: so many files at once, the others in order.
//!
//! Small files go first, by no more than a bound, so that none starves; a step of priority is worth
//! a bound, too. A file that nobody gives anything of has no turn, and waits for none.

use hubbub_shared::time::Timestamp;

use super::Plan;
use super::ask::weight;
use super::deed::{FileId, Priority};
use super::fetch::Fetch;
use super::limits::{GRACE, HEAD_START, SMALL_FIRST, YIELD, YIELD_REST};

/// Bytes that count as a millisecond of waiting: 1 MiB a second.
const SMALL: u64 = 1_049;

/// Who goes first: the lowest.
fn turn(fetch: &Fetch) -> (u64, FileId) {
    let steps = match fetch.priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    };
    let size = (fetch.left() / SMALL).min(SMALL_FIRST.0);
    (fetch.arrived.0.saturating_add(size).saturating_add(steps * HEAD_START.0), fetch.file)
}

impl Plan {
    /// Takes turns away and gives them.
    pub(super) fn take_turns(&mut self) {
        let now = self.outbox.now;
        self.end_turns(now);
        let ready = |fetch: &&Fetch| {
            !fetch.paused && !fetch.slot && fetch.try_at(now).is_some_and(|at| at <= now)
        };
        let mut waiting: Vec<_> = self.files.values().filter(ready).map(turn).collect();
        waiting.sort_unstable();
        let mut free = self.limits.side_by_side.saturating_sub(self.active().count());
        for (_, file) in waiting {
            if free == 0 && !self.make_way(file) {
                continue;
            }
            free = free.saturating_sub(1);
            let served = self.served;
            if let Some(fetch) = self.files.get_mut(&file) {
                fetch.start(now);
                fetch.rest = None;
                fetch.served = fetch.served.max(served);
            }
        }
        self.wake = self.tell_waiting(now);
    }

    /// Turns end that come to nothing, or that limits no longer allow.
    fn end_turns(&mut self, now: Timestamp) {
        let others = self.files.values().any(|fetch| {
            !fetch.slot && !fetch.paused && fetch.try_at(now).is_some_and(|at| at <= now)
        });
        let mut over = self.active().count().saturating_sub(self.limits.side_by_side);
        for fetch in self.files.values_mut().filter(|fetch| fetch.slot) {
            let silent = fetch.outstanding() == 0 && now.since(fetch.idle) >= YIELD;
            let yields = others && silent;
            if yields {
                fetch.rest = Some((now + YIELD_REST, false));
            }
            let stuck = fetch.try_at(now).is_none_or(|at| at > now);
            if fetch.paused || stuck || over > 0 {
                over = over.saturating_sub(1);
                fetch.stop(&mut self.outbox);
            }
        }
    }

    /// Ends the turn of a file with a lower priority, if there is one.
    fn make_way(&mut self, file: FileId) -> bool {
        let Some(priority) = self.files.get(&file).map(|fetch| fetch.priority) else {
            return false;
        };
        let lower = self.files.values_mut().filter(|fetch| fetch.slot && fetch.priority < priority);
        let Some(last) = lower.max_by_key(|fetch| turn(fetch)) else { return false };
        last.stop(&mut self.outbox);
        true
    }

    /// Tells of the files that nothing can be done for; says when something can be.
    fn tell_waiting(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut wake: Option<Timestamp> = None;
        let clock = self.clock;
        for fetch in self.files.values_mut().filter(|fetch| !fetch.slot && !fetch.paused) {
            fetch.changed = false;
            let soon = fetch.arrived + GRACE;
            if fetch.sources.is_empty() && fetch.liars.is_empty() && soon > now {
                // Its sources are being named.
                wake = wake.into_iter().chain([soon]).min();
                continue;
            }
            let next = fetch.try_at(now);
            if next.is_none_or(|at| at > now) {
                let why = fetch.why();
                fetch.tell(why, next.map(|at| clock.outside(at)), &mut self.outbox);
            }
            let later = next.filter(|at| *at > now);
            wake = wake.into_iter().chain(later).min();
        }
        wake
    }

    /// The files whose turn it is.
    pub(super) fn active(&self) -> impl Iterator<Item = &Fetch> {
        self.files.values().filter(|fetch| fetch.slot)
    }

    /// Asks for what may be asked for, whoever was given least first.
    pub(super) fn share_out(&mut self) {
        self.bucket.fill(self.outbox.now);
        let mut loads = super::ask::Loads::new();
        if self.active().nth(1).is_some() {
            self.active().for_each(|fetch| fetch.add_loads(&mut loads));
        }
        let mut out: usize = self.active().map(Fetch::outstanding).sum();
        let mut turns: Vec<_> = self.active().map(|fetch| (fetch.served, fetch.file)).collect();
        while let Some((at, (_, file))) = turns.iter().copied().enumerate().min_by_key(|(_, t)| *t)
        {
            let free = few_or_none(self.limits.outstanding, out);
            let Some(fetch) = self.files.get_mut(&file) else { return };
            let most = free.min(few_or_none(self.limits.per_file, fetch.outstanding()));
            let most = self.bucket.pieces(most.min(16));
            let asked = if most == 0 { None } else { fetch.ask(most, &loads, &mut self.outbox) };
            let Some((pieces, bytes)) = asked else {
                // It is its own fault that it takes nothing; it is not owed for it.
                fetch.served = fetch.served.max(self.served);
                turns.swap_remove(at);
                continue;
            };
            out += pieces;
            self.bucket.take(bytes);
            self.served = self.served.max(fetch.served);
            fetch.served += bytes / weight(fetch.priority);
            if let Some(turn) = turns.get_mut(at) {
                turn.0 = fetch.served;
            }
        }
    }
}

/// How many more there may be; none before there may be a few, so that they are asked for together.
fn few_or_none(most: usize, are: usize) -> usize {
    let free = most.saturating_sub(are);
    if free >= (most / 4).clamp(1, 16) { free } else { 0 }
}
