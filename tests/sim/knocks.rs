//! Strangers at the door: with the passphrase, with a wrong one, or asking.

use hubbub_node::api::group::{DoorsView, SettingsChange, Who};
use hubbub_node::api::secret::SecretText;
use hubbub_node::api::{ApiError, Code, Command, Reply};
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

const RIGHT: &str = "seven green kettles sing at dawn";

fn secret(text: &str) -> Option<SecretText> {
    Some(SecretText::new(SecretBytes::from_vec(text.as_bytes().to_vec())))
}

fn knock(world: &mut World, who: usize, passphrase: &str) -> Result<Reply, ApiError> {
    let (room, note) = ("tearoom".to_owned(), String::new());
    world.ask(who, Command::GroupKnock { room, passphrase: secret(passphrase), note })
}

fn ask_in(world: &mut World, who: usize, note: &str) -> Result<Reply, ApiError> {
    let (room, note) = ("tearoom".to_owned(), note.to_owned());
    world.ask(who, Command::GroupKnock { room, passphrase: None, note })
}

fn set(world: &mut World, who: usize, change: SettingsChange) {
    world.ask(who, Command::GroupSet { group: "#team".to_owned(), change }).unwrap();
}

fn doors(world: &World, who: usize) -> DoorsView {
    let engine = world.engine(who);
    engine.doors(&engine.resolve_group("team").unwrap()).unwrap()
}

fn is_in(world: &World, who: usize) -> bool {
    let engine = world.engine(who);
    let id = engine.conversations().into_iter().find(|c| c.title == "team");
    id.is_some_and(|conversation| conversation.active)
}

/// alice's group with bob in it, a public name and a passphrase.
fn tearoom(seed: u64, names: &[&'static str]) -> World {
    let mut world = World::new(seed, names);
    world.found(0, "team", &["bob"]);
    let alias = Some("tearoom".to_owned());
    set(&mut world, 0, SettingsChange { alias, ..SettingsChange::default() });
    let group = "#team".to_owned();
    world.ask(0, Command::GroupPassphrase { group, passphrase: secret(RIGHT) }).unwrap();
    world.run(Millis::secs(10));
    world
}

#[test]
fn whoever_knows_the_passphrase_comes_in_and_talks() {
    let mut world = tearoom(1, &["alice", "bob", "carol"]);
    world.say(0, "team", "before");
    assert!(matches!(knock(&mut world, 2, RIGHT), Ok(Reply::Knocked { keepers: 1, .. })));
    world.run(Millis::secs(20));
    assert!(is_in(&world, 2));
    world.say(2, "team", "hello");
    world.say(1, "team", "hello carol");
    world.run(Millis::secs(10));
    assert_eq!(world.words(2), ["hello", "hello carol"]);
    assert_eq!(world.words(0), ["before", "hello", "hello carol"]);
    for who in 0..3 {
        assert!(world.refusals(who).is_empty(), "{who}: {:?}", world.refusals(who));
    }
}

#[test]
fn with_nobody_there_a_knock_waits_and_survives_a_crash() {
    let mut world = tearoom(2, &["alice", "bob", "carol"]);
    world.disconnect(0);
    knock(&mut world, 2, RIGHT).unwrap();
    world.run(Millis::minutes(10));
    assert!(!is_in(&world, 2));
    assert_eq!(world.engine(2).knocks().len(), 1);
    world.crash(2);
    world.run(Millis::hours(1));
    world.connect(0);
    world.run(Millis::minutes(2));
    assert!(is_in(&world, 2) && world.engine(2).knocks().is_empty());
}

#[test]
fn a_wrong_passphrase_is_said_at_once_and_lets_nobody_in() {
    let mut world = tearoom(3, &["alice", "bob", "mallory"]);
    knock(&mut world, 2, "six blue kettles sing at dawn").unwrap();
    world.run(Millis::secs(20));
    assert!(!is_in(&world, 2) && world.engine(2).knocks().is_empty());
    assert!(world.warnings(2).contains(&"not-let-in".to_owned()));
    assert_eq!(doors(&world, 0).keepers.len(), 1);
}

#[test]
fn ten_wrong_tries_shut_the_door_until_an_admin_opens_it_anew() {
    let mut world = tearoom(4, &["alice", "bob", "carol", "mallory"]);
    for n in 0..12 {
        if knock(&mut world, 3, &format!("wrong kettles number {n} sing")).is_err() {
            break;
        }
        world.run(Millis::minutes(11));
    }
    assert!(!is_in(&world, 3));
    assert!(!doors(&world, 0).passphrase && !doors(&world, 1).passphrase, "shut for all");
    assert!(world.warnings(0).contains(&"door-locked".to_owned()));
    assert_eq!(knock(&mut world, 2, RIGHT).unwrap_err().code, Code::NotFound);
    let open = SettingsChange { passphrase: Some(true), ..SettingsChange::default() };
    set(&mut world, 0, open);
    knock(&mut world, 2, RIGHT).unwrap();
    world.run(Millis::secs(20));
    assert!(is_in(&world, 2));
}

#[test]
fn a_whole_family_comes_in_at_once() {
    let names = [
        "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mike",
        "nina",
    ];
    let mut world = tearoom(5, &names);
    for who in 2..names.len() {
        knock(&mut world, who, RIGHT).unwrap();
    }
    world.run(Millis::minutes(3));
    for (who, name) in names.iter().enumerate().skip(2) {
        assert!(is_in(&world, who), "{name}");
    }
}

#[test]
fn any_member_opens_where_the_group_says_so() {
    let mut world = tearoom(6, &["alice", "bob", "carol"]);
    set(&mut world, 0, SettingsChange { adding: Some(Who::Members), ..SettingsChange::default() });
    world.run(Millis::secs(10));
    world.disconnect(0);
    knock(&mut world, 2, RIGHT).unwrap();
    world.run(Millis::minutes(1));
    assert!(is_in(&world, 2));
}

#[test]
fn the_banned_do_not_come_in_with_the_passphrase() {
    let mut world = tearoom(7, &["alice", "bob", "mallory"]);
    let ban = Command::GroupBan { group: "#team".to_owned(), member: "mallory".to_owned() };
    world.ask(0, ban).unwrap();
    knock(&mut world, 2, RIGHT).unwrap();
    world.run(Millis::minutes(1));
    assert!(!is_in(&world, 2));
    assert!(world.warnings(2).contains(&"not-let-in".to_owned()));
}

#[test]
fn a_changed_passphrase_makes_the_old_one_worthless() {
    let mut world = tearoom(8, &["alice", "bob", "carol", "dave"]);
    let (group, fresh) = ("#team".to_owned(), "nine red umbrellas wait outside");
    world.ask(0, Command::GroupPassphrase { group, passphrase: secret(fresh) }).unwrap();
    world.run(Millis::secs(10));
    knock(&mut world, 2, RIGHT).unwrap();
    knock(&mut world, 3, fresh).unwrap();
    world.run(Millis::minutes(1));
    assert!(!is_in(&world, 2) && is_in(&world, 3));
}

#[test]
fn an_old_passphrase_does_not_come_back_with_an_old_copy_of_a_profile() {
    let mut world = tearoom(14, &["alice", "bob", "carol", "dave"]);
    let (group, member) = ("#team".to_owned(), "dave".to_owned());
    world.ask(0, Command::GroupInvite { group: group.clone(), member: member.clone() }).unwrap();
    world.run(Millis::secs(10));
    let copy = world.devices[0].disk.clone();
    // With dave goes the key that the copy has.
    world.ask(0, Command::GroupRemove { group: group.clone(), member }).unwrap();
    let passphrase = secret("nine red umbrellas wait outside");
    world.ask(0, Command::GroupPassphrase { group, passphrase }).unwrap();
    world.run(Millis::secs(10));
    world.disconnect(1);
    world.restore(0, copy);
    world.run(Millis::hours(3));
    assert!(world.warnings(0).contains(&"passphrase-lost".to_owned()));
    assert!(!doors(&world, 0).passphrase);
    // Whether the door is found or not.
    knock(&mut world, 2, RIGHT).map(drop).unwrap_or_default();
    world.run(Millis::minutes(1));
    assert!(!is_in(&world, 2));
    let passphrase = secret("two green parrots whistle upstairs");
    let group = "#team".to_owned();
    world.ask(0, Command::GroupPassphrase { group, passphrase }).unwrap();
    world.run(Millis::secs(10));
    knock(&mut world, 2, "two green parrots whistle upstairs").unwrap();
    world.run(Millis::secs(30));
    assert!(is_in(&world, 2));
}

#[test]
fn a_weak_passphrase_and_one_by_a_member_are_refused() {
    let mut world = tearoom(9, &["alice", "bob"]);
    let weak = Command::GroupPassphrase { group: "#team".to_owned(), passphrase: secret("tea") };
    assert_eq!(world.ask(0, weak).unwrap_err().code, Code::Usage);
    let by_bob = Command::GroupPassphrase { group: "#team".to_owned(), passphrase: secret(RIGHT) };
    assert_eq!(world.ask(1, by_bob).unwrap_err().code, Code::Forbidden);
}

#[test]
fn who_asks_is_let_in_when_an_admin_says_so() {
    let mut world = tearoom(10, &["alice", "bob", "carol", "mallory"]);
    assert_eq!(ask_in(&mut world, 2, "").unwrap_err().code, Code::Forbidden);
    set(&mut world, 0, SettingsChange { requests: Some(true), ..SettingsChange::default() });
    world.disconnect(0);
    ask_in(&mut world, 2, "it is me, carol").unwrap();
    ask_in(&mut world, 3, "let me in").unwrap();
    world.run(Millis::hours(5));
    world.connect(0);
    world.run(Millis::minutes(1));
    let asking = doors(&world, 0).asking;
    let said: Vec<_> = asking.iter().map(|r| (r.person.name.as_str(), r.note.as_str())).collect();
    assert_eq!(said, [("carol", "it is me, carol"), ("mallory", "let me in")]);
    let decide = |member: &str, accept| Command::GroupDecide {
        group: "#team".to_owned(),
        member: member.to_owned(),
        accept,
    };
    world.ask(0, decide("carol", true)).unwrap();
    world.ask(0, decide("mallory", false)).unwrap();
    world.run(Millis::minutes(1));
    assert!(is_in(&world, 2) && !is_in(&world, 3));
    assert!(doors(&world, 0).asking.is_empty());
    assert!(world.warnings(3).contains(&"not-let-in".to_owned()));
}

#[test]
fn a_room_nobody_named_and_a_group_without_a_door_are_not_there() {
    let mut world = World::new(11, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob"]);
    let alias = Some("tearoom".to_owned());
    set(&mut world, 0, SettingsChange { alias, ..SettingsChange::default() });
    world.run(Millis::secs(5));
    assert_eq!(knock(&mut world, 2, RIGHT).unwrap_err().code, Code::NotFound);
}

#[test]
fn a_public_name_belongs_to_the_group_that_had_it_first() {
    let mut world = tearoom(12, &["alice", "bob", "carol", "mallory"]);
    world.found(3, "trap", &[]);
    let group = "#trap".to_owned();
    let alias = Some("TeaRoom".to_owned());
    let change = SettingsChange { alias, requests: Some(true), ..SettingsChange::default() };
    world.ask(3, Command::GroupSet { group, change }).unwrap();
    world.crash_hub();
    world.run(Millis::minutes(1));
    knock(&mut world, 2, RIGHT).unwrap();
    world.run(Millis::minutes(1));
    assert!(is_in(&world, 2));
}
