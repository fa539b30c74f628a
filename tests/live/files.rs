//! Files between people whose nodes run for real, with a hub that keeps them for those who are
//! away.

use std::path::{Path, PathBuf};

use hubbub_hub::config::Files;
use hubbub_node::api::file::{FileTaker, FileView};
use hubbub_node::api::view::Path as Way;
use hubbub_node::api::{Answer, Command, FileChoice, FileDeed, FileState, Query, Reply, SendFile};
use hubbub_node::runtime::Handle;

use crate::stage::{Stage, delivered, send, until, until_up};

/// More than a span of pieces, and no whole number of them.
const SIZE: usize = 3 * 1024 * 1024 + 17;

/// Bytes that differ from one another.
fn content(seed: u8) -> Vec<u8> {
    (0..SIZE).map(|n| u8::try_from((n * 7 + n / 251) % 251).unwrap() ^ seed).collect()
}

fn written(stage: &Stage, name: &str, bytes: &[u8]) -> PathBuf {
    let path = stage.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

async fn offer(node: &Handle, path: &Path, to: &str) -> u64 {
    let send = SendFile {
        to: to.to_owned(),
        path: path.to_str().unwrap().to_owned(),
        caption: String::new(),
        name: None,
        no_preview: true,
        strip: false,
    };
    let Reply::File { file, .. } = node.command(Command::SendFile(send)).await.unwrap() else {
        panic!("not taken")
    };
    file
}

async fn files(node: &Handle) -> Vec<FileView> {
    let Ok(Answer::Files(files)) = node.query(Query::Files).await else { panic!("no files") };
    files
}

/// The newest file, once it is in this state.
async fn file_in(node: &Handle, state: FileState) -> FileView {
    until(&format!("a file is {state:?}"), async || {
        let file = files(node).await.into_iter().next()?;
        (file.body.status.as_ref()?.state == state).then_some(file)
    })
    .await
}

async fn accept(node: &Handle, file: &FileView, folder: &Path) {
    let to = Some(folder.to_str().unwrap().to_owned());
    let file = file.body.status.as_ref().unwrap().file;
    node.command(Command::File { file, deed: FileDeed::Accept { to } }).await.unwrap();
}

fn path_of(file: &FileView) -> PathBuf {
    PathBuf::from(file.body.status.as_ref().unwrap().path.clone().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_offered_accepted_and_lands_whole_under_its_name() {
    let stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let path = written(&stage, "mine/notes.bin", &content(1));
    offer(&alice, &path, "bob").await;
    let offered = file_in(&bob, FileState::Offered).await;
    assert_eq!((offered.body.name.as_str(), offered.body.size), ("notes.bin", SIZE as u64));
    let folder = stage.path("bobs");
    std::fs::create_dir(&folder).unwrap();
    accept(&bob, &offered, &folder).await;
    let whole = file_in(&bob, FileState::Whole).await;
    assert_eq!(path_of(&whole), folder.join("notes.bin"));
    assert!(std::fs::read(folder.join("notes.bin")).unwrap() == content(1));
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left there: {left:?}");
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_a_file_sees_to_whom_it_goes_how_much_and_by_which_way() {
    let stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    // So slow that it can be watched.
    let slow = FileChoice { rate: Some(500_000), ..FileChoice::default() };
    alice.command(Command::SetFiles(slow)).await.unwrap();
    let path = written(&stage, "mine/notes.bin", &content(9));
    offer(&alice, &path, "bob").await;
    let takes = async |name: Option<&str>, some: u64| {
        until(&format!("it goes to {name:?}"), async || {
            let file = files(&alice).await.into_iter().next()?;
            let mut takers = file.body.status?.takers.into_iter();
            let is = |t: &FileTaker| t.person.as_ref().map(|person| person.name.as_str()) == name;
            takers.find(|taker| is(taker) && taker.bytes >= some && taker.rate > 0)
        })
        .await
    };
    let hub = takes(None, 1).await;
    assert!(hub.path == Way::Stored && hub.bytes < SIZE as u64, "{hub:?}");
    let offered = file_in(&bob, FileState::Offered).await;
    let folder = stage.path("bobs");
    std::fs::create_dir(&folder).unwrap();
    accept(&bob, &offered, &folder).await;
    let to_bob = takes(Some("bob"), SIZE as u64 / 4).await;
    assert!(to_bob.path != Way::Stored && to_bob.bytes <= SIZE as u64, "{to_bob:?}");
    let whole = file_in(&bob, FileState::Whole).await;
    assert!(std::fs::read(path_of(&whole)).unwrap() == content(9));
    until("nobody takes it any more and the hub keeps it", async || {
        let status = files(&alice).await.into_iter().next()?.body.status?;
        (status.takers.is_empty() && status.kept_until.is_some()).then_some(())
    })
    .await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_are_never_online_together_exchange_a_file_through_the_hub() {
    let mut stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    delivered(&alice, send(&alice, "bob", "hello").await).await;
    bob.stop().await;
    let path = written(&stage, "mine/notes.bin", &content(2));
    offer(&alice, &path, "bob").await;
    until("the hub keeps it", async || {
        let file = files(&alice).await.into_iter().next()?;
        file.body.status.as_ref()?.kept_until
    })
    .await;
    alice.stop().await;
    // Nor does it matter that the hub was started anew.
    stage.stop_hub().await;
    stage.start_hub().await;
    let bob = stage.reopen("bob").await;
    let offered = file_in(&bob, FileState::Offered).await;
    let folder = stage.path("bobs");
    std::fs::create_dir(&folder).unwrap();
    accept(&bob, &offered, &folder).await;
    let whole = file_in(&bob, FileState::Whole).await;
    assert!(std::fs::read(path_of(&whole)).unwrap() == content(2));
    bob.stop().await;
}

/// How many files the hub keeps.
fn at_the_hub(stage: &Stage) -> usize {
    let Ok(entries) = std::fs::read_dir(stage.path("hub").join("files")) else { return 0 };
    let whole = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "blob");
    entries.map(|entry| entry.unwrap().path()).filter(whole).count()
}

async fn until_at_the_hub(stage: &Stage, count: usize) {
    until(&format!("{count} are kept"), async || (at_the_hub(stage) == count).then_some(())).await;
}

/// Files offered to bob that the hub keeps.
async fn offer_many(stage: &Stage, node: &Handle, count: u8) -> Vec<u64> {
    let mut numbers = Vec::new();
    for n in 0..count {
        let path = written(stage, &format!("mine/{n}"), &[n; 10_000]);
        numbers.push(offer(node, &path, "bob").await);
    }
    until_at_the_hub(stage, count.into()).await;
    until("all are known to be kept", async || {
        let kept = files(node).await;
        kept.iter()
            .all(|file| file.body.status.as_ref().unwrap().kept_until.is_some())
            .then_some(())
    })
    .await;
    numbers
}

async fn cancel(node: &Handle, files: &[u64]) {
    for file in files {
        let cancel = Command::File { file: *file, deed: FileDeed::Cancel };
        node.command(cancel).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_taken_back_goes_from_the_hub_also_if_that_was_away() {
    let mut stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    delivered(&alice, send(&alice, "bob", "hello").await).await;
    let offered = offer_many(&stage, &alice, 20).await;
    // All at once, far more than the hub answers about at once.
    let (now, later) = offered.split_at(10);
    cancel(&alice, now).await;
    until_at_the_hub(&stage, 10).await;
    // And while nobody could take them back, neither before nor after the node was started anew.
    stage.stop_hub().await;
    cancel(&alice, later).await;
    alice.stop().await;
    assert_eq!(at_the_hub(&stage), 10);
    let alice = stage.reopen("alice").await;
    stage.start_hub().await;
    until_at_the_hub(&stage, 0).await;
    until("none is shown as kept", async || {
        let left = files(&alice).await;
        left.iter()
            .all(|file| file.body.status.as_ref().unwrap().kept_until.is_none())
            .then_some(())
    })
    .await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_lost_its_files_is_given_them_again() {
    let mut stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    delivered(&alice, send(&alice, "bob", "hello").await).await;
    offer_many(&stage, &alice, 3).await;
    alice.stop().await;
    stage.stop_hub().await;
    std::fs::remove_dir_all(stage.path("hub").join("files")).unwrap();
    stage.start_hub().await;
    assert_eq!(at_the_hub(&stage), 0);
    let alice = stage.reopen("alice").await;
    until_at_the_hub(&stage, 3).await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_give_one_another_what_the_sender_no_longer_can() {
    let mut stage = Stage::new(true).await;
    let alice = stage.person("alice").await;
    let (bob, carol) = (stage.person("bob").await, stage.person("carol").await);
    stage.keep_files(Files { enabled: false, ..stage.files() }).await;
    for node in [&alice, &bob, &carol] {
        node.reconnect().await;
        until_up(node).await;
    }
    found(&alice, "team", &["bob", "carol"]).await;
    delivered(&alice, send(&alice, "#team", "hello").await).await;
    let path = written(&stage, "mine/notes.bin", &content(3));
    offer(&alice, &path, "#team").await;
    let (to_bob, to_carol) =
        (file_in(&bob, FileState::Offered).await, file_in(&carol, FileState::Offered).await);
    let folders = ["bobs", "carols"].map(|name| stage.path(name));
    folders.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    accept(&bob, &to_bob, &folders[0]).await;
    file_in(&bob, FileState::Whole).await;
    alice.stop().await;
    accept(&carol, &to_carol, &folders[1]).await;
    let whole = file_in(&carol, FileState::Whole).await;
    assert!(std::fs::read(path_of(&whole)).unwrap() == content(3));
    bob.stop().await;
    carol.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hub_does_not_keep_is_told_to_the_sender_and_still_goes_to_whoever_is_there() {
    let mut stage = Stage::new(true).await;
    stage.keep_files(Files { largest_mib: 4, identity_mib: 4, ..stage.files() }).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let first = written(&stage, "mine/first.bin", &content(5));
    offer(&alice, &first, "bob").await;
    until("the hub keeps the first", async || {
        files(&alice).await.first()?.body.status.as_ref()?.kept_until
    })
    .await;
    let large = written(&stage, "mine/large.bin", &[content(6), content(7)].concat());
    let second = written(&stage, "mine/second.bin", &content(6));
    for (path, said) in [(&large, "files of up to 4 MiB"), (&second, "of your share at the hub")] {
        offer(&alice, path, "bob").await;
        until("the sender is told", async || {
            let file = files(&alice).await.into_iter().next()?;
            let status = file.body.status.filter(|status| status.state == FileState::Serving)?;
            status.why.filter(|why| why.contains(said))
        })
        .await;
    }
    let folder = stage.path("bobs");
    std::fs::create_dir(&folder).unwrap();
    let offered = until("all are offered", async || {
        let files = files(&bob).await;
        (files.len() == 3).then_some(files)
    })
    .await;
    for file in &offered {
        accept(&bob, file, &folder).await;
    }
    until("all are here", async || {
        let states = files(&bob).await.into_iter().map(|file| file.body.status.unwrap().state);
        states.into_iter().all(|state| state == FileState::Whole).then_some(())
    })
    .await;
    assert!(std::fs::read(folder.join("second.bin")).unwrap() == content(6));
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_fetches_what_nobody_has_any_more_is_told_why_it_waits() {
    let mut stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let path = written(&stage, "mine/notes.bin", &content(8));
    offer(&alice, &path, "bob").await;
    until("the hub keeps it", async || {
        files(&alice).await.first()?.body.status.as_ref()?.kept_until
    })
    .await;
    let offered = file_in(&bob, FileState::Offered).await;
    alice.stop().await;
    // Its time at the hub is over.
    stage.keep_files(Files { enabled: false, ..stage.files() }).await;
    until_up(&bob).await;
    let folder = stage.path("bobs");
    std::fs::create_dir(&folder).unwrap();
    accept(&bob, &offered, &folder).await;
    let waits = until("bob is told", async || {
        files(&bob).await.first()?.body.status.as_ref()?.progress.as_ref()?.waits.clone()
    })
    .await;
    assert!(waits.starts_with("nobody who"), "{waits}");
    let alice = stage.reopen("alice").await;
    file_in(&bob, FileState::Whole).await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_one_offer_and_lands_as_it_was() {
    let stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    written(&stage, "mine/trip/day one/picture.bin", &content(4));
    written(&stage, "mine/trip/notes.txt", b"sun");
    written(&stage, "mine/trip/empty", b"");
    offer(&alice, &stage.path("mine/trip/"), "bob").await;
    let offered = file_in(&bob, FileState::Offered).await;
    assert!(offered.body.folder && offered.body.name == "trip", "{offered:?}");
    let folder = stage.path("bobs");
    std::fs::create_dir(&folder).unwrap();
    accept(&bob, &offered, &folder).await;
    let whole = file_in(&bob, FileState::Whole).await;
    assert_eq!(path_of(&whole), folder.join("trip"));
    let read = |name: &str| std::fs::read(folder.join("trip").join(name)).unwrap();
    assert!(read("day one/picture.bin") == content(4));
    assert_eq!((read("notes.txt"), read("empty")), (b"sun".to_vec(), Vec::new()));
    // Whoever has it gives it on.
    let carol = stage.person("carol").await;
    offer(&bob, &folder.join("trip"), "carol").await;
    let offered = file_in(&carol, FileState::Offered).await;
    let folder = stage.path("carols");
    std::fs::create_dir(&folder).unwrap();
    accept(&carol, &offered, &folder).await;
    file_in(&carol, FileState::Whole).await;
    assert!(std::fs::read(folder.join("trip/day one/picture.bin")).unwrap() == content(4));
    for node in [alice, bob, carol] {
        node.stop().await;
    }
}

async fn found(node: &Handle, name: &str, members: &[&str]) {
    let members = members.iter().map(|member| (*member).to_owned()).collect();
    node.command(Command::GroupNew { name: name.to_owned(), members }).await.unwrap();
}
