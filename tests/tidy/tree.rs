//! The source tree as the rules see it: read once, with tests already taken out.
//!
//! Invariant: a rule never opens a file. It gets a [`Tree`], from disk or from a test's strings.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::lexed::Lexed;
use crate::mentions::{self, Mention};
use crate::shapes::Shapes;

/// What a rule has to say about one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// One `.rs` file.
pub struct Source {
    /// From the workspace's root, with `/`.
    pub path: String,
    pub text: String,
    /// Tokens of what ships: `#[cfg(test)]` items are gone, and in a test file everything is.
    pub lexed: Lexed,
    /// Every path the shipped tokens name, resolved through the file's imports.
    pub mentions: Vec<Mention>,
    pub shapes: Shapes,
    /// Why the file could not be read as Rust.
    pub trouble: Option<String>,
}

impl Source {
    fn new(path: &str, text: &str, is_test: bool) -> Self {
        let mut trouble = None;
        let (lexed, stream) = Lexed::new(text, is_test).unwrap_or_else(|why| {
            trouble = Some(why);
            Default::default()
        });
        let resolver = mentions::Resolver::new(path, &lexed);
        let shapes = Shapes::new(stream, &resolver).unwrap_or_else(|why| {
            trouble = Some(why);
            Shapes::default()
        });
        let mentions = resolver.mentions(&lexed);
        let (path, text) = (path.to_owned(), text.to_owned());
        Self { path, text, lexed, mentions, shapes, trouble }
    }

    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// Whether the file is the module `folder` (`folder.rs`) or lies inside it.
    pub fn is_in(&self, folder: &str) -> bool {
        is_in(&self.path, folder)
    }
}

/// Whether `path` is `folder.rs` or lies inside `folder`.
fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

/// The sources under the three packages and `tests`, and the paths of all files beside them.
#[derive(Default)]
pub struct Tree {
    pub sources: Vec<Source>,
    pub paths: Vec<String>,
}

impl Tree {
    /// A pretend tree, for a rule's own tests.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self::new(files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect())
    }

    /// The tree this test was built from.
    pub fn of_workspace() -> io::Result<Self> {
        let mut paths = Vec::new();
        for top in ["shared", "hub", "node", "tests", "scripts", "config"] {
            walk(&root().join(top), &mut paths)?;
        }
        let mut files = Vec::new();
        for path in &paths {
            let text = if path.ends_with(".rs") { document(path) } else { String::new() };
            files.push((path.clone(), text));
        }
        Ok(Self::new(files))
    }

    fn new(files: Vec<(String, String)>) -> Self {
        let rust: Vec<_> = files.iter().filter(|(p, _)| p.ends_with(".rs")).collect();
        let test_modules: HashSet<String> =
            rust.iter().flat_map(|(p, t)| Lexed::test_modules(p, t)).collect();
        let is_test = |path: &str| {
            path.ends_with("/tests.rs")
                || !path.contains("/src/")
                || test_modules.iter().any(|module| is_in(path, module))
        };
        let sources = rust.iter().map(|(p, t)| Source::new(p, t, is_test(p))).collect();
        Self { sources, paths: files.into_iter().map(|(path, _)| path).collect() }
    }

    /// The files of the three packages that end in a binary.
    pub fn shipped(&self) -> impl Iterator<Item = &Source> {
        let tops = ["shared/src/", "hub/src/", "node/src/"];
        self.sources.iter().filter(move |s| tops.iter().any(|top| s.path.starts_with(top)))
    }

    pub fn source(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|s| s.path == path)
    }

    /// Whether `folder` exists, as a folder or as one file.
    pub fn has_module(&self, folder: &str) -> bool {
        self.sources.iter().any(|s| s.is_in(folder))
    }

    /// Files that are not Rust as far as the rules can tell: no rule would see into them.
    pub fn unreadable(&self) -> Vec<Finding> {
        let told = |s: &Source| Some(s.finding(1, format!("unreadable: {}", s.trouble.as_ref()?)));
        self.sources.iter().filter_map(told).collect()
    }
}

/// The text of a file at the workspace's root; empty when it is missing.
pub fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Collects files below `folder`, leaving out what git leaves out: hidden entries and `target`.
fn walk(folder: &Path, paths: &mut Vec<String>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            walk(&path, paths)?;
        } else if let Ok(relative) = path.strip_prefix(root()) {
            paths.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
    paths.sort();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_declared_for_tests_alone_ships_nothing() {
        let tree = Tree::of(&[
            ("hub/src/relay/mod.rs", "//! A.\n#[cfg(test)]\nmod probe;\nmod logs;\n"),
            ("hub/src/relay/probe.rs", "//! B.\nuse std::fs;\n"),
            ("hub/src/relay/logs.rs", "//! C.\nuse std::fs;\n"),
        ]);
        let reads = |path| tree.source(path).is_some_and(|s| !s.mentions.is_empty());
        assert!(!reads("hub/src/relay/probe.rs"));
        assert!(reads("hub/src/relay/logs.rs"));
    }

    #[test]
    fn a_file_that_is_not_rust_is_reported() {
        let tree = Tree::of(&[("hub/src/lib.rs", "//! A.\nfn half( {\n")]);
        assert_eq!(tree.unreadable().len(), 1);
    }
}
