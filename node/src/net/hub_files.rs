//! Files at the hub: what it takes is asked before anything is sent, blobs are left there, pieces
//! fetched, and what was left is taken back (PROTOCOL.md, Files at the hub).
//!
//! The hub gets sealed bytes and an address. Invariant: no byte of a blob leaves before the hub has
//! said that it takes it, and nothing is told to be kept before the hub has said that it is
//! durable. What is absent: anything that survives; whoever was interrupted puts again, and the hub
//! says how far it was.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hubbub_shared::blob::Blob;
use hubbub_shared::id::BlobId;
use hubbub_shared::limits::{PIECE, SPAN_PIECES};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::RefusalCode;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::files::{
    FILE_GET, FILE_KEPT, FILE_PUT, FILE_REFUSED, FILE_TAKE, FILE_TAKEN, FILE_WANTED, FILES_ASK,
    FILES_TOLD, FileGet, FileKept, FilePut, FileRefusal, FileRefused, FileTake, FileTaken,
    FileWanted, FilesAsk, FilesTold,
};
use hubbub_shared::wire::stream::{STREAM_ANSWER, StreamAnswer};
use quinn::{Connection, RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, Join, ReadBuf, join};
use tokio::sync::watch;

use super::peer_stream::{give_way, invalid, read, read_any, write};

/// How long the hub may take to answer. Before it wants bytes it may have to read what came before
/// it was started anew: 2 GiB from a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take for a step of the bytes, and for its last answer: before that it takes what
/// is still on its way, at whatever pace, and syncs it to its disk. A hub that is gone ends the
/// connection much sooner; this is for one that is there and does nothing.
const LONG: Duration = Duration::from_secs(600);
/// Bytes asked of a source at most, and so held: a span of pieces.
const STEP: u64 = SPAN_PIECES as u64 * PIECE as u64;

/// Why a file is not at the hub, for people.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// There is no link to the hub.
    #[error("the hub is out of reach")]
    NoHub,
    /// The connection broke, or the hub says what it should not.
    #[error("the way to the hub broke: {0}")]
    Broken(io::Error),
    /// No answer in time.
    #[error("the hub did not answer in time")]
    Silent,
    /// The hub takes no stream about files just now, or none of this node.
    #[error("the hub does not answer about files just now: {0:?}")]
    NotNow(RefusalCode),
    /// Its operator switched it off, or it is too old to know how.
    #[error("the hub keeps no files; it can only be sent while somebody is there to fetch it")]
    Off,
    /// Told before a byte was sent.
    #[error(
        "the hub keeps files of up to {}; this one has {}",
        apart(*.largest, *.sealed), apart(*.sealed, *.largest)
    )]
    TooLarge {
        /// What it does keep.
        largest: u64,
        /// What this one has, sealed.
        sealed: u64,
    },
    /// Told before a byte was sent.
    #[error(
        "of your share at the hub {} are left; this file has {}. Take one back, or wait until one \
         is over",
        apart(*.left, *.sealed), apart(*.sealed, *.left)
    )]
    NoQuota {
        /// What is left.
        left: u64,
        /// What this one has, sealed.
        sealed: u64,
    },
    /// Told before a byte was sent.
    #[error("the hub has no room for this file now ({} are left); it may later", in_words(*.left))]
    Full {
        /// What is left.
        left: u64,
    },
    /// What was sent is not the file it was said to be; the hub kept nothing of it.
    #[error("what came to the hub is not the file that was sealed; nothing of it was kept")]
    WrongBytes,
    /// A length that no sealed file has: a mistake here.
    #[error("the hub says that no file has this length")]
    NoBlob,
    /// It is being put already.
    #[error("this file is on its way to the hub already")]
    Busy {
        /// When to ask again.
        retry_after: Millis,
    },
    /// Others of this identity are, and it is let in when one of them is there.
    #[error("as many files as may be are on their way to the hub already; it is tried again")]
    TooMany {
        /// When to ask again.
        retry_after: Millis,
    },
    /// The hub's disk.
    #[error("the hub's disk fails; its operator can see why in its log")]
    HubStore,
    /// By this very identity, while it was sent.
    #[error("the file was taken back while it was sent")]
    TakenBack,
    /// A reason this version does not know.
    #[error("the hub does not keep the file, for a reason this version does not know ({0})")]
    Newer(u16),
    /// The own source of the bytes.
    #[error("the file cannot be read: {0}")]
    Source(io::Error),
}

impl FilesError {
    fn refused(refused: FileRefused, sealed: u64) -> Self {
        let limit = refused.limit.unwrap_or(0);
        let retry_after = refused.retry_after.unwrap_or(Millis::secs(1));
        match refused.code {
            FileRefusal::Off => Self::Off,
            FileRefusal::TooLarge => Self::TooLarge { largest: limit, sealed },
            FileRefusal::NoQuota => Self::NoQuota { left: limit, sealed },
            FileRefusal::Full => Self::Full { left: limit },
            FileRefusal::WrongBytes => Self::WrongBytes,
            FileRefusal::NoBlob => Self::NoBlob,
            FileRefusal::Busy => Self::Busy { retry_after },
            FileRefusal::TooMany => Self::TooMany { retry_after },
            FileRefusal::StoreFailing => Self::HubStore,
            FileRefusal::TakenBack => Self::TakenBack,
            FileRefusal::Other(code) => Self::Newer(code),
        }
    }
}

impl From<io::Error> for FilesError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Gives the sealed bytes of a blob, from wherever the hub wants them.
pub trait SealedSource: Send {
    /// Some of the bytes from `from` on, as soon as there are any: one at least, and at most so
    /// many. Whole pieces, but at the end.
    ///
    /// # Errors
    /// The source's own: nothing more is sent then.
    fn read(&mut self, from: u64, bytes: usize)
    -> impl Future<Output = io::Result<Vec<u8>>> + Send;
}

/// The hub's files, over whatever connection to it there is.
#[derive(Clone)]
pub struct HubFiles {
    hub: watch::Receiver<Option<Connection>>,
}

impl HubFiles {
    pub(super) fn new(hub: watch::Receiver<Option<Connection>>) -> Self {
        Self { hub }
    }

    /// What the hub takes, and what is left of this identity's share.
    ///
    /// # Errors
    /// [`FilesError`].
    pub async fn limits(&self) -> Result<FilesTold, FilesError> {
        let (_send, mut recv) = self.begin(FILES_ASK, &FilesAsk {}).await?;
        soon(read(&mut recv, FILES_TOLD)).await
    }

    /// Leaves a blob at the hub, or lets one that is there be kept longer: until when, by the hub's
    /// clock. What came of it in an earlier attempt is not sent again.
    ///
    /// # Errors
    /// [`FilesError`]; what it says of sizes comes before a byte was sent.
    pub async fn put<S: SealedSource>(
        &self,
        blob: &Blob,
        source: &mut S,
    ) -> Result<Timestamp, FilesError> {
        let sealed = blob.shape.sealed();
        let put = FilePut { blob: blob.address, sealed };
        let (mut send, mut recv) = self.begin(FILE_PUT, &put).await?;
        put_over((&mut send, &mut recv), source, (sealed, LONG)).await
    }

    /// Opens a stream on which pieces are asked for as of a node: to whoever fetches, the hub is
    /// one more source.
    ///
    /// # Errors
    /// [`FilesError`].
    pub async fn open(&self) -> Result<HubStream, FilesError> {
        let (send, recv) = self.begin(FILE_GET, &FileGet {}).await?;
        Ok(HubStream(join(recv, send)))
    }

    /// Takes a blob back, or what came of it; whether there was anything. Others it is kept for
    /// keep it.
    ///
    /// # Errors
    /// [`FilesError`].
    pub async fn take_back(&self, blob: &BlobId) -> Result<bool, FilesError> {
        let (_send, mut recv) = self.begin(FILE_TAKE, &FileTake { blob: *blob }).await?;
        let (kind, body) = soon(read_any(&mut recv)).await?;
        if kind == FILE_REFUSED {
            return Err(FilesError::refused(decode(&body)?, 0));
        }
        let FileTaken { was } = body_of((kind, &body), FILE_TAKEN)?;
        Ok(was)
    }

    /// Opens a stream that begins with this frame, and hears whether the hub takes it.
    async fn begin<T: Serialize>(
        &self,
        kind: u8,
        frame: &T,
    ) -> Result<(SendStream, RecvStream), FilesError> {
        let hub = self.hub.borrow().clone().ok_or(FilesError::NoHub)?;
        let begun = async {
            let (mut send, mut recv) = hub.open_bi().await?;
            give_way(&send);
            write(&mut send, kind, frame).await?;
            let answer: StreamAnswer = read(&mut recv, STREAM_ANSWER).await?;
            Ok((answer, send, recv))
        };
        let (answer, send, recv) = soon(begun).await?;
        match answer.refused {
            None => Ok((send, recv)),
            Some(code) => Err(FilesError::NotNow(code)),
        }
    }
}

/// What the hub says to a blob that is put.
enum Answer {
    Wanted(u64),
    Kept(Timestamp),
}

impl Answer {
    fn of((kind, body): (u8, Vec<u8>), sealed: u64) -> Result<Self, FilesError> {
        match kind {
            FILE_WANTED => {
                let FileWanted { from } = decode(&body)?;
                let fits = from < sealed && from.is_multiple_of(PIECE as u64);
                fits.then_some(Self::Wanted(from))
                    .ok_or_else(|| invalid("no place to go on from").into())
            }
            FILE_KEPT => decode(&body).map(|FileKept { until }| Self::Kept(until)),
            FILE_REFUSED => Err(FilesError::refused(decode(&body)?, sealed)),
            _ => Err(invalid("another frame than the one that comes here").into()),
        }
    }
}

/// Puts a blob of so many bytes on a stream that has begun, to a hub with so much time for a step.
async fn put_over<S: SealedSource>(
    (send, recv): (&mut (impl AsyncWrite + Unpin), &mut (impl AsyncRead + Unpin)),
    source: &mut S,
    (sealed, long): (u64, Duration),
) -> Result<Timestamp, FilesError> {
    let from = match Answer::of(soon(read_any(recv)).await?, sealed)? {
        Answer::Kept(until) => return Ok(until),
        Answer::Wanted(from) => from,
    };
    let sent = send_from(send, source, (from..sealed, long)).await;
    if let Err(error @ (FilesError::Source(_) | FilesError::Silent)) = sent {
        return Err(error);
    }
    // A hub that has stopped reading says why.
    let answer = within(long, read_any(recv)).await;
    match Answer::of(answer.map_err(|error| sent.err().unwrap_or(error))?, sealed)? {
        Answer::Kept(until) => Ok(until),
        Answer::Wanted(_) => Err(invalid("bytes are wanted that were sent").into()),
    }
}

/// Sends the bytes as the source has them, at most a step in memory, each portion in the time there
/// is for a step: the hub gives up on whoever sends nothing for a minute.
async fn send_from<S: SealedSource>(
    send: &mut (impl AsyncWrite + Unpin),
    source: &mut S,
    (bytes, long): (core::ops::Range<u64>, Duration),
) -> Result<(), FilesError> {
    let mut at = bytes.start;
    while at < bytes.end {
        let step = (bytes.end - at).min(STEP);
        let wanted = usize::try_from(step).unwrap_or(0);
        let read = source.read(at, wanted).await.map_err(FilesError::Source)?;
        if read.is_empty() || read.len() > wanted {
            let other = io::Error::other("it is not as long as it was");
            return Err(FilesError::Source(other));
        }
        within(long, send.write_all(&read)).await?;
        at += u64::try_from(read.len()).unwrap_or(step);
    }
    within(long, send.shutdown()).await
}

async fn soon<T>(answer: impl Future<Output = io::Result<T>>) -> Result<T, FilesError> {
    within(PATIENCE, answer).await
}

async fn within<T>(
    time: Duration,
    answer: impl Future<Output = io::Result<T>>,
) -> Result<T, FilesError> {
    let answer = tokio::time::timeout(time, answer).await;
    answer.map_err(|_| FilesError::Silent)?.map_err(FilesError::Broken)
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FilesError> {
    codec::decode(body).map_err(|error| invalid(error).into())
}

fn body_of<T: DeserializeOwned>((kind, body): (u8, &[u8]), wanted: u8) -> Result<T, FilesError> {
    if kind != wanted {
        return Err(invalid("another frame than the one that comes here").into());
    }
    decode(body)
}

/// A stream to the hub's files, for the frames by which pieces are asked for and given.
pub struct HubStream(Join<RecvStream, SendStream>);

impl AsyncRead for HubStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for HubStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The same, but to the byte when it would read like another number.
fn apart(bytes: u64, other: u64) -> String {
    let words = in_words(bytes);
    if bytes != other && words == in_words(other) { format!("{bytes} bytes") } else { words }
}

/// Bytes as people read them, a digit behind the point: 3.1 GiB.
fn in_words(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut each = 1;
    while bytes / each >= 1024 && unit + 1 < UNITS.len() {
        each *= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    let tenths = u128::from(bytes) * 10 / u128::from(each);
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        tenth => format!("{}.{tenth} {name}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex, split};

    use super::*;

    /// A source that has whatever is wanted.
    struct Zeros;

    impl SealedSource for Zeros {
        async fn read(&mut self, _: u64, bytes: usize) -> io::Result<Vec<u8>> {
            Ok(vec![0; bytes])
        }
    }

    #[tokio::test]
    async fn a_hub_that_wants_a_file_and_then_does_nothing_is_not_waited_for_without_end() {
        let sealed = 2 * PIECE as u64;
        for room in [1_000, 4 * PIECE] {
            // It takes everything and says nothing, or does not even read.
            let (here, mut hub) = duplex(room);
            hub.write_all(&codec::frame(FILE_WANTED, &FileWanted { from: 0 })).await.unwrap();
            let (mut recv, mut send) = split(here);
            let (mut source, time) = (Zeros, (sealed, Duration::from_millis(50)));
            let putting = put_over((&mut send, &mut recv), &mut source, time);
            let ended = tokio::time::timeout(Duration::from_secs(20), putting).await;
            assert!(matches!(ended, Ok(Err(FilesError::Silent))), "{ended:?}");
        }
    }

    /// A source that has one piece and no more for now.
    struct OnePiece;

    impl SealedSource for OnePiece {
        async fn read(&mut self, from: u64, _: usize) -> io::Result<Vec<u8>> {
            if from > 0 {
                std::future::pending::<()>().await;
            }
            Ok(vec![0; PIECE])
        }
    }

    #[tokio::test]
    async fn what_a_source_has_goes_out_before_it_has_more() {
        let (here, mut hub) = duplex(4 * PIECE);
        hub.write_all(&codec::frame(FILE_WANTED, &FileWanted { from: 0 })).await.unwrap();
        let (mut recv, mut send) = split(here);
        let (mut source, time) = (OnePiece, (STEP, LONG));
        let putting = put_over((&mut send, &mut recv), &mut source, time);
        let mut came = vec![1; PIECE];
        let coming = tokio::time::timeout(Duration::from_secs(20), hub.read_exact(&mut came));
        tokio::select! {
            _ = putting => panic!("it is not through"),
            came = coming => assert_eq!(came.unwrap().unwrap(), PIECE),
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_in_words() {
        let (largest, sealed) = (2 << 30, 3_355_443_200);
        let refused = FileRefusal::TooLarge.about(largest);
        let said = FilesError::refused(refused, sealed).to_string();
        assert_eq!(said, "the hub keeps files of up to 2 GiB; this one has 3.1 GiB");
        let said = FilesError::refused(refused, largest + 1).to_string();
        assert!(said.ends_with("up to 2147483648 bytes; this one has 2147483649 bytes"), "{said}");
        let said = FilesError::refused(FileRefusal::TooMany.plain(), sealed).to_string();
        assert!(said.contains("on their way") && !said.contains("share"), "{said}");
        let left = FilesError::refused(FileRefusal::NoQuota.about(0), 4_144).to_string();
        assert!(left.starts_with("of your share at the hub 0 bytes are left; this file has 4 KiB"));
    }
}
