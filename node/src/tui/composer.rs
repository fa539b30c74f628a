//! Where a person writes: a small editor with the keys of readline.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use hubbub_shared::limits::TEXT_MAX;
use ratatui::style::{Modifier, Style};
use ratatui_textarea::{TextArea, WrapMode};

use crate::display::block;

/// Changes that can be undone.
const UNDO: usize = 50;

/// One draft.
pub(super) struct Composer {
    area: TextArea<'static>,
}

impl Default for Composer {
    fn default() -> Self {
        Self::of("")
    }
}

impl Composer {
    /// A draft holding this text, the cursor at its end.
    pub(super) fn of(text: &str) -> Self {
        let mut area = TextArea::default();
        area.set_max_histories(UNDO);
        area.set_cursor_line_style(Style::default());
        area.set_cursor_style(Style::default().add_modifier(Modifier::REVERSED));
        area.set_wrap_mode(WrapMode::WordOrGlyph);
        area.set_placeholder_text("write a message; F1 helps");
        area.set_placeholder_style(Style::default().add_modifier(Modifier::DIM));
        area.insert_str(text);
        Self { area }
    }

    /// A key of the editor's own.
    pub(super) fn key(&mut self, key: KeyEvent) {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        // Where the editor's own keys are not what readline has taught everybody.
        match key.code {
            KeyCode::Char('u') if ctrl => self.area.delete_line_by_head(),
            KeyCode::Char('z') if ctrl => self.area.undo(),
            KeyCode::Char('k') if alt => self.area.delete_line_by_end(),
            KeyCode::Char('j') if ctrl => {
                self.newline();
                true
            }
            KeyCode::Char(_) if !ctrl && self.text().len() >= TEXT_MAX => false,
            _ => self.area.input(key),
        };
    }

    /// A line break.
    pub(super) fn newline(&mut self) {
        self.area.insert_newline();
    }

    /// Puts text in at the cursor, cleaned, and no more than a message may hold.
    pub(super) fn insert(&mut self, text: &str) {
        let text = block(text);
        let room = TEXT_MAX.saturating_sub(self.text().len());
        let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|n| *n <= room);
        let end = end.last().unwrap_or(0);
        self.area.insert_str(text.get(..end).unwrap_or_default());
    }

    /// What is written.
    pub(super) fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Whether nothing is.
    pub(super) fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Takes what is written and leaves nothing.
    pub(super) fn take(&mut self) -> String {
        let text = self.text();
        *self = Self::default();
        text
    }

    /// Replaces what is written.
    pub(super) fn set(&mut self, text: &str) {
        *self = Self::of(text);
    }

    /// What to draw.
    pub(super) fn area(&self) -> &TextArea<'static> {
        &self.area
    }
}
