//! A hub as its operator runs it.

// What does not work here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::ports;
use crate::process::{Output, PATIENCE, Process, Stage, wait_until};

/// A hub on a port of its own.
pub struct Hub<'a> {
    stage: &'a Stage,
    dir: PathBuf,
    level: &'static str,
    /// Where it listens; kept over restarts.
    address: String,
    /// Whether it lets in whoever comes.
    open: bool,
    /// `section.key=value`.
    settings: Vec<String>,
    /// The network namespace it runs in.
    place: Option<String>,
    process: Option<Process>,
}

impl<'a> Hub<'a> {
    /// Starts one, closed to strangers.
    #[must_use]
    pub fn start(stage: &'a Stage) -> Self {
        Self::named(stage, "hub", "info")
    }

    /// Starts one that logs at this level.
    #[must_use]
    pub fn at_level(stage: &'a Stage, level: &'static str) -> Self {
        Self::named(stage, "hub", level)
    }

    /// Starts one whose folder has this name.
    #[must_use]
    pub fn named(stage: &'a Stage, name: &str, level: &'static str) -> Self {
        Self::set_up(stage, (name, level), &[])
    }

    /// Starts one with these settings, each `section.key=value`.
    #[must_use]
    pub fn with(stage: &'a Stage, settings: &[&str]) -> Self {
        Self::set_up(stage, ("hub", "info"), settings)
    }

    fn set_up(stage: &'a Stage, (name, level): (&str, &'static str), settings: &[&str]) -> Self {
        let mut hub = Self {
            stage,
            dir: stage.path(name),
            level,
            address: ports::own().to_string(),
            open: false,
            settings: owned(settings),
            place: None,
            process: None,
        };
        hub.restart();
        hub
    }

    /// Starts one in a network namespace, at an address there.
    #[must_use]
    pub fn at(stage: &'a Stage, place: String, address: &str) -> Self {
        Self::at_with(stage, place, address, &[])
    }

    /// The same with these settings, each `section.key=value`.
    #[must_use]
    pub fn at_with(stage: &'a Stage, place: String, address: &str, settings: &[&str]) -> Self {
        let mut hub = Self {
            stage,
            dir: stage.path("hub"),
            level: "info",
            address: address.to_owned(),
            open: false,
            settings: owned(settings),
            place: Some(place),
            process: None,
        };
        hub.restart();
        hub
    }

    /// Starts it again, at the address it had.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&mut self) {
        let mut command = self.stage.command_in(self.place.as_deref(), "hubbub-hub");
        command.arg("--dir").arg(&self.dir).args(["run", "--listen", &self.address]);
        command.args(["--set", &format!("log.level={}", self.level)]);
        // Whatever the machine's disk has left; a test that is about that says so below.
        command.args(["--set", "files.reserve_mib=0"]);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        if self.open {
            command.arg("--open");
        }
        let mut process = self.stage.start("hub", command, Stdio::null());
        self.address = wait_until("the hub listens", PATIENCE, || {
            let said = process.stderr();
            let words = said.split_once("listens on UDP ").map(|(_, rest)| rest);
            let address = words.and_then(|rest| rest.split_once('\n')).map(|(line, _)| line.trim());
            assert!(process.ended().is_none(), "the hub ended: {said}");
            address.map(str::to_owned).ok_or(said)
        });
        self.process = Some(process);
    }

    /// Makes an invite for so many.
    #[must_use]
    pub fn invite(&self, uses: u32) -> String {
        self.invite_for(uses, "1h")
    }

    /// Makes an invite that holds so long.
    #[must_use]
    pub fn invite_for(&self, uses: u32, time: &str) -> String {
        let uses = uses.to_string();
        let made = self.run(&["invite", "--uses", &uses, "--expires", time]).fine();
        made.stdout.trim().to_owned()
    }

    /// Runs an operator's command on it.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        let dir = self.dir.to_string_lossy();
        let args: Vec<&str> = ["--dir", &dir].into_iter().chain(args.iter().copied()).collect();
        self.stage.run("hubbub-hub", &args)
    }

    /// Takes it down with `kill -9`.
    pub fn kill9(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill9();
        }
    }

    /// Takes it down, deletes everything but its keys and starts it again, open: it knows nobody.
    ///
    /// # Panics
    /// When there is nothing to delete, or it does not come up.
    pub fn lose_store(&mut self) {
        self.kill9();
        std::fs::remove_dir_all(self.dir.join("store")).unwrap();
        self.open = true;
        self.restart();
    }

    /// Stops it as its operator would.
    ///
    /// # Panics
    /// When it ends badly.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            assert_eq!(process.stop(), 0);
        }
    }

    /// The folder with everything it keeps.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has logged since its last start.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().unwrap().stderr()
    }

    /// Memory in use and the most there ever was, in KiB.
    ///
    /// # Panics
    /// When the system does not say.
    #[must_use]
    pub fn memory_kib(&self) -> (u64, u64) {
        let path = format!("/proc/{}/status", self.process_id());
        let status = std::fs::read_to_string(path).unwrap();
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        (figure("VmRSS:"), figure("VmHWM:"))
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }
}

fn owned(settings: &[&str]) -> Vec<String> {
    settings.iter().map(|setting| (*setting).to_owned()).collect()
}
