//! Appending: who may, whether there is room, and the number an entry gets.
//!
//! The same bytes appended again by the same node get the number they have, as long as their trace
//! is remembered (`bounds::SEEN_PER_LOG`, and not over a restart); after that they become a second
//! entry, which readers recognise and drop.

use hubbub_shared::id::NodeId;
use hubbub_shared::limits::ENVELOPE_MAX;
use hubbub_shared::wire::from_hub::{Appended, Item, ItemKind};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, Refusal, RefusalCode};

use super::bounds::LogBounds;
use super::command::{Note, PREVIEW, Write};
use super::log::Log;
use super::trace::Trace;
use super::{Asked, Relay};

impl Relay {
    pub(super) fn append(
        &mut self,
        asked: Asked,
        log: LogId,
        envelope: ByteBuf,
    ) -> Result<(), Refusal> {
        if envelope.len() > ENVELOPE_MAX {
            return Err(RefusalCode::TooLarge.plain());
        }
        if envelope.is_empty() {
            return Err(RefusalCode::BadFrame.plain());
        }
        let bounds = self.may_append(&asked.node, &log)?;
        let trace = Trace::of(asked.node, ItemKind::Envelope, &envelope);
        let seen = |log: &Log| log.seen(&trace);
        if let Some(seq) = self.logs.get(&log).and_then(seen) {
            self.appended(asked, seq);
            return Ok(());
        }
        if !self.logs.has_room(&log, envelope.len(), bounds) {
            self.end_leaving(log);
        }
        self.check_room(&log, envelope.len(), bounds)?;
        self.check_share(&asked.node, &log, envelope.len())?;
        self.keep(asked, log, ItemKind::Envelope, (envelope, trace));
        Ok(())
    }

    /// Stores an entry, answers its sender and has it delivered.
    pub(super) fn keep(
        &mut self,
        asked: Asked,
        log: LogId,
        kind: ItemKind,
        (bytes, trace): (ByteBuf, Trace),
    ) -> u64 {
        let item = Item { seq: 0, kind, at: asked.at, from: asked.node, bytes };
        let item = self.logs.append(log, item);
        let seq = item.seq;
        self.logs.open(log).note_seen(trace, seq);
        self.write(Write::Append { log, item: item.clone() });
        self.appended(asked, seq);
        self.batch.fresh.insert(log);
        self.note_passed(asked.node, log, &item);
        seq
    }

    pub(super) fn appended(&mut self, asked: Asked, seq: u64) {
        self.send(asked.conn, FromHub::Appended(Appended { req: asked.req, seq }));
    }

    fn may_append(&self, node: &NodeId, log: &LogId) -> Result<LogBounds, Refusal> {
        match log {
            LogId::Mailbox(owner) if self.admitted.contains(owner) => Ok(self.config.mailbox),
            LogId::Mailbox(_) => Err(RefusalCode::Unknown.plain()),
            LogId::Channel(group) => match self.channels.speaks_in(group, node) {
                Ok(()) => Ok(self.config.channel),
                Err(code) => Err(code.plain()),
            },
        }
    }

    /// A full log pushes back on the sender and names the reader who holds it back; nothing is ever
    /// dropped to make room.
    fn check_room(&self, log: &LogId, size: usize, bounds: LogBounds) -> Result<(), Refusal> {
        let refused = |about| Refusal { code: RefusalCode::Full, about, retry_after: None };
        if !self.logs.has_room(log, size, bounds) {
            return Err(refused(self.logs.get(log).and_then(|log| log.readers.holder())));
        }
        if !self.logs.hub_has_room(size, self.config.total) {
            return Err(refused(None));
        }
        Ok(())
    }

    /// What one sender alone may have waiting is a part of what fits: the rest is for the others.
    fn check_share(&self, node: &NodeId, log: &LogId, size: usize) -> Result<(), Refusal> {
        let most = match log {
            LogId::Mailbox(_) => self.config.mailbox_share,
            LogId::Channel(_) => self.config.channel_share,
        };
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        let held = self.logs.get(log);
        if held.is_none_or(|held| held.shares.has_room(node, size, most)) {
            return Ok(());
        }
        let about = held.and_then(|log| log.readers.holder());
        Err(Refusal { code: RefusalCode::Full, about, retry_after: None })
    }

    fn note_passed(&mut self, node: NodeId, log: LogId, item: &Item) {
        if let Some(conn) = self.presence.of(&node).and_then(|conn| self.presence.get_mut(conn)) {
            let size = u64::try_from(item.bytes.len()).unwrap_or(u64::MAX);
            conn.relayed.0 = conn.relayed.0.saturating_add(size);
        }
        let to = match log {
            LogId::Mailbox(owner) => self.nicknames.of(&owner),
            LogId::Channel(_) => None,
        };
        let (size, preview) =
            (item.bytes.len(), item.bytes.iter().take(PREVIEW).copied().collect());
        let nickname = self.nicknames.of(&node);
        self.note(Note::Passed { node, nickname, log, to, seq: item.seq, size, preview });
    }
}
