//! How far a file is, for people.

use hubbub_shared::time::{Millis, Timestamp};

use super::deed::{Kind, SourceId, Stuck};

/// What a file is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Others go first.
    Queued,
    /// Pieces are asked for, or somebody is being reached.
    Fetching,
    /// Somebody here paused it.
    Paused,
    /// Nothing comes, and when it is tried again.
    Stuck(Stuck, Option<Timestamp>),
}

/// How far one file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub state: State,
    /// Bytes of the blob that are here.
    pub here: u64,
    /// Bytes of the blob.
    pub of: u64,
    /// Bytes a second, smoothed.
    pub rate: u64,
    /// How long the rest takes at this rate; none while nothing comes.
    pub left: Option<Millis>,
    /// Pieces that came twice.
    pub twice: u64,
    /// Who gives how much.
    pub sources: Vec<SourceProgress>,
}

/// How much one source gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceProgress {
    /// Who.
    pub source: SourceId,
    /// How it is reached.
    pub kind: Kind,
    /// Whether there is a stream.
    pub open: bool,
    /// Bytes a second, smoothed.
    pub rate: u64,
    /// Bytes it gave, all in all.
    pub given: u64,
    /// Pieces it was asked for that have not come.
    pub outstanding: usize,
}
