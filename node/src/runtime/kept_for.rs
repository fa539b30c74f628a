//! For how long the hub keeps files: asked once somebody waits for one that nobody has any more, so
//! that it can be said why the hub has it no more.

use std::time::{Duration, Instant};

use hubbub_shared::wire::files::FilesTold;
use tokio::task::JoinSet;

use crate::engine::file::order::Told;
use crate::net::{FilesError, HubFiles};

/// When a hub that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(60);

/// See the top of the file.
pub(super) struct KeptFor {
    hub: HubFiles,
    /// When it was asked last.
    asked: Option<Instant>,
    is_known: bool,
    /// At most one.
    task: JoinSet<Result<FilesTold, FilesError>>,
}

impl KeptFor {
    pub(super) fn new(hub: HubFiles) -> Self {
        Self { hub, asked: None, is_known: false, task: JoinSet::new() }
    }

    /// Asks, unless it is known or was asked just now.
    pub(super) fn ask(&mut self) {
        let now = Instant::now();
        let soon = self.asked.is_some_and(|at| now.duration_since(at) < AGAIN);
        if self.is_known || soon || !self.task.is_empty() {
            return;
        }
        self.asked = Some(now);
        let hub = self.hub.clone();
        self.task.spawn(async move { hub.limits().await });
    }

    /// What it answers. May be given up.
    pub(super) async fn next(&mut self) -> Told {
        while let Some(answer) = self.task.join_next().await {
            match answer {
                Ok(Ok(told)) => {
                    self.is_known = true;
                    if told.on {
                        return Told::HubKeeps { keep: told.keep };
                    }
                }
                Ok(Err(error)) => tracing::debug!("the hub does not say what it keeps: {error}"),
                // It was aborted, with everything else.
                Err(_) => {}
            }
        }
        std::future::pending().await
    }
}
