//! A verified piece back to content, and what it means when that fails.
//!
//! Invariant: what is opened was verified against the address. So a piece that does not open was
//! sealed so by whoever made the blob, or the reference to it lies: not the source's fault.

use super::Blob;
use super::pieces::{Broken, Pieces};
use super::verify::Verified;
use crate::crypto::stream::FileKey;

/// Why a piece of the blob does not open; the fault of whoever wrote the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    /// The blob commits to another key.
    #[error("the file is sealed under another key than the message about it says")]
    Key,
    /// Not sealed under this key, at this place, for this size.
    #[error("the file does not open with what the message about it says")]
    Seal,
    /// The content goes on behind its end.
    #[error("the file is not as long as the message about it says")]
    Size,
}

impl OpenFault {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Key => "file-key",
            Self::Seal => "file-seal",
            Self::Size => "file-size",
        }
    }
}

/// Opens the pieces of one blob.
pub struct Opener(Pieces);

impl Opener {
    /// Of a blob whose key and size are known; none when they do not fit its length.
    #[must_use]
    pub fn new(blob: &Blob, key: &FileKey, size: u64) -> Option<Self> {
        Pieces::new(key, size).filter(|pieces| pieces.shape() == blob.shape).map(Self)
    }

    /// Puts a piece's content into `out`, whatever was there, and says where in the file it
    /// belongs. A content of nothing belongs nowhere: such a piece is padding.
    ///
    /// # Errors
    /// [`OpenFault`]; `out` is empty then.
    pub fn open(&self, piece: &Verified<'_>, out: &mut Vec<u8>) -> Result<u64, OpenFault> {
        self.0.open(piece.index(), piece.bytes(), out).map_err(|broken| {
            out.clear();
            match broken {
                Broken::Commitment => OpenFault::Key,
                Broken::Seal => OpenFault::Seal,
                Broken::Padding => OpenFault::Size,
            }
        })
    }
}
