//! Files and what is thought of them before they are fetched: rules for one contact, names that
//! only look like others.

use hubbub_node::api::file::AcceptFrom;
use hubbub_node::api::{Code, Command, FileChoice, FileRule, FileState};
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

use crate::files::{ALICE, BOB, CAROL, KIB, PICTURE, TEXT, acquainted, fetches};

fn rule(world: &mut World, contact: &str, rule: FileRule) {
    let contact = contact.to_owned();
    world.ask(ALICE, Command::SetFileRule { contact, rule }).unwrap();
}

#[test]
fn a_rule_for_one_contact_holds_whatever_holds_for_others_and_survives_a_restart() {
    let mut world = acquainted(300);
    let comes = |world: &mut World, who, what, size| {
        world.offer(who, "#team", what, size);
        world.run(Millis::secs(5));
        !fetches(&world.ordered(ALICE)).is_empty()
    };
    assert!(comes(&mut world, BOB, PICTURE, 5) && !comes(&mut world, BOB, TEXT, 5));
    rule(&mut world, "bob", FileRule::Never);
    assert!(!comes(&mut world, BOB, PICTURE, 5));
    rule(&mut world, "@bob", FileRule::Always);
    world.crash(ALICE);
    world.run(Millis::secs(10));
    let choice = FileChoice { from: Some(AcceptFrom::Nobody), ..FileChoice::default() };
    world.ask(ALICE, Command::SetFiles(choice)).unwrap();
    drop(world.ordered(ALICE));
    let rules = world.engine(ALICE).file_rules();
    assert_eq!(
        rules.iter().map(|of| (&*of.person.name, of.rule)).collect::<Vec<_>>(),
        [("bob", FileRule::Always)]
    );
    assert!(comes(&mut world, BOB, TEXT, 9 * KIB * KIB));
    assert!(!comes(&mut world, BOB, ("cat.png.exe", "image/png"), 5));
    // So many bytes a day are the end of it.
    assert!(!comes(&mut world, BOB, TEXT, 1 << 40));
    rule(&mut world, "bob", FileRule::Default);
    assert!(world.engine(ALICE).file_rules().is_empty());
    assert!(!comes(&mut world, BOB, PICTURE, 5), "nobody's come by themselves now");
    world.add("mallory");
    world.run(Millis::secs(10));
    let contact = "mallory".to_owned();
    let refused = world.ask(ALICE, Command::SetFileRule { contact, rule: FileRule::Always });
    assert_eq!(refused.unwrap_err().code, Code::Usage, "mallory is no contact of hers");
    rule(&mut world, "bob", FileRule::Always);
    world.ask(ALICE, Command::Block { contact: "bob".to_owned() }).unwrap();
    assert!(!comes(&mut world, BOB, PICTURE, 5) && !comes(&mut world, CAROL, PICTURE, 5));
}

#[test]
fn a_rule_for_a_group_holds_there_alone_below_that_for_a_contact_and_survives_a_restart() {
    let mut world = acquainted(305);
    let there = |world: &mut World, rule| {
        let group = "#team".to_owned();
        world.ask(ALICE, Command::SetGroupFileRule { group, rule }).unwrap();
    };
    let comes = |world: &mut World, who, to: &str, what| {
        world.offer(who, to, what, 5);
        world.run(Millis::secs(5));
        !fetches(&world.ordered(ALICE)).is_empty()
    };
    assert!(!comes(&mut world, CAROL, "#team", TEXT), "she is no contact");
    there(&mut world, FileRule::Always);
    world.crash(ALICE);
    world.run(Millis::secs(10));
    drop(world.ordered(ALICE));
    let rules = world.engine(ALICE).group_file_rules();
    assert_eq!(
        rules.iter().map(|of| (&*of.title, of.rule)).collect::<Vec<_>>(),
        [("team", FileRule::Always)]
    );
    assert!(comes(&mut world, CAROL, "#team", TEXT) && comes(&mut world, BOB, "#team", TEXT));
    assert!(!comes(&mut world, BOB, "alice", TEXT), "elsewhere it is as before");
    rule(&mut world, "bob", FileRule::Never);
    assert!(!comes(&mut world, BOB, "#team", PICTURE));
    there(&mut world, FileRule::Never);
    rule(&mut world, "bob", FileRule::Always);
    assert!(comes(&mut world, BOB, "#team", TEXT) && !comes(&mut world, CAROL, "#team", PICTURE));
    rule(&mut world, "bob", FileRule::Default);
    assert!(!comes(&mut world, BOB, "#team", PICTURE) && comes(&mut world, BOB, "alice", PICTURE));
    there(&mut world, FileRule::Default);
    assert!(world.engine(ALICE).group_file_rules().is_empty());
    let group = "#nowhere".to_owned();
    let refused = world.ask(ALICE, Command::SetGroupFileRule { group, rule: FileRule::Always });
    assert_eq!(refused.unwrap_err().code, Code::NotFound);
}

#[test]
fn what_comes_by_a_groups_rule_is_bounded_for_all_its_members_together() {
    let mut world = acquainted(306);
    let group = "#team".to_owned();
    world.ask(ALICE, Command::SetGroupFileRule { group, rule: FileRule::Always }).unwrap();
    let comes = |world: &mut World, who, to: &str, what, size| {
        world.offer(who, to, what, size);
        world.run(Millis::secs(5));
        let fetched = fetches(&world.ordered(ALICE));
        fetched.iter().for_each(|file| world.fetched(ALICE, *file));
        drop(world.ordered(ALICE));
        !fetched.is_empty()
    };
    // 256 MiB a day, unless the settings say otherwise, whoever they are of.
    let most = 256 * KIB * KIB;
    assert!(comes(&mut world, BOB, "#team", TEXT, most - 5));
    assert!(
        !comes(&mut world, CAROL, "#team", TEXT, 6) && comes(&mut world, CAROL, "#team", TEXT, 5)
    );
    assert!(!comes(&mut world, CAROL, "#team", TEXT, 1));
    world.run(Millis::days(1));
    assert!(comes(&mut world, CAROL, "#team", TEXT, 6));
}

#[test]
fn nobody_has_everything_fetched_that_is_offered_in_the_lobby() {
    let mut world = acquainted(307);
    let rule_there = |rule| Command::SetGroupFileRule { group: "lobby".to_owned(), rule };
    let refused = world.ask(ALICE, rule_there(FileRule::Always)).unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    world.ask(ALICE, rule_there(FileRule::Never)).unwrap();
    world.offer(BOB, "lobby", PICTURE, 5);
    world.run(Millis::secs(10));
    assert!(fetches(&world.ordered(ALICE)).is_empty(), "of a contact, too");
}

#[test]
fn a_name_that_is_made_to_look_like_another_is_said_before_it_is_fetched() {
    let mut world = acquainted(310);
    let caution = |world: &World, file| {
        world.engine(ALICE).file_view(file).unwrap().body.status.unwrap().caution
    };
    for name in ["invoice.pdf", "lnvoice.pdf", "invoice.pdf", "photo.jpg.exe", "setup.exe"] {
        world.offer(BOB, "alice", (name, "application/pdf"), 5);
        world.run(Millis::secs(2));
    }
    assert_eq!(caution(&world, 2), None, "the other is only an offer, too");
    world.accept(ALICE, 1);
    world.fetched(ALICE, 1);
    let said = caution(&world, 2).unwrap();
    assert_eq!(said, "its name only looks like that of file 1, invoice.pdf");
    assert_eq!((caution(&world, 1), caution(&world, 3)), (None, None), "the same is no other");
    assert!(caution(&world, 4).unwrap().contains("a program"));
    assert_eq!(caution(&world, 5), None, "what says that it is one is plain");
    // It is found again after a restart, and forgotten with the file it looks like.
    world.crash(ALICE);
    world.run(Millis::secs(5));
    assert!(caution(&world, 2).is_some());
    world.accept(ALICE, 2);
    world.fetched(ALICE, 2);
    assert_eq!(caution(&world, 2), None);
    assert!(caution(&world, 3).is_some());
    assert_eq!(world.file_states(ALICE)[2], (3, FileState::Offered));
}
