//! Colours, which never carry a meaning alone, and the characters of marks and frames.

use hubbub_shared::id::NodeId;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use crate::display::{Charset, hue};

/// How things are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Whether in colour (`NO_COLOR`, `--no-color`).
    pub colour: bool,
    /// Ticks and boxes, or ASCII.
    pub charset: Charset,
}

impl Theme {
    fn fg(self, colour: Color) -> Style {
        if self.colour { Style::default().fg(colour) } else { Style::default() }
    }

    /// A person's name.
    pub(super) fn name(self, node: &NodeId) -> Style {
        self.fg(Color::Indexed(hue(node))).add_modifier(Modifier::BOLD)
    }

    /// What matters less.
    pub(super) fn faint(self) -> Style {
        if self.colour { self.fg(Color::DarkGray) } else { Style::default() }
    }

    /// What must be seen.
    pub(super) fn warning(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What is new.
    pub(super) fn fresh(self) -> Style {
        self.fg(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// What has arrived.
    pub(super) fn good(self) -> Style {
        self.fg(Color::Green)
    }

    /// Title and status bars.
    pub(super) fn bar(self) -> Style {
        Style::default().add_modifier(Modifier::REVERSED)
    }

    /// The line chosen.
    pub(super) fn chosen(self) -> Style {
        Style::default().add_modifier(Modifier::REVERSED)
    }

    /// Frames of panels.
    pub(super) fn border(self) -> border::Set<'static> {
        match self.charset {
            Charset::Unicode => border::PLAIN,
            Charset::Ascii => border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            },
        }
    }

    /// The line between list and messages.
    pub(super) fn upright(self) -> &'static str {
        match self.charset {
            Charset::Unicode => "│",
            Charset::Ascii => "|",
        }
    }
}
