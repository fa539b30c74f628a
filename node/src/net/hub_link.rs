//! The link to the hub, kept up: dial, hand frames both ways, come back after a loss; and on the
//! same socket what goes to peers directly.
//!
//! One task owns it. Invariant: a frame goes out on the connection it was made for or not at all:
//! each connection has its own queue, and losing the connection closes it. A refusal that only a
//! person can mend is not knocked against again until somebody acts.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hubbub_shared::backoff::{Backoff, Returns};
use hubbub_shared::crypto::{Identity, SecretBytes};
use hubbub_shared::id::{HubId, NodeId};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::datagram::Datagram;
use hubbub_shared::wire::from_hub::{Bye, Welcome};
use hubbub_shared::wire::{FromHub, ToHub};
use quinn::{Connection, Endpoint, RecvStream, VarInt};
use rand_chacha::ChaCha20Rng;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::dial::{self, DialError, Dialled};
use super::direct::{Direct, DirectInput, Operator, Shared};
use super::hub_files::HubFiles;
use super::peer_stream::PeerStream;
use super::peers::{Incoming, Peers};
use super::{frames, pulse, socket, tls};
use crate::api::view::LinkState;
use crate::threads::Threads;

/// Frames and news waiting for the runtime; each frame is at most 1 MiB, usually far less.
const INPUTS: usize = 64;
const FIRST_WAIT: Millis = Millis(500);
const LONGEST_WAIT: Millis = Millis::secs(60);
/// A hub that was heard from for so long serves: the next loss starts with a short wait. One that
/// dies of those who come back at once does so sooner, since all of them come within a second.
const SERVED: Millis = Millis::secs(5);
/// How long the last frames may take when the node stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where and who.
pub struct LinkSettings {
    /// `host:port`, the best first.
    pub addresses: Vec<String>,
    /// The pinned hub.
    pub hub: HubId,
    /// What admits to a closed hub, until it has.
    pub admission: Option<SecretBytes>,
    /// Who we are.
    pub identity: Arc<Identity>,
}

/// What the link tells the runtime.
pub enum LinkInput {
    /// Welcomed. Frames for this connection go into the queue; dropping it ends the connection.
    Up(Box<Welcome>, mpsc::Sender<ToHub>),
    /// The connection is gone, and its queue with it.
    Down,
    /// A frame; [`FromHub::Bye`] also when the hub said it without one, before [`Self::Down`] if
    /// there was a connection.
    Frame(FromHub),
    /// For people: what the link is doing.
    State(LinkState),
    /// A datagram, and who the hub says sent it.
    Datagram(NodeId, Vec<u8>),
    /// From direct connections with peers.
    Direct(DirectInput),
}

/// The link's owner. Dropping it ends the link without a farewell.
pub struct HubLink {
    inputs: mpsc::Receiver<LinkInput>,
    poke: Arc<Notify>,
    wake: Arc<Notify>,
    doubted: Arc<Notify>,
    stop: watch::Sender<bool>,
    peers: Arc<Peers>,
    direct: Direct,
    hub: watch::Receiver<Option<Connection>>,
    incoming: Option<Incoming>,
    task: JoinHandle<()>,
    operator: JoinHandle<()>,
    /// Last of all: what ends needs them for that.
    _network: Threads,
}

impl HubLink {
    /// Starts dialling, on the current tokio runtime.
    ///
    /// # Errors
    /// [`DialError::Local`] without a socket or randomness.
    pub fn start(settings: LinkSettings) -> Result<Self, DialError> {
        let network = socket::threads();
        let endpoint = socket::endpoint(&network);
        let endpoint = endpoint.map_err(|error| DialError::Local(error.to_string()))?;
        let rng = tls::os_rng().map_err(|error| DialError::Local(error.to_string()))?;
        let (out, inputs) = mpsc::channel(INPUTS);
        let (stop, stopping) = watch::channel(false);
        let [poke, wake, doubted] = [(); 3].map(|()| Arc::new(Notify::new()));
        let local = |error: tls::TlsError| DialError::Local(error.to_string());
        let (connected, hub) = watch::channel(None);
        let me = Arc::clone(&settings.identity);
        let peers = Arc::new(Peers::new(Arc::clone(&me), hub.clone()).map_err(local)?);
        let (taken, incoming) = Incoming::channel();
        let shared = Shared {
            hub: settings.hub,
            endpoint: endpoint.clone(),
            me,
            peers: Arc::clone(&peers),
            out: out.clone(),
            taken: taken.clone(),
        };
        let (operator, direct) = Operator::new(shared).map_err(local)?;
        let keeper = Keeper {
            endpoint,
            settings,
            connected,
            peers: Arc::clone(&peers),
            taken,
            rng,
            out,
            poke: Arc::clone(&poke),
            wake: Arc::clone(&wake),
            doubted: Arc::clone(&doubted),
            stopping,
            returns: Returns::new(Backoff::new(FIRST_WAIT, LONGEST_WAIT), SERVED),
            lived: Duration::ZERO,
        };
        let (task, operator) = (tokio::spawn(keeper.run()), tokio::spawn(operator.run()));
        let incoming = Some(incoming);
        Ok(Self {
            inputs,
            poke,
            wake,
            doubted,
            stop,
            peers,
            direct,
            hub,
            incoming,
            task,
            operator,
            _network: network,
        })
    }

    /// Connections with peers without the hub.
    #[must_use]
    pub fn direct(&self) -> &Direct {
        &self.direct
    }

    /// Somebody says that the hub is gone: whether it is shows within seconds.
    pub fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Round trip to the hub, as measured up to now; none while there is no connection.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.hub.borrow().as_ref().map(Connection::rtt)
    }

    /// Hands the hub a sealed datagram for a peer; lost without a word when there is no way for it.
    pub fn send_datagram(&self, peer: NodeId, payload: &[u8]) {
        let hub = self.hub.borrow();
        let Some(hub) = hub.as_ref() else { return };
        if let Err(error) = hub.send_datagram(Datagram { peer, payload }.encode().into()) {
            tracing::trace!("a datagram was dropped: {error}");
        }
    }

    /// Streams to peers, through this link.
    #[must_use]
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Files at the hub, through whatever connection there is; it can be handed on.
    #[must_use]
    pub fn files(&self) -> HubFiles {
        HubFiles::new(self.hub.clone())
    }

    /// Streams both ways, to whoever asks first. Until [`Peers::offer`], those that peers open are
    /// reset.
    pub fn streams(&mut self) -> Option<(Arc<Peers>, Incoming)> {
        Some((Arc::clone(&self.peers), self.incoming.take()?))
    }

    /// The next input; `None` when the link has ended.
    pub async fn recv(&mut self) -> Option<LinkInput> {
        self.inputs.recv().await
    }

    /// An input that waits already.
    pub fn try_recv(&mut self) -> Option<LinkInput> {
        self.inputs.try_recv().ok()
    }

    /// Somebody wants something: do not wait any longer, unless a refusal stands.
    pub fn poke(&self) {
        self.poke.notify_waiters();
    }

    /// Somebody acted: try again even after a refusal.
    pub fn reconnect(&self) {
        self.wake.notify_one();
    }

    /// Sends what is queued, closes, waits for the end.
    pub async fn stop(mut self) {
        // Without a receiver the task has ended, which is what is wanted.
        self.stop.send(true).ok();
        self.inputs.close();
        // A connection that nobody has heard of yet lies in here, and would never end.
        while self.inputs.recv().await.is_some() {}
        self.operator.abort();
        if let Err(error) = (&mut self.task).await {
            tracing::error!("the hub link ended badly: {error}");
        }
    }
}

impl Drop for HubLink {
    fn drop(&mut self) {
        self.task.abort();
        self.operator.abort();
    }
}

/// What ended a connection or a wait.
enum Ended {
    Lost(DialError),
    Stopping,
}

struct Keeper {
    endpoint: Endpoint,
    settings: LinkSettings,
    /// The connection there is, for streams to peers.
    connected: watch::Sender<Option<Connection>>,
    peers: Arc<Peers>,
    taken: mpsc::Sender<PeerStream>,
    rng: ChaCha20Rng,
    out: mpsc::Sender<LinkInput>,
    poke: Arc<Notify>,
    wake: Arc<Notify>,
    doubted: Arc<Notify>,
    stopping: watch::Receiver<bool>,
    returns: Returns,
    /// How long the hub was heard from on the last connection.
    lived: Duration,
}

impl Keeper {
    async fn run(mut self) {
        while let Ended::Lost(error) = self.once().await {
            tracing::debug!("hub link: {error}");
            if self.pause(&error).await.is_none() {
                break;
            }
        }
        self.endpoint.close(VarInt::from_u32(0), b"");
        if tokio::time::timeout(FAREWELL, self.endpoint.wait_idle()).await.is_err() {
            tracing::debug!("the hub did not take in the farewell");
        }
    }

    /// One connection from dialling to its end.
    async fn once(&mut self) -> Ended {
        self.lived = Duration::ZERO;
        if self.tell(LinkInput::State(LinkState::Connecting)).await.is_none() {
            return Ended::Stopping;
        }
        let token = self.settings.admission.as_ref();
        let token = token.and_then(|token| token.expose().try_into().ok());
        let mut stopping = self.stopping.clone();
        let dialled = tokio::select! {
            dialled = dial::dial(&self.endpoint, &self.settings, token) => dialled,
            _ = stopping.wait_for(|stop| *stop) => return Ended::Stopping,
        };
        let dialled = match dialled {
            Ok(dialled) => dialled,
            Err(error) => return self.said(error).await,
        };
        self.settings.admission = None;
        let ended = match self.exchange(dialled).await {
            Ended::Lost(error) => self.said(error).await,
            Ended::Stopping => Ended::Stopping,
        };
        match self.tell(LinkInput::Down).await {
            Some(()) => ended,
            None => Ended::Stopping,
        }
    }

    /// Hands on the hub's reason for ending a connection, or for not beginning one, whether it came
    /// as a frame or as the close code: more may hang on it than this link.
    async fn said(&self, error: DialError) -> Ended {
        if let DialError::Refused(code) = error {
            let bye = LinkInput::Frame(FromHub::Bye(Bye { code }));
            if self.tell(bye).await.is_none() {
                return Ended::Stopping;
            }
        }
        Ended::Lost(error)
    }

    /// Frames both ways until either end stops.
    async fn exchange(&mut self, dialled: Dialled) -> Ended {
        let Dialled { connection, mut send, recv, welcome } = dialled;
        let (frames_out, queued) = mpsc::channel(frames::QUEUE_FRAMES);
        let rtt_ms = u32::try_from(connection.rtt().as_millis()).unwrap_or(u32::MAX);
        let up = LinkState::Up { since: now(), rtt_ms };
        // Whoever hears that the link is up may open streams.
        self.connected.send_replace(Some(connection.clone()));
        let told = async {
            self.tell(LinkInput::Up(Box::new(welcome), frames_out)).await?;
            self.tell(LinkInput::State(up)).await
        };
        if told.await.is_none() {
            return Ended::Stopping;
        }
        let writing = async {
            frames::write(queued, &mut send).await;
            tokio::time::timeout(FAREWELL, send.stopped()).await.is_ok()
        };
        let accepting = Arc::clone(&self.peers).accept(connection.clone(), self.taken.clone());
        let mut lived = Duration::ZERO;
        let ended = tokio::select! {
            ended = read(&connection, recv, &self.out) => ended,
            _ = writing => self.written(&connection),
            () = datagrams(&connection, &self.out) => self.written(&connection),
            () = pulse::lost(&connection, &self.doubted) => {
                Ended::Lost(DialError::NoAnswer("the hub".to_owned()))
            }
            never = pulse::heard(&connection, &mut lived) => match never {},
            // Only the connection's end ends this, and the reader says that better.
            never = async { accepting.await; std::future::pending().await } => never,
        };
        self.lived = lived;
        self.connected.send_replace(None);
        connection.close(VarInt::from_u32(0), b"");
        ended
    }

    /// The writer ended: the runtime let go of the connection, or the connection broke.
    fn written(&self, connection: &Connection) -> Ended {
        if *self.stopping.borrow() {
            return Ended::Stopping;
        }
        Ended::Lost(dial::closed_for(connection).unwrap_or_else(|| broken("it was let go")))
    }

    /// Tells why, then waits for the next try; `None` when stopping.
    async fn pause(&mut self, error: &DialError) -> Option<()> {
        let lived = Millis(u64::try_from(self.lived.as_millis()).unwrap_or(u64::MAX));
        let wait = self.returns.after(lived, &mut self.rng);
        let stay = error.is_final();
        let retry_at = (!stay).then(|| now() + wait);
        let state = LinkState::Down { code: error.code(), why: error.to_string(), retry_at };
        self.tell(LinkInput::State(state)).await?;
        let over = async {
            if stay {
                std::future::pending::<()>().await;
            }
            // Even somebody in a hurry waits the shortest wait, or a loop would knock without
            // pause.
            let shortest = Duration::from_millis(FIRST_WAIT.0.min(wait.0));
            let poked = self.poke.notified();
            tokio::time::sleep(shortest).await;
            let rest = Duration::from_millis(wait.0).saturating_sub(shortest);
            tokio::select! {
                () = poked => {}
                () = tokio::time::sleep(rest) => {}
            }
        };
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = over => Some(()),
            () = self.wake.notified() => Some(()),
            _ = stopping.wait_for(|stop| *stop) => None,
        }
    }

    async fn tell(&self, input: LinkInput) -> Option<()> {
        self.out.send(input).await.ok()
    }
}

/// What the hub relays without storing it.
async fn datagrams(connection: &Connection, out: &mpsc::Sender<LinkInput>) {
    while let Ok(bytes) = connection.read_datagram().await {
        let Some(datagram) = Datagram::parse(&bytes) else { continue };
        // Losing one is what datagrams are for: frames come first.
        drop(out.try_send(LinkInput::Datagram(datagram.peer, datagram.payload.to_vec())));
    }
}

async fn read(
    connection: &Connection,
    mut recv: RecvStream,
    out: &mpsc::Sender<LinkInput>,
) -> Ended {
    loop {
        let frame = match frames::read(&mut recv).await {
            Ok(FromHub::Bye(bye)) => return Ended::Lost(DialError::Refused(bye.code)),
            Ok(FromHub::Welcome(_)) => return Ended::Lost(broken("a second welcome")),
            Ok(frame) => frame,
            Err(error) => {
                let said = dial::closed_for(connection);
                return Ended::Lost(said.unwrap_or_else(|| broken(&error.to_string())));
            }
        };
        if out.send(LinkInput::Frame(frame)).await.is_err() {
            return Ended::Stopping;
        }
    }
}

fn broken(why: &str) -> DialError {
    DialError::Broken("the hub".to_owned(), why.to_owned())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
