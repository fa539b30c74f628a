//! A place for real processes: a folder that goes away, an empty `HOME`, and the two programs as
//! they were built.
//!
//! Invariant: every process started here is killed, by its own id, when its owner is dropped; when
//! that happens because a test fails, the end of what it logged is shown.

// What does not work here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Long enough for a loaded machine; nothing waits that long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How long one command may take.
const COMMAND: Duration = Duration::from_secs(60);
/// Lines of a process's log shown when a test fails.
const SHOWN: usize = 80;

/// A folder for one test, with a `HOME` that has nothing in it.
pub struct Stage {
    dir: TempDir,
    /// What nodes log, if not what the tests were told.
    log: Option<&'static str>,
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// A new one.
    ///
    /// # Panics
    /// When no folder can be made.
    #[must_use]
    pub fn new() -> Self {
        // A short path: local sockets live below it, and theirs may not be long.
        let dir = tempfile::Builder::new().prefix("hub").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        Self { dir, log: None }
    }

    /// A new one whose nodes log this.
    #[must_use]
    pub fn logging(log: &'static str) -> Self {
        Self { log: Some(log), ..Self::new() }
    }

    /// A file or folder in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The environment every process gets: nothing of the machine's but its `PATH`.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let home = self.path("home").to_string_lossy().into_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let told = std::env::var("HUBBUB_LOG").unwrap_or_default();
        let log = self.log.map_or(told, str::to_owned);
        let pairs = [("HOME", home.as_str()), ("PATH", &path), ("LANG", "C.UTF-8")];
        let logged = (!log.is_empty()).then_some(("HUBBUB_LOG", log.as_str()));
        pairs
            .into_iter()
            .chain(logged)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// One of the two programs, ready to be given arguments.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command.env_clear().envs(self.environment()).current_dir(self.dir.path());
        command
    }

    /// The same in a network namespace.
    #[must_use]
    pub fn command_in(&self, place: Option<&str>, program: &str) -> Command {
        let Some(place) = place else { return self.command(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", place]).arg(binary(program));
        command.env_clear().envs(self.environment()).current_dir(self.dir.path());
        command
    }

    /// Runs a command of `program` to its end.
    #[must_use]
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, program: &str, args: &[S]) -> Output {
        let mut command = self.command(program);
        command.args(args);
        run(command)
    }

    /// Starts `command` with its outputs going to files called `name`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, name: &str, mut command: Command, stdin: Stdio) -> Process {
        let file = |kind: &str| {
            let path = (0..)
                .map(|n| self.path("logs").join(format!("{name}-{n}.{kind}")))
                .find(|path| !path.exists());
            path.unwrap_or_default()
        };
        let (stdout, stderr) = (file("out"), file("err"));
        command.stdin(stdin);
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdin = child.stdin.take();
        Process { name: name.to_owned(), child, stdin, stdout, stderr }
    }
}

/// Where cargo put a program: beside the folder of the running test.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary(program: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap_or(Path::new("."));
    let path = profile.join(program);
    let hint = "build the programs first: cargo build --workspace --bins";
    assert!(path.exists(), "there is no {}; {hint}", path.display());
    path
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; -1 when it was killed.
    pub status: i32,
    /// Results.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl Output {
    /// Each line of stdout as JSON.
    ///
    /// # Panics
    /// When a line is no JSON.
    #[must_use]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}: {self:?}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// What it said went wrong, of a command run with `--json`: code, words and hint.
    ///
    /// # Panics
    /// When it did not say.
    #[must_use]
    pub fn error(&self) -> Told {
        let line = self.json().into_iter().find_map(|line| line.get("error").cloned());
        let line = line.unwrap_or_else(|| panic!("no error in {self:?}"));
        let part = |key| line.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Told { code: part("code"), what: part("what"), hint: part("hint") }
    }

    /// This, if it ended well.
    ///
    /// # Panics
    /// When it did not.
    pub fn fine(self) -> Self {
        assert_eq!(self.status, 0, "{self:?}");
        self
    }
}

/// An error as a program is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The stable code.
    pub code: String,
    /// What happened.
    pub what: String,
    /// What to try.
    pub hint: String,
}

/// Runs a command to its end, without input.
///
/// # Panics
/// When it takes longer than a minute.
#[must_use]
pub fn run(mut command: Command) -> Output {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdin(Stdio::null());
    command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let ended = ended_within(&mut child, COMMAND);
    let read = |file: &mut File| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (read(&mut out), read(&mut err));
    let Some(status) = ended else {
        end(&mut child);
        panic!("{command:?} did not end in {COMMAND:?}; it said {stdout}{stderr}");
    };
    Output { status, stdout, stderr }
}

fn ended_within(child: &mut Child, limit: Duration) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.code().unwrap_or(-1));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn end(child: &mut Child) {
    // One that has ended already is what is wanted.
    child.kill().ok();
    child.wait().ok();
}

/// A running process.
pub struct Process {
    name: String,
    child: Child,
    /// Held open: some programs run as long as somebody may still say something.
    stdin: Option<ChildStdin>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// What it wrote to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Its exit code, if it has ended.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn ended(&mut self) -> Option<i32> {
        let status = self.child.try_wait().unwrap()?;
        Some(status.code().unwrap_or(-1))
    }

    /// Takes it down with `kill -9`, in the middle of whatever it does.
    pub fn kill9(mut self) {
        end(&mut self.child);
    }

    /// Sends it a signal: `TERM`, `INT`, `STOP` and so on.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn signal(&self, name: &str) {
        let asked =
            Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.id())).status();
        assert!(asked.is_ok_and(|status| status.success()), "cannot signal {}", self.name);
    }

    /// Waits for its end and gives its exit code; -1 when a signal ended it.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn wait(&mut self) -> i32 {
        let code = ended_within(&mut self.child, PATIENCE);
        code.unwrap_or_else(|| panic!("{} does not stop", self.name))
    }

    /// Asks it to end (end of input, else SIGTERM), waits, and gives its exit code.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn stop(mut self) -> i32 {
        if self.stdin.take().is_none() {
            self.signal("TERM");
        }
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
        if std::thread::panicking() {
            for said in [self.stdout(), self.stderr()] {
                let lines: Vec<&str> = said.lines().collect();
                let shown = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default();
                eprintln!("--- {}:\n{}", self.name, shown.join("\n"));
            }
        }
    }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Looks again and again until `look` finds what it looks for; until then it says what it sees.
///
/// # Panics
/// After `limit`, with the claim and what was seen last.
pub fn wait_until<T>(
    claim: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let seen = match look() {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(start.elapsed() < limit, "not within {limit:?}: {claim}; seen last: {seen}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
