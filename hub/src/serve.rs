//! A running hub: opened, listening, stopped. Used by `hubbub-hub run` and by an embedding node.
//!
//! Invariant: every task started here is awaited by [`Running::stop`], and the store is closed only
//! after everything that had arrived was stored and everyone was told.

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hubbub_shared::crypto::blake3;
use hubbub_shared::group::control::ControlLog;
use hubbub_shared::id::HubId;
use hubbub_shared::time::{Millis, Timestamp};
use quinn::{Endpoint, ServerConfig, TokioRuntime, VarInt};
use rand_core::Rng;
use tokio::sync::{Semaphore, broadcast, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::admin;
use crate::cache::Cache;
use crate::check::Buffers;
use crate::config::{Files, Limits};
use crate::connection::{self, Door, NEAR};
use crate::gate::{Admission, Gate};
use crate::intake::{Arrival, Ask, Intake};
use crate::invites::{self, Held};
use crate::journal::{Journal, Line};
use crate::keys::{self, HubKeys, KeyError};
use crate::relay::bounds::FILE_STREAMS_PER_NODE;
use crate::relay::{Origin, Relay, RelayConfig};
use crate::server::{self, Open, Server, now};
use crate::store::{Store, StoreError};
use crate::tls::{self, TlsError};

/// How long nodes have to take in that the hub is stopping.
const GOODBYE: Duration = Duration::from_secs(3);

/// How often and how long to wait for the socket to be let go.
const RELEASE_TRIES: u32 = 100;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);

/// How to run a hub.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where it keeps its keys and its store; made when absent.
    pub dir: PathBuf,
    /// UDP address to listen on; port 0 for any free one.
    pub listen: SocketAddr,
    /// Whether anybody may use it without an invite.
    pub open: bool,
    /// What it bears.
    pub limits: Limits,
    /// What it keeps of files.
    pub files: Files,
}

/// The hub could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Key file.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Certificate or TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Store.
    #[error("the store in {dir} cannot be used: {error}")]
    Store {
        /// The directory.
        dir: PathBuf,
        /// What the store said.
        error: StoreError,
    },
    /// Files.
    #[error("the files in {dir} cannot be used: {error}; see that the hub's user may write there")]
    Files {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on UDP {listen}: {error}; choose another with --listen")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
}

/// The hub stopped before it could do it.
#[derive(Debug, thiserror::Error)]
#[error("the invite could not be stored; see the hub's log")]
pub struct NotStored;

/// A hub at work.
pub struct Running {
    /// Where it listens.
    pub local_addr: SocketAddr,
    /// Who it is: what invites pin.
    pub hub: HubId,
    operator: Operator,
    endpoint: Endpoint,
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 4],
}

/// The operator's hold on a running hub.
#[derive(Clone)]
pub(crate) struct Operator {
    pub(crate) intake: Intake,
    pub(crate) journal: Journal,
    pub(crate) files: Arc<Cache>,
    pub(crate) hub: HubId,
    pub(crate) listen: SocketAddr,
    pub(crate) since: Timestamp,
    /// Of the socket, if the system says.
    pub(crate) buffers: Option<Buffers>,
}

impl Operator {
    /// Makes an invite and returns its token once it is durable.
    pub(crate) async fn invite(&self, uses: u32, ttl: Millis) -> Result<[u8; 16], NotStored> {
        let token = fresh_token().map_err(|_| NotStored)?;
        let (done, durable) = oneshot::channel();
        let ask = Ask::Invite { token_hash: blake3(&token).0, uses, ttl, done };
        self.intake.send(Arrival::Ask(ask)).await.map_err(|_| NotStored)?;
        durable.await.map(|()| token).map_err(|_| NotStored)
    }

    /// The invites there are.
    pub(crate) async fn invites(&self) -> Option<Vec<Held>> {
        let (done, answer) = oneshot::channel();
        self.intake.send(Arrival::Ask(Ask::Invites(done))).await.ok()?;
        let all = answer.await.ok()?;
        Some(Held::all(all, now()))
    }

    /// Takes an invite back; returns once that is durable, `false` when there is no such one.
    pub(crate) async fn revoke(&self, id: &str) -> Option<bool> {
        let held = self.invites().await?;
        let Some(token_hash) = Held::named(&held, id) else { return Some(false) };
        let (done, durable) = oneshot::channel();
        self.intake.send(Arrival::Ask(Ask::Revoke { token_hash, done })).await.ok()?;
        durable.await.is_ok().then_some(true)
    }
}

/// A new invite's token.
pub(crate) fn fresh_token() -> Result<[u8; 16], TlsError> {
    let mut token = [0; 16];
    tls::os_rng()?.fill_bytes(&mut token);
    Ok(token)
}

/// Starts a hub: makes or loads its keys, opens its store, listens.
///
/// # Errors
/// [`ServeError`], with what to try.
pub async fn serve(options: ServeOptions) -> Result<Running, ServeError> {
    let keys = keys::load_or_create(&options.dir)?;
    let hub = keys.identity.hub_id();
    let open = opener(&options, &keys)?;
    let opened =
        open(now()).map_err(|error| ServeError::Store { dir: options.dir.clone(), error })?;
    let files = files(&options).await?;
    let tls = tls::server_config(&keys.identity)?;
    let near = Arc::new(tls::near(&tls));
    let (endpoint, buffers) = listen(&options, &keys, tls)?;
    let local_addr = endpoint
        .local_addr()
        .map_err(|error| ServeError::Listen { listen: options.listen, error })?;
    let (intake, arrivals) = Intake::new();
    let (stop, stopping) = watch::channel(false);
    let journal = Journal::default();
    let kept = (journal.clone(), Arc::clone(&files));
    let server = Server::new(opened, open, kept, stopping.clone());
    let door = Arc::new(Door {
        hub,
        near,
        seats: Arc::new(Semaphore::new(NEAR)),
        intake: intake.clone(),
        hello_timeout: options.limits.hello_timeout(),
        streamed: options.limits.streamed(),
        streams: options.limits.streams.saturating_add(FILE_STREAMS_PER_NODE),
        next: AtomicU64::new(0),
    });
    let (listen, since) = (local_addr, now());
    let kept = Arc::clone(&files);
    let operator = Operator { intake, journal, files: kept, hub, listen, since, buffers };
    let gate = Gate::new(options.limits);
    let admin = admin::listen(options.dir, operator.clone(), stopping.clone());
    let tasks = [
        tokio::spawn(files.sweep(stopping.clone())),
        tokio::spawn(accept(endpoint.clone(), gate, door, stopping)),
        tokio::spawn(server.drive(arrivals)),
        tokio::spawn(admin),
    ];
    Ok(Running { local_addr, hub, operator, endpoint, stop, tasks })
}

impl Running {
    /// Makes an invite for `uses` identities that holds for `ttl`; its token is returned once the
    /// invite is durable.
    ///
    /// # Errors
    /// [`NotStored`].
    pub async fn make_invite(&self, uses: u32, ttl: Millis) -> Result<[u8; 16], NotStored> {
        self.operator.invite(uses, ttl).await
    }

    /// The operator's log from now on.
    #[must_use]
    pub fn notes(&self) -> broadcast::Receiver<Line> {
        self.operator.journal.follow()
    }

    /// Stops taking connections, stores what has arrived, tells everyone, closes.
    pub async fn stop(self) {
        // Receivers are gone only when the tasks have ended, which is what is wanted.
        self.stop.send(true).ok();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!("a part of the hub ended badly: {error}");
            }
        }
        self.endpoint.close(VarInt::from_u32(0), b"");
        if tokio::time::timeout(GOODBYE, self.endpoint.wait_idle()).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
        drop(self.endpoint);
        released(self.local_addr).await;
    }
}

/// Waits until the address is free again: QUIC's own task lets go of the socket a little later.
async fn released(address: SocketAddr) {
    for _ in 0..RELEASE_TRIES {
        if UdpSocket::bind(address).is_ok() {
            return;
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
    tracing::debug!("UDP {address} is still in use");
}

/// How the store is opened, at the start and after a failure.
fn opener(options: &ServeOptions, keys: &HubKeys) -> Result<Arc<Open>, TlsError> {
    let mut rng = tls::os_rng()?;
    let (_, lobby_genesis) = ControlLog::create_lobby(&keys.identity, now(), &mut rng);
    let hub = keys.identity.hub_id();
    let config: RelayConfig = options.limits.relay(options.open);
    let dir = options.dir.clone();
    Ok(Arc::new(move |now| {
        let mut store = invites::open_store(&dir)?;
        let snapshot = store.load()?;
        let origin = Origin { hub, store: store.id(), lobby_genesis: lobby_genesis.clone() };
        let relay = Relay::new(config.clone(), origin, snapshot, now)
            .map_err(|error| StoreError(error.to_string()))?;
        let store: Box<dyn Store> = Box::new(store);
        Ok((store, relay))
    }))
}

/// The files there are. Many are many reads, off the network's threads.
async fn files(options: &ServeOptions) -> Result<Arc<Cache>, ServeError> {
    let (dir, bounds) = (options.dir.clone(), options.files.bounds());
    let opened = tokio::task::spawn_blocking(move || Cache::open(&dir, bounds)).await;
    let opened = opened.map_err(std::io::Error::other).flatten();
    opened.map(Arc::new).map_err(|error| ServeError::Files { dir: options.dir.clone(), error })
}

fn listen(
    options: &ServeOptions,
    keys: &HubKeys,
    tls: ServerConfig,
) -> Result<(Endpoint, Option<Buffers>), ServeError> {
    let config = tls::endpoint_config(&keys.reset)?;
    let failed = |error| ServeError::Listen { listen: options.listen, error };
    let socket = tls::socket(options.listen).map_err(failed)?;
    let buffers = tls::buffers(&socket).ok();
    let endpoint = Endpoint::new(config, Some(tls), socket, Arc::new(TokioRuntime));
    Ok((endpoint.map_err(failed)?, buffers))
}

/// Takes connections until told to stop, then waits until those there have gone.
async fn accept(
    endpoint: Endpoint,
    gate: Arc<Gate>,
    door: Arc<Door>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    while !server::stopped(&stop) {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            Some(_) = connections.join_next() => continue,
            _ = stop.changed() => continue,
        };
        let Some(incoming) = incoming else { break };
        match gate.ask(incoming.remote_address(), incoming.remote_address_validated()) {
            Admission::Enter(ticket) => {
                connections.spawn(connection::serve(Arc::clone(&door), incoming, ticket));
            }
            Admission::ProveAddress => {
                if let Err(error) = incoming.retry() {
                    error.into_incoming().refuse();
                }
            }
            Admission::Refuse => incoming.refuse(),
        }
    }
    let gone = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GOODBYE, gone).await.is_err() {
        tracing::debug!("{} connections did not end in time", connections.len());
    }
}
