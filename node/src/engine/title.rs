//! Asking for the key of a group's name that did not come.
//!
//! Keys go out by themselves (`name`), but who should have sent one may have left, or have lost it
//! with a state of its own. So a member whose group's name stays shut asks: first whoever wrote the
//! name, then an admin, then anybody. Any member that can open it answers a member; the key proves
//! itself by opening the name. What is absent: making new keys for names nobody can open.

use hubbub_shared::content::PairPlain;
use hubbub_shared::group::Role;
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use rand_core::Rng;

use super::Engine;
use super::alarm::Alarm;
use super::group::Group;
use super::outbox::Rank;
use super::repair::{ANSWER_EVERY, LARGE, may};

/// How long a key may take by itself. The pause after asking begins with it, too, and doubles.
const PATIENCE: Millis = Millis::secs(60);
/// The longest pause.
const LONGEST: Millis = Millis::hours(6);
/// Times a key is asked for: a week.
const TRIES: u32 = 32;
/// In large groups the first question is spread over this long.
const SPREAD: u64 = 600_000;

/// When the key is asked for next, and how often it was.
pub(super) struct Untitled {
    at: Timestamp,
    tries: u32,
}

impl Engine {
    /// Sees whether names are shut that should not be.
    pub(super) fn watch_titles(&mut self) {
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for group in groups {
            self.watch_title(group);
        }
    }

    /// Sees whether the name of a group is shut, and if so waits a while for its key.
    pub(super) fn watch_title(&mut self, id: GroupId) {
        let me = self.id();
        let named = |group: &Group| group.log.as_ref().is_some_and(|log| log.meta().is_some());
        let shut = |group: &Group| group.is_active(&me) && named(group) && !group.opens_name(&id);
        let Some(group) = self.groups.get(&id).filter(|group| shut(group)) else {
            self.repairs.titles.remove(&id);
            return;
        };
        if self.repairs.titles.contains_key(&id) {
            return;
        }
        let large = group.members().len() > LARGE;
        let spread = if large { self.rng.next_u64() % SPREAD } else { 0 };
        let at = self.now + PATIENCE + Millis(spread);
        self.repairs.titles.insert(id, Untitled { at, tries: 0 });
        self.alarms.set(Alarm::Titles, at);
    }

    /// Asks for those whose time has come.
    pub(super) fn ask_for_titles(&mut self) {
        self.watch_titles();
        let now = self.now;
        let waiting = self.repairs.titles.iter().filter(|(_, ask)| ask.tries < TRIES);
        let due: Vec<GroupId> =
            waiting.filter(|(_, ask)| ask.at <= now).map(|(id, _)| *id).collect();
        for id in due {
            let Some(ask) = self.repairs.titles.get_mut(&id) else { continue };
            let pause = PATIENCE.0.saturating_mul(1 << ask.tries.min(16)).min(LONGEST.0);
            let tries = ask.tries;
            *ask = Untitled { at: now + Millis(pause), tries: tries.saturating_add(1) };
            if let Some(node) = self.knows_title(&id, tries) {
                self.tell(node, &PairPlain::NameWanted { gid: id });
            }
        }
        let left = self.repairs.titles.values().filter(|ask| ask.tries < TRIES);
        left.map(|ask| ask.at).min().into_iter().for_each(|at| self.alarms.set(Alarm::Titles, at));
    }

    /// Whom to ask: the author of the name, then an admin, then anybody.
    fn knows_title(&mut self, id: &GroupId, tries: u32) -> Option<NodeId> {
        let me = self.id();
        let group = self.groups.get(id)?;
        let good = |node: &NodeId| *node != me && !group.is_shunned(node);
        let author = group.name_author().filter(|node| group.is_member(node) && good(node));
        if let (0, Some(author)) = (tries, author) {
            return Some(author);
        }
        let members: Vec<NodeId> = group.members().into_iter().filter(good).collect();
        let admin = |node: &&NodeId| group.role(node) > Some(Role::Member);
        let admins: Vec<NodeId> = members.iter().filter(admin).copied().collect();
        let asked = if tries <= 1 && !admins.is_empty() { admins } else { members };
        let count = u64::try_from(asked.len()).ok().filter(|count| *count > 0)?;
        let at = usize::try_from(self.rng.next_u64() % count).ok()?;
        asked.get(at).copied()
    }

    /// A member cannot open the name of a group.
    pub(super) fn take_name_request(&mut self, peer: NodeId, gid: GroupId) {
        let me = self.id();
        let Some(group) = self.groups.get(&gid) else { return self.count("request-no-group") };
        if !group.is_active(&me) || !group.is_member(&peer) || group.is_shunned(&peer) {
            return self.count("request-not-a-member");
        }
        let Some(key) = group.opening_key(&gid).map(|key| key.duplicate()) else {
            return self.count("name-not-here");
        };
        if !may(&mut self.repairs.titled, (gid, peer), self.now, ANSWER_EVERY) {
            return self.count("request-too-often");
        }
        self.give_name_key((gid, peer), key, Rank::Rest);
    }
}
