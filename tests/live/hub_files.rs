//! Files at a hub that is a process of its own, and is killed.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hubbub_node::net::{FilesError, HubFiles, HubLink, LinkInput, LinkSettings, SealedSource};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::id::HubId;
use hubbub_tests::blobs::{Bytes, fetch};
use hubbub_tests::hub::Hub;
use hubbub_tests::process::Stage;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 64 * MIB;
const KILLS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// A source that says how far it was read.
struct Watched {
    bytes: Bytes,
    reached: watch::Sender<u64>,
}

impl SealedSource for Watched {
    async fn read(&mut self, from: u64, bytes: usize) -> io::Result<Vec<u8>> {
        if from > *self.reached.borrow() {
            self.reached.send_replace(from);
        }
        self.bytes.read(from, bytes).await
    }
}

/// A link that comes back whenever it can.
fn link(hub: &Hub<'_>, seed: u8) -> (HubFiles, JoinHandle<()>) {
    let status = hub.run(&["status", "--json"]).fine().json();
    let pin = HubId::from_text(status[0]["hub"].as_str().unwrap()).unwrap();
    let identity = Arc::new(Identity::from_seed(Secret32::from_bytes([seed; 32])));
    let addresses = vec![hub.address().to_owned()];
    let settings = LinkSettings { addresses, hub: pin, admission: None, identity };
    let mut link = HubLink::start(settings).unwrap();
    let files = link.files();
    let task = tokio::spawn(async move {
        let mut queue: Option<mpsc::Sender<_>> = None;
        while let Some(input) = link.recv().await {
            if let LinkInput::Up(_, frames) = input {
                drop(queue.replace(frames));
            }
        }
    });
    (files, task)
}

/// Puts until it is kept, however often the way breaks.
async fn put(files: HubFiles, mut source: Watched) -> Watched {
    loop {
        let blob = source.bytes.blob;
        match files.put(&blob, &mut source).await {
            Ok(_) => return source,
            Err(FilesError::NoHub | FilesError::Broken(_) | FilesError::Busy { .. }) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_while_a_file_comes_asks_for_next_to_nothing_again() {
    let stage = Stage::new();
    let mut hub = Hub::with(&stage, &["access.open=true", "files.reserve_mib=0"]);
    let (alice, _alices) = link(&hub, 1);
    let file = Bytes::of(SIZE, 1);
    let (reached, mut progress) = watch::channel(0);
    let sealed = file.blob.shape.sealed();
    let putting = tokio::spawn(put(alice, Watched { bytes: file.clone(), reached }));
    for kill in 1..=KILLS {
        let there = progress.wait_for(|at| *at >= kill * sealed / (KILLS + 1));
        tokio::time::timeout(PATIENCE, there).await.unwrap().unwrap();
        hub.kill9();
        hub.restart();
    }
    let done = tokio::time::timeout(PATIENCE, putting).await.unwrap().unwrap();
    let again = done.bytes.given.1 - sealed;
    println!("{KILLS} kills over {SIZE} bytes: {again} bytes were read again by the sender");
    // A kill loses what is in the hands of sender, network and hub: less than two steps and a
    // window each.
    assert!(again < KILLS * 4 * MIB, "{again} bytes were sent again");
    // Kept means kept: killed once more, it is all there.
    hub.kill9();
    hub.restart();
    let (bob, _bobs) = link(&hub, 2);
    let since = Instant::now();
    let fetched = async {
        loop {
            match bob.open().await {
                Ok(mut stream) => return fetch(&mut stream, &file.blob).await.unwrap(),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let fetched = tokio::time::timeout(PATIENCE, fetched).await.unwrap();
    println!("fetched {sealed} bytes in {:?}", since.elapsed());
    assert!(fetched == file.bytes, "other bytes came");
    let status = hub.run(&["status"]).fine().stdout;
    assert!(status.contains(&format!("files        1, {} MiB", sealed.div_ceil(MIB))), "{status}");
    let (used, most) = hub.memory_kib();
    println!("the hub has {used} KiB of memory, had {most} at most");
    assert!(most < 40 * 1024, "{most} KiB of memory for a file of {SIZE} bytes");
}
