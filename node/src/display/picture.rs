//! Pictures as pixels: decoded within bounds, whoever made them.
//!
//! Invariant: a picture's sides and the memory it may take are bounded before it is decoded, and
//! what cannot be decoded within the bounds is no picture.

use std::io::Cursor;

use hubbub_shared::content::picture::{self, PictureKind};
use hubbub_shared::limits::{FILE_PREVIEW_MAX, PICTURE_SIDE_MAX};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

/// What decoding may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Longest side, in pixels.
    pub side: u32,
    /// Bytes of memory.
    pub bytes: u64,
}

/// What decoding a small picture of somebody else's may take: its longest side squared, at 8 bytes
/// a pixel and as much again for the decoder.
const SMALL: Bounds = Bounds { side: PICTURE_SIDE_MAX, bytes: 16 * 1024 * 1024 };

/// A picture, and how the camera was held if it says so; none of one that is beyond the bounds.
#[must_use]
pub fn decode(
    bytes: &[u8],
    format: ImageFormat,
    bounds: Bounds,
) -> Option<(DynamicImage, Option<Orientation>)> {
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(bounds.side), Some(bounds.side));
    limits.max_alloc = Some(bounds.bytes);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().ok()?;
    if decoder.total_bytes() > bounds.bytes {
        return None;
    }
    decoder.set_limits(limits).ok()?;
    let held = decoder.orientation().ok();
    Some((DynamicImage::from_decoder(decoder).ok()?, held))
}

/// What shines through is white, as on paper.
#[must_use]
pub fn on_white(picture: &DynamicImage) -> DynamicImage {
    let mut flat = picture.to_rgba8();
    for pixel in flat.pixels_mut() {
        let [red, green, blue, alpha] = pixel.0;
        let alpha = u32::from(alpha);
        let over = |colour: u8| {
            let mixed = (u32::from(colour) * alpha + 255 * (255 - alpha)) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        pixel.0 = [over(red), over(green), over(blue), u8::MAX];
    }
    DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(flat).to_rgb8())
}

/// A picture as a face draws it: rows of red, green and blue, all of them of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels(Vec<Vec<[u8; 3]>>);

impl Pixels {
    /// The small picture that came with a file, in at most so many pixels across and down, never
    /// more than it has; none of what is no such picture. Slow: not for a loop.
    #[must_use]
    pub fn of_preview(bytes: &[u8], (width, height): (u32, u32)) -> Option<Self> {
        if bytes.len() > FILE_PREVIEW_MAX {
            return None;
        }
        let format = match picture::look(bytes).ok()?.kind {
            PictureKind::Png => ImageFormat::Png,
            PictureKind::Jpeg => ImageFormat::Jpeg,
            PictureKind::Webp => ImageFormat::WebP,
        };
        let (mut picture, _) = decode(bytes, format, SMALL)?;
        if picture.width() > width || picture.height() > height {
            picture = picture.thumbnail(width, height);
        }
        let pixels = on_white(&picture).to_rgb8();
        Some(Self(pixels.rows().map(|row| row.map(|pixel| pixel.0).collect()).collect()))
    }

    /// Row by row, from the top.
    #[must_use]
    pub fn rows(&self) -> &[Vec<[u8; 3]>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let shade = |x: u32, of: u32| u8::try_from(x * 255 / of).unwrap();
        let pixels = RgbaImage::from_fn(width, height, |x, y| {
            Rgba([shade(x, width), shade(y, height), 0, 255])
        });
        let mut out = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(pixels).to_rgb8())
            .write_to(&mut out, format)
            .unwrap();
        out.into_inner()
    }

    fn sides(bytes: &[u8]) -> Option<(usize, usize)> {
        let pixels = Pixels::of_preview(bytes, (24, 16))?;
        Some((pixels.rows().first()?.len(), pixels.rows().len()))
    }

    #[test]
    fn a_small_picture_is_scaled_down_to_fit_and_never_up() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            for ((width, height), expected) in [
                ((320, 240), (21, 16)),
                ((320, 60), (24, 5)),
                ((10, 300), (1, 16)),
                ((900, 1), (24, 1)),
                ((5, 3), (5, 3)),
            ] {
                let found = sides(&encoded(width, height, format));
                assert_eq!(found, Some(expected), "{width}x{height} {format:?}");
            }
        }
    }

    #[test]
    fn hostile_bytes_are_no_picture() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let whole = encoded(60, 60, format);
            for end in 0..whole.len() {
                // Some decoders show what there is of a picture that was cut; none may panic.
                sides(&whole[..end]);
            }
            for at in 0..whole.len() {
                let mut bent = whole.clone();
                bent[at] ^= 0x5a;
                if let Some((width, height)) = sides(&bent) {
                    assert!(width <= 24 && height <= 16);
                }
            }
        }
        assert_eq!(sides(b"no picture at all"), None);
        let mut wide = encoded(4, 4, ImageFormat::Png);
        wide[16..24].copy_from_slice(&[0, 0, 0x10, 0, 0, 0, 0x10, 0]);
        assert_eq!(sides(&wide), None, "it claims sides of 4,096");
        let mut heavy = encoded(4, 4, ImageFormat::Png);
        heavy.resize(FILE_PREVIEW_MAX + 1, 0);
        assert_eq!(sides(&heavy), None, "no offer holds that many bytes");
    }

    #[test]
    fn what_would_take_more_than_it_may_is_not_decoded() {
        let png = encoded(40, 40, ImageFormat::Png);
        let within = |side, bytes| decode(&png, ImageFormat::Png, Bounds { side, bytes }).is_some();
        assert!(within(40, 1 << 20));
        assert!(!within(39, 1 << 20) && !within(40, 1_000));
    }

    #[test]
    fn what_shines_through_is_white() {
        let glass = RgbaImage::from_pixel(2, 2, Rgba([9, 9, 9, 0]));
        let mut out = Cursor::new(Vec::new());
        DynamicImage::ImageRgba8(glass).write_to(&mut out, ImageFormat::Png).unwrap();
        let pixels = Pixels::of_preview(&out.into_inner(), (24, 16)).unwrap();
        assert_eq!(pixels.rows(), [[[255; 3]; 2]; 2]);
    }
}
