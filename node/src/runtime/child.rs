//! Another program, run for what it makes of a file.
//!
//! It gets nothing of this node but its arguments and the way to programs: no input, no other
//! variable, no folder, no terminal. Invariant: it and what it started end when their time or room
//! is over, or when nobody wants the result any more; until then this waits. Not for the loop.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How often it is looked at whether time or room is over.
const LOOK: Duration = Duration::from_millis(20);

/// What it may take.
pub(super) struct Bounds<'a> {
    /// Until it is ended.
    pub(super) time: Duration,
    /// Bytes it may say.
    pub(super) says: usize,
    /// A file it writes, and how long that may become.
    pub(super) writes: Option<(&'a Path, u64)>,
    /// Set when nobody wants it any more.
    pub(super) stop: &'a AtomicBool,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it cannot be run: {0}")]
    NotRun(#[from] io::Error),
    #[error("it says that it failed")]
    Failed,
    #[error("it took too long, and was ended")]
    Slow,
    #[error("it made more than it should, and was ended")]
    Large,
    #[error("it is not wanted any more")]
    Stopped,
}

/// Runs it to its end: what it said.
pub(super) fn run(
    program: &Path,
    args: &[OsString],
    bounds: &Bounds<'_>,
) -> Result<Vec<u8>, Fault> {
    let mut command = Command::new(program);
    command.args(args).env_clear().current_dir("/").process_group(0);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let ended = watch(&mut child, bounds);
    if ended.is_err() {
        end(&mut child);
    }
    ended
}

fn watch(child: &mut Child, bounds: &Bounds<'_>) -> Result<Vec<u8>, Fault> {
    let began = Instant::now();
    let said = listen(child, bounds.says)?;
    let mut heard = None;
    loop {
        if bounds.stop.load(Ordering::Relaxed) {
            return Err(Fault::Stopped);
        }
        if began.elapsed() >= bounds.time {
            return Err(Fault::Slow);
        }
        if bounds.writes.is_some_and(|(path, most)| length(path) > most) {
            return Err(Fault::Large);
        }
        if heard.is_none() {
            match said.recv_timeout(LOOK) {
                Ok(bytes) if bytes.len() > bounds.says => return Err(Fault::Large),
                Ok(bytes) => heard = Some(bytes),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Fault::Failed),
            }
        } else if let Some(status) = child.try_wait()? {
            return heard.filter(|_| status.success()).ok_or(Fault::Failed);
        } else {
            std::thread::sleep(LOOK);
        }
    }
}

/// Hears what it says, beside: one byte more than it may at most.
fn listen(child: &mut Child, most: usize) -> Result<Receiver<Vec<u8>>, Fault> {
    let (tell, said) = sync_channel(1);
    let mut from = child.stdout.take().ok_or(Fault::Failed)?;
    let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    std::thread::Builder::new().name("child".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        // What was said before it broke is not enough.
        if from.by_ref().take(most).read_to_end(&mut bytes).is_ok() {
            tell.send(bytes).unwrap_or_default(); // nobody listens to one that was ended
        }
    })?;
    Ok(said)
}

/// Ends it with all it started.
fn end(child: &mut Child) {
    let ended = kill_process_group(Pid::from_child(child), Signal::KILL);
    if let Err(error) = ended.map_err(io::Error::from).and(child.kill()) {
        tracing::debug!("a program that was started cannot be ended: {error}");
    }
    // It leaves no trace in the list of processes.
    child.wait().map_or_else(|error| tracing::debug!("it is not waited for: {error}"), drop);
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |facts| facts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    static GOES_ON: AtomicBool = AtomicBool::new(false);

    fn shell(script: &str, bounds: &Bounds<'_>) -> Result<Vec<u8>, Fault> {
        run(Path::new("/bin/sh"), &["-c".into(), script.into()], bounds)
    }

    fn bounds() -> Bounds<'static> {
        Bounds { time: Duration::from_secs(60), says: 100, writes: None, stop: &GOES_ON }
    }

    #[test]
    fn what_it_says_is_given_and_it_gets_nothing_of_this_node() {
        assert_eq!(shell("echo hello", &bounds()).unwrap(), b"hello\n");
        let asked = "cat; pwd; echo \"${HOME-none} ${CARGO_MANIFEST_DIR-none}\"";
        assert_eq!(shell(asked, &bounds()).unwrap(), b"/\nnone none\n");
        assert!(matches!(shell("echo half; exit 3", &bounds()), Err(Fault::Failed)));
        let absent = run(Path::new("/no/such/program"), &[], &bounds());
        assert!(matches!(absent, Err(Fault::NotRun(_))));
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", note.display());
        // Long enough for the slowest machine to have started it.
        let bounds = Bounds { time: Duration::from_secs(3), ..bounds() };
        assert!(matches!(shell(&script, &bounds), Err(Fault::Slow)));
        let pid = std::fs::read_to_string(&note).unwrap().trim().parse().unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while rustix::process::test_kill_process(pid).is_ok() && !is_dead(pid) {
            assert!(Instant::now() < until, "what it started runs on");
            std::thread::sleep(LOOK);
        }
    }

    /// Whether it only waits for somebody to look at how it ended.
    fn is_dead(pid: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
    }

    #[test]
    fn what_says_or_writes_too_much_is_ended_and_so_is_what_nobody_wants() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(shell("yes", &bounds()), Err(Fault::Large)));
        let path = dir.path().join("large");
        let writes = Bounds { writes: Some((&path, 1_000_000)), ..bounds() };
        let script = format!("exec yes > {}", path.display());
        assert!(matches!(shell(&script, &writes), Err(Fault::Large)));
        let unwanted = Bounds { stop: &AtomicBool::new(true), ..bounds() };
        assert!(matches!(shell("sleep 600", &unwanted), Err(Fault::Stopped)));
    }
}
