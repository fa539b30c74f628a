//! Who is writing, and telling that we are.

use hubbub_shared::id::NodeId;
use hubbub_shared::time::{Millis, Timestamp};

use super::app::{Did, Effect};
use crate::api::view::PersonView;
use crate::api::{Command, ConversationId};

/// The node is told at most once in this time.
const TELL: Millis = Millis::secs(4);
/// How long somebody counts as writing who told it once.
const FRESH: Millis = Millis::secs(6);
/// Writers remembered at once; there is no room to show more.
const WRITERS: usize = 64;
/// Names shown.
const SHOWN: usize = 3;

/// Who writes where.
#[derive(Default)]
pub(super) struct Typing {
    writers: Vec<(ConversationId, NodeId, String, Timestamp)>,
    told: Option<(ConversationId, Timestamp)>,
}

impl Typing {
    /// Somebody is writing.
    pub(super) fn hear(&mut self, at: ConversationId, who: &PersonView, now: Timestamp) {
        self.quiet(at, who.node.0);
        self.writers.retain(|(_, _, _, then)| is_within(*then, now, FRESH));
        if self.writers.len() < WRITERS {
            self.writers.push((at, who.node.0, who.name.clone(), now));
        }
    }

    /// Somebody has written.
    pub(super) fn quiet(&mut self, at: ConversationId, who: NodeId) {
        self.writers.retain(|(there, node, ..)| (*there, *node) != (at, who));
    }

    /// The person writes here: what to tell the node.
    pub(super) fn tell(&mut self, at: ConversationId, now: Timestamp) -> Option<Effect> {
        let again =
            self.told.is_some_and(|(there, then)| there == at && is_within(then, now, TELL));
        if again {
            return None;
        }
        self.told = Some((at, now));
        Some(Effect::Command(Command::Typing { conversation: at }, Did::Quiet))
    }

    /// Who writes there now, in words.
    pub(super) fn words(&self, at: ConversationId, now: Timestamp) -> Option<String> {
        let fresh = |(there, _, _, then): &&(ConversationId, NodeId, String, Timestamp)| {
            *there == at && is_within(*then, now, FRESH)
        };
        let names: Vec<&str> =
            self.writers.iter().filter(fresh).map(|(_, _, name, _)| name.as_str()).collect();
        match names.as_slice() {
            [] => None,
            [one] => Some(format!("{one} is writing")),
            some if some.len() <= SHOWN => Some(format!("{} are writing", some.join(", "))),
            many => Some(format!("{} people are writing", many.len())),
        }
    }
}

/// Whether it was less than `time` ago. Where the clock was set back, it was not.
fn is_within(then: Timestamp, now: Timestamp, time: Millis) -> bool {
    then <= now && now.since(then) < time
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::view::NodeText;

    const HERE: ConversationId = ConversationId::Direct(NodeId([2; 32]));
    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn person(key: u8, name: &str) -> PersonView {
        PersonView { node: NodeText(NodeId([key; 32])), name: name.to_owned(), verified: false }
    }

    #[test]
    fn writers_are_named_while_it_is_news_and_counted_when_they_are_many() {
        let mut typing = Typing::default();
        assert_eq!(typing.words(HERE, NOW), None);
        typing.hear(HERE, &person(2, "bob"), NOW);
        typing.hear(HERE, &person(2, "bob"), NOW);
        assert_eq!(typing.words(HERE, NOW).unwrap(), "bob is writing");
        assert_eq!(typing.words(HERE, NOW + FRESH), None);
        typing.hear(HERE, &person(3, "carol"), NOW);
        assert_eq!(typing.words(HERE, NOW).unwrap(), "bob, carol are writing");
        for key in 4..200 {
            typing.hear(HERE, &person(key, "somebody"), NOW);
        }
        assert_eq!(typing.words(HERE, NOW).unwrap(), format!("{WRITERS} people are writing"));
        typing.quiet(HERE, NodeId([2; 32]));
        assert!(typing.writers.len() < WRITERS);
    }

    #[test]
    fn the_node_is_not_told_with_every_key() {
        let mut typing = Typing::default();
        assert!(typing.tell(HERE, NOW).is_some());
        assert!(typing.tell(HERE, NOW + Millis::secs(1)).is_none());
        assert!(typing.tell(ConversationId::Direct(NodeId([3; 32])), NOW).is_some());
        assert!(typing.tell(HERE, NOW + Millis::secs(1)).is_some());
    }

    #[test]
    fn those_who_stopped_make_room_for_others() {
        let mut typing = Typing::default();
        for key in 0..64 {
            typing.hear(HERE, &person(key, "somebody"), NOW);
        }
        typing.hear(HERE, &person(200, "alice"), NOW + FRESH);
        assert_eq!(typing.words(HERE, NOW + FRESH).unwrap(), "alice is writing");
        assert_eq!(typing.writers.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let mut typing = Typing::default();
        typing.hear(HERE, &person(2, "bob"), NOW);
        assert!(typing.tell(HERE, NOW).is_some());
        let back = NOW - Millis::days(1);
        assert_eq!(typing.words(HERE, back), None);
        assert!(typing.tell(HERE, back).is_some());
    }
}
