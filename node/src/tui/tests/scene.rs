//! Alice's screen with whatever a test puts on it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::time::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::super::app::{App, Asked, Effect, Msg};
use super::super::invite::InviteCard;
use super::super::theme::Theme;
use crate::api::command::MessageText;
use crate::api::file::{FileBody, FileProgress, FileStatus, FileView};
use crate::api::people::{RequestView, Wanted, key_mark};
use crate::api::view::{
    Body, ContactView, ConversationKind, ConversationView, Delivery, LinkState, MessageView,
    NodeText, PastView, Path, PersonView, StatusView, WhoamiView,
};
use crate::api::{Answer, ConversationId, Event, FileState};
use crate::display::{Charset, Clock};

/// Sunday, 22 November 2026, 12:00 UTC.
pub(super) const NOON: Timestamp = Timestamp(1_795_348_800_000);
pub(super) const LOBBY: ConversationId = ConversationId::Group(GroupId([9; 32]));
pub(super) const TEAM: ConversationId = ConversationId::Group(GroupId([8; 32]));
pub(super) const BOB: ConversationId = ConversationId::Direct(NodeId([2; 32]));

pub(super) struct Scene {
    pub(super) app: App,
}

pub(super) fn person(name: &str) -> PersonView {
    let key = match name {
        "alice" => 1,
        "bob" => 2,
        "carol" => 3,
        _ => 4,
    };
    PersonView { node: NodeText(NodeId([key; 32])), name: name.to_owned(), verified: false }
}

pub(super) fn conversation(id: ConversationId, title: &str, unread: u64) -> ConversationView {
    let kind = match id {
        LOBBY => ConversationKind::Lobby,
        ConversationId::Group(_) => ConversationKind::Group,
        ConversationId::Direct(_) => ConversationKind::Direct,
    };
    ConversationView {
        id,
        title: title.to_owned(),
        kind,
        topic: String::new(),
        unread,
        last_at: NOON,
        last: None,
        members: 2,
        active: true,
        undelivered: 0,
    }
}

/// The `n`th message of a conversation, `n` minutes past noon.
pub(super) fn message(at: ConversationId, n: u8, sender: &str, body: Body) -> MessageView {
    let own = sender == "alice";
    MessageView {
        id: MessageText(MessageId([n; 16])),
        conversation: at,
        order: u64::from(n),
        sender: person(sender),
        sent_at: Timestamp(NOON.0 + u64::from(n) * 60_000),
        received_at: NOON,
        body,
        own,
        delivery: own.then_some(Delivery::Queued),
        reached: own.then_some((0, 1)),
    }
}

/// Somebody who waits to be let in.
pub(super) fn request(name: &str, key: u8, wants: Wanted) -> RequestView {
    let node = NodeId([key; 32]);
    RequestView {
        id: ConversationId::Direct(node),
        from: PersonView { node: NodeText(node), name: name.to_owned(), verified: false },
        mark: key_mark(&node),
        since: NOON,
        wants,
    }
}

/// What `author` said `days` before noon, as somebody told it.
pub(super) fn told(days: u64, author: &str, says: &str, by: [Option<&str>; 2]) -> PastView {
    let [told_by, contradicted] = by.map(|name| name.map(person));
    PastView {
        id: MessageText(MessageId([9; 16])),
        conversation: TEAM,
        order: 100 - days,
        author: person(author),
        sent_at: Timestamp(NOON.0 - days * 24 * 60 * 60 * 1_000),
        text: says.to_owned(),
        told_by,
        contradicted,
    }
}

/// The `n`th message, which offers a file.
pub(super) fn file(n: u8, sender: &str, state: FileState, done: Option<u64>) -> MessageView {
    let moving = |bytes| FileProgress { bytes, rate: 1 << 20, ..FileProgress::default() };
    let status = FileStatus {
        file: u64::from(n),
        state,
        why: None,
        path: None,
        progress: done.map(moving),
        caution: None,
        takers: Vec::new(),
        kept_until: None,
    };
    let body = FileBody {
        name: format!("notes {n}.pdf"),
        size: 4 << 20,
        media: "application/pdf".to_owned(),
        caption: if n == 1 { "for you".to_owned() } else { String::new() },
        folder: false,
        preview: false,
        status: Some(status),
    };
    message(BOB, n, sender, Body::File(Box::new(body)))
}

/// The same, with something else known about it.
pub(super) fn about(mut message: MessageView, is: impl FnOnce(&mut FileStatus)) -> MessageView {
    if let Body::File(body) = &mut message.body
        && let Some(status) = &mut body.status
    {
        is(status);
    }
    message
}

/// What a node tells of the file that this message offers.
pub(super) fn told_of(message: &MessageView, state: FileState) -> Event {
    let Body::File(body) = &message.body else { panic!("no file") };
    let mut body = (**body).clone();
    body.status.iter_mut().for_each(|status| {
        (status.state, status.progress) = (state, None);
    });
    Event::File(Box::new(FileView {
        message: message.id,
        conversation: message.conversation,
        sender: message.sender.clone(),
        own: message.own,
        since: NOON,
        body,
    }))
}

pub(super) fn text(at: ConversationId, n: u8, sender: &str, says: &str) -> MessageView {
    message(at, n, sender, Body::Text(says.to_owned()))
}

pub(super) fn marked(mut message: MessageView, to: Delivery, reached: (u32, u32)) -> MessageView {
    message.delivery = Some(to);
    message.reached = Some(reached);
    message
}

impl Scene {
    /// A screen that has heard nothing from its node yet.
    pub(super) fn loading() -> Self {
        let theme = Theme { colour: false, every_colour: false, charset: Charset::Unicode };
        let app = App::new(theme, Clock::new(TimeZone::UTC), None);
        let mut scene = Self { app };
        scene.app.now = NOON;
        scene
    }

    /// Everything loaded, these conversations, the first one shown and without messages.
    pub(super) fn of(list: Vec<ConversationView>) -> Self {
        let mut scene = Self::loading();
        let link = LinkState::Up { since: NOON, rtt_ms: 12 };
        scene.answer(Asked::Whoami, Answer::Whoami(me()));
        scene.status(link, 0);
        let contacts = list.iter().filter(|c| c.kind == ConversationKind::Direct).map(contact);
        scene.answer(Asked::Contacts, Answer::Contacts(contacts.collect()));
        let first = list.first().map(|c| c.id);
        scene.answer(Asked::Conversations, Answer::Conversations(list));
        if let Some(first) = first {
            scene.history(first, Vec::new());
        }
        scene
    }

    pub(super) fn invited(mut self) -> Self {
        self.app.invite = Some(InviteCard {
            link:
                "hubbub://192.0.2.7:4433/#aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qccirde"
                    .to_owned(),
            fingerprint: "abcd efgh ijkl mnop qrst uvwx yz23 4567".to_owned(),
        });
        self
    }

    pub(super) fn status(&mut self, link: LinkState, unsent: u64) {
        let status = StatusView {
            link,
            unsent,
            undelivered: unsent,
            waiting_for_keys: 0,
            spreading: Vec::new(),
            refused: Vec::new(),
        };
        self.answer(Asked::Status, Answer::Status(status));
    }

    pub(super) fn waiting(&mut self) {
        let hostile = "let me in\x1b[2J".to_owned();
        let list = vec![
            request("mallory", 66, Wanted::Talk(hostile)),
            request("carol", 3, Wanted::Join("book-club".to_owned())),
        ];
        self.answer(Asked::Requests, Answer::Requests(list));
    }

    pub(super) fn answer(&mut self, asked: Asked, answer: Answer) -> Vec<Effect> {
        self.app.update(Msg::Answered(asked, Ok(answer)), NOON)
    }

    pub(super) fn history(&mut self, at: ConversationId, page: Vec<MessageView>) {
        self.answer(Asked::Newer(at), Answer::History(page));
    }

    pub(super) fn says(mut self, page: Vec<MessageView>) -> Self {
        let Some(first) = page.first() else { return self };
        self.history(first.conversation, page);
        self
    }

    pub(super) fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
        self.app.update(Msg::Key(KeyEvent::new(code, modifiers)), NOON)
    }

    pub(super) fn ctrl(&mut self, c: char) -> Vec<Effect> {
        self.press(KeyCode::Char(c), KeyModifiers::CONTROL)
    }

    pub(super) fn alt(&mut self, c: char) -> Vec<Effect> {
        self.press(KeyCode::Char(c), KeyModifiers::ALT)
    }

    pub(super) fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c), KeyModifiers::NONE);
        }
    }

    pub(super) fn enter(&mut self) -> Vec<Effect> {
        self.press(KeyCode::Enter, KeyModifiers::NONE)
    }

    /// The screen at this size, cell by cell.
    pub(super) fn cells(&mut self, width: u16, height: u16) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| self.app.view(frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    /// The screen at this size, line by line, spaces at the end cut off.
    pub(super) fn screen(&mut self, width: u16, height: u16) -> String {
        let buffer = self.cells(width, height);
        let mut lines = Vec::new();
        for y in 0..height {
            let mut line = String::new();
            let mut hidden = 0;
            for x in 0..width {
                let symbol = buffer[(x, y)].symbol();
                if hidden == 0 {
                    line.push_str(symbol);
                    hidden = unicode_width::UnicodeWidthStr::width(symbol);
                }
                hidden = hidden.saturating_sub(1);
            }
            lines.push(line.trim_end().to_owned());
        }
        lines.join("\n")
    }
}

fn me() -> WhoamiView {
    WhoamiView {
        node: person("alice").node,
        nickname: Some("alice".to_owned()),
        display_name: String::new(),
        status: String::new(),
        has_picture: false,
        hub: "hub".to_owned(),
        addresses: vec!["192.0.2.7:4433".to_owned()],
        profile: "/p".to_owned(),
    }
}

fn contact(c: &ConversationView) -> ContactView {
    let person = person(&c.title);
    ContactView {
        person,
        display_name: String::new(),
        status: String::new(),
        since: NOON,
        path: Path::Direct,
        last_heard: None,
        has_picture: false,
        blocked: false,
        namesakes: Vec::new(),
    }
}
