//! Relayed datagrams, in and out. Losing one is fine; looking at its payload is not possible.

use std::sync::Arc;

use hubbub_shared::id::NodeId;
use hubbub_shared::wire::datagram::Datagram;
use quinn::Connection;

use crate::connection::Source;
use crate::intake::Intake;
use crate::relay::Input;

/// Hands a connection's datagrams to the relay until the connection ends.
pub(crate) async fn receive(mut source: Source, intake: &Intake) {
    while let Ok(bytes) = source.connection.read_datagram().await {
        let Some(datagram) = Datagram::parse(&bytes) else { continue };
        if source.look(intake).await.is_err() {
            return;
        }
        let conn = source.conn;
        let input =
            Input::Datagram { conn, to: datagram.peer, payload: Arc::from(datagram.payload) };
        if !intake.offer(input) {
            tracing::trace!("a datagram was dropped: the hub is busy");
        }
    }
}

/// Sends one, or drops it when the path or its buffer does not take it.
pub(crate) fn send(connection: &Connection, from: NodeId, payload: &[u8]) {
    let bytes = Datagram { peer: from, payload }.encode();
    if let Err(error) = connection.send_datagram(bytes.into()) {
        tracing::trace!("a datagram was dropped: {error}");
    }
}
