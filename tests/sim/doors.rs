//! The ways into a group, lived through: links, bans, announcements, handing over.

use hubbub_node::api::group::{DoorsView, SettingsChange, Who};
use hubbub_node::api::view::Role;
use hubbub_node::api::{Code, Command, Reply};
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

fn group() -> String {
    "#team".to_owned()
}

fn link(world: &mut World, who: usize, uses: u16) -> String {
    let week = 7 * 24 * 60 * 60 * 1_000;
    let command = Command::GroupLink { group: group(), uses, expires_in_ms: week };
    let Ok(Reply::Link { link }) = world.ask(who, command) else { panic!("no link") };
    link
}

fn doors(world: &World, who: usize) -> DoorsView {
    let engine = world.engine(who);
    engine.doors(&engine.resolve_group("team").unwrap()).unwrap()
}

fn roster(world: &World, who: usize) -> Vec<(String, Role)> {
    let engine = world.engine(who);
    let members = engine.members(&engine.resolve_group("team").unwrap());
    members.into_iter().map(|member| (member.person.name, member.role)).collect()
}

fn set(world: &mut World, who: usize, change: SettingsChange) -> Result<Reply, Code> {
    world.ask(who, Command::GroupSet { group: group(), change }).map_err(|error| error.code)
}

#[test]
fn whoever_holds_a_link_comes_in_and_talks_though_nobody_is_there() {
    let mut world = World::new(1, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob"]);
    world.say(0, "team", "before");
    world.run(Millis::secs(5));
    let link = link(&mut world, 0, 1);
    world.disconnect(0);
    world.disconnect(1);
    world.ask(2, Command::GroupJoin { link }).unwrap();
    world.say(2, "team", "anybody here?");
    world.run(Millis::secs(5));
    world.connect(0);
    world.connect(1);
    world.run(Millis::minutes(2));
    world.say(0, "team", "welcome");
    world.run(Millis::secs(10));
    assert_eq!(world.words(2), ["anybody here?", "welcome"]);
    assert_eq!(world.words(1), ["before", "anybody here?", "welcome"]);
    assert_eq!(doors(&world, 0).links, [], "it was for one");
    for who in 0..3 {
        assert!(world.refusals(who).is_empty(), "{who}: {:?}", world.refusals(who));
        assert_eq!(roster(&world, who).len(), 3);
    }
}

#[test]
fn a_link_that_was_revoked_or_mistyped_says_so_and_leaves_nothing_behind() {
    let mut world = World::new(2, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob"]);
    world.run(Millis::secs(5));
    let first = link(&mut world, 0, 5);
    world.ask(0, Command::GroupUnlink { group: group(), link: first.clone() }).unwrap();
    world.run(Millis::secs(5));
    let refused = world.ask(2, Command::GroupJoin { link: first }).unwrap_err();
    assert_eq!(refused.code, Code::Invite, "{refused:?}");
    let typo = world.ask(2, Command::GroupJoin { link: "hubbub://x.y:1/#abc.def".to_owned() });
    assert_eq!(typo.unwrap_err().code, Code::Invite);
    world.run(Millis::minutes(1));
    assert!(world.engine(2).resolve("#team").unwrap().is_none());
}

#[test]
fn a_crash_between_asking_and_coming_in_changes_nothing_about_it() {
    let mut world = World::new(3, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob"]);
    world.run(Millis::secs(5));
    let link = link(&mut world, 0, 1);
    world.begin(2, Command::GroupJoin { link });
    world.crash(2);
    world.connect(2);
    world.run(Millis::minutes(1));
    assert_eq!(roster(&world, 0).len(), 3);
    world.say(2, "team", "made it");
    world.run(Millis::secs(10));
    assert_eq!(world.words(1), ["made it"]);
}

#[test]
fn a_banned_member_is_out_stays_out_and_may_come_back_when_the_ban_ends() {
    let mut world = World::new(4, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    world.run(Millis::secs(5));
    let link = link(&mut world, 0, 5);
    let ban = Command::GroupBan { group: group(), member: "carol".to_owned() };
    world.ask(0, ban).unwrap();
    world.say(0, "team", "without carol");
    world.run(Millis::secs(10));
    assert_eq!(world.words(2), Vec::<String>::new());
    assert_eq!(doors(&world, 1).banned.len(), 1);
    let back = world.ask(2, Command::GroupJoin { link: link.clone() }).unwrap_err();
    assert!(matches!(back.code, Code::Invite | Code::Forbidden), "{back:?}");
    let invite = Command::GroupInvite { group: group(), member: "carol".to_owned() };
    assert_eq!(world.ask(0, invite).unwrap_err().code, Code::Forbidden);
    let unban = Command::GroupUnban { group: group(), member: "carol".to_owned() };
    world.ask(0, unban).unwrap();
    world.ask(2, Command::GroupJoin { link }).unwrap();
    world.say(1, "team", "hello again");
    world.run(Millis::minutes(1));
    assert_eq!(world.words(2), ["hello again"]);
}

#[test]
fn in_a_group_for_announcements_only_admins_are_heard() {
    let mut world = World::new(5, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    world.run(Millis::secs(5));
    let quiet = SettingsChange { posting: Some(Who::Admins), ..SettingsChange::default() };
    assert_eq!(set(&mut world, 1, quiet.clone()), Err(Code::Forbidden));
    set(&mut world, 0, quiet).unwrap();
    world.run(Millis::secs(5));
    let send = Command::Send { to: group(), text: "psst".to_owned(), id: None };
    assert_eq!(world.ask(1, send).unwrap_err().code, Code::Forbidden);
    world.say(0, "team", "dinner is ready");
    world.run(Millis::secs(5));
    assert_eq!(world.words(1), ["dinner is ready"]);
    assert_eq!(world.words(2), ["dinner is ready"]);
}

#[test]
fn two_admins_who_change_different_settings_at_once_both_get_their_way() {
    let mut world = World::new(6, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    let (member, role) = ("bob".to_owned(), Role::Admin);
    world.ask(0, Command::GroupRole { group: group(), member, role }).unwrap();
    world.run(Millis::secs(5));
    let history = SettingsChange { history: Some(true), ..SettingsChange::default() };
    let adding = SettingsChange { adding: Some(Who::Members), ..SettingsChange::default() };
    world.begin(0, Command::GroupSet { group: group(), change: history });
    world.begin(1, Command::GroupSet { group: group(), change: adding });
    world.run(Millis::minutes(1));
    for who in 0..3 {
        let doors = doors(&world, who);
        assert!(doors.history && doors.adding == Who::Members, "{who}: {doors:?}");
        assert_eq!(doors.keepers.len(), 3);
    }
}

#[test]
fn members_let_others_in_where_the_group_allows_it_and_they_are_believed() {
    let mut world = World::new(7, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob"]);
    world.run(Millis::secs(5));
    let invite = Command::GroupInvite { group: group(), member: "carol".to_owned() };
    assert_eq!(world.ask(1, invite.clone()).unwrap_err().code, Code::Forbidden);
    let adding = SettingsChange { adding: Some(Who::Members), ..SettingsChange::default() };
    set(&mut world, 0, adding).unwrap();
    world.run(Millis::secs(5));
    world.ask(1, invite).unwrap();
    world.run(Millis::secs(5));
    world.say(2, "team", "bob let me in");
    world.run(Millis::secs(10));
    assert_eq!(world.words(0), ["bob let me in"]);
}

#[test]
fn a_group_handed_over_has_one_owner_and_everybody_sees_who() {
    let mut world = World::new(8, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    world.run(Millis::secs(5));
    let hand_over = Command::GroupHandOver { group: group(), member: "bob".to_owned() };
    world.ask(0, hand_over).unwrap();
    world.run(Millis::secs(5));
    let expected = [
        ("alice".to_owned(), Role::Admin),
        ("bob".to_owned(), Role::Owner),
        ("carol".to_owned(), Role::Member),
    ];
    for who in 0..3 {
        assert_eq!(roster(&world, who), expected);
    }
}

#[test]
fn the_last_owner_who_leaves_is_followed_by_the_oldest_of_the_highest_rank() {
    let mut world = World::new(9, &["alice", "bob", "carol"]);
    world.found(0, "team", &["bob", "carol"]);
    let (member, role) = ("carol".to_owned(), Role::Admin);
    world.ask(0, Command::GroupRole { group: group(), member, role }).unwrap();
    world.ask(0, Command::GroupLeave { group: group() }).unwrap();
    world.run(Millis::secs(10));
    for who in [1, 2] {
        let expected = [("bob".to_owned(), Role::Member), ("carol".to_owned(), Role::Owner)];
        assert_eq!(roster(&world, who), expected);
    }
}
