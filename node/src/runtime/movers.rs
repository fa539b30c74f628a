//! The engine's orders about files as the transfers take them, and what they say as the engine
//! takes it.
//!
//! Orders wait here while the transfers have enough to do, the latest about each thing; the loop
//! never waits for them. Invariant: what is told and must not be lost is taken out of the transfers
//! only when the loop takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hubbub_shared::content::FileName;
use hubbub_shared::id::{BlobId, NodeId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::background;
use super::kept_for::KeptFor;
use super::latest::Latest;
use super::roads::{self, Doorkeeper, Roads};
use super::upkeep::Upkeep;
use crate::api::view::Path;
use crate::engine::file::order::{Dropped, Fetch, Order, Serve, Taker, Told};
use crate::net::{HubFiles, Incoming, Peers};
use crate::threads::Threads;
use crate::transfer::disk::{Form, Reference, Shelf, Target};
use crate::transfer::plan::{FileId, Kind, Limits, Priority, Progress, SourceId, State, Stuck};
use crate::transfer::{self, Means, Tell, Transfers, Whole};

/// Questions whether somebody may have a file, waiting for the loop; who has more waits.
const ASKED: usize = 64;
/// How often a source that was not reached is tried again at once because it was heard from:
/// whoever says much makes this node do no more.
const HEARD_EVERY: Duration = Duration::from_secs(5);

/// Somebody wants pieces of a file.
pub(super) struct Wanted {
    pub(super) peer: NodeId,
    /// Of which; none while it is only asked whether they may ask at all.
    pub(super) blob: Option<BlobId>,
    pub(super) may: oneshot::Sender<bool>,
}

/// Something the loop has to look at.
pub(super) enum FromMovers {
    Told(Told),
    Wanted(Wanted),
}

/// What the movers are made of.
pub(super) struct Ground {
    pub(super) me: NodeId,
    pub(super) seed: [u8; 32],
    pub(super) shelf: Shelf,
    pub(super) peers: Arc<Peers>,
    pub(super) incoming: Incoming,
    pub(super) hub: HubFiles,
}

/// The transfers, and what is known of the orders they have.
pub(super) struct Movers {
    shelf: Shelf,
    transfers: Transfers,
    /// The threads these run on; they end after them.
    _background: Threads,
    tells: mpsc::Receiver<Tell>,
    wanted: mpsc::Receiver<Wanted>,
    upkeep: Upkeep,
    kept_for: KeptFor,
    /// At most some for each file and each of its sources.
    orders: Latest<transfer::Order>,
    fetching: BTreeMap<u64, Fetching>,
    direct: BTreeSet<NodeId>,
    /// Sources that were tried again because they were heard from, and when; old ones go.
    heard: BTreeMap<NodeId, Instant>,
    /// The task that takes peers' streams; it ends with this.
    _door: JoinSet<()>,
}

struct Fetching {
    size: u64,
    hub: bool,
    sources: BTreeSet<NodeId>,
    paused: bool,
    first: bool,
}

impl Movers {
    pub(super) fn start(ground: Ground) -> Self {
        let Ground { me, seed, shelf, peers, incoming, hub } = ground;
        let (ask, wanted) = mpsc::channel(ASKED);
        let streams = Arc::new(Roads::new(Arc::clone(&peers), hub.clone()));
        let may = roads::permission(ask.clone());
        let means = Means { me, seed, shelf: shelf.clone(), streams, may };
        let background = background::start();
        let (transfers, tells) = background.begin(|| Transfers::start(means));
        let (mut door, within) = (JoinSet::new(), transfers.door());
        let keeper = Doorkeeper::new(ask, move |peer, opened| within.serve(peer, opened));
        door.spawn(roads::let_in(peers, incoming, keeper));
        let kept_for = KeptFor::new(hub.clone());
        let upkeep = Upkeep::new(hub, transfers.sealed());
        let (orders, fetching, direct) = (Latest::default(), BTreeMap::new(), BTreeSet::new());
        let (heard, _background, _door) = (BTreeMap::new(), background, door);
        Self {
            shelf,
            transfers,
            _background,
            tells,
            wanted,
            upkeep,
            kept_for,
            orders,
            fetching,
            direct,
            heard,
            _door,
        }
    }

    /// Where what is known about files is kept.
    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What happens next. May be given up.
    pub(super) async fn next(&mut self) -> FromMovers {
        loop {
            let orders = self.transfers.orders();
            let tell = tokio::select! {
                Some(tell) = self.tells.recv() => tell,
                told = self.upkeep.next() => return FromMovers::Told(told),
                told = self.kept_for.next() => return FromMovers::Told(told),
                Some(wanted) = self.wanted.recv() => return FromMovers::Wanted(wanted),
                Ok(place) = orders.reserve(), if !self.orders.is_empty() => {
                    if let Some(order) = self.orders.pop() {
                        place.send(order);
                    }
                    continue;
                }
                else => std::future::pending().await,
            };
            if let Some(told) = self.told(tell) {
                return FromMovers::Told(told);
            }
        }
    }

    /// What has happened already.
    pub(super) fn waiting(&mut self) -> Option<FromMovers> {
        self.hand_over();
        if let Ok(wanted) = self.wanted.try_recv() {
            return Some(FromMovers::Wanted(wanted));
        }
        while let Ok(tell) = self.tells.try_recv() {
            if let Some(told) = self.told(tell) {
                return Some(FromMovers::Told(told));
            }
        }
        None
    }

    /// Gives as many orders as are taken now.
    fn hand_over(&mut self) {
        while !self.orders.is_empty() {
            let Ok(place) = self.transfers.orders().try_reserve() else { return };
            let Some(order) = self.orders.pop() else { return };
            place.send(order);
        }
    }

    /// Ends. What came until now is durable then.
    pub(super) async fn stop(mut self) {
        self.hand_over();
        self.upkeep.stop().await;
        // Nobody takes what is told any more.
        drop((self.tells, self.wanted));
        self.transfers.stop().await;
    }

    pub(super) fn carry_out(&mut self, order: Order) {
        match order {
            Order::Seal { file, path } => {
                self.give(transfer::Order::Seal { file: FileId(file), path: PathBuf::from(path) });
            }
            Order::Serve(serve) => self.serve(*serve),
            Order::Unserve(file) => {
                self.upkeep.unserves(file);
                self.give(transfer::Order::Unserve { file: FileId(file) });
            }
            Order::Put(file) => self.upkeep.put(file),
            Order::TakeBack { file, blob } => self.upkeep.take_back(file, blob),
            Order::Fetch(fetch) => self.fetch(*fetch),
            Order::Hold(file) => self.hold(file, true),
            Order::Drop(dropped) => self.drop_file(*dropped),
            Order::Limit(rate) => {
                let down = Limits { rate, ..Limits::default() };
                self.give(transfer::Order::Limits { down, up: rate });
            }
            // These two are done beside the loop, before anything gets here.
            Order::Look(_) | Order::Discard { .. } => {}
        }
        self.hand_over();
    }

    fn give(&mut self, order: transfer::Order) {
        self.orders.push(order);
    }

    fn serve(&mut self, serve: Serve) {
        let Serve { file, blob, key, size, path, stamp } = serve;
        self.fetching.remove(&file);
        self.upkeep.serves(file, blob);
        let reference = Reference { blob, key, size };
        let whole = Whole { reference, path: PathBuf::from(path), stamp: Some(stamp.into()) };
        self.give(transfer::Order::Serve { file: FileId(file), whole });
    }

    fn fetch(&mut self, fetch: Fetch) {
        let (file, sources) = (fetch.file, fetch.sources.iter().copied().collect());
        if self.fetching.contains_key(&file) {
            // It lands where it was begun: that is settled in its row, and nothing else is ordered.
            self.hold(file, false);
            self.rank(file, fetch.first);
            return self.change_sources(file, sources);
        }
        let kinds = fetch.sources.iter().map(|peer| (SourceId::Node(*peer), self.kind(peer)));
        let hub = fetch.hub.then_some((SourceId::Hub, Kind::Hub));
        let order = transfer::Fetch {
            file: FileId(file),
            sources: kinds.chain(hub).collect(),
            reference: Reference { blob: fetch.blob, key: fetch.key, size: fetch.size },
            target: target(fetch.folder, fetch.name, fetch.manifest.map(Some)),
            priority: priority(fetch.first),
            paused: false,
        };
        let (size, hub, first) = (fetch.size, fetch.hub, fetch.first);
        self.fetching.insert(file, Fetching { size, hub, sources, paused: false, first });
        self.give(transfer::Order::Fetch(Box::new(order)));
    }

    fn hold(&mut self, file: u64, paused: bool) {
        let Some(fetching) = self.fetching.get_mut(&file) else { return };
        if core::mem::replace(&mut fetching.paused, paused) != paused {
            self.give(transfer::Order::Hold { file: FileId(file), paused });
        }
    }

    fn rank(&mut self, file: u64, first: bool) {
        let Some(fetching) = self.fetching.get_mut(&file) else { return };
        if core::mem::replace(&mut fetching.first, first) != first {
            self.give(transfer::Order::Rank { file: FileId(file), priority: priority(first) });
        }
    }

    fn change_sources(&mut self, file: u64, sources: BTreeSet<NodeId>) {
        let Some(fetching) = self.fetching.get_mut(&file) else { return };
        let before = core::mem::replace(&mut fetching.sources, sources.clone());
        for peer in sources.difference(&before) {
            self.point_to(file, *peer);
        }
        for peer in before.difference(&sources) {
            let source = SourceId::Node(*peer);
            self.give(transfer::Order::Lost { file: FileId(file), source });
        }
    }

    fn point_to(&mut self, file: u64, peer: NodeId) {
        let (source, kind) = (SourceId::Node(peer), self.kind(&peer));
        self.give(transfer::Order::Source { file: FileId(file), source, kind });
    }

    fn kind(&self, peer: &NodeId) -> Kind {
        if self.direct.contains(peer) { Kind::Direct } else { Kind::Relay }
    }

    /// A peer is reached directly from now on, or not any more.
    pub(super) fn way(&mut self, peer: NodeId, direct: bool) {
        let changed = if direct { self.direct.insert(peer) } else { self.direct.remove(&peer) };
        // Direct once more is another connection: what stood on the one before is to go on there.
        if changed || direct {
            let files = self.fetched_from(peer);
            files.into_iter().for_each(|file| self.point_to(file, peer));
            self.hand_over();
        }
    }

    /// A peer was heard from, so that it is reached: where it was not before, it may be now.
    pub(super) fn heard(&mut self, peer: NodeId) {
        let now = Instant::now();
        self.heard.retain(|_, at| now.duration_since(*at) < HEARD_EVERY);
        let files = self.fetched_from(peer);
        if files.is_empty() || self.heard.contains_key(&peer) {
            return;
        }
        self.heard.insert(peer, now);
        let source = SourceId::Node(peer);
        for file in files {
            self.give(transfer::Order::Heard { file: FileId(file), source });
        }
        self.hand_over();
    }

    /// The hub is reached again, and through it all who are not reached directly.
    pub(super) fn hub_is_back(&mut self) {
        self.upkeep.hub_is_back();
        let of = |(file, it): (&u64, &Fetching)| {
            let relayed = it.sources.difference(&self.direct).map(|peer| SourceId::Node(*peer));
            let all: Vec<_> = relayed.chain(it.hub.then_some(SourceId::Hub)).collect();
            (*file, all)
        };
        for (file, sources) in self.fetching.iter().map(of).collect::<Vec<_>>() {
            for source in sources {
                let kind = if source == SourceId::Hub { Kind::Hub } else { Kind::Relay };
                self.give(transfer::Order::Source { file: FileId(file), source, kind });
            }
        }
        self.hand_over();
    }

    /// Of which files a peer is a source.
    fn fetched_from(&self, peer: NodeId) -> Vec<u64> {
        let of = |(file, it): (&u64, &Fetching)| it.sources.contains(&peer).then_some(*file);
        self.fetching.iter().filter_map(of).collect()
    }

    fn drop_file(&mut self, dropped: Dropped) {
        let Dropped { file, blob, size, folder, name, is_folder, keep } = dropped;
        self.fetching.remove(&file);
        self.upkeep.unserves(file);
        let number = FileId(file);
        self.give(transfer::Order::Unserve { file: number });
        if let Some((blob, key)) = blob {
            let target = target(folder, name, is_folder.then_some(None));
            let reference = Reference { blob, key, size };
            self.give(transfer::Order::Drop { file: number, reference, target, keep });
        }
    }

    /// What the engine is told; nothing of what only the transfers know.
    fn told(&mut self, tell: Tell) -> Option<Told> {
        Some(match tell {
            Tell::Sealing { file, done, .. } => {
                let (file, sources) = (file.0, Vec::new());
                Told::Progress { file, bytes: done, rate: 0, sources, waits: None }
            }
            Tell::Sealed { file, sealed } => {
                let (blob, key, manifest) = (sealed.blob, sealed.key, sealed.manifest);
                let stamp = sealed.stamp.into();
                Told::Sealed { file: file.0, blob, key, stamp, manifest }
            }
            Tell::NotSealed { file, why } => Told::Failed { file: file.0, why: why.to_string() },
            Tell::Changed { file } => {
                self.upkeep.unserves(file.0);
                Told::Changed { file: file.0 }
            }
            Tell::Gone { file } => {
                self.upkeep.unserves(file.0);
                Told::Gone { file: file.0 }
            }
            Tell::Given { file, takers } => {
                let takers = takers.into_iter().map(taker).collect();
                Told::Given { file: file.0, takers }
            }
            Tell::Progress { file, progress } => {
                if matches!(progress.state, State::Stuck(Stuck::Unknown, _)) {
                    self.kept_for.ask();
                }
                self.progress(file.0, &progress)?
            }
            Tell::Blamed { file, source, .. } => {
                let peer = match source {
                    SourceId::Node(peer) => Some(peer),
                    SourceId::Hub => None,
                };
                Told::Blamed { file: file.0, peer }
            }
            Tell::Dropped { file } => Told::Dropped { file: file.0 },
            Tell::Done { file, path, stamp } => {
                self.fetching.remove(&file.0);
                let (file, path) = (file.0, path.to_string_lossy().into_owned());
                Told::Done { file, path, stamp: stamp.into() }
            }
            Tell::Failed { file, why } => {
                self.fetching.remove(&file.0);
                Told::Failed { file: file.0, why: why.to_string() }
            }
        })
    }

    fn progress(&self, file: u64, progress: &Progress) -> Option<Told> {
        let size = self.fetching.get(&file)?.size;
        // Whoever looks wants bytes of the file, and not of its sealed form.
        let share = u128::from(progress.here) * u128::from(size);
        let bytes = share.checked_div(u128::from(progress.of)).unwrap_or(0);
        let bytes = u64::try_from(bytes).unwrap_or(size).min(size);
        if progress.state == State::Queued {
            return Some(Told::Queued { file, bytes });
        }
        let open = progress.sources.iter().filter(|source| source.open && source.rate > 0);
        let sources = open.map(|source| match (source.source, source.kind) {
            (SourceId::Hub, _) => (None, Path::Stored),
            (SourceId::Node(peer), Kind::Direct) => (Some(peer), Path::Direct),
            (SourceId::Node(peer), _) => (Some(peer), Path::Relay),
        });
        let sources: Vec<_> = sources.collect();
        // What nobody gives any more has no speed, however recently somebody did.
        let rate = if sources.is_empty() { 0 } else { progress.rate };
        Some(Told::Progress { file, bytes, rate, sources, waits: waits(&progress.state) })
    }
}

fn taker(taker: transfer::Taker) -> Taker {
    let transfer::Taker { to, direct, bytes, rate } = taker;
    let path = match (to, direct) {
        (None, _) => Path::Stored,
        (Some(_), true) => Path::Direct,
        (Some(_), false) => Path::Relay,
    };
    Taker { to, path, bytes, rate }
}

fn priority(first: bool) -> Priority {
    if first { Priority::High } else { Priority::Normal }
}

/// For a folder: how long its list is to be, where that is known.
fn target(folder: String, name: FileName, list: Option<Option<u32>>) -> Target {
    let form = list.map_or(Form::File, |manifest| Form::Folder { manifest });
    Target { folder: PathBuf::from(folder), name, form }
}

/// Why a file waits. It goes on by itself when somebody gives of it: whatever those say who were
/// asked until now, their word alone ends nothing.
fn waits(state: &State) -> Option<&'static str> {
    match state {
        State::Stuck(why, _) => Some(words(*why)),
        State::Queued | State::Fetching | State::Paused => None,
    }
}

/// Why nothing comes, and what may help.
fn words(why: Stuck) -> &'static str {
    match why {
        Stuck::StoreFailing => {
            "this machine's disk is full or fails; make room, and it goes on by itself"
        }
        Stuck::NoSource | Stuck::Unreachable => {
            "nobody who has it is connected; it goes on when somebody is"
        }
        Stuck::OtherLength => {
            "those who were asked know it with another length; ask its sender to send it again, or \
             wait for somebody else who has it"
        }
        Stuck::AllLied => "all who were asked sent false pieces; it goes on with others",
        Stuck::Changed => {
            "the file changed where it came from; ask its sender to send it again, or wait for \
             somebody else who has it"
        }
        Stuck::Refused => "those who have it give nothing just now; it is tried again",
        Stuck::Unknown => {
            "nobody who is connected has it any more; wait for its sender, or ask for it again"
        }
        Stuck::Missing => {
            "those who are connected have no more of it than you; it goes on with others"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_those_say_who_were_asked_a_file_waits_for_others_and_says_why() {
        for why in [
            Stuck::StoreFailing,
            Stuck::NoSource,
            Stuck::OtherLength,
            Stuck::AllLied,
            Stuck::Changed,
            Stuck::Refused,
            Stuck::Unknown,
            Stuck::Missing,
            Stuck::Unreachable,
        ] {
            assert!(waits(&State::Stuck(why, None)).is_some(), "{why:?}");
        }
        for state in [State::Queued, State::Fetching, State::Paused] {
            assert!(waits(&state).is_none(), "{state:?}");
        }
    }
}
