//! What the engine has done with files, and what it is told of them. Plain data: the runtime
//! carries the one to whoever reads and moves files, and the other back.
//!
//! Orders say what is to be, and not what changed: given again after a restart, or with other
//! sources, an order replaces the one before it. Invariant: an order is given only after what it
//! follows from is durable.

use core::fmt;

use hubbub_shared::blob::Blob;
use hubbub_shared::content::FileName;
use hubbub_shared::crypto::stream::FileKey;
use hubbub_shared::id::{BlobId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

use crate::api::view::Path;

/// Something to be done with a file; each names it by the number it has here.
pub enum Order {
    /// Look at a file that is to be sent: [`Told::Looked`] or [`Told::Failed`].
    Look(Look),
    /// Read it through for the first time: [`Told::Sealed`] or [`Told::Failed`].
    Seal {
        /// Which.
        file: u64,
        /// Where it is.
        path: String,
    },
    /// Give its pieces to whoever may have them ([`may_fetch`](crate::engine::Engine::may_fetch)):
    /// [`Told::Changed`] or [`Told::Gone`] when that is over by itself.
    Serve(Box<Serve>),
    /// Give no more of it.
    Unserve(u64),
    /// Bring it to the hub's cache, if the hub has one, and see that it stays there as long as it
    /// is served: [`Told::Kept`] or [`Told::NotKept`], now and again.
    Put(u64),
    /// Take it back from there, however often that has to be tried: [`Told::TakenBack`].
    TakeBack {
        /// Which.
        file: u64,
        /// Its address.
        blob: BlobId,
    },
    /// Fetch it: [`Told::Progress`], then [`Told::Done`], [`Told::Failed`] or [`Told::Gone`].
    Fetch(Box<Fetch>),
    /// Fetch no more of it for now; keep what is here.
    Hold(u64),
    /// Stop whatever is done with it: sealing, serving, fetching. What was fetched of it goes,
    /// unless it is whole; a file that was to be sealed or served is never touched.
    Drop(Box<Dropped>),
    /// What was offered from here is offered no more: where it was only written down for that, in
    /// the profile's own folder, it goes.
    Discard {
        /// Which.
        file: u64,
        /// Where it is.
        path: String,
    },
    /// Bytes a second for all files together, each way; 0 for as many as there are.
    Limit(u64),
}

/// A file that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Which.
    pub file: u64,
    /// Where it is.
    pub path: String,
    /// What it is called in the conversation.
    pub name: String,
    /// Whether a small picture is to be made of it.
    pub preview: bool,
    /// Whether what stands beside a picture's pixels is to be left out.
    pub strip: bool,
}

/// A file to be served.
pub struct Serve {
    /// Which.
    pub file: u64,
    /// Its sealed form.
    pub blob: Blob,
    /// What seals it.
    pub key: FileKey,
    /// Bytes of the content.
    pub size: u64,
    /// Where it is.
    pub path: String,
    /// How it was when it was sealed or fetched.
    pub stamp: Stamp,
}

/// A file to be fetched.
pub struct Fetch {
    /// Which.
    pub file: u64,
    /// Its sealed form.
    pub blob: Blob,
    /// What opens it.
    pub key: FileKey,
    /// Bytes of the content.
    pub size: u64,
    /// What to call it; where there is one of that name, something like it.
    pub name: FileName,
    /// A folder is made of it; so long is the list that it begins with, as was said.
    pub manifest: Option<u32>,
    /// Into which folder; empty where there is none that is usual.
    pub folder: String,
    /// Who may have it, whom to ask first in front.
    pub sources: Vec<NodeId>,
    /// Whether the hub's cache may be asked.
    pub hub: bool,
    /// Before others.
    pub first: bool,
}

/// A file nothing is done with any more.
pub struct Dropped {
    /// Which.
    pub file: u64,
    /// Its sealed form and what opens it, if it has one: what is here is known by them.
    pub blob: Option<(Blob, FileKey)>,
    /// Bytes of the content.
    pub size: u64,
    /// What it was to be called.
    pub name: FileName,
    /// Whether a folder was to be made of it.
    pub is_folder: bool,
    /// In which folder.
    pub folder: String,
    /// Another file of its address is here, or on its way: what belongs to that one, too, stays.
    pub keep: bool,
}

/// By what a change of a file is noticed without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its size.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified: u64,
    /// Its number on its disk, where it has one.
    pub inode: u64,
}

/// Somebody who takes a file from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taker {
    /// Who; none for the hub.
    pub to: Option<NodeId>,
    /// How its bytes go.
    pub path: Path,
    /// How many went there.
    pub bytes: u64,
    /// Bytes a second.
    pub rate: u64,
}

/// What happened to a file.
pub enum Told {
    /// It is there; this is what it looks like.
    Looked {
        /// Which.
        file: u64,
        /// Its size.
        size: u64,
        /// Where what is to be sent is, if not where the file is.
        path: Option<String>,
        /// Its media type; empty when it is not known.
        media: String,
        /// A small picture of it.
        preview: Option<Vec<u8>>,
    },
    /// It was read through, and can be served.
    Sealed {
        /// Which.
        file: u64,
        /// Its sealed form.
        blob: Blob,
        /// What opens it.
        key: FileKey,
        /// How it was.
        stamp: Stamp,
        /// For a folder: how long the list is that it begins with.
        manifest: Option<u32>,
    },
    /// It got further. Not durable, for eyes only.
    Progress {
        /// Which.
        file: u64,
        /// Bytes done.
        bytes: u64,
        /// Bytes a second.
        rate: u64,
        /// Where they come from; none is the hub.
        sources: Vec<(Option<NodeId>, Path)>,
        /// Why nothing comes, in words for people; none while something does.
        waits: Option<&'static str>,
    },
    /// Somebody takes it from here, or nobody does any more. Not durable, for eyes only.
    Given {
        /// Which.
        file: u64,
        /// Who takes it now.
        takers: Vec<Taker>,
    },
    /// There is enough to fetch before it: it waits its turn. For eyes only, like progress.
    Queued {
        /// Which.
        file: u64,
        /// Bytes done.
        bytes: u64,
    },
    /// It was dropped, and nothing is left of it.
    Dropped {
        /// Which.
        file: u64,
    },
    /// It is here, whole and durable.
    Done {
        /// Which.
        file: u64,
        /// Where.
        path: String,
        /// How it is.
        stamp: Stamp,
    },
    /// It did not work.
    Failed {
        /// Which.
        file: u64,
        /// What happened and what to try, in words for people.
        why: String,
    },
    /// It is another than it was.
    Changed {
        /// Which.
        file: u64,
    },
    /// It is not where it was; or nobody who was asked has it any more.
    Gone {
        /// Which.
        file: u64,
    },
    /// So long the hub keeps what is left there.
    HubKeeps {
        /// How long.
        keep: Millis,
    },
    /// The hub keeps it.
    Kept {
        /// Which.
        file: u64,
        /// Until then.
        until: Timestamp,
    },
    /// The hub does not keep it, and what to try, in words for people.
    NotKept {
        /// Which.
        file: u64,
        /// Why not.
        why: String,
    },
    /// Nothing of it is at the hub any more for us.
    TakenBack {
        /// Which.
        file: u64,
    },
    /// Somebody gave false pieces of it.
    Blamed {
        /// Which.
        file: u64,
        /// Who; none for the hub.
        peer: Option<NodeId>,
    },
}

/// Names what is ordered and for which file, nothing else: outputs end up in logs.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, file) = match self {
            Self::Look(look) => ("Look", look.file),
            Self::Seal { file, .. } => ("Seal", *file),
            Self::Serve(serve) => ("Serve", serve.file),
            Self::Unserve(file) => ("Unserve", *file),
            Self::Put(file) => ("Put", *file),
            Self::TakeBack { file, .. } => ("TakeBack", *file),
            Self::Fetch(fetch) => ("Fetch", fetch.file),
            Self::Hold(file) => ("Hold", *file),
            Self::Drop(dropped) => ("Drop", dropped.file),
            Self::Discard { file, .. } => ("Discard", *file),
            Self::Limit(rate) => ("Limit", *rate),
        };
        write!(f, "{what}({file})")
    }
}
