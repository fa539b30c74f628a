//! The one folder that names a cryptographic crate.
//!
//! Everything above it works with these constructions and never with a primitive: labelled
//! signatures and hashes, one committing AEAD for messages, one for the pieces of files and one for
//! what may be lost, contributory key agreement, secrets that wipe themselves. There is no
//! negotiation, no second suite and no permissive variant to pick by mistake.

pub mod aead;
pub mod checked_key;
pub mod cpace;
pub mod derive;
pub mod exchange;
pub mod fingerprint;
pub mod identity;
pub mod label;
pub mod link_auth;
pub mod padding;
pub mod passphrase;
pub mod peer_auth;
pub mod record;
pub mod secret;
pub mod signal;
pub mod stream;
pub mod tree;

#[cfg(test)]
mod kats;

pub use derive::{blake3, chain_step, expand, hash, hash_public, hkdf, lp};
pub use identity::{BadSignature, Identity, Signed, SignedError, verify};
pub use label::Label;
pub use record::{RecordError, RecordReader, RecordWriter};
pub use secret::{Secret32, SecretBytes};
pub use signal::SignalKey;
