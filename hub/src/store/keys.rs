//! How the embedded store names things.
//!
//! ```text
//! items, index:  u8 kind of log | 32 id | u64 number, big-endian
//! state:         u8 what | its key
//! ```
//!
//! Big-endian numbers sort as they count, so a log is one range.

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::wire::LogId;

/// The one thing that is known before anything is read: what layout this is.
pub(super) const FORMAT: &[u8] = b"M:format";
/// Random number of the store.
pub(super) const ID: &[u8] = b"M:id";

/// What a `state` key is about.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum What {
    Admitted = b'A',
    Appends = b'S',
    Beacon = b'B',
    Cursor = b'C',
    Floor = b'F',
    Control = b'G',
    Invite = b'I',
    Leaving = b'L',
    Nickname = b'N',
    OneTime = b'O',
    Prekeys = b'P',
    Room = b'R',
}

impl What {
    /// The first byte of every such key.
    pub(super) fn prefix(self) -> [u8; 1] {
        [self as u8]
    }

    /// A key of these parts.
    pub(super) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = vec![self as u8];
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }
}

/// Bytes of a log's name.
pub(super) const LOG: usize = 33;

pub(super) fn log(log: &LogId) -> [u8; LOG] {
    let (kind, id) = match log {
        LogId::Mailbox(node) => (0, node.as_bytes()),
        LogId::Channel(group) => (1, group.as_bytes()),
    };
    let mut key = [kind; LOG];
    let (_, tail) = key.split_at_mut(1);
    tail.copy_from_slice(id);
    key
}

pub(super) fn entry(id: &LogId, seq: u64) -> Vec<u8> {
    [log(id).as_slice(), &seq.to_be_bytes()].concat()
}

/// A log's name and what follows it in a key.
pub(super) fn read_log(key: &[u8]) -> Option<(LogId, &[u8])> {
    let (kind, rest) = key.split_first()?;
    let (id, rest) = rest.split_first_chunk::<32>()?;
    match kind {
        0 => Some((LogId::Mailbox(NodeId(*id)), rest)),
        1 => Some((LogId::Channel(GroupId(*id)), rest)),
        _ => None,
    }
}

/// A big-endian number that is all there is left.
pub(super) fn read_number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_sorts_by_number() {
        let log = LogId::Channel(GroupId([9; 32]));
        let key = entry(&log, 258);
        let (read, rest) = read_log(&key).unwrap();
        assert_eq!((read, read_number(rest)), (log, Some(258)));
        assert!(entry(&log, 255) < entry(&log, 256));
        assert!(read_log(&[2; 41]).is_none());
    }
}
