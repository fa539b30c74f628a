//! Between the core that decides which way peers are reached, the engine that seals what it says,
//! and the sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use hubbub_shared::content::Signal;
use hubbub_shared::id::{NodeId, RunKey};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::to_peer::Hub;
use hubbub_shared::wire::{ToPeer, address};

use super::doctor::Place;
use super::paths::{self, Known, LastHeard, Signs};
use super::uncommitted::Uncommitted;
use crate::api::view::{Path, PathView};
use crate::api::{Addresses, Event};
use crate::engine::Engine;
use crate::net::{DirectInput, HubLink};
use crate::reach::{Deed, LinkId, PEERS, Reach, Way, Why};

/// A peer that misses the hub makes this node look after its own link at most once in this time.
const DOUBT_EVERY: Millis = Millis::secs(30);

/// Members of closed groups that are shown though they are no contacts and were not heard from: as
/// many as ways are kept of.
const FELLOWS: usize = PEERS;

/// The ways to all peers.
pub(super) struct Ways {
    reach: Reach,
    up: BTreeMap<NodeId, Up>,
    doubted: Option<Timestamp>,
    /// What peers carried since the last commit.
    pub(super) uncommitted: Uncommitted,
    /// Peers reached directly since it was asked last, or not any more; emptied in each turn.
    turns: Vec<(NodeId, bool)>,
    /// Peers who were heard from since it was asked last; emptied in each turn, too.
    heard: Vec<NodeId>,
    last: LastHeard,
}

/// A peer that is reached directly.
struct Up {
    by: LinkId,
    /// What it said last of its own hub link.
    hub: Option<Hub>,
}

impl Ways {
    /// `seed` must be new each time.
    pub(super) fn new(me: (NodeId, RunKey), seed: [u8; 32]) -> Self {
        let (reach, up) = (Reach::new(me, seed), BTreeMap::new());
        let (turns, heard, last) = (Vec::new(), Vec::new(), LastHeard::default());
        let uncommitted = Uncommitted::default();
        Self { reach, up, doubted: None, uncommitted, turns, heard, last }
    }

    /// Who is reached directly since this was asked last, and who no more.
    pub(super) fn turns(&mut self) -> Vec<(NodeId, bool)> {
        core::mem::take(&mut self.turns)
    }

    /// Who was heard from since this was asked last.
    pub(super) fn heard(&mut self) -> Vec<NodeId> {
        core::mem::take(&mut self.heard)
    }

    /// When [`Self::settle`] wants to be called.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.reach.poll_timeout()
    }

    /// The hub link came up or broke.
    pub(super) fn hub(&mut self, up: bool, now: Timestamp) {
        self.reach.handle_hub(up, now);
    }

    /// The hub says where it sees us.
    pub(super) fn observed(&mut self, address: SocketAddr, now: Timestamp) {
        self.reach.handle_observed(address, now);
    }

    /// A peer was heard from. It is dialled only if it may know where this node is, but through the
    /// hub it is reached all the same.
    pub(super) fn near(&mut self, engine: &Engine, peer: NodeId, now: Timestamp) {
        self.note_heard(peer, now);
        if engine.shows_address(&peer) {
            self.reach.handle_interest(peer, true, now);
        }
    }

    fn note_heard(&mut self, peer: NodeId, now: Timestamp) {
        self.heard.push(peer);
        self.last.note(peer, now);
    }

    /// A datagram came, from whom the hub says or a connection proves; what faces are told.
    pub(super) fn datagram(
        &mut self,
        engine: &mut Engine,
        (from, payload): (NodeId, &[u8]),
        now: Timestamp,
    ) -> Option<Event> {
        let (peer, signal) = engine.open_signal(from, payload, now)?;
        self.note_heard(peer, now);
        match signal {
            Signal::Typing { conversation } => return engine.typing(&peer, conversation),
            Signal::Here => return engine.is_here(&peer),
            Signal::Read { conversation, ranges } => {
                engine.read_in_passing(peer, conversation, &ranges);
            }
            // A stranger is given no sign that anybody is here.
            Signal::Reach { .. } if !engine.answers_where(&peer) => {}
            signal => {
                self.reach.handle_signal(peer, signal, engine.shows_address(&peer), now);
            }
        }
        None
    }

    /// Seals a signal and sends it the shortest way.
    pub(super) fn signal(
        &self,
        (engine, link): (&mut Engine, &HubLink),
        (peer, signal): (NodeId, &Signal),
        now: Timestamp,
    ) {
        let Some(payload) = engine.seal_signal(peer, signal, now) else { return };
        match self.up.get(&peer) {
            Some(up) => link.direct().send_datagram(up.by, payload),
            None => link.send_datagram(peer, &payload),
        }
    }

    /// Something of direct connections. Without an engine nobody is let in, and what peers say is
    /// kept for the next one.
    pub(super) fn direct(
        &mut self,
        (engine, link): (Option<&mut Engine>, &HubLink),
        input: DirectInput,
        now: Timestamp,
    ) {
        let shown = |peer: &NodeId| engine.as_ref().is_some_and(|it| it.shows_address(peer));
        match input {
            DirectInput::Knock(peer, answer) => {
                // Whoever knocked may have left.
                answer.send(shown(&peer)).ok();
            }
            DirectInput::Connected(peer, by) => {
                let shown = shown(&peer);
                self.reach.handle_connected(peer, by, shown, now);
            }
            DirectInput::Lost(peer, by) => self.reach.handle_lost(peer, by, now),
            DirectInput::Unanswered(peer, dial) => self.reach.handle_unanswered(peer, dial, now),
            DirectInput::Local(addresses) => self.reach.handle_local(addresses, now),
            DirectInput::Found(found) => {
                let peer = engine.and_then(|engine| engine.recognise(&found.announcement));
                if let Some(peer) = peer {
                    let there = (found.announcement.key, &found.addresses[..]);
                    self.reach.handle_found(peer, there, now);
                }
            }
            DirectInput::Frame(peer, ToPeer::Seen(seen)) => {
                if let Some(address) = address::decode(&seen.address) {
                    self.reach.handle_seen(peer, address);
                }
            }
            DirectInput::Frame(peer, frame) => {
                let frame = self.keep(peer, frame, (link, now));
                if let (Some(engine), Some(frame)) = (engine, frame) {
                    engine.handle_peer_frame(peer, frame, now);
                }
            }
        }
    }

    /// Keeps what a peer says; gives what the engine is to hear of it now.
    fn keep(
        &mut self,
        peer: NodeId,
        frame: ToPeer,
        (link, now): (&HubLink, Timestamp),
    ) -> Option<ToPeer> {
        let up = self.up.get_mut(&peer)?;
        match frame {
            ToPeer::Carry(carry) => self.uncommitted.take(peer, carry).map(ToPeer::Carry),
            ToPeer::Hub(hub) => {
                up.hub = Some(hub);
                if !hub.up {
                    self.doubt(link, now);
                }
                Some(ToPeer::Hub(hub))
            }
            ToPeer::Seen(_) => None,
        }
    }

    fn doubt(&mut self, link: &HubLink, now: Timestamp) {
        let lately = |at: Timestamp| at <= now && now.since(at) < DOUBT_EVERY;
        if !self.doubted.is_some_and(lately) {
            self.doubted = Some(now);
            link.doubt();
        }
    }

    /// Who may know our address may have changed.
    pub(super) fn look_again(&mut self, engine: &Engine, link: &HubLink, now: Timestamp) {
        let settings = engine.settings();
        let shown = settings.addresses != Addresses::Never;
        link.direct().accept(shown);
        link.direct().look_around(shown && settings.lan);
        self.acquaintance_changed(engine, now);
    }

    /// There is no engine that knows who may know our address, and it may be nobody.
    pub(super) fn hide(&mut self, link: &HubLink, now: Timestamp) {
        link.direct().accept(false);
        link.direct().look_around(false);
        self.reach.handle_allowed(|_| false, now);
    }

    /// People or groups have changed, and with them who may know our address.
    pub(super) fn acquaintance_changed(&mut self, engine: &Engine, now: Timestamp) {
        self.reach.handle_allowed(|node| engine.shows_address(node), now);
    }

    /// The engine was built anew, and hears what was undone with the last one.
    pub(super) fn give_again(&mut self, engine: &mut Engine, now: Timestamp) {
        for (peer, carry) in self.uncommitted.again() {
            engine.handle_peer_frame(peer, ToPeer::Carry(carry), now);
        }
    }

    /// The engine was built anew, and knows of no connection.
    pub(super) fn introduce(&self, engine: &mut Engine, now: Timestamp) {
        for (peer, up) in &self.up {
            engine.handle_peer_up(*peer, now);
            if let Some(hub) = up.hub {
                engine.handle_peer_frame(*peer, ToPeer::Hub(hub), now);
            }
        }
    }

    /// Sends a frame to a peer.
    pub(super) fn send(&self, link: &HubLink, peer: &NodeId, frame: &ToPeer) {
        if let Some(up) = self.up.get(peer) {
            link.direct().send(up.by, frame);
        }
    }

    /// Does what is to be done.
    pub(super) fn settle(
        &mut self,
        mut engine: Option<&mut Engine>,
        link: &HubLink,
        now: Timestamp,
    ) {
        if self.due().is_some_and(|due| due <= now) {
            self.reach.handle_timeout(now);
        }
        while let Some(deed) = self.reach.poll_deed() {
            match deed {
                Deed::Signal(peer, signal) => {
                    let engine = engine.as_mut();
                    let payload = engine.and_then(|it| it.seal_signal(peer, &signal, now));
                    if let Some(payload) = payload {
                        link.send_datagram(peer, &payload);
                    }
                }
                Deed::Dial(dial) => link.direct().dial(dial),
                Deed::Close(by) => link.direct().close(by),
                Deed::Up(peer, by) => {
                    let hub = self.up.get(&peer).and_then(|up| up.hub);
                    self.up.insert(peer, Up { by, hub });
                    link.direct().keep(peer, Some(by));
                    self.last.note(peer, now);
                    self.turns.push((peer, true));
                    if let Some(engine) = &mut engine {
                        engine.handle_peer_up(peer, now);
                    }
                }
                Deed::Down(peer) => {
                    self.up.remove(&peer);
                    self.uncommitted.parted(&peer);
                    link.direct().keep(peer, None);
                    self.last.note(peer, now);
                    self.turns.push((peer, false));
                    if let Some(engine) = &mut engine {
                        engine.handle_peer_down(peer, now);
                    }
                }
            }
        }
    }

    /// Where this node is on the network, and how many peers are reached in which way.
    pub(super) fn place(&self) -> Place {
        let ways: Vec<Way> = self.reach.ways().map(|(_, way)| way).collect();
        let count = |is: fn(&Way) -> bool| ways.iter().filter(|way| is(way)).count();
        Place {
            observed: self.reach.observed(),
            router: self.reach.router(),
            known: ways.len(),
            direct: count(|way| way.link.is_some()),
            blocked: count(|way| way.link.is_none() && way.why == Some(Why::Blocked)),
            hidden: count(|way| way.link.is_none() && way.why == Some(Why::Hidden)),
        }
    }

    /// How contacts, and everybody else who was heard from, are reached, for people.
    pub(super) fn views(&self, engine: &Engine, link: &HubLink, now: Timestamp) -> Vec<PathView> {
        let hub = link.rtt().map(millis);
        let row = |peer: NodeId| paths::row(self.known(engine, link, peer), hub, now);
        let mut views: Vec<PathView> = self.company(engine).into_iter().map(row).collect();
        views.sort_by(|a, b| a.person.name.cmp(&b.person.name));
        views
    }

    /// How bytes reach a peer now, as its row says it.
    pub(super) fn path(&self, engine: &Engine, hub: bool, peer: &NodeId, now: Timestamp) -> Path {
        let (way, heard) = (self.reach.way(peer), self.last.of(peer));
        let presence = engine.shares_presence(peer);
        paths::path(Signs { way, hub, heard, presence }, now)
    }

    /// Whoever is neither a contact nor in a group with us, such as a stranger whose request waits,
    /// is shown to nobody as one who is there. Of the members of closed groups who were not heard
    /// from there are as many as fit, always the same; those of the lobby are too many, and nobody
    /// would look for them.
    fn company(&self, engine: &Engine) -> BTreeSet<NodeId> {
        let tried = self.reach.ways().map(|(peer, _)| peer);
        let heard = self.last.peers().chain(tried).filter(|peer| engine.is_company(peer));
        let mut company: BTreeSet<NodeId> = engine.reachable().chain(heard).collect();
        let silent: BTreeSet<NodeId> = engine.fellows().collect();
        let silent: Vec<NodeId> = silent.difference(&company).copied().take(FELLOWS).collect();
        company.extend(silent);
        company
    }

    fn known(&self, engine: &Engine, link: &HubLink, peer: NodeId) -> Known {
        let way = self.reach.way(&peer);
        let by = way.and_then(|way| way.link);
        let measured = by.and_then(|(by, _)| link.direct().measure(by));
        Known {
            person: engine.person(&peer),
            way,
            measured: measured.map(|(rtt, address)| (millis(rtt), address.to_string())),
            heard: self.last.of(&peer),
            presence: engine.shares_presence(&peer),
            hidden: (!engine.shows_address(&peer)).then(|| engine.settings().addresses),
        }
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::{Identity, Secret32};

    use super::*;

    #[test]
    fn one_who_is_heard_from_and_may_not_know_our_address_is_tried_through_the_hub_alone() {
        let now = Timestamp(1_790_000_000_000);
        let identity = |seed| Identity::from_seed(Secret32::from_bytes([seed; 32]));
        let (me, hub, bob) = (identity(1), identity(9).hub_id(), identity(2).id());
        let mut ways = Ways::new((me.id(), RunKey([3; 32])), [1; 32]);
        let engine = Engine::new(me, hub, Vec::new(), [1; 32], now).unwrap();
        ways.near(&engine, bob, now);
        assert_eq!(ways.heard(), [bob]);
        assert_eq!(ways.last.of(&bob), Some(now));
        assert_eq!(ways.reach.ways().count(), 0, "he is not dialled");
        let path = |hub, now| ways.path(&engine, hub, &bob, now);
        // Whom we do not know we share nothing with: not even that we are there.
        assert_eq!([path(true, now), path(false, now)], [Path::Stored; 2]);
    }
}
