//! Files left at a real hub over loopback, by the node's own client: kept, fetched, refused before
//! they are sent, gone on with where they broke off.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hubbub_hub::config::{Files, Limits};
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_node::net::{FilesError, HubFiles, HubLink, HubStream, LinkInput, LinkSettings};
use hubbub_shared::blob::{Blob, Shape};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::limits::PIECE;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::ToHub;
use hubbub_shared::wire::pieces::PieceRefusal;
use hubbub_tests::blobs::{Bytes, fetch, have};
use hubbub_tests::ports;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);
const MIB: u64 = 1024 * 1024;

/// No test depends on how full this machine's disk is: shares that fit on it in any case.
fn settings() -> Files {
    Files { identity_mib: 256, reserve_mib: 0, ..Files::default() }
}

async fn hub_at(dir: &Path, listen: &str, files: Files) -> Running {
    let (dir, listen) = (dir.to_owned(), listen.parse().unwrap());
    let limits = Limits::default();
    serve(ServeOptions { dir, listen, open: true, limits, files }).await.unwrap()
}

async fn hub(dir: &Path, files: Files) -> Running {
    hub_at(dir, &ports::own().to_string(), files).await
}

/// Somebody whose link is up.
struct Person {
    files: HubFiles,
    /// The link lives as long as somebody listens to it and its queue does.
    _link: tokio::task::JoinHandle<()>,
}

impl Person {
    async fn at(hub: &Running, seed: u8) -> Self {
        let identity = Arc::new(Identity::from_seed(Secret32::from_bytes([seed; 32])));
        let (addresses, hub) = (vec![hub.local_addr.to_string()], hub.hub);
        let mut link =
            HubLink::start(LinkSettings { addresses, hub, admission: None, identity }).unwrap();
        let files = link.files();
        let (up, mut is_up) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            let mut queue: Option<mpsc::Sender<ToHub>> = None;
            while let Some(input) = link.recv().await {
                if let LinkInput::Up(_, frames) = input {
                    drop(queue.replace(frames));
                    up.try_send(()).ok();
                }
            }
        });
        tokio::time::timeout(PATIENCE, is_up.recv()).await.unwrap().unwrap();
        Self { files, _link: task }
    }

    async fn fetch(&self, blob: &Blob) -> Result<Vec<u8>, PieceRefusal> {
        fetch(&mut self.open().await, blob).await
    }

    /// Opens a stream as soon as the link is up again.
    async fn open(&self) -> HubStream {
        let opening = async {
            loop {
                match self.files.open().await {
                    Err(FilesError::NoHub) => tokio::time::sleep(Duration::from_millis(20)).await,
                    opened => return opened.unwrap(),
                }
            }
        };
        tokio::time::timeout(PATIENCE, opening).await.unwrap()
    }

    /// Puts a blob as soon as the link is up again.
    async fn put(&self, bytes: &mut Bytes) -> Result<Timestamp, FilesError> {
        let blob = bytes.blob;
        let putting = async {
            loop {
                match self.files.put(&blob, bytes).await {
                    Err(FilesError::NoHub | FilesError::Busy { .. } | FilesError::Broken(_)) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    other => return other,
                }
            }
        };
        tokio::time::timeout(PATIENCE, putting).await.unwrap()
    }
}

/// What is in the hub's folder of files.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("files")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn what_alice_left_is_fetched_by_bob_and_every_piece_of_it_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), settings()).await;
    let (alice, bob) = (Person::at(&hub, 1).await, Person::at(&hub, 2).await);
    for size in [0, 70_000, 5 * MIB, 21 * MIB] {
        let mut file = Bytes::of(size, 1);
        assert_eq!(bob.fetch(&file.blob).await, Err(PieceRefusal::Unknown));
        let until = alice.put(&mut file).await.unwrap();
        assert!(until > hub_clock() + Millis::days(13));
        assert!(bob.fetch(&file.blob).await.unwrap() == file.bytes, "other bytes came");
        // Again, it is there already: not a byte is sent.
        file.given = (None, 0);
        alice.put(&mut file).await.unwrap();
        assert_eq!(file.given, (None, 0));
    }
    hub.stop().await;
}

fn hub_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_broke_goes_on_where_it_was_also_after_the_hub_was_started_anew() {
    let dir = tempfile::tempdir().unwrap();
    let running = hub(dir.path(), settings()).await;
    let (alice, bob) = (Person::at(&running, 1).await, Person::at(&running, 2).await);
    let mut file = Bytes::of(12 * MIB, 1);
    file.fails_at = Some(4 * MIB);
    assert!(matches!(alice.put(&mut file).await, Err(FilesError::Source(_))));
    assert_eq!(bob.fetch(&file.blob).await, Err(PieceRefusal::Unknown), "not before it is whole");
    (file.fails_at, file.given) = (Some(9 * MIB), (None, 0));
    assert!(matches!(alice.put(&mut file).await, Err(FilesError::Source(_))));
    assert_eq!(file.given, (Some(4 * MIB), 5 * MIB));
    // What she sent may still be on its way.
    let came = async {
        while size_of(dir.path(), ".part") < 9 * MIB {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, came).await.unwrap();
    let address = running.local_addr.to_string();
    running.stop().await;
    let hub = hub_at(dir.path(), &address, settings()).await;
    (file.fails_at, file.given) = (None, (None, 0));
    alice.put(&mut file).await.unwrap();
    let sealed = file.blob.shape.sealed();
    assert_eq!(file.given, (Some(9 * MIB), sealed - 9 * MIB));
    assert!(bob.fetch(&file.blob).await.unwrap() == file.bytes);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_it_was_said_to_be_is_refused_and_nothing_of_it_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), settings()).await;
    let (mallory, alice) = (Person::at(&hub, 66).await, Person::at(&hub, 1).await);
    let mut file = Bytes::of(3 * MIB, 1);
    let mut other = file.clone();
    other.bytes[2_000_000] ^= 1;
    assert!(matches!(mallory.put(&mut other).await, Err(FilesError::WrongBytes)));
    assert_eq!(names(dir.path()), Vec::<String>::new());
    let limits = mallory.files.limits().await.unwrap();
    assert_eq!(limits.left, limits.quota);
    assert_eq!(alice.fetch(&file.blob).await, Err(PieceRefusal::Unknown));
    alice.put(&mut file).await.unwrap();
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hub_does_not_take_is_said_before_a_byte_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = Files { largest_mib: 3, identity_mib: 4, total_mib: 6, ..settings() };
    let hub = hub(dir.path(), bounds).await;
    let (alice, bob) = (Person::at(&hub, 1).await, Person::at(&hub, 2).await);
    let told = alice.files.limits().await.unwrap();
    let largest = Shape::of(3 * MIB).unwrap().sealed();
    assert_eq!((told.on, told.largest, told.quota, told.left), (true, largest, 4 * MIB, 4 * MIB));
    assert_eq!(told.keep, Millis::days(14));
    let mut large = Bytes::of(3 * MIB + 200_000, 1);
    let error = alice.put(&mut large).await.unwrap_err();
    assert!(
        error.to_string().starts_with("the hub keeps files of up to 3 MiB; this one has 3.2 MiB")
    );
    alice.put(&mut Bytes::of(2 * MIB + MIB / 2, 2)).await.unwrap();
    let mut more = Bytes::of(2 * MIB, 3);
    let error = alice.put(&mut more).await.unwrap_err();
    assert!(matches!(error, FilesError::NoQuota { left, .. } if left < 2 * MIB), "{error}");
    bob.put(&mut Bytes::of(2 * MIB, 4)).await.unwrap();
    let mut full = Bytes::of(3 * MIB / 2, 5);
    let error = bob.put(&mut full).await.unwrap_err();
    assert!(matches!(error, FilesError::Full { left } if left < 3 * MIB / 2), "{error}");
    assert_eq!(bob.files.limits().await.unwrap().left, 6 * MIB - size_of(dir.path(), ".blob"));
    for refused in [large, more, full] {
        assert_eq!(refused.given, (None, 0));
    }
    hub.stop().await;
}

/// Bytes of the files with this ending.
fn size_of(dir: &Path, ending: &str) -> u64 {
    let found = names(dir).into_iter().filter(|name| name.ends_with(ending));
    found.map(|name| std::fs::metadata(dir.join("files").join(name)).unwrap().len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_full_disk_refuses_new_files_first() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), Files { reserve_mib: u32::MAX, ..settings() }).await;
    let alice = Person::at(&hub, 1).await;
    assert_eq!(alice.files.limits().await.unwrap().left, 0);
    let refused = alice.put(&mut Bytes::of(10, 1)).await;
    assert!(matches!(refused, Err(FilesError::Full { left: 0 })));
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_started_anew_has_what_it_kept_and_no_longer_what_was_over() {
    let dir = tempfile::tempdir().unwrap();
    let first = hub(dir.path(), settings()).await;
    let address = first.local_addr.to_string();
    let mut file = Bytes::of(3 * MIB, 1);
    Person::at(&first, 1).await.put(&mut file).await.unwrap();
    first.stop().await;
    // What a crash leaves behind belongs to nothing, and goes.
    std::fs::write(dir.path().join("files/00.blob"), b"half").unwrap();
    std::fs::write(dir.path().join("files/00.new"), b"half").unwrap();
    let second = hub_at(dir.path(), &address, Files { keep_days: 0, ..settings() }).await;
    assert_eq!(names(dir.path()).len(), 3);
    let bob = Person::at(&second, 2).await;
    assert!(bob.fetch(&file.blob).await.unwrap() == file.bytes);
    // Bob's own is over as soon as it is there.
    let short = Bytes::of(10, 2);
    bob.put(&mut short.clone()).await.unwrap();
    assert_eq!(names(dir.path()).len(), 6);
    second.stop().await;
    let third = hub_at(dir.path(), &address, settings()).await;
    assert_eq!(names(dir.path()).len(), 3);
    let carol = Person::at(&third, 3).await;
    assert_eq!(carol.fetch(&short.blob).await, Err(PieceRefusal::Unknown));
    assert!(carol.fetch(&file.blob).await.is_ok());
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_its_blob_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let first = hub(dir.path(), settings()).await;
    let mut file = Bytes::of(3 * MIB, 1);
    Person::at(&first, 1).await.put(&mut file).await.unwrap();
    first.stop().await;
    let blob = names(dir.path()).into_iter().find(|name| name.ends_with(".blob")).unwrap();
    let path = dir.path().join("files").join(blob);
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100).unwrap();
    let second = hub(dir.path(), settings()).await;
    assert_eq!(names(dir.path()), Vec::<String>::new());
    let alice = Person::at(&second, 1).await;
    assert_eq!(alice.fetch(&file.blob).await, Err(PieceRefusal::Unknown));
    alice.put(&mut file).await.unwrap();
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_changed_a_piece_is_said_to_fail_and_no_wrong_piece_leaves() {
    use std::os::unix::fs::FileExt as _;
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), settings()).await;
    let alice = Person::at(&hub, 1).await;
    let mut file = Bytes::of(3 * MIB, 1);
    alice.put(&mut file).await.unwrap();
    let blob = names(dir.path()).into_iter().find(|name| name.ends_with(".blob")).unwrap();
    let path = dir.path().join("files").join(blob);
    let disk = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    disk.write_all_at(b"rot", 20 * PIECE as u64 + 5).unwrap();
    assert_eq!(alice.fetch(&file.blob).await, Err(PieceRefusal::StoreFailing));
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_operator_keeps_no_files_says_so_and_gives_none() {
    let dir = tempfile::tempdir().unwrap();
    let first = hub(dir.path(), settings()).await;
    let mut file = Bytes::of(MIB, 1);
    Person::at(&first, 1).await.put(&mut file).await.unwrap();
    first.stop().await;
    let off = hub(dir.path(), Files { enabled: false, ..settings() }).await;
    let alice = Person::at(&off, 1).await;
    let told = alice.files.limits().await.unwrap();
    assert!(!told.on && told.left == 0);
    assert!(matches!(alice.put(&mut Bytes::of(10, 2)).await, Err(FilesError::Off)));
    assert_eq!(alice.fetch(&file.blob).await, Err(PieceRefusal::Unknown));
    assert!(alice.files.take_back(&file.blob.address).await.unwrap());
    assert_eq!(names(dir.path()), Vec::<String>::new());
    off.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_of_two_is_there_until_both_have_taken_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), settings()).await;
    let (alice, bob) = (Person::at(&hub, 1).await, Person::at(&hub, 2).await);
    let mut file = Bytes::of(2 * MIB, 1);
    alice.put(&mut file).await.unwrap();
    file.given = (None, 0);
    bob.put(&mut file).await.unwrap();
    assert_eq!(file.given, (None, 0), "the hub asks for what it has");
    let address = file.blob.address;
    assert!(alice.files.take_back(&address).await.unwrap());
    assert!(!alice.files.take_back(&address).await.unwrap());
    let mut stream = alice.files.open().await.unwrap();
    assert!(have(&mut stream, &file.blob).await.is_ok());
    assert!(bob.files.take_back(&address).await.unwrap());
    assert_eq!(have(&mut stream, &file.blob).await, Err(PieceRefusal::Unknown));
    assert_eq!(names(dir.path()), Vec::<String>::new());
    let limits = alice.files.limits().await.unwrap();
    assert_eq!(limits.left, limits.quota);
    hub.stop().await;
}
