//! Looks for secrets where they must not be: in files, in logs, in a process's memory.
//!
//! A secret is looked for as it is and as it would be after the usual encodings. What is found is
//! told by its name: the secret itself is never printed.

// What cannot be read is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// Memory and files are read in pieces of this size.
const PIECE: usize = 1 << 20;
/// Memory that was never written to has pages like this.
const PAGE: usize = 4096;
/// Shorter secrets are found by accident.
const SHORTEST: usize = 16;

struct Needle {
    name: String,
    bytes: Vec<u8>,
}

/// What to look for.
#[derive(Default)]
pub struct Scanner {
    needles: Vec<Needle>,
    /// Which two bytes some needle begins with.
    begins: Vec<bool>,
    longest: usize,
}

impl Scanner {
    /// Looks for `secret`, too, in every form, and calls it `name`.
    ///
    /// # Panics
    /// When it is so short that it is found by accident.
    #[must_use]
    pub fn and(mut self, name: &str, secret: &[u8]) -> Self {
        assert!(secret.len() >= SHORTEST, "{name} is too short to be looked for");
        self.begins.resize(1 << 16, false);
        for (form, bytes) in forms(secret) {
            if let Some(begin) = pair(&bytes, 0).and_then(|pair| self.begins.get_mut(pair)) {
                *begin = true;
            }
            self.longest = self.longest.max(bytes.len());
            self.needles.push(Needle { name: format!("{name} ({form})"), bytes });
        }
        self
    }

    /// The names of everything that `bytes` contain.
    #[must_use]
    pub fn in_bytes(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, page) in bytes.chunks(PAGE).enumerate() {
            let start = at * PAGE;
            // No needle has two zeros at its beginning: on an empty page only the last byte counts.
            let empty = page == [0; PAGE].get(..page.len()).unwrap_or_default();
            let skipped = if empty { page.len() - 1 } else { 0 };
            self.in_page(bytes, start + skipped..start + page.len(), &mut found);
        }
        found
    }

    fn in_page(&self, bytes: &[u8], page: std::ops::Range<usize>, found: &mut BTreeSet<String>) {
        for at in page {
            let Some(pair) = pair(bytes, at) else { return };
            if !self.begins.get(pair).copied().unwrap_or(false) {
                continue;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let here = self.needles.iter().filter(|needle| rest.starts_with(&needle.bytes));
            found.extend(here.map(|needle| needle.name.clone()));
        }
    }

    /// The names of everything in the files below `dir`, each with its file; and how many bytes
    /// were looked at. What goes while it is looked for is passed over: files come and go below a
    /// program that runs.
    ///
    /// # Panics
    /// When something that is there cannot be read.
    #[must_use]
    pub fn in_files(&self, dir: &Path) -> (BTreeSet<String>, u64) {
        let (mut found, mut looked) = (BTreeSet::new(), 0);
        for entry in there(std::fs::read_dir(dir)).into_iter().flatten() {
            let path = entry.unwrap().path();
            let Some(kind) = there(std::fs::symlink_metadata(&path)) else { continue };
            if kind.is_dir() {
                let (below, more) = self.in_files(&path);
                found.extend(below);
                looked += more;
            } else if kind.is_file() {
                let Some(bytes) = there(std::fs::read(&path)) else { continue };
                looked += u64::try_from(bytes.len()).unwrap();
                let here = self.in_bytes(&bytes);
                found.extend(here.iter().map(|name| format!("{name} in {}", path.display())));
            }
        }
        (found, looked)
    }

    /// The names of everything in the memory of a process, and how many bytes were looked at. What
    /// is mapped from a file and cannot be written to is the file, and left out.
    ///
    /// # Panics
    /// When the process's memory cannot be read at all.
    #[must_use]
    pub fn in_memory(&self, process: u32) -> (BTreeSet<String>, u64) {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let memory = File::open(format!("/proc/{process}/mem"));
        let mut memory = memory.unwrap_or_else(|error| panic!("/proc/{process}/mem: {error}"));
        let (mut found, mut looked) = (BTreeSet::new(), 0);
        for (start, end) in maps.lines().filter_map(region) {
            looked += self.in_region(&mut memory, (start, end), &mut found);
        }
        (found, looked)
    }

    /// Regions come and go while a process runs: what cannot be read is passed over.
    fn in_region(
        &self,
        memory: &mut File,
        (start, end): (u64, u64),
        found: &mut BTreeSet<String>,
    ) -> u64 {
        let mut bytes = Vec::new();
        let (mut at, mut looked) = (start, 0);
        while at < end && memory.seek(SeekFrom::Start(at)).is_ok() {
            let piece = u64::try_from(PIECE).unwrap().min(end - at);
            let kept = bytes.len();
            if memory.take(piece).read_to_end(&mut bytes).is_err() || bytes.len() == kept {
                break;
            }
            found.extend(self.in_bytes(&bytes));
            let read = u64::try_from(bytes.len() - kept).unwrap();
            (at, looked) = (at + read, looked + read);
            // What begins at the very end of one piece ends in the next.
            bytes.drain(..bytes.len().saturating_sub(self.longest));
        }
        looked
    }
}

/// None when there is nothing, or no longer.
fn there<T>(found: io::Result<T>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

/// A line of a process's memory map: start and end, when it is worth reading.
fn region(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let file = words.nth(3).unwrap_or_default();
    let is_file = file.starts_with('/') && !rights.contains('w');
    let special = file.starts_with("[v"); // the kernel's own
    if !rights.starts_with('r') || is_file || special {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
}

fn pair(bytes: &[u8], at: usize) -> Option<usize> {
    let (a, b) = (bytes.get(at)?, bytes.get(at + 1)?);
    Some(usize::from(*a) << 8 | usize::from(*b))
}

/// A secret as it is, and after every encoding somebody might have put it through.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let wide = |order: fn(u16) -> [u8; 2]| {
        secret.iter().flat_map(|byte| order(u16::from(*byte))).collect::<Vec<u8>>()
    };
    let mut forms = vec![
        ("as it is", secret.to_vec()),
        ("UTF-16 LE", wide(u16::to_le_bytes)),
        ("UTF-16 BE", wide(u16::to_be_bytes)),
        ("hex", HEXLOWER.encode(secret).into_bytes()),
        ("HEX", HEXUPPER.encode(secret).into_bytes()),
        ("base32", BASE32_NOPAD.encode(secret).into_bytes()),
        ("base32 in small letters", BASE32_NOPAD.encode(secret).to_lowercase().into_bytes()),
    ];
    // Inside a longer text, base64 cuts the bytes into threes in one of three ways.
    for skipped in 0..3 {
        let whole = secret.get(skipped..).unwrap_or_default();
        let whole = whole.get(..whole.len() / 3 * 3).unwrap_or_default();
        forms.push(("base64", BASE64_NOPAD.encode(whole).into_bytes()));
        forms.push(("base64 for addresses", BASE64URL_NOPAD.encode(whole).into_bytes()));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret that nobody may know";

    fn found(bytes: &[u8]) -> usize {
        Scanner::default().and("it", SECRET).in_bytes(bytes).len()
    }

    #[test]
    fn a_secret_is_found_however_it_was_encoded() {
        assert_eq!(found(b"nothing here"), 0);
        for before in 0..3 {
            let text = [&vec![b'x'; before][..], SECRET, b"yy"].concat();
            assert!(found(&text) > 0);
            assert!(found(BASE64_NOPAD.encode(&text).as_bytes()) > 0);
            assert!(found(HEXLOWER.encode(&text).as_bytes()) > 0);
            let wide: Vec<u8> = text.iter().flat_map(|b| [*b, 0]).collect();
            assert!(found(&wide) > 0);
        }
        assert_eq!(found(&SECRET[1..]), 0);
    }

    #[test]
    fn a_secret_across_two_pages_after_an_empty_one_is_found() {
        let mut bytes = vec![0; 3 * PAGE];
        bytes.splice(2 * PAGE - 5..2 * PAGE - 5 + SECRET.len(), SECRET.iter().copied());
        assert!(found(&bytes) > 0);
    }

    #[test]
    fn the_memory_of_this_very_process_is_searched() {
        let mine: Vec<u8> = SECRET.iter().map(|byte| byte ^ 0x20).collect();
        let (found, looked) = Scanner::default().and("it", &mine).in_memory(std::process::id());
        assert!(!found.is_empty() && looked > 0);
    }
}
