//! A byte stream between two nodes, whichever way it goes, and the frames it begins with.
//!
//! Whoever holds one cannot tell a direct stream from a relayed one, but for asking.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hubbub_shared::id::NodeId;
use hubbub_shared::limits::HELLO_MAX;
use hubbub_shared::wire::codec::{self, HEADER};
use quinn::{RecvStream, SendStream, VarInt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Join, ReadBuf};
use tokio_rustls::TlsStream;

/// QUIC code of a stream that is not wanted or broke.
const UNWANTED: VarInt = VarInt::from_u32(1);

/// Below the frames: a file must not delay a message.
const BULK: i32 = -1;

/// Lets a stream give way to the frames on its connection.
pub(super) fn give_way(send: &SendStream) {
    // One that has ended stands in nobody's way.
    send.set_priority(BULK).ok();
}

/// A stream to a peer that has proven itself. What is written is buffered until flushed.
pub struct PeerStream {
    peer: NodeId,
    inside: Inside,
}

/// The way it goes.
pub(super) enum Inside {
    /// TLS of the two nodes in a stream that the hub splices.
    Relayed(Box<TlsStream<Join<RecvStream, SendStream>>>),
    /// A stream of their own connection.
    Direct(Join<RecvStream, SendStream>),
}

impl PeerStream {
    pub(super) fn new(peer: NodeId, inside: Inside) -> Self {
        Self { peer, inside }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// Whether it goes from node to node without the hub.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        matches!(self.inside, Inside::Direct(_))
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.inside {
            Inside::Relayed(inside) => Pin::new(inside).poll_read(cx, buf),
            Inside::Direct(inside) => Pin::new(inside).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inside {
            Inside::Relayed(inside) => Pin::new(inside).poll_write(cx, buf),
            Inside::Direct(inside) => Pin::new(inside).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inside {
            Inside::Relayed(inside) => Pin::new(inside).poll_flush(cx),
            Inside::Direct(inside) => Pin::new(inside).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inside {
            Inside::Relayed(inside) => Pin::new(inside).poll_shutdown(cx),
            Inside::Direct(inside) => Pin::new(inside).poll_shutdown(cx),
        }
    }
}

/// Writes one frame.
pub(super) async fn write<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    kind: u8,
    body: &T,
) -> io::Result<()> {
    to.write_all(&codec::frame(kind, body)).await
}

/// One frame of the kind that has to come now.
pub(super) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    wanted: u8,
) -> io::Result<T> {
    let (kind, body) = read_any(from).await?;
    if kind != wanted {
        return Err(invalid("another frame than the one that comes here"));
    }
    codec::decode(&body).map_err(invalid)
}

/// One short frame of whatever kind, and its body.
pub(super) async fn read_any(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; HEADER];
    from.read_exact(&mut head).await?;
    let (kind, length) = codec::header(head, HELLO_MAX).map_err(invalid)?;
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    Ok((kind, body))
}

pub(super) fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Ends a stream that is not wanted.
pub(super) fn abort(send: &mut SendStream, recv: &mut RecvStream) {
    // What has ended already needs no end.
    send.reset(UNWANTED).ok();
    recv.stop(UNWANTED).ok();
}
