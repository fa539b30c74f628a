//! What takes a disk's time, beside the task that fetches.
//!
//! Invariant: of what has one address, one job runs at a time, in the order in which they were
//! begun. So what is taken away was opened before, and is opened again only after; and nothing that
//! was let go comes up again, since each job carries the mark of what it was begun for. A job that
//! panics says so.

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use hubbub_shared::id::BlobId;
use tokio::task::JoinSet;

use crate::transfer::disk::{DiskError, Found, NotUnpacked, Stamp};
use crate::transfer::order::Failure;
use crate::transfer::plan::FileId;

/// How a job ended.
pub(super) enum Job {
    /// Also how many bytes were noted of one that could not be opened.
    Opened(Result<Option<Found>, (DiskError, u64)>),
    /// It was not opened.
    Refused(Failure),
    Synced(Result<(), DiskError>),
    Landed(Result<(PathBuf, Stamp), NotUnpacked>),
    Dropped(Result<(), DiskError>),
    /// What came of it is noted, if it was to be, and it is not open any more.
    Closed(Result<(), DiskError>),
    /// It is known elsewhere that it is here.
    Noted,
    /// It has a bug.
    Died,
}

/// For what a job was begun: a file, and which time that it was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) file: FileId,
    pub(super) time: u64,
}

type Work = Box<dyn FnOnce() -> Job + Send>;

/// See the top of the file. How many wait is bounded by the orders that were given.
#[derive(Default)]
pub(super) struct Jobs {
    running: JoinSet<(BlobId, Mark, Job)>,
    /// Behind those that run; an entry for each of these.
    waiting: BTreeMap<BlobId, VecDeque<(Mark, Work)>>,
}

impl Jobs {
    pub(super) fn begin(
        &mut self,
        blob: BlobId,
        mark: Mark,
        work: impl FnOnce() -> Job + Send + 'static,
    ) {
        match self.waiting.entry(blob) {
            Entry::Occupied(mut waiting) => waiting.get_mut().push_back((mark, Box::new(work))),
            Entry::Vacant(place) => {
                place.insert(VecDeque::new());
                self.run(blob, mark, work);
            }
        }
    }

    fn run(&mut self, blob: BlobId, mark: Mark, work: impl FnOnce() -> Job + Send + 'static) {
        self.running.spawn_blocking(move || {
            let job = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Job::Died);
            (blob, mark, job)
        });
    }

    /// What ends next; none while nothing runs. May be given up.
    pub(super) async fn next(&mut self) -> Option<(Mark, Job)> {
        // Only a job that was aborted is an error, and none is.
        let (blob, mark, job) = self.running.join_next().await?.ok()?;
        match self.waiting.get_mut(&blob).and_then(VecDeque::pop_front) {
            Some((next, work)) => self.run(blob, next, work),
            None => drop(self.waiting.remove(&blob)),
        }
        Some((mark, job))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn mark(time: u64) -> Mark {
        Mark { file: FileId(1), time }
    }

    #[tokio::test]
    async fn of_one_address_jobs_run_in_turn_and_of_others_beside_it() {
        let (mut jobs, (go, wait)) = (Jobs::default(), mpsc::channel());
        let (said, heard) = mpsc::channel();
        let says = |n: u8| {
            let said = said.clone();
            move || {
                said.send(n).unwrap();
                Job::Dropped(Ok(()))
            }
        };
        let slow = says(1);
        jobs.begin(BlobId([1; 32]), mark(1), move || {
            wait.recv().unwrap();
            slow()
        });
        jobs.begin(BlobId([1; 32]), mark(2), says(2));
        jobs.begin(BlobId([2; 32]), mark(3), says(3));
        assert_eq!(jobs.next().await.unwrap().0, mark(3));
        go.send(()).unwrap();
        assert_eq!(jobs.next().await.unwrap().0, mark(1));
        assert_eq!(jobs.next().await.unwrap().0, mark(2));
        assert!(jobs.next().await.is_none());
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [3, 1, 2]);
    }

    #[tokio::test]
    async fn a_job_that_panics_says_so_and_the_next_one_runs() {
        let mut jobs = Jobs::default();
        jobs.begin(BlobId([1; 32]), mark(1), || panic!("a bug"));
        jobs.begin(BlobId([1; 32]), mark(2), || Job::Synced(Ok(())));
        assert!(matches!(jobs.next().await, Some((at, Job::Died)) if at == mark(1)));
        assert!(matches!(jobs.next().await, Some((at, Job::Synced(Ok(())))) if at == mark(2)));
    }
}
