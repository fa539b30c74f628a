//! A hub whose store is damaged while it is down: it says so and changes nothing, and with a copy
//! put back, or with an empty store, everything goes on.

use std::fs;
use std::path::{Path, PathBuf};

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::Stage;

/// The journals of a hub's store: what it wrote last.
fn journals(hub: &Hub<'_>) -> Vec<PathBuf> {
    let files = fs::read_dir(hub.dir().join("store")).unwrap().map(|file| file.unwrap().path());
    let found: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "jnl")).collect();
    assert!(!found.is_empty());
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// Damages a stopped hub's journals in some way; it refuses, says what to do, and leaves them.
fn is_refused(hub: &Hub<'_>, damage: impl Fn(&mut Vec<u8>)) {
    let intact: Vec<_> =
        journals(hub).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    for (bytes, path) in &intact {
        let mut damaged = bytes.clone();
        damage(&mut damaged);
        fs::write(path, &damaged).unwrap();
    }
    let damaged: Vec<_> = journals(hub).iter().map(|path| fs::read(path).unwrap()).collect();
    for _ in 0..2 {
        let refused = hub.run(&["run", "--listen", hub.address()]);
        assert_eq!(refused.status, 4, "{refused:?}");
        for word in ["damaged", "Put back a copy", "empty", "docs/HUB.md"] {
            assert!(refused.stderr.contains(word), "{word}: {refused:?}");
        }
    }
    let after: Vec<_> = journals(hub).iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(damaged == after, "the damaged journals were changed");
}

/// Where the last byte that is not nothing stands.
fn end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap()
}

#[test]
fn a_damaged_store_is_refused_in_words_and_a_copy_put_back_loses_and_doubles_nothing() {
    let stage = Stage::new();
    let mut hub = Hub::start(&stage);
    let alice = Person::join(&stage, &hub, "alice");
    let mut bob = Person::join(&stage, &hub, "bob");
    let mut carol = Person::join(&stage, &hub, "carol");
    alice.cli(&["group", "new", "team", "bob", "carol"]).fine();
    alice.send("#team", "one");
    carol.until_reads("#team", &["one"]);
    hub.stop();
    let older = stage.path("older");
    copy(hub.dir(), &older);
    hub.restart();
    carol.go_offline();
    alice.send("#team", "two");
    bob.until_reads("#team", &["one", "two"]);
    bob.go_offline();
    alice.send("bob", "are you there?");
    alice.until_stored();
    hub.stop();
    let newest = stage.path("newest");
    copy(hub.dir(), &newest);
    is_refused(&hub, |bytes| {
        let middle = end(bytes) / 2;
        bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x55);
    });
    // Cut off: what the engine would take for a crash.
    copy(&newest, hub.dir());
    is_refused(&hub, |bytes| {
        let cut = end(bytes) - 4_096;
        bytes.truncate(cut);
    });
    // The newest copy: as if nothing had been.
    fs::remove_dir_all(hub.dir()).unwrap();
    copy(&newest, hub.dir());
    hub.restart();
    bob.come_back();
    bob.until_reads("@alice", &["are you there?"]);
    // An older one: what it lacks is sent again, and what it has again is not shown again.
    hub.stop();
    is_refused(&hub, |bytes| {
        let middle = end(bytes) / 2;
        bytes[middle] ^= 1;
    });
    fs::remove_dir_all(hub.dir()).unwrap();
    copy(&older, hub.dir());
    hub.restart();
    carol.come_back();
    alice.send("#team", "three");
    bob.send("#team", "four");
    for person in [&alice, &bob, &carol] {
        person.until_has_each_once("#team", &["one", "two", "three", "four"]);
    }
    bob.until_reads("@alice", &["are you there?"]);
}

#[test]
fn a_hub_killed_and_then_damaged_refuses_and_with_an_empty_store_everything_is_sent_again() {
    let stage = Stage::new();
    let mut hub = Hub::start(&stage);
    let alice = Person::join(&stage, &hub, "alice");
    let mut bob = Person::join(&stage, &hub, "bob");
    alice.send("bob", "one");
    bob.until_reads("@alice", &["one"]);
    bob.go_offline();
    for n in 0..20 {
        alice.send("bob", &format!("{n} while bob was away"));
    }
    alice.until_stored();
    hub.kill9();
    is_refused(&hub, |bytes| {
        let middle = end(bytes) / 2;
        bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x55);
    });
    hub.lose_store();
    bob.come_back();
    let away: Vec<String> = (0..20).map(|n| format!("{n} while bob was away")).collect();
    let expected: Vec<&str> = ["one"].into_iter().chain(away.iter().map(String::as_str)).collect();
    bob.until_reads("@alice", &expected);
}
