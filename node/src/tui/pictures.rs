//! Small pictures of files among the messages, in half blocks: two pixels to a cell.
//!
//! Nothing is fetched for them: they came with the offers, and the node is asked for those that are
//! on the screen. Each is decoded once, outside of the loop.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::app::{App, Effect};
use super::theme::Theme;
use crate::api::file::FileBody;
use crate::api::{Answer, ApiError};
use crate::display::{Charset, Pixels};

/// Cells across and down that a small picture takes at most.
const CELLS: (u32, u32) = (24, 8);
/// Small pictures kept decoded, or known not to be there: more than a screen has lines. Those not
/// shown for longest go, and are asked for again when they are looked at.
const KEPT: usize = 512;
/// Small pictures asked for and decoded at once; the others wait until they are here.
const ASKED: usize = 2;

/// What is known of them.
pub(super) struct Pictures {
    /// Whether they are drawn at all.
    shown: bool,
    /// By the file's number: when it was on the screen last, and what is known of it.
    known: BTreeMap<u64, (u64, Known)>,
    /// How many screens were drawn.
    frame: u64,
}

enum Known {
    /// Nothing yet.
    Wanted,
    /// It was asked for.
    Asked,
    /// There is none, or it cannot be shown.
    Absent,
    /// It is here.
    Here(Pixels),
}

impl Default for Pictures {
    fn default() -> Self {
        Self { shown: true, known: BTreeMap::new(), frame: 0 }
    }
}

impl Pictures {
    fn here(&self, file: u64) -> Option<&Pixels> {
        match self.known.get(&file) {
            Some((_, Known::Here(pixels))) => Some(pixels),
            _ => None,
        }
    }

    /// These files are on the screen now.
    fn on_screen(&mut self, files: &[u64]) {
        self.frame += 1;
        for file in files {
            if let Some((last, _)) = self.known.get_mut(file) {
                *last = self.frame;
            } else if self.make_room() {
                self.known.insert(*file, (self.frame, Known::Wanted));
            }
        }
    }

    /// Whether there is room for one more, now that the one not shown for longest has gone. What is
    /// on the screen stays, and so does what is on its way.
    fn make_room(&mut self) -> bool {
        if self.known.len() < KEPT {
            return true;
        }
        let old = self
            .known
            .iter()
            .filter(|(_, (last, known))| *last < self.frame && !matches!(known, Known::Asked));
        let oldest = old.min_by_key(|(_, (last, _))| *last).map(|(file, _)| *file);
        oldest.is_some_and(|file| self.known.remove(&file).is_some())
    }

    /// Which to ask for now, newest first.
    fn ask_now(&mut self) -> Vec<u64> {
        let asked = self.known.values().filter(|(_, known)| matches!(known, Known::Asked)).count();
        let frame = self.frame;
        let wanted = self
            .known
            .iter_mut()
            .rev()
            .filter(|(_, (last, known))| *last == frame && matches!(known, Known::Wanted));
        let now = wanted.take(ASKED.saturating_sub(asked)).map(|(file, (_, known))| {
            *known = Known::Asked;
            *file
        });
        now.collect()
    }
}

impl App {
    /// The number of a file whose small picture belongs among the messages; none where none does,
    /// or no terminal could show it.
    pub(super) fn pictured(&self, file: &FileBody) -> Option<u64> {
        let able = self.theme.colour && self.theme.charset == Charset::Unicode;
        let status = file.status.as_ref().filter(|_| file.preview)?;
        (able && self.pictures.shown).then_some(status.file)
    }

    /// The lines of a small picture, if it is here, so far from the left and no wider than `width`.
    pub(super) fn picture_lines(
        &self,
        file: u64,
        indent: usize,
        width: usize,
    ) -> Vec<Line<'static>> {
        let here = self.pictures.here(file).map(Pixels::rows).unwrap_or_default();
        let across = here.first().map_or(0, Vec::len);
        if indent + across > width {
            return Vec::new();
        }
        here.chunks(2).map(|pair| half_blocks(self.theme, indent, pair)).collect()
    }

    /// These files with small pictures are on the screen now.
    pub(super) fn pictures_on_screen(&mut self, files: &[u64]) {
        self.pictures.on_screen(files);
    }

    /// What is to be asked for, since it is on the screen.
    pub(super) fn want_pictures(&mut self) -> Vec<Effect> {
        self.pictures.ask_now().into_iter().map(Effect::Picture).collect()
    }

    /// A small picture is here, or there is none.
    pub(super) fn took_picture(&mut self, file: u64, pixels: Option<Pixels>) {
        if let Some((_, known)) = self.pictures.known.get_mut(&file) {
            *known = pixels.map_or(Known::Absent, Known::Here);
        }
    }

    /// Shows or hides them.
    pub(super) fn turn_pictures(&mut self) -> Vec<Effect> {
        self.pictures.shown = !self.pictures.shown;
        let now = if self.pictures.shown { "shown" } else { "hidden" };
        self.say(format!("small pictures are {now}"), false);
        Vec::new()
    }
}

/// The pixels of what the node answers. Slow: not for the loop.
pub(super) fn of_answer(answer: Result<Answer, ApiError>) -> Option<Pixels> {
    let Ok(Answer::Preview(Some(picture))) = answer else { return None };
    let bytes = BASE64.decode(picture.bytes.as_bytes()).ok()?;
    Pixels::of_preview(&bytes, (CELLS.0, CELLS.1 * 2))
}

/// Two rows of pixels as one line: the upper one in the letters' colour, the lower one behind them.
fn half_blocks(theme: Theme, indent: usize, pair: &[Vec<[u8; 3]>]) -> Line<'static> {
    let (upper, lower) = (pair.first().into_iter().flatten(), pair.get(1));
    let cells = upper.enumerate().map(|(at, pixel)| {
        let style = Style::default().fg(theme.pixel(*pixel));
        let below = lower.and_then(|row| row.get(at));
        Span::styled("▀", below.map_or(style, |pixel| style.bg(theme.pixel(*pixel))))
    });
    let indent = Span::raw(" ".repeat(indent));
    Line::from(core::iter::once(indent).chain(cells).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_kept_than_fit_and_what_is_on_the_screen_stays() {
        let mut pictures = Pictures::default();
        for file in 0..2_000 {
            pictures.on_screen(&[file]);
            assert_eq!(pictures.ask_now(), [file]);
            pictures.known.insert(file, (pictures.frame, Known::Absent));
        }
        assert_eq!(pictures.known.len(), KEPT);
        assert!(pictures.known.contains_key(&1_999) && !pictures.known.contains_key(&0));
        let screen: Vec<u64> = (5_000..6_000).collect();
        for _ in 0..3 {
            pictures.on_screen(&screen);
            assert_eq!(pictures.known.len(), KEPT);
            assert!(pictures.known.keys().all(|file| *file >= 5_000), "none goes and comes again");
        }
    }

    #[test]
    fn a_few_are_asked_for_at_once_and_only_those_on_the_screen() {
        let mut pictures = Pictures::default();
        pictures.on_screen(&[1, 2, 3, 4]);
        assert_eq!(pictures.ask_now(), [4, 3]);
        assert_eq!(pictures.ask_now(), [0; 0]);
        pictures.known.insert(4, (pictures.frame, Known::Absent));
        assert_eq!(pictures.ask_now(), [2]);
        pictures.on_screen(&[9]);
        pictures.known.insert(3, (0, Known::Absent));
        assert_eq!(pictures.ask_now(), [9], "nobody looks at the first any more");
    }
}
