//! Streams about files: what they begin with, and who serves them.

use std::sync::Arc;

use hubbub_shared::id::NodeId;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::files::{
    FILE_GET, FILE_KEPT, FILE_PUT, FILE_REFUSED, FILE_TAKE, FILE_TAKEN, FILES_ASK, FILES_TOLD,
    FileGet, FileKept, FilePut, FileTake, FileTaken, FilesAsk,
};
use hubbub_shared::wire::stream::{STREAM_ANSWER, StreamAnswer};

use super::book::Put;
use super::{Cache, give, receive};
use crate::splice::{self, Opened};

/// What a node wants of the hub's files.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FileAsk {
    /// To know what may be left.
    Limits,
    /// To leave a blob.
    Put(FilePut),
    /// To fetch pieces.
    Get,
    /// To take a blob back.
    Take(FileTake),
}

impl FileAsk {
    /// Reads the first frame of a stream; none when it is no such one.
    pub(crate) fn read(kind: u8, body: &[u8]) -> Option<Self> {
        match kind {
            FILES_ASK => codec::decode::<FilesAsk>(body).ok().map(|FilesAsk {}| Self::Limits),
            FILE_PUT => codec::decode(body).ok().map(Self::Put),
            FILE_GET => codec::decode::<FileGet>(body).ok().map(|FileGet {}| Self::Get),
            FILE_TAKE => codec::decode(body).ok().map(Self::Take),
            _ => None,
        }
    }
}

/// The stream broke: nobody is left to answer.
pub(super) struct Broken;

/// Serves a stream of a node that was let in, to its end. Returns the sealed bytes it carried.
pub(crate) async fn attend(cache: Arc<Cache>, node: NodeId, ask: FileAsk, opened: Opened) -> u64 {
    let Opened { mut ends, by } = opened;
    let _room = by.widen();
    let (mut bytes, mut credit) = (0, cache.patience.begin());
    let served = async {
        splice::give_way(&ends.0);
        credit.say(&mut ends.0, STREAM_ANSWER, &StreamAnswer { refused: None }).await?;
        match ask {
            FileAsk::Limits => {
                let told = cache.limits(&node).await;
                credit.say(&mut ends.0, FILES_TOLD, &told).await?;
            }
            FileAsk::Put(put) => match cache.put(node, put).await {
                Put::Wanted(claim) => {
                    let arriving = receive::Arriving { cache: &cache, claim };
                    arriving.receive(&mut ends, (&by.pace, &mut credit), &mut bytes).await?;
                }
                Put::Kept(until, _) => {
                    credit.say(&mut ends.0, FILE_KEPT, &FileKept { until }).await?;
                }
                Put::Refused(refused) => {
                    credit.say(&mut ends.0, FILE_REFUSED, &refused).await?;
                }
            },
            FileAsk::Get => {
                let mut giving =
                    give::Giving { cache: &cache, pace: &by.pace, credit: &mut credit };
                giving.give(&mut ends, &mut bytes).await?;
            }
            FileAsk::Take(take) => match cache.take_back(node, take.blob).await {
                Ok(was) => credit.say(&mut ends.0, FILE_TAKEN, &FileTaken { was }).await?,
                Err(refused) => credit.say(&mut ends.0, FILE_REFUSED, &refused).await?,
            },
        }
        ends.0.finish().map_err(|_| Broken)
    };
    if served.await.is_err() {
        splice::abort(&mut ends);
    }
    bytes
}
