//! Counting what was refused, and saying so where a person should know.
//!
//! Every refusal counts under its reason. One that smells of tampering also leaves a notice in the
//! conversation, at most one per reason, sender and hour: an attacker must not be able to flood a
//! history.

use std::collections::BTreeMap;

use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use rand_core::Rng;

use super::Engine;
use crate::api::ConversationId;
use crate::api::view::Notice;

/// A notice of one kind is not repeated for this long.
const QUIET: Millis = Millis::hours(1);
/// Kinds remembered; beyond it no more notices are made within the hour.
const KINDS: usize = 1_024;

/// What was refused since the start.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: BTreeMap<&'static str, u64>,
    told: BTreeMap<(ConversationId, NodeId, &'static str), Timestamp>,
}

impl Refusals {
    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        self.counts.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect()
    }

    fn may_tell(&mut self, about: (ConversationId, NodeId, &'static str), now: Timestamp) -> bool {
        self.told.retain(|_, at| now.since(*at) < QUIET);
        let new = !self.told.contains_key(&about) && self.told.len() < KINDS;
        if new {
            self.told.insert(about, now);
        }
        new
    }
}

impl Engine {
    /// Counts a refusal.
    pub(super) fn count(&mut self, reason: &'static str) {
        let count = self.refusals.counts.entry(reason).or_default();
        *count = count.saturating_add(1);
    }

    /// Whether a person may be told again that others go by a contact's name.
    pub(super) fn may_tell_of_namesake(&mut self, node: NodeId) -> bool {
        let about = (ConversationId::Direct(node), node, "contested");
        self.refusals.may_tell(about, self.now)
    }

    /// Counts a refusal and leaves a notice where it happened.
    pub(super) fn refuse(
        &mut self,
        conversation: ConversationId,
        sender: NodeId,
        reason: &'static str,
        explanation: String,
    ) {
        self.count(reason);
        // One who is blocked writes nothing here, not even that; what others do in the name of a
        // contact is another matter.
        let elsewhere = matches!(conversation, ConversationId::Direct(peer) if peer != sender);
        if self.is_blocked(&sender) && !elsewhere {
            return;
        }
        if !self.refusals.may_tell((conversation, sender, reason), self.now) {
            return;
        }
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        let notice = Notice::Refused { reason: reason.to_owned(), explanation };
        self.notice(conversation, sender, MessageId(id), notice);
    }
}
