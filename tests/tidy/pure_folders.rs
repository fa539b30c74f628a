//! Pure folders do no I/O and read neither clock, environment nor the system's randomness.
//!
//! That is what lets a whole chat be replayed from one number. Addresses as plain data are in
//! `core::net`, lengths of time in `shared::time`.

use crate::tree::{Finding, Tree};

/// Where it holds.
pub const FOLDERS: &[&str] = &[
    "shared/src",
    "hub/src/relay",
    "hub/src/cache/book",
    "node/src/engine",
    "node/src/reach",
    "node/src/transfer/plan",
];

const MACHINE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "fjall",
    "getrandom",
    "quinn",
    "rand::rng",
    "rand::random",
    "rusqlite",
    "tokio",
];

/// Names that mean the system's randomness wherever they come from.
const SYSTEM_RANDOMNESS: &[&str] = &["SysRng", "OsRng", "ThreadRng", "thread_rng", "from_os_rng"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources.iter().filter(|s| FOLDERS.iter().any(|folder| s.is_in(folder))) {
        for mention in &source.mentions {
            let touched = MACHINE.iter().find(|path| mention.is_under(path));
            if touched.is_some() || mention.path.iter().any(|w| SYSTEM_RANDOMNESS.contains(&&**w)) {
                let instead = if mention.is_under("std::net") {
                    "`core::net` has addresses without sockets"
                } else {
                    "take it as an argument"
                };
                let what = format!("`{}` in a pure folder: {instead}", mention.text());
                findings.push(source.finding(mention.line, what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(String, usize)> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|f| (f.path, f.line)).collect()
    }

    #[test]
    fn a_core_that_reads_the_clock_is_found() {
        let text = "//! A.\nuse std::time;\nfn f() {\n    time::Instant::now();\n}\n";
        let path = "node/src/engine/gap.rs";
        assert_eq!(found(path, text), [(path.to_owned(), 4)]);
    }

    #[test]
    fn each_part_of_the_machine_is_found() {
        for path in MACHINE {
            let text = format!("//! A.\n\nuse {path};\n");
            assert_eq!(found("hub/src/relay/mod.rs", &text).len(), 1, "{path}");
            assert_eq!(found("hub/src/server.rs", &text).len(), 0, "{path}");
        }
        assert_eq!(found("shared/src/id.rs", "fn f() { let r = rand_core::OsRng; }").len(), 1);
    }

    #[test]
    fn tests_of_a_core_may_use_the_machine() {
        let text = "//! A.\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(found("shared/src/id.rs", text), []);
    }
}
