//! What the plan wants done, and the words it and its shell share.

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::pieces::Span;

/// A file that is being fetched, by the number the engine gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

/// Who may have pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceId {
    /// Another node: the sender, or a member that has some of it.
    Node(NodeId),
    /// The hub's cache.
    Hub,
}

/// What a source's pieces cost: who carries them. The order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A node that is connected directly.
    Direct,
    /// A node that the hub relays.
    Relay,
    /// The hub itself.
    Hub,
}

/// How much one file goes before another. Each step up is worth [`super::limits::HEAD_START`] in
/// the queue, and twice the share of what is there to share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// When nothing else wants the line.
    Low,
    /// As everything.
    #[default]
    Normal,
    /// Somebody waits for it.
    High,
}

/// How a source lied. Each is its own fault, and nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lie {
    /// A piece, or a parent above it, that does not verify.
    Piece,
    /// A have-map that is none of this blob.
    HaveMap,
    /// Answers that are none: frames out of form, pieces of another question or length.
    Answer,
}

/// Why nothing comes. The first of these that is true is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stuck {
    /// The disk fails here: writing did not work.
    StoreFailing,
    /// Nobody is known that could have it.
    NoSource,
    /// All that answered know the blob by another length: the reference lies. It is the fault of
    /// whoever wrote the reference.
    OtherLength,
    /// All lied.
    AllLied,
    /// The file changed where it came from, and nobody else has it.
    Changed,
    /// Those who have it paused it, took it back, or are too busy.
    Refused,
    /// Nobody that answered has it, or gives it to us.
    Unknown,
    /// Those that are there have only what is here already.
    Missing,
    /// Nobody that could have it is reached, or gives anything.
    Unreachable,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Have a stream to this source for this file (one stream may serve several files), and say
    /// [`opened`](super::Plan::handle_opened) or [`broken`](super::Plan::handle_broken).
    Open {
        /// For which file.
        file: FileId,
        /// To whom.
        source: SourceId,
    },
    /// Ask for pieces.
    Ask {
        /// Of which file.
        file: FileId,
        /// Whom.
        source: SourceId,
        /// The number of the question; no other open one has it.
        req: u32,
        /// Which: 1 to 16 spans that fit. Their `known` is 0; unless `anew`, the shell puts in how
        /// many parents it has.
        spans: Vec<Span>,
        /// Leave `known` at 0: what is known here is in doubt.
        anew: bool,
    },
    /// Ask which pieces the source has.
    AskHave {
        /// Of which file.
        file: FileId,
        /// Whom.
        source: SourceId,
        /// The number of the question.
        req: u32,
    },
    /// Nothing more is wanted of this source for this file: let the stream go, and forget its
    /// questions, so that nothing comes that was given to somebody else. Not answered.
    Close {
        /// For which file.
        file: FileId,
        /// To whom.
        source: SourceId,
    },
    /// This source lied; said once of each. It is closed, and not asked for this file again.
    Blame {
        /// About which file.
        file: FileId,
        /// Who.
        source: SourceId,
        /// How.
        lie: Lie,
    },
    /// Every piece is here. The plan has forgotten the file.
    Done {
        /// Which.
        file: FileId,
    },
    /// Nothing comes now; said again when the reason or the time is another.
    Stuck {
        /// Which.
        file: FileId,
        /// Why.
        why: Stuck,
        /// When it is tried again by itself; it is also when a source appears.
        next: Option<Timestamp>,
    },
    /// Something can be asked for again, after [`Deed::Stuck`].
    Going {
        /// Which.
        file: FileId,
    },
}
