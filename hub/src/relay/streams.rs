//! What is relayed without being stored: streams spliced between two nodes, and datagrams; and
//! who may have a stream to the hub's files.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubbub_shared::id::NodeId;
use hubbub_shared::limits::DATAGRAM_PAYLOAD_MAX;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::RefusalCode;

use super::Relay;
use super::bounds::{FILE_STREAM_COST, FILE_STREAMS, FILE_STREAMS_PER_NODE, STREAM_COST};
use super::command::{Command, Note};
use super::input::ConnId;

/// Streams being relayed: who opened them, to whom. The shell reports the end of each, also when it
/// ends because a connection did.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<u64, (NodeId, NodeId)>,
    by_opener: BTreeMap<NodeId, u32>,
    /// About files, counted apart: who fetches keeps nobody from being reached.
    files: BTreeMap<u64, NodeId>,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    fn opened_by(&self, node: &NodeId) -> u32 {
        self.by_opener.get(node).copied().unwrap_or(0)
    }

    fn begin(&mut self, stream: u64, from: NodeId, to: NodeId) {
        self.open.insert(stream, (from, to));
        *self.by_opener.entry(from).or_default() += 1;
    }

    fn files_of(&self, node: &NodeId) -> usize {
        self.files.values().filter(|of| *of == node).count()
    }

    fn end(&mut self, stream: u64) -> Option<(NodeId, NodeId)> {
        let (from, to) = self.open.remove(&stream)?;
        if let Some(count) = self.by_opener.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.by_opener.remove(&from);
            }
        }
        Some((from, to))
    }
}

impl Relay {
    pub(super) fn stream_wanted(&mut self, conn: ConnId, stream: u64, to: NodeId, at: Timestamp) {
        let command = match self.may_splice(conn, &to, at) {
            Ok((from, there)) => {
                self.streams.begin(stream, from, to);
                Command::Splice { stream, from, to: there }
            }
            Err(code) => Command::RefuseStream { stream, code },
        };
        self.batch.out.push_back(command);
    }

    pub(super) fn files_wanted(&mut self, conn: ConnId, stream: u64, at: Timestamp) {
        let command = match self.may_come_to_files(conn, at) {
            Ok(node) => {
                self.streams.files.insert(stream, node);
                Command::Files { stream, node }
            }
            Err(code) => Command::RefuseStream { stream, code },
        };
        self.batch.out.push_back(command);
    }

    pub(super) fn stream_ended(&mut self, stream: u64, bytes: u64) {
        if let Some(node) = self.streams.files.remove(&stream) {
            // One that asked a word, and was told it, is nothing to write down.
            if bytes > 0 {
                self.note(Note::Filed { node, bytes });
            }
            return;
        }
        if let Some((from, to)) = self.streams.end(stream) {
            self.note(Note::Streamed { from, to, bytes });
        }
    }

    /// Passes a datagram on, or drops it: that is what datagrams are for.
    pub(super) fn datagram(&mut self, conn: ConnId, to: NodeId, payload: Arc<[u8]>, at: Timestamp) {
        let Some(from) = self.presence.get(conn).map(|connection| connection.node) else { return };
        let Some(there) = self.presence.of(&to) else { return };
        let fits = payload.len() <= DATAGRAM_PAYLOAD_MAX;
        if fits && self.quotas.charge(from, payload.len(), at).is_ok() {
            self.batch.out.push_back(Command::Datagram { conn: there, from, payload });
        }
    }

    /// Whoever was let in may: what may be fetched hangs on knowing its address, and what may be
    /// left on the bounds of the files.
    fn may_come_to_files(&mut self, conn: ConnId, at: Timestamp) -> Result<NodeId, RefusalCode> {
        let node = self.opens(conn, FILE_STREAM_COST, at)?;
        let each = usize::try_from(FILE_STREAMS_PER_NODE).unwrap_or(usize::MAX);
        let full = self.streams.files.len() >= FILE_STREAMS;
        if full || self.streams.files_of(&node) >= each {
            return Err(RefusalCode::TooFast);
        }
        Ok(node)
    }

    fn may_splice(
        &mut self,
        conn: ConnId,
        to: &NodeId,
        at: Timestamp,
    ) -> Result<(NodeId, ConnId), RefusalCode> {
        let from = self.opens(conn, STREAM_COST, at)?;
        let there = self.presence.of(to).ok_or(RefusalCode::NotConnected)?;
        let full = self.streams.len() >= usize::try_from(self.config.streams).unwrap_or(usize::MAX);
        if full || self.streams.opened_by(&from) >= self.config.streams_per_node {
            return Err(RefusalCode::TooFast);
        }
        Ok((from, there))
    }

    /// Who opens a stream, and has paid for it whatever comes of it: asking alone costs the hub
    /// something.
    fn opens(&mut self, conn: ConnId, cost: u64, at: Timestamp) -> Result<NodeId, RefusalCode> {
        let node = self.presence.get(conn).ok_or(RefusalCode::NotAdmitted)?.node;
        let paid = self.quotas.charge_questions(node, cost, at);
        paid.map(|()| node).map_err(|_| RefusalCode::TooFast)
    }
}
