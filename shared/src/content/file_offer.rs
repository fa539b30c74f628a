//! A file offered in a conversation: the reference, words to go with it, and whether it is a
//! folder.
//!
//! The only event with a key in it. So the reference stays in the type that wipes itself, an event
//! shares the offer instead of copying it, and what is compared are the bytes of the record.

use core::fmt;

use serde::de::{self, IgnoredAny, MapAccess};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};

use super::ContentError;
use super::file::FileRef;
use crate::crypto::SecretBytes;
use crate::limits::{FILE_MANIFEST_MAX, TEXT_MAX};
use crate::wire::codec::{decode, encode_within};

/// What an offer adds to its record and caption: the map's head, three keys, their lengths.
const AROUND: usize = 32;

/// A file in a conversation (PROTOCOL.md, Conversation message). It holds a key: no `Debug`, no
/// `Clone`.
pub struct FileOffer {
    reference: FileRef,
    caption: String,
    folder: Option<u32>,
}

impl FileOffer {
    /// Offers a file, with words to go with it or none.
    ///
    /// # Errors
    /// [`ContentError::TextTooLong`].
    pub fn new(reference: FileRef, caption: impl Into<String>) -> Result<Self, ContentError> {
        let caption = caption.into();
        match caption.len() {
            0..=TEXT_MAX => Ok(Self { reference, caption, folder: None }),
            len => Err(ContentError::TextTooLong(len)),
        }
    }

    /// Says that the content is a folder, and how long the manifest is that it begins with.
    ///
    /// # Errors
    /// [`ContentError::BadFile`] for a manifest that is empty, longer than the content or than
    /// manifests may be.
    pub fn with_folder(mut self, manifest: u32) -> Result<Self, ContentError> {
        let long = manifest > FILE_MANIFEST_MAX || u64::from(manifest) > self.reference.size();
        if manifest == 0 || long {
            return Err(ContentError::BadFile("manifest"));
        }
        self.folder = Some(manifest);
        Ok(self)
    }

    /// Where it is found and what opens it.
    #[must_use]
    pub fn reference(&self) -> &FileRef {
        &self.reference
    }

    /// At most [`TEXT_MAX`] bytes; empty for none.
    #[must_use]
    pub fn caption(&self) -> &str {
        &self.caption
    }

    /// For a folder: the length of its manifest.
    #[must_use]
    pub fn folder(&self) -> Option<u32> {
        self.folder
    }

    /// The fields of the event, as they are sealed and kept.
    #[must_use]
    pub fn encode(&self) -> SecretBytes {
        let record = self.reference.encode();
        let room = record.len() + self.caption.len() + AROUND;
        SecretBytes::from_vec(encode_within(&Fields(record.expose(), self), room))
    }

    /// Reads the fields of an event.
    ///
    /// # Errors
    /// [`ContentError`] when they are no offer.
    pub fn decode(fields: &[u8]) -> Result<Self, ContentError> {
        let Read { record, caption, folder } = decode(fields)?;
        let record = SecretBytes::from_vec(record.into_vec());
        let offer = Self::new(FileRef::decode(record.expose())?, caption)?;
        let Some(manifest) = folder else { return Ok(offer) };
        let manifest = u32::try_from(manifest).map_err(|_| ContentError::BadFile("manifest"))?;
        offer.with_folder(manifest)
    }
}

/// The same offer: the same bytes.
impl PartialEq for FileOffer {
    fn eq(&self, other: &Self) -> bool {
        self.encode().expose() == other.encode().expose()
    }
}

impl Eq for FileOffer {}

/// `{0: record, 1: caption, 2: manifest}`, the last two only where there are any.
struct Fields<'a>(&'a [u8], &'a FileOffer);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let Self(record, FileOffer { caption, folder, .. }) = self;
        let fields = 1 + usize::from(!caption.is_empty()) + usize::from(folder.is_some());
        let mut map = s.serialize_map(Some(fields))?;
        map.serialize_entry(&0u8, Bytes::new(record))?;
        if !caption.is_empty() {
            map.serialize_entry(&1u8, caption)?;
        }
        if let Some(manifest) = folder {
            map.serialize_entry(&2u8, manifest)?;
        }
        map.end()
    }
}

struct Read {
    record: ByteBuf,
    caption: String,
    folder: Option<u64>,
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(ReadVisitor)
    }
}

struct ReadVisitor;

impl<'de> de::Visitor<'de> for ReadVisitor {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with a reference under 0")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let (mut record, mut caption, mut folder) = (None, None, None);
        while let Some(key) = map.next_key::<u64>()? {
            let twice = match key {
                0 => record.replace(map.next_value::<ByteBuf>()?).is_some(),
                1 => caption.replace(map.next_value::<String>()?).is_some(),
                2 => folder.replace(map.next_value::<u64>()?).is_some(),
                _ => map.next_value::<IgnoredAny>().map(|_| false)?,
            };
            if twice {
                return Err(de::Error::duplicate_field("a field of a file"));
            }
        }
        let record = record.ok_or_else(|| de::Error::missing_field("reference"))?;
        Ok(Read { record, caption: caption.unwrap_or_default(), folder })
    }
}

#[cfg(test)]
pub(super) fn sample(caption: &str) -> FileOffer {
    FileOffer::new(super::file::sample(70_000, "notes.txt"), caption).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::picture;
    use crate::crypto::padding::padded_len;
    use crate::limits::{ENVELOPE_MAX, FILE_PREVIEW_MAX};

    fn refused(fields: &[u8]) -> &'static str {
        FileOffer::decode(fields).err().expect("refused").reason()
    }

    /// The record of a sample, as a MessagePack value.
    fn record() -> Vec<u8> {
        let record = sample("").reference().encode();
        let length = u8::try_from(record.len()).unwrap();
        [&[0xc4, length], record.expose()].concat()
    }

    #[test]
    fn an_offer_survives_a_round_trip_with_and_without_words_and_manifest() {
        let folder = sample("for you").with_folder(65_536).unwrap();
        for offer in [sample(""), sample("Grüße"), sample("").with_folder(1).unwrap(), folder] {
            let fields = offer.encode();
            let again = FileOffer::decode(fields.expose()).unwrap_or_else(|e| panic!("{e}"));
            assert!(again == offer);
            assert_eq!((again.caption(), again.folder()), (offer.caption(), offer.folder()));
            for end in 0..fields.len() {
                assert!(FileOffer::decode(&fields.expose()[..end]).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn fields_added_later_are_skipped_and_none_may_come_twice() {
        let later = [&[0x83, 0][..], &record(), &[9, 0x92, 1, 2, 1, 0xa2, b'h', b'i']].concat();
        let offer = FileOffer::decode(&later).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((offer.caption(), offer.folder()), ("hi", None));
        let twice = [&[0x82, 0][..], &record(), &[0], &record()].concat();
        assert_eq!(refused(&twice), "malformed");
        assert_eq!(refused(&[0x81, 1, 0xa2, b'h', b'i']), "malformed");
        assert_eq!(refused(&[0x81, 0, 0xc4, 1, 1]), "malformed");
    }

    #[test]
    fn words_and_manifests_beyond_their_limits_are_refused_on_both_sides() {
        let reference = || super::super::file::sample(70_000, "x");
        let long = "x".repeat(TEXT_MAX + 1);
        assert!(FileOffer::new(reference(), long.clone()).is_err());
        let mut fields = [&[0x82, 0][..], &record(), &[1, 0xda, 0x40, 1]].concat();
        fields.extend_from_slice(long.as_bytes());
        assert_eq!(refused(&fields), "too-long");
        for (manifest, told) in [(0, &[0][..]), (70_001, &[0xce, 0, 1, 0x11, 0x71])] {
            assert!(sample("").with_folder(manifest).is_err());
            let fields = [&[0x82, 0][..], &record(), &[2], told].concat();
            assert_eq!(refused(&fields), "bad-file", "{manifest}");
        }
        let beyond = [&[0x82, 0][..], &record(), &[2, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0]].concat();
        assert_eq!(refused(&beyond), "bad-file");
    }

    #[test]
    fn the_largest_offer_fits_into_an_envelope_with_room_to_spare() {
        let mut preview = picture::sample(320, 320);
        preview.resize(FILE_PREVIEW_MAX, 0);
        let name = "ä".repeat(127);
        let reference = super::super::file::sample(70_000, &name).with_preview(preview).unwrap();
        let offer = FileOffer::new(reference, "x".repeat(TEXT_MAX)).unwrap();
        let fields = offer.with_folder(70_000).unwrap().encode();
        assert!(padded_len(fields.len() + 1_024) < ENVELOPE_MAX / 4);
    }
}
