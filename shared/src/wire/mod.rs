//! What travels between a node and its hub, and the envelopes inside it.

pub mod codec;
