//! What a source sends, against what it was asked: sorted first, then judged piece by piece.
//!
//! Invariant: a piece that nobody asked this source for is not looked at; it is a lie about the
//! question. So a source makes us work no more than it was asked to.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use hubbub_shared::blob::HaveMap;
use hubbub_shared::blob::open::OpenFault;
use hubbub_shared::limits::PIECE;
use hubbub_shared::wire::codec::{self, HEADER};
use hubbub_shared::wire::pieces::{
    HAVE_FRAME_MAX, HAVE_TOLD, HaveTold, PIECE_FRAME_MAX, PIECE_GIVEN, PIECES_REFUSED, PieceGiven,
    PiecesRefused, Span,
};

use crate::transfer::disk::{DiskError, Landing, NotTaken};
use crate::transfer::plan::{Bad, Lie};

/// Longest body of an answer.
pub(super) const ANSWER_MAX: usize =
    if HAVE_FRAME_MAX > PIECE_FRAME_MAX { HAVE_FRAME_MAX } else { PIECE_FRAME_MAX };
/// Questions about have-maps that are open to further answers: one for each time a stream was
/// asked, and it is asked again only after it was silent.
const HAVES: usize = 64;
/// Pieces after which their parents are given to the system: of what was judged, a kill costs no
/// more for each source. It writes a page or two, hardly anything beside as many pieces.
const HELD: usize = 4;

/// Something that came of what a source sent.
#[derive(Debug)]
pub(in crate::transfer) enum Event {
    /// The stream is there; whether it goes without the hub.
    Opened { direct: bool },
    /// There is none, or none any more.
    Broken,
    /// There is none, because there are too many.
    Crowded,
    /// Which pieces it has.
    Have(HaveMap),
    /// A piece verified and was written.
    Piece(u32),
    /// One did not verify.
    Bad(Bad),
    /// Something else that is no answer.
    Lie(Lie),
    /// It refused.
    Refused(PiecesRefused),
    /// What verified does not open.
    Reference(OpenFault),
    /// The disk fails here.
    Disk(DiskError),
}

/// What this source was asked and has not answered.
#[derive(Default)]
pub(super) struct Questions {
    pieces: BTreeMap<u32, VecDeque<Expected>>,
    haves: VecDeque<u32>,
}

#[derive(Clone, Copy)]
struct Expected {
    index: u32,
    /// Judged by the address alone.
    sure: bool,
}

/// One thing a source sent.
pub(super) enum Item {
    Piece { index: u32, sure: bool, body: Range<usize> },
    Have(Range<usize>),
    Event(Event),
}

impl Questions {
    /// Remembers that pieces were asked for.
    pub(super) fn ask(&mut self, req: u32, spans: &[Span]) {
        let of = |span: &Span| {
            let sure = span.known == 0;
            (span.first..).take(span.count.into()).map(move |index| Expected { index, sure })
        };
        self.pieces.insert(req, spans.iter().flat_map(of).collect());
    }

    /// Remembers that a have-map was asked for.
    pub(super) fn ask_have(&mut self, req: u32) {
        if self.haves.len() >= HAVES {
            self.haves.pop_front();
        }
        self.haves.push_back(req);
    }

    /// What whole frames, one behind the other, are answers to. A lie ends them.
    pub(super) fn sort(&mut self, bytes: &[u8]) -> Vec<Item> {
        let (mut items, mut rest) = (Vec::new(), bytes);
        while let Ok(Some((kind, body, behind))) = codec::split(rest, ANSWER_MAX) {
            let at = bytes.len() - rest.len() + HEADER;
            match self.answered(kind, body, at) {
                Some(item) => items.push(item),
                None => {
                    items.push(Item::Event(Event::Lie(Lie::Answer)));
                    break;
                }
            }
            rest = behind;
        }
        items
    }

    fn answered(&mut self, kind: u8, body: &[u8], at: usize) -> Option<Item> {
        let range = at..at + body.len();
        match kind {
            PIECE_GIVEN => {
                let given = PieceGiven::parse(body)?;
                let expected = self.pieces.get_mut(&given.req)?;
                let Expected { index, sure } = expected.pop_front()?;
                if expected.is_empty() {
                    self.pieces.remove(&given.req);
                }
                (index == given.index).then_some(Item::Piece { index, sure, body: range })
            }
            HAVE_TOLD => {
                let told: HaveTold = codec::decode(body).ok()?;
                self.haves.contains(&told.req).then_some(Item::Have(range))
            }
            PIECES_REFUSED => {
                let refused: PiecesRefused = codec::decode(body).ok()?;
                let asked = self.pieces.remove(&refused.req).is_some();
                (asked || self.haves.contains(&refused.req))
                    .then_some(Item::Event(Event::Refused(refused)))
            }
            _ => None,
        }
    }
}

/// Judges what came, and writes what is good of it. Not for the threads of the runtime.
pub(super) fn judge(landing: &Landing, bytes: &[u8], items: Vec<Item>) -> Vec<Event> {
    let mut events = Vec::with_capacity(items.len());
    let (mut room, mut items) = (Vec::with_capacity(PIECE), items.into_iter());
    loop {
        let some: Vec<_> = items.by_ref().take(HELD).collect();
        let pieces = some.iter().filter(|item| matches!(item, Item::Piece { .. })).count();
        if some.is_empty() {
            return events;
        }
        if pieces > 0 {
            // Before any is kept: whoever counts what comes twice, counts no less than there was.
            tracing::debug!("pieces came: {pieces}");
        }
        events.extend(some.into_iter().map(|item| judge_one(landing, bytes, item, &mut room)));
        events.extend(landing.write_out().err().map(Event::Disk));
    }
}

fn judge_one(landing: &Landing, bytes: &[u8], item: Item, room: &mut Vec<u8>) -> Event {
    match item {
        Item::Event(event) => event,
        Item::Have(body) => have(landing, bytes.get(body).unwrap_or_default()),
        Item::Piece { index, sure, body } => {
            match piece(landing, bytes.get(body).unwrap_or_default(), room) {
                Ok(()) => Event::Piece(index),
                Err(NotTaken::Fault(_)) => Event::Bad(Bad { index, sure }),
                Err(NotTaken::Reference(fault)) => Event::Reference(fault),
                Err(NotTaken::Disk(error)) => Event::Disk(error),
            }
        }
    }
}

fn piece(landing: &Landing, body: &[u8], room: &mut Vec<u8>) -> Result<(), NotTaken> {
    let Some(given) = PieceGiven::parse(body) else { return Ok(()) };
    landing.take(given.index, given.parents, given.piece, room).map(|_| ())
}

fn have(landing: &Landing, body: &[u8]) -> Event {
    let pieces = landing.blob().shape.pieces();
    let told = codec::decode::<HaveTold>(body).ok();
    let map = told.and_then(|told| HaveMap::decode(pieces, &told.have).ok());
    map.map_or(Event::Lie(Lie::HaveMap), Event::Have)
}

#[cfg(test)]
mod tests {
    use hubbub_shared::wire::ByteBuf;
    use hubbub_shared::wire::pieces::PieceRefusal;

    use super::*;

    fn asked() -> Questions {
        let mut questions = Questions::default();
        questions.ask(
            7,
            &[Span { first: 3, count: 2, known: 0 }, Span { first: 16, count: 1, known: 2 }],
        );
        questions.ask_have(8);
        questions
    }

    fn given(req: u32, index: u32) -> Vec<u8> {
        [&PieceGiven::head(req, index, 0, 2)[..], &[1, 2]].concat()
    }

    fn is_lie(bytes: &[u8]) -> bool {
        let items = asked().sort(bytes);
        matches!(items[..], [Item::Event(Event::Lie(Lie::Answer))])
    }

    #[test]
    fn answers_come_in_the_order_asked_and_once() {
        let mut questions = asked();
        let bytes = [given(7, 3), given(7, 4), given(7, 16), given(7, 16)].concat();
        let items = questions.sort(&bytes);
        let sure: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Piece { index, sure, .. } => Some((*index, *sure)),
                _ => None,
            })
            .collect();
        assert_eq!(sure, [(3, true), (4, true), (16, false)]);
        assert!(matches!(items[3], Item::Event(Event::Lie(Lie::Answer))));
    }

    #[test]
    fn what_nobody_asked_for_is_a_lie() {
        assert!(is_lie(&given(7, 4)), "another piece");
        assert!(is_lie(&given(9, 3)), "another question");
        assert!(is_lie(&given(8, 3)), "a piece for a have-map");
        assert!(is_lie(&codec::frame(HAVE_TOLD, &HaveTold { req: 7, have: ByteBuf::from([0]) })));
        assert!(is_lie(&codec::frame(48, &0u8)), "a question");
        let (code, retry_after) = (PieceRefusal::Busy, None);
        assert!(is_lie(&codec::frame(
            PIECES_REFUSED,
            &PiecesRefused { req: 9, code, retry_after }
        )));
    }

    #[test]
    fn a_have_map_may_be_told_again_and_a_refusal_ends_the_answer() {
        let told = codec::frame(HAVE_TOLD, &HaveTold { req: 8, have: ByteBuf::from([0]) });
        let (code, retry_after) = (PieceRefusal::Lacking, None);
        let refused = codec::frame(PIECES_REFUSED, &PiecesRefused { req: 7, code, retry_after });
        let items = asked().sort(&[&told[..], &told, &refused, &given(7, 3)].concat());
        assert!(matches!(
            items[..],
            [
                Item::Have(_),
                Item::Have(_),
                Item::Event(Event::Refused(_)),
                Item::Event(Event::Lie(_))
            ]
        ));
    }
}
