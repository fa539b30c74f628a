//! Draws the state: title, list, messages, news, composer, status bar.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::app::App;
use super::messages::lay_out;
use super::wrap::{cut, fit, wrap};
use crate::api::view::{ConversationKind, ConversationView, LinkState, Path};
use crate::display::{Charset, LOBBY_LABEL, kind_mark, line, link, path};

/// Below this many columns the list is hidden.
const LIST_FROM: u16 = 60;
/// Columns of the list.
const LIST: u16 = 24;
/// Most lines the composer grows to.
const COMPOSER: usize = 8;
/// How long news is shown, in milliseconds.
const NEWS_FOR: u64 = 15_000;

impl App {
    /// Draws everything.
    pub(super) fn view(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let news = self.news_line(usize::from(area.width));
        let [title, middle, said, composer, status] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(u16::try_from(news.len()).unwrap_or(1)),
            Constraint::Length(self.composer_height(area)),
            Constraint::Length(1),
        ])
        .areas(area);
        self.draw_title(frame, title);
        let messages = self.draw_list(frame, middle);
        self.draw_messages(frame, messages);
        frame.render_widget(Paragraph::new(news), said);
        self.draw_composer(frame, composer);
        self.draw_status(frame, status);
        self.draw_overlay(frame, area);
    }

    fn draw_title(&self, frame: &mut Frame<'_>, area: Rect) {
        let width = usize::from(area.width);
        let text = match self.shown() {
            Some(shown) => format!("{}{}", title(shown), self.about_contact()),
            None if self.conversations.is_none() => " hubbub: loading…".to_owned(),
            None => " hubbub".to_owned(),
        };
        frame.render_widget(Line::styled(fit(&text, width), self.theme.bar()), area);
    }

    /// Draws the list where there is room for it; gives back what is left.
    fn draw_list(&mut self, frame: &mut Frame<'_>, area: Rect) -> Rect {
        self.places.list = None;
        if area.width < LIST_FROM {
            return area;
        }
        let [list, rule, rest] = Layout::horizontal([
            Constraint::Length(LIST),
            Constraint::Length(1),
            Constraint::Min(1),
        ])
        .areas(area);
        let upright =
            vec![Line::styled(self.theme.upright(), self.theme.faint()); rule.height.into()];
        frame.render_widget(Paragraph::new(upright), rule);
        let list = self.draw_waiting(frame, list);
        let height = usize::from(list.height);
        let Some(conversations) = &self.conversations else {
            frame.render_widget(Line::styled(" loading…", self.theme.faint()), list);
            return rest;
        };
        if conversations.is_empty() {
            let hint = vec![Line::raw(" nobody yet:"), Line::raw(" /msg <nickname>")];
            frame.render_widget(Paragraph::new(hint), list);
            return rest;
        }
        let at = conversations.iter().position(|c| Some(c.id) == self.current).unwrap_or(0);
        let first = at.saturating_sub(height.saturating_sub(1));
        let shown = conversations.iter().skip(first).take(height);
        let lines: Vec<_> = shown.map(|c| self.list_line(c)).collect();
        frame.render_widget(Paragraph::new(lines), list);
        self.places.list = Some((list, first));
        rest
    }

    fn list_line(&self, c: &ConversationView) -> Line<'static> {
        let unread = if c.unread > 0 { format!(" {}", c.unread.min(999)) } else { String::new() };
        let chosen = Some(c.id) == self.current;
        let sign = if chosen { ">" } else { " " };
        let room = usize::from(LIST).saturating_sub(2 + unread.len());
        let gone = if c.active { "" } else { " (left)" };
        let name = fit(&format!("{}{}{gone}", kind_mark(c.kind), line(&c.title)), room);
        let style = match (chosen, c.unread > 0) {
            (true, _) => self.theme.chosen(),
            (_, true) => self.theme.fresh(),
            _ => Style::default(),
        };
        Line::styled(format!("{sign}{name}{unread} "), style)
    }

    fn draw_messages(&mut self, frame: &mut Frame<'_>, area: Rect) {
        self.places.messages = area;
        self.places.at_top = false;
        let area = self.draw_hint(frame, area);
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        let Some(id) = self.current else {
            let text = if self.conversations.is_none() { " loading…" } else { "" };
            frame.render_widget(Line::styled(text, self.theme.faint()), area);
            return;
        };
        let Some(room) = self.rooms.get(&id).filter(|room| room.loaded) else {
            frame.render_widget(Line::styled(" loading…", self.theme.faint()), area);
            return;
        };
        if room.is_empty() {
            let text = " nothing has been said here yet";
            frame.render_widget(Line::styled(text, self.theme.faint()), area);
            return;
        }
        let laid = lay_out(self, room, width, height);
        let above = height.saturating_sub(laid.lines.len());
        let mut lines = vec![Line::default(); above];
        lines.extend(laid.lines);
        frame.render_widget(Paragraph::new(lines), area);
        self.places.at_top = laid.at_top;
        self.pictures_on_screen(&laid.pictures);
        if let Some(room) = self.rooms.get_mut(&id) {
            room.scroll = laid.scroll;
        }
    }

    /// Until somebody joins: how to bring them. Gives back what is left.
    fn draw_hint(&self, frame: &mut Frame<'_>, area: Rect) -> Rect {
        let Some(invite) = self.invite.as_ref().filter(|_| self.is_alone()) else { return area };
        let width = usize::from(area.width).saturating_sub(2);
        let mut texts = vec!["Nobody else is here yet. Send this invite to somebody:".to_owned()];
        texts.push(invite.link.clone());
        texts.push("They run: hubbub join <invite>".to_owned());
        texts.push("F2 shows it so that it can be copied, with a QR code. F1: help.".to_owned());
        let wrapped = texts.iter().flat_map(|text| wrap(text, width));
        let lines: Vec<_> = wrapped.map(|text| Line::raw(format!(" {text}"))).collect();
        let height = u16::try_from(lines.len() + 1).unwrap_or(u16::MAX);
        if height >= area.height {
            let text = cut(" nobody here yet: F2 shows the invite", usize::from(area.width));
            let [top, rest] =
                Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
            frame.render_widget(Line::styled(text, self.theme.fresh()), top);
            return rest;
        }
        let [top, rest] =
            Layout::vertical([Constraint::Length(height), Constraint::Min(1)]).areas(area);
        frame.render_widget(Paragraph::new(lines), top);
        rest
    }

    fn news_line(&self, width: usize) -> Vec<Line<'static>> {
        let recent = self.news.back().filter(|n| self.now.since(n.at).0 < NEWS_FOR);
        let Some(news) = recent else {
            let writing = self.current.and_then(|id| self.typing.words(id, self.now));
            let text = writing.map(|words| fit(&line(&words), width));
            return text.map(|text| Line::styled(text, self.theme.faint())).into_iter().collect();
        };
        let style = if news.bad { self.theme.warning() } else { self.theme.faint() };
        let sign = if news.bad { "! " } else { "" };
        let lines = wrap(&format!("{sign}{}", line(&news.text)), width);
        lines.into_iter().take(3).map(|text| Line::styled(text, style)).collect()
    }

    fn composer_height(&self, area: Rect) -> u16 {
        let text = self.composer_shown().map(super::composer::Composer::text).unwrap_or_default();
        let width = usize::from(area.width).saturating_sub(3);
        let most = COMPOSER.min(usize::from(area.height / 3)).max(1);
        u16::try_from(wrap(&text, width).len().clamp(1, most)).unwrap_or(1)
    }

    fn draw_composer(&self, frame: &mut Frame<'_>, area: Rect) {
        let [prompt, rest] =
            Layout::horizontal([Constraint::Length(2), Constraint::Min(1)]).areas(area);
        frame.render_widget(Line::raw("> "), prompt);
        if let Some(composer) = self.composer_shown() {
            frame.render_widget(composer.area(), rest);
        }
    }

    fn draw_status(&self, frame: &mut Frame<'_>, area: Rect) {
        let width = usize::from(area.width);
        let gap = match self.theme.charset {
            Charset::Unicode => " · ",
            Charset::Ascii => " | ",
        };
        let text = format!(" {}", self.status_parts().join(gap));
        let style = match self.link {
            Some(LinkState::Down { .. }) => self.theme.warning().patch(self.theme.bar()),
            _ => self.theme.bar(),
        };
        let help = " F1 help ";
        let line = match width.checked_sub(help.len()) {
            Some(rest) if rest >= 30 => format!("{}{help}", fit(&text, rest)),
            _ => fit(&text, width),
        };
        frame.render_widget(Line::from(Span::styled(line, style)), area);
    }

    fn status_parts(&self) -> Vec<String> {
        let name = self.me.as_ref().map_or_else(
            || "…".to_owned(),
            |me| me.nickname.as_deref().map_or_else(|| "no nickname".into(), |n| line(n).into()),
        );
        let hub = self.link.as_ref().map_or_else(|| "…".to_owned(), |l| link(l, self.now));
        let mut parts = vec![name];
        if !self.requests.is_empty() {
            parts.push(format!("{} asking (F3)", self.requests.len()));
        }
        if self.unsent() > 0 {
            let waits = if self.is_cut_off() { ", waiting here" } else { "" };
            parts.push(format!("{} unsent{waits}", self.unsent()));
        }
        parts.push(format!("hub {hub}"));
        parts.push(self.path_word().to_owned());
        parts.push("E2EE".to_owned());
        if let Some(status) = &self.status {
            let keys = status.spreading.iter();
            parts.extend(keys.map(|group| format!("keys to {} of {}", group.left, group.of)));
            if self.unsent() == 0 && status.spreading.is_empty() {
                parts.push("all sent".to_owned());
            }
        }
        parts
    }

    /// How bytes go from here to where we look: to somebody as `hubbub paths` says, else to the
    /// hub.
    fn path_word(&self) -> &'static str {
        match (self.contact_shown(), &self.link) {
            (Some(contact), _) => path(contact.path),
            (None, Some(LinkState::Up { .. })) => path(Path::Relay),
            (None, _) => path(Path::Stored),
        }
    }
}

fn title(c: &ConversationView) -> String {
    let name = format!(" {}{}", kind_mark(c.kind), line(&c.title));
    let gone = if c.active { "" } else { " (you left)" };
    let topic = if c.topic.is_empty() { String::new() } else { format!(" - {}", line(&c.topic)) };
    match c.kind {
        ConversationKind::Direct => format!("{name}{topic}{gone}"),
        ConversationKind::Group => format!("{name} ({} members){gone}{topic}", c.members),
        ConversationKind::Lobby => format!("{name} ({}) {LOBBY_LABEL}{topic}", c.members),
    }
}
