//! Groups: who reads what.

use hubbub_node::api::view::{Delivery, Role};
use hubbub_node::api::{Code, Command, ConversationId};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::{FromHub, LogId};
use hubbub_tests::world::World;

#[test]
fn three_people_talk_in_a_group_and_know_its_name() {
    let mut world = World::new(1, &["alice", "bob", "carol"]);
    world.found(0, "Team", &["bob", "carol"]);
    let message = world.say(0, "#team", "welcome");
    world.run(Millis::secs(5));
    world.say(1, "team", "thanks");
    world.run(Millis::secs(10));
    for who in 0..3 {
        assert_eq!(world.words(who), ["welcome", "thanks"]);
    }
    assert_eq!(world.delivery(0, message, 2), Some(Delivery::Delivered));
    assert!(world.refusals(0).is_empty() && world.refusals(1).is_empty());
}

#[test]
fn who_joins_late_reads_nothing_from_before() {
    let mut world = World::new(2, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob"]);
    world.say(0, "team", "before");
    world.run(Millis::secs(5));
    let invite = Command::GroupInvite { group: "team".to_owned(), member: "carol".to_owned() };
    world.ask(0, invite).unwrap();
    world.say(0, "team", "after");
    world.run(Millis::secs(5));
    world.say(1, "team", "yes");
    world.run(Millis::secs(10));
    assert_eq!(world.words(2), ["after", "yes"]);
    assert_eq!(world.words(1), ["before", "after", "yes"]);
}

#[test]
fn one_added_by_somebody_who_left_at_once_belongs_all_the_same() {
    for seed in 0..8 {
        let mut world = World::new(seed, &["alice", "bob", "carol"]);
        world.found(0, "team", &["bob"]);
        world.run(Millis::secs(5));
        world.disconnect(2);
        let (group, member) = ("team".to_owned(), "carol".to_owned());
        world.ask(0, Command::GroupInvite { group, member }).unwrap();
        world.ask(0, Command::GroupLeave { group: "team".to_owned() }).unwrap();
        let message = world.say(1, "#team", "welcome, carol");
        world.connect(2);
        world.run(Millis::minutes(5));
        assert_eq!(world.words(2), ["welcome, carol"], "seed {seed}");
        assert_eq!(world.delivery(1, message, 2), Some(Delivery::Delivered), "seed {seed}");
    }
}

#[test]
fn who_was_removed_reads_nothing_after() {
    let mut world = World::new(3, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    world.say(0, "team", "all of us");
    world.run(Millis::secs(5));
    let remove = Command::GroupRemove { group: "team".to_owned(), member: "carol".to_owned() };
    world.ask(0, remove).unwrap();
    world.run(Millis::secs(2));
    world.say(0, "team", "without carol");
    world.run(Millis::secs(5));
    world.say(1, "team", "indeed");
    world.run(Millis::secs(10));
    assert_eq!(world.words(1), ["all of us", "without carol", "indeed"]);
    assert_eq!(world.words(2), ["all of us"]);
    let send = Command::Send { to: "#team".to_owned(), text: "still?".to_owned(), id: None };
    assert_eq!(world.ask(2, send).unwrap_err().code, Code::Forbidden);
}

#[test]
fn a_lost_sender_key_is_asked_for_and_the_message_comes_again() {
    let mut world = World::new(4, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    world.run(Millis::secs(5));
    let bob = LogId::Mailbox(world.id(1));
    // Everything in bob's mailbox is lost for two seconds, as if its disk block had died.
    world.tamper = Some(Box::new(move |who, frame| match frame {
        FromHub::Deliver(deliver) if who == 1 && deliver.log == bob => Vec::new(),
        other => vec![other],
    }));
    world.say(0, "team", "hello");
    world.run(Millis::secs(1));
    world.tamper = None;
    assert!(world.words(1).is_empty());
    assert_eq!(world.engine(1).status().waiting_for_keys, 1);
    world.run(Millis::minutes(2));
    assert_eq!(world.words(1), ["hello"]);
}

#[test]
fn everybody_meets_in_the_lobby() {
    let mut world = World::new(5, &["alice", "bob", "carol"]);
    world.say(1, "lobby", "good morning");
    world.run(Millis::secs(10));
    assert_eq!(world.words(0), ["good morning"]);
    assert_eq!(world.words(2), ["good morning"]);
}

#[test]
fn a_member_away_does_not_hold_the_others_up() {
    let mut world = World::new(6, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    world.run(Millis::secs(5));
    world.disconnect(2);
    let message = world.say(0, "team", "news");
    world.run(Millis::secs(10));
    assert_eq!(world.delivery(0, message, 1), Some(Delivery::Delivered));
    assert_eq!(world.delivery(0, message, 2), Some(Delivery::Stored));
    world.connect(2);
    world.run(Millis::secs(10));
    assert_eq!(world.words(2), ["news"]);
}

#[test]
fn a_group_outlives_the_disk_of_its_hub() {
    let mut world = World::new(7, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    world.say(1, "team", "before");
    world.run(Millis::secs(10));
    world.disconnect(2);
    world.say(1, "team", "only bob and alice hold this");
    world.run(Millis::secs(5));
    world.wipe_hub();
    world.connect(2);
    world.run(Millis::minutes(10));
    world.say(2, "team", "after");
    world.run(Millis::minutes(10));
    for who in 0..3 {
        assert_eq!(world.words(who), ["before", "only bob and alice hold this", "after"]);
    }
}

#[test]
fn a_founder_who_was_away_learns_what_the_hub_lost_before_changing_anything() {
    for seed in 0..8 {
        let mut world = World::new(seed, &["alice", "bob", "carol"]);
        world.found(0, "team", &["bob"]);
        let (group, member, role) = ("team".to_owned(), "bob".to_owned(), Role::Admin);
        world.ask(0, Command::GroupRole { group, member, role }).unwrap();
        world.run(Millis::secs(5));
        world.disconnect(0);
        let (group, member) = ("team".to_owned(), "carol".to_owned());
        world.ask(1, Command::GroupInvite { group, member }).unwrap();
        world.run(Millis::secs(5));
        world.wipe_hub();
        world.run(Millis::minutes(5));
        world.connect(0);
        world.run(Millis::secs(1));
        let (group, topic) = ("team".to_owned(), Some("back".to_owned()));
        world.ask(0, Command::GroupDescribe { group, name: None, topic }).unwrap();
        for who in 0..3 {
            world.say(who, "#team", &format!("{who} is here"));
        }
        world.run(Millis::minutes(10));
        for who in 0..3 {
            assert_eq!(world.words(who).len(), 3, "seed {seed}: {:?}", world.words(who));
            assert_eq!(world.refusals(who), [""; 0], "seed {seed}: {who}");
            let engine = world.engine(who);
            let members = engine.members(&engine.resolve_group("team").unwrap());
            assert_eq!(members.len(), 3, "seed {seed}: {who}");
        }
    }
}

#[test]
fn entries_of_the_log_delivered_again_raise_no_alarm() {
    let mut world = World::new(8, &["alice", "bob", "carol"]);
    let ConversationId::Group(group) = world.found(0, "team", &["bob"]) else { panic!() };
    world.run(Millis::secs(5));
    let invite = Command::GroupInvite { group: "team".to_owned(), member: "carol".to_owned() };
    world.ask(0, invite).unwrap();
    world.run(Millis::secs(5));
    for who in 0..3 {
        world.deliver_again(who, LogId::Channel(group));
        assert_eq!(world.refusals(who), Vec::<String>::new(), "{who}");
    }
    world.say(2, "team", "quiet here");
    world.run(Millis::secs(5));
    assert_eq!(world.words(0), ["quiet here"]);
}

#[test]
fn members_have_names_without_ever_having_spoken_to_each_other() {
    let mut world = World::new(9, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    world.run(Millis::minutes(2));
    for who in 0..3 {
        for group in ["lobby", "team"] {
            let engine = world.engine(who);
            let members = engine.members(&engine.resolve_group(group).unwrap());
            let names: Vec<_> = members.into_iter().map(|member| member.person.name).collect();
            assert_eq!(names, ["alice", "bob", "carol"], "{who} in {group}");
        }
    }
}
