//! The small signs beside names and messages. Each has a word of its own, never colour alone.

use hubbub_shared::id::NodeId;

use super::Charset;
use crate::api::view::{ConversationKind, Delivery};

/// The glyph at the end of an own message.
#[must_use]
pub fn delivery_mark(delivery: Delivery, charset: Charset) -> &'static str {
    match (charset, delivery) {
        (Charset::Unicode, Delivery::Queued) => "◷",
        (Charset::Unicode, Delivery::Stored) => "✓",
        (Charset::Unicode, Delivery::Delivered) => "✓✓",
        (Charset::Unicode, Delivery::Read) => "✔✔",
        (Charset::Ascii, Delivery::Queued) => "o",
        (Charset::Ascii, Delivery::Stored) => "v",
        (Charset::Ascii, Delivery::Delivered) => "vv",
        (Charset::Ascii, Delivery::Read) => "VV",
    }
}

/// The same in a word.
#[must_use]
pub fn delivery_word(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Queued => "queued",
        Delivery::Stored => "stored",
        Delivery::Delivered => "delivered",
        Delivery::Read => "read",
    }
}

/// What kind of conversation, in front of its title.
#[must_use]
pub fn kind_mark(kind: ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Direct => "@",
        ConversationKind::Group => "#",
        ConversationKind::Lobby => "~",
    }
}

/// The character horizontal rules are made of.
#[must_use]
pub fn bar(charset: Charset) -> &'static str {
    match charset {
        Charset::Unicode => "─",
        Charset::Ascii => "-",
    }
}

/// Colours of the 256-colour palette that read well on dark and on light.
const HUES: [u8; 16] = [31, 33, 37, 61, 64, 65, 97, 99, 103, 125, 130, 132, 136, 161, 166, 172];

/// The colour of a person's name: always the same for the same key, whatever they call themselves.
#[must_use]
pub fn hue(node: &NodeId) -> u8 {
    let mixed =
        node.as_bytes().iter().fold(7_usize, |sum, b| (sum * 31 + usize::from(*b)) % 65_521);
    HUES.get(mixed % HUES.len()).copied().unwrap_or(31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ascii_marks_are_ascii_and_all_differ() {
        let all = [Delivery::Queued, Delivery::Stored, Delivery::Delivered, Delivery::Read];
        for charset in [Charset::Ascii, Charset::Unicode] {
            let mut marks: Vec<_> = all.iter().map(|d| delivery_mark(*d, charset)).collect();
            assert_eq!(charset == Charset::Ascii, marks.iter().all(|m| m.is_ascii()));
            marks.dedup();
            assert_eq!(marks.len(), 4);
        }
    }

    #[test]
    fn a_name_keeps_its_colour_and_keys_spread_over_colours() {
        let hues: std::collections::BTreeSet<_> = (0..64).map(|n| hue(&NodeId([n; 32]))).collect();
        assert_eq!(hue(&NodeId([3; 32])), hue(&NodeId([3; 32])));
        assert!(hues.len() > 4, "{hues:?}");
    }
}
