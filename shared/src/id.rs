//! The names of things: nodes, groups, messages.
//!
//! Each is a newtype over fixed-size bytes that travels as a MessagePack `bin`. `Display` gives the
//! short form people see in logs; [`NodeId::to_text`] gives the whole.

use core::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Makes a fixed-size identifier that serialises as MessagePack `bin` of exactly that size.
macro_rules! fixed_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Size in bytes.
            pub const LEN: usize = $len;

            /// The raw bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads exactly [`Self::LEN`] bytes; `None` for any other length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The whole identifier as lower-case base32 without padding.
            #[must_use]
            pub fn to_text(&self) -> String {
                BASE32_NOPAD.encode(&self.0).to_lowercase()
            }

            /// Reads what [`Self::to_text`] writes, in either case; `None` when it is not one.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
                Self::from_slice(&bytes)
            }

            /// The first eight letters: enough to tell two apart in a log, too few to be used as a
            /// key.
            #[must_use]
            pub fn short(&self) -> String {
                let mut text = self.to_text();
                text.truncate(8);
                text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.short())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Bytes;
                impl de::Visitor<'_> for Bytes {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} bytes", $len)
                    }
                    fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<$name, E> {
                        $name::from_slice(v).ok_or_else(|| E::invalid_length(v.len(), &self))
                    }
                }
                d.deserialize_bytes(Bytes)
            }
        }
    };
}

fixed_id! {
    /// One node's identity: its Ed25519 public key.
    NodeId, 32
}
fixed_id! {
    /// One person with several devices: kept for a later version, and nil in this one.
    AccountId, 32
}
fixed_id! {
    /// One hub's identity: its Ed25519 public key, pinned by the invite.
    HubId, 32
}
fixed_id! {
    /// The Ed25519 public key of the certificate that a node shows to those who dial it directly,
    /// made anew at every start. It says nothing of who the node is.
    RunKey, 32
}
fixed_id! {
    /// One group: the hash of its genesis control entry (PROTOCOL.md, Membership).
    GroupId, 32
}
fixed_id! {
    /// A sealed file: the BLAKE3 hash of its bytes, the root of the tree its pieces are checked by.
    BlobId, 32
}
fixed_id! {
    /// A position in a group's control log: the hash chain up to and including that entry.
    Head, 32
}
fixed_id! {
    /// A sender chain: a commitment to group, birth epoch, sender and keys, cut to 16 bytes.
    ChainId, 16
}
fixed_id! {
    /// A pairwise session: the handshake transcript hash, cut to 16 bytes.
    SessionId, 16
}
fixed_id! {
    /// One knock at a group's door: random, chosen by whoever knocks.
    KnockId, 32
}
fixed_id! {
    /// One message as its author named it: random, the same on every device.
    MessageId, 16
}
fixed_id! {
    /// A BLAKE3 hash of bytes as they were received.
    Digest, 32
}
fixed_id! {
    /// An Ed25519 signature.
    Signature, 64
}

impl HubId {
    /// A hub's key seen as the author of a control entry: the lobby's genesis is signed by it.
    #[must_use]
    pub fn as_author(&self) -> NodeId {
        NodeId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_survives_a_round_trip_in_either_case() {
        let id = NodeId([7; 32]);
        assert_eq!(NodeId::from_text(&id.to_text()), Some(id));
        assert_eq!(NodeId::from_text(&id.to_text().to_uppercase()), Some(id));
    }

    #[test]
    fn travels_as_bin_of_its_exact_size() {
        let bytes = rmp_serde::to_vec(&ChainId([1; 16])).unwrap();
        assert_eq!(bytes.len(), 18);
        assert!(rmp_serde::from_slice::<NodeId>(&bytes).is_err());
    }

    #[test]
    fn logs_show_only_the_short_form() {
        assert_eq!(format!("{}", NodeId([0; 32])), "aaaaaaaa");
    }
}
