//! What the runtime wants of the transfers, and what it hears from them.

use std::path::PathBuf;

use hubbub_shared::blob::open::OpenFault;

use super::disk::{BadList, DiskError, Reference, SealFailure, Sealed, Stamp, Target};
use super::plan::{FileId, Kind, Lie, Limits, Priority, Progress, SourceId};
use super::serve::offered::Whole;
use super::serve::takers::Taker;

/// Something to be done. Some hold keys: no `Debug`, no `Clone`.
pub enum Order {
    /// Find the address of a file, under a new key.
    Seal {
        /// Its number.
        file: FileId,
        /// Where it is.
        path: PathBuf,
    },
    /// Serve a file that is here whole, or again from another place.
    Serve {
        /// Its number.
        file: FileId,
        /// What and where.
        whole: Whole,
    },
    /// Serve it no more, or stop sealing it.
    Unserve {
        /// Its number.
        file: FileId,
    },
    /// Fetch a file, or go on with it after a restart.
    Fetch(Box<Fetch>),
    /// Somebody may have the file, and is reached this way.
    Source {
        /// Which file.
        file: FileId,
        /// Who.
        source: SourceId,
        /// How.
        kind: Kind,
    },
    /// Something was heard of somebody who may have a file.
    Heard {
        /// Which file.
        file: FileId,
        /// Who.
        source: SourceId,
    },
    /// Somebody is not to be asked any more.
    Lost {
        /// Which file.
        file: FileId,
        /// Who.
        source: SourceId,
    },
    /// Pause a file, or go on.
    Hold {
        /// Which.
        file: FileId,
        /// Whether to pause.
        paused: bool,
    },
    /// Let it go before others, or behind them.
    Rank {
        /// Which.
        file: FileId,
        /// How much.
        priority: Priority,
    },
    /// Forget a file that has not arrived, with what there is of it.
    Drop {
        /// Its number.
        file: FileId,
        /// What its reference says.
        reference: Reference,
        /// Where it was to land.
        target: Target,
        /// Whether its tree stays all the same: for another file of its address, which may be
        /// neither fetched nor served just now.
        keep: bool,
    },
    /// What the whole node may do at once.
    Limits {
        /// Coming in.
        down: Limits,
        /// Going out, in bytes a second; 0 for no limit.
        up: u64,
    },
}

/// A file to be fetched.
pub struct Fetch {
    /// Its number.
    pub file: FileId,
    /// What its reference says.
    pub reference: Reference,
    /// Where it is to land.
    pub target: Target,
    /// Who may have it, and how they are reached.
    pub sources: Vec<(SourceId, Kind)>,
    /// How much it goes before others.
    pub priority: Priority,
    /// It begins paused.
    pub paused: bool,
}

/// Something that happened. One holds a key: no `Debug`, no `Clone`.
pub enum Tell {
    /// How much of a file was read that is being sealed. May be left out.
    Sealing {
        /// Which.
        file: FileId,
        /// Bytes read.
        done: u64,
        /// Of so many.
        of: u64,
    },
    /// It has an address now, and its tree is kept.
    Sealed {
        /// Which.
        file: FileId,
        /// Address, key, and how it looked.
        sealed: Sealed,
    },
    /// It has none.
    NotSealed {
        /// Which.
        file: FileId,
        /// Why.
        why: SealFailure,
    },
    /// A served file is not what it was; it is served no more.
    Changed {
        /// Which.
        file: FileId,
    },
    /// A served file is not where it was; it is served no more.
    Gone {
        /// Which.
        file: FileId,
    },
    /// Who takes a file from here just now, or that nobody does any more. May be left out, but for
    /// the end: that is told until it is taken.
    Given {
        /// Which.
        file: FileId,
        /// Who.
        takers: Vec<Taker>,
    },
    /// How far a file is. May be left out.
    Progress {
        /// Which.
        file: FileId,
        /// How far.
        progress: Progress,
    },
    /// A source lied about it, and is left.
    Blamed {
        /// Which file.
        file: FileId,
        /// Who.
        source: SourceId,
        /// How.
        lie: Lie,
    },
    /// It was let go, and nothing is left of it.
    Dropped {
        /// Which.
        file: FileId,
    },
    /// It is whole, durable, and has its name. Told again after a restart if it is wanted again.
    Done {
        /// Which.
        file: FileId,
        /// Where it is.
        path: PathBuf,
        /// How it looks.
        stamp: Stamp,
    },
    /// Nothing comes of it before somebody does something. What is there of it is kept, but where
    /// its reference lies.
    Failed {
        /// Which.
        file: FileId,
        /// Why.
        why: Failure,
    },
}

/// Why nothing comes of a file, by whose fault it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A disk of this machine.
    #[error("{0}")]
    Disk(#[from] DiskError),
    /// Whoever wrote the reference.
    #[error("{0}; ask who sent it to send it again")]
    Reference(OpenFault),
    /// Whoever wrote the reference: what arrived is no folder that may be made.
    #[error("{0}; ask who sent it to pack it into an archive")]
    Folder(BadList),
    /// The lengths in the reference do not fit each other.
    #[error("what was said about the file does not fit together; ask who sent it to send it again")]
    Unfit,
    /// It is on its way already, for another message.
    #[error("the same file is on its way already; wait for it")]
    Twice(FileId),
    /// It is here already, for another message.
    #[error("you have this file already: {}", .0.display())]
    Here(PathBuf),
    /// Whoever wrote the reference: what is here of this address shows that another one is true.
    #[error(
        "what was said about the file is not true of what is here of it; ask who sent it to send it \
         again"
    )]
    Untrue,
    /// Another message says something else, and nothing had come that shows which one is true.
    #[error(
        "another message says something else about the same file, and is tried now; resume this \
         one when that comes to nothing"
    )]
    GaveWay,
    /// There are too many.
    #[error("too many files wait to be fetched; let some arrive, or cancel some")]
    TooMany,
}
