//! Writing a message down and posting it; taking one in that has been opened.

use std::sync::Arc;

use hubbub_shared::content::{ChatEvent, ChatPlain, GroupPlain, PairPlain};
use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::limits::TEXT_MAX;
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::envelope::Envelope;

use super::Engine;
use super::file::body_of;
use super::outbox::{Chat, Docket, Entry, Rank};
use super::output::{HistoryChange, MessageKey, Output, StoredMessage};
use super::record::Key;
use crate::api::command::MessageText;
use crate::api::view::{Body, Notice};
use crate::api::{ApiError, Code, ConversationId, Reply};

impl Engine {
    /// Writes a text down and posts it. The same id again changes nothing.
    pub(super) fn send(
        &mut self,
        conversation: ConversationId,
        id: MessageId,
        text: String,
    ) -> Result<Reply, ApiError> {
        if let Some(entry) = self.outbox.of_message(&id) {
            let conversation = entry.docket.chat.as_ref().map_or(conversation, |c| c.conversation);
            let delivery = entry.delivery();
            return Ok(Reply::Queued { message: MessageText(id), conversation, delivery });
        }
        if text.trim().is_empty() {
            let what = "there is nothing in this message";
            return Err(ApiError::new(Code::Usage, what, "write something"));
        }
        let event = ChatEvent::text(text.clone()).map_err(|_| {
            let what = format!("a text has at most {TEXT_MAX} bytes, this one has {}", text.len());
            ApiError::new(Code::Usage, what, "send it in parts")
        })?;
        self.say_in(conversation, id, event, Body::Text(text))?;
        let delivery = crate::api::view::Delivery::Queued;
        Ok(Reply::Queued { message: MessageText(id), conversation, delivery })
    }

    /// Writes an own message down and posts it.
    pub(super) fn say_in(
        &mut self,
        conversation: ConversationId,
        id: MessageId,
        event: ChatEvent,
        body: Body,
    ) -> Result<(), ApiError> {
        if self.outbox.is_full() {
            let what = "too many messages wait here already";
            let hint = "wait until some are delivered; `hubbub status` shows what waits";
            return Err(ApiError::new(Code::Full, what, hint));
        }
        self.unless_may_not_write(conversation)?;
        let attached = matches!(event, ChatEvent::File(_)).then(|| event.clone());
        let (recipients, entry) = match conversation {
            ConversationId::Direct(peer) => self.send_direct(peer, id, event)?,
            ConversationId::Group(group) => self.send_group(group, id, event)?,
        };
        let number = self.outbox.of_message(&id).and_then(|e| e.docket.chat.as_ref()).map(|c| c.n);
        self.insert(StoredMessage {
            conversation,
            id,
            sender: self.id(),
            number: number.unwrap_or(0),
            sent_at: self.now,
            received_at: self.now,
            body,
            recipients,
        });
        if let Some(event) = attached {
            self.attach(MessageKey { conversation, sender: self.id(), id }, event);
        }
        // What is said of a message comes after the message.
        if let ConversationId::Direct(peer) = conversation {
            self.say_when_unsealed(entry, peer);
        }
        self.say_if_behind(entry);
        Ok(())
    }

    /// Refuses what cannot be said: to oneself, to one who is blocked, where we are no member, or
    /// where only admins write.
    pub(super) fn unless_may_not_write(
        &self,
        conversation: ConversationId,
    ) -> Result<(), ApiError> {
        let me = self.id();
        let id = match conversation {
            ConversationId::Direct(peer) if peer == me => {
                let what = "that is you";
                return Err(ApiError::new(Code::Usage, what, "write to somebody else"));
            }
            ConversationId::Direct(peer) => return self.unless_blocked(&peer),
            ConversationId::Group(id) => id,
        };
        let group = self.groups.get(&id);
        if !group.is_some_and(|group| group.is_active(&me)) {
            let (now, hint) = match self.is_coming_into_lobby(&id) {
                true => ("yet", "the hub lets you in this moment; try again in the next"),
                false => ("now", "ask an admin to add you"),
            };
            let what = format!("you are not a member of {} {now}", self.title(&id));
            return Err(ApiError::new(Code::Forbidden, what, hint));
        }
        let log = group.and_then(|group| group.log.as_ref());
        if log.is_some_and(|log| !log.may_post_at(&me, log.seq())) {
            let what = format!("only admins write in {}", self.title(&id));
            return Err(ApiError::new(Code::Forbidden, what, "write to an admin directly"));
        }
        Ok(())
    }

    fn send_direct(
        &mut self,
        peer: NodeId,
        id: MessageId,
        event: ChatEvent,
    ) -> Result<(Vec<NodeId>, u64), ApiError> {
        self.befriend(peer);
        let ts = self.now;
        let conversation = ConversationId::Direct(peer);
        let (n, prev) = self.next_count(conversation);
        self.counted(conversation, n, id);
        let plain = ChatPlain { id, ts, n, prev, seen: Vec::new(), event };
        let plain = PairPlain::Chat(Box::new(plain)).encode();
        let chat = Some(Chat { conversation, message: id, n, recipients: [peer].into() });
        let (log, rank) = (LogId::Mailbox(peer), Rank::Direct);
        let docket = Docket { log, rank, created: ts, chat, key_of: None };
        let number = self.post(Entry::new(docket, plain, None));
        self.seal_for(peer);
        Ok((vec![peer], number))
    }

    fn send_group(
        &mut self,
        id: GroupId,
        message: MessageId,
        event: ChatEvent,
    ) -> Result<(Vec<NodeId>, u64), ApiError> {
        let me = self.id();
        self.spread_chain(id);
        let (plain, n) = self.number_in_group(id, message, event)?;
        let sealed = self.seal_in_group(id, plain.expose())?;
        let conversation = ConversationId::Group(id);
        self.counted(conversation, n, message);
        let group = self.groups.get(&id).ok_or_else(no_group)?;
        let recipients: Vec<NodeId> =
            group.members().into_iter().filter(|node| *node != me).collect();
        let chat =
            Some(Chat { conversation, message, n, recipients: recipients.as_slice().into() });
        let (log, rank, created) = (LogId::Channel(id), Rank::Group, self.now);
        let docket = Docket { log, rank, created, chat, key_of: None };
        let number = self.post(Entry::new(docket, plain, Some(sealed)));
        Ok((recipients, number))
    }

    fn number_in_group(
        &self,
        id: GroupId,
        message: MessageId,
        event: ChatEvent,
    ) -> Result<(hubbub_shared::crypto::SecretBytes, u64), ApiError> {
        let group = self.groups.get(&id).ok_or_else(no_group)?;
        let (n, prev) = self.next_count(ConversationId::Group(id));
        let seen = group.seen.iter().copied().collect();
        let plain = GroupPlain { id: message, ts: self.now, n, prev, seen, event };
        Ok((plain.encode(), n))
    }

    pub(super) fn seal_in_group(&mut self, id: GroupId, plain: &[u8]) -> Result<Vec<u8>, ApiError> {
        let group = self.groups.get_mut(&id).ok_or_else(no_group)?;
        let (Some(log), Some(outbound)) = (&group.log, &mut group.outbound) else {
            return Err(no_group());
        };
        let epoch = (log.head(), log.seq());
        let sealed = outbound.chain.seal(plain, epoch, &mut self.rng);
        let (message, _) = sealed
            .map_err(|error| ApiError::new(Code::Usage, error.to_string(), "send less at once"))?;
        self.touch(Key::Outbound(id));
        Ok(Envelope::Group(message).to_bytes())
    }

    /// An opened message: part of the history, once.
    pub(super) fn receive(
        &mut self,
        conversation: ConversationId,
        sender: NodeId,
        plain: GroupPlain,
    ) {
        if !self.hear(conversation, sender, plain.n, plain.id) {
            return;
        }
        self.note_heard(sender);
        self.ask_speaker(sender);
        if let ConversationId::Group(id) = conversation
            && let Some(group) = self.groups.get_mut(&id)
        {
            group.note_seen(plain.id);
        }
        if self.is_blocked(&sender) {
            // Counted as heard, and acknowledged like any; only not shown.
            return self.count("blocked");
        }
        if self.meet(sender).nickname.is_none() {
            // Met before it had a name.
            self.ask_who(sender);
        }
        let mut file = None;
        let body = match plain.event {
            ChatEvent::Text { body } => Body::Text(body),
            ChatEvent::File(offer) => Body::File(body_of(file.insert(offer))),
            ChatEvent::Unknown { .. } => Body::Unsupported,
        };
        self.insert(StoredMessage {
            conversation,
            id: plain.id,
            sender,
            number: plain.n,
            sent_at: plain.ts,
            received_at: self.now,
            body,
            recipients: Vec::new(),
        });
        if let Some(offer) = file {
            let key = MessageKey { conversation, sender, id: plain.id };
            self.attach(key, ChatEvent::File(Arc::clone(&offer)));
            self.offered(key, &offer);
        }
    }

    /// Something that happened, as a line of the conversation.
    pub(super) fn notice(
        &mut self,
        conversation: ConversationId,
        sender: NodeId,
        id: MessageId,
        notice: Notice,
    ) {
        self.insert(StoredMessage {
            conversation,
            id,
            sender,
            number: 0,
            sent_at: self.now,
            received_at: self.now,
            body: Body::Notice(notice),
            recipients: Vec::new(),
        });
    }

    pub(super) fn insert(&mut self, message: StoredMessage) {
        self.out.push_back(Output::Stored(message.key()));
        self.history.push(HistoryChange::Insert(message));
    }
}

fn no_group() -> ApiError {
    ApiError::new(Code::NotFound, "the group is not here yet", "try again in a moment")
}
