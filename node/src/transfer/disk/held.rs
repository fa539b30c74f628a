//! What can be served: a file that is here whole, or the pieces of one that is on its way.
//!
//! Pieces are sealed when somebody asks, and compared before they leave (PROTOCOL.md, Sealing
//! again). Invariant: of a file that is not what it was, nothing leaves.

use std::path::Path;
use std::sync::Arc;

use hubbub_shared::blob::serve::{ServeError, Source};
use hubbub_shared::blob::{Blob, HaveMap, Nodes};
use hubbub_shared::limits::PIECE;
use hubbub_shared::wire::pieces::PieceGiven;

use super::content::{Content, Stamp, unchanged};
use super::failure::{DiskError, Place};
use super::landing::{Landing, Reference};
use super::shelf::Shelf;
use super::tree::TreeFile;

/// Something that can be served.
pub struct Held(Kind);

enum Kind {
    Whole(Box<Whole>),
    Part(Arc<Landing>),
}

struct Whole {
    source: Source,
    tree: TreeFile,
    content: Content,
}

/// Why a piece is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotGiven {
    /// It is not here.
    Lacking,
    /// The file is not what it was.
    Changed,
    /// The disk.
    Disk(DiskError),
}

impl From<DiskError> for NotGiven {
    fn from(error: DiskError) -> Self {
        if error == DiskError::changed() { Self::Changed } else { Self::Disk(error) }
    }
}

/// What it takes to make the answer to one question.
pub struct Question {
    /// Its number.
    pub req: u32,
    /// A piece, and how many of the parents above it the asker has.
    pub piece: (u32, u8),
}

impl Held {
    /// A file that is here whole. None for a reference whose parts do not fit each other.
    ///
    /// # Errors
    /// [`DiskError`]; that it changed, if it does not look as it did.
    pub fn whole(
        shelf: &Shelf,
        reference: &Reference,
        (path, stamp): (&Path, Option<Stamp>),
    ) -> Result<Option<Self>, DiskError> {
        let blob = reference.blob;
        let content = Content::open(path)?;
        let same = stamp.is_none_or(|stamp| stamp.may_be(content.stamp()));
        unchanged(same && content.size() == reference.size)?;
        let tree = TreeFile::existing(&shelf.tree(&blob.address))?;
        let source = Source::new(blob, &reference.key, reference.size);
        Ok(source.map(|source| Self(Kind::Whole(Box::new(Whole { source, tree, content })))))
    }

    /// One that is on its way.
    #[must_use]
    pub fn part(landing: Arc<Landing>) -> Self {
        Self(Kind::Part(landing))
    }

    /// What it is.
    #[must_use]
    pub fn blob(&self) -> Blob {
        match &self.0 {
            Kind::Whole(whole) => whole.source.blob(),
            Kind::Part(landing) => landing.blob(),
        }
    }

    /// Which pieces are here now.
    #[must_use]
    pub fn have(&self) -> HaveMap {
        match &self.0 {
            Kind::Whole(whole) => HaveMap::all(whole.source.blob().shape.pieces()),
            Kind::Part(landing) => landing.have().clone(),
        }
    }

    /// Whether there may be more of it later.
    #[must_use]
    pub fn is_growing(&self) -> bool {
        matches!(&self.0, Kind::Part(landing) if !landing.have().is_complete())
    }

    /// Whether it is as it was, as far as can be told without reading it.
    ///
    /// # Errors
    /// [`DiskError`]; that it changed, too.
    pub fn check(&self) -> Result<(), DiskError> {
        match &self.0 {
            Kind::Whole(whole) => whole.content.glance(),
            Kind::Part(_) => Ok(()),
        }
    }

    /// Appends a sealed piece alone, of what is here whole. `room` is room for content.
    ///
    /// # Errors
    /// [`NotGiven`]; `out` is as it was.
    pub fn sealed(
        &self,
        index: u32,
        room: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), NotGiven> {
        let Kind::Whole(whole) = &self.0 else { return Err(NotGiven::Lacking) };
        room.resize(PIECE, 0);
        let known = whole.source.blob().shape.depth(index);
        let read = |at, out: &mut [u8]| whole.content.read(at, out);
        piece(&whole.source, &&whole.tree, ((index, known), room), read, out)
    }

    /// Appends the frame that answers a question. `room` is room for content.
    ///
    /// # Errors
    /// [`NotGiven`]; `out` is as it was.
    pub fn give(
        &self,
        question: &Question,
        room: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), NotGiven> {
        room.resize(PIECE, 0);
        let index = question.piece.0;
        match &self.0 {
            Kind::Whole(whole) => {
                let read = |at, out: &mut [u8]| whole.content.read(at, out);
                frame(&whole.source, &&whole.tree, (question, room), read, out)
            }
            Kind::Part(landing) if landing.have().has(index) => {
                let (source, tree) = (landing.source(), landing.tree());
                let read = |at, out: &mut [u8]| landing.read(at, out);
                let given = frame(source, &tree, (question, room), read, out);
                // Somebody wrote to the part file: this piece of it is not here any more.
                given.map_err(|e| if e == NotGiven::Changed { NotGiven::Lacking } else { e })
            }
            Kind::Part(_) => Err(NotGiven::Lacking),
        }
    }
}

fn frame<N: Nodes<Error = DiskError>>(
    source: &Source,
    nodes: &N,
    (question, room): (&Question, &mut Vec<u8>),
    read: impl FnOnce(u64, &mut [u8]) -> Result<(), DiskError>,
    out: &mut Vec<u8>,
) -> Result<(), NotGiven> {
    let (index, known) = question.piece;
    let shape = source.blob().shape;
    let sealed = shape.piece_len(index).ok_or(NotGiven::Lacking)?;
    let before = out.len();
    let parents = shape.depth(index).saturating_sub(known);
    out.extend_from_slice(&PieceGiven::head(question.req, index, parents, sealed));
    let given = piece(source, nodes, (question.piece, room), read, out);
    given.inspect_err(|_| out.truncate(before))
}

/// Appends the parents above a piece but the first that are known, and the piece.
fn piece<N: Nodes<Error = DiskError>>(
    source: &Source,
    nodes: &N,
    ((index, known), room): ((u32, u8), &mut Vec<u8>),
    read: impl FnOnce(u64, &mut [u8]) -> Result<(), DiskError>,
    out: &mut Vec<u8>,
) -> Result<(), NotGiven> {
    let (at, len) = source.content(index).ok_or(NotGiven::Lacking)?;
    let content = room.get_mut(..len).ok_or(NotGiven::Lacking)?;
    if len > 0 {
        read(at, content)?;
    }
    let before = out.len();
    source.answer(nodes, (index, known), content, out).map_err(|error| {
        out.truncate(before);
        match error {
            ServeError::Changed => NotGiven::Changed,
            ServeError::Lacking => NotGiven::Lacking,
            ServeError::Damaged => {
                let damaged = &std::io::ErrorKind::InvalidData.into();
                NotGiven::Disk(DiskError::of(Place::Profile, damaged))
            }
            ServeError::Store(disk) => NotGiven::Disk(disk),
        }
    })
}
