//! A node that serves bytes to whoever opens a stream to it, and fetches them from another.
//!
//! ```text
//! streamer serve PROFILE
//! streamer fetch PROFILE PEER BYTES
//! ```
//!
//! What is fetched is checked byte by byte. A stream that breaks is opened again where it broke
//! off. At the end one line of JSON says how long the longest silence was.

// A test's program: what does not work ends it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hubbub_node::api::view::NodeText;
use hubbub_node::net::PeerStream;
use hubbub_node::paths::ProfileDir;
use hubbub_node::runtime::{Handle, profile};
use hubbub_shared::id::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes written at once, and the pause after: about 8 MiB a second, so that much is left when
/// something happens.
const CHUNK: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(2);
/// How long a direct connection may take to come about before the first stream.
const MEETING: Duration = Duration::from_secs(10);
/// A stream that gives nothing for so long is given up: longer than a node may take to notice by
/// itself that a connection is dead.
const SILENCE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let node =
        profile::open_for_streams(&ProfileDir::at(PathBuf::from(&args[1])), None).await.unwrap();
    match args[0].as_str() {
        "serve" => serve(&node).await,
        "fetch" => {
            let peer: NodeText = serde_json::from_value(args[2].clone().into()).unwrap();
            fetch(&node, peer.0, args[3].parse().unwrap()).await;
        }
        other => panic!("{other}?"),
    }
    node.stop().await;
}

/// The byte at a place.
fn byte(at: u64) -> u8 {
    u8::try_from(at % 251).unwrap()
}

async fn serve(node: &Handle) {
    while let Some(stream) = node.streams().next().await {
        tokio::spawn(give(stream));
    }
}

async fn give(mut stream: PeerStream) {
    let Ok(mut at) = stream.read_u64().await else { return };
    loop {
        let bytes: Vec<u8> = (at..at + CHUNK as u64).map(byte).collect();
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        at += CHUNK as u64;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn fetch(node: &Handle, peer: NodeId, total: u64) {
    let (mut at, mut streams, mut direct) = (0, 0, 0);
    let (mut heard, mut longest) = (Instant::now(), Duration::ZERO);
    let began = Instant::now();
    while at < total {
        let opened = node.streams().open(peer).await;
        let early = at == 0 && began.elapsed() < MEETING;
        let Some(mut stream) = opened.ok().filter(|stream| stream.is_direct() || !early) else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        streams += 1;
        direct += u32::from(stream.is_direct());
        stream.write_u64(at).await.ok();
        stream.flush().await.ok();
        let mut buffer = vec![0; CHUNK];
        while at < total {
            let read = tokio::time::timeout(SILENCE, stream.read(&mut buffer)).await;
            let Ok(Ok(count)) = read else { break };
            if count == 0 {
                break;
            }
            if streams > 1 || at > 0 {
                longest = longest.max(heard.elapsed());
            }
            heard = Instant::now();
            assert!((at..).zip(&buffer[..count]).all(|(at, got)| byte(at) == *got), "at {at}");
            at += count as u64;
        }
    }
    let longest = longest.as_millis();
    println!("{{\"longest_ms\":{longest},\"streams\":{streams},\"direct\":{direct}}}");
}
