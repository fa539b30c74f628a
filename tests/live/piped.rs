//! What is piped in is offered as a file, and leaves nothing behind when that is over.

use std::fs::{self, File};
use std::path::Path;

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_piped_in_arrives_whole_and_what_nobody_offers_is_swept_away() {
    let stage = Stage::new();
    let hub = Hub::with(&stage, &["files.enabled=false"]);
    let people = Person::join_all(&stage, &hub, &["alice", "bob"]);
    let [mut alice, bob] = <[Person<'_>; 2]>::try_from(people).ok().unwrap();
    let piped: Vec<u8> = (0..251).cycle().take(3 << 20).collect();
    fs::write(stage.path("piped"), &piped).unwrap();
    let mut command = stage.command("hubbub");
    command.arg("--home").arg(stage.path("alice"));
    command.args(["file", "send", "-", "bob", "--name", "log.txt", "--wait"]);
    command.stdin(File::open(stage.path("piped")).unwrap());
    let said = command.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    wait_until("bob is offered it", PATIENCE, || {
        let list = bob.cli(&["file", "list"]).fine().stdout;
        if list.contains("log.txt") { Ok(()) } else { Err(list) }
    });
    let folder = stage.path("bobs");
    fs::create_dir(&folder).unwrap();
    let to = folder.to_str().unwrap();
    bob.cli(&["file", "accept", "1", "--to", to, "--wait"]).fine();
    assert!(fs::read(folder.join("log.txt")).unwrap() == piped);
    let sent = alice.profile().join("sent");
    let offered = names(&sent);
    assert_eq!(offered.len(), 1);
    // As if a program had been killed while it wrote something down.
    alice.crash();
    fs::write(sent.join("1-1"), "half of it").unwrap();
    alice.come_back();
    wait_until("what nobody offers is gone", PATIENCE, || match names(&sent) {
        left if left == offered => Ok(()),
        left => Err(format!("{left:?}")),
    });
    alice.cli(&["file", "cancel", "1"]).fine();
    wait_until("what is offered no more is gone", PATIENCE, || match names(&sent) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
}
