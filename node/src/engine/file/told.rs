//! What those who move files say, and what they are told when they come up.

use hubbub_shared::id::NodeId;
use hubbub_shared::time::{Millis, Timestamp};

use super::order::{Order, Taker, Told};
use super::{Moving, PATIENCE, SERVED};
use crate::api::FileState;
use crate::api::file::FileProgress;
use crate::display::line;
use crate::engine::Engine;
use crate::engine::alarm::Alarm;
use crate::engine::record::Key;

impl Engine {
    /// Whoever moves files is there, or is not any more. Up, they are given everything anew.
    pub fn handle_movers(&mut self, up: bool, now: Timestamp) {
        self.now = now;
        self.files.up = up;
        if up {
            self.order(Order::Limit(self.files.settings.rate));
            self.expire_files();
            let numbers: Vec<u64> = self.files.rows.keys().copied().collect();
            numbers.into_iter().for_each(|number| self.order_anew(number));
            self.fetch_next();
        } else {
            self.files.rows.values_mut().for_each(|file| {
                file.progress = None;
                file.takers.clear();
            });
        }
        self.pump();
    }

    fn order_anew(&mut self, number: u64) {
        let Some(file) = self.files.rows.get(&number) else { return };
        let (state, dropped) = (file.facts.state, file.facts.dropped);
        match state {
            FileState::Sealing => self.order_look(number),
            FileState::Serving => {
                self.order_serve(number);
                // Also where the hub keeps it, as far as is known: it is kept anew for that.
                self.order_put(number);
            }
            FileState::Whole => self.order_serve(number),
            FileState::Fetching => self.order_fetch(number),
            // The end may have come between the decision and what follows from it.
            FileState::Declined | FileState::Withdrawn if !dropped => self.drop_file(number),
            FileState::Gone if self.look_for(number) => {
                self.alarms.set(Alarm::Files, self.now + PATIENCE);
            }
            FileState::Queued => self.alarms.set(Alarm::Files, self.now + PATIENCE),
            _ => {}
        }
        if self.is_held_back(number) {
            self.order_take_back(number);
        }
    }

    /// Whether a file of ours is not to be had any more by the person's will, or for its age.
    fn is_held_back(&self, number: u64) -> bool {
        let state = self.files.rows.get(&number).map(|file| file.facts.state);
        matches!(state, Some(FileState::Paused | FileState::Withdrawn))
    }

    /// What was offered too long ago is served no more.
    pub(in crate::engine) fn expire_files(&mut self) {
        let now = self.now;
        let rows = self.files.rows.iter();
        let old =
            rows.filter(|(_, file)| now.since(file.facts.since) >= SERVED && !file.facts.stopped);
        let old: Vec<(u64, FileState)> = old.map(|(n, file)| (*n, file.facts.state)).collect();
        for (number, state) in old {
            match state {
                FileState::Serving => {
                    self.drop_file(number);
                    self.order_take_back(number);
                    self.become_state(number, FileState::Withdrawn);
                }
                FileState::Whole => {
                    self.order(Order::Unserve(number));
                    self.alter(number, |file| file.facts.stopped = true);
                }
                _ => {}
            }
        }
    }

    /// Something happened to a file.
    pub fn handle_told(&mut self, told: Told, now: Timestamp) {
        self.now = now;
        match told {
            Told::Looked { file, size, path, media, preview } => {
                self.looked(file, (size, path), (media, preview));
            }
            Told::Sealed { file, blob, key, stamp, manifest } => {
                self.file_sealed(file, (blob, key), (stamp, manifest));
            }
            Told::Progress { file, bytes, rate, sources, waits } => {
                let waits = waits.map(str::to_owned);
                let progress = FileProgress { bytes, rate, waits, ..FileProgress::default() };
                self.got_further(file, (progress, sources));
            }
            Told::Given { file, takers } => self.is_taken(file, takers),
            Told::Queued { file, bytes } => self.waits_its_turn(file, bytes),
            Told::Dropped { file } => self.is_dropped(file),
            Told::Done { file, path, stamp } if self.was_wanted(file) => {
                self.alter(file, |file| {
                    (file.facts.path, file.facts.stamp) = (Some(path), Some(stamp));
                    (file.facts.state, file.facts.why) = (FileState::Whole, None);
                    (file.facts.stopped, file.facts.first, file.progress) = (false, false, None);
                });
                self.order_serve(file);
                self.fetch_next();
            }
            Told::Done { .. } => {}
            Told::Failed { file, why } if self.moves(file) => {
                self.fail_file(file, FileState::Failed, why);
                self.fetch_next();
            }
            Told::Failed { .. } => {}
            Told::Changed { file } => self.is_changed(file),
            Told::Gone { file } => self.is_gone(file),
            Told::HubKeeps { keep } => self.hub_keeps(keep),
            Told::Kept { file, until } if self.is_offered_on(file) => {
                self.alter(file, |file| {
                    (file.facts.kept_until, file.facts.why) = (Some(until), None);
                });
            }
            Told::Kept { .. } => {}
            Told::NotKept { file, why } if self.is_offered_on(file) => {
                let why = format!("not left at the hub: {why}");
                self.alter(file, |file| {
                    (file.facts.kept_until, file.facts.why) = (None, Some(why));
                });
            }
            Told::NotKept { .. } => {}
            Told::TakenBack { file } => self.taken_back(file),
            Told::Blamed { file, peer } => self.blame(file, peer),
        }
        self.pump();
    }

    /// The hub has nothing of it any more. If it is offered again by now, it is put again, too.
    fn taken_back(&mut self, file: u64) {
        let offered = self.is_offered_on(file);
        self.alter(file, |file| {
            (file.facts.kept_until, file.facts.at_hub) = (None, offered && file.facts.at_hub);
        });
    }

    /// For eyes only: nothing of it is stored.
    fn got_further(&mut self, number: u64, mut moving: Moving) {
        let rests = self.rests(number);
        if !self.moves(number) && !rests {
            return;
        }
        if rests {
            // How much of it is here is all there is to say.
            let bytes = moving.0.bytes;
            moving = (FileProgress { bytes, ..FileProgress::default() }, Vec::new());
        }
        let waits = moving.0.waits.is_some();
        let Some(file) = self.files.rows.get_mut(&number) else { return };
        let (waited, was_queued) = (file.waits(), file.queued);
        file.queued = false;
        let before = file.progress.as_ref().map_or(0, |(progress, _)| progress.bytes);
        if moving.0.bytes > before {
            file.waits_since = None;
        }
        if waits {
            // What was promised meanwhile, and did not come, makes no difference.
            file.waits_since = file.waits_since.or(Some(self.now));
        }
        let before = file.progress.replace(moving);
        if before == file.progress && !was_queued {
            return;
        }
        self.say_file(number);
        // Whatever waits for somebody keeps no other file waiting.
        if waits && !waited {
            self.fetch_next();
        }
    }

    /// For eyes only, likewise: who takes a file, as long as anybody may.
    fn is_taken(&mut self, number: u64, takers: Vec<Taker>) {
        let state = self.files.rows.get(&number).map(|file| file.facts.state);
        let gives = matches!(
            state,
            Some(FileState::Serving | FileState::Whole | FileState::Fetching | FileState::Paused)
        );
        let Some(file) = self.files.rows.get_mut(&number) else { return };
        let takers = if gives { takers } else { Vec::new() };
        if file.takers != takers {
            file.takers = takers;
            self.say_file(number);
        }
    }

    /// Those who wait for a file that is too old for the hub learn that it is.
    fn hub_keeps(&mut self, keep: Millis) {
        self.files.hub_keeps = Some(keep);
        let waiting = self.files.rows.iter().filter(|(_, file)| file.waits());
        let waiting: Vec<u64> = waiting.map(|(number, _)| *number).collect();
        waiting.into_iter().for_each(|number| self.say_file(number));
    }

    fn is_changed(&mut self, file: u64) {
        if !self.is_offered_on(file) {
            return;
        }
        let why = if self.is_own(file) {
            "the file was changed since; send it again, or put it back as it was and resume"
        } else {
            "the file was changed here since; others get nothing of it from here"
        };
        self.fail_file(file, FileState::Changed, why.to_owned());
    }

    fn is_gone(&mut self, file: u64) {
        let why = if self.is_offered_on(file) && self.is_own(file) {
            self.alarms.set(Alarm::Files, self.now + PATIENCE);
            "the file is not where it was any more; it is offered on when it is there again"
        } else if self.is_offered_on(file) {
            "the file is not where it was any more; accept it to fetch it again"
        } else if self.moves(file) {
            "nobody who was asked has it any more; ask its sender to send it again"
        } else {
            return;
        };
        self.fail_file(file, FileState::Gone, why.to_owned());
        self.fetch_next();
    }

    /// Nothing is left of it. Whatever was decided since is another matter.
    fn is_dropped(&mut self, number: u64) {
        let Some(file) = self.files.rows.get_mut(&number) else { return };
        let state = file.facts.state;
        if matches!(state, FileState::Declined | FileState::Withdrawn | FileState::Failed) {
            file.facts.dropped = true;
            self.touch(Key::File(number));
        }
    }

    fn is_own(&self, file: u64) -> bool {
        self.files.rows.get(&file).is_some_and(|file| file.facts.sender == self.id())
    }

    /// Whether something is being done with it that can succeed or fail.
    fn moves(&self, file: u64) -> bool {
        let state = self.files.rows.get(&file).map(|file| file.facts.state);
        matches!(state, Some(FileState::Sealing | FileState::Fetching))
    }

    /// Whether it was on its way here, and is paused.
    fn rests(&self, file: u64) -> bool {
        let file = self.files.rows.get(&file).filter(|file| file.facts.sender != self.id());
        file.is_some_and(|file| file.facts.state == FileState::Paused)
    }

    /// Whether it is wanted, also if its last piece came just when it was paused, or after it was
    /// thought to have failed.
    fn was_wanted(&self, file: u64) -> bool {
        let file = self.files.rows.get(&file).filter(|file| file.facts.sender != self.id());
        let state = file.map(|file| file.facts.state);
        matches!(
            state,
            Some(FileState::Fetching | FileState::Paused | FileState::Queued | FileState::Failed)
        )
    }

    /// Whether it is whole here, and others may fetch it.
    fn is_offered_on(&self, file: u64) -> bool {
        let state = self.files.rows.get(&file).map(|file| file.facts.state);
        matches!(state, Some(FileState::Serving | FileState::Whole))
    }

    /// Somebody gave false pieces. What verified stays, so the person need not do anything.
    fn blame(&mut self, file: u64, peer: Option<NodeId>) {
        let Some(name) = self.files.rows.get(&file).map(|file| file.facts.name.clone()) else {
            return;
        };
        self.count("false-pieces");
        let who = peer.map_or_else(|| "the hub".to_owned(), |peer| self.person(&peer).name);
        let name = line(&name).into_owned();
        let words = format!("{who} sent false pieces of {name}; it is fetched from others");
        self.warn("false-pieces", words);
    }
}
