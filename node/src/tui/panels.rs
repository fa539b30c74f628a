//! Draws what lies on top of the chat.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::app::App;
use super::commands::COMMANDS;
use super::keys::HELP;
use super::overlay::Overlay;
use super::palette::Palette;
use super::wrap::{cut, fit, wrap};
use crate::api::view::{MemberView, RecipientView, SafetyView};
use crate::display::{delivery_mark, delivery_word, line, qr_lines, role};

/// Widest a panel gets.
const WIDEST: u16 = 76;
/// Columns of a command and its arguments in the help.
const CALL: usize = 25;

impl App {
    /// Draws the panel on top, if one is open.
    pub(super) fn draw_overlay(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(overlay) = &self.overlay else { return };
        let width = usize::from(area.width.min(WIDEST)).saturating_sub(4);
        let height = usize::from(area.height).saturating_sub(2);
        let (title, lines) = match overlay {
            Overlay::Help(from) => help(width, height, *from),
            Overlay::Palette(palette) => ("go to", self.palette_lines(palette, width, height)),
            Overlay::Members(members) => ("members", members_lines(members)),
            Overlay::Doors(doors) => ("ways in", wrapped(doors, width)),
            Overlay::Safety(safety) => ("safety number", self.safety_lines(safety, width, height)),
            Overlay::Info(says, recipients) => ("message", self.info_lines(says, recipients)),
            Overlay::Requests(at) => ("requests", self.request_lines(*at, width, height)),
            Overlay::Passphrase(typing) => ("passphrase", Self::passphrase_lines(typing, width)),
            Overlay::Contact(info) => ("contact", self.contact_lines(info, width, height)),
            Overlay::Quit => ("quit", self.quit_lines(width)),
        };
        self.panel(frame, title, lines);
    }

    fn panel(&self, frame: &mut Frame<'_>, title: &str, lines: Vec<Line<'static>>) {
        let area = frame.area();
        let widest = lines.iter().map(Line::width).max().unwrap_or(0).max(title.len() + 2);
        let width = u16::try_from(widest + 4).unwrap_or(WIDEST).min(area.width);
        let height = u16::try_from(lines.len() + 2).unwrap_or(area.height).min(area.height);
        let at = Rect {
            x: area.x + (area.width - width) / 2,
            y: area.y + (area.height - height) / 2,
            width,
            height,
        };
        let block = Block::bordered().border_set(self.theme.border()).title(format!(" {title} "));
        let lines = lines.into_iter().map(|mut line| {
            line.spans.insert(0, " ".into());
            line
        });
        frame.render_widget(Clear, at);
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), at);
    }

    fn palette_lines(&self, palette: &Palette, width: usize, height: usize) -> Vec<Line<'static>> {
        let found = self.found(palette);
        let rows = height.saturating_sub(1).min(14);
        let first = palette.chosen.saturating_sub(rows.saturating_sub(1));
        let mut lines = vec![Line::raw(fit(&format!("> {}_", palette.typed), width))];
        if found.is_empty() {
            lines.push(Line::raw("nothing fits; Esc closes"));
        }
        for (n, found) in found.iter().enumerate().skip(first).take(rows) {
            let chosen = n == palette.chosen;
            let sign = if chosen { ">" } else { " " };
            let text = fit(&format!("{sign} {}", found.label), width);
            lines.push(if chosen { Line::styled(text, self.theme.chosen()) } else { text.into() });
        }
        lines
    }

    fn safety_lines(&self, safety: &SafetyView, width: usize, height: usize) -> Vec<Line<'static>> {
        let name = line(&safety.person.name).into_owned();
        let mut texts = wrap(&format!("Compare with {name}, by voice or side by side:"), width);
        let groups: Vec<&str> = safety.number.split_whitespace().collect();
        texts.extend(groups.chunks(4).map(|four| format!("  {}", four.join(" "))));
        texts.push("or the same in words:".to_owned());
        let words: Vec<&str> = safety.words.split_whitespace().collect();
        texts.extend(words.chunks(4).map(|four| format!("  {}", line(&four.join(" ")))));
        let state = if safety.person.verified { "verified already" } else { "not verified yet" };
        texts.extend(wrap(&format!("{name} is {state}."), width));
        texts.push("y: they are equal   Esc: not now".to_owned());
        let code = data_encoding::HEXLOWER.decode(safety.qr.as_bytes()).unwrap_or_default();
        self.with_qr(texts, &code, width, height)
    }

    /// Adds a code where it fits; a code cut off helps nobody.
    fn with_qr(
        &self,
        texts: Vec<String>,
        code: &[u8],
        width: usize,
        height: usize,
    ) -> Vec<Line<'static>> {
        let mut lines: Vec<Line<'static>> = texts.into_iter().map(Line::from).collect();
        let qr = qr_lines(code, self.theme.charset).filter(|_| !code.is_empty());
        if let Some(qr) = qr
            && lines.len() + qr.len() <= height
            && qr.iter().all(|row| row.chars().count() <= width)
        {
            lines.extend(qr.into_iter().map(Line::from));
        }
        lines
    }

    fn info_lines(&self, says: &str, recipients: &[RecipientView]) -> Vec<Line<'static>> {
        if recipients.is_empty() {
            return vec![Line::raw("nobody was there to receive this")];
        }
        let row = |r: &RecipientView| {
            let stuck = r.stuck.as_ref().map_or_else(String::new, |why| format!(": {}", line(why)));
            Line::raw(format!(
                "{} {} {} {}{stuck}",
                fit(delivery_mark(r.delivery, self.theme.charset), 2),
                fit(&line(&r.person.name), 16),
                delivery_word(r.delivery),
                self.clock.date_time(r.at),
            ))
        };
        let head = Line::raw(says.to_owned());
        core::iter::once(head).chain(recipients.iter().map(row)).collect()
    }

    fn quit_lines(&self, width: usize) -> Vec<Line<'static>> {
        let unsent = self.unsent();
        let messages = if unsent == 1 { "message is" } else { "messages are" };
        let text = format!(
            "{unsent} {messages} not at the hub yet. They are safe here and go out the next time \
             hubbub runs.\nCtrl+C or Ctrl+Q again: quit   any other key: stay"
        );
        wrap(&text, width).into_iter().map(Line::from).collect()
    }
}

/// As much of the help as fits; the title says how to see the rest.
fn help(width: usize, height: usize, from: usize) -> (&'static str, Vec<Line<'static>>) {
    let row = |left: &str, right: &str| {
        let left = if width < 50 { format!("{left}:") } else { fit(left, CALL) };
        Line::raw(cut(&format!("{left} {right}"), width))
    };
    let keys = HELP.iter().map(|(keys, what)| row(keys, what));
    let commands = COMMANDS.iter().map(|(name, arguments, what)| {
        let call = format!("{name} {arguments}");
        if call.len() > CALL {
            Line::raw(cut(&format!("{call}: {what}"), width))
        } else {
            row(&call, what)
        }
    });
    let lines: Vec<_> = keys.chain(commands).collect();
    if lines.len() <= height {
        return ("help", lines);
    }
    let from = from.min(lines.len().saturating_sub(height));
    ("help: PgDn, PgUp for the rest", lines.into_iter().skip(from).take(height).collect())
}

fn wrapped(texts: &[String], width: usize) -> Vec<Line<'static>> {
    texts.iter().flat_map(|text| wrap(text, width)).map(Line::from).collect()
}

fn members_lines(members: &[MemberView]) -> Vec<Line<'static>> {
    let row = |m: &MemberView| {
        let verified = if m.person.verified { " (verified)" } else { "" };
        Line::raw(format!("{} {}{verified}", fit(&line(&m.person.name), 20), role(m.role)))
    };
    members.iter().map(row).collect()
}
