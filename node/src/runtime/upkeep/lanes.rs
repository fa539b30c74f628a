//! The two lanes of what is done at the hub: a long file keeps no short one waiting.
//!
//! Invariant: one errand in each lane, so no more streams than there are lanes; a hub lets a node
//! have these beside those that it fetches on.

use hubbub_shared::blob::Blob;
use hubbub_shared::id::BlobId;
use hubbub_shared::limits::{PIECE, SPAN_PIECES};

/// Largest blob that goes in the short lane, 16 MiB: some seconds on a home's line up, so that what
/// waits there never waits long.
const SHORT: u64 = 16 * SPAN_PIECES as u64 * PIECE as u64;

/// Where an errand goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Small files, and what is taken back.
    Short,
    /// Large files.
    Long,
}

impl Lane {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::Short, Self::Long];
}

/// Something to be done at the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Leave it there, or have it kept longer.
    Put(Blob),
    /// Take it back.
    TakeBack(BlobId),
}

impl Errand {
    pub(super) fn lane(&self) -> Lane {
        match self {
            Self::Put(blob) if blob.shape.sealed() > SHORT => Lane::Long,
            Self::Put(_) | Self::TakeBack(_) => Lane::Short,
        }
    }
}

/// One that is being done.
pub(super) struct Going {
    pub(super) file: u64,
    pub(super) errand: Errand,
    /// Whether anybody still wants to hear what comes of it.
    pub(super) counts: bool,
}

/// See the top of the file.
#[derive(Default)]
pub(super) struct Lanes {
    short: Option<Going>,
    long: Option<Going>,
}

impl Lanes {
    fn of(&mut self, lane: Lane) -> &mut Option<Going> {
        match lane {
            Lane::Short => &mut self.short,
            Lane::Long => &mut self.long,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Going> {
        self.short.iter().chain(&self.long)
    }

    pub(super) fn is_taken(&mut self, lane: Lane) -> bool {
        self.of(lane).is_some()
    }

    /// Whether anything is being done about a file.
    pub(super) fn has(&self, file: u64) -> bool {
        self.all().any(|going| going.file == file)
    }

    /// Whether a file is being put, and that still counts.
    pub(super) fn puts(&self, file: u64) -> bool {
        let puts = |going: &Going| matches!(going.errand, Errand::Put(_)) && going.counts;
        self.all().any(|going| going.file == file && puts(going))
    }

    /// What comes of a file that is being put counts no more; in which lane.
    pub(super) fn void_put(&mut self, file: u64) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| {
            let going = self.of(*lane).as_mut().filter(|going| going.file == file);
            let put = going.filter(|going| matches!(going.errand, Errand::Put(_)));
            put.map(|going| going.counts = false).is_some()
        })
    }

    pub(super) fn begin(&mut self, lane: Lane, going: Going) {
        *self.of(lane) = Some(going);
    }

    pub(super) fn end(&mut self, lane: Lane) -> Option<Going> {
        self.of(lane).take()
    }
}
