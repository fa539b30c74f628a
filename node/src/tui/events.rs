//! What the node tells, answers and carries out, taken into the state.

use super::app::{App, Asked, Did, Effect, Msg, mark_read};
use super::history::Room;
use super::overlay::Overlay;
use crate::api::view::{
    ConversationKind, ConversationView, Delivery, LinkState, MessageView, Path,
};
use crate::api::{Answer, ApiError, ConversationId, Event, Query, Reply};
use crate::display::{WAITS, body, excerpt, line};

/// Own messages watched until they are at the hub; of more than these the node's count is shown.
const QUEUED: usize = 1_024;
/// Characters of a message above its ledger.
const EXCERPT: usize = 40;

impl App {
    /// Something happened at the node.
    pub(super) fn event(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Message(message) => self.message(*message),
            Event::Delivery { message, conversation, delivery, reached } => {
                if let Some(room) = self.rooms.get_mut(&conversation) {
                    room.delivered(message, delivery, reached);
                }
                if delivery > Delivery::Queued {
                    self.queued.remove(&message);
                }
                vec![Effect::Query(Query::Status, Asked::Status)]
            }
            Event::Gone { conversation, messages } => {
                if let Some(room) = self.rooms.get_mut(&conversation) {
                    room.forget(&messages);
                }
                Vec::new()
            }
            Event::Past { conversation } => {
                if let Some(room) = self.rooms.get_mut(&conversation) {
                    room.forget_past();
                }
                Vec::new()
            }
            Event::File(view) => {
                self.file_changed(&view);
                Vec::new()
            }
            Event::ConversationChanged { .. } => {
                vec![Effect::Query(Query::Conversations, Asked::Conversations)]
            }
            Event::JoinRequested { person, .. } => {
                let who = line(&person.name).into_owned();
                self.say(
                    format!("{who} asks to be let in: /group doors, /group accept {who}"),
                    false,
                );
                Vec::new()
            }
            Event::Typing { conversation, person } => {
                self.typing.hear(conversation, &person, self.now);
                Vec::new()
            }
            Event::ContactsChanged => self.names_changed(),
            Event::RequestsChanged => vec![Effect::Query(Query::Requests, Asked::Requests)],
            Event::Link(state) => {
                self.link_changed(state);
                // Without the hub, whoever was reached through it is not any more.
                vec![
                    Effect::Query(Query::Status, Asked::Status),
                    Effect::Query(Query::Contacts, Asked::Contacts),
                ]
            }
            Event::Warning { reason, explanation } => {
                self.say(format!("{explanation} ({reason})"), true);
                Vec::new()
            }
            Event::Missed(_) => self.look_again(),
        }
    }

    fn message(&mut self, message: MessageView) -> Vec<Effect> {
        let id = message.conversation;
        let seen = self.current == Some(id) && !message.own;
        let mut effects = vec![Effect::Query(Query::Conversations, Asked::Conversations)];
        if message.delivery == Some(Delivery::Queued) && self.queued.len() < QUEUED {
            if self.queued.is_empty() && self.is_cut_off() && !self.goes_directly(id) {
                self.say(format!("not sent yet, the hub is not reached: it {WAITS}"), false);
            }
            self.queued.insert(message.id, self.now);
            effects.push(Effect::Query(Query::Status, Asked::Status));
        }
        self.typing.quiet(id, message.sender.node.0);
        if let Some(room) = self.rooms.get_mut(&id) {
            room.happened(message);
        }
        if seen {
            effects.push(mark_read(id));
        }
        effects
    }

    /// Names stand in the list and beside every message, too.
    fn names_changed(&mut self) -> Vec<Effect> {
        let mut effects = Self::start();
        for (id, room) in &mut self.rooms {
            room.forget_past();
            if self.current == Some(*id) {
                effects.push(Effect::Query(Room::newest(*id), Asked::Newer(*id)));
            } else {
                room.loaded = false;
            }
        }
        effects
    }

    /// Somebody's presence is the end of the first-run hint: the invite has been used.
    pub(super) fn is_alone(&self) -> bool {
        let conversations = self.conversations.iter().flatten();
        let met = conversations.filter(|c| c.kind == ConversationKind::Direct || c.members > 1);
        met.count() == 0 && self.contacts.as_ref().is_none_or(Vec::is_empty)
    }

    fn link_changed(&mut self, state: LinkState) {
        if let LinkState::Down { why, .. } = &state
            && !matches!(self.link, Some(LinkState::Down { .. }))
        {
            self.say(format!("hub out of reach: {why}; what you send {WAITS}"), true);
        }
        self.take_link(state);
    }

    fn take_link(&mut self, state: LinkState) {
        self.hub_spoke |= matches!(state, LinkState::Up { .. });
        self.link = Some(state);
    }

    /// Whether the hub is not reached, or not yet.
    pub(super) fn is_cut_off(&self) -> bool {
        matches!(self.link, Some(LinkState::Connecting | LinkState::Down { .. }))
    }

    /// Whether what is said to them needs no hub.
    fn goes_directly(&self, conversation: ConversationId) -> bool {
        let ConversationId::Direct(peer) = conversation else { return false };
        if !self.hub_spoke {
            return false;
        }
        let mut contacts = self.contacts.iter().flatten();
        contacts.any(|contact| contact.person.node.0 == peer && contact.path == Path::Direct)
    }

    /// Events were missed: everything on screen is asked for anew.
    fn look_again(&mut self) -> Vec<Effect> {
        let mut effects = Self::start();
        // What was missed may be how far these got: the node is asked.
        self.queued.clear();
        self.status = None;
        for (id, room) in &mut self.rooms {
            // Marks of messages already here may have moved too: start from the newest page.
            room.loaded = false;
            if self.current == Some(*id) {
                effects.push(Effect::Query(room.newer(*id), Asked::Newer(*id)));
            }
        }
        effects
    }

    /// The node answered.
    pub(super) fn answered(
        &mut self,
        asked: Asked,
        outcome: Result<Answer, ApiError>,
    ) -> Vec<Effect> {
        match outcome {
            Ok(answer) => self.took(asked, answer),
            Err(error) => {
                if let Asked::Older(id) = asked
                    && let Some(room) = self.rooms.get_mut(&id)
                {
                    room.asking = false;
                }
                self.complain(&error);
                Vec::new()
            }
        }
    }

    fn took(&mut self, asked: Asked, answer: Answer) -> Vec<Effect> {
        match (asked, answer) {
            (Asked::Conversations, Answer::Conversations(list)) => return self.took_list(list),
            (Asked::Newer(id), Answer::History(page)) => {
                let room = self.rooms.entry(id).or_default();
                if room.took_newer(page) {
                    return vec![Effect::Query(room.newer(id), Asked::Newer(id))];
                }
            }
            (Asked::Older(id), Answer::History(page)) => {
                self.rooms.entry(id).or_default().took_older(page);
            }
            (Asked::Older(id), Answer::Past(page)) => {
                self.rooms.entry(id).or_default().took_past(page);
            }
            (_, Answer::Contacts(contacts)) => self.contacts = Some(contacts),
            (_, Answer::Whoami(me)) => self.me = Some(me),
            (_, Answer::Status(status)) => {
                self.take_link(status.link.clone());
                self.status = Some(status);
            }
            (_, Answer::Members(members)) => self.overlay = Some(Overlay::Members(members)),
            (_, Answer::Doors(doors)) => {
                let lines = crate::display::doors(&doors, &self.clock);
                self.overlay = Some(Overlay::Doors(lines));
            }
            (_, Answer::Requests(requests)) => self.took_requests(requests),
            (_, Answer::Contact(info)) => self.overlay = Some(Overlay::Contact(info)),
            (_, Answer::Safety(safety)) => self.overlay = Some(Overlay::Safety(safety)),
            (_, Answer::MessageInfo { message, recipients }) => {
                let says = body(&message.body, &message.sender);
                self.overlay = Some(Overlay::Info(excerpt(&says, EXCERPT), recipients));
            }
            _ => {}
        }
        Vec::new()
    }

    fn took_list(&mut self, list: Vec<ConversationView>) -> Vec<Effect> {
        self.conversations = Some(list);
        let top = self.conversations.iter().flatten().next().map(|c| c.id);
        match (self.current, top) {
            // Not while something is being written: it would be torn in two, and the second half
            // said where it was not meant for.
            (None, Some(top)) if self.nowhere.is_empty() => self.go(top),
            _ => Vec::new(),
        }
    }

    /// The node carried something out, or refused to.
    pub(super) fn replied(&mut self, did: Did, outcome: Result<Reply, ApiError>) -> Vec<Effect> {
        if let Did::Sent(..) = did {
            self.sending = self.sending.saturating_sub(1);
        }
        match (did, outcome) {
            (Did::Sent(id, text), Err(error)) => self.not_sent(id, &text, &error),
            (_, Err(error)) => self.complain(&error),
            (Did::Opened, Ok(Reply::Conversation { conversation })) => {
                let mut effects = vec![Effect::Query(Query::Conversations, Asked::Conversations)];
                effects.extend(self.go(conversation));
                return effects;
            }
            (Did::Opened, Ok(Reply::Queued { conversation, .. })) => return self.go(conversation),
            (_, Ok(Reply::Nickname { nickname })) => {
                self.say(format!("you are {} now", line(&nickname)), false);
                return vec![Effect::Query(Query::Whoami, Asked::Whoami)];
            }
            (Did::Linked, Ok(Reply::Link { link })) => return self.show_link(&link),
            (Did::Said(text), Ok(_)) => self.say(text, false),
            _ => {}
        }
        Vec::new()
    }

    /// A refused text goes back to where it was written, in front of what came after.
    fn not_sent(&mut self, id: ConversationId, text: &str, error: &ApiError) {
        let draft = self.drafts.entry(id).or_default();
        let since = draft.take();
        draft.set(&if since.is_empty() { text.to_owned() } else { format!("{text}\n{since}") });
        self.complain(error);
    }
}

/// What the outside world may bring while nothing else happens.
impl From<Event> for Msg {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}
