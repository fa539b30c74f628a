//! Connections of two nodes without a hub between them, in both roles, on the hub link's socket
//! (PROTOCOL.md, Direct connections).
//!
//! One task owns them all. Which peers to dial and which connection to keep is decided elsewhere
//! (`reach`); who is at the other end is proven (`proof`) before anybody hears of a connection.
//! Invariant: what strangers can hold open is bounded in number and in time. What is absent: what
//! the frames mean.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hubbub_shared::crypto::Identity;
use hubbub_shared::id::{HubId, NodeId, RunKey};
use hubbub_shared::wire::to_peer::Seen;
use hubbub_shared::wire::{ToPeer, address};
use if_addrs::Interface;
use quinn::{Connection, Endpoint, ServerConfig, VarInt};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use super::carrier::{self, Queue, Served};
use super::hub_link::LinkInput;
use super::lan::{Announcer, Found, Lan};
use super::peer_stream::PeerStream;
use super::peers::{Peers, UNPROVEN};
use super::proof::{Proven, dial, receive};
use super::tls::{DirectTls, TlsError, trust};
use crate::reach::{Dial, Link, LinkId};

/// Dials waiting for the task; further peers do not answer.
const ORDERS: usize = 64;
/// With so many strangers at the door, those that come next are asked to show that they are where
/// they seem to be.
const CROWD: usize = UNPROVEN / 2;
/// Dials under way; further peers count as not answering.
const DIALS: usize = 32;

/// What direct connections tell the runtime.
pub enum DirectInput {
    /// A peer dials us and has proven itself: whether it may know that this node is here.
    Knock(NodeId, oneshot::Sender<bool>),
    /// A connection came about; both ends have proven themselves.
    Connected(NodeId, Link),
    /// It is gone.
    Lost(NodeId, LinkId),
    /// Nothing came of this dial.
    Unanswered(NodeId, u64),
    /// The addresses of this machine's interfaces, with the socket's port.
    Local(Vec<SocketAddr>),
    /// Somebody announces itself on the local network.
    Found(Found),
    /// A frame.
    Frame(NodeId, ToPeer),
}

/// A connection as frames and streams are sent on it.
struct Held {
    peer: NodeId,
    connection: Connection,
    queue: Queue,
}

type Links = Arc<Mutex<BTreeMap<LinkId, Held>>>;

/// The direct connections of a node, for whoever gives orders.
pub struct Direct {
    dials: mpsc::Sender<Dial>,
    /// Dials under way are to end.
    hush: Arc<Notify>,
    endpoint: Endpoint,
    server: ServerConfig,
    key: RunKey,
    links: Links,
    peers: Arc<Peers>,
    announcer: Arc<Announcer>,
    lan: Mutex<Option<Lan>>,
}

impl Direct {
    /// What this node shows in this run to those who dial it.
    #[must_use]
    pub fn key(&self) -> RunKey {
        self.key
    }

    /// Dials a peer; [`DirectInput`] tells what became of it.
    pub fn dial(&self, dial: Dial) {
        // A task that is behind or gone dials nobody; whoever waits for an answer waits in vain,
        // as for a peer that does not answer.
        if self.dials.try_send(dial).is_err() {
            tracing::debug!("a peer was not dialled: too many are");
        }
    }

    /// Closes a connection.
    pub fn close(&self, link: LinkId) {
        if let Some(held) = lock(&self.links).get(&link) {
            held.connection.close(VarInt::from_u32(0), b"");
        }
    }

    /// Whether peers may dial us, and are dialled; at first they may not.
    pub fn accept(&self, accept: bool) {
        if !accept {
            self.hush.notify_one();
        }
        self.endpoint.set_server_config(accept.then(|| self.server.clone()));
    }

    /// Whether this node announces itself on the local network, and looks for others there; at
    /// first it does not.
    pub fn look_around(&self, look: bool) {
        // Whoever panicked left a whole announcement behind, or none.
        let mut lan = self.lan.lock().unwrap_or_else(PoisonError::into_inner);
        if !look {
            *lan = None;
        } else if lan.is_none() {
            *lan = Some(Lan::start(Arc::clone(&self.announcer)));
        }
    }

    /// Sends a frame. A connection that does not take it stands still, and is closed.
    pub fn send(&self, link: LinkId, frame: &ToPeer) {
        let links = lock(&self.links);
        let Some(held) = links.get(&link) else { return };
        if !held.queue.push(frame) {
            held.connection.close(VarInt::from_u32(0), b"");
        }
    }

    /// Sends a datagram; lost without a word when the connection does not take it.
    pub fn send_datagram(&self, link: LinkId, payload: Vec<u8>) {
        let links = lock(&self.links);
        let Some(held) = links.get(&link) else { return };
        if let Err(error) = held.connection.send_datagram(payload.into()) {
            tracing::trace!("a datagram was dropped: {error}");
        }
    }

    /// From now on streams to a peer go over this connection; with none through the hub.
    pub fn keep(&self, peer: NodeId, link: Option<LinkId>) {
        let links = lock(&self.links);
        let held = link.and_then(|link| links.get(&link)).filter(|held| held.peer == peer);
        self.peers.go_by(peer, held.map(|held| held.connection.clone()));
    }

    /// Round trip and address of a connection.
    #[must_use]
    pub fn measure(&self, link: LinkId) -> Option<(Duration, SocketAddr)> {
        let links = lock(&self.links);
        let connection = &links.get(&link)?.connection;
        Some((connection.rtt(), connection.remote_address()))
    }
}

fn lock(links: &Links) -> std::sync::MutexGuard<'_, BTreeMap<LinkId, Held>> {
    // Whoever panicked left a whole map behind.
    links.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of a dial or of a stranger.
enum Outcome {
    Proven(Box<Proven>),
    Unanswered(NodeId, u64),
    Stranger,
}

/// The task.
pub(super) struct Operator {
    endpoint: Endpoint,
    me: Arc<Identity>,
    tls: DirectTls,
    orders: mpsc::Receiver<Dial>,
    hush: Arc<Notify>,
    links: Links,
    next: u64,
    out: mpsc::Sender<LinkInput>,
    peers: Arc<Peers>,
    taken: mpsc::Sender<PeerStream>,
    local: Vec<SocketAddr>,
}

/// What the task needs from the link it shares a socket with.
pub(super) struct Shared {
    pub(super) hub: HubId,
    pub(super) endpoint: Endpoint,
    pub(super) me: Arc<Identity>,
    pub(super) peers: Arc<Peers>,
    pub(super) out: mpsc::Sender<LinkInput>,
    pub(super) taken: mpsc::Sender<PeerStream>,
}

/// How often this machine's addresses are looked at.
const LOOK: Duration = Duration::from_secs(2);

impl Operator {
    /// The task, to be run, and what gives it orders.
    pub(super) fn new(shared: Shared) -> Result<(Self, Direct), TlsError> {
        let Shared { hub, endpoint, me, peers, out, taken } = shared;
        let tls = DirectTls::fresh()?;
        let (dials, orders) = mpsc::channel(ORDERS);
        let links = Links::default();
        let hush = Arc::<Notify>::default();
        let port = endpoint.local_addr().map_or(0, |address| address.port());
        let (key, listener) = (tls.key, out.clone());
        let announcer = Announcer { hub, me: Arc::clone(&me), key, port, out: listener };
        let direct = Direct {
            dials,
            hush: Arc::clone(&hush),
            endpoint: endpoint.clone(),
            server: tls.server.far.clone(),
            key: tls.key,
            links: Arc::clone(&links),
            peers: Arc::clone(&peers),
            announcer: Arc::new(announcer),
            lan: Mutex::default(),
        };
        let (next, local) = (0, Vec::new());
        let operator =
            Self { endpoint, me, tls, orders, hush, links, next, out, peers, taken, local };
        Ok((operator, direct))
    }

    /// Runs until nobody gives orders or takes inputs any more.
    pub(super) async fn run(mut self) {
        let (mut dials, mut strangers) = (JoinSet::new(), JoinSet::new());
        let mut served = JoinSet::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let went_on = tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.dial(order, &mut dials).await,
                    None => None,
                },
                () = self.hush.notified() => {
                    while self.orders.try_recv().is_ok() {}
                    dials.abort_all();
                    Some(())
                }
                Some(incoming) = self.endpoint.accept() => {
                    self.greet(incoming, &mut strangers);
                    Some(())
                }
                Some(Ok(outcome)) = dials.join_next() => self.take(outcome, &mut served).await,
                Some(Ok(outcome)) = strangers.join_next() => self.take(outcome, &mut served).await,
                Some(Ok(ended)) = served.join_next() => self.ended(ended).await,
                _ = look.tick() => self.look().await,
            };
            if went_on.is_none() {
                return;
            }
        }
    }

    async fn dial(&mut self, order: Dial, dials: &mut JoinSet<Outcome>) -> Option<()> {
        let Dial { peer, addresses, key, number } = order;
        match self.tls.client(key) {
            Ok(config) if dials.len() < DIALS => {
                let dialling = (self.endpoint.clone(), config);
                let me = Arc::clone(&self.me);
                dials.spawn(async move {
                    let proven = dial(dialling, me, (peer, addresses)).await.map(Box::new);
                    proven.map_or(Outcome::Unanswered(peer, number), Outcome::Proven)
                });
                Some(())
            }
            Ok(_) => self.tell(DirectInput::Unanswered(peer, number)).await,
            Err(error) => {
                tracing::error!("nobody can be dialled: {error}");
                self.tell(DirectInput::Unanswered(peer, number)).await
            }
        }
    }

    /// Somebody dials us.
    fn greet(&self, incoming: quinn::Incoming, strangers: &mut JoinSet<Outcome>) {
        if strangers.len() >= UNPROVEN {
            return incoming.ignore();
        }
        if strangers.len() >= CROWD && incoming.may_retry() {
            // Whoever really is where it seems to be comes again.
            return drop(incoming.retry());
        }
        let (me, door) = (Arc::clone(&self.me), self.out.clone());
        let config = Arc::new(self.tls.server.to(incoming.remote_address().ip()).clone());
        strangers.spawn(async move {
            match receive((incoming, config), &me, &door).await {
                Ok(proven) => Outcome::Proven(Box::new(proven)),
                Err(error) => {
                    tracing::debug!("a connection was not taken: {error}");
                    Outcome::Stranger
                }
            }
        });
    }

    async fn take(
        &mut self,
        outcome: Outcome,
        served: &mut JoinSet<(NodeId, LinkId)>,
    ) -> Option<()> {
        let proven = match outcome {
            Outcome::Proven(proven) => *proven,
            Outcome::Unanswered(peer, number) => {
                return self.tell(DirectInput::Unanswered(peer, number)).await;
            }
            Outcome::Stranger => return Some(()),
        };
        self.next += 1;
        let (id, Proven { peer, dialled, connection, send, recv }) = (LinkId(self.next), proven);
        trust(&connection);
        let (queue, queued) = Queue::new();
        if let Some(address) = address::encode(connection.remote_address()) {
            // It is the first in the queue.
            queue.push(&ToPeer::Seen(Seen { address: address.into() }));
        }
        let held = Held { peer, connection: connection.clone(), queue };
        lock(&self.links).insert(id, held);
        let serving = Served {
            peer,
            connection,
            peers: Arc::clone(&self.peers),
            out: self.out.clone(),
            taken: self.taken.clone(),
        };
        // Its frames are heard after it.
        self.tell(DirectInput::Connected(peer, Link { id, dialled })).await?;
        served.spawn(async move {
            carrier::serve(serving, (send, recv), queued).await;
            (peer, id)
        });
        Some(())
    }

    async fn ended(&mut self, (peer, link): (NodeId, LinkId)) -> Option<()> {
        lock(&self.links).remove(&link);
        self.tell(DirectInput::Lost(peer, link)).await
    }

    /// Tells this machine's addresses when they have changed.
    async fn look(&mut self) -> Option<()> {
        let Ok(port) = self.endpoint.local_addr().map(|address| address.port()) else {
            return Some(());
        };
        // An error says nothing of where this machine is.
        let Ok(interfaces) = if_addrs::get_if_addrs() else { return Some(()) };
        let local = in_order(&interfaces, port);
        if local == self.local {
            return Some(());
        }
        self.local.clone_from(&local);
        self.tell(DirectInput::Local(local)).await
    }

    async fn tell(&self, input: DirectInput) -> Option<()> {
        self.out.send(LinkInput::Direct(input)).await.ok()
    }
}

/// Networks of containers, virtual machines and tunnels, by how their names begin: peers are seldom
/// there.
const VIRTUAL: [&str; 8] = ["docker", "br-", "veth", "virbr", "lxc", "tun", "wg", "tailscale"];

/// Addresses in the order in which they are told, as far as there is room: the two families in
/// turn, virtual networks last.
pub(super) fn in_order(interfaces: &[Interface], port: u16) -> Vec<SocketAddr> {
    let is_virtual = |one: &&Interface| VIRTUAL.iter().any(|name| one.name.starts_with(name));
    let mut sorted: Vec<_> = interfaces.iter().map(|one| (is_virtual(&one), one.ip())).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let family = |v4| sorted.iter().filter(move |(_, ip)| ip.is_ipv4() == v4).enumerate();
    let mut turns: Vec<_> = family(true).chain(family(false)).collect();
    turns.sort_by_key(|(turn, (is_virtual, _))| (*is_virtual, *turn));
    turns.into_iter().map(|(_, (_, ip))| SocketAddr::new(*ip, port)).collect()
}

#[cfg(test)]
mod tests {
    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr, Ifv6Addr};

    use super::*;

    fn interface(name: &str, ip: &str) -> Interface {
        let addr = match ip.parse().unwrap() {
            std::net::IpAddr::V4(ip) => IfAddr::V4(Ifv4Addr {
                ip,
                netmask: [255, 255, 255, 0].into(),
                prefixlen: 24,
                broadcast: None,
            }),
            std::net::IpAddr::V6(ip) => IfAddr::V6(Ifv6Addr {
                ip,
                netmask: [0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0].into(),
                prefixlen: 64,
                broadcast: None,
            }),
        };
        let (name, oper_status) = (name.to_owned(), IfOperStatus::Up);
        Interface { name, addr, index: None, oper_status, is_p2p: false }
    }

    #[test]
    fn both_families_are_told_before_any_network_of_containers() {
        let mut all: Vec<_> =
            (17..27).map(|n| interface("br-0a1b", &format!("172.{n}.0.1"))).collect();
        all.push(interface("wlan0", "192.168.1.5"));
        all.push(interface("wlan0", "2001:db8::5"));
        all.push(interface("eth0", "192.168.7.5"));
        let told: Vec<_> = in_order(&all, 7).iter().map(|at| at.ip().to_string()).collect();
        assert_eq!(told[..3], ["192.168.1.5", "2001:db8::5", "192.168.7.5"]);
        assert_eq!(told.len(), 13);
    }
}
