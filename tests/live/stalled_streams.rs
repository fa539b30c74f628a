//! Relayed streams whose receiver reads nothing: they cost the hub's process a window each, however
//! much their senders have to say.

use std::time::Duration;

use hubbub_hub::tls::STREAM_WINDOW;
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::id::HubId;
use hubbub_tests::hub::Hub;
use hubbub_tests::process::Stage;
use hubbub_tests::raw_node::{RawNode, dial_with, open_stream, take_stream};
use quinn::{SendStream, TransportConfig};

/// As many as one identity may have.
const STREAMS: u64 = 8;
/// Senders, and receivers, one each.
const PAIRS: u8 = 4;
/// What each sender tries to send on each of its streams: far more than all windows on the way.
const OFFERED: usize = 8 * 1024 * 1024;
/// How long a stream takes nothing before it is taken to stand still.
const STILL: Duration = Duration::from_secs(1);
/// What the allocator and the connections themselves may need meanwhile.
const SLACK_KIB: u64 = 8 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_reads_cost_the_hub_their_windows_and_no_more() {
    let stage = Stage::new();
    let hub = Hub::with(&stage, &["access.open=true"]);
    let status = hub.run(&["status", "--json"]).fine().json();
    let pin = HubId::from_text(status[0]["hub"].as_str().unwrap()).unwrap();
    let node = async |seed: u8| {
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(STREAM_WINDOW.into());
        let connection = dial_with(hub.address().parse().unwrap(), pin, transport).await;
        RawNode::greet(connection, pin, &Identity::from_seed(Secret32::from_bytes([seed; 32])))
            .await
    };
    let mut pairs = Vec::new();
    for n in 1..=PAIRS {
        let (alice, bob) = (node(n).await, node(100 + n).await);
        pass(&alice, &bob).await;
        pairs.push((alice, bob));
    }
    let (before, _) = hub.memory_kib();
    let mut filling = tokio::task::JoinSet::new();
    for (alice, bob) in &pairs {
        for _ in 0..STREAMS {
            let (send, back) = open_stream(&alice.connection, bob.id).await.unwrap();
            filling.spawn(async move { (fill(send).await, back) });
        }
    }
    let mut open = Vec::new();
    while let Some(filled) = filling.join_next().await {
        let ((send, taken), back) = filled.unwrap();
        assert!(taken <= 3 * STREAM_WINDOW as usize, "{taken} bytes were taken");
        open.push((send, back));
    }
    let (after, _) = hub.memory_kib();
    let windows = STREAMS * 2 * u64::from(STREAM_WINDOW);
    let bound = u64::from(PAIRS) * windows / 1024 + SLACK_KIB;
    println!(
        "{} stalled streams: {before} KiB before, {after} KiB after, bound {bound}",
        open.len()
    );
    assert!(after < before + bound, "{before} KiB before, {after} KiB after");
    drop((open, pairs));
}

/// A stream that is read to its end: what connections allocate on first use is there afterwards.
async fn pass(alice: &RawNode, bob: &RawNode) {
    let (mut send, _back) = open_stream(&alice.connection, bob.id).await.unwrap();
    let sending = async {
        send.write_all(&vec![7; OFFERED]).await.unwrap();
        send.finish().unwrap();
    };
    let reading = async {
        let (_, _answer, mut recv) = take_stream(&bob.connection).await;
        recv.read_to_end(OFFERED).await.unwrap();
    };
    tokio::join!(sending, reading);
}

/// Writes until nothing more is taken; how many bytes were.
async fn fill(mut send: SendStream) -> (SendStream, usize) {
    let (piece, mut taken) = (vec![7; 1024], 0);
    while taken < OFFERED {
        match tokio::time::timeout(STILL, send.write(&piece)).await {
            Ok(written) => taken += written.unwrap(),
            Err(_) => break,
        }
    }
    (send, taken)
}
