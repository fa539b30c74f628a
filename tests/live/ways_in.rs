//! Coming into a group as people do: by a link, by its passphrase, by asking.

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};

#[test]
fn a_link_a_passphrase_and_a_kind_word_lead_into_a_group_and_a_ban_out_of_it() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let people = Person::join_all(&stage, &hub, &["alice", "bob", "carol", "dave"]);
    let [alice, bob, carol, dave] = &people[..] else { panic!("four") };
    alice.cli(&["group", "new", "team"]).fine();
    alice.cli(&["group", "set", "#team", "--public-name", "tearoom", "--requests", "on"]).fine();

    let made = alice.cli(&["group", "link", "#team", "--uses", "2"]).fine().json();
    let link = made[0]["link"]["link"].as_str().unwrap();
    bob.cli(&["group", "join", link]).fine();
    bob.send("#team", "by the link");
    alice.until_reads("#team", &["by the link"]);

    let secret = stage.path("passphrase");
    std::fs::write(&secret, "seven green kettles sing at dawn\n").unwrap();
    let (secret, wrong) = (secret.display().to_string(), stage.path("wrong"));
    std::fs::write(&wrong, "six blue kettles sing at dawn\n").unwrap();
    alice.cli(&["group", "passphrase", "#team", "--file", &secret]).fine();
    let wrong = wrong.display().to_string();
    let refused = carol.cli(&["join", "tearoom", "--passphrase-file", &wrong]);
    assert_eq!(refused.status, 4, "{refused:?}");
    let told = carol.cli(&["join", "tearoom", "--passphrase-file", &secret]).fine().json();
    assert_eq!(told[0]["in"], true, "{told:?}");
    carol.send("#team", "by the passphrase");
    alice.until_reads("#team", &["by the link", "by the passphrase"]);

    dave.cli(&["group", "ask", "tearoom", "--note", "it is me"]).fine();
    wait_until("alice sees who asks", PATIENCE, || {
        let doors = alice.cli(&["group", "doors", "#team"]).fine().json();
        let asks = &doors[0]["asking"][0];
        let sees = asks["person"]["name"] == "dave" && asks["note"] == "it is me";
        if sees { Ok(()) } else { Err(doors[0].to_string()) }
    });
    alice.cli(&["group", "accept", "#team", "dave"]).fine();
    alice.cli(&["send", "#team", "welcome dave"]).fine();
    dave.until_reads("#team", &["welcome dave"]);

    alice.cli(&["group", "ban", "#team", "bob"]).fine();
    wait_until("bob is out", PATIENCE, || {
        let active = bob.conversation("#team").and_then(|team| team["active"].as_bool());
        if active == Some(false) { Ok(()) } else { Err(format!("{active:?}")) }
    });
    let refused = bob.cli(&["group", "join", link]);
    assert_ne!(refused.status, 0, "{refused:?}");
}
