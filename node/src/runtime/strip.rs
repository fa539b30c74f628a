//! Pictures without what stands beside their pixels: where and when they were taken, by which
//! camera, with which words.
//!
//! The pixels are not touched: segments and chunks are left out, the rest stays byte for byte. Kept
//! is only what is known to be needed to show them: an unknown part is left out. How a photograph
//! was held is said again, and nothing else of its kind. What lies behind the end of the picture
//! goes, since phones put whole pictures there. Invariant: what cannot be followed to its end is
//! not stripped at all.

const SOI: [u8; 2] = [0xff, 0xd8];
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Chunks of a PNG that its pixels are shown by.
const SHOWN: [&[u8; 4]; 18] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT",
    b"bKGD", b"hIST", b"pHYs", b"cICP", b"mDCV", b"cLLI", b"acTL", b"fcTL",
];
/// And the one that further pictures of a moving one are in.
const FRAME: &[u8; 4] = b"fdAT";

/// The picture without it; none for what is no whole JPEG or PNG. `held` is how it was held, as
/// Exif counts that.
pub(super) fn strip(bytes: &[u8], media: &str, held: u8) -> Option<Vec<u8>> {
    match media {
        "image/jpeg" => jpeg(bytes, held),
        // A PNG that has to be turned says so where everything else stands.
        "image/png" if held == 1 => png(bytes),
        _ => None,
    }
}

fn jpeg(bytes: &[u8], held: u8) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&SOI)?;
    let mut out = SOI.to_vec();
    if held != 1 {
        out.extend_from_slice(&orientation(held));
    }
    loop {
        let (marker, length) = match rest {
            [0xff, EOI, ..] => {
                out.extend_from_slice(&[0xff, EOI]);
                return Some(out);
            }
            [0xff, marker, high, low, ..] => (*marker, u16::from_be_bytes([*high, *low])),
            _ => return None,
        };
        let (segment, behind) = rest.split_at_checked(2 + usize::from(length))?;
        if length < 2 {
            return None;
        }
        if is_shown(marker, segment.get(4..)?) {
            out.extend_from_slice(segment);
        }
        rest = behind;
        if marker == SOS {
            let (pixels, behind) = rest.split_at_checked(pixels(rest)?)?;
            out.extend_from_slice(pixels);
            rest = behind;
        }
    }
}

/// Whether a segment is needed to show the picture: tables, frames, scans, the head of JFIF, the
/// colour profile, and what Adobe says of colours.
fn is_shown(marker: u8, body: &[u8]) -> bool {
    match marker {
        0xc0..=0xcf | 0xda..=0xdf | 0xe0 | 0xee => marker != 0xe0 || body.starts_with(b"JFIF\0"),
        0xe2 => body.starts_with(b"ICC_PROFILE\0"),
        _ => false,
    }
}

/// Where the pixels of a scan end: at the first marker that is none of theirs.
fn pixels(bytes: &[u8]) -> Option<usize> {
    let ends =
        |pair: &[u8]| matches!(pair, [0xff, next] if !matches!(next, 0 | 0xd0..=0xd7 | 0xff));
    bytes.windows(2).position(ends)
}

/// An Exif segment that says how a photograph was held.
fn orientation(held: u8) -> Vec<u8> {
    let mut out =
        b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    out.extend_from_slice(&[0, held, 0, 0, 0, 0, 0, 0]);
    out
}

fn png(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(PNG)?;
    let mut out = PNG.to_vec();
    loop {
        let (length, _) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (chunk, behind) = rest.split_at_checked(length.checked_add(12)?)?;
        let kind: &[u8; 4] = chunk.get(4..8)?.try_into().ok()?;
        if SHOWN.contains(&kind) || kind == FRAME {
            out.extend_from_slice(chunk);
        }
        if kind == b"IEND" {
            return Some(out);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

    use super::*;

    const CANARY: &[u8] = b"GPS 52.5200 N 13.4050 E";

    fn picture(format: ImageFormat) -> Vec<u8> {
        let pixels = RgbImage::from_fn(60, 40, |x, y| {
            let [.., a] = (x * 7 + y * 13).to_be_bytes();
            image::Rgb([a, a.wrapping_mul(3), a.wrapping_add(9)])
        });
        let mut out = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(pixels).write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    fn pixels_of(bytes: &[u8], format: ImageFormat) -> Vec<u8> {
        image::load_from_memory_with_format(bytes, format).unwrap().into_bytes()
    }

    fn held(bytes: &[u8]) -> u8 {
        let reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg);
        reader.into_decoder().unwrap().orientation().unwrap().to_exif()
    }

    fn has_canary(bytes: &[u8]) -> bool {
        bytes.windows(CANARY.len()).any(|window| window == CANARY)
    }

    /// With words in a segment of every kind that is not shown, and behind the end.
    fn told_jpeg() -> Vec<u8> {
        let plain = picture(ImageFormat::Jpeg);
        let mut told = plain[..2].to_vec();
        for marker in [0xe1, 0xe2, 0xe5, 0xed, 0xef, 0xfe] {
            told.extend_from_slice(&[0xff, marker, 0, 25]);
            told.extend_from_slice(CANARY);
        }
        [&told, &plain[2..], CANARY].concat()
    }

    fn told_png() -> Vec<u8> {
        let plain = picture(ImageFormat::Png);
        let chunk = |kind: &[u8]| [&[0, 0, 0, 23][..], kind, CANARY, &[0; 4]].concat();
        let words = [chunk(b"tEXt"), chunk(b"eXIf"), chunk(b"prVt")].concat();
        [&plain[..33], &words, &plain[33..], CANARY].concat()
    }

    #[test]
    fn nothing_beside_the_pixels_is_left_and_they_are_the_same() {
        let cases = [
            (told_jpeg(), "image/jpeg", ImageFormat::Jpeg),
            (told_png(), "image/png", ImageFormat::Png),
        ];
        for (told, media, format) in cases {
            assert!(has_canary(&told));
            let bare = strip(&told, media, 1).unwrap();
            assert!(!has_canary(&bare));
            assert_eq!(pixels_of(&bare, format), pixels_of(&picture(format), format));
            assert_eq!(strip(&bare, media, 1).unwrap(), bare);
        }
    }

    #[test]
    fn how_a_photograph_was_held_is_said_again() {
        for turned in 1..=8 {
            let bare = strip(&told_jpeg(), "image/jpeg", turned).unwrap();
            assert_eq!((held(&bare), has_canary(&bare)), (turned, false));
        }
        assert!(strip(&told_png(), "image/png", 6).is_none());
    }

    #[test]
    fn what_is_cut_or_of_another_kind_is_not_stripped() {
        for (format, media) in [(ImageFormat::Jpeg, "image/jpeg"), (ImageFormat::Png, "image/png")]
        {
            let whole = picture(format);
            for end in 0..whole.len() {
                assert!(strip(&whole[..end], media, 1).is_none(), "{media} {end}");
            }
        }
        assert!(strip(&picture(ImageFormat::WebP), "image/webp", 1).is_none());
        assert!(strip(&picture(ImageFormat::Png), "image/jpeg", 1).is_none());
    }
}
