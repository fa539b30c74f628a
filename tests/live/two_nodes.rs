//! What is promised between two people, with everything being stopped and started around it.

use hubbub_node::api::{Answer, Code, Command, Event, Query, Reply};
use hubbub_node::runtime::{Client, Node, profile};

use crate::stage::{Stage, delivered, send, texts, until, until_up};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_delivered_once_and_the_sender_knows() {
    let stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let mut heard = bob.subscribe();
    delivered(&alice, send(&alice, "bob", "hello").await).await;
    until("bob hears of it", async || match heard.next().await {
        Some(Event::Message(message)) if !message.own => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(texts(&bob, "alice").await, ["hello"]);
    delivered(&bob, send(&bob, "alice", "hello yourself").await).await;
    assert_eq!(texts(&alice, "bob").await, ["hello", "hello yourself"]);
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_while_hub_and_peer_are_gone_arrives_once_when_they_are_back() {
    let mut stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    delivered(&alice, send(&alice, "bob", "one").await).await;
    bob.stop().await;
    stage.stop_hub().await;
    let two = send(&alice, "bob", "two").await;
    alice.stop().await;
    let alice = stage.reopen("alice").await;
    let three = send(&alice, "bob", "three").await;
    stage.start_hub().await;
    let bob = stage.reopen("bob").await;
    delivered(&alice, two).await;
    delivered(&alice, three).await;
    assert_eq!(texts(&bob, "alice").await, ["one", "two", "three"]);
    stage.stop_hub().await;
    stage.start_hub().await;
    alice.reconnect().await;
    bob.reconnect().await;
    delivered(&bob, send(&bob, "alice", "four").await).await;
    assert_eq!(texts(&alice, "bob").await, ["one", "two", "three", "four"]);
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_attaches_and_the_profile_is_free_after_a_stop() {
    let stage = Stage::new(true).await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let held = profile::open(&stage.profile("alice"), None).await.err().unwrap();
    assert_eq!(held.code, Code::InUse);
    assert!(held.what.contains(&std::process::id().to_string()), "{held}");
    let attached = profile::open_or_attach(&stage.profile("alice"), None).await.unwrap();
    assert!(matches!(attached, Node::Attached(_)));
    let mut events = attached.subscribe();
    let text = "x".repeat(16 * 1024);
    let sending = Command::Send { to: "bob".to_owned(), text: text.clone(), id: None };
    let Ok(Reply::Queued { .. }) = attached.command(sending).await else { panic!("not queued") };
    until("the delivery is told over the socket", async || match events.next().await {
        Some(Event::Delivery { reached: (1, 1), .. }) => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(texts(&bob, "alice").await, [text]);
    let client = Client::connect(stage.profile("alice").path()).await.unwrap();
    let Ok(Answer::Contacts(contacts)) = client.query(Query::Contacts).await else { panic!() };
    assert_eq!(contacts[0].person.name, "bob");
    client.stop().await;
    let gone = attached.query(Query::Whoami).await;
    assert!(gone.is_err());
    let alice_again = stage.reopen("alice").await;
    until_up(&alice_again).await;
    alice_again.stop().await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nickname_wished_for_is_claimed_at_the_first_connection() {
    let stage = Stage::new(true).await;
    let alice = stage.profile("alice");
    stage.open_to_strangers("alice");
    profile::join(&alice, &stage.invite(false).await, Some("Alice"), None).unwrap();
    assert!(std::fs::read_to_string(alice.hub()).unwrap().contains("nickname"));
    let (node, bob) = (stage.reopen("alice").await, stage.person("bob").await);
    until("the wish has come true", async || {
        let file = std::fs::read_to_string(alice.hub()).unwrap();
        (!file.contains("nickname")).then_some(())
    })
    .await;
    delivered(&bob, send(&bob, "Alice", "hello").await).await;
    node.stop().await;
    bob.stop().await;
}
