//! Breaking the pretend world on purpose, to see that the simulation notices.
//!
//! The shipped cores are never touched: what is broken is the shell around one, as a hub or node
//! would be that was put together wrongly.

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
    /// A node's disk does not keep what it sends since its beacon: a copy finds nothing odd.
    ForgottenSends,
}

/// Commits between two syncs of a disk that lies.
pub(crate) const UNSYNCED: u64 = 8;
