//! What a hub and a node must agree on, and nothing else.
//!
//! Every module here is pure: no sockets, no files, no clock, no randomness of its own. Time and a
//! seeded generator come in as arguments, so a whole chat can be replayed from one number.
//!
//! * [`id`], [`time`], [`limits`]: the words everything else is written in
//! * [`crypto`]: the only folder that names a cryptographic crate
//! * [`session`]: two nodes, end to end (handshake, double ratchet)
//! * [`group`]: many nodes (signed membership log, sender keys)
//! * [`content`]: what the people said, once opened; nothing here is ever seen by a hub
//! * [`blob`]: files, sealed in pieces that anybody can check and nobody can read
//! * [`wire`]: the frames between a node and its hub, and the envelopes inside them
//! * [`nickname`], [`invite`]: how people name and find each other
//! * [`lan`]: how nodes recognise each other on a local network
//! * [`beacon`]: how a node finds out that there is a copy of it

pub mod backoff;
pub mod beacon;
pub mod blob;
pub mod content;
pub mod crypto;
pub mod group;
pub mod id;
pub mod invite;
pub mod lan;
pub mod limits;
pub mod nickname;
pub mod session;
pub mod time;
pub mod wire;
