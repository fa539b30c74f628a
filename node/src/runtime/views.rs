//! What faces look at: the engine's facts and the store's rows, put together.

use std::path::Path;

use hubbub_shared::content::ChatEvent;
use hubbub_shared::group::link::GroupCode;
use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::invite::Invite;

use super::failure::from_store;
use super::hub_file::HubFile;
use super::video::Ffmpeg;
use super::ways::Ways;
use super::{doctor, now};
use crate::api::command::MessageText;
use crate::api::file::FileBody;
use crate::api::group::DoorsView;
use crate::api::people::PictureView;
use crate::api::view::{
    Body, ConversationView, Delivery, LinkState, MessageView, Notice, PastView, Path as Reached,
    PathView, PersonView, RecipientView, StatusView, WhoamiView,
};
use crate::api::{Answer, ApiError, Code, ConversationId, Event, Query};
use crate::engine::Engine;
use crate::engine::output::MessageKey;
use crate::engine::view::ConversationFacts;
use crate::net::HubLink;
use crate::store::{Message, Store, Summary, Told};

/// Characters of the last message that the conversation list shows.
const LAST_CHARS: usize = 120;

/// Everything a look needs.
pub(super) struct Looker<'a> {
    pub(super) engine: &'a Engine,
    pub(super) store: &'a Store,
    pub(super) link: &'a LinkState,
    pub(super) hub_file: &'a HubFile,
    pub(super) profile: &'a Path,
    pub(super) ways: (&'a Ways, &'a HubLink),
}

impl Looker<'_> {
    /// Answers a query.
    pub(super) fn answer(&self, query: Query) -> Result<Answer, ApiError> {
        Ok(match query {
            Query::Conversations => Answer::Conversations(self.conversations()?),
            Query::Resolve { target } => Answer::Conversation(self.resolve(&target)?),
            Query::History { conversation, after, before, limit } => {
                let page = self.store.history(&conversation, after, before, limit);
                let page = page.map_err(|e| from_store(&e))?;
                Answer::History(page.into_iter().map(|m| message_view(self.engine, m)).collect())
            }
            Query::Past { conversation, before, limit } => {
                let page = self.store.past(&conversation, before, limit);
                let page = page.map_err(|error| from_store(&error))?;
                let view = |told| past_view(self.engine, conversation, told);
                Answer::Past(page.into_iter().map(view).collect())
            }
            Query::MessageInfo { message } => self.message_info(&message.0)?,
            Query::Contacts => Answer::Contacts(self.engine.contacts(|node| self.path(node))),
            Query::Members { group } => {
                let group = self.engine.resolve_group(&group)?;
                Answer::Members(self.engine.members(&group))
            }
            Query::Doors { group } => {
                let group = self.engine.resolve_group(&group)?;
                let doors = self.engine.doors(&group).ok_or_else(|| nobody(&group.short()))?;
                Answer::Doors(Box::new(self.with_lines(doors)))
            }
            Query::Knocks => Answer::Knocks(self.engine.knocks()),
            Query::Safety { contact } => {
                let node = self.somebody(&contact)?;
                Answer::Safety(self.engine.safety(&node))
            }
            Query::Whoami => Answer::Whoami(self.whoami()),
            Query::Requests => Answer::Requests(self.engine.requests()),
            Query::Blocked => Answer::Blocked(self.engine.blocked()),
            Query::Contact { contact } => {
                let node = self.somebody(&contact)?;
                let info = self.engine.contact_info(&node, self.path(&node));
                let info = info.ok_or_else(|| nobody(&contact))?;
                Answer::Contact(Box::new(info))
            }
            Query::Picture { contact } => {
                let node = match &contact {
                    Some(contact) => self.somebody(contact)?,
                    None => self.engine.id(),
                };
                Answer::Picture(self.engine.picture(&node))
            }
            Query::Paths => Answer::Paths(self.paths()),
            Query::Doctor => self.doctor(),
            Query::Settings => Answer::Settings(self.engine.settings()),
            Query::Preview { file } => Answer::Preview(self.preview(file)?),
            Query::Files | Query::FileSettings | Query::FileRules | Query::GroupFileRules => {
                self.about_files(&query)
            }
            Query::Status => Answer::Status(self.status()),
        })
    }

    /// Links as whole lines, to hand over.
    fn with_lines(&self, mut doors: DoorsView) -> DoorsView {
        for link in &mut doors.links {
            link.link = link.link.take().map(|code| whole_link(self.hub_file, &code));
        }
        doors
    }

    fn somebody(&self, name: &str) -> Result<NodeId, ApiError> {
        self.engine.resolve_person(name)?.ok_or_else(|| nobody(name))
    }

    /// Most recent first.
    fn conversations(&self) -> Result<Vec<ConversationView>, ApiError> {
        let facts = self.engine.conversations();
        let views = facts.into_iter().map(|facts| self.conversation(facts));
        let mut views = views.collect::<Result<Vec<_>, _>>()?;
        views.sort_by(|a, b| b.last_at.cmp(&a.last_at).then_with(|| a.title.cmp(&b.title)));
        Ok(views)
    }

    fn resolve(&self, target: &str) -> Result<ConversationView, ApiError> {
        let id = self.engine.resolve(target)?.ok_or_else(|| nobody(target))?;
        let facts = self.engine.conversation_facts(id).ok_or_else(|| nobody(target))?;
        self.conversation(facts)
    }

    fn conversation(&self, facts: ConversationFacts) -> Result<ConversationView, ApiError> {
        let summary = self.store.summary(&facts.id).map_err(|error| from_store(&error))?;
        let Summary { unread, last, last_at } = summary;
        Ok(ConversationView {
            id: facts.id,
            title: facts.title,
            kind: facts.kind,
            topic: facts.topic,
            unread,
            last_at: last_at.max(facts.since),
            last: last.as_deref().map(one_line),
            members: facts.members,
            active: facts.active,
            undelivered: facts.undelivered,
        })
    }

    fn message_info(&self, id: &MessageId) -> Result<Answer, ApiError> {
        let found = self.store.find(id).map_err(|error| from_store(&error))?;
        let message = found.ok_or_else(|| {
            ApiError::new(
                Code::NotFound,
                "no such message here",
                "`hubbub read --json` shows their ids",
            )
        })?;
        let ledger = self.store.ledger(&message).map_err(|error| from_store(&error))?;
        let recipients = ledger.into_iter().map(|line| RecipientView {
            person: self.engine.person(&line.node),
            delivery: fair(self.engine, line.delivery),
            at: line.at,
            stuck: line.stuck,
        });
        let recipients = recipients.collect();
        let message = Box::new(message_view(self.engine, message));
        Ok(Answer::MessageInfo { message, recipients })
    }

    fn status(&self) -> StatusView {
        StatusView { link: self.link.clone(), ..self.engine.status() }
    }

    fn paths(&self) -> Vec<PathView> {
        let (ways, link) = self.ways;
        ways.views(self.engine, link, now())
    }

    /// How bytes reach somebody now.
    fn path(&self, node: &NodeId) -> Reached {
        let (ways, link) = self.ways;
        ways.path(self.engine, link.rtt().is_some(), node, now())
    }

    fn doctor(&self) -> Answer {
        let ffmpeg = Ffmpeg::find();
        Answer::Doctor(doctor::examine(&doctor::Findings {
            link: self.link,
            clock: self.engine.clock_off(),
            place: self.ways.0.place(),
            addresses: self.engine.settings().addresses,
            spoken: self.engine.spoken(),
            ffmpeg: ffmpeg.as_ref().map(Ffmpeg::path),
        }))
    }

    fn about_files(&self, query: &Query) -> Answer {
        match query {
            Query::Files => Answer::Files(self.engine.files()),
            Query::FileRules => Answer::FileRules(self.engine.file_rules()),
            Query::GroupFileRules => Answer::GroupFileRules(self.engine.group_file_rules()),
            _ => Answer::FileSettings(self.engine.file_settings().clone()),
        }
    }

    /// The small picture that came with a file.
    fn preview(&self, file: u64) -> Result<Option<PictureView>, ApiError> {
        let key = self.engine.file_message(file).ok_or_else(|| {
            let what = format!("there is no file {file} here");
            ApiError::new(Code::NotFound, what, "`hubbub file list` shows their numbers")
        })?;
        let found = self.store.attachment(&key).map_err(|error| from_store(&error))?;
        let Some(ChatEvent::File(offer)) = found else { return Ok(None) };
        Ok(offer.reference().preview().and_then(PictureView::of))
    }

    fn whoami(&self) -> WhoamiView {
        let own = self.engine.whoami();
        WhoamiView {
            node: own.node,
            nickname: own.nickname,
            display_name: own.display_name,
            status: own.status,
            has_picture: own.has_picture,
            hub: self.hub_file.hub().to_text(),
            addresses: self.hub_file.addresses().to_vec(),
            profile: self.profile.display().to_string(),
        }
    }
}

/// A message is part of the history.
pub(super) fn stored(engine: &Engine, message: Message) -> Event {
    Event::Message(Box::new(message_view(engine, message)))
}

/// An own message got further.
pub(super) fn moved(engine: &Engine, message: Message) -> Event {
    let conversation: ConversationId = message.conversation;
    Event::Delivery {
        message: MessageText(message.id),
        conversation,
        delivery: fair(engine, message.delivery),
        reached: (message.reached, message.recipients),
    }
}

/// Who does not tell others what was read here does not see what was read there.
fn fair(engine: &Engine, delivery: Delivery) -> Delivery {
    if engine.settings().read_receipts { delivery } else { delivery.min(Delivery::Delivered) }
}

fn message_view(engine: &Engine, message: Message) -> MessageView {
    let tracked = message.own && matches!(message.body, Body::Text(_) | Body::File(_));
    let key = message.key();
    MessageView {
        id: MessageText(message.id),
        conversation: message.conversation,
        order: message.order,
        sender: engine.person(&message.sender),
        sent_at: message.sent_at,
        received_at: message.received_at,
        body: as_it_is(engine, &key, message.body),
        own: message.own,
        delivery: tracked.then(|| fair(engine, message.delivery)),
        reached: tracked.then_some((message.reached, message.recipients)),
    }
}

fn past_view(engine: &Engine, conversation: ConversationId, told: Told) -> PastView {
    PastView {
        id: MessageText(told.id),
        conversation,
        order: told.order,
        author: engine.person(&told.author),
        sent_at: told.sent_at,
        text: told.text,
        told_by: told.told_by.map(|node| engine.person(&node)),
        contradicted: told.contradicted.map(|node| engine.person(&node)),
    }
}

/// A body as it is now: a file with what became of it, a notice with people's present names.
fn as_it_is(engine: &Engine, key: &MessageKey, body: Body) -> Body {
    match body {
        Body::File(file) => {
            let status = engine.file_status(key);
            Body::File(Box::new(FileBody { status, ..*file }))
        }
        other => named(engine, other),
    }
}

/// A notice names people as they are called now: they may have had no name when it was written.
fn named(engine: &Engine, body: Body) -> Body {
    let Body::Notice(notice) = body else { return body };
    let now = |person: PersonView| engine.person(&person.node.0);
    Body::Notice(match notice {
        Notice::Added(person) => Notice::Added(now(person)),
        Notice::Joined(person) => Notice::Joined(now(person)),
        Notice::JoinedBy(person, maker) => Notice::JoinedBy(now(person), now(maker)),
        Notice::Banned(person) => Notice::Banned(now(person)),
        Notice::Unbanned(person) => Notice::Unbanned(now(person)),
        Notice::Removed(person) => Notice::Removed(now(person)),
        Notice::Left(person) => Notice::Left(now(person)),
        Notice::RoleChanged(person, role) => Notice::RoleChanged(now(person), role),
        other @ (Notice::Created
        | Notice::Described { .. }
        | Notice::Set(_)
        | Notice::LinkMade(_)
        | Notice::LinkRevoked
        | Notice::Refused { .. }) => other,
    })
}

/// A group's code as the line that leads to it: where the hub is, which one it is, which group.
pub(super) fn whole_link(hub_file: &HubFile, code: &str) -> String {
    let invite = Invite::new(hub_file.addresses().to_vec(), hub_file.hub(), None);
    match (invite, GroupCode::parse(code)) {
        (Ok(invite), Ok(group)) => invite.into_group(group).to_text(),
        _ => code.to_owned(),
    }
}

fn one_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.chars().take(LAST_CHARS).collect()
}

fn nobody(target: &str) -> ApiError {
    ApiError::new(
        Code::NotFound,
        format!("nobody and nothing here is called {target}"),
        "`hubbub conversations` and `hubbub contacts` list who is; `hubbub send NAME TEXT` finds others",
    )
}
