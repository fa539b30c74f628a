//! Backups with the programs themselves: made beside a running node, restored, and gone on from.

use std::path::PathBuf;

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{Output, Stage};

struct Vault {
    file: PathBuf,
    pass: PathBuf,
}

impl Vault {
    fn new(stage: &Stage) -> Self {
        let (file, pass) = (stage.path("alice.hubbub-backup"), stage.path("pass"));
        std::fs::write(&pass, "correct horse\n").unwrap();
        Self { file, pass }
    }

    fn ask(&self, person: &Person<'_>, verb: &str, more: &[&str]) -> Output {
        let (file, pass) = (self.file.to_str().unwrap(), self.pass.to_str().unwrap());
        let args = [&[verb, file, "--backup-passphrase-file", pass][..], more].concat();
        person.cli(&args)
    }
}

fn refused(output: &Output, status: i32, words: &str) {
    assert_eq!(output.status, status, "{output:?}");
    let told = output.error();
    assert!(told.what.contains(words) && !told.hint.is_empty(), "{told:?}");
}

#[test]
fn a_restored_profile_has_what_was_said_and_is_told_what_came_since() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let (mut alice, bob) = (Person::join(&stage, &hub, "alice"), Person::join(&stage, &hub, "bob"));
    let vault = Vault::new(&stage);
    alice.send("bob", "hello");
    bob.until_reads("@alice", &["hello"]);
    bob.send("alice", "hi");
    alice.until_reads("@bob", &["hello", "hi"]);
    alice.cli(&["verify", "bob", "--yes"]).fine();
    alice.cli(&["profile", "set", "--name", "Alice L."]).fine();
    let made = vault.ask(&alice, "backup", &[]).fine();
    let me = alice.cli(&["whoami"]).fine().json()[0]["node"].clone();
    assert_eq!(made.json()[0]["node"], me);
    refused(&vault.ask(&alice, "backup", &[]), 2, "already");
    vault.ask(&alice, "backup", &["--force"]).fine();
    alice.send("bob", "only alice had this");
    bob.until_reads("@alice", &["hello", "hi", "only alice had this"]);
    bob.send("alice", "after the backup");
    alice.until_reads("@bob", &["hello", "hi", "only alice had this", "after the backup"]);
    alice.crash();
    std::fs::remove_dir_all(alice.home()).unwrap();

    let mut again = Person::nobody(&stage, "alice again");
    let looked = vault.ask(&again, "restore", &["--verify"]).fine();
    assert_eq!(looked.json()[0], vault.ask(&again, "restore", &[]).fine().json()[0]);
    refused(&vault.ask(&again, "restore", &[]), 10, "left alone");
    again.come_back();
    again.until_linked();
    again.until_reads("@bob", &["hello", "hi", "after the backup"]);
    let info = again.cli(&["contact", "info", "bob"]).fine().json().remove(0);
    assert_eq!(info["contact"]["person"]["verified"], true, "{info}");
    assert_eq!(info["past"][1]["what"], "verified", "{info}");
    assert_eq!(again.cli(&["whoami"]).fine().json()[0]["display_name"], "Alice L.");
    again.send("bob", "I am back");
    let all = ["hello", "hi", "only alice had this", "after the backup", "I am back"];
    bob.until_reads("@alice", &all);
    bob.send("alice", "welcome back");
    again.until_reads("@bob", &["hello", "hi", "after the backup", "I am back", "welcome back"]);
}

#[test]
fn a_wrong_passphrase_a_damaged_and_a_cut_backup_are_told_and_nothing_is_made() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let mut alice = Person::join(&stage, &hub, "alice");
    alice.go_offline();
    let vault = Vault::new(&stage);
    vault.ask(&alice, "backup", &[]).fine();
    let whole = std::fs::read(&vault.file).unwrap();
    let nobody = Person::nobody(&stage, "nobody");
    let told = |bytes: &[u8], words| {
        std::fs::write(&vault.file, bytes).unwrap();
        refused(&vault.ask(&nobody, "restore", &[]), 10, words);
        refused(&vault.ask(&nobody, "restore", &["--verify"]), 10, words);
        assert!(!nobody.profile().exists(), "{words}: something was made");
    };
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    told(&damaged, "passphrase");
    told(&whole[..whole.len() - 1], "cut short");
    told(b"something else altogether, of no small length at all", "no backup");
    std::fs::write(&vault.pass, "battery staple\n").unwrap();
    told(&whole, "passphrase");
    std::fs::write(&vault.pass, "correct horse\n").unwrap();
    std::fs::write(&vault.file, &whole).unwrap();
    vault.ask(&nobody, "restore", &[]).fine();
}
