//! Files that wait for an address: one after the other, since each takes all processors.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::{JoinHandle, spawn_blocking};

use super::disk::{Content, Course, SealFailure, Sealed, Shelf, seal};
use super::order::Tell;
use super::plan::FileId;
use crate::net::tls::os_rng;

/// See the top of the file. How many may wait is bounded by whoever orders them.
pub(super) struct Sealings {
    shelf: Shelf,
    waiting: VecDeque<(FileId, PathBuf)>,
    running: Option<Running>,
}

struct Running {
    file: FileId,
    course: Arc<Course>,
    task: JoinHandle<Result<Sealed, SealFailure>>,
}

impl Sealings {
    pub(super) fn new(shelf: Shelf) -> Self {
        Self { shelf, waiting: VecDeque::new(), running: None }
    }

    pub(super) fn begin(&mut self, file: FileId, path: PathBuf) {
        self.waiting.push_back((file, path));
        self.start();
    }

    /// Nobody wants its address any more.
    pub(super) fn cancel(&mut self, file: FileId) {
        self.waiting.retain(|(waiting, _)| *waiting != file);
        if let Some(running) = self.running.as_ref().filter(|running| running.file == file) {
            running.course.stop.store(true, Ordering::Relaxed);
        }
    }

    /// None of them is wanted any more.
    pub(super) fn stop(&mut self) {
        self.waiting.clear();
        if let Some(running) = self.running.take() {
            running.course.stop.store(true, Ordering::Relaxed);
        }
    }

    fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        let Some((file, path)) = self.waiting.pop_front() else { return };
        let course = Arc::new(Course::default());
        let (shelf, own) = (self.shelf.clone(), Arc::clone(&course));
        let task = spawn_blocking(move || {
            let mut rng = os_rng().map_err(|_| SealFailure::NoRandomness)?;
            let content = Content::open(&path)?;
            own.of.store(content.size(), Ordering::Relaxed);
            seal::seal(&content, (&shelf, file.0), &mut rng, &own)
        });
        self.running = Some(Running { file, course, task });
    }

    /// What came of the next one. May be given up.
    pub(super) async fn next(&mut self) -> Option<Tell> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let ended = (&mut running.task).await;
        let file = running.file;
        self.running = None;
        self.start();
        Some(match ended {
            Ok(Ok(sealed)) => Tell::Sealed { file, sealed },
            Ok(Err(why)) => Tell::NotSealed { file, why },
            Err(_) => Tell::NotSealed { file, why: SealFailure::Stopped },
        })
    }

    pub(super) fn progress(&self) -> impl Iterator<Item = Tell> + '_ {
        self.running.iter().map(|running| Tell::Sealing {
            file: running.file,
            done: running.course.done.load(Ordering::Relaxed),
            of: running.course.of.load(Ordering::Relaxed),
        })
    }
}
