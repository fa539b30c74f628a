//! What comes from a peer on a connection of the two, and may come by the hub as well.
//!
//! Whichever copy comes first counts. Invariant: a copy is dropped unread only if the same envelope
//! was opened before; a group's message is taken here only while the hub brings none, and dropped
//! if it cannot be opened yet: it comes by the hub, or again. What is carried to peers, and when,
//! is in `direct`.

use std::collections::{BTreeMap, VecDeque};

use hubbub_shared::crypto::blake3;
use hubbub_shared::id::{Digest, GroupId, NodeId};
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::codec::encode;
use hubbub_shared::wire::envelope::Envelope;
use hubbub_shared::wire::from_hub::{Item, ItemKind};
use hubbub_shared::wire::to_peer::Carry;

use super::Engine;
use super::channel::NO_PLACE;
use crate::api::ConversationId;

/// Envelopes remembered that were opened when they came one way, until they come the other.
const REMEMBERED: usize = 4_096;

/// Which way an envelope came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Hub,
    Direct,
}

/// What names an envelope in a log: a hash of both. Nothing else has it, whoever made it.
pub(super) type Mark = Digest;

/// Envelopes that were opened when they came one way.
#[derive(Default)]
pub(super) struct Twice {
    came: BTreeMap<Mark, Way>,
    order: VecDeque<Mark>,
}

impl Twice {
    /// Whether it came the other way before; that is forgotten then.
    fn came_otherwise(&mut self, mark: &Mark, way: Way) -> bool {
        let otherwise = self.came.get(mark).is_some_and(|before| *before != way);
        if otherwise {
            self.came.remove(mark);
        }
        otherwise
    }

    fn note(&mut self, mark: Mark, way: Way) {
        if self.came.insert(mark, way).is_none() {
            self.order.push_back(mark);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.came.remove(&oldest);
        }
    }
}

fn mark(log: &LogId, envelope: &[u8]) -> Mark {
    blake3(&[&encode(log)[..], envelope].concat())
}

impl Engine {
    /// A peer carries something.
    pub(super) fn take_carried(&mut self, peer: NodeId, carry: Carry) {
        let Carry { log, envelope } = carry;
        let mark = mark(&log, &envelope);
        if self.direct.twice.came_otherwise(&mark, Way::Direct) {
            return;
        }
        let (seq, kind, at, from) = (NO_PLACE, ItemKind::Envelope, self.now, peer);
        let item = Item { seq, kind, at, from, bytes: envelope };
        let opened = match log {
            LogId::Mailbox(owner) if owner == self.id() => self.take_mail(&item),
            LogId::Mailbox(_) => {
                self.count("foreign-mailbox");
                false
            }
            LogId::Channel(group) => self.take_carried_of(group, &item),
        };
        if opened {
            self.direct.twice.note(mark, Way::Direct);
        }
    }

    /// A group's message without a place in its channel; whether it was opened.
    fn take_carried_of(&mut self, group: GroupId, item: &Item) -> bool {
        if self.link.is_up() {
            // The hub brings it, in its place.
            return false;
        }
        let refused = if !self.shares(ConversationId::Group(group), &item.from) {
            "carried-not-a-member"
        } else if !matches!(Envelope::parse(&item.bytes), Ok(Envelope::Group(_))) {
            "malformed"
        } else {
            match self.try_channel_item(group, (item, self.now)) {
                Ok(opened) => return opened,
                // What cannot be opened yet comes by the hub, or again.
                Err(_) => "carried-early",
            }
        };
        self.count(refused);
        false
    }

    /// What names an item that the hub brings, as long as it may come, or came, another way, too.
    pub(super) fn mark_of(&self, log: &LogId, item: &Item) -> Option<Mark> {
        let twice = !self.direct.is_empty() || !self.direct.twice.came.is_empty();
        (twice && item.kind == ItemKind::Envelope).then(|| mark(log, &item.bytes))
    }

    /// Whether the hub brings what a peer has brought already.
    pub(super) fn was_carried(&mut self, mark: &Mark) -> bool {
        self.direct.twice.came_otherwise(mark, Way::Hub)
    }

    /// The hub brought what could be opened: a copy of it may come from its sender.
    pub(super) fn opened_from_hub(&mut self, mark: Mark, from: &NodeId) {
        if self.direct.has(from) {
            self.direct.twice.note(mark, Way::Hub);
        }
    }
}
