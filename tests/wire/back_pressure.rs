//! A hub over loopback, and nodes that do not take what it sends: they wait, nobody else does.

use std::time::Duration;

use hubbub_hub::config::Limits;
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::limits::SIGNED_MAX;
use hubbub_shared::wire::codec;
use hubbub_shared::wire::stream::{STREAM_OPEN, StreamOpen};
use hubbub_shared::wire::to_hub::{PutPrekeys, TakeBundle, WhoIs};
use hubbub_shared::wire::{ByteBuf, FromHub, ToHub};
use hubbub_tests::raw_node::RawNode;

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing moves before it is taken to stand still.
const STILL: Duration = Duration::from_millis(500);

async fn hub(dir: &std::path::Path) -> Running {
    let (dir, listen) = (dir.to_owned(), "127.0.0.1:0".parse().unwrap());
    serve(ServeOptions { dir, listen, open: true, limits: Limits::default() }).await.unwrap()
}

async fn node(hub: &Running, seed: u8) -> RawNode {
    let me = Identity::from_seed(Secret32::from_bytes([seed; 32]));
    RawNode::welcomed(hub.local_addr, hub.hub, &me).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_asks_more_than_it_takes_answers_of_is_read_later_and_told_everything() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let (mut alice, mut bob) = (node(&hub, 1).await, node(&hub, 2).await);
    let statement = || ByteBuf::from(vec![7; SIGNED_MAX]);
    let (identity, signed_prekey, one_time) = (statement(), statement(), Vec::new());
    let put = PutPrekeys { req: 1, identity, signed_prekey, one_time, replace: true };
    bob.send.frame(&ToHub::PutPrekeys(put)).await;
    assert!(matches!(bob.recv.frame().await, FromHub::Done(_)));
    // Twice what the hub keeps for a connection, within what one node may ask at once.
    let questions = 1_900;
    let asking = async {
        for req in 0..questions {
            alice.send.frame(&ToHub::TakeBundle(TakeBundle { req, node: bob.id })).await;
        }
    };
    tokio::pin!(asking);
    // It may well stand still here: nothing is taken yet.
    let asked = tokio::time::timeout(STILL * 4, &mut asking).await.is_ok();
    let listening = async {
        for req in 0..questions {
            match alice.recv.frame().await {
                FromHub::Bundle(bundle) => assert_eq!(bundle.req, req),
                other => panic!("{other:?}"),
            }
        }
    };
    let all = async {
        if asked {
            listening.await;
        } else {
            tokio::join!(asking, listening);
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("every question is answered");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whose_receiver_does_not_read_leave_room_for_the_senders_frames() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let (mut alice, bob) = (node(&hub, 1).await, node(&hub, 2).await);
    let mut streams = Vec::new();
    for _ in 0..15 {
        let (mut send, recv) = alice.connection.open_bi().await.unwrap();
        let open = codec::frame(STREAM_OPEN, &StreamOpen { to: bob.id });
        send.write_all(&open).await.unwrap();
        streams.push((send, recv));
    }
    let chunk = vec![7; 64 * 1024];
    for (send, _) in &mut streams {
        while tokio::time::timeout(STILL, send.write_all(&chunk)).await.is_ok() {}
    }
    alice.send.frame(&ToHub::WhoIs(WhoIs { req: 5, node: bob.id })).await;
    let answer = tokio::time::timeout(PATIENCE, alice.recv.frame()).await;
    assert!(matches!(answer, Ok(FromHub::Refused(refused)) if refused.req == 5));
    drop((streams, bob));
    hub.stop().await;
}
