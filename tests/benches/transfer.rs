//! What a file takes from one node to another on a QUIC connection of their own, beside the least
//! that it can take.
//!
//! 256 MiB from a file to a file, both in memory, so that it is the code that is measured and not
//! a disk. `bare`: a stream of quinn's, read and thrown away. `sealed`: the same stream by a
//! plain loop at each end that reads the file, seals with the crates alone and hashes; hashes,
//! opens and writes: no tree, no questions, no comparison, nothing kept for a restart. `ours`:
//! whole transfers, from the order to the word that the file is durable and has its name. All with
//! TLS and windows as between two nodes.
//!
//! `cargo bench --workspace --bench transfer`

// A benchmark: it prints, and what does not work ends it.
#![allow(missing_docs, clippy::print_stdout)]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use hubbub_node::transfer::disk::{Form, Reference, Shelf, Target};
use hubbub_node::transfer::plan::{FileId, Kind, Priority, SourceId};
use hubbub_node::transfer::streams::{Opened, Opening, Streams};
use hubbub_node::transfer::{Fetch, Means, Order, Tell, Transfers, Whole};
use hubbub_shared::blob::Blob;
use hubbub_shared::content::file_name::FileName;
use hubbub_shared::crypto::stream::FileKey;
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::id::NodeId;
use hubbub_tests::echo;
use hubbub_tests::measure::{Case, in_turn, machine};
use hubbub_tests::near;
use hubbub_tests::raw_node::dial_with;
use quinn::{Connection, TransportConfig, VarInt};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tokio::io::join;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

const SIZE: usize = 256 * 1024 * 1024;
const ROUNDS: usize = 9;
/// Text in a piece, and what sealing adds.
const BODY: usize = 65_520;
const TAG: usize = 16;
/// Windows of direct connections (`node/src/net/tls.rs`).
const STREAM_WINDOW: u32 = 1 << 20;
const WINDOW: u32 = 8 << 20;
/// In memory.
const MEMORY: &str = "/dev/shm";

fn main() {
    println!("{}\n", machine());
    let folder = tempfile::tempdir_in(MEMORY).unwrap();
    let content = folder.path().join("content");
    {
        let mut bytes = vec![0; SIZE];
        ChaCha20Rng::seed_from_u64(1).fill_bytes(&mut bytes);
        std::fs::write(&content, bytes).unwrap();
    }
    let (hers, his) = (runtime(), runtime());
    let (server, client) = connect(&hers, &his);
    let ends = Ends { hers: &hers, his: &his, server: &server, client: &client };
    let target = folder.path().join("plain");
    let mut pair = Pair::new(&hers, &his, folder.path(), &content);
    let rounds = in_turn(
        ROUNDS,
        &mut [
            Case::new("bare", || timed(|| ends.bare())),
            Case::new("sealed", || timed(|| ends.sealed(&content, &target))),
            Case::new("ours", || timed(|| pair.transfer())),
        ],
    );
    println!("| | MiB/s | ÷ bare | ÷ sealed |\n|---|---|---|---|");
    for (case, name) in ["bare", "sealed", "ours"].into_iter().enumerate() {
        let rate = 256.0 / rounds.figure(case).median;
        println!("| {name} | {rate:.0} | {} | {} |", rounds.ratio(0, case), rounds.ratio(1, case));
    }
    println!("\n{}", machine());
}

fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn person(n: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([n; 32]))
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .max_idle_timeout(None);
    near::search(&mut transport);
    transport
}

/// Alice's end of a connection that bob dials, and his.
fn connect(hers: &Runtime, his: &Runtime) -> (Connection, Connection) {
    let mut config = echo::config(&person(1));
    config.transport_config(Arc::new(transport()));
    let endpoint = hers.block_on(async { near::endpoint(Some(config)) });
    let at = endpoint.local_addr().unwrap();
    let accepting = hers.spawn(async move { endpoint.accept().await.unwrap().await.unwrap() });
    let client = his.block_on(dial_with(at, person(1).hub_id(), transport()));
    (hers.block_on(accepting).unwrap(), client)
}

struct Ends<'a> {
    hers: &'a Runtime,
    his: &'a Runtime,
    server: &'a Connection,
    client: &'a Connection,
}

impl Ends<'_> {
    fn bare(&self) {
        let server = self.server.clone();
        let sending = self.hers.spawn(async move {
            let (mut send, _) = server.accept_bi().await.unwrap();
            let chunk = vec![7; 64 * 1024];
            for _ in 0..SIZE / chunk.len() {
                send.write_all(&chunk).await.unwrap();
            }
            send.finish().unwrap();
        });
        let client = self.client.clone();
        let reading = self.his.spawn(async move {
            let (mut send, mut recv) = client.open_bi().await.unwrap();
            send.write_all(&[1]).await.unwrap();
            let mut got = 0;
            while let Some(chunk) = recv.read_chunk(usize::MAX, true).await.unwrap() {
                got += chunk.bytes.len();
            }
            assert_eq!(got, SIZE);
        });
        self.his.block_on(reading).unwrap();
        self.hers.block_on(sending).unwrap();
    }

    fn sealed(&self, from: &Path, to: &Path) {
        let (server, from) = (self.server.clone(), File::open(from).unwrap());
        let sending = self.hers.spawn(async move {
            let (mut send, _) = server.accept_bi().await.unwrap();
            let (mut part, mut out) = (vec![0; BODY], vec![0; BODY + TAG]);
            let cipher = ChaCha20Poly1305::new(&[7; 32].into());
            for at in (0..SIZE).step_by(BODY) {
                let len = BODY.min(SIZE - at);
                from.read_exact_at(&mut part[..len], at as u64).unwrap();
                let buffer = InOutBuf::new(&part[..len], &mut out[..len]).unwrap();
                let tag = cipher.encrypt_inout_detached(&nonce(at), b"", buffer).unwrap();
                out[len..len + TAG].copy_from_slice(&tag);
                std::hint::black_box(blake3::hash(&out[..len + TAG]));
                send.write_all(&out[..len + TAG]).await.unwrap();
            }
            send.finish().unwrap();
        });
        std::fs::remove_file(to).ok();
        let to = File::options().read(true).write(true).create_new(true).open(to).unwrap();
        let client = self.client.clone();
        let reading = self.his.spawn(async move {
            let (mut send, mut recv) = client.open_bi().await.unwrap();
            send.write_all(&[1]).await.unwrap();
            let (mut sealed, mut part) = (vec![0; BODY + TAG], vec![0; BODY]);
            let cipher = ChaCha20Poly1305::new(&[7; 32].into());
            for at in (0..SIZE).step_by(BODY) {
                let len = BODY.min(SIZE - at);
                recv.read_exact(&mut sealed[..len + TAG]).await.unwrap();
                std::hint::black_box(blake3::hash(&sealed[..len + TAG]));
                let tag = Tag::try_from(&sealed[len..len + TAG]).unwrap();
                let buffer = InOutBuf::new(&sealed[..len], &mut part[..len]).unwrap();
                cipher.decrypt_inout_detached(&nonce(at), b"", buffer, &tag).unwrap();
                to.write_all_at(&part[..len], at as u64).unwrap();
            }
        });
        self.his.block_on(reading).unwrap();
        self.hers.block_on(sending).unwrap();
    }
}

fn nonce(at: usize) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&(at as u64).to_be_bytes());
    nonce.into()
}

/// Opens streams on bob's end of the connection.
struct OneWay(Connection);

impl Streams for OneWay {
    fn open(&self, _: NodeId) -> Opening<'_> {
        Box::pin(async {
            let (send, recv) = self.0.open_bi().await?;
            Ok(Opened { way: Box::new(join(recv, send)), direct: true })
        })
    }

    fn open_hub(&self) -> Opening<'_> {
        Box::pin(async { Err(io::ErrorKind::NotConnected.into()) })
    }
}

/// Alice who serves and bob who fetches.
struct Pair<'a> {
    his: &'a Runtime,
    offer: Offer,
    downloads: PathBuf,
    bob: Transfers,
    told: mpsc::Receiver<Tell>,
    file: u64,
}

struct Offer {
    blob: Blob,
    key: FileKey,
}

impl Offer {
    fn reference(&self) -> Reference {
        Reference { blob: self.blob, key: self.key.duplicate(), size: SIZE as u64 }
    }
}

impl<'a> Pair<'a> {
    fn new(hers: &Runtime, his: &'a Runtime, folder: &Path, content: &Path) -> Self {
        let (server, client) = connect(hers, his);
        let offer = hers.block_on(serve(server, folder, content));
        let (bob, told) = his.block_on(async { start(client, 2, folder) });
        let downloads = folder.join("downloads");
        std::fs::create_dir(&downloads).unwrap();
        Self { his, offer, downloads, bob, told, file: 0 }
    }

    fn transfer(&mut self) {
        self.file += 1;
        let (file, reference) = (FileId(self.file), self.offer.reference());
        let (folder, name) = (self.downloads.clone(), FileName::clean("x"));
        let target = Target { folder, name, form: Form::File };
        let fetch = Fetch {
            file,
            reference: self.offer.reference(),
            target: target.clone(),
            sources: vec![(SourceId::Node(person(1).id()), Kind::Direct)],
            priority: Priority::Normal,
            paused: false,
        };
        self.his.block_on(async {
            self.bob.order(Order::Fetch(Box::new(fetch))).await;
            let path = loop {
                match self.told.recv().await.unwrap() {
                    Tell::Done { path, .. } => break path,
                    Tell::Failed { why, .. } => panic!("{why}"),
                    _ => {}
                }
            };
            std::fs::remove_file(path).unwrap();
            self.bob.order(Order::Unserve { file }).await;
            self.bob.order(Order::Drop { file, reference, target, keep: false }).await;
        });
    }
}

async fn serve(connection: Connection, folder: &Path, content: &Path) -> Offer {
    let (alice, mut told) = start(connection.clone(), 1, folder);
    let (file, path) = (FileId(1), content.to_owned());
    alice.order(Order::Seal { file, path: path.clone() }).await;
    let began = Instant::now();
    let (offer, stamp) = loop {
        match told.recv().await.unwrap() {
            Tell::Sealed { sealed, .. } => {
                break (Offer { blob: sealed.blob, key: sealed.key }, Some(sealed.stamp));
            }
            Tell::NotSealed { why, .. } => panic!("{why}"),
            _ => {}
        }
    };
    println!("sealed for the first time: {:.0} MiB/s\n", 256.0 / began.elapsed().as_secs_f64());
    let whole = Whole { reference: offer.reference(), path, stamp };
    alice.order(Order::Serve { file, whole }).await;
    tokio::spawn(async move {
        let _told = told;
        while let Ok((send, recv)) = connection.accept_bi().await {
            let opened = Opened { way: Box::new(join(recv, send)), direct: true };
            alice.door().serve(person(2).id(), opened);
        }
    });
    offer
}

fn start(connection: Connection, n: u8, folder: &Path) -> (Transfers, mpsc::Receiver<Tell>) {
    Transfers::start(Means {
        me: person(n).id(),
        seed: [n; 32],
        shelf: Shelf::open(folder.join(format!("files-{n}"))).unwrap(),
        streams: Arc::new(OneWay(connection)),
        may: Box::new(|_, _| Box::pin(std::future::ready(true))),
    })
}
