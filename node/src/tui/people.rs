//! Strangers who ask to be let in, blocking, and what is known of a contact.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::app::{App, Asked, Did, Effect};
use super::overlay::Overlay;
use super::wrap::{fit, wrap};
use crate::api::people::{ContactInfoView, RequestView};
use crate::api::view::ContactView;
use crate::api::{Command, ConversationId, Query};
use crate::display::{line, past, presence, wants, with_mark};

/// Requests named under the list of conversations.
const NAMED: usize = 3;
/// Lines of the list that stay for conversations.
const LIST_KEEPS: u16 = 6;

/// What `/requests`, `/accept` and the like ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PeopleCall {
    Requests,
    Accept(String),
    Decline(String),
    Block(Option<String>),
    Unblock(String),
    Contact(Option<String>),
}

/// Understands the commands about people.
pub(super) fn parse(verb: &str, rest: &str) -> Option<PeopleCall> {
    let name = (!rest.is_empty()).then(|| rest.to_owned());
    match verb {
        "requests" => Some(PeopleCall::Requests),
        "accept" => name.map(PeopleCall::Accept),
        "decline" => name.map(PeopleCall::Decline),
        "block" => Some(PeopleCall::Block(name)),
        "unblock" => name.map(PeopleCall::Unblock),
        "contact" => Some(PeopleCall::Contact(name)),
        _ => None,
    }
}

impl App {
    /// Carries a command about people out.
    pub(super) fn people_call(&mut self, call: PeopleCall) -> Vec<Effect> {
        match call {
            PeopleCall::Requests => self.show_requests(),
            PeopleCall::Accept(request) => accept(request),
            PeopleCall::Decline(request) => decline(request),
            PeopleCall::Block(contact) => match contact.or_else(|| self.here()) {
                Some(contact) => block(contact),
                None => self.whom("/block"),
            },
            PeopleCall::Unblock(contact) => {
                let said = Did::Said(format!("{contact} is not blocked any more"));
                vec![Effect::Command(Command::Unblock { contact }, said)]
            }
            PeopleCall::Contact(contact) => match contact.or_else(|| self.here()) {
                Some(contact) => vec![Effect::Query(Query::Contact { contact }, Asked::Contact)],
                None => self.whom("/contact"),
            },
        }
    }

    /// The person of the conversation shown.
    fn here(&self) -> Option<String> {
        self.current.filter(|id| matches!(id, ConversationId::Direct(_))).map(|id| id.to_string())
    }

    fn whom(&mut self, command: &str) -> Vec<Effect> {
        self.say(format!("whom? {command} <nickname>"), true);
        Vec::new()
    }

    /// Opens the panel of requests.
    pub(super) fn show_requests(&mut self) -> Vec<Effect> {
        if self.requests.is_empty() {
            self.say("nobody is waiting to be let in", false);
        } else {
            self.overlay = Some(Overlay::Requests(0));
        }
        vec![Effect::Query(Query::Requests, Asked::Requests)]
    }

    /// The node says who waits.
    pub(super) fn took_requests(&mut self, requests: Vec<RequestView>) {
        let more = requests.len() > self.requests.len();
        self.requests = requests;
        match &mut self.overlay {
            Some(Overlay::Requests(_)) if self.requests.is_empty() => self.overlay = None,
            Some(Overlay::Requests(at)) => *at = (*at).min(self.requests.len().saturating_sub(1)),
            _ if more => self.say("somebody asks to be let in: F3", false),
            _ => {}
        }
    }

    /// A key while the panel of requests is open.
    pub(super) fn requests_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(Overlay::Requests(at)) = &mut self.overlay else { return Vec::new() };
        let last = self.requests.len().saturating_sub(1);
        match key.code {
            KeyCode::Down => *at = at.saturating_add(1).min(last),
            KeyCode::Up => *at = at.saturating_sub(1),
            KeyCode::Char('a' | 'd' | 'b') => {
                let Some(request) = self.requests.get(*at) else { return Vec::new() };
                let (id, from) = (request.id.to_string(), String::from(request.from.node));
                return match key.code {
                    KeyCode::Char('a') => accept(id),
                    KeyCode::Char('d') => decline(id),
                    _ => block(format!("direct:{from}")),
                };
            }
            _ => {}
        }
        Vec::new()
    }

    /// The lines of the panel of requests.
    pub(super) fn request_lines(
        &self,
        at: usize,
        width: usize,
        height: usize,
    ) -> Vec<Line<'static>> {
        let keys = "Up, Down: choose   a: accept   d: decline   b: block   Esc: later";
        let mut lines: Vec<Line<'static>> = wrap(keys, width).into_iter().map(Line::from).collect();
        let room = height.saturating_sub(lines.len()) / 2;
        let first = at.saturating_sub(room.saturating_sub(1));
        for (n, request) in self.requests.iter().enumerate().skip(first).take(room) {
            let name = with_mark(&request.from.name, &request.mark);
            let since = self.clock.brief(request.since, self.now);
            let sign = if n == at { ">" } else { " " };
            let head = fit(&format!("{sign} {name}  {since}"), width);
            let head = if n == at { Line::styled(head, self.theme.chosen()) } else { head.into() };
            lines.push(head);
            lines.push(Line::styled(
                fit(&format!("    {}", wants(&request.wants)), width),
                self.theme.faint(),
            ));
        }
        lines
    }

    /// Draws who waits below the list of conversations; gives back what is left for that.
    pub(super) fn draw_waiting(&self, frame: &mut ratatui::Frame<'_>, list: Rect) -> Rect {
        let named = self.requests.len().min(NAMED);
        let height = u16::try_from(named + 1).unwrap_or(0);
        if named == 0 || list.height < height + LIST_KEEPS {
            return list;
        }
        let [rest, below] =
            Layout::vertical([Constraint::Min(1), Constraint::Length(height)]).areas(list);
        let head = format!(" requests: {} (F3)", self.requests.len());
        let mut lines = vec![Line::styled(head, self.theme.fresh())];
        let width = usize::from(list.width).saturating_sub(1);
        lines.extend(self.requests.iter().take(NAMED).map(|request| {
            let name = with_mark(&request.from.name, &request.mark);
            Line::raw(fit(&format!(" ?{name}"), width))
        }));
        frame.render_widget(Paragraph::new(lines), below);
        rest
    }

    /// The contact of the conversation shown.
    pub(super) fn contact_shown(&self) -> Option<&ContactView> {
        let Some(ConversationId::Direct(node)) = self.current else { return None };
        self.contacts.iter().flatten().find(|contact| contact.person.node.0 == node)
    }

    /// What stands behind a person's name in the title: what they call themselves, whether their
    /// name is disputed, when they were heard from, their status.
    pub(super) fn about_contact(&self) -> String {
        let Some(contact) = self.contact_shown() else { return String::new() };
        let mut about = String::new();
        if !contact.display_name.is_empty() {
            about.push_str(&format!(" ({})", line(&contact.display_name)));
        }
        if contact.person.verified {
            about.push_str(" verified");
        }
        if contact.blocked {
            about.push_str(" BLOCKED");
        }
        if !contact.namesakes.is_empty() {
            about.push_str(" ! another key goes by this name");
        }
        if let Some(at) = contact.last_heard {
            about.push_str(&format!(" - {}", presence(at, self.now, &self.clock)));
        }
        if !contact.status.is_empty() {
            about.push_str(&format!(" - {}", line(&contact.status)));
        }
        about
    }

    /// The panel about a contact.
    pub(super) fn contact_lines(
        &self,
        info: &ContactInfoView,
        width: usize,
        height: usize,
    ) -> Vec<Line<'static>> {
        let contact = &info.contact;
        let state = if contact.person.verified { "verified" } else { "not verified" };
        let name = with_mark(&contact.person.name, &info.mark);
        let mut texts =
            vec![format!("{name}, {state}"), format!("key {}", String::from(contact.person.node))];
        if !contact.display_name.is_empty() {
            texts.push(format!("calls itself {}", line(&contact.display_name)));
        }
        if let Some(facts) = &info.picture {
            let kind = line(&facts.kind);
            texts.push(format!("has a picture: {kind}, {} x {}", facts.width, facts.height));
        }
        for other in &contact.namesakes {
            texts.push(format!("another key goes by this name: {}", String::from(*other)));
        }
        let room = height.saturating_sub(texts.len() + 2);
        let first = info.past.len().saturating_sub(room);
        texts.extend(
            info.past
                .iter()
                .skip(first)
                .map(|entry| format!("{} {}", self.clock.date_time(entry.at), past(&entry.what))),
        );
        texts.into_iter().flat_map(|text| wrap(&text, width)).map(Line::from).collect()
    }
}

fn accept(request: String) -> Vec<Effect> {
    vec![Effect::Command(Command::Accept { request }, Did::Opened)]
}

fn decline(request: String) -> Vec<Effect> {
    let said = Did::Said("declined".to_owned());
    vec![Effect::Command(Command::Decline { request }, said)]
}

fn block(contact: String) -> Vec<Effect> {
    let said = Did::Said("blocked; /unblock takes it back".to_owned());
    vec![Effect::Command(Command::Block { contact }, said)]
}
