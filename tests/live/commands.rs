//! Every command that is written down somewhere exists: in the README, and in what the programs
//! tell people to try.

use std::collections::BTreeSet;
use std::path::Path;

use hubbub_tests::process::{Stage, binary};

const README: &str = include_str!("../../README.md");
/// Commands that take a command of their own.
const NESTED: [&str; 8] =
    ["group", "message", "config", "invite", "requests", "contact", "profile", "settings"];

/// Every command line in the README: the program, and what follows it.
fn readme_commands() -> Vec<(&'static str, Vec<&'static str>)> {
    let fenced = README.split("```").skip(1).step_by(2);
    let typed = fenced.filter_map(|block| block.strip_prefix("console\n")).flat_map(str::lines);
    let quoted = README.split('`').filter(|text| text.starts_with("cargo run"));
    let lines = typed.filter_map(|line| line.strip_prefix("$ ")).chain(quoted);
    lines.filter_map(understood).collect()
}

fn understood(line: &str) -> Option<(&str, Vec<&str>)> {
    let line = line.split(" #").next().unwrap_or_default();
    let program = |prefix: &str, program| Some((program, line.strip_prefix(prefix)?));
    let (program, rest) = program("cargo run --release -- ", "hubbub")
        .or_else(|| program("target/release/hubbub-hub ", "hubbub-hub"))
        .or_else(|| program("hubbub ", "hubbub"))?;
    Some((program, rest.split_whitespace().collect()))
}

#[test]
fn every_command_in_the_readme_exists_with_its_options() {
    let stage = Stage::new();
    let commands = readme_commands();
    for verb in ["up", "join", "send", "read"] {
        assert!(commands.iter().any(|(_, words)| words.first() == Some(&verb)), "{verb}");
    }
    for (program, words) in commands {
        let nested = NESTED.contains(&words.first().copied().unwrap_or_default());
        let verbs = words.iter().take(if nested { 2 } else { 1 }).copied();
        let asked: Vec<&str> = verbs.filter(|w| !w.starts_with('-')).chain(["--help"]).collect();
        let help = stage.run(program, &asked).fine().stdout;
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{program} {words:?}: there is no {option}\n{help}");
        }
    }
}

#[test]
fn up_and_join_stand_in_the_first_forty_lines_of_the_readme() {
    let top: Vec<&str> = README.lines().take(40).collect();
    assert!(top.iter().any(|line| line.trim() == "$ cargo run --release -- up"));
    assert!(top.iter().any(|line| line.contains("cargo run --release -- join <invite>")));
    // What `cargo run` starts is the node's program, the one these tests run.
    assert!(binary("hubbub").ends_with("hubbub"));
}

/// The command lines in backticks below a folder: the program, and the words that follow it.
fn quoted_below(folder: &Path, found: &mut BTreeSet<(String, Vec<String>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            quoted_below(&path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let lines = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
            found.extend(lines.filter_map(quoted));
        }
    }
}

fn quoted(text: &str) -> Option<(String, Vec<String>)> {
    let mut words = text.split_whitespace();
    let program = words.next().filter(|word| ["hubbub", "hubbub-hub"].contains(word))?;
    let is_verb = |word: &&str| {
        !word.starts_with('-') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    };
    let words: Vec<String> = words.take_while(is_verb).map(str::to_owned).collect();
    let most =
        if words.first().is_some_and(|word| NESTED.contains(&word.as_str())) { 2 } else { 1 };
    Some((program.to_owned(), words.into_iter().take(most).collect()))
}

#[test]
fn every_command_that_people_are_told_to_try_exists() {
    let stage = Stage::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut told = BTreeSet::new();
    for folder in ["node/src", "hub/src", "docs", "config"] {
        quoted_below(&root.join(folder), &mut told);
    }
    assert!(told.len() > 15, "the search finds too little: {told:?}");
    for (program, words) in told.into_iter().filter(|(_, words)| !words.is_empty()) {
        let help = ["help".to_owned()].into_iter().chain(words.iter().cloned());
        let asked = match words.first().map(String::as_str) {
            Some("help") => words.clone(),
            _ => help.collect(),
        };
        let shown = stage.run(&program, &asked);
        assert_eq!(shown.status, 0, "there is no `{program} {}`", words.join(" "));
    }
}
