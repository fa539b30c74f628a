//! Files that come to be fetched, and those that are let go.
//!
//! Invariant: one address is fetched once. Anybody may copy an address and say false things of it;
//! so of two that differ, the one that something came of is believed, and else the later one is
//! tried. What is here of one is never taken away for the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hubbub_shared::id::BlobId;
use tokio::time::Instant;

use super::fetches::{Fetches, File, REST, Stage};
use super::jobs::{Job, Mark};
use crate::transfer::disk::{Course, DiskError, Found, Landing, Reference, Target, landing};
use crate::transfer::order::{Failure, Fetch, Tell};
use crate::transfer::plan::{FileId, Wanted};
use crate::transfer::serve::offered::Whole;

/// What there was of a file that was let go.
struct Ended {
    mark: Mark,
    reference: Reference,
    target: Target,
    landing: Option<Arc<Landing>>,
    /// Its tree is not its alone.
    keep: bool,
}

impl Fetches {
    /// A file is wanted.
    pub fn fetch(&mut self, fetch: Fetch, tells: &mut impl Extend<Tell>) {
        let (file, blob) = (fetch.file, fetch.reference.blob);
        if self.files.contains_key(&file) {
            return; // it is on its way
        }
        if let Err(why) = self.make_way(&fetch.reference, tells) {
            tells.extend([Tell::Failed { file, why }]);
            return;
        }
        let wanted = File {
            time: 0,
            was_known: self.shelf.knows(&blob.address, file.0),
            reference: fetch.reference,
            target: fetch.target,
            stage: Stage::Shut(None),
            sources: fetch.sources.into_iter().collect(),
            priority: fetch.priority,
            paused: fetch.paused,
            links: BTreeMap::new(),
            fresh: 0,
            synced: Instant::now(),
            rest: REST.0,
            here: 0,
            liars: Vec::new(),
        };
        let begins = !wanted.paused;
        self.files.insert(file, wanted);
        if begins {
            self.begin(file);
        }
    }

    /// A file of which nothing is open is looked for on the disk.
    pub(super) fn begin(&mut self, file: FileId) {
        let Some(fetch) = self.files.get_mut(&file) else { return };
        self.number += 1;
        (fetch.time, fetch.synced) = (self.number, Instant::now());
        let (mark, course) = (Mark { file, time: fetch.time }, Arc::new(Course::default()));
        fetch.stage = Stage::Opening(Arc::clone(&course));
        let (shelf, target) = (self.shelf.clone(), fetch.target.clone());
        let (reference, address) = (fetch.reference.duplicate(), fetch.reference.blob.address);
        let whole = self.server.offered.whole_of_another(&address, file);
        self.jobs.begin(address, mark, move || {
            if let Some(why) = whole.and_then(|whole| is_here(&whole, &reference)) {
                return Job::Refused(why);
            }
            let opened = Landing::open((&shelf, file.0), &reference, &target, &course);
            let noted = || landing::noted((&shelf, file.0), &reference.blob);
            Job::Opened(opened.map_err(|error| (error, noted())))
        });
    }

    /// Looks whether the address is on its way already. One that says something else of it, and of
    /// which nothing came, is let go.
    fn make_way(
        &mut self,
        reference: &Reference,
        tells: &mut impl Extend<Tell>,
    ) -> Result<(), Failure> {
        let same =
            |(_, file): &(&FileId, &File)| file.reference.blob.address == reference.blob.address;
        let Some((other, there)) = self.files.iter().find(same) else { return Ok(()) };
        let other = *other;
        if there.reference.is(reference) {
            return Err(Failure::Twice(other));
        }
        if there.has_some() {
            return Err(Failure::Untrue);
        }
        self.discard(other);
        tells.extend([Tell::Failed { file: other, why: Failure::GaveWay }]);
        Ok(())
    }

    pub(super) fn opened(
        &mut self,
        file: FileId,
        found: Result<Option<Found>, (DiskError, u64)>,
        tells: &mut impl Extend<Tell>,
    ) {
        let now = self.now();
        let Some(fetch) = self.files.get_mut(&file) else { return };
        match found {
            Err((error, noted)) => {
                // For who looks at it while it waits for its disk.
                fetch.here = noted;
                self.disk_failed(file, error, tells);
            }
            Ok(None) => self.failed(file, Failure::Unfit, tells),
            Ok(Some(Found::Whole(path, stamp))) => {
                self.files.remove(&file);
                tells.extend([Tell::Done { file, path, stamp }]);
            }
            Ok(Some(Found::Part(landing))) => {
                let landing = Arc::<Landing>::from(landing);
                let (shape, have) = (landing.blob().shape, landing.have().clone());
                fetch.stage = Stage::Open(Arc::clone(&landing), false);
                if fetch.paused {
                    return self.shut(file, None);
                }
                self.server.offered.put_part(file, landing);
                let (priority, paused) = (fetch.priority, fetch.paused);
                let liars = fetch.liars.clone();
                let wanted = Wanted { file, shape, have, priority, paused, liars };
                if self.plan.handle_wanted(wanted, now).is_err() {
                    self.failed(file, Failure::TooMany, tells);
                    return;
                }
                for (source, kind) in &fetch.sources {
                    self.plan.handle_source(file, *source, *kind, now);
                }
            }
        }
    }

    /// It is here, and somebody knows where.
    pub fn landed(&mut self, address: BlobId, file: FileId) {
        let shelf = self.shelf.clone();
        self.jobs.begin(address, Mark { file, time: 0 }, move || {
            shelf.landed(&address, file.0);
            Job::Noted
        });
    }

    /// It is not wanted any more, and nothing of it is kept, but maybe its tree for others.
    pub fn forget(&mut self, file: FileId, (reference, target): (Reference, Target), keep: bool) {
        let mark = Mark { file, time: 0 };
        let unknown = || Ended { mark, reference, target, landing: None, keep };
        let ended = self.end(file).map_or_else(unknown, |ended| Ended { keep, ..ended });
        self.take_away(ended);
    }

    /// Lets go of a file and takes away what there is of it. Whether it was there.
    pub(super) fn discard(&mut self, file: FileId) -> bool {
        let ended = self.end(file);
        let was_there = ended.is_some();
        if let Some(ended) = ended {
            self.take_away(ended);
        }
        was_there
    }

    fn take_away(&mut self, ended: Ended) {
        let Ended { mark, reference, target, landing, keep } = ended;
        let (file, address) = (mark.file, reference.blob.address);
        let shelf = self.shelf.clone();
        let fetched = self.files.values().any(|file| file.reference.blob.address == address);
        let keep = keep || fetched || self.server.offered.has_another(&address, file);
        self.jobs.begin(address, mark, move || {
            Job::Dropped(match landing {
                Some(landing) => landing.discard(keep),
                None => landing::discard((&shelf, file.0), &reference, &target, keep),
            })
        });
    }

    /// Lets go of a file; what was open of it.
    fn end(&mut self, file: FileId) -> Option<Ended> {
        let ended = self.files.remove(&file)?;
        self.named.retain(|_, (of, _)| *of != file);
        self.server.offered.take_back(file);
        self.plan.handle_cancelled(file, self.now());
        let landing = match ended.stage {
            Stage::Open(landing, _) | Stage::Landing(landing) => Some(landing),
            Stage::Opening(course) => {
                course.stop.store(true, Ordering::Relaxed);
                None
            }
            Stage::Shut(_) => None,
        };
        let File { reference, target, time, .. } = ended;
        Some(Ended { mark: Mark { file, time }, reference, target, landing, keep: false })
    }

    /// Nothing comes of it for now; what is here of it stays.
    pub(super) fn failed(&mut self, file: FileId, why: Failure, tells: &mut impl Extend<Tell>) {
        let Some(ended) = self.end(file) else { return };
        if let Some(landing) = ended.landing {
            // Before it is opened again, if it is wanted again.
            let address = ended.reference.blob.address;
            self.jobs.begin(address, ended.mark, move || Job::Closed(landing.close(false)));
        }
        tells.extend([Tell::Failed { file, why }]);
    }
}

/// Why a file is not fetched of which another one of its address is here whole, if it still is.
fn is_here(whole: &Whole, reference: &Reference) -> Option<Failure> {
    whole.path.symlink_metadata().ok()?;
    let same = whole.reference.is(reference);
    Some(if same { Failure::Here(whole.path.clone()) } else { Failure::Untrue })
}

impl File {
    /// Whether some of it is here: what opens shows that its reference is true.
    fn has_some(&self) -> bool {
        match &self.stage {
            Stage::Opening(_) | Stage::Shut(_) => self.was_known,
            Stage::Open(landing, _) => landing.have().count() > 0,
            Stage::Landing(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use hubbub_shared::blob::Blob;
    use hubbub_shared::content::FileName;
    use hubbub_shared::crypto::Secret32;
    use hubbub_shared::crypto::stream::FileKey;
    use hubbub_shared::id::NodeId;
    use tokio::sync::mpsc;

    use super::*;
    use crate::transfer::disk::{Form, Shelf};
    use crate::transfer::plan::Priority;
    use crate::transfer::serve::Server;
    use crate::transfer::serve::offered::Offered;
    use crate::transfer::streams::{Opening, Streams};

    struct Nowhere;

    impl Streams for Nowhere {
        fn open(&self, _: NodeId) -> Opening<'_> {
            Box::pin(async { Err(io::ErrorKind::NotConnected.into()) })
        }

        fn open_hub(&self) -> Opening<'_> {
            Box::pin(async { Err(io::ErrorKind::NotConnected.into()) })
        }
    }

    fn fetches(dir: &Path) -> Fetches {
        let shelf = Shelf::open(dir.join("files")).unwrap();
        let (became, _) = mpsc::channel(1);
        let may = Box::new(|_, _| -> crate::transfer::serve::Asking {
            Box::pin(std::future::ready(true))
        });
        let server = Arc::new(Server::new(Offered::new(shelf.clone(), became), may));
        Fetches::new((NodeId([1; 32]), [1; 32]), shelf, server, Arc::new(Nowhere))
    }

    fn wanted(dir: &Path) -> Fetch {
        let shape = hubbub_shared::blob::Shape::of(9).unwrap();
        let blob = Blob { address: BlobId([1; 32]), shape };
        let key = FileKey::from_parts(Secret32::from_bytes([2; 32]), [3; 16]);
        Fetch {
            file: FileId(1),
            reference: Reference { blob, key, size: 9 },
            target: Target { folder: dir.to_owned(), name: FileName::clean("b"), form: Form::File },
            sources: Vec::new(),
            priority: Priority::Normal,
            paused: false,
        }
    }

    #[tokio::test]
    async fn the_end_does_not_wait_until_all_that_is_here_was_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let mut fetches = fetches(dir.path());
        fetches.fetch(wanted(dir.path()), &mut Vec::new());
        let Stage::Opening(course) = &fetches.files[&FileId(1)].stage else { panic!("opening") };
        let course = Arc::clone(course);
        fetches.stop().await;
        assert!(course.stop.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_job_that_died_leaves_no_file_waiting_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut fetches = fetches(dir.path());
        fetches.fetch(wanted(dir.path()), &mut Vec::new());
        let (mark, mut tells) = (Mark { file: FileId(1), time: fetches.number }, Vec::new());
        let late = Mark { time: 0, ..mark };
        fetches.handle_job(late, Job::Died, &mut tells);
        assert!(tells.is_empty(), "that of an earlier time says nothing of this one");
        fetches.handle_job(mark, Job::Died, &mut tells);
        assert!(matches!(tells[..], [Tell::Failed { why: Failure::Disk(_), .. }]));
        assert!(fetches.files.is_empty());
    }
}
