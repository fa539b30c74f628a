//! What is on its way between the nodes and the hub, and between two nodes.
//!
//! Frames keep their order per connection and direction, as a QUIC stream does.

use std::collections::BTreeMap;

use hubbub_hub::relay::ConnId;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::{FromHub, ToHub, ToPeer};

/// A frame on its way.
pub(crate) enum Packet {
    /// From the node of this connection.
    Hub(ConnId, ToHub),
    /// To a device by number, on its connection.
    Node(usize, ConnId, FromHub),
    /// From a device to another, on a connection of the two.
    Peer(usize, usize, ConnId, ToPeer),
}

impl Packet {
    /// Its connection, and whether it goes to the hub.
    fn direction(&self) -> (ConnId, bool) {
        match self {
            Self::Hub(conn, _) => (*conn, true),
            Self::Node(_, conn, _) => (*conn, false),
            Self::Peer(from, to, conn, _) => (*conn, from < to),
        }
    }
}

/// All frames on their way.
#[derive(Default)]
pub(crate) struct Network {
    packets: BTreeMap<(Timestamp, u64), Packet>,
    order: BTreeMap<(ConnId, bool), Timestamp>,
    serial: u64,
    conns: u64,
}

impl Network {
    /// A new connection.
    pub(crate) fn dial(&mut self) -> ConnId {
        self.conns += 1;
        ConnId(self.conns)
    }

    /// Sends a frame; it arrives no earlier than what was sent before it the same way.
    pub(crate) fn post(&mut self, packet: Packet, due: Timestamp) {
        let last = self.order.entry(packet.direction()).or_insert(due);
        let at = due.max(*last);
        *last = at;
        let serial = self.next();
        self.packets.insert((at, serial), packet);
    }

    /// When the next frame arrives.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.packets.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next frame if it has arrived.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Packet> {
        let due = self.due()?;
        (due <= now).then(|| self.packets.pop_first().map(|(_, packet)| packet)).flatten()
    }

    /// Loses everything of one connection.
    pub(crate) fn cut(&mut self, conn: ConnId) {
        self.packets.retain(|_, packet| packet.direction().0 != conn);
    }

    /// Loses what a device has on its way on a connection of two devices.
    pub(crate) fn lose_of(&mut self, conn: ConnId, by: usize) {
        let theirs = |packet: &Packet| match packet {
            Packet::Peer(from, ..) => *from == by && packet.direction().0 == conn,
            Packet::Hub(..) | Packet::Node(..) => false,
        };
        self.packets.retain(|_, packet| !theirs(packet));
    }

    /// Loses everything that comes from the hub or goes to it.
    pub(crate) fn lose_hub(&mut self) {
        self.packets.retain(|_, packet| matches!(packet, Packet::Peer(..)));
    }

    /// A running number.
    pub(crate) fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
