//! What the documents promise about the tree.

use crate::tree::{Finding, Tree};

/// How much of the README a visitor reads before deciding.
const FIRST_SCREEN: usize = 40;
/// The enums whose variants are the frames between node and hub.
const FRAMES: &[&str] = &["ToHub", "FromHub"];

/// The two commands a visitor needs stand in code blocks on the first screen.
pub fn readme(text: &str) -> Vec<Finding> {
    let commands = commands(text);
    let shown = |wanted: &[&str]| commands.iter().any(|c| wanted.iter().any(|w| c.contains(w)));
    let mut findings = Vec::new();
    if !shown(&["cargo run", "hubbub up", "hubbub demo", "scripts/demo"]) {
        findings.push(missing("README.md", "no command on the first screen starts Hubbub"));
    }
    if !shown(&["scripts/test"]) {
        findings.push(missing("README.md", "`scripts/test` is not on the first screen"));
    }
    findings
}

/// The lines of the code blocks on the first screen.
fn commands(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines().take(FIRST_SCREEN) {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            lines.push(line);
        }
    }
    lines
}

/// Every frame's name stands in PROTOCOL.md.
pub fn protocol(tree: &Tree, text: &str) -> Vec<Finding> {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut findings = Vec::new();
    let mut frames = 0;
    for source in tree.shipped().filter(|s| s.is_in("shared/src/wire")) {
        for kind in source.shapes.types.iter().filter(|t| FRAMES.contains(&&*t.name)) {
            frames += 1;
            for (name, line) in kind.variants.iter().filter(|(name, _)| !words.contains(&&**name)) {
                let what = format!("PROTOCOL.md does not mention `{}::{name}`", kind.name);
                findings.push(source.finding(*line, what));
            }
        }
    }
    if frames < FRAMES.len() {
        findings
            .push(missing("shared/src/wire", "`ToHub` and `FromHub` are not where they should be"));
    }
    findings
}

/// Where the page about back-pressure stands.
pub const LIMITS: &str = "docs/BACK-PRESSURE.md";
/// Rows it has at least: fewer, and its tables are no longer read as such.
const ROWS: usize = 40;

/// Every row of the tables names, in its last cell, the file where a bound lives and, behind it,
/// the constant, field or type that is the bound.
pub fn limits(tree: &Tree, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let rows = text.lines().enumerate().filter(|(_, line)| line.starts_with("| "));
    let rows: Vec<_> = rows.filter(|(_, line)| !line.starts_with("| what waits")).collect();
    for (number, row) in &rows {
        let cell = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        let wrong = |what: String| Finding { path: LIMITS.to_owned(), line: number + 1, what };
        if names.len() < 2 {
            findings.push(wrong("the last cell names no bound".to_owned()));
        }
        let mut source = None;
        for name in names {
            if name.contains('/') {
                source = tree.source(name);
            } else if !source.is_some_and(|source| defines(&source.text, name)) {
                findings.push(wrong(format!("`{name}` is not defined there")));
            }
        }
    }
    if rows.len() < ROWS {
        findings.push(missing(LIMITS, "the tables are gone"));
    }
    findings
}

/// Whether a file defines a constant, a field or a type of this name.
fn defines(text: &str, name: &str) -> bool {
    let forms = [format!("const {name}: "), format!("pub {name}: "), format!("struct {name}")];
    forms.iter().any(|form| text.contains(form))
}

fn missing(path: &str, what: &str) -> Finding {
    Finding { path: path.to_owned(), line: 1, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_without_its_two_commands_is_found() {
        let both = "# Hubbub\n```sh\ncargo run -- up\nscripts/test\n```\n";
        assert_eq!(readme(both), []);
        assert_eq!(readme(&both.replace("scripts/test", "")).len(), 1);
        assert_eq!(readme(&format!("{}{both}", "\n".repeat(FIRST_SCREEN))).len(), 2);
        assert_eq!(readme("cargo run, then scripts/test").len(), 2);
    }

    #[test]
    fn a_frame_the_protocol_does_not_mention_is_found() {
        let tree = Tree::of(&[
            (
                "shared/src/wire/to_hub.rs",
                "//! A.\npub enum ToHub {\n    Append { a: u8 },\n    Fetch,\n}\n",
            ),
            ("shared/src/wire/from_hub.rs", "//! A.\npub enum FromHub {\n    Appended,\n}\n"),
        ]);
        let found = protocol(&tree, "The node sends `Append`; the hub answers `Appended`.");
        let at: Vec<_> = found.iter().map(|f| (f.path.as_str(), f.line)).collect();
        assert_eq!(at, [("shared/src/wire/to_hub.rs", 4)]);
    }

    #[test]
    fn a_bound_that_is_not_where_the_page_says_is_found() {
        let tree = Tree::of(&[("hub/src/a.rs", "//! A.\nconst QUEUE: usize = 4;\n")]);
        let page = |row: &str| format!("| what waits | x |\n|---|---|\n{}", row.repeat(ROWS));
        assert_eq!(limits(&tree, &page("| frames | 4 | `hub/src/a.rs` `QUEUE` |\n")), []);
        for row in ["| a | `hub/src/a.rs` `QUE` |\n", "| a | `hub/src/b.rs` `QUEUE` |\n", "| a |\n"]
        {
            assert_eq!(limits(&tree, &page(row)).len(), ROWS, "{row}");
        }
        assert_eq!(limits(&tree, "").len(), 1);
    }

    #[test]
    fn a_protocol_without_frames_is_found() {
        assert_eq!(protocol(&Tree::default(), "").len(), 1);
    }
}
