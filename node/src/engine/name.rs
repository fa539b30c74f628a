//! The key of a group's name: which one opens it, who makes a new one and who is told.
//!
//! Invariant: whoever is out can open no name that is set from then on. A key is used again only
//! when nobody has gone since it was last used, or since it was made here; that the last use was
//! right follows by going back. So it does not matter in which order removals, names and keys
//! arrive.
//!
//! Several keys may be on their way at once, when several people were removed at once or somebody
//! was let in meanwhile. A member keeps the last few, and whoever made one or let somebody in sees
//! to it that newcomers get what opens the name.

use hubbub_shared::content::PairPlain;
use hubbub_shared::crypto::{RecordError, RecordReader, RecordWriter, Secret32};
use hubbub_shared::group::control::Entry;
use hubbub_shared::group::meta::{Sealed, open_meta};
use hubbub_shared::group::{ControlLog, Role};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};

use super::Engine;
use super::group::Group;
use super::outbox::Rank;
use super::record::Key;
use super::wish::Wish;

/// Keys kept of one group: one that opens the name, and as many as may be made at once.
const KEYS: usize = 8;
/// How long others have to tell a key that was lost here, before another is made.
const LOST: Millis = Millis::hours(1);
/// What checks a group's passphrase went with the key of its name. An older one may be one that was
/// changed since, so none lets anybody in until it is set again.
const VERIFIER_LOST: (&str, &str) = (
    "passphrase-lost",
    "this device lost what checks the passphrase, so it lets nobody in any more; `hubbub group \
     passphrase` sets one anew",
);

/// The keys of a group's name known here, the newest last.
#[derive(Default)]
pub(super) struct NameKeys {
    keys: Vec<Secret32>,
    /// The newest was made here, after this entry.
    made: Option<u64>,
    /// Since when none opens a name that is ours to see to. Not stored.
    shut: Option<Timestamp>,
}

impl NameKeys {
    /// Somebody said which one.
    fn told(&mut self, key: Secret32, opening: Option<usize>) {
        if self.keys.iter().any(|known| known.expose() == key.expose()) {
            return;
        }
        let newest = self.keys.pop();
        let (ours, theirs) = if self.made.is_some() { (newest, None) } else { (None, newest) };
        for key in theirs.into_iter().chain([key]).chain(ours) {
            self.push(key, opening);
        }
    }

    fn push(&mut self, key: Secret32, opening: Option<usize>) {
        if self.keys.len() >= KEYS {
            // The oldest goes, but never the one that opens the name.
            self.keys.remove(usize::from(opening == Some(0)));
        }
        self.keys.push(key);
    }

    /// Which one opens the name that the log has.
    fn opening(&self, id: &GroupId, log: Option<&ControlLog>) -> Option<usize> {
        let sealed = log?.meta()?;
        self.keys.iter().rposition(|key| open_meta(key, id, sealed).is_ok())
    }

    pub(super) fn save(&self, w: &mut RecordWriter) {
        w.count(self.keys.len());
        for key in &self.keys {
            w.fixed(key.expose());
        }
        w.option(self.made.as_ref(), |w, made: &u64| {
            w.u64(*made);
        });
    }

    pub(super) fn load(r: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let count = r.count(KEYS)?;
        let keys = (0..count).map(|_| r.secret()).collect::<Result<_, _>>()?;
        Ok(Self { keys, made: r.option(RecordReader::u64)?, shut: None })
    }
}

impl Group {
    /// Name, topic and passphrase verifier, when they can be opened.
    pub(super) fn meta(&self, id: &GroupId) -> Option<Sealed> {
        open_meta(self.opening_key(id)?, id, self.log.as_ref()?.meta()?).ok()
    }

    /// The key a newcomer needs: the one that opens the name, or the newest.
    pub(super) fn name_key(&self, id: &GroupId) -> Option<&Secret32> {
        let unused = self.names.made > self.log.as_ref().and_then(ControlLog::meta_seq);
        let opening = self.names.opening(id, self.log.as_ref()).filter(|_| !unused);
        opening.and_then(|at| self.names.keys.get(at)).or(self.names.keys.last())
    }

    /// The key to seal a name with, if one is known that nobody outside has.
    pub(super) fn sealing_key(&self, id: &GroupId) -> Option<&Secret32> {
        let log = self.log.as_ref()?;
        let since = |seq| !log.roster().removed_between(seq, log.seq());
        if self.names.made.is_some_and(since) {
            return self.names.keys.last();
        }
        let opening =
            self.names.opening(id, Some(log)).filter(|_| log.meta_seq().is_some_and(since));
        self.names.keys.get(opening?)
    }

    /// Somebody who may says which key there is, or a link does.
    pub(super) fn told_name_key(&mut self, id: &GroupId, key: Secret32) {
        let opening = self.names.opening(id, self.log.as_ref());
        self.names.told(key, opening);
    }

    fn takes_passphrase(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.settings().passphrase)
    }

    /// Whether the name is ours to see to: we wrote it, or may where its author has gone.
    fn tends_name(&self, me: &NodeId) -> bool {
        let author = self.name_author();
        let gone = author.is_some_and(|author| !self.is_member(&author));
        self.is_active(me) && self.role(me) > Some(Role::Member) && (gone || author == Some(*me))
    }

    pub(super) fn opens_name(&self, id: &GroupId) -> bool {
        self.names.opening(id, self.log.as_ref()).is_some()
    }

    /// The key that opens the name as it stands.
    pub(super) fn opening_key(&self, id: &GroupId) -> Option<&Secret32> {
        self.names.keys.get(self.names.opening(id, self.log.as_ref())?)
    }

    /// Who wrote the name as it stands.
    pub(super) fn name_author(&self) -> Option<NodeId> {
        let at = usize::try_from(self.log.as_ref()?.meta_seq()?).ok()?;
        Entry::known(self.entries.get(at)?).ok().map(|body| body.author)
    }
}

impl Engine {
    /// A new key for name and topic, for all who remain.
    pub(super) fn fresh_name_key(&mut self, id: GroupId) {
        let key = Secret32::random(&mut self.rng);
        let me = self.id();
        let Some(group) = self.groups.get_mut(&id) else { return };
        let opening = group.names.opening(&id, group.log.as_ref());
        group.names.push(key, opening);
        group.names.made = Some(group.log.as_ref().map_or(0, ControlLog::seq));
        let others: Vec<NodeId> = group.members().into_iter().filter(|node| *node != me).collect();
        self.touch(Key::Group(id));
        let rank = Rank::of_keys(others.len());
        for node in others {
            self.welcome_in_rank(id, node, rank);
        }
    }

    /// Tells a member how far the log goes, and the key to the group's name.
    pub(super) fn welcome(&mut self, gid: GroupId, node: NodeId) {
        self.welcome_in_rank(gid, node, Rank::Group);
    }

    fn welcome_in_rank(&mut self, gid: GroupId, node: NodeId, rank: Rank) {
        let Some(group) = self.groups.get(&gid).filter(|group| !group.is_shunned(&node)) else {
            return;
        };
        let Some(key) = group.name_key(&gid).map(Secret32::duplicate) else { return };
        self.give_name_key((gid, node), key, rank);
    }

    /// Gives somebody who belongs this key.
    pub(super) fn give_name_key(&mut self, to: (GroupId, NodeId), meta_key: Secret32, rank: Rank) {
        let (gid, node) = to;
        let Some(log) = self.groups.get(&gid).and_then(|group| group.log.as_ref()) else { return };
        let (seq, head) = (log.seq(), log.head());
        self.tell_in_rank(node, &PairPlain::Welcome { gid, seq, head, meta_key }, rank);
    }

    /// Somebody was let in by another. Whoever made the newest key greets, too: the other may not
    /// have it yet.
    pub(super) fn greet_with_new_key(&mut self, gid: GroupId, newcomer: NodeId) {
        let made = self.groups.get(&gid).is_some_and(|group| group.names.made.is_some());
        if made && newcomer != self.id() && !self.is_lobby(&gid) {
            self.welcome(gid, newcomer);
        }
    }

    /// Whether a key needs nobody's word: we belong, and it opens what nothing here does.
    pub(super) fn proves_itself(&self, gid: &GroupId, key: &Secret32) -> bool {
        let Some(group) = self.groups.get(gid).filter(|group| group.is_active(&self.id())) else {
            return false;
        };
        let sealed = group.log.as_ref().and_then(ControlLog::meta);
        !group.opens_name(gid) && sealed.is_some_and(|ct| open_meta(key, gid, ct).is_ok())
    }

    /// Whether a member that began anew is told the key by this node: admins do, and everybody
    /// where it is the only one.
    pub(super) fn tells_name_key(&self, gid: &GroupId, peer: &NodeId) -> bool {
        let Some(group) = self.groups.get(gid) else { return false };
        let roster = group.log.iter().flat_map(|log| log.roster().members());
        let mut others = roster.filter(|member| member.node != *peer);
        group.role(&self.id()) > Some(Role::Member) || others.all(|m| m.role == Role::Member)
    }

    /// Seals names anew whose keys were lost with a state of this node, as it knows them: nobody
    /// else may have had those keys.
    pub(super) fn seal_lost_names(&mut self) {
        let (me, now) = (self.id(), self.now);
        let mut lost = Vec::new();
        let again = Wish::Describe { name: None, topic: None };
        for (id, group) in &mut self.groups {
            let wished = group.facts.wishes.iter().any(|(_, wish)| *wish == again);
            let shut = !wished
                && group.tends_name(&me)
                && !group.facts.name.is_empty()
                && !group.opens_name(id);
            group.names.shut = shut.then(|| group.names.shut.unwrap_or(now));
            if group.names.shut.is_some_and(|since| now.since(since) >= LOST) {
                group.names.shut = None;
                lost.push(*id);
            }
        }
        for id in lost {
            self.wish(id, Wish::Describe { name: None, topic: None }, None);
            if self.groups.get(&id).is_some_and(Group::takes_passphrase) {
                self.shut_door(id, VERIFIER_LOST);
            }
        }
    }

    /// Takes the key that a Welcome holds. If it opens what was shut, those who came meanwhile were
    /// greeted without it.
    pub(super) fn take_name_key(&mut self, gid: GroupId, key: Secret32) {
        let me = self.id();
        let Some(group) = self.groups.get_mut(&gid) else { return };
        let before = group.opens_name(&gid);
        group.told_name_key(&gid, key);
        let opened = !before && group.opens_name(&gid);
        self.touch(Key::Group(gid));
        let Some(group) = self.groups.get(&gid).filter(|group| opened && group.is_active(&me))
        else {
            return;
        };
        let Some(log) = group.log.as_ref().filter(|_| group.role(&me) > Some(Role::Member)) else {
            return;
        };
        let set = log.meta_seq().unwrap_or(0);
        let ours = log.roster().member(&me).map_or(0, |member| member.joined);
        // Whoever wrote the name and lost the key may not have told it to everybody before.
        let all = group.tends_name(&me);
        let since = log.roster().members().filter(|m| all || m.joined > set.max(ours));
        let newcomers: Vec<NodeId> = since.map(|member| member.node).collect();
        for node in newcomers.into_iter().filter(|node| *node != me) {
            self.welcome(gid, node);
        }
    }
}
