//! The transfers of a node as its runtime holds them: orders go in, and what happens comes out.
//!
//! One task owns everything here; streams that are served and files that are sealed run beside it
//! and end with it. Invariant: what is told and must not be lost waits until somebody takes it;
//! while it waits, no further order is taken. So whoever gives orders also has to take tells.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::id::NodeId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::disk::Shelf;
use super::fetch::Fetches;
use super::order::{Order, Tell};
use super::plan::FileId;
use super::sealings::Sealings;
use super::serve::offered::{Became, Offered};
use super::serve::sealed::SealedBytes;
use super::serve::{May, Server};
use super::streams::{Opened, Streams};

/// Orders that wait.
const ORDERS: usize = 256;
/// Tells that nobody has taken yet; of those that may be left out, no more are made then.
const TELLS: usize = 256;
/// Tells beyond these that must not be lost: from then on no order is taken.
const BACKLOG: usize = 256;
/// Streams that peers opened and that wait to be served; beyond it they are dropped.
const WAYS: usize = 16;
/// Files that changed or are gone, and were not told yet; who serves them waits with more.
const BECAME: usize = 64;
/// How often it is told how far everything is.
const PROGRESS: Duration = Duration::from_millis(500);
/// How long the end may take until what came is durable.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Everything a node does with files. When dropped, it ends where it is, as by a crash.
pub struct Transfers {
    orders: mpsc::Sender<Order>,
    door: Door,
    server: Arc<Server>,
    stop: oneshot::Sender<()>,
    task: Aborted,
}

/// Takes streams that peers open.
#[derive(Clone)]
pub struct Door(mpsc::Sender<(NodeId, Opened)>);

impl Door {
    /// Serves a stream of a peer that has proven itself. When too many wait, it is dropped.
    pub fn serve(&self, peer: NodeId, opened: Opened) {
        if self.0.try_send((peer, opened)).is_err() {
            tracing::debug!("a stream for files was dropped: too many at once");
        }
    }
}

/// A task that ends with its owner.
struct Aborted(JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What transfers are made of.
pub struct Means {
    /// Who this node is.
    pub me: NodeId,
    /// Fresh randomness, for what to ask first.
    pub seed: [u8; 32],
    /// Where things about files are kept.
    pub shelf: Shelf,
    /// Ways to others.
    pub streams: Arc<dyn Streams>,
    /// Who may have what.
    pub may: May,
}

impl Transfers {
    /// Begins with nothing to do. The other half is what happens.
    #[must_use]
    pub fn start(means: Means) -> (Self, mpsc::Receiver<Tell>) {
        let (orders, taken) = mpsc::channel(ORDERS);
        let (tells, told) = mpsc::channel(TELLS);
        let (ways, incoming) = mpsc::channel(WAYS);
        let (stop, stopped) = oneshot::channel();
        let (became, becomes) = mpsc::channel(BECAME);
        let Means { me, seed, shelf, streams, may } = means;
        let server = Arc::new(Server::new(Offered::new(shelf.clone(), became), may));
        let work = Work {
            fetches: Fetches::new((me, seed), shelf.clone(), Arc::clone(&server), streams),
            sealings: Sealings::new(shelf),
            server,
            serving: JoinSet::new(),
            backlog: VecDeque::new(),
            taken: BTreeSet::new(),
        };
        let inputs = Inputs { orders: taken, incoming, becomes, stopped };
        let server = Arc::clone(&work.server);
        let task = Aborted(tokio::spawn(work.run(inputs, tells)));
        (Self { orders, door: Door(ways), server, stop, task }, told)
    }

    /// Gives an order; waits while there are too many. The tells have to be taken meanwhile.
    pub async fn order(&self, order: Order) {
        // When the task has ended, nothing is to be done any more.
        self.orders.send(order).await.ok();
    }

    /// Where orders go, for whoever cannot wait.
    #[must_use]
    pub fn orders(&self) -> &mpsc::Sender<Order> {
        &self.orders
    }

    /// The sealed bytes of what is served.
    #[must_use]
    pub fn sealed(&self) -> SealedBytes {
        SealedBytes::new(Arc::clone(&self.server))
    }

    /// Where streams go that peers open.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Ends. What came until now is durable then.
    pub async fn stop(mut self) {
        // One that has ended already needs no word.
        self.stop.send(()).ok();
        (&mut self.task.0).await.ok();
    }
}

struct Inputs {
    orders: mpsc::Receiver<Order>,
    incoming: mpsc::Receiver<(NodeId, Opened)>,
    becomes: mpsc::Receiver<Became>,
    stopped: oneshot::Receiver<()>,
}

struct Work {
    fetches: Fetches,
    sealings: Sealings,
    server: Arc<Server>,
    serving: JoinSet<()>,
    /// What must not be lost.
    backlog: VecDeque<Tell>,
    /// Files of which it was told last that somebody takes them.
    taken: BTreeSet<FileId>,
}

impl Work {
    async fn run(mut self, mut inputs: Inputs, tells: mpsc::Sender<Tell>) {
        let mut tick = interval(PROGRESS);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Dropped or told to, it is all the same to those who wait for the end.
                _ = &mut inputs.stopped => break,
                permit = tells.reserve(), if !self.backlog.is_empty() => {
                    let Ok(permit) = permit else { break };
                    if let Some(tell) = self.backlog.pop_front() {
                        permit.send(tell);
                    }
                }
                Some(order) = inputs.orders.recv(), if self.backlog.len() < BACKLOG => {
                    self.order(order);
                    self.fetches.carry_out(&mut self.backlog);
                }
                Some((peer, opened)) = inputs.incoming.recv() => {
                    while self.serving.try_join_next().is_some() {}
                    self.serving.spawn(Arc::clone(&self.server).serve(peer, opened));
                }
                Some(became) = inputs.becomes.recv() => {
                    let (file, tell) = match became {
                        Became::Changed(file) => (file, Tell::Changed { file }),
                        Became::Gone(file) => (file, Tell::Gone { file }),
                    };
                    self.server.takers.forget(file);
                    self.backlog.push_back(tell);
                }
                happened = self.fetches.next() => {
                    self.fetches.handle(happened, &mut self.backlog);
                }
                tell = self.sealings.next() => self.backlog.extend(tell),
                _ = tick.tick() => self.tick(&tells),
            }
        }
        // What was ordered before is done.
        while let Ok(order) = inputs.orders.try_recv() {
            self.order(order);
        }
        self.sealings.stop();
        self.serving.shutdown().await;
        if timeout(LAST_WORDS, self.fetches.stop()).await.is_err() {
            tracing::debug!("the disk was too slow: some pieces are looked at again next time");
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Seal { file, path } => self.sealings.begin(file, path),
            Order::Serve { file, whole } => {
                self.fetches.landed(whole.reference.blob.address, file);
                self.server.offered.put(file, whole);
            }
            Order::Unserve { file } => {
                self.sealings.cancel(file);
                self.server.offered.take_back(file);
                self.server.takers.forget(file);
            }
            Order::Fetch(fetch) => self.fetches.fetch(*fetch, &mut self.backlog),
            Order::Source { file, source, kind } => self.fetches.source(file, source, kind),
            Order::Heard { file, source } => self.fetches.heard(file, source),
            Order::Lost { file, source } => self.fetches.lost(file, source),
            Order::Hold { file, paused } => self.fetches.hold(file, paused),
            Order::Rank { file, priority } => self.fetches.rank(file, priority),
            Order::Drop { file, reference, target, keep } => {
                self.fetches.forget(file, (reference, target), keep);
            }
            Order::Limits { down, up } => {
                self.fetches.limit(down);
                self.server.limit.set(up);
            }
        }
    }

    /// Tells how far everything is, as long as there is room for it.
    fn tick(&mut self, tells: &mpsc::Sender<Tell>) {
        self.fetches.carry_out(&mut self.backlog);
        let mut takers = self.server.takers.look(Instant::now());
        for file in &self.taken {
            takers.entry(*file).or_default();
        }
        let given = takers.into_iter().map(|(file, takers)| Tell::Given { file, takers });
        for tell in self.fetches.progress().chain(self.sealings.progress()).chain(given) {
            let given = match &tell {
                Tell::Given { file, takers } => Some((*file, takers.is_empty())),
                _ => None,
            };
            if tells.try_send(tell).is_err() {
                break;
            }
            match given {
                Some((file, true)) => self.taken.remove(&file),
                Some((file, false)) => self.taken.insert(file),
                None => false,
            };
        }
    }
}
