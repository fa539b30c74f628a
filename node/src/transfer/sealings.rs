//! Files that wait for an address: one large one after the other, since each takes all processors,
//! and small ones beside it, so that none of them waits for a large one to be read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

use super::disk::{Content, Course, SealFailure, Sealed, Shelf, seal};
use super::order::Tell;
use super::plan::FileId;
use crate::net::tls::os_rng;

/// Largest file that goes beside the large ones, 64 MiB: well below a second of one processor.
const SMALL: u64 = 64 << 20;

/// What came of one: its file, which of the times it was to be sealed, and its address.
type Ended = (FileId, u64, Result<Sealed, SealFailure>);

/// See the top of the file. How many may wait is bounded by whoever orders them.
pub(super) struct Sealings {
    shelf: Shelf,
    lanes: Arc<Lanes>,
    wanted: BTreeMap<FileId, (u64, Arc<Course>)>,
    number: u64,
    tasks: JoinSet<Ended>,
}

/// Each lets one through at a time, in the order in which they came.
struct Lanes {
    /// To see how large it is.
    measured: Semaphore,
    small: Semaphore,
    large: Semaphore,
}

impl Sealings {
    pub(super) fn new(shelf: Shelf) -> Self {
        let one = || Semaphore::new(1);
        let lanes = Arc::new(Lanes { measured: one(), small: one(), large: one() });
        let (wanted, tasks) = (BTreeMap::new(), JoinSet::new());
        Self { shelf, lanes, wanted, number: 0, tasks }
    }

    pub(super) fn begin(&mut self, file: FileId, path: PathBuf) {
        self.cancel(file);
        self.number += 1;
        let (number, course) = (self.number, Arc::new(Course::default()));
        self.wanted.insert(file, (number, Arc::clone(&course)));
        let (lanes, shelf) = (Arc::clone(&self.lanes), self.shelf.clone());
        self.tasks
            .spawn(async move { (file, number, lanes.seal((shelf, file), path, course).await) });
    }

    /// Nobody wants its address any more.
    pub(super) fn cancel(&mut self, file: FileId) {
        if let Some((_, course)) = self.wanted.remove(&file) {
            course.stop.store(true, Ordering::Relaxed);
        }
    }

    /// None of them is wanted any more.
    pub(super) fn stop(&mut self) {
        let files: Vec<_> = self.wanted.keys().copied().collect();
        files.into_iter().for_each(|file| self.cancel(file));
    }

    /// What came of the next one. May be given up.
    pub(super) async fn next(&mut self) -> Option<Tell> {
        loop {
            let Some(ended) = self.tasks.join_next().await else {
                return std::future::pending().await;
            };
            // Tasks only end early together with this.
            let Ok((file, number, ended)) = ended else { continue };
            if self.wanted.get(&file).is_none_or(|(wanted, _)| *wanted != number) {
                continue;
            }
            self.wanted.remove(&file);
            return Some(match ended {
                Ok(sealed) => Tell::Sealed { file, sealed },
                Err(why) => Tell::NotSealed { file, why },
            });
        }
    }

    pub(super) fn progress(&self) -> impl Iterator<Item = Tell> + '_ {
        let far = |(file, (_, course)): (&FileId, &(u64, Arc<Course>))| {
            let [done, of] = [&course.done, &course.of].map(|at| at.load(Ordering::Relaxed));
            (of > 0).then_some(Tell::Sealing { file: *file, done, of })
        };
        self.wanted.iter().filter_map(far)
    }
}

impl Lanes {
    async fn seal(
        &self,
        which: (Shelf, FileId),
        path: PathBuf,
        course: Arc<Course>,
    ) -> Result<Sealed, SealFailure> {
        let lane = {
            let _turn = self.measured.acquire().await;
            let path = path.clone();
            let size = move || Content::open(&path).map(|content| content.size());
            let size = spawn_blocking(size).await.map_err(|_| SealFailure::Stopped)??;
            if size > SMALL { &self.large } else { &self.small }
        };
        let _turn = lane.acquire().await;
        let sealing = move || {
            if course.stop.load(Ordering::Relaxed) {
                return Err(SealFailure::Stopped);
            }
            let mut rng = os_rng().map_err(|_| SealFailure::NoRandomness)?;
            let content = Content::open(&path)?;
            course.of.store(content.size(), Ordering::Relaxed);
            seal::seal(&content, (&which.0, which.1.0), &mut rng, &course)
        };
        spawn_blocking(sealing).await.map_err(|_| SealFailure::Stopped)?
    }
}
