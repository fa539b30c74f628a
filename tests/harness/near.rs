//! QUIC as nodes and hubs have it among addresses of one machine: packets become as large as the
//! link takes. So what they add to a bare stream is theirs.

#![allow(clippy::expect_used)] // a socket that cannot be had ends a test

use std::net::UdpSocket;
use std::sync::Arc;

use hubbub_hub::tls;
use hubbub_shared::limits::PACKET_MAX;
use quinn::{
    Endpoint, EndpointConfig, MtuDiscoveryConfig, ServerConfig, TokioRuntime, TransportConfig,
};

/// Lets packets of such connections become so large.
pub fn search(transport: &mut TransportConfig) {
    let mut search = MtuDiscoveryConfig::default();
    search.upper_bound(PACKET_MAX);
    transport.mtu_discovery_config(Some(search));
}

/// Takes packets of that size, on a free port of the loopback.
///
/// # Panics
/// When there is none, or outside of a runtime.
#[must_use]
pub fn endpoint(server: Option<ServerConfig>) -> Endpoint {
    let socket = tls::socket(([127, 0, 0, 1], 0).into()).expect("a UDP socket");
    over(socket, server)
}

/// The same on this socket.
///
/// # Panics
/// Outside of a runtime.
#[must_use]
pub fn over(socket: UdpSocket, server: Option<ServerConfig>) -> Endpoint {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(PACKET_MAX).expect("a size that QUIC allows");
    Endpoint::new(config, server, socket, Arc::new(TokioRuntime)).expect("an endpoint")
}
