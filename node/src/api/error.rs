//! What went wrong and what to try: the one place where words for people are made.

use core::fmt;

use hubbub_shared::wire::{Refusal, RefusalCode};
use serde::{Deserialize, Serialize};

/// What kind of failure, and so which exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// What was asked makes no sense: fix the request.
    Usage,
    /// Nobody and nothing of that name.
    NotFound,
    /// The group's rules or the hub forbid it.
    Forbidden,
    /// The hub cannot be reached.
    HubUnreachable,
    /// The hub is not the one the invite names.
    WrongHub,
    /// The invite is wrong, used up or over.
    Invite,
    /// The nickname is taken, looks like another or is none.
    Nickname,
    /// No common protocol version.
    Version,
    /// The profile is damaged, locked by a passphrase, or missing.
    Profile,
    /// Another process owns the profile, or another device the identity.
    InUse,
    /// A configuration file or key is wrong.
    Config,
    /// Something is full: a mailbox, the disk, the outbox.
    Full,
    /// Too many, too fast.
    TooFast,
    /// Accepted and durable here, but not delivered within the time asked for.
    NotYetDelivered,
    /// What was compared is not the same: the keys are not what they should be.
    Differs,
    /// Interrupted before it was done.
    Interrupted,
    /// A bug in us.
    Internal,
}

impl Code {
    /// The process exit code (documented in `hubbub help exit-codes`).
    #[must_use]
    pub fn exit(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Forbidden => 4,
            Self::HubUnreachable => 5,
            Self::WrongHub => 6,
            Self::Invite => 7,
            Self::Nickname => 8,
            Self::Version => 9,
            Self::Profile => 10,
            Self::InUse => 11,
            Self::Config => 12,
            Self::Full => 13,
            Self::TooFast => 14,
            Self::Differs => 15,
            Self::NotYetDelivered => 75,
            Self::Interrupted => 130,
        }
    }
}

/// A failure as people and programs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// For programs.
    pub code: Code,
    /// What happened.
    pub what: String,
    /// What to try.
    pub hint: String,
}

impl ApiError {
    /// Builds one from its parts.
    pub fn new(code: Code, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ApiError {}

/// A hub's refusal in words. `about` is the name of whoever the refusal concerns, where known.
#[must_use]
pub fn from_refusal(refusal: &Refusal, about: &str) -> ApiError {
    let (code, what, hint) = words(refusal.code, about);
    ApiError::new(code, what, hint)
}

type Words = (Code, String, &'static str);

fn words(code: RefusalCode, about: &str) -> Words {
    access_words(code)
        .or_else(|| name_words(code, about))
        .or_else(|| log_words(code, about))
        .unwrap_or_else(|| unexpected(code))
}

fn fixed(code: Code, what: &str, hint: &'static str) -> Option<Words> {
    Some((code, what.to_owned(), hint))
}

fn access_words(code: RefusalCode) -> Option<Words> {
    use RefusalCode as R;
    match code {
        R::WrongVersion => fixed(
            Code::Version,
            "the hub speaks another version of the protocol",
            "update the older of the two, hub or node",
        ),
        R::NotAdmitted => fixed(
            Code::Invite,
            "this hub is closed and does not know you",
            "ask its operator for an invite and use `hubbub join <invite>`",
        ),
        R::InviteUnknown => fixed(
            Code::Invite,
            "the hub does not know this invite",
            "check that it was copied whole, or ask for a new one",
        ),
        R::InviteExpired => fixed(Code::Invite, "the invite's time is over", "ask for a new one"),
        R::InviteUsedUp => {
            fixed(Code::Invite, "the invite was used as often as it may", "ask for a new one")
        }
        R::Replaced => fixed(
            Code::InUse,
            "this identity connected from somewhere else",
            "stop the other copy of this profile; one identity runs on one device",
        ),
        _ => None,
    }
}

fn name_words(code: RefusalCode, about: &str) -> Option<Words> {
    use RefusalCode as R;
    Some(match code {
        R::NicknameTaken => {
            (Code::Nickname, format!("the nickname {about} is taken"), "choose another")
        }
        R::NicknameLooksAlike => (
            Code::Nickname,
            format!("{about} looks too much like a nickname somebody has"),
            "choose one that cannot be mistaken",
        ),
        R::NicknameInvalid => (
            Code::Nickname,
            format!("{about} cannot be a nickname"),
            "use 1 to 32 letters, digits, dots, dashes or underscores",
        ),
        R::Unknown => {
            (Code::NotFound, format!("nobody here is called {about}"), "check the spelling")
        }
        R::NoPrekeys => (
            Code::NotFound,
            format!("{about} has never been online with keys to write to"),
            "the message waits here until they have",
        ),
        _ => return None,
    })
}

fn log_words(code: RefusalCode, about: &str) -> Option<Words> {
    use RefusalCode as R;
    match code {
        R::Full => Some((
            Code::Full,
            format!("{about}'s mailbox at the hub is full"),
            "the message waits here and goes out when they have read",
        )),
        R::NotAMember => {
            fixed(Code::Forbidden, "not a member there", "ask an admin of the group to invite you")
        }
        R::NoSuchGroup => fixed(Code::NotFound, "no such group at this hub", "check the name"),
        R::TooLarge => fixed(Code::Usage, "too large to send", "send less at once"),
        R::TooFast => fixed(Code::TooFast, "too many, too fast", "it goes on by itself shortly"),
        R::StoreFailing | R::Stopping => fixed(
            Code::HubUnreachable,
            "the hub cannot store anything just now",
            "what you sent waits here; tell the hub's operator to look at its disk",
        ),
        _ => None,
    }
}

fn unexpected(code: RefusalCode) -> Words {
    (
        Code::Internal,
        format!("the hub refused ({})", u16::from(code)),
        "this is a bug in hub or node: please report it with both versions",
    )
}
