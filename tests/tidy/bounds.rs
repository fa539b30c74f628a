//! Every queue has a bound and every task an owner.

use crate::lexed::Lexed;
use crate::mentions::Mention;
use crate::tree::{Finding, Source, Tree};

/// Channels that take any amount, by the name of what makes them or of their halves.
const UNBOUNDED: &[&str] =
    &["unbounded", "unbounded_channel", "UnboundedReceiver", "UnboundedSender"];
/// `std`'s bounded channel is `sync_channel`.
const STD_CHANNEL: &str = "std::sync::mpsc::channel";
const SPAWNS: &[&str] = &[
    "tokio::spawn",
    "tokio::task::spawn",
    "tokio::task::spawn_blocking",
    "tokio::task::spawn_local",
    "std::thread::spawn",
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.shipped() {
        for mention in &source.mentions {
            if UNBOUNDED.contains(&mention.last()) || mention.is_under(STD_CHANNEL) {
                let what = format!("`{}` has no bound", mention.text());
                findings.push(source.finding(mention.line, what));
            }
            if SPAWNS.iter().any(|path| mention.is_under(path)) && is_dropped(source, mention) {
                let what = format!("`{}` here has no owner: keep its handle", mention.text());
                findings.push(source.finding(mention.line, what));
            }
        }
    }
    findings
}

/// Whether the call is a statement of its own or assigned to `_`.
fn is_dropped(source: &Source, call: &Mention) -> bool {
    let lexed = &source.lexed;
    let Some(close) = arguments(lexed, call.end + 1).and_then(|open| lexed.close(open)) else {
        return false;
    };
    let before = call.token.checked_sub(1).map_or("", |at| lexed.text(at));
    let ends = matches!(lexed.text(close + 1), ";" | ",") || lexed.text(close + 1) == "}";
    match before {
        "=" => call.token > 1 && lexed.text(call.token - 2) == "_",
        ";" | "{" | "}" => lexed.text(close + 1) == ";",
        "=>" => ends && lexed.text(close + 1) != "}",
        _ => false,
    }
}

/// The bracket that opens a call's arguments, behind any `::<…>`.
fn arguments(lexed: &Lexed, at: usize) -> Option<usize> {
    let open = if lexed.text(at) == "::" {
        (at..at + 40).find(|i| lexed.text(*i) == ">" && lexed.text(i + 1) == "(")? + 1
    } else {
        at
    };
    (lexed.text(open) == "(").then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::of(&[("node/src/net/mod.rs", text)])).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn a_queue_without_a_bound_is_found() {
        assert_eq!(lines("//! A.\nuse tokio::sync::mpsc::unbounded_channel;\n"), [2]);
        assert_eq!(lines("//! A.\nuse std::sync::mpsc;\nfn f() {\n    mpsc::channel();\n}\n"), [4]);
        assert_eq!(
            lines("//! A.\nuse tokio::sync::mpsc;\nfn f() {\n    mpsc::channel(8);\n}\n"),
            []
        );
    }

    #[test]
    fn a_task_nobody_owns_is_found() {
        let text = "//! A.\nuse tokio::task;\nfn f() {\n    tokio::spawn(async { h().await });\n\
                    \x20   let _ = task::spawn(k());\n\
                    \x20   select! { _ = x => tokio::spawn(y), }\n}\n";
        assert_eq!(lines(text), [4, 5, 6]);
    }

    #[test]
    fn a_task_with_an_owner_is_fine() {
        let text = "//! A.\nfn f() {\n    let task = tokio::spawn(g());\n    set.spawn(h());\n\
                    \x20   tasks.push(tokio::spawn(k()));\n    tokio::spawn(m()).await;\n\
                    \x20   tokio::spawn(n())\n}\n";
        assert_eq!(lines(text), []);
    }
}
