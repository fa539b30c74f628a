//! What arrived before it could be opened: its key, its group or its membership is on the way.
//!
//! A held envelope is durable here, so its log's cursor moves past it. It is tried again in order
//! when what it waits for comes, and forgotten when a hub would have forgotten it too. Who sent it
//! is only known once it opens; the hub's hint serves to share out the room.

use std::collections::BTreeSet;

use hubbub_shared::id::{ChainId, GroupId};
use hubbub_shared::limits::{HELD_PER_SENDER, LOG_TTL};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::from_hub::Item;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::alarm::Alarm;
use super::channel::Wait;
use super::record::Key;

/// Held in all; beyond it arrivals are dropped and their authors send them again when asked.
const HELD: usize = 8_192;
/// Their bytes at most, beyond which the same happens.
const HELD_BYTES: usize = 32 * 1024 * 1024;

/// How long a message may wait for an entry before the hub is said to withhold it.
const WITHHELD: Millis = Millis::minutes(2);

/// One envelope that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Held {
    /// In which channel it came.
    pub(super) group: GroupId,
    /// As delivered.
    pub(super) item: Item,
    /// The chain it says it belongs to.
    pub(super) chain: Option<ChainId>,
    /// Since when.
    pub(super) since: Timestamp,
}

impl Engine {
    /// Keeps an envelope for later, if there is room.
    pub(super) fn hold(&mut self, group: GroupId, item: Item, chain: Option<ChainId>) {
        let from = item.from;
        let same = self.held.values().filter(|h| h.group == group && h.item.from == from);
        let bytes: usize = self.held.values().map(|held| held.item.bytes.len()).sum();
        let full = self.held.len() >= HELD || bytes + item.bytes.len() > HELD_BYTES;
        if full || same.count() >= HELD_PER_SENDER {
            return self.count("held-full");
        }
        let number = self.held.keys().next_back().map_or(1, |last| last.saturating_add(1));
        self.held.insert(number, Held { group, item, chain, since: self.now });
        self.touch(Key::Held(number));
    }

    /// Tries again what waits in a group: all of it, or what belongs to one chain.
    pub(super) fn retry_held(&mut self, group: GroupId, chain: Option<ChainId>) {
        let fits = |held: &Held| held.group == group && (chain.is_none() || held.chain == chain);
        let numbers: Vec<u64> =
            self.held.iter().filter(|(_, held)| fits(held)).map(|(number, _)| *number).collect();
        for number in numbers {
            let Some(mut held) = self.held.remove(&number) else { continue };
            let waits = match self.try_channel_item(group, (&held.item, held.since)) {
                Ok(_) => None,
                Err(Wait::Log) => Some(None),
                Err(Wait::Key(chain)) => {
                    self.need_key(group, chain, held.item.from);
                    Some(Some(chain))
                }
            };
            let Some(chain) = waits else {
                self.touch(Key::Held(number));
                continue;
            };
            if held.chain != chain {
                held.chain = chain;
                self.touch(Key::Held(number));
            }
            self.held.insert(number, held);
        }
    }

    /// The hub says that a group's log was read to its end: tries again what waits, without
    /// reading that log once more. What follows an entry the hub did not show is named.
    pub(super) fn retry_after_reading(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let known = group.log.is_some() && group.facts.invited;
        group.reading = true;
        self.retry_held(id, None);
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.reading = false;
        let mut held = self.held.values().filter(|held| held.group == id);
        let waits = held.find(|held| held.chain.is_none());
        let Some((from, since)) = waits.map(|held| (held.item.from, held.since)) else { return };
        // A page may be older than the message, and a hub that lost its store is told again.
        let patient = self.now.since(since) < WITHHELD && since <= self.now;
        if known && patient {
            self.alarms.set(Alarm::Withheld, since + WITHHELD);
        } else if known {
            let words = "a member wrote after a change of the group that the hub does not show; \
                         the message waits for it";
            self.refuse_unproven(id, from, "log-withheld", words.to_owned());
        }
    }

    /// Reads once more the logs that messages have waited for.
    pub(super) fn read_for_held(&mut self) {
        let groups: BTreeSet<GroupId> = self.held.values().map(|held| held.group).collect();
        groups.into_iter().for_each(|group| self.read_control(group));
    }

    /// The key of a chain did not come: its owner has left it behind. What it sealed is missing as
    /// what never came is, and its author says it again.
    pub(super) fn let_go_of(&mut self, chain: ChainId) {
        let of_chain = |held: &Held| held.chain == Some(chain);
        let numbers: Vec<u64> = self
            .held
            .iter()
            .filter(|(_, held)| of_chain(held))
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.held.remove(&number);
            self.touch(Key::Held(number));
            self.count("key-never-came");
        }
    }

    /// Forgets what waited too long.
    pub(super) fn expire_held(&mut self) {
        let now = self.now;
        let old = |held: &Held| now.since(held.since) > LOG_TTL;
        let numbers: Vec<u64> =
            self.held.iter().filter(|(_, held)| old(held)).map(|(number, _)| *number).collect();
        for number in numbers {
            self.held.remove(&number);
            self.touch(Key::Held(number));
            self.count("held-too-long");
        }
    }
}
