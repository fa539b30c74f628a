//! How a conversation is named to faces and scripts.

use core::fmt;
use core::str::FromStr;

use hubbub_shared::id::{GroupId, NodeId};
use serde::{Deserialize, Serialize};

/// A conversation: as text `direct:<node>` or `group:<group>`, the same for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ConversationId {
    /// With one other person.
    Direct(NodeId),
    /// With a group.
    Group(GroupId),
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(node) => write!(f, "direct:{}", node.to_text()),
            Self::Group(group) => write!(f, "group:{}", group.to_text()),
        }
    }
}

/// Not the text of a conversation id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a conversation id; `hubbub conversations --json` lists them")]
pub struct NotAConversation;

impl FromStr for ConversationId {
    type Err = NotAConversation;
    fn from_str(text: &str) -> Result<Self, NotAConversation> {
        match text.split_once(':') {
            Some(("direct", id)) => NodeId::from_text(id).map(Self::Direct),
            Some(("group", id)) => GroupId::from_text(id).map(Self::Group),
            _ => None,
        }
        .ok_or(NotAConversation)
    }
}

impl From<ConversationId> for String {
    fn from(id: ConversationId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ConversationId {
    type Error = NotAConversation;
    fn try_from(text: String) -> Result<Self, NotAConversation> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_survives_a_round_trip() {
        let id = ConversationId::Group(GroupId([9; 32]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("direct:nonsense".parse::<ConversationId>(), Err(NotAConversation));
    }
}
