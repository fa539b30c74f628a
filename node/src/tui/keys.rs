//! Which key does what. The table people read is in [`HELP`]; a test holds the two together.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::app::{App, Asked, Effect};
use super::overlay::Overlay;
use super::palette::Palette;

/// Keys and what they do, as the help panel shows them.
pub(super) const HELP: &[(&str, &str)] = &[
    ("Enter", "send"),
    ("Alt+Enter", "new line"),
    ("Alt+Up Alt+Down", "conversation above, below"),
    ("Alt+1..9", "conversation by its place"),
    ("Alt+a", "next unread conversation"),
    ("Ctrl+P Ctrl+K", "go anywhere, do anything"),
    ("PgUp PgDn", "scroll; older messages load by themselves"),
    ("Ctrl+Home Ctrl+End", "oldest loaded, newest"),
    ("Tab", "complete a command, a path or a name"),
    ("F2", "show the invite, to copy it"),
    ("F3", "who asks to be let in"),
    ("Alt+i", "how far my last message got"),
    ("Alt+p", "show or hide small pictures of files"),
    ("Esc", "close, or back to the newest"),
    ("Ctrl+L", "draw again"),
    ("Ctrl+C Ctrl+Q", "quit; what is unsent stays and goes out later"),
    ("F1 ?", "this help (? while nothing is written)"),
];

/// Lines a page key scrolls.
const PAGE_LINES: usize = 10;

impl App {
    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('c' | 'q') if ctrl => return self.quit(),
            KeyCode::Char('l') if ctrl => return vec![Effect::Redraw],
            _ => {}
        }
        if self.overlay.is_some() {
            return self.overlay_key(key);
        }
        let done = match key.code {
            KeyCode::Char(c) if alt && !ctrl => self.alt_key(c),
            KeyCode::Char(c) if ctrl && !alt => self.ctrl_key(c),
            code => self.plain_key(code, key.modifiers),
        };
        done.unwrap_or_else(|| {
            self.composer().key(key);
            self.tell_typing()
        })
    }

    /// Whoever looks at the conversation is told that a person writes there.
    fn tell_typing(&mut self) -> Vec<Effect> {
        let written = self.composer().text();
        let speaks = !written.trim().is_empty() && !written.starts_with('/');
        let here = self.current.filter(|_| speaks);
        here.and_then(|id| self.typing.tell(id, self.now)).into_iter().collect()
    }

    /// Leaves at once when nothing is unsent, else says how many are and asks for the key again.
    pub(super) fn quit(&mut self) -> Vec<Effect> {
        if self.unsent() == 0 || matches!(self.overlay, Some(Overlay::Quit)) {
            return vec![Effect::Quit];
        }
        self.overlay = Some(Overlay::Quit);
        Vec::new()
    }

    fn alt_key(&mut self, c: char) -> Option<Vec<Effect>> {
        match c {
            '1'..='9' => {
                let place = c.to_digit(10).and_then(|n| usize::try_from(n).ok())?;
                let id = self.conversations.as_ref()?.get(place.checked_sub(1)?)?.id;
                Some(self.go(id))
            }
            'a' => Some(self.next_unread()),
            'i' => Some(self.last_own_info()),
            'p' => Some(self.turn_pictures()),
            _ => None,
        }
    }

    fn ctrl_key(&mut self, c: char) -> Option<Vec<Effect>> {
        match c {
            'p' | 'k' => {
                self.overlay = Some(Overlay::Palette(Palette::default()));
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn plain_key(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Option<Vec<Effect>> {
        let held = modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT);
        let ctrl = modifiers.contains(KeyModifiers::CONTROL);
        match code {
            KeyCode::F(1) => self.open(Overlay::Help(0)),
            KeyCode::Char('?') if self.composer().is_empty() => self.open(Overlay::Help(0)),
            KeyCode::F(2) => Some(self.show_invite()),
            KeyCode::F(3) => Some(self.show_requests()),
            KeyCode::Up if modifiers.contains(KeyModifiers::ALT) => Some(self.step(false)),
            KeyCode::Down if modifiers.contains(KeyModifiers::ALT) => Some(self.step(true)),
            KeyCode::Home if ctrl => Some(self.scroll_to_top()),
            KeyCode::End if ctrl => Some(self.scroll_by(usize::MAX, false)),
            KeyCode::PageUp => Some(self.scroll_by(PAGE_LINES, true)),
            KeyCode::PageDown => Some(self.scroll_by(PAGE_LINES, false)),
            KeyCode::Esc => Some(self.scroll_by(usize::MAX, false)),
            KeyCode::Enter if held => {
                self.composer().newline();
                Some(Vec::new())
            }
            KeyCode::Enter => Some(self.submit()),
            KeyCode::Tab => Some(self.complete()),
            _ => None,
        }
    }

    fn open(&mut self, overlay: Overlay) -> Option<Vec<Effect>> {
        self.overlay = Some(overlay);
        Some(Vec::new())
    }

    fn overlay_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.code == KeyCode::Esc {
            self.overlay = None;
            return Vec::new();
        }
        match &mut self.overlay {
            Some(Overlay::Palette(_)) => self.palette_key(key),
            Some(Overlay::Help(from)) => {
                match key.code {
                    KeyCode::Down | KeyCode::PageDown => *from = from.saturating_add(PAGE_LINES),
                    KeyCode::Up | KeyCode::PageUp => *from = from.saturating_sub(PAGE_LINES),
                    _ => self.overlay = None,
                }
                Vec::new()
            }
            Some(Overlay::Safety(_)) => self.safety_key(key),
            Some(Overlay::Requests(_)) => self.requests_key(key),
            Some(Overlay::Passphrase(_)) => self.passphrase_key(key),
            _ => {
                self.overlay = None;
                Vec::new()
            }
        }
    }

    /// Scrolls up or down; near the top, older messages are asked for.
    pub(super) fn scroll_by(&mut self, lines: usize, up: bool) -> Vec<Effect> {
        let Some(id) = self.current else { return Vec::new() };
        let Some(room) = self.rooms.get_mut(&id) else { return Vec::new() };
        room.scroll =
            if up { room.scroll.saturating_add(lines) } else { room.scroll.saturating_sub(lines) };
        Vec::new()
    }

    fn scroll_to_top(&mut self) -> Vec<Effect> {
        self.scroll_by(usize::MAX, true)
    }

    /// The view reached the oldest message here: the page before it, if there is one.
    pub(super) fn want_older(&mut self) -> Option<Effect> {
        let id = self.current?;
        let query = self.rooms.get_mut(&id)?.older(id)?;
        Some(Effect::Query(query, Asked::Older(id)))
    }

    fn step(&mut self, down: bool) -> Vec<Effect> {
        let list = self.conversations.as_deref().unwrap_or_default();
        let at = list.iter().position(|c| Some(c.id) == self.current);
        let next = match (at, down) {
            (None, _) => Some(0),
            (Some(at), true) => at.checked_add(1),
            (Some(at), false) => at.checked_sub(1),
        };
        match next.and_then(|n| list.get(n)).map(|c| c.id) {
            Some(id) => self.go(id),
            None => Vec::new(),
        }
    }

    fn next_unread(&mut self) -> Vec<Effect> {
        let list = self.conversations.as_deref().unwrap_or_default();
        let at = list.iter().position(|c| Some(c.id) == self.current).map_or(0, |at| at + 1);
        let onwards = list.iter().cycle().skip(at).take(list.len());
        let next = onwards.filter(|c| c.unread > 0).map(|c| c.id).next();
        match next {
            Some(id) => self.go(id),
            None => {
                self.say("nothing unread", false);
                Vec::new()
            }
        }
    }

    fn last_own_info(&mut self) -> Vec<Effect> {
        let room = self.current.and_then(|id| self.rooms.get(&id));
        let last = room.and_then(|room| room.iter().rev().find(|m| m.own).map(|m| m.id));
        match last {
            Some(message) => {
                vec![Effect::Query(crate::api::Query::MessageInfo { message }, Asked::Info)]
            }
            None => {
                self.say("you have written nothing here yet", false);
                Vec::new()
            }
        }
    }
}
