//! A blob on its way in: some pieces from the network, the same to the disk.
//!
//! Invariant: memory is one batch and what QUIC's flow control lets wait: while the disk writes,
//! nothing more is read. Nothing is written that there was no room set aside for. Whatever ends the
//! stream, whole pieces that came stay for the next one.

use std::io;
use std::sync::Arc;

use hubbub_shared::limits::PIECE;
use hubbub_shared::wire::files::{
    FILE_KEPT, FILE_REFUSED, FILE_WANTED, FileKept, FileRefusal, FileRefused, FileWanted,
};

use super::attend::Broken;
use super::book::Claim;
use super::part_file::{PartFile, PartPlace};
use super::patience::Credit;
use super::{Cache, blocking, failing};
use crate::pace::Pace;
use crate::splice::Ends;

/// Written at once: four pieces. It is what is lost when the hub is killed.
const BATCH: u64 = 4 * PIECE as u64;

/// A blob that somebody sends.
pub(super) struct Arriving<'a> {
    pub(super) cache: &'a Arc<Cache>,
    pub(super) claim: Claim,
}

/// Why a blob does not come to its end.
enum Stopped {
    /// The stream ended: what came waits for the next one.
    Broken(PartFile),
    /// There is no more room: what came waits for some, and it is said to whoever sends it.
    Full(PartFile, FileRefused),
    /// Said to whoever sends it.
    Refused(FileRefused),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Refused(failing(&error))
    }
}

/// Gives a claim back when whoever has it is gone before it knew how it ends.
struct Writing<'a>(Option<&'a Arriving<'a>>);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if let Some(Arriving { cache, claim }) = self.0 {
            cache.book().rest(claim, None);
        }
    }
}

impl Arriving<'_> {
    /// Receives all that is missing, and answers.
    pub(super) async fn receive(
        &self,
        ends: &mut Ends,
        (pace, credit): (&Pace, &mut Credit),
        bytes: &mut u64,
    ) -> Result<(), Broken> {
        let mut writing = Writing(Some(self));
        let taken = self.take_all(ends, (pace, credit), bytes).await;
        writing.0 = None;
        let kept = match taken {
            Ok(()) => self.cache.arrived(&self.claim).await,
            Err(Stopped::Broken(part)) => {
                self.put_down(part).await;
                return Err(Broken);
            }
            Err(Stopped::Full(part, refused)) => {
                self.put_down(part).await;
                Err(refused)
            }
            Err(Stopped::Refused(refused)) => {
                self.cache.discard(&self.claim).await;
                Err(refused)
            }
        };
        match kept {
            Ok(until) => credit.say(&mut ends.0, FILE_KEPT, &FileKept { until }).await,
            Err(refused) => credit.say(&mut ends.0, FILE_REFUSED, &refused).await,
        }
    }

    /// What came waits for the rest. Places are for those who send, not for those who said they
    /// would.
    async fn put_down(&self, part: PartFile) {
        if part.len() == 0 {
            self.cache.discard(&self.claim).await;
        } else {
            self.cache.rest(&self.claim, part).await;
        }
    }

    /// Receives what is missing and makes it durable; it is what was promised then.
    async fn take_all(
        &self,
        (send, recv): &mut Ends,
        (pace, credit): (&Pace, &mut Credit),
        bytes: &mut u64,
    ) -> Result<(), Stopped> {
        let mut part = self.open().await?;
        let (mut here, sealed) = (part.len(), self.claim.blob.shape.sealed());
        if credit.say(send, FILE_WANTED, &FileWanted { from: here }).await.is_err() {
            return Err(Stopped::Broken(part));
        }
        while here < sealed {
            let wanted = (sealed - here).min(BATCH);
            if let Err(refused) = self.make_room(here, here + wanted).await {
                return Err(match refused.code {
                    FileRefusal::Full => Stopped::Full(part, refused),
                    _ => Stopped::Refused(refused),
                });
            }
            let mut batch = credit.fill(recv, wanted, pace).await;
            let came = batch.len() as u64;
            *bytes += came;
            if came < wanted {
                batch.truncate(batch.len() - batch.len() % PIECE);
            }
            here += batch.len() as u64;
            part = take(part, batch).await?;
            if came < wanted {
                self.cache.book().came(&self.claim, here);
                return Err(Stopped::Broken(part));
            }
        }
        if !self.cache.book().came(&self.claim, here) {
            return Err(Stopped::Refused(FileRefusal::TakenBack.plain()));
        }
        let made = blocking(move || part.finish()).await?;
        if made == Some(self.claim.blob) {
            return Ok(());
        }
        Err(Stopped::Refused(FileRefusal::WrongBytes.plain()))
    }

    /// Writes down what is here, and has room set aside up to there.
    async fn make_room(&self, here: u64, upto: u64) -> Result<(), FileRefused> {
        let taken_back = FileRefusal::TakenBack.plain();
        if !self.cache.book().came(&self.claim, here) {
            return Err(taken_back);
        }
        if self.cache.book().reaches(&self.claim, upto) {
            return Ok(());
        }
        let free = self.cache.free().await;
        self.cache.book().reserve(&self.claim, upto, free)
    }

    /// Opens the files while nothing else is decided: a claim that is worth nothing any more must
    /// not make files that nobody knows of, nor write into those of a later one.
    async fn open(&self) -> Result<PartFile, Stopped> {
        let Claim { node, blob, .. } = self.claim;
        let turn = self.cache.turn.lock().await;
        if !self.cache.book().holds(&self.claim) {
            return Err(Stopped::Refused(FileRefusal::TakenBack.plain()));
        }
        let growing = self.cache.resting().remove(&(node, blob.address));
        let folder = Arc::clone(&self.cache.folder);
        let place = blocking(move || {
            let [data, tree] = folder.part_paths(node, blob);
            PartPlace::open([&data, &tree])
        });
        let place = place.await?;
        // Reading what is there may take a while, and nobody is to wait for it.
        drop(turn);
        Ok(blocking(move || PartFile::go_on(place, blob, growing)).await?)
    }
}

async fn take(mut part: PartFile, batch: Vec<u8>) -> io::Result<PartFile> {
    blocking(move || {
        part.take(&batch)?;
        Ok(part)
    })
    .await
}
