//! What is on its way to one connection: how far each log was sent, and how much of it is not yet
//! acknowledged.
//!
//! A log that is wholly acknowledged has no state here: an idle conversation costs a connection
//! nothing.

use std::collections::{BTreeMap, VecDeque};

use hubbub_shared::wire::LogId;

use super::bounds::{ITEM_OVERHEAD, WINDOW_BYTES};

/// One connection's deliveries.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Logs with something to send, in turn.
    turns: VecDeque<LogId>,
    logs: BTreeMap<LogId, Progress>,
    in_flight: usize,
    /// The log a page is being read of, and the part of the window kept free for it.
    loading: Option<(LogId, usize)>,
}

#[derive(Debug, Default)]
struct Progress {
    sent: u64,
    unacked: VecDeque<(u64, usize)>,
    queued: bool,
}

/// What an entry of `size` bytes takes of the window.
pub(super) fn cost(size: usize) -> usize {
    size.saturating_add(ITEM_OVERHEAD)
}

impl Flow {
    /// Bytes of the window in use.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight + self.loading.map_or(0, |(_, kept)| kept)
    }

    /// Whether an entry of this cost may be sent now. One always may when nothing is in flight.
    pub(super) fn fits(&self, cost: usize) -> bool {
        self.in_flight() == 0 || self.in_flight() + cost <= WINDOW_BYTES
    }

    /// The last number sent of a log: the reader's cursor unless more is on its way.
    pub(super) fn sent(&self, log: &LogId, cursor: u64) -> u64 {
        self.logs.get(log).map_or(cursor, |progress| progress.sent.max(cursor))
    }

    /// Gives a log a turn, once.
    pub(super) fn enqueue(&mut self, log: LogId) {
        let progress = self.logs.entry(log).or_default();
        if !progress.queued {
            progress.queued = true;
            self.turns.push_back(log);
        }
    }

    /// Takes the next log in turn.
    pub(super) fn next_turn(&mut self) -> Option<LogId> {
        let log = self.turns.pop_front()?;
        if let Some(progress) = self.logs.get_mut(&log) {
            progress.queued = false;
        }
        self.tidy(&log);
        Some(log)
    }

    /// Notes an entry as sent.
    pub(super) fn note_sent(&mut self, log: LogId, seq: u64, cost: usize) {
        let progress = self.logs.entry(log).or_default();
        progress.sent = seq;
        progress.unacked.push_back((seq, cost));
        self.in_flight += cost;
    }

    /// The reader has everything up to `upto`: frees that part of the window.
    pub(super) fn note_acked(&mut self, log: &LogId, upto: u64) {
        let Some(progress) = self.logs.get_mut(log) else { return };
        while let Some((_, cost)) = progress.unacked.pop_front_if(|(seq, _)| *seq <= upto) {
            self.in_flight -= cost;
        }
        self.tidy(log);
    }

    /// The log is not read here any more: nothing of it will be acknowledged.
    pub(super) fn drop_log(&mut self, log: &LogId) {
        let unacked = self.logs.remove(log).map(|progress| progress.unacked).unwrap_or_default();
        self.in_flight -= unacked.into_iter().map(|(_, cost)| cost).sum::<usize>();
    }

    pub(super) fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Keeps a part of the window free for a page being read.
    pub(super) fn start_loading(&mut self, log: LogId, bytes: usize) {
        self.loading = Some((log, bytes));
    }

    /// The page came; whether it is the one that was waited for.
    pub(super) fn end_loading(&mut self, log: &LogId) -> bool {
        self.loading.take_if(|(waited, _)| waited == log).is_some()
    }

    /// The page being waited for.
    pub(super) fn loading(&self) -> Option<(LogId, usize)> {
        self.loading
    }

    fn tidy(&mut self, log: &LogId) {
        let idle = |progress: &Progress| progress.unacked.is_empty() && !progress.queued;
        if self.logs.get(log).is_some_and(idle) {
            self.logs.remove(log);
        }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::id::NodeId;

    use super::*;

    const LOG: LogId = LogId::Mailbox(NodeId([1; 32]));

    #[test]
    fn an_acknowledged_log_leaves_no_state() {
        let mut flow = Flow::default();
        flow.enqueue(LOG);
        flow.enqueue(LOG);
        assert_eq!((flow.next_turn(), flow.next_turn()), (Some(LOG), None));
        flow.note_sent(LOG, 4, 100);
        assert_eq!((flow.sent(&LOG, 1), flow.in_flight()), (4, 100));
        flow.note_acked(&LOG, 4);
        assert_eq!((flow.in_flight(), flow.logs.len()), (0, 0));
    }

    #[test]
    fn one_entry_always_fits_an_empty_window_and_none_a_full_one() {
        let mut flow = Flow::default();
        assert!(flow.fits(2 * WINDOW_BYTES));
        flow.note_sent(LOG, 1, WINDOW_BYTES);
        assert!(!flow.fits(1));
    }
}
