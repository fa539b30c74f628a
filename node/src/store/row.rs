//! How values look in the database's columns, and back.
//!
//! Invariant: what cannot be read back is corruption, never a default.

use std::borrow::Cow;

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::codec;
use rusqlite::Row;

use super::StoreError;
use crate::api::ConversationId;
use crate::api::view::{Body, Delivery};
use crate::engine::output::Table;

pub(super) fn conversation_key(conversation: &ConversationId) -> [u8; 33] {
    let (kind, id) = match conversation {
        ConversationId::Direct(node) => (0, node.as_bytes()),
        ConversationId::Group(group) => (1, group.as_bytes()),
    };
    let mut key = [kind; 33];
    if let Some((_, rest)) = key.split_first_mut() {
        rest.copy_from_slice(id);
    }
    key
}

pub(super) fn conversation(key: &[u8]) -> Result<ConversationId, StoreError> {
    let read = match key.split_first() {
        Some((0, id)) => NodeId::from_slice(id).map(ConversationId::Direct),
        Some((1, id)) => GroupId::from_slice(id).map(ConversationId::Group),
        _ => None,
    };
    read.ok_or_else(|| damaged("a conversation"))
}

pub(super) fn table_number(table: Table) -> i64 {
    match table {
        Table::Own => 0,
        Table::Prekeys => 1,
        Table::Contact => 2,
        Table::Session => 3,
        Table::Group => 4,
        Table::Control => 5,
        Table::Outbound => 6,
        Table::Inbound => 7,
        Table::Outbox => 8,
        Table::Held => 9,
        Table::Cursor => 10,
        Table::Request => 11,
        Table::Picture => 12,
        Table::Past => 13,
        Table::Early => 14,
        Table::File => 15,
    }
}

pub(super) fn table(number: i64) -> Result<Table, StoreError> {
    Ok(match number {
        0 => Table::Own,
        1 => Table::Prekeys,
        2 => Table::Contact,
        3 => Table::Session,
        4 => Table::Group,
        5 => Table::Control,
        6 => Table::Outbound,
        7 => Table::Inbound,
        8 => Table::Outbox,
        9 => Table::Held,
        10 => Table::Cursor,
        11 => Table::Request,
        12 => Table::Picture,
        13 => Table::Past,
        14 => Table::Early,
        15 => Table::File,
        _ => return Err(damaged("a record's table")),
    })
}

pub(super) fn delivery_number(delivery: Delivery) -> i64 {
    match delivery {
        Delivery::Queued => 0,
        Delivery::Stored => 1,
        Delivery::Delivered => 2,
        Delivery::Read => 3,
    }
}

pub(super) fn delivery(number: i64) -> Result<Delivery, StoreError> {
    Ok(match number {
        0 => Delivery::Queued,
        1 => Delivery::Stored,
        2 => Delivery::Delivered,
        3 => Delivery::Read,
        _ => return Err(damaged("a delivery")),
    })
}

pub(super) fn kind_number(body: &Body) -> i64 {
    match body {
        Body::Text(_) => 0,
        Body::Notice(_) => 1,
        Body::Unsupported => 2,
        Body::Missing => 3,
        Body::File(_) => 4,
    }
}

/// What is found by search in a message.
pub(super) fn words(body: &Body) -> Option<Cow<'_, str>> {
    match body {
        Body::Text(text) => Some(Cow::Borrowed(text)),
        Body::File(file) => Some(Cow::Owned(format!("{}\n{}", file.name, file.caption))),
        Body::Notice(_) | Body::Unsupported | Body::Missing => None,
    }
}

pub(super) fn body(bytes: &[u8]) -> Result<Body, StoreError> {
    codec::decode(bytes).map_err(|_| damaged("a message"))
}

/// Numbers above 2^63 do not occur; they would be shown as the largest there is.
pub(super) fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn number(row: &Row<'_>, at: usize) -> Result<u64, StoreError> {
    u64::try_from(row.get::<_, i64>(at)?).map_err(|_| damaged("a number"))
}

pub(super) fn time(row: &Row<'_>, at: usize) -> Result<Timestamp, StoreError> {
    number(row, at).map(Timestamp)
}

pub(super) fn node(row: &Row<'_>, at: usize) -> Result<NodeId, StoreError> {
    let bytes = row.get_ref(at)?.as_blob().ok().and_then(NodeId::from_slice);
    bytes.ok_or_else(|| damaged("a node"))
}

pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} in it cannot be read"))
}
