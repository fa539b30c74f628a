//! Being turned away: in words, and without hammering.

use hubbub_node::api::view::LinkState;
use hubbub_node::runtime::profile;
use hubbub_shared::id::HubId;
use hubbub_shared::invite::Invite;

use crate::stage::{Stage, link, until, until_up};

async fn why_down(node: &hubbub_node::runtime::Handle) -> (String, bool) {
    until("the link is down", async || match link(node).await {
        LinkState::Down { why, retry_at, .. } => Some((why, retry_at.is_some())),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_hub_turns_a_stranger_away_until_there_is_an_invite() {
    let stage = Stage::new(false).await;
    let mallory = stage.profile("mallory");
    profile::join(&mallory, &stage.invite(false).await, None, None).unwrap();
    let node = stage.reopen("mallory").await;
    let (why, retries) = why_down(&node).await;
    assert!(why.contains("closed") && why.contains("invite"), "{why}");
    assert!(!retries);
    node.stop().await;
    profile::join(&mallory, &stage.invite(true).await, None, None).unwrap();
    let node = stage.reopen("mallory").await;
    until_up(&node).await;
    node.stop().await;
    let file = std::fs::read_to_string(mallory.hub()).unwrap();
    assert!(!file.contains("admission ="), "the token was kept");
    let node = stage.reopen("mallory").await;
    until_up(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_hub_at_the_address_is_not_talked_to() {
    let stage = Stage::new(true).await;
    let real = stage.invite(false).await;
    let other = Invite::new(real.addresses().to_vec(), HubId([7; 32]), None).ok().unwrap();
    profile::join(&stage.profile("alice"), &other, None, None).unwrap();
    let node = stage.reopen("alice").await;
    let (why, _) = why_down(&node).await;
    assert!(why.contains("somebody else answers"), "{why}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_profile_is_told_so_and_does_not_fight() {
    let stage = Stage::new(true).await;
    let alice = stage.person("alice").await;
    alice.stop().await;
    let (from, to) = (stage.profile("alice"), stage.profile("copy"));
    std::fs::create_dir(to.path()).unwrap();
    for file in std::fs::read_dir(from.path()).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_dir() {
            continue; // what is known of files, and there are none
        }
        std::fs::copy(file.path(), to.path().join(file.file_name())).unwrap();
    }
    let alice = stage.reopen("alice").await;
    until_up(&alice).await;
    let copy = stage.reopen("copy").await;
    until_up(&copy).await;
    let (why, retries) = why_down(&alice).await;
    assert!(why.contains("somewhere else"), "{why}");
    assert!(!retries);
    copy.stop().await;
    alice.stop().await;
}
