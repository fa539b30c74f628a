//! What a person does about a file, and the queue of those that are wanted.

use hubbub_shared::id::NodeId;

use super::order::Order;
use super::row::File;
use super::{no_file, no_path, switched_off};
use crate::api::{ApiError, Code, FileDeed, FileState};
use crate::engine::Engine;

impl Engine {
    /// A person decides about a file.
    pub(in crate::engine) fn do_with_file(
        &mut self,
        number: u64,
        deed: FileDeed,
    ) -> Result<(), ApiError> {
        let file = self.files.rows.get(&number).ok_or_else(|| no_file(number))?;
        let own = file.facts.sender == self.id();
        match deed {
            FileDeed::Accept { to } => self.accept_file(number, own, to),
            FileDeed::Decline if own => Err(yours("take it back")),
            FileDeed::Decline => self.fetch_no_more(number, FileState::Declined),
            FileDeed::Pause => self.pause_file(number, own),
            FileDeed::Resume => self.resume_file(number, own),
            FileDeed::Cancel if own => self.take_back(number),
            FileDeed::Cancel => self.fetch_no_more(number, FileState::Withdrawn),
        }
    }

    fn state_of(&self, number: u64) -> Option<FileState> {
        self.files.rows.get(&number).map(|file| file.facts.state)
    }

    fn accept_file(&mut self, number: u64, own: bool, to: Option<String>) -> Result<(), ApiError> {
        if own {
            return Err(yours("look where it is"));
        }
        if let Some(refused) = to.as_deref().and_then(no_path) {
            return Err(refused);
        }
        match self.state_of(number) {
            Some(FileState::Queued | FileState::Fetching) => {
                // A person wants it now, not a rule alone.
                self.alter(number, |file| file.facts.by_rule = false);
                self.fetch_next();
                Ok(())
            }
            Some(FileState::Whole) => {
                let what = "it is here already";
                Err(ApiError::new(Code::Usage, what, "`hubbub file list` shows where"))
            }
            _ => self.want_again(number, to),
        }
    }

    /// Whoever is blocked is not asked, whatever a person wants of their files.
    fn want_again(&mut self, number: u64, to: Option<String>) -> Result<(), ApiError> {
        if !self.files.up {
            return Err(switched_off());
        }
        if let Some(file) = self.files.rows.get(&number) {
            self.unless_blocked(&file.facts.sender)?;
        }
        self.want(number, to, false);
        Ok(())
    }

    /// A file is wanted: it is fetched, or waits until others are through.
    pub(super) fn want(&mut self, number: u64, to: Option<String>, by_rule: bool) {
        let (now, at) = (self.files.has_room(by_rule), self.now);
        let state = if now { FileState::Fetching } else { FileState::Queued };
        self.alter(number, |file| {
            file.facts.to = to.or(file.facts.to.take());
            file.facts.by_rule = by_rule;
            let rests = matches!(file.facts.state, FileState::Paused | FileState::Queued);
            if now && !(rests && file.facts.begun.is_some()) {
                file.facts.begun = Some(at);
            }
            (file.facts.path, file.facts.stamp) = (None, None);
            (file.facts.state, file.facts.why) = (state, None);
        });
        if now {
            self.order_fetch(number);
        }
    }

    /// Others are through: who waited longest is next.
    pub(super) fn fetch_next(&mut self) {
        loop {
            let [person, rule] = [false, true].map(|by_rule| self.files.has_room(by_rule));
            let mut rows = self.files.rows.iter();
            let next = rows.find(|(_, file)| {
                let facts = &file.facts;
                facts.state == FileState::Queued && if facts.by_rule { rule } else { person }
            });
            let Some((number, by_rule)) = next.map(|(n, file)| (*n, file.facts.by_rule)) else {
                return;
            };
            self.want(number, None, by_rule);
        }
    }

    /// Not fetched any more; what is here of it is dropped.
    fn fetch_no_more(&mut self, number: u64, state: FileState) -> Result<(), ApiError> {
        match self.state_of(number) {
            Some(FileState::Whole) => {
                let what = "it is here already";
                return Err(ApiError::new(Code::Usage, what, "remove the file where it is"));
            }
            Some(FileState::Fetching | FileState::Queued | FileState::Paused) => {
                self.order_drop(number);
            }
            _ => {}
        }
        self.become_state(number, state);
        self.fetch_next();
        Ok(())
    }

    /// What was offered is served no more, and what was not offered yet will not be.
    fn take_back(&mut self, number: u64) -> Result<(), ApiError> {
        self.drop_file(number);
        self.become_state(number, FileState::Withdrawn);
        Ok(())
    }

    fn pause_file(&mut self, number: u64, own: bool) -> Result<(), ApiError> {
        match self.state_of(number) {
            Some(FileState::Paused) => {}
            Some(FileState::Fetching) => {
                self.order(Order::Hold(number));
                self.become_state(number, FileState::Paused);
                self.fetch_next();
            }
            Some(FileState::Queued) => self.become_state(number, FileState::Paused),
            Some(FileState::Serving) if own => {
                self.order(Order::Unserve(number));
                self.become_state(number, FileState::Paused);
                // The hub's copy is taken back, too.
                self.alter(number, |file| file.facts.kept_until = None);
            }
            Some(FileState::Whole) => {
                self.order(Order::Unserve(number));
                self.alter(number, |file| file.facts.stopped = true);
            }
            _ => return Err(nothing_moves()),
        }
        Ok(())
    }

    fn resume_file(&mut self, number: u64, own: bool) -> Result<(), ApiError> {
        let Some(file) = self.files.rows.get(&number) else { return Err(no_file(number)) };
        let (state, sealed) = (file.facts.state, file.facts.blob.is_some());
        match state {
            FileState::Queued | FileState::Fetching | FileState::Serving | FileState::Sealing => {}
            FileState::Paused if own => {
                self.become_state(number, FileState::Serving);
                self.order_serve(number);
                self.order(Order::Put(number));
            }
            FileState::Failed if own && !sealed && !self.files.up => return Err(switched_off()),
            FileState::Failed if own && !sealed => {
                self.become_state(number, FileState::Sealing);
                self.order_look(number);
            }
            FileState::Whole => {
                self.alter(number, |file| file.facts.stopped = false);
                self.order_serve(number);
            }
            _ if own => {
                let what = "this offer cannot go on";
                return Err(ApiError::new(Code::Usage, what, "send the file again"));
            }
            FileState::Paused | FileState::Failed | FileState::Gone | FileState::Changed => {
                return self.want_again(number, None);
            }
            _ => {
                let what = "this file has not been accepted";
                let hint = "`hubbub file accept` fetches it";
                return Err(ApiError::new(Code::Usage, what, hint));
            }
        }
        Ok(())
    }

    /// Somebody is blocked: their files rest, and others' are fetched without them.
    pub(in crate::engine) fn fetch_nothing_from(&mut self, node: NodeId) {
        let rows = self.files.rows.iter();
        let wanted = rows.filter(|(_, file)| {
            matches!(file.facts.state, FileState::Fetching | FileState::Queued)
        });
        let theirs = |file: &File| file.facts.sender == node;
        let wanted: Vec<(u64, bool)> = wanted.map(|(n, file)| (*n, theirs(file))).collect();
        for (number, theirs) in wanted {
            if theirs {
                self.order(Order::Hold(number));
                self.become_state(number, FileState::Paused);
            } else if self.state_of(number) == Some(FileState::Fetching) {
                self.order_fetch(number);
            }
        }
        self.fetch_next();
    }
}

fn yours(hint: &str) -> ApiError {
    ApiError::new(Code::Usage, "you offered this file yourself", hint)
}

fn nothing_moves() -> ApiError {
    let what = "nothing of this file moves just now";
    ApiError::new(Code::Usage, what, "`hubbub file list` shows how it is with each")
}
