//! A passphrase of a group, typed without being shown: to come in by, or to set.

use core::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use hubbub_shared::crypto::SecretBytes;
use ratatui::text::Line;
use zeroize::Zeroizing;

use super::app::{App, Did, Effect};
use super::overlay::Overlay;
use super::wrap::wrap;
use crate::api::Command;
use crate::api::secret::SecretText;

/// Longest that is taken in, in bytes: nobody types more, and a paste may be anything.
const MOST: usize = 1_024;

/// What it is typed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To come into this room.
    Enter(String),
    /// Whoever knows it may come into this group.
    Set(String),
}

/// A passphrase so far. Nothing shows or logs it.
pub(super) struct Typing {
    purpose: Purpose,
    typed: Zeroizing<String>,
}

impl Typing {
    pub(super) fn of(purpose: Purpose) -> Self {
        // So much room from the start: growing would leave copies behind.
        Self { purpose, typed: Zeroizing::new(String::with_capacity(MOST)) }
    }

    /// Takes text in, up to the end of its first line.
    pub(super) fn insert(&mut self, text: &str) {
        for c in text.chars().take_while(|c| *c != '\n') {
            if self.typed.len() + c.len_utf8() <= MOST && !c.is_control() {
                self.typed.push(c);
            }
        }
    }

    fn secret(&self) -> SecretText {
        SecretText::new(SecretBytes::from_vec(self.typed.as_bytes().to_vec()))
    }
}

impl fmt::Debug for Typing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typing").field(&self.purpose).finish()
    }
}

impl App {
    /// Opens the panel.
    pub(super) fn ask_passphrase(&mut self, purpose: Purpose) -> Vec<Effect> {
        self.overlay = Some(Overlay::Passphrase(Typing::of(purpose)));
        Vec::new()
    }

    /// A key while it is typed. Esc closes the panel before this.
    pub(super) fn passphrase_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(Overlay::Passphrase(typing)) = &mut self.overlay else { return Vec::new() };
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('u') if ctrl => {
                typing.typed.clear();
            }
            // One held alone is a command of some other place; both together write a letter.
            KeyCode::Char(_) if ctrl != alt => {}
            KeyCode::Char(c) => typing.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => {
                typing.typed.pop();
            }
            KeyCode::Enter if !typing.typed.trim().is_empty() => return self.give_passphrase(),
            _ => {}
        }
        Vec::new()
    }

    fn give_passphrase(&mut self) -> Vec<Effect> {
        let Some(Overlay::Passphrase(typing)) = self.overlay.take() else { return Vec::new() };
        let passphrase = Some(typing.secret());
        let (command, said) = match typing.purpose {
            Purpose::Enter(room) => {
                let said = format!("knocked at {room}; you are in as soon as a member answers");
                (Command::GroupKnock { room, passphrase, note: String::new() }, said)
            }
            Purpose::Set(group) => {
                let said = "whoever knows the passphrase can come in: /group doors".to_owned();
                (Command::GroupPassphrase { group, passphrase }, said)
            }
        };
        vec![Effect::Command(command, Did::Said(said))]
    }

    /// What the panel says; of the passphrase only how many characters it has.
    pub(super) fn passphrase_lines(typing: &Typing, width: usize) -> Vec<Line<'static>> {
        let what = match &typing.purpose {
            Purpose::Enter(room) => {
                format!("The passphrase of {}:", crate::display::line(room))
            }
            Purpose::Set(_) => "A passphrase for this group. Whoever knows it can come in, so \
                                choose four words or more that nobody would guess:"
                .to_owned(),
        };
        let mut lines: Vec<Line<'static>> =
            wrap(&what, width).into_iter().map(Line::from).collect();
        let shown = typing.typed.chars().count().min(width.saturating_sub(3));
        lines.push(Line::raw(format!("> {}_", "*".repeat(shown))));
        lines.push(Line::raw("Enter: that is it   Ctrl+U: again   Esc: not now"));
        lines
    }
}
