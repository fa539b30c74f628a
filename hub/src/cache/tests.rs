//! Files on a real disk and real streams, with people who change their minds, go silent, or come
//! when the disk fails.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use data_encoding::HEXLOWER;
use hubbub_shared::blob::{Blob, MemoryNodes, Shape};
use hubbub_shared::limits::{HELLO_MAX, PIECE};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::files::{FILE_REFUSED, FILE_WANTED};
use hubbub_shared::wire::pieces::{HAVE_ASK, HaveAsk, PIECE_ASK, PieceAsk, Span};
use hubbub_shared::wire::stream::STREAM_ANSWER;
use tempfile::TempDir;

use super::part_file::PartPlace;
use super::*;
use crate::carrier::Carrier;
use crate::frames;
use crate::pace::Pace;
use crate::splice::tests::{Linked, linked};
use crate::splice::{Ends, Opened};

const ALICE: NodeId = NodeId([1; 32]);
const BOB: NodeId = NodeId([2; 32]);
/// How long a stream may stand still here: longer than packets take on a slow machine. And when at
/// the latest it has ended then.
const STILL: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(20);

fn bounds() -> Bounds {
    let (all, keep) = (1 << 30, Millis::days(14));
    Bounds { on: true, largest: all, each: all, total: all, keep, reserve: 0, ahead: PIECE as u64 }
}

fn cache() -> (TempDir, Arc<Cache>) {
    let dir = tempfile::tempdir().unwrap();
    let mut cache = Cache::open(dir.path(), bounds()).unwrap();
    cache.patience = Patience(STILL);
    (dir, Arc::new(cache))
}

/// A blob of a file of so many bytes.
fn blob_of(size: usize) -> (Blob, Vec<u8>) {
    let shape = Shape::of(size as u64).unwrap();
    let sealed = usize::try_from(shape.sealed()).unwrap();
    let bytes: Vec<_> = (0..=250).cycle().take(sealed).collect();
    let (mut growing, mut nodes) = (Growing::begin(shape), MemoryNodes::default());
    bytes.chunks(PIECE).for_each(|piece| growing.push(piece, &mut nodes).unwrap());
    (growing.blob().unwrap(), bytes)
}

fn put_of(blob: Blob) -> FilePut {
    FilePut { blob: blob.address, sealed: blob.shape.sealed() }
}

async fn begin(cache: &Cache, node: NodeId, blob: Blob) -> Claim {
    match cache.put(node, put_of(blob)).await {
        Put::Wanted(claim) => claim,
        other => panic!("not wanted: {other:?}"),
    }
}

fn failing_disk() -> FileRefused {
    FileRefusal::StoreFailing.plain()
}

/// The files of a claim, opened.
fn part_of(cache: &Cache, claim: &Claim) -> PartFile {
    let [data, tree] = cache.folder.part_paths(claim.node, claim.blob);
    PartFile::go_on(PartPlace::open([&data, &tree]).unwrap(), claim.blob, None).unwrap()
}

/// All of a blob comes.
async fn keep(cache: &Cache, node: NodeId, (blob, bytes): &(Blob, Vec<u8>)) {
    let claim = begin(cache, node, *blob).await;
    let mut part = part_of(cache, &claim);
    part.take(bytes).unwrap();
    assert_eq!(part.finish().unwrap(), Some(*blob));
    cache.arrived(&claim).await.unwrap();
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path().join("files")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A file of a whole blob.
fn path_of(dir: &TempDir, blob: Blob, ending: &str) -> PathBuf {
    let name = format!("{}.{ending}", HEXLOWER.encode(blob.address.as_bytes()));
    dir.path().join("files").join(name)
}

// --- A disk that fails ---

#[tokio::test]
async fn nothing_is_said_to_be_kept_for_somebody_who_could_not_be_written_down() {
    let (dir, cache) = cache();
    let file = blob_of(100);
    keep(&cache, ALICE, &file).await;
    // Where the record is to be written there is something else.
    let in_the_way = path_of(&dir, file.0, "new");
    fs::create_dir(&in_the_way).unwrap();
    for _ in 0..2 {
        let put = cache.put(BOB, put_of(file.0)).await;
        assert_eq!(put, Put::Refused(failing_disk()));
    }
    fs::remove_dir(in_the_way).unwrap();
    assert!(matches!(cache.put(BOB, put_of(file.0)).await, Put::Kept(_, _)));
    drop(cache);
    let cache = Cache::open(dir.path(), bounds()).unwrap();
    assert_eq!(cache.take_back(BOB, file.0.address).await, Ok(true), "bob is not written down");
}

#[tokio::test]
async fn what_the_disk_did_not_delete_goes_as_soon_as_it_does() {
    for again in [true, false] {
        let (dir, cache) = cache();
        let (blob, bytes) = blob_of(100);
        keep(&cache, ALICE, &(blob, bytes)).await;
        let (record, aside) = (path_of(&dir, blob, "kept"), path_of(&dir, blob, "aside"));
        fs::rename(&record, &aside).unwrap();
        fs::create_dir(&record).unwrap();
        assert_eq!(cache.take_back(ALICE, blob.address).await, Err(failing_disk()));
        fs::remove_dir(&record).unwrap();
        fs::rename(aside, record).unwrap();
        if again {
            cache.take_back(ALICE, blob.address).await.unwrap();
        } else {
            cache.sweep_once().await;
        }
        assert_eq!(names(&dir), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_is_still_to_be_deleted_never_takes_what_came_after_it() {
    let (dir, cache) = cache();
    let blob = blob_of(100).0;
    let claim = begin(&cache, ALICE, blob).await;
    let [in_the_way, _] = cache.folder.part_paths(ALICE, claim.blob);
    fs::create_dir(&in_the_way).unwrap();
    assert_eq!(cache.take_back(ALICE, blob.address).await, Err(failing_disk()));
    assert_eq!(cache.put(ALICE, put_of(blob)).await, Put::Refused(failing_disk()));
    fs::remove_dir(in_the_way).unwrap();
    let claim = begin(&cache, ALICE, blob).await;
    part_of(&cache, &claim);
    cache.sweep_once().await;
    assert_eq!(names(&dir).len(), 2);
}

#[tokio::test]
async fn a_disk_that_damages_what_shows_that_a_piece_belongs_is_not_taken_for_a_liar() {
    let (dir, cache) = cache();
    let file = blob_of(5 * PIECE);
    keep(&cache, ALICE, &file).await;
    let tree = path_of(&dir, file.0, "tree");
    let [data, kept] = cache.folder.whole_paths(file.0);
    let answer = |known| {
        let file = whole_file::WholeFile::open([&data, &kept], file.0).unwrap();
        file.answer(1, Span { first: 3, count: 1, known })
    };
    let right = fs::read(&tree).unwrap();
    let answers: Vec<_> = (0..3).map(|known| answer(known).unwrap()).collect();
    let mut refused = 0;
    for at in (0..right.len()).step_by(7) {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        fs::write(&tree, wrong).unwrap();
        for (known, before) in (0..3).zip(&answers) {
            match answer(known) {
                Ok(given) => assert_eq!(given, *before, "what is not true has left"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 0);
    fs::write(&tree, right).unwrap();
    assert!(answer(0).is_ok());
}

// --- People who change their minds, or go silent ---

/// A stream of alice's to the hub.
struct Stream {
    hers: Ends,
    _alive: Linked,
}

/// It, and what the hub has of it.
struct Pair {
    stream: Stream,
    hubs: Ends,
    by: Arc<Carrier>,
}

async fn pair() -> Pair {
    let linked = linked().await;
    let mut hers = linked.node.open_bi().await.unwrap();
    hers.0.write_all(b"!").await.unwrap();
    let mut hubs = linked.hub.accept_bi().await.unwrap();
    hubs.1.read_exact(&mut [0]).await.unwrap();
    let by = Carrier::new(linked.hub.clone(), Pace::new(0));
    Pair { stream: Stream { hers, _alive: linked }, hubs, by }
}

impl Stream {
    /// The next frame that the hub wrote; none where it ended the stream.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        frames::read(&mut self.hers.1, HELLO_MAX).await.unwrap()
    }
}

/// Serves a stream on which alice wrote so much and writes no more, until the hub has enough.
async fn served(cache: &Arc<Cache>, ask: FileAsk, wrote: &[u8]) -> Stream {
    let Pair { mut stream, hubs, by } = pair().await;
    stream.hers.0.write_all(wrote).await.unwrap();
    let began = Instant::now();
    let attended = attend(Arc::clone(cache), ALICE, ask, Opened { ends: hubs, by });
    tokio::time::timeout(LATEST, attended).await.expect("it ends");
    assert!(began.elapsed() >= STILL, "she had her time");
    stream
}

#[tokio::test]
async fn a_claim_that_was_lost_before_its_files_were_there_makes_none() {
    let (dir, cache) = cache();
    let blob = blob_of(100).0;
    let claim = begin(&cache, ALICE, blob).await;
    let Pair { mut stream, mut hubs, .. } = pair().await;
    let turn = cache.turn.lock().await;
    let receiving = async {
        let arriving = receive::Arriving { cache: &cache, claim };
        let (pace, mut credit) = (Pace::new(0), cache.patience.begin());
        arriving.receive(&mut hubs, (&pace, &mut credit), &mut 0).await.is_ok()
    };
    let taking = async {
        tokio::time::sleep(STILL / 4).await;
        // It is taken back right behind the answer that it is wanted.
        assert_eq!(cache.book().take_back(ALICE, blob.address).len(), 1);
        assert_eq!(names(&dir), Vec::<String>::new());
        drop(turn);
    };
    assert!(tokio::join!(receiving, taking).0);
    let (kind, body) = stream.frame().await.unwrap();
    assert_eq!(kind, FILE_REFUSED);
    let refused: FileRefused = codec::decode(&body).unwrap();
    assert_eq!(refused.code, FileRefusal::TakenBack);
    assert_eq!(names(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_that_stands_still_ends_and_the_pieces_that_came_wait_for_the_rest() {
    let (dir, cache) = cache();
    let (blob, bytes) = blob_of(3 * PIECE);
    served(&cache, FileAsk::Put(put_of(blob)), &bytes[..2 * PIECE + 100]).await;
    assert_eq!(names(&dir).len(), 2);
    let claim = begin(&cache, ALICE, blob).await;
    assert_eq!(part_of(&cache, &claim).len(), 2 * PIECE as u64);
}

#[tokio::test]
async fn no_room_is_set_aside_for_an_upload_of_which_no_piece_came() {
    let (dir, cache) = cache();
    let (blob, bytes) = blob_of(3 * PIECE);
    for came in [0, PIECE - 1] {
        served(&cache, FileAsk::Put(put_of(blob)), &bytes[..came]).await;
        assert_eq!((cache.held(), names(&dir)), (Held::default(), vec![]));
    }
    // Nor is it after a crash, where nobody put it down.
    let claim = begin(&cache, ALICE, blob).await;
    part_of(&cache, &claim);
    drop(cache);
    let cache = Cache::open(dir.path(), bounds()).unwrap();
    assert_eq!((cache.held(), names(&dir)), (Held::default(), vec![]));
}

#[tokio::test]
async fn an_upload_for_which_there_is_no_more_room_says_so_and_waits_for_it_with_what_came() {
    let dir = tempfile::tempdir().unwrap();
    let total = 11 * PIECE as u64;
    let cache = Arc::new(Cache::open(dir.path(), Bounds { total, ..bounds() }).unwrap());
    let ((blob, bytes), other) = (blob_of(10 * PIECE), blob_of(3 * PIECE));
    let Pair { mut stream, hubs, by } = pair().await;
    let (ask, opened) = (FileAsk::Put(put_of(blob)), Opened { ends: hubs, by });
    let attended = tokio::spawn(attend(Arc::clone(&cache), ALICE, ask, opened));
    assert_eq!(stream.frame().await.unwrap().0, STREAM_ANSWER);
    assert_eq!(stream.frame().await.unwrap().0, FILE_WANTED);
    // While she has sent next to nothing, bob takes the room that she will need.
    keep(&cache, BOB, &other).await;
    // She may be stopped in the middle of it.
    stream.hers.0.write_all(&bytes).await.ok();
    let (kind, body) = stream.frame().await.unwrap();
    assert_eq!(kind, FILE_REFUSED);
    let refused: FileRefused = codec::decode(&body).unwrap();
    assert_eq!(refused.code, FileRefusal::Full);
    attended.await.unwrap();
    let claim = match cache.put(ALICE, put_of(blob)).await {
        Put::Refused(refused) => {
            assert_eq!(refused.code, FileRefusal::Full, "there is still none");
            cache.take_back(BOB, other.0.address).await.unwrap();
            begin(&cache, ALICE, blob).await
        }
        other => panic!("{other:?}"),
    };
    assert!(part_of(&cache, &claim).len() > 0, "what came is not sent again");
}

#[tokio::test]
async fn whoever_asks_a_little_now_and_then_does_not_keep_a_stream_for_ever() {
    let (_dir, cache) = cache();
    let Pair { mut stream, hubs, by } = pair().await;
    let have = HaveAsk { req: 1, blob: BlobId([1; 32]), sealed: 4_144 };
    let asking = async {
        loop {
            let asked = stream.hers.0.write_all(&codec::frame(HAVE_ASK, &have)).await;
            if asked.is_err() {
                break;
            }
            tokio::time::sleep(STILL / 4).await;
        }
    };
    let attended = attend(Arc::clone(&cache), ALICE, FileAsk::Get, Opened { ends: hubs, by });
    let both = async { tokio::join!(attended, asking) };
    tokio::time::timeout(LATEST, both).await.expect("it ends");
}

#[tokio::test]
async fn a_stream_on_which_nobody_asks_or_nobody_reads_ends() {
    let (_dir, cache) = cache();
    let file = blob_of(16 * 16 * PIECE - 1_000_000);
    keep(&cache, BOB, &file).await;
    let mut idle = served(&cache, FileAsk::Get, &[]).await;
    assert_eq!(idle.frame().await.unwrap().0, STREAM_ANSWER);
    assert_eq!(idle.frame().await, None, "an end, not a break");
    let (blob, sealed) = (file.0.address, file.0.shape.sealed());
    let spans = (0..15).map(|at| Span { first: at * 16, count: 16, known: 0 }).collect();
    let ask = codec::frame(PIECE_ASK, &PieceAsk { req: 1, blob, sealed, spans });
    let mut deaf = served(&cache, FileAsk::Get, &ask).await;
    assert!(deaf.hers.1.read_to_end(usize::MAX).await.is_err(), "what is not whole is no answer");
}
