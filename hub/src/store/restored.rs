//! Records of the embedded store, read back into what a relay starts from.

use std::collections::BTreeMap;

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::codec::decode;
use hubbub_shared::wire::{ByteBuf, LogId};

use super::{LogSummary, keys};

/// A log's entry: number, size and arrival.
pub(super) type Entry = (LogId, (u64, u32, Timestamp));
/// As shown, skeleton, owner, claim.
pub(super) type Nickname = (String, String, NodeId, Vec<u8>);

pub(super) fn nickname(key: &[u8], value: &[u8]) -> Option<Nickname> {
    let skeleton = core::str::from_utf8(key).ok()?.to_owned();
    let (nickname, node, claim): (String, NodeId, ByteBuf) = decode(value).ok()?;
    Some((nickname, skeleton, node, claim.into_vec()))
}

pub(super) fn invite(key: &[u8], value: &[u8]) -> Option<([u8; 32], u32, Timestamp)> {
    let (left, end) = decode(value).ok()?;
    Some((key.try_into().ok()?, left, end))
}

pub(super) fn room(key: &[u8], value: &[u8]) -> Option<(String, GroupId)> {
    Some((core::str::from_utf8(key).ok()?.to_owned(), GroupId::from_slice(value)?))
}

/// A reader's position in a log: a cursor, or where it ends.
pub(super) fn position(key: &[u8], value: &[u8]) -> Option<(LogId, NodeId, u64)> {
    let (log, reader) = keys::read_log(key)?;
    Some((log, NodeId::from_slice(reader)?, keys::read_number(value)?))
}

pub(super) fn control(key: &[u8], value: &[u8]) -> Option<(GroupId, Vec<u8>)> {
    let (group, _) = key.split_first_chunk::<32>()?;
    Some((GroupId(*group), value.to_vec()))
}

pub(super) fn one_time(key: &[u8], _: &[u8]) -> Option<(NodeId, u32)> {
    let (node, id) = key.split_first_chunk::<32>()?;
    Some((NodeId(*node), u32::from_be_bytes(id.try_into().ok()?)))
}

pub(super) fn summary(key: &[u8], value: &[u8]) -> Option<Entry> {
    let (log, seq) = keys::read_log(key)?;
    let (size, at) = value.split_first_chunk::<4>()?;
    let at = Timestamp(keys::read_number(at)?);
    Some((log, (keys::read_number(seq)?, u32::from_be_bytes(*size), at)))
}

/// Entries of control logs, in order, put together by group.
pub(super) fn grouped(entries: Vec<(GroupId, Vec<u8>)>) -> Vec<(GroupId, Vec<Vec<u8>>)> {
    let mut groups = BTreeMap::<GroupId, Vec<Vec<u8>>>::new();
    for (group, entry) in entries {
        groups.entry(group).or_default().push(entry);
    }
    groups.into_iter().collect()
}

pub(super) fn prekeys(nodes: Vec<NodeId>, one_time: Vec<(NodeId, u32)>) -> Vec<(NodeId, Vec<u32>)> {
    let mut published: BTreeMap<_, Vec<u32>> = nodes.into_iter().map(|n| (n, vec![])).collect();
    for (node, id) in one_time {
        published.entry(node).or_default().push(id);
    }
    published.into_iter().collect()
}

/// Logs with what they hold. One that is empty is known by where it begins.
pub(super) fn summaries(floors: &BTreeMap<LogId, u64>, entries: Vec<Entry>) -> Vec<LogSummary> {
    let empty = |log, next_seq| LogSummary { log, next_seq, held: Vec::new() };
    let mut logs: BTreeMap<LogId, LogSummary> =
        floors.iter().map(|(log, floor)| (*log, empty(*log, *floor))).collect();
    for (log, entry) in entries {
        let summary = logs.entry(log).or_insert_with(|| empty(log, 1));
        summary.next_seq = summary.next_seq.max(entry.0.saturating_add(1));
        summary.held.push(entry);
    }
    logs.into_values().collect()
}
