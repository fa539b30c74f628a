//! The hub's certificate, TLS settings and QUIC settings, and the operating system's randomness.
//!
//! The only file of the hub that names rustls and rcgen. Invariant: TLS 1.3 with the hybrid group
//! alone, the certificate made from the hub's own key, no tickets and no 0-RTT, so that every
//! connection proves everything anew.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::crypto::{Identity, Secret32, SecretBytes, expand};
use hubbub_shared::limits::{PACKET_MAX, PACKET_SEARCH};
use hubbub_shared::wire::address::is_private;
use hubbub_shared::wire::version::ALPN;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{
    ConfigError, ConnectionId, ConnectionIdGenerator, EndpointConfig, IdleTimeout,
    MtuDiscoveryConfig, ServerConfig, TransportConfig, VarInt,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::check::Buffers;

/// DER of a PKCS#8 Ed25519 private key up to its 32-byte seed.
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// A silent connection is given up after this long; nodes keep theirs alive.
const IDLE_MS: u32 = 30_000;
/// Streams of a node that has not proven who it is: that of its frames.
const STREAMS: u32 = 1;
/// Streams of a node beside the relayed ones it may have: that of its frames, and one to be refused
/// on.
const STREAMS_BESIDE: u32 = 2;
/// Unread bytes on one stream. A stream carries a window in a round trip and no more: this is at
/// most 25 MiB a second for people 40 ms from the hub, where 64 KiB would be 1.6 MiB
/// (docs/BENCHMARKS.md, Relayed streams, has what was reached).
pub const STREAM_WINDOW: u32 = 1024 * 1024;
/// Unread bytes of a connection but for its relayed streams: small, because it is what an idle or
/// hostile connection can make the hub hold, and what each of all who come back at once does.
const CONNECTION_WINDOW: u32 = 128 * 1024;
/// What a connection's window grows by for each stream: its own, and what QUIC leaves unsaid. Up to
/// an eighth of a window may be free again before the node is told, and frames must not wait for
/// that when all streams stand still.
const STREAM_ROOM: u32 = STREAM_WINDOW / 4 * 5;
/// Unacknowledged bytes towards one node but for its relayed streams.
pub const SEND_WINDOW: u64 = 128 * 1024;
/// What that grows by for each stream: more than a node lets a stream have (quinn's 1.25 MB), so
/// that it is the stream that waits and never the connection. Of many that wait for a connection
/// quinn wakes the last first, and the others starve.
pub const SEND_ROOM: u64 = 1536 * 1024;
const DATAGRAM_BUFFER: usize = 64 * 1024;
/// The system's default loses packets when many connect at once.
pub(crate) const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// Shortest time between two resets: after a restart each of 20,000 nodes needs one within its
/// keep-alive of 12 s, and a flood of strays gets no more than 2,000 small answers a second.
const RESET_INTERVAL: Duration = Duration::from_micros(500);
/// Length of the connection ids this hub hands out.
const CID_LEN: usize = 8;

/// The hub's TLS or socket set-up failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate could not be made.
    #[error("cannot make the hub's certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The settings were refused.
    #[error("cannot set up TLS 1.3: {0}")]
    Settings(#[from] rustls::Error),
    /// The cryptographic provider lacks QUIC's first cipher suite.
    #[error("cannot set up QUIC: {0}")]
    Suite(#[from] NoInitialCipherSuite),
    /// QUIC refuses a setting.
    #[error("cannot set up QUIC: {0}")]
    Quic(#[from] ConfigError),
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

/// TLS and transport settings of the hub's endpoint (PROTOCOL.md, Link handshake).
pub(crate) fn server_config(hub: &Identity) -> Result<ServerConfig, TlsError> {
    let pkcs8 = SecretBytes::from_vec([&PKCS8_ED25519[..], hub.seed().expose()].concat());
    let key = PrivatePkcs8KeyDer::from(pkcs8.expose().to_vec());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ED25519)?;
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let certificate = params.self_signed(&pair)?;
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    };
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key))?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let mut tokens = quinn::ValidationTokenConfig::default();
    tokens.sent(0);
    config.validation_token_config(tokens).transport_config(Arc::new(transport()));
    Ok(config)
}

/// The same for nodes that are near.
pub(crate) fn near(config: &ServerConfig) -> ServerConfig {
    let mut config = config.clone();
    config.transport_config(Arc::new(near_transport()));
    config
}

/// How connections with nodes that near behave: packets become as large as the link takes.
#[must_use]
pub fn near_transport() -> TransportConfig {
    let mut search = MtuDiscoveryConfig::default();
    search.upper_bound(PACKET_MAX).interval(Duration::from_millis(PACKET_SEARCH.0));
    let mut transport = transport();
    transport.mtu_discovery_config(Some(search));
    transport
}

/// How the hub's connections behave. All packets have the size that every way takes: to look for
/// more costs memory for each of many thousands.
#[must_use]
pub fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))))
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .mtu_discovery_config(None);
    transport
}

/// Lets a node that has proven who it is open so many relayed streams at once.
pub fn allow(connection: &quinn::Connection, streams: u32) {
    let streams = streams.saturating_add(STREAMS_BESIDE);
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(streams));
}

/// Makes room on a connection, both ways, for so many streams that are relayed over it.
pub fn make_room(connection: &quinn::Connection, streams: u32) {
    connection.set_send_window(SEND_WINDOW + SEND_ROOM * u64::from(streams));
    let window = streams.saturating_mul(STREAM_ROOM).saturating_add(CONNECTION_WINDOW);
    connection.set_receive_window(VarInt::from_u32(window));
}

/// Endpoint settings whose reset key outlives a restart, so that nodes notice one at once.
pub(crate) fn endpoint_config(reset: &Secret32) -> Result<EndpointConfig, TlsError> {
    let mut seeds = os_rng()?;
    let mut config = EndpointConfig::new(Arc::new(ResetKey(reset.duplicate())));
    let mut seed = [0; 32];
    seeds.fill_bytes(&mut seed);
    config.cid_generator(move || Box::new(RandomIds(ChaCha20Rng::from_seed(seed))));
    config.min_reset_interval(RESET_INTERVAL).max_udp_payload_size(PACKET_MAX)?;
    Ok(config)
}

/// Whether an address is of this machine or of a private network, where packets may be larger. A
/// node does the same (`node/src/net/socket.rs`): what both share asks no system.
pub(crate) fn is_near(ip: IpAddr) -> bool {
    is_private(ip) || is_own(ip)
}

/// The system reaches an address of its own from that very address. Nothing is sent.
fn is_own(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let any: IpAddr =
        if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((ip, 1))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == ip)
}

/// A bound UDP socket with buffers large enough for a burst of connections. A system that grants
/// less is worth a warning, no more.
///
/// # Errors
/// When the address cannot be had.
pub fn socket(listen: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(listen)?;
    let raw = socket2::SockRef::from(&socket);
    let set = raw
        .set_recv_buffer_size(SOCKET_BUFFER)
        .and_then(|()| raw.set_send_buffer_size(SOCKET_BUFFER));
    if let Err(error) = set {
        tracing::warn!(
            "the system refused larger socket buffers ({error}); bursts may lose packets"
        );
    }
    Ok(socket)
}

/// What the system gave a socket, which may be less than was asked.
pub(crate) fn buffers(socket: &UdpSocket) -> std::io::Result<Buffers> {
    // Linux names twice of what it gives, as room for its own bookkeeping.
    let share = if cfg!(target_os = "linux") { 2 } else { 1 };
    let raw = socket2::SockRef::from(socket);
    let (receive, send) = (raw.recv_buffer_size()?, raw.send_buffer_size()?);
    Ok(Buffers { receive: receive / share, send: send / share })
}

/// Makes stateless reset tokens.
struct ResetKey(Secret32);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        expand(self.0.expose(), data, signature_out);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let mut expected = [0; 32];
        self.sign(data, &mut expected);
        (expected == *signature).then_some(()).ok_or(CryptoError)
    }
}

/// Random connection ids. Every id is answered as possibly ours, also those of an earlier process:
/// that is what lets a node learn of a restart.
struct RandomIds(ChaCha20Rng);

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; CID_LEN];
        self.0.fill_bytes(&mut bytes);
        ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        CID_LEN
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_tokens_depend_on_the_key_and_the_connection() {
        let sign = |key: u8, data: &[u8]| {
            let mut out = [0; 32];
            ResetKey(Secret32::from_bytes([key; 32])).sign(data, &mut out);
            out
        };
        assert_eq!(sign(1, b"id"), sign(1, b"id"));
        assert_ne!(sign(1, b"id"), sign(2, b"id"));
        assert_ne!(sign(1, b"id"), sign(1, b"di"));
    }

    #[test]
    fn two_generators_of_the_system_differ() {
        let (mut one, mut two) = (os_rng().unwrap(), os_rng().unwrap());
        assert_ne!(one.next_u64(), two.next_u64());
    }
}
