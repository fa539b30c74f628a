//! One stream: questions read one at a time, answered in the order they were asked.
//!
//! While a batch is on its way out, the next one is sealed. A question is read when the answer to
//! the one before it is sealed; those behind it wait in the stream, whose window bounds them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::blob::Blob;
use hubbub_shared::id::{BlobId, NodeId};
use hubbub_shared::limits::{ASK_SPANS, PIECE, SPAN_PIECES};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::ByteBuf;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::pieces::{
    HAVE_ASK, HAVE_TOLD, HaveAsk, HaveTold, PIECE_ASK, PIECES_REFUSED, PieceAsk, PieceRefusal,
    PiecesRefused,
};
use tokio::io::{AsyncWriteExt, ReadHalf, split};
use tokio::task;
use tokio::time::{Instant, timeout};

use super::Server;
use super::seats::Seat;
use crate::transfer::disk::Held;
use crate::transfer::disk::held::{NotGiven, Question};
use crate::transfer::frames::{self, Frames, invalid};
use crate::transfer::plan::FileId;
use crate::transfer::plan::limits::HAVE_PIECES;
use crate::transfer::streams::{Opened, Way};

/// Longest body of a question: its spans of at most eight bytes each, and the rest of it.
const ASK_MAX: usize = 64 + 8 * ASK_SPANS;
/// A stream on which nothing is asked for so long is let go; who wants more opens another.
const IDLE: Duration = Duration::from_secs(120);
/// The same before its opener was found to have a right to anything: a question takes a round trip,
/// and whoever has no right is not to keep a seat from those who have one.
const FIRST: Duration = Duration::from_secs(5);
/// Who takes nothing for so long is let go.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often those who asked hear what else is here, while it grows...
const NEWS: Duration = Duration::from_secs(2);
/// ... and so much less often for each piece: what is told grows with the file, and stays below
/// 16 KiB a second, as where it is asked for.
const NEWS_A_PIECE: Duration = Duration::from_nanos(1_000_000 / HAVE_PIECES);
/// How long it holds that somebody may have something: whoever is removed gets no more after this.
const ALLOWED: Duration = Duration::from_secs(1);
/// How soon somebody who was told that there is too much to do may come again.
const AGAIN: Millis = Millis::secs(5);
/// What is sealed at once: a span, 1 MiB.
const BATCH: usize = SPAN_PIECES as usize * PIECE;

/// Answers until the peer is done, or lets us wait.
pub(super) async fn run(server: &Server, who: (NodeId, Seat), opened: Opened) -> io::Result<()> {
    let Opened { way, direct } = opened;
    let (peer, (read, mut write)) = (who.0, split(way));
    let asks = Frames::new(read, ASK_MAX, 0);
    let (job, told, room) = (None, None, Vec::new());
    let (allowed, standing, sealed) = (None, Standing::Unknown, None);
    let mut giving = Giving { server, who, asks, job, told, allowed, standing, sealed, room };
    let (mut ready, mut spare, mut leaving) = (Vec::new(), Vec::new(), None::<Leaving>);
    loop {
        let count = |bytes| {
            if let Some(leaving) = &mut leaving {
                let text = leaving.goes(bytes);
                server.takers.took((leaving.file, peer), (text, direct), Instant::now());
            }
        };
        let sent = frames::write_counted(&mut write, &ready, PATIENCE, count);
        let ((), next) = tokio::try_join!(sent, giving.next(spare))?;
        let Some(next) = next else { break };
        spare = std::mem::replace(&mut ready, next);
        leaving = giving.sealed.take();
    }
    write.shutdown().await
}

/// Tells a peer that there is too much to do.
pub(super) async fn turn_away(way: Way) -> io::Result<()> {
    let (read, mut write) = split(way);
    let mut asks = Frames::new(read, ASK_MAX, 0);
    let Ok(asked) = timeout(PATIENCE, asks.next()).await else { return Ok(()) };
    let req = match asked? {
        Some((PIECE_ASK, body)) => codec::decode::<PieceAsk>(&body).map_err(invalid)?.req,
        Some((HAVE_ASK, body)) => codec::decode::<HaveAsk>(&body).map_err(invalid)?.req,
        _ => return Ok(()),
    };
    let busy = PiecesRefused { req, code: PieceRefusal::Busy, retry_after: Some(AGAIN) };
    frames::write(&mut write, &codec::frame(PIECES_REFUSED, &busy), PATIENCE).await?;
    write.shutdown().await
}

struct Giving<'a> {
    server: &'a Server,
    who: (NodeId, Seat),
    asks: Frames<ReadHalf<Way>>,
    job: Option<Job>,
    told: Option<Told>,
    /// What this peer may have, and when that was asked.
    allowed: Option<(BlobId, Instant)>,
    standing: Standing,
    /// The batch that was sealed last, if it was one.
    sealed: Option<Leaving>,
    room: Vec<u8>,
}

/// A batch on its way out.
struct Leaving {
    file: FileId,
    /// Bytes of the file in it.
    text: u64,
    /// All its bytes, and how many of them the stream has taken.
    bytes: u64,
    gone: u64,
}

impl Leaving {
    /// So many bytes more are taken: so many of the file.
    fn goes(&mut self, bytes: usize) -> u64 {
        // A batch is a few mebibytes at most.
        let share = |gone: u64| (self.text * gone).checked_div(self.bytes).unwrap_or(0);
        let gone = self.bytes.min(self.gone + u64::try_from(bytes).unwrap_or(u64::MAX));
        let text = share(gone).saturating_sub(share(self.gone));
        self.gone = gone;
        text
    }
}

/// Whether this peer had a right to anything it asked for on this stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It asked for nothing yet.
    Unknown,
    /// It had.
    Known,
    /// Not to the first thing it asked for: nothing more is heard of it.
    Stranger,
}

/// A question that is being answered.
struct Job {
    held: Arc<Held>,
    file: FileId,
    req: u32,
    /// Pieces, and how many of the parents above each the asker has by then.
    pieces: VecDeque<(u32, u8)>,
}

/// What somebody wanted to hear about.
struct Told {
    held: Arc<Held>,
    req: u32,
    count: u64,
    at: Instant,
}

impl Told {
    fn every(&self) -> Duration {
        news_every(self.held.blob().shape.pieces())
    }
}

/// How often somebody hears what else is here of so many pieces.
fn news_every(pieces: u64) -> Duration {
    NEWS + NEWS_A_PIECE * u32::try_from(pieces).unwrap_or(u32::MAX)
}

/// What a batch of pieces became.
struct Batch {
    out: Vec<u8>,
    /// Bytes of the file in it.
    text: u64,
    room: Vec<u8>,
    why_not: Option<NotGiven>,
}

impl Giving<'_> {
    /// The next bytes to write; none when there will be none any more.
    async fn next(&mut self, spare: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        let began = Instant::now();
        loop {
            if self.standing == Standing::Stranger {
                return Ok(None);
            }
            if let Some(news) = self.news().await {
                return Ok(Some(news));
            }
            if let Some(job) = self.job.take() {
                return self.batch(job, spare).await.map(Some);
            }
            let idle = if self.standing == Standing::Known { IDLE } else { FIRST };
            let wait = self.told.as_ref().map_or(idle, |told| told.every().min(idle));
            match timeout(wait, self.asks.next()).await {
                Err(_) if began.elapsed() >= idle => return Ok(None),
                Err(_) => {}
                Ok(asked) => {
                    let Some((kind, body)) = asked? else { return Ok(None) };
                    if let Some(answer) = self.asked(kind, &body).await? {
                        return Ok(Some(answer));
                    }
                }
            }
        }
    }

    /// Takes a question: the answer, if that is made at once.
    async fn asked(&mut self, kind: u8, body: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let (req, taken) = match kind {
            PIECE_ASK => {
                let ask: PieceAsk = codec::decode(body).map_err(invalid)?;
                (ask.req, self.pieces(ask).await.map(|()| None))
            }
            HAVE_ASK => {
                let ask: HaveAsk = codec::decode(body).map_err(invalid)?;
                (ask.req, self.have(&ask).await.map(Some))
            }
            _ => return Err(invalid("a frame that is no question")),
        };
        Ok(taken.unwrap_or_else(|code| Some(refusal(req, code))))
    }

    async fn pieces(&mut self, ask: PieceAsk) -> Result<(), PieceRefusal> {
        let (file, held) = self.find(&ask.blob, ask.sealed).await?;
        let shape = held.blob().shape;
        if ask.spans.is_empty() || !ask.spans.iter().all(|span| span.fits(shape.pieces())) {
            return Err(PieceRefusal::BadAsk);
        }
        let mut pieces = VecDeque::new();
        for span in &ask.spans {
            let rest = (span.first..).take(span.count.into()).skip(1);
            pieces.push_back((span.first, span.known));
            pieces.extend(rest.map(|index| (index, shape.shared(index))));
        }
        self.job = Some(Job { held, file, req: ask.req, pieces });
        Ok(())
    }

    async fn have(&mut self, ask: &HaveAsk) -> Result<Vec<u8>, PieceRefusal> {
        let (_, held) = self.find(&ask.blob, ask.sealed).await?;
        let have = held.have();
        let (req, count, at) = (ask.req, have.count(), Instant::now());
        self.told = held.is_growing().then_some(Told { held, req, count, at });
        Ok(told(req, have.encode()))
    }

    /// What there is more of since it was asked for, if this peer still may know.
    async fn news(&mut self) -> Option<Vec<u8>> {
        let due = self.told.as_ref().filter(|told| told.at.elapsed() >= told.every())?;
        let address = due.held.blob().address;
        if self.permitted(&address).await.is_err() {
            self.told = None;
            return None;
        }
        let last = self.told.as_mut()?;
        last.at = Instant::now();
        let have = last.held.have();
        if have.count() == last.count {
            return None;
        }
        last.count = have.count();
        let (req, is_last) = (last.req, have.is_complete());
        if is_last {
            self.told = None;
        }
        Some(told(req, have.encode()))
    }

    /// What is asked for, if this peer may have it.
    async fn find(
        &mut self,
        blob: &BlobId,
        sealed: u64,
    ) -> Result<(FileId, Arc<Held>), PieceRefusal> {
        self.permitted(blob).await?;
        let (file, held) = self.server.offered.find(blob).await?;
        let Blob { shape, .. } = held.blob();
        if shape.sealed() == sealed { Ok((file, held)) } else { Err(PieceRefusal::OtherLength) }
    }

    async fn permitted(&mut self, blob: &BlobId) -> Result<(), PieceRefusal> {
        if self.allowed.is_some_and(|(what, at)| what == *blob && at.elapsed() < ALLOWED) {
            return Ok(());
        }
        let may = (self.server.may)(self.who.0, *blob).await;
        self.allowed = may.then(|| (*blob, Instant::now()));
        self.standing = match (may, self.standing) {
            (true, _) => Standing::Known,
            (false, Standing::Unknown) => Standing::Stranger,
            (false, other) => other,
        };
        if may { Ok(()) } else { Err(PieceRefusal::Unknown) }
    }

    /// Seals as much of a job as goes out at once.
    async fn batch(&mut self, mut job: Job, mut spare: Vec<u8>) -> io::Result<Vec<u8>> {
        spare.clear();
        let (address, file) = (job.held.blob().address, job.file);
        if let Err(code) = self.permitted(&address).await {
            return Ok(refusal(job.req, code));
        }
        let most = (self.server.limit.portion(BATCH) / PIECE).max(1);
        let pieces: Vec<_> = job.pieces.drain(..most.min(job.pieces.len())).collect();
        let permit = {
            // One of a peer's streams at a time stands in line with those of others.
            let _turn = self.who.1.turn.lock().await;
            self.server.limit.take(pieces.len() * PIECE).await;
            self.server.work.acquire().await.map_err(invalid)?
        };
        let given = pieces.len();
        let (held, req, room) = (Arc::clone(&job.held), job.req, std::mem::take(&mut self.room));
        let sealing = move || seal(&held, (req, &pieces), room, spare);
        let batch = task::spawn_blocking(sealing).await.map_err(invalid)?;
        drop(permit);
        self.room = batch.room;
        let mut out = batch.out;
        self.server.gave();
        self.sealed = Some(Leaving { file, text: batch.text, bytes: out.len() as u64, gone: 0 });
        tracing::debug!("pieces given: {given}");
        match batch.why_not {
            Some(why) => out.extend(refusal(req, self.why((&address, file), why).await)),
            None => self.job = Some(job).filter(|job| !job.pieces.is_empty()),
        }
        Ok(out)
    }

    async fn why(&mut self, (blob, file): (&BlobId, FileId), why: NotGiven) -> PieceRefusal {
        match why {
            NotGiven::Lacking => PieceRefusal::Lacking,
            NotGiven::Changed => {
                self.server.offered.changed(blob, file).await;
                PieceRefusal::Changed
            }
            NotGiven::Disk(error) => self.server.offered.failed((blob, file), error).await,
        }
    }
}

fn seal(
    held: &Held,
    (req, pieces): (u32, &[(u32, u8)]),
    mut room: Vec<u8>,
    mut out: Vec<u8>,
) -> Batch {
    let shape = held.blob().shape;
    let mut text = 0;
    let mut give = || {
        held.check()?;
        for piece in pieces {
            held.give(&Question { req, piece: *piece }, &mut room, &mut out)?;
            text += shape.text(piece.0).map_or(0, |text| text.end - text.start);
        }
        Ok(())
    };
    let why_not = give().err();
    Batch { out, text, room, why_not }
}

fn refusal(req: u32, code: PieceRefusal) -> Vec<u8> {
    codec::frame(PIECES_REFUSED, &PiecesRefused { req, code, retry_after: None })
}

fn told(req: u32, have: Vec<u8>) -> Vec<u8> {
    codec::frame(HAVE_TOLD, &HaveTold { req, have: ByteBuf::from(have) })
}

#[cfg(test)]
mod tests {
    use hubbub_shared::blob::HaveMap;

    use super::*;

    #[test]
    fn what_is_told_of_a_growing_file_stays_below_16_kib_a_second_however_large_it_is() {
        for pieces in [1_u32, 1_000, 30_000, 160_000, 1_600_000, 2_000_000] {
            // The worst there is: neither runs nor bits are short.
            let mut have = HaveMap::none(pieces.into());
            (0..pieces).step_by(2).for_each(|index| have.insert(index));
            let rate = have.encode().len() as f64 / news_every(pieces.into()).as_secs_f64();
            assert!(rate < 16.0 * 1_024.0, "{pieces} pieces: {rate} bytes a second");
        }
        assert!(news_every(1_000) < 2 * NEWS, "small ones are told of as often as ever");
    }
}
