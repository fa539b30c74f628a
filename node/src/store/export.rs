//! The database row by row, for backups: what is in it, not how SQLite keeps it.
//!
//! What is absent: which of the engine's records belong into a backup (the engine says), and the
//! search index, which is made anew.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Transaction, TransactionBehavior, params_from_iter};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::commit::INSERT_TEXT;
use super::row::{self, damaged};
use super::{Store, StoreError};
use crate::engine::backup::kept;

/// Tables and their columns, in the order in which rows can be put back. A backup names a table by
/// its place here: one is never moved, new ones are added behind.
const TABLES: [(&str, &str); 6] = [
    ("records", "tbl, key, value"),
    (
        "messages",
        "ord, conversation, id, sender, number, sent_at, received_at, kind, own, late, body",
    ),
    ("recipients", "message, node, delivery, at, stuck"),
    ("read_marks", "conversation, ord"),
    ("past", "ord, conversation, author, id, number, sent_at, text, told_by, otherwise"),
    ("attachments", "message, fields"),
];
const RECORDS: u8 = 0;
const MESSAGES: u8 = 1;

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Number(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(ByteBuf),
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Of which table, by its place.
    pub table: u8,
    /// Its values, as many as the table has columns.
    pub cells: Vec<Cell>,
}

impl Row {
    /// Whether it is a message or a line of the history.
    #[must_use]
    pub fn is_message(&self) -> bool {
        self.table == MESSAGES
    }
}

impl Store {
    /// Everything a backup holds, as it is at one moment.
    ///
    /// # Errors
    /// [`StoreError`], or what `give` ends with.
    pub fn export<E: From<StoreError>>(
        &self,
        mut give: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let moment = self.db.unchecked_transaction().map_err(StoreError::from)?;
        for (table, (name, columns)) in (0..).zip(TABLES) {
            let sql = format!("SELECT {columns} FROM {name}");
            let mut select = moment.prepare(&sql).map_err(StoreError::from)?;
            let count = select.column_count();
            let mut rows = select.query([]).map_err(StoreError::from)?;
            while let Some(found) = rows.next().map_err(StoreError::from)? {
                let cells = (0..count).map(|at| Ok(cell(found.get_ref(at)?)));
                let cells = cells.collect::<Result<_, StoreError>>()?;
                if let Some(row) = selected(Row { table, cells })? {
                    give(row)?;
                }
            }
        }
        Ok(())
    }

    /// Begins to put rows back into an empty database.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn import(&mut self) -> Result<Import<'_>, StoreError> {
        Ok(Import(self.db.transaction_with_behavior(TransactionBehavior::Immediate)?))
    }
}

/// Rows being put back; nothing of it stays without [`Self::commit`].
pub struct Import<'s>(Transaction<'s>);

impl Import<'_> {
    /// Puts one row back.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it cannot be a row of this database.
    pub fn put(&self, row: Row) -> Result<(), StoreError> {
        let table = TABLES.get(usize::from(row.table)).ok_or_else(|| damaged("a row"))?;
        let (name, columns) = table;
        if row.cells.len() != columns.split(',').count() {
            return Err(damaged("a row"));
        }
        let places = vec!["?"; row.cells.len()].join(", ");
        let text = said(&row)?;
        let sql = format!("INSERT INTO {name}({columns}) VALUES({places})");
        self.0.prepare_cached(&sql)?.execute(params_from_iter(row.cells.into_iter().map(value)))?;
        if let Some((ord, text)) = text {
            self.0.prepare_cached(INSERT_TEXT)?.execute((ord, text))?;
        }
        Ok(())
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit()?)
    }
}

/// The row as a backup holds it; none when it does not.
fn selected(row: Row) -> Result<Option<Row>, StoreError> {
    if row.table != RECORDS {
        return Ok(Some(row));
    }
    let [Cell::Number(table), Cell::Bytes(key), Cell::Bytes(value)] = row.cells.as_slice() else {
        return Err(damaged("a record"));
    };
    let kept = kept(row::table(*table)?, key, value);
    let cells = kept.map(|(key, value)| {
        let value = ByteBuf::from(value.expose().to_vec());
        vec![Cell::Number(*table), Cell::Bytes(ByteBuf::from(key)), Cell::Bytes(value)]
    });
    Ok(cells.map(|cells| Row { table: RECORDS, cells }))
}

/// What is to be found by search in a row: its number and text.
fn said(row: &Row) -> Result<Option<(i64, String)>, StoreError> {
    match (row.table, row.cells.first(), row.cells.last()) {
        (MESSAGES, Some(Cell::Number(ord)), Some(Cell::Bytes(bytes))) => {
            let body = row::body(bytes)?;
            Ok(row::words(&body).map(|words| (*ord, words.into_owned())))
        }
        (MESSAGES, ..) => Err(damaged("a message")),
        _ => Ok(None),
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Number(number),
        // No column holds one.
        ValueRef::Real(_) => Cell::Null,
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(ByteBuf::from(bytes.to_vec())),
    }
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Number(number) => Value::Integer(number),
        Cell::Text(text) => Value::Text(text),
        Cell::Bytes(bytes) => Value::Blob(bytes.into_vec()),
    }
}
