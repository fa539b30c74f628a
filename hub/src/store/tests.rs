//! Both stores do the same, and what was committed is there afterwards.

use std::path::Path;

use hubbub_shared::id::{GroupId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::from_hub::{Item, ItemKind};
use hubbub_shared::wire::{ByteBuf, LogId};

use super::{EmbeddedStore, MemoryStore, Snapshot, Store};
use crate::relay::Write;

const BOB: NodeId = NodeId([2; 32]);
const MAILBOX: LogId = LogId::Mailbox(BOB);
const GROUP: GroupId = GroupId([3; 32]);

fn item(seq: u64) -> Item {
    let bytes = ByteBuf::from(seq.to_be_bytes().repeat(20));
    Item { seq, kind: ItemKind::Envelope, at: Timestamp(seq * 10), from: NodeId([1; 32]), bytes }
}

fn append(seq: u64) -> Write {
    Write::Append { log: MAILBOX, item: item(seq).into() }
}

/// One of everything, in batches that also write the same key twice.
fn history() -> Vec<Vec<Write>> {
    let at = Timestamp(5);
    let channel = LogId::Channel(GROUP);
    let node = BOB;
    let cursor = |upto| Write::Cursor { log: MAILBOX, reader: BOB, upto };
    let nickname = |name: &str| Write::Nickname {
        nickname: name.to_owned(),
        skeleton: name.to_owned(),
        node,
        claim: vec![4],
    };
    vec![
        vec![append(1), append(2), append(3), cursor(Some(1)), cursor(Some(2))],
        vec![Write::Forget { log: MAILBOX, upto: 2 }, append(4), nickname("bob")],
        vec![
            Write::NicknameGone { skeleton: "bob".to_owned() },
            nickname("rob"),
            Write::Admit { node, at },
            Write::Control { group: GROUP, seq: 0, entry: vec![7] },
            Write::Control { group: GROUP, seq: 1, entry: vec![8] },
            Write::Append { log: channel, item: item(1).into() },
            Write::Forget { log: channel, upto: 1 },
            Write::Leaving { log: channel, reader: BOB, until: Some(1) },
            Write::Cursor { log: channel, reader: BOB, upto: Some(0) },
        ],
        vec![
            Write::Prekeys { node, identity: vec![1], signed_prekey: vec![2] },
            Write::OneTime { node, id: 1, prekey: Some(vec![3]) },
            Write::OneTime { node, id: 2, prekey: Some(vec![4]) },
            Write::OneTime { node, id: 1, prekey: None },
            Write::Beacon { node, beacon: vec![5] },
            Write::Beacon { node, beacon: vec![6] },
            Write::Appends { node, appends: 0 },
            Write::Appends { node, appends: 300 },
            Write::Invite { token_hash: [1; 32], left: Some((2, at)) },
            Write::Invite { token_hash: [2; 32], left: Some((2, at)) },
            Write::Invite { token_hash: [2; 32], left: None },
        ],
    ]
}

fn open(folder: &Path) -> EmbeddedStore {
    EmbeddedStore::open(folder, [9; 16]).unwrap()
}

fn shown(snapshot: &Snapshot) -> String {
    format!("{snapshot:?}")
}

#[test]
fn both_stores_keep_the_same_over_every_prefix_of_a_history() {
    let folder = tempfile::tempdir().unwrap();
    let (mut memory, mut embedded) = (MemoryStore::new([9; 16]), open(folder.path()));
    for batch in history() {
        memory.commit(&batch).unwrap();
        embedded.commit(&batch).unwrap();
        drop(embedded);
        embedded = open(folder.path());
        assert_eq!(shown(&embedded.load().unwrap()), shown(&memory.load().unwrap()));
        for from in 0..6 {
            let both = (embedded.read(&MAILBOX, from, 200), memory.read(&MAILBOX, from, 200));
            assert_eq!(both.0.unwrap(), both.1.unwrap());
        }
        let both = (embedded.bundle(&BOB, Some(2)), memory.bundle(&BOB, Some(2)));
        assert_eq!(both.0.unwrap(), both.1.unwrap());
        let both = (embedded.control(&GROUP, 1, 5), memory.control(&GROUP, 1, 5));
        assert_eq!(both.0.unwrap(), both.1.unwrap());
    }
    assert!(shown(&memory.load().unwrap()).contains("rob"));
}

#[test]
fn a_log_that_was_emptied_keeps_its_next_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    store.commit(&[append(1), append(2)]).unwrap();
    store.commit(&[Write::Forget { log: MAILBOX, upto: 2 }]).unwrap();
    drop(store);
    let logs = open(folder.path()).load().unwrap().logs;
    assert_eq!((logs[0].next_seq, logs[0].held.len()), (3, 0));
}

#[test]
fn a_page_is_never_empty_while_there_is_an_entry() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    store.commit(&[append(1), append(2)]).unwrap();
    assert_eq!(store.read(&MAILBOX, 0, 0).unwrap(), [item(1)]);
    assert_eq!(store.read(&MAILBOX, 2, 1_000).unwrap(), [item(2)]);
    assert_eq!(store.read(&MAILBOX, 3, 1_000).unwrap(), []);
}

#[test]
fn a_store_keeps_its_number_and_is_opened_by_one_process_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), [1; 16]).unwrap();
    assert!(EmbeddedStore::open(folder.path(), [2; 16]).is_err());
    drop(store);
    assert_eq!(EmbeddedStore::open(folder.path(), [2; 16]).unwrap().id(), [1; 16]);
}

#[test]
fn a_failed_commit_keeps_nothing() {
    let mut store = MemoryStore::new([9; 16]);
    store.fail_next_commit();
    assert!(store.commit(&[append(1)]).is_err());
    assert!(store.load().unwrap().logs.is_empty());
    store.commit(&[append(1)]).unwrap();
}

/// The child of the next test: commits for ever and says so after each.
#[test]
fn commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os("HUBBUB_STORE_TO_CRASH") else { return };
    let mut store = open(Path::new(&folder));
    for seq in 1.. {
        let forget = Write::Forget { log: MAILBOX, upto: seq / 2 };
        store.commit(&[append(seq), forget]).unwrap();
        println!("\ndurable {seq}");
    }
}

#[test]
fn what_was_committed_survives_a_kill() {
    use std::io::BufRead as _;
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let folder = folder.path().join(round.to_string());
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::commits_until_it_is_killed", "--nocapture"])
            .env("HUBBUB_STORE_TO_CRASH", &folder)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let durable = lines.map_while(Result::ok);
        let durable = durable.filter_map(|line| line.strip_prefix("durable ")?.parse().ok());
        let last: u64 = durable.take(200 + round * 77).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let log = open(&folder).load().unwrap().logs.remove(0);
        assert!(log.next_seq > last, "{} was lost", last);
        let held: Vec<u64> = log.held.iter().map(|(seq, ..)| *seq).collect();
        let first = (log.next_seq - 1) / 2 + 1;
        assert_eq!(held, (first..log.next_seq).collect::<Vec<_>>(), "batches are whole");
    }
}

/// Every file of a store, and what it holds.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    found
}

fn put_back(files: &[(std::path::PathBuf, Vec<u8>)]) {
    for (path, bytes) in files {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// What a store says it holds, entries and all; an error when it cannot.
fn whole(folder: &Path) -> Result<String, String> {
    let mut store = EmbeddedStore::open(folder, [9; 16]).map_err(|error| error.to_string())?;
    let snapshot = store.load().map_err(|error| error.to_string())?;
    let items = store.read(&MAILBOX, 0, 1 << 20).map_err(|error| error.to_string())?;
    Ok(format!("{snapshot:?} {items:?}"))
}

/// Flips a byte here and there in every file whose name ends so; gives where that was not noticed.
fn unnoticed(folder: &Path, expected: &str, kind: &str) -> Vec<String> {
    let (intact, mut found) = (files(folder), Vec::new());
    let of_kind = |path: &Path| path.to_string_lossy().ends_with(kind);
    for (path, bytes) in intact.iter().filter(|(path, _)| of_kind(path)) {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for at in (0..end).step_by(end / 30 + 1) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            std::fs::write(path, damaged).unwrap();
            let says = whole(folder);
            if says.is_ok_and(|says| says != expected) {
                found.push(format!("byte {at} of {end} in {}", path.display()));
            }
            std::fs::remove_dir_all(folder).unwrap();
            put_back(&intact);
        }
    }
    found
}

/// A store with some history, and what it holds.
fn filled(folder: &Path) -> String {
    let mut store = open(folder);
    history().iter().for_each(|batch| store.commit(batch).unwrap());
    (5..30).for_each(|seq| store.commit(&[append(seq)]).unwrap());
    drop(store);
    whole(folder).unwrap()
}

#[test]
fn damage_to_a_closed_store_is_noticed_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let expected = filled(folder.path());
    assert_eq!(unnoticed(folder.path(), &expected, ""), [""; 0]);
}

#[test]
fn damage_to_the_journal_of_a_store_that_was_killed_is_noticed_but_in_its_last_batch() {
    let folder = tempfile::tempdir().unwrap();
    let expected = filled(folder.path());
    std::fs::remove_file(folder.path().join("closed")).unwrap();
    let last = files(folder.path()).iter().map(|(_, bytes)| bytes.len()).max().unwrap() - 250;
    let found = unnoticed(folder.path(), &expected, ".jnl");
    let at = |found: &String| found.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    assert!(found.iter().all(|found| at(found) > last), "{found:?}");
}
