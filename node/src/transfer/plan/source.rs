//! One source of one file: whether there is a stream, what it has, what it was asked for.

use std::collections::VecDeque;

use hubbub_shared::backoff::Backoff;
use hubbub_shared::blob::HaveMap;
use hubbub_shared::limits::SPAN_PIECES;
use hubbub_shared::time::{Millis, Timestamp};
use rand_core::Rng;

use super::bits::Bits;
use super::deed::Kind;
use super::limits::{
    ANSWER, GRACE, HAVE_EVERY, HAVE_PIECES, IDLE, LAG, LULL, PATIENCE, PAUSE, REFUSED, STALL,
    WINDOW_MIN,
};
use super::pace::Pace;

/// How fast another receiver gets on is looked at over this.
const GAINS_OVER: Millis = Millis::secs(2);

/// Whether there is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// None, and none in the making.
    Ready,
    /// None before that.
    Resting(Timestamp),
    /// Asked for then.
    Opening(Timestamp),
    Open,
    /// Nothing will come of it until somebody names it again.
    Left,
}

/// Why it gave nothing last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Unreachable,
    Unknown,
    OtherLength,
    Changed,
    Refused,
    /// It has nothing that is missing here.
    Missing,
}

/// A piece it was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Out {
    pub(super) index: u32,
    pub(super) req: u32,
    /// As if nothing of the tree were known here.
    pub(super) anew: bool,
}

/// See the module.
pub(super) struct Source {
    pub(super) kind: Kind,
    pub(super) link: Link,
    /// Until a piece comes, if something was wrong.
    pub(super) why: Option<Why>,
    /// When it was named, or the file's turn came.
    pub(super) named: Timestamp,
    /// What it has; none before it said so.
    pub(super) have: Option<HaveMap>,
    /// It has everything.
    pub(super) whole: bool,
    /// Runs in which it has something to be asked for; not kept while it has everything.
    pub(super) useful: Bits,
    /// When it last had something new that is missing here.
    news: Timestamp,
    /// Pieces it has, when it said so, and how many more it gets in a thousand seconds.
    counted: (u64, Timestamp),
    gains: u64,
    /// It fetches its part so slowly that the others do it.
    pub(super) lags: bool,
    /// The open question for what it has, and when the next is due.
    pub(super) asked_have: Option<(u32, Timestamp)>,
    pub(super) have_due: Timestamp,
    /// What it was asked for, the first asked first.
    pub(super) out: VecDeque<Out>,
    /// When the last piece came, or it was asked while nothing was outstanding.
    pub(super) heard: Timestamp,
    /// Since when nothing is outstanding.
    pub(super) idle: Timestamp,
    /// Nothing to ask was found for it; looked for again then.
    pub(super) dry: Timestamp,
    /// Where looking for it goes on, and the run it was asked of last.
    pub(super) sweep: u32,
    pub(super) run: u32,
    pub(super) pace: Pace,
    /// Named again since its stream was opened: should that break, it was on the way that is gone,
    /// and says nothing about the new one.
    renewed: bool,
    pub(super) pause: Backoff,
    pub(super) refused: Backoff,
}

impl Source {
    pub(super) fn new(kind: Kind, now: Timestamp) -> Self {
        Self {
            kind,
            link: Link::Ready,
            why: None,
            named: now,
            have: None,
            whole: false,
            useful: Bits::none(0),
            news: now,
            counted: (0, now),
            gains: 0,
            lags: false,
            asked_have: None,
            have_due: now,
            out: VecDeque::new(),
            heard: now,
            idle: now,
            dry: now,
            sweep: 0,
            run: 0,
            pace: Pace::default(),
            renewed: false,
            pause: Backoff::new(PAUSE.0, PAUSE.1),
            refused: Backoff::new(REFUSED.0, REFUSED.1),
        }
    }

    /// Named again: what failed is forgotten.
    pub(super) fn name(&mut self, kind: Kind, now: Timestamp) {
        (self.kind, self.named, self.why) = (kind, now, None);
        self.pause.reset();
        self.refused.reset();
        if self.is_up() {
            self.renewed = true;
        } else {
            self.link = Link::Ready;
        }
    }

    /// It was heard from, so that it is reached; whether it may be tried now, and could not before.
    /// Whoever refuses, or has nothing, is left alone as before, however much they talk.
    pub(super) fn is_there(&mut self, now: Timestamp) -> bool {
        self.renewed |= self.is_up();
        let rests = matches!(self.link, Link::Resting(_));
        if !rests || !self.why.is_none_or(|why| why == Why::Unreachable) {
            return false;
        }
        (self.link, self.named, self.why) = (Link::Ready, now, None);
        self.pause.reset();
        true
    }

    pub(super) fn is_open(&self) -> bool {
        self.link == Link::Open
    }

    /// Whether there is a stream, or one in the making.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Open | Link::Opening(_))
    }

    pub(super) fn opened(&mut self, kind: Kind, now: Timestamp) {
        (self.kind, self.link, self.renewed) = (kind, Link::Open, false);
        (self.idle, self.have_due, self.heard, self.dry) = (now, now, now, now);
    }

    /// The stream is gone; gives back what was outstanding.
    pub(super) fn closed(&mut self, link: Link) -> Vec<Out> {
        (self.link, self.renewed) = (link, false);
        (self.have, self.whole, self.asked_have) = (None, false, None);
        self.useful = Bits::none(0);
        self.out.drain(..).collect()
    }

    /// What becomes of it when its stream breaks.
    pub(super) fn after_break(&mut self, now: Timestamp, rng: &mut impl Rng) -> Link {
        if self.renewed {
            Link::Ready
        } else {
            Link::Resting(self.rests(Why::Unreachable, now, rng))
        }
    }

    /// Until when it rests after this.
    pub(super) fn rests(&mut self, why: Why, now: Timestamp, rng: &mut impl Rng) -> Timestamp {
        self.why = Some(why);
        let wait = match why {
            Why::Unreachable | Why::Missing => self.pause.next(rng),
            _ => self.refused.next(rng),
        };
        now + wait
    }

    /// What it has is another now; `missing` is what is not here.
    pub(super) fn told(&mut self, have: HaveMap, missing: &Bits, now: Timestamp) {
        let first = self.have.is_none();
        let news = first || self.brings_news(&have, missing);
        self.news = if news { now } else { self.news };
        self.count(have.count(), first, now);
        self.whole = have.is_complete();
        self.have = Some(have);
        (self.asked_have, self.dry) = (None, now);
        self.have_due = now + self.have_every();
    }

    fn count(&mut self, count: u64, first: bool, now: Timestamp) {
        let (before, at) = self.counted;
        let took = now.since(at);
        if first {
            self.counted = (count, now);
        } else if took >= GAINS_OVER {
            let seen = count.saturating_sub(before).saturating_mul(1_000_000) / took.0;
            self.gains = if self.gains == 0 { seen } else { self.gains.midpoint(seen) };
            self.counted = (count, now);
        }
    }

    /// Whether it takes too long to fetch so many pieces, as far as that is known.
    pub(super) fn is_slow_for(&self, pieces: u64) -> bool {
        pieces.saturating_mul(1_000_000) > self.gains.max(1).saturating_mul(LAG.0)
    }

    fn brings_news(&self, have: &HaveMap, missing: &Bits) -> bool {
        let Some(before) = &self.have else { return true };
        let new = |run: u32| {
            let first = run * SPAN_PIECES;
            have.span(first) & !before.span(first) & missing.span(run) != 0
        };
        runs_of(have).any(new)
    }

    /// How often it is asked for what it has.
    pub(super) fn have_every(&self) -> Millis {
        let pieces = self.have.as_ref().map_or(0, HaveMap::pieces);
        Millis(HAVE_EVERY.0 + pieces / HAVE_PIECES)
    }

    /// The sixteen pieces of a run that it has.
    pub(super) fn span(&self, run: u32) -> u16 {
        self.have.as_ref().map_or(0, |have| have.span(run.saturating_mul(SPAN_PIECES)))
    }

    /// A direct source that gives what it has: nobody else is needed for that.
    pub(super) fn is_giving(&self, now: Timestamp) -> bool {
        let lull = !self.out.is_empty() && now.since(self.heard) >= LULL;
        self.kind == Kind::Direct && self.is_known() && self.why.is_none() && !lull
    }

    /// It is open and said what it has.
    pub(super) fn is_known(&self) -> bool {
        self.is_open() && self.have.is_some()
    }

    /// Direct, and not yet said what it has, but may soon.
    pub(super) fn is_awaited(&self, now: Timestamp) -> bool {
        let unknown = match self.link {
            Link::Ready | Link::Opening(_) => true,
            Link::Open => self.have.is_none(),
            Link::Resting(_) | Link::Left => false,
        };
        let patient = now.since(self.named) < GRACE;
        self.kind == Kind::Direct && unknown && self.why.is_none() && patient
    }

    /// Another receiver that fetches the same: it has some, and gets more that is missing here.
    pub(super) fn is_partner(&self, now: Timestamp) -> bool {
        let patience = PATIENCE.0 + 3 * self.have_every().0;
        let brings = now.since(self.news).0 < patience;
        self.kind == Kind::Direct && self.is_known() && !self.whole && brings && !self.lags
    }

    /// It does not answer, or gives nothing.
    pub(super) fn is_stalled(&self, now: Timestamp) -> bool {
        let silent = |at: Timestamp, most: Millis| now.since(at) >= most;
        match self.link {
            Link::Opening(at) => silent(at, ANSWER),
            Link::Open => {
                let asked = self.asked_have.is_some_and(|(_, at)| silent(at, ANSWER));
                asked || !self.out.is_empty() && silent(self.heard, STALL)
            }
            _ => false,
        }
    }

    /// The hub holds a stream for nothing.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        let unused = self.out.is_empty() && now.since(self.idle) >= IDLE;
        self.kind != Kind::Direct && self.is_known() && unused
    }

    /// When something about it changes by time alone.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match self.link {
            Link::Resting(until) => Some(until),
            Link::Opening(at) => Some(at + ANSWER),
            Link::Open => self.due_open(),
            Link::Ready | Link::Left => None,
        }
    }

    fn due_open(&self) -> Option<Timestamp> {
        let have = match self.asked_have {
            Some((_, at)) => Some(at + ANSWER),
            None => (!self.whole).then_some(self.have_due),
        };
        let out = (!self.out.is_empty()).then(|| self.heard + STALL);
        let idle = self.kind != Kind::Direct && self.out.is_empty() && self.have.is_some();
        [have, out, idle.then(|| self.idle + IDLE)].into_iter().flatten().min()
    }

    pub(super) fn holds(&self, index: u32) -> bool {
        self.out.iter().any(|out| out.index == index)
    }

    /// It was asked for something.
    pub(super) fn asked(&mut self, outs: impl Iterator<Item = Out>, now: Timestamp) {
        if self.out.is_empty() {
            self.heard = now;
            self.pace.wake(now);
        }
        let before = self.out.len();
        self.out.extend(outs);
        if let Some(first) = self.out.get(before).filter(|_| (1..WINDOW_MIN).contains(&before)) {
            self.pace.watch(first.index, now);
        }
    }

    /// Something is no longer expected of it.
    pub(super) fn drop_out(&mut self, which: impl Fn(&Out) -> bool, now: Timestamp) -> Vec<Out> {
        let gone = self.out.iter().copied().filter(&which).collect();
        self.out.retain(|out| !which(out));
        if self.out.is_empty() {
            self.idle = now;
        }
        gone
    }
}

/// The runs in which a have-map names anything.
pub(super) fn runs_of(have: &HaveMap) -> impl Iterator<Item = u32> + '_ {
    let mut next = 0;
    have.runs().flat_map(move |(first, last)| {
        let from = next.max(first / SPAN_PIECES);
        next = last / SPAN_PIECES + 1;
        from..next
    })
}
