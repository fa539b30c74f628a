//! Frames by which pieces of files are asked for and given (PROTOCOL.md, Asking for pieces).
//!
//! They run on a peer stream, behind the hellos: asks one way, answers the other. Each piece
//! comes in a frame of its own, with its number and what shows that it belongs, so it can be
//! judged alone. Its body is no MessagePack: what is mostly one long byte string is copied once
//! less.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::codec::{HEADER, at_most};
use super::codes::codes;
use crate::id::BlobId;
use crate::limits::{ASK_SPANS, HAVE_BITS, PIECE, PIECE_PARENTS, SPAN_PIECES};
use crate::time::Millis;

/// Type byte of a [`PieceAsk`] frame.
pub const PIECE_ASK: u8 = 48;
/// Type byte of a frame that [`PieceGiven`] reads.
pub const PIECE_GIVEN: u8 = 49;
/// Type byte of a [`HaveAsk`] frame.
pub const HAVE_ASK: u8 = 50;
/// Type byte of a [`HaveTold`] frame.
pub const HAVE_TOLD: u8 = 51;
/// Type byte of a [`PiecesRefused`] frame.
pub const PIECES_REFUSED: u8 = 52;

/// Largest body of the frames above but [`HAVE_TOLD`]: a piece, its parents and its head.
pub const PIECE_FRAME_MAX: usize = GIVEN_HEAD + PIECE_PARENTS * PARENT + PIECE;
/// Largest body of a [`HAVE_TOLD`] frame: the larger form of a map, and its head.
pub const HAVE_FRAME_MAX: usize = HAVE_BITS + 64;

const PARENT: usize = 64;
/// Question, number of the piece, number of parents.
const GIVEN_HEAD: usize = 9;

/// Some pieces within one span: [`SPAN_PIECES`] from a boundary of as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The first piece that is asked for.
    pub first: u32,
    /// How many, none of them in the next span.
    pub count: u8,
    /// How many of the parents above the first the asker has, counted from the root.
    pub known: u8,
}

impl Span {
    /// Whether it is what its doc says, in a blob of so many pieces.
    #[must_use]
    pub fn fits(&self, pieces: u64) -> bool {
        let count = u32::from(self.count);
        let within = self.first % SPAN_PIECES + count <= SPAN_PIECES;
        count > 0 && within && u64::from(self.first) + u64::from(count) <= pieces
    }
}

/// Asks for pieces. Answered by a piece each, in the order asked, or by one refusal, which ends the
/// answer wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PieceAsk {
    /// The asker's number for the question; answers carry it.
    pub req: u32,
    /// Of which blob.
    pub blob: BlobId,
    /// How long the asker takes it to be.
    pub sealed: u64,
    /// Which pieces, at most [`ASK_SPANS`] spans.
    #[serde(deserialize_with = "at_most::<ASK_SPANS, _, _>")]
    pub spans: Vec<Span>,
}

/// Asks which pieces somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HaveAsk {
    /// The asker's number for the question.
    pub req: u32,
    /// Of which blob.
    pub blob: BlobId,
    /// How long the asker takes it to be.
    pub sealed: u64,
}

/// Says which, or that there are more now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HaveTold {
    /// The question's number.
    pub req: u32,
    /// A [`HaveMap`](crate::blob::HaveMap).
    pub have: ByteBuf,
}

/// Says why no piece, or no further one, comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiecesRefused {
    /// The question's number.
    pub req: u32,
    /// Why.
    pub code: PieceRefusal,
    /// Ask again no sooner than this.
    pub retry_after: Option<Millis>,
}

codes! {
    /// Why a source refuses; numbers never change meaning.
    PieceRefusal {
        /// Nothing of this blob is here, or not for the asker; which of the two is not said.
        1 => Unknown,
        /// The blob has another length: the asker's reference or the source's lies.
        2 => OtherLength,
        /// Some piece that was asked for is not here.
        3 => Lacking,
        /// The file changed here since it was sealed: nothing of it will come any more.
        4 => Changed,
        /// Too much else to do.
        5 => Busy,
        /// Not a question that can be answered: spans that do not fit the blob, or none.
        6 => BadAsk,
        /// Somebody here paused it or took it back.
        7 => Stopped,
        /// The disk fails here.
        8 => StoreFailing,
    }
}

/// One piece as it came: `u32 req | u32 index | u8 parents | 64 bytes for each | sealed piece`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceGiven<'a> {
    /// The question's number.
    pub req: u32,
    /// The piece's number.
    pub index: u32,
    /// The lowest parents above it, from the top; whole ones.
    pub parents: &'a [u8],
    /// The sealed piece.
    pub piece: &'a [u8],
}

impl<'a> PieceGiven<'a> {
    /// What such a frame begins with. The parents and the sealed piece, of so many bytes, go behind
    /// it as they are made, and nothing is copied.
    #[must_use]
    pub fn head(req: u32, index: u32, parents: u8, piece: usize) -> [u8; HEADER + GIVEN_HEAD] {
        let body = GIVEN_HEAD + usize::from(parents) * PARENT + piece;
        let [a, b, c, d] = u32::try_from(body + 1).unwrap_or(u32::MAX).to_be_bytes();
        let ([e, f, g, h], [i, j, k, l]) = (req.to_be_bytes(), index.to_be_bytes());
        [a, b, c, d, PIECE_GIVEN, e, f, g, h, i, j, k, l, parents]
    }

    /// Reads a body; none when it is cut off or beyond its bounds.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let (req, rest) = body.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first()?;
        let count = usize::from(*count);
        let (parents, piece) = rest.split_at_checked(count * PARENT)?;
        let fits = count <= PIECE_PARENTS && piece.len() <= PIECE;
        let (req, index) = (u32::from_be_bytes(*req), u32::from_be_bytes(*index));
        fits.then_some(Self { req, index, parents, piece })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::codec::{self, DecodeError};

    fn ask(spans: usize) -> Result<PieceAsk, DecodeError> {
        let span = Span { first: 0, count: 16, known: 0 };
        let (req, blob, sealed) = (1, BlobId([1; 32]), 4_144);
        codec::decode(&codec::encode(&PieceAsk { req, blob, sealed, spans: vec![span; spans] }))
    }

    #[test]
    fn a_request_for_too_many_spans_is_refused() {
        assert!(ask(ASK_SPANS).is_ok());
        assert!(matches!(ask(ASK_SPANS + 1), Err(DecodeError::Malformed(_))));
    }

    #[test]
    fn a_span_lies_between_boundaries_and_within_the_blob() {
        let fits = |first, count| Span { first, count, known: 0 }.fits(35);
        assert!(fits(0, 16) && fits(20, 12) && fits(32, 3) && fits(34, 1));
        assert!(!fits(0, 17) && !fits(20, 13) && !fits(32, 4) && !fits(35, 1) && !fits(3, 0));
        assert!(!Span { first: u32::MAX, count: 255, known: 255 }.fits(u64::MAX));
    }

    #[test]
    fn a_piece_survives_a_round_trip_and_one_beyond_its_bounds_is_refused() {
        let given = |parents: u8, piece: usize| {
            let frame = PieceGiven::head(7, 8, parents, piece).to_vec();
            let rest = vec![9; usize::from(parents) * PARENT + piece];
            [frame, rest].concat()
        };
        let frame = given(2, 20);
        let (kind, body, rest) = codec::split(&frame, PIECE_FRAME_MAX).unwrap().unwrap();
        assert_eq!((kind, rest.len()), (PIECE_GIVEN, 0));
        let piece = PieceGiven { req: 7, index: 8, parents: &[9; 128], piece: &[9; 20] };
        assert_eq!(PieceGiven::parse(body), Some(piece));
        assert_eq!(PieceGiven::parse(&body[..9 + 127]), None);
        assert!(PieceGiven::parse(&given(32, PIECE)[HEADER..]).is_some());
        assert_eq!(PieceGiven::parse(&given(33, 1)[HEADER..]), None);
        assert_eq!(PieceGiven::parse(&given(0, PIECE + 1)[HEADER..]), None);
    }

    #[test]
    fn every_reason_to_refuse_has_one_number() {
        for number in 0..20 {
            let code = PieceRefusal::from(number);
            assert_eq!(u16::from(code), number);
            assert_eq!(matches!(code, PieceRefusal::Other(_)), !(1..=8).contains(&number));
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(given) = PieceGiven::parse(&bytes) {
                prop_assert_eq!(given.parents.len() % PARENT, 0);
            }
            if let Ok(ask) = codec::decode::<PieceAsk>(&bytes) {
                prop_assert!(ask.spans.len() <= ASK_SPANS);
            }
        }
    }
}
