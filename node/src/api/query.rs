//! What a face may look up. Queries change nothing.

use serde::{Deserialize, Serialize};

use super::command::{MessageText, Target};
use super::conversation::ConversationId;
use super::file::{FileRuleView, FileSettings, FileView, GroupFileRuleView};
use super::group::{DoorsView, KnockView};
use super::people::{ContactInfoView, PictureView, RequestView};
use super::settings::Settings;
use super::view::{
    CheckView, ContactView, ConversationView, MemberView, MessageView, PastView, PathView,
    PersonView, RecipientView, SafetyView, StatusView, WhoamiView,
};

/// Something to look up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Query {
    /// All conversations, most recent first.
    Conversations,
    /// Which conversation a person means.
    Resolve {
        /// As typed.
        target: Target,
    },
    /// Messages of a conversation in order.
    History {
        /// Which.
        conversation: ConversationId,
        /// Only those after this order number.
        #[serde(default)]
        after: Option<u64>,
        /// Only those before this order number (the newest ones of these are given).
        #[serde(default)]
        before: Option<u64>,
        /// At most this many (the node caps it at 1,000).
        limit: u32,
    },
    /// What was said in a group before this node came, as its members tell it, in order.
    Past {
        /// Which.
        conversation: ConversationId,
        /// Only what stands before the line of this order number (the newest of it is given).
        #[serde(default)]
        before: Option<u64>,
        /// At most this many (the node caps it at 1,000).
        limit: u32,
    },
    /// One message's ledger: each recipient, how far.
    MessageInfo {
        /// Which.
        message: MessageText,
    },
    /// All contacts, by name.
    Contacts,
    /// A group's members.
    Members {
        /// Which group.
        group: Target,
    },
    /// The ways into a group, and who is kept out.
    Doors {
        /// Which group.
        group: Target,
    },
    /// Groups we knock at.
    Knocks,
    /// The safety number with a contact.
    Safety {
        /// With whom.
        contact: Target,
    },
    /// This node.
    Whoami,
    /// The link and what waits.
    Status,
    /// Strangers who ask to be let in, and groups strangers want us in; oldest first.
    Requests,
    /// Everybody who is blocked, by name.
    Blocked,
    /// A contact, with what happened to its name and keys.
    Contact {
        /// Who.
        contact: Target,
    },
    /// A contact's picture, or our own.
    Picture {
        /// Whose; our own without.
        #[serde(default)]
        contact: Option<Target>,
    },
    /// How peers are reached.
    Paths,
    /// What works and what does not, and what to do about it.
    Doctor,
    /// The settings about people.
    Settings,
    /// Files known here, newest first.
    Files,
    /// The small picture that came with a file.
    Preview {
        /// The file's number here.
        file: u64,
    },
    /// The settings about files.
    FileSettings,
    /// Contacts whose files have a rule of their own.
    FileRules,
    /// Groups where what is offered has a rule of its own.
    GroupFileRules,
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Query::Conversations`].
    Conversations(Vec<ConversationView>),
    /// To [`Query::Resolve`].
    Conversation(ConversationView),
    /// To [`Query::History`].
    History(Vec<MessageView>),
    /// To [`Query::Past`].
    Past(Vec<PastView>),
    /// To [`Query::MessageInfo`].
    MessageInfo {
        /// The message.
        message: Box<MessageView>,
        /// Its recipients.
        recipients: Vec<RecipientView>,
    },
    /// To [`Query::Contacts`].
    Contacts(Vec<ContactView>),
    /// To [`Query::Members`].
    Members(Vec<MemberView>),
    /// To [`Query::Doors`].
    Doors(Box<DoorsView>),
    /// To [`Query::Knocks`].
    Knocks(Vec<KnockView>),
    /// To [`Query::Safety`].
    Safety(SafetyView),
    /// To [`Query::Whoami`].
    Whoami(WhoamiView),
    /// To [`Query::Status`].
    Status(StatusView),
    /// To [`Query::Requests`].
    Requests(Vec<RequestView>),
    /// To [`Query::Blocked`].
    Blocked(Vec<PersonView>),
    /// To [`Query::Contact`].
    Contact(Box<ContactInfoView>),
    /// To [`Query::Picture`]; none when there is none.
    Picture(Option<PictureView>),
    /// To [`Query::Paths`], by name.
    Paths(Vec<PathView>),
    /// To [`Query::Doctor`], what matters most first.
    Doctor(Vec<CheckView>),
    /// To [`Query::Settings`].
    Settings(Settings),
    /// To [`Query::Files`].
    Files(Vec<FileView>),
    /// To [`Query::Preview`]; none when there is none.
    Preview(Option<PictureView>),
    /// To [`Query::FileSettings`].
    FileSettings(FileSettings),
    /// To [`Query::FileRules`], by name.
    FileRules(Vec<FileRuleView>),
    /// To [`Query::GroupFileRules`], by name.
    GroupFileRules(Vec<GroupFileRuleView>),
}
