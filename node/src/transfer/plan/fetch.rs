//! One file: what is missing, what may be asked for, and its sources.
//!
//! Invariant: a piece is in `wanted` when it is missing and no source is to give it; a run is in
//! `runs` when something in it is wanted, and in a source's `useful` when the source has some of
//! that. So what to ask next is found without looking at every piece.

use std::collections::{BTreeMap, VecDeque};

use hubbub_shared::backoff::Backoff;
use hubbub_shared::blob::Shape;
use hubbub_shared::limits::{PIECE, SPAN_PIECES};
use hubbub_shared::time::{Millis, Timestamp};

use super::Wanted;
use super::bits::Bits;
use super::deed::{Deed, FileId, Kind, Priority, SourceId, Stuck};
use super::limits::{DISK, LIARS, LULL, MISSING, YIELD};
use super::outbox::Outbox;
use super::pace::Meter;
use super::progress::{Progress, SourceProgress, State};
use super::source::{Link, Out, Source, Why};

/// See the module.
pub(super) struct Fetch {
    pub(super) file: FileId,
    pub(super) shape: Shape,
    pub(super) missing: Bits,
    pub(super) wanted: Bits,
    pub(super) runs: Bits,
    pub(super) sources: BTreeMap<SourceId, Source>,
    pub(super) liars: VecDeque<SourceId>,
    pub(super) priority: Priority,
    pub(super) paused: bool,
    pub(super) arrived: Timestamp,
    /// It is its turn.
    pub(super) slot: bool,
    /// What it was given of what there is to share, by weight.
    pub(super) served: u64,
    /// It is not tried before that; whether because the disk fails.
    pub(super) rest: Option<(Timestamp, bool)>,
    pub(super) disk: Backoff,
    pub(super) told: Option<(Stuck, Option<Timestamp>)>,
    /// Since when all that the hub would have to carry is for others to fetch.
    pub(super) spare: Option<Timestamp>,
    /// Since when nothing is outstanding.
    pub(super) idle: Timestamp,
    /// Pieces asked of two sources.
    pub(super) doubled: u64,
    /// Whose turn it is may be another now.
    pub(super) changed: bool,
    pub(super) meter: Meter,
    pub(super) here: u64,
    pub(super) twice: u64,
}

impl Fetch {
    pub(super) fn new(wanted: &Wanted, now: Timestamp) -> Self {
        let Wanted { file, shape, priority, paused, .. } = *wanted;
        let missing = Bits::missing(&wanted.have);
        let mut fetch = Self {
            file,
            shape,
            wanted: missing.clone(),
            missing,
            runs: Bits::missing_runs(&wanted.have),
            sources: BTreeMap::new(),
            liars: wanted.liars.iter().take(LIARS).copied().collect(),
            priority,
            paused,
            arrived: now,
            slot: false,
            served: 0,
            rest: None,
            disk: Backoff::new(DISK.0, DISK.1),
            told: None,
            spare: None,
            idle: now,
            doubled: 0,
            changed: true,
            meter: Meter::default(),
            here: 0,
            twice: 0,
        };
        fetch.here = shape.sealed().saturating_sub(fetch.left());
        fetch
    }

    /// Bytes that are missing.
    pub(super) fn left(&self) -> u64 {
        let last = u32::try_from(self.shape.pieces().saturating_sub(1)).unwrap_or(u32::MAX);
        let short = PIECE - self.shape.piece_len(last).unwrap_or(PIECE).min(PIECE);
        let short = if self.missing.has(last) { short as u64 } else { 0 };
        (self.missing.count() * PIECE as u64).saturating_sub(short)
    }

    pub(super) fn outstanding(&self) -> usize {
        self.sources.values().map(|source| source.out.len()).sum()
    }

    /// The runs in which a source has something to be asked for.
    pub(super) fn useful<'a>(&'a self, source: &'a Source) -> &'a Bits {
        if source.whole { &self.runs } else { &source.useful }
    }

    /// What is wanted in a run is another now.
    pub(super) fn settle(&mut self, run: u32) {
        let wanted = self.wanted.span(run);
        self.runs.put(run, wanted != 0);
        for source in self.sources.values_mut().filter(|source| source.is_known()) {
            if !source.whole {
                let useful = source.span(run) & wanted != 0;
                source.useful.put(run, useful);
            }
        }
    }

    /// Pieces that a source will not give: others may be asked for them.
    pub(super) fn give_back(&mut self, outs: &[Out]) {
        for Out { index, .. } in outs {
            let held = self.sources.values().any(|source| source.holds(*index));
            if self.missing.has(*index) && !held {
                self.wanted.insert(*index);
                self.settle(index / SPAN_PIECES);
            }
        }
    }

    /// Lets a stream go.
    pub(super) fn close(&mut self, id: SourceId, link: Link, outbox: &mut Outbox) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        if source.is_up() {
            outbox.say(Deed::Close { file: self.file, source: id });
        }
        self.changed = true;
        let outs = source.closed(link);
        self.give_back(&outs);
        self.note_idle(outbox.now);
    }

    /// Leaves a source for a while that grows with each time.
    pub(super) fn leave(&mut self, id: SourceId, why: Why, outbox: &mut Outbox) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        let until = source.rests(why, outbox.now, &mut outbox.rng);
        self.close(id, Link::Resting(until), outbox);
    }

    /// Leaves a source until somebody names it again.
    pub(super) fn part(&mut self, id: SourceId, why: Why, outbox: &mut Outbox) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        source.why = Some(why);
        self.close(id, Link::Left, outbox);
    }

    /// Lets all streams go: it is another's turn, or nobody's.
    pub(super) fn stop(&mut self, outbox: &mut Outbox) {
        self.slot = false;
        let up = self.sources.iter().filter(|(_, source)| source.is_up());
        for id in up.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id, Link::Ready, outbox);
        }
    }

    /// Its turn comes.
    pub(super) fn start(&mut self, now: Timestamp) {
        (self.slot, self.idle) = (true, now);
        for source in self.sources.values_mut().filter(|source| source.link == Link::Ready) {
            source.named = now;
        }
    }

    pub(super) fn note_idle(&mut self, now: Timestamp) {
        if self.outstanding() == 0 {
            self.idle = now;
        }
    }

    /// When it wants to be looked at, while it is its turn.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let later = |at: &Timestamp| *at > now;
        let of = |source: &Source| {
            let lull = (!source.out.is_empty()).then(|| source.heard + LULL);
            let grace = source.named + super::limits::GRACE;
            [source.due(), lull, Some(source.dry), Some(grace)]
        };
        let sources = self.sources.values().flat_map(of).flatten().filter(later);
        let own = [self.idle + MISSING, self.idle + YIELD];
        let own = own.into_iter().filter(|_| self.outstanding() == 0);
        sources.chain(own.filter(later)).min()
    }

    /// When something may be tried; `now` if that is so already, none if nothing ever will.
    pub(super) fn try_at(&self, now: Timestamp) -> Option<Timestamp> {
        let of = |source: &Source| match source.link {
            Link::Ready | Link::Opening(_) | Link::Open => Some(now),
            Link::Resting(until) => Some(until.max(now)),
            Link::Left => None,
        };
        let first = self.sources.values().filter_map(of).min()?;
        Some(self.rest.map_or(first, |(until, _)| first.max(until)))
    }

    /// Why nothing comes.
    pub(super) fn why(&self) -> Stuck {
        if self.rest.is_some_and(|(_, disk)| disk) {
            return Stuck::StoreFailing;
        }
        if self.sources.is_empty() {
            return if self.liars.is_empty() { Stuck::NoSource } else { Stuck::AllLied };
        }
        let said = |why: Why| self.sources.values().any(|source| source.why == Some(why));
        let answered = [Why::Unknown, Why::Changed, Why::Refused, Why::Missing].map(said);
        let known = self.sources.values().any(Source::is_known) || self.here_came();
        match answered {
            [false, false, false, false] if said(Why::OtherLength) && !known => Stuck::OtherLength,
            [_, true, ..] => Stuck::Changed,
            [_, _, true, _] => Stuck::Refused,
            [true, ..] => Stuck::Unknown,
            [.., true] => Stuck::Missing,
            _ if known && self.sources.values().any(Source::is_known) => Stuck::Missing,
            _ => Stuck::Unreachable,
        }
    }

    /// Whether any source gave anything that verified: then the length is no lie.
    fn here_came(&self) -> bool {
        self.sources.values().any(|source| source.pace.given() > 0)
    }

    /// Says why nothing comes, once.
    pub(super) fn tell(&mut self, why: Stuck, next: Option<Timestamp>, outbox: &mut Outbox) {
        if self.told != Some((why, next)) {
            self.told = Some((why, next));
            outbox.say(Deed::Stuck { file: self.file, why, next });
        }
    }

    pub(super) fn progress(&self, now: Timestamp) -> Progress {
        let state = match self.told {
            _ if self.paused => State::Paused,
            Some((why, next)) => State::Stuck(why, next),
            None if self.slot => State::Fetching,
            None => State::Queued,
        };
        let rate = self.meter.rate(now);
        let left = self.left().saturating_mul(1_000).checked_div(rate).map(Millis);
        let sources = self.sources.iter().map(|(id, source)| SourceProgress {
            source: *id,
            kind: source.kind,
            open: source.is_open(),
            rate: source.pace.rate(),
            given: source.pace.given(),
            outstanding: source.out.len(),
        });
        let (of, sources) = (self.shape.sealed(), sources.collect());
        Progress { state, here: self.here, of, rate, left, twice: self.twice, sources }
    }

    /// How many streams by way of the hub there are.
    pub(super) fn relayed(&self) -> usize {
        let relayed = |source: &&Source| source.kind != Kind::Direct && source.is_up();
        self.sources.values().filter(relayed).count()
    }
}
