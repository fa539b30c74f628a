//! Breaking the pretend world on purpose, to see that the simulation notices.
//!
//! The shipped cores are never touched: what is broken is the shell around one, as a hub or node
//! would be that was put together wrongly.

use hubbub_shared::group::Op;
use hubbub_shared::group::control::Entry;
use hubbub_shared::wire::FromHub;
use hubbub_shared::wire::from_hub::ItemKind;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurt {
    /// The hub answers before its store has committed.
    HubAnswersEarly,
    /// The hub's disk says that it has synced and has not.
    HubSkipsSync,
    /// A node sends before its store has committed.
    NodeSendsEarly,
    /// A node's disk says that it has synced and has not.
    NodeSkipsSync,
    /// A node's history takes the same message twice.
    NoDedupe,
    /// A node's history misses one receipt in ten.
    ForgottenReceipts,
    /// A node's shell swallows every ban before the engine hears of it.
    BansUnheard,
    /// A node's shell hands every chain it is to give to all devices there are.
    ChainsForAll,
}

/// Commits between two syncs of a disk that lies.
pub(crate) const UNSYNCED: u64 = 8;

/// What is left of a frame for a node that is not to hear of bans.
pub(crate) fn without_bans(mut frame: FromHub) -> FromHub {
    let bans = |bytes: &[u8]| {
        Entry::read(bytes).is_ok_and(|entry| matches!(entry.body.op, Op::Ban { .. }))
    };
    match &mut frame {
        FromHub::ControlPage(page) => page.entries.retain(|entry| !bans(entry)),
        FromHub::Deliver(deliver) => {
            deliver.items.retain(|item| item.kind != ItemKind::Control || !bans(&item.bytes));
        }
        _ => {}
    }
    frame
}
