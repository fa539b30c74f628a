//! Files in conversations: what faces may ask about them, and what they see.

use serde::{Deserialize, Serialize};

use hubbub_shared::time::Timestamp;

use super::command::{MessageText, Target};
use super::conversation::ConversationId;
use super::view::{Path, PersonView};

/// A file to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendFile {
    /// To whom.
    pub to: Target,
    /// Where it is, as an absolute path. It is not copied: it is read whenever somebody fetches.
    pub path: String,
    /// Words to go with it, at most 16 KiB.
    #[serde(default)]
    pub caption: String,
    /// What to call it, if not as it is called here.
    #[serde(default)]
    pub name: Option<String>,
    /// Without a small picture of it.
    #[serde(default)]
    pub no_preview: bool,
    /// Without what stands beside the pixels of a JPEG or PNG: place, time, camera, words; or of a
    /// video, where ffmpeg is installed. A copy without them is sent; what cannot be stripped is
    /// not.
    #[serde(default)]
    pub strip: bool,
}

/// What to do about a file, by the number it has here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FileDeed {
    /// Fetch it.
    Accept {
        /// Into this folder, as an absolute path, and not the usual one.
        #[serde(default)]
        to: Option<String>,
    },
    /// Not fetch it. Who offers it is not told.
    Decline,
    /// Stop for now; what is here stays.
    Pause,
    /// Go on.
    Resume,
    /// Fetch it before others.
    First,
    /// Give up fetching, or take back what was offered.
    Cancel,
}

/// Whose files are fetched without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcceptFrom {
    /// Nobody's.
    Nobody,
    /// Those of contacts whose safety number was compared.
    Verified,
    /// Those of contacts.
    #[default]
    Contacts,
    /// Those of contacts, and of members of closed groups of ours.
    Members,
}

/// Whether somebody's files, or those in a group, are fetched without asking, whatever holds for
/// others. What is said of a contact goes before what is said of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRule {
    /// As those of others.
    #[default]
    Default,
    /// They are, of whatever type and size; so many bytes a day, and folders never.
    Always,
    /// They are not.
    Never,
}

/// The rule for one contact's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRuleView {
    /// Whose.
    pub person: PersonView,
    /// Which.
    pub rule: FileRule,
}

/// The rule for what is offered in one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupFileRuleView {
    /// Where.
    pub conversation: ConversationId,
    /// What it is called.
    pub title: String,
    /// Which.
    pub rule: FileRule,
}

/// A node's settings about files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// Whose files are fetched without asking.
    #[serde(rename = "files_from")]
    pub from: AcceptFrom,
    /// Only up to this size, in bytes.
    #[serde(rename = "files_up_to")]
    pub up_to: u64,
    /// And only of media types that begin so, for example `image/`.
    #[serde(rename = "files_types")]
    pub types: Vec<String>,
    /// Where they land; empty for `Hubbub` among the user's downloads.
    #[serde(rename = "files_folder")]
    pub folder: String,
    /// Bytes a second that files may take, each way; 0 for as many as there are.
    #[serde(rename = "files_rate")]
    pub rate: u64,
}

impl Default for FileSettings {
    /// Pictures of up to 2 MiB from contacts; everything else is asked about.
    fn default() -> Self {
        let (up_to, types) = (2 * 1024 * 1024, vec!["image/".to_owned()]);
        Self { from: AcceptFrom::Contacts, up_to, types, folder: String::new(), rate: 0 }
    }
}

/// A change of these settings; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileChoice {
    /// As in [`FileSettings`].
    pub from: Option<AcceptFrom>,
    /// As in [`FileSettings`].
    pub up_to: Option<u64>,
    /// As in [`FileSettings`].
    pub types: Option<Vec<String>>,
    /// As in [`FileSettings`].
    pub folder: Option<String>,
    /// As in [`FileSettings`].
    pub rate: Option<u64>,
}

impl FileChoice {
    /// The settings after it.
    #[must_use]
    pub fn over(self, now: FileSettings) -> FileSettings {
        FileSettings {
            from: self.from.unwrap_or(now.from),
            up_to: self.up_to.unwrap_or(now.up_to),
            types: self.types.unwrap_or(now.types),
            folder: self.folder.unwrap_or(now.folder),
            rate: self.rate.unwrap_or(now.rate),
        }
    }
}

/// How it is with a file here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Our own: it is read for the first time. The message goes out when that is done.
    Sealing,
    /// Our own: whoever was told of it can fetch it.
    Serving,
    /// Another's: to be decided.
    Offered,
    /// Waits until others are through.
    Queued,
    /// On its way.
    Fetching,
    /// Stopped for now.
    Paused,
    /// Here.
    Whole,
    /// Not wanted.
    Declined,
    /// Taken back, given up, or offered too long ago.
    Withdrawn,
    /// It did not work; `why` says so.
    Failed,
    /// The file is not where it was any more.
    Gone,
    /// The file is another by now, and is served no more.
    Changed,
}

/// A file as a message offers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBody {
    /// What it is called: one harmless component of a path.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Its media type, as the sender says; empty when they do not.
    pub media: String,
    /// Words to go with it; empty for none.
    pub caption: String,
    /// Whether it is a folder, as one content.
    pub folder: bool,
    /// Whether there is a small picture of it.
    pub preview: bool,
    /// How it is with it here; none where nothing is known of it any more.
    pub status: Option<FileStatus>,
}

/// How it is with a file here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
    /// The number it has on this device.
    pub file: u64,
    /// How it is.
    pub state: FileState,
    /// Why, when it failed.
    pub why: Option<String>,
    /// What to look out for before it is fetched, in words for people: a name that is made to look
    /// like another.
    #[serde(default)]
    pub caution: Option<String>,
    /// Where it is, once it is here.
    pub path: Option<String>,
    /// How far it is, while something moves.
    pub progress: Option<FileProgress>,
    /// Who takes it from here just now.
    #[serde(default)]
    pub takers: Vec<FileTaker>,
    /// Until when the hub keeps a sealed copy, where it does.
    pub kept_until: Option<Timestamp>,
}

/// How far a file is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileProgress {
    /// Bytes done.
    pub bytes: u64,
    /// Bytes a second.
    pub rate: u64,
    /// When it will be done at that rate, in milliseconds from now.
    pub eta_ms: Option<u64>,
    /// Where it comes from.
    pub sources: Vec<FileSource>,
    /// Why nothing comes, in words for people; none while something does.
    pub waits: Option<String>,
    /// Who is asked for it besides the hub, while nothing comes.
    #[serde(default)]
    pub asked: Vec<PersonView>,
}

/// Where a file comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSource {
    /// Who has it; none for the hub, which keeps what it cannot read.
    pub person: Option<PersonView>,
    /// How its bytes come.
    pub path: Path,
}

/// Where a file goes from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTaker {
    /// Who fetches it; none for the hub, which keeps what it cannot read.
    pub person: Option<PersonView>,
    /// How its bytes go.
    pub path: Path,
    /// How many went there from here since this node runs; to the hub: how many it has.
    pub bytes: u64,
    /// Bytes a second.
    pub rate: u64,
}

/// A file known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// The message that offers it, or will.
    pub message: MessageText,
    /// Where.
    pub conversation: ConversationId,
    /// Who offers it.
    pub sender: PersonView,
    /// Whether this node does.
    pub own: bool,
    /// Since when it is known here.
    pub since: Timestamp,
    /// What it is, and how it is with it.
    pub body: FileBody,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_changes_what_it_names_and_nothing_else() {
        let choice = FileChoice { rate: Some(5), ..FileChoice::default() };
        let changed = choice.over(FileSettings::default());
        assert_eq!(changed, FileSettings { rate: 5, ..FileSettings::default() });
    }
}
