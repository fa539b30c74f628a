//! The bytes between a node and its hub, and between two nodes (PROTOCOL.md, Frames).
//!
//! * [`codec`]: strict, bounded MessagePack and the frame header
//! * [`to_hub`] and [`from_hub`]: the frames, one enum per direction
//! * [`envelope`]: the outer form of what is sealed; the hub moves it and never opens it
//! * [`log`]: how a mailbox or a channel is named
//! * [`refusal`]: why a hub said no
//! * [`datagram`], [`stream`]: what is relayed without being stored
//! * [`pieces`]: how nodes ask each other for pieces of files; [`files`]: what they leave at a hub
//! * [`to_peer`]: what two nodes say to each other without a hub
//! * [`address`]: where on the network somebody is
//! * [`version`], [`versioned`]: what "version 1" means, and reading that much of a newer one
//!
//! Signed statements and envelopes cross here as opaque bytes: whoever checks them checks the bytes
//! as received, never a re-encoding.

pub mod address;
pub mod codec;
mod codes;
pub mod datagram;
pub mod envelope;
pub mod files;
pub mod from_hub;
pub mod log;
pub mod pieces;
pub mod refusal;
pub mod stream;
pub mod to_hub;
pub mod to_peer;
pub mod version;
pub mod versioned;

pub use from_hub::FromHub;
pub use log::LogId;
pub use refusal::{Refusal, RefusalCode};
pub use serde_bytes::ByteBuf;
pub use to_hub::ToHub;
pub use to_peer::ToPeer;
