//! Writes every packet of the namespace it runs in into a file: `capture FILE`.

// A test's program: what does not work ends it.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};

use socket2::{Domain, Protocol, Socket, Type};

/// All kinds of packets, in network order.
const ALL: i32 = 0x0300;
/// Longest packet.
const PACKET: usize = 65_536;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let path = args.get(1).unwrap();
    let mut socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(ALL))).unwrap();
    socket.set_recv_buffer_size(16 << 20).unwrap();
    let mut file = std::fs::File::create(path).unwrap();
    let mut packet = vec![0; PACKET];
    loop {
        let length = socket.read(&mut packet).unwrap();
        file.write_all(packet.get(..length).unwrap()).unwrap();
    }
}
