//! Logs hold no secret and no content; the hub's logs hold none at any level.
//!
//! Read from the arguments of tracing's macros: fields, values and `{names}` inside the text. The
//! length of something (`body.len()`) is not the thing.

use crate::lexed::{Kind, Lexed};
use crate::mentions::Mention;
use crate::tree::{Finding, Source, Tree};

/// Macros whose output a person running with default settings sees.
const LOUD: &[&str] =
    &["info", "warn", "error", "event", "span", "info_span", "warn_span", "error_span"];
const QUIET: &[&str] = &["debug", "trace", "debug_span", "trace_span"];

/// Words that no loud log and no log of the hub's names.
const CONTENT: &[&str] = &[
    "body",
    "content",
    "passphrase",
    "password",
    "payload",
    "plain",
    "plaintext",
    "secret",
    "text",
];
/// The whole of an id, where its short form is enough.
const WHOLE_ID: &str = "to_text";

pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.shipped().flat_map(|source| [macros(source), instrumented(source)].concat()).collect()
}

fn macros(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for mention in source.mentions.iter().filter(|m| is_macro(&source.lexed, m)) {
        let loud = LOUD.contains(&mention.last());
        let quiet_hub = QUIET.contains(&mention.last()) && source.path.starts_with("hub/");
        if !loud && !quiet_hub {
            continue;
        }
        for (name, line) in named(&source.lexed, mention.end + 2) {
            if (name == WHOLE_ID && loud) || (name != WHOLE_ID && is_about_content(&name)) {
                let what = format!("`{}!` names `{name}`", mention.last());
                findings.push(source.finding(line, what));
            }
        }
    }
    findings
}

fn is_macro(lexed: &Lexed, mention: &Mention) -> bool {
    lexed.text(mention.end + 1) == "!" && lexed.close(mention.end + 2).is_some()
}

/// Every name between the brackets that open at `open`, with its line.
fn named(lexed: &Lexed, open: usize) -> Vec<(String, usize)> {
    let close = lexed.close(open).unwrap_or(open);
    let mut names = Vec::new();
    for (at, token) in lexed.tokens.iter().enumerate().take(close).skip(open) {
        let measured =
            lexed.text(at + 1) == "." && ["len", "is_empty"].contains(&lexed.text(at + 2));
        match token.kind {
            Kind::Word if !measured => names.push((token.text.clone(), token.line)),
            Kind::Literal => {
                names.extend(captures(&token.text).into_iter().map(|name| (name, token.line)));
            }
            _ => {}
        }
    }
    names
}

/// The `{names}` inside a format string.
fn captures(literal: &str) -> Vec<String> {
    let holes = literal.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    holes.map(|hole| hole.split(':').next().unwrap_or_default().to_owned()).collect()
}

fn is_about_content(name: &str) -> bool {
    name.split('_').any(|word| CONTENT.contains(&&*word.to_lowercase()))
}

/// `#[instrument]` logs every argument unless told not to.
fn instrumented(source: &Source) -> Vec<Finding> {
    let lexed = &source.lexed;
    let attributes = lexed.find(&["#", "["]).filter_map(|at| Some((at, lexed.close(at + 1)?)));
    attributes
        .filter(|(at, end)| {
            let has = |word: &str| (*at..*end).any(|i| lexed.text(i) == word);
            has("instrument") && !has("skip_all")
        })
        .map(|(at, _)| source.finding(lexed.line(at), "`instrument` without `skip_all`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn a_log_that_names_content_is_found() {
        for event in
            ["info!(text = %t)", "tracing::warn!(\"{:?}\", plain_bytes)", "error!(\"bad {body}\")"]
        {
            let text = format!("//! A.\nfn f() {{\n    {event};\n}}\n");
            assert_eq!(lines("node/src/runtime.rs", &text), [3], "{event}");
        }
    }

    #[test]
    fn the_hub_says_nothing_about_content_at_any_level() {
        let text = "//! A.\nfn f() {\n    trace!(?payload, \"append\");\n}\n";
        assert_eq!(lines("hub/src/server.rs", text), [3]);
        assert_eq!(lines("node/src/net/hub_link.rs", text), []);
    }

    #[test]
    fn sizes_and_short_ids_are_no_content() {
        let text = "//! A.\nfn f() { info!(bytes = body.len(), %node, \"the text of a log\"); }\n";
        assert_eq!(lines("hub/src/server.rs", text), []);
    }

    #[test]
    fn a_whole_id_above_debug_is_found() {
        let text = "//! A.\nfn f() {\n    debug!(\"{}\", n.to_text());\n\
                    \x20   info!(\"{}\", n.to_text());\n}\n";
        assert_eq!(lines("hub/src/server.rs", text), [4]);
    }

    #[test]
    fn instrumenting_every_argument_is_found() {
        let text =
            "//! A.\n#[tracing::instrument]\nfn f() {}\n#[instrument(skip_all)]\nfn g() {}\n";
        assert_eq!(lines("node/src/runtime.rs", text), [2]);
    }
}
