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
    /// Whether the terminal knows all colours (`COLORTERM`), and not 256 of them.
    pub every_colour: bool,
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

    /// A pixel's colour, as near as the terminal has it.
    pub(super) fn pixel(self, rgb: [u8; 3]) -> Color {
        let [red, green, blue] = rgb;
        if self.every_colour { Color::Rgb(red, green, blue) } else { Color::Indexed(nearest(rgb)) }
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

/// The nearest of the 240 colours that are the same on every terminal: a cube with six steps a
/// side, and a ramp of greys.
fn nearest(rgb: [u8; 3]) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let steps = rgb.map(|value| closest(STEPS.into_iter(), value));
    let [red, green, blue] = steps.map(|(step, _)| step);
    let cube: u32 = steps.iter().map(|(_, off)| off * off).sum();
    let all: u32 = rgb.iter().copied().map(u32::from).sum();
    let grey = u8::try_from(all / 3).unwrap_or(u8::MAX);
    let (step, _) = closest((0..24).map(|step| 8 + 10 * step), grey);
    let ramp = u32::from(8 + 10 * step);
    let off: u32 = rgb.iter().map(|value| ramp.abs_diff(u32::from(*value)).pow(2)).sum();
    if off < cube { 232 + step } else { 16 + 36 * red + 6 * green + blue }
}

/// Which of these is nearest, and how far off it is.
fn closest(steps: impl Iterator<Item = u8>, value: u8) -> (u8, u32) {
    let off = steps.map(|step| u32::from(step.abs_diff(value)));
    let nearest = (0u8..).zip(off).min_by_key(|(_, off)| *off);
    nearest.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_as_near_as_256_colours_come() {
        for (rgb, index) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([0, 90, 140], 24),
            ([128, 128, 128], 244),
            ([8, 8, 9], 232),
        ] {
            assert_eq!(nearest(rgb), index, "{rgb:?}");
        }
        let theme = Theme { colour: true, every_colour: true, charset: Charset::Unicode };
        assert_eq!(theme.pixel([1, 2, 3]), Color::Rgb(1, 2, 3));
    }
}
