//! The house numbers: how long files, functions and lines are, and that every file says what it is.
//!
//! They are there to be comfortable: what grows past them is split by meaning, not by length.

use crate::shapes::Function;
use crate::tree::{Finding, Source, Tree};

const FILE_CAP: usize = 500;
const FILE_MEDIAN: usize = 170;
const FILE_P90: usize = 400;
const FUNCTION_CAP: usize = 60;
const FUNCTION_P90: usize = 25;
const PARAMETERS: usize = 5;
const COLUMNS: usize = 100;

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        findings.extend(no_module_doc(source));
        findings.extend(long_lines(source));
    }
    for source in tree.shipped() {
        let lines = shipped_lines(source);
        if lines > FILE_CAP {
            findings.push(source.finding(lines, format!("{lines} lines; at most {FILE_CAP}")));
        }
        findings.extend(source.shapes.functions.iter().flat_map(|f| too_much(source, f)));
    }
    findings.extend(distribution(tree));
    findings
}

/// Lines that end in a binary, comments included.
fn shipped_lines(source: &Source) -> usize {
    if source.lexed.is_test {
        return 0;
    }
    let tests: usize = source.lexed.test_lines.iter().map(|lines| lines.clone().count()).sum();
    source.text.lines().count().saturating_sub(tests)
}

fn no_module_doc(source: &Source) -> Option<Finding> {
    let first =
        source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    let documented = first.is_some_and(|line| line.starts_with("//!"));
    (!documented).then(|| source.finding(1, "no module doc: say what the file is for"))
}

fn long_lines(source: &Source) -> Vec<Finding> {
    let numbered = source.text.lines().enumerate().map(|(n, line)| (n + 1, line));
    // Nobody can wrap an address, or a literal that already has the line to itself.
    let wraps = |line: &str| !line.contains("://") && !line.trim_start().starts_with('"');
    let long = numbered.filter(|(_, line)| line.chars().count() > COLUMNS && wraps(line));
    long.map(|(number, _)| source.finding(number, format!("more than {COLUMNS} columns"))).collect()
}

fn too_much(source: &Source, function: &Function) -> Vec<Finding> {
    let Function { name, line, lines, parameters } = function;
    let mut findings = Vec::new();
    if *lines > FUNCTION_CAP {
        let what = format!("`{name}` has {lines} lines; at most {FUNCTION_CAP}");
        findings.push(source.finding(*line, what));
    }
    if *parameters > PARAMETERS {
        let what = format!("`{name}` has {parameters} parameters; at most {PARAMETERS}");
        findings.push(source.finding(*line, what));
    }
    findings
}

/// A length and where it was found.
struct Length<'a> {
    source: &'a Source,
    line: usize,
    lines: usize,
}

fn distribution(tree: &Tree) -> Vec<Finding> {
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for source in tree.shipped().filter(|s| !s.lexed.is_test) {
        files.push(Length { source, line: 1, lines: shipped_lines(source) });
        functions.extend(source.shapes.functions.iter().map(|f| Length {
            source,
            line: f.line,
            lines: f.lines,
        }));
    }
    files.sort_by_key(|file| file.lines);
    functions.sort_by_key(|function| function.lines);
    let findings = [
        quantile(&files, 5, FILE_MEDIAN, "half of all files"),
        quantile(&files, 9, FILE_P90, "nine in ten files"),
        quantile(&functions, 9, FUNCTION_P90, "nine in ten functions"),
    ];
    findings.into_iter().flatten().collect()
}

/// A finding when fewer than `tenths` of `sorted` are within `limit`.
fn quantile(sorted: &[Length<'_>], tenths: usize, limit: usize, whose: &str) -> Option<Finding> {
    let at = (sorted.len() * tenths).div_ceil(10).checked_sub(1)?;
    let Length { source, line, lines } = sorted.get(at)?;
    let what = format!("{whose} should have at most {limit} lines; this one marks it with {lines}");
    (*lines > limit).then(|| source.finding(*line, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "hub/src/server.rs";

    fn found(text: &str) -> Vec<(usize, String)> {
        check(&Tree::of(&[(PATH, text)])).into_iter().map(|f| (f.line, f.what)).collect()
    }

    fn function(lines: usize) -> String {
        format!("//! A.\n\nfn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_file_over_the_cap_is_found_but_its_tests_are_free() {
        let consts = "const A: u8 = 1;\n".repeat(FILE_CAP);
        assert!(found(&format!("//! A.\n{consts}")).iter().any(|(_, what)| what.contains("501")));
        let tests = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{consts}}}\n");
        assert_eq!(found(&tests), []);
    }

    #[test]
    fn a_function_over_the_cap_is_found() {
        let found = found(&function(FUNCTION_CAP + 1));
        assert!(found.iter().any(|(line, what)| *line == 3 && what.contains("61")), "{found:?}");
    }

    #[test]
    fn more_than_a_tenth_of_long_functions_is_found() {
        let found = found(&function(FUNCTION_P90 + 1));
        assert!(found.iter().any(|(line, what)| *line == 3 && what.contains("nine in ten")));
    }

    #[test]
    fn files_that_are_long_on_the_whole_are_found() {
        let found = found(&format!("//! A.\n{}", "const A: u8 = 1;\n".repeat(FILE_MEDIAN)));
        assert!(found.iter().any(|(_, what)| what.contains("half of all files")));
    }

    #[test]
    fn too_many_parameters_are_found_without_counting_self() {
        let five = "//! A.\nimpl A {\n    fn f(&self, a: A, b: A, c: A, d: A, e: A) {}\n}\n";
        assert_eq!(found(five), []);
        let found = found(&five.replace("e: A", "e: A, f: A"));
        assert_eq!(found.first().map(|(line, _)| *line), Some(3));
    }

    #[test]
    fn a_long_line_is_found() {
        let text = format!("//! A.\n// {}\n", "x".repeat(COLUMNS));
        assert_eq!(found(&text).first().map(|(line, _)| *line), Some(2));
        let literal = format!("//! A.\nconst A: &str =\n    \"{}\";\n", "x".repeat(COLUMNS));
        assert_eq!(found(&literal), []);
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_for_is_found() {
        assert_eq!(found("use a::b;\n").first().map(|(line, _)| *line), Some(1));
    }
}
