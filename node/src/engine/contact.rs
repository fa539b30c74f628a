//! People: what is known of each node, bound to its key and never to its name.
//!
//! A contact is pinned at first use. A name that later leads to another key never moves an existing
//! contact to it: the newcomer is shown with a mark, and the person is told.

use hubbub_shared::content::group_plain::NO_MESSAGE;
use hubbub_shared::crypto::fingerprint::{qr_bytes, safety_number};
use hubbub_shared::id::{MessageId, NodeId, SessionId};
use hubbub_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::record::Key;
use crate::api::view::{ContactView, NodeText, Path, PersonView, SafetyView};
use crate::api::{ConversationId, Event};

/// People known at most; beyond it strangers are refused.
pub(super) const PEOPLE: usize = 20_000;

/// One node as known here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Person {
    /// From a claim this node signed.
    pub(super) nickname: Option<String>,
    /// The safety number was compared.
    pub(super) verified: bool,
    /// Talked to directly, not only met in a group.
    pub(super) contact: bool,
    /// What they say of themselves.
    pub(super) status: String,
    /// What we said of ourselves when they last heard it.
    pub(super) told: String,
    /// First met.
    pub(super) since: Timestamp,
    /// Highest key-agreement key seen: a lower one is a rollback.
    pub(super) idk_epoch: u32,
    /// Own messages to them so far.
    pub(super) sent: u64,
    /// The last of these.
    pub(super) last: MessageId,
    /// The last counts of the eras before the present one, newest last.
    pub(super) earlier: Vec<u64>,
    /// To be told, in a new session, that this node began anew.
    pub(super) owes_reset: bool,
    /// The session in which it was told that, until it is heard from there.
    pub(super) reset_in: Option<SessionId>,
    /// Began anew a moment after it had: what follows from that is still to be done.
    pub(super) reset_again: bool,
}

impl Person {
    fn new(now: Timestamp) -> Self {
        Self {
            nickname: None,
            verified: false,
            contact: false,
            status: String::new(),
            told: String::new(),
            since: now,
            idk_epoch: 0,
            sent: 0,
            last: NO_MESSAGE,
            earlier: Vec::new(),
            owes_reset: false,
            reset_in: None,
            reset_again: false,
        }
    }
}

impl Engine {
    /// The person behind a key, met now if never before.
    pub(super) fn meet(&mut self, node: NodeId) -> &mut Person {
        if !self.people.contains_key(&node) {
            self.touch(Key::Contact(node));
            self.ask_who(node);
        }
        let now = self.now;
        self.people.entry(node).or_insert_with(|| Person::new(now))
    }

    /// Makes a contact of somebody: pinned from here on.
    pub(super) fn befriend(&mut self, node: NodeId) {
        if node == self.id() || self.people.get(&node).is_some_and(|person| person.contact) {
            return;
        }
        self.meet(node).contact = true;
        self.index_name(node);
        self.touch(Key::Contact(node));
        self.event(Event::ContactsChanged);
        self.changed(ConversationId::Direct(node));
    }

    /// A node's own signed claim says what it is called.
    pub(super) fn learn_name(&mut self, node: NodeId, nickname: &str) {
        if self.people.get(&node).is_some_and(|p| p.nickname.as_deref() == Some(nickname)) {
            return;
        }
        self.warn_of_namesake(node, nickname);
        let before = self.meet(node).nickname.replace(nickname.to_owned());
        self.unindex_name(node, before);
        self.index_name(node);
        self.touch(Key::Contact(node));
        self.tell_of_name(node);
    }

    /// A name came: whatever shows it is to be looked at again.
    pub(super) fn tell_of_name(&mut self, node: NodeId) {
        self.event(Event::ContactsChanged);
        if self.is_contact(&node) {
            self.changed(ConversationId::Direct(node));
        }
        let shared = |group: &super::Group| group.facts.invited && group.is_member(&node);
        let groups = self.groups.iter().filter(|(_, group)| shared(group));
        let groups: Vec<_> = groups.map(|(id, _)| ConversationId::Group(*id)).collect();
        for group in groups {
            self.changed(group);
        }
    }

    /// From here on a contact is found by its name.
    pub(super) fn index_name(&mut self, node: NodeId) {
        let person = self.people.get(&node).filter(|person| person.contact);
        if let Some(name) = person.and_then(|person| person.nickname.as_ref()) {
            self.named.entry(name.to_lowercase()).or_default().insert(node);
        }
    }

    fn unindex_name(&mut self, node: NodeId, name: Option<String>) {
        let Some(name) = name.map(|name| name.to_lowercase()) else { return };
        if let Some(nodes) = self.named.get_mut(&name) {
            nodes.remove(&node);
            if nodes.is_empty() {
                self.named.remove(&name);
            }
        }
    }

    fn warn_of_namesake(&mut self, node: NodeId, nickname: &str) {
        let Some(pinned) = self.contact_named(nickname).filter(|pinned| *pinned != node) else {
            return;
        };
        let explanation = format!(
            "the name {nickname} now leads to another key than the contact you know; \
             that contact is kept as it is, and the other one is shown with a mark"
        );
        self.warn("nickname-moved", explanation.clone());
        self.refuse(ConversationId::Direct(pinned), node, "nickname-moved", explanation);
    }

    /// The contact of this name.
    pub(super) fn contact_named(&self, nickname: &str) -> Option<NodeId> {
        let named = self.named.get(&nickname.to_lowercase()).into_iter().flatten();
        let named = named.filter_map(|node| Some((*node, self.people.get(node)?)));
        // Whoever was known first keeps the name.
        named.min_by_key(|(_, person)| (!person.verified, person.since)).map(|(node, _)| node)
    }

    pub(super) fn is_contact(&self, node: &NodeId) -> bool {
        self.people.get(node).is_some_and(|person| person.contact)
    }

    /// A person as shown.
    #[must_use]
    pub fn person(&self, node: &NodeId) -> PersonView {
        let known = self.people.get(node);
        let own = (*node == self.id()).then_some(self.own.nickname.as_ref()).flatten();
        let name = match known.and_then(|person| person.nickname.as_ref()).or(own) {
            Some(name) if self.is_namesake(node, name) => marked(name, node),
            Some(name) => name.clone(),
            None => node.short(),
        };
        PersonView {
            node: NodeText(*node),
            name,
            verified: known.is_some_and(|person| person.verified),
        }
    }

    fn is_namesake(&self, node: &NodeId, name: &str) -> bool {
        self.contact_named(name).is_some_and(|pinned| pinned != *node)
    }

    /// All contacts, by name.
    #[must_use]
    pub fn contacts(&self) -> Vec<ContactView> {
        let contacts = self.people.iter().filter(|(_, person)| person.contact);
        let mut views: Vec<_> = contacts
            .map(|(node, person)| ContactView {
                person: self.person(node),
                status: person.status.clone(),
                since: person.since,
                path: if self.link.is_up() { Path::Relay } else { Path::Stored },
            })
            .collect();
        views.sort_by(|a, b| a.person.name.cmp(&b.person.name));
        views
    }

    /// The safety number with somebody.
    #[must_use]
    pub fn safety(&self, node: &NodeId) -> SafetyView {
        let qr = qr_bytes(&self.id(), node);
        SafetyView {
            person: self.person(node),
            number: safety_number(&self.id(), node).to_string(),
            qr: data_encoding::HEXLOWER.encode(&qr),
        }
    }
}

/// Two spellings of one name.
pub(super) fn same(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

/// A name with a mark, for one who shares it with an older contact.
fn marked(name: &str, node: &NodeId) -> String {
    let mark: String = node.short().chars().take(4).collect();
    format!("{name}#{mark}")
}
