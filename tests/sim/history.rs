//! What newcomers are told of the time before they came, and whose word it is.

use hubbub_node::api::group::SettingsChange;
use hubbub_node::api::view::{Body, Role};
use hubbub_node::api::{Command, Reply};
use hubbub_node::engine::{PAST_BY_ONE, PAST_MAX};
use hubbub_shared::content::{PairPlain, Past};
use hubbub_shared::group::epoch::Arrival;
use hubbub_shared::group::sender_key::GroupHeader;
use hubbub_shared::id::{GroupId, MessageId};
use hubbub_shared::time::{Millis, Timestamp};
use hubbub_shared::wire::LogId;
use hubbub_shared::wire::envelope::Envelope;
use hubbub_shared::wire::from_hub::ItemKind;
use hubbub_tests::keywatch::KeyWatch;
use hubbub_tests::past::Seen;
use hubbub_tests::world::World;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;
const MALLORY: usize = 4;

const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dave", "mallory"];

/// A group of alice, bob and carol; bob is an admin.
fn team(seed: u64) -> World {
    let mut world = World::new(seed, &PEOPLE);
    world.found(ALICE, "team", &["bob", "carol"]);
    let (group, member) = ("#team".to_owned(), "bob".to_owned());
    let role = Role::Admin;
    world.ask(ALICE, Command::GroupRole { group, member, role }).unwrap();
    world.run(Millis::secs(5));
    world
}

/// The same, where newcomers are told.
fn telling_team(seed: u64) -> World {
    let mut world = team(seed);
    tell_newcomers(&mut world, true);
    world
}

fn tell_newcomers(world: &mut World, history: bool) {
    let change = SettingsChange { history: Some(history), ..SettingsChange::default() };
    world.ask(ALICE, Command::GroupSet { group: "#team".to_owned(), change }).unwrap();
    world.run(Millis::secs(5));
}

fn say(world: &mut World, who: usize, text: &str) -> MessageId {
    let id = world.say(who, "#team", text);
    world.run(Millis::secs(5));
    id
}

fn add(world: &mut World, by: usize, name: &str) {
    let (group, member) = ("#team".to_owned(), name.to_owned());
    world.ask(by, Command::GroupInvite { group, member }).unwrap();
    world.run(Millis::secs(30));
}

fn remove(world: &mut World, by: usize, name: &str) {
    let (group, member) = ("#team".to_owned(), name.to_owned());
    world.ask(by, Command::GroupRemove { group, member }).unwrap();
    world.run(Millis::secs(30));
}

/// Each line: author, text, who tells it, who is contradicted.
fn past(world: &World, who: usize) -> Vec<String> {
    let line = |seen: Seen| {
        let told = seen.told_by.map(|by| format!(", says {by}")).unwrap_or_default();
        let lie = seen.contradicted.map(|by| format!(", not as {by} says")).unwrap_or_default();
        format!("{}: {}{told}{lie}", seen.author, seen.text)
    };
    world.past(who).into_iter().map(line).collect()
}

fn told_by_mallory(gid: GroupId, world: &World, author: usize, items: Vec<Past>) -> PairPlain {
    PairPlain::Told { gid, author: world.id(author), items }
}

fn invented(n: u64, text: &str) -> Past {
    Past { id: MessageId([66; 16]), n, sent_at: Timestamp(1), text: text.to_owned() }
}

#[test]
fn authors_who_are_there_tell_a_newcomer_themselves() {
    let mut world = telling_team(1);
    say(&mut world, ALICE, "one");
    say(&mut world, BOB, "two");
    say(&mut world, ALICE, "three");
    add(&mut world, ALICE, "dave");
    assert_eq!(past(&world, DAVE), ["alice: one", "bob: two", "alice: three"]);
    say(&mut world, DAVE, "thanks");
    say(&mut world, BOB, "welcome");
    assert_eq!(world.words(DAVE), ["thanks", "welcome"], "the past is no part of the history");
    assert_eq!(past(&world, DAVE).len(), 3);
    assert_eq!(past(&world, CAROL), [""; 0], "who was there is told nothing");
    for who in 0..5 {
        assert!(world.refusals(who).is_empty(), "{who}: {:?}", world.refusals(who));
    }
}

#[test]
fn who_greets_tells_what_others_wrote_and_its_author_confirms_it_when_it_is_back() {
    let mut world = telling_team(2);
    say(&mut world, BOB, "gone fishing");
    world.disconnect(BOB);
    add(&mut world, ALICE, "dave");
    assert_eq!(past(&world, DAVE), ["bob: gone fishing, says alice"]);
    world.connect(BOB);
    world.run(Millis::minutes(1));
    assert_eq!(past(&world, DAVE), ["bob: gone fishing"]);
}

#[test]
fn a_newcomer_who_was_away_when_it_was_let_in_is_told_when_it_comes() {
    let mut world = telling_team(3);
    say(&mut world, ALICE, "one");
    world.disconnect(DAVE);
    add(&mut world, BOB, "dave");
    world.run(Millis::minutes(20));
    world.connect(DAVE);
    world.run(Millis::minutes(1));
    assert_eq!(past(&world, DAVE), ["alice: one"]);
}

#[test]
fn the_maker_of_a_link_tells_whoever_comes_in_by_it() {
    let mut world = telling_team(4);
    say(&mut world, BOB, "by the link");
    world.disconnect(BOB);
    let (group, week) = ("#team".to_owned(), 7 * 24 * 60 * 60 * 1_000);
    let made = world.ask(ALICE, Command::GroupLink { group, uses: 1, expires_in_ms: week });
    let Ok(Reply::Link { link }) = made else { panic!("{made:?}") };
    world.ask(DAVE, Command::GroupJoin { link }).unwrap();
    world.run(Millis::secs(30));
    assert_eq!(past(&world, DAVE), ["bob: by the link, says alice"]);
    world.connect(BOB);
    world.run(Millis::minutes(1));
    assert_eq!(past(&world, DAVE), ["bob: by the link"]);
}

/// Alice's memory of what bob wrote is another than bob's.
fn falsify(world: &mut World, text: &str, to: &str) {
    let history = &mut world.devices[ALICE].disk.history;
    let body = |text: &str| Body::Text(text.to_owned());
    let line = history.iter_mut().find(|line| line.body == body(text)).unwrap();
    line.body = body(to);
}

#[test]
fn who_greets_and_lies_is_contradicted_by_the_author_whichever_comes_first() {
    for author_first in [false, true] {
        let mut world = telling_team(5);
        say(&mut world, BOB, "I like it");
        falsify(&mut world, "I like it", "I hate it");
        if author_first {
            let (group, member) = ("#team".to_owned(), "dave".to_owned());
            world.ask(ALICE, Command::GroupInvite { group, member }).unwrap();
            world.disconnect(ALICE);
            world.run(Millis::secs(30));
            assert_eq!(past(&world, DAVE), ["bob: I like it"]);
            world.connect(ALICE);
        } else {
            world.disconnect(BOB);
            add(&mut world, ALICE, "dave");
            assert_eq!(past(&world, DAVE), ["bob: I hate it, says alice"]);
            world.connect(BOB);
        }
        world.run(Millis::minutes(1));
        assert_eq!(past(&world, DAVE), ["bob: I like it, not as alice says"], "{author_first}");
    }
}

#[test]
fn what_somebody_wrote_who_has_left_stays_as_told() {
    let mut world = telling_team(6);
    say(&mut world, CAROL, "so long");
    world.ask(CAROL, Command::GroupLeave { group: "#team".to_owned() }).unwrap();
    world.run(Millis::secs(5));
    add(&mut world, ALICE, "dave");
    world.run(Millis::minutes(10));
    assert_eq!(past(&world, DAVE), ["carol: so long, says alice"]);
}

#[test]
fn where_the_setting_is_off_nothing_is_told() {
    let mut world = team(7);
    say(&mut world, ALICE, "one");
    add(&mut world, ALICE, "dave");
    world.run(Millis::minutes(20));
    assert_eq!(past(&world, DAVE), [""; 0]);
}

#[test]
fn only_what_is_said_while_the_setting_is_on_is_ever_told() {
    let mut world = team(8);
    say(&mut world, ALICE, "before it was on");
    say(&mut world, BOB, "before it was on, too");
    tell_newcomers(&mut world, true);
    say(&mut world, ALICE, "on");
    say(&mut world, BOB, "on, too");
    add(&mut world, ALICE, "dave");
    assert_eq!(past(&world, DAVE), ["alice: on", "bob: on, too"]);
    tell_newcomers(&mut world, false);
    say(&mut world, ALICE, "off again");
    tell_newcomers(&mut world, true);
    say(&mut world, BOB, "and on");
    add(&mut world, BOB, "mallory");
    assert_eq!(past(&world, MALLORY), ["bob: and on"]);
    let doors = world.engine(CAROL).doors(&world.group(CAROL, "#team")).unwrap();
    let line = |text: &str| {
        let mut lines = world.devices[CAROL].disk.history.iter();
        lines.find(|line| line.body == Body::Text(text.to_owned())).unwrap().received_at
    };
    let since = doors.history_since.unwrap();
    assert!(doors.history && line("off again") < since && since < line("and on"));
}

#[test]
fn an_author_who_did_not_know_that_it_was_turned_off_tells_nothing_when_it_does() {
    let mut world = telling_team(9);
    say(&mut world, BOB, "early");
    world.disconnect(BOB);
    add(&mut world, ALICE, "dave");
    tell_newcomers(&mut world, false);
    world.connect(BOB);
    world.run(Millis::minutes(5));
    assert_eq!(past(&world, DAVE), ["bob: early, says alice"], "and it is not confirmed");
}

#[test]
fn a_member_who_was_removed_before_it_was_told_is_told_nothing() {
    let mut world = telling_team(10);
    say(&mut world, BOB, "secret");
    world.disconnect(BOB);
    world.disconnect(DAVE);
    let (group, member) = ("#team".to_owned(), "dave".to_owned());
    world.ask(ALICE, Command::GroupInvite { group, member }).unwrap();
    remove(&mut world, ALICE, "dave");
    world.connect(BOB);
    world.connect(DAVE);
    world.run(Millis::minutes(5));
    assert_eq!(past(&world, DAVE), [""; 0]);
}

#[test]
fn whoever_comes_again_is_told_what_was_said_meanwhile_and_nothing_twice() {
    let mut world = telling_team(11);
    say(&mut world, BOB, "all of us");
    remove(&mut world, ALICE, "carol");
    say(&mut world, BOB, "without carol");
    add(&mut world, ALICE, "carol");
    assert_eq!(world.words(CAROL), ["all of us"]);
    assert_eq!(past(&world, CAROL), ["bob: without carol"]);
}

#[test]
fn crashes_at_every_step_lose_nothing_and_double_nothing() {
    for seed in 0..40 {
        let mut world = telling_team(100 + seed);
        let texts: Vec<String> = (0..6).map(|n| format!("number {n}")).collect();
        for (n, text) in texts.iter().enumerate() {
            say(&mut world, n % 3, text);
        }
        world.crashes = 1_500;
        let (group, member) = ("#team".to_owned(), "dave".to_owned());
        world.begin(ALICE, Command::GroupInvite { group, member });
        world.run(Millis::minutes(2));
        world.crashes = 0;
        world.run(Millis::hours(1));
        if world.engine(ALICE).members(&world.group(ALICE, "#team")).len() < 4 {
            // The command itself was lost with the device before it was answered.
            add(&mut world, ALICE, "dave");
            world.run(Millis::minutes(10));
        }
        let expected: Vec<String> =
            (0..6).map(|n| format!("{}: number {n}", PEOPLE[n % 3])).collect();
        assert_eq!(past(&world, DAVE), expected, "seed {seed}");
    }
}

#[test]
fn what_a_member_invents_is_shown_as_its_word_and_contradicted_by_the_author() {
    for lie_first in [true, false] {
        let mut world = telling_team(12);
        add(&mut world, ALICE, "mallory");
        say(&mut world, BOB, "what bob said");
        if lie_first {
            world.disconnect(BOB);
        }
        add(&mut world, ALICE, "dave");
        let gid = world.group(DAVE, "#team");
        let lie = told_by_mallory(gid, &world, BOB, vec![invented(1, "never said")]);
        world.tell(MALLORY, DAVE, &lie);
        if lie_first {
            let expected = ["bob: never said, says mallory", "bob: what bob said, says alice"];
            assert_eq!(past(&world, DAVE), expected);
            world.connect(BOB);
        }
        world.run(Millis::minutes(1));
        let denied = "bob: never said, says mallory, not as mallory says";
        assert_eq!(past(&world, DAVE), [denied, "bob: what bob said"], "{lie_first}");
    }
}

#[test]
fn who_comes_back_is_told_what_was_said_meanwhile_whatever_arrives_first() {
    for seed in 0..20 {
        let mut world = telling_team(100 + seed);
        add(&mut world, ALICE, "dave");
        remove(&mut world, ALICE, "dave");
        say(&mut world, BOB, "while dave was out");
        world.disconnect(DAVE);
        add(&mut world, ALICE, "dave");
        world.delay = 1_500;
        world.connect(DAVE);
        world.run(Millis::minutes(2));
        assert_eq!(past(&world, DAVE), ["bob: while dave was out"], "seed {seed}");
    }
}

#[test]
fn an_invented_message_is_contradicted_by_the_one_that_is_heard_in_its_place() {
    let mut world = telling_team(13);
    add(&mut world, ALICE, "mallory");
    say(&mut world, BOB, "one");
    add(&mut world, ALICE, "dave");
    let gid = world.group(DAVE, "#team");
    world.tell(MALLORY, DAVE, &told_by_mallory(gid, &world, BOB, vec![invented(2, "two!")]));
    assert_eq!(past(&world, DAVE), ["bob: two!, says mallory", "bob: one"]);
    say(&mut world, BOB, "two");
    let denied = "bob: two!, says mallory, not as mallory says";
    assert_eq!(past(&world, DAVE), [denied, "bob: one"]);
}

#[test]
fn nothing_counts_that_a_stranger_tells_or_that_is_told_of_strangers() {
    let mut world = telling_team(14);
    add(&mut world, ALICE, "dave");
    let gid = world.group(DAVE, "#team");
    let told = |world: &World, author: usize| {
        told_by_mallory(gid, world, author, vec![invented(1, "psst")])
    };
    let (of_bob, of_dave) = (told(&world, BOB), told(&world, DAVE));
    let of_mallory = told(&world, MALLORY);
    world.tell(MALLORY, DAVE, &of_bob);
    assert_eq!(world.refused(DAVE, "told-not-a-member"), 1);
    world.tell(BOB, DAVE, &of_mallory);
    world.tell(BOB, DAVE, &of_dave);
    assert_eq!(world.refused(DAVE, "told-of-nobody"), 2);
    add(&mut world, ALICE, "mallory");
    world.tell(MALLORY, DAVE, &of_mallory);
    assert_eq!(world.refused(DAVE, "told-of-nobody"), 3, "mallory came after dave");
    let ban = Command::GroupBan { group: "#team".to_owned(), member: "mallory".to_owned() };
    world.ask(ALICE, ban).unwrap();
    world.run(Millis::secs(5));
    world.tell(MALLORY, DAVE, &of_bob);
    assert_eq!(world.refused(DAVE, "told-not-a-member"), 2, "nor one who is banned");
    assert_eq!(past(&world, DAVE), [""; 0]);
    let mut world = team(15);
    add(&mut world, ALICE, "dave");
    let gid = world.group(DAVE, "#team");
    let unwanted = told_by_mallory(gid, &world, ALICE, vec![invented(1, "psst")]);
    world.tell(BOB, DAVE, &unwanted);
    assert_eq!(world.refused(DAVE, "told-unwanted"), 1);
    assert_eq!(past(&world, DAVE), [""; 0]);
}

#[test]
fn one_member_tells_so_much_and_its_inventions_make_room_for_what_authors_say() {
    let mut world = telling_team(16);
    for n in 0..30 {
        world.say(BOB, "#team", &format!("bob's {n}"));
    }
    world.run(Millis::secs(30));
    world.disconnect(BOB);
    add(&mut world, ALICE, "mallory");
    add(&mut world, ALICE, "dave");
    let gid = world.group(DAVE, "#team");
    let page = |first: u64, from: u8| {
        let items = (0..64).map(|n| Past {
            id: MessageId([[from; 8], (first + n).to_be_bytes()].concat().try_into().unwrap()),
            ..invented(1_000 + first + n, "noise")
        });
        items.collect::<Vec<Past>>()
    };
    for first in 0..20 {
        let told = told_by_mallory(gid, &world, BOB, page(64 * first, 1));
        world.tell(MALLORY, DAVE, &told);
    }
    let of = |world: &World, by: &str| {
        world.past(DAVE).iter().filter(|seen| seen.told_by.as_deref() == Some(by)).count()
    };
    assert_eq!((of(&world, "mallory"), of(&world, "alice")), (PAST_BY_ONE, 30));
    for (liar, from) in [(CAROL, 2), (ALICE, 3)] {
        for first in 0..20 {
            let told = told_by_mallory(gid, &world, BOB, page(64 * first, from));
            world.tell(liar, DAVE, &told);
        }
    }
    for n in 0..20 {
        let told = told_by_mallory(gid, &world, ALICE, page(64 * n, 4));
        world.tell(ALICE, DAVE, &told);
    }
    assert_eq!(world.past(DAVE).len(), PAST_MAX);
    world.connect(BOB);
    world.run(Millis::minutes(1));
    let own = world.past(DAVE).iter().filter(|s| s.author == "bob" && s.told_by.is_none()).count();
    assert_eq!((own, world.past(DAVE).len()), (30, PAST_MAX));
}

#[test]
fn the_newest_are_told_and_none_older_than_thirty_days() {
    let mut world = telling_team(17);
    say(&mut world, BOB, "long ago");
    world.run(Millis::days(31));
    say(&mut world, ALICE, "lately");
    add(&mut world, BOB, "mallory");
    assert_eq!(past(&world, MALLORY), ["alice: lately"]);
    for n in 0..250 {
        world.say(BOB, "#team", &format!("{n}"));
        world.run(Millis(300));
    }
    world.run(Millis::secs(30));
    add(&mut world, BOB, "dave");
    world.run(Millis::minutes(1));
    let told = past(&world, DAVE);
    let ends = (told[0].as_str(), told[1].as_str(), told[200].as_str());
    assert_eq!((told.len(), ends), (201, ("alice: lately", "bob: 50", "bob: 249")));
}

#[test]
fn no_key_of_before_is_ever_given() {
    let mut world = telling_team(18);
    let watch = KeyWatch::on(&mut world);
    let gid = world.group(ALICE, "#team");
    // The hub keeps what carol has not read.
    world.disconnect(CAROL);
    for who in [ALICE, BOB, ALICE] {
        say(&mut world, who, "before");
    }
    let channel = LogId::Channel(gid);
    let sealed = world.stored(&channel);
    let before: Vec<_> = sealed.into_iter().filter(|i| i.kind == ItemKind::Envelope).collect();
    assert_eq!(before.len(), 3);
    add(&mut world, ALICE, "dave");
    say(&mut world, ALICE, "after");
    say(&mut world, BOB, "after");
    assert_eq!(past(&world, DAVE), ["alice: before", "bob: before", "alice: before"]);
    assert_eq!(world.words(DAVE), ["after", "after"]);
    world.connect(CAROL);
    world.run(Millis::minutes(1));
    // The chains are the same, adding somebody ends none; what dave holds of them begins later.
    let log = world.control(&gid);
    let mut chains = world.inbound_chains(DAVE);
    assert_eq!(chains.len(), 2);
    for item in &before {
        let Ok(Envelope::Group(message)) = Envelope::parse(&item.bytes) else { panic!() };
        let name = GroupHeader::of(&message).unwrap().chain;
        let chain = chains.iter_mut().find(|chain| chain.id() == name).unwrap();
        assert!(chain.open(&log, Arrival::at(world.now), &message).is_err());
    }
    assert_eq!(watch.reused(), [""; 0]);
}

#[test]
fn a_newcomer_that_lost_everything_is_told_again() {
    let mut world = telling_team(19);
    say(&mut world, BOB, "one");
    add(&mut world, ALICE, "dave");
    assert_eq!(past(&world, DAVE), ["bob: one"]);
    world.start_over(DAVE);
    world.run(Millis::minutes(1));
    say(&mut world, ALICE, "where is dave?");
    say(&mut world, BOB, "lost his disk");
    world.run(Millis::minutes(30));
    assert_eq!(past(&world, DAVE), ["bob: one"]);
    assert_eq!(world.words(DAVE).len(), 2);
}
