//! Threads of their own for what is busy, so that nobody who talks waits for it.
//!
//! A system gives processors to threads, not to tasks, and first to those that have used little of
//! them. So the packets of connections and the bytes of files are worked at on threads apart from
//! those on which messages are numbered, stored and shown, and behind them.

use tokio::runtime::{Builder, Handle, Runtime};

/// The threads; they end with it, after what each is just doing. Nobody waits for that.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    /// So many of this name, and so far behind the others, as `nice` has it.
    pub(crate) fn start(name: &'static str, workers: usize, nice: i32) -> Self {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(workers)
            .thread_name(name)
            .enable_all()
            .on_thread_start(move || step_back(nice));
        let told = |error| tracing::warn!("no threads apart for {name}: {error}");
        Self(builder.build().map_err(told).ok())
    }

    /// Begins something whose tasks all run there; where there are no such threads, beside
    /// everything else.
    pub(crate) fn begin<T>(&self, start: impl FnOnce() -> T) -> T {
        let _there = self.0.as_ref().map(Runtime::enter);
        start()
    }

    /// For beginning something there later; none where there are no such threads.
    pub(crate) fn handle(&self) -> Option<Handle> {
        self.0.as_ref().map(|runtime| runtime.handle().clone())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Puts this thread behind the others.
#[cfg(target_os = "linux")]
fn step_back(nice: i32) {
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        tracing::debug!("what is busy is as urgent as all else: {error}");
    }
}

/// Elsewhere that cannot be said of one thread.
#[cfg(not(target_os = "linux"))]
fn step_back(_: i32) {}
