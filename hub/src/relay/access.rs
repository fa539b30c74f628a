//! Coming and going: who is let in, and what everybody is told first.

use core::net::SocketAddr;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::from_hub::{Observed, Welcome};
use hubbub_shared::wire::{ByteBuf, FromHub, LogId, RefusalCode, address};

use super::Relay;
use super::command::{Command, Note, Write};
use super::flow::Flow;
use super::input::ConnId;
use super::presence::Connection;

/// A connection whose identity was proven.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) conn: ConnId,
    pub(super) node: NodeId,
    pub(super) from: SocketAddr,
    pub(super) version: u8,
    pub(super) at: Timestamp,
}

impl Relay {
    pub(super) fn connected(&mut self, arrival: Arrival, token: Option<[u8; 16]>) {
        let newly_admitted = match self.admit(&arrival, token) {
            Ok(newly) => newly,
            Err(code) => return self.refuse_connection(arrival.conn, arrival.node, code),
        };
        if let Some(former) = self.presence.of(&arrival.node) {
            self.depart(former);
            let code = RefusalCode::Replaced;
            self.batch.out.push_back(Command::Disconnect { conn: former, code });
        }
        let Arrival { conn, node, from, version, at } = arrival;
        let (relayed, flow) = ((0, 0), Flow::default());
        let connection = Connection { node, from, since: at, version, relayed, flow };
        self.presence.insert(conn, connection);
        self.welcome(&arrival);
        self.tell_where(conn, from);
        let nickname = self.nicknames.of(&node);
        self.note(Note::Connected { node, nickname, from, newly_admitted });
        self.resume(conn, &node);
    }

    /// The connection goes on from another address; its node is told which.
    pub(super) fn moved(&mut self, conn: ConnId, from: SocketAddr) {
        let Some(connection) = self.presence.get_mut(conn) else { return };
        if connection.from != from {
            connection.from = from;
            self.tell_where(conn, from);
        }
    }

    pub(super) fn closed(&mut self, conn: ConnId) {
        self.depart(conn);
    }

    pub(super) fn refuse_connection(&mut self, conn: ConnId, node: NodeId, code: RefusalCode) {
        self.depart(conn);
        self.batch.out.push_back(Command::Disconnect { conn, code });
        self.note(Note::Refused { node, code });
    }

    /// Whether this identity is let in: `true` when it was just admitted.
    fn admit(&mut self, arrival: &Arrival, token: Option<[u8; 16]>) -> Result<bool, RefusalCode> {
        if self.admitted.contains(&arrival.node) {
            return Ok(false);
        }
        if self.admitted.len() >= self.config.nodes {
            return Err(RefusalCode::NotAdmitted);
        }
        match token {
            Some(token) => {
                let used = self.invites.redeem(&token, arrival.at)?;
                self.write(used);
            }
            None if self.config.open => {}
            None => return Err(RefusalCode::NotAdmitted),
        }
        self.admitted.insert(arrival.node);
        self.write(Write::Admit { node: arrival.node, at: arrival.at });
        Ok(true)
    }

    fn welcome(&mut self, arrival: &Arrival) {
        let left = self.beacons.of(&arrival.node);
        let mail = self.logs.get(&LogId::Mailbox(arrival.node));
        let read = mail.and_then(|log| log.readers.get(&arrival.node));
        let welcome = Welcome {
            version: arrival.version,
            hub: self.hub,
            store: ByteBuf::from(self.store.to_vec()),
            now: arrival.at,
            nickname: self.nicknames.of(&arrival.node),
            lobby: self.lobby,
            prekeys_left: self.prekeys.left(&arrival.node),
            beacon: left.map(|(beacon, _)| ByteBuf::from(beacon)),
            appends: left.map_or(0, |(_, appends)| appends),
            mailbox: read.map_or(0, |reader| reader.cursor),
        };
        self.send(arrival.conn, FromHub::Welcome(welcome));
    }

    fn tell_where(&mut self, conn: ConnId, from: SocketAddr) {
        if let Some(address) = address::encode(from) {
            let address = ByteBuf::from(address);
            self.send(conn, FromHub::Observed(Observed { address }));
        }
    }

    /// Takes a connection out. What was on its way and not acknowledged will be sent again to the
    /// next one.
    fn depart(&mut self, conn: ConnId) {
        let Some(Connection { node, from, relayed, .. }) = self.presence.remove(conn) else {
            return;
        };
        self.batch.dirty.remove(&conn);
        let nickname = self.nicknames.of(&node);
        self.note(Note::Left { node, nickname, from, relayed });
    }
}
