//! Streams between two nodes: through a real hub, and through one that sits in the middle.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hubbub_hub::config::{Files, Limits};
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_node::net::tls::PeerTls;
use hubbub_node::net::{HubLink, Incoming, LinkInput, LinkSettings, OpenError};
use hubbub_shared::crypto::label::PEER_EXPORTER_LABEL;
use hubbub_shared::crypto::{Identity, Secret32, peer_auth};
use hubbub_shared::id::{GroupId, HubId, NodeId};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::codec::{self, HEADER};
use hubbub_shared::wire::from_hub::Welcome;
use hubbub_shared::wire::stream::{
    PEER_HELLO, PeerHello, STREAM_ANSWER, STREAM_FROM, STREAM_OPEN, StreamAnswer, StreamFrom,
    StreamOpen,
};
use hubbub_shared::wire::version::VERSION;
use hubbub_shared::wire::{ByteBuf, FromHub, RefusalCode, ToHub};
use hubbub_tests::echo;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, join};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const PATIENCE: Duration = Duration::from_secs(10);

fn identity(seed: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([seed; 32]))
}

/// A node reduced to its link, which is up.
struct Node {
    id: NodeId,
    link: HubLink,
    incoming: Incoming,
    /// The link lives as long as its queue does.
    _frames: mpsc::Sender<ToHub>,
}

impl Node {
    async fn at(address: SocketAddr, hub: HubId, seed: u8) -> Self {
        let (mut link, frames) = link(address, hub, seed).await;
        let (peers, incoming) = link.streams().unwrap();
        peers.offer();
        Self { id: identity(seed).id(), link, incoming, _frames: frames }
    }
}

/// A link that is up, and its queue.
async fn link(address: SocketAddr, hub: HubId, seed: u8) -> (HubLink, mpsc::Sender<ToHub>) {
    let identity = Arc::new(identity(seed));
    let addresses = vec![address.to_string()];
    let settings = LinkSettings { addresses, hub, admission: None, identity };
    let mut link = HubLink::start(settings).unwrap();
    loop {
        let input = tokio::time::timeout(PATIENCE, link.recv()).await.unwrap();
        if let LinkInput::Up(_, frames) = input.unwrap() {
            return (link, frames);
        }
    }
}

async fn hub(dir: &std::path::Path) -> Running {
    let (dir, listen) = (dir.to_owned(), "127.0.0.1:0".parse().unwrap());
    serve(ServeOptions {
        dir,
        listen,
        open: true,
        limits: Limits::default(),
        files: Files::default(),
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_talk_over_a_stream_and_each_knows_who_the_other_is() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let alice = Node::at(hub.local_addr, hub.hub, 1).await;
    let mut bob = Node::at(hub.local_addr, hub.hub, 2).await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let (opened, taken) = tokio::join!(
        alice.link.peers().open_stream(bob.id),
        tokio::time::timeout(PATIENCE, bob.incoming.next()),
    );
    let (mut hers, mut his) = (opened.unwrap(), taken.unwrap().unwrap());
    assert_eq!((hers.peer(), his.peer()), (bob.id, alice.id));
    let there = async {
        hers.write_all(&bytes).await.unwrap();
        hers.shutdown().await.unwrap();
        let mut back = Vec::new();
        hers.read_to_end(&mut back).await.unwrap();
        back
    };
    let back = async {
        let mut got = Vec::new();
        his.read_to_end(&mut got).await.unwrap();
        his.write_all(&got).await.unwrap();
        his.shutdown().await.unwrap();
    };
    let (back, ()) = tokio::join!(there, back);
    assert!(back == bytes, "other bytes came back");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_to_one_who_is_away_is_refused_by_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let alice = Node::at(hub.local_addr, hub.hub, 1).await;
    let opened = alice.link.peers().open_stream(identity(7).id()).await;
    assert!(matches!(opened, Err(OpenError::Refused(RefusalCode::NotConnected))));
    hub.stop().await;
    // As soon as the link knows that the hub is gone.
    let told = async {
        let open = || alice.link.peers().open_stream(identity(7).id());
        while !matches!(open().await, Err(OpenError::NoHub)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_streams_without_end_is_told_to_wait_keeps_its_link_and_has_one_later() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let alice = Node::at(hub.local_addr, hub.hub, 1).await;
    let mut bob = Node::at(hub.local_addr, hub.hub, 2).await;
    let away = identity(7).id();
    let mut asked = 0;
    let refused = loop {
        let why = alice.link.peers().open_stream(away).await.err();
        if !matches!(why, Some(OpenError::Refused(RefusalCode::NotConnected))) {
            break why;
        }
        asked += 1;
        assert!(asked < 100_000, "as often as she likes");
    };
    assert!(matches!(refused, Some(OpenError::Refused(RefusalCode::TooFast))), "{refused:?}");
    let later = async {
        loop {
            match alice.link.peers().open_stream(bob.id).await {
                Ok(stream) => break stream,
                Err(OpenError::Refused(RefusalCode::TooFast)) => {}
                Err(other) => panic!("{other}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (hers, his) = tokio::join!(
        tokio::time::timeout(PATIENCE, later),
        tokio::time::timeout(PATIENCE, bob.incoming.next()),
    );
    assert_eq!((hers.unwrap().peer(), his.unwrap().unwrap().peer()), (bob.id, alice.id));
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_no_streams_proves_itself_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let alice = Node::at(hub.local_addr, hub.hub, 1).await;
    let (bob, queue) = link(hub.local_addr, hub.hub, 2).await;
    let opened = alice.link.peers().open_stream(identity(2).id()).await;
    assert!(matches!(opened, Err(OpenError::Broken(_))), "{:?}", opened.err());
    drop(queue);
    bob.stop().await;
    hub.stop().await;
}

// --- A hub in the middle ---

/// What mallory, who runs the hub, does with a stream.
#[derive(Clone, Copy, Debug)]
enum Trick {
    /// Passes on what either end says, in two sessions of mallory's own.
    PassOn,
    /// Answers as mallory.
    AnswerOneself,
    /// Sends the opener's own proof back.
    Mirror,
}

/// Takes hellos at their word and every stream apart.
async fn middle(trick: Trick) -> (SocketAddr, HubId) {
    let mallory = identity(66);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let endpoint = Endpoint::server(echo::config(&mallory), any).unwrap();
    let (address, hub) = (endpoint.local_addr().unwrap(), mallory.hub_id());
    let nodes = Arc::new(Mutex::new(BTreeMap::new()));
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let connection = incoming.await.unwrap();
            let nodes = Arc::clone(&nodes);
            tokio::spawn(async move {
                let (node, _frames) = welcome(&connection, hub).await;
                nodes.lock().unwrap().insert(node, connection.clone());
                while let Ok((send, recv)) = connection.accept_bi().await {
                    tokio::spawn(between((send, recv), node, Arc::clone(&nodes), trick));
                }
            });
        }
    });
    (address, hub)
}

/// Who it is, and the stream of frames, to be kept open.
async fn welcome(connection: &Connection, hub: HubId) -> (NodeId, (SendStream, RecvStream)) {
    let (mut send, mut recv) = connection.accept_bi().await.unwrap();
    let (kind, body) = frame(&mut recv).await.unwrap();
    let ToHub::Hello(hello) = ToHub::decode(kind, &body).unwrap() else { panic!("no hello") };
    let welcome = FromHub::Welcome(Welcome {
        version: VERSION,
        hub,
        store: ByteBuf::from(vec![0; 16]),
        now: Timestamp(0),
        nickname: None,
        lobby: GroupId([0; 32]),
        prekeys_left: 0,
        beacon: None,
        appends: 0,
        mailbox: 0,
    });
    send.write_all(&welcome.encode()).await.unwrap();
    (hello.node, (send, recv))
}

async fn between(
    (mut send, mut recv): (SendStream, RecvStream),
    from: NodeId,
    nodes: Arc<Mutex<BTreeMap<NodeId, Connection>>>,
    trick: Trick,
) -> Option<()> {
    let (kind, body) = frame(&mut recv).await?;
    assert_eq!(kind, STREAM_OPEN);
    let StreamOpen { to } = codec::decode(&body).unwrap();
    let there = nodes.lock().unwrap().get(&to).cloned()?;
    let joined = StreamAnswer { refused: None };
    send.write_all(&codec::frame(STREAM_ANSWER, &joined)).await.ok()?;
    let mallorys = PeerTls::fresh().unwrap();
    let mut hers = TlsAcceptor::from(mallorys.receiver).accept(join(recv, send)).await.ok()?;
    let (kind, hello) = frame(&mut hers).await?;
    assert_eq!(kind, PEER_HELLO);
    let answer = match trick {
        Trick::Mirror => hello,
        Trick::AnswerOneself => {
            let exporter = hers.get_ref().1;
            let exporter = exporter.export_keying_material([0; 32], PEER_EXPORTER_LABEL, None);
            let mallory = identity(66);
            let proof = peer_auth::prove(&mallory, &from, &exporter.unwrap());
            codec::encode(&PeerHello { node: mallory.id(), proof })
        }
        Trick::PassOn => {
            let (mut send, recv) = there.open_bi().await.ok()?;
            send.write_all(&codec::frame(STREAM_FROM, &StreamFrom { from })).await.ok()?;
            let his = TlsConnector::from(mallorys.opener)
                .connect(PeerTls::nobody(), join(recv, send))
                .await;
            let mut his = his.ok()?;
            his.write_all(&framed(PEER_HELLO, &hello)).await.ok()?;
            his.flush().await.ok()?;
            frame(&mut his).await?.1
        }
    };
    hers.write_all(&framed(PEER_HELLO, &answer)).await.ok()?;
    hers.flush().await.ok()?;
    // What follows is for nobody.
    hers.read_u8().await.ok().map(drop)
}

async fn frame(recv: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; HEADER];
    recv.read_exact(&mut head).await.ok()?;
    let (kind, length) = codec::header(head, 2_048).unwrap();
    let mut body = vec![0; length];
    recv.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_in_the_middle_is_a_stranger_to_both_ends_whatever_it_tries() {
    for trick in [Trick::PassOn, Trick::AnswerOneself, Trick::Mirror] {
        let (address, hub) = middle(trick).await;
        let alice = Node::at(address, hub, 1).await;
        let mut bob = Node::at(address, hub, 2).await;
        let opened = alice.link.peers().open_stream(bob.id).await;
        match (trick, opened.err()) {
            // Bob has hung up, so there was nothing to pass back.
            (Trick::PassOn, Some(OpenError::Stranger | OpenError::Broken(_))) => {}
            (Trick::AnswerOneself | Trick::Mirror, Some(OpenError::Stranger)) => {}
            (trick, error) => panic!("{trick:?}: {error:?}"),
        }
        let taken = tokio::time::timeout(Duration::from_millis(300), bob.incoming.next()).await;
        assert!(taken.is_err(), "{trick:?}: bob took a stream");
    }
}
