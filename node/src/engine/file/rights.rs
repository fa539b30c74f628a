//! Who may have what: to whom pieces are given, and who is asked for them.
//!
//! Invariant: an offer gives a right only to what it brought here itself, never to what is here by
//! another one of the same address: an address is no permission, and anybody may copy it.

use hubbub_shared::id::{BlobId, GroupId, NodeId};
use hubbub_shared::time::Timestamp;

use super::{File, SERVED, SOURCES};
use crate::api::{ConversationId, FileState};
use crate::engine::Engine;

impl Engine {
    /// Whether a peer may fetch pieces of a blob from here: it is served or fetched here, was
    /// offered in a conversation the peer belongs to, and the peer is not blocked.
    #[must_use]
    pub fn may_fetch(&self, peer: &NodeId, blob: &BlobId) -> bool {
        let numbers = self.files.by_blob.get(blob).into_iter().flatten();
        let mut files = numbers.filter_map(|n| Some((*n, self.files.rows.get(n)?)));
        !self.is_blocked(peer)
            && files.any(|(number, file)| {
                let own = file.facts.state != FileState::Fetching || !self.is_anothers(number);
                own && self.is_served(file) && self.shares(file.facts.conversation, peer)
            })
    }

    /// Whether a peer may ask for pieces at all: contacts, members of a closed group of ours, and
    /// whoever something is served to here, unless they are blocked.
    #[must_use]
    pub fn may_ask(&self, peer: &NodeId) -> bool {
        let serves =
            |file: &File| self.is_served(file) && self.shares(file.facts.conversation, peer);
        self.answers_where(peer) || (!self.is_blocked(peer) && self.files.rows.values().any(serves))
    }

    /// Whether a file may be given to others: it is ours or here, and neither stopped nor old.
    pub(super) fn is_served(&self, file: &File) -> bool {
        let facts = &file.facts;
        let state =
            matches!(facts.state, FileState::Serving | FileState::Whole | FileState::Fetching);
        state && !facts.stopped && self.now.since(facts.since) < SERVED
    }

    /// Whether what is here of a file's blob is that of another offer with the same address: of one
    /// that is whole, or was begun before it.
    pub(super) fn is_anothers(&self, number: u64) -> bool {
        let rows = &self.files.rows;
        let Some(file) = rows.get(&number) else { return false };
        let mine = claim(number, file);
        let numbers = file.facts.blob.and_then(|blob| self.files.by_blob.get(&blob));
        let others = numbers.into_iter().flatten().filter(|other| **other != number);
        let mut claims = others.filter_map(|other| claim(*other, rows.get(other)?));
        claims.any(|other| mine.is_none_or(|mine| other < mine))
    }

    /// Who is asked for a file of another's: its sender first, then whoever else it was offered to,
    /// all of them as they belong to the conversation now. Of many, some by chance, so that not
    /// everybody asks the same; those who were asked before stay.
    pub(super) fn sources(&mut self, number: u64) -> Vec<NodeId> {
        let Some(file) = self.files.rows.get(&number) else { return Vec::new() };
        let (conversation, sender) = (file.facts.conversation, file.facts.sender);
        let asked = file.asked.clone();
        let members = match conversation {
            ConversationId::Direct(_) => Vec::new(),
            ConversationId::Group(id) => {
                self.groups.get(&id).map(super::super::Group::members).unwrap_or_default()
            }
        };
        let me = self.id();
        let belongs = |node: &NodeId| {
            *node != me && !self.is_blocked(node) && self.shares(conversation, node)
        };
        let mut sources: Vec<_> = [sender].into_iter().filter(belongs).collect();
        let others = members.into_iter().filter(|node| *node != sender && belongs(node)).collect();
        let room = SOURCES - sources.len();
        sources.extend(some(others, &asked, room, |nodes| self.by_chance(nodes)));
        sources
    }

    /// Who belongs to a group has changed: what was offered there is fetched from who is in it now.
    pub(in crate::engine) fn fetch_from_members(&mut self, group: GroupId) {
        let conversation = ConversationId::Group(group);
        let rows = self.files.rows.iter();
        let fetched = rows.filter(|(_, file)| {
            file.facts.state == FileState::Fetching && file.facts.conversation == conversation
        });
        let fetched: Vec<u64> = fetched.map(|(number, _)| *number).collect();
        for number in fetched {
            let asked = self.files.rows.get(&number).map(|file| file.asked.clone());
            let mut asked = asked.unwrap_or_default();
            let mut now = self.sources(number);
            asked.sort_unstable();
            now.sort_unstable();
            if asked != now {
                self.order_fetch(number);
            }
        }
    }
}

/// What a file has of what is here under its address; the lowest has it.
fn claim(number: u64, file: &File) -> Option<(bool, Timestamp, u64)> {
    let facts = &file.facts;
    match facts.state {
        FileState::Serving | FileState::Whole => Some((false, facts.since, number)),
        // Our own, or one that is here.
        FileState::Paused if facts.path.is_some() => Some((false, facts.since, number)),
        FileState::Fetching | FileState::Queued | FileState::Paused => {
            facts.begun.map(|begun| (true, begun, number))
        }
        _ => None,
    }
}

/// At most so many of these: those who were asked before, and others by chance.
fn some(
    all: Vec<NodeId>,
    asked: &[NodeId],
    most: usize,
    mut by_chance: impl FnMut(&[NodeId]) -> Option<NodeId>,
) -> Vec<NodeId> {
    if all.len() <= most {
        return all;
    }
    let (mut some, mut others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|node| asked.contains(node));
    some.truncate(most);
    while some.len() < most
        && let Some(node) = by_chance(&others)
    {
        others.retain(|other| *other != node);
        some.push(node);
    }
    some
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn members(count: u8) -> Vec<NodeId> {
        (1..=count).map(|n| NodeId([n; 32])).collect()
    }

    #[test]
    fn of_many_members_some_are_asked_by_chance_and_those_asked_before_stay() {
        let mut at = 0;
        let mut by_chance = |nodes: &[NodeId]| {
            at += 7;
            nodes.get(at % nodes.len()).copied()
        };
        let all = members(200);
        let first = some(all.clone(), &[], 31, &mut by_chance);
        let others = some(all.clone(), &[], 31, &mut by_chance);
        for some in [&first, &others] {
            assert_eq!(some.iter().collect::<BTreeSet<_>>().len(), 31, "each once");
        }
        assert_ne!(first, others, "not everybody asks the same");
        let last = first[30];
        let left: Vec<NodeId> = all.into_iter().filter(|node| *node != last).collect();
        let again = some(left, &first, 31, &mut by_chance);
        assert!(first[..30].iter().all(|node| again.contains(node)) && again.len() == 31);
        assert_eq!(some(members(31), &[], 31, |_| None), members(31));
    }
}
