//! How much each source is asked for: what flows in a round trip, fast ones more; and what is left
//! of a slow one at the end, of a faster one, too.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hubbub_shared::limits::SPAN_PIECES;
use hubbub_shared::wire::pieces::Span;

use super::deed::{Deed, Priority, SourceId};
use super::fetch::Fetch;
use super::limits::{SLACK, TWICE};
use super::outbox::Outbox;
use super::source::{Out, Source};

/// What sources give to all files together, and by what weights it is shared.
pub(super) type Loads = BTreeMap<SourceId, (u64, u64)>;

/// From this window on, a source is asked for whole runs: what is outstanding meanwhile still fills
/// a path whose round trip is not longer than [`SLACK`].
const WHOLE_RUNS: usize = 32;

/// What a priority weighs.
pub(super) fn weight(priority: Priority) -> u64 {
    match priority {
        Priority::Low => 1,
        Priority::Normal => 2,
        Priority::High => 4,
    }
}

impl Fetch {
    /// Adds what its sources give to it.
    pub(super) fn add_loads(&self, loads: &mut Loads) {
        for (id, source) in self.sources.iter().filter(|(_, source)| source.is_known()) {
            if !source.out.is_empty() || !self.useful(source).is_empty() {
                let (rate, weights) = loads.entry(*id).or_default();
                *rate += source.pace.rate();
                *weights += weight(self.priority);
            }
        }
    }

    /// Asks one question for at most so many pieces; says how many were asked for, and their bytes.
    pub(super) fn ask(
        &mut self,
        most: usize,
        loads: &Loads,
        outbox: &mut Outbox,
    ) -> Option<(usize, u64)> {
        for id in self.by_preference() {
            let room = self.room(id, loads).min(most);
            if room == 0 {
                continue;
            }
            if let Some((run, span)) = self.pick(id, outbox) {
                let outs = first_of(run, span, room);
                return Some(self.send(id, &outs, outbox));
            }
            if let Some(index) = self.late(id, outbox) {
                self.doubled += 1;
                return Some(self.send(id, &[index], outbox));
            }
        }
        None
    }

    /// Direct ones first; of a kind, those not yet known, and then the fastest.
    fn by_preference(&self) -> Vec<SourceId> {
        let known = self.sources.iter().filter(|(_, source)| source.is_known());
        let key = |source: &Source| {
            let rate = source.pace.rate();
            (source.kind, rate != 0, Reverse(rate))
        };
        let mut ids: Vec<_> = known.map(|(id, source)| (key(source), *id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// How many pieces more a source is to be asked for. None before a few may be, so that they can
    /// be asked for in one question.
    fn room(&self, id: SourceId, loads: &Loads) -> usize {
        let Some(source) = self.sources.get(&id) else { return 0 };
        let (rate, weights) = loads.get(&id).copied().unwrap_or((source.pace.rate(), 0));
        let part = if weights == 0 { (1, 1) } else { (weight(self.priority), weights) };
        let window = source.pace.window(rate, part);
        let room = window.saturating_sub(source.out.len()).min(SPAN_PIECES as usize);
        let few = if window >= WHOLE_RUNS { SPAN_PIECES as usize } else { (window / 4).max(1) };
        if room >= few { room } else { 0 }
    }

    fn send(&mut self, id: SourceId, indexes: &[u32], outbox: &mut Outbox) -> (usize, u64) {
        let (req, now) = (outbox.req(), outbox.now);
        let Some(source) = self.sources.get_mut(&id) else { return (0, 0) };
        let outs = indexes.iter().map(|index| Out { index: *index, req, anew: false });
        source.asked(outs, now);
        for index in indexes {
            self.wanted.remove(*index);
        }
        if let Some(index) = indexes.first() {
            self.settle(index / SPAN_PIECES);
        }
        if self.told.take().is_some() {
            outbox.say(Deed::Going { file: self.file });
        }
        let (file, spans) = (self.file, spans(indexes));
        outbox.say(Deed::Ask { file, source: id, req, spans, anew: false });
        let len = |index: &u32| self.shape.piece_len(*index).unwrap_or(0) as u64;
        (indexes.len(), indexes.iter().map(len).sum())
    }

    /// The piece that comes latest, of those that come much sooner when this source is asked, too.
    /// Only when nothing else is left to ask anybody for, and only for few in all.
    fn late(&self, id: SourceId, outbox: &Outbox) -> Option<u32> {
        let source = self.sources.get(&id)?;
        let budget = (self.shape.pieces() / TWICE).max(1);
        if !self.wanted.is_empty() || self.doubled >= budget || source.why.is_some() {
            return None;
        }
        let soon = source.pace.takes(source.out.len())?.0;
        let mut latest = None;
        for (_, slow) in self.sources.iter().filter(|(other, _)| **other != id) {
            if slow.kind < source.kind && slow.is_giving(outbox.now) {
                continue;
            }
            for (place, out) in slow.out.iter().enumerate() {
                let waited = outbox.now.since(slow.heard).0;
                let late = slow.pace.takes(place).map_or(4 * waited, |takes| takes.0.max(waited));
                let sooner = late > 2 * soon + 5 * SLACK.0;
                let longer = latest.is_none_or(|(most, _)| late > most);
                if sooner && longer && self.may_double(source, out.index) {
                    latest = Some((late, out.index));
                }
            }
        }
        latest.map(|(_, index)| index)
    }

    fn may_double(&self, source: &Source, index: u32) -> bool {
        let has = source.have.as_ref().is_some_and(|have| have.has(index));
        let holders = self.sources.values().filter(|source| source.holds(index)).count();
        has && holders == 1 && !source.holds(index) && self.missing.has(index)
    }
}

/// The first few pieces of a span of a run.
fn first_of(run: u32, span: u16, most: usize) -> Vec<u32> {
    let bits = (0..SPAN_PIECES).filter(|bit| span >> bit & 1 == 1);
    bits.take(most).map(|bit| run * SPAN_PIECES + bit).collect()
}

/// Rising pieces of one run, as they are asked for: at most eight spans.
pub(super) fn spans(indexes: &[u32]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for index in indexes {
        match spans.last_mut() {
            Some(last) if last.first + u32::from(last.count) == *index => last.count += 1,
            _ => spans.push(Span { first: *index, count: 1, known: 0 }),
        }
    }
    spans
}
