//! Asking for the key of a group's name that did not come.
//!
//! Keys go out by themselves (`name`), but who should have sent one may have left, or have lost it
//! with a state of its own. So a member whose group's name stays shut asks: first whoever wrote the
//! name, then an admin, then anybody. Any member that can open it answers a member; the key proves
//! itself by opening the name. What is absent: making new keys for names nobody can open.

use hubbub_shared::content::PairPlain;
use hubbub_shared::group::{ControlLog, Role};
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
/// Times the key of one name is asked for, which takes six days.
const TRIES: u32 = 32;
/// In large groups the first question is spread over this long.
const SPREAD: u64 = 600_000;

/// When the key is asked for next, and how often it was.
pub(super) struct Untitled {
    /// The entry of the name that is shut; another name is asked about anew.
    name: u64,
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
        let name = group.log.as_ref().and_then(ControlLog::meta_seq).unwrap_or(0);
        if self.repairs.titles.get(&id).is_some_and(|ask| ask.name == name) {
            return;
        }
        let large = group.log.as_ref().is_some_and(|log| log.roster().len() > LARGE);
        let spread = if large { self.rng.next_u64() % SPREAD } else { 0 };
        let at = self.now + PATIENCE + Millis(spread);
        self.repairs.titles.insert(id, Untitled { name, at, tries: 0 });
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
            (ask.at, ask.tries) = (now + Millis(pause), tries.saturating_add(1));
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
        self.by_chance(&asked)
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

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::{Identity, Secret32};
    use hubbub_shared::group::meta::{GroupMeta, seal_meta};
    use hubbub_shared::group::{ControlLog, Op, Policy};
    use hubbub_shared::wire::ByteBuf;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::api::Strangers;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(Secret32::from_bytes([seed; 32]))
    }

    fn key(byte: u8) -> Secret32 {
        Secret32::from_bytes([byte; 32])
    }

    /// Bob in a group that alice founded and called "tea", with carol in it, as alice's welcome
    /// with this key leaves him.
    fn bob(welcome: Secret32) -> (Engine, GroupId) {
        let (bob, gid, _) = scene(welcome);
        (bob, gid)
    }

    /// The same with the log, for alice to go on with.
    fn scene(welcome: Secret32) -> (Engine, GroupId, ControlLog) {
        let (alice, hub) = (identity(1), identity(9).hub_id());
        let mut bob = Engine::new(identity(2), hub, Vec::new(), [7; 32], NOW).unwrap();
        bob.settings.strangers = Strangers::Welcome;
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (gid, genesis) = ControlLog::create(&alice, Policy::closed(), NOW, &mut rng);
        let mut log = ControlLog::genesis(&genesis).unwrap();
        let meta = GroupMeta::new("tea", "").unwrap();
        let ct = ByteBuf::from(seal_meta(&key(1), &gid, (&meta, None), &mut rng));
        bob.welcomed(alice.id(), gid, 3, welcome);
        bob.take_entry(gid, &genesis, None);
        let others = [identity(3).id(), bob.id()].map(|node| Op::add(node, Role::Member, 1));
        for op in [Op::Meta { ct }].into_iter().chain(others) {
            let entry = log.propose(&alice, op, NOW);
            log.apply(&entry).unwrap();
            assert!(bob.take_entry(gid, &entry, None));
        }
        bob.control_synced(gid);
        (bob, gid, log)
    }

    /// Who was asked for the key of a name so far.
    fn asked(engine: &Engine) -> Vec<NodeId> {
        let wanted =
            |plain: &[u8]| matches!(PairPlain::decode(plain), Ok(PairPlain::NameWanted { .. }));
        let entries = engine.outbox.entries.values();
        entries.filter(|e| wanted(e.plain.expose())).filter_map(|e| e.addressee()).collect()
    }

    fn welcomed(engine: &Engine) -> Vec<(NodeId, [u8; 32])> {
        let key = |plain: &[u8]| match PairPlain::decode(plain) {
            Ok(PairPlain::Welcome { meta_key, .. }) => Some(*meta_key.expose()),
            _ => None,
        };
        let entries = engine.outbox.entries.values();
        entries.filter_map(|e| Some((e.addressee()?, key(e.plain.expose())?))).collect()
    }

    #[test]
    fn a_member_given_the_next_key_and_not_the_present_one_asks_until_somebody_tells() {
        let (mut bob, gid) = bob(key(2));
        assert!(bob.groups[&gid].facts.invited && !bob.groups[&gid].opens_name(&gid));
        bob.handle_timeout(NOW + Millis::secs(59));
        assert_eq!(asked(&bob), []);
        bob.handle_timeout(NOW + Millis::secs(61));
        assert_eq!(asked(&bob), [identity(1).id()]);
        for hour in 1..12 {
            bob.handle_timeout(NOW + Millis::hours(hour));
        }
        assert!(asked(&bob).contains(&identity(3).id()), "a member may know it, too");
        bob.welcomed(identity(3).id(), gid, 3, key(1));
        assert_eq!(bob.groups[&gid].facts.name, "tea");
        let before = asked(&bob).len();
        for hour in 12..100 {
            bob.handle_timeout(NOW + Millis::hours(hour));
        }
        assert_eq!(asked(&bob).len(), before);
    }

    #[test]
    fn a_name_nobody_tells_is_asked_for_ever_more_rarely_and_not_for_ever() {
        let (mut bob, _) = bob(key(2));
        for minute in 0..60 * 24 * 13 {
            bob.handle_timeout(NOW + Millis::minutes(minute));
        }
        let times = asked(&bob).len();
        assert!((16..=usize::try_from(TRIES).unwrap()).contains(&times), "{times}");
    }

    #[test]
    fn another_name_that_stays_shut_is_asked_about_anew() {
        let (mut bob, gid, mut log) = scene(key(2));
        for hour in 0..24 * 13 {
            bob.handle_timeout(NOW + Millis::hours(hour));
        }
        let before = asked(&bob).len();
        let meta = GroupMeta::new("coffee", "").unwrap();
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let ct = ByteBuf::from(seal_meta(&key(3), &gid, (&meta, None), &mut rng));
        let renamed = log.propose(&identity(1), Op::Meta { ct }, NOW);
        log.apply(&renamed).unwrap();
        assert!(bob.take_entry(gid, &renamed, None));
        bob.handle_timeout(bob.now + Millis::secs(61));
        assert_eq!(asked(&bob).len(), before + 1);
    }

    #[test]
    fn a_member_who_asks_is_told_the_key_that_opens_the_name_and_nobody_else_is() {
        let (mut bob, gid) = bob(key(1));
        let (carol, mallory) = (identity(3).id(), identity(66).id());
        bob.take_name_request(mallory, gid);
        assert_eq!(welcomed(&bob), []);
        bob.take_name_request(carol, gid);
        bob.take_name_request(carol, gid);
        assert_eq!(welcomed(&bob), [(carol, *key(1).expose())]);
        bob.now = NOW + ANSWER_EVERY;
        bob.take_name_request(carol, gid);
        assert_eq!(welcomed(&bob).len(), 2);
        let counts = bob.status().refused;
        assert!(counts.contains(&("request-too-often".to_owned(), 1)));
        assert!(counts.contains(&("request-not-a-member".to_owned(), 1)));
    }
}
