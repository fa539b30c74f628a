//! The least a server on QUIC can do: send every byte of a stream back.
//!
//! TLS and transport as the hub has them, so that what a hub adds to an echo is the hub's.

#![allow(clippy::expect_used)] // a broken connection ends a test

use std::net::SocketAddr;
use std::sync::Arc;

use hubbub_shared::crypto::Identity;
use hubbub_shared::id::HubId;
use hubbub_shared::wire::version::ALPN;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{RecvStream, SendStream, ServerConfig, TransportConfig};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::near;

/// DER of a PKCS#8 Ed25519 private key up to its 32-byte seed.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// An echo at work; it ends with the runtime.
pub struct Echo {
    /// Where it listens.
    pub local_addr: SocketAddr,
    /// The key to pin.
    pub key: HubId,
}

impl Echo {
    /// Listens on a free port of the loopback.
    ///
    /// # Panics
    /// When there is none, or no TLS.
    #[must_use]
    pub fn listen(identity: &Identity) -> Self {
        let endpoint = near::endpoint(Some(config(identity)));
        let local_addr = endpoint.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let Ok(connection) = incoming.await else { continue };
                tokio::spawn(async move {
                    while let Ok((send, recv)) = connection.accept_bi().await {
                        tokio::spawn(back(send, recv));
                    }
                });
            }
        });
        Self { local_addr, key: identity.hub_id() }
    }
}

async fn back(mut send: SendStream, mut recv: RecvStream) {
    while let Ok(Some(chunk)) = recv.read_chunk(usize::MAX, true).await {
        if send.write_chunk(chunk.bytes).await.is_err() {
            break;
        }
    }
}

/// TLS and transport of a hub with this key.
///
/// # Panics
/// When there is no TLS.
#[must_use]
pub fn config(identity: &Identity) -> ServerConfig {
    let key = PrivatePkcs8KeyDer::from([&PKCS8[..], identity.seed().expose()].concat());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ED25519);
    let pair = pair.expect("an Ed25519 key");
    let params = rcgen::CertificateParams::new(Vec::<String>::new()).expect("no names");
    let certificate = params.self_signed(&pair).expect("a certificate");
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    };
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key))
        .expect("a key and its certificate");
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut transport = TransportConfig::default();
    near::search(&mut transport);
    let quic = QuicServerConfig::try_from(tls).expect("QUIC");
    let mut config = ServerConfig::with_crypto(Arc::new(quic));
    config.transport_config(Arc::new(transport));
    config
}
