//! A file as a flat list of tokens, without the parts that only tests see.
//!
//! Tokens rather than syntax, so that the insides of macros count like any other code.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// What kind of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Word,
    Mark,
    Literal,
    /// An opening bracket, with the index of the token that closes it.
    Open(usize),
    Close,
}

/// One token and where it stands.
#[derive(Clone, Debug)]
pub struct Token {
    pub text: String,
    pub line: usize,
    pub kind: Kind,
}

/// The shipped tokens of one file.
#[derive(Default)]
pub struct Lexed {
    pub tokens: Vec<Token>,
    /// Lines that hold `#[cfg(test)]` items.
    pub test_lines: Vec<RangeInclusive<usize>>,
    /// Whether nothing in this file ships.
    pub is_test: bool,
}

/// An item under `#[cfg(test)]`.
struct Cut {
    lines: RangeInclusive<usize>,
    /// The name, when it is `mod name;`: a file elsewhere is then test code too.
    module: Option<String>,
}

impl Lexed {
    /// Reads `text`, and hands back the same tokens for a parser: those are bound to the thread, so
    /// they are not kept. A file with `is_test` ships no tokens at all.
    pub fn new(text: &str, is_test: bool) -> Result<(Self, TokenStream), String> {
        let stream: TokenStream = text.parse().map_err(|e| format!("{e}"))?;
        let mut cuts = Vec::new();
        let stream = shipped(stream, &mut cuts);
        if is_test || is_test_file(&stream) {
            let nothing = Self { is_test: true, ..Self::default() };
            return Ok((nothing, TokenStream::new()));
        }
        let mut tokens = Vec::new();
        flatten(stream.clone(), &mut tokens);
        let test_lines = cuts.into_iter().map(|cut| cut.lines).collect();
        Ok((Self { tokens, test_lines, is_test: false }, stream))
    }

    /// The modules (as path without `.rs`) that the file at `path` declares for tests alone.
    pub fn test_modules(path: &str, text: &str) -> Vec<String> {
        let Ok(stream) = text.parse() else { return Vec::new() };
        let mut cuts = Vec::new();
        shipped(stream, &mut cuts);
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let here = match file {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => path.trim_end_matches(".rs").to_owned(),
        };
        cuts.into_iter().filter_map(|cut| Some(format!("{here}/{}", cut.module?))).collect()
    }

    pub fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |t| t.text.as_str())
    }

    pub fn line(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(0, |t| t.line)
    }

    pub fn is_word(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|t| t.kind == Kind::Word)
    }

    /// The index of the bracket that closes the one at `at`.
    pub fn close(&self, at: usize) -> Option<usize> {
        match self.tokens.get(at)?.kind {
            Kind::Open(close) => Some(close),
            _ => None,
        }
    }

    /// Where `texts` stand in a row: the index of the first of them.
    pub fn find<'a>(&'a self, texts: &'a [&str]) -> impl Iterator<Item = usize> + 'a {
        (0..self.tokens.len())
            .filter(|at| texts.iter().enumerate().all(|(i, want)| self.text(at + i) == *want))
    }
}

/// `stream` without its `#[cfg(test)]` and `#[test]` items, at any depth.
fn shipped(stream: TokenStream, cuts: &mut Vec<Cut>) -> TokenStream {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        let (item, for_tests) = attributes(&trees, at);
        if for_tests {
            let end = end_of_item(&trees, item);
            cuts.push(cut(trees.get(at..end).unwrap_or_default(), trees.get(item..end)));
            at = end;
        } else {
            kept.push(match tree {
                TokenTree::Group(group) => TokenTree::Group(without_tests(group, cuts)),
                other => other.clone(),
            });
            at += 1;
        }
    }
    kept.into_iter().collect()
}

fn without_tests(group: &Group, cuts: &mut Vec<Cut>) -> Group {
    let mut inner = Group::new(group.delimiter(), shipped(group.stream(), cuts));
    inner.set_span(group.span());
    inner
}

fn cut(all: &[TokenTree], item: Option<&[TokenTree]>) -> Cut {
    let first = all.first().map_or(0, |t| t.span().start().line);
    let last = all.last().map_or(0, |t| t.span().end().line);
    let module = match item {
        Some([.., keyword, name, semicolon])
            if keyword.to_string() == "mod" && semicolon.to_string() == ";" =>
        {
            Some(name.to_string())
        }
        _ => None,
    };
    Cut { lines: first..=last, module }
}

/// Steps over the attributes at `at`: where the item begins, and whether it is for tests alone.
fn attributes(trees: &[TokenTree], mut at: usize) -> (usize, bool) {
    let mut for_tests = false;
    while let (Some(TokenTree::Punct(hash)), Some(TokenTree::Group(group))) =
        (trees.get(at), trees.get(at + 1))
    {
        if hash.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
            break;
        }
        for_tests |= means_test(group.stream());
        at += 2;
    }
    (at, for_tests)
}

/// Whether an attribute's inside is `cfg(test)`, `cfg(all(test, …))`, `test` or `tokio::test`.
fn means_test(attribute: TokenStream) -> bool {
    let trees: Vec<TokenTree> = attribute.into_iter().collect();
    match trees.as_slice() {
        [TokenTree::Ident(name), TokenTree::Group(group)] if name == "cfg" || name == "all" => {
            let parts: Vec<_> = group.stream().into_iter().collect();
            parts
                .split(|t| t.to_string() == ",")
                .any(|part| part.len() <= 2 && means_test(part.iter().cloned().collect()))
        }
        [TokenTree::Ident(name)] => name == "test",
        [.., TokenTree::Punct(_), TokenTree::Ident(name)] => name == "test",
        _ => false,
    }
}

/// Whether the file begins with `#![cfg(test)]`.
fn is_test_file(stream: &TokenStream) -> bool {
    let trees: Vec<TokenTree> = stream.clone().into_iter().collect();
    trees.windows(3).take_while(|w| w.first().is_some_and(|t| t.to_string() != "mod")).any(|w| {
        matches!(w, [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(group)]
            if hash.as_char() == '#' && bang.as_char() == '!' && means_test(group.stream()))
    })
}

/// The index behind the item that begins at `at`, be it an item, a field, an arm or a statement.
fn end_of_item(trees: &[TokenTree], at: usize) -> usize {
    let is = |i: usize, text: &str| trees.get(i).is_some_and(|t| t.to_string() == text);
    let is_group =
        |i: usize, d| matches!(trees.get(i), Some(TokenTree::Group(g)) if g.delimiter() == d);
    let mut keyword = at;
    if is(keyword, "pub") {
        keyword += if is_group(keyword + 1, Delimiter::Parenthesis) { 2 } else { 1 };
    }
    let word = trees.get(keyword).map(ToString::to_string).unwrap_or_default();
    let is_fn = (keyword..keyword + 4).any(|i| is(i, "fn"));
    let to_semicolon = ["use", "const", "static", "let", "type"].contains(&word.as_str()) && !is_fn;
    let to_brace = is_fn
        || is(keyword + 1, "!")
        || ["mod", "impl", "trait", "enum", "union", "struct", "unsafe", "extern"]
            .contains(&word.as_str());
    let mut end = keyword;
    while end < trees.len() {
        let brace = is_group(end, Delimiter::Brace);
        let stop = is(end, ";")
            || (!to_semicolon && brace)
            || (!to_brace && !to_semicolon && is(end, ","));
        end += 1;
        if stop {
            break;
        }
    }
    end
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut joined = String::new();
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => flatten_group(&group, tokens),
            TokenTree::Ident(ident) => {
                tokens.push(Token { text: ident.to_string(), line, kind: Kind::Word });
            }
            TokenTree::Literal(literal) => {
                tokens.push(Token { text: literal.to_string(), line, kind: Kind::Literal });
            }
            TokenTree::Punct(mark) => {
                joined.push(mark.as_char());
                let begins_pair = mark.spacing() == Spacing::Joint && "-=:".contains(&*joined);
                if begins_pair && joined.len() == 1 {
                    continue;
                }
                push_marks(&joined, line, tokens);
                joined.clear();
            }
        }
    }
}

/// Pushes `::`, `=>` and `->` whole and anything else mark by mark.
fn push_marks(marks: &str, line: usize, tokens: &mut Vec<Token>) {
    let whole = ["::", "=>", "->"].contains(&marks);
    let parts =
        if whole { vec![marks.to_owned()] } else { marks.chars().map(String::from).collect() };
    tokens.extend(parts.into_iter().map(|text| Token { text, line, kind: Kind::Mark }));
}

fn flatten_group(group: &Group, tokens: &mut Vec<Token>) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    };
    let at = tokens.len();
    let (first, last) = (group.span_open().start().line, group.span_close().end().line);
    tokens.push(Token { text: open.to_owned(), line: first, kind: Kind::Open(at) });
    flatten(group.stream(), tokens);
    let end = tokens.len();
    if let Some(token) = tokens.get_mut(at) {
        token.kind = Kind::Open(end);
    }
    tokens.push(Token { text: close.to_owned(), line: last, kind: Kind::Close });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let lexed = Lexed::new(text, false).unwrap().0;
        lexed.tokens.iter().map(|t| t.text.clone()).collect()
    }

    #[test]
    fn test_items_leave_no_tokens() {
        let text = "/// Doc.\n#[cfg(test)]\nmod tests { fn a() {} }\n#[cfg(test)]\nuse x::{y, z};\n\
                    #[test]\nfn b() {}\n#[cfg(all(test, unix))]\npub const C: T = T { d: 1 };\n\
                    fn e() {}";
        assert_eq!(words(text), ["fn", "e", "(", ")", "{", "}"]);
    }

    #[test]
    fn fields_and_statements_for_tests_are_cut_alone() {
        let text = "struct A { #[cfg(test)] b: u8, c: u8 }\nfn d() { #[cfg(test)] e(); f(); }";
        let words = words(text);
        assert!(!words.contains(&"b".to_owned()) && !words.contains(&"e".to_owned()));
        assert!(words.contains(&"c".to_owned()) && words.contains(&"f".to_owned()));
    }

    #[test]
    fn what_ships_without_test_stays() {
        let text = "#[cfg(not(test))]\nfn a() {}\n#[cfg(any(test, unix))]\nfn b() {}";
        assert_eq!(Lexed::new(text, false).unwrap().0.find(&["fn"]).count(), 2);
    }

    #[test]
    fn lines_and_brackets_are_known() {
        let lexed = Lexed::new("fn a() {\n  b::c();\n}\n", false).unwrap().0;
        let open = lexed.find(&["{"]).next().unwrap();
        assert_eq!(lexed.close(open).map(|end| lexed.line(end)), Some(3));
        assert_eq!(lexed.find(&["b", "::", "c"]).map(|at| lexed.line(at)).next(), Some(2));
    }
}
