//! What members say was said before we came: judged, and kept apart from what we heard ourselves.
//!
//! An author's own word about itself counts; what another says is theirs until the author's node
//! says the same or something else. Nothing here counts, is acknowledged or is missed. What comes
//! before the log shows that it counts waits.

use hubbub_shared::content::{PairPlain, Past};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Engine;
use super::output::{HistoryChange, PastLine};
use super::record::Key;
use crate::api::{ConversationId, Event};

/// Lines of the past kept of one group. When they are used up, what others say makes room for what
/// authors say themselves.
pub const PAST_MAX: usize = 2_000;
/// Of these, told by one member: of itself, and of others.
pub const PAST_BY_ONE: usize = 500;

/// Pages kept that do not count as far as the log is read; beyond it the oldest go.
const EARLY: usize = 2_048;
/// Their bytes.
const EARLY_BYTES: usize = 4 * 1024 * 1024;
/// Of these, from one node: what one who greets tells, and room.
const EARLY_BY_ONE: usize = 2 * 1024 * 1024;
/// How long they wait: the log is read within seconds of the first link.
const EARLY_AGE: Millis = Millis::days(1);

/// A page that waits for more of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Early {
    from: NodeId,
    gid: GroupId,
    since: Timestamp,
    plain: ByteBuf,
}

/// Why something told does not count.
enum Why {
    /// We are not known to belong; perhaps we do again.
    Outside,
    /// Who tells it is no member.
    Stranger,
    /// Newcomers are told nothing there.
    Unwanted,
    /// Its author was no member before we came.
    OfNobody,
}

impl Engine {
    /// Somebody tells what an author wrote in a group before we came. What does not count may count
    /// once more of the log is read, so it waits.
    pub(super) fn take_told(
        &mut self,
        peer: NodeId,
        (gid, author): (GroupId, NodeId),
        items: Vec<Past>,
    ) {
        if self.is_blocked(&peer) || self.is_blocked(&author) {
            return self.count("told-blocked");
        }
        match self.why_not(peer, (gid, author)) {
            Ok(()) => self.keep_told(peer, (gid, author), items),
            Err(Why::Stranger) => self.count("told-not-a-member"),
            Err(why) => {
                match why {
                    Why::Unwanted => self.count("told-unwanted"),
                    Why::OfNobody => self.count("told-of-nobody"),
                    Why::Stranger | Why::Outside => {}
                }
                self.keep_early(peer, gid, &PairPlain::Told { gid, author, items });
            }
        }
    }

    /// Why what a peer tells of an author does not count, as far as the log is read.
    fn why_not(&self, peer: NodeId, (gid, author): (GroupId, NodeId)) -> Result<(), Why> {
        let me = self.id();
        let group = self.groups.get(&gid).filter(|g| g.facts.invited && g.is_active(&me));
        let group = group.ok_or(Why::Outside)?;
        let (Some(log), Some(joined)) = (&group.log, group.joined(&me)) else {
            return Err(Why::Outside);
        };
        if !log.roster().is_member(&peer) {
            return Err(Why::Stranger);
        }
        if !log.settings_at(joined).history && !log.settings().history {
            return Err(Why::Unwanted);
        }
        if author == me || !log.roster().was_member_before(&author, joined) {
            return Err(Why::OfNobody);
        }
        Ok(())
    }

    fn keep_told(&mut self, peer: NodeId, (gid, author): (GroupId, NodeId), items: Vec<Past>) {
        let conversation = ConversationId::Group(gid);
        let told_by = (author != peer).then_some(peer);
        let line = |Past { id, n, sent_at, text }| PastLine {
            conversation,
            author,
            id,
            number: n,
            sent_at,
            text,
            told_by,
            otherwise: None,
        };
        self.history.extend(items.into_iter().map(line).map(HistoryChange::Past));
        self.meet(author);
        self.event(Event::Past { conversation });
    }

    fn keep_early(&mut self, from: NodeId, gid: GroupId, told: &PairPlain) {
        let plain = ByteBuf::from(told.encode().expose().to_vec());
        let theirs = self.early.values().filter(|early| early.from == from);
        let bytes: usize = theirs.map(|early| early.plain.len()).sum();
        if bytes + plain.len() > EARLY_BY_ONE {
            return self.count("told-too-early");
        }
        let number = self.early.keys().next_back().map_or(1, |last| last.saturating_add(1));
        self.early.insert(number, Early { from, gid, since: self.now, plain });
        self.touch(Key::Early(number));
        let mut bytes: usize = self.early.values().map(|early| early.plain.len()).sum();
        while bytes > EARLY_BYTES || self.early.len() > EARLY {
            let Some((number, oldest)) = self.early.pop_first() else { return };
            bytes = bytes.saturating_sub(oldest.plain.len());
            self.touch(Key::Early(number));
            self.count("told-too-early");
        }
    }

    /// More is known of a group's members: what was told too early of it is judged again.
    pub(super) fn take_early_told(&mut self, gid: GroupId) {
        // Called with every entry: a group we are not in costs nothing, however much waits for it.
        let me = self.id();
        let Some(group) = self.groups.get(&gid).filter(|g| g.facts.invited && g.is_active(&me))
        else {
            return;
        };
        let of_it = self.early.iter().filter(|(_, e)| e.gid == gid && group.is_member(&e.from));
        let waiting: Vec<u64> = of_it.map(|(number, _)| *number).collect();
        for number in waiting {
            let Some(early) = self.early.get(&number) else { continue };
            let told = PairPlain::decode(&early.plain);
            if let Ok(PairPlain::Told { gid, author, items }) = told
                && self.why_not(early.from, (gid, author)).is_ok()
                && let Some(early) = self.early.remove(&number)
            {
                self.touch(Key::Early(number));
                self.take_told(early.from, (gid, author), items);
            }
        }
    }

    /// Forgets what was told and never came to count.
    pub(super) fn expire_early(&mut self) {
        let now = self.now;
        let old = self.early.iter().filter(|(_, early)| now.since(early.since) > EARLY_AGE);
        let old: Vec<u64> = old.map(|(number, _)| *number).collect();
        for number in old {
            self.early.remove(&number);
            self.touch(Key::Early(number));
        }
    }
}

/// What becomes of a line when one of the same name is told; none when it stays as it is.
///
/// The author's own word takes the place of what another said; a difference is remembered with the
/// one who said otherwise, whichever came first.
#[must_use]
pub fn merged(old: &PastLine, new: &PastLine) -> Option<PastLine> {
    let same = old.text == new.text && old.sent_at == new.sent_at;
    match (old.told_by, new.told_by) {
        (Some(teller), None) => {
            Some(PastLine { otherwise: (!same).then_some(teller), ..new.clone() })
        }
        (None, Some(teller)) if !same && old.otherwise.is_none() => {
            Some(PastLine { otherwise: Some(teller), ..old.clone() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::{Identity, Secret32};
    use hubbub_shared::id::MessageId;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const BOB: NodeId = NodeId([2; 32]);
    const CAROL: NodeId = NodeId([3; 32]);

    fn line(text: &str, told_by: Option<NodeId>) -> PastLine {
        PastLine {
            conversation: ConversationId::Group(GroupId([9; 32])),
            author: NodeId([1; 32]),
            id: MessageId([5; 16]),
            number: 1,
            sent_at: NOW,
            text: text.to_owned(),
            told_by,
            otherwise: None,
        }
    }

    #[test]
    fn an_authors_word_confirms_or_contradicts_whichever_came_first() {
        let (own, told) = (line("hello", None), line("hello", Some(BOB)));
        let lie = line("goodbye", Some(BOB));
        assert_eq!(merged(&told, &own), Some(own.clone()));
        assert_eq!(merged(&own, &told), None);
        let contradicted = PastLine { otherwise: Some(BOB), ..own.clone() };
        assert_eq!(merged(&lie, &own), Some(contradicted.clone()));
        assert_eq!(merged(&own, &lie), Some(contradicted.clone()));
        let later = line("farewell", Some(CAROL));
        assert_eq!(merged(&contradicted, &later), None, "the first who lied is named");
        assert_eq!(merged(&lie, &line("hello", Some(CAROL))), None, "of two words the first");
        assert_eq!(merged(&own, &line("never mind", None)), None, "nor does an author take back");
        let moved = PastLine { sent_at: NOW + Millis(1), ..told };
        assert!(merged(&own, &moved).is_some(), "another time is another word");
    }

    fn page(gid: u8, bytes: usize) -> PairPlain {
        let text = "x".repeat(bytes);
        let items = vec![Past { id: MessageId([1; 16]), n: 1, sent_at: NOW, text }];
        PairPlain::Told { gid: GroupId([gid; 32]), author: BOB, items }
    }

    #[test]
    fn what_strangers_tell_of_groups_nobody_let_us_into_is_bounded_and_forgotten() {
        let me = Identity::from_seed(Secret32::from_bytes([4; 32]));
        let hub = Identity::from_seed(Secret32::from_bytes([9; 32])).hub_id();
        let mut dave = Engine::new(me, hub, Vec::new(), [7; 32], NOW).unwrap();
        let bytes = |dave: &Engine| -> usize { dave.early.values().map(|e| e.plain.len()).sum() };
        for n in 0..=255 {
            dave.keep_early(BOB, GroupId([n; 32]), &page(n, 16 * 1024));
        }
        assert!(bytes(&dave) <= EARLY_BY_ONE && dave.early.len() > 100);
        for stranger in 0..=255 {
            for n in 0..20 {
                dave.keep_early(NodeId([stranger; 32]), GroupId([n; 32]), &page(n, 100));
            }
        }
        assert!(bytes(&dave) <= EARLY_BYTES && dave.early.len() == EARLY);
        assert!(dave.people.is_empty() && dave.conversations().is_empty());
        dave.now = NOW + EARLY_AGE + Millis(1);
        dave.expire_early();
        assert!(dave.early.is_empty());
    }
}
