//! The version a statement begins with, read before the rest (PROTOCOL.md, Versions).
//!
//! Every statement's first field is its version. Reading it alone lets a statement of a newer
//! version be called newer, not malformed, whatever shape its other fields have.

use core::fmt;

use serde::de::{self, IgnoredAny, SeqAccess};
use serde::{Deserialize, Deserializer};

use super::codec::{DecodeError, decode};

/// The first field of an encoded statement; the other fields are skipped.
///
/// # Errors
/// [`DecodeError`] when the bytes are not one array that begins with a small number.
pub fn version_of(bytes: &[u8]) -> Result<u8, DecodeError> {
    decode::<First>(bytes).map(|First(v)| v)
}

struct First(u8);

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(FirstVisitor)
    }
}

struct FirstVisitor;

impl<'de> de::Visitor<'de> for FirstVisitor {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array that begins with its version")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<First, A::Error> {
        let v = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(First(v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec::encode;

    #[test]
    fn the_version_is_read_whatever_follows() {
        assert_eq!(version_of(&encode(&(7u8, "new", [1u8, 2]))), Ok(7));
        assert_eq!(version_of(&encode(&(1u8,))), Ok(1));
    }

    #[test]
    fn what_begins_with_no_version_is_refused() {
        for bytes in [encode(&1u8), encode(&("one",)), encode(&[0u8; 0]), vec![0x91, 1, 1]] {
            assert!(version_of(&bytes).is_err());
        }
    }
}
