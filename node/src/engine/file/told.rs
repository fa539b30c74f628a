//! What those who move files say, and what they are told when they come up.

use hubbub_shared::id::NodeId;
use hubbub_shared::time::Timestamp;

use super::order::{Order, Told};
use super::{Moving, SERVED};
use crate::api::FileState;
use crate::api::file::FileProgress;
use crate::display::line;
use crate::engine::Engine;

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
            self.files.rows.values_mut().for_each(|file| file.progress = None);
        }
        self.pump();
    }

    fn order_anew(&mut self, number: u64) {
        let Some(file) = self.files.rows.get(&number) else { return };
        let kept = file.facts.kept_until.is_some_and(|until| until > self.now);
        match file.facts.state {
            FileState::Sealing => self.order_look(number),
            FileState::Serving => {
                self.order_serve(number);
                if !kept {
                    self.order(Order::Put(number));
                }
            }
            FileState::Whole => self.order_serve(number),
            FileState::Fetching => self.order_fetch(number),
            // The end may have come between the decision and what follows from it.
            FileState::Declined | FileState::Withdrawn => self.drop_file(number),
            _ => {}
        }
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
            Told::Done { file, path, stamp } if self.was_wanted(file) => {
                self.alter(file, |file| {
                    (file.facts.path, file.facts.stamp) = (Some(path), Some(stamp));
                    (file.facts.state, file.facts.why) = (FileState::Whole, None);
                    (file.facts.stopped, file.progress) = (false, None);
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
            Told::Changed { file } if self.is_offered_on(file) => {
                let why = "the file was changed since; send it again".to_owned();
                self.fail_file(file, FileState::Changed, why);
            }
            Told::Changed { .. } => {}
            Told::Gone { file } => self.is_gone(file),
            Told::Kept { file, until } if self.is_offered_on(file) => {
                self.alter(file, |file| {
                    (file.facts.kept_until, file.facts.why) = (Some(until), None);
                });
            }
            Told::Kept { .. } => {}
            Told::NotKept { file, why } if self.is_offered_on(file) => {
                let why = format!("not left at the hub: {why}");
                self.alter(file, |file| file.facts.why = Some(why));
            }
            Told::NotKept { .. } => {}
            Told::Blamed { file, peer } => self.blame(file, peer),
        }
        self.pump();
    }

    /// For eyes only: nothing of it is stored.
    fn got_further(&mut self, number: u64, moving: Moving) {
        if !self.moves(number) {
            return;
        }
        let waits = moving.0.waits.is_some();
        let Some(file) = self.files.rows.get_mut(&number) else { return };
        let waited = file.waits();
        file.progress = Some(moving);
        self.say_file(number);
        // Whatever waits for somebody keeps no other file waiting.
        if waits && !waited {
            self.fetch_next();
        }
    }

    fn is_gone(&mut self, file: u64) {
        let why = if self.is_offered_on(file) {
            "the file is not where it was any more"
        } else if self.moves(file) {
            "nobody who was asked has it any more; ask its sender to send it again"
        } else {
            return;
        };
        self.fail_file(file, FileState::Gone, why.to_owned());
        self.fetch_next();
    }

    /// Whether something is being done with it that can succeed or fail.
    fn moves(&self, file: u64) -> bool {
        let state = self.files.rows.get(&file).map(|file| file.facts.state);
        matches!(state, Some(FileState::Sealing | FileState::Fetching))
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
