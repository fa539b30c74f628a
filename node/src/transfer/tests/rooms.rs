//! Disks that are full, or take nothing, and what is open on them.
//!
//! Such a disk is a small file system in memory, in a mount namespace of this test alone: the test
//! starts itself again in there. Where that cannot be, it says so.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tokio::runtime::{Builder, Runtime};

use super::person::{ALICE, BOB, Home, Offer, Person, Switch, bytes};
use crate::transfer::disk::{Form, Target};
use crate::transfer::order::{Failure, Order, Tell};
use crate::transfer::plan::{FileId, Limits, State, Stuck};

/// Set within the namespace.
const WITHIN: &str = "HUBBUB_TEST_IN_A_NAMESPACE";
const SIZE: usize = 8 << 20;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs the test of this name where it may mount things.
fn apart(test: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(WITHIN).is_some() {
        return runtime().block_on(body);
    }
    let ways: [&[&str]; 2] = [&["-m"], &["-r", "-m"]];
    let tries = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"];
    let can = |flags: &&&[&str]| {
        let tried = Command::new("unshare").args(**flags).args(tries).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let Some(flags) = ways.iter().find(can) else {
        eprintln!("SKIPPED {test}: this system lets nobody mount anything");
        return;
    };
    let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let mut again = Command::new("unshare");
    again.args(*flags).arg(std::env::current_exe().unwrap());
    let ended = again.args(["--exact", &name, "--nocapture"]).env(WITHIN, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let failed = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}{failed}");
}

fn mount(options: &str, at: &Path) {
    let mut mount = Command::new("mount");
    let done = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).status().unwrap();
    assert!(done.success(), "{options}");
}

/// Writes until there is no room.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[7; 1 << 16]).is_ok() {}
}

async fn alice(switch: &Switch) -> (Home, Person, Offer) {
    let home = Home::new();
    let mut alice = Person::new(ALICE, &home, switch);
    let offer = alice.offer(&home, &bytes(SIZE)).await;
    (home, alice, offer)
}

/// Waits until a file rests because of a disk. It may not fail meanwhile.
async fn until_it_rests(bob: &mut Person) {
    bob.until(|tell| match tell {
        Tell::Failed { why, .. } => panic!("{why}"),
        Tell::Progress { progress, .. } => {
            matches!(progress.state, State::Stuck(Stuck::StoreFailing, _)).then_some(())
        }
        _ => None,
    })
    .await;
}

#[test]
fn a_file_whose_disk_is_filled_waits_and_goes_on_when_there_is_room() {
    apart("a_file_whose_disk_is_filled_waits_and_goes_on_when_there_is_room", async {
        let (switch, his) = (Switch::default(), Home::new());
        let (_hers, alice, offer) = alice(&switch).await;
        mount("size=80m", &his.downloads());
        let (down, up) = (Limits::default(), 2 << 20);
        alice.transfers.order(Order::Limits { down, up }).await;
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("film"), &[ALICE]).await;
        bob.until(|tell| match tell {
            Tell::Progress { progress, .. } => (progress.here > 1 << 20).then_some(()),
            _ => None,
        })
        .await;
        fill(&his.downloads().join("other"));
        until_it_rests(&mut bob).await;
        alice.transfers.order(Order::Limits { down, up: 0 }).await;
        fs::remove_file(his.downloads().join("other")).unwrap();
        let path = bob.done(1).await.unwrap();
        assert!(fs::read(path).unwrap() == bytes(SIZE));
        assert_eq!(his.names(), ["film"]);
    });
}

#[test]
fn a_file_whose_disk_is_full_at_the_start_shows_what_is_here_of_it() {
    apart("a_file_whose_disk_is_full_at_the_start_shows_what_is_here_of_it", async {
        let (switch, his) = (Switch::default(), Home::new());
        let (_hers, alice, offer) = alice(&switch).await;
        mount("size=80m", &his.downloads());
        let (down, up) = (Limits::default(), 2 << 20);
        alice.transfers.order(Order::Limits { down, up }).await;
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("film"), &[ALICE]).await;
        let here = |least| {
            move |tell| match tell {
                Tell::Progress { progress, .. } => (progress.here >= least).then_some(progress),
                _ => None,
            }
        };
        bob.until(here(1 << 20)).await;
        bob.transfers.stop().await;
        fill(&his.downloads().join("other"));
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("film"), &[ALICE]).await;
        let progress = bob
            .until(|tell| match tell {
                Tell::Progress { progress, .. } => Some(progress),
                _ => None,
            })
            .await;
        assert_eq!(progress.state, State::Stuck(Stuck::StoreFailing, None));
        assert!(progress.here >= 1 << 20, "{}", progress.here);
    });
}

#[test]
fn a_file_that_finds_its_disk_full_waits_and_begins_when_there_is_room() {
    apart("a_file_that_finds_its_disk_full_waits_and_begins_when_there_is_room", async {
        let (switch, his) = (Switch::default(), Home::new());
        let (_hers, _alice, offer) = alice(&switch).await;
        // It would fit, but for what is left free for others.
        mount("size=66m", &his.downloads());
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("film"), &[ALICE]).await;
        until_it_rests(&mut bob).await;
        assert_eq!(his.names(), Vec::<String>::new());
        mount("remount,size=80m", &his.downloads());
        assert!(fs::read(bob.done(1).await.unwrap()).unwrap() == bytes(SIZE));
    });
}

#[test]
fn a_folder_for_which_there_is_no_room_leaves_nothing_half_made() {
    apart("a_folder_for_which_there_is_no_room_leaves_nothing_half_made", async {
        let (switch, hers, his) = (Switch::default(), Home::new(), Home::new());
        let root = hers.path().join("photos");
        fs::create_dir(&root).unwrap();
        (0..20).for_each(|n| fs::write(root.join(format!("{n}")), "x").unwrap());
        let mut alice = Person::new(ALICE, &hers, &switch);
        let offer = alice.offer_path(FileId(1), root).await;
        // Room for all that is in it, and not for so many files.
        mount("size=80m,nr_inodes=12", &his.downloads());
        let mut bob = Person::new(BOB, &his, &switch);
        let target = Target { form: Form::Folder { manifest: None }, ..his.target("photos") };
        bob.want(1, &offer, target, &[ALICE]).await;
        until_it_rests(&mut bob).await;
        assert_eq!(his.names(), ["photos.part"]);
        mount("remount,nr_inodes=100", &his.downloads());
        let path = bob.done(1).await.unwrap();
        assert_eq!(fs::read_dir(path).unwrap().count(), 20);
        assert_eq!(his.names(), ["photos"]);
    });
}

#[test]
fn a_folder_in_which_nothing_may_be_written_is_said_and_another_try_helps() {
    apart("a_folder_in_which_nothing_may_be_written_is_said_and_another_try_helps", async {
        let (switch, his) = (Switch::default(), Home::new());
        let (_hers, _alice, offer) = alice(&switch).await;
        mount("size=80m", &his.downloads());
        mount("remount,ro", &his.downloads());
        let mut bob = Person::new(BOB, &his, &switch);
        bob.want(1, &offer, his.target("film"), &[ALICE]).await;
        let Err(Failure::Disk(why)) = bob.done(1).await else { panic!("it was written") };
        assert_eq!(why.reason(), "target-denied");
        assert!(why.to_string().contains("accept it into another"), "{why}");
        assert_eq!(fs::read_dir(his.shelf()).unwrap().count(), 0, "nothing is known of it");
        mount("remount,rw", &his.downloads());
        bob.want(1, &offer, his.target("film"), &[ALICE]).await;
        assert!(fs::read(bob.done(1).await.unwrap()).unwrap() == bytes(SIZE));
    });
}

/// How often this process has a file open.
#[cfg(target_os = "linux")]
fn open(path: &Path) -> usize {
    let all =
        fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    all.filter(|file| file == path).count()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_paused_is_not_open_and_goes_on_with_what_is_here() {
    let (switch, his) = (Switch::default(), Home::new());
    let (_hers, alice, offer) = alice(&switch).await;
    let (down, up) = (Limits::default(), 2 << 20);
    alice.transfers.order(Order::Limits { down, up }).await;
    let mut bob = Person::new(BOB, &his, &switch);
    let part = fs::canonicalize(his.downloads()).unwrap().join("film.part");
    bob.want(1, &offer, his.target("film"), &[ALICE]).await;
    let mut here = 0;
    for _ in 0..3 {
        let before = here;
        let came = bob
            .until(|tell| match tell {
                Tell::Progress { progress, .. } if progress.here > before => Some(progress.here),
                _ => None,
            })
            .await;
        assert_eq!(open(&part), 1);
        bob.transfers.order(Order::Hold { file: FileId(1), paused: true }).await;
        here = bob
            .until(|tell| match tell {
                Tell::Progress { progress, .. } if progress.state == State::Paused => {
                    (open(&part) == 0).then_some(progress.here)
                }
                _ => None,
            })
            .await;
        assert!(here >= came, "{here} after {came}");
        bob.transfers.order(Order::Hold { file: FileId(1), paused: false }).await;
    }
    alice.transfers.order(Order::Limits { down, up: 0 }).await;
    assert!(fs::read(bob.done(1).await.unwrap()).unwrap() == bytes(SIZE));
}
