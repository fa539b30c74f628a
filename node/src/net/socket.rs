//! The socket of a node, and the threads on which its packets are sealed, opened, sent and taken.
//!
//! A transfer keeps those busy. What is said meanwhile passes through them as well, but is
//! numbered, stored and shown on others, which are hardly ever busy and so are given a processor at
//! once.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use hubbub_shared::limits::PACKET_MAX;
use hubbub_shared::wire::address::is_private;
use quinn::{AsyncTimer, AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, TokioRuntime};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;

use crate::threads::Threads;

/// One for a connection that is busy, and one for the others and the socket.
const WORKERS: usize = 2;
/// Beside a thread that people wait for, a quarter is left to these.
const NICE: i32 = 5;

/// What may wait in the socket, each way: half of what a peer may send before it is read.
const BUFFER: usize = 4 << 20;

/// Starts the threads.
pub(super) fn threads() -> Threads {
    Threads::start("network", WORKERS, NICE)
}

/// A socket for both address families where the system has both.
pub(super) fn endpoint(threads: &Threads) -> io::Result<Endpoint> {
    let socket = bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))
        .or_else(|_| bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))?;
    let there = threads.handle().map(|there| Arc::new(There(there)) as Arc<dyn Runtime>);
    let runtime = there.unwrap_or_else(|| Arc::new(TokioRuntime));
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(PACKET_MAX).map_err(io::Error::other)?;
    Endpoint::new(config, None, socket, runtime)
}

fn bind(at: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    if at.is_ipv6() {
        // Some systems have this for a default, some refuse it: then there is the one family.
        socket.set_only_v6(false).ok();
    }
    // Many a system has room for a burst of packets, but gives it only to who asks. It may give
    // less, or nothing: then more is lost, and sent again.
    socket.set_recv_buffer_size(BUFFER).ok();
    socket.set_send_buffer_size(BUFFER).ok();
    socket.bind(&at.into())?;
    Ok(socket.into())
}

/// Whether an address is of this machine or of a private network, where packets may be larger.
pub(super) fn is_near(ip: IpAddr) -> bool {
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

/// Lets QUIC work on threads of its own, whoever asks it for something.
#[derive(Debug)]
struct There(Handle);

impl Runtime for There {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        let _there = self.0.enter();
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(self.0.spawn(future));
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let _there = self.0.enter();
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}
