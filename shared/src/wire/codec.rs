//! Strict, bounded MessagePack: structs as positional arrays, bytes as `bin`.
//!
//! Invariant: what decodes is exactly one value and nothing after it, at most [`MAX_DEPTH`] deep.
//! Declared lengths allocate nothing before the bytes are there. Bytes that were signed are kept as
//! received; nothing is ever encoded again to be verified.

use rmp_serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Cursor;

/// The deepest nesting any message has, with room.
pub const MAX_DEPTH: usize = 16;

/// Bytes that are not the expected value in its strict form.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not this type, cut short, or too deep.
    #[error("the bytes are not what was expected here; the sender may run another version")]
    Form(#[from] rmp_serde::decode::Error),
    /// A value, and then more.
    #[error("bytes follow the message; the sender may run another version")]
    Trailing,
}

/// Encodes a value of this protocol.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    #[allow(clippy::expect_used)] // writing to memory; our messages have no unserialisable part
    rmp_serde::to_vec(value).expect("a message encodes")
}

/// Decodes exactly one value.
///
/// # Errors
/// [`DecodeError`] for another type, cut, trailing or too deeply nested bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut from = Deserializer::new(Cursor::new(bytes));
    from.set_max_depth(MAX_DEPTH);
    let value = T::deserialize(&mut from)?;
    let read = usize::try_from(from.position()).unwrap_or(usize::MAX);
    if read == bytes.len() { Ok(value) } else { Err(DecodeError::Trailing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_and_nothing_after_it() {
        let bytes = encode(&(1_u8, "two"));
        assert_eq!(decode::<(u8, String)>(&bytes).unwrap(), (1, "two".to_owned()));
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(decode::<(u8, String)>(&longer), Err(DecodeError::Trailing)));
        assert!(decode::<(u8, String)>(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode::<(u8, String, u8)>(&bytes).is_err());
    }

    #[test]
    fn a_declared_length_of_four_gigabytes_is_refused_at_once() {
        for huge in [&[0xc6, 0xff, 0xff, 0xff, 0xff][..], &[0xdd, 0xff, 0xff, 0xff, 0xff]] {
            assert!(decode::<serde_bytes::ByteBuf>(huge).is_err());
            assert!(decode::<Vec<u8>>(huge).is_err());
        }
    }

    #[test]
    fn nesting_without_end_is_refused() {
        #[derive(serde::Deserialize)]
        struct Nested(#[allow(dead_code)] Vec<Nested>);
        assert!(decode::<Nested>(&vec![0x91; 100_000]).is_err());
    }
}
