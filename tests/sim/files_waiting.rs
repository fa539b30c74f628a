//! Files that wait: for a place, for somebody who has them, for what was here to come back.

use hubbub_node::api::{Code, FileDeed, FileState};
use hubbub_node::engine::file::order::{Order, Told};
use hubbub_node::engine::file::{FETCHES, FETCHES_ALL};
use hubbub_shared::id::BlobId;
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

use crate::files::{ALICE, BOB, PICTURE, TEXT, acquainted, fetches};

#[test]
fn what_a_rule_wants_takes_no_place_of_what_a_person_wants_under_the_same_address() {
    let mut world = acquainted(200);
    let (_, blob, _) = world.offer(BOB, "#team", TEXT, 5);
    world.run(Millis::secs(5));
    world.accept(ALICE, 1);
    assert_eq!(fetches(&world.ordered(ALICE)), [1]);
    // A copy of the address, as small and innocent as it takes.
    world.offer_as(BOB, "alice", (PICTURE, 5), (blob, None));
    world.run(Millis::secs(5));
    assert!(world.ordered(ALICE).is_empty());
    let states = [(1, FileState::Fetching), (2, FileState::Offered)];
    assert_eq!(world.file_states(ALICE), states);
    // Paused, it is wanted all the same; given up, it is not.
    world.decide(ALICE, 1, FileDeed::Pause).unwrap();
    world.offer_as(BOB, "alice", (PICTURE, 5), (blob, None));
    world.run(Millis::secs(5));
    assert_eq!(world.file_states(ALICE)[2], (3, FileState::Offered));
    world.decide(ALICE, 1, FileDeed::Cancel).unwrap();
    world.offer_as(BOB, "alice", (PICTURE, 5), (blob, None));
    world.run(Millis::secs(5));
    assert_eq!(world.file_states(ALICE)[3], (4, FileState::Fetching));
}

/// Alice in a world with four contacts who mean no good, and bob.
fn beset(seed: u64) -> (World, usize) {
    let names = ["alice", "mallory", "mallet", "trudy", "eve", "bob"];
    let mut world = World::new(seed, &names);
    for (who, name) in names.iter().enumerate() {
        world.move_files(who);
        if who != ALICE {
            world.say(ALICE, name, "hello");
            world.run(Millis::secs(5));
            world.say(who, "alice", "hi");
        }
    }
    world.run(Millis::secs(10));
    (world, names.len() - 1)
}

#[test]
fn dead_files_of_hostile_contacts_hold_up_what_others_send_for_minutes_and_no_longer() {
    let (mut world, bob) = beset(210);
    for hostile in 1..bob {
        for _ in 0..16 {
            world.offer(hostile, "alice", PICTURE, 5);
            world.run(Millis(200));
        }
        world.run(Millis::secs(2));
        // Nobody has any of them, as it turns out, of one after the other.
        for file in world.ordered(ALICE).iter().flat_map(|_| 1..=64) {
            world.somebody_gives(ALICE, file, false);
        }
    }
    let states = world.file_states(ALICE);
    assert!(states.len() == 64 && states.iter().all(|(_, state)| *state == FileState::Fetching));
    drop(world.ordered(ALICE));
    world.offer(bob, "alice", PICTURE, 5);
    world.run(Millis::secs(5));
    assert_eq!(world.file_states(ALICE)[64], (65, FileState::Queued));
    world.run(Millis::minutes(11));
    assert_eq!(world.file_states(ALICE)[64], (65, FileState::Fetching));
    assert_eq!(world.ordered_words(ALICE), ["Hold(1)", "Fetch(65)"]);
    // Now that one has waited longest, the next is not held up at all.
    world.offer(bob, "alice", PICTURE, 5);
    world.run(Millis::secs(5));
    assert_eq!(world.ordered_words(ALICE), ["Hold(17)", "Fetch(66)"]);
    // What gave way comes after all when there is a place for it.
    world.fetched(ALICE, 65);
    assert_eq!(world.ordered_words(ALICE), ["Serve(65)", "Fetch(1)"]);
    assert_eq!(world.file_states(ALICE)[0], (1, FileState::Fetching));
}

/// Alice wants so many files of bob's more than there are places, and nobody gives anything of
/// those that have one. How many these are.
fn all_places_taken(seed: u64, more: u64) -> (World, u64) {
    let mut world = acquainted(seed);
    let most = u64::try_from(FETCHES_ALL).unwrap();
    for _ in 0..most + more {
        world.offer(BOB, "alice", TEXT, 5);
        world.run(Millis(200));
    }
    world.run(Millis::secs(20));
    for file in 1..=most + more {
        world.accept(ALICE, file);
        world.somebody_gives(ALICE, file, false);
    }
    drop(world.ordered(ALICE));
    (world, most)
}

#[test]
fn one_that_gave_its_place_away_takes_no_others_also_when_it_is_wanted_first() {
    let (mut world, most) = all_places_taken(216, 2);
    world.decide(ALICE, 1, FileDeed::First).unwrap();
    drop(world.ordered(ALICE));
    world.run(Millis::minutes(11));
    let [one, two] = [1, 2].map(|behind| format!("Fetch({})", most + behind));
    let expected = ["Hold(1)".to_owned(), one, "Hold(2)".to_owned(), two];
    assert_eq!(world.ordered_words(ALICE), expected);
    // When that is some time ago, it goes first again.
    world.run(Millis::minutes(11));
    let again = fetches(&world.ordered(ALICE));
    assert_eq!(again.first(), Some(&1), "{again:?}");
}

#[test]
fn whoever_promises_a_file_and_gives_nothing_holds_nobody_up() {
    let (mut world, most) = all_places_taken(218, 1);
    for _ in 0..3 {
        world.run(Millis::minutes(4));
        for file in 1..=most {
            world.somebody_gives(ALICE, file, true);
            world.somebody_gives(ALICE, file, false);
        }
    }
    let orders = world.ordered_words(ALICE);
    assert!(orders.contains(&format!("Fetch({})", most + 1)), "{orders:?}");
}

#[test]
fn what_a_person_wanted_first_is_wanted_like_others_when_it_is_wanted_anew() {
    let mut world = acquainted(219);
    let many = u64::try_from(FETCHES).unwrap() + 2;
    for _ in 0..many {
        world.offer(BOB, "alice", TEXT, 5);
        world.run(Millis(200));
    }
    world.run(Millis::secs(20));
    (1..=many).for_each(|file| world.accept(ALICE, file));
    let state = |world: &World| world.file_states(ALICE).last().copied();
    world.decide(ALICE, many, FileDeed::First).unwrap();
    assert_eq!(state(&world), Some((many, FileState::Fetching)));
    world.decide(ALICE, many, FileDeed::Cancel).unwrap();
    world.accept(ALICE, many);
    assert_eq!(state(&world), Some((many, FileState::Queued)));
    world.decide(ALICE, many, FileDeed::First).unwrap();
    world.fetched(ALICE, many);
    world.tell_file(ALICE, Told::Gone { file: many });
    // The place that it had went to the last but one.
    world.decide(ALICE, many, FileDeed::Resume).unwrap();
    assert_eq!(state(&world), Some((many, FileState::Queued)));
}

#[test]
fn what_gives_its_place_to_another_loses_nothing_of_what_may_be_here() {
    // Their disk is full, so that nobody knows how much of them is here from before.
    let (mut world, most) = all_places_taken(215, 1);
    world.run(Millis::minutes(11));
    let fetch = format!("Fetch({})", most + 1);
    assert_eq!(world.ordered_words(ALICE), ["Hold(1)".to_owned(), fetch]);
    assert_eq!(world.file_states(ALICE)[0], (1, FileState::Queued));
    // It may have come in part, so that it is taken away when nobody wants it.
    world.decide(ALICE, 1, FileDeed::Cancel).unwrap();
    assert_eq!(world.ordered_words(ALICE), ["Drop(1)"]);
}

#[test]
fn an_own_file_that_a_backup_cannot_hold_or_that_is_too_old_is_not_said_to_be_offered_on() {
    let mut world = acquainted(217);
    let refused = |world: &mut World, file| {
        let before = world.file_states(BOB);
        drop(world.ordered(BOB));
        let refused = world.decide(BOB, file, FileDeed::Resume).unwrap_err();
        assert!(refused.hint.contains("send the file again"), "{refused:?}");
        assert!(world.ordered(BOB).is_empty() && world.file_states(BOB) == before);
    };
    let files = [0; 3].map(|_| world.offer(BOB, "alice", TEXT, 5).0);
    world.run(Millis::secs(5));
    world.decide(BOB, files[0], FileDeed::Pause).unwrap();
    world.tell_file(BOB, Told::Changed { file: files[1] });
    world.run(Millis::days(31));
    refused(&mut world, files[0]);
    refused(&mut world, files[1]);
    let (file, ..) = world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(5));
    world.files_of_a_backup(BOB);
    world.crash(BOB);
    world.run(Millis::secs(10));
    assert_eq!(world.file_states(BOB).last(), Some(&(file, FileState::Gone)));
    refused(&mut world, file);
}

#[test]
fn an_own_file_that_was_away_or_changed_is_offered_on_when_it_is_back() {
    let mut world = acquainted(220);
    for end in [|file| Told::Gone { file }, |file| Told::Changed { file }] {
        let (file, blob, _) = world.offer(BOB, "alice", TEXT, 5);
        world.run(Millis::secs(5));
        world.tell_file(BOB, end(file));
        drop(world.ordered(BOB));
        assert!(!world.engine(BOB).may_fetch(&world.id(ALICE), &blob));
        world.decide(BOB, file, FileDeed::Resume).unwrap();
        let orders = [format!("Serve({file})"), format!("Put({file})")];
        assert_eq!(world.ordered_words(BOB), orders);
        assert!(world.engine(BOB).may_fetch(&world.id(ALICE), &blob));
        world.decide(BOB, file, FileDeed::Cancel).unwrap();
        drop(world.ordered(BOB));
    }
}

#[test]
fn an_own_file_that_was_away_for_a_moment_is_offered_on_by_itself() {
    let mut world = acquainted(225);
    let (file, blob, _) = world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(5));
    world.tell_file(BOB, Told::Gone { file });
    drop(world.ordered(BOB));
    let why = "it is not there".to_owned();
    world.run(Millis::minutes(11));
    assert_eq!(world.ordered_words(BOB), ["Look(1)"]);
    world.tell_file(BOB, Told::Failed { file, why });
    assert_eq!(world.file_states(BOB), [(1, FileState::Gone)]);
    // The disk it is on is there again after a restart.
    world.crash(BOB);
    world.run(Millis::secs(10));
    assert_eq!(world.ordered_words(BOB), ["Limit(0)", "Look(1)"]);
    let (size, path, media, preview) = (5, None, String::new(), None);
    world.tell_file(BOB, Told::Looked { file, size, path, media, preview });
    assert_eq!(world.ordered_words(BOB), ["Serve(1)", "Put(1)"]);
    assert_eq!(world.file_states(BOB), [(1, FileState::Serving)]);
    assert!(world.engine(BOB).may_fetch(&world.id(ALICE), &blob));
}

#[test]
fn a_file_that_waits_its_turn_says_so_and_one_may_be_put_before_others() {
    let mut world = acquainted(230);
    let many = u64::try_from(FETCHES).unwrap() + 2;
    for _ in 0..many {
        world.offer(BOB, "alice", TEXT, 5);
        world.run(Millis(200));
    }
    world.run(Millis::secs(20));
    (1..=many).for_each(|file| world.accept(ALICE, file));
    drop(world.ordered(ALICE));
    world.tell_file(ALICE, Told::Queued { file: 2, bytes: 3 });
    let status = world.engine(ALICE).file_view(2).unwrap().body.status.unwrap();
    assert_eq!((status.state, status.progress.unwrap().bytes), (FileState::Queued, 3));
    assert!(world.ordered(ALICE).is_empty(), "it has its place all the same");
    world.somebody_gives(ALICE, 2, true);
    assert_eq!(world.file_states(ALICE)[1], (2, FileState::Fetching));
    // The last one of all is wanted first, and so is one that has its place.
    world.decide(ALICE, many, FileDeed::First).unwrap();
    world.decide(ALICE, 3, FileDeed::First).unwrap();
    let orders = world.ordered(ALICE);
    let first = orders.iter().map(|order| match order {
        Order::Fetch(fetch) => (fetch.file, fetch.first),
        other => panic!("{other:?}"),
    });
    assert_eq!(first.collect::<Vec<_>>(), [(many, true), (3, true)]);
    let refused = world.decide(BOB, 1, FileDeed::First).unwrap_err();
    assert_eq!(refused.code, Code::Usage);
    // It is first after a restart, too.
    world.crash(ALICE);
    world.run(Millis::secs(10));
    let orders = world.ordered(ALICE);
    let last = orders.iter().find_map(|order| match order {
        Order::Fetch(fetch) if fetch.file == many => Some(fetch.first),
        _ => None,
    });
    assert_eq!(last, Some(true));
}

#[test]
fn what_was_dropped_once_is_not_dropped_again_at_every_start() {
    let mut world = acquainted(240);
    world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(5));
    world.accept(ALICE, 1);
    world.decide(ALICE, 1, FileDeed::Cancel).unwrap();
    world.decide(BOB, 1, FileDeed::Cancel).unwrap();
    // It was ordered and nobody has said that it was done.
    for who in [ALICE, BOB] {
        drop(world.ordered(who));
        world.crash(who);
        world.run(Millis::secs(10));
        assert!(world.ordered_words(who).contains(&"Drop(1)".to_owned()));
        world.tell_file(who, Told::Dropped { file: 1 });
        if who == BOB {
            world.tell_file(who, Told::TakenBack { file: 1 });
        }
        world.crash(who);
        world.run(Millis::secs(10));
        assert_eq!(world.ordered_words(who), ["Limit(0)"]);
    }
    // Wanted again and given up again, it is dropped again.
    world.accept(ALICE, 1);
    world.tell_file(ALICE, Told::Dropped { file: 1 });
    world.decide(ALICE, 1, FileDeed::Cancel).unwrap();
    assert_eq!(world.ordered_words(ALICE), ["Fetch(1)", "Drop(1)"]);
}

#[test]
fn a_file_that_was_read_twice_is_offered_on_as_it_was_read_first() {
    let mut world = acquainted(245);
    let (file, blob, _) = world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(5));
    drop(world.ordered(BOB));
    // As if it had been begun anew while the end of the first time was on its way here.
    world.seal_as(BOB, file, 5, (BlobId([9; 32]), None));
    let orders = world.ordered(BOB);
    let [Order::Drop(dropped), Order::Serve(serve), Order::Put(1)] = orders.as_slice() else {
        panic!("{orders:?}")
    };
    let gone = dropped.blob.as_ref().map(|(blob, _)| blob.address);
    assert_eq!((gone, serve.blob.address), (Some(BlobId([9; 32])), blob));
    assert_eq!(world.file_states(BOB), [(file, FileState::Serving)]);
    // Nor is taken away what is offered, because it was found twice.
    let (path, media) = (Some("/home/notes.txt".to_owned()), String::new());
    world.tell_file(BOB, Told::Looked { file, size: 5, path, media, preview: None });
    assert!(world.ordered(BOB).is_empty());
}

#[test]
fn who_waits_for_a_file_that_the_hub_keeps_no_more_is_told_so() {
    let mut world = acquainted(250);
    world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(5));
    world.accept(ALICE, 1);
    let waits = |world: &World| {
        let status = world.engine(ALICE).file_view(1).unwrap().body.status.unwrap();
        status.progress.unwrap().waits
    };
    world.somebody_gives(ALICE, 1, false);
    world.tell_file(ALICE, Told::HubKeeps { keep: Millis::days(14) });
    world.run(Millis::days(13));
    assert_eq!(waits(&world).unwrap(), "nobody is there", "the hub may have it");
    world.run(Millis::days(2));
    let said = "nobody is there; the hub keeps a file for 14 days, and this one was offered longer \
                ago than that";
    assert_eq!(waits(&world).unwrap(), said);
    world.somebody_gives(ALICE, 1, true);
    assert_eq!(waits(&world), None, "somebody has it all the same");
}
