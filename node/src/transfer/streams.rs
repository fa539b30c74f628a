//! Ways to where pieces are, whatever they are made of: real ones, and pipes in tests.

use std::io;
use std::pin::Pin;

use hubbub_shared::id::NodeId;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A stream to somebody.
pub type Way = Box<dyn Duplex>;

/// Why a stream was not opened when it is for there being too many, or too often.
pub const CROWDED: io::ErrorKind = io::ErrorKind::ResourceBusy;

/// A stream that was opened, from here or by a peer.
pub struct Opened {
    /// The stream.
    pub way: Way,
    /// Whether it goes there without the hub.
    pub direct: bool,
}

/// A stream that is being opened.
pub type Opening<'a> = Pin<Box<dyn Future<Output = io::Result<Opened>> + Send + 'a>>;

/// Opens streams.
pub trait Streams: Send + Sync + 'static {
    /// To a peer, who proves itself.
    fn open(&self, peer: NodeId) -> Opening<'_>;

    /// To the hub's cache.
    fn open_hub(&self) -> Opening<'_>;
}
