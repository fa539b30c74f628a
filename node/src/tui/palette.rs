//! The palette: a few letters find any conversation or command.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::app::{App, Effect};
use super::commands::COMMANDS;
use super::overlay::Overlay;
use crate::api::ConversationId;
use crate::display::{kind_mark, line};

/// Letters the search takes.
const LETTERS: usize = 64;

/// What is searched for and chosen.
#[derive(Debug, Default)]
pub(super) struct Palette {
    /// What was typed.
    pub(super) typed: String,
    /// Which of the found.
    pub(super) chosen: usize,
}

/// Something the palette found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// As shown.
    pub(super) label: String,
    /// What choosing it does.
    pub(super) does: Does,
}

/// What choosing does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Goes there.
    Go(ConversationId),
    /// Puts the command into the composer.
    Write(&'static str),
}

impl Palette {
    /// Adds to what is searched for.
    pub(super) fn insert(&mut self, text: &str) {
        let room = LETTERS.saturating_sub(self.typed.chars().count());
        self.typed.extend(line(text).chars().take(room));
        self.chosen = 0;
    }
}

/// How well `typed` is found in `text` as letters in order: smaller is better.
pub(super) fn fuzzy(text: &str, typed: &str) -> Option<usize> {
    let mut score = 0;
    let mut letters = text.char_indices().flat_map(|(n, c)| c.to_lowercase().map(move |c| (n, c)));
    let mut last = None;
    for wanted in typed.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase) {
        let (at, _) = letters.find(|(_, c)| *c == wanted)?;
        score += last.map_or(at, |last: usize| at.saturating_sub(last + 1) * 2);
        last = Some(at);
    }
    Some(score)
}

impl App {
    /// What the palette finds, best first.
    pub(super) fn found(&self, palette: &Palette) -> Vec<Found> {
        let rooms = self.conversations.iter().flatten().map(|c| Found {
            label: format!("{}{}", kind_mark(c.kind), line(&c.title)),
            does: Does::Go(c.id),
        });
        let commands = COMMANDS.iter().map(|(name, _, what)| Found {
            label: format!("{name}  {what}"),
            does: Does::Write(name),
        });
        let all = rooms.chain(commands);
        let mut scored: Vec<(usize, Found)> = all
            .filter_map(|found| fuzzy(&found.label, &palette.typed).map(|score| (score, found)))
            .collect();
        scored.sort_by_key(|(score, _)| *score);
        scored.into_iter().map(|(_, found)| found).collect()
    }

    /// A key while the palette is open.
    pub(super) fn palette_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(Overlay::Palette(mut palette)) = self.overlay.take() else { return Vec::new() };
        let found = self.found(&palette);
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => {
                let chosen = found.into_iter().nth(palette.chosen).map(|f| f.does);
                return chosen.map_or_else(Vec::new, |does| self.choose(does));
            }
            KeyCode::Down | KeyCode::Tab => {
                palette.chosen = (palette.chosen + 1).min(found.len().saturating_sub(1));
            }
            KeyCode::Char('n') if ctrl => {
                palette.chosen = (palette.chosen + 1).min(found.len().saturating_sub(1));
            }
            KeyCode::Up | KeyCode::BackTab => palette.chosen = palette.chosen.saturating_sub(1),
            KeyCode::Char('p' | 'k') if ctrl => return Vec::new(),
            KeyCode::Char('u') if ctrl => palette = Palette::default(),
            KeyCode::Backspace => {
                palette.typed.pop();
                palette.chosen = 0;
            }
            KeyCode::Char(c) if !ctrl => palette.insert(c.encode_utf8(&mut [0; 4])),
            _ => {}
        }
        self.overlay = Some(Overlay::Palette(palette));
        Vec::new()
    }

    fn choose(&mut self, does: Does) -> Vec<Effect> {
        match does {
            Does::Go(id) => self.go(id),
            Does::Write(command) => {
                let composer = self.composer();
                if composer.is_empty() {
                    composer.set(&format!("{command} "));
                } else {
                    self.say("finish or clear what you are writing first", true);
                }
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_order_are_found_and_nearer_ones_first() {
        assert_eq!(fuzzy("@alice", "zz"), None);
        assert!(fuzzy("#team", "tm").is_some());
        assert!(fuzzy("#team", "te") < fuzzy("#the essay", "te"));
    }
}
