//! No file, folder or module is called by a name that says nothing about what is inside.

use crate::tree::{Finding, Tree};

const EMPTY_NAMES: &[&str] =
    &["common", "helper", "helpers", "misc", "types", "util", "utils", "utilities"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in &tree.paths {
        let stems = path.split('/').map(|part| part.split('.').next().unwrap_or_default());
        for name in stems.filter(|name| EMPTY_NAMES.contains(name)) {
            findings.push(Finding { path: path.clone(), line: 1, what: says_nothing(name) });
        }
    }
    for source in &tree.sources {
        for at in source.lexed.find(&["mod"]) {
            let name = source.lexed.text(at + 1);
            if EMPTY_NAMES.contains(&name) && source.lexed.text(at + 2) == "{" {
                findings.push(source.finding(source.lexed.line(at), says_nothing(name)));
            }
        }
    }
    findings
}

fn says_nothing(name: &str) -> String {
    format!("`{name}` says nothing: name it after what is inside")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_empty_name_is_found_as_file_and_as_folder() {
        for name in EMPTY_NAMES {
            let paths = [format!("hub/src/{name}.rs"), format!("tests/{name}/a.sh")];
            for path in paths {
                let found = check(&Tree::of(&[(&path, "")]));
                let at: Vec<_> = found.iter().map(|f| (f.path.as_str(), f.line)).collect();
                assert_eq!(at, [(path.as_str(), 1)]);
            }
        }
    }

    #[test]
    fn a_module_inside_a_file_is_found() {
        let tree = Tree::of(&[("node/src/api/view.rs", "//! A.\n\nmod types {}\n")]);
        assert_eq!(check(&tree).first().map(|f| f.line), Some(3));
    }
}
