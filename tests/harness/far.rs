//! A way that takes its time: UDP between one node and a hub, each datagram held for a while.
//!
//! Nothing is lost or swapped, and the line has no speed of its own: what is slow behind it is what
//! waits for an answer.

#![allow(clippy::expect_used)] // a socket that cannot be had ends a test

use std::net::SocketAddr;
use std::time::Duration;

use hubbub_hub::tls;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Datagrams under way, each direction: more than any window here holds; one more is dropped.
const UNDER_WAY: usize = 16_384;
/// What an Ethernet takes; a longer one is lost.
const DATAGRAM: usize = 1_472;

/// Where a node (one; the first that sends) has to go to reach `to`, `one_way` later. It ends with
/// the runtime.
///
/// # Panics
/// When there is no socket.
pub async fn far_from(to: SocketAddr, one_way: Duration) -> SocketAddr {
    let (near, far) = (socket(), socket());
    far.connect(to).await.expect("a way there");
    let address = near.local_addr().expect("an address");
    tokio::spawn(async move {
        let Ok((_, node)) = near.peek_from(&mut [0; 1]).await else { return };
        near.connect(node).await.expect("a way back");
        tokio::join!(carry(&near, &far, one_way), carry(&far, &near, one_way));
    });
    address
}

fn socket() -> UdpSocket {
    let socket = tls::socket(([127, 0, 0, 1], 0).into()).expect("a UDP socket");
    socket.set_nonblocking(true).expect("a socket for tokio");
    UdpSocket::from_std(socket).expect("tokio's")
}

async fn carry(from: &UdpSocket, to: &UdpSocket, one_way: Duration) {
    let (set_out, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let leave = async move {
        let mut buffer = vec![0; DATAGRAM + 1];
        while let Ok(length) = from.recv(&mut buffer).await {
            let datagram = buffer.get(..length).filter(|it| it.len() <= DATAGRAM);
            let Some(datagram) = datagram.map(<[u8]>::to_vec) else { continue };
            set_out.try_send((Instant::now() + one_way, datagram)).ok();
        }
    };
    let arrive = async {
        while let Some((due, datagram)) = under_way.recv().await {
            sleep_until(due).await;
            to.send(&datagram).await.ok();
        }
    };
    tokio::join!(leave, arrive);
}
