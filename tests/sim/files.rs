//! Files: offered once to everybody, fetched when somebody or a rule wants it, and never of or for
//! whoever has no business with it.

use hubbub_node::api::file::AcceptFrom;
use hubbub_node::api::view::{Delivery, Path};
use hubbub_node::api::{Code, Command, FileDeed, FileSettings, FileState, Strangers};
use hubbub_node::engine::file::FETCHES;
use hubbub_node::engine::file::order::{Order, Taker, Told};
use hubbub_shared::content::ChatEvent;
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_tests::liar::{Hand, Lie};
use hubbub_tests::world::World;

pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;
pub(crate) const CAROL: usize = 2;
pub(crate) const KIB: u64 = 1024;
pub(crate) const TEXT: (&str, &str) = ("notes.txt", "text/plain");
pub(crate) const PICTURE: (&str, &str) = ("cat.png", "image/png");

/// All of them in a group of alice's, each with somebody who moves files; alice knows bob.
pub(crate) fn acquainted(seed: u64) -> World {
    let mut world = World::new(seed, &["alice", "bob", "carol"]);
    (0..3).for_each(|who| world.move_files(who));
    world.found(ALICE, "team", &["bob", "carol"]);
    world.run(Millis::secs(10));
    world.say(ALICE, "bob", "hello");
    world.run(Millis::secs(5));
    world.say(BOB, "alice", "hi");
    world.run(Millis::secs(10));
    (0..3).for_each(|who| drop(world.ordered(who)));
    world
}

pub(crate) fn fetches(orders: &[Order]) -> Vec<u64> {
    let fetch = |order: &Order| match order {
        Order::Fetch(fetch) => Some(fetch.file),
        _ => None,
    };
    orders.iter().filter_map(fetch).collect()
}

#[test]
fn an_offer_arrives_once_on_every_device_whatever_crashes() {
    for seed in 0..6 {
        let mut world = acquainted(seed);
        world.crashes = 300;
        let mut said = Vec::new();
        for (to, who) in [("#team", CAROL), ("bob", BOB), ("#team", BOB)] {
            // Somebody who crashed meanwhile begins anew with what is not sealed yet.
            while world.engine_is_gone(ALICE) {
                world.run(Millis::secs(3));
            }
            world.crashes = 0;
            said.push(world.offer(ALICE, to, TEXT, 70 * KIB).2);
            world.crashes = 300;
            world.crash(who);
            world.run(Millis::secs(20));
        }
        world.crashes = 0;
        world.run(Millis::minutes(10));
        for (who, expected) in [(BOB, &said[..]), (CAROL, &[said[0], said[2]])] {
            let found = world.offers(who);
            let ids: Vec<_> = found.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, expected, "seed {seed}");
            let file = &found[0].1;
            assert_eq!((file.name.as_str(), file.size), ("notes.txt", 70 * KIB));
            assert_eq!((file.media.as_str(), file.caption.as_str()), ("text/plain", "look"));
            let states: Vec<_> = world.file_states(who).into_iter().map(|(_, s)| s).collect();
            assert_eq!(states, vec![FileState::Offered; expected.len()], "seed {seed}");
            assert_eq!(world.devices[who].disk.attached.len(), expected.len());
        }
        let (bob, direct) = (world.id(BOB), said[1]);
        assert_eq!(world.devices[ALICE].disk.ledger[&(direct, bob)], Delivery::Delivered);
    }
}

#[test]
fn a_message_of_a_file_that_was_lost_is_said_again_with_its_key() {
    let mut world = acquainted(10);
    let hub = Hand::on(&mut world, 10);
    hub.lie(BOB, Lie::Drop, 1);
    let (_, blob, message) = world.offer(ALICE, "bob", TEXT, 5);
    world.run(Millis::secs(2));
    hub.be_honest();
    world.say(ALICE, "bob", "did you get it?");
    world.run(Millis::minutes(5));
    assert_eq!(world.offers(BOB).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [message]);
    let attached: Vec<_> = world.devices[BOB].disk.attached.values().cloned().collect();
    let [ChatEvent::File(offer)] = attached.as_slice() else { panic!("{attached:?}") };
    assert_eq!(offer.reference().blob().address, blob);
    let sent: Vec<_> = world.devices[ALICE].disk.attached.values().cloned().collect();
    assert_eq!(attached, sent);
}

#[test]
fn nothing_is_fetched_before_it_is_wanted_and_then_from_the_sender_first() {
    let mut world = acquainted(20);
    let (file, ..) = world.offer(BOB, "#team", TEXT, 5);
    world.run(Millis::secs(10));
    assert_eq!(world.ordered_words(BOB), ["Look(1)", "Seal(1)", "Serve(1)", "Put(1)"]);
    assert_eq!(file, 1);
    assert!(world.ordered(ALICE).is_empty() && world.ordered(CAROL).is_empty());
    world.accept(CAROL, 1);
    let orders = world.ordered(CAROL);
    let [Order::Fetch(fetch)] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!(fetch.sources, [world.id(BOB), world.id(ALICE)]);
    assert_eq!((fetch.name.as_str(), fetch.size, fetch.folder.as_str()), ("notes.txt", 5, ""));
    world.fetched(CAROL, 1);
    assert_eq!(world.file_states(CAROL), [(1, FileState::Whole)]);
    assert_eq!(world.ordered_words(CAROL), ["Serve(1)"]);
    let to = Some("/elsewhere".to_owned());
    world.decide(ALICE, 1, FileDeed::Accept { to }).unwrap();
    let orders = world.ordered(ALICE);
    let [Order::Fetch(fetch)] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!(fetch.folder, "/elsewhere");
}

/// Into which folders files are to be fetched, and out of which they are dropped.
fn folders(orders: &[Order]) -> Vec<(&'static str, &str)> {
    fn of(order: &Order) -> Option<(&'static str, &str)> {
        match order {
            Order::Fetch(fetch) => Some(("fetch", &fetch.folder)),
            Order::Drop(dropped) => Some(("drop", &dropped.folder)),
            _ => None,
        }
    }
    orders.iter().filter_map(of).collect()
}

fn choose(world: &mut World, who: usize, folder: &str) {
    let folder = Some(folder.to_owned());
    let choice = hubbub_node::api::FileChoice { folder, ..Default::default() };
    world.ask(who, Command::SetFiles(choice)).unwrap();
}

#[test]
fn a_file_stays_in_the_folder_where_it_was_begun_whatever_is_chosen_later() {
    let mut world = acquainted(25);
    world.offer(BOB, "#team", TEXT, 5);
    world.run(Millis::secs(10));
    let to = |to: &str| FileDeed::Accept { to: Some(to.to_owned()) };
    choose(&mut world, CAROL, "/one");
    world.accept(CAROL, 1);
    choose(&mut world, CAROL, "/two");
    world.decide(CAROL, 1, FileDeed::Pause).unwrap();
    for refused in [FileDeed::Resume, FileDeed::Accept { to: None }, to("/one")] {
        world.decide(CAROL, 1, refused).unwrap();
    }
    assert_eq!(folders(&world.ordered(CAROL)), [("fetch", "/one"); 2]);
    // Also after a restart.
    world.crash(CAROL);
    world.run(Millis::secs(20));
    assert_eq!(folders(&world.ordered(CAROL)), [("fetch", "/one")]);
    choose(&mut world, CAROL, "/two");
    // Another folder is refused rather than taken for the one where it is, whatever it does there.
    for state in ["on its way", "paused", "failed"] {
        match state {
            "paused" => drop(world.decide(CAROL, 1, FileDeed::Pause).unwrap()),
            "failed" => {
                world.decide(CAROL, 1, FileDeed::Resume).unwrap();
                world.tell_file(CAROL, Told::Failed { file: 1, why: "full".to_owned() });
            }
            _ => {}
        }
        drop(world.ordered(CAROL));
        let refused = world.decide(CAROL, 1, to("/big")).unwrap_err();
        assert_eq!(refused.code, Code::Usage, "{state}");
        assert!(refused.what.contains("/one") && refused.hint.contains("cancel"), "{refused:?}");
        assert!(world.ordered(CAROL).is_empty(), "{state}");
    }
    // Nothing is there any more of what was whole once.
    world.decide(CAROL, 1, FileDeed::Resume).unwrap();
    world.fetched(CAROL, 1);
    world.tell_file(CAROL, Told::Changed { file: 1 });
    drop(world.ordered(CAROL));
    world.decide(CAROL, 1, to("/other")).unwrap();
    assert_eq!(folders(&world.ordered(CAROL)), [("fetch", "/other")]);
    // What it says to do: what is in the one goes, and all of it comes to the other.
    world.decide(CAROL, 1, FileDeed::Cancel).unwrap();
    assert_eq!(folders(&world.ordered(CAROL)), [("drop", "/other")]);
    world.decide(CAROL, 1, to("/big")).unwrap();
    world.decide(CAROL, 1, FileDeed::Cancel).unwrap();
    world.accept(CAROL, 1);
    let expected = [("fetch", "/big"), ("drop", "/big"), ("fetch", "/two")];
    assert_eq!(folders(&world.ordered(CAROL)), expected);
}

#[test]
fn a_file_that_waits_in_turn_may_be_sent_elsewhere_until_it_begins() {
    let mut world = acquainted(26);
    let most = u64::try_from(FETCHES).unwrap();
    for _ in 0..=most {
        world.offer(BOB, "#team", TEXT, 5);
        world.run(Millis::secs(5));
    }
    choose(&mut world, CAROL, "/one");
    (1..=most + 1).for_each(|file| world.accept(CAROL, file));
    drop(world.ordered(CAROL));
    let to = Some("/big".to_owned());
    world.decide(CAROL, most + 1, FileDeed::Accept { to }).unwrap();
    world.fetched(CAROL, 1);
    assert_eq!(folders(&world.ordered(CAROL)), [("fetch", "/big")]);
}

#[test]
fn what_comes_of_a_file_after_it_was_taken_back_is_kept_nowhere() {
    let mut world = acquainted(27);
    world.send_file(ALICE, "bob", "cat.png").unwrap();
    world.decide(ALICE, 1, FileDeed::Cancel).unwrap();
    drop(world.ordered(ALICE));
    let path = Some("/profile/sent/bare-1".to_owned());
    let media = "image/png".to_owned();
    world.tell_file(ALICE, Told::Looked { file: 1, size: 5, path, media, preview: None });
    assert_eq!(world.ordered_words(ALICE), ["Discard(1)"]);
    world.seal(ALICE, 1, 5);
    assert_eq!(world.ordered_words(ALICE), ["Drop(1)"]);
}

#[test]
fn small_pictures_of_contacts_come_by_themselves_and_nothing_else_does() {
    let mut world = acquainted(30);
    let offers = [
        (PICTURE, 2 * KIB * KIB, true),
        (PICTURE, 2 * KIB * KIB + 1, false),
        (TEXT, 5, false),
        (("cat.exe", "image/png"), 5, false),
    ];
    for (what, size, comes) in offers {
        let (file, ..) = world.offer(BOB, "alice", what, size);
        world.run(Millis::secs(5));
        let orders = world.ordered(ALICE);
        let expected = if comes { vec![file] } else { Vec::new() };
        assert_eq!(fetches(&orders), expected, "{what:?} {size}");
    }
    // Carol shares a group with bob and is no contact of his.
    drop(world.ordered(BOB));
    world.offer(CAROL, "#team", PICTURE, 5);
    world.run(Millis::secs(5));
    assert!(world.ordered(BOB).is_empty());
    let from = AcceptFrom::Members;
    let choice = hubbub_node::api::FileChoice { from: Some(from), ..Default::default() };
    world.ask(BOB, Command::SetFiles(choice)).unwrap();
    world.offer(CAROL, "#team", PICTURE, 5);
    world.run(Millis::secs(5));
    assert_eq!(fetches(&world.ordered(BOB)).len(), 1);
    // The lobby is open to whoever the hub admits.
    world.offer(CAROL, "lobby", PICTURE, 5);
    world.run(Millis::secs(5));
    assert!(world.ordered(BOB).is_empty());
}

#[test]
fn what_becomes_of_a_file_survives_a_restart() {
    let mut world = acquainted(40);
    for _ in 0..4 {
        world.offer(BOB, "alice", TEXT, 70 * KIB);
    }
    let looking = world.send_file(BOB, "alice", "late.txt");
    assert!(looking.is_ok());
    world.run(Millis::secs(10));
    world.accept(ALICE, 1);
    world.accept(ALICE, 2);
    world.decide(ALICE, 2, FileDeed::Pause).unwrap();
    world.decide(ALICE, 3, FileDeed::Decline).unwrap();
    world.decide(BOB, 4, FileDeed::Pause).unwrap();
    let before = [ALICE, BOB].map(|who| world.file_states(who));
    for who in [ALICE, BOB] {
        drop(world.ordered(who));
        world.crash(who);
        world.run(Millis::secs(10));
    }
    assert_eq!([ALICE, BOB].map(|who| world.file_states(who)), before);
    use FileState::{Declined, Fetching, Offered, Paused, Sealing, Serving};
    assert_eq!(before[0], [(1, Fetching), (2, Paused), (3, Declined), (4, Offered)]);
    let own = [(1, Serving), (2, Serving), (3, Serving), (4, Paused), (5, Sealing)];
    assert_eq!(before[1], own);
    assert_eq!(world.ordered_words(ALICE), ["Limit(0)", "Fetch(1)"]);
    let given = ["Limit(0)", "Serve(1)", "Put(1)", "Serve(2)", "Put(2)", "Serve(3)", "Put(3)"];
    let given = given.into_iter().chain(["TakeBack(4)", "Look(5)"]).collect::<Vec<_>>();
    assert_eq!(world.ordered_words(BOB), given);
    // What was never looked at before the crash is offered after it.
    let (size, path, media, preview) = (5, None, String::new(), None);
    world.tell_file(BOB, Told::Looked { file: 5, size, path, media, preview });
    world.seal(BOB, 5, 5);
    world.run(Millis::secs(10));
    assert_eq!(world.file_states(ALICE)[4], (5, Offered));
}

#[test]
fn the_hub_is_asked_at_each_start_to_keep_a_file_as_long_as_it_is_offered() {
    let mut world = acquainted(45);
    let (file, ..) = world.offer(BOB, "alice", TEXT, 5);
    let until = world.now + Millis::days(7);
    world.tell_file(BOB, Told::Kept { file, until });
    for _ in 0..2 {
        drop(world.ordered(BOB));
        world.crash(BOB);
        world.run(Millis::secs(10));
        assert_eq!(world.ordered_words(BOB), ["Limit(0)", "Serve(1)", "Put(1)"]);
        world.run(Millis::days(8));
    }
    // A month later it is old news.
    drop(world.ordered(BOB));
    world.run(Millis::days(15));
    assert_eq!(world.ordered_words(BOB), ["Drop(1)", "Discard(1)", "TakeBack(1)"]);
    assert_eq!(world.file_states(BOB), [(1, FileState::Withdrawn)]);
}

#[test]
fn what_may_be_at_the_hub_is_taken_back_until_the_hub_says_so_whatever_crashes() {
    let mut world = acquainted(46);
    // The hub may have said that it keeps the first one; nobody knows about the other two.
    let files = [0; 3].map(|_| world.offer(BOB, "alice", TEXT, 5).0);
    let until = world.now + Millis::days(14);
    world.tell_file(BOB, Told::Kept { file: 1, until });
    for file in [1, 2] {
        drop(world.ordered(BOB));
        world.decide(BOB, file, FileDeed::Cancel).unwrap();
        assert_eq!(world.ordered_words(BOB).last(), Some(&format!("TakeBack({file})")));
    }
    world.decide(BOB, 3, FileDeed::Pause).unwrap();
    let view = |world: &World, file| world.engine(BOB).file_view(file).unwrap().body.status;
    assert_eq!(view(&world, 1).unwrap().kept_until, Some(until), "the hub has it still");
    let mut left = files.to_vec();
    while !left.is_empty() {
        drop(world.ordered(BOB));
        world.crash(BOB);
        world.run(Millis::secs(10));
        let backs = world.ordered_words(BOB).into_iter().filter(|word| word.starts_with("TakeB"));
        let expected: Vec<_> = left.iter().map(|file| format!("TakeBack({file})")).collect();
        assert_eq!(backs.collect::<Vec<_>>(), expected);
        let file = left.remove(0);
        world.tell_file(BOB, Told::TakenBack { file });
        assert_eq!(view(&world, file).unwrap().kept_until, None);
    }
    drop(world.ordered(BOB));
    world.crash(BOB);
    world.run(Millis::secs(10));
    assert!(!world.ordered_words(BOB).iter().any(|word| word.starts_with("TakeBack")));
}

#[test]
fn what_the_hub_does_not_keep_any_more_is_not_shown_as_kept() {
    let mut world = acquainted(47);
    let (file, ..) = world.offer(BOB, "alice", TEXT, 5);
    let until = world.now + Millis::days(14);
    world.tell_file(BOB, Told::Kept { file, until });
    world.tell_file(BOB, Told::NotKept { file, why: "it is full".to_owned() });
    let status = world.engine(BOB).file_view(file).unwrap().body.status.unwrap();
    assert_eq!((status.state, status.kept_until), (FileState::Serving, None));
    assert!(status.why.unwrap().contains("it is full"));
}

#[test]
fn of_many_files_a_few_are_fetched_at_once_and_the_others_in_their_turn() {
    let mut world = acquainted(50);
    let many = u64::try_from(FETCHES).unwrap() + 2;
    for _ in 0..many {
        world.offer(BOB, "alice", TEXT, 5);
    }
    world.run(Millis::secs(20));
    (1..=many).for_each(|file| world.accept(ALICE, file));
    let first: Vec<u64> = (1..=many - 2).collect();
    assert_eq!(fetches(&world.ordered(ALICE)), first);
    world.fetched(ALICE, 3);
    assert_eq!(fetches(&world.ordered(ALICE)), [many - 1]);
    world.decide(ALICE, 1, FileDeed::Decline).unwrap();
    let orders = world.ordered_words(ALICE);
    assert_eq!(orders, ["Drop(1)".to_owned(), format!("Fetch({many})")]);
}

#[test]
fn a_declined_file_is_not_fetched_and_nobody_is_told() {
    let mut world = acquainted(55);
    world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(10));
    world.decide(ALICE, 1, FileDeed::Decline).unwrap();
    world.run(Millis::hours(2));
    assert!(world.ordered(ALICE).is_empty());
    assert_eq!(world.file_states(BOB), [(1, FileState::Serving)]);
    let refused = world.decide(ALICE, 1, FileDeed::Resume).unwrap_err();
    assert_eq!(refused.code, Code::Usage);
    assert_eq!(world.decide(ALICE, 9, FileDeed::Pause).unwrap_err().code, Code::NotFound);
    assert_eq!(world.decide(BOB, 1, FileDeed::Decline).unwrap_err().code, Code::Usage);
}

#[test]
fn nothing_of_one_who_is_blocked_is_fetched_and_nothing_is_served_to_them() {
    let mut world = acquainted(60);
    let (_, blob, _) = world.offer(ALICE, "#team", TEXT, 5);
    world.offer(BOB, "#team", TEXT, 5);
    world.offer(CAROL, "#team", TEXT, 5);
    world.run(Millis::secs(10));
    let (bob, carol) = (world.id(BOB), world.id(CAROL));
    let number = |world: &World, who| {
        let views = world.engine(ALICE).files();
        let of = views.iter().find(|view| view.sender.node.0 == who).unwrap();
        of.body.status.as_ref().unwrap().file
    };
    let (of_bob, of_carol) = (number(&world, bob), number(&world, carol));
    world.accept(ALICE, of_bob);
    world.accept(ALICE, of_carol);
    drop(world.ordered(ALICE));
    assert!(world.engine(ALICE).may_fetch(&bob, &blob));
    world.ask(ALICE, Command::Block { contact: "bob".to_owned() }).unwrap();
    assert!(!world.engine(ALICE).may_fetch(&bob, &blob));
    assert!(world.engine(ALICE).may_fetch(&carol, &blob));
    let orders = world.ordered(ALICE);
    let [Order::Hold(held), Order::Fetch(fetch)] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!((*held, fetch.file), (of_bob, of_carol));
    assert_eq!(fetch.sources, [carol]);
    for deed in [FileDeed::Resume, FileDeed::Accept { to: None }] {
        assert_eq!(world.decide(ALICE, of_bob, deed).unwrap_err().code, Code::Forbidden);
    }
    world.offer(BOB, "#team", PICTURE, 5);
    world.run(Millis::secs(10));
    assert!(world.ordered(ALICE).is_empty());
    world.ask(ALICE, Command::Unblock { contact: "bob".to_owned() }).unwrap();
    world.decide(ALICE, of_bob, FileDeed::Resume).unwrap();
    assert_eq!(fetches(&world.ordered(ALICE)), [of_bob]);
}

#[test]
fn only_who_belongs_to_the_conversation_now_may_fetch() {
    let mut world = acquainted(70);
    let (_, in_team, _) = world.offer(ALICE, "#team", TEXT, 5);
    let (_, to_bob, _) = world.offer(ALICE, "bob", TEXT, 5);
    let stranger = world.add("mallory");
    world.run(Millis::secs(20));
    let may = |world: &World, who, blob| world.engine(ALICE).may_fetch(&world.id(who), blob);
    assert!(may(&world, BOB, &in_team) && may(&world, CAROL, &in_team));
    assert!(may(&world, BOB, &to_bob) && !may(&world, CAROL, &to_bob));
    assert!(!may(&world, stranger, &in_team) && !may(&world, stranger, &to_bob));
    let (group, member) = ("#team".to_owned(), "carol".to_owned());
    world.ask(ALICE, Command::GroupRemove { group, member }).unwrap();
    assert!(!may(&world, CAROL, &in_team) && may(&world, BOB, &in_team));
    world.decide(ALICE, 1, FileDeed::Pause).unwrap();
    assert!(!may(&world, BOB, &in_team));
    world.decide(ALICE, 1, FileDeed::Resume).unwrap();
    assert!(may(&world, BOB, &in_team));
    world.decide(ALICE, 1, FileDeed::Cancel).unwrap();
    assert!(!may(&world, BOB, &in_team));
    // Whoever fetches gives on what they have.
    world.accept(BOB, 2);
    assert!(world.engine(BOB).may_fetch(&world.id(ALICE), &to_bob));
}

#[test]
fn a_file_of_a_stranger_is_no_file_before_they_are_let_in() {
    let mut world = World::new(80, &["alice", "bob"]);
    for who in [ALICE, BOB] {
        world.devices[who].settings.strangers = Strangers::Ask;
        world.crash(who);
        world.run(Millis::secs(5));
        world.move_files(who);
    }
    let types = vec![String::new()];
    world.devices[ALICE].files = FileSettings { types, ..FileSettings::default() };
    world.crash(ALICE);
    world.run(Millis::secs(5));
    drop(world.ordered(ALICE));
    let (_, blob, _) = world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(20));
    assert!(world.file_states(ALICE).is_empty() && world.ordered(ALICE).is_empty());
    let requests = world.engine(ALICE).requests();
    assert!(format!("{:?}", requests[0].wants).contains("(a file) notes.txt"), "{requests:?}");
    world.ask(ALICE, Command::Accept { request: requests[0].id.to_string() }).unwrap();
    world.run(Millis::secs(5));
    assert_eq!(world.file_states(ALICE), [(1, FileState::Fetching)]);
    assert!(world.engine(ALICE).may_fetch(&world.id(BOB), &blob));
}

#[test]
fn while_nobody_moves_files_none_is_sent_or_wanted_and_that_is_said() {
    let mut world = World::new(90, &["alice", "bob"]);
    world.move_files(BOB);
    world.say(ALICE, "bob", "hello");
    world.run(Millis::secs(10));
    world.offer(BOB, "alice", PICTURE, 5);
    world.run(Millis::secs(10));
    assert_eq!(world.file_states(ALICE), [(1, FileState::Offered)]);
    let refused = world.decide(ALICE, 1, FileDeed::Accept { to: None }).unwrap_err();
    assert_eq!((refused.code, refused.what.contains("switched off")), (Code::Forbidden, true));
    let refused = world.send_file(ALICE, "bob", "x").unwrap_err();
    assert!(refused.what.contains("switched off"));
    assert!(world.ordered(ALICE).is_empty());
}

#[test]
fn what_does_not_work_says_why_and_who_lies_is_named() {
    let mut world = acquainted(95);
    let reply = world.send_file(BOB, "alice", "x").unwrap();
    let why = "it cannot be read; check its owner".to_owned();
    world.tell_file(BOB, Told::Failed { file: 1, why: why.clone() });
    let view = world.engine(BOB).file_view(1).unwrap();
    let status = view.body.status.unwrap();
    assert_eq!((status.state, status.why), (FileState::Failed, Some(why)), "{reply:?}");
    world.decide(BOB, 1, FileDeed::Resume).unwrap();
    assert_eq!(world.ordered_words(BOB), ["Look(1)", "Look(1)"]);
    world.offer(BOB, "#team", TEXT, 5);
    world.run(Millis::secs(10));
    world.accept(ALICE, 1);
    let carol = world.id(CAROL);
    world.tell_file(ALICE, Told::Blamed { file: 1, peer: Some(carol) });
    assert_eq!(world.warnings(ALICE), ["false-pieces"]);
    world.tell_file(ALICE, Told::Gone { file: 1 });
    assert_eq!(world.file_states(ALICE), [(1, FileState::Gone)]);
    world.decide(ALICE, 1, FileDeed::Resume).unwrap();
    world.fetched(ALICE, 1);
    world.tell_file(ALICE, Told::Changed { file: 1 });
    assert_eq!(world.file_states(ALICE), [(1, FileState::Changed)]);
    // What comes too late changes nothing.
    world.fetched(ALICE, 1);
    world.tell_file(ALICE, Told::Kept { file: 77, until: Timestamp(0) });
    assert_eq!(world.file_states(ALICE), [(1, FileState::Changed)]);
}

#[test]
fn what_waits_for_somebody_who_is_away_keeps_no_other_file_waiting() {
    let mut world = acquainted(100);
    let many = u64::try_from(FETCHES).unwrap() + 2;
    for _ in 0..many {
        world.offer(BOB, "alice", TEXT, 5);
    }
    world.run(Millis::secs(20));
    (1..=many).for_each(|file| world.accept(ALICE, file));
    assert_eq!(fetches(&world.ordered(ALICE)).len(), FETCHES);
    world.somebody_gives(ALICE, 1, true);
    assert!(world.ordered(ALICE).is_empty());
    world.somebody_gives(ALICE, 1, false);
    assert_eq!(fetches(&world.ordered(ALICE)), [many - 1]);
    world.somebody_gives(ALICE, 1, false);
    world.somebody_gives(ALICE, many - 1, true);
    assert!(world.ordered(ALICE).is_empty(), "said again, it is no news");
    world.somebody_gives(ALICE, 2, false);
    assert_eq!(fetches(&world.ordered(ALICE)), [many]);
    // What waited is fetched all the same.
    world.fetched(ALICE, 1);
    assert_eq!(world.file_states(ALICE)[0], (1, FileState::Whole));
}

#[test]
fn a_file_that_arrives_after_all_is_here_whatever_was_thought_of_it() {
    let mut world = acquainted(110);
    world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(10));
    world.accept(ALICE, 1);
    world.tell_file(ALICE, Told::Failed { file: 1, why: "it does not fit".to_owned() });
    assert_eq!(world.file_states(ALICE), [(1, FileState::Failed)]);
    world.fetched(ALICE, 1);
    assert_eq!(world.file_states(ALICE), [(1, FileState::Whole)]);
}

#[test]
fn who_takes_a_file_is_seen_while_they_may_and_how_far_one_is_that_is_paused() {
    let mut world = acquainted(112);
    let (bob, carol) = (world.id(BOB), world.id(CAROL));
    world.offer(ALICE, "#team", TEXT, 100);
    world.run(Millis::secs(10));
    let status = |world: &World, who| world.engine(who).file_view(1).unwrap().body.status.unwrap();
    let taker = |to, path, bytes| Taker { to, path, bytes, rate: 7 };
    let takers = vec![
        taker(Some(bob), Path::Direct, 40),
        // Asked for twice.
        taker(Some(carol), Path::Relay, 170),
        taker(None, Path::Stored, 10),
    ];
    let given = |world: &mut World| {
        world.tell_file(ALICE, Told::Given { file: 1, takers: takers.clone() });
    };
    given(&mut world);
    let seen = status(&world, ALICE).takers;
    let seen = seen.iter().map(|t| (t.person.as_ref().map(|p| p.name.as_str()), t.path, t.bytes));
    let told = [
        (Some("bob"), Path::Direct, 40),
        (Some("carol"), Path::Relay, 100),
        (None, Path::Stored, 10),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), told);
    world.decide(ALICE, 1, FileDeed::Cancel).unwrap();
    assert!(status(&world, ALICE).takers.is_empty());
    given(&mut world);
    assert!(status(&world, ALICE).takers.is_empty(), "said when it was over");

    world.accept(BOB, 1);
    world.decide(BOB, 1, FileDeed::Pause).unwrap();
    let (sources, waits) = (vec![(Some(carol), Path::Relay)], None);
    world.tell_file(BOB, Told::Progress { file: 1, bytes: 60, rate: 5, sources, waits });
    let progress = status(&world, BOB).progress.unwrap();
    assert_eq!((progress.bytes, progress.rate, progress.sources.len()), (60, 0, 0));
}

#[test]
fn an_offer_that_goes_on_after_a_pause_is_left_at_the_hub_again() {
    let mut world = acquainted(115);
    let (file, ..) = world.offer(BOB, "alice", TEXT, 5);
    let until = world.now + Millis::days(7);
    world.tell_file(BOB, Told::Kept { file, until });
    drop(world.ordered(BOB));
    let kept = |world: &World| {
        let view = world.engine(BOB).file_view(1).unwrap();
        view.body.status.unwrap().kept_until
    };
    assert_eq!(kept(&world), Some(until));
    world.decide(BOB, file, FileDeed::Pause).unwrap();
    assert_eq!(kept(&world), Some(until), "it is there yet");
    world.tell_file(BOB, Told::TakenBack { file });
    assert_eq!(kept(&world), None);
    // What was on its way says nothing about it any more.
    world.tell_file(BOB, Told::Kept { file, until });
    assert_eq!(kept(&world), None);
    world.decide(BOB, file, FileDeed::Resume).unwrap();
    let words = ["Unserve(1)", "TakeBack(1)", "Serve(1)", "Put(1)"];
    assert_eq!(world.ordered_words(BOB), words);
    // What was taken back before that says nothing about what is left there by now.
    world.tell_file(BOB, Told::TakenBack { file });
    world.decide(BOB, file, FileDeed::Cancel).unwrap();
    assert_eq!(world.ordered_words(BOB).last().map(String::as_str), Some("TakeBack(1)"));
}

#[test]
fn a_served_file_that_is_gone_is_served_no_more_and_that_is_said() {
    let mut world = acquainted(150);
    let (file, blob, _) = world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(5));
    assert!(world.engine(BOB).may_fetch(&world.id(ALICE), &blob));
    world.tell_file(BOB, Told::Gone { file });
    assert_eq!(world.file_states(BOB), [(file, FileState::Gone)]);
    assert!(!world.engine(BOB).may_fetch(&world.id(ALICE), &blob));
    let status = world.engine(BOB).file_view(file).unwrap().body.status.unwrap();
    assert!(status.why.unwrap().contains("not where it was"));
}

#[test]
fn a_file_is_fetched_from_those_who_belong_now() {
    let mut world = acquainted(155);
    world.offer(BOB, "#team", TEXT, 5);
    world.run(Millis::secs(10));
    world.accept(CAROL, 1);
    let (alice, bob) = (world.id(ALICE), world.id(BOB));
    let sources = |world: &mut World| {
        let orders = world.ordered(CAROL);
        let fetch = |order: &Order| match order {
            Order::Fetch(fetch) => Some(fetch.sources.clone()),
            _ => None,
        };
        orders.iter().filter_map(fetch).collect::<Vec<_>>()
    };
    assert_eq!(sources(&mut world), [vec![bob, alice]]);
    let (group, member) = ("#team".to_owned(), "bob".to_owned());
    world.ask(ALICE, Command::GroupRemove { group: group.clone(), member }).unwrap();
    world.run(Millis::secs(10));
    assert_eq!(sources(&mut world), [vec![alice]]);
    let dave = world.add("dave");
    world.run(Millis::secs(10));
    let member = "dave".to_owned();
    world.ask(ALICE, Command::GroupInvite { group, member }).unwrap();
    world.run(Millis::secs(10));
    assert_eq!(sources(&mut world), [vec![alice, world.id(dave)]]);
}
