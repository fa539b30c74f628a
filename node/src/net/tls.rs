//! TLS and QUIC settings of the node, and the operating system's randomness.
//!
//! The only file of the node that names rustls and rcgen. Invariant: TLS 1.3 with the hybrid group
//! alone. A hub's certificate counts for nothing but the Ed25519 key in it, that key must be the
//! pinned one, and the handshake must be signed by it. Between two nodes certificates are made for
//! one run and count for nothing at all: both ends prove themselves inside.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hubbub_shared::crypto::Secret32;
use hubbub_shared::id::{HubId, RunKey};
use hubbub_shared::limits::{PACKET_MAX, PACKET_SEARCH};
use hubbub_shared::wire::version::{ALPN, DIRECT_ALPN, PEER_ALPN};
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, IdleTimeout, MtuDiscoveryConfig, ServerConfig};
use quinn::{TransportConfig, VarInt};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::socket::is_near;

/// DER of an Ed25519 public key up to its 32 bytes.
const SPKI_ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
/// A silent connection is given up after this long.
const IDLE_MS: u32 = 30_000;
/// Keeps the connection, and the router's memory of it, alive; and is how soon an idle node learns
/// that its hub was started anew: the hub answers what it does not know with a reset.
const KEEP_ALIVE: Duration = Duration::from_secs(12);
/// Supposed round trip before there is a measured one: a first packet that a hub missed because it
/// was just starting is repeated after a third of a second.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// A silent direct connection is kept alive at this pace: routers forget after 30 seconds.
const DIRECT_KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Streams a peer may have open to us on a direct connection, once it has proven itself; before
/// that, the one on which it does.
const DIRECT_STREAMS: u32 = 64;
/// What a peer may send on one stream, and on a direct connection as a whole, before it is read:
/// 100 Mbit/s at 80 ms, and 32 such peers in 256 MiB at worst.
const DIRECT_STREAM_WINDOW: u32 = 1 << 20;
const DIRECT_WINDOW: u32 = 8 << 20;
/// The same before the peer has proven itself: its first frame.
const STRANGER_WINDOW: u32 = 16 << 10;
/// Datagrams that came and are not read yet, in bytes.
const DIRECT_DATAGRAMS: usize = 64 << 10;
/// Handshakes of strangers under way at once.
const DIRECT_INCOMING: usize = 64;

/// Bytes of one such handshake, and of all, that are kept until somebody looks at them.
const DIRECT_BUFFER: u64 = 16 << 10;
const DIRECT_BUFFERS: u64 = 256 << 10;

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The settings were refused.
    #[error("cannot set up TLS 1.3: {0}")]
    Settings(#[from] Error),
    /// The provider lacks QUIC's first cipher suite.
    #[error("cannot set up QUIC: {0}")]
    Suite(#[from] NoInitialCipherSuite),
    /// The key of a throw-away certificate is none of Ed25519.
    #[error("a certificate was made for another kind of key")]
    NotEd25519,
    /// A throw-away certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness; nothing safe can be done without it")]
    NoRandomness,
}

/// A generator seeded by the operating system.
///
/// # Errors
/// [`TlsError::NoRandomness`].
pub fn os_rng() -> Result<ChaCha20Rng, TlsError> {
    let mut seed = [0; 32];
    let system = aws_lc_rs::default_provider().secure_random;
    system.fill(&mut seed).map_err(|_| TlsError::NoRandomness)?;
    let seed = Secret32::from_bytes(seed);
    Ok(ChaCha20Rng::from_seed(*seed.expose()))
}

/// Settings of one kind, by who is at the other end.
pub(super) struct ByDistance<T> {
    /// An address of this machine or of a private network.
    near: T,
    /// Any other.
    pub(super) far: T,
}

impl<T> ByDistance<T> {
    fn map<U>(&self, with: impl Fn(&T) -> U) -> ByDistance<U> {
        ByDistance { near: with(&self.near), far: with(&self.far) }
    }

    /// Those for this address.
    pub(super) fn to(&self, ip: IpAddr) -> &T {
        if is_near(ip) { &self.near } else { &self.far }
    }
}

/// Settings for dialling one hub. The flag is raised when somebody else answers at its address.
pub(super) fn client_config(
    hub: HubId,
    at: IpAddr,
) -> Result<(ClientConfig, Arc<AtomicBool>), TlsError> {
    let stranger = Arc::new(AtomicBool::new(false));
    let provider = hybrid();
    let algorithms = provider.signature_verification_algorithms;
    let pin = Some(Pin { spki: spki(hub.as_bytes()), stranger: Arc::clone(&stranger) });
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Signer { algorithms, pin }))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.resumption = Resumption::disabled();
    tls.enable_early_data = false;
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::clone(by_distance(transport).to(at)));
    Ok((config, stranger))
}

fn hybrid() -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    }
}

/// What a session between two nodes is made with, in either role (PROTOCOL.md, Peer streams).
pub struct PeerTls {
    /// Takes any certificate whose key signs the handshake.
    pub opener: Arc<rustls::ClientConfig>,
    /// Shows the certificate of this run.
    pub receiver: Arc<rustls::ServerConfig>,
}

impl PeerTls {
    /// With a fresh certificate, good for this run.
    ///
    /// # Errors
    /// [`TlsError`] when there is no certificate to be made.
    pub fn fresh() -> Result<Self, TlsError> {
        let (receiver, _) = receiver(PEER_ALPN)?;
        Ok(Self { opener: Arc::new(opener(PEER_ALPN, None)?), receiver: Arc::new(receiver) })
    }

    /// The name no certificate bears.
    #[must_use]
    pub fn nobody() -> ServerName<'static> {
        ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into())
    }
}

/// Takes the certificate that bears this key; without one, any.
fn opener(alpn: &[u8], key: Option<RunKey>) -> Result<rustls::ClientConfig, TlsError> {
    let provider = hybrid();
    let algorithms = provider.signature_verification_algorithms;
    let pin = key.map(|key| Pin { spki: spki(key.as_bytes()), stranger: Arc::default() });
    let mut opener = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Signer { algorithms, pin }))
        .with_no_client_auth();
    opener.alpn_protocols = vec![alpn.to_vec()];
    opener.resumption = Resumption::disabled();
    Ok(opener)
}

/// Shows a fresh certificate, which bears this key and says nothing else.
fn receiver(alpn: &[u8]) -> Result<(rustls::ServerConfig, RunKey), TlsError> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let public = RunKey::from_slice(pair.public_key_raw()).ok_or(TlsError::NotEd25519)?;
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let certificate = params.self_signed(&pair)?;
    let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
    let mut receiver = rustls::ServerConfig::builder_with_provider(Arc::new(hybrid()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    receiver.alpn_protocols = vec![alpn.to_vec()];
    receiver.send_tls13_tickets = 0;
    receiver.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok((receiver, public))
}

/// Settings of direct connections, in either role (PROTOCOL.md, Direct connections).
pub(super) struct DirectTls {
    transport: ByDistance<Arc<TransportConfig>>,
    pub(super) server: ByDistance<ServerConfig>,
    /// What is shown to those who dial, in this run.
    pub(super) key: RunKey,
}

impl DirectTls {
    /// With a certificate of its own, fresh for this run: who relays streams knows the other one.
    ///
    /// # Errors
    /// [`TlsError`] when there is no certificate to be made, or QUIC does not take it.
    pub(super) fn fresh() -> Result<Self, TlsError> {
        let (receiver, key) = receiver(DIRECT_ALPN)?;
        let transport = by_distance(direct_transport);
        let crypto = Arc::new(QuicServerConfig::try_from(receiver)?);
        let mut server = ServerConfig::with_crypto(crypto);
        server
            .max_incoming(DIRECT_INCOMING)
            .incoming_buffer_size(DIRECT_BUFFER)
            .incoming_buffer_size_total(DIRECT_BUFFERS);
        let server = transport.map(|transport| {
            let mut server = server.clone();
            server.transport_config(Arc::clone(transport));
            server
        });
        Ok(Self { transport, server, key })
    }

    /// For dialling whoever shows this key.
    ///
    /// # Errors
    /// [`TlsError`] when QUIC does not take it.
    pub(super) fn client(&self, key: RunKey) -> Result<ByDistance<ClientConfig>, TlsError> {
        let tls = opener(DIRECT_ALPN, Some(key))?;
        let client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
        Ok(self.transport.map(|transport| {
            let mut client = client.clone();
            client.transport_config(Arc::clone(transport));
            client
        }))
    }
}

/// A stranger's; [`trust`] makes it a peer's.
fn direct_transport() -> TransportConfig {
    let mut transport = transport();
    transport
        .keep_alive_interval(Some(DIRECT_KEEP_ALIVE))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .stream_receive_window(VarInt::from_u32(DIRECT_STREAM_WINDOW))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW))
        .datagram_receive_buffer_size(Some(DIRECT_DATAGRAMS));
    transport
}

/// The other end of a direct connection has proven itself: it may open streams, and send.
pub(super) fn trust(connection: &Connection) {
    connection.set_receive_window(VarInt::from_u32(DIRECT_WINDOW));
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(DIRECT_STREAMS));
}

/// With packets that become as large as the link takes, and as the internet does.
fn by_distance(make: fn() -> TransportConfig) -> ByDistance<Arc<TransportConfig>> {
    let mut search = MtuDiscoveryConfig::default();
    search.upper_bound(PACKET_MAX).interval(Duration::from_millis(PACKET_SEARCH.0));
    let (mut near, far) = (make(), Arc::new(make()));
    near.mtu_discovery_config(Some(search));
    ByDistance { near: Arc::new(near), far }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(16))
        .max_concurrent_uni_streams(VarInt::from_u32(0));
    transport
}

fn spki(key: &[u8; 32]) -> Vec<u8> {
    [&SPKI_ED25519[..], key].concat()
}

/// Checks that the handshake is signed by the certificate's key, and whose key that is if one is
/// pinned.
#[derive(Debug)]
struct Signer {
    algorithms: WebPkiSupportedAlgorithms,
    pin: Option<Pin>,
}

#[derive(Debug)]
struct Pin {
    spki: Vec<u8>,
    stranger: Arc<AtomicBool>,
}

impl ServerCertVerifier for Signer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(pin) = &self.pin else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        if parsed.subject_public_key_info().as_ref() == pin.spki {
            return Ok(ServerCertVerified::assertion());
        }
        pin.stranger.store(true, Ordering::Relaxed);
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
mod tests {
    use quinn::Endpoint;

    use super::*;
    use crate::net::socket;

    /// Both ends of a direct connection over the loopback, its settings taken from these.
    async fn connect(
        (here, there): (&Endpoint, &Endpoint),
        (alice, bob): (ClientConfig, &ServerConfig),
    ) -> (Connection, Connection) {
        there.set_server_config(Some(bob.clone()));
        let at = (std::net::Ipv4Addr::LOCALHOST, there.local_addr().unwrap().port());
        let config = Arc::new(bob.clone());
        let dialling = here.connect_with(alice, at.into(), "peer.invalid").unwrap();
        let taking =
            async { there.accept().await.unwrap().accept_with(config).unwrap().await.unwrap() };
        let (hers, his) = tokio::join!(dialling, taking);
        trust(&his);
        (hers.unwrap(), his)
    }

    /// Alice's path when she has sent 16 MiB.
    async fn sent(near: bool) -> quinn::PathStats {
        let threads = socket::threads();
        let ends = (socket::endpoint(&threads).unwrap(), socket::endpoint(&threads).unwrap());
        let bob = DirectTls::fresh().unwrap();
        let client = DirectTls::fresh().unwrap().client(bob.key).unwrap();
        let (client, server) =
            if near { (client.near, &bob.server.near) } else { (client.far, &bob.server.far) };
        let (hers, his) = connect((&ends.0, &ends.1), (client, server)).await;
        let (mut send, _answer) = hers.open_bi().await.unwrap();
        let bytes = vec![7; 16 << 20];
        let taking = async {
            let (_answer, mut recv) = his.accept_bi().await.unwrap();
            recv.read_to_end(bytes.len()).await.unwrap().len()
        };
        let sending = async {
            send.write_all(&bytes).await.unwrap();
            send.finish().unwrap();
        };
        assert_eq!(tokio::join!(sending, taking).1, bytes.len());
        hers.stats().path
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn to_somebody_near_packets_become_as_large_as_the_link_takes_and_the_system_takes_them()
    {
        let path = sent(true).await;
        assert_eq!(path.current_mtu, PACKET_MAX);
        assert!(path.lost_packets * 20 < path.sent_packets, "{path:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn to_somebody_far_they_stay_as_the_internet_takes_them() {
        let path = sent(false).await;
        assert!((1_200..=1_472).contains(&path.current_mtu), "{path:?}");
    }

    #[test]
    fn near_is_who_has_an_address_of_this_machine_or_of_a_private_network() {
        let kinds = ByDistance { near: true, far: false };
        let near = |text: &str| *kinds.to(text.parse().unwrap());
        assert!(["127.0.0.1", "::1", "192.168.1.7", "::ffff:10.0.0.1"].into_iter().all(near));
        let own = if_addrs::get_if_addrs().unwrap();
        assert!(own.iter().all(|own| *kinds.to(own.ip())), "{own:?}");
        assert!(!["203.0.113.7", "2001:db8::1"].into_iter().any(near));
    }
}
