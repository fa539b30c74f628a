//! Names of files that are harmless wherever they land.
//!
//! Invariant: a [`FileName`] is one component of a path, and no more: on Linux, macOS and Windows
//! it names a visible, ordinary file in the folder it is put in. It says nothing about whether such
//! a file is there already: that is for who stores it. What it looks like is asked of it: who shows
//! and who stores files keep those apart that look alike.

use core::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::limits::FILE_NAME_BYTES;
use crate::nickname::{fold, look_alike, skeletons};

/// What a name is called of which nothing was left.
const UNNAMED: &str = "file";
/// Longest ending that is kept when a name is cut.
const ENDING: usize = 16;
/// Names of devices on Windows, whatever ending they have; COM and LPT with a digit besides.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// Endings of what runs when it is opened, on one system or another, in small letters.
const PROGRAMS: &[&str] = &[
    "app", "appimage", "apk", "bat", "cmd", "com", "command", "cpl", "deb", "desktop", "dll",
    "dmg", "exe", "gadget", "hta", "inf", "jar", "js", "jse", "lnk", "msi", "msp", "pif", "pkg",
    "ps1", "reg", "rpm", "run", "scf", "scr", "sh", "url", "vbe", "vbs", "wsf", "wsh", "xll",
];
/// Endings of what people open without a thought, in small letters.
const DOCUMENTS: &[&str] = &[
    "7z", "avi", "bmp", "csv", "doc", "docx", "eml", "epub", "gif", "gz", "heic", "htm", "html",
    "ics", "jpeg", "jpg", "m4a", "md", "mkv", "mov", "mp3", "mp4", "odp", "ods", "odt", "ogg",
    "opus", "pdf", "png", "ppt", "pptx", "rar", "rtf", "svg", "tif", "tiff", "txt", "wav", "webm",
    "webp", "xls", "xlsx", "zip",
];

/// The name of a file, made harmless (PROTOCOL.md, Files).
#[derive(Clone, PartialEq, Eq)]
pub struct FileName(String);

/// Names are content; they do not belong in logs.
impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileName({} bytes)", self.0.len())
    }
}

impl FileName {
    /// Makes any text a name. Of a path, the caller takes the last component before.
    #[must_use]
    pub fn clean(text: &str) -> Self {
        // Enough of it for any name, so that a text of any length costs no more.
        let text = front(text, FILE_NAME_BYTES * 4);
        let name: String = text.nfc().map(|c| if is_harmless(c) { c } else { '_' }).collect();
        let name = unhidden(trimmed(&name));
        let name = if is_device(&name) { format!("_{name}") } else { name };
        let name = shortened(&name);
        Self(if name.is_empty() { UNNAMED.to_owned() } else { name })
    }

    /// Takes a name that is harmless as it stands; none for any other. What somebody else sent is
    /// taken so: a program that keeps the rules never sends another.
    #[must_use]
    pub fn harmless(text: &str) -> Option<Self> {
        if text.len() > FILE_NAME_BYTES {
            return None;
        }
        Some(Self::clean(text)).filter(|name| name.0 == text)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it looks like, in small letters, in capitals and as it is written: a person may take
    /// one name for another that has any of these.
    #[must_use]
    pub fn skeletons(&self) -> [String; 3] {
        skeletons(&self.0)
    }

    /// Whether a person may take one for the other.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        look_alike(&self.skeletons(), &other.skeletons())
    }

    /// Whether it is the name of a program that looks like that of something else: many systems do
    /// not show the last ending of `photo.jpg.exe`.
    #[must_use]
    pub fn is_disguised(&self) -> bool {
        let mut parts = self.0.rsplit('.').map(str::trim);
        let (Some(last), Some(shown), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let looks = |ending: &&&str| fold(ending) == fold(shown);
        PROGRAMS.contains(&last.to_lowercase().as_str()) && DOCUMENTS.iter().find(looks).is_some()
    }
}

/// Neither a control character, nor one that steers how others are shown, nor one with a meaning in
/// paths.
fn is_harmless(c: char) -> bool {
    let steers = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    !c.is_control() && !steers && !"/\\:*?\"<>|".contains(c)
}

/// Windows drops blanks and dots at the end; blanks in front are for deceiving people.
fn trimmed(name: &str) -> &str {
    name.trim_start().trim_end_matches(|c: char| c.is_whitespace() || c == '.')
}

/// A dot in front hides a file, and a dash makes it an option of whoever forgets to quote.
fn unhidden(name: &str) -> String {
    match name.strip_prefix(['.', '-']) {
        Some(rest) => format!("_{rest}"),
        None => name.to_owned(),
    }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = ["COM", "LPT"].into_iter().any(|port| {
        let number = stem.strip_prefix(port);
        number.is_some_and(|n| n.chars().count() == 1 && n.contains(is_port))
    });
    numbered || DEVICES.contains(&stem.as_str())
}

/// Windows takes superscripts for digits here.
fn is_port(c: char) -> bool {
    c.is_ascii_digit() || "¹²³".contains(c)
}

/// Cuts what stands before a short ending, so that a picture stays one.
fn shortened(name: &str) -> String {
    if name.len() <= FILE_NAME_BYTES {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| name.len() - dot <= ENDING);
    let (stem, ending) = name.split_at(dot.unwrap_or(name.len()));
    format!("{}{ending}", trimmed(front(stem, FILE_NAME_BYTES - ending.len())))
}

/// The first characters of a text, at most `bytes` of it.
fn front(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str) -> String {
        FileName::clean(text).0
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "a",
            "holiday photo.jpg",
            "Übung 3.tar.gz",
            "写真.png",
            "a..b",
            "über–uns",
            "🏳\u{fe0f}.txt",
            "a - b",
            "console",
            "com10",
            "nul_",
            "lpt",
            "50% (1) [x] {y}~#&'=+,;@!",
        ] {
            assert_eq!(clean(name), name);
            assert!(FileName::harmless(name).is_some(), "{name}");
        }
    }

    #[test]
    fn hostile_names_become_harmless() {
        let long = "x".repeat(300);
        let cut = "x".repeat(255);
        let cut_png = format!("{}.png", "x".repeat(251));
        let wide = "ä".repeat(200);
        let table = [
            ("", "file"),
            (" ", "file"),
            (".", "file"),
            ("..", "file"),
            ("...", "file"),
            (". .", "file"),
            ("../../x", "_._.._x"),
            (
                "../../../home/alice/.ssh/authorized_keys",
                "_._.._.._home_alice_.ssh_authorized_keys",
            ),
            ("/etc/passwd", "_etc_passwd"),
            ("..\\..\\x.exe", "_._.._x.exe"),
            ("C:\\Windows\\x", "C__Windows_x"),
            ("\\\\server\\share\\x", "__server_share_x"),
            ("x.txt:hidden", "x.txt_hidden"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("a\0b", "a_b"),
            ("a\nb\r\tc", "a_b__c"),
            ("\u{1b}[2Jx", "_[2Jx"),
            ("\u{85}x\u{9f}", "_x_"),
            ("invoice\u{202e}fdp.exe", "invoice_fdp.exe"),
            ("\u{2066}x\u{2069}\u{200f}", "_x__"),
            ("a\u{200b}\u{200d}\u{feff}b\u{ad}", "a___b_"),
            ("x\u{e0041}\u{2028}y", "x__y"),
            ("\u{3164}", "_"),
            ("*?\"<>|", "______"),
            ("con", "_con"),
            ("CON.txt", "_CON.txt"),
            ("con .txt", "_con .txt"),
            ("Aux.tar.gz", "_Aux.tar.gz"),
            ("nul", "_nul"),
            ("prn.", "_prn"),
            ("com1", "_com1"),
            ("LPT9.x", "_LPT9.x"),
            ("com¹.txt", "_com¹.txt"),
            ("CONIN$", "_CONIN$"),
            ("x.exe.", "x.exe"),
            ("x.exe ... ", "x.exe"),
            ("  x", "x"),
            ("\u{3000}x\u{a0}", "x"),
            ("e\u{301}.txt", "é.txt"),
            ("\u{212b}", "Å"),
            (&long, &cut),
            (&format!("{long}.png"), &cut_png),
            (&wide, &wide[..254]),
        ];
        for (hostile, harmless) in table {
            assert_eq!(clean(hostile), harmless, "{hostile:?}");
            assert_eq!(FileName::harmless(hostile), None, "{hostile:?}");
            assert!(FileName::harmless(harmless).is_some(), "{harmless:?}");
        }
    }

    #[test]
    fn names_that_a_person_may_confuse_look_alike_and_others_do_not() {
        let like =
            |one: &str, other: &str| FileName::clean(one).looks_like(&FileName::clean(other));
        for (one, other) in [
            ("notes.txt", "notes.txt"),
            ("notes.txt", "Notes.TXT"),
            ("invoice.pdf", "lnvoice.pdf"),
            ("invoice.pdf", "1nvoice.pdf"),
            ("paypal.html", "раураl.html"),
            ("é.txt", "e\u{301}.txt"),
            ("report.pdf", "rep\u{3bf}rt.pdf"),
        ] {
            assert!(like(one, other) && like(other, one), "{one} {other}");
        }
        for (one, other) in
            [("notes.txt", "notes (2).txt"), ("a.pdf", "a.png"), ("bob.txt", "rob.txt")]
        {
            assert!(!like(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_program_that_is_called_like_something_else_is_disguised() {
        let disguised = |name: &str| FileName::clean(name).is_disguised();
        for name in [
            "photo.jpg.exe",
            "photo.JPG.Exe",
            "photo.jpg                .scr",
            "invoice.pdf.js",
            "invoice.\u{440}df.lnk",
            "a.b.mp3.sh",
        ] {
            assert!(disguised(name), "{name}");
        }
        for name in [
            "photo.jpg",
            "setup.exe",
            "jquery.min.js",
            "a.tar.gz",
            "jpg.exe",
            "v1.2.exe",
            "x",
            ".sh",
        ] {
            assert!(!disguised(name), "{name}");
        }
    }

    #[test]
    fn a_text_of_a_gibibyte_would_cost_no_more_than_a_name() {
        let started = clean(&"ab/".repeat(1 << 20));
        assert_eq!(started.len(), 255);
    }

    #[test]
    fn a_name_is_not_shown_in_logs() {
        assert_eq!(format!("{:?}", FileName::clean("secret plan.pdf")), "FileName(15 bytes)");
    }

    proptest! {
        #[test]
        fn a_name_looks_like_itself_in_any_case(text in "[a-zA-Zäöüßéа-яё0-9 ._-]{1,40}") {
            let name = FileName::clean(&text);
            for other in [text.clone(), text.to_uppercase(), text.to_lowercase()] {
                let other = FileName::clean(&other);
                prop_assert!(name.looks_like(&other) && other.looks_like(&name), "{:?}", other.0);
            }
        }

        #[test]
        fn a_disguise_is_seen_whatever_stands_before_it(
            stem in "\\PC{1,60}",
            shown in prop::sample::select(DOCUMENTS),
            last in prop::sample::select(PROGRAMS),
        ) {
            let name = FileName::clean(&format!("x{stem}.{shown}.{last}"));
            prop_assert!(name.is_disguised(), "{}", name.0);
            let plain = FileName::clean(&format!("x{stem}.{last}.{shown}"));
            prop_assert!(!plain.is_disguised(), "{}", plain.0);
        }

        #[test]
        fn whatever_comes_in_one_harmless_component_comes_out(
            text in prop_oneof![
                any::<String>(),
                "[./\\\\ -]{0,6}(con|nul|x)?[./\\\\ -]{0,6}",
                prop::collection::vec(prop_oneof![Just("."), Just(" "), Just("é"), Just("e\u{301}"),
                    Just("x"), Just("-"), Just("COM1")], 0..300).prop_map(|parts| parts.concat()),
            ]
        ) {
            let name = clean(&text);
            prop_assert_eq!(&clean(&name), &name, "cleaning again changes nothing");
            prop_assert!(!name.is_empty() && name.len() <= 255 && name != "." && name != "..");
            prop_assert!(!name.contains(['/', '\\', '\0']) && !name.starts_with(['.', '-']));
            prop_assert!(!name.ends_with(['.', ' ']) && !is_device(&name));
            prop_assert_eq!(name.nfc().collect::<String>(), name);
        }
    }
}
