//! Completing paths: which folder is to be looked at, what is found there, and what is typed then.
//!
//! Invariant: [`begun`] and what follows an answer are pure; [`look`] alone reads a folder, and
//! never more of it than it may.

use std::path::PathBuf;

use super::app::{App, Effect};
use super::commands::common;
use crate::display::line;
use crate::typed::{Word, meant, spelled, word};

/// Names of a folder that are looked at; of a larger one some are not offered.
const LOOKED_AT: usize = 16_384;
/// Names that are said when several fit.
const SAID: usize = 24;

/// A path that was begun at the end of what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// All that is written, to know it again when the answer comes.
    written: String,
    /// What stands before the path.
    before: String,
    /// The path as far as it is meant, up to its last folder, and what its last name begins with.
    folder: String,
    begins: String,
    /// The quote it stands in.
    open: Option<char>,
    /// Only folders fit.
    folders_only: bool,
}

/// A folder to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Search {
    /// Where.
    folder: PathBuf,
    /// What for.
    begun: Begun,
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// What it is called.
    name: String,
    /// Whether it is a folder itself.
    is_folder: bool,
}

/// The path that is being written in a command about files; none where nothing but a path can be
/// meant there.
fn begun(text: &str) -> Option<Begun> {
    let rest = text.strip_prefix('/')?;
    let (verb, rest) = rest.split_once(char::is_whitespace)?;
    let (verb, rest) = match (verb, rest.split_once(char::is_whitespace)) {
        ("file", Some((verb @ ("send" | "accept"), rest))) => (verb, rest),
        ("file", None) if rest.starts_with(['/', '.', '~', '\'', '"']) => ("send", rest),
        ("accept", _) => ("accept", rest),
        _ => return None,
    };
    let Written { last, before, others } = Written::of(rest);
    let folders_only = before == Some("--to");
    let is_path = match verb {
        "send" => others == 0 && !matches!(before, Some("--name" | "--caption")),
        _ => folders_only,
    };
    let raw = last.as_ref().map_or("", |word| word.raw);
    if !is_path || last.as_ref().is_some_and(|word| word.text.starts_with("--")) {
        return None;
    }
    let (typed, open) = last.as_ref().map_or(("", None), |word| (word.text.as_str(), word.open));
    // Whatever stood in quotes before goes on in them.
    let open = open.or_else(|| raw.chars().next().filter(|first| matches!(first, '\'' | '"')));
    let at = typed.rfind('/').map_or(0, |at| at + 1);
    let (folder, begins) = typed.split_at_checked(at)?;
    Some(Begun {
        written: text.to_owned(),
        before: text.strip_suffix(raw)?.to_owned(),
        folder: folder.to_owned(),
        begins: begins.to_owned(),
        open,
        folders_only,
    })
}

/// What is written behind a verb.
#[derive(Default)]
struct Written<'a> {
    /// The word that is being written; none behind a space.
    last: Option<Word<'a>>,
    /// The one before it.
    before: Option<&'a str>,
    /// How many others there are that are neither an option nor its value.
    others: usize,
}

impl<'a> Written<'a> {
    fn of(text: &'a str) -> Self {
        let mut written = Self::default();
        let mut rest = text;
        while let Some((found, behind)) = word(rest) {
            if behind.is_empty() {
                written.last = Some(found);
                break;
            }
            let value = matches!(written.before, Some("--name" | "--caption" | "--to"));
            let option = found.raw.starts_with("--");
            written.others += usize::from(!value && !option);
            // A value is no option, whatever it looks like.
            written.before = if value { Some("") } else { Some(found.raw) };
            rest = behind;
        }
        written
    }
}

/// What fits what was begun. Slow: not for the loop.
pub(super) fn look(search: &Search) -> Vec<Entry> {
    let Ok(found) = std::fs::read_dir(&search.folder) else { return Vec::new() };
    let begun = &search.begun;
    let fits = |name: &str| {
        let hidden = name.starts_with('.') && !begun.begins.starts_with('.');
        // What could not be shown or typed as it is stays out.
        name.starts_with(&begun.begins) && !hidden && line(name) == name
    };
    let entries = found.take(LOOKED_AT).flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| fits(name))?;
        let is_folder = std::fs::metadata(entry.path()).is_ok_and(|facts| facts.is_dir());
        (is_folder || !begun.folders_only).then_some(Entry { name, is_folder })
    });
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort();
    entries
}

impl Begun {
    /// What is written once the path goes on like this.
    fn with(&self, name: &str, done: bool) -> String {
        let path = spelled(&format!("{}{name}", self.folder), self.open, done);
        format!("{}{path}{}", self.before, if done { " " } else { "" })
    }
}

impl App {
    /// Tab where a path is being written: the folder to look at. None where none is.
    pub(super) fn complete_path(&mut self, text: &str) -> Option<Vec<Effect>> {
        let begun = begun(text)?;
        if begun.folder.is_empty() && begun.begins == "~" {
            let home = begun.with("~/", false);
            self.composer().set(&home);
            return Some(Vec::new());
        }
        let folder = if begun.folder.is_empty() { "." } else { &begun.folder };
        let folder = meant(folder, self.home.as_deref()).ok()?;
        Some(vec![Effect::Look(Search { folder, begun })])
    }

    /// What is in a folder, for what was begun; nothing happens if more was written since.
    pub(super) fn found_in_folder(&mut self, search: &Search, entries: &[Entry]) {
        let begun = &search.begun;
        if self.overlay.is_some() || self.composer().text() != begun.written {
            return;
        }
        match entries {
            [] => self.say("nothing there begins like that", false),
            [only] if only.is_folder => {
                let text = begun.with(&format!("{}/", only.name), false);
                self.composer().set(&text);
            }
            [only] => {
                let text = begun.with(&only.name, true);
                self.composer().set(&text);
            }
            [first, others @ ..] => {
                let shared = others.iter().fold(first.name.as_str(), |a, b| common(a, &b.name));
                let text = begun.with(shared, false);
                self.composer().set(&text);
                self.say(listed(entries), false);
            }
        }
    }
}

/// Several names, of many only the first.
fn listed(entries: &[Entry]) -> String {
    let name = |entry: &Entry| format!("{}{}", entry.name, if entry.is_folder { "/" } else { "" });
    let mut names: Vec<String> = entries.iter().take(SAID).map(name).collect();
    let more = entries.len().saturating_sub(SAID);
    names.extend((more > 0).then(|| format!("and {more} more")));
    names.join("  ")
}

/// What is at a place, as it would be found there.
#[cfg(test)]
pub(super) fn entry(name: &str, is_folder: bool) -> Entry {
    Entry { name: name.to_owned(), is_folder }
}

impl Search {
    /// Where it is looked.
    #[cfg(test)]
    pub(super) fn folder(&self) -> &std::path::Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Option<(String, String, bool)> {
        begun(text).map(|begun| (begun.folder, begun.begins, begun.folders_only))
    }

    fn some(folder: &str, begins: &str) -> Option<(String, String, bool)> {
        Some((folder.to_owned(), begins.to_owned(), false))
    }

    #[test]
    fn a_path_is_completed_only_where_one_is_being_written() {
        assert_eq!(path("/file send "), some("", ""));
        assert_eq!(path("/file send ca"), some("", "ca"));
        assert_eq!(path("/file send --strip ~/pic/ca"), some("~/pic/", "ca"));
        assert_eq!(path("/file send --name x.png ca"), some("", "ca"));
        assert_eq!(path("/file send '/tmp/my c"), some("/tmp/", "my c"));
        assert_eq!(path(r"/file send /tmp/my\ c"), some("/tmp/", "my c"));
        assert_eq!(path("/file ./ca"), some("./", "ca"));
        let folder = Some(("/tmp/".to_owned(), "x".to_owned(), true));
        assert_eq!(path("/file accept 7 --to /tmp/x"), folder);
        assert_eq!(path("/accept --to /tmp/x"), folder);
        for none in [
            "/file send cat.png lo",
            "/file send cat.png ",
            "/file send --na",
            "/file send --name ca",
            "/file accept 7",
            "/accept bo",
            "/msg bob",
            "/fil",
            "file send ca",
        ] {
            assert_eq!(path(none), None, "{none}");
        }
    }

    #[test]
    fn a_folder_is_looked_at_and_only_what_fits_is_found() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["cat.png", "car park.jpg", ".cat", "dog.png", "ca\u{1b}[2J.png"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(dir.path().join("cats")).unwrap();
        let found = |text: &str| {
            let begun = begun(text).unwrap();
            look(&Search { folder: dir.path().to_owned(), begun })
        };
        let all = [entry("car park.jpg", false), entry("cat.png", false), entry("cats", true)];
        assert_eq!(found("/file send ca"), all);
        assert_eq!(found("/file accept 7 --to ca"), [entry("cats", true)]);
        assert_eq!(found("/file send .c"), [entry(".cat", false)]);
        assert_eq!(found("/file send zz"), []);
        let absent = dir.path().join("absent");
        let begun = begun("/file send ").unwrap();
        assert_eq!(look(&Search { folder: absent, begun }), []);
    }
}
