//! Files as faces see them.

use hubbub_shared::content::FileName;

use super::order::Taker;
use super::row::File;
use crate::api::FileState;
use crate::api::command::MessageText;
use crate::api::file::{FileBody, FileProgress, FileSource, FileStatus, FileTaker, FileView};
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

    /// Own files that may still be offered, and where each is.
    pub fn own_files(&self) -> impl Iterator<Item = (u64, &str)> {
        let (me, rows) = (self.id(), self.files.rows.iter());
        let own = rows.filter(move |(_, file)| {
            file.facts.sender == me && file.facts.state != FileState::Withdrawn
        });
        own.filter_map(|(number, file)| Some((*number, file.facts.path.as_deref()?)))
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
            state: match facts.state {
                FileState::Fetching if file.queued => FileState::Queued,
                state => state,
            },
            why: facts.why.clone(),
            caution: self.caution_about(file),
            path: facts.path.clone(),
            progress: self.progress_of(file),
            takers: self.takers_of(file),
            kept_until: facts.kept_until.filter(|until| *until > self.now),
        }
    }

    /// That the hub will not have a file that somebody waits for, where its age says so. Its sender
    /// may have left it there anew since, which nobody here can know.
    fn too_old_for_the_hub(&self, file: &File) -> String {
        let age = self.now.since(file.facts.since);
        match self.files.hub_keeps {
            Some(keep) if age >= keep => {
                let kept = keep.in_words();
                format!(
                    "; the hub keeps a file for {kept}, and this one was offered longer ago than that"
                )
            }
            _ => String::new(),
        }
    }

    /// What to look out for before a file of another's is here.
    fn caution_about(&self, file: &File) -> Option<String> {
        let facts = &file.facts;
        if facts.sender == self.id() || facts.path.is_some() {
            return None;
        }
        let name = FileName::clean(&facts.name);
        if name.is_disguised() {
            let words = "a program whose name is made to look like that of something else";
            return Some(words.to_owned());
        }
        let (number, other) = self.files.alike(&name)?;
        let other = &other.facts.name;
        Some(format!("its name only looks like that of file {number}, {other}"))
    }

    fn progress_of(&self, file: &File) -> Option<FileProgress> {
        let (progress, sources) = file.progress.as_ref()?;
        let left = file.facts.size.saturating_sub(progress.bytes);
        let eta_ms = left.saturating_mul(1_000).checked_div(progress.rate);
        let person = |node: &Option<_>| node.as_ref().map(|node| self.person(node));
        let sources = sources.iter();
        let sources = sources.map(|(node, path)| FileSource { person: person(node), path: *path });
        let asked = file.asked.iter().filter(|_| progress.waits.is_some());
        let asked = asked.map(|node| self.person(node)).collect();
        let waits = progress.waits.as_ref();
        let waits = waits.map(|why| format!("{why}{}", self.too_old_for_the_hub(file)));
        Some(FileProgress { eta_ms, sources: sources.collect(), waits, asked, ..progress.clone() })
    }

    fn takers_of(&self, file: &File) -> Vec<FileTaker> {
        let of = |taker: &Taker| FileTaker {
            person: taker.to.as_ref().map(|node| self.person(node)),
            path: taker.path,
            // Whoever asks twice for the same gets more than there is.
            bytes: taker.bytes.min(file.facts.size),
            rate: taker.rate,
        };
        file.takers.iter().map(of).collect()
    }
}
