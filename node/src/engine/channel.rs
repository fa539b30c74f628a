//! What comes in a group's channel: control entries and sealed messages.
//!
//! A message is opened by its sender's chain under the membership it was sealed for, or it is held,
//! or refused under a name. Who sent it is the chain's owner.

use hubbub_shared::content::{ContentError, GroupPlain};
use hubbub_shared::group::epoch::{Arrival, EpochError};
use hubbub_shared::group::sender_key::{GroupHeader, OpenError, Opened};
use hubbub_shared::id::{ChainId, GroupId, MessageId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::envelope::{Envelope, GroupMessage};
use hubbub_shared::wire::from_hub::{Item, ItemKind};

use super::Engine;
use super::output::StoredMessage;
use super::record::Key;
use crate::api::ConversationId;
use crate::api::view::Body;

/// The number of what did not come in the channel: it counts as the newest.
pub(super) const NO_PLACE: u64 = u64::MAX;

/// Why a message has to wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// For the group to be known, or its log to be read on.
    Log,
    /// For this chain.
    Key(ChainId),
}

impl Engine {
    /// Something the hub brings in a channel; whether it is a message that was opened.
    pub(super) fn take_channel_item(&mut self, id: GroupId, item: Item) -> bool {
        if !self.groups.contains_key(&id) && !self.stumble_upon(id) {
            return false;
        }
        if item.kind == ItemKind::Control {
            self.take_control_item(id, &item);
            return false;
        }
        match self.try_channel_item(id, (&item, self.now)) {
            Ok(opened) => return opened,
            Err(Wait::Log) => self.hold(id, item, None),
            Err(Wait::Key(chain)) => {
                self.need_key(id, chain, item.from);
                self.hold(id, item, Some(chain));
            }
        }
        false
    }

    fn take_control_item(&mut self, id: GroupId, item: &Item) {
        if self.groups.get(&id).is_none_or(|group| group.log.is_none()) {
            // It is part of what is being read from the start.
            return self.read_control(id);
        }
        if !self.take_entry(id, &item.bytes, Some(item.seq)) {
            self.read_up_to_now(id);
        } else {
            self.judge_offers(id);
            self.take_early_chains(id);
            if self.held.values().any(|held| held.group == id) {
                self.retry_held(id, None);
            }
        }
        self.read_if_given_back(id);
    }

    /// Opens a message that came at that time, refuses it, or says what it waits for. Gives whether
    /// it was opened, now or before.
    pub(super) fn try_channel_item(
        &mut self,
        id: GroupId,
        (item, came): (&Item, Timestamp),
    ) -> Result<bool, Wait> {
        let me = self.id();
        let Some(group) = self.groups.get_mut(&id) else { return Ok(false) };
        if !group.facts.invited {
            return Err(Wait::Log);
        }
        let Some(log) = &group.log else { return Err(Wait::Log) };
        let Ok(Envelope::Group(message)) = Envelope::parse(&item.bytes) else {
            let words = "something in the group's channel is no message".to_owned();
            self.refuse_unproven(id, item.from, "malformed", words);
            return Ok(false);
        };
        let header = match GroupHeader::of(&message) {
            Ok(header) => header,
            Err(error) => {
                self.refuse_unproven(id, item.from, error.reason(), error.to_string());
                return Ok(false);
            }
        };
        if group.facts.own_chains.contains(&header.chain) || item.from == me {
            return Ok(false);
        }
        let ours = log.head_at(header.epoch_seq) == Some(header.epoch);
        if ours && !log.roster().was_member(&me, header.epoch_seq) {
            // Sealed for others, before we were let in or after we were out.
            self.count("not-for-us");
            return Ok(false);
        }
        self.open_with_chain(id, (item, came), (&header, &message))
    }

    /// Refuses what nobody has proven to have written: the hub may name any sender, so only names
    /// of members make a notice.
    pub(super) fn refuse_unproven(
        &mut self,
        id: GroupId,
        from: NodeId,
        reason: &'static str,
        words: String,
    ) {
        if self.groups.get(&id).is_some_and(|group| group.is_member(&from)) {
            self.refuse(ConversationId::Group(id), from, reason, words);
        } else {
            self.count(reason);
        }
    }

    fn open_with_chain(
        &mut self,
        id: GroupId,
        (item, came): (&Item, Timestamp),
        (header, message): (&GroupHeader, &GroupMessage),
    ) -> Result<bool, Wait> {
        let Some(group) = self.groups.get_mut(&id) else { return Ok(false) };
        let chains = group.inbound.values_mut().flatten().map(|inbound| &mut inbound.chain);
        let (Some(log), Some(chain)) =
            (&group.log, chains.into_iter().find(|chain| chain.id() == header.chain))
        else {
            return self.chain_unknown(id, item, header.chain);
        };
        let sender = chain.sender();
        let relabelled = item.from != sender;
        let removal = group.facts.removed.iter().find(|(node, ..)| *node == sender);
        let arrival = match removal {
            Some((_, learned, place)) => Arrival {
                now: came,
                removal_learned: Some(*learned),
                before_removal: place.is_none_or(|place| item.seq < place),
            },
            None => Arrival::at(came),
        };
        match chain.open(log, arrival, message) {
            Ok(opened) => {
                if relabelled {
                    self.count("other-sender");
                }
                self.touch(Key::Inbound(id, sender, header.chain));
                self.take_opened(id, sender, (&opened, &item.bytes));
                Ok(true)
            }
            // Nobody did wrong who hands over what a member said before its removal. But a copy has
            // no place to prove that, so it is not shown either: its line stays missing.
            Err(OpenError::Epoch(EpochError::Removed)) if item.seq == NO_PLACE => {
                self.count("copy-of-removed");
                Ok(false)
            }
            Err(error) => self.not_opened(id, sender, &error),
        }
    }

    /// A chain this group does not have is on its way, unless it is another group's: a chain
    /// belongs to one group for good.
    fn chain_unknown(&mut self, id: GroupId, item: &Item, chain: ChainId) -> Result<bool, Wait> {
        let elsewhere = self.groups.iter_mut().any(|(other, group)| {
            *other != id
                && (group.facts.own_chains.contains(&chain) || group.chain(&chain).is_some())
        });
        if !elsewhere {
            return Err(Wait::Key(chain));
        }
        let words = "a message of another group was put into this one".to_owned();
        self.refuse_unproven(id, item.from, "other-group", words);
        Ok(false)
    }

    fn not_opened(&mut self, id: GroupId, sender: NodeId, error: &OpenError) -> Result<bool, Wait> {
        let conversation = ConversationId::Group(id);
        match error {
            OpenError::Epoch(epoch) if epoch.wants_log() => {
                self.read_control(id);
                return Err(Wait::Log);
            }
            OpenError::Seen(_) => {
                self.count(error.reason());
                self.owe_all(conversation, sender);
                return Ok(true);
            }
            _ => {
                let words = format!("a message was refused: {error}");
                self.refuse(conversation, sender, error.reason(), words);
            }
        }
        Ok(false)
    }

    fn take_opened(&mut self, id: GroupId, sender: NodeId, (opened, sealed): (&Opened, &[u8])) {
        let conversation = ConversationId::Group(id);
        match GroupPlain::decode(opened.plain.expose()) {
            Ok(plain) => {
                self.kept.keep(id, sender, plain.n, sealed);
                self.receive(conversation, sender, plain);
            }
            Err(ContentError::Newer(_)) => {
                let (name, _) = opened.mid.0.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
                self.insert(StoredMessage {
                    conversation,
                    id: MessageId(*name),
                    sender,
                    number: 0,
                    sent_at: self.now,
                    received_at: self.now,
                    body: Body::Unsupported,
                    recipients: Vec::new(),
                });
            }
            Err(error) => {
                let words = format!("a message was refused: {error}");
                self.refuse(conversation, sender, error.reason(), words);
            }
        }
    }

    /// The author sends a message again, in the session with us.
    pub(super) fn take_resend(&mut self, peer: NodeId, gid: GroupId, plain: &[u8]) {
        let me = self.id();
        let group = self.groups.get(&gid);
        if !group.is_some_and(|group| group.is_active(&me) && group.is_member(&peer)) {
            return self.count("resend-not-a-member");
        }
        if !group.and_then(|group| group.log.as_ref()).is_some_and(|log| log.could_post(&peer, &me))
        {
            return self.count("may-not-post");
        }
        match GroupPlain::decode(plain) {
            Ok(plain) => self.receive(ConversationId::Group(gid), peer, plain),
            Err(error) => self.count(error.reason()),
        }
    }
}
