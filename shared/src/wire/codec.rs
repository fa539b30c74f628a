//! Strict MessagePack and the frame header (PROTOCOL.md, Frames).
//!
//! ```text
//! frame = u32 length of type and body, big-endian | u8 type | body
//! ```
//!
//! A declared length is checked against the limit before anything is allocated for it.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{self, DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits;

/// Bytes before a frame's body.
pub const HEADER: usize = 5;

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a MessagePack value of the expected shape.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A whole value, then more bytes.
    #[error("{0} bytes too many")]
    Trailing(usize),
    /// A frame type this version does not know.
    #[error("unknown frame type {0}")]
    UnknownType(u8),
    /// A frame longer than its limit.
    #[error("frame of {got} bytes, limit {limit}")]
    TooLong {
        /// Declared length in bytes.
        got: usize,
        /// The limit in force.
        limit: usize,
    },
    /// A frame shorter than its own type byte.
    #[error("empty frame")]
    Empty,
}

/// Encodes a value as positional arrays.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Our own values are maps of nothing, floats of nothing, and go to a Vec: this cannot fail.
    #[allow(clippy::expect_used)] // writing plain structs to memory has no error path
    rmp_serde::to_vec(value).expect("plain structs encode")
}

/// The same into room taken at once, so that a secret among the fields is not left behind where the
/// buffer was smaller.
#[must_use]
pub fn encode_within<T: Serialize>(value: &T, room: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(room);
    #[allow(clippy::expect_used)] // as above
    rmp_serde::encode::write(&mut out, value).expect("plain structs encode");
    out
}

/// Decodes exactly one value, nested at most [`limits::DECODE_DEPTH`] deep, with nothing after it.
///
/// # Errors
/// [`DecodeError::Malformed`] or [`DecodeError::Trailing`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut rest = bytes;
    let mut reader = rmp_serde::Deserializer::new(&mut rest);
    reader.set_max_depth(limits::DECODE_DEPTH);
    let value =
        T::deserialize(&mut reader).map_err(|error| DecodeError::Malformed(error.to_string()))?;
    match rest.len() {
        0 => Ok(value),
        more => Err(DecodeError::Trailing(more)),
    }
}

/// Reads a list of at most `N` elements: a few bytes each on the wire must not become many times
/// that in memory. For `#[serde(deserialize_with)]`.
///
/// # Errors
/// The deserializer's own, and one when there are more.
pub fn at_most<'de, const N: usize, T, D>(d: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    d.deserialize_seq(AtMost::<N, T>(PhantomData))
}

struct AtMost<const N: usize, T>(PhantomData<T>);

impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for AtMost<N, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {N}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element()? {
            if list.len() >= N {
                return Err(de::Error::invalid_length(N + 1, &self));
            }
            list.push(element);
        }
        Ok(list)
    }
}

/// A whole frame: header, then `body` encoded.
#[must_use]
pub fn frame<T: Serialize>(kind: u8, body: &T) -> Vec<u8> {
    let body = encode(body);
    let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(&body);
    out
}

/// Reads a frame header: type byte and length of the body that follows.
///
/// # Errors
/// [`DecodeError::TooLong`] when the body would exceed `limit`, [`DecodeError::Empty`] for length
/// 0.
pub fn header(bytes: [u8; HEADER], limit: usize) -> Result<(u8, usize), DecodeError> {
    let [a, b, c, d, kind] = bytes;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let body = length.checked_sub(1).ok_or(DecodeError::Empty)?;
    if body > limit {
        return Err(DecodeError::TooLong { got: body, limit });
    }
    Ok((kind, body))
}

/// One frame split off a buffer: type byte, body, and what follows.
pub type Split<'a> = (u8, &'a [u8], &'a [u8]);

/// Splits one frame off the front of a buffer: type, body and what follows; `None` while
/// incomplete.
///
/// # Errors
/// As [`header`].
#[allow(clippy::type_complexity)] // three names for one tuple would hide it
pub fn split(buffer: &[u8], limit: usize) -> Result<Option<Split<'_>>, DecodeError> {
    let Some((head, rest)) = buffer.split_first_chunk::<HEADER>() else { return Ok(None) };
    let (kind, length) = header(*head, limit)?;
    Ok(rest.split_at_checked(length).map(|(body, rest)| (kind, body, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&(1u8, 2u8));
        bytes.push(0);
        assert_eq!(decode::<(u8, u8)>(&bytes), Err(DecodeError::Trailing(1)));
    }

    #[test]
    fn a_depth_bomb_is_refused() {
        let bytes = vec![0x91; 4_000];
        assert!(matches!(decode::<serde_bytes::ByteBuf>(&bytes), Err(DecodeError::Malformed(_))));
    }

    #[test]
    fn a_declared_length_over_the_limit_is_refused_before_any_body() {
        let head = [0xff, 0xff, 0xff, 0xff, 1];
        assert!(matches!(header(head, 10), Err(DecodeError::TooLong { .. })));
        assert_eq!(header([0; 5], 10), Err(DecodeError::Empty));
    }

    #[test]
    fn frames_split_where_they_end() {
        let mut bytes = frame(7, &1u8);
        bytes.extend(frame(8, &2u8));
        let (kind, body, rest) = split(&bytes, 10).unwrap().unwrap();
        assert_eq!((kind, body), (7, &[1u8][..]));
        assert_eq!(split(rest, 10).unwrap().unwrap().0, 8);
        assert_eq!(split(&bytes[..4], 10).unwrap(), None);
    }
}
