//! Files as faces see them.

use super::row::File;
use crate::api::command::MessageText;
use crate::api::file::{FileBody, FileProgress, FileSource, FileStatus, FileView};
use crate::engine::Engine;
use crate::engine::output::MessageKey;

impl Engine {
    /// Files known here, newest first.
    #[must_use]
    pub fn files(&self) -> Vec<FileView> {
        self.files.rows.keys().rev().filter_map(|number| self.file_view(*number)).collect()
    }

    /// One of them. The words that went with it are in its message.
    #[must_use]
    pub fn file_view(&self, number: u64) -> Option<FileView> {
        let file = self.files.rows.get(&number)?;
        let facts = &file.facts;
        Some(FileView {
            message: MessageText(facts.message),
            conversation: facts.conversation,
            sender: self.person(&facts.sender),
            own: facts.sender == self.id(),
            since: facts.since,
            body: FileBody {
                name: facts.name.clone(),
                size: facts.size,
                media: facts.media.clone(),
                caption: facts.caption.clone(),
                folder: facts.manifest.is_some(),
                preview: facts.preview && facts.blob.is_some(),
                status: Some(self.status_of(number, file)),
            },
        })
    }

    /// How it is with the file a message offers; none when nothing is known of it any more.
    #[must_use]
    pub fn file_status(&self, message: &MessageKey) -> Option<FileStatus> {
        let number = *self.files.by_message.get(message)?;
        self.files.rows.get(&number).map(|file| self.status_of(number, file))
    }

    /// The message that offers a file.
    #[must_use]
    pub fn file_message(&self, number: u64) -> Option<MessageKey> {
        self.files.rows.get(&number).map(|file| file.facts.key())
    }

    fn status_of(&self, number: u64, file: &File) -> FileStatus {
        let facts = &file.facts;
        FileStatus {
            file: number,
            state: facts.state,
            why: facts.why.clone(),
            path: facts.path.clone(),
            progress: self.progress_of(file),
            kept_until: facts.kept_until.filter(|until| *until > self.now),
        }
    }

    fn progress_of(&self, file: &File) -> Option<FileProgress> {
        let (progress, sources) = file.progress.as_ref()?;
        let left = file.facts.size.saturating_sub(progress.bytes);
        let eta_ms = left.saturating_mul(1_000).checked_div(progress.rate);
        let person = |node: &Option<_>| node.as_ref().map(|node| self.person(node));
        let sources = sources.iter();
        let sources = sources.map(|(node, path)| FileSource { person: person(node), path: *path });
        Some(FileProgress { eta_ms, sources: sources.collect(), ..progress.clone() })
    }
}
