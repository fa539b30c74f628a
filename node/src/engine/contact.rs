//! People: what is known of each node, bound to its key and never to its name.
//!
//! A contact is pinned at first use: somebody we wrote to, or whom we let in. A name that later
//! leads to another key never moves an existing contact to it (`namesake`).

use hubbub_shared::content::group_plain::NO_MESSAGE;
use hubbub_shared::id::{MessageId, NodeId, SessionId};
use hubbub_shared::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

use super::Engine;
use super::record::Key;
use crate::api::people::Past;
use crate::api::view::{ContactView, NodeText, Path, PersonView};
use crate::api::{ConversationId, Event, FileRule, Strangers};

/// People known at most; beyond it strangers are refused.
pub(super) const PEOPLE: usize = 20_000;
/// A contact's nickname is looked up again after this long.
const NAME_AGE: Millis = Millis::hours(24);
/// When somebody was last heard from is known no better than this: it is not worth more writing.
const HEARD_STEP: Millis = Millis::secs(30);

/// One node as known here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Person {
    /// From a claim this node signed.
    pub(super) nickname: Option<String>,
    /// That claim's number: one with a lower number is an old one.
    pub(super) claim: u64,
    /// When its name was last asked for and answered.
    pub(super) name_at: Timestamp,
    /// The safety number was compared.
    pub(super) verified: bool,
    /// Written to, or let in; not only met in a group.
    pub(super) contact: bool,
    /// Since when.
    pub(super) pinned_at: Timestamp,
    /// They treat us as a contact: they wrote, or acknowledged what we wrote.
    pub(super) mutual: bool,
    /// Neither heard nor written to, since then.
    pub(super) blocked: Option<Timestamp>,
    /// A request of theirs was declined.
    pub(super) declined: Option<Timestamp>,
    /// What they like to be called.
    pub(super) display_name: String,
    /// What they say of themselves.
    pub(super) status: String,
    /// They let it be shown when they were last heard from.
    pub(super) presence: bool,
    /// Last heard from.
    pub(super) heard: Option<Timestamp>,
    /// The number of our profile, and of our picture, they were last told.
    pub(super) told: u64,
    pub(super) told_picture: u64,
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
    /// Whether their files are fetched without asking, whatever holds for others.
    #[serde(default)]
    pub(super) files: FileRule,
}

impl Person {
    fn new(now: Timestamp) -> Self {
        Self {
            nickname: None,
            claim: 0,
            name_at: Timestamp(0),
            verified: false,
            contact: false,
            pinned_at: now,
            mutual: false,
            blocked: None,
            declined: None,
            display_name: String::new(),
            status: String::new(),
            presence: true,
            heard: None,
            told: 0,
            told_picture: 0,
            since: now,
            idk_epoch: 0,
            sent: 0,
            last: NO_MESSAGE,
            earlier: Vec::new(),
            owes_reset: false,
            reset_in: None,
            reset_again: false,
            files: FileRule::Default,
        }
    }

    /// Whether the name is to be asked for now.
    pub(super) fn wants_name(&self, now: Timestamp) -> bool {
        let old = now.since(self.name_at) >= NAME_AGE || self.name_at > now;
        self.nickname.is_none() || self.contact && old
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

    /// Makes a contact of somebody: pinned from here on. What they had asked to say is heard.
    pub(super) fn befriend(&mut self, node: NodeId) {
        if node == self.id() || self.is_contact(&node) {
            return;
        }
        let now = self.now;
        let person = self.meet(node);
        (person.contact, person.pinned_at, person.declined) = (true, now, None);
        self.note_past(node, Past::Pinned);
        self.renamed(node);
        self.ask_anew(node);
        self.warn_of_namesakes_of(node);
        self.event(Event::ContactsChanged);
        self.changed(ConversationId::Direct(node));
        self.hear_request(node);
        self.judge_offers_of(node);
    }

    /// A node's own signed claim says what it is called.
    pub(super) fn learn_name(&mut self, node: NodeId, (claim, nickname): (u64, &str)) {
        let known = self.people.get(&node);
        if known.is_some_and(|person| claim < person.claim) {
            return self.count("claim-rollback");
        }
        let before = known.and_then(|person| person.nickname.clone());
        let news = before.as_deref() != Some(nickname);
        if news {
            self.warn_of_namesake(node, nickname);
        }
        let now = self.now;
        let person = self.meet(node);
        (person.claim, person.name_at) = (claim, now);
        person.nickname = Some(nickname.to_owned());
        self.touch(Key::Contact(node));
        if !news {
            return;
        }
        if let Some(from) = before {
            self.note_past(node, Past::Renamed { from, to: nickname.to_owned() });
        }
        self.renamed(node);
        self.tell_of_name(node);
    }

    /// A name came: whatever shows it is to be looked at again.
    pub(super) fn tell_of_name(&mut self, node: NodeId) {
        self.event(Event::ContactsChanged);
        if self.is_contact(&node) {
            self.changed(ConversationId::Direct(node));
        }
        if self.is_asking(&node) {
            self.event(Event::RequestsChanged);
        }
        let shared = |group: &super::Group| group.facts.invited && group.is_member(&node);
        let groups = self.groups.iter().filter(|(_, group)| shared(group));
        let groups: Vec<_> = groups.map(|(id, _)| ConversationId::Group(*id)).collect();
        for group in groups {
            self.changed(group);
        }
    }

    pub(super) fn is_contact(&self, node: &NodeId) -> bool {
        self.people.get(node).is_some_and(|person| person.contact)
    }

    pub(super) fn is_blocked(&self, node: &NodeId) -> bool {
        self.people.get(node).is_some_and(|person| person.blocked.is_some())
    }

    /// Whether the direct conversation with somebody is acknowledged, asked for and repaired: with
    /// contacts that are not blocked, and with strangers where they are welcome.
    pub(super) fn talks_to(&self, node: &NodeId) -> bool {
        !self.is_blocked(node) && (self.is_contact(node) || !self.asks())
    }

    /// Whether somebody is in a group with us.
    pub(super) fn shares_group(&self, node: &NodeId) -> bool {
        let me = self.id();
        self.groups.values().any(|group| group.is_active(&me) && group.is_member(node))
    }

    /// Whether strangers have to ask.
    pub(super) fn asks(&self) -> bool {
        self.settings.strangers == Strangers::Ask
    }

    /// Somebody was heard from, by whatever it was.
    pub(super) fn note_heard(&mut self, node: NodeId) {
        self.is_near(node);
        let now = self.now;
        let Some(person) = self.people.get_mut(&node).filter(|person| person.contact) else {
            return;
        };
        if person.heard.is_none_or(|at| now.since(at) >= HEARD_STEP || at > now) {
            person.heard = Some(now);
            self.touch(Key::Contact(node));
        }
    }

    /// A person as shown.
    #[must_use]
    pub fn person(&self, node: &NodeId) -> PersonView {
        PersonView {
            node: NodeText(*node),
            name: self.shown_name(node),
            verified: self.people.get(node).is_some_and(|person| person.verified),
        }
    }

    /// All contacts, by name. How each is reached is known to whoever reaches them.
    #[must_use]
    pub fn contacts(&self, path: impl Fn(&NodeId) -> Path) -> Vec<ContactView> {
        let contacts = self.people.iter().filter(|(_, person)| person.contact);
        let view = |(node, person)| self.contact(node, person, path(node));
        let mut views: Vec<_> = contacts.map(view).collect();
        views.sort_by(|a, b| a.person.name.cmp(&b.person.name));
        views
    }

    /// Whether somebody and we show each other when we are there.
    #[must_use]
    pub fn shares_presence(&self, node: &NodeId) -> bool {
        let theirs = |person: &Person| person.presence && person.blocked.is_none();
        self.settings.presence && self.people.get(node).is_some_and(theirs)
    }

    pub(super) fn contact(&self, node: &NodeId, person: &Person, path: Path) -> ContactView {
        let both = self.shares_presence(node);
        ContactView {
            person: self.person(node),
            display_name: person.display_name.clone(),
            status: person.status.clone(),
            since: person.since,
            path,
            last_heard: self.last_heard(node, person.heard).filter(|_| both),
            has_picture: self.pictures.contains_key(node),
            blocked: person.blocked.is_some(),
            namesakes: self.namesakes(node),
        }
    }
}

/// Two spellings of one name.
pub(super) fn same(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}
