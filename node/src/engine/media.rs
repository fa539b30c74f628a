//! What kind of file it is, by its first bytes or else by the end of its name.
//!
//! A table of our own: a crate that knows a thousand types knows many that no face treats in a way
//! of its own, and brings a parser for each. What is not listed has no type, which is allowed.
//! Invariant: a type is what a sender says; nothing is opened, run or trusted because of it.

/// Endings of names in small letters, and what they stand for.
const ENDINGS: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("deb", "application/vnd.debian.binary-package"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("epub", "application/epub+zip"),
    ("exe", "application/x-msdownload"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("heic", "image/heic"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("iso", "application/x-iso9660-image"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("md", "text/markdown"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/opus"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("rar", "application/vnd.rar"),
    ("rs", "text/x-rust"),
    ("rtf", "application/rtf"),
    ("sh", "application/x-sh"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("xz", "application/x-xz"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// What files begin with. Only where that alone says what they are: a word processor's file begins
/// as any ZIP does.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"fLaC", "audio/flac"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-msdownload"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\xfd7zXZ\0", "application/x-xz"),
];

/// Bytes of a file's beginning that are looked at.
pub const HEAD: usize = 16;

/// By its name alone; empty when that says nothing.
#[must_use]
pub fn of_name(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let known = ending.and_then(|ending| ENDINGS.iter().find(|(known, _)| *known == ending));
    known.map_or("", |(_, media)| media)
}

/// By its first bytes, or else by its name; empty when neither says anything.
#[must_use]
pub fn of(name: &str, head: &[u8]) -> &'static str {
    let webp = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP");
    let begins = BEGINNINGS.iter().find(|(begins, _)| head.starts_with(begins));
    match begins {
        _ if webp => "image/webp",
        Some((_, media)) => media,
        None => of_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_count_more_than_the_name() {
        assert_eq!(of("holiday.jpg", b"\x89PNG\r\n\x1a\n...."), "image/png");
        assert_eq!(of("photo.png", b"MZ\x90\0"), "application/x-msdownload");
        assert_eq!(of("x", b"RIFF\x10\0\0\0WEBPVP8 "), "image/webp");
        assert_eq!(of("notes.TXT", b"hello"), "text/plain");
        assert_eq!((of("x.unheard", b""), of("png", b""), of("", b"")), ("", "", ""));
    }

    #[test]
    fn every_type_is_one_that_a_reference_may_name() {
        let all = ENDINGS.iter().map(|(_, m)| *m).chain(BEGINNINGS.iter().map(|(_, m)| *m));
        for media in all {
            let (kind, name) = media.split_once('/').unwrap();
            let fits = |part: &str| {
                part.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b)
                })
            };
            assert!(media.len() <= 127 && fits(kind) && fits(name), "{media}");
        }
    }
}
