//! A blob that is here, opened for reading: pieces, each with what shows that it belongs.
//!
//! Everything here blocks. Invariant: neither a piece nor a parent leaves that does not verify, so
//! that a failing disk is never taken for a lying hub.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use hubbub_shared::blob::{Blob, Refused};
use hubbub_shared::limits::PIECE;
use hubbub_shared::wire::pieces::{PieceGiven, Span};

use super::tree_file::TreeFile;

/// See the module.
pub(super) struct WholeFile {
    blob: Blob,
    data: File,
    tree: TreeFile,
}

impl WholeFile {
    /// Opens it.
    pub(super) fn open([data, tree]: [&Path; 2], blob: Blob) -> io::Result<Self> {
        Ok(Self { blob, data: File::open(data)?, tree: TreeFile(File::open(tree)?) })
    }

    /// The frames that answer for one span, which fits the blob.
    pub(super) fn answer(&self, req: u32, span: Span) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(usize::from(span.count) * (PIECE + PIECE / 16));
        let mut piece = Vec::new();
        for index in span.first..span.first.saturating_add(span.count.into()) {
            let first = index == span.first;
            let known = if first { span.known } else { self.blob.shape.shared(index) };
            self.piece(index, &mut piece)?;
            let parents = self.blob.shape.depth(index).saturating_sub(known);
            out.extend_from_slice(&PieceGiven::head(req, index, parents, piece.len()));
            let proven = self.blob.prove(&&self.tree, index, known, &mut out);
            proven.map_err(|why| io::Error::other(why.to_string()))?;
            out.extend_from_slice(&piece);
        }
        Ok(out)
    }

    fn piece(&self, index: u32, out: &mut Vec<u8>) -> io::Result<()> {
        let len = self.blob.shape.piece_len(index).ok_or(io::ErrorKind::InvalidInput)?;
        out.resize(len, 0);
        self.data.read_exact_at(out, u64::from(index) * PIECE as u64)?;
        match self.blob.accept(&mut &self.tree, index, &[], out) {
            Ok(_) => Ok(()),
            Err(Refused::Store(error)) => Err(error),
            Err(Refused::Fault(_)) => {
                Err(io::Error::other("a piece is not what was written there any more"))
            }
        }
    }
}
