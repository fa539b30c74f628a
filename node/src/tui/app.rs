//! Everything the screen shows, as plain state.
//!
//! Invariant: nothing here asks or tells the node; [`Effect`]s do, and their outcome comes back as
//! a [`Msg`]. What is not loaded yet is `None`, never empty.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};
use hubbub_shared::time::{Millis, Timestamp};
use ratatui::layout::Rect;

use super::composer::Composer;
use super::files::Heard;
use super::folders::{Entry, Search};
use super::history::Room;
use super::invite::InviteCard;
use super::overlay::Overlay;
use super::pictures::Pictures;
use super::theme::Theme;
use super::typing::Typing;
use crate::api::command::MessageText;
use crate::api::people::RequestView;
use crate::api::view::{ContactView, ConversationView, LinkState, StatusView, WhoamiView};
use crate::api::{Answer, ApiError, Command, ConversationId, Event, Query, Reply};
use crate::display::{Clock, Pixels};

/// Lines of news kept; older ones are gone.
const NEWS_KEPT: usize = 20;

/// How long a queued message is watched here; the node counts it by then.
const WATCHED: Millis = Millis::secs(10);

/// Something that reached the face.
#[derive(Debug)]
pub(super) enum Msg {
    /// A key.
    Key(KeyEvent),
    /// Text pasted as a whole.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// From the node.
    Event(Event),
    /// The node answered.
    Answered(Asked, Result<Answer, ApiError>),
    /// The node carried out, or not.
    Replied(Did, Result<Reply, ApiError>),
    /// The small picture of a file, if there is one.
    Picture(u64, Option<Pixels>),
    /// What there is of a path that is being written.
    Found(Search, Vec<Entry>),
    /// Time went by.
    Tick,
    /// The node is gone.
    Ended,
}

/// Something to do outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Ask the node.
    Query(Query, Asked),
    /// Tell the node.
    Command(Command, Did),
    /// Get the small picture of this file.
    Picture(u64),
    /// Look at a folder for a path that is being written.
    Look(Search),
    /// Show these lines in place of the chat, as the terminal itself shows text, until a key.
    Aside(Vec<String>),
    /// Draw everything anew.
    Redraw,
    /// Leave.
    Quit,
}

/// What an answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The list.
    Conversations,
    /// The newest messages, or all after one.
    Newer(ConversationId),
    /// A page before the oldest.
    Older(ConversationId),
    /// The contacts.
    Contacts,
    /// The members panel.
    Members,
    /// The panel of ways into a group.
    Doors,
    /// The safety number panel.
    Safety,
    /// Ourselves.
    Whoami,
    /// The status bar.
    Status,
    /// A message's ledger.
    Info,
    /// Who asks to be let in.
    Requests,
    /// The panel about a contact.
    Contact,
}

/// What a reply is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Did {
    /// A message was sent: on refusal its text goes back into the composer.
    Sent(ConversationId, String),
    /// Whatever it answers, go to that conversation.
    Opened,
    /// Show the invite link it answers, to be copied.
    Linked,
    /// Say this when done.
    Said(String),
    /// A conversation was marked as read.
    Marked(ConversationId),
    /// Nobody waits for it.
    Quiet,
}

/// A line of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    /// What.
    pub(super) text: String,
    /// Whether it is bad.
    pub(super) bad: bool,
    /// Since when it is shown.
    pub(super) at: Timestamp,
}

/// Where things were drawn, for the mouse.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// The conversation list, and the first line's index.
    pub(super) list: Option<(Rect, usize)>,
    /// The messages.
    pub(super) messages: Rect,
    /// The oldest message here is on screen.
    pub(super) at_top: bool,
}

/// The whole state.
pub(super) struct App {
    /// Colours and characters.
    pub(super) theme: Theme,
    /// Local time.
    pub(super) clock: Clock,
    /// Now.
    pub(super) now: Timestamp,
    /// What `~` stands for in a path.
    pub(super) home: Option<PathBuf>,
    /// Ourselves, once known.
    pub(super) me: Option<WhoamiView>,
    /// The link, once known.
    pub(super) link: Option<LinkState>,
    /// It was up since this face is here: without the hub's word nothing goes directly either.
    pub(super) hub_spoke: bool,
    /// What waits, once known.
    pub(super) status: Option<StatusView>,
    /// Messages handed to the node that it has not answered for.
    pub(super) sending: u64,
    /// Own messages that were seen queued, and nowhere further, since when.
    pub(super) queued: BTreeMap<MessageText, Timestamp>,
    /// All conversations, once known.
    pub(super) conversations: Option<Vec<ConversationView>>,
    /// All contacts, once known.
    pub(super) contacts: Option<Vec<ContactView>>,
    /// Who asks to be let in.
    pub(super) requests: Vec<RequestView>,
    /// The one shown.
    pub(super) current: Option<ConversationId>,
    /// Messages of those looked at so far.
    pub(super) rooms: HashMap<ConversationId, Room>,
    /// What is being written, per conversation.
    pub(super) drafts: HashMap<ConversationId, Composer>,
    /// Written while no conversation is open.
    pub(super) nowhere: Composer,
    /// What lies on top.
    pub(super) overlay: Option<Overlay>,
    /// The invite to hand out, if we run the hub.
    pub(super) invite: Option<InviteCard>,
    /// Who is writing.
    pub(super) typing: Typing,
    /// How it was with files when something was heard of them.
    pub(super) files: Heard,
    /// Small pictures of files.
    pub(super) pictures: Pictures,
    /// News, newest last.
    pub(super) news: VecDeque<News>,
    /// Where things were drawn.
    pub(super) places: Places,
    /// The node stopped.
    pub(super) ended: bool,
}

impl App {
    /// An empty screen that knows nothing yet.
    pub(super) fn new(theme: Theme, clock: Clock, invite: Option<InviteCard>) -> Self {
        Self {
            theme,
            clock,
            now: Timestamp(0),
            home: None,
            me: None,
            link: None,
            hub_spoke: false,
            status: None,
            sending: 0,
            queued: BTreeMap::new(),
            conversations: None,
            contacts: None,
            requests: Vec::new(),
            current: None,
            rooms: HashMap::new(),
            drafts: HashMap::new(),
            nowhere: Composer::default(),
            overlay: None,
            invite,
            typing: Typing::default(),
            files: Heard::default(),
            pictures: Pictures::default(),
            news: VecDeque::new(),
            places: Places::default(),
            ended: false,
        }
    }

    /// What to ask first.
    pub(super) fn start() -> Vec<Effect> {
        vec![
            Effect::Query(Query::Whoami, Asked::Whoami),
            Effect::Query(Query::Status, Asked::Status),
            Effect::Query(Query::Conversations, Asked::Conversations),
            Effect::Query(Query::Contacts, Asked::Contacts),
            Effect::Query(Query::Requests, Asked::Requests),
        ]
    }

    /// Takes a message in; what it returns is to be done.
    pub(super) fn update(&mut self, msg: Msg, now: Timestamp) -> Vec<Effect> {
        self.now = now;
        match msg {
            Msg::Key(key) => self.key(key),
            Msg::Paste(text) => self.paste(&text),
            Msg::Mouse(mouse) => self.mouse(mouse),
            Msg::Event(event) => self.event(event),
            Msg::Answered(asked, outcome) => self.answered(asked, outcome),
            Msg::Replied(did, outcome) => self.replied(did, outcome),
            Msg::Picture(file, pixels) => {
                self.took_picture(file, pixels);
                Vec::new()
            }
            Msg::Found(search, entries) => {
                self.found_in_folder(&search, &entries);
                Vec::new()
            }
            Msg::Tick => {
                // The node has answered since: its count has them, if they still wait.
                self.queued.retain(|_, at| now.since(*at) < WATCHED);
                let mut effects = vec![Effect::Query(Query::Status, Asked::Status)];
                if matches!(self.current, Some(ConversationId::Direct(_))) {
                    // When somebody was last heard from is no event.
                    effects.push(Effect::Query(Query::Contacts, Asked::Contacts));
                }
                effects
            }
            Msg::Ended => {
                self.ended = true;
                vec![Effect::Quit]
            }
        }
    }

    /// The conversation shown, with its line of the list.
    pub(super) fn shown(&self) -> Option<&ConversationView> {
        let id = self.current?;
        self.conversations.as_ref()?.iter().find(|c| c.id == id)
    }

    /// Where a person is writing now.
    pub(super) fn composer(&mut self) -> &mut Composer {
        match self.current {
            Some(id) => self.drafts.entry(id).or_default(),
            None => &mut self.nowhere,
        }
    }

    /// The same to look at.
    pub(super) fn composer_shown(&self) -> Option<&Composer> {
        match self.current {
            Some(id) => self.drafts.get(&id),
            None => Some(&self.nowhere),
        }
    }

    /// Goes to a conversation, asking for what is not here yet.
    pub(super) fn go(&mut self, id: ConversationId) -> Vec<Effect> {
        if let Some(room) = self.current.and_then(|old| self.rooms.get_mut(&old)) {
            room.left();
        }
        self.current = Some(id);
        self.drafts.entry(id).or_default();
        let unread =
            self.conversations.iter().flatten().find(|c| c.id == id).map_or(0, |c| c.unread);
        let room = self.rooms.entry(id).or_default();
        room.entered(unread);
        let mut effects = vec![Effect::Query(room.newer(id), Asked::Newer(id))];
        if unread > 0 {
            effects.push(mark_read(id));
        }
        effects
    }

    /// Says something in the news line.
    pub(super) fn say(&mut self, text: impl Into<String>, bad: bool) {
        if self.news.len() >= NEWS_KEPT {
            self.news.pop_front();
        }
        self.news.push_back(News { text: text.into(), bad, at: self.now });
    }

    /// Says what went wrong and what to try.
    pub(super) fn complain(&mut self, error: &ApiError) {
        let text = if error.hint.is_empty() {
            error.what.clone()
        } else {
            format!("{} ({})", error.what, error.hint)
        };
        self.say(text, true);
    }

    /// Own messages that are not at the hub yet. What the node said last may be older than what
    /// was sent and seen since.
    pub(super) fn unsent(&self) -> u64 {
        let said = self.status.as_ref().map_or(0, |status| status.unsent);
        let seen = u64::try_from(self.queued.len()).unwrap_or(u64::MAX);
        said.max(seen).max(self.sending)
    }
}

/// Tells the node that this was seen.
pub(super) fn mark_read(conversation: ConversationId) -> Effect {
    Effect::Command(Command::MarkRead { conversation }, Did::Marked(conversation))
}
