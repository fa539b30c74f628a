//! What happens to one file: sources come and go, tell what they have, give, refuse and lie.

use hubbub_shared::blob::HaveMap;
use hubbub_shared::limits::SPAN_PIECES;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::pieces::{PieceRefusal, PiecesRefused};

use super::Bad;
use super::ask::spans;
use super::bits::Bits;
use super::deed::{Deed, Kind, Lie, SourceId};
use super::fetch::Fetch;
use super::limits::{BUSY_MAX, LIARS, SOURCES};
use super::outbox::Outbox;
use super::source::{Link, Out, Source, Why, runs_of};

impl Fetch {
    /// Somebody may have it. One more than there may be takes the place of one that came to
    /// nothing, or is not taken.
    pub(super) fn name(&mut self, id: SourceId, kind: Kind, now: Timestamp) {
        if self.liars.contains(&id) {
            return;
        }
        self.changed = true;
        if let Some(source) = self.sources.get_mut(&id) {
            source.name(kind, now);
            return;
        }
        if self.sources.len() >= SOURCES {
            let useless = |(_, source): &(&SourceId, &Source)| {
                matches!(source.link, Link::Left | Link::Resting(_))
            };
            let Some(other) = self.sources.iter().find(useless).map(|(id, _)| *id) else { return };
            self.sources.remove(&other);
        }
        self.sources.insert(id, Source::new(kind, now));
    }

    /// It is there, whatever it says of the file.
    pub(super) fn heard(&mut self, id: SourceId, now: Timestamp) {
        let woken = self.sources.get_mut(&id).is_some_and(|source| source.is_there(now));
        self.changed |= woken;
    }

    pub(super) fn lose(&mut self, id: SourceId, outbox: &mut Outbox) {
        self.close(id, Link::Left, outbox);
        self.sources.remove(&id);
    }

    pub(super) fn opened(&mut self, id: SourceId, kind: Kind, now: Timestamp) {
        let opening = |source: &&mut Source| matches!(source.link, Link::Opening(_));
        if let Some(source) = self.sources.get_mut(&id).filter(opening) {
            source.opened(kind, now);
        }
    }

    /// The stream is gone already, and is not closed once more.
    pub(super) fn broken(&mut self, id: SourceId, outbox: &mut Outbox) {
        let Some(source) = self.sources.get_mut(&id).filter(|source| source.is_up()) else {
            return;
        };
        let link = source.after_break(outbox.now, &mut outbox.rng);
        let outs = source.closed(link);
        self.changed = true;
        self.give_back(&outs);
        self.note_idle(outbox.now);
    }

    /// The hub takes no stream more of this node: another moment says nothing about that.
    pub(super) fn crowded(&mut self, id: SourceId, outbox: &mut Outbox) {
        if self.sources.get(&id).is_some_and(Source::is_up) {
            self.leave(id, Why::Refused, outbox);
        }
    }

    pub(super) fn have(&mut self, id: SourceId, have: HaveMap, now: Timestamp) {
        let fits = have.pieces() == self.shape.pieces();
        let Some(source) = self.sources.get_mut(&id).filter(|source| fits && source.is_open())
        else {
            return;
        };
        source.told(have, &self.missing, now);
        let mut useful = Bits::none(self.shape.pieces().div_ceil(u64::from(SPAN_PIECES)));
        if let Some(have) = source.have.as_ref().filter(|_| !source.whole) {
            let some = |run: &u32| source.span(*run) & self.wanted.span(*run) != 0;
            let runs = runs_of(have).filter(|run| self.runs.has(*run));
            runs.filter(some).for_each(|run| useful.insert(run));
        }
        source.useful = useful;
    }

    /// A piece verified. Whoever gave it, it is here.
    pub(super) fn came(&mut self, id: SourceId, index: u32, now: Timestamp) {
        let Some(bytes) = self.shape.piece_len(index).map(|len| len as u64) else { return };
        if let Some(source) = self.sources.get_mut(&id) {
            source.drop_out(|out| out.index == index, now);
            source.pace.came(index, bytes, now);
            (source.heard, source.why) = (now, None);
            source.pause.reset();
            source.refused.reset();
        }
        self.disk.reset();
        if self.missing.has(index) {
            self.missing.remove(index);
            self.wanted.remove(index);
            self.settle(index / SPAN_PIECES);
            self.here += bytes;
            self.meter.came(bytes, now);
        } else {
            self.twice += 1;
        }
        self.note_idle(now);
    }

    /// A piece did not verify: asked for anew, or a lie.
    pub(super) fn bad(&mut self, id: SourceId, bad: Bad, outbox: &mut Outbox) {
        let Bad { index, sure } = bad;
        let Some(source) = self.sources.get_mut(&id) else { return };
        let anew = source.out.iter().any(|out| out.index == index && out.anew);
        if sure || anew {
            self.lied(id, Lie::Piece, outbox);
            return;
        }
        if !source.is_open() || u64::from(index) >= self.shape.pieces() {
            return;
        }
        let req = outbox.req();
        source.heard = outbox.now;
        source.drop_out(|out| out.index == index, outbox.now);
        if !self.missing.has(index) {
            // Another gave it meanwhile: whose fault it was is not worth a question.
            return self.note_idle(outbox.now);
        }
        source.asked([Out { index, req, anew: true }].into_iter(), outbox.now);
        self.wanted.remove(index);
        self.settle(index / SPAN_PIECES);
        let (file, spans) = (self.file, spans(&[index]));
        outbox.say(Deed::Ask { file, source: id, req, spans, anew: true });
    }

    /// Named once, and nothing of it is wanted any more.
    pub(super) fn lied(&mut self, id: SourceId, lie: Lie, outbox: &mut Outbox) {
        if !self.sources.contains_key(&id) {
            return;
        }
        self.lose(id, outbox);
        if self.liars.len() >= LIARS {
            self.liars.pop_front();
        }
        self.liars.push_back(id);
        outbox.say(Deed::Blame { file: self.file, source: id, lie });
    }

    /// PROTOCOL.md, Asking for pieces: what each code asks of the asker.
    pub(super) fn refused(&mut self, id: SourceId, refused: PiecesRefused, outbox: &mut Outbox) {
        let PiecesRefused { req, code, retry_after } = refused;
        let Some(source) = self.sources.get_mut(&id) else { return };
        let asked = source.asked_have.is_some_and(|(have, _)| have == req);
        if !asked && !source.out.iter().any(|out| out.req == req) {
            return;
        }
        match code {
            PieceRefusal::Unknown => self.leave(id, Why::Unknown, outbox),
            PieceRefusal::OtherLength => self.part(id, Why::OtherLength, outbox),
            PieceRefusal::Changed => self.part(id, Why::Changed, outbox),
            PieceRefusal::BadAsk => self.part(id, Why::Refused, outbox),
            PieceRefusal::Lacking => self.lacking(id, req, outbox),
            PieceRefusal::Busy => {
                let until = source.rests(Why::Refused, outbox.now, &mut outbox.rng);
                let asked = retry_after.map(|wait| outbox.now + wait.min(BUSY_MAX));
                self.close(id, Link::Resting(asked.unwrap_or(until)), outbox);
            }
            PieceRefusal::Stopped | PieceRefusal::StoreFailing | PieceRefusal::Other(_) => {
                self.leave(id, Why::Refused, outbox);
            }
        }
    }

    /// What it said it had is not so any more: it is asked again what it has, for nothing before.
    fn lacking(&mut self, id: SourceId, req: u32, outbox: &mut Outbox) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        let outs = source.drop_out(|out| out.req == req, outbox.now);
        (source.have, source.whole) = (None, false);
        source.useful = Bits::none(0);
        source.asked_have = None;
        source.have_due = outbox.now + source.refused.next(&mut outbox.rng);
        self.give_back(&outs);
        self.note_idle(outbox.now);
    }

    pub(super) fn disk_failed(&mut self, outbox: &mut Outbox) {
        self.stop(outbox);
        let wait = self.disk.next(&mut outbox.rng);
        self.rest = Some((outbox.now + wait, true));
        self.changed = true;
    }
}
