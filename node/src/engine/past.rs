//! What happened to a contact's name and keys, so that a person can look it up later.

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::record::Key;
use crate::api::people::{Past, PastView};

/// Lines kept of one contact. Claims by others go first, since others can make as many as they
/// like.
const LINES: usize = 64;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) what: Past,
}

/// Adds a line; beyond the bound the least needed one goes.
fn add(lines: &mut Vec<Line>, line: Line) {
    lines.push(line);
    if lines.len() > LINES {
        let claim = lines.iter().position(|line| matches!(line.what, Past::Claimed { .. }));
        // The first line says since when the key is pinned.
        lines.remove(claim.unwrap_or(1));
    }
}

impl Engine {
    /// Something happened to a contact's name or keys; nothing is kept of others.
    pub(super) fn note_past(&mut self, node: NodeId, what: Past) {
        let person = self.people.get(&node);
        if !person.is_some_and(|person| person.contact || person.blocked.is_some()) {
            return;
        }
        let line = Line { at: self.now, what };
        add(self.past.entry(node).or_default(), line);
        self.touch(Key::Past(node));
    }

    /// A contact's lines, oldest first.
    pub(super) fn past_of(&self, node: &NodeId) -> Vec<PastView> {
        let lines = self.past.get(node).into_iter().flatten();
        lines.map(|line| PastView { at: line.at, what: line.what.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::view::NodeText;

    #[test]
    fn claims_of_others_never_push_out_what_the_person_did() {
        let line = |what| Line { at: Timestamp(1), what };
        let mut lines = vec![line(Past::Pinned), line(Past::Verified)];
        for key in 0..200 {
            let by = NodeText(NodeId([key; 32]));
            add(&mut lines, line(Past::Claimed { by, name: "bob".to_owned() }));
        }
        assert_eq!(lines.len(), LINES);
        assert_eq!((&lines[0].what, &lines[1].what), (&Past::Pinned, &Past::Verified));
        for number in 0..200 {
            add(&mut lines, line(Past::SessionKey { number }));
        }
        assert_eq!((lines.len(), &lines[0].what), (LINES, &Past::Pinned));
    }
}
