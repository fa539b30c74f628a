//! The hub cannot open an envelope, because it cannot even name what opens one.
//!
//! It may read the signed membership log, which is public to it by design, and nothing else of
//! groups. Of files it may keep and check sealed pieces, and names nothing that takes a file's key.
//! `shared` offers no way round by re-exporting.

use crate::mentions::How;
use crate::tree::{Finding, Tree};

const CLOSED: &[&str] = &[
    "hubbub_shared::session",
    "hubbub_shared::content",
    "hubbub_shared::crypto::aead",
    "hubbub_shared::crypto::stream",
    "hubbub_shared::blob::open",
    "hubbub_shared::blob::seal",
    "hubbub_shared::blob::serve",
    "hubbub_shared::group",
];
/// What the hub may see: who is in a group, never what is said there.
const OPEN: &[&str] = &["hubbub_shared::group::control", "hubbub_shared::group::roster"];
const INSIDE: &[&str] = &["shared/src/session", "shared/src/content", "shared/src/group"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.shipped() {
        let in_hub = source.path.starts_with("hub/");
        let in_shared =
            source.path.starts_with("shared/") && !INSIDE.iter().any(|f| source.is_in(f));
        for mention in &source.mentions {
            let bad = in_hub || (in_shared && mention.how == How::Reexport);
            let closed = CLOSED.iter().any(|path| mention.is_under(path));
            if bad && closed && !OPEN.iter().any(|path| mention.is_inside(path)) {
                let what = format!("`{}` is closed to the hub", mention.text());
                findings.push(source.finding(mention.line, what));
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
    fn a_hub_that_names_sessions_content_or_sender_keys_is_found() {
        let text = "//! A.\nuse hubbub_shared::{id, session::Session};\n\
                    fn f() { hubbub_shared::group::sender_key::open(); }\nuse hubbub_shared::*;\n";
        assert_eq!(lines("hub/src/connection.rs", text), [2, 4, 3]);
    }

    #[test]
    fn the_hub_may_read_the_membership_log() {
        let text =
            "//! A.\nuse hubbub_shared::group::control::{self, Entry};\nfn f() { control::g(); }\n";
        assert_eq!(lines("hub/src/relay/access.rs", text), []);
    }

    #[test]
    fn the_hub_may_check_pieces_of_files_and_not_open_them() {
        let text = "//! A.\nuse hubbub_shared::blob::{Blob, Nodes, HaveMap};\n\
                    use hubbub_shared::blob::open::Opener;\n\
                    use hubbub_shared::crypto::stream::FileKey;\n";
        assert_eq!(lines("hub/src/cache.rs", text), [3, 4]);
        let text = "//! A.\npub mod open;\npub use open::Opener;\n";
        assert_eq!(lines("shared/src/blob/mod.rs", text), [3]);
    }

    #[test]
    fn a_way_round_through_shared_is_found() {
        let text = "//! A.\npub mod session;\npub use session::Session;\n";
        assert_eq!(lines("shared/src/lib.rs", text), [3]);
    }
}
