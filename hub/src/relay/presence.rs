//! Who is connected: at most one connection per identity, the newest.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;

use super::flow::Flow;
use super::input::ConnId;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) node: NodeId,
    pub(super) from: SocketAddr,
    pub(super) since: Timestamp,
    /// The protocol version spoken.
    pub(super) version: u8,
    /// Sealed bytes it sent and received.
    pub(super) relayed: (u64, u64),
    pub(super) flow: Flow,
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Presence {
    by_conn: BTreeMap<ConnId, Connection>,
    by_node: BTreeMap<NodeId, ConnId>,
}

impl Presence {
    pub(super) fn insert(&mut self, conn: ConnId, connection: Connection) {
        self.by_node.insert(connection.node, conn);
        self.by_conn.insert(conn, connection);
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Connection> {
        let connection = self.by_conn.remove(&conn)?;
        if self.by_node.get(&connection.node) == Some(&conn) {
            self.by_node.remove(&connection.node);
        }
        Some(connection)
    }

    pub(super) fn get(&self, conn: ConnId) -> Option<&Connection> {
        self.by_conn.get(&conn)
    }

    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.by_conn.get_mut(&conn)
    }

    /// The connection of an identity.
    pub(super) fn of(&self, node: &NodeId) -> Option<ConnId> {
        self.by_node.get(node).copied()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Connection> {
        self.by_conn.values()
    }

    pub(super) fn len(&self) -> usize {
        self.by_conn.len()
    }
}
