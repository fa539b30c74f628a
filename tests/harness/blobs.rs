//! Blobs without files: bytes of a length that blobs have, and the address they make. To whoever
//! keeps and gives them they are as good as sealed ones.

#![allow(clippy::expect_used)] // a broken stream ends a test

use std::io;

use hubbub_node::net::SealedSource;
use hubbub_shared::blob::{Blob, HaveMap, MemoryNodes, Shape};
use hubbub_shared::id::BlobId;
use hubbub_shared::limits::{ASK_SPANS, SPAN_PIECES};
use hubbub_shared::wire::codec::{self, HEADER};
use hubbub_shared::wire::pieces::{
    HAVE_ASK, HAVE_FRAME_MAX, HAVE_TOLD, HaveAsk, HaveTold, PIECE_ASK, PIECE_GIVEN, PIECES_REFUSED,
    PieceAsk, PieceGiven, PieceRefusal, PiecesRefused, Span,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A blob and its bytes.
#[derive(Clone)]
pub struct Bytes {
    /// What they are.
    pub blob: Blob,
    /// All of them.
    pub bytes: Vec<u8>,
    /// From where on the source fails.
    pub fails_at: Option<u64>,
    /// Where it was asked for bytes first, and how many it gave.
    pub given: (Option<u64>, u64),
}

impl Bytes {
    /// Of a content of this size, or so; another `seed`, another blob.
    ///
    /// # Panics
    /// When no file has this size.
    #[must_use]
    pub fn of(size: u64, seed: u8) -> Self {
        let shape = Shape::of(size).expect("a file's size");
        let mut bytes = vec![0; usize::try_from(shape.sealed()).expect("fits memory")];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
        let address = BlobId(*blake3::hash(&bytes).as_bytes());
        Self { blob: Blob { address, shape }, bytes, fails_at: None, given: (None, 0) }
    }
}

impl SealedSource for Bytes {
    async fn read(&mut self, from: u64, bytes: usize) -> io::Result<Vec<u8>> {
        if self.fails_at.is_some_and(|at| from >= at) {
            return Err(io::Error::other("the disk was pulled out"));
        }
        self.given.0.get_or_insert(from);
        self.given.1 += bytes as u64;
        let from = usize::try_from(from).map_err(io::Error::other)?;
        let part = self.bytes.get(from..from + bytes);
        part.map(<[u8]>::to_vec).ok_or_else(|| io::Error::other("beyond the end"))
    }
}

/// Asks for every piece of a blob on a stream, and verifies each. Why not, if it is refused.
///
/// # Errors
/// The code that came instead of pieces.
///
/// # Panics
/// When the stream breaks, or a piece does not belong.
pub async fn fetch(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    blob: &Blob,
) -> Result<Vec<u8>, PieceRefusal> {
    let have = have(stream, blob).await?;
    assert!(have.is_complete(), "a hub has all or nothing");
    let (mut nodes, mut out) = (MemoryNodes::default(), Vec::new());
    let pieces = u32::try_from(blob.shape.pieces()).expect("few pieces");
    let each = SPAN_PIECES * u32::try_from(ASK_SPANS).expect("few spans");
    for from in (0..pieces).step_by(usize::try_from(each).expect("few")) {
        let to = pieces.min(from + each);
        let known = |first| blob.known(&nodes, first).expect("memory does not fail");
        let spans = (from..to).step_by(16).map(|first| {
            let count = u8::try_from((to - first).min(SPAN_PIECES)).expect("16 at most");
            Span { first, count, known: known(first) }
        });
        let (address, sealed, spans) = (blob.address, blob.shape.sealed(), spans.collect());
        let ask = PieceAsk { req: from, blob: address, sealed, spans };
        stream.write_all(&codec::frame(PIECE_ASK, &ask)).await.expect("asks are taken");
        for index in from..to {
            let (kind, body) = frame(stream).await;
            if kind == PIECES_REFUSED {
                return Err(refused(&body));
            }
            assert_eq!(kind, PIECE_GIVEN);
            let given = PieceGiven::parse(&body).expect("a piece");
            assert_eq!((given.req, given.index), (from, index));
            let piece = blob.accept(&mut nodes, index, given.parents, given.piece);
            out.extend_from_slice(piece.expect("it belongs to the blob").bytes());
        }
    }
    Ok(out)
}

/// Asks which pieces there are.
///
/// # Errors
/// The code that came instead.
///
/// # Panics
/// When the stream breaks.
pub async fn have(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    blob: &Blob,
) -> Result<HaveMap, PieceRefusal> {
    let ask = HaveAsk { req: 7, blob: blob.address, sealed: blob.shape.sealed() };
    stream.write_all(&codec::frame(HAVE_ASK, &ask)).await.expect("asks are taken");
    match frame(stream).await {
        (HAVE_TOLD, body) => {
            let told: HaveTold = codec::decode(&body).expect("a have-map's frame");
            Ok(HaveMap::decode(blob.shape.pieces(), &told.have).expect("a have-map"))
        }
        (_, body) => Err(refused(&body)),
    }
}

fn refused(body: &[u8]) -> PieceRefusal {
    codec::decode::<PiecesRefused>(body).expect("a refusal").code
}

/// The next frame on a stream about files.
///
/// # Panics
/// When the stream breaks.
pub async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let mut head = [0; HEADER];
    stream.read_exact(&mut head).await.expect("a frame");
    let (kind, length) = codec::header(head, HAVE_FRAME_MAX).expect("a bounded frame");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a whole frame");
    (kind, body)
}
