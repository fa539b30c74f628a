//! What goes to a peer on a connection of the two instead of through the hub.
//!
//! These are the same sealed bytes the hub is given. Mail is carried as soon as it is sealed. What
//! belongs to a group's channel is carried only to a peer that does not reach the hub: the hub's
//! order decides what was said before somebody was removed, so it is not overtaken where there is
//! one.
//!
//! Invariant: nothing is carried before the hub has confirmed, in this run, that no copy of this
//! node is at work, nor to a peer that may not know where this node is. What is carried is durable
//! first, like everything that leaves. What is absent: which peers are connected, and why; and what
//! they carry to us, which is in `carried`.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::lan::Announcement;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::to_peer::{Carry, Hub};
use hubbub_shared::wire::{ByteBuf, LogId, ToPeer};

use super::Engine;
use super::alarm::Alarm;
use super::carried::Twice;
use super::group::Group;
use super::outbox::{Entry, Rank};
use super::output::Output;
use super::repair::may;
use crate::api::Addresses;

/// What waits is carried to a peer at once up to this many, and up to so many bytes, which is what
/// a connection takes in without its queue growing long; the rest follows with [`AGAIN`] between.
const AT_ONCE: usize = 1_024;
const AT_ONCE_BYTES: usize = 4 * 1024 * 1024;
/// What waits is carried again to one peer at most once in this time, however often the peer says
/// that its hub went away, or connects. It comes late rather than not at all.
const AGAIN: Millis = Millis::secs(5);
/// That a peer is there is told at most once in this time.
const NEAR_EVERY: Millis = Millis::secs(10);

/// A place in the order in which entries are carried.
type Place = (Rank, bool, u64);

/// As they are sent; but a key that follows the message it is for, as they do in large groups and
/// in a new era, would find it dropped, since who is carried something holds nothing.
fn place(number: u64, entry: &Entry) -> Place {
    let rank = match entry.docket.rank {
        Rank::Spread => Rank::Group,
        rank => rank,
    };
    (rank, entry.docket.key_of.is_none(), number)
}

/// Peers connected to this node.
#[derive(Default)]
pub(super) struct Direct {
    /// And whether they reach the hub, as soon as they have said.
    peers: BTreeMap<NodeId, Option<bool>>,
    /// The hub has confirmed that this is the only one of its name.
    confirmed: bool,
    pub(super) twice: Twice,
    /// When what waits was last carried.
    carried: BTreeMap<NodeId, Timestamp>,
    /// What was sealed while the hub's word was missing, for those connected then.
    withheld: BTreeSet<u64>,
    /// To whom what waits is to be carried.
    late: BTreeMap<NodeId, Late>,
    /// When they were last told again whether this node reaches the hub.
    answered: BTreeMap<NodeId, Timestamp>,
    near: BTreeMap<NodeId, Timestamp>,
}

impl Direct {
    pub(super) fn has(&self, node: &NodeId) -> bool {
        self.peers.contains_key(node)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Whether a peer has said that it does not reach the hub.
    fn lacks_hub(&self, node: &NodeId) -> bool {
        self.peers.get(node).copied().flatten() == Some(false)
    }

    /// Whether an entry is one of those that are to be carried to a peer.
    fn is_owed(&self, peer: &NodeId, place: Place) -> bool {
        self.late.get(peer).is_some_and(|late| late.has(place))
    }
}

/// What of all that waits is to be carried to a peer.
#[derive(Clone, Copy)]
struct Late {
    /// What lies behind this place.
    behind: Option<Place>,
    /// What was written no later than this entry: later ones are carried once they are sealed.
    upto: u64,
    /// Later ones wait, too, because something does: nobody is to hear of the later first. None
    /// before that was looked at.
    joined: Option<bool>,
}

impl Late {
    fn has(&self, place: Place) -> bool {
        let (.., number) = place;
        match self.joined {
            Some(true) if number > self.upto => true,
            _ => number <= self.upto && self.behind.is_none_or(|behind| place > behind),
        }
    }
}

impl Engine {
    /// There is a connection with a peer, or another one is used from now on. What was on its way
    /// on the last one may be lost, so all of it is said again; what the peer said holds. What is
    /// sealed before the peer says anything does not overtake what waits.
    pub fn handle_peer_up(&mut self, peer: NodeId, now: Timestamp) {
        self.now = now;
        self.direct.peers.entry(peer).or_default();
        self.say_hub_to(peer);
        self.carry_waiting(peer);
    }

    /// There is no connection with a peer any more.
    pub fn handle_peer_down(&mut self, peer: NodeId, now: Timestamp) {
        self.now = now;
        self.direct.peers.remove(&peer);
        self.direct.late.remove(&peer);
    }

    /// A peer says something on its connection with us.
    pub fn handle_peer_frame(&mut self, peer: NodeId, frame: ToPeer, now: Timestamp) {
        self.now = now;
        match frame {
            ToPeer::Carry(carry) => self.take_carried(peer, carry),
            ToPeer::Hub(Hub { up }) => self.hear_of_hub(peer, up),
            // Where this node is on the network is no matter of what is said.
            ToPeer::Seen(_) => {}
        }
        self.carry_late();
        self.pump();
    }

    /// A peer says whether it reaches the hub: first of all, and whenever that changes. Whoever
    /// says again what is known was built anew, and knows neither what it was given nor what it was
    /// told.
    fn hear_of_hub(&mut self, peer: NodeId, up: bool) {
        let Some(known) = self.direct.peers.get_mut(&peer) else { return };
        let before = known.replace(up);
        if !up || before.is_none() {
            self.carry_waiting(peer);
        }
        if before == Some(up) && may(&mut self.direct.answered, peer, self.now, AGAIN) {
            self.say_hub_to(peer);
        }
    }

    /// Whether a person may know where this node is.
    #[must_use]
    pub fn shows_address(&self, node: &NodeId) -> bool {
        let Some(person) = self.people.get(node).filter(|person| person.blocked.is_none()) else {
            return false;
        };
        match self.settings.addresses {
            Addresses::Never => false,
            Addresses::Verified => person.verified,
            Addresses::Contacts => person.contact,
            Addresses::Groups => person.contact || self.shares_closed_group(node),
        }
    }

    /// The lobby is open to everybody the hub admits.
    fn shares_closed_group(&self, node: &NodeId) -> bool {
        let me = self.id();
        let mut closed = self.groups.values().filter(|group| !group.is_lobby());
        let speaks = |group: &Group| group.is_member(node) && !group.is_shunned(node);
        closed.any(|group| group.is_active(&me) && speaks(group))
    }

    /// Whether somebody who asks where this node is gets an answer at all, be it that they may not
    /// know. To anybody else, such as a stranger whose request waits or was declined, even that
    /// would tell that this node is at work.
    #[must_use]
    pub fn answers_where(&self, node: &NodeId) -> bool {
        !self.is_blocked(node) && (self.is_contact(node) || self.shares_closed_group(node))
    }

    /// Contacts who are not blocked: whom this node is there to reach.
    pub fn reachable(&self) -> impl Iterator<Item = NodeId> + '_ {
        let people = self.people.iter();
        let near = people.filter(|(_, person)| person.contact && person.blocked.is_none());
        near.map(|(node, _)| *node)
    }

    /// Those in closed groups with this node who are not blocked; some of them more than once.
    pub fn fellows(&self) -> impl Iterator<Item = NodeId> + '_ {
        let me = self.id();
        let closed =
            self.groups.values().filter(move |group| !group.is_lobby() && group.is_active(&me));
        let members = closed.flat_map(Group::members);
        members.filter(move |node| *node != me && !self.is_blocked(node))
    }

    /// Whether somebody is a contact or in a group with us, be it the lobby, and not blocked.
    #[must_use]
    pub fn is_company(&self, node: &NodeId) -> bool {
        !self.is_blocked(node) && (self.is_contact(node) || self.shares_group(node))
    }

    /// Whose announcement on the local network this is, of those who may know where this node is.
    #[must_use]
    pub fn recognise(&self, announcement: &Announcement) -> Option<NodeId> {
        let known = self.people.keys().filter(|node| announcement.is_of(&self.hub, node));
        known.copied().find(|node| self.shows_address(node))
    }

    /// The hub has confirmed this node, or its word holds no longer.
    pub(super) fn confirm_direct(&mut self, confirmed: bool) {
        self.direct.confirmed = confirmed;
        if confirmed {
            self.owe_behind_keys();
            let mut withheld = Vec::new();
            for number in core::mem::take(&mut self.direct.withheld) {
                let peers = self.connected_of(number).into_iter();
                let unowed = peers.filter(|peer| !self.is_owed(peer, number));
                withheld.extend(unowed.map(|peer| (peer, number)));
            }
            self.carry_late();
            for (peer, number) in withheld {
                self.carry_in_turn(peer, number);
            }
        }
    }

    /// The link to the hub came up or broke: peers are told.
    pub(super) fn hub_changed_for_peers(&mut self) {
        let peers: Vec<NodeId> = self.direct.peers.keys().copied().collect();
        for peer in peers {
            self.say_hub_to(peer);
        }
    }

    fn say_hub_to(&mut self, peer: NodeId) {
        let up = self.link.is_up();
        self.out.push_back(Output::Peer(peer, ToPeer::Hub(Hub { up })));
    }

    /// Carries what was just sealed to those of its recipients that are connected.
    pub(super) fn carry(&mut self, number: u64) {
        let entry = self.outbox.get(number).filter(|entry| entry.sealed.is_some());
        let key_of = entry.and_then(|entry| entry.docket.key_of);
        for peer in self.connected_of(number) {
            let alone = self.direct.confirmed && self.direct.lacks_hub(&peer);
            if let Some(group) = key_of.filter(|_| alone) {
                self.carry_key(peer, number, group);
            } else if self.direct.confirmed {
                self.carry_in_turn(peer, number);
            } else if self.direct.withheld.len() < AT_ONCE {
                self.direct.withheld.insert(number);
            } else {
                self.owe_all_waiting(peer);
            }
        }
    }

    /// The hub's word is there again. A key that was withheld for a peer without a hub has messages
    /// behind it that were not, since they were written before: all that waits goes in its order.
    fn owe_behind_keys(&mut self) {
        let keys = self.direct.withheld.iter().copied().filter(|number| {
            self.outbox.get(*number).is_some_and(|entry| entry.docket.key_of.is_some())
        });
        let peers = keys.flat_map(|number| self.connected_of(number));
        let alone: Vec<NodeId> = peers.filter(|peer| self.direct.lacks_hub(peer)).collect();
        alone.into_iter().for_each(|peer| self.owe_all_waiting(peer));
    }

    /// Whether what is sealed for a peer is carried at once, as it was since the peer is connected.
    pub(super) fn is_carried_to(&self, peer: &NodeId) -> bool {
        let direct = &self.direct;
        let at_once = direct.has(peer) && !direct.late.contains_key(peer);
        at_once && direct.confirmed && self.shows_address(peer)
    }

    /// Carries an entry, unless something waits to be carried before it.
    fn carry_in_turn(&mut self, peer: NodeId, number: u64) {
        let late = self.direct.late.get(&peer).copied();
        let place = self.outbox.get(number).map(|entry| place(number, entry));
        let (Some(mut late), Some(place)) = (late, place) else {
            return self.carry_to(peer, number);
        };
        let waits = || self.waiting_for(peer, late).next().is_some();
        let joined = late.joined.unwrap_or_else(waits);
        late.joined = Some(joined);
        if joined && !late.has(place) {
            // It was sealed anew, and its place has been passed.
            late.behind = None;
        }
        self.direct.late.insert(peer, late);
        if !joined {
            self.carry_to(peer, number);
        }
    }

    /// A group's key was sealed for a peer that does not reach the hub, and the messages said since
    /// have waited for it. It goes before whatever waits: it does no harm early, and it is not here
    /// any more once the hub has it.
    fn carry_key(&mut self, peer: NodeId, number: u64, group: GroupId) {
        self.carry_to(peer, number);
        if self.direct.late.contains_key(&peer) {
            return self.owe_all_waiting(peer);
        }
        let log = LogId::Channel(group);
        let behind = self.outbox.chats();
        let behind =
            behind.filter(|(_, entry, _)| entry.docket.log == log && entry.waits_for(&peer));
        let behind: Vec<u64> = behind.map(|(number, ..)| number).take(AT_ONCE).collect();
        behind.into_iter().for_each(|number| self.carry_to(peer, number));
    }

    fn is_owed(&self, peer: &NodeId, number: u64) -> bool {
        let entry = self.outbox.get(number);
        entry.is_some_and(|entry| self.direct.is_owed(peer, place(number, entry)))
    }

    /// Whom an entry is for, of those connected.
    fn connected_of(&self, number: u64) -> Vec<NodeId> {
        let entry = self.outbox.get(number).filter(|_| !self.direct.peers.is_empty());
        let Some(entry) = entry else { return Vec::new() };
        let peers = match (entry.addressee(), &entry.docket.chat) {
            (Some(peer), _) => vec![peer],
            (None, Some(chat)) => {
                chat.recipients.iter().filter(|node| entry.waits_for(node)).copied().collect()
            }
            (None, None) => Vec::new(),
        };
        peers.into_iter().filter(|peer| self.direct.has(peer)).collect()
    }

    fn carry_to(&mut self, peer: NodeId, number: u64) {
        let Some(entry) = self.outbox.get(number).filter(|_| self.direct.has(&peer)) else {
            return;
        };
        let Some(sealed) = &entry.sealed else { return };
        let log = entry.docket.log;
        let too_soon = match log {
            LogId::Channel(group) => {
                !self.direct.lacks_hub(&peer) || self.outbox.is_to_seal_key(&peer, group)
            }
            LogId::Mailbox(_) => false,
        };
        if too_soon || !self.shows_address(&peer) {
            return;
        }
        let envelope = ByteBuf::from(sealed.clone());
        self.out.push_back(Output::Peer(peer, ToPeer::Carry(Carry { log, envelope })));
    }

    /// Carries what a peer has not acknowledged, now or as soon as it may be done again.
    fn carry_waiting(&mut self, peer: NodeId) {
        self.owe_all_waiting(peer);
        self.carry_late();
    }

    fn owe_all_waiting(&mut self, peer: NodeId) {
        let upto = self.last_entry().unwrap_or(0);
        self.direct.late.insert(peer, Late { behind: None, upto, joined: None });
    }

    /// Carries what waits to those who are owed it and whose time has come.
    pub(super) fn carry_late(&mut self) {
        if !self.direct.confirmed {
            // Once the hub has confirmed it.
            return;
        }
        let now = self.now;
        for (peer, late) in core::mem::take(&mut self.direct.late) {
            if self.direct.peers.get(&peer).is_some_and(Option::is_none) {
                // As soon as it has said whether it reaches the hub.
                self.direct.late.insert(peer, late);
                continue;
            }
            let left = if may(&mut self.direct.carried, peer, now, AGAIN) {
                self.carry_all(peer, late)
            } else {
                Some(late)
            };
            if let Some(late) = left {
                self.direct.late.insert(peer, late);
                let last = self.direct.carried.get(&peer).copied().unwrap_or(now);
                self.alarms.set(Alarm::Carry, last + AGAIN);
            }
        }
    }

    /// What of a peer's waits to be carried, and how large it is.
    fn waiting_for(&self, peer: NodeId, late: Late) -> impl Iterator<Item = (Place, usize)> + '_ {
        let theirs = move |entry: &Entry| match (entry.addressee(), &entry.docket.chat) {
            (Some(node), None) => node == peer,
            (_, Some(_)) => entry.waits_for(&peer),
            (None, None) => false,
        };
        let live = self.outbox.entries.iter();
        live.filter(move |(_, entry)| !entry.progress.done && theirs(entry))
            .map(|(number, entry)| (place(*number, entry), entry))
            .filter(move |(place, _)| late.has(*place))
            .map(|(place, entry)| (place, entry.sealed.as_ref().map_or(0, Vec::len)))
    }

    /// Carries to a peer what waits, in the order in which it is sent; gives what is left.
    fn carry_all(&mut self, peer: NodeId, late: Late) -> Option<Late> {
        let mut waiting: Vec<(Place, usize)> = self.waiting_for(peer, late).collect();
        waiting.sort_unstable();
        let (all, mut bytes, mut behind) = (waiting.len(), 0_usize, late.behind);
        for (count, (place, size)) in waiting.into_iter().enumerate() {
            bytes = bytes.saturating_add(size);
            // The first always goes: an envelope is much smaller than this.
            if count >= AT_ONCE || bytes > AT_ONCE_BYTES {
                // Those that joined them are among them from now on.
                let last = self.last_entry().filter(|_| late.joined == Some(true));
                let upto = last.unwrap_or(late.upto);
                let joined = Some(late.joined != Some(false) && all > count);
                return Some(Late { behind, upto, joined });
            }
            self.carry_to(peer, place.2);
            behind = Some(place);
        }
        None
    }

    fn last_entry(&self) -> Option<u64> {
        self.outbox.entries.keys().next_back().copied()
    }

    /// Somebody was heard from: perhaps there is a shorter way, and what failed with them before
    /// may work now.
    pub(super) fn is_near(&mut self, node: NodeId) {
        let now = self.now;
        if !self.direct.has(&node) && may(&mut self.direct.near, node, now, NEAR_EVERY) {
            self.out.push_back(Output::Near(node));
        }
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::content::PairPlain;
    use hubbub_shared::crypto::{Identity, Secret32};
    use hubbub_shared::session::{Bundle, Session, initiate, respond};
    use hubbub_shared::wire::codec::encode;
    use hubbub_shared::wire::envelope::Envelope;
    use hubbub_shared::wire::from_hub::{Bye, Deliver, Item, ItemKind};
    use hubbub_shared::wire::{FromHub, RefusalCode};

    use super::*;
    use crate::api::Settings;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn engine(seed: u8) -> Engine {
        let identity = |seed| Identity::from_seed(Secret32::from_bytes([seed; 32]));
        Engine::new(identity(seed), identity(9).hub_id(), Vec::new(), [seed; 32], NOW).unwrap()
    }

    /// Alice's session with bob, who has the other side of it, and knows her.
    fn session(alice: &mut Engine, bob: &mut Engine) -> Session {
        let published = bob.prekeys.publication();
        let (mine, spk) = (encode(&published.identity), encode(&published.spk));
        let bundle = Bundle::from_wire(&mine, &spk, None).unwrap().check(&bob.id(), NOW).unwrap();
        let session = initiate(&alice.me, &alice.prekeys, bundle, NOW, &mut alice.rng);
        let mut theirs = session.unwrap();
        let first = theirs.seal(PairPlain::Nothing.encode().expose(), NOW, &mut alice.rng).unwrap();
        let Envelope::PairInit(init) = Envelope::parse(&first).unwrap() else { panic!("a first") };
        let ours = respond(&bob.me, &mut bob.prekeys, &init, NOW).unwrap().session;
        bob.meet(alice.id()).contact = true;
        bob.sessions.entry(alice.id()).or_default().push(ours);
        theirs
    }

    /// Alice has a session with bob and may carry.
    fn alice_and_bob() -> (Engine, NodeId) {
        let (mut alice, mut bob) = (engine(1), engine(2));
        let theirs = session(&mut alice, &mut bob);
        alice.sessions.entry(bob.id()).or_default().push(theirs);
        alice.meet(bob.id()).contact = true;
        alice.settings = Settings::default();
        alice.confirm_direct(true);
        (alice, bob.id())
    }

    #[test]
    fn whoever_asks_where_this_node_is_gets_an_answer_only_if_they_are_known() {
        let (mut alice, bob) = alice_and_bob();
        let stranger = NodeId([7; 32]);
        assert!(!alice.answers_where(&stranger));
        // A request that waits makes nobody known, nor does one that was declined.
        alice.meet(stranger);
        assert!(!alice.answers_where(&stranger));
        // A contact gets one, though it may be that they may not know.
        alice.settings.addresses = Addresses::Never;
        assert!(alice.answers_where(&bob) && !alice.shows_address(&bob));
        alice.meet(bob).blocked = Some(NOW);
        assert!(!alice.answers_where(&bob));
    }

    #[test]
    fn whoever_is_heard_from_is_there_though_they_may_not_know_where_this_node_is() {
        let (mut alice, mut bob) = (engine(1), engine(2));
        let mut theirs = session(&mut alice, &mut bob);
        bob.settings.addresses = Addresses::Never;
        let seal = |_| theirs.seal(PairPlain::Nothing.encode().expose(), NOW, &mut alice.rng);
        let envelopes: Vec<Vec<u8>> = (0..3).map(seal).map(Result::unwrap).collect();
        let frame = mail(&bob, alice.me.id(), &envelopes, 1);
        bob.handle_frame(frame, NOW);
        let outputs = core::iter::from_fn(|| bob.poll_output());
        let near = outputs.filter(|output| matches!(output, Output::Near(_))).count();
        assert_eq!(near, 1, "once, however much they say at once");
        assert!(!bob.shows_address(&alice.me.id()));
    }

    fn tell(alice: &mut Engine, bob: NodeId, times: usize) {
        for _ in 0..times {
            alice.tell(bob, &PairPlain::Nothing);
        }
    }

    /// The sizes of what was carried since the last look.
    fn carried(engine: &mut Engine) -> Vec<usize> {
        let mut sizes = Vec::new();
        while let Some(output) = engine.poll_output() {
            if let Output::Peer(_, ToPeer::Carry(carry)) = output {
                sizes.push(carry.envelope.len());
            }
        }
        sizes
    }

    fn says_hub(alice: &mut Engine, bob: NodeId, up: bool, now: Timestamp) -> usize {
        alice.handle_peer_frame(bob, ToPeer::Hub(Hub { up }), now);
        carried(alice).len()
    }

    fn mail(to: &Engine, from: NodeId, envelopes: &[Vec<u8>], first: u64) -> FromHub {
        let (log, at, kind) = (LogId::Mailbox(to.id()), NOW, ItemKind::Envelope);
        let item = |(seq, bytes): (u64, &Vec<u8>)| {
            let bytes = ByteBuf::from(bytes.clone());
            Item { seq, kind, at, from, bytes }
        };
        FromHub::Deliver(Deliver { log, items: (first..).zip(envelopes).map(item).collect() })
    }

    #[test]
    fn what_was_too_far_ahead_when_it_was_carried_is_opened_once_when_the_hub_brings_it() {
        let (mut alice, mut bob) = (engine(1), engine(2));
        let mut theirs = session(&mut alice, &mut bob);
        let nothing = PairPlain::Nothing.encode();
        let seal = |_| theirs.seal(nothing.expose(), NOW, &mut alice.rng).unwrap();
        let all: Vec<Vec<u8>> = (0..1_100).map(seal).collect();
        let me = LogId::Mailbox(bob.id());
        let carry = |bob: &mut Engine, envelope: &Vec<u8>| {
            let carry = Carry { log: me, envelope: ByteBuf::from(envelope.clone()) };
            bob.handle_peer_frame(alice.me.id(), ToPeer::Carry(carry), NOW);
        };
        bob.handle_peer_up(alice.me.id(), NOW);
        carry(&mut bob, all.last().unwrap());
        assert_eq!(bob.status().refused, [("too-far".to_owned(), 1)]);
        // The hub will bring what is missing: nothing is begun anew.
        assert_eq!(bob.repairs.resets().count(), 0);
        assert!(!bob.people.get(&alice.me.id()).unwrap().owes_reset);
        let frame = mail(&bob, alice.me.id(), &all, 1);
        bob.handle_frame(frame, NOW);
        assert_eq!(bob.status().refused, [("too-far".to_owned(), 1)], "each was opened");
        // It was among them: a copy is one now. That of the other way is dropped without a word.
        let frame = mail(&bob, alice.me.id(), &all[1_099..], 2_000);
        bob.handle_frame(frame, NOW);
        assert_eq!(bob.status().refused[0], ("replay".to_owned(), 1));
        carry(&mut bob, all.last().unwrap());
        assert_eq!(bob.status().refused[0], ("replay".to_owned(), 1));
    }

    #[test]
    fn the_second_copy_is_dropped_whichever_way_it_comes() {
        let (mut alice, mut bob) = (engine(1), engine(2));
        let mut theirs = session(&mut alice, &mut bob);
        let nothing = PairPlain::Nothing.encode();
        let seal = |_| theirs.seal(nothing.expose(), NOW, &mut alice.rng).unwrap();
        let all: Vec<Vec<u8>> = (0..2).map(seal).collect();
        bob.handle_peer_up(alice.id(), NOW);
        let log = LogId::Mailbox(bob.id());
        let [one, two] = [0, 1].map(|n| Carry { log, envelope: ByteBuf::from(all[n].clone()) });
        bob.handle_peer_frame(alice.id(), ToPeer::Carry(one), NOW);
        let frame = mail(&bob, alice.id(), &all, 1);
        bob.handle_frame(frame, NOW);
        bob.handle_peer_frame(alice.id(), ToPeer::Carry(two.clone()), NOW);
        assert_eq!(bob.status().refused, []);
        // A third is a copy like any other.
        bob.handle_peer_frame(alice.id(), ToPeer::Carry(two), NOW);
        assert_eq!(bob.status().refused, [("replay".to_owned(), 1)]);
    }

    #[test]
    fn a_peer_whose_hub_comes_and_goes_is_carried_what_waits_once_in_a_while() {
        let (mut alice, bob) = alice_and_bob();
        tell(&mut alice, bob, 5);
        alice.handle_peer_up(bob, NOW);
        assert_eq!(carried(&mut alice).len(), 0);
        assert_eq!(says_hub(&mut alice, bob, true, NOW), 5);
        for n in 1..200 {
            assert_eq!(says_hub(&mut alice, bob, n % 2 == 0, NOW + Millis(n)), 0);
        }
        // A connection that comes and goes is no way around it.
        alice.handle_peer_down(bob, NOW + Millis(300));
        alice.handle_peer_up(bob, NOW + Millis(300));
        assert_eq!(says_hub(&mut alice, bob, false, NOW + Millis(300)), 0);
        // What is new does not overtake it: all goes late, and once.
        tell(&mut alice, bob, 1);
        assert_eq!(carried(&mut alice).len(), 0);
        assert!(alice.poll_timeout().is_some_and(|at| at <= NOW + AGAIN));
        alice.handle_timeout(NOW + AGAIN);
        assert_eq!(carried(&mut alice).len(), 6);
        alice.handle_timeout(NOW + AGAIN + AGAIN);
        assert_eq!(carried(&mut alice).len(), 0);
    }

    #[test]
    fn what_waits_is_carried_in_parts_and_all_of_it_once() {
        let (mut alice, bob) = alice_and_bob();
        for _ in 0..100 {
            alice.tell(bob, &PairPlain::Picture { bytes: vec![7; 60_000] });
        }
        tell(&mut alice, bob, 900);
        alice.handle_peer_up(bob, NOW);
        alice.handle_peer_frame(bob, ToPeer::Hub(Hub { up: true }), NOW);
        let (mut parts, mut now) = (vec![carried(&mut alice)], NOW);
        while parts.len() < 10 {
            now = now + AGAIN;
            alice.handle_timeout(now);
            parts.push(carried(&mut alice));
        }
        assert!(parts.iter().all(|part| part.iter().sum::<usize>() <= AT_ONCE_BYTES));
        assert!(parts.iter().all(|part| part.len() <= AT_ONCE));
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 1_000);
        let carrying = parts.iter().take_while(|part| !part.is_empty()).count();
        assert!(carrying > 1 && parts[carrying..].concat().is_empty(), "{carrying} parts");
    }

    #[test]
    fn what_is_sealed_now_does_not_overtake_what_waits() {
        let (mut alice, bob) = alice_and_bob();
        tell(&mut alice, bob, 3_000);
        alice.handle_peer_up(bob, NOW);
        assert_eq!(says_hub(&mut alice, bob, true, NOW), AT_ONCE);
        let (mut now, mut written, mut came) = (NOW, 3_000, AT_ONCE);
        // Two are written meanwhile, whatever still waits: they go behind it.
        for _ in 0..2 {
            if came < 3_000 {
                tell(&mut alice, bob, 2);
                written += 2;
                assert_eq!(carried(&mut alice).len(), 0);
            }
            now = now + AGAIN;
            alice.handle_timeout(now);
            came += carried(&mut alice).len();
        }
        assert_eq!((came, written), (written, 3_004));
        // Nothing waits any more.
        tell(&mut alice, bob, 1);
        assert_eq!(carried(&mut alice).len(), 1);
        alice.handle_timeout(now + AGAIN);
        assert_eq!(carried(&mut alice).len(), 0);
    }

    #[test]
    fn what_is_sealed_anew_behind_what_was_carried_already_is_carried_too() {
        let (mut alice, bob) = alice_and_bob();
        tell(&mut alice, bob, 3_000);
        alice.handle_peer_up(bob, NOW);
        assert_eq!(says_hub(&mut alice, bob, true, NOW), AT_ONCE);
        let first = *alice.outbox.entries.keys().next().unwrap();
        alice.unseal(first);
        alice.seal_for(bob);
        let again = alice.outbox.get(first).unwrap().sealed.clone().unwrap();
        let mut found = 0;
        for n in 1..=4 {
            alice.handle_timeout(NOW + Millis(AGAIN.0 * n));
            while let Some(output) = alice.poll_output() {
                if let Output::Peer(_, ToPeer::Carry(carry)) = output {
                    found += usize::from(carry.envelope.as_slice() == again);
                }
            }
        }
        assert_eq!(found, 1);
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let (mut alice, bob) = alice_and_bob();
        tell(&mut alice, bob, 5);
        alice.handle_peer_up(bob, NOW);
        assert_eq!(says_hub(&mut alice, bob, true, NOW), 5);
        assert_eq!(says_hub(&mut alice, bob, false, NOW + Millis(1)), 0);
        let back = NOW - Millis::days(1);
        assert_eq!(says_hub(&mut alice, bob, true, back), 5);
    }

    #[test]
    fn what_a_peer_said_of_its_hub_holds_though_it_is_said_again_that_it_is_connected() {
        let (mut alice, bob) = alice_and_bob();
        alice.handle_peer_up(bob, NOW);
        says_hub(&mut alice, bob, false, NOW);
        alice.handle_peer_up(bob, NOW);
        assert_eq!(alice.direct.peers.get(&bob), Some(&Some(false)));
    }

    #[test]
    fn on_another_connection_all_is_said_again_and_what_waits_is_carried_once_in_a_while() {
        let (mut alice, bob) = alice_and_bob();
        alice.handle_peer_up(bob, NOW);
        says_hub(&mut alice, bob, true, NOW);
        tell(&mut alice, bob, 5);
        assert_eq!(carried(&mut alice).len(), 5);
        let later = NOW + AGAIN;
        alice.handle_peer_up(bob, later);
        let out: Vec<Output> = std::iter::from_fn(|| alice.poll_output()).collect();
        let said = |out: &Output| matches!(out, Output::Peer(_, ToPeer::Hub(Hub { up: false })));
        assert_eq!((out.len(), out.iter().filter(|out| said(out)).count()), (6, 1));
        alice.handle_peer_up(bob, later + Millis(1));
        assert_eq!(carried(&mut alice).len(), 0);
        alice.handle_timeout(later + AGAIN);
        assert_eq!(carried(&mut alice).len(), 5);
    }

    #[test]
    fn whoever_says_again_what_is_known_is_told_again_and_given_what_waits() {
        let (mut alice, bob) = alice_and_bob();
        alice.handle_peer_up(bob, NOW);
        says_hub(&mut alice, bob, false, NOW);
        tell(&mut alice, bob, 5);
        assert_eq!(carried(&mut alice).len(), 5);
        let later = NOW + AGAIN;
        alice.handle_peer_frame(bob, ToPeer::Hub(Hub { up: false }), later);
        let out: Vec<Output> = std::iter::from_fn(|| alice.poll_output()).collect();
        let said = |out: &Output| matches!(out, Output::Peer(_, ToPeer::Hub(Hub { up: false })));
        assert_eq!((out.len(), out.iter().filter(|out| said(out)).count()), (6, 1));
        assert_eq!(says_hub(&mut alice, bob, false, later), 0);
    }

    #[test]
    fn nothing_is_carried_any_more_once_a_copy_is_at_work_and_all_of_it_when_it_is_not() {
        let (mut alice, bob) = alice_and_bob();
        alice.handle_peer_up(bob, NOW);
        says_hub(&mut alice, bob, true, NOW);
        alice.handle_frame(FromHub::Bye(Bye { code: RefusalCode::Stopping }), NOW);
        tell(&mut alice, bob, 1);
        assert_eq!(carried(&mut alice).len(), 1);
        alice.handle_frame(FromHub::Bye(Bye { code: RefusalCode::Replaced }), NOW);
        tell(&mut alice, bob, 2);
        assert_eq!(says_hub(&mut alice, bob, false, NOW + AGAIN), 0);
        tell(&mut alice, bob, 2);
        assert_eq!(carried(&mut alice).len(), 0);
        alice.confirm_direct(true);
        assert_eq!(carried(&mut alice).len(), 5);
    }
}
