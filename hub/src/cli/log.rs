//! The hub's log on its way to standard error.
//!
//! Invariant: a thread of its own writes, so a terminal that is stopped or a pipe that nobody reads
//! holds up the log and nothing else. Lines that find no room are counted, and the count is
//! written.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines waiting to be written: some seconds of a busy hub.
const LINES: usize = 4_096;
/// How long the last lines may take when the hub ends.
const LAST: Duration = Duration::from_secs(1);
/// How often it is seen whether a log that was full has room for the word that it is to end.
const ROOM: Duration = Duration::from_millis(1);

enum Out {
    Line(Vec<u8>),
    /// Everything before has been written.
    Done(SyncSender<()>),
}

/// Takes lines without ever waiting.
#[derive(Clone)]
pub(super) struct Lines {
    out: SyncSender<Out>,
    missed: Arc<AtomicU64>,
}

/// The thread that writes them, and how to reach it.
pub(super) struct Log {
    lines: Lines,
    _thread: JoinHandle<()>,
}

impl Log {
    /// Starts writing to `to`.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub(super) fn to(to: impl Write + Send + 'static) -> io::Result<Self> {
        let (out, waiting) = sync_channel(LINES);
        let missed = Arc::<AtomicU64>::default();
        let lines = Lines { out, missed: Arc::clone(&missed) };
        let write = move || write(to, &waiting, &missed);
        let thread = thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok(Self { lines, _thread: thread })
    }

    /// What lines are given to.
    pub(super) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Waits until what was given is written, for a moment.
    pub(super) fn finish(&self) {
        let (done, written) = sync_channel(1);
        let mut last = Out::Done(done);
        // A log that takes nothing any more does not keep the hub from ending.
        let patience = Instant::now();
        while patience.elapsed() < LAST {
            match self.lines.out.try_send(last) {
                Ok(()) => return written.recv_timeout(LAST).unwrap_or_default(),
                Err(TrySendError::Full(again)) => last = again,
                Err(TrySendError::Disconnected(_)) => return,
            }
            thread::sleep(ROOM);
        }
    }
}

fn write(mut to: impl Write, waiting: &Receiver<Out>, missed: &AtomicU64) {
    for out in waiting {
        let written = match out {
            Out::Line(line) => to.write_all(&line),
            Out::Done(done) => {
                // Whoever asked may not wait any more.
                done.send(()).unwrap_or_default();
                Ok(())
            }
        };
        let missed = missed.swap(0, Ordering::Relaxed);
        let told = match missed {
            0 => Ok(()),
            missed => writeln!(to, "({missed} lines missed: the log was not taken)"),
        };
        if written.and(told).is_err() {
            return; // nobody is left to read it
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.out.try_send(Out::Line(line.to_vec())).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing before it is told to, then says what it got.
    struct Stopped(Receiver<()>, SyncSender<Vec<u8>>);

    impl Write for Stopped {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.recv().unwrap_or_default();
            self.1.send(line.to_vec()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_is_not_taken_holds_nobody_up_and_says_how_much_it_missed() {
        let (go_on, stopped) = sync_channel(0);
        let (took, taken) = sync_channel(2 * LINES);
        let log = Log::to(Stopped(stopped, took)).unwrap();
        let mut lines = log.lines();
        (0..LINES + 100).for_each(|n| lines.write_all(format!("{n}\n").as_bytes()).unwrap());
        drop(go_on);
        log.finish();
        let written: Vec<u8> = taken.try_iter().flatten().collect();
        let written = String::from_utf8(written).unwrap();
        assert!(written.starts_with("0\n") && written.contains(" lines missed"), "{written}");
    }
}
