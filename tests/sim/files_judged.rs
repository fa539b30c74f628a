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
