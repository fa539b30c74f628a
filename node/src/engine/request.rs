//! Strangers: what they say is kept until a person lets them in, and they learn nothing meanwhile.
//!
//! A stranger is who is no contact: we never wrote to them. Their first message makes a request;
//! further ones wait behind it. None of it is shown, acknowledged or answered, and nothing is asked
//! of them or about them but their name. Accepted, it becomes history in order and receipts flow;
//! declined, it is forgotten. A stranger's group is asked about in the same way (`invited`).

use hubbub_shared::content::{ChatEvent, ChatPlain, PairPlain};
use hubbub_shared::id::{GroupId, MessageId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::ByteBuf;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::contact::same;
use super::ranges::Range;
use super::record::Key;
use crate::api::people::{RequestView, Wanted, key_mark};
use crate::api::{ApiError, Code, ConversationId, Event};

/// Strangers whose messages wait at once; of more nothing is kept, and they are not acknowledged.
const STRANGERS: usize = 256;
/// Messages of one stranger that wait.
const MESSAGES: usize = 32;
/// And their bytes: four of the longest texts, so that all of them are 16 MiB.
const BYTES: usize = 64 * 1024;
/// Who was declined makes no new request for this long.
const DECLINED: Millis = Millis::days(30);
/// Eras of a stranger's messages of which the end is remembered.
const HEADS: usize = 9;
/// Groups remembered as declined.
const DECLINED_GROUPS: usize = 64;
/// Characters shown of a stranger's first message or of their group's name.
const EXCERPT: usize = 160;

/// What a stranger has said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    since: Timestamp,
    /// Encoded messages by name, as they came.
    kept: Vec<(MessageId, ByteBuf)>,
    /// How far they say that their messages go.
    heads: Vec<Range>,
}

/// What a person decides about.
enum Asked {
    Person(NodeId),
    Group(GroupId),
}

impl Engine {
    /// A direct message: of a contact, or of one who has to ask, or of one who is not heard.
    pub(super) fn take_chat(&mut self, peer: NodeId, chat: ChatPlain) {
        if self.is_blocked(&peer) {
            return self.swallow(peer, &chat);
        }
        if !self.is_contact(&peer) && self.asks() {
            return self.keep_request(peer, &chat);
        }
        self.befriend(peer);
        self.receive(ConversationId::Direct(peer), peer, chat);
    }

    fn keep_request(&mut self, peer: NodeId, chat: &ChatPlain) {
        if self.was_declined(&peer) {
            return self.count("declined");
        }
        let new = !self.requests.contains_key(&peer);
        if new && self.requests.len() >= STRANGERS {
            return self.count("requests-full");
        }
        let bytes = ByteBuf::from(chat.encode().expose().to_vec());
        let (since, heads) = (self.now, self.strangers_heads.remove(&peer).unwrap_or_default());
        let request = self.requests.entry(peer);
        let request = request.or_insert(Request { since, kept: Vec::new(), heads });
        if request.kept.iter().any(|(id, _)| *id == chat.id) {
            return;
        }
        let size: usize = request.kept.iter().map(|(_, bytes)| bytes.len()).sum();
        if request.kept.len() >= MESSAGES || size + bytes.len() > BYTES {
            if request.kept.is_empty() {
                self.requests.remove(&peer);
            }
            return self.count("request-full");
        }
        request.kept.push((chat.id, bytes));
        self.touch(Key::Request(peer));
        if new {
            self.ask_anew(peer);
            self.event(Event::RequestsChanged);
        }
    }

    /// Whether a request of theirs was declined not long ago.
    pub(super) fn was_declined(&self, peer: &NodeId) -> bool {
        let declined = self.people.get(peer).and_then(|person| person.declined);
        declined.is_some_and(|at| self.now.since(at) < DECLINED && at <= self.now)
    }

    /// A stranger says how far its messages go. Nothing is said to one who waits or was declined;
    /// one whose first message was lost, or came when there was no room, says it again.
    pub(super) fn take_strangers_head(&mut self, peer: NodeId, head: Range) {
        if let Some(request) = self.requests.get_mut(&peer) {
            note_head(&mut request.heads, head);
            return self.touch(Key::Request(peer));
        }
        let full = self.requests.len() >= STRANGERS || self.strangers_heads.len() >= STRANGERS;
        let unheard = self.is_blocked(&peer) || self.was_declined(&peer);
        let now = self.now;
        if full || unheard || !self.repairs.may_meet(now) {
            return self.count("heads-of-a-stranger");
        }
        note_head(self.strangers_heads.entry(peer).or_default(), head);
        let (author, ranges) = (peer, vec![head]);
        self.tell(peer, &PairPlain::Want { conversation: None, author, ranges });
    }

    /// Whether somebody waits to be let in, or to let us in.
    pub(super) fn is_asking(&self, node: &NodeId) -> bool {
        let offers = |group: &super::Group| {
            !group.facts.invited && group.offers.iter().any(|offer| offer.by == *node)
        };
        self.requests.contains_key(node) || self.groups.values().any(offers)
    }

    /// A stranger is one no more: what was kept is heard, in order.
    pub(super) fn hear_request(&mut self, node: NodeId) {
        let Some(request) = self.requests.remove(&node) else { return };
        self.touch(Key::Request(node));
        self.event(Event::RequestsChanged);
        self.meet(node).mutual = true;
        self.touch(Key::Contact(node));
        let kept = request.kept.into_iter();
        let mut kept: Vec<_> =
            kept.filter_map(|(_, bytes)| ChatPlain::decode(&bytes).ok()).collect();
        kept.sort_by_key(|chat| chat.n);
        for chat in kept {
            self.receive(ConversationId::Direct(node), node, chat);
        }
        for head in request.heads {
            self.take_head(node, ConversationId::Direct(node), head);
        }
        self.share_profile(node);
    }

    // --- What a person decides ---

    pub(super) fn accept(&mut self, request: &str) -> Result<ConversationId, ApiError> {
        Ok(match self.asked(request)? {
            Asked::Person(node) => {
                self.befriend(node);
                ConversationId::Direct(node)
            }
            Asked::Group(gid) => {
                self.come_in(gid);
                ConversationId::Group(gid)
            }
        })
    }

    pub(super) fn decline(&mut self, request: &str) -> Result<(), ApiError> {
        match self.asked(request)? {
            Asked::Person(node) => {
                let now = self.now;
                self.forget_request(node);
                self.meet(node).declined = Some(now);
                self.touch(Key::Contact(node));
            }
            Asked::Group(gid) => {
                self.own.declined_groups.retain(|(other, _)| *other != gid);
                self.own.declined_groups.push((gid, self.now));
                if self.own.declined_groups.len() > DECLINED_GROUPS {
                    self.own.declined_groups.remove(0);
                }
                self.touch(Key::Own);
                self.stay_out(gid);
                self.event(Event::RequestsChanged);
            }
        }
        Ok(())
    }

    /// Whether a group was declined not long ago.
    pub(super) fn is_declined_group(&self, gid: &GroupId) -> bool {
        let now = self.now;
        let recent = |at: Timestamp| now.since(at) < DECLINED && at <= now;
        self.own.declined_groups.iter().any(|(other, at)| other == gid && recent(*at))
    }

    pub(super) fn forget_request(&mut self, node: NodeId) {
        if self.requests.remove(&node).is_some() {
            self.touch(Key::Request(node));
            self.event(Event::RequestsChanged);
        }
    }

    /// Which request a text means.
    fn asked(&self, typed: &str) -> Result<Asked, ApiError> {
        let typed = typed.trim();
        let people: Vec<NodeId> =
            self.requests.keys().filter(|node| self.is_request_of(node, typed)).copied().collect();
        let groups: Vec<GroupId> = self
            .offered_groups()
            .filter(|(gid, name, _)| {
                same(typed.trim_start_matches('#'), name)
                    || typed == ConversationId::Group(*gid).to_string()
            })
            .map(|(gid, ..)| gid)
            .collect();
        match (people.as_slice(), groups.as_slice()) {
            ([node], []) => Ok(Asked::Person(*node)),
            ([], [gid]) => Ok(Asked::Group(*gid)),
            ([], []) => {
                let what = format!("no request of {typed} is waiting");
                Err(ApiError::new(Code::NotFound, what, "`hubbub requests` lists them"))
            }
            _ => {
                let what = format!("several requests could be meant by {typed}");
                let hint = "name it by its id: `hubbub requests --json` shows them";
                Err(ApiError::new(Code::Usage, what, hint))
            }
        }
    }

    fn is_request_of(&self, node: &NodeId, typed: &str) -> bool {
        let name = typed.trim_start_matches('@');
        same(&self.shown_name(node), name)
            || self.is_marked_as(node, name)
            || typed == ConversationId::Direct(*node).to_string()
            || NodeId::from_text(name) == Some(*node)
    }

    /// The person a text means, requests among them.
    pub(super) fn asking_person(&self, typed: &str) -> Option<NodeId> {
        let mut meant = self.requests.keys().filter(|node| self.is_request_of(node, typed.trim()));
        let first = meant.next().copied();
        first.filter(|_| meant.next().is_none())
    }

    /// All requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        let talk = self.requests.iter().map(|(node, request)| {
            self.request_view(
                ConversationId::Direct(*node),
                (node, request.since),
                Wanted::Talk(request.says()),
            )
        });
        let join = self.offered_groups().filter_map(|(gid, name, by)| {
            let since = self.groups.get(&gid)?.facts.since;
            let wanted = Wanted::Join(excerpt(&name));
            Some(self.request_view(ConversationId::Group(gid), (&by, since), wanted))
        });
        let mut all: Vec<RequestView> = talk.chain(join).collect();
        all.sort_by_key(|request| request.since);
        all
    }

    fn request_view(
        &self,
        id: ConversationId,
        (from, since): (&NodeId, Timestamp),
        wants: Wanted,
    ) -> RequestView {
        RequestView { id, from: self.person(from), mark: key_mark(from), since, wants }
    }
}

/// Remembers how far messages go, of the newest few eras.
fn note_head(heads: &mut Vec<Range>, head: Range) {
    heads.retain(|(from, _)| *from != head.0);
    heads.push(head);
    let surplus = heads.len().saturating_sub(HEADS);
    heads.drain(..surplus);
}

impl Request {
    /// How the first message begins.
    fn says(&self) -> String {
        let first = self.kept.first().and_then(|(_, bytes)| ChatPlain::decode(bytes).ok());
        match first.map(|chat| chat.event) {
            Some(ChatEvent::Text { body }) => excerpt(&body),
            Some(ChatEvent::File(offer)) => {
                excerpt(&format!("(a file) {}", offer.reference().name().as_str()))
            }
            _ => String::new(),
        }
    }
}

/// One short line of a stranger's text, without anything a terminal or browser would obey.
fn excerpt(text: &str) -> String {
    crate::display::excerpt(text, EXCERPT)
}

#[cfg(test)]
mod tests {
    use hubbub_shared::content::group_plain::NO_MESSAGE;
    use hubbub_shared::crypto::{Identity, Secret32};

    use super::*;
    use crate::api::view::Path;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn alice() -> Engine {
        let me = Identity::from_seed(Secret32::from_bytes([1; 32]));
        let hub = Identity::from_seed(Secret32::from_bytes([9; 32])).hub_id();
        Engine::new(me, hub, Vec::new(), [7; 32], NOW).unwrap()
    }

    fn stranger(n: usize) -> NodeId {
        let mut id = [7; 32];
        id[..8].copy_from_slice(&u64::try_from(n).unwrap().to_be_bytes());
        NodeId(id)
    }

    fn chat(n: u8, text: &str) -> ChatPlain {
        let event = ChatEvent::text(text).unwrap();
        let prev = if n == 1 { NO_MESSAGE } else { MessageId([n - 1; 16]) };
        let (id, n) = (MessageId([n; 16]), u64::from(n));
        ChatPlain { id, ts: NOW, n, prev, seen: Vec::new(), event }
    }

    #[test]
    fn what_strangers_can_make_us_keep_has_an_end() {
        let mut alice = alice();
        for n in 1..=60 {
            alice.take_chat(stranger(0), chat(n, "hello"));
            alice.take_chat(stranger(1), chat(n, &"x".repeat(16_000)));
        }
        assert_eq!(alice.requests[&stranger(0)].kept.len(), MESSAGES);
        assert_eq!(alice.requests[&stranger(1)].kept.len(), 4);
        for n in 0..1_000 {
            alice.take_chat(stranger(n), chat(1, "me too"));
        }
        assert_eq!(alice.requests().len(), STRANGERS);
        assert!(
            alice.contacts(|_| Path::Stored).is_empty()
                && alice.heard.is_empty()
                && alice.history.is_empty()
        );
    }

    #[test]
    fn a_message_that_comes_twice_waits_once_and_all_are_heard_in_the_order_of_their_counts() {
        let mut alice = alice();
        for n in [2, 1, 2, 3] {
            alice.take_chat(stranger(1), chat(n, &format!("number {n}")));
        }
        let view = &alice.requests()[0];
        assert_eq!(view.wants, Wanted::Talk("number 2".to_owned()));
        alice.accept(&view.id.to_string()).unwrap();
        let counts = alice.history.iter().filter_map(|change| match change {
            super::super::output::HistoryChange::Insert(message) => Some(message.number),
            _ => None,
        });
        assert_eq!(counts.collect::<Vec<_>>(), [1, 2, 3]);
        assert!(alice.requests().is_empty() && alice.is_contact(&stranger(1)));
    }

    #[test]
    fn who_was_declined_asks_in_vain_for_thirty_days() {
        let mut alice = alice();
        let bob = stranger(1);
        let id = ConversationId::Direct(bob).to_string();
        alice.take_chat(bob, chat(1, "hello"));
        alice.decline(&id).unwrap();
        alice.now = NOW + Millis::days(29);
        alice.take_chat(bob, chat(2, "hello?"));
        assert!(alice.requests().is_empty() && alice.history.is_empty());
        assert_eq!(alice.accept(&id).unwrap_err().code, Code::NotFound);
        alice.now = NOW + Millis::days(31);
        alice.take_chat(bob, chat(3, "once more"));
        assert_eq!(alice.requests().len(), 1);
    }

    #[test]
    fn a_stranger_shows_one_clean_line_and_no_more() {
        let mut alice = alice();
        let text = format!("\x1b[2J two\nlines \u{202e}{}", "x".repeat(500));
        alice.take_chat(stranger(1), chat(1, &text));
        let Wanted::Talk(shown) = alice.requests()[0].wants.clone() else { panic!() };
        assert_eq!(shown.chars().count(), EXCERPT);
        assert!(shown.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{shown}");
    }
}
