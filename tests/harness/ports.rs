//! Ports for hubs that are started again where they were.
//!
//! Whoever asks the system for any port may be given one that a stopped hub means to come back to.
//! So these lie below all that the system gives, and every process and every hub has another.

// A machine without a free port is a failed test.
#![allow(clippy::panic)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// The first, above what people use, and how many there are: Linux gives 32768 and more by itself.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;
/// How many a process has before it may come to those of the next.
const EACH: u32 = 61;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// An address of this machine that is free, and that nobody is given by chance.
///
/// # Panics
/// When none is.
#[must_use]
pub fn own() -> SocketAddr {
    let mut tried = (0..COUNT).map(|_| next()).filter(|at| UdpSocket::bind(at).is_ok());
    tried.next().unwrap_or_else(|| panic!("no port from {FIRST} on is free"))
}

fn next() -> SocketAddr {
    let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
    let at = std::process::id().wrapping_mul(EACH).wrapping_add(taken) % u32::from(COUNT);
    let port = FIRST + u16::try_from(at).unwrap_or(0);
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
