//! Names that several keys go by, or that look alike: who holds one, and how the others are shown.
//!
//! A name belongs to whom it was pinned for first. It never moves by itself: not to a key the hub
//! shows for it later; and once its holder took another, it leads nowhere. Whoever else goes by it
//! is shown with letters of the key behind it (`bob#k3jd`); beside a verified contact, by those
//! alone.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_shared::id::NodeId;
use hubbub_shared::nickname::Nickname;

use super::Engine;
use super::contact::same;
use super::record::Key;
use crate::api::people::{Past, key_mark};
use crate::api::view::NodeText;
use crate::api::{ApiError, Code, ConversationId, Event};

/// All nicknames known, by what they look like. As many as there are people.
#[derive(Default)]
pub(super) struct Names {
    by_look: BTreeMap<String, BTreeSet<NodeId>>,
    looks: BTreeMap<NodeId, BTreeSet<String>>,
}

/// What the name looks like, in small letters, in capitals and as written.
fn looks_of(name: &str) -> impl Iterator<Item = String> {
    Nickname::prepare(name).ok().into_iter().flat_map(|name| name.skeletons())
}

impl Names {
    /// A node goes by these names, and no others any more.
    fn note<'a>(&mut self, node: NodeId, names: impl Iterator<Item = &'a str>) {
        for look in self.looks.remove(&node).into_iter().flatten() {
            if let Some(nodes) = self.by_look.get_mut(&look) {
                nodes.remove(&node);
                if nodes.is_empty() {
                    self.by_look.remove(&look);
                }
            }
        }
        let looks: BTreeSet<String> = names.flat_map(looks_of).collect();
        for look in &looks {
            self.by_look.entry(look.clone()).or_default().insert(node);
        }
        if !looks.is_empty() {
            self.looks.insert(node, looks);
        }
    }

    /// Others whose name looks like one of this node's.
    fn namesakes(&self, node: &NodeId) -> BTreeSet<NodeId> {
        let looks = self.looks.get(node).into_iter().flatten();
        let alike = looks.filter_map(|look| self.by_look.get(look)).flatten();
        alike.filter(|other| *other != node).copied().collect()
    }

    /// Everybody whose name looks like this one.
    fn alike(&self, name: &str) -> BTreeSet<NodeId> {
        looks_of(name).filter_map(|look| self.by_look.get(&look)).flatten().copied().collect()
    }
}

/// How a node is called in the light of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// By its name alone.
    Plain,
    /// By its name and letters of its key.
    Marked,
    /// By its key: the name is a verified contact's.
    Refused,
}

impl Engine {
    /// After loading.
    pub(super) fn index_names(&mut self) {
        let nodes: Vec<NodeId> = self.people.keys().copied().chain([self.id()]).collect();
        nodes.into_iter().for_each(|node| self.index_name(node));
    }

    /// A node's name, or that it is a contact, changed.
    pub(super) fn index_name(&mut self, node: NodeId) {
        let own = (node == self.id()).then_some(self.own.nickname.as_deref()).flatten();
        let person = self.people.get(&node);
        let present = person.and_then(|person| person.nickname.as_deref());
        // Whoever takes a contact's former name is marked.
        let former = self.former_names(&node).filter(|_| person.is_some_and(|p| p.contact));
        let names: Vec<String> =
            own.into_iter().chain(present).chain(former).map(str::to_owned).collect();
        self.names.note(node, names.iter().map(String::as_str));
    }

    /// Names a contact went by before.
    fn former_names(&self, node: &NodeId) -> impl Iterator<Item = &str> {
        self.past.get(node).into_iter().flatten().filter_map(|line| match &line.what {
            Past::Renamed { from, .. } if !from.is_empty() => Some(from.as_str()),
            _ => None,
        })
    }

    /// The contact of this name: whoever of those who go by it was pinned first.
    pub(super) fn contact_named(&self, name: &str) -> Option<NodeId> {
        let alike = self.names.alike(name);
        self.pinned_first(alike.iter().filter(|node| self.nickname_is(node, name)))
    }

    /// Refuses a name that a contact went by before: whether that contact is meant or whoever has
    /// the name now, only the person knows.
    pub(super) fn unless_former(&self, typed: &str) -> Result<(), ApiError> {
        let name = typed.trim().trim_start_matches('@');
        let alike = self.names.alike(name);
        let went_by = |node: &&NodeId| {
            self.is_contact(node)
                && !self.nickname_is(node, name)
                && self.former_names(node).any(|former| same(former, name))
        };
        let Some(contact) = alike.iter().find(went_by) else { return Ok(()) };
        let now = with_mark(&self.shown_name(contact), contact);
        let what = format!("{name} is what your contact {now} went by before");
        let present = self.contact_named(name).map(|node| with_mark(name, &node));
        let present = present.unwrap_or_else(|| {
            format!("`hubbub contact add {name}` to meet whoever has that name now")
        });
        Err(ApiError::new(Code::Usage, what, format!("write {now}, or {present}")))
    }

    fn nickname_is(&self, node: &NodeId, name: &str) -> bool {
        let nickname = self.people.get(node).and_then(|person| person.nickname.as_deref());
        nickname.is_some_and(|nickname| same(nickname, name))
    }

    /// Of several contacts, the verified one, or else the one pinned first.
    fn pinned_first<'a>(&self, nodes: impl Iterator<Item = &'a NodeId>) -> Option<NodeId> {
        let contact = |node: &'a NodeId| {
            let person = self.people.get(node).filter(|person| person.contact)?;
            Some((!person.verified, person.pinned_at, *node))
        };
        nodes.filter_map(contact).min().map(|(.., node)| node)
    }

    fn standing(&self, node: &NodeId) -> Standing {
        let others = self.names.namesakes(node);
        if others.is_empty() || *node == self.id() {
            return Standing::Plain;
        }
        match self.pinned_first(others.iter().chain([node])) {
            Some(pinned) if pinned == *node && !others.contains(&self.id()) => Standing::Plain,
            Some(pinned) if pinned != *node && self.is_verified(&pinned) => Standing::Refused,
            _ => Standing::Marked,
        }
    }

    fn is_verified(&self, node: &NodeId) -> bool {
        self.people.get(node).is_some_and(|person| person.verified)
    }

    /// What a node is shown as.
    pub(super) fn shown_name(&self, node: &NodeId) -> String {
        let own = (*node == self.id()).then_some(self.own.nickname.as_ref()).flatten();
        let nickname = self.people.get(node).and_then(|person| person.nickname.as_ref()).or(own);
        match nickname.map(|name| (name, self.standing(node))) {
            Some((name, Standing::Plain)) => name.clone(),
            Some((name, Standing::Marked)) => marked(name, node),
            Some((_, Standing::Refused)) | None => node.short(),
        }
    }

    /// Whether a text is a node's name with the mark of its key, unless that name is refused to it.
    pub(super) fn is_marked_as(&self, node: &NodeId, text: &str) -> bool {
        let Some((name, mark)) = text.rsplit_once('#') else { return false };
        same(mark, &key_mark(node))
            && self.nickname_is(node, name)
            && self.standing(node) != Standing::Refused
    }

    /// Other keys known under a contact's name, or under one that looks like it.
    pub(super) fn namesakes(&self, node: &NodeId) -> Vec<NodeText> {
        let me = self.id();
        self.names.namesakes(node).into_iter().filter(|other| *other != me).map(NodeText).collect()
    }

    /// Another key turned up under a contact's name: the contact keeps it, and that is said where
    /// the person will see it.
    pub(super) fn warn_of_namesake(&mut self, node: NodeId, nickname: &str) {
        let me = self.id();
        let contacts = self.names.alike(nickname).into_iter();
        let contacts: Vec<NodeId> = contacts
            .filter(|other| *other != node && *other != me && self.is_contact(other))
            .collect();
        for pinned in contacts {
            self.name_claimed(pinned, (node, nickname));
            // It may have taken another.
            self.ask_who(pinned);
        }
    }

    /// Somebody becomes a contact whose name others go by already.
    pub(super) fn warn_of_namesakes_of(&mut self, node: NodeId) {
        // A contact of that name was told of this one already.
        let others = self.namesakes(&node).into_iter();
        let others: Vec<_> = others.filter(|other| !self.is_contact(&other.0)).collect();
        for NodeText(other) in others {
            let name = self.people.get(&other).and_then(|person| person.nickname.clone());
            if let Some(name) = name {
                self.name_claimed(node, (other, &name));
            }
        }
    }

    fn name_claimed(&mut self, pinned: NodeId, (by, name): (NodeId, &str)) {
        let known = self.past.get(&pinned).into_iter().flatten();
        let mut claims = known.filter(|line| matches!(&line.what, Past::Claimed { .. }));
        let known = claims
            .any(|line| line.what == Past::Claimed { by: NodeText(by), name: name.to_owned() });
        if !known {
            self.note_past(pinned, Past::Claimed { by: NodeText(by), name: name.to_owned() });
        }
        let holds = self.contact_named(name) == Some(pinned);
        let shown = match self.is_verified(&pinned) {
            true => "that key is shown without a name, since this contact is verified",
            false => "the other key is shown with a mark; compare the safety number",
        };
        let key = key_mark(&by);
        let (reason, what) = match holds {
            true => {
                ("nickname-moved", format!("the name {name} now leads to another key (#{key})"))
            }
            false => (
                "nickname-alike",
                format!("another key (#{key}) goes by {name}, a name like this one's"),
            ),
        };
        let explanation = format!("{what}; this contact is kept as it is; {shown}");
        self.warn(reason, explanation.clone());
        self.refuse(ConversationId::Direct(pinned), by, reason, explanation);
        self.event(Event::ContactsChanged);
    }

    /// A command named a contact by a name that other keys go by, too: it went to the contact.
    pub(super) fn warn_if_contested(&mut self, typed: &str, node: NodeId) {
        let typed = typed.trim().trim_start_matches('@').to_owned();
        let by_name = self.contact_named(&typed) == Some(node);
        let others = self.namesakes(&node).len();
        if !by_name || others == 0 || !self.may_tell_of_namesake(node) {
            return;
        }
        let key = key_mark(&node);
        let words = format!(
            "{typed} is the contact you know (#{key}); other keys go by that name, too: {others}"
        );
        self.warn("nickname-moved", words);
    }

    /// A node's name or standing changed: it is to be written and looked at again.
    pub(super) fn renamed(&mut self, node: NodeId) {
        self.index_name(node);
        self.touch(Key::Contact(node));
    }
}

/// A name with letters of the key behind it, unless they stand there.
fn with_mark(name: &str, node: &NodeId) -> String {
    let mark = key_mark(node);
    let there = name.ends_with(&format!("#{mark}")) || name == node.short();
    if there { name.to_owned() } else { format!("{name}#{mark}") }
}

/// A name with letters of the key behind it.
fn marked(name: &str, node: &NodeId) -> String {
    format!("{name}#{}", key_mark(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_found_and_forgotten_with_their_holder() {
        let (bob, other) = (NodeId([1; 32]), NodeId([2; 32]));
        let mut names = Names::default();
        names.note(bob, ["paypal"].into_iter());
        names.note(other, ["PayPaI", "former"].into_iter());
        assert_eq!(names.namesakes(&bob), [other].into());
        assert_eq!(names.alike("FORMER"), [other].into());
        names.note(other, ["mallory"].into_iter());
        assert!(names.namesakes(&bob).is_empty() && names.alike("former").is_empty());
        names.note(other, core::iter::empty());
        assert_eq!(
            (names.looks.len(), names.by_look.len()),
            (1, looks_of("paypal").collect::<BTreeSet<_>>().len())
        );
    }
}
