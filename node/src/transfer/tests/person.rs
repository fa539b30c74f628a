//! Somebody with a disk and transfers, and the pipes between several of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hubbub_shared::blob::Blob;
use hubbub_shared::content::file_name::FileName;
use hubbub_shared::crypto::stream::FileKey;
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::id::NodeId;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::transfer::disk::{Form, Reference, Shelf, Stamp, Target};
use crate::transfer::order::{Failure, Fetch, Order, Tell};
use crate::transfer::plan::{FileId, Kind, Priority, SourceId};
use crate::transfer::streams::{Opened, Opening, Streams, Way};
use crate::transfer::{Means, Transfers, Whole};

/// Bytes in a pipe.
pub(super) const PIPE: usize = 256 * 1024;
/// What takes longer than this on a slow machine does not happen.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const ALICE: u8 = 1;
pub(super) const BOB: u8 = 2;
pub(super) const CAROL: u8 = 3;
pub(super) const MALLORY: u8 = 4;

pub(super) fn node(n: u8) -> NodeId {
    Identity::from_seed(Secret32::from_bytes([n; 32])).id()
}

pub(super) fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()[5] ^ n.to_be_bytes()[6]).collect()
}

/// What a node runs in. Where it is dropped, the node is gone, and what was on its way to the disk
/// has come there.
pub(super) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What takes a stream that somebody opened.
type Taker = Box<dyn Fn(NodeId, Way) + Send + Sync>;

/// Who reaches whom.
#[derive(Clone, Default)]
pub(super) struct Switch(Arc<Mutex<BTreeMap<NodeId, Taker>>>);

impl Switch {
    pub(super) fn put(&self, n: u8, taker: impl Fn(NodeId, Way) + Send + Sync + 'static) {
        self.0.lock().unwrap().insert(node(n), Box::new(taker));
    }

    pub(super) fn remove(&self, n: u8) {
        self.0.lock().unwrap().remove(&node(n));
    }
}

struct Wire(Switch, NodeId);

impl Streams for Wire {
    fn open(&self, peer: NodeId) -> Opening<'_> {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let opened = self.0.0.lock().unwrap().get(&peer).map(|take| take(self.1, Box::new(theirs)));
        Box::pin(async move {
            opened.ok_or(io::ErrorKind::NotConnected)?;
            Ok(Opened { way: Box::new(ours), direct: true })
        })
    }

    fn open_hub(&self) -> Opening<'_> {
        Box::pin(async { Err(io::ErrorKind::NotConnected.into()) })
    }
}

/// A file as a message would offer it.
pub(super) struct Offer {
    pub(super) blob: Blob,
    key: FileKey,
    pub(super) size: u64,
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

impl Offer {
    pub(super) fn reference(&self) -> Reference {
        Reference { blob: self.blob, key: self.key.duplicate(), size: self.size }
    }

    pub(super) fn copied(&self) -> Self {
        let Self { blob, size, stamp, .. } = *self;
        Self { blob, key: self.key.duplicate(), size, path: self.path.clone(), stamp }
    }

    pub(super) fn with_key(mut self, key: u8) -> Self {
        self.key = FileKey::from_parts(Secret32::from_bytes([key; 32]), [0; 16]);
        self
    }
}

/// A disk that outlives who uses it.
pub(super) struct Home(TempDir);

impl Home {
    pub(super) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.downloads()).unwrap();
        home
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn downloads(&self) -> PathBuf {
        self.0.path().join("downloads")
    }

    pub(super) fn shelf(&self) -> PathBuf {
        self.0.path().join("files")
    }

    pub(super) fn target(&self, name: &str) -> Target {
        Target { folder: self.downloads(), name: FileName::clean(name), form: Form::File }
    }

    pub(super) fn names(&self) -> Vec<String> {
        let all = fs::read_dir(self.downloads()).unwrap();
        let mut names: Vec<_> =
            all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Somebody.
pub(super) struct Person {
    pub(super) transfers: Transfers,
    tells: mpsc::Receiver<Tell>,
}

impl Person {
    pub(super) fn new(n: u8, home: &Home, switch: &Switch) -> Self {
        Self::with(n, home, switch, |_| true)
    }

    pub(super) fn with(
        n: u8,
        home: &Home,
        switch: &Switch,
        may: impl Fn(&NodeId) -> bool + Send + Sync + 'static,
    ) -> Self {
        let (transfers, tells) = Transfers::start(Means {
            me: node(n),
            seed: [n; 32],
            shelf: Shelf::open(home.shelf()).unwrap(),
            streams: Arc::new(Wire(switch.clone(), node(n))),
            may: Box::new(move |peer, _| Box::pin(std::future::ready(may(&peer)))),
        });
        let door = transfers.door();
        switch.put(n, move |peer, way| door.serve(peer, Opened { way, direct: true }));
        Self { transfers, tells }
    }

    /// Seals a file and serves it.
    pub(super) async fn offer(&mut self, home: &Home, content: &[u8]) -> Offer {
        let path = home.path().join(format!("{}", content.len()));
        fs::write(&path, content).unwrap();
        self.offer_path(FileId(1_000 + content.len() as u64), path).await
    }

    /// The same with what is at a path.
    pub(super) async fn offer_path(&mut self, file: FileId, path: PathBuf) -> Offer {
        self.transfers.order(Order::Seal { file, path: path.clone() }).await;
        let offer = loop {
            match self.told().await {
                Tell::Sealed { sealed, .. } => {
                    let (blob, key, stamp) = (sealed.blob, sealed.key, sealed.stamp);
                    break Offer { blob, key, size: stamp.size, path, stamp };
                }
                Tell::NotSealed { why, .. } => panic!("{why}"),
                _ => {}
            }
        };
        self.serve(file, &offer).await;
        offer
    }

    pub(super) async fn serve(&self, file: FileId, offer: &Offer) {
        let (path, stamp) = (offer.path.clone(), Some(offer.stamp));
        let whole = Whole { reference: offer.reference(), path, stamp };
        self.transfers.order(Order::Serve { file, whole }).await;
    }

    /// Wants a file from these.
    pub(super) async fn want(&self, file: u64, offer: &Offer, target: Target, sources: &[u8]) {
        let kind = |n: &u8| (SourceId::Node(node(*n)), Kind::Direct);
        let fetch = Fetch {
            file: FileId(file),
            reference: offer.reference(),
            target,
            sources: sources.iter().map(kind).collect(),
            priority: Priority::Normal,
            paused: false,
        };
        self.transfers.order(Order::Fetch(Box::new(fetch))).await;
    }

    pub(super) async fn told(&mut self) -> Tell {
        timeout(PATIENCE, self.tells.recv()).await.expect("in time").expect("not ended")
    }

    /// The next thing that is of interest to somebody.
    pub(super) async fn until<T>(&mut self, mut interest: impl FnMut(Tell) -> Option<T>) -> T {
        let found = async {
            loop {
                let told = self.told().await;
                if let Some(found) = interest(told) {
                    return found;
                }
            }
        };
        // Progress is told all the time, whatever comes.
        timeout(2 * PATIENCE, found).await.expect("in time")
    }

    pub(super) async fn done(&mut self, wanted: u64) -> Result<PathBuf, Failure> {
        self.until(|tell| match tell {
            Tell::Done { file, path, .. } if file == FileId(wanted) => Some(Ok(path)),
            Tell::Failed { file, why } if file == FileId(wanted) => Some(Err(why)),
            _ => None,
        })
        .await
    }
}
