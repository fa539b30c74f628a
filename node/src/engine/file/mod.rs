//! Every file known here: what was offered to us and by us, and what becomes of it.
//!
//! * `offer`: a file of ours is looked at, sealed, and offered in a message; one of another's comes
//! * `deed`: what a person decides; `queue`: what is fetched when; `rules`: what is decided without
//!   asking
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
mod queue;
mod rights;
mod row;
mod rules;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use hubbub_shared::blob::{Blob, Shape};
use hubbub_shared::content::FileName;
use hubbub_shared::crypto::stream::FileKey;
use hubbub_shared::id::{BlobId, GroupId, NodeId};
use hubbub_shared::time::Millis;

pub(super) use self::offer::body_of;
use self::order::{Dropped, Fetch, Order, Serve};
use self::row::Missed;
pub(super) use self::row::{File, load, restored};
use self::rules::Standing;
use super::Engine;
use super::output::{MessageKey, Output};
use super::record::Key;
use crate::api::file::{FileProgress, FileRuleView, GroupFileRuleView};
use crate::api::{ApiError, Code, ConversationId, Event, FileRule, FileSettings, FileState};

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
/// How long nobody may give anything of a file before it gives its place to one that waits, and how
/// often it is looked whether an own file is back: as long as a hub or a person may be away without
/// anybody minding.
const PATIENCE: Millis = Millis::minutes(10);
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
    /// Those that are here or wanted, by what their names look like, and by these.
    by_look: BTreeMap<String, BTreeMap<String, BTreeSet<u64>>>,
    settings: FileSettings,
    /// Where files land when nothing else is said; empty where the system has no such place.
    usual: String,
    /// How long the hub keeps files, once that was asked. Not stored.
    hub_keeps: Option<Millis>,
    /// Whoever moves files is there.
    up: bool,
    /// A record could not be read: something of a file is here that nobody knows of.
    pub(super) unreadable: bool,
}

impl Files {
    pub(super) fn insert(&mut self, number: u64, file: File) {
        self.by_message.insert(file.facts.key(), number);
        if let Some(blob) = file.facts.blob {
            self.by_blob.entry(blob).or_default().insert(number);
        }
        if file.facts.is_here_or_wanted() {
            self.note_look(number, &file.facts.name);
        }
        self.rows.insert(number, file);
    }

    fn note_look(&mut self, number: u64, name: &str) {
        for look in FileName::clean(name).skeletons() {
            let names = self.by_look.entry(look).or_default();
            names.entry(name.to_owned()).or_default().insert(number);
        }
    }

    fn forget_look(&mut self, number: u64, name: &str) {
        for look in FileName::clean(name).skeletons() {
            let Some(names) = self.by_look.get_mut(&look) else { continue };
            let Some(numbers) = names.get_mut(name) else { continue };
            numbers.remove(&number);
            if numbers.is_empty() {
                names.remove(name);
            }
            if names.is_empty() {
                self.by_look.remove(&look);
            }
        }
    }

    /// Changes a file; whether there is one.
    fn alter(&mut self, number: u64, change: impl FnOnce(&mut File)) -> bool {
        let Some(file) = self.rows.get_mut(&number) else { return false };
        let before = file.facts.is_here_or_wanted();
        change(file);
        let (after, name) = (file.facts.is_here_or_wanted(), file.facts.name.clone());
        match (before, after) {
            (false, true) => self.note_look(number, &name),
            (true, false) => self.forget_look(number, &name),
            _ => {}
        }
        true
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
        if file.facts.is_here_or_wanted() {
            self.forget_look(number, &file.facts.name);
        }
    }

    /// A file that is here or wanted, and is called otherwise than this one but looks the same.
    /// However many there are, a few are looked at: whoever offers many would stop everything else.
    fn alike(&self, name: &FileName) -> Option<(u64, &File)> {
        let looks = name.skeletons();
        let names = looks.iter().filter_map(|look| self.by_look.get(look)).flatten();
        let mut others = names.filter(|(other, _)| *other != name.as_str());
        let number = others.find_map(|(_, numbers)| numbers.first())?;
        Some((*number, self.rows.get(number)?))
    }

    /// Where files land for which nothing else was said.
    fn folder(&self) -> String {
        let chosen = Some(&self.settings.folder).filter(|folder| !folder.is_empty());
        chosen.unwrap_or(&self.usual).clone()
    }

    fn count(&self, state: FileState) -> usize {
        self.rows.values().filter(|file| file.facts.state == state).count()
    }

    /// Whether a person wants what is to come under this address. Nothing that a rule wants takes
    /// its place, since anybody may copy an address.
    fn is_wanted(&self, blob: &BlobId) -> bool {
        let numbers = self.by_blob.get(blob).into_iter().flatten();
        let mut files = numbers.filter_map(|number| self.rows.get(number));
        files.any(|file| file.facts.is_wanted())
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

    /// Where files land when nothing else is said, as this system has it.
    pub fn know_usual_folder(&mut self, folder: String) {
        self.files.usual = folder;
    }

    /// The settings about files in force.
    #[must_use]
    pub fn file_settings(&self) -> &FileSettings {
        &self.files.settings
    }

    /// Whether every record of a file could be read. If not, nobody can say that something which is
    /// kept of files is nobody's: it may be the only copy.
    #[must_use]
    pub fn knows_all_files(&self) -> bool {
        !self.files.unreadable
    }

    /// Every file with an address, by that: of all others nothing is to be kept on a disk, if
    /// [all are known](Self::knows_all_files).
    #[must_use]
    pub fn files_known(&self) -> &BTreeMap<BlobId, BTreeSet<u64>> {
        &self.files.by_blob
    }

    /// Somebody's files are fetched without asking always, never, or as those of others.
    pub(super) fn set_file_rule(&mut self, node: NodeId, rule: FileRule) -> Result<(), ApiError> {
        let Some(person) = self.people.get_mut(&node).filter(|person| person.contact) else {
            let what = "only a contact's files can have a rule of their own";
            return Err(ApiError::new(Code::Usage, what, "write to them first"));
        };
        person.files = rule;
        self.touch(Key::Contact(node));
        Ok(())
    }

    /// Contacts whose files have a rule of their own, by name.
    #[must_use]
    pub fn file_rules(&self) -> Vec<FileRuleView> {
        let own = self.people.iter().filter(|(_, person)| person.files != FileRule::Default);
        let view =
            own.map(|(node, known)| FileRuleView { person: self.person(node), rule: known.files });
        let mut rules: Vec<_> = view.collect();
        rules.sort_by(|one, other| one.person.name.cmp(&other.person.name));
        rules
    }

    /// What members offer in a group is fetched without asking always, never, or as elsewhere.
    pub(super) fn set_group_file_rule(
        &mut self,
        id: GroupId,
        rule: FileRule,
    ) -> Result<(), ApiError> {
        let Some(group) = self.groups.get_mut(&id) else { return Ok(()) };
        if rule == FileRule::Always && group.is_lobby() {
            let what = "anybody whom the hub admits may offer files in the lobby";
            return Err(ApiError::new(Code::Forbidden, what, "make a rule for a contact instead"));
        }
        group.facts.files = rule;
        self.touch(Key::Group(id));
        Ok(())
    }

    /// Groups where what is offered has a rule of its own, by name.
    #[must_use]
    pub fn group_file_rules(&self) -> Vec<GroupFileRuleView> {
        let own = self.groups.iter().filter(|(_, group)| group.facts.files != FileRule::Default);
        let view = own.map(|(id, group)| GroupFileRuleView {
            conversation: ConversationId::Group(*id),
            title: self.title(id),
            rule: group.facts.files,
        });
        let mut rules: Vec<_> = view.collect();
        rules.sort_by(|one, other| one.title.cmp(&other.title));
        rules
    }

    /// Nothing while nobody moves files: all of it is ordered when somebody does.
    fn order(&mut self, order: Order) {
        if self.files.up {
            self.out.push_back(Output::File(order));
        }
    }

    /// Changes a file, and says so. Nothing where there is none.
    fn alter(&mut self, number: u64, change: impl FnOnce(&mut File)) {
        if self.files.alter(number, change) {
            self.touch(Key::File(number));
            self.say_file(number);
        }
    }

    fn become_state(&mut self, number: u64, state: FileState) {
        self.alter(number, |file| {
            (file.facts.state, file.facts.why, file.progress) = (state, None, None);
            file.takers.clear();
            (file.queued, file.waits_since) = (false, None);
        });
    }

    fn fail_file(&mut self, number: u64, state: FileState, why: String) {
        self.alter(number, |file| {
            (file.facts.state, file.facts.why, file.progress) = (state, Some(why), None);
            file.takers.clear();
            (file.queued, file.waits_since) = (false, None);
        });
    }

    fn say_file(&mut self, number: u64) {
        if let Some(view) = self.file_view(number) {
            self.event(Event::File(Box::new(view)));
        }
    }

    /// Keeps a new file under a number of its own; none when there is no room for it, and nothing
    /// that is missed so little that it gives way.
    fn keep_file(&mut self, file: File, most: Missed) -> Option<u64> {
        if self.files.rows.len() >= FILES {
            self.forget_file(self.least_missed(most)?);
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
        self.order_take_back(number);
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

    /// The oldest of those that are missed least, and no more than `most`.
    fn least_missed(&self, most: Missed) -> Option<u64> {
        let missed = |(number, file): (&u64, &File)| {
            let facts = &file.facts;
            let standing = self.standing_in(facts.conversation, &facts.sender);
            let own = facts.sender == self.id();
            Some((facts.missed(own, !own && standing == Standing::Stranger)?, *number))
        };
        let least = self.files.rows.iter().filter_map(missed).min()?;
        (least.0 <= most).then_some(least.1)
    }

    /// Has a file fetched, or fetched from others than before.
    fn order_fetch(&mut self, number: u64) {
        let sources = self.sources(number);
        let Some(file) = self.files.rows.get_mut(&number) else { return };
        file.asked.clone_from(&sources);
        let Some(file) = self.files.rows.get(&number) else { return };
        let facts = &file.facts;
        let (Some(blob), Some(key)) = (blob(file), &file.key) else { return };
        let first = facts.first;
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
            first,
        };
        self.order(Order::Fetch(Box::new(fetch)));
    }

    /// Has everything about a file stopped, and what is here of it dropped. Nothing was ever done
    /// with an offer that nobody wanted; and what another offer of the same address needs stays,
    /// since anybody may copy an address.
    fn order_drop(&mut self, number: u64) {
        let Some(file) = self.files.rows.get(&number) else { return };
        let own = file.facts.sender == self.id();
        if !own && file.facts.begun.is_none() {
            return;
        }
        let dropped = Dropped {
            file: number,
            blob: blob(file).zip(file.key.as_ref().map(FileKey::duplicate)),
            size: file.facts.size,
            name: FileName::clean(&file.facts.name),
            is_folder: file.facts.manifest.is_some(),
            folder: self.folder_of(file),
            // One that cannot be read may have the same address.
            keep: self.files.unreadable || self.is_anothers(number),
        };
        self.order(Order::Drop(Box::new(dropped)));
    }

    /// Has a file left at the hub. That is durable before it leaves: whatever happens then, it is
    /// taken back when it is offered no more.
    fn order_put(&mut self, number: u64) {
        let at_hub = self.files.rows.get(&number).is_none_or(|file| file.facts.at_hub);
        if self.files.up && !at_hub {
            self.alter(number, |file| file.facts.at_hub = true);
        }
        self.order(Order::Put(number));
    }

    /// Has a file taken back that may be at the hub.
    fn order_take_back(&mut self, number: u64) {
        let file = self.files.rows.get(&number).filter(|file| file.facts.at_hub);
        if let Some(blob) = file.and_then(|file| file.facts.blob) {
            self.order(Order::TakeBack { file: number, blob });
        }
    }

    /// Where it lands. That is settled when it is fetched for the first time.
    fn folder_of(&self, file: &File) -> String {
        file.facts.to.clone().unwrap_or_else(|| self.files.folder())
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
    use super::row::{Facts, tests::facts};
    use super::*;

    #[test]
    fn offers_that_nobody_wants_cost_nothing_when_names_are_compared() {
        let mut files = Files::default();
        let with = |name: &str, state| {
            File::new(Facts { name: name.to_owned(), ..facts(state, None) }, None)
        };
        for number in 0..1_000 {
            files.insert(number, with("a.png", FileState::Offered));
        }
        assert!(files.by_look.is_empty(), "none of them is here or wanted");
        files.insert(1_000, with("\u{430}.png", FileState::Whole));
        let alike = |files: &Files, name| files.alike(&FileName::clean(name)).map(|(n, _)| n);
        assert_eq!(alike(&files, "a.png"), Some(1_000));
        assert_eq!(alike(&files, "\u{430}.png"), None, "the same is no other");
        files.remove(1_000);
        assert!(files.by_look.is_empty());
    }
}
