//! Between the core that decides which way peers are reached, the engine that seals what it says,
//! and the sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hubbub_shared::content::Signal;
use hubbub_shared::id::{NodeId, RunKey};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::to_peer::Hub;
use hubbub_shared::wire::{ToPeer, address};

use super::doctor::Place;
use crate::api::view::PathView;
use crate::api::{Addresses, Event};
use crate::engine::Engine;
use crate::net::{DirectInput, HubLink};
use crate::reach::{Deed, LinkId, Reach, Way, Why};

/// A peer that misses the hub makes this node look after its own link at most once in this time.
const DOUBT_EVERY: Millis = Millis::secs(30);

/// The ways to all peers.
pub(super) struct Ways {
    reach: Reach,
    up: BTreeMap<NodeId, Up>,
    doubted: Option<Timestamp>,
    /// Peers reached directly since it was asked last, or not any more; emptied in each turn.
    turns: Vec<(NodeId, bool)>,
    /// Peers whose signals came since it was asked last; emptied in each turn, too.
    heard: Vec<NodeId>,
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
        Self { reach, up, doubted: None, turns: Vec::new(), heard: Vec::new() }
    }

    /// Who is reached directly since this was asked last, and who no more.
    pub(super) fn turns(&mut self) -> Vec<(NodeId, bool)> {
        core::mem::take(&mut self.turns)
    }

    /// Whose signals came since this was asked last.
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

    /// A peer was heard from.
    pub(super) fn near(&mut self, engine: &Engine, peer: NodeId, now: Timestamp) {
        self.reach.handle_interest(peer, engine.shows_address(&peer), now);
    }

    /// A datagram came, from whom the hub says or a connection proves; what faces are told.
    pub(super) fn datagram(
        &mut self,
        engine: &mut Engine,
        (from, payload): (NodeId, &[u8]),
        now: Timestamp,
    ) -> Option<Event> {
        let (peer, signal) = engine.open_signal(from, payload, now)?;
        self.heard.push(peer);
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
    /// lost: they say it again when the engine is back.
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
                let Some(up) = self.up.get_mut(&peer) else { return };
                if let ToPeer::Hub(hub) = &frame {
                    up.hub = Some(*hub);
                    if !hub.up {
                        self.doubt(link, now);
                    }
                }
                if let Some(engine) = engine {
                    engine.handle_peer_frame(peer, frame, now);
                }
            }
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
                    self.turns.push((peer, true));
                    if let Some(engine) = &mut engine {
                        engine.handle_peer_up(peer, now);
                    }
                }
                Deed::Down(peer) => {
                    self.up.remove(&peer);
                    link.direct().keep(peer, None);
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

    /// How peers are reached, for people.
    pub(super) fn views(&self, engine: &Engine, link: &HubLink) -> Vec<PathView> {
        let view = |(peer, way): (NodeId, Way)| {
            let measured = way.link.and_then(|(by, _)| link.direct().measure(by));
            PathView {
                person: engine.person(&peer),
                path: engine.path_to(&peer),
                direct_since: way.link.map(|(_, since)| since),
                rtt_ms: measured.map(|(rtt, _)| u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX)),
                address: measured.map(|(_, address)| address.to_string()),
                trying: way.trying,
                why_not: way.why.map(|why| words(why).to_owned()),
                next_try: way.next,
            }
        };
        let mut views: Vec<PathView> = self.reach.ways().map(view).collect();
        views.sort_by(|a, b| a.person.name.cmp(&b.person.name));
        views
    }
}

fn words(why: Why) -> &'static str {
    match why {
        Why::Silent => "the other device is not connected, or does not answer",
        Why::Hidden => "the other device shows you no address",
        Why::Nowhere => "the other device knows no address of its own",
        Why::Busy => "the other device was asked too often",
        Why::Blocked => "the routers between you let nothing through",
        Why::Unsteady => "the connection broke again soon after it was made",
    }
}
