//! One node's connection: handshake, proof, then frames, datagrams and streams until it ends.
//!
//! Invariant: nothing a stranger sends costs more than a hello of [`HELLO_MAX`] bytes and a few
//! seconds; the relay hears of a connection only when its identity is proven for that connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hubbub_shared::crypto::label::EXPORTER_LABEL;
use hubbub_shared::crypto::link_auth;
use hubbub_shared::id::HubId;
use hubbub_shared::limits::{
    CONTROL_ENTRY_MAX, CONTROL_PAGE_ENTRIES, FRAME_MAX, HELLO_MAX, SIGNED_MAX,
};
use hubbub_shared::wire::to_hub::Hello;
use hubbub_shared::wire::{RefusalCode, ToHub, version};
use quinn::{Connection, Incoming, RecvStream, SendStream, ServerConfig};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::carrier::Carrier;
use crate::datagrams;
use crate::frames::{self, FrameError, FrameWriter, Stalled, Waiting};
use crate::gate::Ticket;
use crate::intake::{Arrival, Ended, Intake, Link, StreamAsk};
use crate::pace::Pace;
use crate::relay::{ConnId, Input};
use crate::splice::{self, Opened};
use crate::tls;

/// Bytes of a number, a word or a refusal.
const BRIEF: usize = 128;

/// Connections at once whose packets may be large: QUIC holds room for ten of them for each.
pub(crate) const NEAR: usize = 1_024;

/// What every connection needs.
pub(crate) struct Door {
    pub(crate) hub: HubId,
    /// For those that are near, as long as there are seats: where a relay in front of the hub makes
    /// everybody seem so, the others are served as those far away.
    pub(crate) near: Arc<ServerConfig>,
    pub(crate) seats: Arc<Semaphore>,
    pub(crate) intake: Intake,
    pub(crate) hello_timeout: Duration,
    /// Bytes a second that the streams one node opens may carry.
    pub(crate) streamed: u64,
    /// How many of these it may have open.
    pub(crate) streams: u32,
    pub(crate) next: AtomicU64,
}

/// A proven connection, and where its packets come from as far as the relay was told.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) connection: Connection,
    pub(crate) conn: ConnId,
    from: SocketAddr,
}

impl Source {
    /// Tells the relay if they come from elsewhere by now. It is looked at whenever something of
    /// the node's was read, so an idle connection costs nothing.
    pub(crate) async fn look(&mut self, intake: &Intake) -> Result<(), Ended> {
        let from = self.connection.remote_address();
        if core::mem::replace(&mut self.from, from) == from {
            return Ok(());
        }
        intake.send(Arrival::Input(Input::Moved { conn: self.conn, from }, None)).await
    }
}

/// A node that has proven who it is.
struct Greeted {
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
    hello: Hello,
    version: u8,
    /// Among those that are near.
    seat: Option<OwnedSemaphorePermit>,
}

/// Serves one connection from its first packet to its last.
pub(crate) async fn serve(door: Arc<Door>, incoming: Incoming, mut ticket: Ticket) {
    let from = incoming.remote_address();
    let greeted = tokio::time::timeout(door.hello_timeout, greet(&door, incoming)).await;
    let Ok(Some(greeted)) = greeted else {
        tracing::debug!(%from, "a connection did not prove who it is");
        return;
    };
    ticket.proven();
    tls::allow(&greeted.connection, door.streams);
    let conn = ConnId(door.next.fetch_add(1, Ordering::Relaxed));
    let Greeted { connection, send, recv, hello, version, seat: _seat } = greeted;
    let (queue, writer) = frames::queue();
    let carrier = Carrier::new(connection.clone(), Pace::new(door.streamed));
    let link = Link { conn, node: hello.node, frames: queue, carrier: Arc::clone(&carrier) };
    let admission = hello.admission.and_then(|token| token.as_slice().try_into().ok());
    let connected = Input::Connected { conn, node: hello.node, from, admission, version };
    if door.intake.send(Arrival::Link(link, connected)).await.is_ok() {
        let source = Source { connection: connection.clone(), conn, from };
        exchange(&door.intake, source, (send, recv), writer, &carrier).await;
        // When the server has ended there is nobody left to tell.
        door.intake.send(Arrival::Input(Input::Closed { conn }, None)).await.ok();
    }
    connection.close(frames::close_code(RefusalCode::Stopping), b"");
}

/// Handshake and hello; `None` when either fails. A refused node is told why.
async fn greet(door: &Door, incoming: Incoming) -> Option<Greeted> {
    let seat = tls::is_near(incoming.remote_address().ip())
        .then(|| Arc::clone(&door.seats).try_acquire_owned().ok())
        .flatten();
    let connecting = match seat {
        Some(_) => incoming.accept_with(Arc::clone(&door.near)),
        None => incoming.accept(),
    };
    let connection = connecting.ok()?.await.ok()?;
    let (send, mut recv) = connection.accept_bi().await.ok()?;
    match hello(&door.hub, &connection, &mut recv).await {
        Ok((hello, version)) => Some(Greeted { connection, send, recv, hello, version, seat }),
        Err(code) => {
            frames::farewell(send, &connection, Vec::new(), code).await;
            None
        }
    }
}

/// Reads and checks the hello (PROTOCOL.md, Link handshake).
async fn hello(
    hub: &HubId,
    connection: &Connection,
    recv: &mut RecvStream,
) -> Result<(Hello, u8), RefusalCode> {
    let frame = frames::read(recv, HELLO_MAX).await.ok().flatten();
    let (kind, body) = frame.ok_or(RefusalCode::BadFrame)?;
    let Ok(ToHub::Hello(hello)) = ToHub::decode(kind, &body) else {
        return Err(RefusalCode::BadFrame);
    };
    let version = version::agree(hello.version, hello.min_version);
    let version = version.ok_or(RefusalCode::WrongVersion)?;
    let mut exporter = [0; 32];
    connection
        .export_keying_material(&mut exporter, EXPORTER_LABEL, hello.node.as_bytes())
        .map_err(|_| RefusalCode::BadProof)?;
    link_auth::check(&hello.node, hub, &exporter, &hello.proof)
        .map_err(|_| RefusalCode::BadProof)?;
    Ok((hello, version))
}

/// Runs everything a connection does at once; the first part to end ends all.
async fn exchange(
    intake: &Intake,
    source: Source,
    (send, mut recv): (SendStream, RecvStream),
    writer: FrameWriter,
    carrier: &Arc<Carrier>,
) {
    let Source { connection, conn, .. } = &source;
    let waiting = writer.waiting();
    let reading = async {
        let ended = read_frames((intake, &waiting), source.clone(), &mut recv).await;
        if let Some(code) = ended {
            connection.close(frames::close_code(code), b"");
        }
    };
    tokio::select! {
        () = reading => {}
        () = writer.run(send, connection) => {}
        () = datagrams::receive(source.clone(), intake) => {}
        () = accept_streams(intake, *conn, carrier) => {}
    }
}

/// Hands frames to the relay, waiting for room there and for the node to take its answers. Returns
/// why the node must go, if it must.
async fn read_frames(
    (intake, waiting): (&Intake, &Arc<Waiting>),
    mut source: Source,
    recv: &mut RecvStream,
) -> Option<RefusalCode> {
    loop {
        let (kind, body) = match frames::read(recv, FRAME_MAX).await {
            Ok(frame) => frame?,
            Err(FrameError::Broken) => return None,
            Err(FrameError::Malformed(_)) => return Some(RefusalCode::BadFrame),
        };
        let bytes = body.len();
        let frame = match ToHub::decode(kind, &body) {
            Ok(ToHub::Hello(_)) | Err(_) => return Some(RefusalCode::BadFrame),
            Ok(frame) => frame,
        };
        let answer = match answer_size(&frame) {
            0 => None,
            size => match waiting.keep(size).await {
                Ok(kept) => Some(kept),
                Err(Stalled) => return Some(RefusalCode::TooFast),
            },
        };
        source.look(intake).await.ok()?;
        let input = Input::Frame { conn: source.conn, frame };
        intake.send_frame(input, bytes, answer).await.ok()?;
    }
}

/// Bytes the answer to a frame may have; 0 for one that has none.
fn answer_size(frame: &ToHub) -> usize {
    match frame {
        ToHub::Hello(_) | ToHub::Ack(_) => 0,
        ToHub::ReadControl(_) => CONTROL_PAGE_ENTRIES * CONTROL_ENTRY_MAX,
        ToHub::TakeBundle(_) => 3 * SIGNED_MAX,
        ToHub::Lookup(_) | ToHub::WhoIs(_) => SIGNED_MAX,
        _ => BRIEF,
    }
}

/// Takes the streams a node opens towards others or to the hub's files. Their number is bounded by
/// QUIC's stream limit.
async fn accept_streams(intake: &Intake, conn: ConnId, carrier: &Arc<Carrier>) {
    let mut asking = JoinSet::new();
    while let Ok((send, mut recv)) = carrier.connection.accept_bi().await {
        while asking.try_join_next().is_some() {}
        let (intake, by) = (intake.clone(), Arc::clone(carrier));
        asking.spawn(async move {
            if let Some(wanted) = splice::wanted(&mut recv).await {
                let opened = Opened { ends: (send, recv), by };
                let ask = StreamAsk { conn, wanted, opened };
                // A server that has ended drops the stream, and with it the connection.
                intake.send(Arrival::Stream(ask)).await.ok();
            }
        });
    }
}
