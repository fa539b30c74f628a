//! What a picture of a person may be, told from its first bytes; nothing is decoded.
//!
//! Invariant: what passes is at most [`PICTURE_MAX`] bytes, calls itself PNG, JPEG or WebP, and
//! says that its sides are at most [`PICTURE_SIDE_MAX`]. Whoever decodes it must hold it to that.

use crate::limits::{PICTURE_MAX, PICTURE_SIDE_MAX};

/// In which format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    /// Portable Network Graphics.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP, of any of its three forms.
    Webp,
}

/// What a picture says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureFacts {
    /// Its format.
    pub kind: PictureKind,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Why bytes are no picture of a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Too many bytes.
    #[error("a picture of {0} bytes, the limit is {PICTURE_MAX}")]
    TooManyBytes(usize),
    /// Too many pixels, or none.
    #[error("a picture of {0} by {1} pixels, each side has 1 to {PICTURE_SIDE_MAX}")]
    Sides(u32, u32),
    /// Of another format, or cut off.
    #[error("neither PNG, JPEG nor WebP")]
    Unknown,
}

impl PictureError {
    /// A word for programs and metrics; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooManyBytes(_) | Self::Sides(..) => "picture-too-large",
            Self::Unknown => "no-picture",
        }
    }
}

/// Looks at the head of a picture.
///
/// # Errors
/// [`PictureError`].
pub fn look(bytes: &[u8]) -> Result<PictureFacts, PictureError> {
    if bytes.len() > PICTURE_MAX {
        return Err(PictureError::TooManyBytes(bytes.len()));
    }
    let found = png(bytes).or_else(|| jpeg(bytes)).or_else(|| webp(bytes));
    let facts = found.ok_or(PictureError::Unknown)?;
    let fits = |side: u32| (1..=PICTURE_SIDE_MAX).contains(&side);
    if fits(facts.width) && fits(facts.height) {
        Ok(facts)
    } else {
        Err(PictureError::Sides(facts.width, facts.height))
    }
}

/// Signature, then the IHDR chunk: length 13, width, height.
fn png(bytes: &[u8]) -> Option<PictureFacts> {
    let rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let (width, height) = (be(rest.get(..4)?), be(rest.get(4..8)?));
    Some(PictureFacts { kind: PictureKind::Png, width, height })
}

/// Segments up to the first that begins a frame: length, precision, height, width.
fn jpeg(bytes: &[u8]) -> Option<PictureFacts> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let [0xff, marker, ..] = *rest else { return None };
        match marker {
            0xff => rest = rest.get(1..)?,
            0x01 | 0xd0..=0xd7 => rest = rest.get(2..)?,
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let (height, width) = (be(rest.get(5..7)?), be(rest.get(7..9)?));
                return Some(PictureFacts { kind: PictureKind::Jpeg, width, height });
            }
            // The picture itself begins, and no frame was seen.
            0xda | 0xd9 => return None,
            _ => {
                let length = usize::try_from(be(rest.get(2..4)?)).ok().filter(|n| *n >= 2)?;
                rest = rest.get(2 + length..)?;
            }
        }
    }
}

/// A RIFF file whose first chunk is lossy, lossless or extended.
fn webp(bytes: &[u8]) -> Option<PictureFacts> {
    let rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    let (form, chunk) = (rest.get(..4)?, rest.get(8..)?);
    let (width, height) = match form {
        b"VP8 " => {
            let sides = chunk.get(3..)?.strip_prefix(&[0x9d, 0x01, 0x2a])?;
            (le(sides.get(..2)?) & 0x3fff, le(sides.get(2..4)?) & 0x3fff)
        }
        b"VP8L" => {
            let sides = le(chunk.strip_prefix(&[0x2f])?.get(..4)?);
            ((sides & 0x3fff) + 1, ((sides >> 14) & 0x3fff) + 1)
        }
        b"VP8X" => (le(chunk.get(4..7)?) + 1, le(chunk.get(7..10)?) + 1),
        _ => return None,
    };
    Some(PictureFacts { kind: PictureKind::Webp, width, height })
}

/// Up to four bytes, most significant first.
fn be(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |n, byte| (n << 8) | u32::from(*byte))
}

/// Up to four bytes, least significant first.
fn le(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |n, byte| (n << 8) | u32::from(*byte))
}

/// The head of a PNG of these sides.
#[cfg(test)]
pub(super) fn sample(width: u32, height: u32) -> Vec<u8> {
    let head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
    [&head[..], &width.to_be_bytes(), &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(kind: PictureKind, width: u32, height: u32) -> Result<PictureFacts, PictureError> {
        Ok(PictureFacts { kind, width, height })
    }

    fn riff(form: &[u8; 4], chunk: &[u8]) -> Vec<u8> {
        let size = u32::try_from(chunk.len()).unwrap();
        let whole = (size + 12).to_le_bytes();
        [b"RIFF", &whole[..], b"WEBP", form, &size.to_le_bytes(), chunk].concat()
    }

    #[test]
    fn each_format_says_its_sides() {
        assert_eq!(look(&sample(640, 480)), facts(PictureKind::Png, 640, 480));
        let jfif = [0xff, 0xe0, 0, 4, 1, 1];
        let frame = [0xff, 0xc2, 0, 17, 8, 0x01, 0xe0, 0x02, 0x80, 3];
        let jpeg = [&[0xff, 0xd8][..], &jfif, &[0xff], &frame].concat();
        assert_eq!(look(&jpeg), facts(PictureKind::Jpeg, 640, 480));
        let lossy = riff(b"VP8 ", &[0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01]);
        assert_eq!(look(&lossy), facts(PictureKind::Webp, 640, 480));
        let bits: u32 = 639 | (479 << 14);
        let lossless = riff(b"VP8L", &[&[0x2f][..], &bits.to_le_bytes()].concat());
        assert_eq!(look(&lossless), facts(PictureKind::Webp, 640, 480));
        let extended = riff(b"VP8X", &[0, 0, 0, 0, 0x7f, 0x02, 0, 0xdf, 0x01, 0]);
        assert_eq!(look(&extended), facts(PictureKind::Webp, 640, 480));
    }

    #[test]
    fn a_picture_with_too_many_bytes_or_pixels_or_none_is_refused() {
        let mut heavy = sample(1, 1);
        heavy.resize(PICTURE_MAX, 0);
        assert!(look(&heavy).is_ok());
        heavy.push(0);
        assert_eq!(look(&heavy), Err(PictureError::TooManyBytes(PICTURE_MAX + 1)));
        assert!(look(&sample(1_024, 1_024)).is_ok());
        assert_eq!(look(&sample(1_025, 1)), Err(PictureError::Sides(1_025, 1)));
        assert_eq!(look(&sample(0, 5)), Err(PictureError::Sides(0, 5)));
    }

    #[test]
    fn other_files_and_pictures_cut_in_their_head_are_refused() {
        for other in [&b"GIF89a\x02\0\x03\0"[..], b"MZ", b"<svg/>", b"", b"\xff\xd8\xff\xda"] {
            assert_eq!(look(other), Err(PictureError::Unknown), "{other:?}");
        }
        let png = sample(2, 3);
        assert_eq!(look(&png[..23]), Err(PictureError::Unknown));
    }

    proptest! {
        #[test]
        fn garbage_behind_any_head_never_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..64)
        ) {
            for head in [&[0xff, 0xd8][..], b"RIFF\0\0\0\0WEBPVP8 ", b"\x89PNG\r\n\x1a\n"] {
                if let Ok(facts) = look(&[head, &bytes].concat()) {
                    let widest = facts.width.max(facts.height);
                    prop_assert!(widest <= PICTURE_SIDE_MAX);
                }
            }
        }
    }
}
