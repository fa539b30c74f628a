//! Files and those who mean no good: copied addresses, offers without end, paths that are none.

use hubbub_node::api::{Code, Command, FileDeed, FileState};
use hubbub_node::engine::file::PATH_MAX;
use hubbub_node::engine::file::order::Order;
use hubbub_shared::id::BlobId;
use hubbub_shared::time::Millis;
use hubbub_tests::world::World;

use crate::files::{ALICE, BOB, CAROL, KIB, PICTURE, TEXT, acquainted, fetches};

#[test]
fn a_folder_comes_when_a_person_wants_it_and_then_as_it_was_said_to_be() {
    let mut world = acquainted(105);
    let address = BlobId([9; 32]);
    world.offer_as(BOB, "alice", (PICTURE, 50), (address, Some(17)));
    world.run(Millis::secs(5));
    assert!(world.ordered(ALICE).is_empty());
    assert_eq!(world.file_states(ALICE), [(1, FileState::Offered)]);
    world.accept(ALICE, 1);
    let orders = world.ordered(ALICE);
    let [Order::Fetch(fetch)] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!((fetch.blob.address, fetch.manifest), (address, Some(17)));
}

#[test]
fn offers_that_nobody_wanted_drop_nothing_however_many_name_the_address_of_a_file_here() {
    let mut world = acquainted(120);
    let (_, blob, _) = world.offer(ALICE, "#team", TEXT, 5);
    world.run(Millis::secs(5));
    drop(world.ordered(ALICE));
    for _ in 0..258 {
        world.offer_as(BOB, "alice", (TEXT, 5), (blob, None));
        world.run(Millis(200));
    }
    world.run(Millis::secs(20));
    let offered = |state| move |file: &&(u64, FileState)| file.1 == state;
    let states = world.file_states(ALICE);
    assert_eq!(states.iter().filter(offered(FileState::Offered)).count(), 256);
    let last = states.last().unwrap().0;
    world.decide(ALICE, last, FileDeed::Decline).unwrap();
    assert!(world.ordered(ALICE).is_empty());
    world.crash(ALICE);
    world.run(Millis::secs(10));
    assert_eq!(world.ordered_words(ALICE), ["Limit(0)", "Serve(1)", "Put(1)"]);
}

#[test]
fn what_was_fetched_is_dropped_unless_another_offer_brought_it_here() {
    let mut world = acquainted(125);
    let (_, blob, _) = world.offer(BOB, "#team", TEXT, 5);
    world.run(Millis::secs(5));
    world.accept(ALICE, 1);
    // A copy of the address, as small and innocent as it takes.
    world.offer_as(BOB, "alice", (PICTURE, 5), (blob, None));
    world.run(Millis::secs(5));
    world.accept(ALICE, 2);
    assert_eq!(fetches(&world.ordered(ALICE)), [1, 2]);
    for (number, keep) in [(2, true), (1, false)] {
        world.decide(ALICE, number, FileDeed::Cancel).unwrap();
        let orders = world.ordered(ALICE);
        let [Order::Drop(dropped)] = orders.as_slice() else { panic!("{orders:?}") };
        assert_eq!((dropped.file, dropped.keep), (number, keep));
    }
}

#[test]
fn whoever_copies_an_address_gains_no_right_to_what_is_here_under_it() {
    let mut world = acquainted(130);
    let (_, blob, _) = world.offer(ALICE, "bob", TEXT, 5);
    world.run(Millis::secs(5));
    let may = |world: &World, who, peer| world.engine(who).may_fetch(&world.id(peer), &blob);
    world.accept(BOB, 1);
    assert!(may(&world, BOB, ALICE));
    // Carol knows the address, and offers it where all of them are.
    world.offer_as(CAROL, "#team", (TEXT, 5), (blob, None));
    world.run(Millis::secs(5));
    world.accept(ALICE, 2);
    world.accept(BOB, 2);
    assert!(!may(&world, ALICE, CAROL) && !may(&world, BOB, CAROL));
    assert!(may(&world, ALICE, BOB) && may(&world, BOB, ALICE));
    world.fetched(BOB, 1);
    assert!(!may(&world, BOB, CAROL) && may(&world, BOB, ALICE));
    // What came by her own offer she may have.
    world.decide(BOB, 1, FileDeed::Pause).unwrap();
    world.fetched(BOB, 2);
    assert!(may(&world, BOB, CAROL));
}

#[test]
fn what_one_person_sends_unasked_is_bounded_and_the_rest_waits_for_a_person() {
    let mut world = acquainted(135);
    let of = |world: &World, state| {
        let states = world.file_states(ALICE).into_iter();
        states.filter(|(_, other)| *other == state).map(|(file, _)| file).collect::<Vec<_>>()
    };
    let send = |world: &mut World, count| {
        for _ in 0..count {
            world.offer(BOB, "alice", PICTURE, 2 * KIB * KIB);
            world.run(Millis(200));
        }
        world.run(Millis::secs(5));
    };
    send(&mut world, 18);
    let coming = of(&world, FileState::Fetching).len() + of(&world, FileState::Queued).len();
    assert_eq!((coming, of(&world, FileState::Offered)), (16, vec![17, 18]));
    // A person may have all of it.
    world.accept(ALICE, 17);
    assert_eq!(of(&world, FileState::Offered), [18]);
    let arrive = |world: &mut World| {
        while let Some(file) = of(world, FileState::Fetching).first() {
            world.fetched(ALICE, *file);
        }
    };
    arrive(&mut world);
    for _ in 0..8 {
        send(&mut world, 16);
        arrive(&mut world);
    }
    // 128 of the largest size a day, and the one that was asked for.
    assert_eq!(of(&world, FileState::Whole).len(), 129);
    world.run(Millis::days(1));
    send(&mut world, 1);
    arrive(&mut world);
    assert_eq!(of(&world, FileState::Whole).len(), 130);
}

#[test]
fn a_path_that_is_too_long_or_not_whole_is_refused_before_anything_is_stored() {
    let mut world = acquainted(140);
    let long = "x".repeat(PATH_MAX);
    assert_eq!(world.send_file(BOB, "alice", &long).unwrap_err().code, Code::Usage);
    assert!(world.send_file(BOB, "alice", &long[..PATH_MAX - "/home/".len()]).is_ok());
    world.offer(BOB, "alice", TEXT, 5);
    world.run(Millis::secs(5));
    for to in [format!("/{long}"), "downloads".to_owned(), String::new()] {
        let refused = world.decide(ALICE, 1, FileDeed::Accept { to: Some(to) }).unwrap_err();
        assert_eq!(refused.code, Code::Usage);
    }
    assert!(world.ordered(ALICE).is_empty());
}

#[test]
fn a_file_that_cannot_be_read_back_is_one_less_and_the_profile_opens() {
    let mut world = acquainted(145);
    world.offer(BOB, "alice", TEXT, 5);
    world.offer(BOB, "alice", TEXT, 6);
    world.run(Millis::secs(5));
    world.spoil_a_file(ALICE);
    world.crash(ALICE);
    world.run(Millis::secs(10));
    assert_eq!(world.file_states(ALICE), [(2, FileState::Offered)]);
    world.offer(BOB, "alice", TEXT, 7);
    world.run(Millis::secs(5));
    assert_eq!(world.file_states(ALICE), [(2, FileState::Offered), (3, FileState::Offered)]);
}

#[test]
fn only_whom_something_may_be_given_may_ask_at_all() {
    let mut world = acquainted(160);
    let mallory = world.add("mallory");
    world.run(Millis::secs(20));
    let may = |world: &World, who| world.engine(ALICE).may_ask(&world.id(who));
    assert!(may(&world, BOB) && may(&world, CAROL), "a contact, and a member");
    assert!(!may(&world, mallory), "everybody is in the lobby");
    world.offer(ALICE, "lobby", TEXT, 5);
    assert!(may(&world, mallory), "but there is something for everybody now");
    world.decide(ALICE, 1, FileDeed::Cancel).unwrap();
    assert!(!may(&world, mallory));
    world.ask(ALICE, Command::Block { contact: "bob".to_owned() }).unwrap();
    assert!(!may(&world, BOB));
}
