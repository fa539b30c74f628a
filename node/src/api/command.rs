//! What a face may ask a node to do, and what it gets back.

use hubbub_shared::id::MessageId;
use serde::{Deserialize, Serialize};

use super::conversation::ConversationId;
use super::file::{FileChoice, FileDeed, FileRule, SendFile};
use super::group::SettingsChange;
use super::secret::SecretText;
use super::settings::Choice;
use super::view::{Delivery, Role};

/// Whom or what a person means: a nickname (`bob` or `@bob`), a group's name (`team` or `#team`),
/// `lobby` or `~lobby`, a node's key, or a [`ConversationId`]'s text. Resolved by the node.
pub type Target = String;

/// Something to do. Each is carried out whole or refused with an error; nothing is half done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Claim this nickname at the hub. Answered when the hub has.
    SetNickname {
        /// As typed.
        nickname: String,
    },
    /// Send a text. Answered once it is durable here: *queued*.
    Send {
        /// To whom.
        to: Target,
        /// At most 16 KiB.
        text: String,
        /// The caller's own id: sending the same id again changes nothing and answers the same.
        #[serde(default)]
        id: Option<MessageText>,
    },
    /// Start (or find) a direct conversation with a nickname.
    Open {
        /// With whom.
        to: Target,
    },
    /// The person has seen everything in this conversation up to here.
    MarkRead {
        /// Which.
        conversation: ConversationId,
    },
    /// Found a group.
    GroupNew {
        /// Its name; sealed, the hub never sees it.
        name: String,
        /// Nicknames of the first members.
        #[serde(default)]
        members: Vec<Target>,
    },
    /// Add somebody.
    GroupInvite {
        /// Which group.
        group: Target,
        /// Who.
        member: Target,
    },
    /// Remove somebody.
    GroupRemove {
        /// Which group.
        group: Target,
        /// Who.
        member: Target,
    },
    /// Give somebody a role.
    GroupRole {
        /// Which group.
        group: Target,
        /// Who.
        member: Target,
        /// What.
        role: Role,
    },
    /// Rename a group or set its topic.
    GroupDescribe {
        /// Which group.
        group: Target,
        /// New name.
        #[serde(default)]
        name: Option<String>,
        /// New topic.
        #[serde(default)]
        topic: Option<String>,
    },
    /// Leave.
    GroupLeave {
        /// Which group.
        group: Target,
    },
    /// Change what a group allows.
    GroupSet {
        /// Which group.
        group: Target,
        /// What changes.
        change: SettingsChange,
    },
    /// Keep somebody out, and remove them if they are in.
    GroupBan {
        /// Which group.
        group: Target,
        /// Who.
        member: Target,
    },
    /// End a ban. It lets nobody in.
    GroupUnban {
        /// Which group.
        group: Target,
        /// Who.
        member: Target,
    },
    /// Make somebody else owner, and oneself an admin.
    GroupHandOver {
        /// Which group.
        group: Target,
        /// To whom.
        member: Target,
    },
    /// Make an invite link. Answered with the line to hand over.
    GroupLink {
        /// Which group.
        group: Target,
        /// How many may come in by it.
        uses: u16,
        /// For how long, in milliseconds.
        expires_in_ms: u64,
    },
    /// Make an invite link worthless.
    GroupUnlink {
        /// Which group.
        group: Target,
        /// The line itself, or its public key (or the first letters of that).
        link: String,
    },
    /// Set the passphrase that lets people into a group, or take it off.
    GroupPassphrase {
        /// Which group.
        group: Target,
        /// The passphrase; none takes it off.
        #[serde(default)]
        passphrase: Option<SecretText>,
    },
    /// Knock at a group that we know by its public name or a link without secret: with its
    /// passphrase, or to ask. Answered once that is on its way; being let in may take days.
    GroupKnock {
        /// The public name, or the line.
        room: String,
        /// The passphrase; none to ask a person.
        #[serde(default)]
        passphrase: Option<SecretText>,
        /// Words to go with a request.
        #[serde(default)]
        note: String,
    },
    /// Give up knocking at a group.
    GroupKnockStop {
        /// What it was called.
        room: String,
    },
    /// Let somebody in who asks, or not.
    GroupDecide {
        /// Which group.
        group: Target,
        /// Who asks.
        member: Target,
        /// Whether they come in.
        accept: bool,
    },
    /// Come into a group by an invite link. Answered when the group's log says that we are in.
    GroupJoin {
        /// The whole line, or what stands behind its dot.
        link: String,
    },
    /// Mark a contact as verified (after comparing the safety number) or take that back.
    Verify {
        /// Who.
        contact: Target,
        /// Compared and equal.
        verified: bool,
    },
    /// Set the line of text contacts see beside the name.
    SetStatus {
        /// At most 512 bytes.
        status: String,
    },
    /// Compare what the other device shows of the safety number; the contact is verified when it is
    /// the same, and nothing changes when it is not.
    Compare {
        /// Who.
        contact: Target,
        /// What the other device shows.
        shown: Shown,
    },
    /// Take a stranger in, or come into a stranger's group.
    Accept {
        /// Whose request, or which group; as [`Query::Requests`](super::Query::Requests) names it.
        request: Target,
    },
    /// Turn a request down. Whoever made it is not told; who invited us into a group sees us leave.
    Decline {
        /// Which.
        request: Target,
    },
    /// Neither hear nor be heard by somebody any more.
    Block {
        /// Whom.
        contact: Target,
    },
    /// Take that back. What was swallowed meanwhile stays so.
    Unblock {
        /// Whom.
        contact: Target,
    },
    /// Change what contacts see of us. What is left out stays as it is.
    SetProfile {
        /// At most 64 characters, shown beside the nickname; empty for none.
        #[serde(default)]
        name: Option<String>,
        /// At most 512 bytes; empty for none.
        #[serde(default)]
        status: Option<String>,
        /// A PNG, JPEG or WebP of at most 32 KiB, as base64; empty for none.
        #[serde(default)]
        picture: Option<String>,
    },
    /// The person is writing; whoever looks at the conversation is told, if presence is shared.
    Typing {
        /// Where.
        conversation: ConversationId,
    },
    /// Change settings, in `node.toml` too. What is left out stays as it is.
    Set(Choice),
    /// Offer a file. Answered once that is durable here; the message goes out when the file has
    /// been read for the first time.
    SendFile(SendFile),
    /// Decide about a file, or change what becomes of it.
    File {
        /// Its number here, as [`Query::Files`](super::Query::Files) says.
        file: u64,
        /// What to do.
        deed: FileDeed,
    },
    /// Change the settings about files, in `node.toml` too. What is left out stays as it is.
    SetFiles(FileChoice),
    /// Have a contact's files fetched without asking always, or never, or as those of others.
    SetFileRule {
        /// Whose.
        contact: Target,
        /// Which.
        rule: FileRule,
    },
    /// Have what members offer in a group fetched without asking always, or never, or as elsewhere.
    /// A rule for a contact goes before it.
    SetGroupFileRule {
        /// Which group.
        group: Target,
        /// Which rule.
        rule: FileRule,
    },
}

/// A safety number in one of its forms, as the other device shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Sixty digits, with or without spaces.
    Number(String),
    /// Twelve words.
    Words(String),
    /// The QR code's bytes, as hex.
    Qr(String),
}

/// A message id as text: base32 of 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageText(pub MessageId);

impl From<MessageText> for String {
    fn from(id: MessageText) -> Self {
        id.0.to_text()
    }
}

impl TryFrom<String> for MessageText {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        MessageId::from_text(&text).map(Self).ok_or("a message id is 26 letters of base32")
    }
}

/// What a command gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Carried out.
    Done,
    /// A message is durable here.
    Queued {
        /// Its id.
        message: MessageText,
        /// Where.
        conversation: ConversationId,
        /// How far it had got when this was answered.
        delivery: Delivery,
    },
    /// A file will be offered: that is durable here.
    File {
        /// Its number here.
        file: u64,
        /// The id of the message that will offer it.
        message: MessageText,
        /// Where.
        conversation: ConversationId,
    },
    /// A conversation exists.
    Conversation {
        /// Which.
        conversation: ConversationId,
    },
    /// Members were asked to let us in.
    Knocked {
        /// The group, which is a conversation here once we are in.
        conversation: ConversationId,
        /// How many are asked, one after the other or at once; with none, nobody there may.
        keepers: u32,
    },
    /// An invite link, to hand over. It is a secret between whoever hands it and whoever gets it.
    Link {
        /// The whole line.
        link: String,
    },
    /// The nickname as prepared and granted.
    Nickname {
        /// As others see it.
        nickname: String,
    },
}
