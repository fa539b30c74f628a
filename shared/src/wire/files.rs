//! Files at the hub: the frames by which a node leaves blobs there, takes them back and opens a
//! stream to fetch them (PROTOCOL.md, Files at the hub).
//!
//! Each stream begins with one frame of the node that says what it is for; the hub answers with a
//! [`StreamAnswer`](super::stream::StreamAnswer), as for a relayed stream, and then as the frame's
//! doc says. The sealed bytes of a blob that is put follow bare: their number is known.

use serde::{Deserialize, Serialize};

use super::codes::codes;
use crate::id::BlobId;
use crate::time::{Millis, Timestamp};

/// Type byte of a [`FilesAsk`] frame.
pub const FILES_ASK: u8 = 53;
/// Type byte of a [`FilesTold`] frame.
pub const FILES_TOLD: u8 = 54;
/// Type byte of a [`FilePut`] frame.
pub const FILE_PUT: u8 = 55;
/// Type byte of a [`FileWanted`] frame.
pub const FILE_WANTED: u8 = 56;
/// Type byte of a [`FileKept`] frame.
pub const FILE_KEPT: u8 = 57;
/// Type byte of a [`FileRefused`] frame.
pub const FILE_REFUSED: u8 = 58;
/// Type byte of a [`FileGet`] frame.
pub const FILE_GET: u8 = 59;
/// Type byte of a [`FileTake`] frame.
pub const FILE_TAKE: u8 = 60;
/// Type byte of a [`FileTaken`] frame.
pub const FILE_TAKEN: u8 = 61;

/// Asks what the hub takes. Answered by [`FilesTold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesAsk {}

/// What the hub takes of the one who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesTold {
    /// Whether it keeps files at all.
    pub on: bool,
    /// Bytes of the largest blob.
    pub largest: u64,
    /// Bytes that the asker may have there in all.
    pub quota: u64,
    /// Bytes it may put at this moment: what is left of the quota, or of the hub's room.
    pub left: u64,
    /// How long a blob is kept.
    pub keep: Millis,
}

/// Wants to leave a blob. Answered by [`FileWanted`], [`FileKept`] when it is there already, or
/// [`FileRefused`], before any of its bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePut {
    /// Which.
    pub blob: BlobId,
    /// How long it is.
    pub sealed: u64,
}

/// The hub waits for the bytes. Answered by them, then in turn by [`FileKept`] or [`FileRefused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileWanted {
    /// From where on: whole pieces that came earlier are not sent again.
    pub from: u64,
}

/// The blob is at the hub, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileKept {
    /// Until when for the one who put it, by the hub's clock.
    pub until: Timestamp,
}

/// Why a blob is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRefused {
    /// Why.
    pub code: FileRefusal,
    /// The number of bytes that the code is about.
    pub limit: Option<u64>,
    /// Ask again no sooner than this.
    pub retry_after: Option<Millis>,
}

/// Opens a stream to the hub on which pieces are asked for as of a node (PROTOCOL.md, Asking for
/// pieces).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileGet {}

/// Takes a blob back, or what came of it. Answered by [`FileTaken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTake {
    /// Which.
    pub blob: BlobId,
}

/// It is not kept for the asker any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTaken {
    /// Whether it was.
    pub was: bool,
}

codes! {
    /// Why a hub does not keep a blob; numbers never change meaning.
    FileRefusal {
        /// The hub keeps no files.
        1 => Off,
        /// Larger than the hub keeps; `limit` is what it does.
        2 => TooLarge,
        /// More than is left of the asker's share; `limit` is what is left.
        3 => NoQuota,
        /// More than the hub has room for; `limit` is what is left.
        4 => Full,
        /// The bytes do not make the address; all of them are gone.
        5 => WrongBytes,
        /// No blob has this length.
        6 => NoBlob,
        /// It is being put already.
        7 => Busy,
        /// The hub's disk fails.
        8 => StoreFailing,
        /// It was taken back while it came.
        9 => TakenBack,
        /// Too many of the asker are on their way; it is asked again when one is there.
        10 => TooMany,
    }
}

impl FileRefusal {
    /// A refusal that is about no number.
    #[must_use]
    pub fn plain(self) -> FileRefused {
        FileRefused { code: self, limit: None, retry_after: None }
    }

    /// A refusal that is about a number of bytes.
    #[must_use]
    pub fn about(self, limit: u64) -> FileRefused {
        FileRefused { code: self, limit: Some(limit), retry_after: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec;

    #[test]
    fn a_frame_without_fields_is_an_empty_array_and_nothing_else() {
        assert_eq!(codec::decode::<FilesAsk>(&[0x90]), Ok(FilesAsk {}));
        for other in [&[0x91, 0][..], &[0xc0], &[0x90, 0], &[]] {
            assert!(codec::decode::<FilesAsk>(other).is_err(), "{other:?}");
            assert!(codec::decode::<FileGet>(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn every_reason_to_refuse_has_one_number() {
        for number in 0..20 {
            let code = FileRefusal::from(number);
            assert_eq!(u16::from(code), number);
            assert_eq!(matches!(code, FileRefusal::Other(_)), !(1..=10).contains(&number));
        }
    }
}
