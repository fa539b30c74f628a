//! Two histories of one group, after a hub that lost its store was given back an old one.

use hubbub_node::api::Command;
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

fn change(member: &str, make: impl FnOnce(String, String) -> Command) -> Command {
    make("#team".to_owned(), member.to_owned())
}

fn add(member: &str) -> Command {
    change(member, |group, member| Command::GroupInvite { group, member })
}

fn remove(member: &str) -> Command {
    change(member, |group, member| Command::GroupRemove { group, member })
}

fn roster(world: &World, who: usize) -> Vec<String> {
    let engine = world.engine(who);
    let members = engine.members(&engine.resolve_group("team").unwrap());
    members.into_iter().map(|member| member.person.name).collect()
}

/// bob owns what alice founded; alice is an admin, carol a member; all know it. dave and erin are
/// outside.
fn scene(seed: u64) -> World {
    let mut world = World::new(seed, &["alice", "bob", "carol", "dave", "erin"]);
    world.found(0, "team", &["bob", "carol"]);
    let to_bob = |group, member| Command::GroupHandOver { group, member };
    world.ask(0, change("bob", to_bob)).unwrap();
    world.say(0, "team", "together");
    world.run(Millis::secs(30));
    world
}

/// What bob does alone is lost with the hub; alice, who knows nothing of it, gives the log back.
fn alone(world: &mut World, command: Command) {
    world.disconnect(0);
    world.disconnect(2);
    world.ask(1, command).unwrap();
    world.say(1, "team", "alone");
    world.run(Millis::secs(10));
    world.disconnect(1);
    world.run(Millis::secs(10));
    world.wipe_hub();
    world.connect(0);
    world.connect(2);
    world.run(Millis::minutes(2));
}

#[test]
fn what_was_written_into_a_lost_branch_is_written_again() {
    let mut world = scene(1);
    alone(&mut world, add("dave"));
    world.ask(0, add("erin")).unwrap();
    world.say(0, "team", "erin is here");
    world.run(Millis::minutes(1));
    world.connect(1);
    world.run(Millis::minutes(30));
    world.say(1, "team", "all of us");
    world.run(Millis::minutes(30));
    for who in 0..5 {
        assert_eq!(roster(&world, who), ["alice", "bob", "carol", "dave", "erin"], "{who}");
        assert!(world.words(who).contains(&"all of us".to_owned()), "{who}");
    }
    for who in [0, 2] {
        let said = world.words(who);
        for text in ["together", "alone", "erin is here"] {
            assert_eq!(said.iter().filter(|said| *said == text).count(), 1, "{who}: {said:?}");
        }
    }
}

#[test]
fn who_was_removed_in_a_lost_branch_gets_nothing_and_is_removed_again() {
    let mut world = scene(2);
    alone(&mut world, remove("carol"));
    world.ask(0, add("erin")).unwrap();
    world.run(Millis::minutes(1));
    world.connect(1);
    world.say(1, "team", "carol is out");
    world.run(Millis::minutes(30));
    world.say(0, "team", "so she is");
    world.run(Millis::minutes(10));
    for who in [0, 1, 4] {
        assert_eq!(roster(&world, who), ["alice", "bob", "erin"], "{who}");
        let said = world.words(who);
        assert!(said.contains(&"so she is".to_owned()), "{who}: {said:?}");
    }
    let carol = world.words(2);
    assert!(!carol.contains(&"carol is out".to_owned()), "{carol:?}");
    assert!(!carol.contains(&"so she is".to_owned()), "{carol:?}");
}

#[test]
fn who_was_removed_in_a_lost_branch_is_not_shown_where_a_member_is_though_the_hub_has_them() {
    let mut world = scene(6);
    alone(&mut world, remove("carol"));
    world.ask(0, add("erin")).unwrap();
    world.run(Millis::minutes(1));
    let carol = world.id(2);
    let shown = |world: &World| {
        let bob = world.engine(1);
        bob.shows_address(&carol) || bob.answers_where(&carol)
    };
    assert!(!shown(&world));
    // Bob reads the hub's history, in which carol is a member, and removes her again.
    world.connect(1);
    let mut read = false;
    for step in 0..10_000 {
        world.run(Millis(5));
        read |= roster(&world, 1).contains(&"carol".to_owned());
        assert!(!shown(&world), "{step}");
    }
    assert!(read);
    world.run(Millis::minutes(30));
    assert!(!roster(&world, 1).contains(&"carol".to_owned()) && !shown(&world));
}

#[test]
fn an_admin_removed_in_a_lost_branch_lets_nobody_in() {
    let mut world = scene(3);
    alone(&mut world, remove("alice"));
    world.ask(0, add("erin")).unwrap();
    world.run(Millis::minutes(1));
    world.connect(1);
    world.say(1, "team", "alice is out, and erin was never in");
    world.run(Millis::minutes(30));
    world.say(1, "team", "is anybody there?");
    world.run(Millis::minutes(30));
    for outside in [0, 4] {
        let said = world.words(outside);
        assert!(!said.contains(&"alice is out, and erin was never in".to_owned()), "{said:?}");
        assert!(!said.contains(&"is anybody there?".to_owned()), "{said:?}");
    }
    world.ask(1, remove("erin")).unwrap();
    world.say(1, "team", "quiet again");
    world.run(Millis::minutes(30));
    assert_eq!(roster(&world, 2), ["bob", "carol"]);
    assert!(world.words(2).contains(&"quiet again".to_owned()), "{:?}", world.words(2));
}

#[test]
fn who_was_removed_gets_no_key_by_asking_while_only_plain_members_are_there() {
    let mut world = scene(5);
    world.disconnect(0);
    world.ask(1, remove("alice")).unwrap();
    world.run(Millis::secs(30));
    world.disconnect(1);
    world.disconnect(2);
    // alice, who has not heard of it, comes first to a hub that lost its store.
    world.wipe_hub();
    world.connect(0);
    world.run(Millis::minutes(2));
    world.ask(0, add("erin")).unwrap();
    world.run(Millis::minutes(1));
    world.connect(2);
    world.run(Millis::minutes(2));
    assert_eq!(roster(&world, 2), ["alice", "bob", "carol", "erin"], "by the hub's history");
    // Whoever asks for the chain of the first would open the second.
    for text in ["only for bob", "nor this for anybody else"] {
        world.say(2, "team", text);
        world.run(Millis::minutes(10));
    }
    for (outside, known) in [(0, &["together"][..]), (4, &[])] {
        assert_eq!(world.words(outside), known, "{outside}");
    }
    world.connect(1);
    world.run(Millis::hours(1));
    assert!(world.words(1).contains(&"only for bob".to_owned()), "{:?}", world.words(1));
}

#[test]
fn a_group_whose_founder_has_gone_comes_back_to_a_hub_that_lost_it() {
    let mut world = scene(4);
    world.ask(0, Command::GroupLeave { group: "#team".to_owned() }).unwrap();
    world.run(Millis::secs(30));
    world.disconnect(0);
    world.wipe_hub();
    world.run(Millis::minutes(2));
    world.say(1, "team", "without alice");
    world.ask(1, add("dave")).unwrap();
    world.run(Millis::minutes(2));
    assert!(world.words(2).contains(&"without alice".to_owned()), "{:?}", world.words(2));
    assert_eq!(roster(&world, 3), ["bob", "carol", "dave"]);
}
