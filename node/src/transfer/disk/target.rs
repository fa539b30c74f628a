//! Where a file lands, and what it is called there: on its way, and when it is whole.
//!
//! Invariant: each of these names is one harmless component, so nothing outside of the folder is
//! named.

use std::path::PathBuf;

use hubbub_shared::content::file_name::FileName;
use hubbub_shared::limits::FILE_NAME_BYTES;

use super::beside::Beside;

/// What a file is called until it is whole.
const ENDING: &str = ".part";
/// And the folder in which a folder is made of that.
const MAKING: &str = ".unpacking";
/// Numbers tried for a name that others have: somebody who has so many of one name has a script
/// that makes them.
pub(super) const NUMBERS: u32 = 9_999;
/// Longest ending that stays behind the number: that of [`FileName`]s.
const KEPT: usize = 16;
/// What number and ending may take of a name.
const ROOM: usize = " (9999)".len() + MAKING.len();

/// What is made of what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A file.
    File,
    /// A folder, of the list in front and what follows it.
    Folder {
        /// How long the list has to be, its length included, by the message that was looked at
        /// before. None where nothing is made of it any more.
        manifest: Option<u32>,
    },
}

/// Where a file is to land.
#[derive(Clone)]
pub struct Target {
    /// The folder.
    pub folder: PathBuf,
    /// What it is called there, if nobody else is.
    pub name: FileName,
    /// As what.
    pub form: Form,
}

impl Target {
    /// The path with this number, when whole.
    pub(super) fn whole(&self, number: u32) -> PathBuf {
        self.folder.join(numbered(&self.name, number))
    }

    /// Whether nothing is called so, nor looks as if it were.
    pub(super) fn is_free(&self, number: u32, beside: &Beside) -> bool {
        let taken = self.whole(number).symlink_metadata().is_ok();
        !taken && !beside.has(&numbered(&self.name, number))
    }

    /// In which folder a folder is made until it is whole.
    pub(super) fn making(&self, number: u32) -> PathBuf {
        self.folder.join(numbered(&self.name, number) + MAKING)
    }

    /// The path with this number, on its way.
    pub(super) fn part(&self, number: u32) -> PathBuf {
        self.folder.join(numbered(&self.name, number) + ENDING)
    }
}

/// The name with a number behind it, before its ending; of the first, the name alone. What it is
/// called on its way fits as well.
pub(super) fn numbered(name: &FileName, number: u32) -> String {
    let name = name.as_str();
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= KEPT);
    let (stem, ending) = name.split_at(dot.unwrap_or(name.len()));
    let most = FILE_NAME_BYTES - ROOM - ending.len();
    let cut = (0..=most.min(stem.len())).rev().find(|at| stem.is_char_boundary(*at)).unwrap_or(0);
    let stem = stem.get(..cut).unwrap_or_default().trim_end_matches(['.', ' ']);
    match number {
        1 => format!("{stem}{ending}"),
        number => format!("{stem} ({number}){ending}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_every_name_is_harmless_and_fits() {
        let long = "x".repeat(400);
        let texts = [
            "",
            "a",
            "a.txt",
            "../../etc/passwd",
            "...",
            "con",
            "a .b",
            "ä".repeat(300).as_str(),
            &long,
            &format!("{long}.tar.gz"),
            &format!("{}. . .png", "y".repeat(236)),
            &format!("{long}.{long}"),
            "x.part",
            "\u{202e}fdp.exe",
            "a (2).txt",
            "写真.png",
        ]
        .map(str::to_owned);
        for (text, number) in texts.iter().flat_map(|text| [1, 2, 10, NUMBERS].map(|n| (text, n))) {
            let numbered = numbered(&FileName::clean(text), number);
            assert!(FileName::harmless(&numbered).is_some(), "{numbered:?}");
            assert!(numbered.len() + MAKING.len() <= FILE_NAME_BYTES, "{numbered:?}");
        }
    }
}
