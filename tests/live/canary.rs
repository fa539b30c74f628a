//! The hub hears only hubbub: nothing that was said, and no key of anybody's, is anywhere in it.

use std::collections::BTreeSet;
use std::io::Read;

use data_encoding::BASE32_NOPAD;
use hubbub_node::keystore;
use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};
use hubbub_tests::scan::Scanner;

/// A word that is nowhere else.
fn canary() -> String {
    let mut random = [0; 15];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
    BASE32_NOPAD.encode(&random).to_lowercase()
}

/// One word for everything that is sealed.
struct Words {
    direct: String,
    waiting: String,
    group: String,
    lobby: String,
    name: String,
    topic: String,
    status: String,
}

impl Words {
    fn new() -> Self {
        Self {
            direct: canary(),
            waiting: canary(),
            group: canary(),
            lobby: canary(),
            name: canary(),
            topic: canary(),
            status: canary(),
        }
    }

    fn scanner(&self) -> Scanner {
        Scanner::default()
            .and("a direct message", self.direct.as_bytes())
            .and("a message that waits", self.waiting.as_bytes())
            .and("a group's message", self.group.as_bytes())
            .and("a message in the lobby", self.lobby.as_bytes())
            .and("a group's name", self.name.as_bytes())
            .and("a topic", self.topic.as_bytes())
            .and("a status", self.status.as_bytes())
    }
}

/// Everything that must stay with `person`.
fn with_keys(scanner: Scanner, person: &Person<'_>) -> Scanner {
    let keys = keystore::open(&person.profile(), None).unwrap();
    let unlock = std::fs::read(person.profile().join("unlock.key")).unwrap();
    scanner
        .and(&format!("{}'s identity", person.name()), keys.identity.seed().expose())
        .and(&format!("{}'s database key", person.name()), keys.master.expose())
        .and(&format!("{}'s unlock key", person.name()), &unlock)
}

fn none(found: &BTreeSet<String>) {
    assert!(found.is_empty(), "found where it must not be: {found:#?}");
}

/// The hub's memory, its folder, and everything it has logged.
fn nothing_in(hub: &Hub<'_>, scanner: &Scanner) {
    let (found, looked) = scanner.in_memory(hub.process_id());
    none(&found);
    assert!(looked > 1 << 20, "only {looked} bytes of the hub's memory could be read");
    let (found, looked) = scanner.in_files(hub.dir());
    none(&found);
    assert!(looked > 1 << 10, "only {looked} bytes in the hub's folder");
    none(&scanner.in_bytes(hub.log().as_bytes()));
}

fn until_status(person: &Person<'_>, status: &str) {
    wait_until("a contact's status arrives", PATIENCE, || {
        let contacts = person.query("contacts".into()).map_err(|error| error.to_string())?;
        if contacts.to_string().contains(status) { Ok(()) } else { Err(contacts.to_string()) }
    });
}

fn until_described(person: &Person<'_>, words: &Words) {
    wait_until("a group's name and topic arrive", PATIENCE, || {
        let found = person.conversation(&format!("#{}", words.name));
        let found = found.ok_or("no such group")?;
        if found["topic"] == words.topic.as_str() { Ok(()) } else { Err(found.to_string()) }
    });
}

#[test]
fn a_hub_at_trace_level_holds_no_word_and_no_key_anywhere() {
    let stage = Stage::new();
    let mut hub = Hub::at_level(&stage, "trace");
    // The hub is meant to know nicknames: what finds them would find the rest.
    let nickname = format!("n{}", canary());
    let mut people = Person::join_all(&stage, &hub, &[&nickname, "bob", "carol"]);
    let words = Words::new();
    let group = format!("#{}", words.name);
    let scanner = people.iter().fold(words.scanner(), with_keys);
    let known = Scanner::default().and("a nickname", nickname.as_bytes());

    let alice = &people[0];
    alice.cli(&["group", "new", &words.name, "bob", "carol"]).fine();
    alice.cli(&["group", "describe", &group, "--topic", &words.topic]).fine();
    alice.cli(&["set-status", &words.status]).fine();
    alice.send("bob", &words.direct);
    alice.send(&group, &words.group);
    // Who comes in later than alice knows is not meant to read what she said before.
    wait_until("alice sees the others in the lobby", PATIENCE, || {
        let lobby = alice.conversation("lobby").ok_or("no lobby yet")?;
        if lobby["members"] == 3 { Ok(()) } else { Err(lobby.to_string()) }
    });
    alice.send("lobby", &words.lobby);
    let bob = &people[1];
    bob.until_reads(&nickname, &[&words.direct]);
    until_described(bob, &words);
    bob.until_reads(&group, &[&words.group]);
    bob.until_reads("lobby", &[&words.lobby]);
    until_status(bob, &words.status);
    people[2].until_reads(&group, &[&words.group]);

    // Something waits at the hub, too, while it is searched.
    people[2].go_offline();
    let alice = &people[0];
    alice.cli(&["send", "carol", &words.waiting, "--wait", "stored"]).fine();
    alice.cli(&["send", &group, &words.waiting, "--wait", "stored"]).fine();
    nothing_in(&hub, &scanner);
    assert!(!known.in_memory(hub.process_id()).0.is_empty(), "the search finds nothing at all");
    assert!(!known.in_files(hub.dir()).0.is_empty(), "the search finds nothing in files");
    assert!(!known.in_bytes(hub.log().as_bytes()).is_empty(), "the search finds nothing in logs");

    // Where they belong, they are found.
    let (at_home, _) = scanner.in_memory(alice.process_id());
    for wanted in ["a direct message", "identity"] {
        assert!(at_home.iter().any(|name| name.contains(wanted)), "{wanted}: {at_home:?}");
    }
    // On their own disk they lie sealed.
    none(&words.scanner().in_files(alice.home()).0);

    people[2].come_back();
    people[2].until_reads(&nickname, &[&words.waiting]);
    nothing_in(&hub, &scanner);
    // What a stopping hub writes down, and what a crashed one leaves.
    hub.stop();
    none(&scanner.in_files(hub.dir()).0);
    hub.restart();
    alice_and_bob_go_on(&people);
    nothing_in(&hub, &scanner);
    hub.kill9();
    none(&scanner.in_files(hub.dir()).0);
    none(&scanner.in_files(&stage.path("logs")).0);
}

fn alice_and_bob_go_on(people: &[Person<'_>]) {
    people[0].until_linked();
    let _ =
        people[0].cli(&["send", "bob", "again", "--wait", "delivered", "--timeout", "60s"]).fine();
}
