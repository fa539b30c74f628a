//! Who belongs: reading a group's signed log.
//!
//! What an entry brings about (greeting a newcomer, a new key after a removal) follows from the
//! entry itself, whichever way it came, so a crash in between loses nothing. An entry that breaks a
//! rule changes nothing and is refused under a name.

use hubbub_shared::group::control::Entry;
use hubbub_shared::group::{Applied, Change, ControlError, ControlLog, Op, Role};
use hubbub_shared::id::{GroupId, Head, MessageId, NodeId};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::from_hub::ControlPage;
use hubbub_shared::wire::to_hub::{AppendControl, ReadControl};
use hubbub_shared::wire::{ByteBuf, Refusal, RefusalCode, ToHub};
use rand_core::Rng;

use super::Engine;
use super::alarm::Alarm;
use super::group::Group;
use super::link::Asked;
use super::record::{Key, control_key};
use super::wish::{Wish, passes};
use crate::api::ConversationId;
use crate::api::view::Notice;

/// Who is out, remembered for judging what comes late.
const REMOVED: usize = 64;
/// After a log that the hub had lost was given back, nothing new is written into it for this long.
const GIVEN_BACK: Millis = Millis::secs(15);
/// How long others leave it to a group's founder to give its log back to a hub that lost all of it;
/// up to twice that, by chance, so that not all come at once.
const FOUNDER_FIRST: Millis = Millis::secs(10);

impl Engine {
    /// Asks for what follows in a group's log.
    pub(super) fn read_control(&mut self, group: GroupId) {
        if !self.link.is_up() {
            return;
        }
        let Some(state) = self.groups.get_mut(&group) else { return };
        if core::mem::replace(&mut state.reading, true) {
            return;
        }
        // Once on each link the last entry is read, too: the hub may have another in its place.
        let had = state.next_entry();
        let from = if state.synced { had } else { had.saturating_sub(1) };
        state.had = had;
        let pass = self.pass(&group);
        self.ask(Asked::Read(group), |req| {
            ToHub::ReadControl(ReadControl { req, group, from, pass })
        });
    }

    pub(super) fn control_page(&mut self, id: GroupId, page: &ControlPage) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.reading = false;
        group.denied = 0;
        let (had, before) = (group.had, group.next_entry());
        let mut bad = false;
        for entry in &page.entries {
            bad |= !self.take_entry(id, entry, None);
        }
        if page.from < had && page.entries.first().is_some_and(|entry| !self.is_known(id, entry)) {
            self.compare_log(id);
        }
        let next = self.groups.get(&id).map_or(0, Group::next_entry);
        if next < page.total && next > before && !bad {
            return self.read_control(id);
        }
        // What lies behind the end of the page was written since it was asked for; what the hub
        // lacks of what we had then, it has lost.
        if page.total < had {
            self.repair_hub_log(id, page.total);
        }
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.synced = group.log.is_some();
        if core::mem::take(&mut group.read_again) {
            self.read_control(id);
        }
        self.control_synced(id);
    }

    /// An entry came that does not follow: a page on the way may be too old to hold what is
    /// missing.
    pub(super) fn read_up_to_now(&mut self, id: GroupId) {
        if let Some(group) = self.groups.get_mut(&id).filter(|group| group.reading) {
            group.read_again = true;
        }
        self.read_control(id);
    }

    pub(super) fn control_synced(&mut self, id: GroupId) {
        self.join_if_lobby(id);
        self.judge_offers(id);
        self.take_early_chains(id);
        if self.held.values().any(|held| held.group == id) {
            self.retry_after_reading(id);
        }
        self.take_early_heads(id);
        self.take_early_told(id);
        self.work_on(id);
    }

    /// A hub that lost a group gets its log back from any member, entry by entry.
    fn repair_hub_log(&mut self, id: GroupId, total: u64) {
        let entries = self.groups.get(&id).map(|group| group.entries.as_slice());
        let missing = entries.and_then(|e| e.get(usize::try_from(total).ok()?..));
        let missing: Vec<Vec<u8>> = missing.unwrap_or_default().to_vec();
        for entry in &missing {
            let (group, entry) = (id, ByteBuf::from(entry.clone()));
            self.ask(Asked::Restore(id), |req| {
                ToHub::AppendControl(AppendControl { req, group, entry })
            });
        }
        if let (false, Some(group)) = (missing.is_empty(), self.groups.get_mut(&id)) {
            group.synced = true;
        }
        // The one entry of a new group was never there before.
        if missing.len() > 1 || total > 0 {
            self.let_others_write(id);
        }
    }

    /// A hub that has no room or time for what it lost is read again later, and given what it lacks
    /// then. Whatever else it says, others have given it back.
    pub(super) fn giving_back_refused(&mut self, id: GroupId, refusal: &Refusal) {
        self.count("refused-by-hub");
        if !matches!(refusal.code, RefusalCode::TooFast | RefusalCode::Full) {
            return;
        }
        let at = self.now + refusal.retry_after.unwrap_or(GIVEN_BACK).max(GIVEN_BACK);
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.synced = false;
        group.not_before = group.not_before.max(Some(at));
        self.alarms.set(Alarm::Control, at);
    }

    /// Something of a log is delivered that the hub did not have when it was asked for: it is being
    /// given back, perhaps by somebody who knows less of it than this node.
    pub(super) fn read_if_given_back(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if core::mem::take(&mut group.lost) {
            self.read_control(id);
            self.let_others_write(id);
        }
    }

    /// Others may know more of a log that the hub had lost: they write first.
    fn let_others_write(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let at = self.now + GIVEN_BACK;
        group.not_before = group.not_before.max(Some(at));
        self.alarms.set(Alarm::Control, at);
    }

    pub(super) fn read_refused(&mut self, id: GroupId, refusal: &Refusal) {
        let (me, jitter) = (self.id(), self.rng.next_u64() % FOUNDER_FIRST.0);
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.reading = false;
        let log = group.log.as_ref().filter(|log| !log.is_lobby());
        let founder = log.map(ControlLog::founder);
        let ours = log.is_some() && group.is_active(&me);
        let unknown = refusal.code == RefusalCode::NoSuchGroup;
        // A hub that is just being given the beginning does not know us yet.
        let lacking = unknown || ours && refusal.code == RefusalCode::NotAMember;
        // Something else had the log read again meanwhile: the founder still comes first.
        if group.lost && lacking && group.not_before.is_some_and(|at| at > self.now) {
            return;
        }
        // Where the founder did not come by the second time, any member does it.
        let gives = unknown && founder == Some(me) || lacking && ours && group.lost;
        group.lost = lacking && !gives;
        let fresh = group.entries.len() <= 1;
        if gives {
            self.repair_hub_log(id, 0);
            self.control_synced(id);
        }
        if !lacking || !ours {
            return self.read_put_off(id, refusal);
        }
        let Some(group) = self.groups.get_mut(&id).filter(|_| !gives || !fresh) else { return };
        // Looks again, each time after a longer pause: somebody else may have been at it, too.
        let pause = FOUNDER_FIRST.0 << group.denied.min(8);
        group.denied = group.denied.saturating_add(1);
        let at = self.now + Millis(pause + jitter);
        (group.not_before, group.synced) = (Some(at), false);
        self.alarms.set(Alarm::Control, at);
    }

    /// The hub would not let us read, and has not lost anything.
    fn read_put_off(&mut self, id: GroupId, refusal: &Refusal) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if passes(refusal.code) {
            let at = self.now + refusal.retry_after.unwrap_or(Millis::secs(30));
            (group.not_before, group.synced) = (Some(at), false);
            self.alarms.set(Alarm::Control, at);
        } else if group.link.is_some() {
            self.link_refused(id);
        }
    }

    /// Takes one entry of a group's log; `place` is its number in the channel, if it came there.
    /// `false` when it cannot follow.
    pub(super) fn take_entry(&mut self, id: GroupId, bytes: &[u8], place: Option<u64>) -> bool {
        let Some(group) = self.groups.get_mut(&id) else { return false };
        let taken = match &mut group.log {
            Some(log) => log.apply(bytes).map(Some),
            empty => ControlLog::check_genesis(bytes, &id).map(|log| {
                *empty = Some(log);
                None
            }),
        };
        match taken {
            Ok(applied) => {
                group.entries.push(bytes.to_vec());
                let key = control_key(id, group.entries.len().saturating_sub(1));
                self.touch(key);
                self.touch(Key::Group(id));
                match applied {
                    Some(applied) => self.applied(id, &applied, place),
                    None => self.begun(id),
                }
                true
            }
            Err(_) if self.is_known(id, bytes) => {
                self.note_place(id, bytes, place);
                true
            }
            Err(error) => self.entry_refused(id, bytes, &error),
        }
    }

    /// Whether an entry is part of the log already: the log is read and also delivered, and a hub
    /// that was given it back delivers it all over again, the first entry included.
    fn is_known(&self, id: GroupId, bytes: &[u8]) -> bool {
        // Its number is only where to look: the same bytes were judged before.
        let Some(at) = Entry::known(bytes).ok().and_then(|body| usize::try_from(body.seq).ok())
        else {
            return false;
        };
        let entries = self.groups.get(&id).map(|group| group.entries.as_slice());
        entries.and_then(|entries| entries.get(at)).is_some_and(|known| known == bytes)
    }

    fn entry_refused(&mut self, id: GroupId, bytes: &[u8], error: &ControlError) -> bool {
        match error {
            ControlError::NotNext { expected, got } if got < expected => {
                self.count(error.reason());
            }
            ControlError::NotNext { .. } => self.read_control(id),
            ControlError::Fork { .. } | ControlError::WrongPrev { .. } => {
                self.say_refused(id, bytes, error);
                self.compare_log(id);
            }
            _ => self.say_refused(id, bytes, error),
        }
        false
    }

    fn say_refused(&mut self, id: GroupId, bytes: &[u8], error: &ControlError) {
        let sender = Entry::read(bytes).map_or(self.me.id(), |entry| entry.body.author);
        let conversation = ConversationId::Group(id);
        let words = format!("a change of the group was refused: {error}");
        self.refuse(conversation, sender, error.reason(), words);
    }

    /// A removal known already now has its place among the messages.
    fn note_place(&mut self, id: GroupId, bytes: &[u8], place: Option<u64>) {
        let Ok(body) = Entry::known(bytes) else { return };
        let out = match body.op {
            Op::Remove { node, .. } | Op::Ban { node, .. } => node,
            Op::Leave => body.author,
            _ => return,
        };
        let Some(group) = self.groups.get_mut(&id) else { return };
        for (node, _, known) in &mut group.facts.removed {
            if *node == out && known.is_none() {
                *known = place;
            }
        }
        self.touch(Key::Group(id));
    }

    fn begun(&mut self, id: GroupId) {
        let Some(log) = self.groups.get(&id).and_then(|group| group.log.as_ref()) else { return };
        let (founder, head) = (log.founder(), log.head());
        if !log.is_lobby() {
            self.meet(founder);
        }
        if founder == self.id() {
            self.log_notice(id, founder, head, Notice::Created);
        }
    }

    fn applied(&mut self, id: GroupId, applied: &Applied, place: Option<u64>) {
        let (author, head) = (applied.author, applied.head);
        match &applied.change {
            Change::Added { node, .. } => {
                self.meet(*node);
                self.resume_gaps_with(id, node);
                self.shun_no_more(id, node, &author);
                let notice = Notice::Added(self.person(node));
                self.log_notice(id, author, head, notice);
                self.settle_request(id, node);
                if author == self.id() {
                    self.welcome(id, *node);
                } else {
                    self.greet_with_new_key(id, *node);
                }
                self.note_newcomer(id, *node);
            }
            Change::Joined { invited_by } => self.joined(id, (author, *invited_by), head),
            Change::Removed { node, .. } => self.gone(id, (author, *node), head, place),
            Change::Left { .. } => self.gone(id, (author, author), head, place),
            Change::RoleSet { node, to, .. } => {
                let notice = Notice::RoleChanged(self.person(node), role_view(*to));
                self.log_notice(id, author, head, notice);
                self.tend_door(id, 0);
            }
            Change::Meta => {
                if author == self.id()
                    && let Some(group) = self.groups.get_mut(&id)
                {
                    group.new_prs = None;
                }
                self.refresh_meta(id, author);
            }
            Change::Banned { node, was_member: true, .. } => {
                self.gone(id, (author, *node), head, place);
            }
            Change::Created | Change::RekeyAll | Change::Closed => {}
            door => self.door_notice(id, applied, door),
        }
        if author == self.id() {
            self.fulfilled(id, &applied.change);
        }
        self.take_early_told(id);
        self.fetch_from_members(id);
        self.changed(ConversationId::Group(id));
    }

    /// Somebody let itself in.
    fn joined(&mut self, id: GroupId, who: (NodeId, Option<NodeId>), head: Head) {
        let (node, maker) = who;
        self.meet(node);
        self.resume_gaps_with(id, &node);
        self.settle_request(id, &node);
        self.shun_no_more(id, &node, &maker.unwrap_or(node));
        if node == self.id() {
            self.in_by_link(id);
        }
        let person = self.person(&node);
        let notice = match maker {
            Some(maker) => Notice::JoinedBy(person, self.person(&maker)),
            None => Notice::Joined(person),
        };
        self.log_notice(id, node, head, notice);
        if let Some(maker) = maker {
            self.greet(id, node, maker);
        }
        self.note_newcomer(id, node);
    }

    /// What changed about the ways in is a line of the conversation: everybody sees who may.
    fn door_notice(&mut self, id: GroupId, applied: &Applied, change: &Change) {
        if matches!(change, Change::Settings) {
            self.note_history(id);
        }
        let log = self.groups.get(&id).and_then(|group| group.log.as_ref());
        let uses = |key| log.and_then(|log| log.invite(key)).map_or(0, |invite| invite.uses);
        let notice = match change {
            Change::Banned { node, .. } => Some(Notice::Banned(self.person(node))),
            Change::Unbanned { node } => Some(Notice::Unbanned(self.person(node))),
            Change::Invited { key } => Some(Notice::LinkMade(uses(key))),
            Change::Revoked { .. } => Some(Notice::LinkRevoked),
            Change::Settings => self.settings_notice(&id, applied.seq),
            _ => None,
        };
        if let Some(notice) = notice {
            self.log_notice(id, applied.author, applied.head, notice);
        }
        match change {
            Change::Settings => self.tend_door(id, applied.seq),
            Change::Banned { node, .. } => self.settle_request(id, node),
            _ => {}
        }
    }

    fn gone(&mut self, id: GroupId, who: (NodeId, NodeId), head: Head, place: Option<u64>) {
        let me = self.id();
        let (author, node) = who;
        // Who goes by itself needs no shunning any more, whoever it is.
        self.shun_no_more(id, &node, if author == node { &me } else { &author });
        let person = self.person(&node);
        let group = self.groups.get(&id);
        let banned = group.and_then(|g| g.log.as_ref()).is_some_and(|log| log.is_banned(&node));
        let notice = match (author == node, banned) {
            (true, _) => Notice::Left(person),
            (_, true) => Notice::Banned(person),
            _ => Notice::Removed(person),
        };
        self.log_notice(id, author, head, notice);
        let now = self.now;
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.facts.removed.retain(|(known, ..)| *known != node);
        group.facts.newcomers.retain(|newcomer| newcomer.node != node);
        group.facts.removed.push((node, now, place));
        if group.facts.removed.len() > REMOVED {
            group.facts.removed.remove(0);
        }
        self.no_longer_for(id, node);
        if node == self.id() {
            self.say_we_are_out(ConversationId::Group(id));
        }
        if author == self.id() && author != node && !self.is_lobby(&id) {
            self.fresh_name_key(id);
            self.wish(id, Wish::Describe { name: None, topic: None }, None);
        }
    }

    /// Opens name and topic, if they changed and the key is here.
    pub(super) fn refresh_meta(&mut self, id: GroupId, author: NodeId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(sealed) = group.meta(&id) else { return self.watch_title(id) };
        let (name, topic) = (sealed.meta.name().to_owned(), sealed.meta.topic().to_owned());
        group.prs = sealed.prs;
        self.touch(Key::Group(id));
        self.tend_door(id, 0);
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.facts.name == name && group.facts.topic == topic {
            return;
        }
        group.facts.name.clone_from(&name);
        group.facts.topic.clone_from(&topic);
        self.touch(Key::Group(id));
        let mut random = [0; 16];
        self.rng.fill_bytes(&mut random);
        let notice = Notice::Described { name, topic };
        self.notice(ConversationId::Group(id), author, MessageId(random), notice);
    }

    /// A notice of what an entry did, named after the entry, while we belong to the group.
    pub(super) fn log_notice(&mut self, id: GroupId, author: NodeId, head: Head, notice: Notice) {
        let me = self.id();
        let about_us = matches!(&notice,
            Notice::Removed(p) | Notice::Banned(p) | Notice::Left(p) if p.node.0 == me);
        let Some(group) = self.groups.get(&id).filter(|group| group.facts.invited) else { return };
        if !group.is_member(&me) && !about_us {
            return;
        }
        let (name, _) = head.0.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        self.notice(ConversationId::Group(id), author, MessageId(*name), notice);
    }

    pub(super) fn is_lobby(&self, id: &GroupId) -> bool {
        self.groups.get(id).is_some_and(Group::is_lobby)
    }
}

fn role_view(role: Role) -> crate::api::view::Role {
    match role {
        Role::Member => crate::api::view::Role::Member,
        Role::Admin => crate::api::view::Role::Admin,
        Role::Owner => crate::api::view::Role::Owner,
    }
}
