//! Which way there is to each peer, pure: relayed by the hub, or direct.
//!
//! Two nodes that may know each other's addresses tell them through the hub, sealed, and dial each
//! other at the same moment; routers let in what answers something of their own. The story of a
//! peer:
//!
//! * `address`: which of our own addresses are worth telling
//! * `attempt`: telling, dialling, giving up and when to try again
//! * `links`: which of the connections that came about is kept
//! * `moves`: how often this node may have moved
//!
//! Invariant: no address leaves, and nothing is dialled, for a peer that may not know where this
//! node is; a dial alone would tell it. Attempts that fail come ever more rarely. What is absent:
//! sockets, clock, randomness, and any meaning of what flows.

mod address;
mod attempt;
mod links;
mod moves;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};

use hubbub_shared::content::signal::Signal;
use hubbub_shared::id::{NodeId, RunKey};
use hubbub_shared::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

pub use self::address::{Router, worth_telling};
use self::attempt::Attempt;
pub use self::attempt::Why;
use self::links::Links;
pub use self::links::{Link, LinkId};
use self::moves::Moves;

/// Peers something is remembered of, those not heard of for longest forgotten first.
pub const PEERS: usize = 256;
/// Direct connections kept at once: each costs a packet every few seconds.
pub const DIRECT: usize = 32;

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Seal this for the peer and hand it to the hub.
    Signal(NodeId, Signal),
    /// Dial a peer.
    Dial(Dial),
    /// From now on the peer is reached directly, by this connection.
    Up(NodeId, LinkId),
    /// There is no direct connection to the peer any more.
    Down(NodeId),
    /// Close a connection.
    Close(LinkId),
}

/// A peer to be dialled at all of its addresses at once; the first that answers counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Who is meant.
    pub peer: NodeId,
    /// Where.
    pub addresses: Vec<SocketAddr>,
    /// The key it shows there: nobody else learns who dials.
    pub key: RunKey,
    /// Names this dial among all.
    pub number: u64,
}

/// How a peer is reached, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The connection, while there is a direct one, and since when there is one.
    pub link: Option<(LinkId, Timestamp)>,
    /// Whether a direct one is being made just now.
    pub trying: bool,
    /// Why the last attempt came to nothing.
    pub why: Option<Why>,
    /// When that was.
    pub failed: Option<Timestamp>,
    /// When the next one is made, if anything is to be said to the peer then.
    pub next: Option<Timestamp>,
}

/// What is known of one peer.
#[derive(Default)]
struct Peer {
    /// Whether it may know where this node is.
    allowed: bool,
    /// When something was last exchanged with it.
    heard: Timestamp,
    links: Links,
    attempt: Attempt,
    /// Where it sees this node.
    sees: Option<SocketAddr>,
    /// Since when it is reached directly.
    since: Timestamp,
}

/// Which way there is to each peer.
///
/// Told what happened by the `handle_*` methods; then [`Self::poll_deed`] until it is empty, and
/// [`Self::poll_timeout`] says when [`Self::handle_timeout`] wants to be called.
pub struct Reach {
    me: NodeId,
    key: RunKey,
    rng: ChaCha20Rng,
    now: Timestamp,
    hub: bool,
    /// Where the hub saw this node last, and whether it said so on its present link.
    observed: Option<SocketAddr>,
    is_observed: bool,
    /// Where this machine's own interfaces are; none before that was looked at.
    local: Option<Vec<SocketAddr>>,
    moves: Moves,
    /// The same of the interfaces' changes, which no hub makes up.
    rewired: Moves,
    dials: u64,
    /// When peers were last told that they will not be dialled.
    refused: BTreeMap<NodeId, Timestamp>,
    peers: BTreeMap<NodeId, Peer>,
    deeds: VecDeque<Deed>,
}

impl Reach {
    /// Knows nobody yet. `key` is what this node shows to those who dial it; `seed` must be new
    /// each time.
    #[must_use]
    pub fn new((me, key): (NodeId, RunKey), seed: [u8; 32]) -> Self {
        Self {
            me,
            key,
            rng: ChaCha20Rng::from_seed(seed),
            now: Timestamp(0),
            hub: false,
            observed: None,
            is_observed: false,
            local: None,
            moves: Moves::default(),
            rewired: Moves::default(),
            dials: 0,
            refused: BTreeMap::new(),
            peers: BTreeMap::new(),
            deeds: VecDeque::new(),
        }
    }

    /// The next thing to do.
    pub fn poll_deed(&mut self) -> Option<Deed> {
        self.deeds.pop_front()
    }

    /// The link to the hub came up or broke. What was told through it is told again.
    pub fn handle_hub(&mut self, up: bool, now: Timestamp) {
        self.set_time(now);
        self.hub = up;
        self.is_observed = false;
        for peer in self.peers.values_mut() {
            peer.attempt.hub_changed();
        }
        self.look_at_all();
    }

    /// The hub says where it sees this node. A hub that says something else each time is believed
    /// as to where, but does not make this node dial its peers each time.
    pub fn handle_observed(&mut self, address: SocketAddr, now: Timestamp) {
        self.set_time(now);
        let moved = self.observed.replace(address).is_some_and(|before| before != address);
        let first = !core::mem::replace(&mut self.is_observed, true);
        if moved {
            self.moves.wish();
        }
        if moved || first {
            self.look_at_all();
        }
    }

    /// The addresses of this machine's interfaces, with the port of the socket.
    pub fn handle_local(&mut self, addresses: Vec<SocketAddr>, now: Timestamp) {
        self.set_time(now);
        let telling = worth_telling(None, &addresses);
        let before = self.local.replace(addresses);
        if before.is_some_and(|before| worth_telling(None, &before) != telling) {
            self.rewired.wish();
            self.look_at_all();
        }
    }

    /// A peer that is connected says where it sees this node.
    pub fn handle_seen(&mut self, node: NodeId, address: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&node).filter(|peer| !peer.links.is_empty()) {
            peer.sees = Some(address);
        }
    }

    /// Where the hub sees this node.
    #[must_use]
    pub fn observed(&self) -> Option<SocketAddr> {
        self.observed
    }

    /// What stands between this node and the network, as far as that is known.
    #[must_use]
    pub fn router(&self) -> Router {
        let seen = self.peers.values().filter_map(|peer| peer.sees);
        address::router(self.observed, self.local(), seen)
    }

    /// Something came from a peer; and whether it may know where we are.
    pub fn handle_interest(&mut self, node: NodeId, allowed: bool, now: Timestamp) {
        self.note_interest(node, allowed, now);
        self.look_at(node);
    }

    fn note_interest(&mut self, node: NodeId, allowed: bool, now: Timestamp) {
        self.set_time(now);
        if node == self.me || !allowed && !self.peers.contains_key(&node) {
            return;
        }
        self.make_room(&node);
        let peer = self.peers.entry(node).or_default();
        peer.heard = now;
        peer.attempt.heard();
        self.allow(node, allowed);
    }

    /// Who may know where we are has changed.
    pub fn handle_allowed(&mut self, allowed: impl Fn(&NodeId) -> bool, now: Timestamp) {
        self.set_time(now);
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        for node in nodes {
            self.allow(node, allowed(&node));
            self.look_at(node);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.set_time(now);
        self.look_at_all();
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let able = self.hub && self.is_observed;
        let waits = |peer: &Peer| peer.attempt.due(able && peer.allowed, &peer.links);
        let moves = self.moves.due().into_iter().chain(self.rewired.due());
        self.peers.values().filter_map(waits).chain(moves).min()
    }

    /// How a peer is reached.
    #[must_use]
    pub fn way(&self, node: &NodeId) -> Option<Way> {
        let peer = self.peers.get(node)?;
        let link = peer.links.kept();
        Some(Way {
            link: link.map(|link| (link, peer.since)),
            trying: peer.attempt.is_running(),
            why: if link.is_some() { None } else { peer.attempt.why() },
            failed: if link.is_some() { None } else { peer.attempt.failed_at() },
            next: if link.is_some() { None } else { peer.attempt.next() },
        })
    }

    /// Everybody something is known of.
    pub fn ways(&self) -> impl Iterator<Item = (NodeId, Way)> + '_ {
        self.peers.keys().filter_map(|node| Some((*node, self.way(node)?)))
    }

    fn allow(&mut self, node: NodeId, allowed: bool) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let before = core::mem::replace(&mut peer.allowed, allowed);
        if before && !allowed {
            peer.attempt.drop_it();
            let links = peer.links.clear();
            if !links.is_empty() {
                self.deeds.push_back(Deed::Down(node));
            }
            self.deeds.extend(links.into_iter().map(Deed::Close));
        }
    }

    /// Forgets whoever was not heard of for longest, if there are too many.
    fn make_room(&mut self, node: &NodeId) {
        if self.peers.len() < PEERS || self.peers.contains_key(node) {
            return;
        }
        let idle = self.peers.iter().filter(|(_, peer)| peer.links.is_empty());
        if let Some(oldest) = idle.min_by_key(|(_, peer)| peer.heard).map(|(node, _)| *node) {
            self.peers.remove(&oldest);
        }
    }

    /// This node is somewhere else: old failures say nothing any more, and connections may be dead
    /// without knowing it.
    fn start_over(&mut self) {
        for peer in self.peers.values_mut() {
            peer.attempt.start_over(!peer.links.is_empty());
            peer.sees = None;
        }
    }

    /// Clocks are set back, too: what lies in the future then has just happened.
    fn set_time(&mut self, now: Timestamp) {
        if now < self.now {
            for peer in self.peers.values_mut() {
                peer.attempt.set_back(now);
                peer.heard = peer.heard.min(now);
                peer.since = peer.since.min(now);
            }
            self.moves.set_back(now);
            self.rewired.set_back(now);
            self.refused.values_mut().for_each(|at| *at = now.min(*at));
        }
        self.now = now;
    }

    fn local(&self) -> &[SocketAddr] {
        self.local.as_deref().unwrap_or_default()
    }

    /// What is told to those who may know where this node is.
    fn told(&self) -> Vec<SocketAddr> {
        worth_telling(self.observed.filter(|_| self.is_observed), self.local())
    }

    fn look_at_all(&mut self) {
        let moved = [&mut self.moves, &mut self.rewired].map(|moves| moves.take(self.now));
        if moved.contains(&true) {
            self.start_over();
        }
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        for node in nodes {
            self.look_at(node);
        }
    }

    fn direct(&self) -> usize {
        self.peers.values().filter(|peer| peer.links.kept().is_some()).count()
    }

    fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }
}
