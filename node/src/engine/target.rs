//! Whom a person means.
//!
//! Contacts and groups known here win over anything a hub says, so a name once pinned cannot be
//! moved by asking again.

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::nickname::Nickname;

use super::Engine;
use super::contact::same;
use super::lookup::Found;
use crate::api::{ApiError, Code, Command, ConversationId};

impl Engine {
    /// Which conversation a text means, as far as that is known here.
    #[must_use]
    pub fn resolve(&self, target: &str) -> Option<ConversationId> {
        self.resolve_with(target, &Found::new())
    }

    fn resolve_with(&self, target: &str, found: &Found) -> Option<ConversationId> {
        let target = target.trim();
        if let Ok(id) = target.parse() {
            return match id {
                ConversationId::Group(group) => {
                    self.groups.contains_key(&group).then_some(ConversationId::Group(group))
                }
                direct @ ConversationId::Direct(_) => Some(direct),
            };
        }
        if let Some(title) = target.strip_prefix('#') {
            return self.group_titled(title).map(ConversationId::Group);
        }
        let person = |name: &str| self.person_named(name, found).map(ConversationId::Direct);
        if let Some(name) = target.strip_prefix('@') {
            return person(name);
        }
        if target == "lobby" {
            return self.own.lobby.map(ConversationId::Group);
        }
        person(target).or_else(|| self.group_titled(target).map(ConversationId::Group))
    }

    fn person_named(&self, name: &str, found: &Found) -> Option<NodeId> {
        if let Some(contact) = self.contact_named(name) {
            return Some(contact);
        }
        if let Some(node) = prepared(name).and_then(|name| found.get(&name)) {
            return Some(*node);
        }
        let named = |p: &super::Person| p.nickname.as_deref().is_some_and(|own| same(own, name));
        let mut met = self.people.iter().filter(|(_, person)| named(person));
        let (node, _) = met.next()?;
        met.next().is_none().then_some(*node)
    }

    /// The one group of this title.
    fn group_titled(&self, title: &str) -> Option<GroupId> {
        if same(title, "lobby") {
            return self.own.lobby;
        }
        let me = self.id();
        let titled = |id: &&GroupId| same(&self.title(id), title);
        let ids: Vec<&GroupId> = self.groups.keys().filter(titled).collect();
        let active = |id: &&&GroupId| self.groups.get(**id).is_some_and(|g| g.is_active(&me));
        match (ids.as_slice(), ids.iter().filter(active).collect::<Vec<_>>().as_slice()) {
            ([only], _) => Some(**only),
            (_, [only]) => Some(***only),
            _ => None,
        }
    }

    /// Names a command needs and nobody here knows, ready to be asked for.
    pub(super) fn missing(&self, command: &Command, found: &Found) -> Vec<String> {
        let mut missing = Vec::new();
        for target in people_in(command) {
            let known = self.resolve_with(target, found).is_some();
            let group = target.starts_with('#') || target.contains(':') || target == "lobby";
            let name = target.trim().trim_start_matches('@');
            if let Some(name) = prepared(name).filter(|_| !known && !group)
                && !missing.contains(&name)
            {
                missing.push(name);
            }
        }
        missing
    }

    pub(super) fn conversation(
        &self,
        target: &str,
        found: &Found,
    ) -> Result<ConversationId, ApiError> {
        self.resolve_with(target, found).ok_or_else(|| {
            let what = format!("nobody and nothing here is called {target}");
            ApiError::new(Code::NotFound, what, "`hubbub conversations` lists what there is")
        })
    }

    pub(super) fn group_meant(&self, target: &str) -> Result<GroupId, ApiError> {
        let plain = target.trim();
        let found = match plain.parse() {
            Ok(ConversationId::Group(id)) => self.groups.contains_key(&id).then_some(id),
            Ok(ConversationId::Direct(_)) => None,
            Err(_) => self.group_titled(plain.trim_start_matches('#')),
        };
        found.ok_or_else(|| {
            let what = format!("no group here is called {target}, or several are");
            ApiError::new(Code::NotFound, what, "use its id from `hubbub conversations --json`")
        })
    }

    pub(super) fn person_meant(&self, target: &str, found: &Found) -> Result<NodeId, ApiError> {
        let plain = target.trim();
        let name = plain.trim_start_matches('@');
        let node = match plain.parse() {
            Ok(ConversationId::Direct(node)) => Some(node),
            Ok(ConversationId::Group(_)) => None,
            Err(_) => NodeId::from_text(name).or_else(|| self.person_named(name, found)),
        };
        node.ok_or_else(|| {
            let what = format!("nobody here is called {target}");
            ApiError::new(Code::NotFound, what, "check the spelling")
        })
    }
}

/// A name as hubs compare it; none when it can be no nickname.
fn prepared(name: &str) -> Option<String> {
    Nickname::prepare(name).ok().map(|name| name.as_str().to_owned())
}

/// Everybody a command names who might have to be looked up.
fn people_in(command: &Command) -> Vec<&str> {
    match command {
        Command::Send { to, .. } | Command::Open { to } => vec![to],
        Command::GroupNew { members, .. } => members.iter().map(String::as_str).collect(),
        Command::GroupInvite { member, .. } => vec![member],
        Command::GroupRemove { member, .. } | Command::GroupRole { member, .. } => vec![member],
        Command::Verify { contact, .. } => vec![contact],
        Command::SetNickname { .. }
        | Command::MarkRead { .. }
        | Command::GroupDescribe { .. }
        | Command::GroupLeave { .. }
        | Command::SetStatus { .. } => Vec::new(),
    }
}
