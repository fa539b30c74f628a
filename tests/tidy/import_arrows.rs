//! Imports point one way: faces to the API, engine to nothing, hub and node not at each other.

use crate::mentions::Mention;
use crate::tree::{Finding, Tree};

/// The parts of the node the arrows run between.
pub const FOLDERS: &[&str] = &[
    "node/src/api",
    "node/src/cli",
    "node/src/engine",
    "node/src/keystore",
    "node/src/net",
    "node/src/store",
    "node/src/tui",
];

/// In `folder`, nothing may name `path`.
struct Ban {
    folder: &'static str,
    path: &'static str,
    why: &'static str,
}

const fn ban(folder: &'static str, path: &'static str, why: &'static str) -> Ban {
    Ban { folder, path, why }
}

const FACE: &str = "a face knows the API alone";
const FACES: &str = "faces do not know each other";
const APART: &str = "the runtime joins these two, nobody else";
const STRANGERS: &str = "hub and node meet on the wire";

const BANS: &[Ban] = &[
    ban("shared/src", "hubbub_hub", "shared knows neither side"),
    ban("shared/src", "hubbub_node", "shared knows neither side"),
    ban("hub/src", "hubbub_node", STRANGERS),
    ban("node/src", "hubbub_hub", STRANGERS),
    ban("node/src/cli", "hubbub_node::engine", FACE),
    ban("node/src/cli", "hubbub_node::store", FACE),
    ban("node/src/cli", "hubbub_node::net", FACE),
    ban("node/src/cli", "hubbub_node::keystore", FACE),
    ban("node/src/cli", "hubbub_node::tui", FACES),
    ban("node/src/cli", "hubbub_node::web", FACES),
    ban("node/src/tui", "hubbub_node::engine", FACE),
    ban("node/src/tui", "hubbub_node::store", FACE),
    ban("node/src/tui", "hubbub_node::net", FACE),
    ban("node/src/tui", "hubbub_node::keystore", FACE),
    ban("node/src/tui", "hubbub_node::cli", FACES),
    ban("node/src/tui", "hubbub_node::web", FACES),
    ban("node/src/web", "hubbub_node::engine", FACE),
    ban("node/src/web", "hubbub_node::store", FACE),
    ban("node/src/web", "hubbub_node::net", FACE),
    ban("node/src/web", "hubbub_node::keystore", FACE),
    ban("node/src/web", "hubbub_node::cli", FACES),
    ban("node/src/web", "hubbub_node::tui", FACES),
    ban("node/src/engine", "hubbub_node::store", APART),
    ban("node/src/engine", "hubbub_node::net", APART),
    ban("node/src/engine", "hubbub_node::reach", APART),
    ban("node/src/reach", "hubbub_node::engine", APART),
    ban("node/src/reach", "hubbub_node::store", APART),
    ban("node/src/reach", "hubbub_node::net", APART),
    ban("node/src/transfer/plan", "hubbub_node::engine", APART),
    ban("node/src/transfer/plan", "hubbub_node::store", APART),
    ban("node/src/transfer/plan", "hubbub_node::net", APART),
    ban("node/src/transfer/plan", "hubbub_node::reach", APART),
    ban("node/src/store", "hubbub_node::net", APART),
    ban("node/src/net", "hubbub_node::store", APART),
];

/// A file that may name a path all the same.
struct Exception {
    file: &'static str,
    path: &'static str,
    #[allow(dead_code)] // read by people
    why: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        file: "node/src/cli/up.rs",
        path: "hubbub_hub",
        why: "`hubbub up` may start a hub in this process",
    },
    Exception {
        file: "node/src/cli/up.rs",
        path: "hubbub_node::tui",
        why: "`hubbub up` opens the terminal UI once the node runs",
    },
    Exception {
        file: "node/src/cli/up.rs",
        path: "hubbub_node::web",
        why: "`hubbub up --web` serves the browser UI from the same process",
    },
    Exception {
        file: "node/src/cli/chat.rs",
        path: "hubbub_node::tui",
        why: "`hubbub chat` is the terminal UI",
    },
    Exception {
        file: "node/src/cli/web.rs",
        path: "hubbub_node::web",
        why: "`hubbub web` is the browser UI",
    },
];

fn is_excepted(file: &str, mention: &Mention) -> bool {
    EXCEPTIONS.iter().any(|e| e.file == file && mention.is_under(e.path))
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.shipped() {
        for ban in BANS.iter().filter(|ban| source.is_in(ban.folder)) {
            for mention in source.mentions.iter().filter(|m| m.is_under(ban.path)) {
                if !is_excepted(&source.path, mention) {
                    let what = format!("`{}` in {}: {}", mention.text(), ban.folder, ban.why);
                    findings.push(source.finding(mention.line, what));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn every_ban_is_found_where_it_holds() {
        for ban in BANS {
            let (path, own) = (format!("{}/a.rs", ban.folder), ban.path);
            assert_eq!(
                lines(&path, &format!("//! A.\n\nuse {own}::Thing;\n")),
                [3],
                "{path} {own}"
            );
        }
    }

    #[test]
    fn a_face_that_reaches_into_the_store_by_super_is_found() {
        let text = "//! A.\nfn f() {\n    super::super::store::open();\n}\n";
        assert_eq!(lines("node/src/web/page.rs", text), [3]);
    }

    #[test]
    fn up_alone_may_start_a_hub() {
        let text = "//! A.\nuse hubbub_hub::serve;\n";
        assert_eq!(lines("node/src/cli/up.rs", text), []);
        assert_eq!(lines("node/src/cli/send.rs", text), [2]);
        assert_eq!(lines("node/src/runtime.rs", text), [2]);
    }
}
