//! Which pieces a source is asked for next.
//!
//! A random few of the runs it can give something of are compared. The one that the fewest others
//! have goes first, then what is for this node to fetch, then what nobody else was asked for; the
//! rest is chance, so that receivers fetch different parts. A run that was begun is finished first.

use hubbub_shared::id::NodeId;

use super::deed::{Kind, SourceId};
use super::fetch::Fetch;
use super::limits::{DRY, SAMPLE, SCAN, SPARE};
use super::outbox::Outbox;
use super::share::Share;
use super::source::Source;

/// Pieces looked at to see whose they are.
const SAMPLES: u64 = 64;

/// Holders; whether it is for others; whether it was begun; chance. The lowest goes first.
type Score = (usize, bool, bool, u32);

/// What may not be asked of a source although it has it.
struct Rule {
    /// The hub would carry it: not what a direct source gives, and not what is for others to fetch.
    carried: bool,
    share: Share,
}

impl Fetch {
    /// Whether a direct source gives everything.
    pub(super) fn has_whole_direct(&self, outbox: &Outbox) -> bool {
        self.sources.values().any(|source| source.whole && source.is_giving(outbox.now))
    }

    /// Whether somebody direct is about to say what it has.
    pub(super) fn awaits_direct(&self, outbox: &Outbox) -> bool {
        self.sources.values().any(|source| source.is_awaited(outbox.now))
    }

    fn rule(&self, kind: Kind, outbox: &Outbox) -> Option<Rule> {
        let carried = kind != Kind::Direct;
        if carried && (self.has_whole_direct(outbox) || self.awaits_direct(outbox)) {
            return None;
        }
        let partners = self.partners(outbox);
        let share = Share::new(&outbox.me, partners.iter(), self.shape.pieces());
        Some(Rule { carried, share })
    }

    /// Those that fetch the same, and bring something.
    fn partners(&self, outbox: &Outbox) -> Vec<NodeId> {
        let partners = self.sources.iter().filter(|(_, source)| source.is_partner(outbox.now));
        let node = |(id, _): (&SourceId, _)| match id {
            SourceId::Node(node) => Some(*node),
            SourceId::Hub => None,
        };
        partners.filter_map(node).collect()
    }

    /// Nothing is left of this node's part: notes which of the others have more left than they will
    /// fetch soon. From then on it is dealt out without them.
    fn help(&mut self, outbox: &mut Outbox) {
        let since = *self.spare.get_or_insert(outbox.now);
        if outbox.now.since(since) < SPARE {
            return;
        }
        self.spare = None;
        let partners = self.partners(outbox);
        let share = Share::new(&outbox.me, partners.iter(), self.shape.pieces());
        let mut owned = vec![0u64; partners.len()];
        for _ in 0..SAMPLES {
            let at = outbox.below(u32::try_from(self.shape.pieces()).unwrap_or(u32::MAX));
            let Some(index) = self.wanted.next_around(at) else { return };
            if let Some(count) = share.owner(index).and_then(|at| owned.get_mut(at)) {
                *count += 1;
            }
        }
        for (node, count) in partners.into_iter().zip(owned) {
            let left = self.wanted.count().saturating_mul(count) / SAMPLES;
            if let Some(source) = self.sources.get_mut(&SourceId::Node(node)) {
                source.lags |= count > 0 && source.is_slow_for(left);
            }
        }
    }

    /// What a source may be asked for in a run, and whether that is what it is to be asked for.
    fn allowed(&self, source: &Source, rule: &Rule, run: u32, outbox: &Outbox) -> (u16, bool) {
        let mut span = self.wanted.span(run) & source.span(run);
        if rule.carried {
            let direct = self.sources.values().filter(|other| other.is_giving(outbox.now));
            span &= !direct.fold(0, |all, other| all | other.span(run));
        }
        let mine = if span == 0 { 0 } else { span & rule.share.span(run) };
        if rule.carried || mine != 0 { (mine, true) } else { (span, false) }
    }

    /// How many sources have some of these pieces.
    fn holders(&self, run: u32, span: u16) -> usize {
        let has = |source: &&Source| source.is_known() && source.span(run) & span != 0;
        self.sources.values().filter(has).count()
    }

    /// A run and the pieces of it that a source is to be asked for.
    pub(super) fn pick(&mut self, id: SourceId, outbox: &mut Outbox) -> Option<(u32, u16)> {
        let source = self.sources.get(&id)?;
        if source.dry > outbox.now || self.useful(source).is_empty() {
            return None;
        }
        let (kind, sweep) = (source.kind, source.sweep);
        let rule = self.rule(kind, outbox);
        let shared = rule.as_ref().is_some_and(|rule| rule.carried && !rule.share.is_alone());
        let found = rule.and_then(|rule| self.search(id, &rule, outbox));
        match found {
            Some(_) if kind != Kind::Direct => self.spare = None,
            None if shared => self.help(outbox),
            _ => {}
        }
        let source = self.sources.get_mut(&id)?;
        match found {
            Some((run, _)) => (source.run, source.sweep) = (run, run + 1),
            None => {
                source.dry = outbox.now + DRY;
                source.sweep = sweep.wrapping_add(u32::try_from(SCAN).unwrap_or(0));
            }
        }
        found
    }

    fn search(&self, id: SourceId, rule: &Rule, outbox: &mut Outbox) -> Option<(u32, u16)> {
        let source = self.sources.get(&id)?;
        let (begun, _) = self.allowed(source, rule, source.run, outbox);
        if begun != 0 && self.wanted.span(source.run) != u16::MAX {
            return Some((source.run, begun));
        }
        self.sample(source, rule, outbox).or_else(|| self.scan(source, rule, outbox))
    }

    /// The best of some.
    fn sample(&self, source: &Source, rule: &Rule, outbox: &mut Outbox) -> Option<(u32, u16)> {
        let useful = self.useful(source);
        let runs = u32::try_from(self.shape.pieces().div_ceil(16)).unwrap_or(u32::MAX);
        let mut best: Option<(Score, u32, u16)> = None;
        let mut at = 0;
        for turn in 0..SAMPLE {
            // A few places in a row from each of a few: next to the end, that finds them all.
            at = if turn % 6 == 0 { outbox.below(runs) } else { at };
            let run = useful.next_around(at)?;
            at = run + 1;
            let (span, mine) = self.allowed(source, rule, run, outbox);
            if span == 0 {
                continue;
            }
            let begun = self.wanted.span(run) != self.missing.span(run);
            let score = (self.holders(run, span), !mine, begun, outbox.below(u32::MAX));
            if best.as_ref().is_none_or(|(least, ..)| score < *least) {
                best = Some((score, run, span));
            }
        }
        best.map(|(_, run, span)| (run, span))
    }

    /// The next one, from where it was looked for last.
    fn scan(&self, source: &Source, rule: &Rule, outbox: &Outbox) -> Option<(u32, u16)> {
        let useful = self.useful(source);
        let mut at = source.sweep;
        for _ in 0..SCAN.min(usize::try_from(useful.count()).unwrap_or(SCAN)) {
            let run = useful.next_around(at)?;
            at = run + 1;
            let (span, _) = self.allowed(source, rule, run, outbox);
            if span != 0 {
                return Some((run, span));
            }
        }
        None
    }
}
