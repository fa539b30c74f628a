//! Where results, hints and errors go: results on stdout, everything else on stderr.
//!
//! Invariant: a reader that went away ([`Failure::Gone`]) ends the command in silence.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::render::Look;
use crate::api::{ApiError, Code};
use crate::display::block;

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Say so.
    Error(ApiError),
    /// Nobody reads the output any more.
    Gone,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Gone;
        }
        let what = format!("cannot write the output: {error}");
        Self::Error(ApiError::new(Code::Full, what, "look at the disk or the terminal it goes to"))
    }
}

/// What a command gives.
pub(super) type Done = Result<(), Failure>;

/// The outputs of one command.
pub(super) struct Out {
    results: Box<dyn Write + Send>,
    asides: Box<dyn Write + Send>,
    /// Results as JSON lines.
    pub(super) json: bool,
    quiet: bool,
    /// How people see them.
    pub(super) look: Look,
}

impl Out {
    /// Onto the process's own outputs.
    pub(super) fn std(json: bool, quiet: bool, look: Look) -> Self {
        Self::onto(Box::new(io::stdout()), Box::new(io::stderr()), (json, quiet), look)
    }

    /// Onto these.
    pub(super) fn onto(
        results: Box<dyn Write + Send>,
        asides: Box<dyn Write + Send>,
        (json, quiet): (bool, bool),
        look: Look,
    ) -> Self {
        Self { results, asides, json, quiet, look }
    }

    /// One result: as a JSON line, or as `text` makes it for people.
    pub(super) fn result<T: Serialize>(
        &mut self,
        value: &T,
        text: impl FnOnce(&T, &Look) -> String,
    ) -> Done {
        let text = if self.json { json_line(value) } else { text(value, &self.look) };
        self.line(&text)
    }

    /// Many results: each a JSON line of its own, or all together as text.
    pub(super) fn results<T: Serialize>(
        &mut self,
        values: &[T],
        text: impl FnOnce(&[T], &Look) -> String,
    ) -> Done {
        if !self.json {
            let text = text(values, &self.look);
            return if text.is_empty() { Ok(()) } else { self.line(&text) };
        }
        values.iter().try_for_each(|value| self.line(&json_line(value)))
    }

    /// A line on stdout as it is.
    pub(super) fn line(&mut self, text: &str) -> Done {
        writeln!(self.results, "{text}")?;
        self.results.flush()?;
        Ok(())
    }

    /// Something for people beside the result. A terminal that is gone is no reason to stop.
    pub(super) fn hint(&mut self, text: &str) {
        if !self.quiet {
            writeln!(self.asides, "{text}").unwrap_or_default();
        }
    }

    /// A line that takes the place of the one before it; the empty one clears it away.
    pub(super) fn progress(&mut self, text: &str) {
        if !self.quiet {
            // What is written is for eyes only. A line that were broken could not be replaced, so
            // what the terminal has no room for is left out.
            write!(self.asides, "\r\x1b[2K\x1b[?7l{text}\x1b[?7h").unwrap_or_default();
            self.asides.flush().unwrap_or_default();
        }
    }

    /// What went wrong. In JSON it is a result like any other.
    pub(super) fn error(&mut self, error: &ApiError) {
        if self.json {
            let line = json_line(&Refused { error });
            writeln!(self.results, "{line}").unwrap_or_default(); // the exit code remains
        } else {
            let what = block(&error.what);
            writeln!(self.asides, "error: {what}").unwrap_or_default(); // the exit code remains
            if !error.hint.is_empty() {
                let hint = block(&error.hint);
                writeln!(self.asides, "  try: {hint}").unwrap_or_default(); // likewise
            }
        }
    }
}

/// An error as programs read it.
#[derive(Serialize)]
struct Refused<'a> {
    error: &'a ApiError,
}

/// Whether a person sits in front of it.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// JSON without anything a terminal would obey: serde escapes C0, this the rest that [`block`]
/// would replace.
pub(super) fn json_line<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_string(value)
        .unwrap_or_else(|_| r#"{"error":{"code":"internal"}}"#.to_owned());
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        let harmless = c.is_ascii_graphic() || c == ' ';
        if harmless || *block(c.encode_utf8(&mut [0; 4])) == *c.encode_utf8(&mut [0; 4]) {
            safe.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes_what_a_terminal_would_obey_and_still_means_the_same() {
        let hostile = "a\x1b[2J\u{9b}31m\u{202e}\u{7f}\u{e0041}é";
        let line = json_line(&hostile);
        assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line}");
        assert!(line.contains('é'));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), hostile);
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let pipe: Failure = io::Error::from(io::ErrorKind::BrokenPipe).into();
        assert!(matches!(pipe, Failure::Gone));
    }
}
