//! A file as it is kept: its facts, and what seals or opens it.

use hubbub_shared::crypto::stream::{FileKey, SALT};
use hubbub_shared::crypto::{RecordError, RecordReader, RecordWriter, SecretBytes};
use hubbub_shared::id::{BlobId, MessageId, NodeId};
use hubbub_shared::limits::ENVELOPE_MAX;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::codec::encode;
use serde::{Deserialize, Serialize};

use super::Moving;
use super::order::Stamp;
use crate::api::{ConversationId, FileState};
use crate::engine::output::MessageKey;
use crate::engine::record::read;

const VERSION: u8 = 1;

/// What is known of a file but for its key. The words that go with it and its picture are in the
/// message, and here only until that is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Facts {
    pub(super) conversation: ConversationId,
    pub(super) sender: NodeId,
    pub(super) message: MessageId,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) media: String,
    pub(super) caption: String,
    /// A folder: how long the list is that it begins with.
    pub(super) manifest: Option<u32>,
    /// Whether there is a small picture; before sealing, whether one is wanted.
    pub(super) preview: bool,
    /// None until it is sealed.
    pub(super) blob: Option<BlobId>,
    pub(super) state: FileState,
    pub(super) why: Option<String>,
    /// Whole here, and given to nobody.
    pub(super) stopped: bool,
    pub(super) path: Option<String>,
    pub(super) stamp: Option<Stamp>,
    /// Where it is to land, when not in the usual folder.
    pub(super) to: Option<String>,
    pub(super) since: Timestamp,
    /// Until when the hub keeps it.
    pub(super) kept_until: Option<Timestamp>,
    /// What stands beside a picture's pixels is still to be left out.
    pub(super) strip: bool,
    /// Since when it is or was fetched; none when it never was.
    pub(super) begun: Option<Timestamp>,
    /// A rule wanted it, and no person.
    pub(super) by_rule: bool,
}

impl Facts {
    pub(super) fn key(&self) -> MessageKey {
        let Self { conversation, sender, message: id, .. } = *self;
        MessageKey { conversation, sender, id }
    }
}

/// One file.
pub(in crate::engine) struct File {
    pub(super) facts: Facts,
    /// What seals or opens it; none before it is sealed.
    pub(super) key: Option<FileKey>,
    /// What it looks like, from looking to sealing. Not stored: it is looked at again.
    pub(super) looked: Option<(String, Option<Vec<u8>>)>,
    /// How far it is. Not stored.
    pub(super) progress: Option<Moving>,
    /// Who is asked for it. Not stored.
    pub(super) asked: Vec<NodeId>,
}

impl File {
    pub(super) fn new(facts: Facts, key: Option<FileKey>) -> Self {
        Self { facts, key, looked: None, progress: None, asked: Vec::new() }
    }

    /// Whether nobody gives anything of it just now.
    pub(super) fn waits(&self) -> bool {
        self.progress.as_ref().is_some_and(|(progress, _)| progress.waits.is_some())
    }

    pub(in crate::engine) fn save(&self) -> SecretBytes {
        save(&self.facts, self.key.as_ref())
    }
}

fn save(facts: &Facts, key: Option<&FileKey>) -> SecretBytes {
    let mut w = RecordWriter::new(VERSION);
    w.bytes(&encode(facts));
    w.option(key, |w, key: &FileKey| {
        w.fixed(key.secret().expose()).fixed(key.salt());
    });
    w.finish()
}

/// A file out of its record.
pub(in crate::engine) fn load(record: &[u8]) -> Result<File, RecordError> {
    let mut r = RecordReader::new(record, VERSION)?;
    let facts: Facts = read(r.bytes(ENVELOPE_MAX)?)?;
    let key = r.option(|r| Ok(FileKey::from_parts(r.secret()?, r.array::<SALT>()?)))?;
    r.finish()?;
    Ok(File::new(facts, key))
}

/// A file as a backup holds it: the contents are not in it, so nothing is served, and nothing is
/// fetched before somebody wants it again.
pub(in crate::engine) fn restored(record: &[u8]) -> Option<SecretBytes> {
    let File { mut facts, key, .. } = load(record).ok()?;
    let lost = Some("it is not part of the backup that this profile was made of".to_owned());
    (facts.state, facts.why) = match facts.state {
        FileState::Sealing => (FileState::Failed, lost),
        FileState::Queued | FileState::Fetching => (FileState::Offered, None),
        FileState::Paused if facts.path.is_none() => (FileState::Offered, None),
        FileState::Serving | FileState::Whole | FileState::Paused => (FileState::Gone, lost),
        other => (other, facts.why),
    };
    (facts.path, facts.stamp, facts.to, facts.stopped) = (None, None, None, false);
    (facts.begun, facts.by_rule) = (None, false);
    Some(save(&facts, key.as_ref()))
}

#[cfg(test)]
pub(super) mod tests {
    use hubbub_shared::crypto::Secret32;

    use super::*;

    pub(in crate::engine::file) fn facts(state: FileState, path: Option<&str>) -> Facts {
        Facts {
            conversation: ConversationId::Direct(NodeId([2; 32])),
            sender: NodeId([1; 32]),
            message: MessageId([7; 16]),
            name: "notes.txt".to_owned(),
            size: 11,
            media: "text/plain".to_owned(),
            caption: String::new(),
            manifest: None,
            preview: false,
            blob: Some(BlobId([4; 32])),
            state,
            why: None,
            stopped: true,
            path: path.map(str::to_owned),
            stamp: Some(Stamp { size: 11, modified: 5, inode: 7 }),
            to: None,
            since: Timestamp(1),
            kept_until: None,
            strip: false,
            begun: Some(Timestamp(1)),
            by_rule: false,
        }
    }

    #[test]
    fn a_record_keeps_everything_and_every_cut_is_refused() {
        let key = FileKey::from_parts(Secret32::from_bytes([3; 32]), [4; 16]);
        let record = save(&facts(FileState::Serving, Some("/x")), Some(&key));
        let again = load(record.expose()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(again.save().expose(), record.expose());
        assert_eq!(again.key.map(|key| *key.salt()), Some([4; 16]));
        for end in 0..record.len() {
            assert!(load(&record.expose()[..end]).is_err());
        }
    }

    #[test]
    fn a_backup_holds_no_file_that_would_be_served_or_fetched() {
        let table = [
            (FileState::Sealing, Some("/x"), FileState::Failed),
            (FileState::Serving, Some("/x"), FileState::Gone),
            (FileState::Paused, Some("/x"), FileState::Gone),
            (FileState::Whole, Some("/x"), FileState::Gone),
            (FileState::Fetching, None, FileState::Offered),
            (FileState::Queued, None, FileState::Offered),
            (FileState::Paused, None, FileState::Offered),
            (FileState::Offered, None, FileState::Offered),
            (FileState::Declined, None, FileState::Declined),
        ];
        for (before, path, after) in table {
            let record = restored(save(&facts(before, path), None).expose()).unwrap();
            let facts = load(record.expose()).unwrap_or_else(|e| panic!("{e}")).facts;
            assert_eq!(
                (facts.state, facts.path, facts.stopped),
                (after, None, false),
                "{before:?}"
            );
        }
    }
}
