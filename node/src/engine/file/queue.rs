//! What is fetched when: places for so many files at once, and who is next.
//!
//! A file that nobody gives anything of keeps no other waiting that could be served, but it has a
//! place: while it is open, that is two files. So there are only so many of these, and one that has
//! waited for long gives its place to another, behind which it waits then. Invariant: nobody holds
//! up what others send by offering what nobody has, and nothing that is here is lost for waiting.

use std::collections::BTreeMap;

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;

use super::order::{Look, Order};
use super::{FETCHES, FETCHES_ALL, FETCHES_BY_RULE, File, Files, PATIENCE, SERVED};
use crate::api::FileState;
use crate::api::file::FileProgress;
use crate::engine::Engine;
use crate::engine::alarm::Alarm;

/// Files that are fetched: all of them, those of which something comes, those that a rule wanted.
struct Places {
    all: usize,
    going: usize,
    ruled: usize,
}

impl Files {
    fn fetched(&self) -> impl Iterator<Item = (&u64, &File)> {
        self.rows.iter().filter(|(_, file)| file.facts.state == FileState::Fetching)
    }

    fn places(&self) -> Places {
        let mut places = Places { all: 0, going: 0, ruled: 0 };
        for (_, file) in self.fetched() {
            places.all += 1;
            places.going += usize::from(!file.waits());
            places.ruled += usize::from(file.facts.by_rule);
        }
        places
    }

    /// Whether one more may be fetched now.
    pub(super) fn has_room(&self, by_rule: bool) -> bool {
        let Places { all, going, ruled } = self.places();
        going < FETCHES && all < FETCHES_ALL && (!by_rule || ruled < FETCHES_BY_RULE)
    }

    /// Whether one more may be fetched now that a person wants before others.
    pub(super) fn has_room_in_front(&self) -> bool {
        self.places().all < FETCHES_ALL
    }

    /// Who is next of those that persons want, or rules, or either: behind all others those that
    /// just gave their place to another, which they are not to take; then those that are wanted
    /// before others, then those that have not given way, then whoever waited longest.
    pub(super) fn next(
        &self,
        (person, rule): (bool, bool),
        now: Timestamp,
    ) -> Option<(u64, &File)> {
        let may = |file: &File| match file.facts.by_rule {
            false => person,
            true => rule && !file.facts.blob.is_some_and(|blob| self.is_wanted(&blob)),
        };
        let waiting = self.rows.iter();
        let waiting = waiting.filter(|(_, file)| file.facts.state == FileState::Queued);
        let next = waiting.filter(|(_, file)| may(file)).min_by_key(|(number, file)| {
            (file.just_gave_way(now), !file.facts.first, file.gave_way, **number)
        });
        next.map(|(number, file)| (*number, file))
    }
}

impl Engine {
    /// One that has waited long enough for somebody gives its place to one that a person wants, or
    /// a rule. Of those, one of whoever has most of them, so that nobody takes all places.
    pub(super) fn make_place(&mut self, by_rule: bool) -> bool {
        if self.files.places().going >= FETCHES {
            return false;
        }
        let now = self.now;
        let long = |file: &File| file.waits_since.is_some_and(|since| now.since(since) >= PATIENCE);
        let may = self.files.fetched().filter(|(_, file)| !by_rule || file.facts.by_rule);
        let waiting: Vec<(u64, &File)> =
            may.filter(|(_, file)| long(file)).map(|(number, file)| (*number, file)).collect();
        let mut of: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (_, file) in &waiting {
            *of.entry(file.facts.sender).or_default() += 1;
        }
        // Of what is only promised nothing comes either, but it may yet.
        let rank =
            |file: &File| (file.waits(), file.facts.by_rule, of.get(&file.facts.sender).copied());
        let last = waiting.iter().max_by_key(|(number, file)| {
            (rank(file), core::cmp::Reverse((file.waits_since, *number)))
        });
        let Some(number) = last.map(|(number, _)| *number) else { return false };
        self.give_way(number);
        true
    }

    /// A file waits for its turn again. What is here of it stays: how much that is, is not known
    /// while its disk is full or not there, and nobody decided to give it up.
    fn give_way(&mut self, number: u64) {
        let now = self.now;
        self.order(Order::Hold(number));
        self.become_state(number, FileState::Queued);
        self.alter(number, |file| file.gave_way = Some(now));
        self.alarms.set(Alarm::Files, now + PATIENCE);
    }

    /// Whether one waits for a place that did not give its own to another just now.
    fn is_owed_a_place(&self, by_rule: bool) -> bool {
        let next = self.files.next((!by_rule, by_rule), self.now);
        let owed = next.is_some_and(|(_, file)| !file.just_gave_way(self.now));
        !self.files.has_room(by_rule) && owed
    }

    /// Looks after files that wait: each for a place, or for what was here to come back.
    pub(in crate::engine) fn tend_files(&mut self) {
        if !self.files.up {
            return;
        }
        self.fetch_next();
        for by_rule in [false, true] {
            while self.is_owed_a_place(by_rule) && self.make_place(by_rule) {
                self.fetch_next();
            }
        }
        let own: Vec<u64> = self.files.rows.keys().copied().collect();
        let looks = own.into_iter().filter(|number| self.look_for(*number)).count();
        if looks > 0 || self.files.next((true, true), self.now).is_some() {
            let waits = self.files.fetched().filter_map(|(_, file)| file.waits_since);
            let until = waits.map(|since| since + PATIENCE).filter(|until| *until > self.now);
            let next = until.min().unwrap_or(self.now + PATIENCE);
            self.alarms.set(Alarm::Files, next);
        }
    }

    /// Looks whether an own file is there again that was gone; whether it was.
    pub(super) fn look_for(&mut self, number: u64) -> bool {
        let Some(file) = self.files.rows.get(&number) else { return false };
        let facts = &file.facts;
        let is_gone = facts.state == FileState::Gone
            && facts.blob.is_some()
            && self.now.since(facts.since) < SERVED;
        let Some(path) = facts.path.clone().filter(|_| is_gone && facts.sender == self.id()) else {
            return false;
        };
        let name = facts.name.clone();
        self.order(Order::Look(Look { file: number, path, name, preview: false, strip: false }));
        true
    }

    /// Others go first, though there is a place for it.
    pub(super) fn waits_its_turn(&mut self, number: u64, bytes: u64) {
        let fetched = |file: &&mut File| file.facts.state == FileState::Fetching;
        let Some(file) = self.files.rows.get_mut(&number).filter(fetched) else { return };
        let progress = FileProgress { bytes, ..FileProgress::default() };
        file.progress = Some((progress, Vec::new()));
        if !core::mem::replace(&mut file.queued, true) {
            self.say_file(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::{Facts, tests::facts};
    use super::*;

    /// So many files that are fetched, each with somebody who gives of it or not.
    fn fetched(count: usize, by_rule: bool, waits: bool) -> Files {
        let mut files = Files::default();
        for number in 0..u64::try_from(count).unwrap() {
            let facts = facts(FileState::Fetching, None);
            let mut file = File::new(Facts { by_rule, ..facts }, None);
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
