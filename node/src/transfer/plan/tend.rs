//! Streams of one file: opened when there is use for them, let go when nothing comes, asked what is
//! at their other end.

use super::deed::{Deed, Kind, SourceId};
use super::fetch::Fetch;
use super::limits::{IDLE_REST, MISSING, RELAYED};
use super::outbox::Outbox;
use super::source::{Link, Source, Why};

impl Fetch {
    /// Looks at all sources; of those that the hub relays, `relayed` may be open.
    pub(super) fn tend(&mut self, relayed: usize, outbox: &mut Outbox) {
        if !self.slot {
            return;
        }
        for id in self.sources.keys().copied().collect::<Vec<_>>() {
            self.tend_one(id, outbox);
        }
        // Not in the order of their names: all members would go to the same one.
        let ready = self.sources.iter().filter(|(_, source)| source.link == Link::Ready);
        let mut ready: Vec<_> =
            ready.map(|(id, s)| (s.kind, outbox.below(u32::MAX), *id)).collect();
        ready.sort_unstable();
        for (kind, _, id) in ready {
            self.open(id, kind, relayed.min(RELAYED), outbox);
        }
        let silent = self.outstanding() == 0 && outbox.now.since(self.idle) >= MISSING;
        if silent && self.sources.values().any(Source::is_known) {
            self.tell(self.why(), None, outbox);
        }
    }

    fn tend_one(&mut self, id: SourceId, outbox: &mut Outbox) {
        let Some(source) = self.sources.get(&id) else { return };
        match source.link {
            _ if source.is_stalled(outbox.now) => self.leave(id, Why::Unreachable, outbox),
            Link::Resting(until) if until <= outbox.now => self.wake(id),
            Link::Open if source.is_idle(outbox.now) => self.idles(id, outbox),
            Link::Open => self.ask_have(id, outbox),
            _ => {}
        }
    }

    fn wake(&mut self, id: SourceId) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.link = Link::Ready;
        }
    }

    /// Nothing is asked of it: others may have its stream.
    fn idles(&mut self, id: SourceId, outbox: &mut Outbox) {
        let useless = self.sources.get(&id).is_some_and(|source| self.useful(source).is_empty());
        self.close(id, Link::Resting(outbox.now + IDLE_REST), outbox);
        if let Some(source) = self.sources.get_mut(&id).filter(|_| useless) {
            source.why = Some(Why::Missing);
        }
    }

    fn ask_have(&mut self, id: SourceId, outbox: &mut Outbox) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        if source.whole || source.asked_have.is_some() || source.have_due > outbox.now {
            return;
        }
        let req = outbox.req();
        source.asked_have = Some((req, outbox.now));
        outbox.say(Deed::AskHave { file: self.file, source: id, req });
    }

    fn open(&mut self, id: SourceId, kind: Kind, relayed: usize, outbox: &mut Outbox) {
        let waits = || self.has_whole_direct(outbox) || self.awaits_direct(outbox);
        if kind != Kind::Direct && (self.relayed() >= relayed || waits()) {
            return;
        }
        if let Some(source) = self.sources.get_mut(&id) {
            source.link = Link::Opening(outbox.now);
            outbox.say(Deed::Open { file: self.file, source: id });
        }
    }
}
