//! A hub over loopback, and nodes that do not take what it sends: they wait, nobody else does.

use std::time::Duration;

use hubbub_hub::config::{Files, Limits};
use hubbub_hub::tls::STREAM_WINDOW;
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::limits::{PACKET_MAX, SIGNED_MAX};
use hubbub_shared::wire::to_hub::{PutPrekeys, TakeBundle, WhoIs};
use hubbub_shared::wire::{ByteBuf, FromHub, RefusalCode, ToHub};
use hubbub_tests::raw_node::{RawNode, dial_with, open_stream, take_stream};
use quinn::{SendStream, TransportConfig};

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing moves before it is taken to stand still.
const STILL: Duration = Duration::from_millis(500);

async fn hub(dir: &std::path::Path) -> Running {
    bounded_hub(dir, Limits::default()).await
}

async fn bounded_hub(dir: &std::path::Path, limits: Limits) -> Running {
    let (dir, listen) = (dir.to_owned(), "127.0.0.1:0".parse().unwrap());
    serve(ServeOptions { dir, listen, open: true, limits, files: Files::default() }).await.unwrap()
}

fn person(seed: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([seed; 32]))
}

async fn node(hub: &Running, seed: u8) -> RawNode {
    RawNode::welcomed(hub.local_addr, hub.hub, &person(seed)).await
}

/// Writes until nothing more is taken: how many bytes were.
async fn fill(send: &mut SendStream) -> usize {
    let (piece, mut taken) = (vec![7; 1024], 0);
    while let Ok(written) = tokio::time::timeout(STILL, send.write(&piece)).await {
        taken += written.unwrap();
    }
    taken
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
    for _ in 0..8 {
        streams.push(open_stream(&alice.connection, bob.id).await.unwrap());
    }
    for (send, _) in &mut streams {
        fill(send).await;
    }
    alice.send.frame(&ToHub::WhoIs(WhoIs { req: 5, node: bob.id })).await;
    let answer = tokio::time::timeout(PATIENCE, alice.recv.frame()).await;
    assert!(matches!(answer, Ok(FromHub::Refused(refused)) if refused.req == 5));
    drop((streams, bob));
    hub.stop().await;
}

/// Bytes bob takes of one stream without reading it.
const BOBS_WINDOW: u32 = 100_000;

/// A node that takes little before it has read.
async fn sparing_node(hub: &Running, seed: u8) -> RawNode {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(BOBS_WINDOW.into());
    let connection = dial_with(hub.local_addr, hub.hub, transport).await;
    RawNode::greet(connection, hub.hub, &person(seed)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_receiver_stands_still_stops_its_sender_within_two_windows() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let (alice, bob) = (node(&hub, 1).await, sparing_node(&hub, 2).await);
    let (mut send, _back) = open_stream(&alice.connection, bob.id).await.unwrap();
    let taken = fill(&mut send).await;
    let (bobs, window) = (BOBS_WINDOW as usize, STREAM_WINDOW as usize);
    assert!(taken <= bobs + 2 * window, "{taken} bytes were taken");
    assert!(taken >= bobs, "only {taken} bytes were taken");
    // Nothing of it is lost, and it goes on.
    let (_, _answer, mut recv) = take_stream(&bob.connection).await;
    let rest = vec![7; 300_000];
    let sending = async {
        send.write_all(&rest).await.unwrap();
        send.finish().unwrap();
    };
    let (_, all) = tokio::join!(sending, recv.read_to_end(taken + rest.len()));
    assert_eq!(all.unwrap(), vec![7; taken + rest.len()]);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_machine_a_hubs_packets_become_as_large_as_the_link_takes() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let (alice, bob) = (node(&hub, 1).await, node(&hub, 2).await);
    let (mut send, _back) = open_stream(&alice.connection, bob.id).await.unwrap();
    let (_, _answer, mut recv) = take_stream(&bob.connection).await;
    let bytes = vec![7; 16 << 20];
    let taking = recv.read_to_end(bytes.len());
    let sending = async {
        send.write_all(&bytes).await.unwrap();
        send.finish().unwrap();
    };
    let (_, all) = tokio::join!(sending, taking);
    assert_eq!(all.unwrap().len(), bytes.len());
    let took = bob.connection.stats().udp_rx;
    // Half of it, for there were those of the search, and words beside the stream.
    assert!(took.bytes / took.datagrams > u64::from(PACKET_MAX) / 2, "{took:?}");
    assert_eq!(alice.connection.stats().path.current_mtu, PACKET_MAX);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_too_many_is_refused_until_one_ends_even_if_its_receiver_stands_still() {
    let dir = tempfile::tempdir().unwrap();
    let hub = bounded_hub(dir.path(), Limits { streams: 2, ..Limits::default() }).await;
    let (alice, bob) = (node(&hub, 1).await, sparing_node(&hub, 2).await);
    let mut first = open_stream(&alice.connection, bob.id).await.unwrap();
    let _second = open_stream(&alice.connection, bob.id).await.unwrap();
    fill(&mut first.0).await;
    let third = open_stream(&alice.connection, bob.id).await;
    assert_eq!(third.err(), Some(RefusalCode::TooFast));
    // Bob has as many of his own.
    let _his = open_stream(&bob.connection, alice.id).await.unwrap();
    first.0.reset(1_u32.into()).unwrap();
    first.1.stop(1_u32.into()).unwrap();
    let again = async {
        while open_stream(&alice.connection, bob.id).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the broken stream's place is free again");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_one_node_carry_no_more_together_than_its_pace() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { streams_mib_per_second: 2, ..Limits::default() };
    let hub = bounded_hub(dir.path(), limits).await;
    let (alice, bob) = (node(&hub, 1).await, node(&hub, 2).await);
    let half = vec![7; 1024 * 1024];
    let send = async || {
        let (mut send, mut back) = open_stream(&alice.connection, bob.id).await.unwrap();
        send.write_all(&half).await.unwrap();
        send.finish().unwrap();
        // Whoever goes before the other has ended breaks the stream off.
        assert!(back.read_to_end(0).await.unwrap().is_empty());
    };
    let take = async || {
        let (_, mut answer, mut recv) = take_stream(&bob.connection).await;
        assert_eq!(recv.read_to_end(half.len()).await.unwrap(), half);
        answer.finish().unwrap();
    };
    let began = std::time::Instant::now();
    tokio::join!(send(), send(), take(), take());
    let took = began.elapsed();
    assert!(took > Duration::from_millis(800), "2 MiB passed in {took:?}");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whose_openers_do_not_read_leave_room_for_the_receivers_frames() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let (mut alice, bob, carol) =
        (node(&hub, 1).await, sparing_node(&hub, 2).await, sparing_node(&hub, 3).await);
    let mut streams = Vec::new();
    for opener in [&bob, &carol] {
        for _ in 0..8 {
            let opened = open_stream(&opener.connection, alice.id).await.unwrap();
            let (_, mut send, recv) = take_stream(&alice.connection).await;
            fill(&mut send).await;
            streams.push((opened, send, recv));
        }
    }
    for _ in 0..8 {
        let mut opened = open_stream(&alice.connection, bob.id).await.unwrap();
        fill(&mut opened.0).await;
        let (_, send, recv) = take_stream(&bob.connection).await;
        streams.push((opened, send, recv));
    }
    alice.send.frame(&ToHub::WhoIs(WhoIs { req: 5, node: bob.id })).await;
    let answer = tokio::time::timeout(PATIENCE, alice.recv.frame()).await;
    assert!(matches!(answer, Ok(FromHub::Refused(refused)) if refused.req == 5));
    drop((streams, bob, carol));
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_byte_by_byte_arrives_whole_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let (alice, bob) = (node(&hub, 1).await, node(&hub, 2).await);
    let (mut send, _back) = open_stream(&alice.connection, bob.id).await.unwrap();
    let (_, _answer, mut recv) = take_stream(&bob.connection).await;
    let bytes: Vec<u8> = (0..200).collect();
    let sending = async {
        for byte in &bytes {
            send.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_micros(100)).await; // a packet of its own
        }
        send.finish().unwrap();
    };
    let (_, all) = tokio::join!(sending, recv.read_to_end(bytes.len()));
    assert_eq!(all.unwrap(), bytes);
    hub.stop().await;
}
