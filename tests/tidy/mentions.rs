//! Which paths a file names, written out in full.
//!
//! `use std::{fs, time as clock}` followed by `clock::Instant::now()` mentions `std::fs`,
//! `std::time` and `std::time::Instant::now`. Types are not inferred: a value handed over by an
//! allowed module may be used freely, which is just what the rules about imports mean.

use std::collections::{HashMap, HashSet};

use crate::lexed::Lexed;

/// One path where it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// Resolved: `crate`, `self`, `super` and imported names are replaced by what they stand for.
    pub path: Vec<String>,
    pub line: usize,
    /// The index of its first token.
    pub token: usize,
    /// The index of its last token.
    pub end: usize,
    pub how: How,
}

/// Where a path stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Code,
    Import,
    /// `pub use` in any width.
    Reexport,
}

impl Mention {
    /// Whether this is `path` (`a::b`) or something inside it. A single word in code is a variable
    /// or a field as likely as a crate, so it counts in imports only.
    pub fn is_inside(&self, path: &str) -> bool {
        let wanted: Vec<&str> = path.split("::").collect();
        let is_word = self.path.len() == 1 && self.how == How::Code;
        !is_word
            && self.path.len() >= wanted.len()
            && wanted.iter().zip(&self.path).all(|(w, p)| w == p)
    }

    /// As [`Self::is_inside`], or a glob that may bring `path` in.
    pub fn is_under(&self, path: &str) -> bool {
        let wanted: Vec<&str> = path.split("::").collect();
        match self.path.split_last() {
            Some((star, parent)) if star == "*" && parent.len() < wanted.len() => {
                wanted.iter().zip(parent).all(|(w, p)| w == p)
            }
            _ => self.is_inside(path),
        }
    }

    pub fn last(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    pub fn text(&self) -> String {
        self.path.join("::")
    }
}

/// One name that a `use` brings in.
struct Import {
    path: Vec<String>,
    /// The name it goes by here; `*` for a glob.
    name: String,
    token: usize,
    public: bool,
}

/// Knows what the names at the top of a file stand for.
pub struct Resolver {
    /// The file's own module, crate first.
    module: Vec<String>,
    imports: Vec<Import>,
    names: HashMap<String, Vec<String>>,
    /// Modules the file declares.
    children: HashSet<String>,
}

impl Resolver {
    pub fn new(path: &str, lexed: &Lexed) -> Self {
        let mut imports = Vec::new();
        for at in lexed.find(&["use"]).filter(|at| begins_statement(lexed, *at)) {
            let public = at > 0 && matches!(lexed.text(at - 1), "pub" | ")");
            let mut reader = UseReader { lexed, at: at + 1, public, imports: Vec::new() };
            reader.tree(Vec::new());
            imports.append(&mut reader.imports);
        }
        let names = imports.iter().map(|i| (i.name.clone(), i.path.clone())).collect();
        let children = lexed.find(&["mod"]).map(|at| lexed.text(at + 1).to_owned()).collect();
        Self { module: module_of(path), imports, names, children }
    }

    /// The full path that `path` stands for in this file.
    pub fn resolve(&self, path: &[String]) -> Vec<String> {
        self.resolve_to(path, 4)
    }

    fn resolve_to(&self, path: &[String], depth: usize) -> Vec<String> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let below = |prefix: &[String]| [prefix, rest].concat();
        match first.as_str() {
            "" => rest.to_vec(),
            "crate" => below(self.module.get(..1).unwrap_or_default()),
            "self" if !rest.is_empty() => below(&self.module),
            "super" => self.above(path),
            _ if depth > 0 && self.names.get(first).is_some_and(|full| full != path) => {
                let full = self.names.get(first).cloned().unwrap_or_default();
                below(
                    &self
                        .resolve_to(&full, if full.first() == Some(first) { 0 } else { depth - 1 }),
                )
            }
            _ if self.children.contains(first) => [&self.module, path].concat(),
            _ => path.to_vec(),
        }
    }

    fn above(&self, path: &[String]) -> Vec<String> {
        let steps = path.iter().take_while(|word| *word == "super").count();
        let kept = self.module.len().saturating_sub(steps).max(1);
        let base = self.module.get(..kept).unwrap_or_default();
        [base, path.get(steps..).unwrap_or_default()].concat()
    }

    pub fn mentions(&self, lexed: &Lexed) -> Vec<Mention> {
        let mut found: Vec<Mention> =
            self.imports.iter().map(|i| self.imported(i, lexed)).collect();
        let skipped = import_tokens(lexed);
        let mut at = 0;
        while at < lexed.tokens.len() {
            let Some(path) = path_at(lexed, at).filter(|_| !skipped.contains(&at)) else {
                at += 1;
                continue;
            };
            let end = at + 2 * path.iter().filter(|word| !word.is_empty()).count() - 2
                + usize::from(path.first().is_some_and(String::is_empty));
            let (path, how) = (self.resolve(&path), How::Code);
            found.push(Mention { path, line: lexed.line(at), token: at, end, how });
            at = end + 1;
        }
        found
    }

    fn imported(&self, import: &Import, lexed: &Lexed) -> Mention {
        let path = match self.names.get(import.path.first().map_or("", String::as_str)) {
            Some(own) if *own == import.path => self.resolve_to(&import.path, 0),
            _ => self.resolve(&import.path),
        };
        let how = if import.public { How::Reexport } else { How::Import };
        let (token, line) = (import.token, lexed.line(import.token));
        Mention { path, line, token, end: token, how }
    }
}

/// Whether the `use` at `at` is a statement, not `impl Trait + use<'a>`.
fn begins_statement(lexed: &Lexed, at: usize) -> bool {
    lexed.text(at + 1) != "<"
        && (at == 0 || [";", "{", "}", "]", "pub", ")"].contains(&lexed.text(at - 1)))
}

/// The tokens inside `use …;`, which [`Resolver::new`] has read already.
fn import_tokens(lexed: &Lexed) -> HashSet<usize> {
    let starts = lexed.find(&["use"]).filter(|at| begins_statement(lexed, *at));
    starts.flat_map(|at| (at..lexed.tokens.len()).take_while(|i| lexed.text(*i) != ";")).collect()
}

/// The path whose first token is at `at`, as written; a leading `::` becomes an empty first word.
fn path_at(lexed: &Lexed, at: usize) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut next = at;
    if lexed.text(at) == "::" && (at == 0 || !(lexed.is_word(at - 1) || lexed.text(at - 1) == ">"))
    {
        words.push(String::new());
        next += 1;
    }
    let after_mark = next == at && at > 0 && matches!(lexed.text(at - 1), "." | "'" | "::");
    if !lexed.is_word(next) || after_mark {
        return None;
    }
    words.push(lexed.text(next).to_owned());
    while lexed.text(next + 1) == "::" && lexed.is_word(next + 2) {
        next += 2;
        words.push(lexed.text(next).to_owned());
    }
    Some(words)
}

/// The module a file is, from its path.
fn module_of(path: &str) -> Vec<String> {
    let (package, inside) = path.split_once('/').unwrap_or((path, ""));
    let inside = inside.strip_prefix("src/").unwrap_or(inside).trim_end_matches(".rs");
    let parts = inside.split('/').filter(|part| !["mod", "lib", "main"].contains(part));
    let mut module = vec![format!("hubbub_{package}")];
    module.extend(parts.map(str::to_owned));
    module
}

struct UseReader<'a> {
    lexed: &'a Lexed,
    at: usize,
    public: bool,
    imports: Vec<Import>,
}

impl UseReader<'_> {
    /// Reads one branch of a use tree that hangs below `prefix`.
    fn tree(&mut self, mut prefix: Vec<String>) {
        let token = self.at;
        loop {
            let text = self.lexed.text(self.at).to_owned();
            match text.as_str() {
                "::" if prefix.is_empty() => prefix.push(String::new()),
                "::" => {}
                "{" => return self.branches(&prefix),
                "*" => prefix.push(text),
                _ if self.lexed.is_word(self.at) => prefix.push(text),
                _ => break,
            }
            self.at += 1;
            if self.lexed.text(self.at) == "as" {
                let name = self.lexed.text(self.at + 1).to_owned();
                self.at += 2;
                return self.import(prefix, Some(name), token);
            }
        }
        self.import(prefix, None, token);
    }

    fn branches(&mut self, prefix: &[String]) {
        let Some(close) = self.lexed.close(self.at) else { return };
        self.at += 1;
        while self.at < close {
            let before = self.at;
            self.tree(prefix.to_vec());
            if self.lexed.text(self.at) == "," || self.at == before {
                self.at += 1;
            }
        }
        self.at = close + 1;
    }

    fn import(&mut self, mut path: Vec<String>, name: Option<String>, token: usize) {
        if path.len() > 1 && path.last().is_some_and(|word| word == "self") {
            path.pop();
        }
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        self.imports.push(Import { path, name, token, public: self.public });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> Vec<String> {
        let lexed = Lexed::new(text, false).unwrap().0;
        Resolver::new(path, &lexed).mentions(&lexed).iter().map(Mention::text).collect()
    }

    #[test]
    fn imports_are_written_out() {
        let text =
            "use std::{fs, time::{self as clock, Duration}};\npub use super::b::*;\nuse ::sha2;";
        let found = read("hub/src/relay/a.rs", text);
        let wanted =
            ["std::fs", "std::time", "std::time::Duration", "hubbub_hub::relay::b::*", "sha2"];
        assert_eq!(found.get(..5), Some(&wanted.map(str::to_owned)[..]));
    }

    #[test]
    fn names_in_code_stand_for_what_was_imported() {
        let text = "use std::time as clock;\nfn f() { clock::Instant::now(); crate::x::y(); }";
        let found = read("node/src/net/mod.rs", text);
        assert!(found.contains(&"std::time::Instant::now".to_owned()), "{found:?}");
        assert!(found.contains(&"hubbub_node::x::y".to_owned()), "{found:?}");
    }

    #[test]
    fn macros_hide_nothing() {
        let found =
            read("hub/src/lib.rs", "fn f() { select! { _ = tokio::time::sleep(d) => {} } }");
        assert!(found.contains(&"tokio::time::sleep".to_owned()));
    }

    #[test]
    fn an_import_named_like_its_own_root_ends() {
        assert!(
            read("hub/src/a.rs", "use tracing::tracing;\nuse x;\nfn f() { x::y(); }").len() >= 3
        );
    }

    #[test]
    fn a_glob_counts_as_everything_below_it() {
        let glob = Mention {
            path: vec!["std".into(), "*".into()],
            line: 1,
            token: 0,
            end: 0,
            how: How::Import,
        };
        assert!(glob.is_under("std::fs") && !glob.is_under("tokio"));
    }
}
