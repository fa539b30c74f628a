//! What a message says about a file: where its sealed form is found, and what opens it.
//!
//! A record, since a key is inside. Nothing in it says the same twice, so nothing can
//! contradict: the length of the blob follows from the size, the pieces from that, and the
//! commitment to the key is in the blob. Invariant: what decodes has a size that a file may
//! have, a harmless name and, if any, a preview that says it is a small picture.

use super::file_name::FileName;
use super::{ContentError, picture};
use crate::blob::{Blob, Shape};
use crate::crypto::stream::{FileKey, SALT};
use crate::crypto::{RecordError, RecordReader, RecordWriter, SecretBytes};
use crate::id::BlobId;
use crate::limits::{FILE_NAME_BYTES, FILE_PREVIEW_MAX, MEDIA_TYPE_BYTES};
use crate::wire::version::VERSION;

/// A file as a message offers it (PROTOCOL.md, Files). It holds a key: no `Debug`, no `Clone`.
pub struct FileRef {
    blob: Blob,
    size: u64,
    key: FileKey,
    name: FileName,
    media: String,
    preview: Option<Vec<u8>>,
}

impl FileRef {
    /// A reference to what was sealed; none when the size is not that of the blob.
    #[must_use]
    pub fn new(blob: Blob, size: u64, key: FileKey, name: FileName) -> Option<Self> {
        let fits = Shape::of(size) == Some(blob.shape);
        fits.then(|| Self { blob, size, key, name, media: String::new(), preview: None })
    }

    /// Says what kind of file it is.
    ///
    /// # Errors
    /// [`ContentError::BadFile`] for what is no media type.
    pub fn with_media(mut self, media: &str) -> Result<Self, ContentError> {
        self.media = checked_media(media.as_bytes())?;
        Ok(self)
    }

    /// Shows a small picture of it.
    ///
    /// # Errors
    /// [`ContentError`] for what is no picture or too large.
    pub fn with_preview(mut self, preview: Vec<u8>) -> Result<Self, ContentError> {
        check_preview(&preview)?;
        self.preview = Some(preview);
        Ok(self)
    }

    /// Address and length of its sealed form.
    #[must_use]
    pub fn blob(&self) -> Blob {
        self.blob
    }

    /// Bytes of the content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What opens it.
    #[must_use]
    pub fn key(&self) -> &FileKey {
        &self.key
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// Its media type in small letters, as the sender says; empty when it does not say.
    #[must_use]
    pub fn media(&self) -> &str {
        &self.media
    }

    /// A small picture of it. Whoever decodes it must hold it to what it says of itself.
    #[must_use]
    pub fn preview(&self) -> Option<&[u8]> {
        self.preview.as_deref()
    }

    /// The bytes to seal in a message.
    #[must_use]
    pub fn encode(&self) -> SecretBytes {
        let mut w = RecordWriter::new(VERSION);
        w.fixed(&self.blob.address.0).u64(self.size);
        w.fixed(self.key.secret().expose()).fixed(self.key.salt());
        w.bytes(self.name.as_str().as_bytes()).bytes(self.media.as_bytes());
        w.option(self.preview.as_ref(), |w, preview| {
            w.bytes(preview);
        });
        w.finish()
    }

    /// Reads opened bytes.
    ///
    /// # Errors
    /// [`ContentError`] when they are no such reference, or one of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        let mut r = RecordReader::new(bytes, VERSION)?;
        let (address, size) = (BlobId(r.array()?), r.u64()?);
        let shape = Shape::of(size).ok_or(ContentError::BadFile("size"))?;
        let key = FileKey::from_parts(r.secret()?, r.array::<SALT>()?);
        let name =
            core::str::from_utf8(r.bytes(FILE_NAME_BYTES)?).map_err(|_| RecordError::Range)?;
        let name = FileName::harmless(name).ok_or(ContentError::BadFile("name"))?;
        let media = checked_media(r.bytes(MEDIA_TYPE_BYTES)?)?;
        let preview = r.option(|r| r.bytes(FILE_PREVIEW_MAX).map(<[u8]>::to_vec))?;
        preview.as_deref().map_or(Ok(()), check_preview)?;
        r.finish()?;
        Ok(Self { blob: Blob { address, shape }, size, key, name, media, preview })
    }
}

/// Nothing, or two names of small letters, digits and the signs RFC 6838 allows, with a slash
/// between.
fn checked_media(bytes: &[u8]) -> Result<String, ContentError> {
    let is_name = |name: &[u8]| {
        name.first().is_some_and(u8::is_ascii_alphanumeric)
            && name
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(b))
    };
    let mut parts = bytes.splitn(2, |b| *b == b'/');
    let whole =
        matches!((parts.next(), parts.next()), (Some(a), Some(b)) if is_name(a) && is_name(b));
    if bytes.len() > MEDIA_TYPE_BYTES || !(bytes.is_empty() || whole) {
        return Err(ContentError::BadFile("type"));
    }
    Ok(bytes.iter().map(|b| char::from(*b)).collect())
}

fn check_preview(bytes: &[u8]) -> Result<(), ContentError> {
    if bytes.len() > FILE_PREVIEW_MAX {
        return Err(ContentError::BadFile("preview"));
    }
    picture::look(bytes)?;
    Ok(())
}

#[cfg(test)]
pub(super) fn sample(size: u64, name: &str) -> FileRef {
    let blob = Blob { address: BlobId([1; 32]), shape: Shape::of(size).unwrap() };
    let key = FileKey::from_parts(crate::crypto::Secret32::from_bytes([2; 32]), [3; 16]);
    FileRef::new(blob, size, key, FileName::clean(name)).unwrap()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::Secret32;

    fn refused(bytes: &[u8]) -> &'static str {
        FileRef::decode(bytes).err().expect("refused").reason()
    }

    #[test]
    fn a_reference_survives_a_round_trip_and_every_cut_is_refused() {
        let preview = picture::sample(20, 30);
        let full = sample(70_000, "ä.png").with_media("image/png").unwrap();
        for file in [sample(0, "x"), full.with_preview(preview).unwrap()] {
            let bytes = file.encode();
            let again = FileRef::decode(bytes.expose()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(again.encode().expose(), bytes.expose());
            assert_eq!((again.blob(), again.size()), (file.blob(), file.size()));
            assert_eq!((again.name(), again.media()), (file.name(), file.media()));
            for end in 0..bytes.len() {
                assert!(FileRef::decode(&bytes.expose()[..end]).is_err());
            }
            assert_eq!(refused(&[bytes.expose(), &[0]].concat()), "malformed");
        }
    }

    #[test]
    fn a_size_that_lies_is_refused() {
        let mut bytes = sample(5, "x").encode().expose().to_vec();
        bytes[33..41].copy_from_slice(&u64::MAX.to_be_bytes());
        assert_eq!(refused(&bytes), "bad-file");
        let blob = sample(70_000, "x").blob();
        let key = FileKey::from_parts(Secret32::from_bytes([2; 32]), [3; 16]);
        assert!(FileRef::new(blob, 7_000, key, FileName::clean("x")).is_none());
    }

    #[test]
    fn a_hostile_name_is_refused() {
        for name in ["..", "../x", "a/b", "", "nul", ".x", "x.", "a\u{202e}b", "e\u{301}", "\0"] {
            let mut w = RecordWriter::new(VERSION);
            w.fixed(&[1; 32]).u64(5).fixed(&[2; 32]).fixed(&[3; 16]);
            w.bytes(name.as_bytes()).bytes(b"").bool(false);
            assert_eq!(refused(w.finish().expose()), "bad-file", "{name:?}");
        }
    }

    #[test]
    fn what_is_no_media_type_or_preview_is_refused() {
        for media in ["", "image/png", "application/vnd.a-b+xml", "x/0"] {
            assert!(sample(5, "x").with_media(media).is_ok(), "{media}");
        }
        let long = format!("a/{}", "b".repeat(126));
        for media in [
            "image",
            "/",
            "a/",
            "/a",
            "a/b/c",
            "Image/png",
            "a/b; c=d",
            "a /b",
            "ä/b",
            "-a/b",
            "a/\n",
            &long,
        ] {
            assert!(sample(5, "x").with_media(media).is_err(), "{media}");
        }
        let mut heavy = picture::sample(2, 2);
        heavy.resize(FILE_PREVIEW_MAX + 1, 0);
        assert!(sample(5, "x").with_preview(heavy.clone()).is_err());
        heavy.truncate(FILE_PREVIEW_MAX);
        assert!(sample(5, "x").with_preview(heavy).is_ok());
        assert!(sample(5, "x").with_preview(b"<svg/>".to_vec()).is_err());
    }

    #[test]
    fn a_reference_of_another_version_is_newer() {
        assert_eq!(refused(&[2]), "newer");
    }

    proptest! {
        #[test]
        fn garbage_never_panics_and_what_decodes_encodes_the_same(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            name in "[a-z./ ]{0,9}", media in "[a-z/]{0,6}", size: u64, shift in 0u32..64,
        ) {
            prop_assert!(FileRef::decode(&bytes).is_err());
            let mut w = RecordWriter::new(VERSION);
            w.fixed(&[1; 32]).u64(size >> shift).fixed(&[2; 32]).fixed(&[3; 16]);
            w.bytes(name.as_bytes()).bytes(media.as_bytes()).bool(false);
            let bytes = w.finish();
            if let Ok(file) = FileRef::decode(bytes.expose()) {
                let again = file.encode();
                prop_assert_eq!(again.expose(), bytes.expose());
            }
        }
    }
}
