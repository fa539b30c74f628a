//! What reaches the relay. Every input carries the time it came; the relay has no clock.

use core::net::SocketAddr;
use std::sync::Arc;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::from_hub::Item;
use hubbub_shared::wire::{LogId, ToHub};

/// One connection, numbered by the shell and never reused in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A connection whose hello was cryptographically checked by the shell (proof over the TLS
    /// exporter). Whether this identity is admitted is decided here.
    Connected {
        /// The connection.
        conn: ConnId,
        /// The proven identity.
        node: NodeId,
        /// Where it comes from, for the operator's log and punching.
        from: SocketAddr,
        /// The invite token presented, if any.
        admission: Option<[u8; 16]>,
        /// The version agreed.
        version: u8,
    },
    /// A connection's packets come from another address than before.
    Moved {
        /// The connection.
        conn: ConnId,
        /// Where they come from.
        from: SocketAddr,
    },
    /// The connection is gone.
    Closed {
        /// The connection.
        conn: ConnId,
    },
    /// A frame arrived (never `Hello`).
    Frame {
        /// On which connection.
        conn: ConnId,
        /// The frame.
        frame: ToHub,
    },
    /// A datagram to relay.
    Datagram {
        /// From which connection.
        conn: ConnId,
        /// For whom.
        to: NodeId,
        /// Sealed payload.
        payload: Arc<[u8]>,
    },
    /// A node wants a stream to another.
    StreamWanted {
        /// From which connection.
        conn: ConnId,
        /// The shell's number for the waiting stream.
        stream: u64,
        /// For whom.
        to: NodeId,
    },
    /// A node wants a stream to the hub's files.
    FilesWanted {
        /// From which connection.
        conn: ConnId,
        /// The shell's number for the waiting stream.
        stream: u64,
    },
    /// A spliced stream, or one about files, ended after carrying this many bytes.
    StreamEnded {
        /// The shell's number for it.
        stream: u64,
        /// Bytes relayed, both ways together.
        bytes: u64,
    },
    /// Entries the relay asked to have read: exactly one answer to each `Command::Load`, also when
    /// the connection is gone by then.
    Loaded {
        /// For which connection.
        conn: ConnId,
        /// Of which log.
        log: LogId,
        /// In order; empty when there was nothing after the asked number or it could not be read.
        items: Vec<Item>,
    },
    /// The operator made an invite.
    InviteMade {
        /// BLAKE3 hash of the token: the token itself is not kept.
        token_hash: [u8; 32],
        /// How many identities it admits.
        uses: u32,
        /// How long it holds.
        ttl: Millis,
    },
    /// The operator took an invite back.
    InviteRevoked {
        /// BLAKE3 hash of the token.
        token_hash: [u8; 32],
    },
}

/// An input and when it came.
#[derive(Debug)]
pub struct Timed {
    /// When.
    pub at: Timestamp,
    /// What.
    pub input: Input,
}
