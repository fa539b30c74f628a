//! What one batch of commands needs of the store: read what they ask, commit what they write.
//!
//! Order: bundles are read before the commit, which removes the one-time prekeys handed out; logs
//! too; control pages after it, so that a page holds what was appended in the same batch.

use hubbub_shared::limits::CONTROL_PAGE_ENTRIES;
use hubbub_shared::wire::from_hub::{Bundle, ControlPage, Refused};
use hubbub_shared::wire::{ByteBuf, FromHub, RefusalCode};

use crate::relay::{Command, Input};
use crate::store::{Store, StoreError};

/// What is left to do when a batch is durable.
pub(crate) struct Settled {
    /// Commands that need no store, in order, with the frames the reads gave in their places.
    pub(crate) out: Vec<Command>,
    /// Pages for the relay.
    pub(crate) loaded: Vec<Input>,
}

/// Whether a command reads or writes the store.
pub(crate) fn needs_store(command: &Command) -> bool {
    matches!(
        command,
        Command::Write(_)
            | Command::Load { .. }
            | Command::LoadControl { .. }
            | Command::LoadBundle { .. }
    )
}

/// Reads, then commits all writes as one, then reads control pages.
///
/// # Errors
/// [`StoreError`]; nothing of the batch was kept and nothing of it may be sent.
pub(crate) fn settle(store: &mut dyn Store, commands: Vec<Command>) -> Result<Settled, StoreError> {
    let (mut writes, mut out, mut loaded) = (Vec::new(), Vec::new(), Vec::new());
    for command in commands {
        match command {
            Command::Write(write) => writes.push(write),
            Command::Load { conn, log, from, max_bytes } => {
                let items = store.read(&log, from, max_bytes)?;
                loaded.push(Input::Loaded { conn, log, items });
            }
            Command::LoadBundle { .. } => out.push(bundle(store, command)?),
            other => out.push(other),
        }
    }
    if !writes.is_empty() {
        store.commit(&writes)?;
    }
    let out = out.into_iter().map(|command| control(store, command)).collect::<Result<_, _>>()?;
    Ok(Settled { out, loaded })
}

fn bundle(store: &dyn Store, command: Command) -> Result<Command, StoreError> {
    let Command::LoadBundle { conn, req, node, one_time } = command else { return Ok(command) };
    let frame = match store.bundle(&node, one_time)? {
        Some((identity, signed_prekey, one_time)) => FromHub::Bundle(Bundle {
            req,
            node,
            identity: ByteBuf::from(identity),
            signed_prekey: ByteBuf::from(signed_prekey),
            one_time: one_time.map(ByteBuf::from),
        }),
        None => FromHub::Refused(Refused { req, refusal: RefusalCode::NoPrekeys.plain() }),
    };
    Ok(Command::Send { conn, frame })
}

fn control(store: &dyn Store, command: Command) -> Result<Command, StoreError> {
    let Command::LoadControl { conn, req, group, from, most, total } = command else {
        return Ok(command);
    };
    let most = usize::try_from(most).unwrap_or(CONTROL_PAGE_ENTRIES);
    let entries = store.control(&group, from, most.min(CONTROL_PAGE_ENTRIES))?;
    let entries: Vec<_> = entries.into_iter().map(ByteBuf::from).collect();
    // Appended in the same batch, after the page was asked for.
    let until = from.saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX));
    let total = total.max(if entries.is_empty() { 0 } else { until });
    let frame = FromHub::ControlPage(ControlPage { req, group, from, entries, total });
    Ok(Command::Send { conn, frame })
}
