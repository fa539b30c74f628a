//! What somebody said or did in a conversation.
//!
//! On the wire an event is an array of its tag and a byte string; the byte string holds a map from
//! small numbers to values. So a program keeps an event of a kind it does not know, byte for byte,
//! and skips fields that were added later to one it knows.
//!
//! Tags: 1 text, 5 file. Kept for later: 2 edit, 3 reaction, 4 deletion.

use core::fmt;
use std::sync::Arc;

use serde::de::{self, IgnoredAny, MapAccess};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

use super::ContentError;
use super::file_offer::FileOffer;
use crate::crypto::SecretBytes;
use crate::limits::TEXT_MAX;
use crate::wire::codec::{decode, encode};

const TEXT: u8 = 1;
const FILE: u8 = 5;

/// An event in a conversation (PROTOCOL.md, Content).
#[derive(PartialEq, Eq)]
pub enum ChatEvent {
    /// Somebody wrote something.
    Text {
        /// At most [`TEXT_MAX`] bytes.
        body: String,
    },
    /// Somebody offered a file. Shared, never copied: it holds a key.
    File(Arc<FileOffer>),
    /// Something a newer program did; kept, and shown as "needs a newer version".
    Unknown {
        /// Its tag.
        tag: u8,
        /// Its fields as they came.
        fields: Vec<u8>,
    },
}

/// Of a file only the pointer is copied: there is one of its key.
impl Clone for ChatEvent {
    fn clone(&self) -> Self {
        match self {
            Self::Text { body } => Self::Text { body: body.clone() },
            Self::File(offer) => Self::File(Arc::clone(offer)),
            Self::Unknown { tag, fields } => Self::Unknown { tag: *tag, fields: fields.clone() },
        }
    }
}

/// Names the kind and the size, never the words: events end up in logs through `{:?}`.
impl fmt::Debug for ChatEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { body } => write!(f, "Text({} bytes)", body.len()),
            Self::File(offer) => write!(f, "File({} bytes)", offer.reference().size()),
            Self::Unknown { tag, fields } => write!(f, "Unknown({tag}, {} bytes)", fields.len()),
        }
    }
}

impl ChatEvent {
    /// A text.
    ///
    /// # Errors
    /// [`ContentError::TextTooLong`].
    pub fn text(body: impl Into<String>) -> Result<Self, ContentError> {
        let body = body.into();
        match body.len() {
            0..=TEXT_MAX => Ok(Self::Text { body }),
            len => Err(ContentError::TextTooLong(len)),
        }
    }

    pub(super) fn to_wire(&self) -> WireEvent {
        match self {
            Self::Text { body } => WireEvent(TEXT, ByteBuf::from(encode(&TextFields(body)))),
            Self::File(offer) => WireEvent(FILE, ByteBuf::from(offer.encode().expose())),
            Self::Unknown { tag, fields } => WireEvent(*tag, ByteBuf::from(fields.clone())),
        }
    }

    pub(super) fn from_wire(mut wire: WireEvent) -> Result<Self, ContentError> {
        let WireEvent(tag, fields) = &mut wire;
        match *tag {
            TEXT => {
                let ReadText(body) = decode(fields)?;
                Self::text(body)
            }
            FILE => FileOffer::decode(fields).map(|offer| Self::File(Arc::new(offer))),
            tag => Ok(Self::Unknown { tag, fields: core::mem::take(fields).into_vec() }),
        }
    }
}

/// Tag and fields, as they travel. The fields are wiped: a key may be among them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireEvent(u8, ByteBuf);

impl WireEvent {
    /// Bytes of the fields.
    pub(super) fn len(&self) -> usize {
        self.1.len()
    }
}

impl Drop for WireEvent {
    fn drop(&mut self) {
        drop(SecretBytes::from_vec(core::mem::take(&mut self.1).into_vec()));
    }
}

/// `{0: body}`.
struct TextFields<'a>(&'a str);

impl Serialize for TextFields<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(1))?;
        map.serialize_entry(&0u8, self.0)?;
        map.end()
    }
}

struct ReadText(String);

impl<'de> Deserialize<'de> for ReadText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(ReadTextVisitor)
    }
}

struct ReadTextVisitor;

impl<'de> de::Visitor<'de> for ReadTextVisitor {
    type Value = ReadText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with a text under 0")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReadText, A::Error> {
        let mut body = None;
        while let Some(key) = map.next_key::<u64>()? {
            if key != 0 {
                map.next_value::<IgnoredAny>()?;
            } else if body.replace(map.next_value::<String>()?).is_some() {
                return Err(de::Error::duplicate_field("body"));
            }
        }
        body.map(ReadText).ok_or_else(|| de::Error::missing_field("body"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::file_offer;

    fn round_trip(event: &ChatEvent) -> Result<ChatEvent, ContentError> {
        ChatEvent::from_wire(decode(&encode(&event.to_wire())).unwrap())
    }

    #[test]
    fn texts_and_unknown_events_survive_a_round_trip() {
        let text = ChatEvent::text("Grüße").unwrap();
        let file = ChatEvent::File(Arc::new(file_offer::sample("look")));
        assert_eq!(round_trip(&file), Ok(file));
        let unknown = ChatEvent::Unknown { tag: 77, fields: vec![0x80, 1, 2] };
        assert_eq!(round_trip(&text), Ok(text));
        assert_eq!(round_trip(&unknown), Ok(unknown));
    }

    #[test]
    fn fields_added_later_are_skipped() {
        let fields = [0x82, 5, 0x93, 1, 2, 3, 0, 0xa2, b'h', b'i'];
        let wire = WireEvent(TEXT, ByteBuf::from(fields.to_vec()));
        assert_eq!(ChatEvent::from_wire(wire), ChatEvent::text("hi"));
    }

    #[test]
    fn a_text_without_words_twice_or_followed_by_more_is_refused() {
        for fields in [&[0x80][..], &[0x82, 0, 0xa0, 0, 0xa0], &[0x81, 0, 0xa0, 0], &[0x81, 0, 1]] {
            let wire = WireEvent(TEXT, ByteBuf::from(fields.to_vec()));
            assert!(matches!(ChatEvent::from_wire(wire), Err(ContentError::Malformed(_))));
        }
    }

    #[test]
    fn a_text_beyond_the_limit_is_refused_on_both_sides() {
        let long = "x".repeat(TEXT_MAX + 1);
        let wire = WireEvent(TEXT, ByteBuf::from(encode(&TextFields(&long))));
        assert_eq!(ChatEvent::from_wire(wire), Err(ContentError::TextTooLong(long.len())));
        assert_eq!(ChatEvent::text(long.clone()), Err(ContentError::TextTooLong(long.len())));
    }

    #[test]
    fn debug_output_shows_no_words() {
        let shown = format!("{:?}", ChatEvent::text("secret").unwrap());
        assert_eq!(shown, "Text(6 bytes)");
        let file = ChatEvent::File(Arc::new(file_offer::sample("secret")));
        assert_eq!(format!("{file:?}"), "File(70000 bytes)");
    }
}
