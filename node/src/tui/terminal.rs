//! Takes the terminal over and gives it back, whatever happens.

use std::io::{self, Stdout, stdout};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// The terminal while it is ours. Dropping it gives the terminal back, also while panicking.
pub(super) struct Screen {
    /// To draw on.
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
    _restore: Restore,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn take(mouse: bool) -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on the guard exists: whatever fails below, the terminal is given back.
        let guard = Restore;
        let mut out = stdout();
        execute!(out, EnterAlternateScreen, EnableBracketedPaste)?;
        if mouse {
            execute!(out, EnableMouseCapture)?;
        }
        restore_before_panic_message();
        let terminal = Terminal::new(CrosstermBackend::new(out))?;
        Ok(Self { terminal, _restore: guard })
    }
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
