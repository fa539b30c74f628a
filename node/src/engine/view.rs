//! Looking at the engine: what faces show besides the history.

use hubbub_shared::group::Role;
use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::Timestamp;

use super::Engine;
use super::group::Group;
use crate::api::view::{ConversationKind, LinkState, MemberView, NodeText, SpreadView, StatusView};
use crate::api::{ApiError, ConversationId, view};

/// A conversation without its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationFacts {
    /// Which.
    pub id: ConversationId,
    /// What to call it.
    pub title: String,
    /// What kind it is.
    pub kind: ConversationKind,
    /// The group's topic, empty for none.
    pub topic: String,
    /// Members (2 for a direct conversation).
    pub members: u32,
    /// False after leaving or being removed.
    pub active: bool,
    /// Own messages not yet delivered to everyone.
    pub undelivered: u64,
    /// When it began here.
    pub since: Timestamp,
}

/// This node as the engine knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFacts {
    /// Our key.
    pub node: NodeText,
    /// Our nickname, once granted.
    pub nickname: Option<String>,
    /// What we like to be called.
    pub display_name: String,
    /// Our status text.
    pub status: String,
    /// Whether there is a picture of us.
    pub has_picture: bool,
}

impl Engine {
    /// All conversations, in no order of importance.
    #[must_use]
    pub fn conversations(&self) -> Vec<ConversationFacts> {
        let contacts = self.people.iter().filter(|(_, person)| person.contact);
        let direct = contacts.map(|(node, _)| ConversationId::Direct(*node));
        let invited = self.groups.iter().filter(|(_, group)| group.facts.invited);
        let groups = invited.map(|(id, _)| ConversationId::Group(*id));
        direct.chain(groups).filter_map(|id| self.conversation_facts(id)).collect()
    }

    /// One conversation; none when there is no such one here.
    #[must_use]
    pub fn conversation_facts(&self, id: ConversationId) -> Option<ConversationFacts> {
        let (unsent, stored) = self.outbox.counts(Some(id));
        let undelivered = unsent.saturating_add(stored);
        match id {
            ConversationId::Direct(node) => {
                let since = self.people.get(&node).map_or(self.now, |person| person.since);
                Some(ConversationFacts {
                    id,
                    title: self.person(&node).name,
                    kind: ConversationKind::Direct,
                    topic: String::new(),
                    members: 2,
                    active: true,
                    undelivered,
                    since,
                })
            }
            ConversationId::Group(group_id) => {
                let group = self.groups.get(&group_id)?;
                Some(self.group_facts(group_id, group, undelivered))
            }
        }
    }

    fn group_facts(&self, id: GroupId, group: &Group, undelivered: u64) -> ConversationFacts {
        let kind = if group.is_lobby() { ConversationKind::Lobby } else { ConversationKind::Group };
        let members = group.log.as_ref().map_or(0, |log| log.roster().len());
        ConversationFacts {
            id: ConversationId::Group(id),
            title: self.title(&id),
            kind,
            topic: group.facts.topic.clone(),
            members: u32::try_from(members).unwrap_or(u32::MAX),
            active: group.is_active(&self.id()),
            undelivered,
            since: group.facts.since,
        }
    }

    /// A group's members, by name.
    #[must_use]
    pub fn members(&self, id: &GroupId) -> Vec<MemberView> {
        let log = self.groups.get(id).and_then(|group| group.log.as_ref());
        let mut members: Vec<_> = log
            .into_iter()
            .flat_map(|log| log.roster().members())
            .map(|member| MemberView {
                person: self.person(&member.node),
                role: shown(member.role),
            })
            .collect();
        members.sort_by(|a, b| a.person.name.cmp(&b.person.name));
        members
    }

    /// This node.
    #[must_use]
    pub fn whoami(&self) -> OwnFacts {
        OwnFacts {
            node: NodeText(self.id()),
            nickname: self.own.nickname.clone(),
            display_name: self.own.display_name.clone(),
            status: self.own.status.clone(),
            has_picture: self.pictures.contains_key(&self.id()),
        }
    }

    /// What waits and what was refused. Of the link the engine knows only whether it is up.
    #[must_use]
    pub fn status(&self) -> StatusView {
        let (unsent, undelivered) = self.outbox.counts(None);
        StatusView {
            link: self.link_state(),
            unsent,
            undelivered,
            waiting_for_keys: u64::try_from(self.held.len()).unwrap_or(u64::MAX),
            spreading: self
                .groups
                .iter()
                .filter_map(|(id, group)| self.spreading(id, group))
                .collect(),
            refused: self.refusals.counts(),
        }
    }

    fn spreading(&self, id: &GroupId, group: &Group) -> Option<SpreadView> {
        let others = group.members().len().saturating_sub(1);
        // After a second change of keys both may be on their way.
        let left = self.outbox.keys_of(id).min(others);
        let count = |n| u64::try_from(n).unwrap_or(u64::MAX);
        (left > 0).then(|| SpreadView {
            conversation: ConversationId::Group(*id),
            title: self.title(id),
            left: count(left),
            of: count(others),
        })
    }

    /// The link as the engine knows it.
    #[must_use]
    pub fn link_state(&self) -> LinkState {
        self.link.state()
    }

    /// The group of this title, or the person of this name, as [`Self::resolve`]; people only.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_person(&self, target: &str) -> Result<Option<NodeId>, ApiError> {
        Ok(match self.resolve(target)? {
            Some(ConversationId::Direct(node)) => Some(node),
            Some(ConversationId::Group(_)) | None => None,
        })
    }

    /// Groups only.
    ///
    /// # Errors
    /// None is called that, or several are.
    pub fn resolve_group(&self, target: &str) -> Result<GroupId, ApiError> {
        self.group_meant(target)
    }
}

fn shown(role: Role) -> view::Role {
    match role {
        Role::Member => view::Role::Member,
        Role::Admin => view::Role::Admin,
        Role::Owner => view::Role::Owner,
    }
}
