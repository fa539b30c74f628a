//! Takes the terminal over and gives it back, whatever happens.

use std::io::{self, Stdout, Write, stdout};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// The terminal while it is ours. Dropping it gives the terminal back, also while panicking.
pub(super) struct Screen {
    /// To draw on.
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
    _restore: Restore,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn take(mouse: bool) -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on the guard exists: whatever fails below, the terminal is given back.
        let guard = Restore;
        enter(mouse)?;
        restore_before_panic_message();
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(Self { terminal, mouse, _restore: guard })
    }

    /// Leaves the screen and the mouse to the terminal, with these lines on it just as they are:
    /// what it wraps by itself it also selects and copies whole.
    pub(super) fn step_aside(&mut self, lines: &[String]) -> io::Result<()> {
        let mut out = stdout();
        execute!(out, DisableMouseCapture, LeaveAlternateScreen, crossterm::cursor::Show)?;
        for line in lines {
            write!(out, "{line}\r\n")?;
        }
        out.flush()
    }

    /// Takes the screen again.
    pub(super) fn come_back(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.redraw()
    }

    /// Has the next frame drawn whole. `Terminal::clear` would ask the terminal where its cursor
    /// is, and one that does not answer would end the chat.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        execute!(stdout(), Clear(ClearType::All))?;
        self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(())
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
    if mouse { execute!(stdout(), EnableMouseCapture) } else { Ok(()) }
}

struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        restore();
    }
}

/// Best effort: when even this fails, the terminal is gone and nobody is left to tell.
fn restore() {
    execute!(
        stdout(),
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        crossterm::cursor::Show
    )
    .unwrap_or_default();
    disable_raw_mode().unwrap_or_default();
}

/// A panic's message is printed before anything is dropped: on the screen we are about to leave it
/// would be lost.
fn restore_before_panic_message() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        before(info);
    }));
}
