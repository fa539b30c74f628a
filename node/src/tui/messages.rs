//! Lays messages out as lines, from the newest up, no more of them than the screen shows.

use hubbub_shared::time::Timestamp;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::app::App;
use super::history::Room;
use super::wrap::{cut, fit, wrap};
use crate::api::view::{Body, MessageView, PastView, PersonView};
use crate::display::{
    bar, block, body, delivery_mark, history_since, line, notice_is_warning, past_is_warning,
    past_mark,
};

/// Below this many columns names stand above the text instead of beside it.
const NARROW: usize = 50;
/// Columns of a name beside the text.
const NAME: usize = 12;
/// Columns of the time and the space after it.
const TIME: usize = 6;
/// Columns the text is moved in when names stand above.
const INDENT: usize = 2;

/// What the messages zone shows.
pub(super) struct Laid {
    /// The lines, oldest first, at most as many as asked for.
    pub(super) lines: Vec<Line<'static>>,
    /// Scroll position after holding it to what there is.
    pub(super) scroll: usize,
    /// Whether the oldest message here is on screen.
    pub(super) at_top: bool,
    /// Files on the screen with a small picture, whether it is here or not.
    pub(super) pictures: Vec<u64>,
}

/// Lays out what fits `width` by `height` at the room's scroll position.
pub(super) fn lay_out(app: &App, room: &Room, width: usize, height: usize) -> Laid {
    let page = Page { app, room, width };
    let wanted = room.scroll.saturating_add(height);
    let mut upwards: Vec<Line<'static>> = Vec::new();
    let mut pictures = Vec::new();
    let mut messages = room.iter().rev().peekable();
    while let Some(message) = messages.next() {
        let mut block = page.block(message, messages.peek().copied());
        block.reverse();
        upwards.append(&mut block);
        pictures.extend(page.pictured(&message.body).map(|file| (file, upwards.len())));
        if upwards.len() >= wanted {
            break;
        }
    }
    let mut past = room.past().iter().rev().peekable();
    while messages.peek().is_none() && upwards.len() < wanted {
        let Some(told) = past.next() else { break };
        let mut block = page.told(told, past.peek().copied());
        block.reverse();
        upwards.append(&mut block);
    }
    let at_top = messages.peek().is_none() && past.peek().is_none() && upwards.len() <= wanted;
    let scroll = room.scroll.min(upwards.len().saturating_sub(height));
    let mut lines: Vec<_> = upwards.into_iter().skip(scroll).take(height).collect();
    lines.reverse();
    pictures.retain(|(_, end)| *end > scroll);
    let pictures = pictures.into_iter().map(|(file, _)| file).collect();
    Laid { lines, scroll, at_top, pictures }
}

struct Page<'a> {
    app: &'a App,
    room: &'a Room,
    width: usize,
}

impl Page<'_> {
    /// A message with what stands above it: the date, the line of new messages.
    fn block(&self, message: &MessageView, older: Option<&MessageView>) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let clock = &self.app.clock;
        let fresh_day = older.is_none_or(|o| !clock.same_day(o.sent_at, message.sent_at));
        if fresh_day {
            let day = clock.day(message.sent_at);
            lines.push(self.rule(&day, self.app.theme.faint()));
        }
        let unread_here = self.room.unread_from == Some(message.order);
        if unread_here {
            lines.push(self.rule("new messages", self.app.theme.fresh()));
        }
        let goes_on = !fresh_day && !unread_here && older.is_some_and(|o| same_voice(o, message));
        match &message.body {
            Body::Notice(_) => lines.extend(self.notice(message)),
            _ => {
                let words = body(&message.body, &message.sender);
                let (sender, mark) = (&message.sender, self.mark(message));
                let said = Said { sender, at: message.sent_at, words: &words, mark };
                lines.extend(self.text(&said, goes_on));
                let picture = self.pictured(&message.body);
                lines.extend(
                    picture
                        .into_iter()
                        .flat_map(|file| self.app.picture_lines(file, self.indent(), self.width)),
                );
            }
        }
        lines
    }

    /// The file whose small picture stands below this.
    fn pictured(&self, body: &Body) -> Option<u64> {
        match body {
            Body::File(file) => self.app.pictured(file),
            _ => None,
        }
    }

    /// Columns in front of a text.
    fn indent(&self) -> usize {
        if self.width < NARROW { INDENT } else { TIME + NAME + 1 }
    }

    /// A line of the time before, and above the oldest of them since when they are.
    fn told(&self, told: &PastView, older: Option<&PastView>) -> Vec<Line<'static>> {
        let theme = self.app.theme;
        let clock = &self.app.clock;
        let mut lines = Vec::new();
        let since = self.room.past_since().filter(|_| older.is_none());
        if let Some(since) = since {
            lines.push(self.rule(&history_since(since, clock), theme.fresh()));
        } else if older.is_none_or(|older| !clock.same_day(older.sent_at, told.sent_at)) {
            lines.push(self.rule(&clock.day(told.sent_at), theme.faint()));
        }
        let style = if past_is_warning(told) { theme.warning() } else { theme.faint() };
        let mark = past_mark(told).map(|mark| (format!("[{mark}]"), style));
        let words = block(&told.text);
        let said = Said { sender: &told.author, at: told.sent_at, words: &words, mark };
        lines.extend(self.text(&said, false));
        lines
    }

    fn rule(&self, title: &str, style: Style) -> Line<'static> {
        let bar = bar(self.app.theme.charset);
        let title = cut(title, self.width.saturating_sub(6));
        let rest = self.width.saturating_sub(title.width() + 4);
        Line::styled(format!("{0}{0} {title} {1}", bar, bar.repeat(rest)), style)
    }

    fn notice(&self, message: &MessageView) -> Vec<Line<'static>> {
        let theme = self.app.theme;
        let (sign, style) = match notice_is_warning(&message.body) {
            true => ("!!", theme.warning()),
            false => ("--", theme.faint()),
        };
        let time = self.app.clock.time(message.sent_at);
        let words = body(&message.body, &message.sender);
        let gutter = TIME + sign.len() + 1;
        let lines = wrap(&words, self.width.saturating_sub(gutter));
        let first = |n| if n == 0 { format!("{time} {sign} ") } else { " ".repeat(gutter) };
        let lines = lines.into_iter().enumerate();
        lines.map(|(n, text)| Line::styled(format!("{}{text}", first(n)), style)).collect()
    }

    fn text(&self, said: &Said<'_>, goes_on: bool) -> Vec<Line<'static>> {
        let theme = self.app.theme;
        let time = self.app.clock.time(said.at);
        let name = line(&said.sender.name);
        let name_style = theme.name(&said.sender.node.0);
        let mut lines = Vec::new();
        let gutter = if self.width < NARROW {
            if !goes_on {
                let room = self.width.saturating_sub(TIME);
                let name = Span::styled(cut(&name, room), name_style);
                lines.push(Line::from(vec![name, Span::styled(format!(" {time}"), theme.faint())]));
            }
            Gutter { first: vec![Span::raw(" ".repeat(INDENT))], width: self.indent() }
        } else {
            let name = if goes_on { String::new() } else { name.into_owned() };
            let time = Span::styled(format!("{time} "), theme.faint());
            let name = Span::styled(fit(&name, NAME), name_style);
            Gutter { first: vec![time, name, Span::raw(" ")], width: self.indent() }
        };
        lines.extend(self.paragraphs(said, gutter));
        lines
    }

    /// The text beside its gutter, the mark at its end.
    fn paragraphs(&self, said: &Said<'_>, gutter: Gutter) -> Vec<Line<'static>> {
        let width = self.width.saturating_sub(gutter.width);
        let mut texts = wrap(said.words, width);
        let marks = said
            .mark
            .iter()
            .flat_map(|(mark, style)| wrap(mark, width).into_iter().map(|mark| (mark, *style)));
        let mut marks = marks.peekable();
        let first = marks.peek().map_or(0, |(mark, _)| mark.width());
        let fits = texts.last().is_some_and(|last| last.width() + first < width);
        if first > 0 && !fits {
            texts.push(String::new());
        }
        let last = texts.len().saturating_sub(1);
        let mut lines = Vec::new();
        for (n, text) in texts.into_iter().enumerate() {
            let mut spans = match n {
                0 => gutter.first.clone(),
                _ => vec![Span::raw(" ".repeat(gutter.width))],
            };
            let gap = if text.is_empty() { "" } else { " " };
            spans.push(Span::raw(text));
            let mark = if n == last { marks.next() } else { None };
            spans.extend(mark.map(|(mark, style)| Span::styled(format!("{gap}{mark}"), style)));
            lines.push(Line::from(spans));
        }
        let indent = " ".repeat(gutter.width);
        lines.extend(marks.map(|(mark, style)| Line::styled(format!("{indent}{mark}"), style)));
        lines
    }

    /// How far an own message got; in a group also for how many, until it is all.
    fn mark(&self, message: &MessageView) -> Option<(String, Style)> {
        use crate::api::view::Delivery;
        let delivery = message.delivery.filter(|_| message.own)?;
        let mark = delivery_mark(delivery, self.app.theme.charset);
        let mark = match message.reached {
            Some((some, all)) if all > 1 && some < all => format!("{mark} {some}/{all}"),
            _ => mark.to_owned(),
        };
        let style = match delivery {
            Delivery::Delivered | Delivery::Read => self.app.theme.good(),
            _ => self.app.theme.faint(),
        };
        Some((mark, style))
    }
}

/// What somebody said, and what stands behind it.
struct Said<'a> {
    sender: &'a PersonView,
    at: Timestamp,
    words: &'a str,
    mark: Option<(String, Style)>,
}

struct Gutter {
    first: Vec<Span<'static>>,
    width: usize,
}

/// Whether the second goes on where the first stopped.
fn same_voice(first: &MessageView, second: &MessageView) -> bool {
    first.sender.node == second.sender.node && !matches!(first.body, Body::Notice(_))
}
