//! What the operator sees: who, to whom, how much, when; never what.
//!
//! Invariant: a line is made from a [`Note`] and nothing else. The sealed bytes give a size and, at
//! debug, a hex preview of their beginning.

use std::net::SocketAddr;

use data_encoding::HEXLOWER;
use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::LogId;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::relay::Note;

/// Lines kept for a follower that is slow; it is told how many it missed beyond that.
const BACKLOG: usize = 1_024;

/// One line of the hub's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// What happened: `connected`, `left`, `relayed`, `streamed`, `files`, `named` or
    /// `refused`.
    pub event: String,
    /// The same for people.
    pub said: String,
    /// The first 32 sealed bytes in hex, of a relayed envelope.
    pub sealed: Option<String>,
}

/// Where lines go: to the log, and to whoever follows.
#[derive(Clone)]
pub struct Journal {
    followers: broadcast::Sender<Line>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { followers: broadcast::channel(BACKLOG).0 }
    }
}

impl Journal {
    /// Follows the lines from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Line> {
        self.followers.subscribe()
    }

    /// Writes a note down.
    pub(crate) fn note(&self, at: Timestamp, note: &Note) {
        let line = line(at, note);
        tracing::info!(target: "hub", "{}", line.said);
        if let Some(sealed) = &line.sealed {
            tracing::debug!(target: "hub", "sealed {sealed}…");
        }
        // Nobody following is the usual case.
        self.followers.send(line).ok();
    }
}

/// The line a note makes.
#[must_use]
pub fn line(at: Timestamp, note: &Note) -> Line {
    let (event, said) = words(note);
    let sealed = match note {
        Note::Passed { preview, .. } => Some(HEXLOWER.encode(preview)),
        _ => None,
    };
    Line { at, event: event.to_owned(), said, sealed }
}

fn words(note: &Note) -> (&'static str, String) {
    match note {
        Note::Connected { node, nickname, from, newly_admitted } => {
            let new = if *newly_admitted { ", admitted by an invite just now" } else { "" };
            ("connected", format!("{} connected from {}{new}", full(node, nickname), host(from)))
        }
        Note::Left { node, nickname, from, relayed: (sent, received) } => {
            let who = full(node, nickname);
            let from = host(from);
            ("left", format!("{who} left ({from}), sent {sent} B, received {received} B sealed"))
        }
        Note::Passed { node, nickname, log, to, seq, size, .. } => {
            let (from, to) = (name(node, nickname), target(log, to));
            ("relayed", format!("relayed {from} → {to} {size} B sealed, #{seq}"))
        }
        Note::Streamed { from, to, bytes } => {
            ("streamed", format!("streamed {from} → {to} {bytes} B sealed"))
        }
        Note::Filed { node, bytes } => ("files", format!("files of {node}: {bytes} B sealed")),
        Note::Named { node, nickname } => ("named", format!("{node} is now called {nickname}")),
        Note::Refused { node, code } => ("refused", format!("refused {node}: {code:?}")),
    }
}

fn name(node: &NodeId, nickname: &Option<String>) -> String {
    nickname.clone().unwrap_or_else(|| node.short())
}

fn full(node: &NodeId, nickname: &Option<String>) -> String {
    match nickname {
        Some(nickname) => format!("{nickname} ({node})"),
        None => format!("{node} (no nickname yet)"),
    }
}

fn target(log: &LogId, to: &Option<String>) -> String {
    match log {
        LogId::Mailbox(node) => name(node, to),
        LogId::Channel(group) => format!("group {group}"),
    }
}

fn host(from: &SocketAddr) -> String {
    SocketAddr::new(from.ip().to_canonical(), from.port()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed() -> Note {
        Note::Passed {
            node: NodeId([1; 32]),
            nickname: Some("alice".to_owned()),
            log: LogId::Mailbox(NodeId([2; 32])),
            to: Some("bob".to_owned()),
            seq: 18,
            size: 742,
            preview: vec![0xab; 32],
        }
    }

    #[test]
    fn a_relayed_envelope_shows_names_size_and_number() {
        let line = line(Timestamp(1), &passed());
        assert_eq!(line.said, "relayed alice → bob 742 B sealed, #18");
        assert_eq!(line.sealed, Some("ab".repeat(32)));
    }

    #[test]
    fn no_line_carries_a_whole_id() {
        let node = NodeId([1; 32]);
        let from = "10.0.0.7:5000".parse().unwrap();
        let notes = [
            Note::Connected { node, nickname: None, from, newly_admitted: true },
            Note::Left { node, nickname: None, from, relayed: (3, 4) },
            Note::Streamed { from: node, to: node, bytes: 5 },
            Note::Filed { node, bytes: 5 },
            Note::Named { node, nickname: "alice".to_owned() },
        ];
        for note in notes {
            let text = line(Timestamp(1), &note).said;
            assert!(text.contains(&node.short()) && !text.contains(&node.to_text()), "{text}");
        }
    }

    #[test]
    fn a_follower_that_lags_is_told_how_much_it_missed() {
        let journal = Journal::default();
        let mut follower = journal.follow();
        for _ in 0..BACKLOG + 5 {
            journal.note(Timestamp(1), &passed());
        }
        let missed = follower.try_recv();
        assert!(matches!(missed, Err(broadcast::error::TryRecvError::Lagged(5))));
    }
}
