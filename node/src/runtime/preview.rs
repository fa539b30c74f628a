//! Small pictures of files that are sent.
//!
//! What is made here is drawn anew from the pixels, so nothing that stands beside them in the
//! original (place, camera, comments) is in it. The original is somebody's own file and still read
//! as if it were hostile: its sides and the memory it may take are bounded before it is decoded.
//! Of a video a frame is drawn likewise, where a program is installed that knows how to take one.
//! Invariant: a preview is a JPEG that every reader of references accepts, or there is none.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hubbub_shared::limits::FILE_PREVIEW_MAX;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::strip::strip;
use super::video::{self, Container, Ffmpeg};
use crate::display::{Bounds, decode, on_white};
use crate::engine::media;
use crate::paths;

/// Longest side of a small picture in pixels, tried in this order until it is small enough: the
/// first is what a chat shows without asking for the whole, the last one fits whatever is on it.
const SIDES: [u32; 4] = [320, 240, 160, 80];
/// Longest side of what is decoded: large scans and panoramas.
const DECODED_SIDE: u32 = 20_000;
/// Memory that decoding may take: a picture of 60 million pixels.
const DECODED_BYTES: u64 = 256 * 1024 * 1024;
const DECODED: Bounds = Bounds { side: DECODED_SIDE, bytes: DECODED_BYTES };
/// Largest file that is decoded: beyond it a person does not wait for a small picture.
const SOURCE_MAX: u64 = 64 * 1024 * 1024;
/// How well it is kept at each of them, likewise.
const QUALITIES: [u8; 3] = [80, 60, 40];

/// What a file that is to be sent looks like: its media type and, if wanted and possible, a small
/// picture. Slow: not for the loop.
///
/// # Errors
/// What is wrong with the file, and what to try, in words for people.
pub(super) fn look(path: &Path, name: &str, wanted: Wanted<'_>) -> Result<Looked, String> {
    if !path.is_absolute() {
        return Err("its path has to be absolute; give the whole path".to_owned());
    }
    let refused = |error: std::io::Error| format!("it cannot be read ({error}); check its owner");
    // Opening a pipe would wait for somebody who writes to it.
    let facts = std::fs::metadata(path).map_err(refused)?;
    if facts.is_dir() && wanted.bare.is_some() {
        let what = "a folder is sent as it is, with all that stands beside the pictures in it; \
                    send its pictures one by one, or the folder without `--strip`";
        return Err(what.to_owned());
    }
    if facts.is_dir() {
        return Ok(Looked { size: 0, media: "", preview: None, bare: None });
    }
    if !facts.is_file() {
        return Err("it is neither a file nor a folder, and cannot be sent".to_owned());
    }
    let mut file = std::fs::File::open(path).map_err(refused)?;
    let mut head = Vec::with_capacity(media::HEAD);
    let most = u64::try_from(media::HEAD).unwrap_or(0);
    file.by_ref().take(most).read_to_end(&mut head).map_err(refused)?;
    let media = media::of(name, &head);
    if let Some(container) = video::container(media) {
        return look_at_video((path, facts.len()), (media, container), wanted);
    }
    let small_enough = facts.len() <= SOURCE_MAX && (wanted.preview || wanted.bare.is_some());
    let format = format_of(media).filter(|_| small_enough);
    let read = format.and_then(|format| Some((whole(head, &mut file)?, format)));
    let preview = read.as_ref().filter(|_| wanted.preview);
    let preview = preview.and_then(|(bytes, format)| small(bytes, *format));
    let (size, bare) = match wanted.bare {
        None => (facts.len(), None),
        Some(to) => (keep_bare(read, media, to)?, Some(to.to_path_buf())),
    };
    Ok(Looked { size, media, preview, bare })
}

fn look_at_video(
    (path, size): (&Path, u64),
    (media, container): (&'static str, Container),
    wanted: Wanted<'_>,
) -> Result<Looked, String> {
    let Wanted { ffmpeg, stop, .. } = wanted;
    let (size, bare) = match (wanted.bare, ffmpeg) {
        (None, _) => (size, None),
        (Some(_), None) => return Err(video::not_installed()),
        (Some(to), Some(ffmpeg)) => {
            (ffmpeg.strip(path, container, to, stop)?, Some(to.to_path_buf()))
        }
    };
    let frame = ffmpeg.filter(|_| wanted.preview);
    let frame = frame.and_then(|ffmpeg| ffmpeg.frame(path, container, stop));
    let preview = frame.and_then(|frame| small(&frame, ImageFormat::Png));
    Ok(Looked { size, media, preview, bare })
}

/// All of a file that begins like this; none of one that grew beyond what is decoded.
fn whole(mut bytes: Vec<u8>, file: &mut impl Read) -> Option<Vec<u8>> {
    file.take(SOURCE_MAX).read_to_end(&mut bytes).ok()?;
    (u64::try_from(bytes.len()).ok()? <= SOURCE_MAX).then_some(bytes)
}

/// Writes a picture down without what stands beside its pixels; gives its size.
fn keep_bare(read: Option<(Vec<u8>, ImageFormat)>, media: &str, to: &Path) -> Result<u64, String> {
    let bare = read.and_then(|(bytes, format)| {
        let reader = ImageReader::with_format(Cursor::new(&bytes), format);
        let held = reader.into_decoder().ok()?.orientation().ok()?;
        strip(&bytes, media, held.to_exif())
    });
    let what = "what stands beside its pixels cannot be taken off; send it as it is, or a copy \
                without";
    let bare = bare.ok_or_else(|| what.to_owned())?;
    let refused =
        |error: std::io::Error| format!("no copy can be made ({error}); look at the disk");
    to.parent().map_or(Ok(()), paths::private_dir).map_err(refused)?;
    paths::replace_private(to, &bare).map_err(refused)?;
    Ok(u64::try_from(bare.len()).unwrap_or(u64::MAX))
}

/// What is wanted of a look.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// A small picture.
    pub(super) preview: bool,
    /// A copy here without what stands beside the pixels.
    pub(super) bare: Option<&'a Path>,
    /// What takes videos apart, where it is installed.
    pub(super) ffmpeg: Option<&'a Ffmpeg>,
    /// Set when nobody wants it any more.
    pub(super) stop: &'a AtomicBool,
}

/// What a file looks like.
pub(super) struct Looked {
    pub(super) size: u64,
    pub(super) media: &'static str,
    pub(super) preview: Option<Vec<u8>>,
    /// Where the copy is that is to be sent.
    pub(super) bare: Option<PathBuf>,
}

fn format_of(media: &str) -> Option<ImageFormat> {
    match media {
        "image/png" => Some(ImageFormat::Png),
        "image/jpeg" => Some(ImageFormat::Jpeg),
        "image/webp" => Some(ImageFormat::WebP),
        _ => None,
    }
}

/// A small picture of a picture; none of one that cannot be decoded within the limits.
fn small(bytes: &[u8], format: ImageFormat) -> Option<Vec<u8>> {
    // What the camera noted beside the pixels is how it was held, and that alone is used.
    let (mut picture, held) = decode(bytes, format, DECODED)?;
    SIDES.into_iter().enumerate().find_map(|(nth, side)| {
        if picture.width().max(picture.height()) > side {
            picture = picture.thumbnail(side, side);
        }
        if let (0, Some(held)) = (nth, held) {
            picture.apply_orientation(held);
        }
        // JPEG knows no transparency.
        let pixels = on_white(&picture);
        QUALITIES.into_iter().find_map(|quality| jpeg(&pixels, quality))
    })
}

/// A picture as a JPEG; none when it is too large for a reference.
fn jpeg(pixels: &DynamicImage, quality: u8) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    pixels.write_with_encoder(JpegEncoder::new_with_quality(&mut out, quality)).ok()?;
    (out.len() <= FILE_PREVIEW_MAX).then_some(out)
}

#[cfg(test)]
mod tests {
    use hubbub_shared::content::picture;
    use image::{Rgba, RgbaImage};

    use super::*;

    static GOES_ON: AtomicBool = AtomicBool::new(false);
    /// A small picture and nothing else, on a machine where videos cannot be taken apart.
    const WANTED: Wanted<'_> = Wanted { preview: true, bare: None, ffmpeg: None, stop: &GOES_ON };

    /// A picture in which no two neighbours are alike, hard to make small.
    fn noisy(width: u32, height: u32) -> DynamicImage {
        let mut state = 1u32;
        let pixels = RgbaImage::from_fn(width, height, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [a, b, c, _] = state.to_be_bytes();
            Rgba([a, b, c, 255])
        });
        DynamicImage::ImageRgba8(pixels)
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let rgb = DynamicImage::ImageRgb8(picture.to_rgb8());
        rgb.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    #[test]
    fn a_small_picture_fits_a_reference_whatever_the_original_is() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            for (width, height) in [(1, 1), (320, 320), (1_000, 200), (50, 900)] {
                let made = small(&encoded(&noisy(width, height), format), format).unwrap();
                let facts = picture::look(&made).unwrap();
                assert!(made.len() <= FILE_PREVIEW_MAX);
                assert!(facts.width.max(facts.height) <= 320, "{facts:?}");
            }
        }
    }

    #[test]
    fn nothing_beside_the_pixels_is_taken_over() {
        let canary = b"GPS 52.5200 N 13.4050 E";
        let jpeg = encoded(&noisy(40, 30), ImageFormat::Jpeg);
        let comment = [&b"\xff\xfe\0\x19"[..], canary].concat();
        let told = [&jpeg[..2], &comment, &jpeg[2..]].concat();
        let made = small(&told, ImageFormat::Jpeg).unwrap();
        let has = |bytes: &[u8]| bytes.windows(canary.len()).any(|window| window == canary);
        assert!(has(&told) && !has(&made));
    }

    #[test]
    fn a_photograph_held_upright_is_shown_upright() {
        // An Exif head that says "turned by a quarter" and nothing else.
        let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let jpeg = encoded(&noisy(40, 30), ImageFormat::Jpeg);
        let held = [&jpeg[..2], b"\xff\xe1", &length, exif, &jpeg[2..]].concat();
        let facts = picture::look(&small(&held, ImageFormat::Jpeg).unwrap()).unwrap();
        assert_eq!((facts.width, facts.height), (30, 40));
    }

    #[test]
    fn what_claims_to_be_too_large_or_is_no_picture_has_no_small_one() {
        let mut png = encoded(&noisy(4, 4), ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 0x4e, 0x21, 0, 0, 0x4e, 0x21]);
        assert!(small(&png, ImageFormat::Png).is_none());
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            assert!(small(b"no picture at all", format).is_none());
            let cut = encoded(&noisy(100, 100), format);
            // Some decoders show what there is of a picture that was cut; none may panic.
            for end in (0..cut.len()).step_by(cut.len() / 20 + 1) {
                small(&cut[..end], format);
            }
        }
    }

    #[test]
    fn a_file_is_looked_at_and_what_is_none_is_said_to_be_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cat.dat");
        std::fs::write(&path, encoded(&noisy(9, 9), ImageFormat::Png)).unwrap();
        let looked = look(&path, "cat.dat", WANTED).ok().unwrap();
        assert!(looked.media == "image/png" && looked.preview.is_some());
        let copy = dir.path().join("sent").join("1");
        let bare = Wanted { preview: false, bare: Some(&copy), ..WANTED };
        let looked = look(&path, "cat.dat", bare).ok().unwrap();
        assert!(looked.preview.is_none() && looked.bare.is_some_and(|path| path == copy));
        assert_eq!(std::fs::metadata(&copy).unwrap().len(), looked.size);
        std::fs::write(&path, "words").unwrap();
        assert!(look(&path, "cat.txt", bare).err().unwrap().contains("cannot be taken off"));
        assert!(look(dir.path(), "x", bare).err().unwrap().contains("a folder is sent as it is"));
        let wrong = |path: &Path| look(path, "x", WANTED).err().unwrap();
        assert!(look(dir.path(), "x", WANTED).is_ok_and(|looked| looked.media.is_empty()));
        assert!(wrong(&dir.path().join("absent")).contains("cannot be read"));
        assert!(wrong(Path::new("relative")).contains("absolute"));
    }

    #[test]
    fn a_pipe_is_refused_and_nobody_waits_for_who_would_write_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe.png");
        let (of, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &path, of, mode, 0).unwrap();
        let (told, looked) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let look = look(&path, "pipe.png", WANTED);
            told.send(look.err()).unwrap();
        });
        let refused = looked.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        assert!(refused.unwrap().contains("neither a file nor a folder"));
    }

    #[test]
    fn without_the_program_a_video_goes_without_a_picture_and_is_not_said_to_be_stripped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mp4");
        std::fs::write(&path, "film").unwrap();
        let looked = look(&path, "film.mp4", WANTED).ok().unwrap();
        assert_eq!((looked.media, looked.size, looked.preview), ("video/mp4", 4, None));
        let copy = dir.path().join("sent").join("1");
        let bare = Wanted { bare: Some(&copy), ..WANTED };
        let refused = look(&path, "film.mp4", bare).err().unwrap();
        assert!(refused.contains("install it") && !copy.exists(), "{refused}");
    }

    #[test]
    fn what_grows_while_it_is_read_is_not_read_without_end() {
        let begun = vec![1; media::HEAD];
        assert!(whole(begun.clone(), &mut std::io::repeat(0)).is_none());
        assert_eq!(whole(begun, &mut &b"rest"[..]).unwrap().len(), media::HEAD + 4);
    }
}
