//! Shipped code neither unwraps nor drops a result without saying why; `unsafe` does not occur.

use crate::tree::{Finding, Source, Tree};

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.shipped() {
        let lexed = &source.lexed;
        let unwraps = lexed.find(&[".", "unwrap", "("]);
        findings.extend(unwraps.map(|at| source.finding(lexed.line(at + 1), "`.unwrap()`")));
        findings
            .extend(lexed.find(&["unsafe"]).map(|at| source.finding(lexed.line(at), "`unsafe`")));
        let dropped =
            lexed.find(&["let", "_"]).filter(|at| [":", "="].contains(&lexed.text(at + 2)));
        let silent = dropped.map(|at| lexed.line(at)).filter(|line| !has_comment(source, *line));
        findings.extend(silent.map(|line| source.finding(line, "`let _` without a reason")));
    }
    findings
}

/// Whether a comment stands on the line or on the one above it.
fn has_comment(source: &Source, line: usize) -> bool {
    let text =
        |number: usize| source.text.lines().nth(number.saturating_sub(1)).unwrap_or_default();
    text(line).contains("// ") || (line > 1 && text(line - 1).trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::of(&[("hub/src/server.rs", text)])).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn what_panics_is_found() {
        assert_eq!(lines("//! A.\nfn f() {\n    g()\n        .unwrap();\n}\n"), [4]);
        assert_eq!(lines("//! A.\nfn f() {\n    unsafe { g() }\n}\n"), [3]);
    }

    #[test]
    fn a_result_dropped_in_silence_is_found() {
        assert_eq!(lines("//! A.\nfn f() {\n    let _ = g();\n}\n"), [3]);
        assert_eq!(lines("//! A.\nfn f() {\n    let _ = g(); // the peer may be gone\n}\n"), []);
        assert_eq!(
            lines("//! A.\nfn f() {\n    // The peer may be gone.\n    let _ = g();\n}\n"),
            []
        );
        assert_eq!(lines("//! A.\nfn f() {\n    let _guard = g();\n}\n"), []);
    }

    #[test]
    fn tests_may_unwrap() {
        assert_eq!(
            lines("//! A.\n#[cfg(test)]\nmod tests {\n    fn f() { g().unwrap(); }\n}\n"),
            []
        );
    }
}
