//! `hubbub passphrase`: locks the profile, changes the lock, takes it off.

use super::args::{Global, Passphrase};
use super::out::{Done, Out, is_terminal};
use super::{open, secret};
use crate::api::{ApiError, Code};

/// Asks for what is needed and changes the lock.
pub(super) async fn run(global: &Global, args: Passphrase, out: &mut Out) -> Done {
    let old = match open::is_locked(global)? {
        true => Some(secret::needed(global).await?),
        false => None,
    };
    let new = match &args.new_passphrase_file {
        _ if args.remove => None,
        Some(file) => Some(secret::first_line(file)?),
        None if is_terminal() => Some(secret::chosen().await?),
        None => {
            let hint = "give --new-passphrase-file, or run it in a terminal";
            return Err(ApiError::new(Code::Usage, "no new passphrase", hint).into());
        }
    };
    let locked = new.is_some();
    open::lock(global, old, new).await?;
    let words = if locked { "the profile is locked by it now" } else { "the lock is off" };
    out.result(&serde_json::json!({ "locked": locked }), |_, _| words.to_owned())
}
