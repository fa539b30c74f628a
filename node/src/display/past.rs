//! What was said before one came, and who says so.

use hubbub_shared::time::Timestamp;

use super::clean::line;
use super::clock::Clock;
use crate::api::view::PastView;

/// What stands above what was told of the time before.
#[must_use]
pub fn history_since(oldest: Timestamp, clock: &Clock) -> String {
    format!("history since {}, before you came", clock.short_day(oldest))
}

/// Who vouches for a line of it; none where its author's own device does.
#[must_use]
pub fn past_mark(past: &PastView) -> Option<String> {
    let author = line(&past.author.name);
    match (&past.told_by, &past.contradicted) {
        (None, None) => None,
        (Some(teller), None) => Some(format!("as told by {}", line(&teller.name))),
        (None, Some(liar)) => Some(format!("{} told this otherwise", line(&liar.name))),
        (Some(teller), Some(_)) => {
            Some(format!("as told by {}; {author}'s device denies it", line(&teller.name)))
        }
    }
}

/// Whether somebody said what its author denies.
#[must_use]
pub fn past_is_warning(past: &PastView) -> bool {
    past.contradicted.is_some()
}

#[cfg(test)]
mod tests {
    use hubbub_shared::id::{GroupId, MessageId, NodeId};

    use super::*;
    use crate::api::ConversationId;
    use crate::api::command::MessageText;
    use crate::api::view::{NodeText, PersonView};

    fn past(told_by: Option<&str>, contradicted: Option<&str>) -> PastView {
        let person = |name: &str| PersonView {
            node: NodeText(NodeId([1; 32])),
            name: name.to_owned(),
            verified: false,
        };
        PastView {
            id: MessageText(MessageId([1; 16])),
            conversation: ConversationId::Group(GroupId([1; 32])),
            order: 1,
            author: person("alice"),
            sent_at: Timestamp(0),
            text: "hello".to_owned(),
            told_by: told_by.map(person),
            contradicted: contradicted.map(person),
        }
    }

    #[test]
    fn every_line_says_whose_word_it_is_unless_it_is_its_authors() {
        assert_eq!(past_mark(&past(None, None)), None);
        let told = past(Some("bob\u{1b}[31m"), None);
        assert_eq!(past_mark(&told).unwrap(), "as told by bob\u{241b}[31m");
        let corrected = past(None, Some("bob"));
        assert_eq!(past_mark(&corrected).unwrap(), "bob told this otherwise");
        let invented = past(Some("mallory"), Some("mallory"));
        assert_eq!(past_mark(&invented).unwrap(), "as told by mallory; alice's device denies it");
        assert!(past_is_warning(&invented) && !past_is_warning(&told));
    }
}
