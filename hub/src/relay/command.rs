//! What the relay wants done. The shell carries it out and adds nothing.
//!
//! **Order is the contract**: the shell drains all commands of a batch of inputs, reads what every
//! `Load` and `LoadBundle` asks, commits every [`Write`] in one durable transaction, reads what
//! every `LoadControl` asks, and only then sends.
//! If the commit fails nothing of the batch leaves, and the relay is built anew from the store (see
//! [`super::Relay`]).

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::from_hub::Item;
use hubbub_shared::wire::{FromHub, LogId, RefusalCode};
use std::sync::Arc;

use super::input::ConnId;

/// Something to do.
#[derive(Debug)]
pub enum Command {
    /// Put this into the batch.
    Write(Write),
    /// Send a frame.
    Send {
        /// To which connection.
        conn: ConnId,
        /// The frame.
        frame: FromHub,
    },
    /// Read entries of a log from `from` on (at most `max_bytes`), answer with `Input::Loaded`.
    Load {
        /// For which connection.
        conn: ConnId,
        /// Which log.
        log: LogId,
        /// First number wanted.
        from: u64,
        /// About how many bytes at most (at least one entry is always read).
        max_bytes: usize,
    },
    /// Read a page of a control log and send it as `FromHub::ControlPage` to `conn`.
    LoadControl {
        /// For which connection.
        conn: ConnId,
        /// The question.
        req: u32,
        /// The group.
        group: GroupId,
        /// First entry wanted.
        from: u64,
        /// Entries at most.
        most: u64,
        /// Entries in all.
        total: u64,
    },
    /// Read a bundle (before the batch's writes remove the one-time prekey) and send it.
    LoadBundle {
        /// For which connection.
        conn: ConnId,
        /// The question.
        req: u32,
        /// Whose.
        node: NodeId,
        /// The one-time prekey to hand out, if any is left.
        one_time: Option<u32>,
    },
    /// Send a datagram; dropping it is fine.
    Datagram {
        /// To which connection.
        conn: ConnId,
        /// From whom.
        from: NodeId,
        /// Sealed payload.
        payload: Arc<[u8]>,
    },
    /// Join two streams until either ends.
    Splice {
        /// The waiting stream.
        stream: u64,
        /// Who opened it.
        from: NodeId,
        /// On which connection to open the other half.
        to: ConnId,
    },
    /// Serve a waiting stream about files to its end.
    Files {
        /// The waiting stream.
        stream: u64,
        /// Who opened it.
        node: NodeId,
    },
    /// Refuse a waiting stream.
    RefuseStream {
        /// The waiting stream.
        stream: u64,
        /// Why.
        code: RefusalCode,
    },
    /// Close a connection after saying why.
    Disconnect {
        /// Which.
        conn: ConnId,
        /// Why.
        code: RefusalCode,
    },
    /// Tell the operator.
    Note(Note),
}

/// One durable change. A batch is applied whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// An entry at the end of a log.
    Append {
        /// Which log.
        log: LogId,
        /// The entry, shared with whoever delivers it.
        item: Arc<Item>,
    },
    /// A reader's cursor: everything up to `upto` is durable there. `None` removes the reader.
    Cursor {
        /// Which log.
        log: LogId,
        /// Who.
        reader: NodeId,
        /// How far, or gone.
        upto: Option<u64>,
    },
    /// A reader that was removed gets entries up to `until` and is then removed by a `Cursor`;
    /// `None` takes that back: it was let in again.
    Leaving {
        /// Which log.
        log: LogId,
        /// Who.
        reader: NodeId,
        /// Last entry meant for it.
        until: Option<u64>,
    },
    /// Entries up to `upto` are no longer needed by anyone.
    Forget {
        /// Which log.
        log: LogId,
        /// Last number to forget.
        upto: u64,
    },
    /// An entry of a group's control log, kept as long as the group.
    Control {
        /// The group.
        group: GroupId,
        /// The entry's number.
        seq: u64,
        /// Its bytes.
        entry: Vec<u8>,
    },
    /// An identity this hub admits.
    Admit {
        /// Who.
        node: NodeId,
        /// Since when.
        at: Timestamp,
    },
    /// A nickname now belongs to a node (signed claim kept as received).
    Nickname {
        /// As shown.
        nickname: String,
        /// As compared: its confusable skeleton.
        skeleton: String,
        /// Whose.
        node: NodeId,
        /// The claim.
        claim: Vec<u8>,
    },
    /// A node gave up its former nickname.
    NicknameGone {
        /// Its skeleton.
        skeleton: String,
    },
    /// Identity statement and signed prekey of a node.
    Prekeys {
        /// Whose.
        node: NodeId,
        /// Signed identity statement.
        identity: Vec<u8>,
        /// Signed prekey.
        signed_prekey: Vec<u8>,
    },
    /// A one-time prekey: stored, or removed with `None`.
    OneTime {
        /// Whose.
        node: NodeId,
        /// Its number.
        id: u32,
        /// Its signed statement.
        prekey: Option<Vec<u8>>,
    },
    /// The beacon a node left for its next connection.
    Beacon {
        /// Whose.
        node: NodeId,
        /// As it came.
        beacon: Vec<u8>,
    },
    /// How many envelopes a node has sent since it left its beacon.
    Appends {
        /// Whose.
        node: NodeId,
        /// So many.
        appends: u64,
    },
    /// A group's public name: granted, or free again with `None`.
    Room {
        /// The name's skeleton.
        skeleton: String,
        /// Whose.
        group: Option<GroupId>,
    },
    /// An invite: stored with uses left, or removed with `None`.
    Invite {
        /// BLAKE3 hash of the token.
        token_hash: [u8; 32],
        /// Uses left and when it ends.
        left: Option<(u32, Timestamp)>,
    },
}

/// Sealed bytes an operator is shown of an envelope, at most.
pub(super) const PREVIEW: usize = 32;

/// What the operator sees: who, to whom, how much, never what. The shell prints it with date and
/// time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A node connected.
    Connected {
        /// Who.
        node: NodeId,
        /// Its nickname, if any.
        nickname: Option<String>,
        /// From where.
        from: core::net::SocketAddr,
        /// Admitted just now by an invite.
        newly_admitted: bool,
    },
    /// A node is gone.
    Left {
        /// Who.
        node: NodeId,
        /// Its nickname, if any.
        nickname: Option<String>,
        /// From where it had come.
        from: core::net::SocketAddr,
        /// Bytes it sent and received in sealed envelopes while connected.
        relayed: (u64, u64),
    },
    /// A sealed envelope or control entry passed.
    Passed {
        /// From whom.
        node: NodeId,
        /// Its nickname, if any.
        nickname: Option<String>,
        /// Into which log.
        log: LogId,
        /// Nickname of the mailbox's owner, if any.
        to: Option<String>,
        /// Its number there.
        seq: u64,
        /// How many sealed bytes.
        size: usize,
        /// The first 32 of them, for the operator to see that they are noise.
        preview: Vec<u8>,
    },
    /// A stream about files ended.
    Filed {
        /// Who opened it.
        node: NodeId,
        /// Sealed bytes, both ways together.
        bytes: u64,
    },
    /// A relayed stream ended.
    Streamed {
        /// From whom.
        from: NodeId,
        /// To whom.
        to: NodeId,
        /// Bytes.
        bytes: u64,
    },
    /// A nickname was claimed.
    Named {
        /// Who.
        node: NodeId,
        /// The nickname.
        nickname: String,
    },
    /// Somebody was refused.
    Refused {
        /// Who.
        node: NodeId,
        /// Why.
        code: RefusalCode,
    },
}
