//! A real hub over loopback, and nodes that speak to it with bare QUIC.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use hubbub_hub::config::{Files, Limits};
use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_shared::crypto::label::EXPORTER_LABEL;
use hubbub_shared::crypto::{Identity, Secret32, link_auth};
use hubbub_shared::id::{HubId, NodeId, Signature};
use hubbub_shared::time::Millis;
use hubbub_shared::wire::codec::{self, HEADER};
use hubbub_shared::wire::datagram::Datagram;
use hubbub_shared::wire::from_hub::{Bye, Observed, Welcome};
use hubbub_shared::wire::log::LogId;
use hubbub_shared::wire::stream::{
    STREAM_ANSWER, STREAM_FROM, STREAM_OPEN, StreamAnswer, StreamFrom, StreamOpen,
};
use hubbub_shared::wire::to_hub::{Ack, Append, Hello, Lookup};
use hubbub_shared::wire::version::{ALPN, VERSION};
use hubbub_shared::wire::{ByteBuf, FromHub, RefusalCode, ToHub, address};
use hubbub_tests::ports;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

const LIMIT: usize = 2 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Accepts the hub whose key is pinned, and nobody else.
#[derive(Debug)]
struct Pin(HubId);

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let spki = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], &self.0.0];
        let spki = spki.concat();
        if certificate.windows(spki.len()).any(|window| window == spki) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General("another hub".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

async fn hub(dir: &std::path::Path, listen: &str, open: bool) -> Running {
    let dir = dir.to_owned();
    let listen = listen.parse().unwrap();
    serve(ServeOptions { dir, listen, open, limits: Limits::default(), files: Files::default() })
        .await
        .unwrap()
}

fn endpoint() -> Endpoint {
    Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap()
}

async fn connect(to: &Running, pin: HubId, hybrid: bool) -> Result<Connection, ConnectionError> {
    connect_from(&endpoint(), to, pin, hybrid).await
}

async fn connect_from(
    endpoint: &Endpoint,
    to: &Running,
    pin: HubId,
    hybrid: bool,
) -> Result<Connection, ConnectionError> {
    let group =
        if hybrid { aws_lc_rs::kx_group::X25519MLKEM768 } else { aws_lc_rs::kx_group::X25519 };
    let provider = CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() };
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin(pin)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let quic = QuicClientConfig::try_from(tls).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(quic));
    endpoint.connect_with(config, to.local_addr, "hub").unwrap().await
}

/// One end of a connection that has said hello.
struct Node {
    id: NodeId,
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(Secret32::from_bytes([seed; 32]))
}

fn proof(me: &Identity, hub: &HubId, connection: &Connection) -> Signature {
    let mut exporter = [0; 32];
    connection.export_keying_material(&mut exporter, EXPORTER_LABEL, &me.id().0).unwrap();
    link_auth::prove(me, hub, &exporter)
}

impl Node {
    async fn hello(
        connection: Connection,
        id: NodeId,
        proof: Signature,
        token: Option<[u8; 16]>,
    ) -> Self {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        let admission = token.map(|token| ByteBuf::from(token.to_vec()));
        let hello = Hello { version: VERSION, min_version: VERSION, node: id, proof, admission };
        send.write_all(&ToHub::Hello(hello).encode()).await.unwrap();
        Self { id, connection, send, recv }
    }

    async fn join(hub: &Running, seed: u8, token: Option<[u8; 16]>) -> Self {
        let (me, pin) = (identity(seed), hub.hub);
        let connection = connect(hub, pin, true).await.unwrap();
        let proof = proof(&me, &pin, &connection);
        Self::hello(connection, me.id(), proof, token).await
    }

    async fn welcomed(hub: &Running, seed: u8) -> Self {
        let mut node = Self::join(hub, seed, None).await;
        assert_eq!(node.welcome().await.0, hub.hub);
        node
    }

    /// Who the hub says it is, and where it sees the node.
    async fn welcome(&mut self) -> (HubId, SocketAddr) {
        match self.next().await {
            FromHub::Welcome(Welcome { hub, .. }) => (hub, self.observed().await),
            other => panic!("{other:?}"),
        }
    }

    async fn observed(&mut self) -> SocketAddr {
        match self.next().await {
            FromHub::Observed(Observed { address }) => address::decode(&address).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn next(&mut self) -> FromHub {
        let (kind, body) = tokio::time::timeout(PATIENCE, frame(&mut self.recv)).await.unwrap();
        FromHub::decode(kind, &body).unwrap()
    }

    async fn refused(&mut self) -> RefusalCode {
        match self.next().await {
            FromHub::Bye(Bye { code }) => code,
            other => panic!("{other:?}"),
        }
    }
}

async fn frame(recv: &mut RecvStream) -> (u8, Vec<u8>) {
    let mut head = [0; HEADER];
    recv.read_exact(&mut head).await.unwrap();
    let (kind, length) = codec::header(head, LIMIT).unwrap();
    let mut body = vec![0; length];
    recv.read_exact(&mut body).await.unwrap();
    (kind, body)
}

#[tokio::test]
async fn a_closed_hub_admits_with_an_invite_and_knows_the_node_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), "127.0.0.1:0", false).await;
    assert_eq!(Node::join(&hub, 1, None).await.refused().await, RefusalCode::NotAdmitted);
    let token = hub.make_invite(1, Millis::days(1)).await.unwrap();
    let mut alice = Node::join(&hub, 1, Some(token)).await;
    alice.welcome().await;
    assert_eq!(Node::join(&hub, 2, Some(token)).await.refused().await, RefusalCode::InviteUsedUp);
    Node::welcomed(&hub, 1).await;
    assert_eq!(alice.refused().await, RefusalCode::Replaced);
    hub.stop().await;
}

#[tokio::test]
async fn a_proof_from_another_connection_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), "127.0.0.1:0", true).await;
    let alice = identity(1);
    let hers = connect(&hub, hub.hub, true).await.unwrap();
    let proof = proof(&alice, &hub.hub, &hers);
    let mallorys = connect(&hub, hub.hub, true).await.unwrap();
    let mut mallory = Node::hello(mallorys, alice.id(), proof, None).await;
    assert_eq!(mallory.refused().await, RefusalCode::BadProof);
    let mut alice = Node::hello(hers, alice.id(), proof, None).await;
    alice.welcome().await;
    hub.stop().await;
}

#[tokio::test]
async fn a_node_is_told_its_address_and_its_new_one_as_soon_as_it_speaks_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), "127.0.0.1:0", true).await;
    let (me, endpoint) = (identity(1), endpoint());
    let connection = connect_from(&endpoint, &hub, hub.hub, true).await.unwrap();
    let proof = proof(&me, &hub.hub, &connection);
    let mut alice = Node::hello(connection, me.id(), proof, None).await;
    assert_eq!(alice.welcome().await.1, endpoint.local_addr().unwrap());
    let elsewhere = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        endpoint.rebind(socket).unwrap();
        address
    };
    let second = elsewhere();
    let ack = Ack { log: LogId::Mailbox(alice.id), upto: 1 };
    alice.send.write_all(&ToHub::Ack(ack).encode()).await.unwrap();
    assert_eq!(alice.observed().await, second);
    let third = elsewhere();
    let to_nobody = Datagram { peer: NodeId([7; 32]), payload: b"sealed" }.encode();
    alice.connection.send_datagram(to_nobody.into()).unwrap();
    assert_eq!(alice.observed().await, third);
    hub.stop().await;
}

#[tokio::test]
async fn a_wrong_pin_and_a_classical_key_exchange_both_fail_the_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), "127.0.0.1:0", true).await;
    assert!(connect(&hub, HubId([9; 32]), true).await.is_err());
    assert!(connect(&hub, hub.hub, false).await.is_err());
    assert!(connect(&hub, hub.hub, true).await.is_ok());
    hub.stop().await;
}

#[tokio::test]
async fn two_nodes_relay_a_datagram_and_a_stream_through_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), "127.0.0.1:0", true).await;
    let (alice, bob) = (Node::welcomed(&hub, 1).await, Node::welcomed(&hub, 2).await);

    let sealed = Datagram { peer: bob.id, payload: b"sealed" }.encode();
    alice.connection.send_datagram(sealed.into()).unwrap();
    let got = tokio::time::timeout(PATIENCE, bob.connection.read_datagram()).await.unwrap();
    let got = got.unwrap();
    assert_eq!(Datagram::parse(&got), Some(Datagram { peer: alice.id, payload: b"sealed" }));

    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let (mut up, mut back) = alice.connection.open_bi().await.unwrap();
    up.write_all(&codec::frame(STREAM_OPEN, &StreamOpen { to: bob.id })).await.unwrap();
    let (mut answer, mut down) = bob.connection.accept_bi().await.unwrap();
    let (kind, body) = frame(&mut down).await;
    assert_eq!((kind, codec::decode(&body)), (STREAM_FROM, Ok(StreamFrom { from: alice.id })));
    let (kind, body) = frame(&mut back).await;
    assert_eq!((kind, codec::decode(&body)), (STREAM_ANSWER, Ok(StreamAnswer { refused: None })));
    let sending = async {
        up.write_all(&bytes).await.unwrap();
        up.finish().unwrap();
    };
    let (got, ()) = tokio::join!(down.read_to_end(LIMIT * 2), sending);
    assert_eq!(got.unwrap(), bytes);
    answer.write_all(b"thanks").await.unwrap();
    answer.finish().unwrap();
    assert_eq!(back.read_to_end(LIMIT).await.unwrap(), b"thanks");

    let (mut up, mut back) = alice.connection.open_bi().await.unwrap();
    let nobody = StreamOpen { to: NodeId([7; 32]) };
    up.write_all(&codec::frame(STREAM_OPEN, &nobody)).await.unwrap();
    let (_, body) = frame(&mut back).await;
    assert!(codec::decode::<StreamAnswer>(&body).unwrap().refused.is_some());
    hub.stop().await;
}

#[tokio::test]
async fn a_node_that_asks_and_never_reads_is_disconnected_and_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path(), "127.0.0.1:0", true).await;
    let mut mallory = Node::welcomed(&hub, 1).await;
    let closed = mallory.connection.clone();
    // The hub waits twenty seconds for somebody who takes nothing, from the last thing it took on.
    for req in 0..200_000 {
        let ask = ToHub::Lookup(Lookup { req, nickname: "x".repeat(100) }).encode();
        let asked = tokio::time::timeout(PATIENCE * 6, mallory.send.write_all(&ask)).await;
        if asked.expect("it is taken, or the connection ends").is_err() {
            break;
        }
    }
    let ended = tokio::time::timeout(PATIENCE * 6, closed.closed()).await.unwrap();
    assert!(matches!(ended, ConnectionError::ApplicationClosed(_)), "{ended}");
    Node::welcomed(&hub, 2).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_stopping_hub_says_goodbye_and_a_restarted_one_still_has_what_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let first = hub(dir.path(), &ports::own().to_string(), true).await;
    let listen = first.local_addr.to_string();
    let id = first.hub;
    let (mut alice, mut bob) = (Node::welcomed(&first, 1).await, Node::welcomed(&first, 2).await);
    let envelope = ByteBuf::from(vec![5; 742]);
    let append = Append { req: 1, log: LogId::Mailbox(bob.id), envelope: envelope.clone() };
    alice.send.write_all(&ToHub::Append(append).encode()).await.unwrap();
    assert!(matches!(alice.next().await, FromHub::Appended(appended) if appended.seq == 1));
    assert!(matches!(bob.next().await, FromHub::Deliver(_)));
    first.stop().await;
    assert_eq!(alice.refused().await, RefusalCode::Stopping);
    assert_eq!(bob.refused().await, RefusalCode::Stopping);

    let second = hub(dir.path(), &listen, false).await;
    assert_eq!(second.hub, id);
    let mut bob = Node::welcomed(&second, 2).await;
    let FromHub::Deliver(page) = bob.next().await else { panic!("nothing delivered") };
    assert_eq!(page.items[0].bytes, envelope);
    second.stop().await;
}

#[test]
fn a_hub_that_died_and_came_back_on_its_port_is_noticed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (dying, living) = (runtime(), runtime());
    let first = dying.block_on(hub(dir.path(), &ports::own().to_string(), true));
    let listen = first.local_addr.to_string();
    let mut alice = living.block_on(Node::welcomed(&first, 1));
    // Held by a task, so that it goes down with the runtime instead of stopping in order.
    dying.spawn(async move {
        let _held = first;
        std::future::pending::<()>().await;
    });
    dying.shutdown_timeout(PATIENCE);
    living.block_on(async {
        let second = hub(dir.path(), &listen, true).await;
        let ask = Lookup { req: 1, nickname: "bob".to_owned() };
        alice.send.write_all(&ToHub::Lookup(ask).encode()).await.unwrap();
        let ended = tokio::time::timeout(PATIENCE, alice.connection.closed()).await.unwrap();
        assert_eq!(ended, ConnectionError::Reset);
        second.stop().await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}
