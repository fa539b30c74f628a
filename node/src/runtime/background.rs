//! The threads on which files are read, sealed, judged and written.
//!
//! They stand behind those on which people talk: where processors are short, no message waits for a
//! file. It is a runtime of its own because the system gives priorities to threads, not to tasks;
//! connections stay with the other, which puts frames before streams by itself, and so does what is
//! left at the hub, one portion at a time.

use tokio::runtime::{Builder, Runtime};

/// Threads for what waits for others: one can serve while another fetches. What works on bytes gets
/// more as it needs them, within the bounds of those who serve and fetch.
const WORKERS: usize = 2;
/// How far behind, as `nice` has it: beside a thread that people wait for, a tenth is left to
/// these.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The threads; they end with it, after what each is just doing. Nobody waits for that.
pub(super) struct Background(Option<Runtime>);

impl Background {
    pub(super) fn start() -> Self {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(WORKERS)
            .thread_name("files")
            .enable_all()
            .on_thread_start(step_back);
        let told = |error| tracing::warn!("files get no threads of their own: {error}");
        Self(builder.build().map_err(told).ok())
    }

    /// Begins something whose tasks all run there; where there are no such threads, beside
    /// everything else.
    pub(super) fn begin<T>(&self, start: impl FnOnce() -> T) -> T {
        let _there = self.0.as_ref().map(Runtime::enter);
        start()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Puts this thread behind the others. Elsewhere than on Linux that cannot be said of one thread.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!("work on files is as urgent as all else: {error}");
    }
}
