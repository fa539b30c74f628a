//! Lays messages out as lines, from the newest up, no more of them than the screen shows.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::app::App;
use super::history::Room;
use super::wrap::{cut, fit, wrap};
use crate::api::view::{Body, MessageView};
use crate::display::{bar, body, delivery_mark, line, notice_is_warning};

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
}

/// Lays out what fits `width` by `height` at the room's scroll position.
pub(super) fn lay_out(app: &App, room: &Room, width: usize, height: usize) -> Laid {
    let page = Page { app, room, width };
    let wanted = room.scroll.saturating_add(height);
    let mut upwards: Vec<Line<'static>> = Vec::new();
    let mut messages = room.iter().rev().peekable();
    while let Some(message) = messages.next() {
        let mut block = page.block(message, messages.peek().copied());
        block.reverse();
        upwards.append(&mut block);
        if upwards.len() >= wanted {
            break;
        }
    }
    let at_top = messages.peek().is_none() && upwards.len() <= wanted;
    let scroll = room.scroll.min(upwards.len().saturating_sub(height));
    let mut lines: Vec<_> = upwards.into_iter().skip(scroll).take(height).collect();
    lines.reverse();
    Laid { lines, scroll, at_top }
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
            _ => lines.extend(self.text(message, goes_on)),
        }
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

    fn text(&self, message: &MessageView, goes_on: bool) -> Vec<Line<'static>> {
        let theme = self.app.theme;
        let time = self.app.clock.time(message.sent_at);
        let name = line(&message.sender.name);
        let name_style = theme.name(&message.sender.node.0);
        let mut lines = Vec::new();
        let gutter = if self.width < NARROW {
            if !goes_on {
                let room = self.width.saturating_sub(TIME);
                let name = Span::styled(cut(&name, room), name_style);
                lines.push(Line::from(vec![name, Span::styled(format!(" {time}"), theme.faint())]));
            }
            Gutter { first: vec![Span::raw(" ".repeat(INDENT))], width: INDENT }
        } else {
            let name = if goes_on { String::new() } else { name.into_owned() };
            let time = Span::styled(format!("{time} "), theme.faint());
            let name = Span::styled(fit(&name, NAME), name_style);
            Gutter { first: vec![time, name, Span::raw(" ")], width: TIME + NAME + 1 }
        };
        lines.extend(self.paragraphs(message, gutter));
        lines
    }

    /// The text beside its gutter, the mark at its end.
    fn paragraphs(&self, message: &MessageView, gutter: Gutter) -> Vec<Line<'static>> {
        let width = self.width.saturating_sub(gutter.width);
        let words = body(&message.body, &message.sender);
        let mut texts = wrap(&words, width);
        let mark = self.mark(message);
        let fits = texts.last().is_some_and(|last| last.width() + mark.width() < width);
        if !mark.is_empty() && !fits {
            texts.push(String::new());
        }
        let last = texts.len().saturating_sub(1);
        let line = |(n, text): (usize, String)| {
            let mut spans = match n {
                0 => gutter.first.clone(),
                _ => vec![Span::raw(" ".repeat(gutter.width))],
            };
            let gap = if text.is_empty() { "" } else { " " };
            spans.push(Span::raw(text));
            if n == last && !mark.is_empty() {
                spans.push(Span::styled(format!("{gap}{mark}"), self.mark_style(message)));
            }
            Line::from(spans)
        };
        texts.into_iter().enumerate().map(line).collect()
    }

    /// How far an own message got; in a group also for how many, until it is all.
    fn mark(&self, message: &MessageView) -> String {
        let Some(delivery) = message.delivery.filter(|_| message.own) else {
            return String::new();
        };
        let mark = delivery_mark(delivery, self.app.theme.charset);
        match message.reached {
            Some((some, all)) if all > 1 && some < all => format!("{mark} {some}/{all}"),
            _ => mark.to_owned(),
        }
    }

    fn mark_style(&self, message: &MessageView) -> Style {
        use crate::api::view::Delivery;
        match message.delivery {
            Some(Delivery::Delivered | Delivery::Read) => self.app.theme.good(),
            _ => self.app.theme.faint(),
        }
    }
}

struct Gutter {
    first: Vec<Span<'static>>,
    width: usize,
}

/// Whether the second goes on where the first stopped.
fn same_voice(first: &MessageView, second: &MessageView) -> bool {
    first.sender.node == second.sender.node && !matches!(first.body, Body::Notice(_))
}
