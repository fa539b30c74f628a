//! Getting entries to their readers: in order, each once per connection, and never more on the way
//! than a connection's window.
//!
//! At the end of a batch, every connection that has something new or has room again is *pumped*:
//! its logs take turns, a page each. Recent entries come from memory; older ones are asked of the
//! store, one page at a time per connection and [`LOADS_OUTSTANDING`] in all, so that a thousand
//! nodes coming back at once do not fill the memory.

use std::collections::VecDeque;

use hubbub_shared::id::NodeId;
use hubbub_shared::limits::{DELIVER_PAGE_BYTES, DELIVER_PAGE_ITEMS};
use hubbub_shared::wire::from_hub::{Deliver, Item};
use hubbub_shared::wire::to_hub::Ack;
use hubbub_shared::wire::{FromHub, LogId};

use super::Relay;
use super::bounds::{LOADS_OUTSTANDING, WINDOW_BYTES};
use super::command::{Command, Write};
use super::flow::cost;
use super::input::ConnId;
use super::log::Reader;

/// Pages being read from the store, and connections waiting for their turn to have one read.
#[derive(Debug, Default)]
pub(super) struct Loads {
    outstanding: usize,
    waiting: VecDeque<ConnId>,
}

impl Loads {
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding
    }
}

/// What a log has for a connection now.
enum Page {
    /// Entries from memory, and whether more follow.
    Ready(Vec<Item>, bool),
    /// The next entry is in the store only.
    InStore,
    /// The next entry does not fit the window.
    WindowFull,
    /// Nothing.
    UpToDate,
}

impl Relay {
    /// Ends a batch: delivers, and writes what was gathered.
    pub(super) fn flush(&mut self) {
        self.batch.control_read = 0;
        for log in core::mem::take(&mut self.batch.fresh) {
            self.wake_readers(log);
        }
        for conn in core::mem::take(&mut self.batch.dirty) {
            self.pump(conn);
        }
        self.start_loads();
        for ((log, reader), upto) in core::mem::take(&mut self.batch.cursors) {
            self.write(Write::Cursor { log, reader, upto: Some(upto) });
        }
        for (log, upto) in core::mem::take(&mut self.batch.forgotten) {
            self.write(Write::Forget { log, upto });
        }
        self.write_counts();
        self.logs.shrink_recent(self.config.recent_bytes);
    }

    /// Begins delivery of everything a node has not acknowledged.
    pub(super) fn resume(&mut self, conn: ConnId, node: &NodeId) {
        for log in self.logs.read_by(node) {
            self.wake(conn, node, log);
        }
    }

    /// A reader has everything up to a number. Reading on from a log that is not one's own, and
    /// acknowledging what was not sent, change nothing.
    pub(super) fn ack(&mut self, conn: ConnId, node: NodeId, ack: &Ack) {
        let Some(last) = self.logs.get(&ack.log).map(super::log::Log::last_seq) else { return };
        let upto = ack.upto.min(last);
        let Some(reader) = self.logs.open(ack.log).readers.advance(&node, upto) else { return };
        if let Some(connection) = self.presence.get_mut(conn) {
            connection.flow.note_acked(&ack.log, upto);
        }
        self.batch.cursors.insert((ack.log, node), upto);
        self.end_if_left(ack.log, node, reader);
        self.forget_passed(ack.log);
        self.wake(conn, &node, ack.log);
        self.batch.dirty.insert(conn);
    }

    /// Lets go of what all readers have.
    pub(super) fn forget_passed(&mut self, log: LogId) {
        if let Some(upto) = self.logs.forget_passed(&log) {
            self.batch.forgotten.insert(log, upto);
        }
    }

    /// A page was read.
    pub(super) fn loaded(&mut self, conn: ConnId, log: LogId, items: Vec<Item>) {
        self.loads.outstanding = self.loads.outstanding.saturating_sub(1);
        let Some(connection) = self.presence.get_mut(conn) else { return };
        if !connection.flow.end_loading(&log) {
            return;
        }
        self.batch.dirty.insert(conn);
        let node = connection.node;
        // An empty page means a store that could not read; trying again at once would not help, so
        // this log waits for its next entry or for the next connection.
        if !items.is_empty() && self.deliver_loaded(conn, &node, log, items) {
            self.wake(conn, &node, log);
        }
    }

    fn deliver_loaded(
        &mut self,
        conn: ConnId,
        node: &NodeId,
        log: LogId,
        items: Vec<Item>,
    ) -> bool {
        let Some(Reader { cursor, until }) = self.reader(&log, node) else { return false };
        let Some(connection) = self.presence.get_mut(conn) else { return false };
        let last = until.unwrap_or(u64::MAX);
        let sent = connection.flow.sent(&log, cursor);
        let mut page = Vec::new();
        for item in items.into_iter().filter(|item| item.seq > sent && item.seq <= last) {
            let cost = cost(item.bytes.len());
            if !connection.flow.fits(cost) {
                break;
            }
            connection.flow.note_sent(log, item.seq, cost);
            page.push(item);
        }
        self.deliver(conn, log, page);
        true
    }

    fn reader(&self, log: &LogId, node: &NodeId) -> Option<Reader> {
        self.logs.get(log)?.readers.get(node)
    }

    fn wake_readers(&mut self, log: LogId) {
        let Some(state) = self.logs.get(&log) else { return };
        let present = |node: &NodeId| self.presence.of(node).map(|conn| (conn, *node));
        let readers: Vec<_> = state.readers.nodes().filter_map(present).collect();
        for (conn, node) in readers {
            self.wake(conn, &node, log);
        }
    }

    /// Gives a log a turn on a connection when it has something that was not sent there.
    fn wake(&mut self, conn: ConnId, node: &NodeId, log: LogId) {
        let Some(Reader { cursor, until }) = self.reader(&log, node) else { return };
        let Some(connection) = self.presence.get_mut(conn) else { return };
        let sent = connection.flow.sent(&log, cursor);
        let next = self.logs.get(&log).and_then(|state| state.after(sent).next());
        let wanted = |seq| until.is_none_or(|until| seq <= until);
        if next.is_some_and(|held| wanted(held.seq)) {
            connection.flow.enqueue(log);
            self.batch.dirty.insert(conn);
        }
    }

    /// Sends what may be sent, its logs taking turns.
    fn pump(&mut self, conn: ConnId) {
        let mut cold = Vec::new();
        while let Some(connection) = self.presence.get_mut(conn) {
            let node = connection.node;
            let Some(log) = connection.flow.next_turn() else { break };
            match self.page(conn, &node, &log) {
                Page::Ready(items, more) => {
                    self.deliver(conn, log, items);
                    if more {
                        self.requeue(conn, log);
                    }
                }
                Page::InStore => cold.push(log),
                Page::WindowFull => {
                    cold.push(log);
                    break;
                }
                Page::UpToDate => {}
            }
        }
        for log in cold {
            self.ask_store(conn, log);
        }
    }

    fn requeue(&mut self, conn: ConnId, log: LogId) {
        if let Some(connection) = self.presence.get_mut(conn) {
            connection.flow.enqueue(log);
        }
    }

    /// The next page of a log for a connection, noted as sent.
    fn page(&mut self, conn: ConnId, node: &NodeId, log: &LogId) -> Page {
        let Some(Reader { cursor, until }) = self.reader(log, node) else { return Page::UpToDate };
        let (Some(state), Some(connection)) = (self.logs.get(log), self.presence.get_mut(conn))
        else {
            return Page::UpToDate;
        };
        let flow = &mut connection.flow;
        if flow.loading().is_some_and(|(loading, _)| loading == *log) {
            return Page::UpToDate; // its page is on the way
        }
        let last = until.unwrap_or(u64::MAX);
        let mut wanted = state.after(flow.sent(log, cursor)).take_while(|held| held.seq <= last);
        let (mut items, mut bytes) = (Vec::new(), 0);
        for held in wanted.by_ref() {
            let size = usize::try_from(held.size).unwrap_or(usize::MAX);
            let stop = match &held.item {
                None => Some(Page::InStore),
                Some(_) if !flow.fits(cost(size)) => Some(Page::WindowFull),
                Some(_) if bytes >= DELIVER_PAGE_BYTES => Some(Page::UpToDate),
                Some(_) if items.len() >= DELIVER_PAGE_ITEMS => Some(Page::UpToDate),
                Some(item) => {
                    bytes += size;
                    flow.note_sent(*log, held.seq, cost(size));
                    items.push((**item).clone());
                    None
                }
            };
            if let Some(stop) = stop {
                return if items.is_empty() { stop } else { Page::Ready(items, true) };
            }
        }
        if items.is_empty() { Page::UpToDate } else { Page::Ready(items, false) }
    }

    fn deliver(&mut self, conn: ConnId, log: LogId, items: Vec<Item>) {
        let Some(connection) = self.presence.get_mut(conn) else { return };
        let bytes: usize = items.iter().map(|item| item.bytes.len()).sum();
        let received = &mut connection.relayed.1;
        *received = received.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let items = items.by_ref().take(DELIVER_PAGE_ITEMS).collect();
            self.send(conn, FromHub::Deliver(Deliver { log, items }));
        }
    }

    /// Has a page read when this connection waits for none yet; otherwise the log keeps its turn.
    fn ask_store(&mut self, conn: ConnId, log: LogId) {
        let Some(connection) = self.presence.get_mut(conn) else { return };
        let flow = &mut connection.flow;
        let room = WINDOW_BYTES.saturating_sub(flow.in_flight()).min(DELIVER_PAGE_BYTES);
        // A page is read for a good part of the window or not at all; acknowledgements make room.
        if flow.is_loading() || room < DELIVER_PAGE_BYTES {
            return flow.enqueue(log);
        }
        flow.start_loading(log, room);
        self.loads.waiting.push_back(conn);
    }

    fn start_loads(&mut self) {
        while self.loads.outstanding < LOADS_OUTSTANDING {
            let Some(conn) = self.loads.waiting.pop_front() else { return };
            let Some(connection) = self.presence.get(conn) else { continue };
            let Some((log, max_bytes)) = connection.flow.loading() else { continue };
            // Whoever stopped reading while waiting has nothing to be read for.
            let cursor = self.reader(&log, &connection.node).map_or(u64::MAX, |r| r.cursor);
            let from = connection.flow.sent(&log, cursor).saturating_add(1);
            self.loads.outstanding += 1;
            self.batch.out.push_back(Command::Load { conn, log, from, max_bytes });
        }
    }

    /// A reader that was removed and has its last entry stops being one.
    fn end_if_left(&mut self, log: LogId, node: NodeId, reader: Reader) {
        if reader.until.is_some_and(|until| reader.cursor >= until) {
            self.end_reader(log, node);
        }
    }

    /// So does one that was removed and did not come for its last entries in time.
    pub(super) fn end_absent(&mut self, log: LogId, upto: u64) {
        let out = self.logs.get(&log).map(|log| log.readers.out_by(upto)).unwrap_or_default();
        for node in out {
            self.end_reader(log, node);
        }
    }

    /// Ends all who are on their way out and have not read so far: what only they still want makes
    /// room for those who stay.
    pub(super) fn end_leaving(&mut self, log: LogId) {
        self.end_absent(log, u64::MAX);
        self.forget_passed(log);
    }

    fn end_reader(&mut self, log: LogId, node: NodeId) {
        let LogId::Channel(group) = log else { return };
        self.logs.part(group, &node);
        let conn = self.presence.of(&node).and_then(|conn| self.presence.get_mut(conn));
        if let Some(connection) = conn {
            connection.flow.drop_log(&log);
        }
        self.batch.cursors.remove(&(log, node));
        self.write(Write::Cursor { log, reader: node, upto: None });
    }
}
