//! Somebody in front of a terminal: a pseudo-terminal, and the screen it would show.

// What does not work here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::process::{PATIENCE, Stage, binary, wait_until};

/// A program in a terminal of its own.
pub struct Terminal {
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Box<dyn Child + Send + Sync>,
    /// Its end is the program's hang-up.
    _master: Box<dyn MasterPty + Send>,
    _reader: JoinHandle<()>,
}

impl Terminal {
    /// Types `hubbub` and `args` into a new terminal of so many columns and rows.
    ///
    /// # Panics
    /// When there is no pseudo-terminal.
    #[must_use]
    pub fn hubbub(stage: &Stage, args: &[&str], (cols, rows): (u16, u16)) -> Self {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(binary("hubbub"));
        command.args(args);
        command.cwd(stage.path("home"));
        command.env_clear();
        for (key, value) in stage.environment() {
            command.env(key, value);
        }
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let keys = pair.master.take_writer().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, cols, 0)));
        let reader = watch(pair.master.try_clone_reader().unwrap(), Arc::clone(&screen));
        Self { keys, screen, child, _master: pair.master, _reader: reader }
    }

    /// Types.
    ///
    /// # Panics
    /// When the program is gone.
    pub fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Types a line and presses Enter.
    pub fn enter(&mut self, line: &str) {
        self.type_in(&format!("{line}\r"));
    }

    /// What stands on the screen now.
    #[must_use]
    pub fn screen(&self) -> String {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen().contents()
    }

    /// Whether the program has taken neither the screen nor the mouse: then people select and copy
    /// as they are used to.
    #[must_use]
    pub fn is_left_alone(&self) -> bool {
        let parser = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let screen = parser.screen();
        let mouse = screen.mouse_protocol_mode();
        !screen.alternate_screen() && matches!(mouse, vt100::MouseProtocolMode::None)
    }

    /// Waits until the screen shows `text`.
    pub fn until_shows(&self, text: &str) {
        self.until(&format!("the screen shows {text:?}"), |screen| screen.contains(text));
    }

    /// Waits until what the screen shows is as `look` wants it.
    pub fn until(&self, claim: &str, look: impl Fn(&str) -> bool) {
        wait_until(claim, PATIENCE, || {
            let screen = self.screen();
            if look(&screen) { Ok(()) } else { Err(format!("\n{screen}")) }
        });
    }

    /// Waits until the program has ended, and gives its exit code.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn until_ended(mut self) -> u32 {
        wait_until("the program ends", PATIENCE, || {
            let ended = self.child.try_wait().unwrap().map(|status| status.exit_code());
            ended.ok_or_else(|| format!("\n{}", self.screen()))
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the screen:\n{}", self.screen());
        }
        // One that has ended already is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Draws what the program writes, until it is gone.
fn watch(mut from: Box<dyn Read + Send>, screen: Arc<Mutex<vt100::Parser>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut bytes) {
            let read = bytes.get(..n).unwrap_or_default();
            screen.lock().unwrap_or_else(PoisonError::into_inner).process(read);
        }
    })
}
