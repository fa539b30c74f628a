//! The name of a log: the hub's one storage primitive (PROTOCOL.md, Logs).

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, NodeId};

/// Which log an envelope is appended to or read from.
///
/// On the wire: an array of one byte (0 mailbox, 1 channel) and 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub enum LogId {
    /// One node's mailbox: that node is its only reader.
    Mailbox(NodeId),
    /// One group's channel: its members are its readers.
    Channel(GroupId),
}

#[derive(Serialize, Deserialize)]
struct Raw(u8, #[serde(with = "serde_bytes")] [u8; 32]);

impl From<LogId> for Raw {
    fn from(log: LogId) -> Self {
        match log {
            LogId::Mailbox(node) => Self(0, node.0),
            LogId::Channel(group) => Self(1, group.0),
        }
    }
}

impl TryFrom<Raw> for LogId {
    type Error = &'static str;
    fn try_from(Raw(kind, key): Raw) -> Result<Self, Self::Error> {
        match kind {
            0 => Ok(Self::Mailbox(NodeId(key))),
            1 => Ok(Self::Channel(GroupId(key))),
            _ => Err("a log is a mailbox (0) or a channel (1)"),
        }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(node) => write!(f, "mailbox {node}"),
            Self::Channel(group) => write!(f, "channel {group}"),
        }
    }
}
