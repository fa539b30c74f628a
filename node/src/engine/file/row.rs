//! A file as it is kept: its facts, and what seals or opens it.

use hubbub_shared::crypto::stream::{FileKey, SALT};
use hubbub_shared::crypto::{RecordError, RecordReader, RecordWriter, SecretBytes};
use hubbub_shared::id::{BlobId, MessageId, NodeId};
use hubbub_shared::limits::ENVELOPE_MAX;
use hubbub_shared::time::Timestamp;
use hubbub_shared::wire::codec::encode;
use serde::{Deserialize, Serialize};

use super::order::{Stamp, Taker};
use super::{Moving, PATIENCE, SERVED};
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
    /// It was to be left at the hub and was not taken back since: it may be there, known or not.
    pub(super) at_hub: bool,
    /// What stands beside a picture's pixels is still to be left out.
    pub(super) strip: bool,
    /// Since when it is or was fetched; none when it never was.
    pub(super) begun: Option<Timestamp>,
    /// A rule wanted it, and no person.
    pub(super) by_rule: bool,
    /// A person wants it before others.
    #[serde(default)]
    pub(super) first: bool,
    /// It was done with here, and nothing is left of it but this.
    #[serde(default)]
    pub(super) dropped: bool,
}

impl Facts {
    pub(super) fn key(&self) -> MessageKey {
        let Self { conversation, sender, message: id, .. } = *self;
        MessageKey { conversation, sender, id }
    }

    /// Whether it could be given to others now: it was sealed, it is known where it is, and it was
    /// not offered too long ago. A file out of a backup is nowhere.
    pub(super) fn can_be_served(&self, now: Timestamp) -> bool {
        let known = self.blob.is_some() && self.path.is_some() && self.stamp.is_some();
        known && now.since(self.since) < SERVED
    }

    /// Whether some of it may be here that a person wanted, and that is not whole.
    fn has_wanted_part(&self) -> bool {
        self.begun.is_some() && self.path.is_none() && !self.by_rule && !self.dropped
    }

    /// Whether a person wants what is to come, or may have some of it.
    pub(super) fn is_wanted(&self) -> bool {
        match self.state {
            FileState::Queued | FileState::Fetching | FileState::Paused => !self.by_rule,
            FileState::Failed => self.has_wanted_part(),
            _ => false,
        }
    }

    /// Whether a file of another's is here, or a person or a rule wants it; also one of ours that
    /// is paused.
    pub(super) fn is_here_or_wanted(&self) -> bool {
        use FileState::{Fetching, Paused, Queued, Whole};
        matches!(self.state, Whole | Queued | Fetching | Paused)
    }

    /// How little it is missed when there is no room for another, the least first; none for what is
    /// kept in any case. `stranger` says whether it was offered by one.
    pub(super) fn missed(&self, own: bool, stranger: bool) -> Option<Missed> {
        match self.state {
            FileState::Sealing | FileState::Queued | FileState::Fetching | FileState::Paused => {
                None
            }
            // Nobody else knows that it is still to be taken back.
            FileState::Withdrawn if self.at_hub => None,
            FileState::Offered if stranger => Some(Missed::Strangers),
            FileState::Declined | FileState::Withdrawn => Some(Missed::Over),
            FileState::Serving => Some(Missed::Own),
            FileState::Failed | FileState::Gone | FileState::Changed if own => Some(Missed::Own),
            FileState::Failed | FileState::Gone | FileState::Changed => {
                (!self.has_wanted_part()).then_some(Missed::Over)
            }
            FileState::Offered => Some(Missed::Offered),
            FileState::Whole => Some(Missed::Here),
        }
    }
}

/// How little a file is missed, the least first. No part of a file that a person wanted stands
/// here: whoever offers many would have it deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missed {
    /// An offer of a stranger that nobody decided about.
    Strangers,
    /// Nothing is done with it any more, and nothing is here of it that a person wanted.
    Over,
    /// Another offer that nobody decided about.
    Offered,
    /// Whole here: the file itself stays.
    Here,
    /// Our own, which others may still come for.
    Own,
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
    /// Who takes it from here. Not stored.
    pub(super) takers: Vec<Taker>,
    /// Who is asked for it. Not stored.
    pub(super) asked: Vec<NodeId>,
    /// Others go first, though it is to be fetched. Not stored.
    pub(super) queued: bool,
    /// Since when nobody gives anything of it, whatever they promise. Not stored.
    pub(super) waits_since: Option<Timestamp>,
    /// When it gave its place to another, since nobody gave anything of it. Not stored.
    pub(super) gave_way: Option<Timestamp>,
}

impl File {
    pub(super) fn new(facts: Facts, key: Option<FileKey>) -> Self {
        Self {
            facts,
            key,
            looked: None,
            progress: None,
            takers: Vec::new(),
            asked: Vec::new(),
            queued: false,
            waits_since: None,
            gave_way: None,
        }
    }

    /// Whether nobody gives anything of it just now.
    pub(super) fn waits(&self) -> bool {
        self.progress.as_ref().is_some_and(|(progress, _)| progress.waits.is_some())
    }

    /// Whether it gave its place to another so lately that it has to wait for one.
    pub(super) fn just_gave_way(&self, now: Timestamp) -> bool {
        self.gave_way.is_some_and(|at| now.since(at) < PATIENCE)
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
    (facts.begun, facts.by_rule, facts.first) = (None, false, false);
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
            at_hub: false,
            strip: false,
            begun: Some(Timestamp(1)),
            by_rule: false,
            first: false,
            dropped: false,
        }
    }

    #[test]
    fn what_a_person_wanted_is_never_deleted_to_make_room_and_strangers_offers_go_first() {
        use FileState::{Changed, Declined, Failed, Fetching, Gone, Offered};
        use FileState::{Serving, Whole, Withdrawn};
        let part = |state| facts(state, None);
        let ruled = |state| Facts { by_rule: true, ..part(state) };
        let dropped = |state| Facts { dropped: true, ..part(state) };
        let never = |state| Facts { begun: None, ..part(state) };
        let at_hub = |state| Facts { at_hub: true, ..facts(state, Some("/x")) };
        let table = [
            (never(Offered), false, true, Some(Missed::Strangers)),
            (never(Offered), false, false, Some(Missed::Offered)),
            (part(Declined), false, false, Some(Missed::Over)),
            (part(Failed), false, false, None),
            (part(Failed), false, true, None),
            (part(Gone), false, false, None),
            (dropped(Failed), false, false, Some(Missed::Over)),
            (ruled(Failed), false, false, Some(Missed::Over)),
            (facts(Changed, Some("/x")), false, false, Some(Missed::Over)),
            (facts(Whole, Some("/x")), false, true, Some(Missed::Here)),
            (facts(Gone, Some("/x")), true, false, Some(Missed::Own)),
            (facts(Serving, Some("/x")), true, false, Some(Missed::Own)),
            (part(Fetching), false, true, None),
            (at_hub(Serving), true, false, Some(Missed::Own)),
            (facts(Withdrawn, Some("/x")), true, false, Some(Missed::Over)),
            // Nobody else would know that it is still to be taken back.
            (at_hub(Withdrawn), true, false, None),
        ];
        for (facts, own, stranger, expected) in table {
            let state = facts.state;
            assert_eq!(facts.missed(own, stranger), expected, "{state:?} {own} {stranger}");
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
