//! What a hostile hub or member puts in front of a node is refused under a name.

use hubbub_node::api::ConversationId;
use hubbub_shared::time::Millis;
use hubbub_shared::wire::LogId;
use hubbub_tests::world::World;

fn flipped(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes
}

#[test]
fn an_altered_group_message_is_refused_by_its_signature_and_not_shown() {
    let mut world = World::new(1, &["alice", "bob"]);
    let ConversationId::Group(group) = world.found(0, "team", &["bob"]) else { panic!() };
    world.say(0, "team", "genuine");
    world.run(Millis::secs(1));
    let log = LogId::Channel(group);
    world.disconnect(1);
    world.say(0, "team", "altered on the way");
    world.run(Millis::secs(1));
    let item = world.stored(&log).last().cloned().unwrap();
    world.forge(1, log, world.id(0), flipped(item.bytes.into_vec()));
    assert_eq!(world.refusals(1), ["bad-signature"]);
    assert_eq!(world.words(1), ["genuine"]);
}

#[test]
fn an_altered_pairwise_message_is_refused_and_the_genuine_one_still_comes() {
    let mut world = World::new(2, &["alice", "bob"]);
    world.say(0, "bob", "one");
    world.run(Millis::secs(5));
    world.say(1, "alice", "two");
    world.run(Millis::secs(5));
    world.disconnect(1);
    world.say(0, "bob", "three");
    world.run(Millis::secs(1));
    let log = LogId::Mailbox(world.id(1));
    let item = world.stored(&log).last().cloned().unwrap();
    let bytes = flipped(item.bytes.into_vec());
    let from = world.id(0);
    world.forge_quietly(1, log, from, bytes);
    assert_eq!(world.refusals(1), ["auth"]);
    world.connect(1);
    world.run(Millis::minutes(1));
    assert_eq!(world.words(1), ["one", "two", "three"]);
}

#[test]
fn noise_changes_nothing_but_a_counter() {
    let mut world = World::new(3, &["alice", "bob"]);
    let log = LogId::Mailbox(world.id(1));
    for length in [0, 1, 3, 200] {
        let from = world.id(0);
        let refused = world.forge_quietly(1, log, from, vec![2; length]);
        assert_eq!(refused, [("malformed".to_owned(), 1)]);
    }
    world.say(0, "bob", "fine");
    world.run(Millis::secs(2));
    assert_eq!(world.words(1), ["fine"]);
}
