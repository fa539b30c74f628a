//! What can go wrong with a profile: two processes on it, a copy of it, damage to it.

use std::path::Path;

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{Output, PATIENCE, Stage, wait_until};

fn failed(output: &Output, status: i32, code: &str, words: &str) {
    assert_eq!(output.status, status, "{output:?}");
    let told = output.error();
    assert_eq!(told.code, code, "{output:?}");
    assert!(told.what.contains(words), "{words:?} is not in {told:?}");
    assert!(!told.hint.is_empty(), "nothing to try: {told:?}");
    assert!(!output.stderr.contains("panicked"), "{output:?}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_second_command_attaches_and_a_second_node_does_not_start() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut alice = Person::join(&stage, &hub, "alice");
    let me = alice.cli(&["whoami"]).fine();
    assert_eq!(me.json()[0]["nickname"], "alice");
    let again = alice.cli(&["join", &hub.invite(1), "--no-chat"]);
    failed(&again, 11, "in_use", &alice.process_id().to_string());
    failed(&alice.cli(&["up", "--listen", "127.0.0.1:0"]), 11, "in_use", "running");
    alice.go_offline();
    // Nobody runs it now: a command is the node for as long as it takes.
    let later = alice.cli(&["whoami"]).fine();
    assert_eq!(later.json()[0]["node"], me.json()[0]["node"]);
}

#[test]
fn a_copy_of_a_profile_is_noticed_and_the_two_do_not_fight() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut alice = Person::join(&stage, &hub, "alice");
    alice.go_offline();
    let mut copied = Person::nobody(&stage, "copy");
    copy(&alice.profile(), &copied.profile());
    alice.come_back();
    alice.until_linked();
    copied.come_back();
    copied.until_linked();
    wait_until("the first is told", PATIENCE, || {
        let link = alice.link();
        let told =
            link.to_string().contains("somewhere else") && link["down"]["retry_at"].is_null();
        if told { Ok(()) } else { Err(link.to_string()) }
    });
    assert!(copied.link().get("up").is_some(), "{}", copied.link());
}

#[test]
fn a_profile_that_is_not_there_says_how_to_make_one() {
    let stage = Stage::new();
    let nobody = Person::nobody(&stage, "nobody");
    let whoami = nobody.cli(&["whoami"]);
    failed(&whoami, 10, "profile", "no profile");
    assert!(whoami.error().hint.contains("hubbub join"), "{whoami:?}");
    assert!(!nobody.home().exists(), "asking made something");
}

/// What happens to a file.
type Spoil = fn(&mut Vec<u8>);

#[test]
fn damage_to_a_profile_is_told_and_a_copy_put_back_has_everything() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut people = Person::join_all(&stage, &hub, &["alice", "bob"]);
    let sent = ["send", "bob", "before", "--wait", "delivered", "--timeout", "60s"];
    people[0].cli(&sent).fine();
    people[0].go_offline();
    let alice = &people[0];
    let backup = stage.path("backup");
    copy(&alice.profile(), &backup);
    let damage: [(&str, Spoil); 4] = [
        ("identity.key", |bytes| bytes[60] ^= 1),
        ("identity.key", |bytes| bytes.truncate(40)),
        ("node.db", |bytes| bytes.iter_mut().take(4096).for_each(|byte| *byte ^= 0x55)),
        ("hub.toml", |bytes| bytes.truncate(20)),
    ];
    for (file, spoil) in damage {
        let path = alice.profile().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        spoil(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        failed(&alice.cli(&["conversations"]), 10, "profile", "");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{file}: a damaged file was touched");
        copy(&backup, &alice.profile());
    }
    people[0].come_back();
    people[0].until_reads("bob", &["before"]);
    let sent = ["send", "bob", "after", "--wait", "delivered", "--timeout", "60s"];
    people[0].cli(&sent).fine();
    people[1].until_reads("alice", &["before", "after"]);
}

#[test]
fn a_nodes_setting_that_does_not_exist_is_named_with_the_nearest() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut alice = Person::join(&stage, &hub, "alice");
    alice.go_offline();
    std::fs::write(alice.profile().join("node.toml"), "read_reciepts = false\n").unwrap();
    let wrong = alice.cli(&["whoami"]);
    failed(&wrong, 12, "config", "read_reciepts");
    let (what, hint) = (wrong.error().what, wrong.error().hint);
    assert!([what, hint].iter().any(|text| text.contains("read_receipts")), "{wrong:?}");
}

#[test]
fn a_locked_profile_opens_with_its_passphrase_alone() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut alice = Person::join(&stage, &hub, "alice");
    alice.go_offline();
    let (right, wrong) = (stage.path("right"), stage.path("wrong"));
    std::fs::write(&right, "correct horse\n").unwrap();
    std::fs::write(&wrong, "battery staple\n").unwrap();
    let (right, wrong) = (right.to_string_lossy(), wrong.to_string_lossy());
    alice.cli(&["passphrase", "--new-passphrase-file", &right]).fine();
    assert!(!alice.profile().join("unlock.key").exists(), "the key still lies beside the data");
    failed(&alice.cli(&["whoami"]), 10, "profile", "locked");
    failed(&alice.cli(&["whoami", "--passphrase-file", &wrong]), 10, "profile", "passphrase");
    let me = alice.cli(&["whoami", "--passphrase-file", &right]).fine();
    assert_eq!(me.json()[0]["nickname"], "alice");
}
