//! What can be wrong with the database, told apart because people must do different things.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// The database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process is writing.
    #[error("another process uses the database; stop it and try again")]
    Locked,
    /// Its first page does not open with this key.
    #[error(
        "{0} does not open with this profile's key: it belongs to another profile or its start is \
         damaged. Put key file and database back from the same copy"
    )]
    WrongKey(PathBuf),
    /// A page was altered or lost.
    #[error(
        "the database is damaged: {0}. Keep the file, start a new profile, and try \
         `sqlcipher`'s .recover on a copy"
    )]
    Corrupt(String),
    /// Written by a newer program.
    #[error("the database has schema {found}, this program knows {known}; update it")]
    NewerSchema {
        /// In the file.
        found: i64,
        /// Known here.
        known: i64,
    },
    /// No room.
    #[error("the disk is full; nothing is lost, free some space")]
    Full,
    /// The system refused.
    #[error("cannot use the database: {0}; check its owner and the disk")]
    Io(String),
    /// A statement of ours was refused: a bug.
    #[error("the database refused a statement ({0}); please report this")]
    Bug(String),
}

impl StoreError {
    /// Whether trying again later can help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Locked | Self::Full | Self::Io(_))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied,
            ) => Self::Io(text),
            _ => Self::Bug(text),
        }
    }
}
