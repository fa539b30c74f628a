//! What is inside the envelopes, once they are opened. No hub ever sees any of it.
//!
//! * [`event`]: what somebody said or did in a conversation; [`count`]: its number there
//! * [`group_plain`]: an event as it is sealed for a conversation, with its place in it
//! * [`pair_plain`]: everything two nodes tell each other, keys included; [`profile`] and
//!   [`picture`]: what people may say and show of themselves
//! * [`mod@file`]: what is said about a file, its key included; [`file_name`]: what it is called;
//!   [`file_offer`]: both in a conversation
//! * [`signal`]: what they tell each other in passing
//!
//! Invariant: the two plaintexts are different forms. No key of a person, a session or a group can
//! be read out of a group message, so no member can hand out keys in a place where they count as
//! another's. The key of a file opens that file and nothing else.

pub mod count;
pub mod event;
pub mod file;
pub mod file_name;
pub mod file_offer;
pub mod group_plain;
mod knocks;
pub mod pair_plain;
pub mod picture;
pub mod profile;
pub mod signal;
mod spans;
mod told;

pub use event::ChatEvent;
pub use file::FileRef;
pub use file_name::FileName;
pub use file_offer::FileOffer;
pub use group_plain::{ChatPlain, GroupPlain};
pub use pair_plain::{AckKind, PairPlain};
pub use picture::{PictureError, PictureFacts, PictureKind};
pub use signal::Signal;
pub use spans::Head as CountHead;
pub use told::Past;

use crate::crypto::RecordError;
use crate::group::sender_key::SkdmError;
use crate::limits::{
    ACK_RANGES_MAX, DISPLAY_NAME_CHARS, HEADS_MAX, REACH_ADDRESSES, SEEN_MAX, TEXT_MAX, TITLE_MAX,
    TOLD_BYTES, TOLD_MAX,
};
use crate::wire::codec::DecodeError;

/// Why an opened plaintext cannot be used. Its sender is proven all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Written by a newer version.
    #[error("this needs a newer version of this program (version {0})")]
    Newer(u8),
    /// A kind of pairwise message this version does not know.
    #[error("this needs a newer version of this program (kind {0})")]
    UnknownKind(u8),
    /// Not of its form.
    #[error("the content cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// Not of its form, where keys may be inside.
    #[error("the content cannot be read: {0}")]
    Record(#[from] RecordError),
    /// It carries a sender key that is none.
    #[error(transparent)]
    Skdm(#[from] SkdmError),
    /// A text longer than texts may be.
    #[error("a text of {0} bytes, the limit is {TEXT_MAX}")]
    TextTooLong(usize),
    /// A title longer than titles may be.
    #[error("a title of {0} bytes, the limit is {TITLE_MAX}")]
    TitleTooLong(usize),
    /// A display name longer than such names may be, or with characters that are not for names.
    #[error("not a display name of up to {DISPLAY_NAME_CHARS} characters")]
    BadName,
    /// Not a picture, or one too large.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A reference to a file with something in it that no file has.
    #[error("not a file that can be taken: its {0} is none that a file may have")]
    BadFile(&'static str),
    /// More references to seen messages than allowed.
    #[error("{0} messages named as seen, the limit is {SEEN_MAX}")]
    TooManySeen(usize),
    /// More ranges than allowed, or ranges that are empty, overlap or are out of order.
    #[error("not up to {ACK_RANGES_MAX} rising ranges of counts")]
    BadRanges,
    /// More conversations than one word of heads may name, or none.
    #[error("heads of {0} conversations, one to {HEADS_MAX} are allowed")]
    BadHeads(usize),
    /// More texts of the past than allowed, none, or not by rising counts.
    #[error("not 1 to {TOLD_MAX} texts by rising counts, of {TOLD_BYTES} bytes at most")]
    BadTold,
    /// More addresses than allowed, or one where nobody can be.
    #[error("not up to {REACH_ADDRESSES} addresses that can be dialled")]
    BadAddresses,
    /// Counters start at one, and the first message follows none.
    #[error("the message's counter and its link to the one before do not fit together")]
    BadCounter,
}

impl ContentError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Newer(_) | Self::Record(RecordError::Version(_)) => "newer",
            Self::UnknownKind(_) => "unknown-kind",
            Self::Malformed(_) | Self::Record(_) => "malformed",
            Self::Skdm(error) => error.reason(),
            Self::TextTooLong(_) | Self::TitleTooLong(_) => "too-long",
            Self::BadName => "bad-name",
            Self::Picture(error) => error.reason(),
            Self::BadFile(_) => "bad-file",
            Self::TooManySeen(_) => "too-many-seen",
            Self::BadRanges => "bad-ranges",
            Self::BadHeads(_) => "bad-heads",
            Self::BadTold => "bad-told",
            Self::BadAddresses => "bad-addresses",
            Self::BadCounter => "bad-counter",
        }
    }
}
