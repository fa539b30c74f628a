//! One stream to one source of one file.
//!
//! What comes is read while what came before is judged on a thread for blocking work. Invariant:
//! at most one batch is being judged and one more is read; when both are full, nothing is read
//! until one is done. So order is kept, and a source that floods us waits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::limits::SPAN_PIECES;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::pieces::{HAVE_ASK, HaveAsk, PIECE_ASK, PIECE_FRAME_MAX, PieceAsk, Span};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::answers::{ANSWER_MAX, Event, Questions, judge};
use crate::transfer::disk::{DiskError, Landing};
use crate::transfer::frames::{self, Frames};
use crate::transfer::plan::{Lie, SourceId};
use crate::transfer::streams::{CROWDED, Streams, Way};

/// Who takes no question for so long is let go.
const PATIENCE: Duration = Duration::from_secs(30);
const SLOW: io::ErrorKind = io::ErrorKind::TimedOut;
/// What is read before it is judged: a span of pieces with their parents.
const BATCH: usize = SPAN_PIECES as usize * PIECE_FRAME_MAX;

/// What a link is told to do.
pub(super) enum Command {
    /// Ask for pieces.
    Ask { req: u32, spans: Vec<Span>, anew: bool },
    /// Ask which there are.
    AskHave { req: u32 },
}

/// Where a link's events go: its number, and what happened, in order.
pub(super) type Events = mpsc::Sender<(u64, Vec<Event>)>;

/// Everything a link needs.
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) source: SourceId,
    pub(super) landing: Arc<Landing>,
    pub(super) streams: Arc<dyn Streams>,
    pub(super) events: Events,
}

impl Link {
    /// Opens the stream and works until nobody gives commands any more, or it breaks.
    pub(super) async fn run(self, mut commands: mpsc::Receiver<Command>) {
        let opening = match self.source {
            SourceId::Node(peer) => self.streams.open(peer),
            SourceId::Hub => self.streams.open_hub(),
        };
        let last = match timeout(PATIENCE, opening).await.unwrap_or(Err(SLOW.into())) {
            Ok(opened) => {
                self.say(vec![Event::Opened { direct: opened.direct }]).await;
                match self.follow(opened.way, &mut commands).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::debug!("a source of a file broke off: {error}");
                        Event::Broken
                    }
                }
            }
            Err(error) => {
                tracing::debug!("a source of a file is not reached: {error}");
                if error.kind() == CROWDED { Event::Crowded } else { Event::Broken }
            }
        };
        self.say(vec![last]).await;
    }

    async fn say(&self, events: Vec<Event>) {
        // When nobody listens any more, all of it ends.
        self.events.send((self.number, events)).await.ok();
    }

    async fn follow(&self, way: Way, commands: &mut mpsc::Receiver<Command>) -> io::Result<()> {
        let (read, write) = split(way);
        let mut talk = Talk {
            link: self,
            write,
            frames: Frames::new(read, ANSWER_MAX, BATCH),
            questions: Questions::default(),
            judging: None,
            spare: Vec::new(),
        };
        let ended = loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => talk.ask(command, commands).await?,
                    None => break Ok(()),
                },
                filled = talk.frames.fill(), if talk.frames.has_room() => {
                    if !filled? {
                        break Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                judged = judged(&mut talk.judging) => talk.done(judged?).await,
            }
            if !talk.judge() {
                self.say(vec![Event::Lie(Lie::Answer)]).await;
                break Ok(());
            }
        };
        // What came is not fetched again for want of being counted.
        while talk.judging.is_some() {
            let judged = judged(&mut talk.judging).await?;
            talk.done(judged).await;
            talk.judge();
        }
        ended
    }
}

/// A batch that was judged, and its room.
type Judged = (Vec<Event>, Vec<u8>);

/// Waits for the batch that is being judged; for ever, if there is none.
async fn judged(judging: &mut Option<JoinHandle<Judged>>) -> io::Result<Judged> {
    match judging {
        Some(running) => running.await.map_err(io::Error::other),
        None => std::future::pending().await,
    }
}

struct Talk<'a> {
    link: &'a Link,
    write: WriteHalf<Way>,
    frames: Frames<ReadHalf<Way>>,
    questions: Questions,
    judging: Option<JoinHandle<Judged>>,
    spare: Vec<u8>,
}

impl Talk<'_> {
    /// Writes a question, and all that wait behind it.
    async fn ask(
        &mut self,
        first: Command,
        others: &mut mpsc::Receiver<Command>,
    ) -> io::Result<()> {
        let (mut out, mut next) = (Vec::new(), Some(first));
        while let Some(command) = next {
            if let Err(error) = self.question(command, &mut out) {
                self.link.say(vec![Event::Disk(error)]).await;
            }
            next = others.try_recv().ok();
        }
        frames::write(&mut self.write, &out, PATIENCE).await
    }

    fn question(&mut self, command: Command, out: &mut Vec<u8>) -> Result<(), DiskError> {
        let blob = self.link.landing.blob();
        let (address, sealed) = (blob.address, blob.shape.sealed());
        match command {
            Command::Ask { req, mut spans, anew } => {
                // A page of the tree that was just written to, or a hole: no disk is waited for.
                for span in spans.iter_mut().filter(|_| !anew) {
                    span.known = self.link.landing.known(span.first)?;
                }
                self.questions.ask(req, &spans);
                let ask = PieceAsk { req, blob: address, sealed, spans };
                out.extend(codec::frame(PIECE_ASK, &ask));
            }
            Command::AskHave { req } => {
                self.questions.ask_have(req);
                out.extend(codec::frame(HAVE_ASK, &HaveAsk { req, blob: address, sealed }));
            }
        }
        Ok(())
    }

    /// Lets what came be judged, if nothing else is. False when it is no frame.
    fn judge(&mut self) -> bool {
        let Ok(whole) = self.frames.whole() else { return false };
        if whole == 0 || self.judging.is_some() {
            return true;
        }
        let bytes = self.frames.take(whole, std::mem::take(&mut self.spare));
        let items = self.questions.sort(&bytes);
        let landing = Arc::clone(&self.link.landing);
        self.judging = Some(spawn_blocking(move || (judge(&landing, &bytes, items), bytes)));
        true
    }

    async fn done(&mut self, (events, room): Judged) {
        self.judging = None;
        self.spare = room;
        self.link.say(events).await;
    }
}
