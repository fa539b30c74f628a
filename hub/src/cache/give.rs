//! Pieces on their way out: to a node the hub is one more source (PROTOCOL.md, Asking for pieces).
//!
//! Invariant: one question at a time, and of its answer one span in memory: the next is read from
//! the disk when QUIC has taken the one before. Whoever does not read waits alone, and not for
//! ever. No file is open while a node is waited for, so that what is forgotten leaves the disk.

use std::sync::Arc;

use hubbub_shared::blob::{Blob, HaveMap, Shape};
use hubbub_shared::id::BlobId;
use hubbub_shared::wire::ByteBuf;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::pieces::{
    HAVE_ASK, HAVE_TOLD, HaveAsk, HaveTold, PIECE_ASK, PIECES_REFUSED, PieceAsk, PieceRefusal,
    PiecesRefused, Span,
};
use quinn::SendStream;

use super::attend::Broken;
use super::patience::Credit;
use super::whole_file::WholeFile;
use super::{Cache, blocking};
use crate::pace::Pace;
use crate::splice::Ends;

/// A stream on which pieces are asked for.
pub(super) struct Giving<'a> {
    pub(super) cache: &'a Arc<Cache>,
    pub(super) pace: &'a Pace,
    pub(super) credit: &'a mut Credit,
}

/// A blob that is here whole, if it is as long as the asker says.
fn find(cache: &Cache, address: &BlobId, sealed: u64) -> Result<Blob, PieceRefusal> {
    let blob = cache.book().whole(address).ok_or(PieceRefusal::Unknown)?;
    match Shape::of_sealed(sealed) {
        Some(shape) if shape == blob.shape => Ok(blob),
        _ => Err(PieceRefusal::OtherLength),
    }
}

impl Giving<'_> {
    /// Answers until the node has no more questions, or asks none for a while. A question has 16
    /// spans at most, so it is no larger than a hello.
    pub(super) async fn give(
        &mut self,
        (send, recv): &mut Ends,
        bytes: &mut u64,
    ) -> Result<(), Broken> {
        while let Some((kind, body)) = self.credit.question(recv).await? {
            match kind {
                PIECE_ASK => {
                    let ask: PieceAsk = codec::decode(&body).map_err(|_| Broken)?;
                    let req = ask.req;
                    if let Err(code) = self.pieces(ask, send, bytes).await? {
                        self.refuse(send, req, code).await?;
                    }
                }
                HAVE_ASK => {
                    let ask = codec::decode(&body).map_err(|_| Broken)?;
                    self.have(ask, send).await?;
                }
                _ => return Err(Broken),
            }
        }
        Ok(())
    }

    async fn have(&mut self, ask: HaveAsk, send: &mut SendStream) -> Result<(), Broken> {
        let HaveAsk { req, blob, sealed } = ask;
        match find(self.cache, &blob, sealed) {
            Ok(blob) => {
                let have = ByteBuf::from(HaveMap::all(blob.shape.pieces()).encode());
                self.credit.say(send, HAVE_TOLD, &HaveTold { req, have }).await
            }
            Err(code) => self.refuse(send, req, code).await,
        }
    }

    async fn refuse(
        &mut self,
        send: &mut SendStream,
        req: u32,
        code: PieceRefusal,
    ) -> Result<(), Broken> {
        let refused = PiecesRefused { req, code, retry_after: None };
        self.credit.say(send, PIECES_REFUSED, &refused).await
    }

    /// Answers with pieces, or why not, or no further ones.
    async fn pieces(
        &mut self,
        ask: PieceAsk,
        send: &mut SendStream,
        bytes: &mut u64,
    ) -> Result<Result<(), PieceRefusal>, Broken> {
        let PieceAsk { req, blob, sealed, spans } = ask;
        let blob = match find(self.cache, &blob, sealed) {
            Ok(blob) => blob,
            Err(code) => return Ok(Err(code)),
        };
        if spans.is_empty() || !spans.iter().all(|span| span.fits(blob.shape.pieces())) {
            return Ok(Err(PieceRefusal::BadAsk));
        }
        for span in spans {
            let answer = match self.read(blob, req, span).await {
                Ok(answer) => answer,
                Err(code) => return Ok(Err(code)),
            };
            self.pace.pass(answer.len()).await;
            self.credit.write(send, &answer).await?;
            *bytes += answer.len() as u64;
        }
        Ok(Ok(()))
    }

    /// The frames that answer for one span.
    async fn read(&self, blob: Blob, req: u32, span: Span) -> Result<Vec<u8>, PieceRefusal> {
        let [data, tree] = self.cache.folder.whole_paths(blob);
        let answer = blocking(move || match WholeFile::open([&data, &tree], blob) {
            Ok(file) => file.answer(req, span).map(Some),
            // Deleted this very moment, or not yet in its place: nobody's fault.
            Err(_) => Ok(None),
        });
        match answer.await {
            Ok(answer) => answer.ok_or(PieceRefusal::Unknown),
            Err(error) => {
                tracing::error!("a file cannot be read: {error}");
                Err(PieceRefusal::StoreFailing)
            }
        }
    }
}
