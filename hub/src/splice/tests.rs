//! Streams of real connections, whose ends go silent.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::PrivateKeyDer;
use quinn::{ClientConfig, Endpoint, ServerConfig, TransportConfig};
use tokio::time::timeout;

use super::*;

const ALICE: NodeId = NodeId([1; 32]);
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How long half a stream may stand still here, and when at the latest it has ended then.
const STILL: Duration = Duration::from_millis(400);
const LATEST: Duration = Duration::from_secs(20);
/// What a node takes of a stream that it does not read.
const WINDOW: u32 = 100_000;

/// A node's connection: what the node has of it, and what the hub has.
pub(crate) struct Linked {
    pub(crate) node: Connection,
    pub(crate) hub: Connection,
    _alive: [Endpoint; 2],
}

/// Connects a node that takes little at once, so that whoever sends to it soon sees that it does
/// not read.
pub(crate) async fn linked() -> Linked {
    let made = rcgen::generate_simple_self_signed(vec!["hub".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = ServerConfig::with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let mut client = ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(WINDOW.into());
    client.transport_config(Arc::new(transport));
    let at = Endpoint::server(server, LOCAL).unwrap();
    let from = Endpoint::client(LOCAL).unwrap();
    let dialled = from.connect_with(client, at.local_addr().unwrap(), "hub").unwrap();
    let accepted = async { at.accept().await.unwrap().await };
    let (node, hub) = tokio::try_join!(dialled, accepted).unwrap();
    Linked { node, hub, _alive: [from, at] }
}

/// A stream of alice's that is joined to one of bob's, whose first frames were read.
struct Joined {
    hers: Ends,
    his: Ends,
    joined: tokio::task::JoinHandle<u64>,
    _alive: [Linked; 2],
}

async fn joined() -> Joined {
    let (alice, bob) = (linked().await, linked().await);
    let mut hers = alice.node.open_bi().await.unwrap();
    hers.0.write_all(b"!").await.unwrap();
    let mut ends = alice.hub.accept_bi().await.unwrap();
    ends.1.read_exact(&mut [0]).await.unwrap();
    let by = Carrier::new(alice.hub.clone(), Pace::new(0));
    let to = Carrier::new(bob.hub.clone(), Pace::new(0));
    let joined = tokio::spawn(async move {
        let precedence = Precedence::default();
        join(Opened { ends, by }, ALICE, to, &precedence, STILL).await
    });
    let mut his = bob.node.accept_bi().await.unwrap();
    assert_eq!(frames::read(&mut his.1, HELLO_MAX).await.unwrap().unwrap().0, STREAM_FROM);
    assert_eq!(frames::read(&mut hers.1, HELLO_MAX).await.unwrap().unwrap().0, STREAM_ANSWER);
    Joined { hers, his, joined, _alive: [alice, bob] }
}

#[tokio::test]
async fn whoever_ends_its_half_and_reads_nothing_does_not_keep_the_openers_place() {
    let Joined { mut hers, mut his, joined, _alive } = joined().await;
    his.0.finish().unwrap();
    assert_eq!(hers.1.read_to_end(0).await.unwrap(), Vec::<u8>::new());
    let piece = vec![7; 10_000];
    while timeout(STILL / 2, hers.0.write_all(&piece)).await.is_ok() {}
    // She gives it up; the hub cannot hear that before it has handed over what it read.
    abort(&mut hers);
    let bytes = timeout(LATEST, joined).await.expect("her place is free again").unwrap();
    assert!(bytes > u64::from(WINDOW / 2), "{bytes} bytes were relayed");
    assert!(his.1.read_to_end(usize::MAX).await.is_err(), "he is told that it broke");
}

#[tokio::test]
async fn however_slowly_a_stream_is_read_of_which_one_half_ended_all_of_it_arrives() {
    let Joined { mut hers, mut his, joined, _alive } = joined().await;
    // While nobody has ended anything it may rest as long as it likes.
    tokio::time::sleep(STILL * 3).await;
    his.0.finish().unwrap();
    let sent = vec![7; 10 * WINDOW as usize];
    let sending = async {
        hers.0.write_all(&sent).await.unwrap();
        hers.0.finish().unwrap();
    };
    let reading = async {
        let (mut came, mut some) = (0, vec![0; WINDOW as usize / 2]);
        while let Some(read) = his.1.read(&mut some).await.unwrap() {
            came += read;
            tokio::time::sleep(STILL / 8).await;
        }
        came
    };
    let ((), came) = tokio::join!(sending, reading);
    assert_eq!(came, sent.len());
    let bytes = timeout(LATEST, joined).await.expect("both have ended").unwrap();
    assert_eq!(bytes, came as u64);
}

#[tokio::test]
async fn a_half_on_which_nobody_says_anything_ends_too() {
    let Joined { mut hers, mut his, joined, _alive } = joined().await;
    hers.0.finish().unwrap();
    assert_eq!(his.1.read_to_end(0).await.unwrap(), Vec::<u8>::new());
    assert_eq!(timeout(LATEST, joined).await.expect("it ends").unwrap(), 0);
    assert!(hers.1.read_to_end(usize::MAX).await.is_err());
}
