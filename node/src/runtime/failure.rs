//! A store's failure in words for people, with an exit code.

use crate::api::{ApiError, Code};
use crate::store::StoreError;

/// Nothing can be stored until the store is opened again.
pub(super) fn broken_store() -> ApiError {
    ApiError::new(
        Code::Full,
        "nothing can be stored just now",
        "look at the free space of the profile's disk; it is tried again by itself",
    )
}

/// A store's failure in words and with an exit code.
pub(super) fn from_store(error: &StoreError) -> ApiError {
    let text = error.to_string();
    let (what, hint) = text.split_once("; ").unwrap_or((&text, "see the log"));
    let code = match error {
        StoreError::Full | StoreError::Io(_) => Code::Full,
        StoreError::Locked => Code::InUse,
        StoreError::WrongKey(_) | StoreError::Corrupt(_) => Code::Profile,
        StoreError::NewerSchema { .. } => Code::Version,
        StoreError::Bug(_) => Code::Internal,
    };
    ApiError::new(code, what, hint)
}
