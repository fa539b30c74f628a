//! One piece: content to sealed bytes, and back. Everything that touches the key goes through here.

use super::shape::Shape;
use crate::crypto::aead::OpenError;
use crate::crypto::stream::{COMMIT, FileKey, PieceCipher, Place, TAG};
use crate::crypto::tree::{self, Value};
use crate::limits::PIECE;

/// The pieces of one file, under its key.
pub(super) struct Pieces {
    cipher: PieceCipher,
    size: u64,
    shape: Shape,
}

/// A content that is not as long as its place says.
pub(super) struct WrongLength;

/// Why a piece that belongs to its blob does not open.
pub(super) enum Broken {
    /// The blob begins with another commitment.
    Commitment,
    /// Not sealed under this key and number.
    Seal,
    /// Something other than zeros follows the content.
    Padding,
}

impl From<OpenError> for Broken {
    fn from(_: OpenError) -> Self {
        Self::Seal
    }
}

impl Pieces {
    /// None for a size that no file may have.
    pub(super) fn new(key: &FileKey, size: u64) -> Option<Self> {
        let shape = Shape::of(size)?;
        let cipher = PieceCipher::derive(key, shape.padded(), PIECE as u64);
        Some(Self { cipher, size, shape })
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Where in the content a piece begins, and how many bytes of it that has: none at all where
    /// only padding is left.
    pub(super) fn content(&self, index: u32) -> Option<(u64, usize)> {
        let text = self.shape.text(index)?;
        let from = text.start.min(self.size);
        usize::try_from(text.end.min(self.size) - from).ok().map(|len| (from, len))
    }

    /// Appends the sealed piece to `out`. The bytes are nobody's to send before their value was
    /// compared.
    pub(super) fn seal(
        &self,
        index: u32,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), WrongLength> {
        let (_, len) = self.content(index).ok_or(WrongLength)?;
        let whole = self.shape.piece_len(index).ok_or(WrongLength)?;
        if content.len() != len {
            return Err(WrongLength);
        }
        // Grown once: what a vector moves away from, it leaves behind, and that were content.
        out.reserve(whole);
        let before = out.len();
        if index == 0 {
            out.extend(self.cipher.commitment());
        }
        let text = out.len();
        out.extend(content);
        out.resize(before + whole - TAG, 0);
        let text = out.get_mut(text..).unwrap_or_default();
        let tag = self.cipher.seal(self.place(index), text).map_err(|_| WrongLength)?;
        out.extend(tag);
        Ok(())
    }

    /// Opens into `out`, which holds the content then, and says where in the file it belongs.
    pub(super) fn open(&self, index: u32, piece: &[u8], out: &mut Vec<u8>) -> Result<u64, Broken> {
        let (from, len) = self.content(index).ok_or(Broken::Seal)?;
        let sealed = if index == 0 {
            let (lead, sealed) = piece.split_first_chunk::<COMMIT>().ok_or(Broken::Seal)?;
            if !self.cipher.is_committed(lead) {
                return Err(Broken::Commitment);
            }
            sealed
        } else {
            piece
        };
        let (body, tag) = sealed.split_last_chunk::<TAG>().ok_or(Broken::Seal)?;
        out.resize(body.len(), 0);
        self.cipher.open(self.place(index), body, tag, out)?;
        // One content, one blob: who seals it again from the content alone gets the same bytes.
        if out.get(len..).is_none_or(|padding| padding.iter().any(|byte| *byte != 0)) {
            return Err(Broken::Padding);
        }
        out.truncate(len);
        Ok(from)
    }

    fn place(&self, index: u32) -> Place {
        Place { index, last: self.shape.is_last(index) }
    }
}

/// The value of a piece in the tree; the blob's address where it is the only one.
pub(super) fn value(shape: &Shape, index: u32, piece: &[u8]) -> Option<Value> {
    if shape.pieces() == 1 {
        Some(*crate::crypto::blake3(piece).as_bytes())
    } else {
        tree::piece(index, piece)
    }
}
