//! Every file known here: what was offered to us and by us, and what becomes of it.
//!
//! * `offer`: a file of ours is looked at, sealed, and offered in a message; one of another's comes
//! * `deed`: what a person decides, and the queue; `rules`: what is decided without asking
//! * `told`: what those who move files say; `order`: what they are to do
//! * `rights`: who may have what, and who is asked for it
//! * `look`: what faces see; `row`: a file as a record
//!
//! A file has one number on this device for good. Its state changes by commands and by what is
//! told, nothing else; orders follow from it, and are all given again when the files' movers come
//! up. Invariant: no order to fetch before a person or a rule of theirs wants the file; nothing is
//! fetched from or served to whoever is blocked, or who does not belong to the conversation now.

mod deed;
mod look;
mod offer;
pub mod order;
mod rights;
mod row;
mod rules;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use hubbub_shared::blob::{Blob, Shape};
use hubbub_shared::content::FileName;
use hubbub_shared::id::{BlobId, NodeId};
use hubbub_shared::time::Millis;

pub(super) use self::offer::body_of;
use self::order::{Dropped, Fetch, Order, Serve};
pub(super) use self::row::{File, load, restored};
use super::Engine;
use super::output::{MessageKey, Output};
use super::record::Key;
use crate::api::file::FileProgress;
use crate::api::{ApiError, Code, Event, FileSettings, FileState};

/// Files known at once; of more, those that nothing is done with any more are forgotten, oldest
/// first. Some ten megabytes.
pub const FILES: usize = 16_384;
/// Undecided offers of one person; of more, the oldest is forgotten: nobody fills the list alone.
const OFFERS_BY_ONE: usize = 256;
/// Files that are read for the first time at once, or wait for it.
const SEALING: usize = 64;
/// Files that are fetched at once, but for those that wait for somebody; more wait in turn.
pub const FETCHES: usize = 8;
/// Files that are fetched at once, those among them that nobody gives anything of just now: these
/// keep nobody waiting who could be served. Each has two files open.
pub const FETCHES_ALL: usize = 128;
/// Of these, files that a rule wanted: those that a person wants have their place beside them.
pub const FETCHES_BY_RULE: usize = FETCHES_ALL / 2;
/// Longest path that a person may say, in bytes: as long as systems take. Records hold it.
pub const PATH_MAX: usize = 4_096;
/// People asked for one file, the sender among them.
pub const SOURCES: usize = 32;
/// How long a file is served after it was offered here: twice as long as a hub keeps a message.
const SERVED: Millis = Millis::days(30);

/// All of them.
#[derive(Default)]
pub(super) struct Files {
    pub(super) rows: BTreeMap<u64, File>,
    by_message: BTreeMap<MessageKey, u64>,
    by_blob: BTreeMap<BlobId, BTreeSet<u64>>,
    settings: FileSettings,
    /// Whoever moves files is there.
    up: bool,
}

impl Files {
    pub(super) fn insert(&mut self, number: u64, file: File) {
        self.by_message.insert(file.facts.key(), number);
        if let Some(blob) = file.facts.blob {
            self.by_blob.entry(blob).or_default().insert(number);
        }
        self.rows.insert(number, file);
    }

    fn remove(&mut self, number: u64) {
        let Some(file) = self.rows.remove(&number) else { return };
        self.by_message.remove(&file.facts.key());
        if let Some(blob) = file.facts.blob
            && let Some(numbers) = self.by_blob.get_mut(&blob)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_blob.remove(&blob);
            }
        }
    }

    fn count(&self, state: FileState) -> usize {
        self.rows.values().filter(|file| file.facts.state == state).count()
    }

    /// Whether one more may be fetched now.
    fn has_room(&self, by_rule: bool) -> bool {
        let fetched = self.rows.values().filter(|file| file.facts.state == FileState::Fetching);
        let (mut all, mut going, mut ruled) = (0, 0, 0);
        for file in fetched {
            all += 1;
            going += usize::from(!file.waits());
            ruled += usize::from(file.facts.by_rule);
        }
        going < FETCHES && all < FETCHES_ALL && (!by_rule || ruled < FETCHES_BY_RULE)
    }
}

impl Engine {
    /// The settings about files, at the start.
    pub fn configure_files(&mut self, settings: FileSettings) {
        let rate = settings.rate;
        let other = core::mem::replace(&mut self.files.settings, settings).rate != rate;
        if other {
            self.order(Order::Limit(rate));
        }
    }

    /// The settings about files in force.
    #[must_use]
    pub fn file_settings(&self) -> &FileSettings {
        &self.files.settings
    }

    /// Nothing while nobody moves files: all of it is ordered when somebody does.
    fn order(&mut self, order: Order) {
        if self.files.up {
            self.out.push_back(Output::File(order));
        }
    }

    /// Changes a file, and says so. Nothing where there is none.
    fn alter(&mut self, number: u64, change: impl FnOnce(&mut File)) {
        let Some(file) = self.files.rows.get_mut(&number) else { return };
        change(file);
        self.touch(Key::File(number));
        self.say_file(number);
    }

    fn become_state(&mut self, number: u64, state: FileState) {
        self.alter(number, |file| {
            (file.facts.state, file.facts.why, file.progress) = (state, None, None);
        });
    }

    fn fail_file(&mut self, number: u64, state: FileState, why: String) {
        self.alter(number, |file| {
            (file.facts.state, file.facts.why, file.progress) = (state, Some(why), None);
        });
    }

    fn say_file(&mut self, number: u64) {
        if let Some(view) = self.file_view(number) {
            self.event(Event::File(Box::new(view)));
        }
    }

    /// Keeps a new file under a number of its own; none when there is no room for it.
    fn keep_file(&mut self, file: File) -> Option<u64> {
        if self.files.rows.len() >= FILES {
            self.forget_file(self.least_missed()?);
        }
        self.own.files = self.own.files.saturating_add(1);
        let number = self.own.files;
        self.files.insert(number, file);
        self.touch(Key::Own);
        self.touch(Key::File(number));
        Some(number)
    }

    fn forget_file(&mut self, number: u64) {
        self.drop_file(number);
        self.files.remove(number);
        self.touch(Key::File(number));
    }

    /// Nothing is done with a file any more. What is here of another's goes unless it is whole; of
    /// our own only what was written down to be sent.
    fn drop_file(&mut self, number: u64) {
        let Some(file) = self.files.rows.get(&number) else { return };
        let (own, path) = (file.facts.sender == self.id(), file.facts.path.clone());
        self.order_drop(number);
        if let Some(path) = path.filter(|_| own) {
            self.order(Order::Discard { file: number, path });
        }
    }

    /// The oldest of those that nothing is done with; of these, offers before what is here, and
    /// what is served last.
    fn least_missed(&self) -> Option<u64> {
        let rank = |state| match state {
            FileState::Declined
            | FileState::Withdrawn
            | FileState::Failed
            | FileState::Gone
            | FileState::Changed => Some(0),
            FileState::Offered => Some(1),
            FileState::Whole => Some(2),
            FileState::Serving => Some(3),
            FileState::Sealing | FileState::Queued | FileState::Fetching | FileState::Paused => {
                None
            }
        };
        let ranked = self.files.rows.iter();
        let ranked = ranked.filter_map(|(n, file)| Some((rank(file.facts.state)?, *n)));
        ranked.min().map(|(_, number)| number)
    }

    /// Has a file fetched, or fetched from others than before.
    fn order_fetch(&mut self, number: u64) {
        let sources = self.sources(number);
        let Some(file) = self.files.rows.get_mut(&number) else { return };
        file.asked.clone_from(&sources);
        let Some(file) = self.files.rows.get(&number) else { return };
        let facts = &file.facts;
        let (Some(blob), Some(key)) = (blob(file), &file.key) else { return };
        let fetch = Fetch {
            file: number,
            blob,
            key: key.duplicate(),
            size: facts.size,
            name: FileName::clean(&facts.name),
            manifest: facts.manifest,
            folder: self.folder_of(file),
            sources,
            hub: true,
        };
        self.order(Order::Fetch(Box::new(fetch)));
    }

    /// Has everything about a file stopped, and what is here of it dropped. Nothing was ever done
    /// with an offer that nobody wanted; and what is here by another offer of the same address
    /// stays, since anybody may copy an address.
    fn order_drop(&mut self, number: u64) {
        let Some(file) = self.files.rows.get(&number) else { return };
        let own = file.facts.sender == self.id();
        if !own && file.facts.begun.is_none() {
            return;
        }
        if self.is_anothers(number) {
            self.order(Order::Hold(number));
            return self.order(Order::Unserve(number));
        }
        let Some(file) = self.files.rows.get(&number) else { return };
        let dropped = Dropped {
            file: number,
            blob: blob(file),
            name: FileName::clean(&file.facts.name),
            is_folder: file.facts.manifest.is_some(),
            folder: self.folder_of(file),
        };
        self.order(Order::Drop(Box::new(dropped)));
    }

    fn folder_of(&self, file: &File) -> String {
        file.facts.to.clone().unwrap_or_else(|| self.files.settings.folder.clone())
    }

    /// Has a file given to whoever may have it; nothing while it may not be.
    fn order_serve(&mut self, number: u64) {
        let Some(file) = self.files.rows.get(&number) else { return };
        let facts = &file.facts;
        let (Some(blob), Some(key)) = (blob(file), &file.key) else { return };
        let (Some(path), Some(stamp)) = (facts.path.clone(), facts.stamp) else { return };
        if facts.state == FileState::Fetching || !self.is_served(file) {
            return;
        }
        let (file, size) = (number, facts.size);
        let serve = Serve { file, blob, key: key.duplicate(), size, path, stamp };
        self.order(Order::Serve(Box::new(serve)));
    }
}

fn blob(file: &File) -> Option<Blob> {
    let shape = Shape::of(file.facts.size)?;
    file.facts.blob.map(|address| Blob { address, shape })
}

/// Said while nobody here moves files.
fn switched_off() -> ApiError {
    let what = "files are switched off in this node";
    ApiError::new(Code::Forbidden, what, "use a version of hubbub that moves files")
}

/// Said of a path that is none for this node.
fn no_path(path: &str) -> Option<ApiError> {
    if path.len() > PATH_MAX {
        let what = format!("a path has at most {PATH_MAX} bytes");
        return Some(ApiError::new(Code::Usage, what, "use a shorter one"));
    }
    let what = "the path is not absolute";
    let refused = || ApiError::new(Code::Usage, what, "give the whole path, from the root on");
    (!std::path::Path::new(path).is_absolute()).then(refused)
}

fn no_file(number: u64) -> ApiError {
    let what = format!("there is no file {number} here");
    ApiError::new(Code::NotFound, what, "`hubbub file list` shows their numbers")
}

/// A file's progress as it is told, not yet as it is shown.
pub(super) type Moving = (FileProgress, Vec<(Option<NodeId>, crate::api::view::Path)>);

#[cfg(test)]
mod tests {
    use super::*;

    /// So many files that are fetched, each with somebody who gives of it or not.
    fn fetched(count: usize, by_rule: bool, waits: bool) -> Files {
        let mut files = Files::default();
        for number in 0..u64::try_from(count).unwrap() {
            let facts = row::tests::facts(FileState::Fetching, None);
            let mut file = File::new(row::Facts { by_rule, ..facts }, None);
            let waits = waits.then(|| "nobody is there".to_owned());
            file.progress = Some((FileProgress { waits, ..FileProgress::default() }, Vec::new()));
            files.rows.insert(number, file);
        }
        files
    }

    #[test]
    fn what_waits_for_somebody_leaves_room_and_what_rules_want_leaves_room_for_people() {
        let table = [
            (FETCHES - 1, false, false, [true, true]),
            (FETCHES, false, false, [false, false]),
            (FETCHES, true, true, [true, true]),
            (FETCHES_BY_RULE, true, true, [true, false]),
            (FETCHES_ALL - 1, false, true, [true, true]),
            (FETCHES_ALL, false, true, [false, false]),
        ];
        for (count, by_rule, waits, expected) in table {
            let files = fetched(count, by_rule, waits);
            let found = [false, true].map(|by_rule| files.has_room(by_rule));
            assert_eq!(found, expected, "{count} {by_rule} {waits}");
        }
    }
}
