//! Disks that are full or cannot be written, under a node and under a hub: what is refused is told,
//! what was accepted is kept, and all goes on by itself once there is room again.
//!
//! Small disks are mounted for this, which takes root; without it these tests are skipped, loudly.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};

/// A small disk of its own.
struct Disk(PathBuf);

impl Disk {
    /// None where this may not be done.
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let options = format!("size={size},mode=700");
        if run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], &at) {
            return Some(Self(at));
        }
        println!("SKIPPED: mounting a small disk needs root");
        None
    }

    fn writable(&self, yes: bool) {
        let how = if yes { "remount,rw" } else { "remount,ro" };
        assert!(run("mount", &["-o", how], &self.0));
    }

    fn fill(&self) {
        let mut filler = File::create(self.0.join("filler")).unwrap();
        for size in [1 << 20, 4_096, 1] {
            while filler.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process of a failed test may still be on it.
        run("umount", &["-l"], &self.0);
    }
}

/// What all processes said so far.
fn logs(stage: &Stage) -> String {
    let files = std::fs::read_dir(stage.path("logs")).unwrap();
    let read = |file: std::fs::DirEntry| std::fs::read(file.path()).unwrap_or_default();
    files.map(|file| String::from_utf8_lossy(&read(file.unwrap())).into_owned()).collect()
}

fn run(program: &str, args: &[&str], at: &Path) -> bool {
    let done = Command::new(program).args(args).arg(at).output();
    done.is_ok_and(|output| output.status.success())
}

#[test]
fn a_node_on_a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room() {
    let stage = Stage::new();
    let Some(disk) = Disk::mount(stage.path("alice"), "24m") else { return };
    let hub = Hub::start(&stage);
    let (alice, bob) = (Person::join(&stage, &hub, "alice"), Person::join(&stage, &hub, "bob"));
    alice.send("bob", "before");
    bob.until_reads("@alice", &["before"]);
    disk.fill();
    let mut accepted = vec!["before".to_owned()];
    let refused = (0..200).find_map(|n| {
        let text = format!("{n} {}", "x".repeat(4_000));
        let sent = alice.cli(&["send", "bob", &text, "--wait", "queued"]);
        if sent.status == 0 {
            accepted.push(text);
            return None;
        }
        Some(sent)
    });
    let refused = refused.expect("a full disk takes nothing more");
    assert_eq!((refused.status, refused.error().code.as_str()), (13, "full"), "{refused:?}");
    assert!(refused.error().hint.contains("free"), "{refused:?}");
    disk.free();
    wait_until("there is room again", PATIENCE, || {
        let sent = alice.cli(&["send", "bob", "after", "--wait", "queued"]);
        if sent.status == 0 { Ok(()) } else { Err(format!("{sent:?}")) }
    });
    accepted.push("after".to_owned());
    bob.until_reads("@alice", &accepted.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_node_whose_disk_was_full_hears_all_in_order_over_a_direct_connection_without_a_hub() {
    let stage = Stage::new();
    let Some(disk) = Disk::mount(stage.path("alice"), "24m") else { return };
    let mut hub = Hub::start(&stage);
    let (alice, bob) = (Person::join(&stage, &hub, "alice"), Person::join(&stage, &hub, "bob"));
    alice.send("bob", "before");
    bob.until_reads("@alice", &["before"]);
    bob.send("alice", "hello");
    let mut texts = vec!["before".to_owned(), "hello".to_owned()];
    alice.until_reads("@bob", &["before", "hello"]);
    wait_until("they are connected", PATIENCE * 2, || {
        let path = bob.path("alice").unwrap_or_default();
        if path["path"] == "direct" { Ok(()) } else { Err(path.to_string()) }
    });
    hub.kill9();
    disk.fill();
    wait_until("a disk is full", PATIENCE * 2, || {
        let text = format!("{} {}", texts.len(), "x".repeat(4_000));
        bob.send("alice", &text);
        texts.push(text);
        let said = logs(&stage);
        if said.contains("cannot store") { Ok(()) } else { Err(format!("{} sent", texts.len())) }
    });
    // It stays so for a while, and what comes then waits behind what could not be stored.
    for n in 0..20 {
        texts.push(format!("while it is full {n}"));
        bob.send("alice", &texts[texts.len() - 1]);
    }
    std::thread::sleep(Duration::from_secs(3));
    disk.free();
    let expected: Vec<&str> = texts.iter().map(String::as_str).collect();
    wait_until("alice has everything", PATIENCE * 3, || {
        let came = alice.texts("@bob");
        if came == expected { Ok(()) } else { Err(format!("{} of {}", came.len(), texts.len())) }
    });
    assert_eq!(bob.path("alice").unwrap()["path"], "direct");
}

#[test]
fn a_hub_on_a_full_disk_turns_away_loses_nothing_and_goes_on_when_there_is_room() {
    let stage = Stage::new();
    let Some(disk) = Disk::mount(stage.path("hub"), "192m") else { return };
    let hub = Hub::start(&stage);
    let (alice, bob) = (Person::join(&stage, &hub, "alice"), Person::join(&stage, &hub, "bob"));
    alice.send("bob", "before");
    bob.until_reads("@alice", &["before"]);
    disk.fill();
    let mut texts = vec!["before".to_owned()];
    for n in 0..40 {
        let text = format!("{n} {}", "x".repeat(16_000));
        alice.send("bob", &text);
        texts.push(text);
    }
    wait_until("the hub says that its disk is full", PATIENCE * 2, || {
        let said = logs(&stage);
        if said.contains("store") && said.contains("space") { Ok(()) } else { Err(said) }
    });
    disk.free();
    alice.send("bob", "after");
    texts.push("after".to_owned());
    // Also what waited longest for its next attempt.
    wait_until("bob has everything", PATIENCE * 2, || {
        let came = bob.texts("@alice");
        if came == texts { Ok(()) } else { Err(format!("{} of {}", came.len(), texts.len())) }
    });
}

#[test]
fn a_profile_that_cannot_be_written_says_so_and_is_as_it_was_afterwards() {
    let stage = Stage::new();
    let Some(disk) = Disk::mount(stage.path("alice"), "24m") else { return };
    let hub = Hub::start(&stage);
    let mut alice = Person::join(&stage, &hub, "alice");
    alice.go_offline();
    disk.writable(false);
    let refused = alice.cli(&["status"]);
    assert_eq!((refused.status, refused.error().code.as_str()), (10, "profile"), "{refused:?}");
    assert!(refused.error().what.to_lowercase().contains("read-only"), "{refused:?}");
    disk.writable(true);
    let whoami = alice.cli(&["whoami"]).fine();
    assert_eq!(whoami.json()[0]["nickname"], "alice");
}
