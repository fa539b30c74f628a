//! The mouse: the wheel scrolls, a click on the list goes there.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::app::{App, Effect};

/// Lines one notch of the wheel scrolls.
const NOTCH: usize = 3;

impl App {
    /// The mouse did something.
    pub(super) fn mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.scroll_by(NOTCH, true),
            MouseEventKind::ScrollDown => self.scroll_by(NOTCH, false),
            MouseEventKind::Down(MouseButton::Left) => self.click(mouse.column, mouse.row),
            _ => Vec::new(),
        }
    }

    fn click(&mut self, x: u16, y: u16) -> Vec<Effect> {
        if self.overlay.take().is_some() {
            return Vec::new();
        }
        let Some((area, first)) = self.places.list else { return Vec::new() };
        if !area.contains(Position { x, y }) {
            return Vec::new();
        }
        let place = first + usize::from(y.saturating_sub(area.y));
        match self.conversations.as_ref().and_then(|list| list.get(place)).map(|c| c.id) {
            Some(id) => self.go(id),
            None => Vec::new(),
        }
    }
}
