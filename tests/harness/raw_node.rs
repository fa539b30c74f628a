//! A node reduced to its link: bare QUIC and frames, no engine, no keys but its identity.
//!
//! It shows what the hub costs without what a node costs, and sends whatever bytes a test wants.

#![allow(clippy::expect_used)] // a broken connection ends a test

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::crypto::label::EXPORTER_LABEL;
use hubbub_shared::crypto::{Identity, link_auth};
use hubbub_shared::id::{HubId, NodeId};
use hubbub_shared::limits::{FRAME_MAX, HELLO_MAX};
use hubbub_shared::wire::codec::{self, HEADER, header};
use hubbub_shared::wire::stream::{
    STREAM_ANSWER, STREAM_FROM, STREAM_OPEN, StreamAnswer, StreamFrom, StreamOpen,
};
use hubbub_shared::wire::to_hub::Hello;
use hubbub_shared::wire::version::{ALPN, VERSION};
use hubbub_shared::wire::{FromHub, RefusalCode, ToHub};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, RecvStream, SendStream, TransportConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use serde::de::DeserializeOwned;

use crate::near;

/// How often a connection says something that has nothing to say, as a node's does.
const KEEP_ALIVE: Duration = Duration::from_secs(12);
/// DER of an Ed25519 public key up to its 32 bytes.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// One end of a connection that has said hello and was welcomed.
pub struct RawNode {
    /// Who it is.
    pub id: NodeId,
    /// Its connection.
    pub connection: Connection,
    /// Its own frames.
    pub send: FrameSender,
    /// The hub's frames.
    pub recv: FrameReader,
}

/// Sends frames.
pub struct FrameSender(pub SendStream);

/// Receives frames.
pub struct FrameReader(pub RecvStream);

impl RawNode {
    /// Connects to an open hub, says hello and waits for the welcome.
    ///
    /// # Panics
    /// When any of it fails.
    pub async fn welcomed(hub: SocketAddr, pin: HubId, me: &Identity) -> Self {
        Self::greet(dial(hub, pin).await, pin, me).await
    }

    /// Says hello to an open hub on a connection and waits for the welcome.
    ///
    /// # Panics
    /// When any of it fails.
    pub async fn greet(connection: Connection, pin: HubId, me: &Identity) -> Self {
        let (send, recv) = connection.open_bi().await.expect("a stream");
        let (mut send, mut recv) = (FrameSender(send), FrameReader(recv));
        let mut exporter = [0; 32];
        connection
            .export_keying_material(&mut exporter, EXPORTER_LABEL, &me.id().0)
            .expect("TLS exports keys");
        let proof = link_auth::prove(me, &pin, &exporter);
        let (version, min_version, node) = (VERSION, VERSION, me.id());
        send.frame(&ToHub::Hello(Hello { version, min_version, node, proof, admission: None }))
            .await;
        let welcome = recv.frame().await;
        assert!(matches!(welcome, FromHub::Welcome(_)), "{welcome:?}");
        let seen = recv.frame().await;
        assert!(matches!(seen, FromHub::Observed(_)), "{seen:?}");
        Self { id: node, connection, send, recv }
    }
}

/// Opens a relayed stream to another node; why not, if it is refused.
///
/// # Errors
/// What the hub said.
///
/// # Panics
/// When the connection is gone, or the hub answers with something else.
pub async fn open_stream(
    connection: &Connection,
    to: NodeId,
) -> Result<(SendStream, RecvStream), RefusalCode> {
    let (mut send, mut recv) = connection.open_bi().await.expect("a stream");
    // As a node does: below its frames.
    send.set_priority(-1).expect("a fresh stream");
    let open = codec::frame(STREAM_OPEN, &StreamOpen { to });
    send.write_all(&open).await.expect("the hub takes streams");
    let answer: StreamAnswer = brief(&mut recv, STREAM_ANSWER).await;
    match answer.refused {
        None => Ok((send, recv)),
        Some(code) => Err(code),
    }
}

/// Takes the next stream that somebody opens to this node, and who that is said to be.
///
/// # Panics
/// When the connection is gone, or the stream does not begin as it should.
pub async fn take_stream(connection: &Connection) -> (NodeId, SendStream, RecvStream) {
    let (send, mut recv) = connection.accept_bi().await.expect("a stream");
    let hint: StreamFrom = brief(&mut recv, STREAM_FROM).await;
    (hint.from, send, recv)
}

/// The one frame that comes now.
async fn brief<T: DeserializeOwned>(recv: &mut RecvStream, wanted: u8) -> T {
    let mut head = [0; HEADER];
    recv.read_exact(&mut head).await.expect("a frame");
    let (kind, length) = header(head, HELLO_MAX).expect("a short frame");
    let mut body = vec![0; length];
    recv.read_exact(&mut body).await.expect("a whole frame");
    assert_eq!(kind, wanted, "another frame");
    codec::decode(&body).expect("the frame that was wanted")
}

impl FrameSender {
    /// Sends one frame.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn frame(&mut self, frame: &ToHub) {
        self.0.write_all(&frame.encode()).await.expect("the hub takes frames");
    }
}

impl FrameReader {
    /// The next frame.
    ///
    /// # Panics
    /// When the connection is gone, or what comes is no frame.
    pub async fn frame(&mut self) -> FromHub {
        let mut head = [0; HEADER];
        self.0.read_exact(&mut head).await.expect("a frame");
        let (kind, length) = header(head, FRAME_MAX).expect("a frame of some length");
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.expect("a whole frame");
        FromHub::decode(kind, &body).expect("a frame this version knows")
    }
}

/// Connects as a node does: TLS 1.3, hybrid key exchange, the server's key pinned.
///
/// # Panics
/// When it cannot be reached or shows another key.
pub async fn dial(to: SocketAddr, pin: HubId) -> Connection {
    dial_with(to, pin, TransportConfig::default()).await
}

/// The same with these windows.
///
/// # Panics
/// Likewise.
pub async fn dial_with(to: SocketAddr, pin: HubId, mut transport: TransportConfig) -> Connection {
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    };
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin(pin)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("QUIC")));
    transport.keep_alive_interval(Some(KEEP_ALIVE)); // also where a test is slow
    near::search(&mut transport);
    config.transport_config(Arc::new(transport));
    let endpoint = near::over(UdpSocket::bind("127.0.0.1:0").expect("a UDP socket"), None);
    endpoint.connect_with(config, to, "hub").expect("an address").await.expect("a connection")
}

/// Accepts the server whose key is pinned, and nobody else.
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
        let spki = [&SPKI[..], &self.0.0].concat();
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
