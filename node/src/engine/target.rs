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

/// What faces show in front of a group's name, and of the lobby's.
const GROUP_MARKS: [char; 2] = ['#', '~'];
/// What the lobby is called.
const LOBBY: &str = "lobby";
/// Groups of one name that are told by id.
const NAMESAKES: usize = 5;

impl Engine {
    /// Which conversation a text means, as far as that is known here.
    ///
    /// # Errors
    /// Several groups are called that.
    pub fn resolve(&self, target: &str) -> Result<Option<ConversationId>, ApiError> {
        self.resolve_with(target, &Found::new())
    }

    fn resolve_with(
        &self,
        target: &str,
        found: &Found,
    ) -> Result<Option<ConversationId>, ApiError> {
        let target = target.trim();
        if let Ok(id) = target.parse() {
            let known = match id {
                ConversationId::Group(group) => self.groups.contains_key(&group),
                ConversationId::Direct(_) => true,
            };
            return Ok(known.then_some(id));
        }
        let group = |title| Ok(self.group_titled(title)?.map(ConversationId::Group));
        let person = |name| self.person_named(name, found).map(ConversationId::Direct);
        if let Some(title) = target.strip_prefix(GROUP_MARKS) {
            return group(title);
        }
        if let Some(name) = target.strip_prefix('@') {
            return Ok(person(name));
        }
        if same(target, LOBBY) {
            return group(target);
        }
        person(target).map_or_else(|| group(target), |person| Ok(Some(person)))
    }

    fn person_named(&self, name: &str, found: &Found) -> Option<NodeId> {
        if let Some(contact) = self.contact_named(name) {
            return Some(contact);
        }
        if let Some(node) = prepared(name).and_then(|name| found.get(&name)) {
            return Some(*node);
        }
        if let Some(node) = NodeId::from_text(name) {
            return Some(node);
        }
        let named = |p: &super::Person| p.nickname.as_deref().is_some_and(|own| same(own, name));
        // A name alone means no one who is shown with a mark.
        let plain = |node: &NodeId| same(&self.shown_name(node), name);
        let met = self.people.iter().filter(|(node, person)| named(person) && plain(node));
        let met = met.map(|(node, _)| *node);
        // Whoever has no name, or shares one, is shown with letters of their key: `bob#k3jd`.
        let shown = |n: &&NodeId| same(&self.shown_name(n), name) || self.is_marked_as(n, name);
        let shown = || self.people.keys().filter(shown).copied();
        let (met, shown) = (met.collect::<Vec<_>>(), shown().collect::<Vec<_>>());
        match (met.as_slice(), shown.as_slice()) {
            ([only], _) | ([], [only]) => Some(*only),
            _ => None,
        }
    }

    /// The one group of this title.
    fn group_titled(&self, title: &str) -> Result<Option<GroupId>, ApiError> {
        if same(title, LOBBY) {
            return Ok(self.own.lobby);
        }
        let me = self.id();
        let titled = |id: &&GroupId| same(&self.title(id), title);
        let ids: Vec<&GroupId> = self.groups.keys().filter(titled).collect();
        let active = |id: &&&GroupId| self.groups.get(**id).is_some_and(|g| g.is_active(&me));
        match (ids.as_slice(), ids.iter().filter(active).collect::<Vec<_>>().as_slice()) {
            ([], _) => Ok(None),
            ([only], _) => Ok(Some(**only)),
            (_, [only]) => Ok(Some(***only)),
            (several, _) => Err(self.ambiguous(title, several)),
        }
    }

    /// Says which groups a title could mean, and by what to tell them apart.
    fn ambiguous(&self, title: &str, groups: &[&GroupId]) -> ApiError {
        let me = self.id();
        let one = |id: &&GroupId| {
            let group = self.groups.get(*id);
            let members = group.map_or(0, |group| group.members().len());
            let left = if group.is_some_and(|group| group.is_active(&me)) { "" } else { ", left" };
            format!("{} ({members} members{left})", ConversationId::Group(**id))
        };
        let named: Vec<String> = groups.iter().take(NAMESAKES).map(one).collect();
        let more = groups.len().saturating_sub(NAMESAKES);
        let more = if more == 0 { String::new() } else { format!(", and {more} more") };
        let what =
            format!("{} groups are called {title}: {}{more}", groups.len(), named.join(", "));
        let hint = "write one of these ids instead of the name; `hubbub group members ID` says who \
                    is in it";
        ApiError::new(Code::Usage, what, hint)
    }

    /// Refuses a command that names somebody by what a contact went by before. Opening a
    /// conversation is how whoever has the name now is met.
    pub(super) fn unless_names_moved(&self, command: &Command) -> Result<(), ApiError> {
        let moved = !matches!(command, Command::Open { .. });
        let mut people = people_in(command).into_iter().filter(|_| moved);
        people.try_for_each(|name| self.unless_former(name))
    }

    /// Names a command needs and nobody here knows, ready to be asked for.
    pub(super) fn missing(&self, command: &Command, found: &Found) -> Vec<String> {
        let mut missing = Vec::new();
        for target in people_in(command) {
            // Of two groups called that, neither is to be asked for.
            let known = !matches!(self.resolve_with(target, found), Ok(None));
            let group =
                target.starts_with(GROUP_MARKS) || target.contains(':') || same(target, LOBBY);
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
        self.resolve_with(target, found)?.ok_or_else(|| {
            let what = format!("nobody and nothing here is called {target}");
            ApiError::new(Code::NotFound, what, "`hubbub conversations` lists what there is")
        })
    }

    pub(super) fn group_meant(&self, target: &str) -> Result<GroupId, ApiError> {
        let plain = target.trim();
        let found = match plain.parse() {
            Ok(ConversationId::Group(id)) => self.groups.contains_key(&id).then_some(id),
            Ok(ConversationId::Direct(_)) => None,
            Err(_) => self.group_titled(plain.strip_prefix(GROUP_MARKS).unwrap_or(plain))?,
        };
        found.ok_or_else(|| {
            let what = format!("no group here is called {target}");
            ApiError::new(Code::NotFound, what, "`hubbub conversations` lists what there is")
        })
    }

    pub(super) fn person_meant(&self, target: &str, found: &Found) -> Result<NodeId, ApiError> {
        let plain = target.trim();
        let name = plain.trim_start_matches('@');
        let node = match plain.parse() {
            Ok(ConversationId::Direct(node)) => Some(node),
            Ok(ConversationId::Group(_)) => None,
            Err(_) => self.person_named(name, found),
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
        Command::SendFile(send) => vec![&send.to],
        Command::GroupNew { members, .. } => members.iter().map(String::as_str).collect(),
        Command::GroupInvite { member, .. } => vec![member],
        Command::GroupRemove { member, .. }
        | Command::GroupRole { member, .. }
        | Command::GroupBan { member, .. }
        | Command::GroupUnban { member, .. }
        | Command::GroupHandOver { member, .. }
        | Command::GroupDecide { member, .. } => vec![member],
        Command::Verify { contact, .. } | Command::Compare { contact, .. } => vec![contact],
        Command::Block { contact }
        | Command::Unblock { contact }
        | Command::SetFileRule { contact, .. } => vec![contact],
        Command::SetNickname { .. }
        | Command::MarkRead { .. }
        | Command::GroupDescribe { .. }
        | Command::GroupLeave { .. }
        | Command::GroupSet { .. }
        | Command::GroupLink { .. }
        | Command::GroupUnlink { .. }
        | Command::GroupJoin { .. }
        | Command::GroupPassphrase { .. }
        | Command::GroupKnock { .. }
        | Command::GroupKnockStop { .. }
        | Command::SetStatus { .. }
        | Command::Accept { .. }
        | Command::Decline { .. }
        | Command::SetProfile { .. }
        | Command::Typing { .. }
        | Command::File { .. }
        | Command::SetFiles(_)
        | Command::SetGroupFileRule { .. }
        | Command::Set(_) => Vec::new(),
    }
}
