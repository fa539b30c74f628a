//! Contacts: keys, names and their past; what is shared with whom, and fairly.

use data_encoding::BASE64;
use hubbub_node::api::command::Shown;
use hubbub_node::api::people::Past;
use hubbub_node::api::view::{ContactView, Delivery, NodeText, Path};
use hubbub_node::api::{Choice, Code, Command, ConversationId, Reply};
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

fn acquainted(seed: u64, names: &[&'static str]) -> World {
    let mut world = World::new(seed, names);
    world.say(ALICE, "bob", "hello");
    world.run(Millis::secs(10));
    world.say(BOB, "alice", "hi");
    world.run(Millis::secs(10));
    world
}

fn contact(world: &World, who: usize, of: usize) -> ContactView {
    let node = world.id(of);
    world.contacts(who).into_iter().find(|c| c.person.node.0 == node).unwrap()
}

fn past(world: &World, who: usize, of: usize) -> Vec<Past> {
    let info = world.engine(who).contact_info(&world.id(of), Path::Stored).unwrap();
    info.past.into_iter().map(|line| line.what).collect()
}

fn named(nickname: &str) -> Command {
    Command::SetNickname { nickname: nickname.to_owned() }
}

// --- Verification ---

#[test]
fn verification_survives_restarts_a_new_era_and_a_hub_that_lost_everything() {
    let mut world = acquainted(1, &["alice", "bob"]);
    let words = world.engine(BOB).safety(&world.id(ALICE)).words;
    let compare = Command::Compare { contact: "bob".to_owned(), shown: Shown::Words(words) };
    world.ask(ALICE, compare).unwrap();
    world.run(Millis::secs(5));
    let copy = world.devices[ALICE].disk.clone();
    let verified = |world: &World| contact(world, ALICE, BOB).person.verified;
    assert!(verified(&world));
    world.crash(ALICE);
    world.run(Millis::secs(10));
    assert!(verified(&world));
    world.wipe_hub();
    world.run(Millis::minutes(5));
    assert!(verified(&world));
    world.restore(ALICE, copy);
    world.run(Millis::minutes(5));
    assert!(verified(&world) && world.devices[ALICE].warnings.contains(&"new-era".to_owned()));
    assert_eq!(past(&world, ALICE, BOB), [Past::Pinned, Past::Verified]);
    world.ask(ALICE, Command::Verify { contact: "bob".to_owned(), verified: false }).unwrap();
    assert!(!verified(&world));
    assert_eq!(past(&world, ALICE, BOB).last(), Some(&Past::Unverified));
}

#[test]
fn a_number_that_differs_marks_nobody() {
    let mut world = acquainted(2, &["alice", "bob", "carol"]);
    let number = world.engine(CAROL).safety(&world.id(ALICE)).number;
    let compare = Command::Compare { contact: "bob".to_owned(), shown: Shown::Number(number) };
    assert_eq!(world.ask(ALICE, compare).unwrap_err().code, Code::Differs);
    assert!(!contact(&world, ALICE, BOB).person.verified);
}

// --- Names ---

/// Nobody lies here: bob takes another nickname, and carol the one that became free.
#[test]
fn a_name_given_up_by_a_contact_does_not_lead_to_who_takes_it_next() {
    let mut world = acquainted(3, &["alice", "bob", "carol"]);
    let (bob, carol) = (world.id(BOB), world.id(CAROL));
    world.ask(BOB, named("robert")).unwrap();
    world.ask(CAROL, named("bob")).unwrap();
    world.run(Millis::days(2));
    world.say(CAROL, "alice", "hello, bob here");
    world.run(Millis::secs(30));
    let name = |node| world.engine(ALICE).person(&node).name;
    assert_eq!(name(bob), "robert");
    assert!(name(carol).starts_with("bob#"), "{}", name(carol));
    assert!(
        past(&world, ALICE, BOB)
            .contains(&Past::Renamed { from: "bob".to_owned(), to: "robert".to_owned() })
    );
    let by = NodeText(carol);
    assert!(past(&world, ALICE, BOB).contains(&Past::Claimed { by, name: "bob".to_owned() }));
    assert_eq!(contact(&world, ALICE, BOB).namesakes, [by]);
    // Nothing goes to either of them by a name that may mean both.
    let send = |to: &str| Command::Send { to: to.to_owned(), text: format!("to {to}"), id: None };
    let refused = world.ask(ALICE, send("bob")).unwrap_err();
    let marked = world.engine(ALICE).person(&carol).name;
    assert_eq!(refused.code, Code::Usage);
    assert!(refused.what.contains("robert#") && refused.hint.contains(&marked), "{refused:?}");
    let sent_to = |answer| match answer {
        Ok(Reply::Queued { conversation, .. }) => conversation,
        other => panic!("{other:?}"),
    };
    assert_eq!(sent_to(world.ask(ALICE, send("robert"))), ConversationId::Direct(bob));
    assert_eq!(sent_to(world.ask(ALICE, send(&marked))), ConversationId::Direct(carol));
    world.crash(ALICE);
    world.run(Millis::secs(10));
    assert_eq!(world.engine(ALICE).person(&carol).name, marked);
}

/// Nor can a contact take names in advance, and get what is meant for who has them later.
#[test]
fn a_contact_keeps_nothing_of_a_name_it_gave_up_but_that_it_must_be_asked_for() {
    let mut world = acquainted(10, &["alice", "bob"]);
    for name in ["dave", "bob"] {
        world.ask(BOB, named(name)).unwrap();
        world.run(Millis::days(2));
    }
    let dave = world.add("dave");
    let send = Command::Send { to: "dave".to_owned(), text: "for dave".to_owned(), id: None };
    assert_eq!(world.ask(ALICE, send).unwrap_err().code, Code::Usage);
    let conversation = ConversationId::Direct(world.id(dave));
    let open = Command::Open { to: "dave".to_owned() };
    assert_eq!(world.ask(ALICE, open), Ok(Reply::Conversation { conversation }));
    let marked = contact(&world, ALICE, dave).person.name;
    assert!(marked.starts_with("dave#"), "{marked}");
    world.say(ALICE, &marked, "for dave");
    world.run(Millis::secs(10));
    assert_eq!(world.words(dave), ["for dave"]);
    assert!(!world.words(BOB).contains(&"for dave".to_owned()));
}

#[test]
fn a_contact_that_takes_another_nickname_is_called_by_it_the_next_day() {
    let mut world = acquainted(4, &["alice", "bob"]);
    world.ask(BOB, named("robert")).unwrap();
    world.run(Millis::days(2));
    assert_eq!(contact(&world, ALICE, BOB).person.name, "robert");
    assert!(world.refusals(ALICE).is_empty());
    assert_eq!(past(&world, ALICE, BOB).len(), 2);
}

// --- Profiles ---

/// The head of a PNG of 48 by 48.
fn picture() -> Vec<u8> {
    let head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x30\0\0\0\x30\x08\x06\0\0\0";
    [&head[..], &[7; 3_000]].concat()
}

fn set_picture(world: &mut World, bytes: &[u8]) -> Result<Reply, Code> {
    let picture = Some(BASE64.encode(bytes));
    let set = Command::SetProfile { name: None, status: None, picture };
    world.ask(BOB, set).map_err(|error| error.code)
}

#[test]
fn a_profile_reaches_contacts_once_per_change_and_nobody_else() {
    let mut world = acquainted(5, &["alice", "bob", "carol"]);
    let set = Command::SetProfile {
        name: Some("  Bob the Builder ".to_owned()),
        status: Some("building".to_owned()),
        picture: Some(BASE64.encode(&picture())),
    };
    world.ask(BOB, set).unwrap();
    world.run(Millis::secs(10));
    let bob = contact(&world, ALICE, BOB);
    assert_eq!((bob.display_name.as_str(), bob.status.as_str()), ("Bob the Builder", "building"));
    assert_eq!(bob.person.name, "bob", "never instead of the nickname");
    let shown = world.engine(ALICE).picture(&world.id(BOB)).unwrap();
    assert_eq!(BASE64.decode(shown.bytes.as_bytes()).unwrap(), picture());
    assert_eq!((shown.facts.kind.as_str(), shown.facts.width), ("png", 48));
    assert!(world.engine(CAROL).picture(&world.id(BOB)).is_none());
    for who in [ALICE, BOB] {
        world.crash(who);
    }
    world.run(Millis::secs(10));
    assert!(contact(&world, ALICE, BOB).has_picture && world.engine(BOB).whoami().has_picture);
    set_picture(&mut world, &[]).unwrap();
    world.run(Millis::secs(10));
    assert!(!contact(&world, ALICE, BOB).has_picture);
    // Carol writes to bob: a contact of his from then on, and he of hers.
    world.say(CAROL, "bob", "hello");
    world.run(Millis::secs(10));
    assert_eq!(contact(&world, CAROL, BOB).display_name, "Bob the Builder");
}

#[test]
fn what_is_no_picture_or_no_name_is_refused_where_it_is_typed() {
    let mut world = acquainted(6, &["alice", "bob"]);
    for wrong in [&b"GIF89a"[..], &picture()[..20], &[0xff; 40_000]] {
        assert_eq!(set_picture(&mut world, wrong), Err(Code::Usage));
    }
    for name in ["two\nlines".to_owned(), "x".repeat(65)] {
        let set = Command::SetProfile { name: Some(name), status: None, picture: None };
        assert_eq!(world.ask(BOB, set).unwrap_err().code, Code::Usage);
    }
    assert!(world.engine(BOB).whoami().display_name.is_empty());
}

// --- Fairness ---

#[test]
fn who_does_not_say_what_was_read_does_not_see_it_either() {
    let mut world = acquainted(7, &["alice", "bob"]);
    world.devices[ALICE].settings.read_receipts = false;
    world.crash(ALICE);
    world.run(Millis::secs(10));
    let (bobs, alices) =
        (world.say(BOB, "alice", "read this"), world.say(ALICE, "bob", "and this"));
    world.run(Millis::secs(10));
    for (who, other) in [(ALICE, BOB), (BOB, ALICE)] {
        let conversation = ConversationId::Direct(world.id(other));
        world.ask(who, Command::MarkRead { conversation }).unwrap();
    }
    world.run(Millis::secs(10));
    assert_eq!(world.delivery(BOB, bobs, ALICE), Some(Delivery::Delivered));
    assert_eq!(world.delivery(ALICE, alices, BOB), Some(Delivery::Delivered));
    let on = Command::Set(Choice { read_receipts: Some(true), ..Choice::default() });
    world.ask(ALICE, on).unwrap();
    let again = world.say(ALICE, "bob", "once more");
    world.run(Millis::secs(10));
    let conversation = ConversationId::Direct(world.id(ALICE));
    world.ask(BOB, Command::MarkRead { conversation }).unwrap();
    world.run(Millis::secs(10));
    assert_eq!(world.delivery(ALICE, again, BOB), Some(Delivery::Read));
}

#[test]
fn presence_is_shown_to_who_shows_theirs_and_costs_no_message() {
    let mut world = acquainted(8, &["alice", "bob"]);
    let last_heard = |world: &World, who, of| contact(world, who, of).last_heard;
    let before = last_heard(&world, ALICE, BOB).unwrap();
    assert!(world.now.since(before) < Millis::minutes(2));
    world.run(Millis::hours(1));
    assert_eq!(last_heard(&world, ALICE, BOB), Some(before), "nothing was said since");
    let off = Command::Set(Choice { presence: Some(false), ..Choice::default() });
    world.ask(BOB, off).unwrap();
    world.run(Millis::secs(10));
    assert_eq!(last_heard(&world, BOB, ALICE), None, "who hides sees nothing");
    assert_eq!(last_heard(&world, ALICE, BOB), None, "and is not shown");
    let on = Command::Set(Choice { presence: Some(true), ..Choice::default() });
    world.ask(BOB, on).unwrap();
    world.run(Millis::secs(10));
    assert!(last_heard(&world, ALICE, BOB).is_some() && last_heard(&world, BOB, ALICE).is_some());
}

#[test]
fn a_setting_that_others_are_told_of_is_told_after_a_restart_too() {
    let mut world = acquainted(9, &["alice", "bob"]);
    world.devices[BOB].settings.presence = false;
    world.crash(BOB);
    world.run(Millis::minutes(1));
    assert_eq!(contact(&world, ALICE, BOB).last_heard, None);
}
