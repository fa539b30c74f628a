//! Folders that go over as one file.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use hubbub_shared::wire::pieces::PieceRefusal;

use super::person::{ALICE, BOB, CAROL, Home, Person, Switch, bytes};
use crate::transfer::disk::manifest::{self, Entry, Kind};
use crate::transfer::disk::{BadList, Content, Course, Form, Found, Landing, Shelf, Target};
use crate::transfer::order::{Failure, Order};
use crate::transfer::plan::FileId;
use crate::transfer::serve::offered::Whole;
use hubbub_shared::content::file_name::FileName;

fn folder(root: &Path) {
    fs::create_dir_all(root.join("a/empty")).unwrap();
    fs::create_dir_all(root.join("deep/er")).unwrap();
    fs::write(root.join("a/big"), bytes(3 << 20)).unwrap();
    fs::write(root.join("a/none"), "").unwrap();
    fs::write(root.join("deep/er/run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("deep/er/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join(".hidden"), "h").unwrap();
    fs::write(root.join("_hidden"), "u").unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
}

/// Every file and folder below, with its content and whether it is a program.
fn tree(root: &Path) -> Vec<(String, Vec<u8>, bool)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                found.push((name, Vec::new(), false));
                folders.push(path);
            } else {
                let program = meta.permissions().mode() & 0o100 != 0;
                found.push((name, fs::read(path).unwrap(), program));
            }
        }
    }
    found.sort();
    found
}

fn as_folder(home: &Home, name: &str) -> Target {
    Target { form: Form::Folder { manifest: None }, ..home.target(name) }
}

#[tokio::test]
async fn a_folder_goes_over_with_all_that_is_in_it_and_nothing_that_is_not() {
    let (switch, hers, his) = (Switch::default(), Home::new(), Home::new());
    let root = hers.path().join("photos");
    folder(&root);
    let mut alice = Person::new(ALICE, &hers, &switch);
    let offer = alice.offer_path(FileId(1), root).await;
    let mut bob = Person::new(BOB, &his, &switch);
    fs::create_dir(his.downloads().join("photos")).unwrap();
    bob.want(1, &offer, as_folder(&his, "photos"), &[ALICE]).await;
    let path = bob.done(1).await.unwrap();
    assert_eq!(path, his.downloads().join("photos (2)"));
    assert_eq!(his.names(), ["photos", "photos (2)"]);
    let got = tree(&path);
    let names: Vec<_> = got.iter().map(|(name, _, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "_hidden",
            "_hidden (2)",
            "a",
            "a/big",
            "a/empty",
            "a/none",
            "deep",
            "deep/er",
            "deep/er/run.sh",
        ]
    );
    assert_eq!((&*got[0].1, &*got[1].1), (&b"u"[..], &b"h"[..]));
    assert!(got[3].1 == bytes(3 << 20) && got[8].2 && !got[3].2);
    // And whoever got it is a source of the very same.
    alice.transfers.stop().await;
    let whole = Whole { reference: offer.reference(), path, stamp: None };
    bob.transfers.order(Order::Serve { file: FileId(1), whole }).await;
    let carols = Home::new();
    let mut carol = Person::new(CAROL, &carols, &switch);
    carol.want(1, &offer, as_folder(&carols, "photos"), &[BOB]).await;
    assert!(tree(&carol.done(1).await.unwrap()) == got);
}

#[tokio::test]
async fn of_a_folder_in_which_something_changed_nothing_false_leaves() {
    let (switch, hers, his) = (Switch::default(), Home::new(), Home::new());
    let root = hers.path().join("photos");
    folder(&root);
    let mut alice = Person::new(ALICE, &hers, &switch);
    let offer = alice.offer_path(FileId(1), root.clone()).await;
    fs::write(root.join("a/big"), bytes(3 << 20)).unwrap();
    let mut bob = super::serving::Asker::at(&alice, BOB);
    bob.ask(offer.blob, 0, 1).await;
    assert_eq!(bob.refused().await, PieceRefusal::Changed);
    drop(his);
}

#[tokio::test]
async fn a_folder_from_which_something_was_taken_has_changed_and_is_not_gone() {
    let (switch, hers) = (Switch::default(), Home::new());
    let root = hers.path().join("photos");
    folder(&root);
    let mut alice = Person::new(ALICE, &hers, &switch);
    let offer = alice.offer_path(FileId(1), root.clone()).await;
    let mut bob = super::serving::Asker::at(&alice, BOB);
    assert!(bob.have(offer.blob).await.is_complete());
    fs::remove_file(root.join("a/big")).unwrap();
    bob.ask(offer.blob, 20, 1).await;
    assert_eq!(bob.refused().await, PieceRefusal::Changed);
}

#[tokio::test]
async fn a_folder_whose_list_is_not_as_long_as_was_said_is_not_made() {
    let (switch, hers, his) = (Switch::default(), Home::new(), Home::new());
    let root = hers.path().join("photos");
    folder(&root);
    let long = Content::open(&root).unwrap().manifest().unwrap();
    let mut alice = Person::new(ALICE, &hers, &switch);
    let offer = alice.offer_path(FileId(1), root).await;
    let mut bob = Person::new(BOB, &his, &switch);
    let said = |manifest| Target { form: Form::Folder { manifest }, ..his.target("photos") };
    for (n, manifest) in (1..).zip([0, long - 1, long + 1, u32::MAX]) {
        bob.want(n, &offer, said(Some(manifest)), &[ALICE]).await;
        assert_eq!(bob.done(n).await, Err(Failure::Folder(BadList::Length)), "{manifest}");
    }
    bob.want(9, &offer, said(Some(long)), &[ALICE]).await;
    bob.done(9).await.unwrap();
    assert_eq!(his.names(), ["photos"]);
}

#[tokio::test]
async fn a_list_that_lies_makes_nothing_and_is_the_fault_of_who_wrote_it() {
    let (switch, hers, his) = (Switch::default(), Home::new(), Home::new());
    let mut alice = Person::new(ALICE, &hers, &switch);
    let mut bob = Person::new(BOB, &his, &switch);
    let entry = Entry { path: vec![FileName::clean("aa")], kind: Kind::File, size: 1 };
    let list = manifest::encode([&entry].into_iter()).unwrap();
    let hostile = [&list[..list.len() - 2], b"..", b"x"].concat();
    let short = list.clone();
    let endless = [&[0xff; 4][..], b"x"].concat();
    for (n, (content, why)) in (1..).zip([
        (hostile, BadList::Path),
        (short, BadList::Size),
        (endless, BadList::TooLarge),
        (vec![0; 3], BadList::Malformed),
    ]) {
        let offer = alice.offer(&hers, &content).await;
        bob.want(n, &offer, as_folder(&his, "photos"), &[ALICE]).await;
        assert_eq!(bob.done(n).await, Err(Failure::Folder(why)));
    }
    bob.transfers.stop().await;
    assert_eq!(his.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_folder_that_was_being_made_at_a_crash_is_made_anew() {
    let (switch, hers, his) = (Switch::default(), Home::new(), Home::new());
    let root = hers.path().join("photos");
    folder(&root);
    let mut alice = Person::new(ALICE, &hers, &switch);
    let offer = alice.offer_path(FileId(1), root).await;
    // All of it is there, and a stranger's file where the folder is made.
    fs::write(his.downloads().join("photos.unpacking"), "hers").unwrap();
    let mut bob = Person::new(BOB, &his, &switch);
    bob.want(1, &offer, as_folder(&his, "photos"), &[ALICE]).await;
    assert!(matches!(bob.done(1).await, Err(Failure::Disk(_))));
    assert_eq!(fs::read(his.downloads().join("photos.unpacking")).unwrap(), b"hers");
    fs::remove_file(his.downloads().join("photos.unpacking")).unwrap();
    bob.transfers.stop().await;
    let shelf = Shelf::open(his.shelf()).unwrap();
    let open = || {
        let (reference, target) = (offer.reference(), as_folder(&his, "photos"));
        Landing::open((&shelf, 1), &reference, &target, &Course::default()).unwrap().unwrap()
    };
    let Found::Part(landing) = open() else { panic!("it has not landed") };
    let (path, stamp) = landing.finish().unwrap();
    // As if it had been told to nobody.
    let Found::Whole(again, _) = open() else { panic!("it has landed") };
    assert_eq!((&again, Content::open(&path).unwrap().stamp()), (&path, stamp));
    assert_eq!(his.names(), ["photos"]);
    // Whoever cancelled it meanwhile finds nothing of it.
    landing.discard(false).unwrap();
    assert_eq!(his.names(), Vec::<String>::new());
}
