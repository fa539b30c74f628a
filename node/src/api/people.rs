//! What a face sees of people beside the list of contacts: requests, keys, pictures.

use data_encoding::BASE64;
use hubbub_shared::content::{PictureKind, picture};
use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::conversation::ConversationId;
use super::view::{ContactView, NodeText, PersonView};

/// How long after a contact's device was heard from it counts as active now, in milliseconds.
pub const ACTIVE_NOW: u64 = 120_000;

/// Somebody who is no contact asks for something. Nothing of theirs is shown but this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// What to accept, decline or block it by.
    pub id: ConversationId,
    /// Who.
    pub from: PersonView,
    /// The first letters of their key, which no namesake has.
    pub mark: String,
    /// Since when.
    pub since: Timestamp,
    /// What they want.
    pub wants: Wanted,
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// To talk: how their first message begins, cleaned.
    Talk(String),
    /// To have us in a group of this name, empty while it cannot be opened; cleaned.
    Join(String),
}

/// A contact with its past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactInfoView {
    /// As in the list.
    pub contact: ContactView,
    /// The first letters of their key.
    pub mark: String,
    /// What happened to name and keys, oldest first; at most 64 lines.
    pub past: Vec<PastView>,
    /// The picture, if there is one.
    pub picture: Option<PictureFactsView>,
}

/// Something that happened to a contact's name or keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastView {
    /// When, by this device's clock.
    pub at: Timestamp,
    /// What.
    pub what: Past,
}

/// What can happen to a contact's name or keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Past {
    /// Became a contact: this key is pinned.
    Pinned,
    /// Goes by another nickname, signed by the pinned key.
    Renamed {
        /// Before; empty for none known.
        from: String,
        /// From then on.
        to: String,
    },
    /// Another key was seen under this nickname, or under one that looks like it. The contact keeps
    /// its key and its name.
    Claimed {
        /// The other key.
        by: NodeText,
        /// The nickname it claims.
        name: String,
    },
    /// The key for sessions, signed by the pinned key, was replaced.
    SessionKey {
        /// Its number.
        number: u32,
    },
    /// The safety number was compared.
    Verified,
    /// That was taken back.
    Unverified,
    /// Blocked.
    Blocked,
    /// Not any more.
    Unblocked,
}

/// What is known of a picture without decoding it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureFactsView {
    /// `png`, `jpeg` or `webp`.
    pub kind: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// How many bytes.
    pub size: u32,
}

/// A picture. It is as hostile as its author: decode it in bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureView {
    /// What is known of it.
    pub facts: PictureFactsView,
    /// Its bytes, as base64.
    pub bytes: String,
}

impl PictureView {
    /// A picture as it is shown; none of bytes that do not say that they are one.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let facts = picture::look(bytes).ok()?;
        let kind = match facts.kind {
            PictureKind::Png => "png",
            PictureKind::Jpeg => "jpeg",
            PictureKind::Webp => "webp",
        };
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let (width, height) = (facts.width, facts.height);
        let facts = PictureFactsView { kind: kind.to_owned(), width, height, size };
        Some(Self { facts, bytes: BASE64.encode(bytes) })
    }
}

/// The letters of a key that tell namesakes apart: `bob#k3jd`.
#[must_use]
pub fn key_mark(node: &NodeId) -> String {
    node.short().chars().take(4).collect()
}
