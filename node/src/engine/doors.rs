//! The ways into a group: settings, invite links, and coming in by one.
//!
//! A link's secret stays with whoever made it and whoever was handed it. The log has its public
//! half; whoever comes in proves to hold the other one.

use hubbub_shared::group::control::Invite;
use hubbub_shared::group::link::{GroupCode, LinkSecret};
use hubbub_shared::group::meta::GroupMeta;
use hubbub_shared::group::{Op, Role, Settings, Who};
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::invite;
use hubbub_shared::time::Millis;
use hubbub_shared::wire::ByteBuf;
use hubbub_shared::wire::to_hub::Pass;

use super::Engine;
use super::group::{Facts, Group};
use super::output::Ticket;
use super::record::Key;
use super::wish::{Asker, Wish};
use crate::api::group::{self as shown, DoorsView, LinkView, SettingsChange};
use crate::api::view::{NodeText, Notice, PersonView};
use crate::api::{ApiError, Code, Reply};

/// Most people a view of the doors names.
const NAMED: usize = 64;
/// An invite link is good for this long at most; longer ones are forgotten about, not wanted.
const LINK_AGE: Millis = Millis::days(365);

impl Engine {
    /// Makes an invite link; the answer holds it once the log has it.
    pub(super) fn make_link(
        &mut self,
        ticket: Ticket,
        id: GroupId,
        (uses, good_for): (u16, Millis),
    ) -> Result<(), ApiError> {
        if uses == 0 || good_for == Millis(0) || good_for > LINK_AGE {
            let what = "a link is for at least one person, and for a year at most";
            return Err(ApiError::new(Code::Usage, what, "choose other numbers"));
        }
        let group = self.groups.get_mut(&id);
        let (Some(group), now) = (group, self.now) else { return Err(not_here()) };
        let Some(meta_key) = group.name_key(&id) else { return Err(not_here()) };
        let meta = GroupMeta::new(&group.facts.name, "")
            .map_err(|error| ApiError::new(Code::Usage, error.to_string(), "name it first"))?;
        let secret = LinkSecret::random(&mut self.rng);
        let ct = ByteBuf::from(secret.seal(&id, &meta, meta_key, &mut self.rng));
        let (key, expires) = (secret.key(&id), now + good_for);
        let link = GroupCode { gid: id, secret: LinkSecret::from_slice(secret.expose()) }.to_text();
        // Links that are no good any more make room for it.
        let is_open = |key: &NodeId| group.log.as_ref().is_some_and(|log| log.is_open(key));
        group.links.retain(|key, _| is_open(key));
        group.links.insert(key, secret);
        self.touch(Key::Group(id));
        let asker = Asker { ticket, reply: Reply::Link { link } };
        self.wish(id, Wish::Invite { key, uses, expires, ct }, Some(asker));
        Ok(())
    }

    /// The link a person means by its line, its key, or the beginning of that.
    pub(super) fn link_meant(&self, id: &GroupId, text: &str) -> Result<NodeId, ApiError> {
        let text = text.trim();
        if let Ok(GroupCode { gid, secret: Some(secret) }) = GroupCode::parse(code_of(text)) {
            return Ok(secret.key(&gid));
        }
        let log = self.groups.get(id).and_then(|group| group.log.as_ref());
        let links = log.into_iter().flat_map(|log| log.open_invites());
        let meant = |key: &NodeId| key.to_text().starts_with(&text.to_lowercase());
        let mut keys = links.map(|(key, _)| *key).filter(meant);
        match (keys.next(), keys.next()) {
            (Some(key), None) if !text.is_empty() => Ok(key),
            _ => {
                let what = "no link of this group is called that";
                Err(ApiError::new(Code::NotFound, what, "`hubbub group doors` lists them"))
            }
        }
    }

    /// Begins to come into a group by a link. The log is read as the link entitles to.
    pub(super) fn come_by_link(&mut self, ticket: Ticket, text: &str) -> Result<(), ApiError> {
        let code = GroupCode::parse(code_of(text.trim())).map_err(|_| bad_link())?;
        if invite::Invite::parse(text).is_ok_and(|invite| invite.hub() != self.hub) {
            let what = "the link leads to another hub than this profile's";
            return Err(ApiError::new(Code::Invite, what, "join it with a profile of its own"));
        }
        let (id, me) = (code.gid, self.id());
        let Some(secret) = code.secret else { return Err(bad_link()) };
        if self.groups.get(&id).is_some_and(|group| group.is_active(&me)) {
            let what = format!("you are in {} already", self.title(&id));
            return Err(ApiError::new(Code::Usage, what, "write to it"));
        }
        let (key, proof) = (secret.key(&id), secret.proof(&id, &me));
        let now = self.now;
        let group = self.groups.entry(id).or_insert_with(|| Group::new(Facts::new(now, false)));
        group.facts.wishes.retain(|(_, wish)| !matches!(wish, Wish::UseInvite { .. }));
        group.link = Some(secret);
        // What we know of a group we were in once is judged no more: it is read on first.
        group.synced = false;
        self.touch(Key::Group(id));
        let conversation = crate::api::ConversationId::Group(id);
        let asker = Asker { ticket, reply: Reply::Conversation { conversation } };
        self.wish(id, Wish::UseInvite { key, proof }, Some(asker));
        self.read_up_to_now(id);
        Ok(())
    }

    /// What entitles us to read the log of a group we are about to come into.
    pub(super) fn pass(&self, id: &GroupId) -> Option<Pass> {
        let link = self.groups.get(id)?.link.as_ref()?;
        Some(Pass { key: link.key(id), proof: link.proof(id, &self.id()) })
    }

    /// The link let us in: it has served.
    pub(super) fn in_by_link(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(link) = group.link.take() else { return };
        group.facts.invited = true;
        let log = group.log.as_ref();
        let invite = log.and_then(|log| log.invite(&link.key(&id)));
        if let Some(package) = invite.and_then(|invite| link.open(&id, &invite.package).ok()) {
            group.facts.name = package.meta.name().to_owned();
            group.told_name_key(&id, package.meta_key);
        }
        self.touch(Key::Group(id));
        self.take_early_told(id);
        self.changed(crate::api::ConversationId::Group(id));
    }

    /// The hub shows nothing to whoever holds this link: it is not good, or not any more.
    pub(super) fn link_refused(&mut self, id: GroupId) {
        let wishes = self.groups.get(&id).map(|group| group.facts.wishes.clone());
        let ours = wishes.into_iter().flatten();
        for (number, _) in ours.filter(|(_, wish)| matches!(wish, Wish::UseInvite { .. })) {
            let what = "this invite link is not good, or not any more";
            let error = ApiError::new(Code::Invite, what, "ask whoever invited you for a new one");
            self.granted(id, number, Err(error));
        }
    }

    /// The link did not let us in.
    pub(super) fn not_by_link(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.link = None;
        self.touch(Key::Group(id));
        self.judge_offers(id);
        self.forget_if_stray(id);
    }

    /// Somebody came in by a link: whoever made it greets, and admins when the name has a newer key
    /// than the link gives.
    pub(super) fn greet(&mut self, id: GroupId, newcomer: NodeId, maker: NodeId) {
        let me = self.id();
        let Some(group) = self.groups.get(&id) else { return };
        let Some(log) = &group.log else { return };
        let rotated = log
            .invites()
            .filter(|(_, invite)| invite.by == maker)
            .any(|(_, invite)| log.roster().removed_between(invite.made(), log.seq()));
        let admin = group.role(&me).is_some_and(|role| role >= Role::Admin);
        if newcomer != me && (maker == me || (admin && rotated)) {
            self.welcome(id, newcomer);
        } else {
            self.greet_with_new_key(id, newcomer);
        }
    }

    /// The settings a change makes of the present ones; none when it changes nothing.
    pub(super) fn changed_settings(
        &self,
        id: &GroupId,
        change: &SettingsChange,
    ) -> Option<Settings> {
        let before = self.group_settings(id);
        let who = |who: shown::Who| match who {
            shown::Who::Admins => Who::Admins,
            shown::Who::Members => Who::Members,
        };
        let alias = change.alias.as_ref().map(|alias| alias.trim().to_owned());
        let alias = alias.map(|alias| (!alias.is_empty()).then_some(alias));
        let after = Settings {
            posting: change.posting.map_or(before.posting, who),
            adding: change.adding.map_or(before.adding, who),
            history: change.history.unwrap_or(before.history),
            passphrase: change.passphrase.unwrap_or(before.passphrase),
            requests: change.requests.unwrap_or(before.requests),
            alias: alias.unwrap_or_else(|| before.alias.clone()),
        };
        (after != before).then_some(after)
    }

    /// What changed from one entry to the next, in the words of a notice.
    pub(super) fn settings_notice(&self, id: &GroupId, seq: u64) -> Option<Notice> {
        let log = self.groups.get(id)?.log.as_ref()?;
        let (after, before) = (log.settings_at(seq), log.settings_at(seq.checked_sub(1)?));
        fn differs<T: PartialEq>(before: T, after: T) -> Option<T> {
            (before != after).then_some(after)
        }
        let alias = differs(before.alias, after.alias);
        Some(Notice::Set(SettingsChange {
            posting: differs(before.posting, after.posting).map(who_shown),
            adding: differs(before.adding, after.adding).map(who_shown),
            history: differs(before.history, after.history),
            passphrase: differs(before.passphrase, after.passphrase),
            requests: differs(before.requests, after.requests),
            alias: alias.map(Option::unwrap_or_default),
        }))
    }

    fn group_settings(&self, id: &GroupId) -> Settings {
        let log = self.groups.get(id).and_then(|group| group.log.as_ref());
        log.map(|log| log.settings()).unwrap_or_default()
    }

    /// The next step of handing a group over; none when it is done.
    pub(super) fn next_of_handover(&self, id: &GroupId, node: NodeId) -> Option<Op> {
        let (group, me) = (self.groups.get(id)?, self.id());
        if group.role(&node) != Some(Role::Owner) {
            return Some(Op::SetRole { node, role: Role::Owner });
        }
        let owner = group.role(&me) == Some(Role::Owner);
        owner.then_some(Op::SetRole { node: me, role: Role::Admin })
    }

    /// The ways into a group, as shown.
    #[must_use]
    pub fn doors(&self, id: &GroupId) -> Option<DoorsView> {
        let group = self.groups.get(id)?;
        let log = group.log.as_ref()?;
        let settings = log.settings();
        let keepers = log.roster().members().filter(|m| log.may_add(&m.node));
        let person = |node: &NodeId| self.person(node);
        Some(DoorsView {
            title: self.title(id),
            posting: who_shown(settings.posting),
            adding: who_shown(settings.adding),
            keepers: keepers.take(NAMED).map(|m| person(&m.node)).collect(),
            own: log.may_add(&self.id()),
            history: settings.history,
            history_since: group.facts.told_since.filter(|_| settings.history),
            passphrase: settings.passphrase,
            requests: settings.requests,
            alias: settings.alias.unwrap_or_default(),
            links: self.open_links(id, group),
            asking: self.asking(id),
            banned: log.banned().map(|node| person(&node)).collect::<Vec<PersonView>>(),
        })
    }

    fn open_links(&self, id: &GroupId, group: &Group) -> Vec<LinkView> {
        let log = group.log.iter();
        let open = log.flat_map(|log| log.open_invites()).filter(|(_, i)| i.expires > self.now);
        let view = |(key, invite): (&NodeId, &Invite)| LinkView {
            key: NodeText(*key),
            by: self.person(&invite.by),
            left: invite.left(),
            expires: invite.expires,
            link: group.links.get(key).and_then(|secret| {
                let secret = LinkSecret::from_slice(secret.expose());
                Some(GroupCode { gid: *id, secret: Some(secret?) }.to_text())
            }),
        };
        open.map(view).collect()
    }

    /// Takes back the links made here whose time is over: from then on nobody's clock matters.
    pub(super) fn revoke_expired(&mut self) {
        let (me, now) = (self.id(), self.now);
        let mut over = Vec::new();
        for (id, group) in self.groups.iter().filter(|(_, group)| group.is_active(&me)) {
            let links = group.log.iter().flat_map(|log| log.open_invites());
            let wished = |key: &NodeId| {
                group.facts.wishes.iter().any(|(_, wish)| *wish == Wish::Revoke(*key))
            };
            let ours = links.filter(|(_, invite)| invite.by == me && invite.expires <= now);
            over.extend(ours.filter(|(key, _)| !wished(key)).map(|(key, _)| (*id, *key)));
        }
        for (id, key) in over {
            self.wish(id, Wish::Revoke(key), None);
        }
    }
}

fn who_shown(who: Who) -> shown::Who {
    match who {
        Who::Admins => shown::Who::Admins,
        Who::Members => shown::Who::Members,
    }
}

/// A change that sets everything as it is here.
pub(super) fn whole(settings: &Settings) -> SettingsChange {
    SettingsChange {
        posting: Some(who_shown(settings.posting)),
        adding: Some(who_shown(settings.adding)),
        history: Some(settings.history),
        passphrase: Some(settings.passphrase),
        requests: Some(settings.requests),
        alias: Some(settings.alias.clone().unwrap_or_default()),
    }
}

/// The group a line without secret leads to, or one with.
pub(super) fn group_of(text: &str) -> Option<GroupId> {
    GroupCode::parse(code_of(text.trim())).ok().map(|code| code.gid)
}

/// The group's part of a line, or the whole when it is that part alone.
fn code_of(text: &str) -> &str {
    let code = text.rsplit_once('#').map_or(text, |(_, code)| code);
    code.rsplit_once('.').map_or(code, |(_, group)| group)
}

fn bad_link() -> ApiError {
    let what = "this is no invite link of a group, or it is cut short";
    ApiError::new(Code::Invite, what, "copy the whole line, or ask for a new one")
}

fn not_here() -> ApiError {
    ApiError::new(Code::NotFound, "the group's name is not here yet", "try again in a moment")
}
