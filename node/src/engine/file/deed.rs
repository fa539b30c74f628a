//! What a person does about a file, and what is fetched next.

use hubbub_shared::id::NodeId;

use super::order::Order;
use super::row::File;
use super::{PATIENCE, no_file, no_path, switched_off};
use crate::api::{ApiError, Code, FileDeed, FileState};
use crate::engine::Engine;
use crate::engine::alarm::Alarm;

/// Where a file lands that is wanted.
pub(super) enum Lands {
    /// Where it was to land before; if nothing was said, where files land now.
    Settled,
    /// There, whatever was said before; if nothing is said, where files land now.
    Anew(Option<String>),
}

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
            FileDeed::First => self.put_first(number, own),
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
                self.unless_elsewhere(number, to.as_deref())?;
                self.alter(number, |file| {
                    // A person wants it now, not a rule alone.
                    (file.facts.by_rule, file.facts.to) = (false, to.or(file.facts.to.take()));
                });
                self.fetch_next();
                Ok(())
            }
            Some(FileState::Whole) => {
                let what = "it is here already";
                Err(ApiError::new(Code::Usage, what, "`hubbub file list` shows where"))
            }
            Some(FileState::Offered | FileState::Declined | FileState::Withdrawn) => {
                // Nothing of it is here, or it is taken away before it is fetched again.
                self.want_again(number, Lands::Anew(to))
            }
            _ => {
                self.unless_elsewhere(number, to.as_deref())?;
                self.want_again(number, to.map_or(Lands::Settled, |to| Lands::Anew(Some(to))))
            }
        }
    }

    /// An error when some of it may be here already, and in another folder.
    fn unless_elsewhere(&self, number: u64, to: Option<&str>) -> Result<(), ApiError> {
        let Some(file) = self.files.rows.get(&number) else { return Err(no_file(number)) };
        let facts = &file.facts;
        // What was whole once has no part left.
        let is_begun = facts.begun.is_some() && facts.path.is_none();
        let settled = facts.to.as_deref().filter(|_| is_begun);
        match (settled, to) {
            (Some(settled), Some(to)) if settled != to => {
                let what = format!("it is on its way into {settled} already");
                let hint = "cancel it, and accept it again into the other folder: what is here of \
                            it is fetched once more then";
                Err(ApiError::new(Code::Usage, what, hint))
            }
            _ => Ok(()),
        }
    }

    /// Whoever is blocked is not asked, whatever a person wants of their files.
    fn want_again(&mut self, number: u64, lands: Lands) -> Result<(), ApiError> {
        self.unless_unwanted(number)?;
        self.want(number, lands, false);
        Ok(())
    }

    fn unless_unwanted(&self, number: u64) -> Result<(), ApiError> {
        if !self.files.up {
            return Err(switched_off());
        }
        match self.files.rows.get(&number) {
            Some(file) => self.unless_blocked(&file.facts.sender),
            None => Err(no_file(number)),
        }
    }

    /// A file is wanted: it is fetched, or waits until others are through.
    pub(super) fn want(&mut self, number: u64, lands: Lands, by_rule: bool) {
        let first = self.files.rows.get(&number).is_some_and(|file| file.facts.first);
        if !self.files.has_room(by_rule) {
            self.make_place(by_rule);
        }
        let room = self.files.has_room(by_rule);
        let (now, at) = (room || first && self.files.has_room_in_front(), self.now);
        let state = if now { FileState::Fetching } else { FileState::Queued };
        let folder = Some(self.files.folder()).filter(|folder| now && !folder.is_empty());
        self.alter(number, |file| {
            let to = match lands {
                Lands::Settled => file.facts.to.take(),
                Lands::Anew(to) => to,
            };
            // Whatever is said later, of this and of all files: what comes of it is found there.
            file.facts.to = to.or(folder);
            file.facts.by_rule = by_rule;
            let rests = matches!(file.facts.state, FileState::Paused | FileState::Queued);
            if now && !(rests && file.facts.begun.is_some()) {
                file.facts.begun = Some(at);
            }
            (file.facts.path, file.facts.stamp) = (None, None);
            (file.facts.state, file.facts.why, file.facts.dropped) = (state, None, false);
        });
        if now {
            self.order_fetch(number);
        } else {
            self.alarms.set(Alarm::Files, at + PATIENCE);
        }
    }

    /// Others are through: whoever is next is fetched.
    pub(super) fn fetch_next(&mut self) {
        loop {
            let [person, rule] = [false, true].map(|by_rule| self.files.has_room(by_rule));
            let next = self.files.next((person, rule), self.now);
            let Some((number, by_rule)) = next.map(|(n, file)| (n, file.facts.by_rule)) else {
                return;
            };
            self.want(number, Lands::Settled, by_rule);
        }
    }

    /// Not fetched any more; what is here of it is dropped.
    fn fetch_no_more(&mut self, number: u64, state: FileState) -> Result<(), ApiError> {
        match self.state_of(number) {
            Some(FileState::Whole) => {
                let what = "it is here already";
                return Err(ApiError::new(Code::Usage, what, "remove the file where it is"));
            }
            // Also of what came to nothing some may be here.
            _ => self.order_drop(number),
        }
        self.become_state(number, state);
        // Wanted another time, it is wanted like others.
        self.alter(number, |file| file.facts.first = false);
        self.fetch_next();
        Ok(())
    }

    /// What was offered is served no more, and what was not offered yet will not be.
    fn take_back(&mut self, number: u64) -> Result<(), ApiError> {
        self.drop_file(number);
        self.order_take_back(number);
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
                self.order_take_back(number);
                self.become_state(number, FileState::Paused);
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
        let goes_on = own && file.facts.can_be_served(self.now);
        match state {
            FileState::Queued | FileState::Fetching | FileState::Serving | FileState::Sealing => {}
            // What is read is compared with what was sealed, so that nothing false leaves.
            FileState::Paused | FileState::Gone | FileState::Changed if goes_on => {
                self.offer_on(number);
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
                return self.want_again(number, Lands::Settled);
            }
            _ => {
                let what = "this file has not been accepted";
                let hint = "`hubbub file accept` fetches it";
                return Err(ApiError::new(Code::Usage, what, hint));
            }
        }
        Ok(())
    }

    /// What was offered is served on, and left at the hub again.
    pub(super) fn offer_on(&mut self, number: u64) {
        self.become_state(number, FileState::Serving);
        self.order_serve(number);
        self.order_put(number);
    }

    /// A person wants a file before others.
    fn put_first(&mut self, number: u64, own: bool) -> Result<(), ApiError> {
        if own {
            return Err(yours("others fetch it when they like"));
        }
        let state = self.state_of(number);
        if matches!(state, Some(FileState::Whole | FileState::Sealing | FileState::Serving)) {
            return self.accept_file(number, own, None);
        }
        self.unless_unwanted(number)?;
        self.alter(number, |file| (file.facts.first, file.facts.by_rule) = (true, false));
        if state == Some(FileState::Fetching) {
            self.order_fetch(number);
        } else {
            // Nothing of it is here, or it is taken away before it is fetched again.
            let anew = matches!(
                state,
                Some(FileState::Offered | FileState::Declined | FileState::Withdrawn)
            );
            let lands = if anew { Lands::Anew(None) } else { Lands::Settled };
            self.want(number, lands, false);
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
