//! Connections of two nodes on their hub links' sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hubbub_hub::config::{Files, Limits};
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_node::net::{DirectInput, HubLink, Incoming, LinkInput, LinkSettings};
use hubbub_node::reach::{Dial, Link, LinkId};
use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::id::{GroupId, HubId, NodeId, RunKey};
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::from_hub::{Bye, Welcome};
use hubbub_shared::wire::to_peer::{Carry, Hub};
use hubbub_shared::wire::version::VERSION;
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, RefusalCode, ToHub, ToPeer, address};
use hubbub_tests::echo;
use quinn::{Connection, Endpoint, RecvStream, SendStream, VarInt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);

fn identity(seed: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([seed; 32]))
}

/// A node reduced to its link.
struct Node {
    id: NodeId,
    link: HubLink,
    incoming: Incoming,
    /// Where the hub sees it.
    at: SocketAddr,
    /// Whether those who knock are let in, and how many have.
    lets_in: bool,
    knocks: usize,
    _frames: mpsc::Sender<ToHub>,
}

impl Node {
    async fn at(hub: (SocketAddr, HubId), seed: u8) -> Self {
        let (address, hub) = hub;
        let identity = Arc::new(identity(seed));
        let id = identity.id();
        let addresses = vec![address.to_string()];
        let settings = LinkSettings { addresses, hub, admission: None, identity };
        let mut link = HubLink::start(settings).unwrap();
        let (peers, incoming) = link.streams().unwrap();
        peers.offer();
        let (mut frames, mut seen) = (None, None);
        while frames.is_none() || seen.is_none() {
            match tokio::time::timeout(PATIENCE, link.recv()).await.unwrap().unwrap() {
                LinkInput::Up(_, queue) => frames = Some(queue),
                LinkInput::Frame(FromHub::Observed(observed)) => {
                    seen = address::decode(&observed.address);
                }
                _ => {}
            }
        }
        let (at, frames) = (seen.unwrap(), frames.unwrap());
        Self { id, link, incoming, at, lets_in: true, knocks: 0, _frames: frames }
    }

    fn dial(&self, peer: NodeId, at: SocketAddr, key: RunKey) {
        self.link.direct().dial(Dial { peer, addresses: vec![at], key, number: 7 });
    }

    /// The next thing a direct connection tells, but for where this machine is.
    async fn direct(&mut self) -> DirectInput {
        loop {
            let input = tokio::time::timeout(PATIENCE, self.link.recv()).await.unwrap().unwrap();
            match input {
                LinkInput::Direct(DirectInput::Local(_)) => {}
                LinkInput::Direct(DirectInput::Knock(_, answer)) => {
                    self.knocks += 1;
                    answer.send(self.lets_in).unwrap();
                }
                LinkInput::Direct(input) => return input,
                _ => {}
            }
        }
    }

    async fn connected(&mut self) -> (NodeId, Link) {
        match self.direct().await {
            DirectInput::Connected(peer, link) => (peer, link),
            _ => panic!("something else came"),
        }
    }

    async fn frame(&mut self) -> ToPeer {
        match self.direct().await {
            DirectInput::Frame(_, frame) => frame,
            _ => panic!("something else came"),
        }
    }
}

async fn hub(dir: &Path) -> Running {
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

/// Two nodes, the second of which takes dials, and their hub.
async fn two(dir: &Path) -> (Running, Node, Node) {
    let hub = hub(dir).await;
    let there = (hub.local_addr, hub.hub);
    let (alice, bob) = (Node::at(there, 1).await, Node::at(there, 2).await);
    bob.link.direct().accept(true);
    (hub, alice, bob)
}

/// The same with a connection that alice dialled.
async fn joined(dir: &Path) -> (Running, (Node, LinkId), (Node, LinkId)) {
    let (hub, mut alice, mut bob) = two(dir).await;
    alice.dial(bob.id, bob.at, bob.link.direct().key());
    let ((to, ours), (from, theirs)) = tokio::join!(alice.connected(), bob.connected());
    assert_eq!((to, from), (bob.id, alice.id));
    assert_eq!((ours.dialled, theirs.dialled), (true, false));
    (hub, (alice, ours.id), (bob, theirs.id))
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_go_both_ways_on_a_connection_whose_ends_are_proven() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, (mut alice, ours), (mut bob, theirs)) = joined(dir.path()).await;
    for node in [&mut alice, &mut bob] {
        let ToPeer::Seen(seen) = node.frame().await else { panic!("where we are comes first") };
        assert_eq!(address::decode(&seen.address), Some(node.at));
    }
    let envelope = ByteBuf::from(vec![7; 200_000]);
    let carry = ToPeer::Carry(Carry { log: LogId::Channel(GroupId([9; 32])), envelope });
    alice.link.direct().send(ours, &carry);
    bob.link.direct().send(theirs, &ToPeer::Hub(Hub { up: false }));
    assert_eq!(bob.frame().await, carry);
    assert_eq!(alice.frame().await, ToPeer::Hub(Hub { up: false }));
    let (_, at) = alice.link.direct().measure(ours).unwrap();
    assert_eq!(at.port(), bob.at.port());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_take_the_direct_connection_that_is_kept_and_the_hub_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, (alice, ours), (mut bob, _)) = joined(dir.path()).await;
    for kept in [Some(ours), None] {
        alice.link.direct().keep(bob.id, kept);
        let opened = alice.link.peers().open_stream(bob.id).await;
        let mut there = opened.unwrap();
        there.write_all(b"hello").await.unwrap();
        there.flush().await.unwrap();
        let mut here = tokio::time::timeout(PATIENCE, bob.incoming.next()).await.unwrap().unwrap();
        assert_eq!((here.peer(), there.peer()), (alice.id, bob.id));
        assert_eq!((here.is_direct(), there.is_direct()), (kept.is_some(), kept.is_some()));
        let mut word = [0; 5];
        here.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"hello");
        here.write_all(b"hi").await.unwrap();
        here.shutdown().await.unwrap();
        let mut answer = Vec::new();
        there.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"hi");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_the_one_meant_is_not_connected_with() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, mut alice, mut bob) = two(dir.path()).await;
    let carol = identity(3).id();
    alice.dial(carol, bob.at, bob.link.direct().key());
    let unanswered = alice.direct().await;
    assert!(matches!(unanswered, DirectInput::Unanswered(peer, 7) if peer == carol));
    // The proof that alice gave is none to bob, who is not asked whether she may come in.
    let nothing = tokio::time::timeout(Duration::from_millis(100), bob.direct()).await;
    assert!(nothing.is_err() && bob.knocks == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_another_certificate_is_not_told_who_dials() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, mut alice, mut bob) = two(dir.path()).await;
    // Bob is at the address, in another run than the one that alice was told of.
    alice.dial(bob.id, bob.at, RunKey([5; 32]));
    let unanswered = alice.direct().await;
    assert!(matches!(unanswered, DirectInput::Unanswered(peer, 7) if peer == bob.id));
    let nothing = tokio::time::timeout(Duration::from_millis(100), bob.direct()).await;
    assert!(nothing.is_err() && bob.knocks == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_let_in_learns_nothing_and_holds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, mut alice, mut bob) = two(dir.path()).await;
    bob.lets_in = false;
    alice.dial(bob.id, bob.at, bob.link.direct().key());
    // Bob answers who knocks, and nothing comes of it, until alice has heard so.
    let told = tokio::select! {
        told = alice.direct() => told,
        _ = bob.direct() => panic!("bob is connected, or was told something"),
    };
    assert!(matches!(told, DirectInput::Unanswered(peer, 7) if peer == bob.id));
    let nothing = tokio::time::timeout(Duration::from_millis(100), bob.direct()).await;
    assert!(nothing.is_err());
    assert_eq!(bob.knocks, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_at_home_who_accepts_no_dials() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, mut alice, mut bob) = two(dir.path()).await;
    bob.link.direct().accept(false);
    tokio::time::sleep(Duration::from_millis(100)).await;
    alice.dial(bob.id, bob.at, bob.link.direct().key());
    let unanswered = alice.direct().await;
    assert!(matches!(unanswered, DirectInput::Unanswered(peer, 7) if peer == bob.id));
    let nothing = tokio::time::timeout(Duration::from_millis(100), bob.link.recv()).await;
    assert!(!matches!(nothing, Ok(Some(LinkInput::Direct(DirectInput::Connected(..))))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_is_noticed_at_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, (mut alice, ours), (mut bob, theirs)) = joined(dir.path()).await;
    alice.link.direct().close(ours);
    loop {
        match alice.direct().await {
            DirectInput::Lost(_, link) => break assert_eq!(link, ours),
            _ => continue,
        }
    }
    loop {
        match bob.direct().await {
            DirectInput::Lost(_, link) => break assert_eq!(link, theirs),
            _ => continue,
        }
    }
    assert!(alice.link.direct().measure(ours).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_nothing_is_let_go_before_much_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, (mut alice, ours), (_bob, _)) = joined(dir.path()).await;
    // Nobody takes what bob's link hands over.
    let envelope = ByteBuf::from(vec![7; 200_000]);
    let carry = ToPeer::Carry(Carry { log: LogId::Channel(GroupId([9; 32])), envelope });
    let mut sent = 0;
    while alice.link.direct().measure(ours).is_some() && sent < 1_000 {
        alice.link.direct().send(ours, &carry);
        sent += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let lost = async {
        while !matches!(alice.direct().await, DirectInput::Lost(_, link) if link == ours) {}
    };
    tokio::time::timeout(PATIENCE, lost).await.unwrap();
    // What waits here, what is under way, and what bob's link holds.
    assert!(sent * 200_000 < 64 * 1024 * 1024, "{sent}");
}

/// The frames and the loss of a link, up to the loss.
async fn until_down(link: &mut HubLink) -> Vec<FromHub> {
    let mut frames = Vec::new();
    loop {
        match tokio::time::timeout(PATIENCE, link.recv()).await.unwrap().unwrap() {
            LinkInput::Frame(frame) => frames.push(frame),
            LinkInput::Down => return frames,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_replaced_by_a_copy_hears_it_before_the_link_goes() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path()).await;
    let there = (hub.local_addr, hub.hub);
    let mut first = Node::at(there, 1).await;
    let _copy = Node::at(there, 1).await;
    let frames = until_down(&mut first.link).await;
    assert_eq!(frames.last(), Some(&FromHub::Bye(Bye { code: RefusalCode::Replaced })));
}

fn welcome(hub: HubId) -> FromHub {
    FromHub::Welcome(Welcome {
        version: VERSION,
        hub,
        store: ByteBuf::from(vec![1; 16]),
        now: Timestamp(1_790_000_000_000),
        nickname: None,
        lobby: GroupId([9; 32]),
        prekeys_left: 0,
        beacon: None,
        appends: 0,
        mailbox: 0,
    })
}

/// A hub that takes a dial and the hello, and says nothing yet.
async fn greeted(hub: &Endpoint) -> (Connection, SendStream, RecvStream) {
    let connection = hub.accept().await.unwrap().await.unwrap();
    let (send, recv) = connection.accept_bi().await.unwrap();
    (connection, send, recv)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_that_came_as_the_close_code_alone_is_heard_as_well() {
    let key = identity(9);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let hub = Endpoint::server(echo::config(&key), any).unwrap();
    let addresses = vec![hub.local_addr().unwrap().to_string()];
    let (admission, me) = (None, Arc::new(identity(1)));
    let settings = LinkSettings { addresses, hub: key.hub_id(), admission, identity: me };
    let mut link = HubLink::start(settings).unwrap();
    let code = VarInt::from_u32(u32::from(u16::from(RefusalCode::Replaced)));
    let bye = FromHub::Bye(Bye { code: RefusalCode::Replaced });
    // Before the welcome there is no link yet that could go.
    let refusing = async {
        loop {
            // Its streams stay open: their end would be heard first, and says nothing.
            let (connection, _send, _recv) = greeted(&hub).await;
            connection.close(code, b"");
        }
    };
    let heard = async {
        loop {
            if let LinkInput::Frame(frame) = link.recv().await.unwrap() {
                break frame;
            }
        }
    };
    // A farewell may be lost: then there is another dial, and another one.
    let frame = tokio::select! {
        heard = tokio::time::timeout(3 * PATIENCE, heard) => heard.unwrap(),
        () = refusing => panic!("the hub went on"),
    };
    assert_eq!(frame, bye);
    link.reconnect();
    let (connection, mut send, _recv) = greeted(&hub).await;
    send.write_all(&welcome(key.hub_id()).encode()).await.unwrap();
    let _frames = loop {
        if let LinkInput::Up(_, frames) = link.recv().await.unwrap() {
            break frames;
        }
    };
    connection.close(code, b"");
    assert_eq!(until_down(&mut link).await, [bye]);
}
